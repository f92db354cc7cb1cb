#!/usr/bin/env python3
"""workflow.py SOURCE: the workflow for GitHub is one that runs there: its jobs are complete, cover both processors, and
each script that they call is there and takes the arguments it is given."""

import itertools
import os
import re
import shlex
import subprocess
import sys

try:
    import yaml
except ImportError:
    print("skipped: python3-yaml is not installed")
    sys.exit(77)

SOURCE = sys.argv[1]
# The gate's own file, which the workflow may call as well.
SCRIPTS = re.compile(r"(scripts/\w+|\.ci/run)$")
failures = []


def complain(text):
    failures.append(text)
    print(f"FAILED: {text}")


def combinations(job):
    """The values that a job's matrix takes, each as GitHub hands them to the steps."""
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    included = matrix.pop("include", [])
    product = [dict(zip(matrix, values)) for values in itertools.product(*matrix.values())] if matrix else []
    return product + included or [{}]


def filled(text, values):
    """The text with ${{ matrix.NAME }} replaced; any other expression stays and is complained about."""
    text = re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda found: str(values.get(found[1], found[0])), str(text))
    if "${{" in text:
        complain(f"'{text}' has an expression that its matrix does not fill in")
    return text


def check_call(words):
    """One command that starts with a script of the project."""
    script = os.path.join(SOURCE, words[0])
    if not os.access(script, os.X_OK):
        complain(f"{words[0]} is no program of the project")
        return
    if words[0] == ".ci/run":
        if words[1:]:
            complain(f".ci/run takes no arguments, not {words[1:]}")
        return
    usage = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"[\w-]+", usage))
    for word in words[1:]:
        if word not in known:
            complain(f"{words[0]} --help does not know '{word}'")


def check_step(step, values):
    """Returns the project's commands that the step runs."""
    if "uses" in step:
        if not re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]):
            complain(f"'{step['uses']}' is no action with its version")
        return []
    calls = []
    for line in filled(step["run"], values).splitlines():
        words = shlex.split(line)
        if words and words[0] == "bash":
            words = words[1:]
        if words and SCRIPTS.match(words[0]):
            check_call(words)
            calls.append(" ".join(words))
        elif words and words[0] != "apt-get":
            complain(f"'{line}' is neither a script of the project nor apt-get")
    return calls


def main():
    with open(os.path.join(SOURCE, ".github/workflows/ci.yml"), encoding="utf-8") as file:
        workflow = yaml.safe_load(file)
    # YAML 1.1 reads the key `on` as true.
    if not set(workflow[True]) >= {"push", "pull_request"}:
        complain("it does not run on pushes and pull requests")
    runners = {}
    for name, job in workflow["jobs"].items():
        for values in combinations(job):
            runner = filled(job["runs-on"], values)
            calls = [call for step in job["steps"] for call in check_step(step, values)]
            if not calls:
                complain(f"job {name} calls no script of the project")
            if not any(step.get("uses", "").startswith("actions/checkout@") for step in job["steps"]):
                complain(f"job {name} does not fetch the sources")
            for call in calls:
                print(f"{name} on {runner}: {call}")
                runners.setdefault(re.sub(r" --arch \w+", "", call), []).append(runner.endswith("-arm"))
    for call in ("scripts/test --all", "scripts/package"):
        if sorted(runners.get(call, [])) != [False, True]:
            complain(f"{call} does not run once on each of amd64 and arm64")
    print(f"{0 if failures else 1} passed, {len(failures)} failed")
    return 1 if failures else 0


sys.exit(main())
