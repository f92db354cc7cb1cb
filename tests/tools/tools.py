"""What the tests of the command share: its files, running it, processes to look at, and the count at the end."""

import contextlib
import os
import subprocess
import sys
import tempfile
import unittest

COMMAND, LIBRARY, WRITER = (os.path.abspath(path) for path in sys.argv[1:4])
# What runs the command where it is of another architecture.
EMULATOR = os.environ.get("EMULATOR", "").split()


def environment(**changes):
    plain = {k: v for k, v in os.environ.items() if not k.startswith("TSLAB_") and k != "LD_PRELOAD"}
    return {**plain, **changes}


def run(*words, status=0, stdin=subprocess.DEVNULL, **changes):
    """Runs the command, checks its exit status, and answers stdout and stderr."""
    done = subprocess.run([*EMULATOR, COMMAND, *words], stdin=stdin, env=environment(**changes), capture_output=True,
                          text=True, timeout=100, check=False)
    if done.returncode != status:
        raise AssertionError(f"{words}: exit status {done.returncode}, due: {status}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


@contextlib.contextmanager
def ready(command, env):
    """A process that has said it is ready and ends when its input does."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout.readline() == "ready\n"
        yield process.pid


@contextlib.contextmanager
def writer(*how):
    """A process with telemetry: its number and its directory."""
    with tempfile.TemporaryDirectory() as folder, ready([WRITER, folder, *how], environment()) as pid:
        yield pid, folder


def sleeper(*options, **changes):
    """A process under the library: its number."""
    return ready([COMMAND, "run", *options, "--", "sh", "-c", "echo ready; read line"], environment(**changes))


def main():
    result = unittest.main(argv=sys.argv[:1], exit=False).result
    for test, why in result.skipped:
        print(f"skipped: {why} ({test.id().removeprefix('__main__.')})")
    sys.exit(not result.wasSuccessful())
