//! Imports that are killed at random moments and run again.

use std::fmt::Write as _;

use logq_engine::{Options, Scan, Store};

use crate::cli::Place;

/// Kills in one run of the test.
const KILLS: usize = 100;
const ROWS: u64 = 6000;

fn records(store: &Store) -> u64 {
    let snapshot = store.snapshot().unwrap();
    snapshot.parts(&Scan::default()).unwrap().iter().map(logq_engine::Part::records).sum()
}

#[test]
fn an_import_killed_a_hundred_times_and_run_again_loses_and_doubles_nothing() {
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut kills = 0;
    while kills < KILLS {
        let place = Place::new();
        let mut lines = String::new();
        for n in 0..ROWS {
            let text = "word ".repeat(usize::try_from(below(120)).unwrap());
            writeln!(lines, "{{\"time\":{},\"n\":{n},\"message\":\"{text}\"}}", 1_790_000_000 + n).unwrap();
        }
        let file = place.write("rows.jsonl", &lines);
        let import = ["import", file.to_str().unwrap()];
        let store = Store::open(place.store(), Options::default()).unwrap();
        let mut done = false;
        while !done && kills < KILLS {
            // The moment is a number of records: it comes wherever the import stands then.
            let target = records(&store) + below(ROWS / 12);
            let mut child = place.command(import).stderr(std::process::Stdio::null()).spawn().unwrap();
            done = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    assert!(status.success());
                    break true;
                }
                if target <= records(&store) {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    kills += 1;
                    break false;
                }
            };
        }
        place.run(import).good();
        let answer =
            place.json("events | stats count, distinct(n) as different, min(n) as low, max(n) as high");
        let row = &answer["rows"][0];
        assert_eq!(
            (&row["count"], &row["different"], &row["low"], &row["high"]),
            (&ROWS.into(), &ROWS.into(), &0.into(), &(ROWS - 1).into()),
            "after {kills} kills"
        );
        place.run(["check"]).good();
    }
}
