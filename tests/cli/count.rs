//! `count`: numbers for people and programs, estimates that say so, refused lines that are named.

use serde_json::json;

use super::{Place, run};

#[test]
fn the_tokens_of_a_file_and_of_standard_input_are_one_number() {
    let place = Place::new();
    let file = place.write("text.txt", "tiktoken is great!");
    let file = file.to_str().unwrap();
    assert_eq!(place.run(["count", "--encoding", "cl100k_base", file]).good().out, "6\n");
    for args in
        [&["count"][..], &["count", "-"], &["count", "-", "--model", "gpt-4o"], &["-o", "table", "count"]]
    {
        let ran = place.run_with(args, b"tiktoken is great!").good();
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("6\n", ""), "{args:?}");
    }
    assert_eq!(place.run_with(["count"], b"").good().out, "0\n");
    // It asks for no store and makes none.
    assert!(!place.store().exists());
}

#[test]
fn the_encoding_of_a_model_counts_and_an_estimate_says_so() {
    let place = Place::new();
    let count = |args: &[&str]| {
        let args = ["count", "-o", "json"].iter().chain(args).copied().collect::<Vec<_>>();
        place.run_with(args, "\u{4f60}\u{597d}, 12345".as_bytes()).good()
    };
    assert_eq!(count(&[]).json(), json!({"tokens": 5, "encoding": "o200k_base", "exact": true}));
    assert_eq!(count(&["--model", "openai/gpt-4"]).json()["encoding"], "cl100k_base");
    assert_eq!(count(&["--model", "openai/gpt-4"]).json()["exact"], true);
    assert_eq!(count(&["--encoding", "r50k_base"]).json()["tokens"], 7);
    let guess = count(&["--model", "llama3.2:3b"]);
    assert_eq!(guess.json(), json!({"tokens": 5, "encoding": "o200k_base", "exact": false}));
    assert!(
        guess.err.starts_with("logq: an estimate: llama3 counted with o200k_base; error "),
        "{}",
        guess.err
    );
    assert_eq!(count(&["--model", "something-new"]).json()["exact"], false);
}

#[test]
fn every_line_of_jsonl_gives_one_number_and_nothing_else() {
    let place = Place::new();
    let lines = "{\"text\":\"a b c\"}\n{\"text\":\"\"}\n{\"x\":{\"y\":[1]},\"text\":\"<|endoftext|>\"}";
    let ran = place.run_with(["count", "--jsonl", "text", "-"], lines.as_bytes()).good();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("3\n0\n7\n", ""));
    let ran = place.run_with(["count", "--jsonl", "text", "-o", "jsonl"], lines.as_bytes()).good();
    assert_eq!(ran.out.lines().count(), 3);
    let first: serde_json::Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    assert_eq!(first, json!({"tokens": 3, "encoding": "o200k_base", "exact": true}));
    let list = place.run_with(["count", "--jsonl", "text", "-o", "json"], lines.as_bytes()).good().json();
    assert_eq!(list.as_array().unwrap().len(), 3);
    let csv = place.run_with(["count", "--jsonl", "text", "-o", "csv"], lines.as_bytes()).good();
    assert_eq!(csv.out, "tokens,encoding,exact\n3,o200k_base,true\n0,o200k_base,true\n7,o200k_base,true\n");
    assert_eq!(place.run_with(["count", "--jsonl", "text", "-o", "json"], b"").good().json(), json!([]));
}

#[test]
fn a_refused_line_is_named_and_stops_no_other() {
    let place = Place::new();
    let file =
        place.write("lines.jsonl", "{\"text\":\"a\"}\n{\"text\":1}\nnot json\n\n{}\n{\"text\":\"b\"}\n");
    let ran = place.run(["count", "--jsonl", "text", file.to_str().unwrap()]);
    assert_eq!(ran.out, "1\n1\n");
    for said in [
        "lines.jsonl:2: `text` is a number and no text",
        "lines.jsonl:3: byte 2: ",
        "lines.jsonl:5: there is no `text`",
        "3 of 6 lines refused",
    ] {
        assert!(ran.err.contains(said), "{said:?} is not in {}", ran.err);
    }
    ran.ends(1, "refused");
}

#[test]
fn bytes_that_are_no_text_are_counted_and_their_line_is_named() {
    let place = Place::new();
    let ran = place.run_with(["count", "-o", "json"], b"good\nbad \xff\xed\xa0\x80\n").good();
    assert_eq!(ran.json()["exact"], false);
    assert!(ran.err.contains("standard input:2: not UTF-8"), "{}", ran.err);
}

#[test]
fn a_call_that_cannot_be_answered_says_why() {
    let place = Place::new();
    place.run(["count", "nowhere.txt"]).ends(2, "cannot read nowhere.txt");
    place.run(["count", place.dir.path().to_str().unwrap()]).ends(2, "cannot read");
    place
        .run(["count", "--encoding", "o200k", "-"])
        .ends(2, "no encoding is called `o200k`\nhelp: there are o200k_base");
    place.run(["count", "--encoding", "o200k_base", "--model", "gpt-4o"]).ends(2, "cannot be used with");
}

#[test]
fn a_megabyte_without_a_boundary_is_counted() {
    let place = Place::new();
    for (text, want) in [("a".repeat(1 << 20), "131072\n"), (" ".repeat(1 << 20), "8192\n")] {
        assert_eq!(run(&mut place.command(["count"]), text.as_bytes()).good().out, want);
    }
}

#[test]
fn a_tokenizer_of_the_users_own_counts_where_the_build_can_read_it() {
    let place = Place::new();
    let words = r#"{"version":"1.0","added_tokens":[],"pre_tokenizer":{"type":"Whitespace"},
        "model":{"type":"WordLevel","vocab":{"?":0},"unk_token":"?"}}"#;
    place.write("words.json", words);
    place.write("text", "internationalization of one");
    let ran = place.run(["count", "--tokenizer", "words.json", "text", "-o", "json"]);
    if cfg!(feature = "tokenizer-json") {
        let want = serde_json::json!({"tokens": 3, "encoding": "file:words.json", "exact": true});
        assert_eq!(ran.good().json(), want);
        place.run(["count", "--tokenizer", "text", "text"]).ends(2, "text: no tokenizer.json");
    } else {
        ran.ends(2, "this build of logq cannot read words.json\nhelp: build it with");
    }
    place.run(["count", "--tokenizer", "words.json", "--model", "phi-4", "text"]).ends(2, "--model");
}
