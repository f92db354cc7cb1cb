#!/usr/bin/python3
"""python3 with every object from malloc: a workload of its own, and some of its own tests."""

import re

import real

WORKLOAD = """
import collections, concurrent.futures, hashlib, json, random, re, threading

def documents(seed):
    dice = random.Random(seed)
    return [{"id": n, "name": "x" * dice.randint(1, 700), "tags": [str(dice.random()) for _ in range(n % 9)],
             "nested": {str(k): [k] * (k % 5) for k in range(n % 12)}} for n in range(1500)]

def work(seed):
    text = json.dumps(documents(seed), sort_keys=True)
    parsed = json.loads(text)
    words = collections.Counter(re.findall(r"[0-9]+[.][0-9]{3}", text))
    replaced = re.sub(r"(x{10,60})", lambda match: match[1][::-1] + "y", text)
    table = {}
    for item in parsed:
        table.setdefault(len(item["name"]) % 37, []).append(item)
        if item["id"] % 3 == 0: table.pop(item["id"] % 37, None)
    state = (sorted(words.items()), hashlib.sha256(replaced.encode()).hexdigest(), sorted(table), len(parsed))
    return hashlib.sha256(repr(state).encode()).hexdigest()

with concurrent.futures.ThreadPoolExecutor(4) as pool:
    for digest in pool.map(work, range(8)): print(digest)

# Objects made in one thread die in another.
made = collections.deque()
def make():
    for n in range(20000): made.append(bytearray(n % 800))
maker = threading.Thread(target=make)
maker.start()
seen = 0
while maker.is_alive() or made:
    if made: seen += len(made.popleft())
maker.join()
print(seen)
"""

OWN_TESTS = ["test.test_dict", "test.test_list", "test.test_bytes", "test.test_re", "test.test_json",
             "test.test_deque", "test.test_set"]
# Prints the outcome of each test on stdout. Children say nothing, since some tests look at their stderr.
RUN_TESTS = """
import os, sys, unittest
os.environ["TSLAB_STATS"] = "0"
suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
sys.exit(not result.wasSuccessful())
"""


def test(run):
    python = real.need("python3", "python3")
    env = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}
    outcomes = run.run(python, "-c", RUN_TESTS, *OWN_TESTS, env=env)
    if not re.search(r"^Ran [1-9]\d+ tests", outcomes, re.MULTILINE):
        raise real.Failure("python's own tests are not installed: package libpython3.11-testsuite")
    return {"workload": run.run(python, "-c", WORKLOAD, env=env),
            "own tests": re.sub(r"(?m)^(Ran \d+ tests) in .*", r"\1", outcomes)}


real.compare(test, served={"python3*": 100_000})
