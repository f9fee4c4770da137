//! How a source is cut and how many threads read it never shows in what is imported.

use logq_ingest::{Format, ImportOptions};
use proptest::prelude::*;

use crate::support::{Bench, gzip};

fn records(name: &str, content: &[u8], options: &ImportOptions) -> (Vec<String>, String) {
    let bench = Bench::new();
    bench.write(name, content);
    let report = bench.import_with(name, options);
    let file = &report.files[0];
    assert!(file.error.is_none(), "{:?}", file.error);
    let counts = format!(
        "{} {} {} {} {} {:?}",
        file.rows, file.blank, file.bad, file.duplicates, file.bytes, file.bad_lines
    );
    let rejects = file.rejects.as_ref().map_or(String::new(), |path| std::fs::read_to_string(path).unwrap());
    (bench.records(), counts + &rejects)
}

fn jsonl() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        5 => (any::<i32>(), "[a-z\u{2028}\u{e9}]{0,30}").prop_map(|(n, text)| {
            format!("{{\"ts\":1700000000,\"n\":{n},\"n{}\":\"{text}\",\"n\":null}}", n % 5)
        }),
        1 => Just(String::new()),
        1 => Just("  \r".to_owned()),
        1 => Just("bad".to_owned()),
        1 => Just("{\"ts\":\"2024-01-01T00:00:00Z\",\"text\":\"a much longer line\"}\r".to_owned()),
    ];
    proptest::collection::vec(line, 1..60).prop_map(|lines| format!("{{\"first\":1}}\n{}", lines.join("\n")))
}

fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        (0..60_u32).prop_map(|s| format!("2024-01-01 00:00:{s:02} INFO something")),
        "[ a-z]{0,20}",
    ];
    proptest::collection::vec(line, 1..60).prop_map(|lines| lines.join("\n"))
}

fn table() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        "[a-z]{0,6}",
        "[0-9]{1,4}",
        Just("\"a\nb\"".to_owned()),
        Just("\"\r\n,\"\"\"".to_owned()),
    ];
    let row = proptest::collection::vec(cell, 2..4).prop_map(|cells| cells.join(","));
    proptest::collection::vec(row, 1..50).prop_map(|rows| format!("a,b,c\n{}\n", rows.join("\n")))
}

/// A row of one of few calls, with numbers of any kind.
fn session_row() -> impl Strategy<Value = String> {
    let number = || {
        let odd = ["null", "-3", "\"12\"", "1e9", "9223372036854775807", "18446744073709551615", "[]", "0.5"];
        prop_oneof![
            (0..9_u64).prop_map(|n| n.to_string()),
            proptest::sample::select(odd.to_vec()).prop_map(str::to_owned)
        ]
    };
    let numbers = (number(), number(), number(), number());
    (0..6, 0..3, numbers).prop_map(|(shape, id, (a, b, c, d))| match shape {
        0 | 1 => format!(
            "{{\"sessionId\":\"s\",\"isSidechain\":{},\"requestId\":\"r{id}\",\"message\":{{\"id\":\"m{id}\",\"model\":\"claude-x\",\
             \"usage\":{{\"input_tokens\":{a},\"output_tokens\":{b},\"cache_creation\":{{\"ephemeral_1h_input_tokens\":{c}}}}}}},\
             \"costUSD\":{d}}}\n",
            shape == 1
        ),
        2 => format!("{{\"type\":\"session_meta\",\"timestamp\":{a},\"payload\":{{\"id\":\"s{id}\",\"forked_from_id\":\"p\"}}}}\n"),
        3 => format!("{{\"type\":\"turn_context\",\"payload\":{{\"model\":{a}}}}}\n"),
        _ => format!(
            "{{\"type\":\"event_msg\",\"timestamp\":{a},\"payload\":{{\"type\":\"token_count\",\"info\":{{\"total_token_usage\":\
             {{\"input_tokens\":{b},\"output_tokens\":{c},\"total_tokens\":{d}}}}}}}}}\n"
        ),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_cut_and_any_number_of_threads_import_the_same(
        (format, content) in prop_oneof![
            jsonl().prop_map(|content| (Format::Jsonl, content)),
            text().prop_map(|content| (Format::Plain, content)),
            table().prop_map(|content| (Format::Csv, content)),
        ],
        chunk_size in 1_usize..400,
        threads in 1_usize..5,
    ) {
        let whole = ImportOptions { format, threads: 1, ..ImportOptions::default() };
        let want = records("x.log", content.as_bytes(), &whole);
        let cut = ImportOptions { chunk_size, threads, ..whole };
        prop_assert_eq!(&records("x.log", content.as_bytes(), &cut), &want);
        prop_assert_eq!(&records("x.log", &gzip(content.as_bytes()), &cut), &want);
    }

    #[test]
    fn any_bytes_go_through_every_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        logq_ingest::fuzz_line(&bytes);
    }

    #[test]
    fn almost_json_goes_through_every_parser(text in "[{}\\[\\]\",:\\\\u0-9a-f\\.eE+\\-nr\n ]{0,80}") {
        logq_ingest::fuzz_line(text.as_bytes());
        logq_ingest::fuzz_line(format!("{{\"a\":{text}}}").as_bytes());
    }

    #[test]
    fn almost_sessions_go_through_every_parser(rows in proptest::collection::vec(session_row(), 1..8)) {
        logq_ingest::fuzz_line(rows.concat().as_bytes());
    }

    #[test]
    fn sessions_import_the_same_however_they_are_cut(
        rows in proptest::collection::vec(session_row(), 1..8),
        chunk_size in 1_usize..400,
        format in prop_oneof![Just(Format::ClaudeCode), Just(Format::Codex)],
    ) {
        let whole = ImportOptions { format, ..ImportOptions::default() };
        let want = records("x.log", rows.concat().as_bytes(), &whole);
        let cut = ImportOptions { chunk_size, threads: 3, ..whole };
        prop_assert_eq!(&records("x.log", rows.concat().as_bytes(), &cut), &want);
    }

    #[test]
    fn almost_stamps_go_through_every_parser(text in "[0-9:/\\-T Z+,\\.JanSunMoIWEF\\[\\]]{0,60}") {
        logq_ingest::fuzz_line(text.as_bytes());
    }
}
