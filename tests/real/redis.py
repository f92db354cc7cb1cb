#!/usr/bin/python3
"""redis-server: mixed values written, replaced, deleted, read back, saved, and read back after a restart."""

import hashlib
import random
import re
import socket

import real

KEYS = 20_000
BATCH = 500


class Client:
    """Speaks redis's protocol: sends commands in batches, and returns their replies."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=real.COMMAND_SECONDS)
        self.input = self.socket.makefile("rb")

    def send(self, commands):
        request = b""
        for command in commands:
            request += b"*%d\r\n" % len(command)
            for word in command:
                word = word if isinstance(word, bytes) else str(word).encode()
                request += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(request)
        return [self.read() for _ in commands]

    def call(self, *command):
        return self.send([command])[0]

    def read(self):
        line = self.input.readline().rstrip()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise real.Failure(f"redis replied {line.decode()}")
        if kind == b"$":
            return None if rest == b"-1" else self.input.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest


def writes():
    """Strings of 64 to 768 bytes, a third of them replaced and a sixth deleted, beside hashes and sorted sets."""
    dice = random.Random(7)
    for key in list(range(KEYS)) + dice.sample(range(KEYS), KEYS // 3):
        yield "SET", f"string:{key}", dice.randbytes(dice.randint(64, 768))
    for key in dice.sample(range(KEYS), KEYS // 6):
        yield "DEL", f"string:{key}"
    for key in range(KEYS // 4):
        yield "HSET", f"hash:{key % 100}", f"field{key}", dice.randbytes(dice.randint(64, 768))
        yield "ZADD", f"sorted:{key % 50}", dice.randint(1, 1000), dice.randbytes(dice.randint(64, 128)).hex()
        yield "APPEND", f"appended:{key % 200}", dice.randbytes(dice.randint(1, 60))


def read_commands(keys):
    for key in keys:
        kind = key.split(b":")[0]
        if kind == b"hash":
            yield "HGETALL", key
        elif kind == b"sorted":
            yield "ZRANGE", key, 0, -1, "WITHSCORES"
        else:
            yield "GET", key


def in_batches(client, commands):
    commands = list(commands)
    for start in range(0, len(commands), BATCH):
        yield from client.send(commands[start:start + BATCH])


def digest(client):
    keys = sorted(client.call("KEYS", "*"))
    sha = hashlib.sha256()
    for key, value in zip(keys, in_batches(client, read_commands(keys))):
        if key.startswith(b"hash:"):
            value = sorted(zip(value[::2], value[1::2]))
        sha.update(repr((key, value)).encode())
    return len(keys), sha.hexdigest()


def persistence(client):
    return dict(re.findall(r"(\w+):(\w+)", client.call("INFO", "persistence").decode()))


def start(run):
    port = real.free_port()
    server = run.start(real.need("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1",
                       "--dir", run.folder, "--save", "", "--enable-debug-command", "no", port=port)
    client = Client(port)
    real.wait_until(lambda: persistence(client)["loading"] == "0", "redis has loaded its data")
    return server, client


def test(run):
    server, client = start(run)
    for _ in in_batches(client, writes()):
        pass
    written = digest(client)
    client.call("BGSAVE")
    # What is written from here on is not in the snapshot.
    for _ in in_batches(client, (("SET", f"string:{size}", b"x" * size) for size in range(64, 769))):
        pass
    real.wait_until(lambda: persistence(client)["rdb_bgsave_in_progress"] == "0", "BGSAVE ends")
    if persistence(client)["rdb_last_bgsave_status"] != "ok":
        raise real.Failure("BGSAVE failed")
    run.stop(server)

    server, client = start(run)
    if digest(client) != written:
        raise real.Failure("the data read after the restart is not what was saved")
    client.call("FLUSHALL")
    emptied = client.call("DBSIZE")
    run.stop(server)
    return {"data written and saved": written, "keys after FLUSHALL": emptied}


real.compare(test, served={"redis-server": KEYS})
