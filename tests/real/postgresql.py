#!/usr/bin/python3
"""PostgreSQL under pgbench: the balances agree with the history, and the rows with those of a plain run."""

import os
import pwd
import signal

import real

CLIENTS = 4
TRANSACTIONS = 500

BALANCES = """
select (select sum(abalance) from pgbench_accounts) = sum(delta)
   and (select sum(bbalance) from pgbench_branches) = sum(delta)
   and (select sum(tbalance) from pgbench_tellers) = sum(delta)
  from pgbench_history"""
HISTORY = """
select count(*), sum(delta), md5(string_agg(format('%s %s %s %s', tid, bid, aid, delta), ',' order by tid, bid, aid, delta))
  from pgbench_history"""
# Sorting, hashing, aggregation, JSON, regular expressions and a function of its own.
QUERIES = """
create function fold(text) returns text language plpgsql as $$
declare kept text := ''; word text;
begin
    foreach word in array regexp_split_to_array($1, '[0-9]+') loop kept := md5(kept || word); end loop;
    return kept;
end $$;
create table words as
    select n, md5(n::text) as word, jsonb_build_object('n', n, 'list', array[n, n * 2], 'text', repeat(md5(n::text), 5)) as doc
      from generate_series(1, 20000) n;
create index on words (word);
create index on words using gin (doc);
select md5(string_agg(fold(word), ',' order by word)) from words where n % 7 = 0;
select count(*), sum(length(a.doc::text)) from words a join words b on a.word = md5(b.n::text) where b.doc @> '{"list": []}';
select left(word, 2), count(*), sum((doc ->> 'n')::int) from words group by 1 order by 1 limit 5;
select md5(string_agg(doc::text, '' order by doc ->> 'text' desc, n)) from words;
"""


def test(run):
    postgres, initdb, pg_isready, pgbench, psql = (
        real.need(name, "postgresql") for name in ("postgres", "initdb", "pg_isready", "pgbench", "psql"))
    # The server refuses to run as root.
    user = {}
    if os.getuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(run.folder, entry.pw_uid, entry.pw_gid)
        user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    port = real.free_port()
    data = run.path("data")
    run.run(initdb, "-D", data, "-U", "tester", "-A", "trust", "-N", **user)
    server = run.start(postgres, "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1",
                       "-c", f"unix_socket_directories={run.folder}", "-c", "fsync=off",
                       "-c", "shared_buffers=32MB", "-c", "max_connections=20", port=port, **user)
    where = ["-h", "127.0.0.1", "-p", str(port), "-U", "tester"]

    def ask(sql):
        return run.run(psql, *where, "-d", "postgres", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", stdin=sql)

    try:
        # It accepts connections before it answers queries.
        real.wait_until(lambda: "accepting" in run.run(pg_isready, *where, ok=False), "PostgreSQL is ready")
        run.run(pgbench, *where, "-i", "-q", "-s", "1", "postgres")
        run.run(pgbench, *where, "-n", "-c", str(CLIENTS), "-t", str(TRANSACTIONS), "--random-seed=5", "postgres")
        if ask(BALANCES) != "t\n":
            raise real.Failure("the balances do not agree with the history")
        return {"history": ask(HISTORY), "queries": ask(QUERIES)}
    finally:
        # A fast shutdown: PostgreSQL's SIGTERM waits for its clients.
        run.stop(server, by=signal.SIGINT)


real.compare(test, served={"postgres": 1000, "psql": 10, "pgbench": 10})
