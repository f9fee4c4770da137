#!/usr/bin/env python3
"""Many groups: logq beside DuckDB on rows with a million different keys, in one run.

Usage: keys.py [--rows N] [--logq BINARY] [--rounds N] [--work DIR] [--venv DIR]

Makes the rows (a time, a key of a million, a number), loads both, checks that they answer alike, and times grouping, distinct,
an exact p99 and a sort with a limit in turns. Ends with 0, with 1 when an answer differs, with 2 when it could not run.
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # Nothing is left beside the sources.

from compare import ROOT, CannotRun, find_binary, limited, make_venv, measured, say  # noqa: E402

KEYS = 1_000_000
START = 1_763_000_000_000

# name, question, SQL over a table t(ts, k, v)
QUESTIONS = [
    ("group", "events count, sum(v) as s by k | top 10 by s | sort s desc, k", "select k, count(*), sum(v) s from t group by k order by s desc, k limit 10"),
    ("distinct", "events distinct(k) as n", "select count(distinct k) from t"),
    ("p99", "events p99(v) as p", "select quantile_disc(v, 0.99) from t"),
    ("p99 by 10", "events p99(v) as p by b | sort b", "select b, quantile_disc(v, 0.99) from t group by b order by b"),
    ("sort, limit", "events sort v desc, k, time limit 10 | keep k, v", "select k, v from t order by v desc, k, ts limit 10"),
]

# Runs in the venv: times every SQL of its input, one a line, and prints rows and seconds.
DUCK = """
import json, sys, time, duckdb
db = duckdb.connect(sys.argv[1])
db.execute("set threads = 2")
db.execute("set enable_progress_bar = false")
for line in sys.stdin:
    rounds, sql = json.loads(line)
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        rows = db.execute(sql).fetchall()
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"rows": rows, "seconds": seconds}), flush=True)
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare logq with DuckDB on rows with a million keys.")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows (default 10,000,000)")
    parser.add_argument("--logq", type=Path, help="the binary; without it the release build of this tree")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every question (default 3)")
    parser.add_argument("--work", type=Path, default=ROOT / "target/compare", help="where the stores are made, and removed")
    parser.add_argument("--venv", type=Path, help="the venv, made when missing (default WORK/venv)")
    return parser.parse_args()


def make_rows(path: Path, rows: int):
    """The same rows every time."""
    dice = random.Random(7)
    with path.open("w") as file:
        for row in range(rows):
            key, value = dice.randrange(KEYS), dice.randrange(10_000)
            file.write(f'{{"ts":{START + row * 10},"k":{key},"v":{value},"b":{key % 10}}}\n')


def ask_logq(binary: Path, store: Path, question: str) -> list:
    out = measured([binary, "--store", store, "-o", "json", question])["out"]
    answer = json.loads(out)
    names = [column["name"] for column in answer["columns"]]
    return [[row[name] for name in names] for row in answer["rows"]]


def time_logq(binary: Path, store: Path, question: str) -> float:
    out = measured([binary, "--store", store, "-o", "json", "bench", "--queries", "-"], stdin=question + "\n")["out"]
    return json.loads(out)["queries"][0]["warm_p50_ms"] / 1e3


def run(args: argparse.Namespace) -> int:
    binary = find_binary(args.logq)
    args.work.mkdir(parents=True, exist_ok=True)
    python = make_venv(args.venv or args.work / "venv")
    data, store, duck = args.work / "keys.jsonl", args.work / "keys.logq", args.work / "keys.duckdb"
    shutil.rmtree(store, ignore_errors=True)
    duck.unlink(missing_ok=True)
    say(f"making {args.rows:,} rows with up to {KEYS:,} keys")
    make_rows(data, args.rows)
    say("loading logq")
    for words in [["import", "--source", "keys", data], ["seal"], ["maintain"]]:
        measured([binary, "--store", store, *words])
    say("loading DuckDB")
    load = f"import duckdb; duckdb.connect('{duck}').execute(\"create table t as from read_json('{data}')\")"
    measured([python, "-c", load])
    child = subprocess.Popen(
        [python, "-c", DUCK, duck], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=limited
    )
    differ = False
    print(f"{'question':<14}{'logq ms':>10}{'DuckDB ms':>11}{'ratio':>8}")
    for name, question, sql in QUESTIONS:
        mine, theirs = [], []
        for turn in range(args.rounds):
            mine.append(time_logq(binary, store, question))
            child.stdin.write(json.dumps([5, sql]) + "\n")
            child.stdin.flush()
            said = json.loads(child.stdout.readline())
            theirs.append(statistics.median(said["seconds"][1:]))
            if turn == 0 and ask_logq(binary, store, question) != said["rows"]:
                say(f"{name}: the answers differ")
                differ = True
        ours, other = statistics.median(mine) * 1e3, statistics.median(theirs) * 1e3
        print(f"{name:<14}{ours:>10.1f}{other:>11.1f}{ours / other:>8.2f}", flush=True)
    child.stdin.close()
    child.wait()
    for path in [data, duck]:
        path.unlink(missing_ok=True)
    shutil.rmtree(store, ignore_errors=True)
    return 1 if differ else 0


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except CannotRun as problem:
        say(str(problem))
        sys.exit(2)
