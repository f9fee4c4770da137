//! The face to the person: messages on standard error, colour, progress, and text that cannot hurt a terminal.
//!
//! Rows go to standard output and everything else to standard error, so that a pipe only ever sees rows.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Color;
use crate::exit::Failure;

/// Work that is done sooner shows no progress: a bar that flashes by tells nobody anything.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// How often progress changes: often enough to be seen to move, seldom enough to be read.
const PROGRESS_EVERY: Duration = Duration::from_millis(125);

/// The width of a table that goes to no terminal.
const WIDTH_DEFAULT: usize = 80;

/// What the two output streams can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ui {
    /// Colour on standard output.
    pub(crate) color: bool,
    color_messages: bool,
    /// Columns that a line may take.
    pub(crate) width: usize,
    /// Whether standard output is a terminal.
    pub(crate) terminal: bool,
}

/// What a stream and the environment say about colour.
#[derive(Clone, Copy, Debug)]
struct Facts {
    terminal: bool,
    /// `NO_COLOR` is set and not empty.
    no_color: bool,
    /// `TERM` is `dumb`.
    dumb: bool,
}

impl Ui {
    /// Looks at the streams and the environment.
    pub(crate) fn new(color: Color) -> Self {
        let facts = |terminal| Facts {
            terminal,
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            dumb: std::env::var_os("TERM").is_some_and(|value| value == "dumb"),
        };
        let (out, messages) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let width = match console::Term::stdout().size_checked() {
            Some((_, columns)) if out => usize::from(columns).max(20),
            _ => WIDTH_DEFAULT,
        };
        Self {
            color: colored(color, facts(out)),
            color_messages: colored(color, facts(messages)),
            width,
            terminal: out,
        }
    }

    /// Writes `logq: message` and `help: ...` to standard error. A message of several lines is shown as it
    /// is, below the first. Nobody may be listening, which is no reason to fail.
    pub(crate) fn complain(self, failure: &Failure) {
        if !failure.message.is_empty() {
            self.say("logq:", "1;31", &failure.message);
        }
        if let Some(help) = &failure.help {
            self.say("help:", "1;36", help);
        }
    }

    /// Writes a warning: the answer is given all the same.
    pub(crate) fn warn(self, message: &str) {
        self.say("logq: warning:", "1;33", message);
    }

    /// Writes a plain line of news.
    pub(crate) fn note(self, message: &str) {
        self.say("logq:", "2", message);
    }

    /// Writes text that says by itself what it is, such as a warning with the place in a query.
    pub(crate) fn plain(self, message: &str) {
        self.say("logq:", "1;33", message);
    }

    fn say(self, label: &str, style: &str, message: &str) {
        let message = visible_lines(message);
        let _ = if self.color_messages {
            writeln!(io::stderr(), "\x1b[{style}m{label}\x1b[0m {message}")
        } else {
            writeln!(io::stderr(), "{label} {message}")
        };
    }
}

/// The rule of colour: what was typed, else `NO_COLOR`, else whether a person is looking.
fn colored(color: Color, facts: Facts) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => facts.terminal && !facts.no_color && !facts.dumb,
    }
}

/// A writer to standard output that holds rows back until a buffer is full, so that a large answer takes
/// few system calls. Must be flushed: what a drop cannot write is not reported.
pub(crate) fn stdout() -> io::BufWriter<io::StdoutLock<'static>> {
    io::BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// Progress on a terminal, from the second that the work takes longer than one.
pub(crate) struct Progress {
    started: Instant,
    bar: Option<ProgressBar>,
    terminal: bool,
    label: String,
    /// When the bar last changed, from the start of the work.
    shown: Duration,
}

impl Progress {
    /// Progress of work that began at `started`. Shows nothing yet.
    pub(crate) fn since(label: &str, started: Instant) -> Self {
        Self {
            started,
            bar: None,
            terminal: io::stderr().is_terminal(),
            label: visible(label),
            shown: Duration::ZERO,
        }
    }

    /// Names what is under way.
    pub(crate) fn name(&mut self, label: &str) {
        self.label = visible(label);
        if let Some(bar) = &self.bar {
            bar.set_prefix(self.label.clone());
        }
    }

    /// Says how far the work is: bytes done of all, where all is known, and rows, where there are some.
    pub(crate) fn bytes(&mut self, done: u64, all: Option<u64>, rows: Option<u64>) {
        let elapsed = self.started.elapsed();
        if !self.terminal || elapsed < PROGRESS_AFTER.max(self.shown + PROGRESS_EVERY) {
            return;
        }
        self.shown = elapsed;
        let bar = self.bar.get_or_insert_with(|| bar(&self.label, all));
        // Counted from the start of the work, not from when the bar was first drawn.
        let rate = u64::try_from(u128::from(done) * 1000 / elapsed.as_millis().max(1)).unwrap_or(u64::MAX);
        let left = all
            .map(|all| all.saturating_sub(done).div_ceil(rate.max(1)))
            .map(|seconds| format!(", {seconds}s left"));
        let rows = rows.map(|rows| count(rows, "row") + ", ").unwrap_or_default();
        bar.set_position(done);
        bar.set_message(format!("{rows}{}/s{}", size(rate), left.unwrap_or_default()));
        if bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        }
    }
}

impl Progress {
    /// Says how many rows are done, where nobody knows how many there are.
    pub(crate) fn rows(&mut self, rows: u64) {
        let elapsed = self.started.elapsed();
        if !self.terminal || elapsed < PROGRESS_AFTER.max(self.shown + PROGRESS_EVERY) {
            return;
        }
        self.shown = elapsed;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = bar(&self.label, None);
            let style = ProgressStyle::with_template("{prefix} {spinner} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let rate = u64::try_from(u128::from(rows) * 1000 / elapsed.as_millis().max(1)).unwrap_or(u64::MAX);
        bar.set_message(format!("{}, {}/s", count(rows, "row"), count(rate, "row")));
        if bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        }
    }
}

/// A bar that is drawn once it has something to say.
fn bar(label: &str, all: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(all, ProgressDrawTarget::hidden());
    let template = match all {
        Some(_) => "{prefix} {bar:24} {percent}% {msg}",
        None => "{prefix} {spinner} {bytes} {msg}",
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(label.to_owned());
    bar
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether a character could move the cursor, change colours, reorder the line or hide itself.
fn is_dangerous(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // Bidirectional controls reorder what stands around them; line and paragraph separators make one
        // record look like two.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with every dangerous character written out: `\n`, `\x1b`, `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut out, c);
    }
    out
}

/// As [`visible`], but ends of lines stay: for messages that are laid out in lines by ourselves.
pub(crate) fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Appends one character, written out when it is dangerous.
pub(crate) fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if !is_dangerous(c) => out.push(c),
        c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}

/// JSON with every dangerous character escaped, also those that JSON lets stand: the same JSON, harmless on a
/// terminal. Such characters stand only inside its strings.
pub(crate) fn plain_json(json: &str) -> Cow<'_, str> {
    let is_bare = |c: char| c != '\n' && is_dangerous(c);
    if json.is_ascii() || !json.contains(is_bare) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_bare(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// The digits of a whole number in groups of three; the rest of a decimal stays as it is.
pub(crate) fn grouped(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, fraction) = rest.split_at(whole);
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if 0 < at && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

/// A number of things: `1 row`, `2,000 rows`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(&number.to_string()), if number == 1 { "" } else { "s" })
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A length of time for people: three digits that matter and the unit that fits.
pub(crate) fn span(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    const UNITS: [(u64, u64, &str); 4] = [
        (1_000, 1, "ns"),
        (1_000_000, 1_000, "us"),
        (1_000_000_000, 1_000_000, "ms"),
        (60_000_000_000, 1_000_000_000, "s"),
    ];
    for (below, unit, name) in UNITS {
        if ns < below {
            return format!("{sign}{}{name}", three_digits(ns, unit));
        }
    }
    let seconds = ns / 1_000_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{sign}{minutes}m{:02}s", seconds % 60),
        (0, _) => format!("{sign}{hours}h{minutes:02}m"),
        _ => format!("{sign}{days}d{hours:02}h"),
    }
}

/// `value / unit` with as many decimals as make three digits, without trailing zeros.
fn three_digits(value: u64, unit: u64) -> String {
    let whole = value / unit;
    let places = if whole < 10 { 2 } else { usize::from(whole < 100) };
    let scale = 10_u64.pow(u32::try_from(places).unwrap_or(0));
    let fraction = value % unit * scale / unit;
    let text = format!("{whole}.{fraction:0places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_survives() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let shown = visible(&all);
        assert!(!shown.chars().any(is_dangerous));
        assert_eq!(
            visible("a\nb\x1b]52;c;aGk=\x07\u{9b}31m\u{202e}x\u{7f}"),
            "a\\nb\\x1b]52;c;aGk=\\x07\\x9b31m\\u{202e}x\\x7f"
        );
        assert_eq!(visible("caf\u{e9} \u{4e2d}"), "caf\u{e9} \u{4e2d}");
    }

    #[test]
    fn colour_follows_what_was_typed_then_the_environment_then_the_terminal() {
        let facts = |terminal, no_color, dumb| Facts { terminal, no_color, dumb };
        assert!(colored(Color::Always, facts(false, true, true)));
        assert!(!colored(Color::Never, facts(true, false, false)));
        assert!(colored(Color::Auto, facts(true, false, false)));
        assert!(!colored(Color::Auto, facts(true, true, false)));
        assert!(!colored(Color::Auto, facts(true, false, true)));
        assert!(!colored(Color::Auto, facts(false, false, false)));
    }

    #[test]
    fn numbers_are_grouped_and_spans_have_the_unit_that_fits() {
        for (number, want) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-1234567.5", "-1,234,567.5"),
            ("12345", "12,345"),
            ("x", "x"),
        ] {
            assert_eq!(grouped(number), want);
        }
        for (ns, want) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_500, "1.5us"),
            (12_345_678, "12.3ms"),
            (1_234_000_000, "1.23s"),
            (59_999_999_999, "59.9s"),
            (61_000_000_000, "1m01s"),
            (3_600_000_000_000, "1h00m"),
            (90_000_000_000_000, "1d01h"),
            (-5_000_000, "-5ms"),
        ] {
            assert_eq!(span(ns), want);
        }
    }
}
