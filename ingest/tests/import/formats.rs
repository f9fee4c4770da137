//! What each format makes of its lines.

use logq_engine::Event;
use logq_ingest::{EventParser, Format, ImportOptions, Input, TimeUnit, dry_run};

use crate::support::{Bench, gzip, show_event};

fn parse(options: &ImportOptions, line: impl AsRef<[u8]>) -> String {
    let mut event = Event::new();
    match EventParser::new(options, 0).unwrap().parse(line.as_ref(), &mut event) {
        Ok(0) => show_event(&event),
        Ok(replaced) => format!("{} ({replaced} replaced)", show_event(&event)),
        Err(bad) => format!("column {}: {}", bad.column, bad.reason),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (line, want) in cases {
        assert_eq!(parse(&ImportOptions::default(), line), *want, "{line}");
    }
}

#[test]
fn values_come_back_as_they_went_in() {
    check(&[
        (
            r#"{"a":1,"b":1.0,"c":-0,"d":1e5,"e":12345678901234567890123}"#,
            "arrival a=1 b=#1.0 c=#-0 d=#1e5 e=#12345678901234567890123",
        ),
        (
            r#"{"a":null,"b":true,"c":false,"d":"","e":{},"f":[],"g":[1, {"x" : [ ]}]}"#,
            r#"arrival a=null b=true c=false d="" e=json:{} f=json:[] g=json:[1, {"x" : [ ]}]"#,
        ),
        (r#"{"a":{"b":{"c":1},"d":"x"},"e.f":2}"#, r#"arrival a.b.c=1 a.d="x" e.f=2"#),
        (r#"{"a":"\u00e9\n\"\\\/\ud83d\ude00"}"#, "arrival a=\"\u{e9}\\n\\\"\\\\/\u{1f600}\""),
        (r#"{"a":"x\ud800y","b":"\udc00"}"#, r"arrival a=bytes:x\xed\xa0\x80y b=bytes:\xed\xb0\x80"),
        (r#"{"a":"nul \u0000 here"}"#, r#"arrival a="nul \0 here""#),
        ("{\"a\":\"tab\there\",\"b\":[\"tab\there\"]}", r#"arrival a="tab\there" b=json:["tab\u0009here"]"#),
        (
            r#"{"a":NaN,"b":-Infinity,"c":[1,NaN,"NaN"]}"#,
            r#"arrival a="NaN" b="-Infinity" c=json:[1,"NaN","NaN"]"#,
        ),
        (r#"  { "a" : 1 }  "#, "arrival a=1"),
        (r#"{"_id":1,"_x":{"_y":2}}"#, "arrival __id=1 __x._y=2"),
        (r#"{"a":{"$bytes":"/wA="},"b":{"$bytes":"eA=="}}"#, r#"arrival a=bytes:\xff\x00 b.$bytes="eA==""#),
        ("{}", "arrival"),
    ]);
}

#[test]
fn bytes_that_are_not_utf8_are_kept_and_the_row_with_them() {
    let options = ImportOptions::default();
    assert_eq!(
        parse(&options, b"{\"a\":\"caf\xe9\",\"b\":\"good\",\"k\xff\":[\"\xfe\"]}"),
        r#"arrival a=bytes:caf\xe9 b="good" k\xff=bytes:[\"\xfe\"]"#
    );
}

#[test]
fn a_line_that_is_no_object_says_where_and_why() {
    check(&[
        ("[1,2]", "column 1: not a JSON object"),
        ("", "column 1: not a JSON object, but the line ends"),
        (r#"{"a":1} x"#, "column 9: text after the object"),
        (r#"{"a" 1}"#, "column 6: expected `:`"),
        (r#"{"a":}"#, "column 6: expected a value"),
        (r#"{"a":1"#, "column 7: expected `,` or `}`, but the line ends"),
        (r#"{"a":1,}"#, "column 8: expected a name in double quotes"),
        (r#"{a:1}"#, "column 2: expected a name in double quotes"),
        (r#"{"a":"x}"#, "column 6: the string is not closed"),
        (r#"{"a":"\x"}"#, "column 7: unknown escape"),
        (r#"{"a":"\u12"}"#, "column 7: expected four hex digits after \\u"),
        (r#"{"a":007}"#, "column 7: expected `,` or `}`"),
        (r#"{"a":1.}"#, "column 8: expected a digit"),
        (r#"{"a":tru}"#, "column 6: expected a value"),
        (r#"{"a":[1 2]}"#, "column 9: expected `,` or `]`"),
        (r#"{"a":[{"b" 2}]}"#, "column 12: expected `:`"),
    ]);
}

#[test]
fn names_of_many_origins_mean_the_same_field() {
    check(&[
        (
            r#"{"model_name":"m","input_tokens":1,"output_tokens":2,"msg":"hi"}"#,
            r#"arrival model="m" prompt_tokens=1 response_tokens=2 message="hi""#,
        ),
        (
            r#"{"gen_ai":{"request":{"model":"m"}},"gen_ai.usage.x":1}"#,
            r#"arrival model="m" gen_ai.usage.x=1"#,
        ),
        (r#"{"output_tokens":2,"completion_tokens":3}"#, "arrival output_tokens=2 response_tokens=3"),
        (
            r#"{"timestamp":"x","ts":1700000000,"@timestamp":"y"}"#,
            r#"2023-11-14T22:13:20Z timestamp="x" _time="1700000000" @timestamp="y""#,
        ),
        (r#"{"msg":"alias","message":"own"}"#, r#"arrival msg="alias" message="own""#),
        (r#"{"User":"x","model":1,"model":2}"#, r#"arrival User="x" model=2 (1 replaced)"#),
        (r#"{"a":1,"a":{"b":2},"a":3,"a.b":4}"#, "arrival a=3 a.b=4 (2 replaced)"),
    ]);
}

#[test]
fn levels_latencies_and_costs_are_normalised() {
    check(&[
        (r#"{"severity":"WARNING"}"#, r#"arrival _level="WARNING" level=warn"#),
        (r#"{"level":"info"}"#, "arrival level=info"),
        (r#"{"level":30}"#, "arrival _level=30 level=warn"),
        (r#"{"level":"combo"}"#, r#"arrival level="combo""#),
        (r#"{"latency_ms":12.5}"#, "arrival latency=12500000ns"),
        (
            r#"{"latency":"1.5s","ttft":3,"cost":0.0001107}"#,
            "arrival latency=1500000000ns ttft=3000000ns cost=110700n$",
        ),
    ]);
}

#[test]
fn times_read_and_keep_an_odd_spelling() {
    check(&[
        (r#"{"time":"2026-01-05T15:02:06.978Z"}"#, "2026-01-05T15:02:06.978Z"),
        (
            r#"{"time":"2026-01-05T15:02:06+01:00"}"#,
            r#"2026-01-05T14:02:06Z _time="2026-01-05T15:02:06+01:00""#,
        ),
        (r#"{"ts":1792771212273762802}"#, r#"2026-10-23T16:00:12.273762802Z _time="1792771212273762802""#),
        (r#"{"time":-1}"#, r#"1969-12-31T23:59:59Z _time="-1""#),
        (r#"{"time":"1969-12-31T23:59:59Z"}"#, "1969-12-31T23:59:59Z"),
        (
            r#"{"time":"2300-01-01T00:00:00Z"}"#,
            r#"arrival _flags="time_guessed" _time="2300-01-01T00:00:00Z""#,
        ),
        (r#"{"time":"yesterday"}"#, r#"arrival _flags="time_guessed" _time="yesterday""#),
        (r#"{"time":null}"#, r#"arrival _flags="time_guessed" _time="null""#),
    ]);
}

#[test]
fn options_move_add_and_replace_fields() {
    let pairs = |text: &str| {
        text.split_whitespace()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(a, b)| (a.into(), b.into()))
            .collect()
    };
    for (map, set, line, want) in [
        ("a.b=model", "", r#"{"a":{"b":"m","c":1}}"#, r#"arrival model="m" a.c=1"#),
        ("User=user", "", r#"{"User":"x","user":"y"}"#, r#"arrival user="x" (1 replaced)"#),
        ("a=model b=model", "", r#"{"b":1,"a":2}"#, "arrival b=1 model=2"),
        ("a=x", "", r#"{"a":{"b":1,"c":{"d":2}},"ab":3}"#, "arrival x.b=1 x.c.d=2 ab=3"),
        (
            "when=time",
            "",
            r#"{"when":"2026-01-05","ts":1}"#,
            r#"2026-01-05T00:00:00Z _time="2026-01-05" ts=1"#,
        ),
        ("", "model=m n=1.50 i=7", r#"{"model":"x","n":2}"#, r##"arrival model="m" n=#1.50 i=7"##),
        ("", "time=2026-01-05T00:00:00Z", r#"{"ts":"bad"}"#, "2026-01-05T00:00:00Z"),
    ] {
        let options = ImportOptions { map: pairs(map), set: pairs(set), ..ImportOptions::default() };
        assert_eq!(parse(&options, line), want, "{line} --map {map} --set {set}");
    }
}

/// The first events of a source as parsed, without the field `source`.
fn preview(options: &ImportOptions, name: &str, content: impl AsRef<[u8]>) -> Vec<String> {
    let bench = Bench::new();
    let path = bench.write(name, content);
    let report = dry_run(vec![Input::path(path)], options, 1_700_000_000_000_000_000, &mut ()).unwrap();
    let file = &report.files[0];
    assert!(file.error.is_none(), "{:?}", file.error);
    let mut shown: Vec<String> = file.preview.iter().map(show_event).collect();
    for event in &mut shown {
        *event = event.replace(&format!(" source={:?}", name.trim_end_matches(".gz")), "");
    }
    shown.extend(
        file.bad_lines.iter().map(|bad| format!("line {}, byte {}: {}", bad.line, bad.offset, bad.reason)),
    );
    assert!(bench.records().is_empty());
    shown
}

#[test]
fn a_table_becomes_events() {
    let table = "TIMESTAMP,ContextTokens,note,cost\r\n\
                 2023-11-16 18:15:46.6805900,374,\"two\r\nlines, \"\"quoted\"\"\",0.5\r\n\
                 \r\n\
                 2023-11-16 18:15:47,007,,x\r\n\
                 too,few\r\n\
                 2023-11-16 18:15:48,1.0,-3,";
    let options = ImportOptions {
        map: vec![("TIMESTAMP".into(), "time".into()), ("ContextTokens".into(), "prompt_tokens".into())],
        ..ImportOptions::default()
    };
    assert_eq!(
        preview(&options, "t.csv", table),
        [
            r#"2023-11-16T18:15:46.68059Z _time="2023-11-16 18:15:46.6805900" prompt_tokens=374 note="two\r\nlines, \"quoted\"" cost=500000000n$"#,
            r#"2023-11-16T18:15:47Z _time="2023-11-16 18:15:47" prompt_tokens="007" cost="x""#,
            r##"2023-11-16T18:15:48Z _time="2023-11-16 18:15:48" prompt_tokens=#1.0 note=-3"##,
            "line 6, byte 127: 2 cells, and the header has 4",
        ]
    );
}

#[test]
fn a_quote_that_nobody_closed_costs_no_row_before_it() {
    let table = "a,b\n1,2\n3,\"4\n5,6\n";
    assert_eq!(
        preview(&ImportOptions::default(), "t.csv", table),
        [r#"arrival a=1 b=2 _flags="time_guessed""#, "line 3, byte 8: a quoted cell is not closed"]
    );
}

#[test]
fn lines_of_text_keep_their_text_and_give_time_and_level() {
    for (line, want) in [
        ("[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok", "2005-12-04T04:47:44Z level=info"),
        ("[Sun Dec 04 04:47:44 2005] [error] mod_jk child", "2005-12-04T04:47:44Z level=error"),
        (
            "- 1117838570 2005.06.03 R02 2005-06-03-15.42.50.675872 R02 RAS KERNEL INFO cache",
            "2005-06-03T22:42:50Z level=info",
        ),
        (
            "APPREAD 1117869872 2005.06.04 R04 2005-06-04-00.24.32.432192 R04 RAS APP FATAL ciod",
            "2005-06-04T07:24:32Z level=fatal",
        ),
        ("081109 203615 148 INFO dfs.DataNode: PacketResponder 1", "2008-11-09T20:36:15Z level=info"),
        ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: failure", "2023-06-14T15:16:01Z"),
        (
            "nova.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO nova.osapi",
            "2017-05-16T00:00:00.008Z level=info",
        ),
        ("17/06/09 20:10:40 INFO executor.Backend: Registered", "2017-06-09T20:10:40Z level=info"),
        ("2015-07-29 17:41:44,747 - WARN  [QuorumPeer[myid=1]]", "2015-07-29T17:41:44.747Z level=warn"),
        ("5.144.112.194 - - [26/Jan/2019:19:45:25 +0330] \"GET / HTTP/1.1\" 200", "2019-01-26T16:15:25Z"),
        ("2012-07-02 10:22:40,672:DEBUG:foo bar baz", "2012-07-02T10:22:40.672Z level=debug"),
        ("2015-04-24T21:08:10.313913+00:00 err rbd  [22968]", "2015-04-24T21:08:10.313913Z level=error"),
        ("E0517 15:04:22.619632 1952452992 unittest.cc:253] Log", "2023-05-17T15:04:22.619632Z level=error"),
        ("[2023-05-15 18:19:32] local.ERROR: Target class", "2023-05-15T18:19:32Z level=error"),
        ("MainThread::INFO::2011-12-05 07:04:56,101::vdsm", "2011-12-05T07:04:56.101Z level=info"),
        ("1286536309.586    921 192.168.0.68 TCP_MISS/200", "2010-10-08T11:11:49.586Z"),
        ("2024/01/01 10:00:00 [crit] 123#0: *1 open() failed", "2024-01-01T10:00:00Z level=fatal"),
        ("time=\"2024-01-01T10:00:00Z\" level=warning msg=\"x\"", "2024-01-01T10:00:00Z level=warn"),
        ("2024-01-01T10:00:00Z GET /ERROR/x?level=high no level here", "2024-01-01T10:00:00Z"),
        ("2024-01-01T10:00:00Z an error in prose is no level", "2024-01-01T10:00:00Z"),
    ] {
        let options = ImportOptions { format: Format::Plain, ..ImportOptions::default() };
        // The file is as new as the test; a year that the line does not say is one of the last two.
        let got = preview(&options, "x.log", format!("{line}\r\n")).concat();
        let (found, rest) = got.split_once(" message=").unwrap();
        assert!(
            rest.ends_with(&format!("..{}", line.len())) || rest.contains(&format!("{line:?}")),
            "{rest}"
        );
        let found = if want.starts_with("2023-06") || want.starts_with("2023-05-17") {
            format!("2023{}", &found[4..])
        } else {
            found.into()
        };
        assert_eq!(found, want, "{line}");
    }
}

#[test]
fn a_line_without_a_time_takes_that_of_the_line_before() {
    let text = "banner\n2024-01-01 10:00:00 INFO start\n  at frame 1\n\nlast line";
    let options =
        ImportOptions { format: Format::Plain, kind: Some("log".into()), ..ImportOptions::default() };
    assert_eq!(
        preview(&options, "x.log", text),
        [
            r#"2023-11-14T22:13:20Z _flags="time_guessed" message="banner" kind="log""#,
            r#"2024-01-01T10:00:00Z level=info message="2024-01-01 10:00:00 INFO start" kind="log""#,
            r#"2024-01-01T10:00:00Z _flags="time_guessed" message="  at frame 1" kind="log""#,
            r#"2024-01-01T10:00:00Z _flags="time_guessed" message="last line" kind="log""#,
        ]
    );
}

#[test]
fn numbers_count_from_the_zero_that_the_caller_names() {
    let options = ImportOptions {
        time_unit: Some(TimeUnit::Milliseconds),
        time_zero: Some("2024-01-01T00:00:00Z".into()),
        ..ImportOptions::default()
    };
    assert_eq!(parse(&options, r#"{"timestamp": 27482}"#), r#"2024-01-01T00:00:27.482Z _time="27482""#);
}

#[test]
fn gzip_is_known_by_content_whatever_the_name() {
    let bench = Bench::new();
    bench.write("a.log", gzip(b"{\"ts\":\"2024-01-01T00:00:00Z\",\"a\":1}\n"));
    bench.write("b.jsonl.gz", b"{\"ts\":\"2024-01-01T00:00:00Z\",\"a\":2}\n");
    bench.import("a.log");
    bench.import("b.jsonl.gz");
    assert_eq!(
        bench.records(),
        [r#"2024-01-01T00:00:00Z a=1 source="a.log""#, r#"2024-01-01T00:00:00Z a=2 source="b.jsonl""#]
    );
}
