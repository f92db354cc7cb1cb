#!/usr/bin/python3
"""memcached: many connections come and go while values are written, replaced, deleted and read back."""

import hashlib
import random
import socket

import real

KEYS = 10_000
CONNECTIONS = 200
BATCH = 200


class Client:
    """Speaks memcached's text protocol, in batches."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=real.COMMAND_SECONDS)
        self.input = self.socket.makefile("rb")

    def close(self):
        self.input.close()
        self.socket.close()

    def send(self, requests):
        self.socket.sendall(b"".join(requests))
        return [self.input.readline().strip() for _ in requests]

    def get(self, keys):
        self.socket.sendall(b"get " + b" ".join(keys) + b"\r\n")
        while (line := self.input.readline().split()) != [b"END"]:
            yield line[1], self.input.read(int(line[3]) + 2)[:-2]


def batches(items):
    for start in range(0, len(items), BATCH):
        yield items[start:start + BATCH]


def test(run):
    port = real.free_port()
    server = run.start(real.need("memcached", "memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0",
                       "-t", "4", "-m", "64", "-c", "1024", "-u", "nobody", port=port)
    dice = random.Random(11)
    keys = [b"key%d" % number for number in range(KEYS)]
    requests = []
    for key in keys + dice.sample(keys, KEYS // 3):
        value = dice.randbytes(dice.randint(64, 768))
        requests.append(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
    requests += [b"delete %s\r\n" % key for key in dice.sample(keys, KEYS // 6)]

    clients = [Client(port) for _ in range(CONNECTIONS)]
    replies = {}
    # Each batch ends before the next begins, so that the connections cannot change its outcome.
    for number, batch in enumerate(batches(requests)):
        if number % 5 == 0:
            clients.pop(0).close()
            clients.append(Client(port))
        for reply in clients[number % CONNECTIONS].send(batch):
            replies[reply] = replies.get(reply, 0) + 1
    sha, found = hashlib.sha256(), 0
    for number, batch in enumerate(batches(keys)):
        for key, value in clients[-1 - number % CONNECTIONS].get(batch):
            sha.update(repr((key, value)).encode())
            found += 1
    for client in clients:
        client.close()
    run.stop(server)
    return {"replies": replies, "values read back": (found, sha.hexdigest())}


real.compare(test, served={"memcached": CONNECTIONS})
