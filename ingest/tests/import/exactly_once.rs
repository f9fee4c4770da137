//! An import is exactly once: whole, repeated, stopped anywhere, of a source that grew.

use logq_ingest::{ErrorKind, Format, ImportOptions, Input, import, list};

use crate::support::{Bench, gzip, lines, stop_after};

/// Small steps, so that there are many places to stop.
fn options() -> ImportOptions {
    ImportOptions { chunk_size: 20_000, ..ImportOptions::default() }
}

fn whole(name: &str, content: &[u8], options: &ImportOptions) -> Vec<String> {
    let bench = Bench::new();
    bench.write(name, content);
    bench.import_with(name, options);
    bench.records()
}

#[test]
fn a_second_import_adds_nothing() {
    let bench = Bench::new();
    bench.write("a.jsonl", lines(0, 500));
    assert_eq!(bench.import("a.jsonl").rows(), 500);
    let again = bench.import("a.jsonl");
    assert_eq!(
        (again.rows(), again.files[0].known, again.files[0].bytes),
        (0, lines(0, 500).len() as u64, 0)
    );
    // Without the cache the source is looked at, and the answer is the same.
    std::fs::remove_file(bench.store.imports_dir().join("cache.jsonl")).unwrap();
    assert_eq!(bench.import("a.jsonl").rows(), 0);
    std::fs::write(bench.store.imports_dir().join("cache.jsonl"), "{\"source\":\x00\n[]\n").unwrap();
    assert_eq!(bench.import("a.jsonl").rows(), 0);
    assert_eq!(bench.records().len(), 500);
}

#[test]
fn the_same_content_elsewhere_or_compressed_is_the_same_source() {
    let bench = Bench::new();
    bench.write("a.jsonl", lines(0, 500));
    bench.write("copy.jsonl", lines(0, 500));
    bench.write("packed.jsonl.gz", gzip(lines(0, 500).as_bytes()));
    let rows: Vec<u64> =
        ["a.jsonl", "copy.jsonl", "packed.jsonl.gz"].map(|name| bench.import(name).rows()).into();
    assert_eq!(rows, [500, 0, 0]);
}

#[test]
fn small_sources_that_are_alike_differ_by_their_path() {
    let bench = Bench::new();
    bench.write("a.jsonl", "{\"a\":1}\n");
    bench.write("b.jsonl", "{\"a\":1}\n");
    let rows = ["a.jsonl", "b.jsonl", "a.jsonl", "b.jsonl"].map(|name| bench.import(name).rows());
    assert_eq!(rows, [1, 1, 0, 0]);
}

#[test]
fn an_import_that_stopped_anywhere_goes_on_where_its_data_ends() {
    let table = format!(
        "when,n,note\n{}",
        (0..3000).map(|n| format!("2024-01-01,{n},\"a\n{n}\"\n")).collect::<String>()
    );
    let text: String = (0..3000)
        .map(|n| {
            if n % 7 == 0 {
                format!("2024-01-01 00:{:02}:00 line {n}\n", n / 7 % 60)
            } else {
                format!("  at {n}\n")
            }
        })
        .collect();
    let mut mixed = lines(0, 800);
    mixed.push_str("\n\nnot json\n{\"half\":\n");
    mixed.push_str(&lines(800, 1500));
    for (name, content) in [("a.jsonl", mixed), ("b.csv", table), ("c.log", text)] {
        for packed in [false, true] {
            let content = if packed { gzip(content.as_bytes()) } else { content.clone().into_bytes() };
            let want = whole(name, &content, &options());
            assert!(700 < want.len());
            for frames in 0..6 {
                let bench = Bench::new();
                bench.write(name, &content);
                let mut runs = 0;
                while bench.import_watched(name, &options(), &mut stop_after(frames)).cancelled {
                    runs += 1;
                    if runs == 3 {
                        // A cache is only a cache.
                        let _ = std::fs::remove_file(bench.store.imports_dir().join("cache.jsonl"));
                    }
                }
                assert_eq!(bench.records(), want, "{name}, packed: {packed}, {frames} frames at a time");
            }
        }
    }
}

#[test]
fn bad_lines_are_kept_once_however_often_the_import_stops() {
    let mut content = String::new();
    for at in 0..40 {
        content.push_str(&lines(at * 50, at * 50 + 50));
        content.push_str(&format!("bad line {at}\n"));
    }
    let bench = Bench::new();
    bench.write("a.jsonl", &content);
    while bench.import_watched("a.jsonl", &options(), &mut stop_after(1)).cancelled {}
    let listed = list(&bench.store).unwrap();
    let rejects = std::fs::read_to_string(listed[0].rejects.as_ref().unwrap()).unwrap();
    assert_eq!(rejects.lines().count(), 40);
    assert!(
        rejects.starts_with(
            "{\"line\":51,\"offset\":5000,\"column\":1,\"size\":10,\"reason\":\"not a JSON object\",\"raw\":\"bad line 0\"}\n"
        ) || rejects.contains("\"line\":51,"),
        "{rejects}"
    );
    for (at, line) in rejects.lines().enumerate() {
        assert!(line.contains(&format!("\"line\":{},", at * 51 + 51)), "{line}");
        assert!(line.ends_with(&format!("\"raw\":\"bad line {at}\"}}")), "{line}");
    }
    assert_eq!(bench.records().len(), 2000);
}

#[test]
fn a_source_that_grew_adds_what_it_grew_by() {
    for start in [1, 3, 900] {
        let bench = Bench::new();
        bench.write("a.jsonl", lines(0, start));
        let mut at = start;
        for more in [1, 700, 2, 1] {
            bench.import_with("a.jsonl", &options());
            bench.grow("a.jsonl", &lines(at, at + more));
            at += more;
        }
        let last = bench.import_with("a.jsonl", &options());
        assert_eq!(last.rows(), 1);
        assert_eq!(bench.records(), whole("a.jsonl", lines(0, at).as_bytes(), &options()));
    }
}

#[test]
fn line_numbers_go_on_with_and_without_the_cache() {
    for keep in [true, false] {
        let bench = Bench::new();
        bench.write("a.jsonl", lines(0, 300));
        bench.import("a.jsonl");
        if !keep {
            std::fs::remove_file(bench.store.imports_dir().join("cache.jsonl")).unwrap();
        }
        bench.grow("a.jsonl", "\nbad\n");
        let report = bench.import("a.jsonl");
        assert_eq!((report.files[0].bad_lines[0].line, report.files[0].blank), (302, 1));
    }
}

#[test]
fn a_last_line_without_an_end_is_a_line() {
    let bench = Bench::new();
    bench.write("a.jsonl", format!("{}{{\"n\":1}}", lines(0, 20)));
    assert_eq!(bench.import("a.jsonl").rows(), 21);
    assert_eq!(bench.import("a.jsonl").rows(), 0);
    // The line end comes later: nothing new.
    bench.grow("a.jsonl", "\n{\"n\":2}\n");
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.bad(), report.files[0].warnings.len()), (1, 0, 0));
}

#[test]
fn a_last_line_that_was_cut_is_read_again_when_it_is_whole() {
    let bench = Bench::new();
    bench.write("a.jsonl", format!("{}{{\"n\":1", lines(0, 20)));
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.bad()), (20, 1));
    bench.grow("a.jsonl", "0}\n");
    let report = bench.import("a.jsonl");
    assert_eq!((report.rows(), report.bad()), (1, 0));
    assert!(bench.records()[20].contains(" n=10 "));
}

#[test]
fn a_line_of_text_that_grew_goes_on_as_a_line_of_its_own_under_a_warning() {
    let bench = Bench::new();
    let options = ImportOptions { format: Format::Plain, ..ImportOptions::default() };
    bench.write("a.log", "2024-01-01 00:00:00 one\n2024-01-01 00:00:01 tw");
    bench.import_with("a.log", &options);
    bench.grow("a.log", "o\nthree\n");
    let report = bench.import_with("a.log", &options);
    assert_eq!(
        report.files[0].warnings,
        ["the source grew inside a line that was imported; from byte 46 it is a line of its own"]
    );
    let messages: Vec<String> =
        bench.records().iter().map(|r| r.split("message=").nth(1).unwrap().into()).collect();
    assert_eq!(
        messages[1..],
        [
            "\"2024-01-01 00:00:01 tw\" source=\"a.log\"",
            "\"o\" source=\"a.log\"",
            "\"three\" source=\"a.log\""
        ]
    );
    assert!(bench.records()[2].starts_with("2024-01-01T00:00:01Z _flags=\"time_guessed\""));
}

#[test]
fn a_source_that_was_rewritten_is_refused_and_again_takes_it() {
    let bench = Bench::new();
    let head = lines(0, 900);
    bench.write("a.jsonl", format!("{head}{}", lines(900, 1100)));
    bench.import("a.jsonl");
    for (content, want) in [
        (format!("{head}{}", lines(2000, 2300)), "the source was rewritten: what stands before byte"),
        (head.clone(), "the source is shorter than the"),
    ] {
        bench.write("a.jsonl", content);
        let report = bench.import("a.jsonl");
        let error = report.error().unwrap();
        assert_eq!(error.kind(), ErrorKind::Rewritten);
        assert!(error.to_string().starts_with(want), "{error}");
        assert!(error.to_string().contains("a.jsonl"), "{error}");
        assert_eq!(error.help(), Some("--again imports the whole source anew"));
        assert_eq!(bench.records().len(), 1100);
    }
    let again = ImportOptions { again: true, ..ImportOptions::default() };
    assert_eq!(bench.import_with("a.jsonl", &again).rows(), 900);
    assert_eq!(bench.import("a.jsonl").rows(), 0);
    assert_eq!(bench.import_with("a.jsonl", &again).rows(), 900);
    assert_eq!(list(&bench.store).unwrap().len(), 3);
}

#[test]
fn an_import_anew_that_stopped_goes_on_without_being_told_again() {
    let bench = Bench::new();
    bench.write("a.jsonl", lines(0, 1500));
    bench.import_with("a.jsonl", &options());
    let again = ImportOptions { again: true, ..options() };
    assert!(bench.import_watched("a.jsonl", &again, &mut stop_after(2)).cancelled);
    bench.import_with("a.jsonl", &options());
    assert_eq!(bench.records().len(), 3000);
}

#[test]
fn every_import_of_a_stream_is_new() {
    let bench = Bench::new();
    let writer = bench.store.writer().unwrap();
    for _ in 0..2 {
        let inputs = vec![Input::stream("stdin", &b"{\"a\":1}\n"[..])];
        let report = import(&bench.store, &writer, inputs, &ImportOptions::default(), &mut ()).unwrap();
        assert_eq!(report.rows(), 1);
    }
    assert_eq!(bench.records().len(), 2);
    assert_eq!(list(&bench.store).unwrap().len(), 2);
}

#[test]
fn one_source_is_imported_by_one_at_a_time() {
    let bench = Bench::new();
    bench.write("a.jsonl", lines(0, 10));
    let id = bench.import("a.jsonl").files[0].source.unwrap();
    bench.grow("a.jsonl", &lines(10, 20));
    let lock = bench.store.lock_source(id).unwrap();
    let report = bench.import("a.jsonl");
    assert_eq!(report.error().unwrap().kind(), ErrorKind::Locked);
    drop(lock);
    assert_eq!(bench.import("a.jsonl").rows(), 10);
}

#[test]
fn imported_sources_are_listed_with_where_they_came_from() {
    let bench = Bench::new();
    let path = bench.write("a.jsonl", format!("{}bad\n", lines(0, 10)));
    let report = bench.import("a.jsonl");
    let listed = list(&bench.store).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(Some(listed[0].source), report.files[0].source);
    assert_eq!(listed[0].path.as_deref(), path.to_str());
    assert_eq!(listed[0].bytes, lines(0, 10).len() as u64 + 4);
    assert_eq!(listed[0].rejects, report.files[0].rejects);
}
