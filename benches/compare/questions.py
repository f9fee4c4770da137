"""The eleven questions: as logq text, as SQL of the peers, and what of their answers must be equal.

A question's SQL is what is timed. `pick` wraps it for the check only: it turns rows into whole numbers and
strings that mean the same in every engine (times as nanoseconds since 1970, a missing model as null).
`ours` makes the same rows of the JSON rows that logq answers. Times in SQL are written `{d1}` (one day
before the end of the data), `{d7}` and `{d30}`; `{needle}` is the rare id.
"""

from datetime import datetime, timezone
from typing import Callable, NamedTuple

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
REGEX = "timeout after [0-9]{5,}ms .*status=50[34]"
# Chosen by nearest rank, rank ceil(0.95 n) counted from 1, as logq and DuckDB define it. The function
# quantileExact takes the value at floor(0.95 n) counted from 0, which is one further when 20 divides n.
NEAREST_RANK = (
    "SELECT nullIf(model, ''), arraySort(groupArray(latency_ms))[toUInt64(ceil(count() * 95 / 100))]"
    " FROM w1 GROUP BY model"
)


class Question(NamedTuple):
    """One question. `chdb_check`, when there is one, replaces the picked SQL in the check of chDB."""

    name: str
    logq: str
    duckdb: str
    chdb: str
    pick_duckdb: str
    pick_chdb: str
    ours: Callable[[dict], list]
    chdb_check: str | None = None

    @property
    def sqlite(self) -> str:
        return SQLITE[self.name][0]

    @property
    def pick_sqlite(self) -> str:
        return SQLITE[self.name][1]


def nanoseconds(text: str) -> int:
    """A time as logq writes it (`2026-11-22T15:59:59.173303340Z`) in nanoseconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp())
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def listed(row: dict) -> list:
    return [nanoseconds(row["time"])]


EVENTS = ("epoch_ns(ts)", "toUnixTimestamp64Nano(ts)", listed)
COUNT = ("n", "n", lambda row: [row["count"]])
NEWEST = "ORDER BY ts DESC LIMIT 100"


def both(sql: str) -> tuple[str, str]:
    """SQL that is the same for both peers but for how a moment is written."""
    at = [f"{{{name}}}" for name in ("d1", "d7", "d30")]
    duckdb, chdb = sql, sql
    for moment in at:
        duckdb = duckdb.replace(moment, f"make_timestamp_ns({moment})")
        chdb = chdb.replace(moment, f"fromUnixTimestamp64Nano({moment}, 'UTC')")
    return duckdb, chdb


def per(unit_duckdb: str, unit_chdb: str, sql: str) -> tuple[str, str]:
    duckdb, chdb = both(sql)
    return duckdb.replace("{bucket}", f"date_trunc('{unit_duckdb}', ts)"), chdb.replace("{bucket}", f"{unit_chdb}(ts)")


BUCKET_DUCKDB = "epoch_ns(bucket)"
BUCKET_CHDB = "toInt64(toUnixTimestamp(bucket)) * 1000000000"

QUESTIONS = [
    Question(
        "Q1 tokens, one model, 24 h",
        "tokens where model=llama3.2 last 24h",
        *both(
            "SELECT count(*) AS calls, sum(prompt_tokens) AS p, sum(response_tokens) AS r,"
            " sum(prompt_tokens + response_tokens) AS total FROM w1 WHERE model = 'llama3.2' AND ts >= {d1}"
        ),
        "calls, p, r, total",
        "calls, p, r, total",
        lambda row: [row["calls"], row["prompt_tokens"], row["response_tokens"], row["total_tokens"]],
    ),
    Question(
        "Q2 tokens by model per hour, 30 d",
        "tokens by model per 1h last 30d",
        *per(
            "hour",
            "toStartOfHour",
            "SELECT {bucket} AS bucket, model, sum(prompt_tokens + response_tokens) AS total FROM w1"
            " WHERE prompt_tokens > 0 AND ts >= {d30} GROUP BY bucket, model ORDER BY bucket",
        ),
        f"{BUCKET_DUCKDB}, model, total",
        f"{BUCKET_CHDB}, model, total",
        lambda row: [nanoseconds(row["time"]), row["model"], row["total_tokens"]],
    ),
    Question(
        "Q3 top 10 operations by tokens",
        "tokens by operation top 10",
        *both(
            "SELECT operation, sum(prompt_tokens + response_tokens) AS total FROM w1"
            " WHERE prompt_tokens > 0 GROUP BY operation ORDER BY total DESC LIMIT 10"
        ),
        "operation, total",
        "operation, total",
        lambda row: [row["operation"], row["total_tokens"]],
    ),
    Question(
        "Q4 count a common word",
        "events where message:completed | stats count",
        *both("SELECT count(*) AS n FROM w1 WHERE message LIKE '%completed%'"),
        *COUNT,
    ),
    Question(
        "Q5 one rare id anywhere",
        "events {needle}",
        *both(
            "SELECT * FROM w1 WHERE message LIKE '%{needle}%' OR prompt LIKE '%{needle}%'"
            f" OR response LIKE '%{{needle}}%' {NEWEST}"
        ),
        *EVENTS,
    ),
    Question(
        "Q6 phrase in errors, 7 d, newest 100",
        'events "connection reset" where level=error last 7d',
        *both(
            f"SELECT * FROM w1 WHERE message LIKE '%connection reset%' AND level = 'error' AND ts >= {{d7}} {NEWEST}"
        ),
        *EVENTS,
    ),
    Question(
        "Q7 count a regex",
        f"events where message ~ /{REGEX}/ | stats count",
        f"SELECT count(*) AS n FROM w1 WHERE regexp_matches(message, '{REGEX}')",
        f"SELECT count(*) AS n FROM w1 WHERE match(message, '{REGEX}')",
        *COUNT,
    ),
    Question(
        "Q8 distinct sessions, exact",
        "events | stats distinct(session)",
        "SELECT count(DISTINCT session) AS n FROM w1",
        "SELECT uniqExact(session) AS n FROM w1",
        "n",
        "n",
        lambda row: [row["distinct_session"]],
    ),
    Question(
        "Q9 p95 latency by model, exact",
        "events | stats p95(latency) by model",
        "SELECT model, quantile_disc(latency_ms, 0.95) AS p95 FROM w1 GROUP BY model",
        "SELECT model, quantileExact(0.95)(latency_ms) AS p95 FROM w1 GROUP BY model",
        "model, p95",
        "nullIf(model, ''), p95",
        lambda row: [row.get("model"), row["p95_latency"]],
        NEAREST_RANK,
    ),
    Question(
        "Q10 newest 100",
        "events",
        *both(f"SELECT * FROM w1 {NEWEST}"),
        *EVENTS,
    ),
    Question(
        # Without `limit all` logq would end the answer after 10,000 rows, which the peers do not.
        "Q11 errors per minute, 30 d",
        "events where level=error | stats count per 1m | limit all",
        *per(
            "minute",
            "toStartOfMinute",
            "SELECT {bucket} AS bucket, count(*) AS n FROM w1 WHERE level = 'error' GROUP BY bucket ORDER BY bucket",
        ),
        f"{BUCKET_DUCKDB}, n",
        f"{BUCKET_CHDB}, n",
        lambda row: [nanoseconds(row["time"]), row["count"]],
    ),
]


# SQLite keeps times as nanoseconds. Words and phrases are asked of its full-text index.
SQLITE_NEWEST = "ORDER BY ts DESC LIMIT 100"
SQLITE_FOUND = "SELECT w1.* FROM texts JOIN w1 ON w1.rowid = texts.rowid WHERE texts MATCH"
SQLITE = {
    "Q1 tokens, one model, 24 h": (
        "SELECT count(*) AS calls, sum(prompt_tokens) AS p, sum(response_tokens) AS r,"
        " sum(prompt_tokens + response_tokens) AS total FROM w1 WHERE model = 'llama3.2' AND ts >= {d1}",
        "calls, p, r, total",
    ),
    "Q2 tokens by model per hour, 30 d": (
        "SELECT ts / 3600000000000 AS bucket, model, sum(prompt_tokens + response_tokens) AS total FROM w1"
        " WHERE prompt_tokens > 0 AND ts >= {d30} GROUP BY bucket, model ORDER BY bucket",
        "bucket * 3600000000000, model, total",
    ),
    "Q3 top 10 operations by tokens": (
        "SELECT operation, sum(prompt_tokens + response_tokens) AS total FROM w1"
        " WHERE prompt_tokens > 0 GROUP BY operation ORDER BY total DESC LIMIT 10",
        "operation, total",
    ),
    "Q4 count a common word": ("SELECT count(*) AS n FROM texts WHERE texts MATCH 'message : completed'", "n"),
    "Q5 one rare id anywhere": (f"{SQLITE_FOUND} '\"{{needle}}\"' {SQLITE_NEWEST}", "ts"),
    "Q6 phrase in errors, 7 d, newest 100": (
        f"{SQLITE_FOUND} 'message : \"connection reset\"' AND level = 'error' AND ts >= {{d7}} {SQLITE_NEWEST}",
        "ts",
    ),
    "Q7 count a regex": (f"SELECT count(*) AS n FROM w1 WHERE message REGEXP '{REGEX}'", "n"),
    "Q8 distinct sessions, exact": ("SELECT count(DISTINCT session) AS n FROM w1", "n"),
    "Q9 p95 latency by model, exact": (
        "SELECT model, latency_ms AS p95 FROM (SELECT model, latency_ms, row_number() OVER (PARTITION BY model ORDER BY latency_ms)"
        " AS rank, count(*) OVER (PARTITION BY model) AS n FROM w1 WHERE latency_ms IS NOT NULL) WHERE rank = (n * 95 + 99) / 100",
        "model, p95",
    ),
    "Q10 newest 100": (f"SELECT * FROM w1 {SQLITE_NEWEST}", "ts"),
    "Q11 errors per minute, 30 d": (
        "SELECT ts / 60000000000 AS bucket, count(*) AS n FROM w1 WHERE level = 'error' GROUP BY bucket ORDER BY bucket",
        "bucket * 60000000000, n",
    ),
}


def filled(text: str, meta: dict) -> str:
    """The text with the moments and the id of this data. Braces that mean something else stay as they are."""
    end = meta["END"]
    words = {"d1": end - DAY_NS, "d7": end - 7 * DAY_NS, "d30": end - 30 * DAY_NS, "needle": meta["needle"]}
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", str(value))
    return text


def ordered(rows: list) -> list:
    """Rows in one order, so that answers compare as sets; a missing value stands first."""
    return sorted(([*row] for row in rows), key=lambda row: [(cell is not None, str(cell)) for cell in row])
