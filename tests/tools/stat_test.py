#!/usr/bin/python3
"""temporal-slab stat: the figures of a file, in each form, and what is said where there are none."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import tools
from tools import COMMAND, LIBRARY, run, sleeper, writer

# Its first thread ends, and leaves another, which ends when the input does.
LEFT_BEHIND = """
#include <pthread.h>
#include <stdio.h>
static void *stay(void *first) {
    pthread_join(*(pthread_t *)first, 0);
    puts("ready");
    fflush(stdout);
    getchar();
    return 0;
}
int main(void) {
    static pthread_t first, other;
    first = pthread_self();
    pthread_create(&other, 0, stay, &first);
    pthread_exit(0);
}
"""

ALLOCATES = """
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    for (int i = 0; i < 10000; i++) free(malloc(64 + i % 700));
    puts("ready");
    fflush(stdout);
    getchar();
}
"""


@contextlib.contextmanager
def compiled(source, name):
    """A process of that program with telemetry: its number and its directory."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/{name}"
        subprocess.run(["cc", "-pthread", "-o", program, "-xc", "-"], input=source, text=True, check=True)
        with tools.ready([program], tools.environment(LD_PRELOAD=LIBRARY, TSLAB_TELEMETRY=folder)) as pid:
            yield pid, folder


class Stat(unittest.TestCase):
    def test_by_number_and_by_file(self):
        with writer() as (pid, folder):
            for target in (str(pid), f"{folder}/tslab.{pid}"):
                self.assertEqual(json.loads(run("stat", target, "--json")[0])["pid"], pid)

    def test_json(self):
        with writer() as (pid, _):
            figures = json.loads(run("stat", "--json", "--as-published", str(pid))[0])
            self.assertEqual((figures["schema"], figures["version"]), ("temporal-slab figures", 1))
            self.assertEqual((figures["program"], figures["pid"]), ('a "writer"', pid))
            self.assertEqual((figures["library_version"], figures["page_bytes"]), ("9.8.7", 4096))
            self.assertEqual(figures["totals"], {"served": 1000, "slow_path_hits": 100, "resident_bytes": 8 << 20,
                                                 "live_bytes": 6 << 20, "malloc_timed": 7000,
                                              "malloc_p50_ns": 20, "malloc_p99_ns": 1500, "malloc_p99_99_ns": 15_000_000})
            self.assertEqual(figures["classes"], [{"class_bytes": 64, "live_objects": 10},
                                                  {"class_bytes": 96, "live_objects": 20}])
            self.assertEqual([epoch["epoch"] for epoch in figures["epochs"]], [1, 2, 3])

    def test_names_are_utf8(self):
        for name, shown in ((b"ch\xc3\xbcrn \xe2\x82\xac \xf0\x9f\x90\x98", "ch\u00fcrn \u20ac \U0001f418"),
                            (b"cut \xc3", "cut ?"), (b"\xe0\x80\xafa", "???a"), (b"\xed\xa0\x80\xff", "????"),
                            (b"\xf4\x90\x80\x80", "????"), (b"a\tb", "a\tb")):
            with writer("named", name) as (pid, _):
                self.assertEqual(json.loads(run("stat", "--json", str(pid))[0])["program"], shown)
                self.assertIn(f'program="{shown}"', run("stat", "--prometheus", str(pid))[0])

    def test_names_give_a_terminal_no_commands(self):
        for name, shown in ((b"a\x1b[31m\x7f", "a?[31m?"), (b"two\nlines\r\t", "two?lines??"), (b"\xc2\x9bk \xff", "?k ?"),
                            (b"ch\xc3\xbcrn \xc2\xa0", "ch\u00fcrn \u00a0")):
            with writer("named", name) as (pid, folder):
                self.assertTrue(run("stat", str(pid))[0].startswith(f"{shown}[{pid}], library 9.8.7"))
                self.assertIn(shown, run("top", "--dir", folder)[0])

    def test_a_process_whose_name_has_line_ends(self):
        with compiled(ALLOCATES, "two\nlines") as (pid, folder):
            self.assertEqual(run("stat", f"{folder}/tslab.{pid}")[1], "")
            self.assertRegex(run("list")[0], rf"\n *{pid}  active    two\?lines ")

    def test_output_that_cannot_be_written_is_said(self):
        with writer() as (pid, _), open("/dev/full", "w", encoding="ascii") as full:
            for words in (["stat", str(pid)], ["stat", str(pid), "--json"], ["stat", str(pid), "--watch"], ["list"],
                          ["--help"], ["run", "--help"], ["--version"]):
                done = subprocess.run([*tools.EMULATOR, COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=100, check=False, env=tools.environment())
                self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), words)
                self.assertRegex(done.stderr, "^temporal-slab[a-z ]*: cannot write to standard output\n$")

    def test_it_asks_for_fresh_figures(self):
        with writer() as (pid, _):
            served = [json.loads(run("stat", "--json", str(pid))[0])["totals"]["served"] for _ in range(3)]
            self.assertEqual(served, [2000, 3000, 4000])

    def test_a_process_that_does_not_answer_is_shown_as_it_was(self):
        with writer("deaf") as (pid, _):
            self.assertEqual(json.loads(run("stat", "--json", str(pid))[0])["totals"]["served"], 1000)

    def test_text(self):
        with writer() as (pid, _):
            out, _ = run("stat", str(pid), "--as-published")
            self.assertIn(f'a "writer"[{pid}], library 9.8.7', out)
            self.assertIn("resident 8.0M for 6.0M live; slow-path share 10.0%", out)
            self.assertRegex(out, r"\n +1000  served +requests served\n")
            self.assertRegex(out, r"\nclass_bytes  live_objects\n +64 +10\n +96 +20\n")

    def test_prometheus(self):
        with writer() as (pid, _):
            out, _ = run("stat", str(pid), "--prometheus", "--as-published")
            self.assertIn(f'tslab_process_info{{version="9.8.7",program="a \\"writer\\"",pid="{pid}"}} 1\n', out)
            self.assertIn("# TYPE tslab_served_total counter\ntslab_served_total 1000\n", out)
            self.assertIn('tslab_class_live_objects{class_bytes="96"} 20\n', out)
            self.assertIn(f'tslab_epoch_live_bytes{{epoch="3"}} {3 << 20}\n', out)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_finds_nothing(self):
        with writer() as (pid, _):
            out, _ = run("stat", str(pid), "--prometheus", "--as-published")
            subprocess.run(["promtool", "check", "metrics"], input=out, text=True, check=True)

    def test_watch_ends_with_the_process(self):
        with writer() as (pid, _):
            watching = subprocess.Popen([COMMAND, "stat", str(pid), "--watch", "--interval", "0.05", "--json"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=tools.environment())
            for _ in range(4):
                while '"schema"' not in watching.stdout.readline():
                    self.assertIsNone(watching.poll())
        _, err = watching.communicate(timeout=60)
        self.assertEqual((watching.returncode, err), (0, ""))

    def test_what_ended_is_said(self):
        with tempfile.TemporaryDirectory() as kept:
            with writer() as (pid, folder):
                shutil.copy(f"{folder}/tslab.{pid}", kept)
            out, err = run("stat", f"{kept}/tslab.{pid}", "--json")
            self.assertEqual(json.loads(out)["totals"]["served"], 1000)
            self.assertIn(f"process {pid} has ended", err)

    def test_what_nobody_has_waited_for_has_ended_too(self):
        with writer() as (pid, folder):
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            self.assertIn(f"process {pid} has ended", run("stat", f"{folder}/tslab.{pid}", "--watch")[1])

    def test_a_process_without_its_first_thread_goes_on(self):
        with compiled(LEFT_BEHIND, "left_behind") as (pid, folder):
            self.assertEqual(run("stat", f"{folder}/tslab.{pid}")[1], "")
            self.assertEqual(run("stat", str(pid))[1], "")
            self.assertRegex(run("list")[0], rf"\n *{pid}  active    left_behind ")

    def test_none_is_said(self):
        for target, part in (("999999999", "there is no process 999999999"),
                             (str(os.getpid()), "does not have the library loaded"),
                             ("/nowhere", "/nowhere: No such file"), ("/etc/passwd", "is no telemetry file")):
            _, err = run("stat", target, status=1)
            self.assertIn(part, err)
            self.assertEqual(err.count("\n"), 1)
        with sleeper() as pid:
            self.assertIn("start it with TSLAB_TELEMETRY=DIR", run("stat", str(pid), status=1)[1])

    def test_a_writer_that_stopped_half_way(self):
        with writer("torn") as (pid, _):
            self.assertIn("stopped while it was writing", run("stat", "--as-published", str(pid), status=1)[1])

    def test_no_damage_is_believed(self):
        """Whatever is cut off or overwritten, the command ends by itself with 0 or 1."""
        with writer() as (pid, folder), tempfile.TemporaryDirectory() as broken:
            with open(f"{folder}/tslab.{pid}", "rb") as file:
                sound = file.read()
            pieces = [sound[:length] for length in (0, 8, 1000, 3080, 3400, 5400)]
            for offset in [8, 12, 16, *range(128, 148, 4), *range(280, 480, 4), *range(3152, 3168, 2)]:
                pieces.append(sound[:offset] + b"\xff" * 4 + sound[offset + 4:])
            for piece in pieces:
                with open(broken + "/tslab.1", "wb") as file:
                    file.write(piece)
                done = subprocess.run([COMMAND, "stat", "--as-published", broken + "/tslab.1"], capture_output=True,
                                      env=tools.environment(), check=False)
                self.assertIn(done.returncode, (0, 1))


tools.main()
