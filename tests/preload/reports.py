#!/usr/bin/env python3
"""Runs `reported` under the library and judges what comes out of it: reports.py CASE LIBRARY PROGRAM.

EMULATOR in the environment is the command that runs the program, where it is of another architecture.
"""

import csv
import fcntl
import glob
import json
import os
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

COLUMN = struct.Struct("<32s88sBBHI")
SECTION = struct.Struct("<16sIIIIIIQ")
REQUEST = struct.Struct("<16sQQQ256s")
HEAD = struct.Struct("<8sIIqQQQ64s16sIIQQ")
SECTIONS_AT = HEAD.size + 16 * 8
REQUESTS_AT = SECTIONS_AT + 8 * SECTION.size
EMULATOR = os.environ.get("EMULATOR", "").split()
CLASS = 208  # of an object of 200 bytes
LIVE = 10000


def check(condition, what):
    if not condition:
        sys.exit(f"not so: {what}")


def soon(condition, what):
    end = time.monotonic() + 30
    while not condition():
        check(time.monotonic() < end, f"within 30 seconds: {what}")
        time.sleep(0.02)


def text(raw):
    return raw.split(b"\0")[0].decode()


class Telemetry:
    """One consistent copy of a telemetry file."""

    def __init__(self, path):
        end = time.monotonic() + 30
        while True:
            check(time.monotonic() < end, "within 30 seconds: a copy that no write falls into")
            with open(path, "rb") as file:
                data = file.read()
            self.head = HEAD.unpack_from(data)
            with open(path, "rb") as file:
                again = HEAD.unpack_from(file.read(HEAD.size))
            if self.head[11] == again[11] and self.head[11] % 2 == 0:
                break
        check(self.head[0] == b"TSLABTM\0" and self.head[1] == 2, "magic and version")
        check(self.head[2] == len(data), "the file's size")
        self.pid, self.start, self.program = self.head[3], self.head[4], text(self.head[7])
        self.published = self.head[12]
        self.tables = {}
        for i in range(self.head[9]):
            name, columns_at, columns, rows_at, words, capacity, rows, _ = SECTION.unpack_from(
                data, SECTIONS_AT + i * SECTION.size)
            check(rows <= capacity, "rows in use")
            names = [COLUMN.unpack_from(data, columns_at + k * COLUMN.size) for k in range(columns)]
            self.tables[text(name)] = [
                {text(column[0]): struct.unpack_from("<Q", data, rows_at + (row * words + column[4]) * 8)[0]
                 for column in names} for row in range(rows)]

    @property
    def totals(self):
        return self.tables["totals"][0]


class Reported:
    def __init__(self, library, program, stderr=subprocess.PIPE, before=None, **options):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TSLAB_", "LD_"))}
        if EMULATOR:
            options.setdefault("TSLAB_RESERVE", "4G")  # it pays for address space that the kernel gives for nothing
        environment.update(LD_PRELOAD=library, **options)
        self.process = subprocess.Popen([*EMULATOR, program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=stderr, preexec_fn=before, text=True)
        self.pid = self.process.pid
        self.address = int(self.process.stdout.readline(), 16)

    def tell(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def do(self, letter):
        self.tell(letter)
        return self.process.stdout.readline().strip()

    def has_said(self):
        return self.process.stderr in select.select([self.process.stderr], [], [], 0)[0]

    def end(self):
        self.last, errors = self.process.communicate(timeout=60)
        check(self.process.returncode == 0, f"exit status 0, not {self.process.returncode}: {errors}")
        return errors

    def resident_by_kernel(self):
        """Of the mapping that holds the class."""
        inside = False
        with open(f"/proc/{self.pid}/smaps", encoding="ascii") as lines:
            for line in lines:
                first = line.split()[0]
                if "-" in first:
                    begin, end = (int(part, 16) for part in first.split("-"))
                    inside = begin <= self.address < end
                elif inside and first == "Rss:":
                    return int(line.split()[1]) * 1024
        sys.exit("the class is not mapped")


def sums_agree(totals, classes, epochs):
    for name in classes[0]:
        if name != "class_bytes":
            check(sum(row[name] for row in classes) == totals[name], f"classes add up to {name}")
    for name in ("live_objects", "live_bytes", "slabs", "resident_bytes", "reclaimable_bytes"):
        check(sum(row[name] for row in epochs) == totals[name], f"epochs add up to {name}")


def judge_figures(totals, classes, epochs):
    sums_agree(totals, classes, epochs)
    row = next(row for row in classes if row["class_bytes"] == CLASS)
    check(row["live_objects"] == LIVE, f"{LIVE} objects are live, not {row['live_objects']}")
    check(totals["forwarded_below"] >= 7 and totals["forwarded_above"] >= 5, "what was too small and too large")
    check(totals["forwarded_aligned"] == 3, "what was too strictly aligned")
    check(totals["served"] >= LIVE, "what was served")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def case_text(run, folder):
    reported = run(TSLAB_STATS="text")
    errors = reported.end()
    lines = {line.split()[1]: line.split()[0] for line in errors.splitlines() if len(line.split()) > 2}
    check(int(lines["live_objects"]) == LIVE, "live objects in the text")
    check(f"\n         {CLASS}" in errors, "the class in the table")
    check("malloc_" not in errors and "free_" not in errors, "no times where nothing is timed")
    reported = run(TSLAB_STATS="text", TSLAB_LATENCY="1")
    reported.do("c")
    errors = reported.end()
    check(all(f"  {call}_{what} " in errors for call in ("malloc", "free") for what in ("timed", "p50_ns", "max_ns")),
          "the times of calls that are timed")


def case_json(run, folder):
    path = f"{folder}/figures.%p.json"
    reported = run(TSLAB_STATS=f"json:{path}")
    check(reported.end() == "", "nothing on stderr")
    report = read_json(path.replace("%p", str(reported.pid)))
    check(report["schema"] == "temporal-slab figures" and report["version"] == 1, "the schema")
    check(report["pid"] == reported.pid and report["program"] == "reported", "whose report it is")
    judge_figures(report["totals"], report["classes"], report["epochs"])
    errors = run(TSLAB_STATS="json").end()
    check(json.loads(errors)["totals"]["live_objects"] == LIVE, "the report on stderr")
    errors = run(TSLAB_STATS=f"json:{folder}/none/x").end()
    check(errors.count("\n") == 1 and "cannot be written" in errors, "one line where the file cannot be written")


def case_prometheus(run, folder):
    errors = run(TSLAB_STATS="prometheus").end()
    check(f'tslab_class_live_objects{{class_bytes="{CLASS}"}} {LIVE}\n' in errors, "the class's live objects")
    check("tslab_forwarded_aligned_total 3\n" in errors, "a counter")
    if shutil.which("promtool") is None:
        sys.exit("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=errors, capture_output=True, text=True, check=False)
    check(done.returncode == 0 and done.stdout + done.stderr == "", f"promtool finds nothing: {done}")


def case_signal(run, folder):
    path = f"{folder}/report"
    reported = run(TSLAB_STATS=f"json:{path}", TSLAB_STATS_SIGNAL="USR1", TSLAB_TRIM_SIGNAL="SIGUSR2")
    os.kill(reported.pid, signal.SIGUSR1)
    soon(lambda: os.path.exists(path), "a report of an idle process")
    judge_figures(*(read_json(path)[part] for part in ("totals", "classes", "epochs")))
    reported.tell("c")
    for _ in range(200):
        os.kill(reported.pid, signal.SIGUSR1)
        os.kill(reported.pid, signal.SIGUSR2)
        report = read_json(path)
        judge_figures(report["totals"], report["classes"], report["epochs"])
    reported.process.stdout.readline()
    reported.do("l")
    os.kill(reported.pid, signal.SIGUSR2)
    soon(lambda: reported.resident_by_kernel() < LIVE * CLASS / 50, "memory given back to the kernel")
    reported.end()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    reported = run(TSLAB_STATS_SIGNAL="USR1")
    os.kill(reported.pid, signal.SIGUSR1)
    errors = reported.end()
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    check(errors.count("\n") == 1 and "left alone" in errors, "a signal that is not at its default is left alone")


def csv_totals(path):
    if not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as file:
        return file.read().count(",total,")


def case_csv(run, folder):
    path = f"{folder}/series.csv"
    reported = run(TSLAB_STATS_INTERVAL_MS="10", TSLAB_STATS_CSV=path)
    lines = 0

    def grew():
        nonlocal lines
        reported.do("c")
        before, lines = lines, csv_totals(path)
        return lines >= 3 and lines > before
    soon(grew, "lines over time")
    check(reported.end() == "", "nothing on stderr")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    totals = [row for row in rows if row["scope"] == "total"]
    served = [int(row["served"]) for row in totals]
    check(served == sorted(served) and served[0] < served[-1], "a counter that grows")
    check(any(row["scope"] == "class" and row["key"] == str(CLASS) and row["live_objects"] == str(LIVE)
              for row in rows), "the class's lines")
    check(any(row["scope"] == "epoch" for row in rows), "the epochs' lines")


def case_telemetry(run, folder):
    reported = run(TSLAB_TELEMETRY=f"{folder}/made", TSLAB_STATS=f"json:{folder}/last")
    path = f"{folder}/made/tslab.{reported.pid}"
    reported.do("c")
    telemetry = Telemetry(path)
    check(telemetry.pid == reported.pid and telemetry.program == "reported", "whose file it is")
    with open(f"/proc/{reported.pid}/stat", encoding="ascii") as file:
        check(int(file.read().rsplit(")", 1)[1].split()[19]) == telemetry.start, "when its process was started")
    soon(lambda: reported.do("c") and Telemetry(path).published > 0, "figures")
    before = Telemetry(path).totals["served"]
    soon(lambda: reported.do("c") and Telemetry(path).totals["served"] > before, "newer figures")
    ask(path, 1, 1)
    soon(lambda: reported.do("c") and request(path, 1)[1:3] == (1, 1), "figures as of now")
    telemetry = Telemetry(path)
    judge_figures(telemetry.totals, telemetry.tables["classes"], telemetry.tables["epochs"])
    of_class = next(row for row in telemetry.tables["classes"] if row["class_bytes"] == CLASS)
    kernel = reported.resident_by_kernel()
    check(abs(kernel - of_class["resident_bytes"]) <= kernel / 50, f"{of_class['resident_bytes']} is {kernel} within 2 %")
    reported.end()
    check(os.listdir(f"{folder}/made") == [], "no file after the exit")
    last = read_json(f"{folder}/last")
    judge_figures(last["totals"], last["classes"], last["epochs"])
    check(last["totals"]["served"] >= telemetry.totals["served"], "the last report goes on from there")
    reported = run(TSLAB_TELEMETRY=f"{folder}/of-%p")
    reported.do("c")
    check(os.path.exists(f"{folder}/of-{reported.pid}/tslab.{reported.pid}"), "a folder for each process")
    reported.end()


def request(path, i):
    with open(path, "rb") as file:
        file.seek(REQUESTS_AT + i * REQUEST.size)
        return REQUEST.unpack(file.read(REQUEST.size))


def case_trim(run, folder):
    reported = run(TSLAB_TELEMETRY=folder, TSLAB_RECLAIM="off")
    path = f"{folder}/tslab.{reported.pid}"
    reported.do("c")
    check(text(request(path, 0)[0]) == "trim", "the request's name")
    reported.do("l")
    check(reported.resident_by_kernel() > LIVE * CLASS / 2, "memory that nothing has given back")
    ask(path, 0, 1)
    soon(lambda: reported.do("c") and request(path, 0)[2] == 1, "the request is honoured")
    check(request(path, 0)[3] > LIVE * CLASS / 2, "what was given back")
    check(reported.resident_by_kernel() < LIVE * CLASS / 4, "what the kernel has back")
    reported.end()


def ask(path, i, number):
    with open(path, "r+b") as file:
        file.seek(REQUESTS_AT + i * REQUEST.size + 16)
        file.write(struct.pack("<Q", number))


def case_latency(run, folder):
    every = 10
    csv_path = f"{folder}/series.csv"
    reported = run(TSLAB_TELEMETRY=f"{folder}/made", TSLAB_LATENCY=str(every), TSLAB_STATS=f"json:{folder}/last",
                   TSLAB_STATS_INTERVAL_MS="1", TSLAB_STATS_CSV=csv_path)
    path = f"{folder}/made/tslab.{reported.pid}"
    reported.do("c")
    ask(path, 1, 1)
    soon(lambda: reported.do("c") and request(path, 1)[2] == 1, "figures as of now")
    published = Telemetry(path).totals
    errors = reported.end()
    check(errors.count("\n") == 1 and "malloc in ns: " in errors, "the line at exit")
    for totals in (published, read_json(f"{folder}/last")["totals"]):
        for call in ("malloc", "free"):
            timed = totals[call + "_timed"]
            check(0.8 < timed * every / totals["served"] < 1.2, f"{timed} of {totals['served']} {call}s are timed")
            times = [totals[f"{call}_{what}_ns"] for what in ("p50", "p90", "p99", "p99_9", "p99_99", "max")]
            check(times == sorted(times) and times[-1] > 0, f"percentiles of {call}: {times}")
    with open(csv_path, encoding="utf-8", newline="") as file:
        last = [row for row in csv.DictReader(file) if row["scope"] == "total"][-1]
    check(int(last["malloc_max_ns"]) > 0, "the slowest call in the CSV")


def case_profile(run, folder):
    base = f"{folder}/profile-".ljust(200, "x")  # the longest path that is taken
    names = sorted(f"{os.path.basename(base)}.{kind}" for kind in ("folded", "heap", "lifetimes", "pinners"))

    def written():
        return sorted(name for name in os.listdir(folder) if name.startswith("profile-"))

    reported = run(TSLAB_TELEMETRY=f"{folder}/made", TSLAB_PROFILE="8K", TSLAB_PROFILE_FILE=base,
                   TSLAB_STATS_SIGNAL="USR1")
    path = f"{folder}/made/tslab.{reported.pid}"
    reported.do("c")
    check(written() == [], "no profile before it is asked for")
    ask(path, 2, 1)
    soon(lambda: reported.do("c") and request(path, 2)[2] == 1, "the request is honoured")
    name, _, _, value, where = request(path, 2)
    check((text(name), value, text(where)) == ("profile", 1, base + ".heap"), f"what is answered: {request(path, 2)}")
    check(written() == names, f"the files that are written: {written()}")
    for name in names:
        os.remove(f"{folder}/{name}")
    os.kill(reported.pid, signal.SIGUSR1)
    soon(lambda: reported.do("c") and written() == names, "profiles on a signal")
    check(reported.end() == "", "nothing on stderr")
    reported = run(TSLAB_TELEMETRY=f"{folder}/made")
    path = f"{folder}/made/tslab.{reported.pid}"
    reported.do("c")
    ask(path, 2, 1)
    soon(lambda: reported.do("c") and request(path, 2)[2] == 1, "an answer where nothing is sampled")
    check(request(path, 2)[3:] == (0, bytes(256)), "that there is no profile")
    reported.end()
    reported = run(TSLAB_PROFILE="8K", TSLAB_PROFILE_FILE=base, TSLAB_STATS="1", TSLAB_STATS_SIGNAL="USR1")
    reported.do("c")
    os.kill(reported.pid, signal.SIGUSR1)
    reported.do("c")
    check("requests served\n" in reported.end(), "figures on a signal too, where they are asked for")


def case_fork(run, folder):
    reported = run(TSLAB_TELEMETRY=folder)
    reported.do("c")
    served = Telemetry(f"{folder}/tslab.{reported.pid}").totals["served"]
    child = int(reported.do("f"))
    check(Telemetry(f"{folder}/tslab.{child}").pid == child, "the child's own file")
    parents = Telemetry(f"{folder}/tslab.{reported.pid}")
    check(parents.pid == reported.pid and parents.totals["served"] == served, "the parent's file is left alone")
    check(reported.do("x") == "done", "the child's end")
    check(os.listdir(folder) == [f"tslab.{reported.pid}"], "the child's file is removed")
    reported.do("k")
    reported.process.wait(timeout=30)
    check(os.listdir(folder) == [f"tslab.{reported.pid}"], "a process that did not exit as usual leaves its file")


def case_unread(run, folder):
    for options in ({"TSLAB_STATS": "1"}, {"TSLAB_STATS": "text"}, {"TSLAB_LATENCY": "1"}, {"TSLAB_VERBOSE": "1"},
                    {"TSLAB_TELEMETRY": f"{folder}/none/at/all"}):
        reading, writing = os.pipe()
        os.close(reading)
        reported = run(stderr=writing, **options)
        os.close(writing)
        reported.do("c")
        reported.end()


def case_special(run, folder):
    """Files that are not plain are not replaced. By links, so that a mistake costs nobody a device."""
    def through(name, target):
        link = f"{folder}/{name}"
        os.symlink(target, link)
        reported = run(TSLAB_STATS=f"json:{link}")
        errors = reported.end()
        check(os.path.islink(link), f"{name} is a link as before")
        return reported.last, errors

    check(through("to_new", f"{folder}/new") == ("", ""), "nothing said of a new file")
    check(read_json(f"{folder}/new")["program"] == "reported", "the report where the link leads")
    check(json.loads(through("to_stdout", "/dev/stdout")[0])["program"] == "reported", "the report on stdout")
    check(json.loads(through("to_stderr", "/dev/stderr")[1])["program"] == "reported", "the report on stderr")
    check(through("to_null", "/dev/null") == ("", ""), "nothing said of no file")
    full = through("to_full", "/dev/full")[1]
    check(full.count("\n") == 1 and "to_full cannot be written" in full, f"one line of a full device: {full}")

    pipe = f"{folder}/pipe"
    os.mkfifo(pipe)
    errors = run(TSLAB_STATS=f"json:{pipe}").end()
    check(errors.count("\n") == 1 and "cannot be written" in errors, "one line of a pipe without a reader")
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    check(run(TSLAB_STATS=f"json:{pipe}").end() == "", "nothing said of a pipe with a reader")
    with open(reading, encoding="utf-8") as file:
        check(json.load(file)["program"] == "reported", "the report in the pipe")


def case_csv_pipe(run, folder):
    pipe = f"{folder}/pipe"
    os.mkfifo(pipe)

    def run_csv():
        return run(TSLAB_STATS_INTERVAL_MS="1", TSLAB_STATS_CSV=pipe)

    reported = run_csv()
    soon(lambda: reported.do("c") == "done" and reported.has_said(), "that there is no reader")
    errors = reported.end()
    check(errors.count("\n") == 1 and "cannot be written" in errors, f"one line says so: {errors}")

    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reading, 1031, 4096)  # F_SETPIPE_SZ

    def has_lines():
        return struct.unpack("i", fcntl.ioctl(reading, termios.FIONREAD, bytes(4)))[0] > 0

    reported = run_csv()
    soon(lambda: reported.do("c") == "done" and has_lines(), "lines in the pipe")
    for _ in range(5):
        check(reported.do("c") == "done", "a program that goes on while nobody reads")
    reported.end()
    check(os.read(reading, 7) == b"time_ms", "the lines' names")
    os.close(reading)


def case_closed(run, folder):
    path = f"{folder}/series.csv"
    reported = run(before=lambda: os.close(2), TSLAB_STATS_INTERVAL_MS="1", TSLAB_STATS_CSV=path,
                   TSLAB_TELEMETRY=f"{folder}/made")
    soon(lambda: reported.do("c") and csv_totals(path) >= 2, "lines over time")
    check("2" not in os.listdir(f"/proc/{reported.pid}/fd"), "what the program has closed is closed")
    reported.end()


def case_file_limit(run, folder):
    def run_limited(**options):
        return run(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)), **options)

    at_end = [run_limited(TSLAB_STATS=f"json:{folder}/figures"),
              run_limited(TSLAB_PROFILE="8K", TSLAB_PROFILE_FILE=f"{folder}/profile")]
    meanwhile = [run_limited(TSLAB_TELEMETRY=f"{folder}/made"),
                 run_limited(TSLAB_STATS_INTERVAL_MS="1", TSLAB_STATS_CSV=f"{folder}/series.csv")]
    for reported in meanwhile:
        soon(lambda: reported.do("c") and reported.has_said(), "that it cannot be written")
    for reported in at_end + meanwhile:
        errors = reported.end()
        check(errors.count("\n") == 1, f"one line says that it cannot be written: {errors}")
    left = glob.glob(f"{folder}/**/*.new", recursive=True)
    check(left == [], f"nothing half-written is left: {left}")


def main():
    case, library, program = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="reports-") as folder:
        globals()[f"case_{case}"](lambda **options: Reported(library, program, **options), folder)


main()
