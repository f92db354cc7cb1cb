#!/usr/bin/env python3
"""A process with rights that its user does not have writes no files that the user names: privileged.py LIBRARY PROGRAM.

PROGRAM is `reported`. It is run as another user in a root folder of its own, once as it is and once with its
set-user-ID bit, and asked for everything that options let it write. Needs root, and a file system that honours the bit.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

USER = 65534
PRELOADED = "libtslab_privileged.so"  # by its bare name, and itself with the bit: the loader takes no others then
OPTIONS = {"TSLAB_STATS": "json:/out/figures", "TSLAB_STATS_INTERVAL_MS": "1", "TSLAB_STATS_CSV": "/out/series.csv",
           "TSLAB_TELEMETRY": "/out/telemetry", "TSLAB_PROFILE": "4K", "TSLAB_PROFILE_FILE": "/out/profile"}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def libraries(program):
    """What the loader finds for it, each under the path it has here."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(?:=> )?(/\S+) \(0x", text)


def libunwind():
    text = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True,
                          env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}).stdout
    found = re.search(r"libunwind\.so\.8 .*=> (/\S+)", text)
    if not found:
        sys.exit("libunwind.so.8 is not installed: it is in Debian's package libunwind8")
    return found[1]


def build_root(root, library, program):
    unwind = libunwind()
    files = {*libraries(program), *libraries(library), *libraries(unwind), unwind}
    libc = next(file for file in files if os.path.basename(file) == "libc.so.6")
    for file in files:
        os.makedirs(root + os.path.dirname(file), exist_ok=True)
        shutil.copy(file, root + file)
    preloaded = os.path.join(root + os.path.dirname(libc), PRELOADED)
    shutil.copy(library, preloaded)
    os.chmod(preloaded, 0o4755)
    shutil.copy(program, root + "/program")
    os.mkdir(root + "/out")
    os.chmod(root + "/out", 0o777)


def enter(root):
    os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def run(root, mode, **options):
    """What the program says on stderr, and the files it leaves."""
    os.chmod(root + "/program", mode)
    shutil.rmtree(root + "/out")
    os.mkdir(root + "/out")
    os.chmod(root + "/out", 0o777)
    done = subprocess.run(["/program"], input="cc", text=True, capture_output=True, timeout=60, check=False,
                          env={"LD_PRELOAD": PRELOADED, **options}, preexec_fn=lambda: enter(root))
    if done.returncode != 0:
        sys.exit(f"FAILED: the program ended with {done.returncode}: {done.stderr}")
    return done.stderr, sorted(os.listdir(root + "/out"))


def main():
    library, program = sys.argv[1:]
    if os.geteuid() != 0:
        skip("only root can build what this needs")
    with tempfile.TemporaryDirectory(prefix="privileged-") as root:
        if os.statvfs(root).f_flag & os.ST_NOSUID:
            skip(f"{root} is on a file system that honours no set-user-ID bit")
        os.chmod(root, 0o755)
        build_root(root, os.path.realpath(library), program)
        _, files = run(root, 0o755, **OPTIONS)
        if not {"figures", "profile.heap", "series.csv", "telemetry"} <= set(files):
            sys.exit(f"FAILED: as itself the program leaves {files}")
        said, _ = run(root, 0o4755, TSLAB_STATS="1")
        if not re.search(r"served [1-9]\d* requests", said):
            sys.exit(f"FAILED: the library is not at work in a privileged program: {said!r}")
        said, files = run(root, 0o4755, **OPTIONS)
        if files or said:
            sys.exit(f"FAILED: a privileged program leaves {files} and says {said!r}")
    print("a privileged program is served and leaves no files")


main()
