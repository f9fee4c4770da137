//! Session files of coding agents: every row is kept, and the usage of a call counts once. The sums are made by hand.

use std::ops::ControlFlow;

use logq_engine::{Scan, Value, budget};
use logq_ingest::{Format, ImportOptions, Input, Report, import};

use crate::support::Bench;

/// Calls, then prompt, response, cached, written, written for an hour, reasoning.
type Totals = [i64; 7];

const FIELDS: [&str; 6] = [
    "prompt_tokens",
    "response_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
];

pub(crate) fn totals(bench: &Bench) -> Totals {
    let snapshot = bench.store.snapshot().unwrap();
    let columns = FIELDS.iter().chain(&["calls"]).map(|&name| name.into()).collect();
    let scan = Scan { columns, ..Scan::default() };
    let mut totals = Totals::default();
    for part in snapshot.parts(&scan).unwrap() {
        part.scan(&mut |batch| {
            for row in 0..batch.len() {
                let get = |at: usize| batch.column(at).get(row).copied().flatten();
                let mut counts = false;
                for at in 0..FIELDS.len() {
                    if let Some(Value::Int(number)) = get(at) {
                        totals[at + 1] += number;
                        counts = true;
                    }
                }
                if counts {
                    totals[0] += i64::try_from(budget::calls(get(FIELDS.len()))).unwrap();
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    totals
}

/// Imports these files with one command.
fn import_all(bench: &Bench, names: &[&str]) -> Report {
    let writer = bench.store.writer().unwrap();
    let inputs = names.iter().map(|name| Input::path(bench.path(name))).collect();
    let report = import(&bench.store, &writer, inputs, &ImportOptions::default(), &mut ()).unwrap();
    writer.close().unwrap();
    assert!(report.error().is_none(), "{:?}", report.error());
    report
}

/// A row of an answer: ids, then input, output, cache read, cache written.
fn row(message: &str, request: &str, usage: [i64; 4], more: &str) -> String {
    let [input, output, read, written] = usage;
    let request = if request.is_empty() { String::new() } else { format!("\"requestId\":\"{request}\",") };
    format!(
        "{{\"parentUuid\":null,\"isSidechain\":false,\"type\":\"assistant\",\"sessionId\":\"s1\",\
         \"timestamp\":\"2026-01-09T10:00:00.000Z\",{request}{more}\"message\":{{\"id\":\"{message}\",\
         \"role\":\"assistant\",\"model\":\"claude-sonnet-4-20250514\",\"content\":[],\"usage\":{{\
         \"input_tokens\":{input},\"output_tokens\":{output},\"cache_read_input_tokens\":{read},\
         \"cache_creation_input_tokens\":{written}}}}}}}\n"
    )
}

fn sidechain(line: &str) -> String {
    line.replace("\"isSidechain\":false", "\"isSidechain\":true")
}

#[test]
fn the_rows_of_the_blocks_of_an_answer_are_one_call() {
    let bench = Bench::new();
    let user = "{\"parentUuid\":null,\"isSidechain\":false,\"type\":\"user\",\"sessionId\":\"s1\",\"uuid\":\"u1\",\
                \"cwd\":\"/work\",\"gitBranch\":\"main\",\"version\":\"2.0.1\",\"timestamp\":\
                \"2026-01-09T09:59:00.000Z\",\"message\":{\"role\":\"user\",\"content\":\"hello\"}}\n";
    let block = row("m1", "r1", [100, 50, 10, 25], "");
    let other = row("m2", "r2", [1, 2, 3, 4], "");
    let again = row("m2", "r3", [1, 2, 3, 4], "");
    bench.write("a.jsonl", [user, &block, &block, &block, &other, &again].concat());
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.bad(), report.files[0].format), (6, 0, Format::ClaudeCode));
    // 100 + 10 + 25 in the first, and twice 1 + 3 + 4: the id of a message under another request is another call.
    assert_eq!(totals(&bench), [3, 135 + 16, 50 + 4, 10 + 6, 25 + 8, 0, 0]);
    let records = bench.records();
    for field in [
        "2026-01-09T09:59:00Z",
        "session=\"s1\"",
        "message=\"hello\"",
        "role=\"user\"",
        "cwd=\"/work\"",
        "git_branch=\"main\"",
        "version=\"2.0.1\"",
        "id=\"u1\"",
        "source=\"claude_code\"",
    ] {
        assert!(records[0].contains(field), "{field}: {}", records[0]);
    }
    for field in [
        "kind=\"ai\"",
        "operation=\"claude_code.turn\"",
        "model=\"claude-sonnet-4-20250514\"",
        "provider=\"anthropic\"",
        "message_id=\"m1\"",
        "request_id=\"r1\"",
        "event_id=\"claude_code/m1/r1\"",
        "message.usage.input_tokens=100",
        "cost_state=\"calculated\"",
    ] {
        assert!(records[1].contains(field), "{field}: {}", records[1]);
    }
    assert!(records[2].contains(" calls=0") && !records[2].contains("prompt_tokens="), "{}", records[2]);
    // $3 and $15 a million, a tenth for what was read, 1.25 of it for what was written: 100 * 3000 + 10 * 300 + 25 * 3750 + 50
    // * 15000 billionths, and twice 3000 + 900 + 15000 + 30000.
    assert_eq!(bench.sum("cost").0, 300_000 + 3_000 + 93_750 + 750_000 + 2 * 48_900);
}

#[test]
fn a_copy_with_more_tokens_adds_the_difference_and_no_call() {
    let bench = Bench::new();
    let lines = [
        row("m1", "r1", [3, 0, 0, 0], ""),
        row("m1", "r1", [3, 5774, 20, 0], ""),
        row("m1", "r1", [3, 12, 20, 0], ""),
    ];
    bench.write("a.jsonl", lines.concat());
    assert_eq!(bench.import("a.jsonl").rows(), 3);
    assert_eq!(totals(&bench), [1, 23, 5774, 20, 0, 0, 0]);
    assert!(bench.records()[1].contains("response_tokens=5774"), "{}", bench.records()[1]);
    assert!(!bench.records()[2].contains("response_tokens="), "{}", bench.records()[2]);
    assert_eq!(bench.sum("cost").0, 3 * 3_000 + 20 * 300 + 5774 * 15_000);
}

#[test]
fn without_the_id_of_a_request_the_message_is_the_call() {
    let bench = Bench::new();
    let lines = [
        row("m1", "", [10, 5, 0, 0], ""),
        row("m1", "", [10, 5, 0, 0], ""),
        row("m1", "r9", [10, 5, 0, 0], ""),
        row("m2", "", [7, 1, 0, 0], ""),
    ];
    bench.write("a.jsonl", lines.concat());
    assert_eq!(bench.import("a.jsonl").rows(), 4);
    assert_eq!(totals(&bench), [2, 17, 6, 0, 0, 0, 0]);
}

#[test]
fn the_copy_of_the_parent_counts_and_not_the_one_of_the_side_chain() {
    for order in [[0, 1], [1, 0]] {
        let bench = Bench::new();
        let parent = row("m1", "r1", [10, 5, 0, 0], "");
        let replay = sidechain(&row("m1", "r2", [10, 500, 0, 0], ""));
        let both = [parent, replay];
        bench.write("a.jsonl", order.map(|at| both[at].as_str()).concat());
        assert_eq!(bench.import("a.jsonl").rows(), 2);
        assert_eq!(totals(&bench), [1, 10, 5, 0, 0, 0, 0], "{order:?}");
    }
}

#[test]
fn a_resumed_copy_in_another_folder_counts_once_in_one_import_and_across_imports() {
    let first = row("m1", "r1", [10, 5, 0, 0], "") + &row("m2", "r2", [20, 6, 0, 0], "");
    let resumed = first.replace("\"s1\"", "\"s2\"") + &row("m3", "r3", [40, 7, 0, 0], "");
    let want = [3, 70, 18, 0, 0, 0, 0];
    let bench = Bench::new();
    for name in ["projects", "projects/-home-x", "projects/-home-y"] {
        std::fs::create_dir(bench.path(name)).unwrap();
    }
    let names = ["projects/-home-x/s1.jsonl", "projects/-home-y/s2.jsonl"];
    bench.write(names[0], &first);
    bench.write(names[1], &resumed);
    assert_eq!(import_all(&bench, &names).rows(), 5);
    assert_eq!(totals(&bench), want);
    assert!(bench.records()[0].contains("project=\"-home-x\""), "{}", bench.records()[0]);
    let bench = Bench::new();
    bench.write("b.jsonl", &resumed);
    bench.write("a.jsonl", &first);
    assert_eq!((bench.import("b.jsonl").rows(), bench.import("a.jsonl").rows()), (3, 2));
    assert_eq!(totals(&bench), want);
}

#[test]
fn a_file_that_grew_adds_only_what_is_new_of_its_calls() {
    let bench = Bench::new();
    let first = row("m1", "r1", [10, 0, 0, 0], "");
    let rest = row("m1", "r1", [10, 90, 0, 0], "") + &row("m2", "r2", [5, 5, 0, 0], "");
    let (half, other) = rest.split_at(40);
    bench.write("a.jsonl", first + half);
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.bad()), (1, 1), "a row that was half written is no row yet");
    bench.grow("a.jsonl", other);
    assert_eq!(bench.import("a.jsonl").rows(), 2);
    assert_eq!(totals(&bench), [2, 15, 95, 0, 0, 0, 0]);
    assert_eq!(bench.import("a.jsonl").rows(), 0);
    bench.grow("a.jsonl", &row("m1", "r1", [10, 91, 0, 0], ""));
    assert_eq!(bench.import("a.jsonl").rows(), 1);
    assert_eq!(totals(&bench), [2, 15, 96, 0, 0, 0, 0]);
    let again = ImportOptions { again: true, ..ImportOptions::default() };
    assert_eq!(bench.import_with("a.jsonl", &again).rows(), 4);
    assert_eq!(totals(&bench), [2, 15, 96, 0, 0, 0, 0], "rows again, usage once");
}

#[test]
fn writes_are_split_by_their_time_and_what_the_program_wrote_itself_is_no_call() {
    let bench = Bench::new();
    let split = row("m1", "r1", [1, 1, 0, 999], "").replace(
        "\"cache_creation_input_tokens\":999",
        "\"cache_creation_input_tokens\":999,\"cache_creation\":{\"ephemeral_5m_input_tokens\":30,\
         \"ephemeral_1h_input_tokens\":70},\"speed\":\"fast\"",
    );
    let synthetic = row("m2", "", [5, 5, 0, 0], "").replace("claude-sonnet-4-20250514", "<synthetic>");
    let progress = "{\"type\":\"progress\",\"sessionId\":\"s1\",\"parentUuid\":null,\"timestamp\":\
                    \"2026-01-09T10:00:00.000Z\",\"data\":{\"message\":{\"requestId\":\"r3\",\"message\":{\"id\":\"m3\",\
                    \"model\":\"claude-haiku-4-5-20251001\",\"usage\":{\"input_tokens\":4,\"output_tokens\":6}}}}}\n";
    bench.write("a.jsonl", [&split, &synthetic, progress, progress].concat());
    assert_eq!(bench.import("a.jsonl").rows(), 4);
    assert_eq!(totals(&bench), [2, 101 + 4, 1 + 6, 0, 100, 70, 0]);
    let records = bench.records();
    assert!(records[0].contains(" model=\"claude-sonnet-4-20250514-fast\""), "{}", records[0]);
    assert!(!records[1].contains(" model=") && records[1].contains("<synthetic>"), "{}", records[1]);
    assert!(records[2].contains("event_id=\"claude_code/m3/r3\""), "{}", records[2]);
}

#[test]
fn a_cost_that_was_reported_is_the_cost() {
    let bench = Bench::new();
    bench.write(
        "a.jsonl",
        row("m1", "r1", [10, 5, 0, 0], "\"costUSD\":0.12,")
            + &row("m1", "r1", [10, 6, 0, 0], "\"costUSD\":0.13,"),
    );
    bench.import("a.jsonl");
    assert_eq!(bench.sum("cost").0, 130_000_000);
    assert!(bench.records()[0].contains("cost_state=\"reported\""), "{}", bench.records()[0]);
}

#[test]
fn odd_numbers_and_other_lines_lose_nothing() {
    let bench = Bench::new();
    let lines = [
        row("m1", "r1", [10, 5, 0, 0], "").replace("\"input_tokens\":10", "\"input_tokens\":\"10\""),
        row("m2", "r2", [-10, 5, 0, 0], ""),
        row("m3", "r3", [0, 0, 0, 0], "").split(",\"usage\"").next().unwrap().to_owned()
            + ",\"usage\":null}}\n",
        row("m4", "r4", [9_223_372_036_854_775_807, 9_223_372_036_854_775_807, 0, 0], ""),
        "{\"level\":\"info\",\"message\":\"not a session\"}\n".into(),
        "plain text\n".into(),
        row("m5", "r5", [1, 1, 0, 0], "").replace("\"usage\"", "\"usage\":7,\"other\""),
        row("x/y", &"r".repeat(5000), [2, 2, 0, 0], ""),
    ];
    bench.write("a.jsonl", lines[..3].concat() + &lines[4..].concat());
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.bad()), (6, 1));
    // The text 10 is a number, and what is below 0 is none.
    assert_eq!(totals(&bench), [3, 10 + 2, 5 + 5 + 2, 0, 0, 0, 0]);
    let huge = Bench::new();
    huge.write("b.jsonl", [&lines[3], &lines[3]].map(String::as_str).concat());
    assert_eq!(huge.import("b.jsonl").rows(), 2);
    assert_eq!(totals(&huge)[..2], [1, i64::MAX]);
}

#[test]
fn a_format_that_is_said_is_the_format() {
    let bench = Bench::new();
    bench.write("a.jsonl", row("m1", "r1", [10, 5, 0, 0], "").repeat(2));
    let plain = ImportOptions { format: Format::Jsonl, ..ImportOptions::default() };
    assert_eq!(bench.import_with("a.jsonl", &plain).rows(), 2);
    assert_eq!(totals(&bench), [0; 7], "names of JSONL as they stand");
    let bench = Bench::new();
    bench.write("a.jsonl", "{\"type\":\"other\"}\n".repeat(9) + &row("m1", "r1", [10, 5, 0, 0], ""));
    assert_eq!(bench.import("a.jsonl").files[0].format, Format::Jsonl);
    let bench = Bench::new();
    bench.write("a.jsonl", "{\"type\":\"other\"}\n".repeat(9) + &row("m1", "r1", [10, 5, 0, 0], ""));
    let said = ImportOptions { format: "claude-code".parse().unwrap(), ..ImportOptions::default() };
    assert_eq!(bench.import_with("a.jsonl", &said).rows(), 10);
    assert_eq!(totals(&bench), [1, 10, 5, 0, 0, 0, 0]);
}

/// A session of Codex: its meta row at a second of an hour, then its model.
fn meta(session: &str, second: u32, more: &str) -> String {
    format!(
        "{{\"timestamp\":\"2026-05-05T20:00:{second:02}.000Z\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"{session}\"{more},\
         \"cwd\":\"/work\",\"cli_version\":\"0.50.0\",\"git\":{{\"branch\":\"main\"}}}}}}\n\
         {{\"timestamp\":\"2026-05-05T20:00:{second:02}.000Z\",\"type\":\"turn_context\",\"payload\":{{\"model\":\"gpt-5-codex\",\
         \"cwd\":\"/work\"}}}}\n"
    )
}

/// A row of counts: the input and output of the last turn, and those of the session so far.
fn count(second: u32, last: Option<[u64; 2]>, total: Option<[u64; 2]>) -> String {
    let numbers = |name: &str, [input, output]: [u64; 2]| {
        format!(
            "\"{name}\":{{\"input_tokens\":{input},\"cached_input_tokens\":{},\"output_tokens\":{output},\
             \"reasoning_output_tokens\":{},\"total_tokens\":{}}}",
            input / 2,
            output / 2,
            input + output
        )
    };
    let last = last.map(|last| numbers("last_token_usage", last));
    let total = total.map(|total| numbers("total_token_usage", total));
    let info: Vec<String> = last.into_iter().chain(total).collect();
    format!(
        "{{\"timestamp\":\"2026-05-05T20:00:{second:02}.000Z\",\"type\":\"event_msg\",\"payload\":{{\"type\":\"token_count\",\
         \"info\":{{{}}}}}}}\n",
        info.join(",")
    )
}

/// Turns of one size, each so many seconds after the one before: input 100, output 10.
fn turns(from: u64, count_of: u64, second: u32, step: u32) -> String {
    let turn = |at: u64| {
        let second = second + step * u32::try_from(at - from).unwrap();
        count(second, Some([100, 10]), Some([100 * (at + 1), 10 * (at + 1)]))
    };
    (from..from + count_of).map(turn).collect()
}

/// The totals of so many of those turns.
fn of_turns(count: i64) -> Totals {
    [count, 100 * count, 10 * count, 50 * count, 0, 0, 5 * count]
}

#[test]
fn turns_of_codex_count_once_each_and_rows_that_repeat_them_do_not() {
    let bench = Bench::new();
    let repeated = count(6, Some([100, 10]), Some([200, 20]));
    let null = "{\"timestamp\":\"2026-05-05T20:00:07.000Z\",\"type\":\"event_msg\",\"payload\":{\"type\":\"token_count\",\
                \"info\":null}}\n";
    let user = "{\"timestamp\":\"2026-05-05T20:00:08.000Z\",\"type\":\"event_msg\",\"payload\":{\"type\":\"user_message\",\
                \"message\":\"hello\"}}\n";
    // Without the last turn, what the sums grew by counts: 300 and 30.
    let grown = count(9, None, Some([500, 50]));
    bench.write("a.jsonl", [&meta("p", 0, ""), &turns(0, 2, 4, 1), &repeated, null, user, &grown].concat());
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.bad(), report.files[0].format), (8, 0, Format::Codex));
    assert_eq!(totals(&bench), [3, 500, 50, 250, 0, 0, 25]);
    let records = bench.records();
    for field in [
        "kind=\"ai\"",
        "operation=\"codex.turn\"",
        "model=\"gpt-5-codex\"",
        "provider=\"openai\"",
        "session=\"p\"",
        "cwd=\"/work\"",
        "git_branch=\"main\"",
        "version=\"0.50.0\"",
        "source=\"codex\"",
    ] {
        assert!(records[2].contains(field), "{field}: {}", records[2]);
    }
    assert!(
        records[6].contains("message=\"hello\"") && records[6].contains("session=\"p\""),
        "{}",
        records[6]
    );
}

#[test]
fn a_fork_that_repeats_its_parent_under_new_times_counts_only_what_is_its_own() {
    let parent = meta("p", 0, "") + &turns(0, 3, 5, 5);
    // All of the history bears the time of the fork; the fork's own turn is as large as the parent's next one.
    let fork = meta("c", 40, ",\"forked_from_id\":\"p\"") + &turns(0, 2, 40, 0) + &turns(2, 2, 50, 5);
    for order in [["p.jsonl", "c.jsonl"], ["c.jsonl", "p.jsonl"]] {
        let bench = Bench::new();
        bench.write("p.jsonl", &parent);
        bench.write("c.jsonl", &fork);
        import_all(&bench, &order);
        assert_eq!(totals(&bench), of_turns(5), "{order:?}");
        let bench = Bench::new();
        bench.write("p.jsonl", &parent);
        bench.write("c.jsonl", &fork);
        order.iter().for_each(|name| drop(bench.import(name)));
        assert_eq!(totals(&bench), of_turns(5), "{order:?}, one import each");
    }
}

#[test]
fn a_fork_of_a_fork_knows_the_history_of_both() {
    let bench = Bench::new();
    bench.write("a.jsonl", meta("p", 0, "") + &turns(0, 2, 5, 5));
    bench.write(
        "b.jsonl",
        meta("c", 20, ",\"forked_from_id\":\"p\"") + &turns(0, 2, 20, 0) + &turns(2, 1, 25, 5),
    );
    bench.write(
        "c.jsonl",
        meta("d", 40, ",\"forked_from_id\":\"c\"") + &turns(0, 3, 40, 0) + &turns(3, 1, 45, 5),
    );
    ["a.jsonl", "b.jsonl", "c.jsonl"].iter().for_each(|name| drop(bench.import(name)));
    assert_eq!(totals(&bench), of_turns(4));
}

#[test]
fn three_snapshots_of_one_parent_count_its_turns_once() {
    let bench = Bench::new();
    // Copies of the file as it grew, and forks of a parent whose own file is gone.
    for (at, turns_of) in [2, 4, 3].into_iter().enumerate() {
        bench.write(&format!("{at}.jsonl"), meta("p", 0, "") + &turns(0, turns_of, 5, 5));
        let id = format!("f{at}");
        let fork = meta(&id, 30, ",\"forked_from_id\":\"gone\"") + &turns(0, turns_of, 30, 0);
        bench.write(&format!("f{at}.jsonl"), fork + &turns(turns_of, 1, 40, 5));
    }
    import_all(&bench, &["0.jsonl", "1.jsonl", "2.jsonl"]);
    assert_eq!(totals(&bench), of_turns(4));
    import_all(&bench, &["f0.jsonl", "f1.jsonl", "f2.jsonl"]);
    assert_eq!(totals(&bench), of_turns(4 + 4 + 3), "four of the parent, and one of each fork");
}

#[test]
fn the_turns_of_an_agent_count_though_they_are_as_large_as_those_of_its_parent() {
    let spawned = ",\"source\":{\"subagent\":{\"thread_spawn\":{\"parent_thread_id\":\"p\"}}}";
    let bench = Bench::new();
    bench.write("p.jsonl", meta("p", 0, "") + &turns(0, 3, 5, 5));
    // One agent starts from nothing, the other with the history of its parent.
    bench.write("a.jsonl", meta("a", 10, spawned) + &turns(0, 3, 11, 5));
    bench.write("b.jsonl", meta("b", 30, spawned) + &turns(0, 3, 30, 0) + &turns(3, 2, 31, 5));
    import_all(&bench, &["p.jsonl", "a.jsonl", "b.jsonl"]);
    assert_eq!(totals(&bench), of_turns(3 + 3 + 2));
}

#[test]
fn sums_that_fall_begin_anew_also_where_a_file_grew() {
    let bench = Bench::new();
    // The first row of the second epoch says its sums only.
    let fallen = count(20, None, Some([100, 10]));
    let whole = meta("p", 0, "") + &turns(0, 2, 5, 5) + &fallen + &turns(1, 1, 25, 5);
    let last = count(40, None, Some([250, 25]));
    bench.write("a.jsonl", &whole);
    bench.import("a.jsonl");
    assert_eq!(totals(&bench), of_turns(4));
    // 50 and 5 more than the second epoch had.
    bench.grow("a.jsonl", &last);
    assert_eq!(bench.import("a.jsonl").rows(), 1);
    assert_eq!(totals(&bench), [5, 450, 45, 225, 0, 0, 22]);
    let grown = bench.records().into_iter().next_back().unwrap();
    assert!(grown.contains("session=\"p\"") && grown.contains("model=\"gpt-5-codex\""), "{grown}");
}

#[test]
fn rows_that_repeat_their_sums_are_one_turn_also_of_a_session_without_a_name() {
    let bench = Bench::new();
    let context = "{\"type\":\"turn_context\",\"payload\":{\"model\":\"gpt-5\"}}\n";
    let turn = count(5, Some([100, 10]), Some([100, 10]));
    bench.write("a.jsonl", [context, &turn, &turn].concat());
    assert_eq!(bench.import("a.jsonl").rows(), 3);
    assert_eq!(totals(&bench), of_turns(1));
}

#[test]
fn output_without_a_terminal_counts_each_turn() {
    let bench = Bench::new();
    let turn = "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":100,\"cached_input_tokens\":40,\"output_tokens\":10}}\n";
    let result = "{\"type\":\"result\",\"data\":{\"model_name\":\"gpt-5-mini\",\"usage\":{\"prompt_tokens\":7,\"cached_tokens\":9,\
                  \"completion_tokens\":3}}}\n";
    bench.write(
        "a.jsonl",
        ["{\"type\":\"thread.started\",\"thread_id\":\"t\"}\n", turn, turn, result].concat(),
    );
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.files[0].format), (4, Format::Codex));
    // More came from the cache than there was: it is cut to the 7.
    assert_eq!(totals(&bench), [3, 207, 23, 87, 0, 0, 0]);
    let records = bench.records();
    assert!(records[1].contains("model=\"gpt-5\"") && records[1].contains("model_guessed"), "{}", records[1]);
    assert!(
        records[3].contains("model=\"gpt-5-mini\"") && !records[3].contains("model_guessed"),
        "{}",
        records[3]
    );
}
