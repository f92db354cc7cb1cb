#!/usr/bin/python3
"""temporal-slab run: what reaches the program, what it exits with, and what is refused."""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import tools
from tools import COMMAND, LIBRARY, run

BAD_USAGE = [
    (["run"], "which program?"),
    (["run", "--nonsense", "--", "true"], "'--nonsense'"),
    (["run", "--min-size"], "--min-size takes a value"),
    (["run", "--min-size=ten", "--", "true"], '--min-size="ten" is not a size from 1 to 768'),
    (["run", "--disable=maybe", "--", "true"], '--disable="maybe" is not 0 or 1'),
    (["nonsense"], "'nonsense' is no command"),
    (["list", "--json=1"], "--json takes no value"),
    (["stat"], "which process?"),
    (["trim"], "which process?"),
    (["top", "--interval", "x"], "takes seconds from 0.05 to 3600, not 'x'"),
    (["top", "--count=1.5"], "--count takes a whole number from 1 to 1000000000, not '1.5'"),
    (["top", "--count", "0"], "--count takes a whole number from 1 to 1000000000, not '0'"),
    (["top", "here"], "'here'"),
]


class Run(unittest.TestCase):
    def test_the_library_is_in_the_program(self):
        out, err = run("run", "--", "grep", "-c", "libtemporal_slab", "/proc/self/maps")
        self.assertGreater(int(out), 0)
        self.assertEqual(err, "")

    def test_an_option_is_a_variable(self):
        out, _ = run("run", "--min-size", "16", "--reserve=1G", "--disable", "--deepbind=0", "--", "env")
        for setting in ("TSLAB_MIN_SIZE=16", "TSLAB_RESERVE=1G", "TSLAB_DISABLE=1", "TSLAB_DEEPBIND=0"):
            self.assertIn(setting + "\n", out)

    def test_the_environment_goes_on(self):
        out, _ = run("run", "env", TSLAB_MAX_SIZE="512", OTHER="a=b", TSLAB_LIBRARY=LIBRARY)
        self.assertIn("TSLAB_MAX_SIZE=512\n", out)
        self.assertIn("OTHER=a=b\n", out)
        self.assertNotIn("TSLAB_LIBRARY", out)

    def test_what_was_preloaded_comes_behind(self):
        out, _ = run("run", "--library", LIBRARY, "--", "sh", "-c", "echo $LD_PRELOAD", LD_PRELOAD="libm.so.6")
        self.assertEqual(out, f"{LIBRARY}:libm.so.6\n")

    def test_statuses_are_the_programs(self):
        run("run", "--", "true")
        run("run", "--", "sh", "-c", "exit 37", status=37)
        run("run", "--", "sh", "-c", "kill -TERM $$", status=-signal.SIGTERM)

    def test_words_behind_the_program_are_its_own(self):
        out, _ = run("run", "echo", "--min-size=5", "--", "-x")
        self.assertEqual(out, "--min-size=5 -- -x\n")

    def test_what_cannot_be_started(self):
        _, err = run("run", "--", "no-such-program", status=127)
        self.assertEqual(err, "temporal-slab run: no-such-program: not found\n")
        _, err = run("run", "--", "/etc/passwd", status=126)
        self.assertIn("/etc/passwd: Permission denied\n", err)

    def test_bad_usage_is_one_line(self):
        for words, part in BAD_USAGE:
            with self.subTest(words=words):
                out, err = run(*words, status=2)
                self.assertEqual(out, "")
                self.assertEqual(err.count("\n"), 1)
                self.assertTrue(err.startswith("temporal-slab"))
                self.assertIn(part, err)
        run(status=2)

    def test_a_library_that_is_not_there(self):
        for words, changes in ((["--library", "/nowhere.so"], {}), ([], {"TSLAB_LIBRARY": "/nowhere.so"})):
            _, err = run("run", *words, "--", "true", status=1, **changes)
            self.assertEqual(err, "temporal-slab run: there is no library /nowhere.so\n")

    def test_a_path_that_cannot_be_preloaded(self):
        with tempfile.TemporaryDirectory(suffix=" and space") as folder:
            shutil.copy(LIBRARY, folder)
            _, err = run("run", "--library", os.path.join(folder, os.path.basename(LIBRARY)), "--", "true", status=1)
            self.assertIn("a space or a colon", err)

    def test_a_library_below_the_same_prefix_is_found(self):
        with tempfile.TemporaryDirectory() as prefix:
            for file in (COMMAND, LIBRARY):
                subprocess.run(["cmake", "--install", os.path.dirname(file), "--prefix", prefix], check=True,
                               capture_output=True)
            done = subprocess.run([prefix + "/bin/temporal-slab", "run", "--", "sh", "-c", "echo $LD_PRELOAD"],
                                  env=tools.environment(), capture_output=True, text=True, check=True)
            self.assertTrue(done.stdout.startswith(prefix), done.stdout + done.stderr)
            self.assertTrue(os.path.exists(prefix + "/share/man/man1/temporal-slab.1"))
            self.assertTrue(os.path.exists(prefix + "/share/bash-completion/completions/temporal-slab"))


class OutOfReach(unittest.TestCase):
    """Programs in which a preloaded library does nothing are named as what they are."""

    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = self.scratch.name

    def file(self, name, text):
        path = self.folder + "/" + name
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def compile(self, compiler, *flags):
        source, program = self.file("program.c", "int main(void) { return 3; }\n"), self.folder + "/program"
        subprocess.run([compiler, *flags, "-o", program, source], check=True)
        return program

    def warning(self, program):
        done = subprocess.run([COMMAND, "run", "--", program], env=tools.environment(), capture_output=True, text=True,
                              check=False)
        return done.stderr

    def test_none(self):
        self.assertEqual(self.warning(self.compile("cc")), "")

    def test_static(self):
        self.assertIn("is statically linked", self.warning(self.compile("cc", "-static")))

    @unittest.skipUnless(shutil.which("musl-gcc"), "musl-tools is not installed")
    def test_musl(self):
        self.assertIn("is linked to musl", self.warning(self.compile("musl-gcc")))

    def test_go(self):
        """The note that Go's linker leaves in all it makes, in a program that is otherwise C."""
        note = self.file("note.s", '.section .note.go.buildid,"a",@note\n.long 4, 8, 4\n.asciz "Go"\n.byte 0\n'
                                   '.ascii "abcdefgh"\n')
        self.assertIn("is a Go program", self.warning(self.compile("cc", note)))

    def test_setuid(self):
        program = self.compile("cc")
        os.chmod(program, 0o4755)
        self.assertIn("is setuid or setgid", self.warning(program))

    def test_a_script_is_what_its_interpreter_is(self):
        static = self.compile("cc", "-static")
        for interpreter, warned in (("/bin/sh", False), (static, True)):
            script = self.file("script", f"#! {interpreter}\nexit 3\n")
            os.chmod(script, 0o755)
            self.assertEqual("is statically linked" in self.warning(script), warned)


tools.main()
