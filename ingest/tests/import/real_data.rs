//! Real sources give the numbers that plain counting gives. `LOGQ_TEST_DATA` names their folder; without it
//! these tests say that they were skipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use logq_engine::Level;
use logq_ingest::{Format, ImportOptions, Input, Report, TimeUnit, import};
use serde_json::Value as Json;

use crate::sessions::totals;
use crate::support::Bench;

struct Data {
    folder: PathBuf,
    truth: Json,
}

fn data() -> Option<Data> {
    let Some(folder) = std::env::var_os("LOGQ_TEST_DATA").map(PathBuf::from) else {
        eprintln!("SKIP real data: LOGQ_TEST_DATA does not name its folder");
        return None;
    };
    let truth = std::fs::read(folder.join("TRUTH.json")).unwrap();
    Some(Data { truth: serde_json::from_slice(&truth).unwrap(), folder })
}

fn map(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(from, to)| (from.to_owned(), to.to_owned())).collect()
}

/// Imports a file, twice: the second time adds nothing.
fn load(path: &Path, options: &ImportOptions) -> (Bench, Report) {
    let bench = Bench::new();
    let writer = bench.store.writer().unwrap();
    let report = import(&bench.store, &writer, vec![Input::path(path)], options, &mut ()).unwrap();
    assert!(report.error().is_none(), "{:?}", report.error());
    assert_eq!(report.bad(), 0, "{:?}", report.files[0].bad_lines);
    let again = import(&bench.store, &writer, vec![Input::path(path)], options, &mut ()).unwrap();
    assert_eq!(again.rows(), 0);
    (bench, report)
}

#[test]
fn azure_requests_sum_up() {
    let Some(data) = data() else { return };
    let name = "azure/AzureLLMInferenceTrace_conv.csv";
    let options = ImportOptions {
        map: map(&[
            ("TIMESTAMP", "time"),
            ("ContextTokens", "prompt_tokens"),
            ("GeneratedTokens", "response_tokens"),
        ]),
        ..ImportOptions::default()
    };
    let path = data.folder.join("llm_traces/azure_llm_2023/AzureLLMInferenceTrace_conv.csv");
    let (bench, report) = load(&path, &options);
    let truth = &data.truth[name];
    assert_eq!((report.rows(), report.files[0].format), (truth["rows"].as_u64().unwrap(), Format::Csv));
    assert_eq!(Some(bench.sum("prompt_tokens").0), truth["context"]["sum"].as_i64());
    assert_eq!(Some(bench.sum("response_tokens").0), truth["generated"]["sum"].as_i64());
    let records = bench.records();
    assert!(records[0].starts_with("2023-11-16T18:15:46.68059Z _time=\"2023-11-16 18:15:46.6805900\""));
    assert!(records.last().unwrap().starts_with("2023-11-16T19:14:08.402527Z "));
}

#[test]
fn mooncake_requests_sum_up_from_a_zero() {
    let Some(data) = data() else { return };
    let options = ImportOptions {
        map: map(&[("input_length", "prompt_tokens"), ("output_length", "response_tokens")]),
        time_unit: Some(TimeUnit::Milliseconds),
        time_zero: Some("2024-01-01T00:00:00Z".into()),
        ..ImportOptions::default()
    };
    let (bench, report) =
        load(&data.folder.join("llm_traces/mooncake/conversation_trace.jsonl.gz"), &options);
    let truth = &data.truth["mooncake/conversation_trace.jsonl.gz"];
    assert_eq!(Some(report.rows()), truth["rows"].as_u64());
    assert_eq!(Some(bench.sum("prompt_tokens").0), truth["input"]["sum"].as_i64());
    assert_eq!(Some(bench.sum("response_tokens").0), truth["output"]["sum"].as_i64());
    assert!(bench.records().last().unwrap().starts_with("2024-01-01T00:58:56.999Z "));
}

#[test]
fn aider_events_sum_up_by_model() {
    let Some(data) = data() else { return };
    let options = ImportOptions {
        map: map(&[
            ("properties.main_model", "model"),
            ("properties.prompt_tokens", "prompt_tokens"),
            ("properties.completion_tokens", "response_tokens"),
            ("properties.cost", "cost"),
        ]),
        ..ImportOptions::default()
    };
    let (bench, report) = load(&data.folder.join("llm_traces/aider_analytics/events.jsonl.gz"), &options);
    let truth = &data.truth["aider"];
    assert_eq!(Some(report.rows()), truth["rows"].as_u64());
    let by_model = truth["message_send_by_main_model"].as_object().unwrap();
    let total = |field: &str| by_model.values().map(|model| model[field].as_i64().unwrap()).sum::<i64>();
    assert_eq!(bench.sum("prompt_tokens"), (total("prompt_tokens"), total("calls").unsigned_abs()));
    assert_eq!(bench.sum("response_tokens").0, total("completion_tokens"));
    let sends: Vec<String> =
        bench.records().into_iter().filter(|record| record.contains(" event=\"message_send\" ")).collect();
    for (model, want) in by_model.iter().filter(|(model, _)| *model != "None") {
        let is_model = format!(" model={model:?}");
        let count = sends.iter().filter(|record| record.contains(&is_model) || 40 < model.len()).count();
        assert!(count as u64 >= want["calls"].as_u64().unwrap(), "{model}");
    }
}

#[test]
fn claude_code_calls_sum_up() {
    let Some(data) = data() else { return };
    let (bench, report) =
        load(&data.folder.join("llm_traces/claude_code_calls/calls.jsonl.gz"), &ImportOptions::default());
    let truth = &data.truth["claude_code_calls"];
    assert_eq!(Some(report.rows()), truth["rows"].as_u64());
    let by_model = truth["naive_sum_by_model"].as_object().unwrap();
    let total = |field: &str| by_model.values().map(|model| model[field].as_i64().unwrap()).sum::<i64>();
    for (field, name) in [
        ("prompt_tokens", "input_tokens"),
        ("response_tokens", "output_tokens"),
        ("cache_read_input_tokens", "cache_read_input_tokens"),
        ("cache_creation_input_tokens", "cache_creation_input_tokens"),
    ] {
        assert_eq!(bench.sum(field).0, total(name), "{field}");
    }
    let records = bench.records();
    assert!(records[0].starts_with("2026-01-05T15:02:06.978Z session="), "{}", records[0]);
    assert!(records[0].contains(" content=json:[\"tool_use\"] "), "{}", records[0]);
}

#[test]
fn plain_logs_keep_every_line_and_find_time_and_level() {
    let Some(data) = data() else { return };
    for system in ["Apache", "BGL", "HDFS", "Linux", "OpenSSH", "OpenStack", "Spark", "Zookeeper"] {
        let path = data.folder.join(format!("logs/loghub_2k/{system}/{system}_2k.log"));
        let (bench, report) = load(&path, &ImportOptions::default());
        let truth = &data.truth["loghub_2k"][system];
        assert_eq!(
            (Some(report.rows()), report.files[0].format),
            (truth["lines"].as_u64(), Format::Plain),
            "{system}"
        );
        let records = bench.records();
        let guessed = records.iter().filter(|record| record.contains("time_guessed")).count();
        assert!(guessed == 0, "{system}: {guessed} lines without a time");
        let mut levels = BTreeMap::new();
        for (word, count) in truth["by_Level"].as_object().into_iter().flatten() {
            // In one of them the column holds a host.
            if let Some(level) = Level::parse(word) {
                *levels.entry(level).or_insert(0) += count.as_u64().unwrap();
            }
        }
        for (level, want) in levels {
            let shown = format!(" level={level} ");
            let got = records.iter().filter(|record| record.contains(&shown)).count() as u64;
            assert_eq!(got, want, "{system} {level}");
        }
    }
}

#[test]
fn a_web_servers_log_keeps_every_line_under_its_time() {
    let Some(data) = data() else { return };
    let (bench, report) =
        load(&data.folder.join("logs/nginx_access_shop/access.log.gz"), &ImportOptions::default());
    let truth = &data.truth["nginx_access_shop"];
    assert_eq!(Some(report.rows()), truth["lines"].as_u64());
    let records = bench.records();
    assert!(
        records.iter().all(|record| record.starts_with("2019-01-26T16:") && !record.contains("time_guessed"))
    );
}

#[test]
fn odd_logs_are_imported_or_refused_with_a_reason() {
    let Some(data) = data() else { return };
    for folder in ["logs/lnav_odd_formats", "logs/angle_grinder", "logs/elastic_examples/kafka0"] {
        for entry in std::fs::read_dir(data.folder.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let bench = Bench::new();
            let writer = bench.store.writer().unwrap();
            let import = || {
                let inputs = vec![Input::path(&path)];
                import(&bench.store, &writer, inputs, &ImportOptions::default(), &mut ()).unwrap()
            };
            let report = import();
            assert!(report.error().is_none(), "{}: {:?}", path.display(), report.error());
            let file = &report.files[0];
            let records = bench.records().len() as u64;
            assert_eq!(file.rows, records, "{}", path.display());
            assert_eq!(import().rows(), 0, "{}", path.display());
        }
    }
}

#[test]
fn wide_windows_events_keep_their_rows() {
    let Some(data) = data() else { return };
    for (name, truth) in data.truth["windows_events_json"].as_object().unwrap() {
        let (bench, report) =
            load(&data.folder.join("logs/windows_events_json").join(name), &ImportOptions::default());
        assert_eq!(Some(report.rows()), truth["rows"].as_u64());
        let channels = truth["Channel"].as_object().unwrap();
        let records = bench.records();
        for (channel, want) in channels {
            let shown = format!(" Channel={channel:?} ");
            let count = records.iter().filter(|record| record.contains(&shown)).count() as u64;
            assert!(Some(count) == want.as_u64() || 40 < channel.len(), "{name} {channel}: {count}");
        }
    }
}

/// The copies of each call, plainly: by message and request the one with the most tokens. Prompt, response, read, written.
fn plainly_counted(files: &[PathBuf]) -> (u64, BTreeMap<(String, String), [i64; 4]>) {
    let (mut rows, mut calls) = (0, BTreeMap::<(String, String), [i64; 4]>::new());
    for file in files {
        let gz = flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap());
        for line in std::io::read_to_string(gz).unwrap().lines() {
            rows += 1;
            let row: Json = serde_json::from_str(line).unwrap();
            let nested = &row["data"]["message"];
            let envelope = if nested["message"]["usage"].is_object() { nested } else { &row };
            let message = &envelope["message"];
            if !message["usage"].is_object() || message["model"] == "<synthetic>" {
                continue;
            }
            let number = |name: &str| message["usage"][name].as_i64().unwrap_or(0);
            let [read, written] = ["cache_read_input_tokens", "cache_creation_input_tokens"].map(number);
            let copy = [number("input_tokens") + read + written, number("output_tokens"), read, written];
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            let best = calls.entry((text(&message["id"]), text(&envelope["requestId"]))).or_default();
            if best[0] + best[1] < copy[0] + copy[1] {
                *best = copy;
            }
        }
    }
    (rows, calls)
}

#[test]
fn sessions_of_claude_code_count_each_call_once() {
    let Some(data) = data() else { return };
    let folder = data.folder.join("agent_logs/claude_code_sessions");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "gz")).collect();
    files.sort();
    let (rows, calls) = plainly_counted(&files);
    assert_eq!(Some(rows), data.truth["claude_code_sessions"]["rows"].as_u64());
    let bench = Bench::new();
    let writer = bench.store.writer().unwrap();
    let inputs = || files.iter().map(Input::path).collect();
    let report = import(&bench.store, &writer, inputs(), &ImportOptions::default(), &mut ()).unwrap();
    assert!(report.error().is_none(), "{:?}", report.error());
    assert!(report.files.iter().all(|file| file.format == Format::ClaudeCode));
    assert_eq!((report.rows(), report.bad()), (rows, 0));
    let mut want = [i64::try_from(calls.len()).unwrap(), 0, 0, 0, 0];
    for copy in calls.values() {
        want.iter_mut().skip(1).zip(copy).for_each(|(sum, more)| *sum += more);
    }
    assert_eq!(totals(&bench)[..5], want);
    // All of it once more, as rows: no call is new.
    let again = ImportOptions { again: true, ..ImportOptions::default() };
    let report = import(&bench.store, &writer, inputs(), &again, &mut ()).unwrap();
    assert_eq!(report.rows(), rows);
    assert_eq!(totals(&bench)[..5], want);
}

#[test]
fn samples_of_session_formats_are_known_for_what_they_are() {
    let Some(data) = data() else { return };
    let folder = data.folder.join("agent_logs/session_format_samples");
    for (name, format, want) in [
        // Three calls: 100 + 10 + 25, 200 + 20 + 50, 300 + 40; 250 out.
        ("ccusage__chat.jsonl", Format::ClaudeCode, [3, 745, 250, 70, 75, 0, 0]),
        ("simonw__sample_session.jsonl", Format::ClaudeCode, [0; 7]),
        ("claude-code-log__claude-code__user__user_command.jsonl", Format::ClaudeCode, [0; 7]),
        ("openinference__codex_interactive_turn.jsonl", Format::Codex, [1, 10, 4, 3, 0, 0, 2]),
    ] {
        let (bench, report) = load(&folder.join(name), &ImportOptions::default());
        assert_eq!((report.files[0].format, totals(&bench)), (format, want), "{name}");
    }
}
