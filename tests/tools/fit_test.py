#!/usr/bin/python3
"""temporal-slab fit: what is told of programs that suit the library, that do not, and that it cannot reach."""

import os
import re
import subprocess
import tempfile
import unittest

import tools
from tools import run

# SIZE OBJECTS ROUNDS: fills a table with objects of one size, and in each round replaces all of them.
PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    (void)argc;
    size_t size = strtoul(argv[1], 0, 10), objects = strtoul(argv[2], 0, 10), rounds = strtoul(argv[3], 0, 10);
    char **table = calloc(objects, sizeof *table);
    for (size_t i = 0; i < objects * rounds; i++) {
        free(table[i % objects]);
        table[i % objects] = memset(malloc(size), 1, size);
    }
    char line[64];
    while (fgets(line, sizeof line, stdin)) fputs(line, stdout);
    if (argv[4] && !strcmp(argv[4], "preloaded"))
        return !!strstr(getenv("LD_PRELOAD"), "libm.so.6") + 2 * !!strstr(getenv("LD_PRELOAD"), "libtemporal_slab.so");
    return argv[4] && !strcmp(argv[4], "fails") ? 7 : 0;
}
"""


class Fit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.program = cls.compile("cc")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def compile(cls, *compiler):
        source, program = cls.scratch.name + "/replace.c", cls.scratch.name + "/replace"
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        subprocess.run([*compiler, "-O1", "-fno-builtin", "-o", program, source], check=True)
        return program

    def test_it_fits(self):
        out, err = run("fit", "--", self.program, "200", "20000", "20")
        self.assertEqual(err, "")
        self.assertRegex(out, r"1 process under the library\nrequests +400k, of which 100.0% served")
        self.assertRegex(out, r"slow path +[0-9.]+% of served requests")
        self.assertRegex(out, r"with the library: peak [0-9.]+M.*\n +without it: +peak [0-9.]+M")
        self.assertTrue(out.endswith("it fits\n"), out)

    def test_too_small_or_too_large(self):
        out, _ = run("fit", "--once", "--", self.program, "24", "20000", "20", status=1)
        self.assertIn("too few of its requests", out)
        self.assertIn("--min-size=16: ", out)
        out, _ = run("fit", "--once", "--min-size=16", "--", self.program, "24", "20000", "20")
        self.assertIn("it fits\n", out)
        out, _ = run("fit", "--once", "--", self.program, "5000", "2000", "20", status=1)
        self.assertRegex(out, r"forwarded: 0.0% too small, 100.0% too large")

    def test_too_little_to_tell(self):
        out, _ = run("fit", "--once", "--", self.program, "200", "100", "1", status=1)
        self.assertIn("it allocated too little to tell", out)

    def test_endings(self):
        out, _ = run("fit", "--", self.program, "200", "20000", "2", "fails")
        self.assertIn("ending      status 7\n", out)

    def test_input_is_the_same_for_both_runs(self):
        path = self.scratch.name + "/input"
        with open(path, "w", encoding="utf-8") as file:
            file.write("read before\na line\n")
        with open(path, encoding="utf-8") as file:
            os.lseek(file.fileno(), len("read before\n"), os.SEEK_SET)
            out, _ = run("fit", "--", self.program, "200", "20000", "2", stdin=file)
            script = "import sys; x = [bytearray(300) for _ in range(30000)]; sys.exit(input() != 'a line')"
            os.lseek(file.fileno(), len("read before\n"), os.SEEK_SET)
            few, _ = run("fit", "--", "/usr/bin/python3", "-c", script, stdin=file, status=1)
            self.assertNotIn("ending ", few)
        self.assertEqual((out.count("a line\n"), out.count("read before")), (1, 0))
        self.assertIn("it fits\n", out)
        _, err = run("fit", "--", self.program, "200", "1", "1", stdin=subprocess.PIPE, status=2)
        self.assertIn("a pipe as standard input", err)

    def test_a_library_in_the_environment_is_for_one_run(self):
        chain = f"libm.so.6:{tools.LIBRARY}"
        out, _ = run("fit", "--", self.program, "200", "20000", "2", "preloaded", status=1, LD_PRELOAD=chain)
        self.assertIn("with the library status 3, without it status 1\n", out)

    def test_a_server_is_ended(self):
        script = "import time; x = [bytearray(600) for _ in range(100000)]; time.sleep(1000)"
        out, _ = run("fit", "--once", "--for", "2", "--", "/usr/bin/python3", "-c", script)
        self.assertIn("ending      signal 15\n", out)
        self.assertIn("1 process under the library", out)

    def test_out_of_reach(self):
        try:
            program = self.compile("cc", "-static")
            out, _ = run("fit", "--", program, "200", "1", "1", status=1)
            self.assertEqual(out, f"no fit      {program} is statically linked: nothing can be preloaded into it\n")
        finally:
            self.compile("cc")

    def test_nothing_is_left_behind(self):
        folder = tempfile.mkdtemp(dir=self.scratch.name)
        run("fit", "--once", "--", self.program, "200", "20000", "2", TMPDIR=folder)
        self.assertEqual(os.listdir(folder), [])

    def test_what_it_sets_itself(self):
        flags = ("--stats", "--stats-signal", "--telemetry")
        listed = re.findall(r"^  (--[a-z-]+)", run("fit", "--help")[0], re.M)
        self.assertFalse(set(flags) & set(listed))
        for flag in flags:
            _, err = run("fit", flag, "1", "--", "true", status=2)
            self.assertEqual(err.count("\n"), 1)
            self.assertTrue(err.startswith(f"temporal-slab fit: {flag} is not to be had here: "), err)

    def test_no_program(self):
        run("fit", status=2)
        self.assertIn("not found", run("fit", "--", "no-such-program", status=1)[1])


tools.main()
