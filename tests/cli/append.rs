//! `append`: values, streams, acknowledgements, and what many processes leave behind.

use super::{Place, run};

#[test]
fn what_is_appended_is_what_is_read() {
    let place = Place::new();
    place
        .run([
            "append",
            "level=ERROR",
            "message=it broke\nbadly",
            "n=3",
            "x=1.50",
            "ok=true",
            "id=007",
            "latency=1.5s",
            "time=2025-03-01T12:00:00.5Z",
        ])
        .good();
    let answer = place.json("events");
    let row = &answer["rows"][0];
    assert_eq!(row["level"], "error");
    assert_eq!(row["message"], "it broke\nbadly");
    assert_eq!((&row["n"], &row["ok"], &row["id"]), (&3.into(), &true.into(), &"007".into()));
    assert_eq!(row["x"].to_string(), "1.5");
    assert_eq!(row["latency"], 1500);
    assert_eq!(row["time"], "2025-03-01T12:00:00.500Z");
    assert!(place.run(["-o", "jsonl", "events"]).good().out.contains("\"x\":1.50"));
}

#[test]
fn every_durability_acknowledges_with_the_records_id() {
    let place = Place::new();
    for (at, level) in ["buffered", "interval", "synced"].iter().enumerate() {
        let ran = place.run(["append", "--ack", "--durability", level, "message=x"]).good();
        assert_eq!((ran.out.as_str(), ran.err.as_str()), (format!("0-{at}\n").as_str(), ""));
    }
    let ran = place.run_with(["append", "-", "--ack", "--durability", "interval"], b"{\"n\":1}\n\n{\"n\":2}");
    assert_eq!(ran.good().out, "0-3\n0-4\n");
    assert_eq!(place.run(["append", "message=quiet"]).good().out, "");
}

#[test]
fn a_refused_line_is_named_and_stops_no_other() {
    let place = Place::new();
    let ran = place.run_with(["append", "-"], b"{\"n\":1}\nnot json\n{\"n\":2}\n[1]\n{\"n\":3");
    let ran = ran.ends(1, "standard input:2:");
    assert!(ran.err.contains("standard input:4:") && ran.err.contains("3 of 5 lines refused"), "{}", ran.err);
    assert_eq!(place.count(), 2);
}

#[test]
fn a_record_with_a_line_end_in_it_stays_one_record() {
    let place = Place::new();
    let forged = "message=ok\n{\"level\":\"error\",\"message\":\"forged\"}";
    place.run(["append", forged]).good();
    assert_eq!(place.count(), 1);
    assert_eq!(place.run(["-o", "jsonl", "events"]).good().out.lines().count(), 1);
    // A heading and one row.
    assert_eq!(place.run(["events"]).good().out.lines().count(), 2);
}

#[test]
fn what_is_no_event_is_a_bad_call() {
    let place = Place::new();
    place.run(["append", "hello"]).ends(2, "`hello` is not of the form field=value\nhelp: ");
    place.run(["append", "time=someday", "message=x"]).ends(2, "time is no time");
    place.run(["append"]).ends(2, "FIELD=VALUE");
    place.run(["append", "--durability", "forever", "a=b"]).ends(2, "forever");
}

#[test]
fn many_processes_leave_few_files() {
    let place = Place::new();
    for at in 0..60 {
        place.run(["append", &format!("n={at}")]).good();
    }
    assert_eq!(place.count(), 60);
    assert!(place.active_files().len() <= 2, "{:?}", place.active_files());
}

#[test]
fn processes_that_append_together_lose_nothing() {
    let place = Place::new();
    place.run(["append", "n=0"]).good();
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let place = &place;
            scope.spawn(move || {
                let lines: String =
                    (0..500).map(|n| format!("{{\"worker\":{worker},\"n\":{n}}}\n")).collect();
                run(&mut place.command(["append", "-"]), lines.as_bytes()).good();
            });
        }
    });
    let answer = place.json("events where worker exists | stats count, distinct(n) by worker | sort worker");
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row["count"] == 500 && row["distinct_n"] == 500), "{rows:?}");
}
