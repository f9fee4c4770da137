#!/usr/bin/env bash
# Every check there is. Needs Rust; says loudly what it has to skip; ends with a summary.
#
#   ./test.sh                    all of it
#   LOGQ_TEST_DATA=dir ./test.sh the tests on real data sets too
#   LOGQ_FUZZ_RUNS=100000 ./test.sh
#                                more inputs per fuzz target (10000 is what this script tries)
#   LOGQ_ORACLE_QUERIES=100000 LOGQ_ORACLE_SEED=2 ./test.sh
#                                more, and other, random questions to logq and to DuckDB (400 are what this script asks)
#   LOGQ_KEYS=20000000 ./test.sh more groups in the memory of one query (2,000,000 in a sixteenth of it is what this script tries)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

summary=()
failed=0

note() { # result, name, seconds or reason
    summary+=("$(printf '%-6s %-34s %s' "$1" "$2" "$3")")
}

step() { # name, command...
    local name=$1 start=$SECONDS
    shift
    printf '\n==> %s: %s\n' "$name" "$*"
    if "$@"; then
        note ok "$name" "$((SECONDS - start)) s"
    else
        note FAILED "$name" "$((SECONDS - start)) s: $*"
        failed=1
    fi
}

skip() { # name, reason
    printf '\n!!! SKIPPED: %s: %s\n' "$1" "$2" >&2
    note SKIP "$1" "$2"
}

component() { # cargo subcommand, rustup component: whether it is there, or could be installed
    cargo "$1" --version >/dev/null 2>&1 && return 0
    command -v rustup >/dev/null || return 1
    printf '\n==> installing %s\n' "$2"
    rustup component add "$2" && cargo "$1" --version >/dev/null 2>&1
}

if ! command -v cargo >/dev/null; then
    echo "test.sh needs cargo: install Rust 1.95 or newer from https://rustup.rs" >&2
    exit 1
fi
printf '%s, %s processors\n' "$(cargo --version)" "$(nproc 2>/dev/null || echo '?')"

if component fmt rustfmt; then
    step "format" cargo fmt --all --check -- -l
else
    skip "format" "no rustfmt: rustup component add rustfmt"
fi

if component clippy clippy; then
    step "lints" cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
else
    skip "lints" "no clippy: rustup component add clippy"
fi

if cargo nextest --version >/dev/null 2>&1; then
    test=(cargo nextest run --locked --no-fail-fast --status-level fail)
else
    test=(cargo test --locked --no-fail-fast --quiet --lib --bins --tests)
fi
step "tests" "${test[@]}" --workspace
step "examples in the documentation" cargo test --locked --quiet --workspace --doc
step "engine, files written by pwrite" env LOGQ_WRITER=pwrite "${test[@]}" --package logq-engine
step "tokenizers of the users' own" "${test[@]}" --workspace \
    --features logq/tokenizer-json,logq-loggers/tokenizer-json tokenizer
step "fuzz targets, short run" env LOGQ_FUZZ_RUNS="${LOGQ_FUZZ_RUNS:-10000}" \
    cargo test --locked --quiet --package logq --test tests fuzz_smoke
oracle() { # the same random questions to logq and to DuckDB
    local target
    target=$(cargo metadata --locked --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    cargo build --locked --quiet --bin logq && python3 tests/duckdb/oracle.py "$target/debug/logq" \
        --queries "${LOGQ_ORACLE_QUERIES:-400}" --seed "${LOGQ_ORACLE_SEED:-1}" --venv "$target/duckdb-venv"
}
if command -v python3 >/dev/null; then
    printf '\n==> random questions, DuckDB as the oracle\n'
    start=$SECONDS
    oracle
    case $? in
        0) note ok "random questions, DuckDB" "$((SECONDS - start)) s" ;;
        77) skip "random questions, DuckDB" "DuckDB could not be installed: no network" ;;
        *)
            note FAILED "random questions, DuckDB" "$((SECONDS - start)) s"
            failed=1
            ;;
    esac
else
    skip "random questions, DuckDB" "no python3"
fi
exported() { # Parquet in dated folders, read by DuckDB
    local target
    target=$(cargo metadata --locked --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    cargo build --locked --quiet --bin logq && python3 tests/duckdb/export.py "$target/debug/logq" --venv "$target/duckdb-venv"
}
if command -v python3 >/dev/null; then
    printf '\n==> exported Parquet, read by DuckDB\n'
    start=$SECONDS
    exported
    case $? in
        0) note ok "exported Parquet, DuckDB" "$((SECONDS - start)) s" ;;
        77) skip "exported Parquet, DuckDB" "DuckDB could not be installed: no network" ;;
        *)
            note FAILED "exported Parquet, DuckDB" "$((SECONDS - start)) s"
            failed=1
            ;;
    esac
else
    skip "exported Parquet, DuckDB" "no python3"
fi
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --workspace --no-deps

if cargo deny --version >/dev/null 2>&1; then
    step "licences and sources" cargo deny --log-level error check bans licenses sources
else
    skip "licences and sources" "no cargo-deny: cargo install cargo-deny"
fi
if [[ -z ${LOGQ_TEST_DATA:-} ]]; then
    skip "tests on real data sets" "LOGQ_TEST_DATA names no directory"
fi

printf '\n%s\n' "---- summary ----"
printf '%s\n' "${summary[@]}"
if ((failed)); then
    echo "FAILED after $SECONDS s"
    exit 1
fi
echo "all good after $SECONDS s"
