#!/usr/bin/python3
"""The manual page, the completion and --help tell of the same commands and options."""

import os
import re
import shutil
import subprocess
import unittest

import tools
from tools import COMMAND, run

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")
OPTION = re.compile(r"--[a-z][a-z-]*")


def commands():
    return re.findall(r"^  ([a-z]+) ", run("--help")[0], re.M)


def options(command):
    return set(OPTION.findall("\n".join(re.findall(r"^  -.*?(?:  |$)", run(command, "--help")[0], re.M))))


class Pages(unittest.TestCase):
    def page(self):
        with open(TOOLS + "/temporal-slab.1", encoding="utf-8") as file:
            return file.read()

    def sections(self):
        """The page's text of each command."""
        parts = re.split(r"^\.SS (\w+).*$|^\.SH .*$", self.page(), flags=re.M)
        return {name: text.replace("\\-", "-") for name, text in zip(parts[1::2], parts[2::2]) if name}

    def test_every_command_is_in_the_page(self):
        self.assertEqual(sorted(self.sections()), sorted(commands()))

    def test_every_option_of_its_own_is_in_the_page(self):
        library = options("run") - {"--library", "--help"}
        for command, text in self.sections().items():
            due = options(command) - {"--help"} - (library if command in ("run", "fit") else set())
            self.assertEqual(set(OPTION.findall(text)) - {"--help"}, due, command)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_the_page_is_well_formed(self):
        subprocess.run(["mandoc", "-T", "lint", "-W", "warning", TOOLS + "/temporal-slab.1"], check=True)

    def complete(self, *words):
        script = (f'source "{TOOLS}/temporal-slab.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _temporal_slab; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        env = tools.environment(PATH=os.path.dirname(COMMAND) + ":" + os.environ["PATH"])
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script, "-", "temporal-slab", *words], env=env,
                              capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    def test_completion(self):
        self.assertEqual(self.complete(""), set(commands()) | {"--help", "--version"})
        self.assertEqual(self.complete("tr"), {"trim"})
        for command in commands():
            self.assertEqual({w for w in self.complete(command, "-") if w.startswith("--")}, options(command))
        self.assertIn("true", self.complete("run", "--", "tru"))
        self.assertIn("/etc/passwd", self.complete("run", "--", "ls", "/etc/passw"))
        with tools.sleeper() as pid:
            self.assertIn(str(pid), self.complete("stat", ""))

    def test_help_stands_in_one_column(self):
        for command in commands():
            for line in run(command, "--help")[0].splitlines():
                with self.subTest(command=command, line=line):
                    self.assertRegex(line, r"^(?!  ).*$|^  -\S+( [A-Z]+)?$|^  -.{20,20} \S|^ {24}\S")

    def test_help_is_help(self):
        for command in commands():
            self.assertIn(f"usage: temporal-slab {command} ", run(command, "--help")[0])
        self.assertRegex(run("--version")[0], r"^temporal-slab \d+\.\d+\.\d+\n$")


tools.main()
