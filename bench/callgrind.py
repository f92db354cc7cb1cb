"""Executed instructions of a program under valgrind --tool=callgrind, told apart by objdump."""

import collections
import os
import re
import subprocess

LOCKED = re.compile(r"^(lock\b|xchg\s.*\(|ld[a]?x|st[l]?x|cas|swp|ldadd|ldset|ldclr)")
INDIRECT = re.compile(r"^((bnd|notrack)\s+)*(jmp|call)q?\s+\*|^(br|blr)\s")
CONDITIONAL = re.compile(r"^((bnd|notrack)\s+)*(j(?!mp)\w+|b\.\w+|cbn?z|tbn?z)\s")


class Failed(Exception):
    """valgrind or the program did not do as it was asked."""


class Counts:
    """Executed instructions of one process: by address inside the library, inside libc, and in all."""

    def __init__(self, path, library):
        self.in_library = collections.Counter()
        self.in_libc = 0
        self.total = 0
        owner = None
        skip = False
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("ob="):
                    owner = line[3:].strip()
                elif line.startswith("calls="):
                    skip = True  # the next line is the cost of the callee
                elif line.startswith("0x"):
                    if not skip:
                        address, _, cost = line.split()
                        self.total += int(cost)
                        if owner == library:
                            self.in_library[int(address, 16)] += int(cost)
                        elif os.path.basename(owner).startswith("libc.so"):
                            self.in_libc += int(cost)
                    skip = False


def count(program, library, arguments, directory, preloaded=True):
    out = os.path.join(directory, "callgrind.out")
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    if preloaded:
        environment["LD_PRELOAD"] = library
    command = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no",
               f"--callgrind-out-file={out}", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
    return Counts(out, library)


def disassemble(library):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True)
    instructions = {}
    for line in text.stdout.splitlines():
        match = re.match(r"^\s*([0-9a-f]+):\s+(\S.*)$", line)
        if match:
            instructions[int(match[1], 16)] = match[2].strip()
    return instructions
