//! `logq count`: the tokens of a file, of standard input, or of one field of each line of JSONL.
//!
//! Nobody waits for the command as an append would, so it always counts the whole text. A refused line does not stop
//! the others; the exit code tells of it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::Path;

#[cfg(feature = "tokenizer-json")]
use logq_tokens::TokenizerFile;
use logq_tokens::{Encoding, Proxy, Tokenizer};
use serde_json::{Value, json};

use crate::args::{self, Output};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::ui;

/// How much output is held back: enough that a system call for it costs nothing.
const OUTPUT_SIZE: usize = 64 * 1024;

/// Counts.
pub(crate) fn run(config: &Config, args: &args::Count) -> Outcome {
    let by = By::read(args)?;
    let (name, input) = open(args.file.as_deref())?;
    let mut shown = Shown::new(config.output(), args.jsonl.is_some());
    let exit = match &args.jsonl {
        Some(field) => lines(config, &by, &name, input, field, &mut shown)?,
        None => {
            shown.row(&whole(config, &by, &name, input)?)?;
            Exit::Done
        }
    };
    shown.end()?;
    if let By::Known(tokenizer) = &by
        && let Some(Proxy { family, error, .. }) = tokenizer.proxy()
    {
        let encoding = tokenizer.encoding();
        config.ui.note(&format!("an estimate: {family} counted with {encoding}; error {error}"));
    }
    Ok(exit)
}

/// What counts.
enum By {
    Known(Tokenizer),
    #[cfg(feature = "tokenizer-json")]
    File(Box<TokenizerFile>),
}

impl By {
    fn read(args: &args::Count) -> Outcome<Self> {
        match &args.tokenizer {
            Some(path) => Self::open(path),
            None => tokenizer(args).map(Self::Known),
        }
    }

    #[cfg(feature = "tokenizer-json")]
    fn open(path: &Path) -> Outcome<Self> {
        let file = TokenizerFile::open(path).map_err(|error| Failure::bad(error.to_string()))?;
        Ok(Self::File(Box::new(file)))
    }

    #[cfg(not(feature = "tokenizer-json"))]
    fn open(path: &Path) -> Outcome<Self> {
        Err(Failure::bad(format!("this build of logq cannot read {}", path.display()))
            .help("build it with `cargo build --release --features tokenizer-json`"))
    }

    fn count(&self, text: &str) -> Row {
        match self {
            Self::Known(tokenizer) => {
                let count = tokenizer.count(text);
                Row { tokens: count.tokens, encoding: count.encoding.to_string(), exact: count.is_exact() }
            }
            #[cfg(feature = "tokenizer-json")]
            Self::File(file) => {
                Row { tokens: file.count(text), encoding: format!("file:{}", file.name()), exact: true }
            }
        }
    }
}

fn tokenizer(args: &args::Count) -> Outcome<Tokenizer> {
    match (&args.encoding, &args.model) {
        (Some(name), _) => name.parse().map(Encoding::into).map_err(|error| {
            let all = Encoding::ALL.map(Encoding::as_str).join(", ");
            Failure::bad(format!("{error}")).help(format!("there are {all}; --model names a model instead"))
        }),
        (None, Some(model)) => Ok(Tokenizer::of_model(model)),
        (None, None) => Ok(Encoding::O200kBase.into()),
    }
}

/// The input and its name in messages.
fn open(path: Option<&Path>) -> Outcome<(String, Box<dyn BufRead>)> {
    match path.filter(|path| *path != Path::new("-")) {
        None => Ok(("standard input".into(), Box::new(BufReader::new(io::stdin())))),
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
            Ok((name, Box::new(BufReader::with_capacity(1 << 18, file))))
        }
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let message = format!("cannot read {name}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => Failure::bad(message),
        _ => Failure::broken(message),
    }
}

/// The tokens of all of the input. Bytes that are no text count as the characters that stand for them.
fn whole(config: &Config, by: &By, name: &str, mut input: Box<dyn BufRead>) -> Outcome<Row> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(by.count(&text)),
        Err(error) => {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            config.ui.warn(&format!(
                "{name}:{line}: not UTF-8; such bytes are counted as U+FFFD, so the count is an estimate"
            ));
            Ok(Row { exact: false, ..by.count(&String::from_utf8_lossy(error.as_bytes())) })
        }
    }
}

/// The tokens of a field of every line.
fn lines(
    config: &Config,
    by: &By,
    name: &str,
    mut input: Box<dyn BufRead>,
    field: &str,
    shown: &mut Shown,
) -> Outcome {
    let (mut line, mut number, mut refused) = (Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => number += 1,
            Err(error) => return Err(unreadable(name, &error)),
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&line);
        if text.trim_ascii().is_empty() {
            continue;
        }
        match value(text, field) {
            Ok(text) => shown.row(&by.count(&text))?,
            Err(reason) => {
                config.ui.warn(&format!("{name}:{number}: {reason}"));
                refused += 1;
            }
        }
    }
    if refused == 0 {
        return Ok(Exit::Done);
    }
    config.ui.note(&format!("{refused} of {} refused; all others are counted", ui::count(number, "line")));
    Ok(Exit::No)
}

/// The text of a field, by its name or by a dotted path into objects and lists.
fn value(line: &[u8], field: &str) -> Result<String, String> {
    let object: Value = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
        format!("byte {}: {reason}", error.column())
    })?;
    let Value::Object(mut fields) = object else {
        return Err(format!("{} and no object", kind(&object)));
    };
    let found = match fields.remove(field) {
        Some(found) => Some(found),
        None => at_path(&Value::Object(fields), field).cloned(),
    };
    match found {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("`{field}` is {} and no text", kind(&other))),
        None => Err(format!("there is no `{field}`")),
    }
}

fn at_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// One count as it is shown.
struct Row {
    tokens: u64,
    encoding: String,
    exact: bool,
}

/// Counts on their way to standard output.
struct Shown {
    output: Output,
    /// There are as many as there are lines, so JSON is a list.
    many: bool,
    rows: u64,
    text: String,
}

impl Shown {
    fn new(output: Output, many: bool) -> Self {
        let head = match output {
            Output::Csv => "tokens,encoding,exact\n",
            Output::Md => "| tokens | encoding | exact |\n|---:|---|---|\n",
            Output::Json if many => "[",
            Output::Table | Output::Chart | Output::Json | Output::Jsonl => "",
        };
        Self { output, many, rows: 0, text: head.into() }
    }

    fn row(&mut self, row: &Row) -> Outcome<()> {
        let Row { tokens, encoding, exact } = row;
        let object = || json!({"tokens": tokens, "encoding": encoding, "exact": exact});
        let between = if 0 < self.rows { ",\n" } else { "" };
        self.rows += 1;
        // Writing to a string cannot fail.
        let _ = match self.output {
            Output::Table | Output::Chart => writeln!(self.text, "{tokens}"),
            Output::Csv => writeln!(self.text, "{tokens},{encoding},{exact}"),
            Output::Md => writeln!(self.text, "| {tokens} | {encoding} | {exact} |"),
            Output::Json if self.many => write!(self.text, "{between}{}", object()),
            Output::Json | Output::Jsonl => writeln!(self.text, "{}", object()),
        };
        if OUTPUT_SIZE <= self.text.len() { self.flush() } else { Ok(()) }
    }

    fn end(mut self) -> Outcome<()> {
        if self.output == Output::Json && self.many {
            self.text.push_str("]\n");
        }
        self.flush()
    }

    fn flush(&mut self) -> Outcome<()> {
        let mut out = io::stdout().lock();
        out.write_all(self.text.as_bytes())?;
        out.flush()?;
        self.text.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name_or_its_path() {
        let line = br#"{"text":"a","a.b":"dotted","a":{"b":"nested","c":[{"d":"listed"}]},"n":1}"#;
        for (field, want) in [("text", "a"), ("a.b", "dotted"), ("a.c.0.d", "listed")] {
            assert_eq!(value(line, field).as_deref(), Ok(want));
        }
        assert_eq!(value(line, "n"), Err("`n` is a number and no text".into()));
        assert_eq!(value(line, "a.c.1.d"), Err("there is no `a.c.1.d`".into()));
        assert_eq!(value(b"[1]", "n"), Err("a list and no object".into()));
        assert!(value(br#"{"n":"#, "n").unwrap_err().starts_with("byte 5: "));
    }
}
