#!/usr/bin/python3
"""sqlite3: bulk inserts, indexes, updates, deletes and queries give the same database."""

import hashlib
import random

import real

ROWS = 20_000


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def statements():
    dice = random.Random(3)
    yield "create table person(id integer primary key, name text, note text, weight real);"
    yield "create table visit(person integer references person, day text, remark text);"
    yield "create index by_name on person(name);"
    yield "begin;"
    for number in range(ROWS):
        note = dice.randbytes(dice.randint(32, 384)).hex()
        yield f"insert into person values({number}, 'name{dice.randint(0, 999)}', {quoted(note)}, {dice.random()});"
        if number % 3 == 0:
            yield f"insert into visit values({dice.randint(0, number)}, '2024-01-{number % 28 + 1:02}', 'it''s {number}');"
    yield "commit;"
    yield "create index by_day on visit(day, person);"
    yield "create table summary as select day, count(*) n, group_concat(person, '-') all_of_them from visit group by day;"
    yield "update person set note = upper(note) where id % 5 = 0;"
    yield "delete from person where id % 7 = 0;"
    yield "with recursive f(a, b) as (select 0, 1 union all select b, a + b from f limit 60) select group_concat(a) from f;"
    yield "select p.name, count(*), total(p.weight) from person p join visit v on v.person = p.id group by 1 order by 2 desc, 1 limit 20;"
    yield "select json_group_array(json_object('day', day, 'n', n)) from summary;"
    yield "vacuum;"
    yield "pragma integrity_check;"


def test(run):
    sqlite3 = real.need("sqlite3", "sqlite3")
    answers = run.run(sqlite3, "-batch", "test.db", stdin="\n".join(statements()))
    if not answers.endswith("\nok\n"):
        raise real.Failure(f"integrity_check: {answers[-200:]}")
    dump = run.run(sqlite3, "test.db", ".dump")
    # The dump, read back, must give the same dump.
    again = run.run(sqlite3, "-batch", "again.db", stdin=dump + "\n.dump\n")
    if again != dump:
        raise real.Failure("a database made from the dump dumps otherwise")
    return {"answers": answers, "dump": hashlib.sha256(dump.encode()).hexdigest()}


real.compare(test, served={"sqlite3": 1000})
