//! How well templates group the messages of real programs.
//!
//! The measure is the grouping accuracy of Zhu et al., "Tools and Benchmarks for Automated Log Parsing" (ICSE-SEIP 2019):
//! the share of messages whose group holds exactly the messages of their true group. The logs and their true templates
//! are loghub's (2,000 lines each), which `LOGQ_TEST_DATA` names; their licence keeps them out of this tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use logq_engine::{Event, Level, text};
use logq_query::{Query, Session};

use super::data;

/// Each log, the accuracy of templates, and what the paper gives for Drain (its table 2).
const ACCURACY: [(&str, f64, f64); 8] = [
    ("Apache", 1.0, 1.0),
    ("BGL", 0.9655, 0.963),
    ("HDFS", 1.0, 0.998),
    ("Linux", 0.814, 0.690),
    ("OpenSSH", 1.0, 0.788),
    ("OpenStack", 1.0, 0.733),
    ("Spark", 0.999, 0.920),
    ("Zookeeper", 0.9945, 0.967),
];

/// The messages of a log and their true templates; none without the data.
fn loghub(name: &str) -> Option<Vec<(String, String)>> {
    let folder = std::env::var_os("LOGQ_TEST_DATA").map(PathBuf::from)?;
    let path = folder.join("logs/loghub_2k").join(name).join(format!("{name}_2k.log_structured.csv"));
    let mut reader = csv::Reader::from_path(&path).ok()?;
    let headers = reader.headers().unwrap().clone();
    let place = |name: &str| headers.iter().position(|have| have == name).unwrap();
    let (content, template) = (place("Content"), place("EventTemplate"));
    Some(
        reader
            .records()
            .map(|row| row.unwrap())
            .map(|row| (row[content].into(), row[template].into()))
            .collect(),
    )
}

fn groups<'k>(keys: impl Iterator<Item = &'k str>) -> BTreeMap<&'k str, BTreeSet<usize>> {
    let mut groups: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    keys.enumerate().for_each(|(line, key)| {
        groups.entry(key).or_default().insert(line);
    });
    groups
}

#[test]
fn templates_group_real_messages_better_than_the_averages_published_for_drain() {
    let (mut sum, mut published) = (0.0, 0.0);
    for (name, expected, drain) in ACCURACY {
        let Some(lines) = loghub(name) else {
            eprintln!(
                "SKIP {name}: LOGQ_TEST_DATA does not name its folder; the examples of the template are tested"
            );
            return;
        };
        let templates: Vec<String> = lines.iter().map(|(message, _)| text::template(message)).collect();
        let found: BTreeSet<BTreeSet<usize>> =
            groups(templates.iter().map(String::as_str)).into_values().collect();
        let truth = groups(lines.iter().map(|(_, template)| template.as_str()));
        let right: usize = truth.values().filter(|group| found.contains(*group)).map(BTreeSet::len).sum();
        let accuracy = right as f64 / lines.len() as f64;
        println!("{name}: {accuracy:.4}, {} groups of {}; Drain {drain}", found.len(), truth.len());
        assert!((accuracy - expected).abs() < 0.0005, "{name}: {accuracy}");
        sum += accuracy;
        published += drain;
    }
    assert!(published < sum, "{sum} against {published}");
}

#[test]
fn patterns_count_what_the_templates_of_the_messages_count() {
    let lines: Vec<String> = match loghub("OpenSSH") {
        Some(lines) => lines.into_iter().map(|(message, _)| message).collect(),
        None => (0..500).map(|n| format!("session {n} of node{} took {n} ms", n % 7)).collect(),
    };
    let events: Vec<Event> =
        (0..).zip(&lines).map(|(n, line)| Event::log(Level::Info, line).at(data::NOW - n)).collect();
    let templates: Vec<String> = lines.iter().map(|line| text::template(line)).collect();
    let mut expected: Vec<(usize, &str)> = groups(templates.iter().map(String::as_str))
        .into_iter()
        .map(|(key, rows)| (rows.len(), key))
        .collect();
    expected.sort_by_key(|(count, key)| (std::cmp::Reverse(*count), *key));
    for layout in [data::Layout::Active, data::Layout::Mixed] {
        let dir = tempfile::tempdir().unwrap();
        let store = data::store_as(dir.path(), &events, 2, layout);
        let query = Query::parse("patterns count limit all").unwrap();
        let answer = query.run(&store, &Session::default()).unwrap();
        let found: Vec<(usize, &str)> = answer
            .rows
            .iter()
            .map(|row| match row.cells.as_slice() {
                [logq_query::Datum::Str(pattern), logq_query::Datum::Int(count)] => {
                    (usize::try_from(*count).unwrap(), pattern.as_ref())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, expected, "{layout:?}");
    }
}
