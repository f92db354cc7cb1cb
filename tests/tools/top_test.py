#!/usr/bin/python3
"""temporal-slab top: in a pipe, in a terminal of 80 columns, and how it ends."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

import tools
from tools import COMMAND, run, writer

ENTERED, LEFT = b"\033[?1049h", b"\033[?1049l"


class Screen:
    """A terminal of 24 lines of 80 columns in which top runs."""

    def __init__(self, *words):
        self.ours, self.its = pty.openpty()
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.its)
        self.text = b""
        terminal = self.its
        self.top = subprocess.Popen(
            [COMMAND, "top", "--interval", "0.1", *words], stdin=terminal, stdout=terminal, env=tools.environment(),
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0))

    def read_until(self, part):
        end = time.monotonic() + 60
        while part not in self.text:
            if time.monotonic() > end:
                raise AssertionError(f"never shown: {part}; shown: {self.text}")
            if select.select([self.ours], [], [], 0.1)[0]:
                self.text += os.read(self.ours, 65536)

    def end(self):
        self.read_until(LEFT)
        status = self.top.wait(60)
        restored = termios.tcgetattr(self.its) == self.before
        os.close(self.ours)
        os.close(self.its)
        return status, restored


class Top(unittest.TestCase):
    def test_in_a_pipe(self):
        with writer("deaf") as (pid, folder):
            lines = run("top", "--dir", folder)[0].splitlines()
            self.assertEqual(len(lines), 3)
            self.assertEqual(lines[0], "temporal-slab: 1 process, 8.0M resident, 6.0M live, 1.0k requests/s")
            cells = lines[2].replace('a "writer"', "writer").split()
            self.assertEqual([cells[0], *cells[3:]],
                             [str(pid), "8.0M", "6.0M", "75%", "1.0M", "1.0k", "10.0%"])
            self.assertLessEqual(max(map(len, lines)), 80)

    def test_latencies_in_a_pipe(self):
        with writer() as (pid, folder):
            out, _ = run("top", "--dir", folder, "--latency")
        lines = out.splitlines()
        self.assertEqual(lines[1].split(), "PID PROGRAM MALLOC p50 p99 p99.99 FREE p50 p99 p99.99".split())
        self.assertTrue(lines[2].endswith("  7.0k   20ns  1.5us 15.0ms      0      -      -      -"), lines[2])
        self.assertLessEqual(max(map(len, lines)), 80)

    def test_as_often_as_asked(self):
        with writer() as (_, folder):
            out, _ = run("top", "--dir", folder, "--interval", "0.05", "--count", "3")
            self.assertEqual(out.count("RESIDENT"), 3)

    def test_stale_files_are_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn("0 processes", run("top", "--dir", folder)[0])
            with writer() as (pid, other):
                shutil.copy(f"{other}/tslab.{pid}", folder)
                self.assertIn("1 process,", run("top", "--dir", folder)[0])
            self.assertIn("0 processes", run("top", "--dir", folder)[0])

    def test_no_directory(self):
        self.assertIn("/nowhere: No such file", run("top", "--dir", "/nowhere", status=1)[1])

    def test_keys_and_signals_end_it(self):
        def press(key):
            return lambda screen: os.write(screen.ours, key)

        def send(number):
            return lambda screen: screen.top.send_signal(number)

        for ask in (press(b"q"), press(b"xQ"), press(b"\x03"), send(signal.SIGINT), send(signal.SIGTERM)):
            with writer() as (pid, folder):
                screen = Screen("--dir", folder)
                screen.read_until(str(pid).encode())
                ask(screen)
                self.assertEqual(screen.end(), (0, True))
                self.assertTrue(screen.text.startswith(ENTERED))

    def test_the_screen_holds_what_is_shown(self):
        with writer() as (pid, folder):
            screen = Screen("--dir", folder)
            screen.read_until(str(pid).encode())
            os.write(screen.ours, b"q")
            screen.end()
            for frame in screen.text.split(b"\033[H")[1:]:
                lines = re.sub(rb"\033\[[?0-9]*[a-zA-Z]", b"", frame).split(b"\r\n")
                self.assertLessEqual(len(lines), 24)
                self.assertLessEqual(max(map(len, lines)), 80)


tools.main()
