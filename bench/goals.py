"""The goals of the issues Preload (2), Fast (3), Epochs (4) and Observe (5): the one place that names them.

A goal is met when the 95 % interval of what was measured includes the limit or lies below it.
"""

import collections
import re

# against: "best" (ratio to the best peer), "best but glibc" (which merges free blocks across sizes), a peer's name (ratio to it), or None (the figure itself).
# where: a metric of the same case and what it must exceed for the goal to apply.
Goal = collections.namedtuple("Goal", "issue driver case metric against limit where", defaults=[None])

GOALS = [
    Goal(2, "replace", r"100000_live_[12]_threads", "time", "best", 1.3),
    Goal(2, "handoff", r"one_to_one", "time", "best", 0.8),
    Goal(2, "forwarded", r".*", "instructions", None, 8),
    Goal(2, "forwarded", r".*", "indirect_branches", None, 1),
    Goal(2, "forwarded", r".*", "locked_instructions", None, 0),
    Goal(2, "startup", r"true", "wall_added", None, 1.5),
    Goal(2, "startup", r"true", "peak_added", None, 1024),
    Goal(2, "idle_threads", r"1000_threads", "per_thread_added", None, 16),
    Goal(2, "resident", r"[1-9]\d{5,}", "per_live_byte", None, 1.15),  # as many as replace's; fewer are shown beside
    Goal(3, "pair", r".*", "time", "best", 1.0),
    Goal(3, "queue", r"1000", "time", "best", 1.0),
    Goal(3, "replace", r"100000_live_[12]_threads", "time", "best", 1.0),
    Goal(3, "burst", r".*", "time", "best", 1.0),
    Goal(3, "handoff", r".*", "time", "best", 0.6),
    Goal(3, "latency", r"churn", "malloc_p99", "best", 1.0),
    Goal(3, "latency", r"churn", "malloc_p99.9", "best", 0.5),
    Goal(3, "latency", r"churn", "malloc_p99.99", "best", 1.0),
    Goal(3, "latency", r"churn", "free_p99", "best", 1.0),
    Goal(3, "latency", r"churn", "free_p99.9", "best", 0.9),
    Goal(3, "latency", r"churn", "free_p99.99", "best", 1.0),
    Goal(3, "latency", r"mass_free_.*", "free_p99.9", None, 4_000),
    Goal(3, "latency", r"mass_free_.*", "free_p99.99", None, 15_000),
    Goal(3, "latency", r"mass_free_.*", "malloc_p99.9", None, 4_000),
    Goal(3, "latency", r"mass_free_.*", "malloc_p99.99", None, 15_000),
    Goal(3, "programs", r".*", "cpu", "glibc", 1.0),
    Goal(3, "programs", r".*", "cpu", "best", 1.03, ("served_share", 50)),
    Goal(4, "drift", r"steady|sessions", "growth", None, 1.0),
    Goal(4, "drift", r"steady|sessions", "per_live_byte", None, 1.10),
    Goal(4, "drift", r"steady|sessions", "per_live_byte", "glibc", 1.0),  # stretch
    Goal(4, "drift", r"phases|survivors", "per_live_byte(_low)?", "best but glibc", 0.75),
    Goal(4, "drift", r"phases|survivors", "per_live_byte(_low)?", "glibc", 1.0),  # stretch
    Goal(4, "drift", r"spike|spike_and_pause", "kept_of_peak", None, 15),
    Goal(4, "drift", r"spike|spike_and_pause", "per_live_byte", None, 3.3),
    Goal(4, "drift", r"builder_sleeps|short_threads", "less_1_mib_per_live_byte", None, 1.2),
    Goal(4, "servers", r"redis", "growth", "best", 1.0),
    Goal(4, "servers", r"redis", "after_delete", "glibc", 1.0),
    Goal(5, "observed", r".*", "added_telemetry|added_latency", None, 1.0),
    Goal(5, "observed", r".*", "added_profile", None, 3.0),
]


def goals_for(driver, case, metric):
    return [g for g in GOALS if g.driver == driver and re.fullmatch(g.metric, metric) and re.fullmatch(g.case, case)]
