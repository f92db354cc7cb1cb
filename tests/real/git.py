#!/usr/bin/python3
"""git: a generated history survives gc and fsck, and holds the same objects."""

import hashlib
import random

import real

COMMITS = 150
FILES = 60


def history():
    """A stream for git fast-import: files that change a little in every commit, and two branches that meet."""
    dice = random.Random(9)
    lines = {n: [dice.randbytes(dice.randint(10, 40)).hex() for _ in range(100)] for n in range(FILES)}
    for number in range(1, COMMITS + 1):
        branch = "side" if number % 10 in (3, 4, 5) else "main"
        yield f"commit refs/heads/{branch}\nmark :{number}\n"
        yield f"committer Tester <tester@localhost> {1_700_000_000 + number * 60} +0000\n"
        message = f"Change {number}"
        yield f"data {len(message)}\n{message}\n"
        if number > 1 and number % 10 == 3:
            yield f"from :{number - 1}\n"
        if number % 10 == 6:
            yield f"merge :{number - 1}\n"
        for file in dice.sample(range(FILES), 8):
            lines[file][dice.randrange(100)] = dice.randbytes(30).hex()
            text = "\n".join(lines[file])
            yield f"M 100644 inline folder{file % 7}/file{file}\ndata {len(text)}\n{text}\n"


def test(run):
    git = real.need("git", "git")
    run.write(".gitconfig", "[init]\ndefaultBranch = main\n[gc]\nauto = 0\n[user]\nname = Tester\nemail = tester@localhost\n")

    def in_repo(*arguments, stdin=""):
        return run.run(git, "-C", "repo", *arguments, stdin=stdin)

    def objects():
        listed = in_repo("cat-file", "--batch-all-objects", "--batch-check")
        return hashlib.sha256("\n".join(sorted(listed.split("\n"))).encode()).hexdigest()

    run.run(git, "init", "-q", "repo")
    in_repo("fast-import", "--quiet", stdin="".join(history()))
    in_repo("checkout", "-q", "main")
    before = objects()
    in_repo("repack", "-q", "-a", "-d", "-f", "--depth=20")
    in_repo("gc", "-q", "--prune=now")
    in_repo("fsck", "--full", "--strict", "--no-progress")
    if objects() != before:
        raise real.Failure("gc changed the set of objects")
    run.run(git, "clone", "-q", "--no-local", "repo", "clone")
    return {"objects": before, "log": in_repo("log", "--graph", "--stat", "--all"),
            "blame": in_repo("blame", "-s", "folder1/file1"), "status": in_repo("status", "--porcelain"),
            "head of the clone": run.run(git, "-C", "clone", "rev-parse", "HEAD")}


real.compare(test, served={"git": 10_000})
