//! A tokenizer.json of the user's own.

use std::path::PathBuf;

use logq_tokens::TokenizerFile;

/// Byte pairs over the letters of a few words, made for this test.
const BPE: &str = r#"{"version":"1.0","truncation":{"direction":"Right","max_length":2,"strategy":"LongestFirst","stride":0},"padding":null,
"added_tokens":[{"id":9,"content":"<|end|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
"model":{"type":"BPE","dropout":null,"unk_token":"?","vocab":{"?":0,"l":1,"o":2,"g":3,"s":4,"lo":5,"log":6,"logs":7},
"merges":["l o","lo g","log s"]}}"#;

fn file(dir: &std::path::Path, text: &str) -> PathBuf {
    let path = dir.join("mine.json");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_text_is_counted_whole_as_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = TokenizerFile::open(file(dir.path(), BPE)).unwrap();
    assert_eq!(tokenizer.name(), "mine.json");
    for (text, tokens) in
        [("", 0), ("logs", 1), ("LOGS log lo l", 4), ("golo", 3), ("logs zz", 3), ("<|end|>", 1)]
    {
        assert_eq!(tokenizer.count(text), tokens, "{text}");
    }
    assert_eq!(
        tokenizer.count(&"logs ".repeat(1000)),
        1000,
        "a limit of length in the file does not cut a count"
    );
}

#[test]
fn a_file_that_is_no_tokenizer_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "{}", "[1,2]", "{\"model\":{\"type\":\"BPE\"}}", "\u{0}"] {
        let error = TokenizerFile::open(file(dir.path(), text)).unwrap_err().to_string();
        assert!(error.contains("mine.json: no tokenizer.json"), "{error}");
    }
    assert!(TokenizerFile::open(dir.path().join("none")).unwrap_err().to_string().contains("none: "));
}
