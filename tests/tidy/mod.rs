//! The house rules that a machine can hold: who may import whom, where a library may be named, what a
//! source may not contain.
//!
//! A rule is a function from the tree to complaints. Each has two tests: that this tree has none, and
//! that a planted offence is found.

mod graph;
mod source;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use self::source::{Source, read_tree};

/// Runs a rule over this tree.
#[track_caller]
fn holds(rule: fn(&[Source]) -> Vec<String>) {
    static TREE: OnceLock<Vec<Source>> = OnceLock::new();
    let complaints = rule(TREE.get_or_init(|| read_tree(Path::new(env!("CARGO_MANIFEST_DIR")))));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// Runs a rule over planted files and compares what it says.
#[track_caller]
fn says(rule: fn(&[Source]) -> Vec<String>, files: &[(&str, &str)], expected: &[&str]) {
    let files: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    assert_eq!(rule(&files), expected);
}

/// Whether a line of code names something, as a whole word (which may hold `::`).
fn names(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// A library or function that may be named in few places only.
struct Door {
    word: &'static str,
    /// Where the rule holds: the start of a path.
    inside: &'static str,
    /// The starts of the paths that may.
    may: &'static [&'static str],
}

const DOORS: &[Door] = &[
    Door { word: "memmap2", inside: "", may: &["engine/src/io/map.rs"] },
    Door { word: "unsafe", inside: "", may: &["engine/src/io/map.rs"] },
    Door { word: "nix", inside: "engine/", may: &["engine/src/io/"] },
    Door { word: "getrandom", inside: "", may: &["engine/src/io/disk.rs"] },
    Door { word: "std::fs", inside: "engine/", may: &["engine/src/io/disk.rs", "engine/src/io/map.rs"] },
    Door { word: "SystemTime::now", inside: "", may: &["engine/src/io/disk.rs"] },
    Door { word: "jiff", inside: "engine/", may: &["engine/src/budget/window.rs"] },
    Door { word: "crc32fast", inside: "", may: &["engine/src/format/"] },
    Door { word: "serde_json", inside: "engine/", may: &[] },
    Door { word: "std::fs", inside: "query/", may: &[] },
    Door { word: "nom", inside: "", may: &["query/src/lex.rs", "query/src/parse", "query/src/token.rs"] },
    Door { word: "clap", inside: "", may: &["cli/args", "benches/compare/embedded/"] },
    Door {
        word: "flate2",
        inside: "",
        may: &["engine/src/column/codec.rs", "ingest/src/source.rs", "cli/export/out.rs"],
    },
    Door { word: "csv_core", inside: "", may: &["ingest/src/csv.rs"] },
    Door { word: "lz4_flex", inside: "", may: &["engine/src/column/codec.rs"] },
    Door {
        word: "twox_hash",
        inside: "",
        may: &[
            "engine/src/backup/list.rs",
            "engine/src/segment/sealed/build.rs",
            "engine/src/column/distinct.rs",
            "engine/src/index/token.rs",
            "ingest/src/identity.rs",
            "ingest/src/parse.rs",
            "query/src/exec/aggregate/approx_distinct.rs",
            "query/src/exec/parse.rs",
        ],
    },
    Door {
        word: "rayon",
        inside: "",
        may: &["engine/src/segment/sealed/encode.rs", "ingest/src/parse.rs", "query/src/exec"],
    },
    Door {
        word: "tiktoken_rs",
        inside: "",
        may: &["tokens/build.rs", "tokens/src/model.rs", "tokens/benches/"],
    },
    Door {
        word: "regex_syntax",
        inside: "",
        may: &["engine/src/text/pattern/template.rs", "tokens/src/class.rs"],
    },
    Door { word: "tantivy", inside: "", may: &["engine/src/index/", "benches/compare/embedded/"] },
    Door { word: "parquet::file", inside: "", may: &["cli/export/parquet.rs"] },
    Door { word: "indicatif", inside: "", may: &["cli/ui.rs"] },
];

/// As [`names`], also where the last part of a path stands in a group: `std::{fs, io}` names `std::fs`.
fn names_path(line: &str, path: &str) -> bool {
    let grouped = path.rsplit_once("::").is_some_and(|(parent, last)| {
        line.split_once(&format!("{parent}::{{")).is_some_and(|(_, group)| names(group, last))
    });
    grouped || names(line, path)
}

fn one_door(files: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !file.is_test()) {
        for door in DOORS {
            if !file.path.starts_with(door.inside) || door.may.iter().any(|may| file.path.starts_with(may)) {
                continue;
            }
            for (line, code) in file.production() {
                if names_path(code, door.word) {
                    complaints
                        .push(format!("{}:{line}: {} has one door: {:?}", file.path, door.word, door.may));
                }
            }
        }
    }
    complaints
}

#[test]
fn every_library_has_one_door() {
    holds(one_door);
}

#[test]
fn a_library_beside_its_door_is_found() {
    let files = [
        ("engine/src/scan.rs", "use memmap2::Mmap;\n// unsafe\nfn f() { unsafe { g() } }\n"),
        ("engine/src/io/map.rs", "use memmap2::Mmap;\nunsafe fn f() {}"),
        (
            "engine/src/store.rs",
            "use std::{fs, io};\nuse std::fs;\nlet a = \"std::fs\";\n#[cfg(test)]\nmod tests {\nuse std::fs;\n}",
        ),
        ("query/src/exec/mod.rs", "use rayon::prelude::*; let nominal = 1;"),
        ("query/src/plan.rs", "let x = nom::IResult;"),
        ("cli/ui.rs", "SystemTime::now()"),
        ("tests/a.rs", "use clap::Parser;"),
    ];
    says(
        one_door,
        &files,
        &[
            "engine/src/scan.rs:1: memmap2 has one door: [\"engine/src/io/map.rs\"]",
            "engine/src/scan.rs:3: unsafe has one door: [\"engine/src/io/map.rs\"]",
            "engine/src/store.rs:1: std::fs has one door: [\"engine/src/io/disk.rs\", \"engine/src/io/map.rs\"]",
            "engine/src/store.rs:2: std::fs has one door: [\"engine/src/io/disk.rs\", \"engine/src/io/map.rs\"]",
            "query/src/plan.rs:1: nom has one door: [\"query/src/lex.rs\", \"query/src/parse\", \"query/src/token.rs\"]",
            "cli/ui.rs:1: SystemTime::now has one door: [\"engine/src/io/disk.rs\"]",
        ],
    );
}

/// What code may not say, anywhere or outside tests, and why.
fn forbidden_code(files: &[Source]) -> Vec<String> {
    let library = |path: &str| {
        ["engine/src/", "query/src/", "ingest/src/", "tokens/src/"].iter().any(|dir| path.starts_with(dir))
    };
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let tests_begin = file.tests_begin();
        for (line, code) in (1..).zip(file.code.lines()) {
            let in_test = tests_begin < line;
            let mut say = |what: &str| complaints.push(format!("{}:{line}: {what}", file.path));
            if code.contains("#[ignore") {
                say("a test that does not run proves nothing");
            }
            if code.contains("#[should_panic") {
                say("should_panic does not say which panic: catch it and look at the text");
            }
            if in_test && names(code, "sleep") {
                say("a test does not sleep");
            }
            if in_test && names(code, "Instant::now") {
                say("a test does not look at the clock");
            }
            if ["todo!", "unimplemented!"].iter().any(|word| code.contains(word)) {
                say("a stub");
            }
            if !in_test
                && library(&file.path)
                && ["println", "eprintln", "print"].iter().any(|word| code.contains(&format!("{word}!(")))
            {
                say("a library does not print");
            }
        }
    }
    complaints
}

#[test]
fn code_does_not_say_what_is_forbidden() {
    holds(forbidden_code);
}

#[test]
fn forbidden_code_is_found() {
    let files = [
        (
            "engine/src/a.rs",
            "fn f() { eprintln!(\"x\"); todo!() }\n#[cfg(test)]\nmod tests {\n#[ignore]\nfn g() { println!(); Instant::now(); }\n}",
        ),
        ("cli/a.rs", "println!(); Instant::now(); sleep()"),
        ("tests/a.rs", "#[should_panic(expected = \"x\")]\nstd::thread::sleep(d); // todo!()"),
    ];
    says(
        forbidden_code,
        &files,
        &[
            "engine/src/a.rs:1: a stub",
            "engine/src/a.rs:1: a library does not print",
            "engine/src/a.rs:4: a test that does not run proves nothing",
            "engine/src/a.rs:5: a test does not look at the clock",
            "tests/a.rs:1: should_panic does not say which panic: catch it and look at the text",
            "tests/a.rs:2: a test does not sleep",
        ],
    );
}

/// `matches!(..);` as a statement looks like a check and checks nothing.
fn matches_statements(files: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (at, word) in file.code.match_indices("matches!(") {
            let before = file.code[..at].trim_end().chars().next_back();
            let mut depth = 0;
            let closes = file.code[at + word.len() - 1..].char_indices().find(|(_, c)| {
                depth += i32::from(*c == '(') - i32::from(*c == ')');
                depth == 0
            });
            let after = closes.map_or("", |(end, _)| &file.code[at + word.len() + end..]);
            if matches!(before, Some(';' | '{' | '}')) && after.trim_start().starts_with(';') {
                let line = file.code[..at].matches('\n').count() + 1;
                complaints.push(format!("{}:{line}: the result of matches! is thrown away", file.path));
            }
        }
    }
    complaints
}

#[test]
fn no_match_is_thrown_away() {
    holds(matches_statements);
}

#[test]
fn a_match_that_is_thrown_away_is_found() {
    let text = "fn f() {\n    matches!(g(1), Err(_));\n    assert!(matches!(g(), Ok(_)));\n    let a =\n        matches!(b, C);\n    matches!(b, C)\n}";
    says(matches_statements, &[("a.rs", text)], &["a.rs:2: the result of matches! is thrown away"]);
}

/// File names of a store are built and parsed in one place.
fn file_names(files: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let engine = |file: &&Source| file.path.starts_with("engine/src/") && !file.is_test();
    for file in files.iter().filter(engine).filter(|file| file.path != "engine/src/format/name.rs") {
        for (line, text) in file.strings.iter().filter(|(line, _)| *line <= file.tests_begin()) {
            for part in [".log", ".seg", ".lock", "MANIFEST", "maintenance.", "readers."] {
                // Prose names files too; a name that is built has no blank in it.
                if text.contains(part) && !text.contains(' ') {
                    complaints.push(format!("{}:{line}: {text:?} belongs to format::name", file.path));
                }
            }
        }
    }
    complaints
}

#[test]
fn file_names_are_made_in_one_place() {
    holds(file_names);
}

#[test]
fn a_file_name_made_elsewhere_is_found() {
    let files = [
        ("engine/src/format/name.rs", "format!(\"{slot}.log\")"),
        (
            "engine/src/slot.rs",
            "/// x.log\nlet a = format!(\"{slot}-{n}.log\");\nlet b = \"the file x.log is gone\";",
        ),
        ("engine/src/manifest.rs", "dir.join(\"MANIFEST\")\n#[cfg(test)]\nmod tests { \"MANIFEST\" }"),
    ];
    says(
        file_names,
        &files,
        &[
            "engine/src/slot.rs:2: \"{slot}-{n}.log\" belongs to format::name",
            "engine/src/manifest.rs:1: \"MANIFEST\" belongs to format::name",
        ],
    );
}

fn module_docs(files: &[Source]) -> Vec<String> {
    let without = files.iter().filter(|file| file.is_rust() && !file.text.starts_with("//! "));
    without.map(|file| format!("{}: does not begin with what it is for (//!)", file.path)).collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    holds(module_docs);
}

#[test]
fn a_module_that_does_not_say_what_it_is_for_is_found() {
    let files = [("a.rs", "//! For a.\n"), ("b.rs", "use c;\n//! For b.\n"), ("c.toml", "")];
    says(module_docs, &files, &["b.rs: does not begin with what it is for (//!)"]);
}

/// Text that no file of the tree may contain. Put together here, so that this file may.
fn forbidden_text() -> Vec<(String, &'static str)> {
    let unfinished = "unfinished work does not wait in a comment";
    let foreign = "the tree speaks of itself only";
    let mut words: Vec<(String, &'static str)> = [("FIX", "ME"), ("TO", "DO"), ("XX", "X:"), ("HA", "CK")]
        .map(|(a, b)| (format!("{a}{b}"), unfinished))
        .into();
    let elsewhere = [
        ("/wor", "k/"),
        ("issue", " #"),
        ("DESI", "GN.md"),
        ("RELIABI", "LITY.md"),
        ("LANGU", "AGE.md"),
        ("INTERF", "ACE.md"),
        ("PEE", "RS.md"),
        ("STYLE-AN", "CHORS"),
    ];
    words.extend(elsewhere.map(|(a, b)| (format!("{a}{b}"), foreign)));
    words
}

fn texts(files: &[Source]) -> Vec<String> {
    let forbidden = forbidden_text();
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        let plain = [".rs", ".toml", ".md", ".sh", ".yml"].iter().any(|end| file.path.ends_with(end));
        for (line, text) in (1..).zip(file.text.lines()) {
            for (word, why) in &forbidden {
                if text.contains(word) {
                    complaints.push(format!("{}:{line}: {word:?}: {why}", file.path));
                }
            }
            let plain = [".rs", ".toml", ".md", ".sh", ".yml"].iter().any(|end| file.path.ends_with(end));
            if plain && !text.is_ascii() {
                complaints.push(format!("{}:{line}: not ASCII", file.path));
            }
            if plain && (text.ends_with([' ', '\t']) || text.contains('\r')) {
                complaints.push(format!("{}:{line}: blank at the end of the line", file.path));
            }
        }
        if plain && !file.text.is_empty() && !file.text.ends_with('\n') {
            complaints.push(format!("{}: does not end its last line", file.path));
        }
    }
    complaints
}

#[test]
fn texts_are_finished_plain_and_about_this_project() {
    holds(texts);
}

#[test]
fn a_text_that_is_not_finished_or_not_plain_is_found() {
    let planted = format!("ok\n// {}{} later\nx \n\u{e9}\nsee /wor{}a", "TO", "DO", "k/");
    says(
        texts,
        &[("a.rs", &planted), ("data.bin", "\u{e9} \n"), ("b.md", "ok\n")],
        &[
            &format!("a.rs:2: \"TO{}\": unfinished work does not wait in a comment", "DO"),
            "a.rs:3: blank at the end of the line",
            "a.rs:4: not ASCII",
            &format!("a.rs:5: \"/wor{}\": the tree speaks of itself only", "k/"),
            "a.rs: does not end its last line",
        ],
    );
}

/// Every file of tests is part of a test binary.
fn forgotten_tests(files: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.split('/').any(|part| part == "tests"))
    {
        let (dir, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let (dir, module) = match name.strip_suffix(".rs") {
            Some("main") => continue,
            Some("mod") => dir.rsplit_once('/').unwrap_or(("", dir)),
            Some(module) => (dir, module),
            None => continue,
        };
        // Cargo finds the files at the top by itself, unless told not to.
        let manifest = dir.strip_suffix("tests").filter(|root| !root.contains("tests"));
        let manifest = manifest.map(|root| format!("{root}Cargo.toml"));
        let mut manifests = files.iter().filter(|file| Some(&file.path) == manifest.as_ref());
        if manifests.any(|file| !file.text.contains("autotests = false")) {
            continue;
        }
        let parents =
            [format!("{dir}/main.rs"), format!("{dir}/mod.rs"), format!("{dir}.rs"), format!("{dir}/lib.rs")];
        let mut declared =
            files.iter().filter(|file| parents.contains(&file.path)).flat_map(|file| file.code.lines());
        if !declared.any(|line| line.trim().ends_with(&format!("mod {module};"))) {
            complaints.push(format!("{}: no test binary has it", file.path));
        }
    }
    complaints
}

#[test]
fn no_file_of_tests_is_forgotten() {
    holds(forgotten_tests);
}

#[test]
fn a_forgotten_file_of_tests_is_found() {
    let files = [
        ("Cargo.toml", "[package]\nautotests = false\n"),
        ("query/Cargo.toml", "[package]\n"),
        ("query/tests/auto.rs", ""),
        ("query/tests/support/f.rs", ""),
        ("tests/main.rs", "mod a;\nmod cli;\n"),
        ("tests/a.rs", ""),
        ("tests/b.rs", ""),
        ("tests/cli/mod.rs", "mod c;\n// mod d;"),
        ("tests/cli/c.rs", ""),
        ("tests/cli/d.rs", ""),
        ("tests/e/mod.rs", ""),
    ];
    says(
        forgotten_tests,
        &files,
        &[
            "query/tests/support/f.rs: no test binary has it",
            "tests/b.rs: no test binary has it",
            "tests/cli/d.rs: no test binary has it",
            "tests/e/mod.rs: no test binary has it",
        ],
    );
}

fn architecture(files: &[Source]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return vec!["there is no ARCHITECTURE.md".into()];
    };
    // Of the engine every folder, of the other crates the crate.
    let sources = files.iter().filter(|file| file.is_rust() && !file.is_test());
    let folders: BTreeSet<String> = sources
        .filter_map(|file| match file.path.split_once("/src/")? {
            ("engine", inside) => inside.rsplit_once('/').map(|(folder, _)| format!("{folder}/")),
            (name, _) => Some(format!("{name}/")),
        })
        .collect();
    // A folder that belongs to a file (`text.rs` and `text/`) may go by the file's name.
    let named = |folder: &str| {
        let bare = folder.trim_end_matches('/');
        let spellings = [folder.to_owned(), format!("{bare}.rs"), format!("engine/src/{bare}`")];
        spellings.iter().any(|spelling| page.text.contains(spelling))
    };
    let unnamed = folders.iter().filter(|folder| !named(folder));
    unnamed.map(|folder| format!("ARCHITECTURE.md does not name {folder}")).collect()
}

#[test]
fn the_architecture_page_names_every_folder() {
    holds(architecture);
}

#[test]
fn a_folder_without_a_place_in_the_architecture_is_found() {
    let files = [
        ("ARCHITECTURE.md", "The engine holds `io/`; query/ answers.\n"),
        ("engine/src/lib.rs", ""),
        ("engine/src/io/disk.rs", ""),
        ("engine/src/format/frame.rs", ""),
        ("query/src/exec/sort.rs", ""),
        ("ingest/src/lib.rs", ""),
    ];
    says(
        architecture,
        &files,
        &["ARCHITECTURE.md does not name format/", "ARCHITECTURE.md does not name ingest/"],
    );
    says(architecture, &files[1..], &["there is no ARCHITECTURE.md"]);
}

fn changelog(files: &[Source]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == "CHANGELOG.md") else {
        return vec!["there is no CHANGELOG.md".into()];
    };
    let sections =
        ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Performance", "Format"];
    let mut complaints = Vec::new();
    let mut version = false;
    for (line, text) in (1..).zip(page.text.lines()) {
        let good = match text.split_once(' ') {
            Some(("#", title)) => line == 1 && title == "Changelog",
            Some(("##", title)) => {
                version = true;
                title == "[Unreleased]" || is_release(title)
            }
            Some(("###", title)) => version && sections.contains(&title),
            _ => !text.starts_with('#') && (1 < line || text.is_empty()),
        };
        if !good {
            complaints.push(format!("CHANGELOG.md:{line}: {text:?} is not of the form"));
        }
    }
    if !version {
        complaints.push("CHANGELOG.md: names no version".into());
    }
    complaints
}

/// `[1.2.3] - 2026-11-22`
fn is_release(title: &str) -> bool {
    let Some((version, date)) = title.split_once(" - ") else { return false };
    let Some(version) = version.strip_prefix('[').and_then(|version| version.strip_suffix(']')) else {
        return false;
    };
    let numbers = |text: &str, separator, count| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == count && parts.iter().all(|part| part.parse::<u32>().is_ok())
    };
    numbers(version, '.', 3) && numbers(date, '-', 3) && date.len() == 10
}

#[test]
fn the_changelog_has_its_form() {
    holds(changelog);
}

#[test]
fn a_changelog_of_another_form_is_found() {
    let good = "# Changelog\n\nWords.\n\n## [Unreleased]\n\n### Added\n- x\n\n## [0.1.0] - 2026-11-22\n\n### Format\n- y\n";
    says(changelog, &[("CHANGELOG.md", good)], &[]);
    let bad = "# Changes\n### Added\n## 0.1\n### News\n#### x\n";
    says(
        changelog,
        &[("CHANGELOG.md", bad)],
        &[
            "CHANGELOG.md:1: \"# Changes\" is not of the form",
            "CHANGELOG.md:2: \"### Added\" is not of the form",
            "CHANGELOG.md:3: \"## 0.1\" is not of the form",
            "CHANGELOG.md:4: \"### News\" is not of the form",
            "CHANGELOG.md:5: \"#### x\" is not of the form",
        ],
    );
    says(changelog, &[("CHANGELOG.md", "# Changelog\n")], &["CHANGELOG.md: names no version"]);
    says(changelog, &[], &["there is no CHANGELOG.md"]);
}

/// Versions below which a library has a known hole, and libraries that are not kept up.
fn versions(files: &[Source]) -> Vec<String> {
    const FLOORS: [(&str, [u64; 3]); 6] = [
        ("memmap2", [0, 9, 11]),
        ("regex", [1, 5, 5]),
        ("lz4_flex", [0, 11, 6]),
        ("tar", [0, 4, 45]),
        ("tracing-subscriber", [0, 3, 20]),
        ("tantivy", [0, 27, 0]),
    ];
    const ABSENT: [&str; 3] = ["fs2", "tokio-tar", "vfs"];
    let Some(lock) = files.iter().find(|file| file.path == "Cargo.lock") else {
        return vec!["there is no Cargo.lock".into()];
    };
    let value = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    let lines: Vec<&str> = lock.text.lines().collect();
    let mut complaints = Vec::new();
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with("name = ")) {
        let (name, version) = (value(pair[0]), value(pair[1]));
        let numbers: Vec<u64> =
            version.split(['.', '-', '+']).take(3).map(|part| part.parse().unwrap_or(0)).collect();
        for (_, floor) in FLOORS.iter().filter(|(floored, _)| *floored == name) {
            if numbers.as_slice() < floor.as_slice() {
                complaints.push(format!("{name} {version} has a known hole; {floor:?} does not"));
            }
        }
        if ABSENT.contains(&name.as_str()) {
            complaints.push(format!("{name} is not kept up"));
        }
    }
    complaints
}

#[test]
fn no_library_has_a_known_hole() {
    holds(versions);
}

#[test]
fn a_library_with_a_known_hole_is_found() {
    let package =
        |name: &str, version: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n");
    let lock = [package("memmap2", "0.9.10"), package("regex", "1.13.0"), package("fs2", "0.4.3")].concat();
    says(
        versions,
        &[("Cargo.lock", &lock)],
        &["memmap2 0.9.10 has a known hole; [0, 9, 11] does not", "fs2 is not kept up"],
    );
}
