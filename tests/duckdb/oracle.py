#!/usr/bin/env python3
"""Random questions, asked to logq and to DuckDB over the same rows: the answers must be equal.

Usage: oracle.py LOGQ [--queries N] [--seed S] [--venv DIR]

Ends with 0, with 1 when an answer differs (the query, the SQL and both answers are printed), with 77 when DuckDB could
not be installed: there is no network. Numbers are compared exactly, but for averages and quotients, which DuckDB rounds
at every step: these agree to 12 digits.
"""

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # Nothing is left beside the sources.

DUCKDB = "duckdb==2.0.0"
START_MS = 1_763_000_000_000
ROWS = 4_000
WORDS = ["alpha", "beta", "Gamma", "delta-4", "epsilon zeta", "07", "", "eta"]
# Differences beyond this share are no rounding.
ROUNDING = 1e-12


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare answers with DuckDB's on random questions.")
    parser.add_argument("logq", type=Path, help="the binary")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--venv", type=Path, help="where DuckDB is, or is installed (default: beside the binary)")
    return parser.parse_args()


def python_with_duckdb(venv: Path) -> Path | None:
    python = venv / "bin/python"
    probe = [str(python), "-c", "import duckdb"]
    if python.exists() and subprocess.run(probe, capture_output=True).returncode == 0:
        return python
    if subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True).returncode != 0:
        return None
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", DUCKDB]
    return python if subprocess.run(install, capture_output=True).returncode == 0 else None


def make_rows(rng: random.Random) -> list[dict]:
    rows = []
    for number in range(ROWS):
        row = {"time": START_MS + rng.randrange(5 * 86_400_000), "n": number}
        row |= {"word": rng.choice(WORDS)} if rng.random() < 0.9 else {}
        row |= {"small": rng.randrange(-5, 6)} if rng.random() < 0.85 else {}
        row |= {"large": rng.randrange(-(2**53), 2**53)} if rng.random() < 0.5 else {}
        row |= {"real": rng.choice([0.5, -0.25, 1e-9, 3.75, 1e12, rng.uniform(-10, 10)])} if rng.random() < 0.7 else {}
        row |= {"key": f"k{rng.randrange(400)}"}
        rows.append(row)
    return rows


def quoted(text: str) -> tuple[str, str]:
    return '"' + text + '"', "'" + text + "'"


def condition(rng: random.Random, depth: int = 0) -> tuple[str, str]:
    """A condition in both languages. `not` turns a condition around whole, also where it is unknown."""
    if depth < 2 and rng.random() < 0.4:
        ours, theirs = zip(*[condition(rng, depth + 1) for _ in range(2)])
        word = rng.choice(["and", "or"])
        return f"({ours[0]} {word} {ours[1]})", f"({theirs[0]} {word} {theirs[1]})"
    if depth < 2 and rng.random() < 0.2:
        ours, theirs = condition(rng, depth + 1)
        return f"not ({ours})", f"(NOT {theirs})"
    kind = rng.randrange(7)
    operator = rng.choice(["=", "!=", "<", "<=", ">", ">="])
    if kind == 0:
        mine, its = quoted(rng.choice([word for word in WORDS if word]))
        operator = rng.choice(["=", "!="])
        ours, theirs = f"word {operator} {mine}", f"word {operator} {its}"
    elif kind == 1:
        value = rng.randrange(-6, 7)
        ours = theirs = f"small {operator} {value}"
    elif kind == 2:
        value = rng.randrange(-(2**53), 2**53)
        ours = theirs = f"large {operator} {value}"
    elif kind == 3:
        low = rng.randrange(-6, 5)
        negation = rng.choice(["", "not "])
        ours = theirs = f"small {negation}between {low} and {low + rng.randrange(6)}"
    elif kind == 4:
        values = rng.sample(range(-6, 7), rng.randrange(1, 5))
        negation = rng.choice(["", "not "])
        ours = theirs = f"small {negation}in ({', '.join(map(str, values))})"
    elif kind == 5:
        field = rng.choice(["word", "small", "large", "real"])
        there = rng.random() < 0.5
        return f"{field} {'exists' if there else 'missing'}", f"({field} IS {'NOT ' if there else ''}NULL)"
    else:
        start = rng.choice(["k1", "k2", "k39", "k"])
        return f"key starts {start}", f"(key LIKE '{start}%')"
    # A comparison with a missing field does not hold, which SQL calls unknown.
    return ours, f"coalesce({theirs}, false)"


def measure(rng: random.Random, name: str) -> tuple[str, str, bool]:
    """A measure in both languages, and whether it is rounded."""
    field = rng.choice(["small", "large", "n"])
    kind = rng.randrange(9)
    if kind == 0:
        return f"count as {name}", f"count(*) AS {name}", False
    if kind == 1:
        field = rng.choice(["word", "small", "real", "key"])
        return f"count({field}) as {name}", f"count({field}) AS {name}", False
    if kind == 2:
        return f"sum({field}) as {name}", f"sum({field}::HUGEINT) AS {name}", False
    if kind == 3:
        return f"avg({field}) as {name}", f"avg({field}) AS {name}", True
    if kind in (4, 5):
        function = rng.choice(["min", "max"])
        field = rng.choice(["small", "large", "real", "key"])
        return f"{function}({field}) as {name}", f"{function}({field}) AS {name}", False
    if kind == 6:
        field = rng.choice(["word", "small", "key", "large"])
        return f"distinct({field}) as {name}", f"count(DISTINCT {field}) AS {name}", False
    if kind == 7:
        percent = rng.choice([1, 25, 50, 90, 95, 99])
        return f"p{percent}({field}) as {name}", f"quantile_disc({field}, {percent / 100}) AS {name}", False
    return f"sum({field} * 2 + 1) as {name}", f"sum({field}::HUGEINT * 2 + 1) AS {name}", False


BUCKETS = {"1h": "hour", "1d": "day", "1mo": "month"}


def question(rng: random.Random) -> tuple[str, str, set[str]]:
    where = condition(rng) if rng.random() < 0.7 else None
    filters = (f" where {where[0]}", f" WHERE {where[1]}") if where else ("", "")
    if rng.random() < 0.25:
        count = rng.randrange(1, 40)
        field = rng.choice(["small", "large", "n"])
        ways = [("", "ASC"), (" desc", "DESC")]
        way = rng.choice(ways)
        ours = f"events{filters[0]} | sort {field}{way[0]}, n | limit {count} | keep n, {field}, word, key"
        sql = f"SELECT n, {field}, word, key FROM rows{filters[1]} ORDER BY {field} {way[1]} NULLS LAST, n LIMIT {count}"
        return ours, sql.replace("n, n, word", "n, word"), set()
    keys = rng.sample(["word", "small", "key"], rng.randrange(3))
    bucket = rng.choice(list(BUCKETS)) if rng.random() < 0.3 else None
    measures = [measure(rng, f"m{at}") for at in range(rng.randrange(1, 4))]
    columns = (["bucket"] if bucket else []) + keys
    by = f" by {', '.join(keys)}" if keys else ""
    per = f" per {bucket}" if bucket else ""
    ours = f"events{filters[0]} | stats {', '.join(mine for mine, _, _ in measures)}{by}{per}"
    selected = [f"date_trunc('{BUCKETS[bucket]}', time)::TIMESTAMP AS bucket"] if bucket else []
    sql = f"SELECT {', '.join(selected + keys + [its for _, its, _ in measures])} FROM rows{filters[1]}"
    sql += f" GROUP BY {', '.join(columns)}" if columns else ""
    rounded = {f"m{at}" for at, (_, _, is_rounded) in enumerate(measures) if is_rounded}
    if columns and rng.random() < 0.4:
        limit = rng.randrange(0, 3)
        ours += f" | where m0 > {limit}"
        sql = f"SELECT * FROM ({sql}) WHERE m0 > {limit}"
        if "(key)" in measures[0][1]:
            # A least or largest key is text, which SQL does not compare with a number.
            return question(rng)
    return ours + " | limit all", sql, rounded


SERVE = """
import json, sys, duckdb
base = duckdb.connect()
base.execute("SET TimeZone = 'UTC'")
base.execute(
    "CREATE TABLE rows AS SELECT epoch_ms(time) AS time, n, word, small, large, \\"real\\" AS \\"real\\", key FROM read_json(?, format='newline_delimited',"
    " columns={time: 'BIGINT', n: 'BIGINT', word: 'VARCHAR', small: 'BIGINT', large: 'BIGINT', \\"real\\": 'DOUBLE', key: 'VARCHAR'})",
    [sys.argv[1]],
)
for line in sys.stdin:
    try:
        cursor = base.execute(json.loads(line))
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        print(json.dumps({"rows": rows}, default=str), flush=True)
    except duckdb.Error as error:
        print(json.dumps({"error": str(error)}), flush=True)
"""


def plain(row: dict) -> dict:
    """A row with times as text of one form."""
    out = {}
    for name, value in row.items():
        if name in ("time", "bucket"):
            name = "time"
            value = str(value).replace(" ", "T").removesuffix("Z")
        out[name] = value
    return out


def same(ours: list[dict], theirs: list[dict], rounded: set[str], in_order: bool) -> bool:
    ours, theirs = [plain(row) for row in ours], [plain(row) for row in theirs]
    if not in_order:
        keys = [name for name in (theirs[0] if theirs else {}) if not name.startswith("m")]
        ours, theirs = (sorted(rows, key=lambda row: json.dumps([row.get(name) for name in keys])) for rows in (ours, theirs))
    return len(ours) == len(theirs) and all(same_row(a, b, rounded) for a, b in zip(ours, theirs))


def same_row(ours: dict, theirs: dict, rounded: set[str]) -> bool:
    for name, their in theirs.items():
        our = ours.get(name)
        if name in rounded and our is not None and their is not None:
            if not math.isclose(our, their, rel_tol=ROUNDING, abs_tol=1e-9):
                return False
        elif our != their:
            return False
    return True


def main() -> int:
    args = arguments()
    venv = args.venv or args.logq.resolve().parent / "duckdb-venv"
    python = python_with_duckdb(venv)
    if python is None:
        print("DuckDB cannot be installed: is there a network?", file=sys.stderr)
        return 77
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        data, store = Path(folder) / "rows.jsonl", Path(folder) / "store"
        data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(rng)))
        call = [str(args.logq), "--store", str(store)]
        subprocess.run([*call, "import", str(data)], check=True, capture_output=True)
        serve = [str(python), "-c", SERVE, str(data)]
        server = subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for at in range(args.queries):
            if at == args.queries // 2:
                # The second half is asked of sealed records.
                subprocess.run([*call, "seal"], check=True, capture_output=True)
            ours, sql, rounded = question(rng)
            server.stdin.write(json.dumps(sql) + "\n")
            server.stdin.flush()
            theirs = json.loads(server.stdout.readline())
            ran = subprocess.run([*call, "-o", "json", "query", ours], capture_output=True, text=True)
            if ran.returncode != 0 or "error" in theirs:
                print(f"query {at} of seed {args.seed} fails\n{ours}\n{ran.stderr}\n{sql}\n{theirs.get('error')}")
                return 1
            mine = json.loads(ran.stdout)["rows"]
            if not same(mine, theirs["rows"], rounded, " | sort " in ours):
                print(f"query {at} of seed {args.seed} differs\n{ours}\n{mine[:3]}\n{sql}\n{theirs['rows'][:3]}")
                return 1
        server.stdin.close()
        server.wait()
    print(f"{args.queries} questions, seed {args.seed}: logq and DuckDB agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
