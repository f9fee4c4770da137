//! What is wrong with a source is said clearly, and costs nothing but what is wrong.

use logq_engine::{Event, Options, Store};
use logq_ingest::{ErrorKind, EventParser, Format, ImportOptions, Input, import};

use crate::support::{Bench, gzip, lines};

/// The error of an import, with its help.
fn error(bench: &Bench, name: &str) -> (ErrorKind, String) {
    let report = bench.import(name);
    let error = report.error().unwrap();
    let text = error.to_string().replace(bench.dir.path().to_str().unwrap(), "DIR");
    let help = error.help().map(|help| help.replace(bench.dir.path().to_str().unwrap(), "DIR"));
    (error.kind(), help.map_or(text.clone(), |help| format!("{text} / {help}")))
}

#[test]
fn what_cannot_be_imported_is_named_with_the_way_out() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    bench.write("wide.log", b"\xff\xfeh\0i\0");
    bench.write("image.log", [0_u8, 1, 2, 3].repeat(100));
    bench.write("x.zst", b"\x28\xb5\x2f\xfdrest");
    bench.write("twice.gz", gzip(&gzip(b"x\n")));
    for (name, kind, want) in [
        ("missing.log", ErrorKind::NotFound, "there is no such file: DIR/missing.log"),
        (
            "folder",
            ErrorKind::Unsupported,
            "this is a directory: DIR/folder / name the files in it, for example DIR/folder/*.jsonl",
        ),
        (
            "wide.log",
            ErrorKind::Unsupported,
            "this is UTF-16 text: DIR/wide.log / convert it: iconv -f UTF-16 -t UTF-8 FILE | logq import -",
        ),
        (
            "image.log",
            ErrorKind::Unsupported,
            "this looks like a binary file (byte 0 is 0x00): DIR/image.log / \
             --format plain imports every line of it as it is",
        ),
        (
            "x.zst",
            ErrorKind::Unsupported,
            "this is compressed with zstd: DIR/x.zst / decompress it: zstd -dc FILE | logq import -",
        ),
        (
            "twice.gz",
            ErrorKind::Unsupported,
            "this is gzip inside gzip: DIR/twice.gz / decompress it once: gunzip FILE",
        ),
    ] {
        assert_eq!(error(&bench, name), (kind, want.to_owned()));
    }
}

#[test]
fn one_bad_input_does_not_keep_the_others_out() {
    let bench = Bench::new();
    let good = bench.write("good.jsonl", lines(0, 3));
    let inputs = vec![Input::path(bench.path("missing")), Input::path(good)];
    let writer = bench.store.writer().unwrap();
    let report = import(&bench.store, &writer, inputs, &ImportOptions::default(), &mut ()).unwrap();
    assert!(report.files[0].error.is_some());
    assert_eq!((report.rows(), report.files[1].rows), (3, 3));
}

#[test]
fn an_empty_source_is_nothing_and_says_so() {
    let bench = Bench::new();
    bench.write("empty", "");
    bench.write("empty.gz", gzip(b""));
    for name in ["empty", "empty.gz"] {
        let report = bench.import(name);
        assert!(report.error().is_none());
        assert_eq!(report.files[0].warnings, ["the source is empty"]);
    }
    bench.write("blank", "\n\r\n  \n");
    let report = bench.import("blank");
    assert_eq!((report.rows(), report.files[0].blank), (0, 3));
}

#[test]
fn a_gzip_file_that_was_cut_gives_what_is_whole_and_the_rest_later() {
    let bench = Bench::new();
    let content = lines(0, 5000);
    let packed = gzip(content.as_bytes());
    for cut in [12, packed.len() / 2, packed.len() - 3] {
        let name = format!("cut{cut}.jsonl.gz");
        let before = bench.records().len();
        bench.write(&name, &packed[..cut]);
        let (kind, text) = error(&bench, &name);
        assert_eq!(kind, ErrorKind::Io);
        assert!(text.starts_with("the source cannot be read"), "{text}");
        let kept = bench.records().len() - before;
        assert!(kept < 5000 || cut == packed.len() - 3);
        bench.write(&name, &packed);
        let report = bench.import(&name);
        assert!(report.error().is_none());
    }
    // All three are the same source: what one import added the next did not.
    assert_eq!(bench.records().len(), 5000);
}

#[test]
fn bytes_of_other_encodings_and_nul_are_kept_as_they_are() {
    let bench = Bench::new();
    let mut content = b"2024-01-01 00:00:00 plain\n2024-01-01 00:00:01 caf\xe9 latin\n".to_vec();
    content.extend(b"2024-01-01 00:00:02 \xc4\xe3\xba\xc3 gbk\n2024-01-01 00:00:03 nul \0 here\n");
    bench.write("mixed.log", content);
    bench.import("mixed.log");
    assert_eq!(
        bench.records(),
        [
            "2024-01-01T00:00:00Z message=\"2024-01-01 00:00:00 plain\" source=\"mixed.log\"",
            "2024-01-01T00:00:01Z message=bytes:2024-01-01 00:00:01 caf\\xe9 latin source=\"mixed.log\"",
            "2024-01-01T00:00:02Z message=bytes:2024-01-01 00:00:02 \\xc4\\xe3\\xba\\xc3 gbk source=\"mixed.log\"",
            "2024-01-01T00:00:03Z message=\"2024-01-01 00:00:03 nul \\0 here\" source=\"mixed.log\"",
        ]
    );
}

#[test]
fn a_row_break_inside_a_string_is_a_line_feed_and_nothing_else() {
    let bench = Bench::new();
    bench.write("a.jsonl", "{\"a\":\"one\u{2028}line\u{85}\"}\n{\"a\":\"two\rlines\"}\n");
    assert_eq!(bench.import("a.jsonl").rows(), 2);
}

#[test]
fn a_bad_line_is_kept_and_costs_only_itself() {
    let bench = Bench::new();
    bench.write("a.jsonl", b"{\"n\":1}\r\n{\"n\":\n\xff\xfe\n{\"n\":2}\n");
    let report = bench.import_with("a.jsonl", &ImportOptions { format: Format::Jsonl, ..Default::default() });
    let file = &report.files[0];
    assert_eq!((file.rows, file.bad), (2, 2));
    let rejects = std::fs::read_to_string(file.rejects.as_ref().unwrap()).unwrap();
    assert_eq!(
        rejects,
        "{\"line\":2,\"offset\":9,\"column\":6,\"size\":5,\"reason\":\"expected a value, but the line ends\",\"raw\":\"{\\\"n\\\":\"}\n\
         {\"line\":3,\"offset\":15,\"column\":1,\"size\":2,\"reason\":\"not a JSON object\",\"raw_base64\":\"//4=\"}\n"
    );
}

fn parse(line: &str) -> Result<Event, String> {
    let mut event = Event::new();
    let mut parser = EventParser::new(&ImportOptions::default(), 0).unwrap();
    match parser.parse(line.as_bytes(), &mut event) {
        Ok(_) => Ok(event),
        Err(bad) => Err(format!("column {}: {}", bad.column, bad.reason)),
    }
}

#[test]
fn nesting_has_a_limit() {
    for (open, close) in [("{\"a\":", "}"), ("[", "]"), ("[{\"a\":", "}]")] {
        let levels = open.matches(['{', '[']).count();
        let nested = |depth: usize| {
            let times = (depth - 1) / levels;
            format!("{{\"x\":{}1{}}}", open.repeat(times), close.repeat(times))
        };
        assert!(parse(&nested(63)).is_ok(), "{open}");
        let deep = parse(&nested(101)).unwrap_err();
        assert!(deep.ends_with("nested deeper than 64"), "{deep}");
        assert!(parse(&nested(1_000_001)).is_err());
    }
    assert!(parse(&format!("{}1{}", "{\"a\":".repeat(64), "}".repeat(64))).is_ok());
    assert!(parse(&format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65))).is_err());
}

#[test]
fn fields_have_a_limit_far_above_a_hundred_thousand() {
    let wide = |count: usize| {
        let fields: Vec<String> = (0..count).map(|at| format!("\"f{at}\":{at}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    assert_eq!(parse(&wide(100_000)).unwrap().fields().count(), 100_000);
    assert_eq!(parse(&wide(1 << 18)).unwrap().fields().count(), 1 << 18);
    let over = parse(&wide((1 << 18) + 1)).unwrap_err();
    assert!(over.ends_with("more than 262144 fields"), "{over}");
}

#[test]
fn the_same_names_many_times_cost_no_more_than_their_number() {
    let names: String = (0..50_000).map(|at| format!("\"f{at}\":1,")).collect();
    let event = parse(&format!("{{{names}{names}\"last\":1}}")).unwrap();
    assert_eq!(event.fields().count(), 50_001);
}

#[test]
fn a_long_name_around_many_fields_is_refused_before_it_fills_memory() {
    let inner: String = (0..1000).map(|at| format!("\"{at}\":1,")).collect();
    let line = format!("{{\"{}\":{{{inner}\"x\":1}}}}", "k".repeat(1 << 20));
    let error = parse(&line).unwrap_err();
    assert!(error.ends_with("the dotted names of the object take more than 64 MiB"), "{error}");
}

#[test]
fn a_field_of_many_types_keeps_each() {
    let bench = Bench::new();
    bench.write(
        "a.jsonl",
        "{\"v\":1}\n{\"v\":\"1\"}\n{\"v\":1.0}\n{\"v\":true}\n{\"v\":[1]}\n{\"v\":null}\n{\"v\":{\"w\":1}}\n",
    );
    bench.import("a.jsonl");
    let values: Vec<String> =
        bench.records().iter().map(|record| record.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(values, ["v=1", "v=\"1\"", "v=#1.0", "v=true", "v=json:[1]", "v=null", "v.w=1"]);
}

#[test]
fn a_hundred_thousand_names_over_many_rows_are_kept() {
    let bench = Bench::new();
    let content: String = (0..2000)
        .map(|row| {
            let fields: Vec<String> = (0..50).map(|at| format!("\"f{}\":{at}", row * 50 + at)).collect();
            format!("{{{}}}\n", fields.join(","))
        })
        .collect();
    bench.write("a.jsonl", content);
    assert_eq!(bench.import("a.jsonl").rows(), 2000);
    assert!(bench.records()[1999].contains(" f99999=49 "));
}

#[test]
fn a_line_over_the_limit_is_refused_and_its_neighbours_are_kept() {
    let bench = Bench::new();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(logq_engine::RECORD_SIZE_MAX));
    bench.write("a.jsonl", format!("{{\"n\":1}}\n{long}\n{{\"n\":2}}\n"));
    let report = bench.import("a.jsonl");
    let file = &report.files[0];
    assert_eq!((file.rows, file.bad), (2, 1));
    assert_eq!((file.bad_lines[0].line, file.bad_lines[0].offset), (2, 8));
    assert!(file.bad_lines[0].reason.starts_with("the line has 6710887"), "{:?}", file.bad_lines);
    assert!(std::fs::metadata(file.rejects.as_ref().unwrap()).unwrap().len() < 1000);
    assert_eq!(bench.import("a.jsonl").rows(), 0);
}

#[test]
fn a_gzip_bomb_costs_neither_memory_nor_disk() {
    let bench = Bench::new();
    bench.write("bomb.log.gz", gzip(&vec![b'x'; 256 << 20]));
    let report =
        bench.import_with("bomb.log.gz", &ImportOptions { format: Format::Plain, ..Default::default() });
    assert_eq!((report.rows(), report.bad()), (0, 1));
}

#[test]
fn a_store_that_may_not_be_written_says_so() {
    let bench = Bench::new();
    bench.write("a.jsonl", lines(0, 3));
    let store = Store::open(bench.store.path(), Options { read_only: true, ..Options::default() }).unwrap();
    let writer = bench.store.writer().unwrap();
    let inputs = vec![Input::path(bench.path("a.jsonl"))];
    let report = import(&store, &writer, inputs, &ImportOptions::default(), &mut ()).unwrap();
    let error = report.error().unwrap();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(error.engine().unwrap().kind(), logq_engine::ErrorKind::Invalid);
}
