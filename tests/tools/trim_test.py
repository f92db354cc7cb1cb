#!/usr/bin/python3
"""temporal-slab trim and profile: what is asked, what is answered, and what is said where no answer comes."""

import tempfile
import unittest

import tools
from tools import run, writer


class Trim(unittest.TestCase):
    def test_an_answer(self):
        with writer() as (pid, _):
            for _ in range(2):
                self.assertEqual(run("trim", str(pid))[0], f"process {pid} gave 3.0M back\n")

    def test_not_yet(self):
        with writer("deaf") as (pid, _):
            out, _ = run("trim", str(pid), "--timeout", "0.2", status=1)
            self.assertTrue(out.startswith(f"not yet: process {pid} "), out)

    def test_ended(self):
        with writer() as (pid, _):
            pass
        self.assertIn("there is no process", run("trim", str(pid), status=1)[1])


class Profile(unittest.TestCase):
    def test_what_is_written_is_passed_on(self):
        with tempfile.TemporaryDirectory() as scratch:
            stem = f"{scratch}/a.".ljust(200, "b")  # as long as the library takes one
            parts = {kind: f"what is in {kind}\n" for kind in ("heap", "pinners", "folded", "lifetimes")}
            for kind, text in parts.items():
                with open(f"{stem}.{kind}", "w", encoding="utf-8") as file:
                    file.write(text)
            with writer(f"{stem}.heap") as (pid, _):
                self.assertEqual(run("profile", str(pid))[0], parts["heap"])
                for kind, text in parts.items():
                    self.assertEqual(run("profile", "--kind", kind, str(pid), "-o", scratch + "/out")[0], "")
                    with open(scratch + "/out", encoding="utf-8") as file:
                        self.assertEqual(file.read(), text)
                self.assertIn("not 'stacks'", run("profile", "--kind=stacks", str(pid), status=2)[1])

    def test_none_is_written(self):
        with writer() as (pid, _):
            self.assertIn("start it with TSLAB_PROFILE=BYTES", run("profile", str(pid), status=1)[1])

    def test_not_yet(self):
        with writer("deaf") as (pid, _):
            self.assertIn("not yet", run("profile", str(pid), "--timeout", "0.2", status=1)[1])


tools.main()
