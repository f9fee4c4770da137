"""A peer in a process of its own: `peers.py ENGINE VERB DIR [DATA]`. Run by compare.py, in its venv.

`load` reads the JSONL DATA into DIR and answers one line of JSON: seconds and CPU seconds until the data
is searchable, then settled (everything merged, checkpointed, closed). `first` opens DIR, runs the one
statement on standard input and ends. `serve` opens DIR and answers one line of JSON for every line:
`{"time": sql}` the cold and the warm median in ms, `{"rows": sql}` the rows.

No cache of results or of conditions is on. The columns are typed; a string that is missing is null in
DuckDB and SQLite and empty in chDB, a number that is missing is null in the first two and 0 in chDB, because each is the way
in which that engine is fast. SQLite is the one that Python brings along; its table has an index on time and a full-text index (FTS5).
"""

import json
import os
import re
import resource
import sqlite3
import statistics
import sys
import time

THREADS = 2
# One turn of one query: at least and at most so many warm runs, and no more once they took so long
# together. The same as `logq bench --queries`.
WARM_MIN, WARM_MAX, WARM_SECONDS = 5, 101, 1.0
STRINGS = ["kind", "level", "component", "operation", "model", "session", "context_type", "message", "prompt", "response"]
NUMBERS = ["prompt_tokens", "response_tokens", "latency_ms", "importance"]
# In chDB a dictionary is asked for by type, DuckDB finds it by itself. Not for `session`: with 10,000 values
# among a million rows uniqExact was 1.4 times slower with one, and the disk 2 % smaller.
DICTIONARIES = {"kind", "level", "component", "operation", "model", "context_type"}


class DuckDB:
    """A table in one database file."""

    def __init__(self, folder: str):
        import duckdb

        self.path = os.path.join(folder, "w1.duckdb")
        self.db = duckdb.connect(self.path)
        self.db.execute(f"SET threads = {THREADS}")

    def load(self, data: str):
        types = {"ts": "BIGINT"} | dict.fromkeys(STRINGS, "VARCHAR") | dict.fromkeys(NUMBERS, "INTEGER")
        names = ", ".join(name for name in types if name != "ts")
        columns = ", ".join(f"{name}: '{kind}'" for name, kind in types.items())
        self.db.execute(
            f"CREATE TABLE w1 AS SELECT make_timestamp_ns(ts) AS ts, {names}"
            f" FROM read_json('{quoted(data)}', format = 'newline_delimited', columns = {{{columns}}})"
        )

    def settle(self):
        self.db.execute("CHECKPOINT")

    def run(self, sql: str):
        # As Arrow: all rows are made, none of them as Python objects.
        self.db.sql(sql).to_arrow_table()

    def rows(self, sql: str) -> list:
        return [list(row) for row in self.db.execute(sql).fetchall()]

    def disk(self) -> int:
        return os.path.getsize(self.path)

    def close(self):
        self.db.close()


class ChDB:
    """A MergeTree table, ordered by time, in the folder of a session."""

    def __init__(self, folder: str):
        from chdb import session

        self.session = session.Session(os.path.join(folder, "session"))
        for name, value in self.settings().items():
            self.session.query(f"SET {name} = {value}")
        for name, value in self.settings().items():
            held = int(self.rows(f"SELECT toUInt64(getSetting('{name}'))")[0][0])
            assert held == value, f"chDB does not keep {name} = {value} (it says {held})"

    @staticmethod
    def settings() -> dict:
        return {"max_threads": THREADS, "use_query_cache": 0, "use_query_condition_cache": 0}

    def load(self, data: str):
        kinds = {name: "LowCardinality(String)" if name in DICTIONARIES else "String" for name in STRINGS}
        kinds |= dict.fromkeys(NUMBERS, "UInt32")
        columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        read = f"ts Int64, {columns}".replace("'", "''")
        self.session.query(
            f"CREATE TABLE w1 (ts DateTime64(9, 'UTC'), {columns}) ENGINE = MergeTree ORDER BY ts"
        )
        self.session.query(
            f"INSERT INTO w1 SELECT fromUnixTimestamp64Nano(ts, 'UTC'), {', '.join(kinds)}"
            f" FROM file('{quoted(data)}', 'JSONEachRow', '{read}')"
        )

    def settle(self):
        self.session.query("OPTIMIZE TABLE w1 FINAL")

    def run(self, sql: str):
        self.session.query(sql, "Native")

    def rows(self, sql: str) -> list:
        answer = self.session.query(sql, "JSONCompactEachRow").bytes() or b""
        return [json.loads(line) for line in answer.splitlines()]

    def disk(self) -> int:
        # Parts that were merged away are still in the folder for some minutes: not counted.
        sql = "SELECT toInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND table = 'w1'"
        return int(self.rows(sql)[0][0])

    def close(self):
        self.session.close()


class SQLite:
    """A table in one database file, with an index on time and FTS5 over the texts, which are kept once."""

    def __init__(self, folder: str):
        self.path = os.path.join(folder, "w1.sqlite")
        self.db = sqlite3.connect(self.path, cached_statements=64)
        self.db.executescript(f"PRAGMA cache_size = -262144; PRAGMA mmap_size = 4294967296; PRAGMA threads = {THREADS};")
        # SQLite has no regex of its own; this is Python's, called for each text.
        known = {}
        self.db.create_function(
            "regexp", 2, lambda text, of: known.setdefault(text, re.compile(text)).search(of or "") is not None, deterministic=True
        )

    def load(self, data: str):
        names = ["ts", *STRINGS, *NUMBERS]
        kinds = {"ts": "INTEGER"} | dict.fromkeys(STRINGS, "TEXT") | dict.fromkeys(NUMBERS, "INTEGER")
        columns = ", ".join(f"{name} {kinds[name]}" for name in names)
        # Nothing is synced on the way, as with the other engines; one commit at the end.
        self.db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        self.db.execute(f"CREATE TABLE w1 ({columns})")
        self.db.execute("CREATE VIRTUAL TABLE texts USING fts5(message, prompt, response, content = 'w1')")
        with open(data, encoding="utf-8") as lines:
            rows = (tuple(map(json.loads(line).get, names)) for line in lines)
            self.db.executemany(f"INSERT INTO w1 VALUES ({', '.join('?' * len(names))})", rows)
        self.db.execute("INSERT INTO texts (rowid, message, prompt, response) SELECT rowid, message, prompt, response FROM w1")
        self.db.execute("CREATE INDEX by_time ON w1 (ts)")
        self.db.commit()

    def settle(self):
        self.db.execute("INSERT INTO texts (texts) VALUES ('optimize')")
        self.db.execute("ANALYZE")
        self.db.commit()

    def run(self, sql: str):
        self.db.execute(sql).fetchall()

    def rows(self, sql: str) -> list:
        return [list(row) for row in self.db.execute(sql).fetchall()]

    def disk(self) -> int:
        return os.path.getsize(self.path)

    def close(self):
        self.db.close()


ENGINES = {"duckdb": DuckDB, "chdb": ChDB, "sqlite": SQLite}


def quoted(path: str) -> str:
    return path.replace("'", "''")


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def load(name: str, folder: str, data: str):
    """Opening the empty database is not counted; importing the library is not either."""
    engine = ENGINES[name](folder)
    started, used = time.perf_counter(), cpu_seconds()
    engine.load(data)
    said = {"import_s": time.perf_counter() - started, "import_cpu_s": cpu_seconds() - used}
    engine.settle()
    said |= {"settled_s": time.perf_counter() - started, "settled_cpu_s": cpu_seconds() - used}
    said["disk_bytes"] = engine.disk()
    engine.close()
    print(json.dumps(said), flush=True)


def timed(engine, sql: str) -> dict:
    started = time.perf_counter()
    engine.run(sql)
    cold = time.perf_counter() - started
    warm = []
    begun = time.perf_counter()
    while len(warm) < WARM_MIN or (len(warm) < WARM_MAX and time.perf_counter() - begun < WARM_SECONDS):
        started = time.perf_counter()
        engine.run(sql)
        warm.append(time.perf_counter() - started)
    return {"first_ms": cold * 1000, "warm_p50_ms": statistics.median(warm) * 1000}


def serve(engine):
    for line in sys.stdin:
        asked = json.loads(line)
        said = timed(engine, asked["time"]) if "time" in asked else engine.rows(asked["rows"])
        print(json.dumps(said), flush=True)
    engine.close()


def main():
    name, verb, folder = sys.argv[1:4]
    if verb == "load":
        load(name, folder, sys.argv[4])
    elif verb == "serve":
        serve(ENGINES[name](folder))
    else:
        engine = ENGINES[name](folder)
        print(json.dumps(engine.rows(sys.stdin.read())), flush=True)
        engine.close()


if __name__ == "__main__":
    main()
