//! Real logs: what was imported answers what plain Python computed from the same files.
//!
//! With `LOGQ_TEST_DATA` the whole data sets are taken, else the excerpts in `tests/data`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::Place;

/// A data set: the file to import, and the expected answers.
struct Set {
    file: PathBuf,
    truth: Value,
}

/// The folder of whole data sets, or a loud word that they are not there.
pub(crate) fn whole_data() -> Option<PathBuf> {
    let folder = std::env::var_os("LOGQ_TEST_DATA").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("SKIP: LOGQ_TEST_DATA names no folder; only the excerpts in tests/data are tested");
    }
    folder
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The data set: whole, by its path and key, or its excerpt.
fn sets(whole: (&str, &str), excerpt: (&str, &str)) -> Vec<Set> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut truth = read_json(&folder.join("truth.json"));
    let mut sets = vec![Set { file: folder.join(excerpt.0), truth: truth[excerpt.1].take() }];
    if let Some(folder) = whole_data() {
        let mut truth = read_json(&folder.join("TRUTH.json"));
        sets.push(Set { file: folder.join(whole.0), truth: truth[whole.1].take() });
    }
    sets
}

/// A store with the file imported, twice: the second time adds nothing.
fn imported(file: &Path, args: &[&str], rows: &Value) -> Place {
    let place = Place::new();
    let mut command = vec!["import", file.to_str().unwrap()];
    command.extend_from_slice(args);
    for _ in 0..2 {
        place.run(&command).good();
        assert_eq!(place.count(), rows.as_i64().unwrap(), "{}", file.display());
    }
    place
}

/// The rows of an answer.
fn rows(place: &Place, query: &str) -> Vec<Value> {
    place.json(query)["rows"].as_array().unwrap().clone()
}

fn check_column(place: &Place, field: &str, truth: &Value) {
    let query = format!(
        "events | stats count({field}) as n, sum({field}) as sum, min({field}) as min, max({field}) as max, \
         p50({field}) as p50, p95({field}) as p95, p99({field}) as p99"
    );
    assert_eq!(rows(place, &query)[0], *truth, "{field}");
}

#[test]
fn azure_requests_have_the_totals_percentiles_and_minutes_of_the_file() {
    let whole = (
        "llm_traces/azure_llm_2023/AzureLLMInferenceTrace_conv.csv",
        "azure/AzureLLMInferenceTrace_conv.csv",
    );
    for set in sets(whole, ("azure.csv", "azure")) {
        let maps =
            "--map time=TIMESTAMP --map prompt_tokens=ContextTokens --map response_tokens=GeneratedTokens";
        let place = imported(&set.file, &maps.split(' ').collect::<Vec<_>>(), &set.truth["rows"]);
        check_column(&place, "prompt_tokens", &set.truth["context"]);
        check_column(&place, "response_tokens", &set.truth["generated"]);
        let total = &rows(&place, "tokens")[0];
        assert_eq!(total["calls"], set.truth["rows"]);
        assert_eq!(total["prompt_tokens"], set.truth["context"]["sum"]);
        assert_eq!(total["response_tokens"], set.truth["generated"]["sum"]);
        let over = rows(&place, "events where prompt_tokens > 2k | stats count");
        assert_eq!(over[0]["count"], set.truth["rows_context_over_2000"]);
        let mut minutes = rows(&place, "events | stats count per 1m | sort count desc | limit all");
        for busiest in set.truth["busiest_minutes"].as_array().unwrap() {
            let time = format!("{}:00Z", busiest[0].as_str().unwrap().replace(' ', "T"));
            let row = minutes.remove(0);
            assert_eq!((&row["time"], &row["count"]), (&Value::from(time), &busiest[1]));
        }
    }
}

#[test]
fn mooncake_requests_have_the_totals_and_percentiles_of_the_file() {
    let whole = ("llm_traces/mooncake/conversation_trace.jsonl.gz", "mooncake/conversation_trace.jsonl.gz");
    for set in sets(whole, ("mooncake.jsonl", "mooncake")) {
        let args = "--time-unit ms --time-zero 2024-11-01T00:00:00Z --map prompt_tokens=input_length \
                    --map response_tokens=output_length";
        let place = imported(&set.file, &args.split_whitespace().collect::<Vec<_>>(), &set.truth["rows"]);
        check_column(&place, "prompt_tokens", &set.truth["input"]);
        check_column(&place, "response_tokens", &set.truth["output"]);
        let last = set.truth["max_timestamp_ms"].as_i64().unwrap();
        let newest = rows(&place, "events | stats max(time) as newest");
        let want = format!("2024-11-01T00:{:02}:{:02}.{:03}Z", last / 60_000, last / 1000 % 60, last % 1000);
        let want = want.replace(".000Z", "Z");
        assert_eq!(newest[0]["newest"], want.as_str());
    }
}

#[test]
fn aider_events_have_the_counts_and_tokens_by_model_of_the_file() {
    for set in sets(("llm_traces/aider_analytics/events.jsonl.gz", "aider"), ("aider.jsonl", "aider")) {
        let maps = "--map operation=event --map user=user_id --map model=properties.main_model \
                    --map prompt_tokens=properties.prompt_tokens --map cost=properties.cost \
                    --map response_tokens=properties.completion_tokens";
        let place = imported(&set.file, &maps.split_whitespace().collect::<Vec<_>>(), &set.truth["rows"]);
        for row in rows(&place, "events | stats count by operation | limit all") {
            assert_eq!(row["count"], set.truth["by_event"][row["operation"].as_str().unwrap()], "{row}");
        }
        let users = rows(&place, "events | stats distinct(user) as users");
        // Python counts null as one more value.
        let null = i64::from(set.truth["null_user_id"].as_i64().is_some_and(|rows| 0 < rows));
        assert_eq!(
            users[0]["users"].as_i64().unwrap() + null,
            set.truth["distinct_user_id"].as_i64().unwrap()
        );
        let models = rows(&place, "tokens where operation=message_send by model limit all");
        let truth = set.truth["message_send_by_main_model"].as_object().unwrap();
        // Python shows a missing model and one that is spelled "None" alike.
        let none = |row: &&Value| row["model"].is_null() || row["model"] == "None";
        let named: Vec<_> = models.iter().filter(|row| !none(row)).collect();
        assert_eq!(named.len(), truth.keys().filter(|key| *key != "None").count());
        for row in named {
            let want = &truth[row["model"].as_str().unwrap()];
            assert_eq!(row["calls"], want["calls"], "{row}");
            assert_eq!(row["prompt_tokens"], want["prompt_tokens"], "{row}");
            assert_eq!(row["response_tokens"], want["completion_tokens"], "{row}");
            assert_eq!(row["total_tokens"], want["total_tokens"], "{row}");
        }
        let none: i64 = models.iter().filter(none).map(|row| row["total_tokens"].as_i64().unwrap()).sum();
        assert_eq!(none, truth.get("None").map_or(0, |want| want["total_tokens"].as_i64().unwrap()));
        let total = rows(&place, "tokens where operation=message_send");
        assert_eq!(total[0]["total_tokens"], set.truth["total_tokens"]);
        for row in
            rows(&place, "events where operation=message_send model exists | stats sum(cost) as usd by model")
        {
            let Some(want) = truth.get(row["model"].as_str().unwrap()) else { continue };
            let want: f64 = want["cost"]
                .as_str()
                .map_or_else(|| want["cost"].as_f64(), |text| text.parse().ok())
                .unwrap();
            let usd = row["usd"].as_f64().unwrap();
            // Money is kept in billionths: each row is off by half of one at most.
            assert!((usd - want).abs() < 1e-5 || row["model"] == "None", "{row}: {want}");
        }
    }
}

#[test]
fn claude_code_calls_have_the_sums_by_model_and_the_rows_by_day_of_the_file() {
    let whole = ("llm_traces/claude_code_calls/calls.jsonl.gz", "claude_code_calls");
    for set in sets(whole, ("claude_code.jsonl", "claude_code_calls")) {
        let maps = "--map cached_tokens=cache_read_input_tokens --map cache_write_tokens=cache_creation_input_tokens";
        let place = imported(&set.file, &maps.split(' ').collect::<Vec<_>>(), &set.truth["rows"]);
        let models = rows(&place, "tokens by model limit all");
        let truth = set.truth["naive_sum_by_model"].as_object().unwrap();
        assert_eq!(models.len(), truth.len());
        for row in models {
            let want = &truth[row["model"].as_str().unwrap()];
            for (column, key) in [
                ("calls", "calls"),
                ("prompt_tokens", "input_tokens"),
                ("response_tokens", "output_tokens"),
                ("cached_tokens", "cache_read_input_tokens"),
                ("cache_write_tokens", "cache_creation_input_tokens"),
            ] {
                assert_eq!(row[column], want[key], "{column} of {row}");
            }
        }
        let sessions = rows(&place, "events | stats distinct(session) as sessions");
        assert_eq!(sessions[0]["sessions"], set.truth["sessions"]);
        let days = rows(&place, "events | stats count per 1d | limit all");
        let truth = set.truth["rows_per_utc_day"].as_object().unwrap();
        assert_eq!(days.len(), truth.len());
        for row in days {
            let day = row["time"].as_str().unwrap().split('T').next().unwrap();
            assert_eq!(row["count"], truth[day], "{day}");
        }
    }
}

/// Words and substrings that were counted in every plain log.
fn check_words(place: &Place, truth: &Value, context: &str) {
    for (key, test) in [("lines_with_substring_ci", "message contains"), ("lines_with_word_ci", "message:")] {
        for (word, count) in truth[key].as_object().unwrap() {
            let space = if test.ends_with(':') { "" } else { " " };
            let found = rows(place, &format!("events where {test}{space}\"{word}\" | stats count"));
            assert_eq!(found[0]["count"], *count, "{context}: {test} {word}");
        }
    }
}

#[test]
fn plain_logs_have_the_words_and_substrings_of_the_files() {
    let Some(folder) = whole_data() else { return };
    let truth = read_json(&folder.join("TRUTH.json"));
    for (name, truth) in truth["loghub_2k"].as_object().unwrap() {
        let file = folder.join(format!("logs/loghub_2k/{name}/{name}_2k.log"));
        if file.is_file() {
            let place = imported(&file, &["--format", "plain", "--kind", "log"], &truth["lines"]);
            check_words(&place, truth, name);
        }
    }
    let file = folder.join("logs/nginx_access_shop/access.log.gz");
    let truth = &truth["nginx_access_shop"];
    let place = imported(&file, &["--format", "plain"], &truth["lines"]);
    check_words(&place, truth, "nginx");
}

#[test]
fn lines_that_end_in_crlf_hold_the_same_words() {
    let place = Place::new();
    let lines = "2015-07-29 17:41:44,747 - INFO  [main:Server@1] - Started listener\r\n\
                 2015-07-29 17:41:45,000 - WARN  [main:Server@2] - Connection broken: error_code=5\r\n";
    let file = place.write("server.log", lines);
    place.run(["import", file.to_str().unwrap()]).good();
    for (query, count) in
        [("message:started", 1), ("message:error", 0), ("message contains error", 1), ("level=warn", 1)]
    {
        assert_eq!(
            rows(&place, &format!("events where {query} | stats count"))[0]["count"],
            count,
            "{query}"
        );
    }
    let all = rows(&place, "events");
    assert_eq!(all[0]["message"], "2015-07-29 17:41:44,747 - INFO  [main:Server@1] - Started listener");
    assert_eq!(all[0]["time"], "2015-07-29T17:41:44.747Z");
}
