//! The bytes of one JSON object, walked once: names and values as pieces of the line.
//!
//! Total: any bytes give entries or the place where they stop being an object. Nesting, names and fields
//! have limits, so that memory is bounded by a small multiple of the line.

use crate::base64;

/// Objects and arrays inside one another. The scanner recurses, and a thread's stack is finite.
pub(crate) const DEPTH_MAX: usize = 64;
/// Fields of one object. Each costs memory beyond its bytes.
pub(crate) const FIELDS_MAX: usize = 1 << 18;
/// Bytes of dotted paths and unescaped text of one object: a long name around many fields multiplies.
const ARENA_SIZE_MAX: usize = logq_engine::RECORD_SIZE_MAX;

/// Why a line is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Byte of the line at which it went wrong, from 1; 0 where that says nothing.
    pub column: u64,
    /// Lower case, without a full stop.
    pub reason: String,
}

impl Malformed {
    pub(crate) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { column: at as u64 + 1, reason: reason.into() }
    }
}

pub(crate) type Scanning<T> = std::result::Result<T, Malformed>;

/// A piece of the line, or of the arena: start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Line(u32, u32),
    Arena(u32, u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Scanned {
    Null,
    Bool(bool),
    Number(Text),
    String(Text),
    Json(Text),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Always UTF-8.
    pub(crate) name: Text,
    pub(crate) value: Scanned,
}

/// The bytes of a piece.
pub(crate) fn slice<'a>(line: &'a [u8], arena: &'a [u8], text: Text) -> &'a [u8] {
    let (from, start, end) = match text {
        Text::Line(start, end) => (line, start, end),
        Text::Arena(start, end) => (arena, start, end),
    };
    from.get(start as usize..end as usize).unwrap_or_default()
}

/// Both the line and the arena are at most [`ARENA_SIZE_MAX`] long.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// One walk over one line.
pub(crate) struct Scan<'a> {
    pub(crate) line: &'a [u8],
    pub(crate) at: usize,
    /// Whether all of the line is UTF-8.
    pub(crate) utf8: bool,
    /// Whether the array that is being read holds what JSON forbids.
    pub(crate) odd: bool,
    pub(crate) entries: &'a mut Vec<Entry>,
    /// Dotted paths and unescaped text.
    pub(crate) arena: &'a mut Vec<u8>,
    /// The path of the object that is being read.
    pub(crate) path: &'a mut Vec<u8>,
}

impl Scan<'_> {
    /// Walks over the whole line.
    pub(crate) fn top(&mut self) -> Scanning<()> {
        self.space();
        if !self.take(b'{') {
            return Err(self.fail("not a JSON object"));
        }
        self.object(1)?;
        self.space();
        if self.at < self.line.len() {
            return Err(self.fail("text after the object"));
        }
        Ok(())
    }

    fn fail(&self, reason: impl Into<String>) -> Malformed {
        if self.at < self.line.len() {
            return Malformed::new(self.at, reason);
        }
        Malformed::new(self.at, format!("{}, but the line ends", reason.into()))
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// The members of an object whose brace was taken; how many there are.
    fn object(&mut self, depth: usize) -> Scanning<usize> {
        let around = self.path.len();
        let mut count = 0;
        self.space();
        if self.take(b'}') {
            return Ok(0);
        }
        loop {
            if !self.take(b'"') {
                return Err(self.fail("expected a name in double quotes"));
            }
            let key = self.key()?;
            self.space();
            if !self.take(b':') {
                return Err(self.fail("expected `:`"));
            }
            self.space();
            self.member(key, depth)?;
            self.path.truncate(around);
            count += 1;
            self.space();
            if self.take(b'}') {
                return Ok(count);
            }
            if !self.take(b',') {
                return Err(self.fail("expected `,` or `}`"));
            }
            self.space();
        }
    }

    fn member(&mut self, key: Text, depth: usize) -> Scanning<()> {
        if self.peek() != Some(b'{') {
            let value = self.value(depth)?;
            let name = if depth == 1 { key } else { self.join(key, depth)? };
            return self.push(name, value);
        }
        let start = self.at;
        self.deeper(depth)?;
        let before = self.entries.len();
        let name = self.join(key, depth)?;
        self.path.clear();
        self.path.extend_from_slice(slice(self.line, self.arena, name));
        if self.object(depth + 1)? == 0 {
            return self.push(name, Scanned::Json(self.since(start)));
        }
        if self.entries.len() == before + 1 {
            self.unwrap_bytes(name);
        }
        Ok(())
    }

    /// `{"$bytes": base64}`, which an export makes of text that is not UTF-8, becomes those bytes again.
    fn unwrap_bytes(&mut self, around: Text) {
        let Some(Entry { name, value: Scanned::String(text) }) = self.entries.last().copied() else { return };
        let inner = slice(self.line, self.arena, name);
        if inner.strip_prefix(slice(self.line, self.arena, around)) != Some(b".$bytes") {
            return;
        }
        let text = std::str::from_utf8(slice(self.line, self.arena, text)).ok();
        if let Some(decoded) = text.and_then(base64::decode)
            && std::str::from_utf8(&decoded).is_err()
            && let Some(entry) = self.entries.last_mut()
        {
            let start = self.arena.len();
            self.arena.extend_from_slice(&decoded);
            let value = Scanned::String(Text::Arena(offset(start), offset(self.arena.len())));
            *entry = Entry { name: around, value };
        }
    }

    fn deeper(&mut self, depth: usize) -> Scanning<()> {
        if DEPTH_MAX <= depth {
            return Err(self.fail(format!("nested deeper than {DEPTH_MAX}")));
        }
        self.at += 1;
        Ok(())
    }

    /// The dotted path of `key`, in the arena.
    fn join(&mut self, key: Text, depth: usize) -> Scanning<Text> {
        let key_len = slice(self.line, self.arena, key).len();
        self.room(self.path.len() + key_len)?;
        let start = self.arena.len();
        self.arena.extend_from_slice(self.path);
        if 1 < depth {
            self.arena.push(b'.');
        }
        match key {
            Text::Line(from, to) => {
                self.arena.extend_from_slice(self.line.get(from as usize..to as usize).unwrap_or_default());
            }
            Text::Arena(from, to) => self.arena.extend_from_within(from as usize..to as usize),
        }
        Ok(Text::Arena(offset(start), offset(self.arena.len())))
    }

    fn room(&self, more: usize) -> Scanning<()> {
        if ARENA_SIZE_MAX - self.arena.len().min(ARENA_SIZE_MAX) <= more {
            return Err(self.fail("the dotted names of the object take more than 64 MiB"));
        }
        Ok(())
    }

    fn push(&mut self, name: Text, value: Scanned) -> Scanning<()> {
        if FIELDS_MAX <= self.entries.len() {
            return Err(self.fail(format!("more than {FIELDS_MAX} fields")));
        }
        self.entries.push(Entry { name, value });
        Ok(())
    }

    fn since(&self, start: usize) -> Text {
        Text::Line(offset(start), offset(self.at))
    }

    /// A name, made UTF-8: what is none is spelled `\xff`, so that different names stay different.
    fn key(&mut self) -> Scanning<Text> {
        let text = self.string()?;
        if self.utf8 && matches!(text, Text::Line(..)) {
            return Ok(text);
        }
        let bytes = slice(self.line, self.arena, text);
        if std::str::from_utf8(bytes).is_ok() {
            return Ok(text);
        }
        let spelled: String = bytes
            .utf8_chunks()
            .flat_map(|chunk| {
                let odd = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
                std::iter::once(chunk.valid().to_owned()).chain(odd)
            })
            .collect();
        self.room(spelled.len())?;
        let start = self.arena.len();
        self.arena.extend_from_slice(spelled.as_bytes());
        Ok(Text::Arena(offset(start), offset(self.arena.len())))
    }

    fn value(&mut self, depth: usize) -> Scanning<Scanned> {
        let start = self.at;
        Ok(match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Scanned::String(self.string()?)
            }
            Some(b'-' | b'0'..=b'9') => {
                if self.number()? {
                    Scanned::Number(self.since(start))
                } else {
                    Scanned::String(self.since(start))
                }
            }
            Some(b'[') => {
                self.odd = false;
                self.skip(depth)?;
                Scanned::Json(if self.odd { self.straighten(start)? } else { self.since(start) })
            }
            Some(b't') => self.word("true").map(|()| Scanned::Bool(true))?,
            Some(b'f') => self.word("false").map(|()| Scanned::Bool(false))?,
            Some(b'n') => self.word("null").map(|()| Scanned::Null)?,
            Some(b'N') => self.word("NaN").map(|()| Scanned::String(self.since(start)))?,
            Some(b'I') => self.word("Infinity").map(|()| Scanned::String(self.since(start)))?,
            _ => return Err(self.fail("expected a value")),
        })
    }

    fn word(&mut self, word: &str) -> Scanning<()> {
        if !self.line.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.fail("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// The text of a string whose opening quote was taken: the line's own bytes where nothing is escaped.
    fn string(&mut self) -> Scanning<Text> {
        let opened = self.at;
        let mut copied: Option<usize> = None;
        loop {
            let rest = self.line.get(self.at..).unwrap_or_default();
            let Some(len) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(Malformed::new(opened.saturating_sub(1), "the string is not closed"));
            };
            if copied.is_some() || rest.get(len) == Some(&b'\\') {
                copied.get_or_insert(self.arena.len());
                self.room(len)?;
                self.arena.extend_from_slice(rest.get(..len).unwrap_or_default());
            }
            self.at += len;
            if self.take(b'"') {
                return Ok(match copied {
                    Some(start) => Text::Arena(offset(start), offset(self.arena.len())),
                    None => Text::Line(offset(opened), offset(self.at - 1)),
                });
            }
            self.escape()?;
        }
    }

    /// One escape, from its backslash, into the arena. A surrogate without its pair is encoded as it is,
    /// which makes the text bytes (WTF-8) instead of losing what was given.
    fn escape(&mut self) -> Scanning<()> {
        let byte = match self.line.get(self.at + 1) {
            Some(b'"') => b'"',
            Some(b'\\') => b'\\',
            Some(b'/') => b'/',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.fail("unknown escape")),
        };
        self.at += 2;
        self.arena.push(byte);
        Ok(())
    }

    fn unicode(&mut self) -> Scanning<()> {
        let Some(unit) = self.hex(self.at + 2) else {
            return Err(self.fail("expected four hex digits after \\u"));
        };
        self.at += 6;
        let mut code = unit;
        if (0xd800..0xdc00).contains(&unit)
            && self.line.get(self.at..self.at + 2) == Some(b"\\u")
            && let Some(low @ 0xdc00..0xe000) = self.hex(self.at + 2)
        {
            self.at += 6;
            code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        }
        if let Some(char) = char::from_u32(code) {
            self.arena.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            let bytes = [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
            self.arena.extend(bytes.map(base64::low_byte));
        }
        Ok(())
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.line.get(at..at + 4)?;
        digits.iter().try_fold(0, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
    }

    /// A number in the grammar of JSON, or `-Infinity`, which is none: `false`.
    fn number(&mut self) -> Scanning<bool> {
        if self.take(b'-') && self.peek() == Some(b'I') {
            return self.word("Infinity").map(|()| false);
        }
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(true)
    }

    fn digits(&mut self) -> Scanning<()> {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 {
            return Err(self.fail("expected a digit"));
        }
        self.at += len;
        Ok(())
    }

    /// Checks a value inside an array and passes over it.
    fn skip(&mut self, depth: usize) -> Scanning<()> {
        match self.peek() {
            Some(b'[') => {
                self.deeper(depth)?;
                self.skip_members(depth + 1, b']')
            }
            Some(b'{') => {
                self.deeper(depth)?;
                self.skip_members(depth + 1, b'}')
            }
            Some(b'"') => {
                self.at += 1;
                self.skip_string()
            }
            Some(b'-' | b'0'..=b'9') => {
                self.odd |= !self.number()?;
                Ok(())
            }
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'N') => {
                self.odd = true;
                self.word("NaN")
            }
            Some(b'I') => {
                self.odd = true;
                self.word("Infinity")
            }
            _ => Err(self.fail("expected a value")),
        }
    }

    fn skip_members(&mut self, depth: usize, close: u8) -> Scanning<()> {
        self.space();
        if self.take(close) {
            return Ok(());
        }
        loop {
            if close == b'}' {
                if !self.take(b'"') {
                    return Err(self.fail("expected a name in double quotes"));
                }
                self.skip_string()?;
                self.space();
                if !self.take(b':') {
                    return Err(self.fail("expected `:`"));
                }
                self.space();
            }
            self.skip(depth)?;
            self.space();
            if self.take(close) {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.fail(format!("expected `,` or `{}`", char::from(close))));
            }
            self.space();
        }
    }

    fn skip_string(&mut self) -> Scanning<()> {
        let opened = self.at;
        loop {
            let rest = self.line.get(self.at..).unwrap_or_default();
            let Some(len) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(Malformed::new(opened.saturating_sub(1), "the string is not closed"));
            };
            self.odd |= rest.iter().take(len).any(|&byte| byte < 0x20);
            self.at += len;
            if self.take(b'"') {
                return Ok(());
            }
            match self.line.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') if self.hex(self.at + 2).is_some() => self.at += 6,
                Some(b'u') => return Err(self.fail("expected four hex digits after \\u")),
                _ => return Err(self.fail("unknown escape")),
            }
        }
    }

    /// The array from `start` as JSON that every reader takes: control characters escaped, `NaN` quoted.
    fn straighten(&mut self, start: usize) -> Scanning<Text> {
        let array = self.line.get(start..self.at).unwrap_or_default();
        self.room(array.len().saturating_mul(6))?;
        let from = self.arena.len();
        let (mut inside, mut escaped) = (false, false);
        let mut at = 0;
        while let Some(&byte) = array.get(at) {
            let rest = array.get(at..).unwrap_or_default();
            let word =
                [b"-Infinity".as_slice(), b"Infinity", b"NaN"].into_iter().find(|w| rest.starts_with(w));
            match (inside, word) {
                (false, Some(word)) => {
                    self.arena.push(b'"');
                    self.arena.extend_from_slice(word);
                    self.arena.push(b'"');
                    at += word.len();
                    continue;
                }
                (true, _) if byte < 0x20 => self.arena.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.arena.push(byte),
            }
            inside ^= byte == b'"' && !escaped;
            escaped = inside && byte == b'\\' && !escaped;
            at += 1;
        }
        Ok(Text::Arena(offset(from), offset(self.arena.len())))
    }
}
