"""A server under an allocator: started on a free port of the loopback interface, watched, and ended by its process id."""

import os
import signal
import socket
import subprocess
import time

import paired


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`linked` is for servers that bring an allocator of their own: under "glibc" libc's is preloaded over it."""

    def __init__(self, allocator, directory, command, port, linked=False):
        self.port = port
        self.directory = directory
        self.command = command
        self.log = os.path.join(directory.path, "server.log")
        environment = paired.environment_for(allocator)
        if linked and not allocator.preload:
            environment["LD_PRELOAD"] = paired.find_library("libc.so.6")
        with open(self.log, "w", encoding="ascii") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log)

    def __enter__(self):
        try:
            for _ in range(500):
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.command[0]} ended with status {self.process.returncode}")
                try:
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                    return self
                except OSError:
                    time.sleep(0.01)
            raise RuntimeError(f"{self.command[0]} did not start")
        except BaseException:
            self.end()
            raise

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            self.directory.said = log.read()

    def cpu_seconds(self):
        """Of all its threads, as the scheduler counts them, in nanoseconds rather than clock ticks."""
        tasks = f"/proc/{self.process.pid}/task"
        total = 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def processes(self):
        """Its own number and its children's."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [pid, *map(int, file.read().split())]

    def resident_mib(self):
        """Private memory of all its processes: what they share with each other or with files does not count.

        Clean pages of files count as private as long as nobody else maps the same library, whoever that is: what is
        clean counts only where it was given back lazily."""
        total = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty:", "LazyFree:")))
        return total / 1024

    def peak_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024
