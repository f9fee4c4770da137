//! Columns that share texts: every text comes back, each is kept once, and damage costs what it touches.

use super::super::{Builder, Column, Effort, Kind, TextKind, Vector};
use super::pool::Pool;
use super::read::{Alone, Part, Shared};
use crate::value::Value;

/// Words that do not compress to nothing, other ones for each seed.
fn words(seed: usize, count: usize) -> String {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut text = String::new();
    for _ in 0..count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text += &format!("{}{} ", ["tool", "agent", "\u{fc}ber", "cost"][(state % 4) as usize], state >> 50);
    }
    text
}

/// The prompts of chats that take turns, each with all turns before it.
fn chats(chats: usize, turns: usize) -> Vec<String> {
    chats_of(0, chats, turns)
}

fn chats_of(seed: usize, chats: usize, turns: usize) -> Vec<String> {
    let mut histories = vec![String::new(); chats];
    (0..chats * turns)
        .map(|at| {
            let history = &mut histories[at % chats];
            *history += &format!("{{\"role\":\"user\",\"content\":\"{}\"}},", words(seed + at, 60));
            format!("[{}]", history.trim_end_matches(','))
        })
        .collect()
}

fn builder<'v>(values: impl IntoIterator<Item = Value<'v>>, group: usize) -> Builder {
    let mut builder = Builder::default();
    for (at, value) in values.into_iter().enumerate() {
        if at != 0 && at % group == 0 {
            builder.end_group();
        }
        builder.push(value);
    }
    builder.end_group();
    builder
}

fn texts(texts: &[String], group: usize) -> Builder {
    builder(texts.iter().map(|text| Value::Str(text)), group)
}

/// The pool of these columns.
struct Columns(Vec<Vec<u8>>, Vec<Part>);

impl Columns {
    fn of(chunks: Vec<Vec<u8>>) -> Self {
        let parts = chunks.iter().enumerate().filter_map(|(at, chunk)| Column::part(chunk, at..at)).collect();
        Self(chunks, parts)
    }
}

impl Shared for Columns {
    fn parts(&self) -> &[Part] {
        &self.1
    }

    fn bytes(&self, part: &Part) -> &[u8] {
        &self.0[part.column.start]
    }
}

/// Compares what a column holds with what went in.
#[track_caller]
fn holds<'v>(column: &Column<'_>, values: impl IntoIterator<Item = Value<'v>>) {
    let mut vector = Vector::default();
    let mut values = values.into_iter();
    for group in 0..column.groups() {
        column.read(group, &mut vector).unwrap();
        for at in 0..vector.len() {
            assert_eq!(vector.get(at, None), values.next());
        }
    }
    assert_eq!(values.next(), None);
}

#[test]
fn turns_of_chats_are_kept_once_and_come_back() {
    let prompts = chats(7, 30);
    // Zstandard sees some of the turns before, LZ4 hardly any.
    for (effort, times) in [(Effort::Hot, 5), (Effort::Bodies, 2), (Effort::Cold, 2)] {
        let builder = texts(&prompts, 50);
        assert!(builder.has_long_texts());
        let plain = builder.finish(effort).len();
        let mut pool = Pool::default();
        let columns = Columns::of(vec![builder.finish_shared(effort, plain, &mut pool).unwrap()]);
        let column = Column::open_in(&columns.0[0], &columns).unwrap();
        column.verify().unwrap();
        assert_eq!(column.kind(), Kind::Texts(TextKind::Str));
        assert!(column.only_strings());
        holds(&column, prompts.iter().map(|text| Value::Str(text)));
        let new: usize = (7 * 29..7 * 30).map(|at| prompts[at].len()).sum();
        let kept = usize::try_from(column.shares().unwrap().end).unwrap();
        assert!(kept < new + new / 5, "{kept} bytes kept of {new} different ones");
        assert!(columns.0[0].len() * times < plain, "{} of {plain} {effort:?}", columns.0[0].len());
    }
}

#[test]
fn a_column_finds_texts_of_columns_before_it() {
    let mut pool = Pool::default();
    let answers: Vec<String> = (0..100).map(|at| words(at, 200)).collect();
    let twice: Vec<String> = answers.iter().map(|text| format!("{text}{text}")).collect();
    let quoted: Vec<String> = answers.iter().map(|text| format!("> {text} ({})", text.len())).collect();
    let chunks = [&twice, &quoted].map(|list| {
        let builder = texts(list, 30);
        let plain = builder.finish(Effort::Bodies).len();
        builder.finish_shared(Effort::Bodies, plain * 2, &mut pool).unwrap()
    });
    let columns = Columns::of(chunks.to_vec());
    assert!(columns.0[1].len() * 10 < columns.0[0].len());
    for (chunk, list) in columns.0.iter().zip([&twice, &quoted]) {
        let column = Column::open_in(chunk, &columns).unwrap();
        column.verify().unwrap();
        holds(&column, list.iter().map(|text| Value::Str(text)));
    }
    // Without the first column the second one says that something is missing, and nothing else.
    let alone = Alone { parts: Vec::new(), chunk: &[] };
    let column = Column::open_in(&columns.0[1], &alone).unwrap();
    assert_eq!(column.verify().unwrap_err().what, "texts lie in a part that is not there");
    assert!(column.read(0, &mut Vector::default()).is_err());
    assert!(Column::open(&columns.0[1]).unwrap().read(0, &mut Vector::default()).is_err());
}

#[test]
fn values_of_every_kind_share_texts() {
    let prompts = chats(3, 40);
    for kind in [TextKind::Str, TextKind::Json, TextKind::Bytes] {
        let values = || prompts.iter().map(|text| kind.value(text));
        let nulls = || values().enumerate().map(|(at, value)| if at % 5 == 0 { Value::Null } else { value });
        let ints = || nulls().map(|value| if value == Value::Null { Value::Int(7) } else { value });
        let lists: [Vec<Value<'_>>; 3] = [values().collect(), nulls().collect(), ints().collect()];
        for list in lists {
            let builder = builder(list.iter().copied(), 30);
            let plain = builder.finish(Effort::Hot).len();
            let chunk = builder.finish_shared(Effort::Bodies, plain, &mut Pool::default()).unwrap();
            let columns = Columns::of(vec![chunk]);
            let column = Column::open_in(&columns.0[0], &columns).unwrap();
            column.verify().unwrap();
            holds(&column, list);
        }
    }
}

#[test]
fn texts_made_of_pieces_of_others_and_of_themselves_come_back() {
    let source: Vec<u8> = (0..40).flat_map(|seed| words(seed, 20 + seed * 3).into_bytes()).collect();
    let source = String::from_utf8(source).unwrap().replace('\u{fc}', "u");
    let mut state = 1_usize;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let list: Vec<String> = (0..600)
        .map(|at| {
            let mut text = String::new();
            for _ in 0..1 + below(6) {
                let start = below(source.len() - 1);
                let len = [3, 70, 300, 3000][below(4)].min(source.len() - start);
                text += &source[start..start + len].repeat(1 + below(4) * below(2));
            }
            if at % 9 == 0 { "x".repeat(below(9000)) } else { text }
        })
        .collect();
    let builder = texts(&list, 40);
    let plain = builder.finish(Effort::Hot).len();
    let chunk = builder.finish_shared(Effort::Bodies, plain * 4, &mut Pool::default()).unwrap();
    let columns = Columns::of(vec![chunk]);
    let column = Column::open_in(&columns.0[0], &columns).unwrap();
    holds(&column, list.iter().map(|text| Value::Str(text)));
    let size: usize = list.iter().map(String::len).sum();
    assert!(column.shares().unwrap().end * 3 < size as u64, "{:?} of {size}", column.shares());
}

#[test]
fn texts_that_do_not_repeat_stay_as_they_are_and_leave_nothing_behind() {
    let mut pool = Pool::default();
    let first = texts(&chats(3, 20), 30);
    let plain = first.finish(Effort::Hot).len();
    first.finish_shared(Effort::Bodies, plain, &mut pool).unwrap();
    let (place, len) = (pool.part().0, pool.part().1.len() as u64);
    let different: Vec<String> = (1000..2000).map(|at| words(at, 300)).collect();
    let builder = texts(&different, 100);
    let plain = builder.finish(Effort::Bodies).len();
    assert!(builder.finish_shared(Effort::Bodies, plain, &mut pool).is_none());
    pool.begin();
    assert_eq!(pool.part(), (place + len, &[][..]));
    pool.take_back();
    let short: Vec<String> = (0..9000).map(|at| format!("request {at} took {} ms", at % 77)).collect();
    assert!(!texts(&short, 1024).has_long_texts());
}

#[test]
fn a_pool_that_is_full_forgets_and_stays_right() {
    let mut pool = Pool::holding(100 << 10);
    let mut chunks = Vec::new();
    let lists = [0, 1, 2, 3, 0, 0].map(|seed| chats_of(seed * 1000, 2, 30));
    for list in &lists {
        let builder = texts(list, 30);
        let plain = builder.finish(Effort::Hot).len();
        chunks.push(builder.finish_shared(Effort::Bodies, plain, &mut pool));
        assert!(pool.part().1.len() <= 100 << 10);
    }
    let chunks: Vec<Vec<u8>> = chunks.into_iter().map(|chunk| chunk.unwrap_or_default()).collect();
    let columns = Columns::of(chunks);
    assert_eq!(columns.1.len(), 5, "the first list was forgotten once, and then remembered");
    for (chunk, list) in columns.0.iter().zip(&lists) {
        holds(&Column::open_in(chunk, &columns).unwrap(), list.iter().map(|text| Value::Str(text)));
    }
    let large = texts(&[words(1, 40_000), words(2, 40_000)], 30);
    assert!(
        large.finish_shared(Effort::Bodies, usize::MAX / 16, &mut pool).is_none(),
        "more than it may hold"
    );
}

#[test]
fn a_damaged_page_of_a_part_costs_the_groups_that_use_it() {
    let list: Vec<String> = (0..400).map(|at| words(at / 2, 300)).collect();
    let builder = texts(&list, 20);
    let plain = builder.finish(Effort::Bodies).len();
    let chunk = builder.finish_shared(Effort::Bodies, plain * 2, &mut Pool::default()).unwrap();
    let mut columns = Columns::of(vec![chunk]);
    let pages = columns.1[0].pages.len();
    assert!(4 < pages);
    // Some byte of the first page.
    let at = columns.0[0].windows(40).position(|_| true).unwrap() + columns.0[0].len() / 4;
    columns.0[0][at] ^= 1;
    let column = Column::open_in(&columns.0[0], &columns).unwrap();
    assert!(column.verify().is_err());
    let mut vector = Vector::default();
    let lost: Vec<u32> = (0..20).filter(|group| column.read(*group, &mut vector).is_err()).collect();
    assert!(!lost.is_empty() && lost.len() < 5, "{lost:?}");
    for group in (0..20).filter(|group| !lost.contains(group)) {
        column.read(group, &mut vector).unwrap();
        for at in 0..20 {
            assert_eq!(vector.get(at, None), Some(Value::Str(&list[group as usize * 20 + at])));
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed_or_changes_nothing_and_none_panics() {
    let list = chats(2, 24);
    let builder = texts(&list, 10);
    let plain = builder.finish(Effort::Hot).len();
    let good = builder.finish_shared(Effort::Bodies, plain, &mut Pool::default()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let columns = Columns::of(vec![bad.clone()]);
        let noticed = match Column::open_in(&columns.0[0], &columns) {
            Err(_) => true,
            Ok(column) => column.verify().is_err(),
        };
        assert!(noticed, "byte {at}");
        if at % 7 == 0 {
            super::super::fuzz(&bad);
        }
    }
    super::super::fuzz(&good);
}

#[test]
fn lists_that_lie_are_refused() {
    use super::super::codec::Unpacker;
    use super::{Extent, assemble, verify};
    use crate::format::varint;

    let list = texts(&chats(2, 24), 10);
    let plain = list.finish(Effort::Hot).len();
    let columns = Columns::of(vec![list.finish_shared(Effort::Bodies, plain, &mut Pool::default()).unwrap()]);
    let size = columns.1[0].size;
    let read = |ranges: &[Extent]| {
        let mut list = Vec::new();
        varint::put(&mut list, ranges.len() as u64);
        let mut before = 0_u64;
        for range in ranges {
            varint::put_signed(&mut list, range.start.wrapping_sub(before).cast_signed());
            varint::put(&mut list, range.len);
            before = range.start.wrapping_add(range.len);
        }
        let mut out = Vec::new();
        let done = assemble(&list, &columns, &mut Unpacker::default(), &mut Vec::new(), &mut out);
        assert_eq!(verify(&list, &columns).is_ok(), done.is_ok());
        done.map(|()| out.len())
    };
    let range = |start, len| Extent { start, len };
    assert_eq!(read(&[range(0, size), range(5, 10)]), Ok(usize::try_from(size).unwrap() + 10));
    for lie in [
        range(0, 0),
        range(0, size + 1),
        range(size, 1),
        range(size - 1, 2),
        range(u64::MAX, 1),
        range(1, u64::MAX),
        range(1 << 40, 8),
    ] {
        assert!(read(&[lie]).is_err(), "{lie:?}");
        assert!(read(&[range(0, 3), lie]).is_err(), "{lie:?}");
    }
    // So few bytes may not stand for so many.
    assert!(read(&vec![range(0, size); super::TEXTS_SIZE_MAX / usize::try_from(size).unwrap() + 1]).is_err());
    for bytes in [&[][..], &[1], &[255], &[2, 0, 1], &[200, 200, 200, 200, 200, 200, 200, 200, 200, 1]] {
        assert!(verify(bytes, &columns).is_err(), "{bytes:?}");
    }
    assert!(verify(&[0, 1, 2], &columns).is_ok(), "no ranges, and the rest");
}
