"""Runs an unmodified program plain and with the library preloaded, and compares what it did.

A test is a function that is given a Pass and returns {what: value}; compare() calls it twice. Everything
it returns must be equal, and every preloaded process must end with a summary and without misuse.
EMULATOR in the environment is the command that runs programs of another architecture, which it looks for below its -L.
"""

import ctypes
import fnmatch
import glob
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

EMULATOR = os.environ.get("EMULATOR", "").split()
ROOT = EMULATOR[EMULATOR.index("-L") + 1] if EMULATOR else ""
COMMAND_SECONDS = 120
START_SECONDS = 30

SUMMARY = re.compile(
    r"temporal-slab: (?P<name>[^\n]*)\[\d+\]: served (?P<served>\d+) requests, forwarded \d+; "
    r"live \d+ objects, \d+ bytes; resident \d+ bytes in slabs, \d+ in metadata; misuse (?P<misuse>\d+) *\n")


class Failure(Exception):
    """What the program did wrong, in one line."""


def need(program, package):
    """Returns the path of a Debian program, or fails naming its package."""
    # PostgreSQL's are in a folder for each version; those in /usr/bin are scripts that look for a cluster.
    folders = glob.glob("/usr/lib/postgresql/*/bin") + ["/usr/bin", "/usr/sbin"]
    path = shutil.which(program, path=":".join(ROOT + folder for folder in folders))
    if path is None:
        raise Failure(f"{program} is not installed: it is in Debian's package {package}")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_so, what):
    give_up = time.monotonic() + START_SECONDS
    while not is_so():
        if time.monotonic() > give_up:
            raise Failure(f"waited {START_SECONDS} s in vain: {what}")
        time.sleep(0.05)


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In a child: asks for SIGKILL when this test ends, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Pass:
    """One run of a test: a folder of its own, and an environment with or without the library."""

    def __init__(self, folder, library):
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        self.folder = folder
        self.plain_env = {"PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self.env = dict(self.plain_env)
        if library:
            profiles = os.path.join(folder, "profiles")
            os.mkdir(profiles)
            os.chmod(profiles, 0o777)  # for servers under another user
            self.env |= {"LD_PRELOAD": library, "TSLAB_STATS": "1", "TSLAB_PROFILE_FILE": profiles + "/%p"}
            if EMULATOR:
                self.env["TSLAB_RESERVE"] = "4G"  # it pays for address space that the kernel gives for nothing
            self.env |= {name: value for name, value in os.environ.items() if name.startswith("TSLAB_")}
        self.messages = os.path.join(folder, "stderr")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def run(self, *command, stdin="", env=None, ok=True, **how):
        """Runs a command under test to its end; returns its stdout. Its stderr joins the pass's messages."""
        with open(self.messages, "ab") as messages:
            done = subprocess.run([*EMULATOR, *command], input=stdin.encode(), stdout=subprocess.PIPE, stderr=messages,
                                  cwd=self.folder, env=self.env | (env or {}), timeout=COMMAND_SECONDS,
                                  preexec_fn=die_with_parent, **how)
        if ok and done.returncode != 0:
            raise Failure(f"{command[0]} ended with {done.returncode}")
        return done.stdout.decode(errors="surrogateescape")

    def tool(self, *command, **how):
        """Runs a helper that is not under test; returns its stdout."""
        return subprocess.run(command, stdout=subprocess.PIPE, cwd=self.folder, env=self.plain_env, text=True,
                              timeout=COMMAND_SECONDS, check=True, preexec_fn=die_with_parent, **how).stdout

    def start(self, *command, port, **how):
        """Starts a server under test and waits until it accepts connections."""
        with open(self.messages, "ab") as messages:
            server = subprocess.Popen([*EMULATOR, *command], stdin=subprocess.DEVNULL, stdout=messages, stderr=messages,
                                      cwd=self.folder, env=self.env, preexec_fn=die_with_parent, **how)

        def is_up():
            if server.poll() is not None:
                raise Failure(f"{command[0]} ended with {server.returncode} at its start")
            return accepts(port)

        wait_until(is_up, f"{command[0]} accepts connections")
        return server

    def stop(self, server, by=signal.SIGTERM, status=0):
        """Stops a server and waits for its clean end."""
        if by is not None:
            server.send_signal(by)
        try:
            if server.wait(timeout=COMMAND_SECONDS) != status:
                raise Failure(f"{server.args[0]} ended with {server.returncode}")
        except subprocess.TimeoutExpired:
            server.kill()
            raise Failure(f"{server.args[0]} did not stop") from None

    def read_messages(self):
        if not os.path.exists(self.messages):
            return ""
        with open(self.messages, errors="surrogateescape") as file:
            return file.read()


def check_summaries(messages, served):
    """`served`: for a pattern of names, the fewest requests that such processes must have been served together."""
    totals = dict.fromkeys(served, 0)
    for summary in SUMMARY.finditer(messages):
        if summary["misuse"] != "0":
            raise Failure(f"misuse: {summary[0].strip()}")
        for name in totals:
            if fnmatch.fnmatch(summary["name"], name):
                totals[name] += int(summary["served"])
    for line in SUMMARY.sub("", messages).splitlines():
        if "temporal-slab:" in line:
            raise Failure(f"the library said: {line}")
    for name, fewest in served.items():
        if totals[name] < fewest:
            raise Failure(f"{name} was served {totals[name]} requests, not {fewest} or more")


def difference(plain, preloaded):
    """Shows two values that differ; of two texts, their first lines that do."""
    if isinstance(plain, str) and isinstance(preloaded, str):
        pairs = itertools.zip_longest(plain.splitlines(), preloaded.splitlines())
        plain, preloaded = next((pair for pair in pairs if pair[0] != pair[1]), (plain, preloaded))
    return f"plain {plain!r}, preloaded {preloaded!r}"


def compare(test, served):
    """Runs the test plain and preloaded, as often as asked, and ends this process with what came of it."""
    times = sys.argv[2] if len(sys.argv) == 3 else "1"
    if len(sys.argv) not in (2, 3) or not times.isdigit() or int(times) == 0:
        sys.exit(f"usage: {sys.argv[0]} LIBRARY [TIMES] (nothing for LIBRARY: plain twice)")
    with tempfile.TemporaryDirectory(prefix="tslab-") as top:
        os.chmod(top, 0o755)
        library = ""
        if sys.argv[1]:
            # A copy, since a server under another user may not reach the build folder.
            library = shutil.copy(sys.argv[1], top)
        passes = {"plain": Pass(os.path.join(top, "plain"), "")}
        try:
            plain = test(passes["plain"])
            for time_number in range(1, int(times) + 1):
                run = passes["preloaded"] = Pass(os.path.join(top, f"preloaded-{time_number}"), library)
                preloaded = test(run)
                messages = run.read_messages()
                for what in plain.keys() | preloaded.keys():
                    if plain.get(what) != preloaded.get(what):
                        raise Failure(f"{what}: {difference(plain.get(what), preloaded.get(what))}")
                if library:
                    check_summaries(messages, served)
                shutil.rmtree(run.folder, ignore_errors=True)
        except (Failure, subprocess.SubprocessError) as failure:
            for name, run in passes.items():
                print(f"--- {name}:", *run.read_messages().splitlines()[-40:], sep="\n", flush=True)
            sys.exit(f"FAILED: {failure}")
    print("".join(summary[0] for summary in SUMMARY.finditer(messages)), end="")
    print("same: " + ", ".join(plain))
