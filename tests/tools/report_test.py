#!/usr/bin/python3
"""temporal-slab report: what becomes a chart, what is refused, and the page as a browser sees it."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import tools
from tools import run

CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
            "--virtual-time-budget=1000", "--enable-logging=stderr", "--hide-scrollbars"]

HISTORY = """time_ms,pid,scope,key,served,live_bytes,resident_bytes,slow_path_hits,label
1000,77,total,,0,0,0,0,
1000,77,class,64,,0,0,,
1000,77,epoch,1,,0,0,,"a ""name"", <quoted>"
2000,77,total,,1000,1048576,2097152,100,
2000,77,class,64,,1048576,2097152,,
2000,77,epoch,1,,1048576,2097152,,
time_ms,pid,scope,key,served,live_bytes,resident_bytes,slow_path_hits,label
4000,77,total,,5000,3145728,4194304,300,
4000,77,class,96,,1048576,1048576,,
4000,77,class,64,,2097152,3145728,,
4000,77,epoch,2,,3145728,4194304,,
"""

DRIVER = """# command: latency --seed 1; machine: a & b
driver,case,metric,value,unit
latency,churn,malloc_p50,20,ns
latency,churn,malloc_p99,400,ns
latency,churn,malloc_max,100000,ns
latency,churn,counter_step,10,ns
drift,spike,resident@0,1,MiB
drift,spike,resident@10,8,MiB
drift,spike,live@10,4,MiB
drift,spike,kept_of_peak,12.5,%
"""

FOLDED = """# pinners
main;serve;parse<int> 3000
main;serve;render 1000
main;load 4000
"""


class Report(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.page = self.scratch.name + "/page.html"

    def file(self, name, text):
        path = self.scratch.name + "/" + name
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def report(self, *words):
        run("report", *words, "-o", self.page)
        with open(self.page, encoding="utf-8") as file:
            return file.read()

    def charts(self, html):
        """The charts by their titles, checked to be well-formed."""
        found = {}
        for svg in re.findall(r"<svg.*?</svg>", html, re.S):
            chart = xml.etree.ElementTree.fromstring(svg)
            title = chart.find("text[@class='title']")
            found["flame" if title is None else title.text] = chart
        return found

    def test_history(self):
        charts = self.charts(self.report(self.file("figures.csv", HISTORY)))
        self.assertEqual(set(charts), {"Resident against live memory", "Resident memory by size class",
                                       "Resident memory by epoch", "Requests served a second",
                                       "Share of served requests on the slow path"})
        hints = [path.find("title").text for path in charts["Resident memory by size class"].iter("path")]
        self.assertEqual(set(hints), {"class 64 B: 3.0M at the end", "class 96 B: 1.0M at the end"})
        hints = [path.find("title").text for path in charts["Resident memory by epoch"].iter("path")]
        self.assertEqual(set(hints), {"epoch 1: 0B at the end", "epoch 2: 4.0M at the end"})
        self.assertEqual(charts["Requests served a second"].find("path/title").text, "served: 2.0k at the end")
        self.assertEqual(charts["Share of served requests on the slow path"].find("path/title").text,
                         "slow path: 5.0% at the end")

    def test_no_rate_is_negative(self):
        charts = self.charts(self.report(self.file("figures.csv", HISTORY + "5000,77,total,,10,3145728,4194304,1,\n")))
        self.assertEqual(charts["Requests served a second"].find("path/title").text, "served: 2.0k at the end")
        charts = self.charts(self.report(self.file("figures.csv", HISTORY + "5000,77,total,,9000,3145728,4194304,1,\n")))
        self.assertEqual(charts["Share of served requests on the slow path"].find("path/title").text,
                         "slow path: 5.0% at the end")

    def test_moments_that_a_step_does_not_tell_apart(self):
        text = DRIVER.replace("resident@0,", "resident@1e16,").replace("resident@10,", "resident@10000000000000002,")
        charts = self.charts(self.report(self.file("driver.csv", text.replace("live@10,", "live@1e16,"))))
        self.assertTrue(charts)

    def test_charts_end_whatever_their_values(self):
        rows = ("tiny,x@0,1,MiB", "tiny,x@5e-324,1,MiB", "tiny share,x@0,5e-324,%", "huge share,x@0,1.7e308,%",
                "huge,x_p50,1e308,ns", "infinite,x_p50,inf,ns")
        text = "driver,case,metric,value,unit\n" + "".join(f"drift,{row}\n" for row in rows)
        charts = self.charts(self.report(self.file("driver.csv", text)))
        self.assertEqual(len(charts), 5)

    def test_what_is_to_be_drawn_is_not_written_over(self):
        figures = self.file("figures.csv", HISTORY)
        other = self.scratch.name + "/other.csv"
        os.symlink(figures, other)
        _, err = run("report", figures, "-o", other, status=1)
        self.assertEqual(err, f"temporal-slab report: {other} would be written over, which is to be drawn\n")
        with open(figures, encoding="utf-8") as file:
            self.assertEqual(file.read(), HISTORY)

    def test_stacks_of_impossible_weight(self):
        for weight in ("99999999999999999999999", "-4", "+4", "281474976710657", "0x4", ""):
            path = self.file("stacks.folded", f"a;b 4\na;c {weight}\n")
            self.assertIn("is neither figures of", run("report", path, "-o", self.page, status=1)[1])

    def test_latencies_from_when_calls_were_timed(self):
        names = ["malloc_timed", *(f"malloc_{what}_ns" for what in ("p50", "p90", "p99", "p99_9", "p99_99", "max"))]
        lines = ["time_ms,pid,scope,key,live_bytes,resident_bytes," + ",".join(names)]
        for moment, values in ((1000, [0] * 7), (2000, [10, 20, 30, 40, 50, 60, 70]), (3000, [20, 0, 30, 40, 50, 600, 7000])):
            lines.append(f"{moment},77,total,,0,0," + ",".join(map(str, values)))
        charts = self.charts(self.report(self.file("figures.csv", "\n".join(lines) + "\n")))
        self.assertNotIn("How long free took, by percentile", charts)
        paths = list(charts["How long malloc took, by percentile"].iter("path"))
        self.assertEqual({path.find("title").text for path in paths},
                         {"p50: 1 ns at the end", "p90: 30 ns at the end", "p99: 40 ns at the end",
                          "p99.9: 50 ns at the end", "p99.99: 600 ns at the end", "max: 7 µs at the end"})
        for path in paths:
            self.assertEqual(path.get("d").count("L"), 1)

    def test_the_higher_value_stands_higher(self):
        chart = self.charts(self.report(self.file("figures.csv", HISTORY)))["Resident against live memory"]
        last = {path.find("title").text.split(":")[0]: [float(n) for n in path.get("d").split("L")[-1].split()]
                for path in chart.iter("path")}
        self.assertEqual(last["resident"][0], last["live"][0])
        bottom = last["metadata"][1]
        self.assertAlmostEqual((bottom - last["resident"][1]) / (bottom - last["live"][1]), 4 / 3, delta=0.01)

    def test_driver(self):
        html = self.report(self.file("driver.csv", DRIVER))
        charts = self.charts(html)
        self.assertEqual(set(charts), {"churn: how long calls take, by percentile", "spike"})
        values = [circle.find("title").text for circle in charts["churn: how long calls take, by percentile"].iter("circle")]
        self.assertEqual(values, ["20 ns", "400 ns", "100 µs"])
        self.assertIn("machine: a &amp; b", html)
        self.assertIn("<td>kept_of_peak</td><td class=\"number\">12.5</td><td>%</td>", html)

    def test_flame_graph(self):
        charts = self.charts(self.report(self.file("stacks.folded", FOLDED)))
        frames = {g.find("title").text: float(g.find("rect").get("width")) for g in charts["flame"].iter("g")}
        whole = frames["all: 7.8K, 100.0%"]
        self.assertAlmostEqual(frames["parse<int>: 2.9K, 37.5%"] / whole, 0.375, delta=0.001)
        self.assertAlmostEqual(frames["serve: 3.9K, 50.0%"] / whole, 0.5, delta=0.001)

    def test_the_page_needs_nothing_else(self):
        html = self.report(self.file("a.csv", HISTORY), self.file("<b>.csv", DRIVER), "--title", "<one> & \"two\"")
        self.assertIsNone(re.search(r"(src|href)=|@import|url\(|<script", html))
        self.assertIn("<h1>&lt;one&gt; &amp; &quot;two&quot;</h1>", html)
        self.assertIn("<h2>&lt;b&gt;.csv</h2>", html)

    def test_what_is_no_figures(self):
        path = self.file("notes.txt", "some words\nand more\n")
        self.assertIn("is neither figures", run("report", path, "-o", self.page, status=1)[1])
        path = self.file("short.csv", "driver,case,metric,value,unit\na,b\n")
        self.assertIn("short.csv:2: 2 cells", run("report", path, "-o", self.page, status=1)[1])
        self.assertIn("No such file", run("report", "/nowhere.csv", "-o", self.page, status=1)[1])
        self.assertIn("Is a directory", run("report", self.scratch.name, "-o", self.page, status=1)[1])
        self.assertIn("is empty", run("report", self.file("e.csv", ""), "-o", self.page, status=1)[1])
        self.assertFalse(os.path.exists(self.page))
        self.assertIn("No such file", run("report", self.file("d.csv", DRIVER), "-o", "/nowhere/x.html", status=1)[1])
        run("report", path, status=2)
        run("report", "-o", self.page, status=2)

    @unittest.skipUnless(shutil.which("chromium"), "chromium is not installed")
    def test_in_a_browser(self):
        html = self.report(self.file("a.csv", HISTORY), self.file("b.csv", DRIVER), self.file("c.folded", FOLDED))
        picture = self.scratch.name + "/page.png"
        common = [*CHROMIUM, "--user-data-dir=" + self.scratch.name + "/profile", "--window-size=1180,3200"]
        shown = subprocess.run([*common, "--dump-dom", "file://" + self.page], capture_output=True, text=True,
                               timeout=100, check=True, env=tools.environment())
        self.assertEqual(shown.stdout.count("<svg"), html.count("<svg"))
        self.assertNotIn("CONSOLE", shown.stderr)
        subprocess.run([*common, "--screenshot=" + picture, "file://" + self.page], capture_output=True, timeout=100,
                       check=True, env=tools.environment())
        with open(picture, "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        self.assertGreater(os.path.getsize(picture), 50_000)  # a blank page takes a tenth of this


tools.main()
