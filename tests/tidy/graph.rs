//! Who may import whom: the modules of each crate have a fixed order, and imports go down only.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::{holds, says};

/// The modules of a crate, lowest first. Modules of one group do not know each other.
struct Crate {
    dir: &'static str,
    groups: &'static [&'static [&'static str]],
}

const CRATES: &[Crate] = &[
    Crate {
        dir: "engine/src/",
        groups: &[
            &["error", "field", "hash", "level"],
            &["io", "record_id", "value"],
            &["gap"],
            &["format", "options", "text"],
            &["compare", "record", "quarantine"],
            &["column", "index"],
            &["event", "predicate", "manifest"],
            &["segment", "packer"],
            &["core"],
            &["slot"],
            &["snapshot"],
            &["storage"],
            &["maintenance"],
            &["scan", "writer"],
            &["budget"],
            &["backup", "check", "dump", "forget", "health"],
            &["repair"],
            &["store", "fuzzing"],
        ],
    },
    Crate {
        dir: "ingest/src/",
        groups: &[
            &["base64", "error", "identity", "stamp"],
            &["time", "scan", "source"],
            &["options"],
            &["report"],
            &["fields"],
            &["json", "csv", "plain"],
            &["split", "session"],
            &["detect", "parse", "cache"],
            &["rejects"],
            &["import", "fuzz"],
        ],
    },
    Crate {
        dir: "query/src/",
        groups: &[
            &["datum", "functions", "token", "units"],
            &["diagnostic", "json"],
            &["ast"],
            &["answer", "calendar", "error", "lex"],
            &["parse", "plan"],
            &["source"],
            &["optimize"],
            &["bind", "exec"],
            &["query"],
            &["complete", "stream", "tail", "fuzz"],
        ],
    },
    Crate {
        dir: "tokens/src/",
        groups: &[
            &["class", "vocabulary", "money", "name"],
            &["split", "merge", "usage"],
            &["price", "provider"],
            &["encoding"],
            &["model"],
            &["estimate", "cache", "file"],
            &["count"],
        ],
    },
];

/// What a file imports from its own crate: the first name behind each `crate::`.
fn imports(code: &str) -> BTreeSet<(usize, String)> {
    let mut found = BTreeSet::new();
    for (at, word) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + word.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert((line, first_word(rest).to_owned()));
            continue;
        };
        let (mut depth, mut expected) = (1, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expected = true,
                _ if expected && depth == 1 && !c.is_whitespace() => {
                    found.insert((line, first_word(&group[at..]).to_owned()));
                    expected = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Which module each name at the root of a crate comes from: `pub use error::{Error, Result};`
fn reexports(lib: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for statement in lib.split(';').filter_map(|text| text.split_once("use ")).map(|(_, path)| path) {
        let statement = statement.trim_start_matches("crate::");
        let module = first_word(statement);
        let names = statement.rsplit_once("::").map_or("", |(_, names)| names);
        for name in names.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty()) {
            found.insert(name.to_owned(), module.to_owned());
        }
    }
    found
}

fn direction(files: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for krate in CRATES {
        let lib = files.iter().find(|file| file.path == format!("{}lib.rs", krate.dir));
        let reexports = reexports(lib.map_or("", |lib| &lib.code));
        let height = |module: &str| krate.groups.iter().position(|group| group.contains(&module));
        for file in files.iter().filter(|file| file.is_rust() && !file.is_test()) {
            let Some(inside) = file.path.strip_prefix(krate.dir).filter(|inside| *inside != "lib.rs") else {
                continue;
            };
            let module = first_word(inside);
            let Some(own) = height(module) else {
                complaints.push(format!("{}: give `{module}` a place in the order of modules", file.path));
                continue;
            };
            let production: Vec<&str> = file.production().map(|(_, line)| line).collect();
            for (line, name) in imports(&production.join("\n")) {
                let target = reexports.get(&name).unwrap_or(&name);
                if target != module && height(target).is_none_or(|target| own <= target) {
                    complaints.push(format!("{}:{line}: `{module}` stands below `{target}`", file.path));
                }
            }
        }
    }
    complaints
}

#[test]
fn imports_go_down_only() {
    holds(direction);
}

#[test]
fn an_import_that_goes_up_is_found() {
    let files = [
        ("engine/src/lib.rs", "mod writer;\npub use crate::writer::Writer;\npub use io::{Disk,\n Vfs};"),
        (
            "engine/src/io/disk.rs",
            "use crate::error::Error;\nuse super::File;\nuse crate::writer;\nuse crate::Writer;",
        ),
        (
            "engine/src/record.rs",
            "use crate::{\n    value::{self, Value},\n    scan::{Scan, Part},\n};\n// crate::store\nfn f() { crate::record::g(); crate::compare::h() }",
        ),
        (
            "engine/src/scan.rs",
            "use crate::io::Vfs;\n#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}",
        ),
        ("engine/src/fresh.rs", ""),
    ];
    says(
        direction,
        &files,
        &[
            "engine/src/io/disk.rs:3: `io` stands below `writer`",
            "engine/src/io/disk.rs:4: `io` stands below `writer`",
            "engine/src/record.rs:1: `record` stands below `scan`",
            "engine/src/record.rs:6: `record` stands below `compare`",
            "engine/src/fresh.rs: give `fresh` a place in the order of modules",
        ],
    );
}

/// Crates know only the crates below them; Cargo would allow more.
fn crates(files: &[Source]) -> Vec<String> {
    const MAY: [(&str, &[&str]); 4] = [
        ("engine/Cargo.toml", &["logq-engine"]),
        ("query/Cargo.toml", &["logq-engine"]),
        ("ingest/Cargo.toml", &["logq-engine", "logq-tokens"]),
        ("tokens/Cargo.toml", &[]),
    ];
    let mut complaints = Vec::new();
    for (path, may) in MAY {
        for file in files.iter().filter(|file| file.path == path) {
            let dependencies =
                file.text.lines().skip_while(|line| !line.starts_with('[') || *line == "[package]");
            for line in dependencies.skip_while(|line| !line.contains("dependencies")) {
                let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                if name.starts_with("logq") && !may.contains(&name) {
                    complaints.push(format!("{path}: may not know {name}"));
                }
            }
        }
    }
    complaints
}

#[test]
fn crates_know_only_those_below_them() {
    holds(crates);
}

#[test]
fn a_crate_that_knows_one_beside_it_is_found() {
    let manifest = "[package]\nname = \"logq-query\"\n\n[dependencies]\nlogq-engine.workspace = true\nlogq-ingest = { path = \"x\" }\n";
    says(crates, &[("query/Cargo.toml", manifest)], &["query/Cargo.toml: may not know logq-ingest"]);
}
