//! Residue: words that a segment keeps and that none of its rows says.
//!
//! A segment that is made of rows holds nothing else, by the way it is built. Where that is promised to somebody, as of what
//! was forgotten, it is looked up: in the names of fields, in the entries of every dictionary, in templates, in texts that
//! columns share, in the keys of rollups, and in the words of the index. Whatever else a segment holds is the value of a row, and
//! rows were looked at. A word with a digit is a hash in the index, which may name a group that has it not; it is no proof and is
//! not asked.

use std::collections::BTreeSet;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::head::FIXED;
use super::read::Segment;
use super::rows::Rows;
use crate::column::Column;
use crate::gap::Gap;
use crate::record;
use crate::text;
use crate::value::Value;

/// Words to look for, without regard to case.
pub(crate) struct Words {
    list: Vec<String>,
    set: RegexSet,
}

impl Words {
    /// None where there are none, or more than can be looked for.
    pub(crate) fn new(words: &[String]) -> Option<Self> {
        let list: Vec<String> = words.iter().filter(|word| !word.is_empty()).cloned().collect();
        let patterns: Vec<String> = list.iter().map(|word| regex::escape(word)).collect();
        let set = RegexSetBuilder::new(patterns).case_insensitive(true).build().ok()?;
        (!list.is_empty()).then_some(Self { list, set })
    }

    fn add(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        found.extend(self.set.matches(bytes));
    }
}

/// The words that the segment keeps in a place although no row says them: each with the place.
pub(crate) fn find(segment: &Segment, words: &Words) -> Result<Vec<(String, String)>, Gap> {
    let said = said(segment, words)?;
    if said.len() == words.list.len() { Ok(Vec::new()) } else { kept(segment, words, &said) }
}

/// The places where the segment keeps words, but for those that rows say.
fn kept(segment: &Segment, words: &Words, said: &BTreeSet<usize>) -> Result<Vec<(String, String)>, Gap> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut look = |bytes: &[u8], place: &dyn Fn() -> String| {
        let mut here = BTreeSet::new();
        words.add(bytes, &mut here);
        found.extend(here.difference(said).map(|word| (*word, place())));
    };
    for number in 0..segment.block_count() {
        let block = segment.block(number)?;
        for name in &block.head.names {
            look(name.as_bytes(), &|| format!("the name of a field in block {number}"));
        }
        let mut column = |column: &Column<'_>, name: &str, gap: &dyn Fn() -> Gap| {
            let place = || format!("the column `{name}` of block {number}");
            column.beside(&mut |bytes| look(bytes, &place)).map_err(|_| gap())
        };
        for fixed in FIXED {
            if let Some(held) = segment.fixed(block, fixed)? {
                let range = block.head.fixed_range(fixed);
                column(&held, &format!("{fixed:?}"), &|| segment.column_gap(block, range.clone(), "?"))?;
            }
        }
        for (at, entry) in (0..).zip(&block.head.columns) {
            let range = block.head.column_range(at);
            if !range.is_empty() {
                let name = block.head.names.get(entry.name as usize).map_or("?", String::as_str);
                let held = segment.column(block, at)?;
                column(&held, name, &|| segment.column_gap(block, range.clone(), name))?;
            }
        }
    }
    if let Some(rollups) = segment.rollups() {
        for mut field in rollups.map_err(Clone::clone)?.values() {
            let value = record::take_field(&mut field).and_then(|field| field.value());
            if let Some(Value::Str(text) | Value::Json(text) | Value::Number(text)) = value {
                look(text.as_bytes(), &|| "the rollups".to_owned());
            } else if let Some(Value::Bytes(bytes)) = value {
                look(bytes, &|| "the rollups".to_owned());
            }
        }
    }
    if let Some(index) = segment.index() {
        let index = index.map_err(Clone::clone)?;
        for (at, word) in words.list.iter().enumerate().filter(|(at, _)| !said.contains(at)) {
            let whole = text::tokens(word).next() == Some(word.as_str());
            if whole && index.knows(word).map_err(|_| segment.index_gap())? {
                found.push((at, "the index".to_owned()));
            }
        }
    }
    let named = |(word, place)| (words.list.get(word).cloned().unwrap_or_default(), place);
    Ok(found.into_iter().map(named).collect())
}

/// The numbers of the words that some row says, in a value or a name.
fn said(segment: &Segment, words: &Words) -> Result<BTreeSet<usize>, Gap> {
    let mut said = BTreeSet::new();
    let mut rows = Rows::new(segment)?;
    while rows.head().is_some() && said.len() < words.list.len() {
        for (name, value) in rows.fields() {
            words.add(rows.names().get(name as usize).map_or("", String::as_str).as_bytes(), &mut said);
            match value {
                Value::Str(text) | Value::Json(text) | Value::Number(text) => {
                    words.add(text.as_bytes(), &mut said);
                }
                Value::Bytes(bytes) => words.add(bytes, &mut said),
                _ => {}
            }
        }
        rows.advance()?;
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::disk::Disk;
    use crate::{Event, Options, Store};

    #[test]
    fn a_word_is_found_wherever_a_segment_can_keep_it() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { maintain: false, word_index_min: 0, ..Options::default() };
        let store = Store::open(dir.path(), options).unwrap();
        let log = store.writer().unwrap();
        // Each prompt comes again 1,400 records later, farther back than a codec looks, so that it is kept once.
        let noise = |seed: u64| {
            let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
            let mut word = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                format!("word{:x} ", state >> 50)
            };
            (0..150).map(|_| word()).collect::<String>()
        };
        for n in 0..2800_i64 {
            let prompt = format!("{n} zshared {}", noise((n % 1400).unsigned_abs()));
            let event = Event::ai("chat").at(n).model("zmodel").field("zname", n).prompt(&prompt);
            let event = event.field("city", if n % 2 == 0 { "ZVienna" } else { "Graz" });
            log.append(&event.message(&format!("ztemplate number {n} took {}ms", n * 7919))).unwrap();
        }
        log.close().unwrap();
        store.seal().unwrap();
        let path = dir.path().join("segments/0.seg");
        let file = crate::io::Vfs::open(&Disk::new(), &path, crate::io::OpenMode::Read).unwrap();
        let segment = Segment::read(file.map_read().unwrap().into()).unwrap();
        let all = ["zname", "zmodel", "zvienna", "ztemplate", "zshared", "znothing"].map(str::to_owned);
        let words = Words::new(&all).unwrap();
        let found = kept(&segment, &words, &BTreeSet::new()).unwrap();
        let has = |word: &str, place: &str| found.iter().any(|(held, at)| held == word && at.contains(place));
        assert!(has("zname", "the name of a field"), "{found:?}");
        assert!(has("zvienna", "column `city`"), "{found:?}");
        assert!(has("ztemplate", "column `message`"), "{found:?}");
        assert!(has("zshared", "column `prompt`"), "{found:?}");
        assert!(has("zmodel", "the rollups"), "{found:?}");
        for word in ["zmodel", "zvienna", "ztemplate", "zshared"] {
            assert!(has(word, "the index"), "{word}: {found:?}");
        }
        assert!(!found.iter().any(|(word, _)| word == "znothing"));
        assert_eq!(find(&segment, &words).unwrap(), [], "rows say all of them");
        assert!(Words::new(&[String::new()]).is_none());
    }
}
