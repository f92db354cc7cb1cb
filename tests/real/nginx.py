#!/usr/bin/python3
"""nginx with two workers under wrk: every answer is 200, and the files come back whole."""

import collections
import hashlib
import http.client
import os
import random
import re

import real

CONFIG = """
daemon off;
worker_processes 2;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    log_format status "$status";
    access_log {folder}/access status;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types *;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        location /rewritten/ {{ rewrite ^/rewritten/(.*)$ /$1 last; }}
    }}
}}
"""
FILES = {"small": 500, "middle": 20_000, "large": 3_000_000}
SECONDS = 3


def write_files(run):
    os.mkdir(run.path("files"))
    for name, size in FILES.items():
        with open(run.path(f"files/{name}"), "wb") as file:
            file.write(random.Random(name).randbytes(size // 2).hex().encode())


def load(run, url, *options):
    """Puts wrk's load on an address; returns the number of requests answered."""
    report = run.tool(real.need("wrk", "wrk"), "-t1", "-c16", f"-d{SECONDS}s", *options, url)
    if "Non-2xx" in report or "Socket errors" in report:
        raise real.Failure(f"wrk reports: {report}")
    return int(re.search(r"(\d+) requests in", report)[1])


def test(run):
    port = real.free_port()
    write_files(run)
    config = run.write("nginx.conf", CONFIG.format(folder=run.folder, port=port))
    # `-e stderr` keeps what a process says at its end out of a log file.
    server = run.start(real.need("nginx", "nginx"), "-p", run.folder, "-e", "stderr", "-c", config, port=port)
    url = f"http://127.0.0.1:{port}"
    answered = load(run, f"{url}/small") + load(run, f"{url}/rewritten/middle", "-H", "Accept-Encoding: gzip")
    checksums = {}
    for name in FILES:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=real.COMMAND_SECONDS)
        connection.request("GET", f"/{name}")
        checksums[name] = hashlib.sha256(connection.getresponse().read()).hexdigest()
        connection.close()
    run.stop(server)
    with open(run.path("access")) as log:
        statuses = collections.Counter(log.read().split())
    if answered == 0 or statuses["200"] < answered or len(statuses) != 1:
        raise real.Failure(f"wrk counted {answered} answers, nginx logged {dict(statuses)}")
    return {"checksums": checksums}


real.compare(test, served={"nginx": 200})
