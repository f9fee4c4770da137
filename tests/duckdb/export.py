#!/usr/bin/env python3
"""Parquet in dated folders, read by DuckDB: counts, sums and groups equal logq's own answers.

Usage: export.py LOGQ [--venv DIR]

Takes the excerpts in tests/data, and the whole data sets where LOGQ_TEST_DATA names their folder. Ends with 0, with 1 when an
answer differs, with 77 when DuckDB could not be installed: there is no network.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

sys.dont_write_bytecode = True  # Nothing is left beside the sources.

from oracle import python_with_duckdb

EXCERPTS = Path(__file__).resolve().parent.parent / "data"
AZURE = "--map time=TIMESTAMP --map prompt_tokens=ContextTokens --map response_tokens=GeneratedTokens"
AIDER = (
    "--map operation=event --map user=user_id --map model=properties.main_model --map cost=properties.cost"
    " --map prompt_tokens=properties.prompt_tokens --map response_tokens=properties.completion_tokens"
)
# Name, excerpt, whole data set, how it is imported, a field that has no column of its own.
SETS = [
    ("azure", "azure.csv", "llm_traces/azure_llm_2023/AzureLLMInferenceTrace_conv.csv", AZURE, None),
    ("aider", "aider.jsonl", "llm_traces/aider_analytics/events.jsonl.gz", AIDER, "properties.aider_version"),
    ("claude", "claude_code.jsonl", None, "", "service_tier"),
]
TOTALS = "count(*) AS n, sum(prompt_tokens)::BIGINT AS prompt, sum(response_tokens)::BIGINT AS response, sum(cost) AS cost"
OUR_TOTALS = "count as n, sum(prompt_tokens) as prompt, sum(response_tokens) as response, sum(cost) as cost"

SERVE = """
import json, sys, duckdb
base = duckdb.connect()
base.execute("SET TimeZone = 'UTC'")
for line in sys.stdin:
    cursor = base.execute(json.loads(line))
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    print(json.dumps(rows, default=str), flush=True)
"""


class Duck:
    """DuckDB in a process of its own."""

    def __init__(self, python: Path) -> None:
        self.server = subprocess.Popen([str(python), "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, sql: str) -> list[dict]:
        self.server.stdin.write(json.dumps(sql) + "\n")
        self.server.stdin.flush()
        line = self.server.stdout.readline()
        if not line:
            raise SystemExit(f"DuckDB does not take this: {sql}")
        return json.loads(line)


def plain(row: dict) -> dict:
    """A row with money as a number of billionths, and buckets as dates."""
    out = dict(row)
    if out.get("cost") is not None:
        out["cost"] = round(float(out["cost"]) * 1e9)
    if "time" in out:
        out["date"] = out.pop("time")[:10]
    return out


def nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of a time as logq writes it."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp()
    return int(seconds) * 10**9 + int(f"{fraction:0<9}")


def compare(what: str, ours: list[dict], theirs: list[dict]) -> bool:
    ours, theirs = ([plain(row) for row in rows] for rows in (ours, theirs))
    order = lambda row: json.dumps([row.get("key"), row.get("date")])
    ours, theirs = sorted(ours, key=order), sorted(theirs, key=order)
    if ours == theirs and ours:
        return True
    differ = [(a, b) for a, b in zip(ours, theirs) if a != b][:3]
    print(f"{what} differs: {len(ours)} rows of logq, {len(theirs)} of DuckDB\n{differ or (ours[:2], theirs[:2])}")
    return False


def check(logq: Path, duck: Duck, name: str, data: Path, options: str, rest: str | None) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        call = [str(logq), "--store", str(Path(folder) / "store")]
        lake = Path(folder) / "lake"

        def run(*args: str) -> str:
            return subprocess.run([*call, *args], check=True, capture_output=True, text=True).stdout

        def ours(query: str) -> list[dict]:
            return json.loads(run("-o", "json", "query", query))["rows"]

        run("import", str(data), *options.split())
        run("seal")
        summary = json.loads(run("-o", "json", "export", "--to", str(lake), "--format", "parquet", "--partition", "day", "--node", "n1"))
        table = f"read_parquet('{lake}/*/*/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
        good = compare(f"{name}: totals", ours(f"events | stats {OUR_TOTALS}"), duck.ask(f"SELECT {TOTALS} FROM {table}"))
        good &= compare(
            f"{name}: groups",
            ours(f"events | stats {OUR_TOTALS} by model per 1d | rename model as key | limit all"),
            duck.ask(f"SELECT date, model AS key, {TOTALS} FROM {table} GROUP BY ALL"),
        )
        # The folders say the day of their events, and files are in the order of time.
        wrong = duck.ask(f"SELECT count(*) AS n FROM {table} WHERE date <> strftime(time, '%Y-%m-%d') OR node <> 'n1'")
        good &= compare(f"{name}: dates", [{"n": 0}], wrong)
        ids = duck.ask(f"SELECT count(DISTINCT _id) AS n FROM {table}")
        good &= compare(f"{name}: ids", [{"n": summary["rows"]}], ids)
        ends = ours("events | stats min(time) as oldest, max(time) as newest")[0]
        theirs = duck.ask(f"SELECT epoch_ns(min(time)) AS oldest, epoch_ns(max(time)) AS newest FROM {table}")
        good &= compare(f"{name}: times", [{end: nanoseconds(text) for end, text in ends.items()}], theirs)
        if rest:
            path = rest.replace('"', '""')
            good &= compare(
                f"{name}: the other fields",
                ours(f"events | stats count as n by `{rest}` | rename `{rest}` as key | limit all"),
                duck.ask(f"SELECT json_extract_string(fields, '$.\"{path}\"') AS key, count(*) AS n FROM {table} GROUP BY ALL"),
            )
        print(f"{name}: {summary['rows']} rows in {summary['files']} files, {summary['bytes']} bytes: {'equal' if good else 'NOT EQUAL'}")
        return good


def main() -> int:
    parser = argparse.ArgumentParser(description="Read exported Parquet with DuckDB and compare answers.")
    parser.add_argument("logq", type=Path, help="the binary")
    parser.add_argument("--venv", type=Path, help="where DuckDB is, or is installed (default: beside the binary)")
    args = parser.parse_args()
    python = python_with_duckdb(args.venv or args.logq.resolve().parent / "duckdb-venv")
    if python is None:
        print("DuckDB cannot be installed: is there a network?", file=sys.stderr)
        return 77
    duck = Duck(python)
    whole = os.environ.get("LOGQ_TEST_DATA")
    good = True
    for name, excerpt, path, options, rest in SETS:
        good &= check(args.logq.resolve(), duck, name, EXCERPTS / excerpt, options, rest)
        if whole and path:
            good &= check(args.logq.resolve(), duck, f"{name}, whole", Path(whole) / path, options, rest)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
