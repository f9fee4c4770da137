//! Templates: what stays the same in the messages that one place of a program writes.
//!
//! The template of a message is a function of that message alone: a token is constant or variable by its own form and
//! that of its neighbours, never by what other messages say. So it does not depend on which records were read before, on
//! threads, or on how records are stored. What learns from the messages before (Drain: He et al., "An online log parsing
//! approach with fixed depth tree", ICWS 2017) has none of that; the notation `<*>` is the one of that work.
//!
//! - Tokens are what stands between white space and the signs `: ; , = ( ) [ ] { } < > " ' |` `&` and slashes. A token that holds a
//!   digit is a variable; so are paths, addresses, names of hosts, quoted texts, and what stands behind `key=`.
//! - A form that cannot be mistaken has a name (`<host>`, `<path>`, `<url>`, `<time>`, `<duration>`, `<size>`, `<email>`,
//!   `<uuid>`). Everything else is `<*>`: whether `cafe01` is a number, an id or a name depends on the other messages.
//! - Runs of the same variable become one, so that a list has one template however long it is; runs of white space
//!   become one space.
//! - Only the first 4,096 bytes are looked at: for the rest stands `...`.
//!
//! One pass: each byte is looked at a bounded number of times. How well templates group the messages of real programs is
//! measured in `query/tests/patterns.rs`.

use std::net::Ipv6Addr;

/// Bytes of a message that its template is made of.
pub const TEMPLATE_READ_MAX: usize = 4096;

const ANY: &str = "<*>";
const HOST: &str = "<host>";
const PATH: &str = "<path>";
const TIME: &str = "<time>";

/// Units that belong to the number before them.
const UNITS: [(&str, &str); 22] = [
    ("B", "<size>"),
    ("KB", "<size>"),
    ("kB", "<size>"),
    ("MB", "<size>"),
    ("GB", "<size>"),
    ("TB", "<size>"),
    ("PB", "<size>"),
    ("KiB", "<size>"),
    ("MiB", "<size>"),
    ("GiB", "<size>"),
    ("TiB", "<size>"),
    ("ns", "<duration>"),
    ("us", "<duration>"),
    ("ms", "<duration>"),
    ("s", "<duration>"),
    ("sec", "<duration>"),
    ("secs", "<duration>"),
    ("m", "<duration>"),
    ("min", "<duration>"),
    ("h", "<duration>"),
    ("d", "<duration>"),
    ("%", ANY),
];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Last labels of names of hosts; names that end otherwise need a digit or a hyphen to be taken for one.
const TOP_LABELS: [&str; 12] =
    ["arpa", "com", "dev", "edu", "gov", "int", "internal", "io", "lan", "local", "net", "org"];

/// What proves who somebody is: `password for NAME from`.
const PROOFS: [&str; 7] = ["password", "publickey", "none", "login", "logon", "certificate", "token"];

/// The template of a message: its constant words, and placeholders for what varies. The same message always gives the same
/// template; white space at the ends is left out.
///
/// ```
/// use logq_engine::text::template;
/// assert_eq!(template("retry 47 after 1.5s: 10.0.0.7:5432 refused"), "retry <*> after <duration>: <host> refused");
/// assert_eq!(template("user=alice path=/home/alice"), "user=<*> path=<*>");
/// assert_eq!(template("call 8f14e45f failed: no such file /tmp/a.txt"), "call <*> failed: no such file <path>");
/// ```
pub fn template(message: &str) -> String {
    let mut cut = message.len().min(TEMPLATE_READ_MAX);
    while !message.is_char_boundary(cut) {
        cut -= 1;
    }
    let (head, rest) = message.split_at(cut);
    let mut writer = Writer { out: String::with_capacity(head.len()), run: None, before: ["", ""] };
    writer.text(head);
    if !rest.is_empty() {
        writer.out.push_str("...");
    }
    writer.out
}

/// A template as far as it is written.
struct Writer<'m> {
    out: String,
    /// The placeholder that was written last, and where it ended: another one of its kind right after it adds nothing.
    run: Option<(&'static str, usize)>,
    /// The two words before this one, the nearer one last.
    before: [&'m str; 2],
}

impl<'m> Writer<'m> {
    fn text(&mut self, text: &'m str) {
        let mut rest = text.trim();
        // For each kind of quote, that none of them closes any more: it is not looked for again.
        let mut unclosed = [false; 2];
        let mut first = true;
        while !rest.is_empty() {
            if !first {
                self.out.push(' ');
            }
            first = false;
            if let Some((sign, after)) = quoted(rest, &mut unclosed) {
                self.out.push(sign);
                self.variable(ANY);
                self.out.push(sign);
                let (tail, after) = next_word(after);
                self.word(tail, after);
                rest = after;
                continue;
            }
            let (word, mut after) = next_word(rest);
            if self.with_unit(word, after) {
                (_, after) = next_word(after);
            } else {
                self.word(word, after);
            }
            let [_, last] = self.before;
            self.before = [last, word];
            rest = after;
        }
    }

    /// Writes a number whose unit is the next word, with that word; says no where it is none.
    fn with_unit(&mut self, word: &str, after: &str) -> bool {
        let number = word.trim_start_matches(['(', '[', '+', '-']);
        let (next, _) = next_word(after);
        let name = next.trim_end_matches([',', '.', ';', ':', ')', ']']);
        let Some(kind) = unit(name).filter(|_| is_number(number)) else { return false };
        let open = word.get(..word.len() - number.len()).unwrap_or_default();
        self.out.push_str(open.trim_end_matches(['+', '-']));
        self.variable(kind);
        self.out.push_str(next.get(name.len()..).unwrap_or_default());
        true
    }

    /// Writes what stands between white space: tokens, and the signs between them.
    fn word(&mut self, word: &'m str, after: &str) {
        let bare = word.trim_matches(is_edge);
        let start = word.len() - word.trim_start_matches(is_edge).len();
        let open = word.get(..start).unwrap_or_default();
        let close = word.get(start + bare.len()..).unwrap_or_default();
        // The name of an address may follow it in parentheses, or nothing in them.
        let address = self.run.is_some_and(|(kind, end)| kind == HOST && end + 1 == self.out.len());
        if address && open.starts_with('(') && (close.starts_with(')') || open.starts_with("()")) {
            self.out.pop();
            self.out.push_str(word.rsplit_once(')').map_or("", |(_, rest)| rest));
            return;
        }
        self.out.push_str(open);
        match whole(bare).or_else(|| self.named(bare, after)) {
            Some(kind) => self.variable(kind),
            None if is_list(bare) => {
                for (at, part) in bare.split(',').enumerate() {
                    self.out.push_str(if at == 0 { "" } else { "," });
                    match whole(part) {
                        Some(kind) => self.variable(kind),
                        None => self.tokens(part),
                    }
                }
            }
            None => self.tokens(bare),
        }
        self.out.push_str(close);
    }

    /// A variable that only its neighbours tell.
    fn named(&self, bare: &str, after: &str) -> Option<&'static str> {
        let next = next_word(after).0.trim_matches(is_edge);
        let number = next.starts_with(|c: char| c.is_ascii_digit());
        if (MONTHS.contains(&bare) && number) || (DAYS.contains(&bare) && MONTHS.contains(&next)) {
            return Some(TIME);
        }
        let [before, last] = self.before;
        let is = |word: &str, list: &[&str]| list.iter().any(|have| word.eq_ignore_ascii_case(have));
        let user =
            is(last, &["user"]) && (is(before, &["for", "invalid", "as", "to"]) || is(next, &["from"]));
        let proven = is(last, &["for"]) && is(before, &PROOFS) && is(next, &["from"]);
        (!bare.is_empty() && (user || proven)).then_some(ANY)
    }

    /// Writes a word that is no variable as a whole.
    fn tokens(&mut self, word: &str) {
        let mut rest = word;
        while !rest.is_empty() {
            let (token, after) = rest.split_at(rest.find(is_sign).unwrap_or(rest.len()));
            self.token(token);
            let Some(sign) = after.chars().next() else { return };
            self.out.push(sign);
            rest = after.get(sign.len_utf8()..).unwrap_or_default();
            // What stands behind a name and `=` is a value, whatever its form, and so is a path as an argument.
            let value = if sign == '=' && is_key(token) {
                Some((ANY, rest.find([',', ';', '&', ')', ']', '}']).unwrap_or(rest.len())))
            } else if sign == '(' && is_path(rest) {
                Some((PATH, rest.find([',', ')']).unwrap_or(rest.len())))
            } else {
                None
            };
            if let Some((kind, end)) = value.filter(|(_, end)| *end != 0) {
                self.variable(kind);
                rest = rest.get(end..).unwrap_or_default();
            }
        }
    }

    fn token(&mut self, token: &str) {
        match kind(token) {
            // A line of dots leads to the value.
            Some(_) if token.contains("...") => {
                let end = token.rfind("...").map_or(0, |at| at + 3);
                let (name, value) = token.split_at(end);
                self.out.push_str(name.trim_end_matches('.'));
                self.out.push_str("...");
                match kind(value) {
                    Some(kind) => self.variable(kind),
                    None => self.out.push_str(value),
                }
            }
            Some(kind) => self.variable(kind),
            None => self.out.push_str(token),
        }
    }

    /// Writes a placeholder, unless it goes on a run of the same one.
    fn variable(&mut self, kind: &'static str) {
        if let Some((last, end)) = self.run
            && last == kind
            && self.out.get(end..).is_some_and(|between| {
                !between.is_empty() && between.len() < 8 && between.bytes().all(|b| b == b' ' || b == b',')
            })
        {
            self.out.truncate(end);
            return;
        }
        self.out.push_str(kind);
        self.run = Some((kind, self.out.len()));
    }
}

/// The text up to the next white space, and what follows that.
fn next_word(text: &str) -> (&str, &str) {
    let (word, after) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (word, after.trim_start())
}

/// Signs around a word.
fn is_edge(c: char) -> bool {
    matches!(
        c,
        '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '"' | '\'' | '`' | ',' | ';' | ':' | '.' | '!' | '?'
    )
}

/// Signs between tokens.
fn is_sign(c: char) -> bool {
    (is_edge(c) && c != '.') || matches!(c, '=' | '|' | '&' | '/' | '\\')
}

/// A quoted text at the start of `rest` that is a variable: its sign, and what follows it. The name of a field
/// (`"name":`) is none, and a text of several words that begins with capitals, such as a line of a request, is walked
/// through instead.
fn quoted<'m>(rest: &'m str, unclosed: &mut [bool; 2]) -> Option<(char, &'m str)> {
    let sign = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let seen = unclosed.get_mut(usize::from(sign == '\''))?;
    if *seen {
        return None;
    }
    let Some((inside, after)) = rest.get(1..)?.split_once(sign) else {
        *seen = true;
        return None;
    };
    let first = inside.split(' ').next()?;
    let request =
        first.len() < inside.len() && 1 < first.len() && first.bytes().all(|b| b.is_ascii_uppercase());
    (!request && !inside.is_empty() && !after.starts_with(':')).then_some((sign, after))
}

/// What a whole word is, signs and all.
fn whole(word: &str) -> Option<&'static str> {
    if is_octets(word) {
        return Some(ANY);
    }
    if is_address(word.trim_start_matches('/')) {
        return Some(HOST);
    }
    if word.contains("://") {
        return Some("<url>");
    }
    if let Some((name, host)) = word.split_once('@')
        && !name.is_empty()
        && host.contains('.')
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"@._+-".contains(&b))
    {
        return Some("<email>");
    }
    if is_path(word) || (2 <= word.matches('/').count() && !is_date(word) && !word.contains(['=', '('])) {
        return Some(PATH);
    }
    if is_date(word) {
        return Some(TIME);
    }
    if word.contains(is_sign) || word.contains("...") { None } else { kind(word) }
}

/// What a token is; none where it is constant.
fn kind(token: &str) -> Option<&'static str> {
    if is_uuid(token) {
        return Some("<uuid>");
    }
    if is_host(token) {
        return Some(HOST);
    }
    if !token.chars().any(char::is_numeric) {
        return None;
    }
    let plain = token.trim_start_matches(['+', '-']);
    let number = plain.trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
    let name = plain.get(number.len()..).unwrap_or_default();
    unit(name).filter(|_| is_number(number)).or(Some(ANY))
}

fn unit(name: &str) -> Option<&'static str> {
    UNITS.iter().find(|(have, _)| *have == name).map(|(_, kind)| *kind)
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'_')
}

/// A date or a time of day in digits.
fn is_date(word: &str) -> bool {
    let signs = |sign: char| word.matches(sign).count();
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_digit() || b":-/.,TZ+".contains(&b))
        && (2 <= signs(':') || 2 <= signs('-') || 2 <= signs('/'))
}

/// Several values with commas between them.
fn is_list(word: &str) -> bool {
    word.contains(',') && word.split(',').all(|part| part.bytes().any(|b| b.is_ascii_digit()))
}

/// Four pairs or more of hexadecimal digits, with colons or hyphens between them: the address of a device.
fn is_octets(word: &str) -> bool {
    let pair = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    11 <= word.len() && word.split([':', '-']).all(pair)
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Four numbers with dots, with or without a port, or an address of IPv6.
fn is_address(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
        && host.split('.').count() == 4
        && host.split('.').all(number)
    {
        return true;
    }
    text.len() <= 45 && 2 <= text.matches(':').count() && text.parse::<Ipv6Addr>().is_ok()
}

/// Three labels or more with dots between them, in lower case: no end of a sentence, no file and no class.
fn is_host(text: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    let Some((rest, last)) = text.rsplit_once('.') else { return false };
    let known = TOP_LABELS.contains(&last) || text.bytes().any(|b| b.is_ascii_digit() || b == b'-');
    known
        && rest.contains('.')
        && (2..=8).contains(&last.len())
        && last.bytes().all(|b| b.is_ascii_lowercase())
        && rest.split('.').all(label)
}

/// A path from the root, from a drive or from some folder.
fn is_path(word: &str) -> bool {
    (word.starts_with('/') && 1 < word.len())
        || ["~/", "./", "../"].iter().any(|start| word.starts_with(start))
        || word.get(1..3).is_some_and(|sign| sign == ":\\")
}

fn is_key(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Messages of our own in the manner of many programs, and what stays of them.
    const EXAMPLES: [(&str, &str); 30] = [
        ("", ""),
        ("  started  up \n", "started up"),
        ("worker 12 of 40 done", "worker <*> of <*> done"),
        ("done in 12ms, 4 KiB read", "done in <duration>, <size> read"),
        ("done in 12 ms, 4.5 MB read.", "done in <duration>, <size> read."),
        ("load at 97%", "load at <*>"),
        ("connect to 10.1.2.3:80 (db.lan) failed", "connect to <host> failed"),
        ("connect to fe80::1 failed", "connect to <host> failed"),
        ("resolve api.example.com: timeout", "resolve <host>: timeout"),
        ("org.acme.Worker started", "org.acme.Worker started"),
        ("GET https://example.com/a?b=1 gave 502", "GET <url> gave <*>"),
        ("read /var/lib/store/a.seg", "read <path>"),
        ("open(/tmp/x, 2) failed", "open(<path>, <*>) failed"),
        ("read src/index/worker.rs", "read <path>"),
        ("and/or", "and/or"),
        ("mail to ann@example.com", "mail to <email>"),
        ("at 2026-11-22T10:00:00Z", "at <time>"),
        ("on Nov 22 and Sun Nov 22", "on <time> <*> and <time> <*>"),
        ("job 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "job <uuid>"),
        ("link 00:1a:2b:3c:4d:5e up", "link <*> up"),
        ("retries=3, model=llama3.2;why=none", "retries=<*>, model=<*>;why=<*>"),
        ("model 'llama3.2' not found", "model '<*>' not found"),
        ("it's what it's", "it's what it's"),
        ("{\"name\": \"a b\", \"n\": 5}", "{\"name\": \"<*>\", \"n\": <*>}"),
        ("nodes 10.0.0.1,10.0.0.2 left", "nodes <host> left"),
        ("ids 1, 2, 3 and 4 5 6", "ids <*> and <*>"),
        ("threshold.........12", "threshold...<*>"),
        (
            "Failed password for invalid user bob from 10.0.0.9",
            "Failed password for invalid user <*> from <host>",
        ),
        ("user alice from somewhere", "user <*> from somewhere"),
        ("\u{6a21}\u{578b} 12 \u{5931}\u{8d25}", "\u{6a21}\u{578b} <*> \u{5931}\u{8d25}"),
    ];

    #[test]
    fn a_template_keeps_the_words_and_names_what_varies() {
        for (message, expected) in EXAMPLES {
            assert_eq!(template(message), expected, "of {message:?}");
        }
    }

    #[test]
    fn a_long_message_is_read_to_a_bounded_length() {
        let long = "\u{fc}".repeat(TEMPLATE_READ_MAX);
        assert_eq!(template(&long).len(), TEMPLATE_READ_MAX + 3);
        let values = "7 ".repeat(TEMPLATE_READ_MAX);
        assert_eq!(template(&values), "<*>...");
    }

    proptest! {
        #[test]
        fn any_text_has_a_template(text in ".{0,300}") {
            let first = template(&text);
            prop_assert_eq!(&first, &template(&text));
        }

        #[test]
        fn numbers_do_not_change_a_template(a in 0..1_000_000u32, b in 0..1_000_000u32) {
            let of = |n: u32| template(&format!("step {n} of run-{n} took {n} ms at node{n} (x={n})"));
            prop_assert_eq!(of(a), of(b));
        }
    }
}
