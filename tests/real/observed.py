#!/usr/bin/python3
"""redis-server under redis-benchmark: what stat and top say agrees with the report at exit and with the kernel.

usage: observed.py LIBRARY COMMAND
"""

import json
import os
import re
import subprocess
import sys
import tempfile

import real

WITHIN = 0.02
VALUE_BYTES = 200
KEYS = 80_000  # what redis frees as it ends is little beside them
FILL = 500_000  # enough to have set every key, at random
REQUESTS = 200_000
UNITS = {"B": 1, "K": 2 ** 10, "M": 2 ** 20, "G": 2 ** 30}


def check(condition, what):
    if not condition:
        raise real.Failure(f"not so: {what}")


def agree(a, b, what):
    check(abs(a - b) <= WITHIN * max(a, b), f"{what}: {a} and {b} agree within {WITHIN:.0%}")
    print(f"{what}: {a} and {b}, {abs(a - b) / max(a, b, 1):.2%} apart")


def bytes_of(text):
    return float(text[:-1]) * UNITS[text[-1]]


def rollup(pid):
    """Resident memory of the whole process, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss:")) * 1024


def slab_bytes(pid, reserved):
    """Resident memory, by the kernel, of the address space that the library has reserved for slots."""
    spans, resident = [], []
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        for line in file:
            first = line.split()[0]
            if not first.endswith(":"):
                spans.append([int(part, 16) for part in first.split("-")])
            elif first == "Rss:":
                resident.append(int(line.split()[1]) * 1024)
    ends = {end for _, end in spans}
    for start, _ in spans:
        inside = [i for i, (begin, end) in enumerate(spans) if start <= begin and end <= start + reserved]
        if start + reserved in ends and sum(spans[i][1] - spans[i][0] for i in inside) == reserved:
            return sum(resident[i] for i in inside)
    raise real.Failure(f"no stretch of {reserved} bytes is mapped")


class Observed:
    def __init__(self, command, telemetry, pid):
        self.command, self.telemetry, self.pid = command, telemetry, pid

    def run(self, *words):
        return subprocess.run([self.command, *words], stdout=subprocess.PIPE, text=True, check=True,
                              timeout=real.COMMAND_SECONDS).stdout

    def stat(self):
        return json.loads(self.run("stat", str(self.pid), "--json"))["totals"]

    def top(self):
        """RSS, RESIDENT and LIVE of the process, as a person reads them."""
        text = self.run("top", "--dir", self.telemetry)
        row = next(line.split() for line in text.splitlines() if re.match(rf" *{self.pid} ", line))
        return [bytes_of(word) for word in row[2:5]]


def benchmark(port, commands, requests, pipelined):
    return subprocess.Popen(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-d", str(VALUE_BYTES), "-r", str(KEYS),
                             "-t", commands, "-n", str(requests), "-P", str(pipelined), "-q", "-c", "5"], stdout=subprocess.DEVNULL,
                            preexec_fn=real.die_with_parent)


def compare_now(observed):
    """Under load figures move between two looks; what is compared was read between two others that bound it."""
    before = observed.stat()
    kernel = slab_bytes(observed.pid, before["reserved_bytes"])
    after = observed.stat()
    agree((before["resident_bytes"] + after["resident_bytes"]) / 2, kernel, "resident, by stat and by the kernel")
    top_before, rss, top_after = observed.top(), rollup(observed.pid), observed.top()
    agree((top_before[0] + top_after[0]) / 2, rss, "RSS, by top and by smaps_rollup")
    agree((top_before[1] + top_after[1]) / 2, observed.stat()["resident_bytes"], "resident, by top and by stat")
    agree((top_before[2] + top_after[2]) / 2, observed.stat()["live_bytes"], "live, by top and by stat")


def test(library, command, folder):
    port, telemetry, figures = real.free_port(), f"{folder}/telemetry", f"{folder}/figures"
    environment = {"PATH": os.environ["PATH"], "LD_PRELOAD": library, "TSLAB_TELEMETRY": telemetry,
                   "TSLAB_STATS": f"json:{figures}"}
    server = subprocess.Popen([real.need("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1",
                               "--dir", folder, "--save", ""], env=environment, stdout=subprocess.DEVNULL,
                              preexec_fn=real.die_with_parent)
    try:
        real.wait_until(lambda: real.accepts(port), "redis accepts connections")
        check(benchmark(port, "set", FILL, 32).wait(timeout=real.COMMAND_SECONDS) == 0, "redis is filled")
        observed = Observed(command, telemetry, server.pid)
        load = benchmark(port, "set,get", REQUESTS, 4)
        for _ in range(3):
            compare_now(observed)
        check(load.poll() is None, "redis was under load")
        check(load.wait(timeout=real.COMMAND_SECONDS) == 0, "the load ends well")
        # An idle process publishes nothing: a little more load, that it can answer in.
        trailing = benchmark(port, "set,get", REQUESTS // 100, 4)
        last = observed.stat()
        check(trailing.wait(timeout=real.COMMAND_SECONDS) == 0, "the rest of the load ends well")
        server.terminate()
        check(server.wait(timeout=real.COMMAND_SECONDS) == 0, "redis ends well")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    with open(figures, encoding="utf-8") as file:
        report = json.load(file)["totals"]
    for name in ("served", "forwarded", "live_objects", "live_bytes", "resident_bytes", "slabs"):
        agree(last[name], report[name], f"{name}, by stat after the load and by the report at exit")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    real.need("redis-benchmark", "redis-tools")
    with tempfile.TemporaryDirectory(prefix="observed-") as folder:
        try:
            test(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), folder)
        except (real.Failure, subprocess.SubprocessError) as failure:
            sys.exit(f"FAILED: {failure}")


main()
