#!/usr/bin/env python3
"""Compares logq with DuckDB, ClickHouse in process (chDB) and SQLite: same data, same machine, same run.

Usage: compare.py DATA.jsonl [--logq BINARY] [--rounds N] [--json FILE] [--work DIR] [--venv DIR]

Makes its own venv, loads the data into each engine, checks that all answer alike, then times every
query in turns (A B C D, B C D A, ...). README.md says what is measured and what is not. Ends with 0, with 1
when an answer differs, with 2 when it could not run.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # Nothing is left beside the sources.

from questions import QUESTIONS, filled, ordered  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ["duckdb", "chdb", "sqlite"]
ENGINES = ["logq", *PEERS]
VERSIONS = {"duckdb": "duckdb.__version__", "chdb": "chdb.__version__", "sqlite": "sqlite3.sqlite_version"}
THREADS = 2
FIRST_ANSWERS = 5
MIB = 1 << 20


class CannotRun(Exception):
    """Said to the user without a trace; the process ends with 2."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare logq with DuckDB, chDB and SQLite on the same data in one run.")
    parser.add_argument("data", type=Path, help="W1 events as JSONL; DATA.meta.json stands beside it")
    parser.add_argument("--logq", type=Path, help="the binary; without it the release build of this tree")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every query on every engine (default 3)")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--work", type=Path, default=ROOT / "target/compare", help="where the stores are made, and removed")
    parser.add_argument("--venv", type=Path, help="the venv, made when missing (default WORK/venv)")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    return args


def say(text: str):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def limited():
    """Two processors for every engine, its background threads included."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def measured(command: list, stdin: str = "") -> dict:
    """Runs a command to its end; wall and CPU seconds and peak RSS are those of its process."""
    started = time.perf_counter()
    child = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=limited
    )
    child.stdin.write(stdin)
    child.stdin.close()
    out = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if child.returncode != 0:
        raise CannotRun(f"{' '.join(map(str, command))} ended with {child.returncode}")
    return {
        "out": out,
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "rss_bytes": used.ru_maxrss * 1024,
    }


def make_venv(venv: Path) -> Path:
    """The Python of the venv. The packages are fetched once; nothing later uses the network."""
    python = venv / "bin/python"
    probe = [str(python), "-c", "import chdb, duckdb"]
    if python.exists() and subprocess.run(probe, capture_output=True).returncode == 0:
        return python
    say(f"making the venv {venv}")
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if made.returncode != 0 or subprocess.run([*pip, "-r", str(HERE / "requirements.txt")]).returncode != 0:
        raise CannotRun("pip could not install chdb and duckdb: is there a network? --venv DIR takes a venv that has them")
    return python


def find_binary(given: Path | None) -> Path:
    if given is not None:
        return given.resolve()
    say("building logq (release)")
    if subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT).returncode != 0:
        raise CannotRun("cargo build --release failed")
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    return ROOT / target / "release/logq"


def allocated(folder: Path) -> int:
    """Bytes that the files of a folder hold on the disk."""
    os.sync()
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def read_through(data: Path):
    """Brings the file into the page cache, for the first engine as for the last."""
    with data.open("rb") as file:
        while file.read(MIB):
            pass


class Logq:
    """The binary, called once for each thing."""

    def __init__(self, binary: Path, store: Path, meta: dict):
        now = str(meta["END"] // 10**9)
        self.store, self.meta = store, meta
        self.call = [binary, "--store", store, "--now", now, "-o", "json"]
        version = measured([binary, "--version"])["out"].strip()
        self.version = version.removeprefix("logq ")
        lines = measured([binary, "--help"])["out"].splitlines()
        self.verbs = {line.split()[0] for line in lines if line.startswith("  ") and line.split()}

    def load(self, data: Path) -> dict:
        ran = measured([*self.call, "import", data])
        said = {"import_s": ran["wall_s"], "import_cpu_s": ran["cpu_s"], "rss_bytes": ran["rss_bytes"], "left_out": []}
        said |= {"settled_s": ran["wall_s"], "settled_cpu_s": ran["cpu_s"]}
        for verb in ["seal", "maintain"]:
            if verb not in self.verbs:
                say(f"!!! this logq has no `logq {verb}`: the store is measured WITHOUT it")
                said["left_out"].append(verb)
                continue
            ran = measured([*self.call, verb])
            said["settled_s"] += ran["wall_s"]
            said["settled_cpu_s"] += ran["cpu_s"]
            said["rss_bytes"] = max(said["rss_bytes"], ran["rss_bytes"])
        said["disk_bytes"] = allocated(self.store)
        return said

    def rows(self, question) -> list:
        answer = json.loads(measured([*self.call, "query", filled(question.logq, self.meta)])["out"])
        return [question.ours(row) for row in answer["rows"]]

    def time(self, question) -> dict:
        ran = measured([*self.call, "bench", "--queries", "-"], stdin=filled(question.logq, self.meta) + "\n")
        timed = json.loads(ran["out"])["queries"][0]
        return {"first_ms": timed["cold_ms"], "warm_p50_ms": timed["warm_p50_ms"], "rss_bytes": ran["rss_bytes"]}

    def first_answer(self, question) -> float:
        return measured([*self.call, "query", filled(question.logq, self.meta)])["wall_s"]

    def close(self) -> int | None:
        return None


class Peer:
    """A peer: one process that loads, then one that answers until it is closed."""

    def __init__(self, name: str, python: Path, folder: Path, meta: dict):
        self.name, self.folder, self.meta = name, folder, meta
        self.call = [python, HERE / "peers.py", name]
        folder.mkdir(parents=True)
        code = f"import {VERSIONS[name].split('.')[0]}; print({VERSIONS[name]})"
        self.version = measured([python, "-c", code])["out"].strip()
        self.server = None

    def load(self, data: Path) -> dict:
        ran = measured([*self.call, "load", self.folder, data])
        return json.loads(ran["out"]) | {"rss_bytes": ran["rss_bytes"]}

    def ask(self, what: dict):
        if self.server is None:
            command = [str(word) for word in [*self.call, "serve", self.folder]]
            self.server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=limited
            )
        self.server.stdin.write(json.dumps(what) + "\n")
        self.server.stdin.flush()
        line = self.server.stdout.readline()
        if not line:
            raise CannotRun(f"{self.name} ended while it answered {what}")
        return json.loads(line)

    def sql(self, question) -> str:
        return filled(getattr(question, self.name), self.meta)

    def picked(self, question) -> str:
        return f"SELECT {getattr(question, f'pick_{self.name}')} FROM ({self.sql(question)}) AS answer"

    def rows(self, question) -> list:
        other = question.chdb_check if self.name == "chdb" else None
        return self.ask({"rows": other or self.picked(question)})

    def time(self, question) -> dict:
        return self.ask({"time": self.sql(question)})

    def first_answer(self, question) -> float:
        return measured([*self.call, "first", self.folder], stdin=self.picked(question))["wall_s"]

    def close(self) -> int | None:
        """Ends the process that answers; says its peak RSS."""
        if self.server is None:
            return None
        self.server.stdin.close()
        _, status, used = os.wait4(self.server.pid, 0)
        self.server.returncode = os.waitstatus_to_exitcode(status)
        self.server = None
        return used.ru_maxrss * 1024


def check(engines: dict, question) -> str:
    """Empty when all engines answer alike, else what differs; a remark on a definition starts with `note`."""
    answers = {name: ordered(engine.rows(question)) for name, engine in engines.items()}
    differ = [name for name in engines if answers[name] != answers["duckdb"]]
    if differ:
        parts = []
        for name in engines:
            only = [row for row in answers[name] if row not in answers["duckdb"]][:2] if len(answers[name]) < 1000 else "..."
            parts.append(f"{name} {len(answers[name])} rows, not in duckdb's: {only}")
        return "; ".join(parts)
    if question.chdb_check is not None:
        chdb = engines["chdb"]
        raw = ordered(chdb.ask({"rows": chdb.picked(question)}))
        count = sum(row not in answers["duckdb"] for row in raw)
        return f"note: quantileExact takes the next value in {count} of {len(raw)} groups" if count else ""
    return ""


def time_all(engines: dict, rounds: int) -> list:
    """Every query in turns; who begins changes from round to round and from query to query."""
    turns = {question.name: {name: [] for name in engines} for question in QUESTIONS}
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        for at, question in enumerate(QUESTIONS):
            shift = (turn + at) % len(ENGINES)
            for name in ENGINES[shift:] + ENGINES[:shift]:
                turns[question.name][name].append(engines[name].time(question))
    timed = []
    for question in QUESTIONS:
        of = turns[question.name]
        p50 = {name: statistics.median(one["warm_p50_ms"] for one in of[name]) for name in engines}
        ratio = p50["logq"] / min(p50[name] for name in PEERS)
        timed.append({"query": question.name, "warm_p50_ms": p50, "ratio": ratio, "turns": of})
    return timed


def first_answers(engines: dict) -> dict:
    took = {name: [] for name in engines}
    for _ in range(FIRST_ANSWERS):
        for name, engine in engines.items():
            took[name].append(engine.first_answer(QUESTIONS[0]) * 1000)
    return {name: statistics.median(times) for name, times in took.items()}


def line(label: str, of: dict, width: int = 2, remark: str = "") -> str:
    cells = "".join(f"{of[name]:>11.{width}f}" if of.get(name) is not None else f"{'-':>11}" for name in ENGINES)
    best = min(of[name] for name in PEERS)
    return f"{label:<40}{cells}{of['logq'] / best:>9.2f}x  {remark}".rstrip()


def print_table(result: dict):
    loads, first = result["load"], result["first_answer_ms"]
    rows, mega = result["rows"], result["data_bytes"] / 1e6
    print(f"\n{rows:,} rows, {mega:.0f} MB of JSONL, {THREADS} threads each, {result['rounds']} rounds, {result['machine']}")
    print(", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    before, after = result["load_average"]
    print(f"load average before {before:.2f}, after {after:.2f} (a quiet machine: under 0.5 before, about 1 to 2 after)")
    for verb in loads["logq"]["left_out"]:
        print(f"!!! logq without `{verb}`: this binary has no such verb")
    print(f"\n{'':<40}" + "".join(f"{name:>11}" for name in ENGINES) + f"{'ratio':>10}")
    for label, key, unit in [
        ("import until searchable, s", "import_s", 1),
        ("  CPU s", "import_cpu_s", 1),
        ("import until settled, s", "settled_s", 1),
        ("  CPU s", "settled_cpu_s", 1),
        ("peak RSS of the import, MiB", "rss_bytes", MIB),
        ("disk, MB", "disk_bytes", 1e6),
    ]:
        print(line(label, {name: loads[name][key] / unit for name in ENGINES}))
    print(line("peak RSS of the queries, MiB", {name: size / MIB for name, size in result["query_rss_bytes"].items()}))
    print(line("process start to answer of Q1, ms", first))
    print("warm p50, ms")
    for timed in result["queries"]:
        remark = timed["check"] if timed["check"].startswith("note") else "ANSWERS DIFFER" if timed["check"] else ""
        print(line(timed["query"], timed["warm_p50_ms"], remark=remark))
    print("\nratio: logq / the best peer; under 1 logq is better. Within 1.3 either way says nothing.")
    for timed in result["queries"]:
        if timed["check"] and not timed["check"].startswith("note"):
            print(f"ANSWERS DIFFER in {timed['query']}: {timed['check']}")


def compare(args: argparse.Namespace) -> dict:
    data = args.data.resolve()
    meta_path = data.with_name(data.name + ".meta.json")
    if not data.is_file() or not meta_path.is_file():
        raise CannotRun(f"there must be {data} and {meta_path}")
    meta = json.loads(meta_path.read_text())
    python = make_venv((args.venv or args.work / "venv").resolve())
    binary = find_binary(args.logq)
    load_before = os.getloadavg()[0]
    stores = args.work.resolve() / "stores"
    shutil.rmtree(stores, ignore_errors=True)
    stores.mkdir(parents=True)
    engines = {"logq": Logq(binary, stores / "logq", meta)}
    engines |= {name: Peer(name, python, stores / name, meta) for name in PEERS}
    try:
        loads = {}
        read_through(data)
        for name, engine in engines.items():
            say(f"loading {name}")
            loads[name] = engine.load(data)
        first = first_answers(engines)
        say("checking the answers")
        checks = {question.name: check(engines, question) for question in QUESTIONS}
        queries = [timed | {"check": checks[timed["query"]]} for timed in time_all(engines, args.rounds)]
        rss = {name: engine.close() for name, engine in engines.items()}
    finally:
        for engine in engines.values():
            engine.close()
        shutil.rmtree(stores, ignore_errors=True)
    rss["logq"] = max(turn["rss_bytes"] for timed in queries for turn in timed["turns"]["logq"])
    return {
        "data": str(data),
        "data_bytes": data.stat().st_size,
        "rows": meta["rows"],
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}",
        "load_average": [load_before, os.getloadavg()[0]],
        "rounds": args.rounds,
        "threads": THREADS,
        "versions": {name: engine.version for name, engine in engines.items()},
        "load": loads,
        "first_answer_ms": first,
        "query_rss_bytes": rss,
        "queries": queries,
    }


def main() -> int:
    args = arguments()
    try:
        result = compare(args)
    except (CannotRun, OSError) as error:
        say(str(error))
        return 2
    print_table(result)
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    differs = any(timed["check"] and not timed["check"].startswith("note") for timed in result["queries"])
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
