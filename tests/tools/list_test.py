#!/usr/bin/python3
"""temporal-slab list: who has the library, and whether it is active there."""

import json
import unittest

import tools
from tools import run, sleeper


def processes():
    return {process["pid"]: process for process in json.loads(run("list", "--json")[0])}


class List(unittest.TestCase):
    def test_active_and_passing(self):
        with sleeper() as active, sleeper("--disable") as passing, sleeper("--reserve=64M") as small:
            found = processes()
            self.assertEqual([found[pid]["state"] for pid in (active, passing, small)],
                             ["active", "passing", "active"])
            self.assertEqual(found[active]["name"], "sh")
            self.assertIn("libtemporal_slab.so", found[active]["library"])
            lines = [line.split() for line in run("list")[0].splitlines()]
            self.assertIn([str(active), "active", "sh", "-"], lines)
            self.assertIn([str(passing), "passing", "sh", "-"], lines)
        self.assertFalse({active, passing, small} & set(processes()))

    def test_others_are_not_listed(self):
        with tools.writer() as (pid, _):
            self.assertNotIn(pid, processes())


tools.main()
