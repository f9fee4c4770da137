//! Templates: texts that differ only in words with digits, each as the number of its template and what its words stand for.
//!
//! The log messages of a program come from a few hundred places in it. A text is cut into constant pieces and variables (runs of ASCII
//! letters and digits that hold a digit); texts with the same pieces have one template, which is kept once, and each variable
//! takes the bits that its values need. The idea is that of CLP (Rodrigues, Luo, Yuan: "CLP: Efficient and Scalable Search on
//! Compressed Text Logs", OSDI 2021).
//!
//! ```text
//! form      codec u8, size of the list (varint), packed size (varint), list packed by the codec
//! list      count of templates (varint, 1 ..= 1,024), for each: count of variables (varint, 0 ..= 64), pieces (one more than
//!           variables; length as a varint, bytes), kinds of the variables
//! kind      0 ..= 18: a number of at least so many digits, zeros in front; least (varint), bits of the greatest less the least u8
//!           19: a text
//!           64 ..= 127: 1 to 64 lower-case hex digits
//! page      for each text the number of its template, 0 for a text that has none (see `bits`); the texts that have
//!           none and then the variables that are texts, each list as below, both in the order of the texts; then the numbers
//!           and hex digits of all texts, in their order, bit by bit
//! number    less the least
//! hex       four bits a digit, the first digit lowest
//! texts     bits of a length u8, lengths (see `bits`), the texts one after the other
//! ```
//!
//! A template is a matter of storage alone: what does not fit one is kept as it is, and what comes back is what went in.

mod bitstream;
mod cut;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::OnceLock;

use self::bitstream::{BitReader, BitWriter};
use self::cut::Cut;
use super::bits;
use super::codec::{Codec, Packer, Unpacker};
use super::texts::{Run, take_count};
use crate::format::varint;
use crate::hash::SmallHasher;

/// Templates of one column of a block.
const TEMPLATES_MAX: usize = 1024;
/// Variables of a template.
const VARIABLES_MAX: usize = 64;
/// Bytes of a template's pieces; what is longer is no message of a program.
const PIECES_SIZE_MAX: usize = 1024;
/// Fewer texts are not looked at.
const TEXTS_MIN: usize = 256;
/// After so many texts most of them must have had a template that came before.
const TRIED: usize = 2048;
/// A template of fewer texts is not worth its list entry.
const USES_MIN: u32 = 3;
/// Digits of a number: all of so many fit 64 bits with room to spare.
const DIGITS_MAX: usize = 18;
/// Hex digits of an id.
const HEX_MAX: usize = 64;
/// Bytes of the list, at most: no list of real templates comes near.
const LIST_SIZE_MAX: usize = TEMPLATES_MAX * (PIECES_SIZE_MAX + 16 * VARIABLES_MAX);

/// Hex digits that are taken at once: with the bits before them in a byte they fit 64.
const HEX_AT_ONCE: u32 = 14;

const TEXT: u8 = 19;
const HEX: u8 = 63;

/// The templates of a column.
#[derive(Debug)]
pub(crate) struct Templates {
    codec: u8,
    size: usize,
    packed: Vec<u8>,
    /// The list, read when it is first asked for; none where it does not read.
    list: OnceLock<Option<Vec<Template>>>,
    /// The number of each template by its pieces; only of templates that were made here.
    numbers: Numbers,
}

/// Numbers of templates by their keys.
type Numbers = HashMap<Box<[u8]>, usize, BuildHasherDefault<SmallHasher>>;

impl Clone for Templates {
    fn clone(&self) -> Self {
        Self {
            codec: self.codec,
            size: self.size,
            packed: self.packed.clone(),
            list: self.list.clone(),
            numbers: self.numbers.clone(),
        }
    }
}

impl PartialEq for Templates {
    fn eq(&self, other: &Self) -> bool {
        (self.codec, self.size, &self.packed) == (other.codec, other.size, &other.packed)
    }
}

impl Eq for Templates {}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Template {
    /// The constant pieces, one after the other.
    pieces: Vec<u8>,
    /// Where each piece ends: one more than variables.
    ends: Vec<usize>,
    variables: Vec<Variable>,
    /// How many of the variables are texts.
    words: usize,
    /// The bits that the others take.
    bits: usize,
}

/// What the values of a variable are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    /// Numbers of at least `digits` digits.
    Number {
        digits: u8,
        least: u64,
        width: u8,
    },
    /// This many lower-case hex digits.
    Hex(u8),
    Text,
}

/// What is known of the values of a variable so far.
#[derive(Clone, Copy)]
struct Seen {
    least: u64,
    greatest: u64,
    len_min: usize,
    len_max: usize,
    /// The longest value with a zero in front.
    zeros_max: usize,
    numbers: bool,
    hex: bool,
}

impl Seen {
    const NOTHING: Self = Self {
        least: u64::MAX,
        greatest: 0,
        len_min: usize::MAX,
        len_max: 0,
        zeros_max: 0,
        numbers: true,
        hex: true,
    };

    fn add(&mut self, word: &[u8]) {
        self.len_min = self.len_min.min(word.len());
        self.len_max = self.len_max.max(word.len());
        if self.numbers {
            match number(word) {
                Some(number) => {
                    self.least = self.least.min(number);
                    self.greatest = self.greatest.max(number);
                    if 1 < word.len() && word.first() == Some(&b'0') {
                        self.zeros_max = self.zeros_max.max(word.len());
                    }
                }
                None => self.numbers = false,
            }
        }
        if self.hex {
            self.hex = word.iter().all(|byte| hex_digit(*byte).is_some());
        }
    }

    fn variable(&self) -> Variable {
        // A zero in front is only known again where it fills up to the length that is usual.
        if self.numbers && (self.zeros_max == 0 || self.zeros_max == self.len_min) {
            let digits = if self.zeros_max == 0 { 0 } else { u8::try_from(self.len_min).unwrap_or(0) };
            let width = u8::try_from(bits::width(self.greatest - self.least)).unwrap_or(64);
            return Variable::Number { digits, least: self.least, width };
        }
        match u8::try_from(self.len_min) {
            Ok(len) if self.hex && self.len_min == self.len_max && self.len_min <= HEX_MAX => {
                Variable::Hex(len)
            }
            _ => Variable::Text,
        }
    }
}

impl Templates {
    /// The templates that most of these texts have; none where few have one.
    pub(crate) fn of(run: Run<'_>, codec: Codec, packer: &mut Packer) -> Option<Self> {
        if run.ends.len() < TEXTS_MIN {
            return None;
        }
        let mut found = Numbers::default();
        let mut seen: Vec<(u32, Vec<Seen>)> = Vec::new();
        let mut cut = Cut::default();
        let mut others = 0_usize;
        for (number, text) in run.iter().enumerate() {
            if number == TRIED && TRIED < 2 * (seen.len() + others) {
                return None;
            }
            if !cut.take(text) {
                others += 1;
                continue;
            }
            let at = match found.get(cut.key.as_slice()) {
                Some(at) => *at,
                // Templates are few, or this column has none.
                None if seen.len() == 4 * TEMPLATES_MAX => {
                    others += 1;
                    continue;
                }
                None => {
                    found.insert(cut.key.clone().into_boxed_slice(), seen.len());
                    seen.push((0, vec![Seen::NOTHING; cut.variables.len()]));
                    seen.len() - 1
                }
            };
            let Some((uses, variables)) = seen.get_mut(at) else { continue };
            *uses += 1;
            for (variable, range) in variables.iter_mut().zip(&cut.variables) {
                variable.add(text.get(range.clone()).unwrap_or_default());
            }
        }
        // In the order of first appearance, which is that of the texts.
        let mut kept: Vec<(usize, Box<[u8]>)> = found
            .into_iter()
            .filter(|(_, at)| seen.get(*at).is_some_and(|(uses, _)| USES_MIN <= *uses))
            .map(|(key, at)| (at, key))
            .collect();
        kept.sort_unstable_by_key(|(at, _)| *at);
        kept.truncate(TEMPLATES_MAX);
        let uses =
            kept.iter().filter_map(|(at, _)| seen.get(*at)).map(|(uses, _)| *uses as usize).sum::<usize>();
        if kept.is_empty() || uses * 4 < run.ends.len() * 3 {
            return None;
        }
        let template = |(at, key): &(usize, Box<[u8]>)| {
            let variables = seen.get(*at).map(|(_, variables)| variables.as_slice()).unwrap_or_default();
            Template::new(key, variables.iter().map(Seen::variable).collect())
        };
        let list: Vec<Template> = kept.iter().map(template).collect();
        let mut raw = Vec::new();
        varint::put(&mut raw, list.len() as u64);
        list.iter().for_each(|template| template.put(&mut raw));
        let (codec, packed) = packer.pack(codec, &raw);
        Some(Self {
            codec: codec as u8,
            size: raw.len(),
            packed: packed.to_vec(),
            list: OnceLock::from(Some(list)),
            numbers: kept.into_iter().enumerate().map(|(number, (_, key))| (key, number)).collect(),
        })
    }

    /// Bytes of the form, about.
    pub(crate) fn size(&self) -> usize {
        self.packed.len()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.codec);
        varint::put(out, self.size as u64);
        varint::put(out, self.packed.len() as u64);
        out.extend_from_slice(&self.packed);
    }

    pub(crate) fn read(input: &mut &[u8]) -> Option<Self> {
        let (&codec, rest) = input.split_first()?;
        *input = rest;
        let size = take_count(input, LIST_SIZE_MAX as u64)?;
        let packed_size = varint::take(input)?;
        let packed = varint::take_bytes(input, packed_size)?.to_vec();
        let plausible = Unpacker::plausible(Codec::from_tag(codec)?, packed.len(), size);
        plausible.then_some(Self { codec, size, packed, list: OnceLock::new(), numbers: Numbers::default() })
    }

    fn list(&self) -> Option<&[Template]> {
        self.list.get_or_init(|| self.unpack()).as_deref()
    }

    fn unpack(&self) -> Option<Vec<Template>> {
        let mut raw = Vec::new();
        Unpacker::default().unpack(Codec::from_tag(self.codec)?, &self.packed, self.size, &mut raw)?;
        let mut input = raw.as_slice();
        let count = take_count(&mut input, TEMPLATES_MAX as u64).filter(|count| *count != 0)?;
        let list = (0..count).map(|_| Template::take(&mut input)).collect::<Option<Vec<_>>>()?;
        input.is_empty().then_some(list)
    }

    /// Appends the page of these texts.
    pub(crate) fn put(&self, run: Run<'_>, out: &mut Vec<u8>) {
        let list = self.list().unwrap_or_default();
        let mut cut = Cut::default();
        let mut numbers = Vec::with_capacity(run.ends.len());
        let (mut others, mut words) = (Vec::new(), Vec::new());
        let mut bits = BitWriter::default();
        let mut start = run.start;
        for (text, end) in run.iter().zip(run.ends) {
            let found = if cut.take(text) { self.numbers.get(cut.key.as_slice()).copied() } else { None };
            let found = found.and_then(|at| Some((at, list.get(at)?)));
            match found.filter(|(_, template)| template.fits(text, &cut)) {
                Some((at, template)) => {
                    template.collect(text, start, &cut, &mut bits, &mut words);
                    numbers.push(at as u64 + 1);
                }
                None => {
                    others.push(start..*end);
                    numbers.push(0);
                }
            }
            start = *end;
        }
        bits::pack(out, bits::width(list.len() as u64), numbers.into_iter());
        put_words(run.bytes, &others, out);
        put_words(run.bytes, &words, out);
        bits.finish(out);
    }

    /// The text of a template with `0` for each of its variables; none past the last template. Templates count from 1.
    pub(crate) fn sample(&self, code: usize) -> Option<String> {
        let template = self.list()?.get(code.checked_sub(1)?)?;
        let mut sample = Vec::with_capacity(template.pieces.len() + template.variables.len());
        let mut start = 0;
        for (at, &end) in template.ends.iter().enumerate() {
            if at != 0 {
                sample.push(b'0');
            }
            sample.extend_from_slice(template.pieces.get(start..end)?);
            start = end;
        }
        String::from_utf8(sample).ok()
    }

    /// Finds out where each of the `count` texts of a page lies.
    pub(crate) fn open(&self, page: &[u8], count: usize, into: &mut Places) -> Option<()> {
        let list = self.list()?;
        let width = bits::width(list.len() as u64);
        let code = |code: u64| usize::try_from(code).unwrap_or(usize::MAX);
        bits::unpack(page.get(..bits::size(count, width))?, width, count, &mut into.codes, code)?;
        into.starts.clear();
        let (mut others, mut words, mut bits) = (0, 0, 0);
        for code in &into.codes {
            into.starts.push(Start { bits, words: if *code == 0 { others } else { words } });
            match code.checked_sub(1) {
                None => others += 1,
                Some(at) => {
                    let template = list.get(at)?;
                    words += template.words;
                    bits += template.bits;
                }
            }
        }
        let mut input = page.get(bits::size(count, width)..)?;
        into.others.take(page.len(), &mut input, others)?;
        into.words.take(page.len(), &mut input, words)?;
        into.bits = page.len() - input.len();
        (input.len() == bits.div_ceil(8)).then_some(())
    }

    /// Appends one text of a page that was opened.
    #[inline]
    pub(crate) fn print(&self, page: &[u8], places: &Places, at: usize, out: &mut Vec<u8>) -> Option<()> {
        let (code, start) = (*places.codes.get(at)?, places.starts.get(at)?);
        let Some(template) = code.checked_sub(1) else {
            out.extend_from_slice(places.others.get(page, start.words)?);
            return Some(());
        };
        let mut bits = BitReader { bytes: page.get(places.bits..)?, at: start.bits };
        let mut next = start.words;
        let template = self.list()?.get(template)?;
        template.print(&mut bits, out, &mut |out| {
            out.extend_from_slice(places.words.get(page, next)?);
            next += 1;
            Some(())
        })
    }

    /// Replaces what `out` and `ends` hold by the `count` texts of a page.
    pub(crate) fn decode(
        &self,
        page: &[u8],
        count: usize,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Option<()> {
        let mut places = Places::default();
        self.open(page, count, &mut places)?;
        out.clear();
        ends.clear();
        for at in 0..count {
            self.print(page, &places, at, out)?;
            ends.push(out.len());
        }
        Some(())
    }
}

/// Where the texts of a page lie.
#[derive(Default)]
pub(crate) struct Places {
    /// The number of the template of each text, 0 for none.
    pub(crate) codes: Vec<usize>,
    starts: Vec<Start>,
    others: Words,
    words: Words,
    /// Where the numbers and hex digits begin.
    bits: usize,
}

/// Where the variables of a text begin: which bit, and which word; of a text without a template which one it is.
struct Start {
    bits: usize,
    words: usize,
}

impl Template {
    /// The template of a key: its pieces with a zero byte for each variable.
    fn new(key: &[u8], variables: Vec<Variable>) -> Self {
        let mut template = Self::default();
        variables.into_iter().for_each(|variable| template.add(variable));
        for piece in key.split(|byte| *byte == 0) {
            template.pieces.extend_from_slice(piece);
            template.ends.push(template.pieces.len());
        }
        template
    }

    fn add(&mut self, variable: Variable) {
        match variable {
            Variable::Number { width, .. } => self.bits += usize::from(width),
            Variable::Hex(len) => self.bits += 4 * usize::from(len),
            Variable::Text => self.words += 1,
        }
        self.variables.push(variable);
    }

    fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, self.variables.len() as u64);
        let mut start = 0;
        for &end in &self.ends {
            varint::put(out, (end - start) as u64);
            out.extend_from_slice(self.pieces.get(start..end).unwrap_or_default());
            start = end;
        }
        for variable in &self.variables {
            match *variable {
                Variable::Number { digits, least, width } => {
                    out.push(digits);
                    varint::put(out, least);
                    out.push(width);
                }
                Variable::Hex(len) => out.push(HEX + len),
                Variable::Text => out.push(TEXT),
            }
        }
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let variables = take_count(input, VARIABLES_MAX as u64)?;
        let mut template = Self::default();
        for _ in 0..=variables {
            let size = take_count(input, PIECES_SIZE_MAX as u64)?;
            template.pieces.extend_from_slice(take(input, size)?);
            template.ends.push(template.pieces.len());
        }
        if PIECES_SIZE_MAX < template.pieces.len() {
            return None;
        }
        for _ in 0..variables {
            let kind = *take(input, 1)?.first()?;
            template.add(match kind {
                0..=18 => {
                    let least = varint::take(input)?;
                    let width = *take(input, 1)?.first()?;
                    Variable::Number { digits: kind, least, width: Some(width).filter(|width| *width <= 64)? }
                }
                TEXT => Variable::Text,
                64..=127 => Variable::Hex(kind - HEX),
                _ => return None,
            });
        }
        Some(template)
    }

    /// Whether the variables of a text are what the template says, which was made of some of the texts.
    fn fits(&self, text: &[u8], cut: &Cut) -> bool {
        self.variables.iter().zip(&cut.variables).all(|(variable, range)| {
            let word = text.get(range.clone()).unwrap_or_default();
            match *variable {
                Variable::Number { digits, least, width } => number(word).is_some_and(|number| {
                    let digits = usize::from(digits);
                    let zero = 1 < word.len() && word.first() == Some(&b'0');
                    let spelled = if zero { word.len() == digits } else { digits <= word.len() };
                    spelled && number.checked_sub(least).is_some_and(|less| bits::width(less) <= width.into())
                }),
                Variable::Hex(len) => {
                    word.len() == usize::from(len) && word.iter().all(|byte| hex_digit(*byte).is_some())
                }
                Variable::Text => true,
            }
        })
    }

    /// Adds the variables of a text, which begins at `start`, to those of a page.
    fn collect(
        &self,
        text: &[u8],
        start: usize,
        cut: &Cut,
        bits: &mut BitWriter,
        words: &mut Vec<Range<usize>>,
    ) {
        for (variable, range) in self.variables.iter().zip(&cut.variables) {
            let word = text.get(range.clone()).unwrap_or_default();
            match *variable {
                Variable::Number { least, width, .. } => {
                    bits.put(number(word).unwrap_or(least).saturating_sub(least), width.into());
                }
                Variable::Hex(_) => {
                    word.iter().for_each(|byte| bits.put(hex_digit(*byte).unwrap_or(0).into(), 4));
                }
                Variable::Text => words.push(start + range.start..start + range.end),
            }
        }
    }

    /// Appends the next text of the template.
    #[inline]
    fn print(
        &self,
        bits: &mut BitReader<'_>,
        out: &mut Vec<u8>,
        word: &mut dyn FnMut(&mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let mut start = 0;
        for (variable, end) in self.variables.iter().zip(&self.ends) {
            out.extend_from_slice(self.pieces.get(start..*end)?);
            start = *end;
            match *variable {
                Variable::Number { digits, least, width } => {
                    put_number(bits.take(width.into())?.checked_add(least)?, digits.into(), out);
                }
                Variable::Hex(len) => {
                    let mut left = u32::from(len);
                    while left != 0 {
                        let some = left.min(HEX_AT_ONCE);
                        put_hex(bits.take(4 * some)?, some, out);
                        left -= some;
                    }
                }
                Variable::Text => word(out)?,
            }
        }
        out.extend_from_slice(self.pieces.get(start..)?);
        Some(())
    }
}

/// Words one after the other in a page.
#[derive(Default)]
struct Words {
    start: usize,
    /// Where each ends, from the start.
    ends: Vec<usize>,
}

impl Words {
    /// Reads where `count` words lie at the start of `input`, which is the end of a page of `size` bytes.
    fn take(&mut self, size: usize, input: &mut &[u8], count: usize) -> Option<()> {
        let width = u32::from(*take(input, 1)?.first()?);
        let len = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        bits::unpack(take(input, bits::size(count, width))?, width, count, &mut self.ends, len)?;
        let mut end = 0_usize;
        for place in &mut self.ends {
            end = end.checked_add(*place)?;
            *place = end;
        }
        self.start = size - input.len();
        take(input, end)?;
        Some(())
    }

    #[inline]
    fn get<'p>(&self, page: &'p [u8], at: usize) -> Option<&'p [u8]> {
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        page.get(self.start + start..self.start + *self.ends.get(at)?)
    }
}

fn put_words(bytes: &[u8], words: &[Range<usize>], out: &mut Vec<u8>) {
    let width = bits::width(words.iter().map(Range::len).max().unwrap_or(0) as u64);
    out.push(u8::try_from(width).unwrap_or(64));
    bits::pack(out, width, words.iter().map(|word| word.len() as u64));
    words.iter().for_each(|word| out.extend_from_slice(bytes.get(word.clone()).unwrap_or_default()));
}

/// Appends hex digits, the lowest four bits first.
#[inline]
fn put_hex(digits: u64, count: u32, out: &mut Vec<u8>) {
    let mut text = [0; HEX_AT_ONCE as usize];
    for (place, at) in text.iter_mut().zip((0..count).map(|at| 4 * at)) {
        let [digit, ..] = (digits >> at & 15).to_le_bytes();
        *place = if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
    }
    out.extend_from_slice(text.get(..count as usize).unwrap_or_default());
}

/// Appends a number, with zeros in front up to so many digits.
#[inline]
fn put_number(mut number: u64, digits: usize, out: &mut Vec<u8>) {
    let mut buffer = [b'0'; 20];
    let mut at = buffer.len();
    loop {
        at -= 1;
        if let (Some(place), Ok(digit)) = (buffer.get_mut(at), u8::try_from(number % 10)) {
            *place = b'0' + digit;
        }
        number /= 10;
        if number == 0 || at == 0 {
            break;
        }
    }
    let start = at.min(buffer.len().saturating_sub(digits));
    out.extend_from_slice(buffer.get(start..).unwrap_or_default());
}

/// The number that a word of digits is.
#[inline]
fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || DIGITS_MAX < word.len() {
        return None;
    }
    word.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}

#[inline]
fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn take<'i>(input: &mut &'i [u8], size: usize) -> Option<&'i [u8]> {
    let (taken, rest) = input.split_at_checked(size)?;
    *input = rest;
    Some(taken)
}

#[cfg(test)]
mod tests;
