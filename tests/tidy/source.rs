//! The text of the tree, with code, comments and strings told apart.

use std::fs;
use std::path::Path;

/// One file of the tree.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// For Rust: the text with comments and the insides of strings blanked; lines stay where they are.
    pub(super) code: String,
    /// For Rust: the insides of string literals, with their lines counted from 1.
    pub(super) strings: Vec<(usize, String)>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (code, strings) = if path.ends_with(".rs") { lex(text) } else { Default::default() };
        Self { path: path.into(), text: text.into(), code, strings }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The line at which the file's tests begin; the last line for a file without.
    pub(super) fn tests_begin(&self) -> usize {
        if self.is_test() {
            return 0;
        }
        let before = self.code.find("#[cfg(test)]\nmod tests").unwrap_or(self.code.len());
        self.code[..before].lines().count()
    }

    /// The lines of code, numbered from 1, without those of tests.
    pub(super) fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines()).take(self.tests_begin())
    }
}

/// All files that a person wrote, below a directory.
pub(super) fn read_tree(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                if !matches!(name.as_str(), ".git" | "target" | "corpus" | "artifacts") {
                    open.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push(Source::new(&path, &text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Splits Rust into code and strings.
fn lex(text: &str) -> (String, Vec<(usize, String)>) {
    let mut lexer = Lexer { rest: text, code: String::new(), strings: Vec::new(), line: 1 };
    while let Some(next) = lexer.rest.chars().next() {
        let before = lexer.code.chars().next_back();
        let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if lexer.rest.starts_with("//") {
            lexer.blank(lexer.rest.find('\n').unwrap_or(lexer.rest.len()));
        } else if lexer.rest.starts_with("/*") {
            lexer.blank(block_comment(lexer.rest));
        } else if next == '"' {
            lexer.string(0, false);
        } else if let Some((prefix, raw)) = string_prefix(lexer.rest).filter(|_| !in_word) {
            lexer.string(prefix, raw);
        } else if next == '\'' {
            match char_literal(lexer.rest) {
                Some(len) => lexer.blank(len),
                None => lexer.keep(1),
            }
        } else {
            lexer.keep(next.len_utf8());
        }
    }
    (lexer.code, lexer.strings)
}

struct Lexer<'a> {
    rest: &'a str,
    code: String,
    strings: Vec<(usize, String)>,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn keep(&mut self, len: usize) {
        let taken = self.take(len);
        self.code.push_str(taken);
    }

    fn blank(&mut self, len: usize) {
        let taken = self.take(len);
        self.code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    }

    /// A string whose quote stands behind `prefix` bytes. The quotes stay in the code.
    fn string(&mut self, prefix: usize, raw: bool) {
        let hashes = self.rest[prefix..].chars().take_while(|&c| c == '#').count();
        self.keep(prefix + hashes + 1);
        let close = format!("\"{}", "#".repeat(hashes));
        let mut len = 0;
        while len < self.rest.len() && !self.rest[len..].starts_with(&close) {
            let escaped = !raw && self.rest[len..].starts_with('\\');
            len += self.rest[len..].chars().take(1 + usize::from(escaped)).map(char::len_utf8).sum::<usize>();
        }
        self.strings.push((self.line, self.rest[..len].to_owned()));
        self.blank(len);
        self.keep(close.len().min(self.rest.len()));
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The letters before a string's hashes and quote, and whether it is raw.
fn string_prefix(text: &str) -> Option<(usize, bool)> {
    ["br", "cr", "r", "b", "c"].iter().find_map(|prefix| {
        let raw = prefix.ends_with('r');
        let rest = text.strip_prefix(prefix)?;
        let rest = if raw { rest.trim_start_matches('#') } else { rest };
        rest.starts_with('"').then_some((prefix.len(), raw))
    })
}

/// The length of a character literal; a lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return escape[first..].find('\'').map(|end| 2 + first + end + 1);
    }
    let first = inside.chars().next()?.len_utf8();
    inside[first..].starts_with('\'').then_some(first + 2)
}

#[test]
fn code_comments_and_strings_are_told_apart() {
    let text = concat!(
        "let a = \"x // \\\" y\"; // z\n",
        "let b: &'static str = r#\"p\"q\"#; /* 1 /* 2 */ 3 */ let c = '\"'; let d = '\\u{1f}'; bar(\"t\nu\");\n",
        "let e = b\"w\";",
    );
    let source = Source::new("a.rs", text);
    let code = [
        "let a = \"         \";     ",
        "let b: &'static str = r#\"   \"#;                   let c =    ; let d =         ; bar(\" ",
        " \");",
        "let e = b\" \";",
    ];
    assert_eq!(source.code, code.join("\n"));
    let strings = [(1, "x // \\\" y"), (2, "p\"q"), (2, "t\nu"), (4, "w")];
    assert_eq!(source.strings, strings.map(|(line, text)| (line, text.to_owned())));
}
