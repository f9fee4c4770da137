//! What was typed: the only file that knows clap.
//!
//! One rule tells verb from query: the first argument that is no option is a verb only if it is exactly
//! a verb's name; everything else is a query, whose words are joined by spaces. Options may stand before
//! or after the verb, so the verb is moved to the front before clap sees the arguments.

mod budget;
mod export;
mod upkeep;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::budget::*;
pub(crate) use self::export::*;
pub(crate) use self::upkeep::*;
use crate::exit::Failure;

/// Ask questions of the logs of AI systems.
#[derive(Debug, Parser)]
#[command(
    name = "logq",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    after_help = "A first argument that is no command is a query:\n  \
        logq \"tokens where model=llama3.2 last 24h\"\n  \
        logq 'events where level>=error \"connection timeout\" last 1h'\n  \
        logq tokens by model per 1h last 7d -o csv\n\n\
        The store: --store, else LOGQ_STORE, else the nearest directory upwards with a logq.toml, else\n\
        $XDG_DATA_HOME/logq (~/.local/share/logq).\n\n\
        Exit: 0 done, 1 the answer is no, 2 bad call or query, 3 I/O or damage while answering."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Shared {
    /// The directory of the store
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// The clock of queries: a date, a date with a time, or seconds since 1970
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) now: Option<String>,
    /// The time zone of calendar words and of shown times; of stamps without a zone when importing
    #[arg(long, global = true, value_name = "ZONE")]
    pub(crate) tz: Option<String>,
    /// How the answer is written
    #[arg(short, long, global = true, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
    Jsonl,
    Csv,
    Md,
    /// Bars and columns over time, in the terminal
    Chart,
}

impl Output {
    /// The format of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::from_str(name, false).ok()
    }

    /// The word for it on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Chart => "chart",
        }
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// What this word means.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::from_str(word, false).ok()
    }

    /// The word for it on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a query (the default)
    Query(Query),
    /// Take in files: JSONL, CSV, plain lines; gzip is seen by itself
    Import(Import),
    /// Append one event from the shell, or JSONL from standard input
    Append(Append),
    /// Count the tokens of a text
    Count(Count),
    /// Book the token usage of one call of a model
    Track(Track),
    /// Limits on what is used: define, reserve, commit, verify
    Budget(Budget),
    /// Seal what can be sealed: records become columns with an index
    Seal,
    /// One full round of upkeep: seal, merge, archive, expire
    Maintain(Maintain),
    /// How the store is: tokens, recent events, disk, compression, limits, and a verdict
    Health(Health),
    /// Verify every checksum and invariant of the store
    Check(Check),
    /// Make good what is damaged, or show what that would do
    Repair(Repair),
    /// Remove events for good, or show which would go
    Forget(Forget),
    /// Copy the store as it is now, beside earlier copies
    Backup(Backup),
    /// Make a store out of a backup
    Restore(Restore),
    /// Write what a query gives to files: JSONL, CSV, Parquet
    Export(Export),
    /// Print a file of a store for a human
    Dump(Dump),
    /// Measure this machine, in a temporary store
    Bench(Bench),
    /// Make a store of lifelike agent events and ask it the first questions
    Demo(Demo),
    /// Show the settings and where each comes from
    Config(ConfigArgs),
    /// Print a script that completes commands and options in a shell
    Completions(Completions),
    /// Print the manual page, for `man -l -`
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Go on: show what arrives from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print the words that may stand where the text ends, one a line, and do nothing else
    #[arg(long)]
    pub(crate) complete: bool,
    /// The query; several words are joined by spaces
    #[arg(value_name = "QUERY", required_unless_present = "complete", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Files, directories with all that lies below them, or `-` for standard input
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// What the files hold: auto, jsonl, csv, plain, claude-code or codex
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: String,
    /// Read FIELD from this column or dotted path (repeatable)
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub(crate) map: Vec<String>,
    /// Give every event this value (repeatable)
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,
    /// The kind of events that name none
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// The source of the events; without it the file's name
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// The unit of times that are bare numbers: s, ms, us or ns; without it their size tells
    #[arg(long, value_name = "UNIT")]
    pub(crate) time_unit: Option<String>,
    /// Times are counted from this moment, not from 1970
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) time_zero: Option<String>,
    /// Say what would be imported and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Import anew what was imported before
    #[arg(long)]
    pub(crate) again: bool,
    /// List what was imported so far
    #[arg(long)]
    pub(crate) list: bool,
    /// Take this import back, as --list names it: its events go, and it can be imported again
    #[arg(long, value_name = "ID", conflicts_with_all = ["paths", "list"])]
    pub(crate) undo: Option<String>,
    /// Exit 1 when a line could not be read
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Append {
    /// One event as FIELD=VALUE, or `-` for JSONL on standard input
    #[arg(value_name = "FIELD=VALUE", required = true, allow_negative_numbers = true)]
    pub(crate) fields: Vec<String>,
    /// What must be true before an event counts as taken
    #[arg(long, value_name = "LEVEL", default_value = "interval")]
    pub(crate) durability: Durability,
    /// Print each record's id once that is true
    #[arg(long)]
    pub(crate) ack: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Count {
    /// The text, or `-` for standard input (the default)
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Count as this model does; where its vocabulary is not public the count is an estimate
    #[arg(long, value_name = "NAME", conflicts_with = "encoding")]
    pub(crate) model: Option<String>,
    /// Count with this encoding: o200k_base (the default), cl100k_base, p50k_base, r50k_base, ...
    #[arg(long, value_name = "NAME")]
    pub(crate) encoding: Option<String>,
    /// Count with a tokenizer.json of your own (needs a build with the feature tokenizer-json)
    #[arg(long, value_name = "JSON", conflicts_with_all = ["model", "encoding"])]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Count this field of every line of JSONL: one number a line
    #[arg(long, value_name = "FIELD")]
    pub(crate) jsonl: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Track {
    /// What the call was for
    #[arg(long)]
    pub(crate) operation: String,
    /// The model as it was billed
    #[arg(long)]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) used: Used,
    /// Print the record's id
    #[arg(long)]
    pub(crate) ack: bool,
}

/// What a call used.
#[derive(Debug, Args)]
pub(crate) struct Used {
    /// Tokens that went in, cached ones too
    #[arg(long, value_name = "N")]
    pub(crate) prompt_tokens: u64,
    /// Tokens that came out, reasoning too
    #[arg(long, value_name = "N")]
    pub(crate) response_tokens: u64,
    /// Of the prompt, tokens read from the provider's cache
    #[arg(long, value_name = "N")]
    pub(crate) cached_tokens: Option<u64>,
    /// Of the prompt, tokens written to the provider's cache
    #[arg(long, value_name = "N")]
    pub(crate) cache_write_tokens: Option<u64>,
    /// Of the response, tokens of reasoning
    #[arg(long, value_name = "N")]
    pub(crate) reasoning_tokens: Option<u64>,
    /// What it cost in US dollars; without it the built-in prices say
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub(crate) cost: Option<String>,
    /// Who served it
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// How it was billed: standard, batch, flex, priority or fast
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// The conversation
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// On whose behalf
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// What sort of context the call had
    #[arg(long)]
    pub(crate) context_type: Option<String>,
    /// How long it took: milliseconds, or with a unit
    #[arg(long, value_name = "TIME")]
    pub(crate) latency: Option<String>,
}

/// The durability of appended events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// Survives the death of the process, not of the machine
    Buffered,
    /// On disk within a second
    Interval,
    /// On disk before it counts
    Synced,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Events of the full-speed runs
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) rows: usize,
    /// Also the runs that take minutes: a thousand appending processes
    #[arg(long)]
    pub(crate) full: bool,
    /// Time one query a line on the store, and do nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: Option<PathBuf>,
    /// One part of a measurement, run by `bench` itself in a process of its own
    #[arg(long, hide = true)]
    pub(crate) worker: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many events
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub(crate) events: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What to do with the settings
    #[arg(value_enum, default_value = "show")]
    pub(crate) action: ConfigAction,
}

/// What to do with the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfigAction {
    /// Each setting, its value, and where that comes from
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Verbs whose names are taken, so that a query never gets another meaning when they come.
const RESERVED: &[&str] = &["upgrade"];

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Run(Box<Cli>),
    /// `--help` or `--version`: text for standard output.
    Print(String),
}

/// Reads a command line.
///
/// # Errors
/// What is wrong with it, and the nearest right one.
pub(crate) fn read(typed: impl IntoIterator<Item = OsString>) -> Result<Asked, Failure> {
    let arranged = arrange(typed.into_iter().collect())?;
    Cli::try_parse_from(arranged).map(|cli| Asked::Run(Box::new(cli))).or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Asked::Print(error.render().to_string())),
        _ => Err(explain(&error)),
    })
}

/// The script that completes a command line in a shell.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "logq", &mut out);
    out
}

/// The manual page, in roff: the command, and a section for each verb.
///
/// # Errors
/// None: it is written to memory.
pub(crate) fn manual() -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut root = Cli::command();
    root.build();
    clap_mangen::Man::new(root.clone()).render(&mut out)?;
    for verb in root.get_subcommands() {
        let page = clap_mangen::Man::new(verb.clone());
        out.extend_from_slice(format!(".SH \"LOGQ {}\"\n", verb.get_name().to_uppercase()).as_bytes());
        page.render_description_section(&mut out)?;
        page.render_options_section(&mut out)?;
    }
    Ok(out)
}

/// Puts the verb first; a call without one gets `query`.
fn arrange(mut typed: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let root = Cli::command();
    let Some(first) = first_word(&root, &typed) else { return Ok(typed) };
    let name = typed.get(first).and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    let after_dashes = typed.get(first.saturating_sub(1)).is_some_and(|word| word == "--");
    if !after_dashes && root.find_subcommand(&name).is_some() {
        let verb = typed.remove(first);
        typed.insert(1, verb);
    } else if !after_dashes && RESERVED.contains(&name.as_str()) {
        return Err(Failure::bad(format!("this version has no command `{name}`"))
            .help(format!("to ask for it as a query: logq query {name} ...")));
    } else {
        typed.insert(1, "query".into());
    }
    Ok(typed)
}

/// The place of the first argument that is neither an option nor an option's value.
fn first_word(root: &clap::Command, typed: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = typed.get(at) {
        let word = word.to_string_lossy();
        if word == "--" {
            return (at + 1 < typed.len()).then_some(at + 1);
        }
        match word.strip_prefix('-') {
            None | Some("") => return Some(at),
            Some(option) => at += 1 + usize::from(takes_next(root, option)),
        }
    }
    None
}

/// Whether the option, named without its first dash, has its value in the next argument.
fn takes_next(root: &clap::Command, option: &str) -> bool {
    let all = || std::iter::once(root).chain(root.get_subcommands()).flat_map(clap::Command::get_arguments);
    let valued = |arg: &clap::Arg| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    match option.strip_prefix('-') {
        Some(long) => all().any(|arg| arg.get_long() == Some(long) && valued(arg)),
        // In a run of short options the first that takes a value has the rest of the run as its value.
        None => match option.chars().position(|c| all().any(|arg| arg.get_short() == Some(c) && valued(arg)))
        {
            Some(at) => at + 1 == option.chars().count(),
            None => false,
        },
    }
}

/// Clap's error in our words: its first sentence, and its tip or the usage as help.
fn explain(error: &clap::Error) -> Failure {
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return Failure::bad("nothing was asked")
            .help("logq \"tokens last 24h\" asks; `logq demo` shows; `logq --help` lists everything");
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let failure = Failure::bad(message.replace('\'', "`"));
    let line =
        |start: &str| rest.lines().find_map(|line| line.trim_start().strip_prefix(start)).map(str::trim);
    match (line("tip:"), line("Usage:")) {
        (Some(tip), _) => failure.help(tip.replace('\'', "`")),
        (None, Some(usage)) => failure.help(format!("usage: {usage}")),
        (None, None) => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, arranged: &str) {
        let words = typed.split(' ').map(OsString::from).collect();
        let got = arrange(words).unwrap().join(" ".as_ref());
        assert_eq!(got.to_str(), Some(arranged), "{typed}");
    }

    #[test]
    fn clap_finds_no_contradiction_in_the_options() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_an_exact_verb_is_a_verb() {
        check("logq check", "logq check");
        check("logq checks", "logq query checks");
        check("logq tokens last 24h", "logq query tokens last 24h");
        check("logq query check", "logq query check");
        check("logq -- check", "logq query -- check");
        let quoted = arrange(vec!["logq".into(), "check disk".into()]).unwrap();
        assert_eq!(quoted.get(1), Some(&OsString::from("query")));
    }

    #[test]
    fn options_may_stand_before_the_verb_and_take_their_values_along() {
        check("logq --store check import a", "logq import --store check a");
        check("logq --store=x -o json check", "logq check --store=x -o json");
        check("logq -ojson check", "logq check -ojson");
        check("logq -fo json tokens", "logq query -fo json tokens");
        check("logq --dry-run --map import import x", "logq import --dry-run --map import x");
        check("logq -f tokens", "logq query -f tokens");
    }

    #[test]
    fn a_name_means_the_same_arity_in_every_command() {
        let root = Cli::command();
        let mut seen = std::collections::HashMap::new();
        for command in root.get_subcommands() {
            for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let valued = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
                assert_eq!(*seen.entry(arg.get_long()).or_insert(valued), valued, "{:?}", arg.get_long());
            }
        }
    }

    #[test]
    fn words_of_a_query_may_be_negative_numbers() {
        let typed = ["logq", "events", "context", "-2", "-o", "json"].map(OsString::from);
        let Ok(Asked::Run(cli)) = read(typed) else { panic!("refused") };
        let Command::Query(query) = cli.command else { panic!("no query") };
        assert_eq!(
            (query.words.join(" ").as_str(), cli.shared.output),
            ("events context -2", Some(Output::Json))
        );
    }

    #[test]
    fn a_bad_call_says_what_is_right() {
        let failure = |typed: &str| read(typed.split(' ').map(OsString::from)).unwrap_err();
        assert_eq!(failure("logq upgrade").message, "this version has no command `upgrade`");
        assert_eq!(failure("logq").message, "nothing was asked");
        let unknown = failure("logq import --dryrun x");
        assert_eq!(unknown.message, "unexpected argument `--dryrun` found");
        assert_eq!(unknown.help.as_deref(), Some("a similar argument exists: `--dry-run`"));
        assert!(failure("logq -o yaml tokens").message.contains("yaml"));
    }
}
