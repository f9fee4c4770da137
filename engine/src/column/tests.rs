//! Columns as a whole: every value comes back as it was, every damaged byte is noticed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::*;
use crate::level::Level;
use crate::value::Value;

const EFFORTS: [Effort; 4] = [Effort::Hot, Effort::Bodies, Effort::Cold, Effort::ColdBodies];

/// A value that owns its bytes.
#[derive(Clone, Debug)]
enum Own {
    Null,
    Bool(bool),
    Int(i64),
    Float(u64),
    Number(String),
    Str(String),
    Bytes(Vec<u8>),
    Json(String),
    Time(i64),
    Duration(i64),
    Cost(i64),
    Level(Level),
}

impl Own {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(int) => Value::Int(*int),
            Self::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Self::Number(text) => Value::Number(text),
            Self::Str(text) => Value::Str(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Json(text) => Value::Json(text),
            Self::Time(ns) => Value::Time(*ns),
            Self::Duration(ns) => Value::Duration(*ns),
            Self::Cost(nano) => Value::Cost(*nano),
            Self::Level(level) => Value::Level(*level),
        }
    }
}

/// Whether two values are the same to the bit: floats too, which `==` does not say.
fn same(a: Value<'_>, b: Value<'_>) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

fn encode(builder: &mut Builder, groups: &[Vec<Value<'_>>], effort: Effort) -> Vec<u8> {
    builder.clear();
    for group in groups {
        group.iter().for_each(|value| builder.push(*value));
        builder.end_group();
    }
    builder.finish(effort)
}

/// Encodes groups and compares what comes back, forwards, backwards and by position; gives the chunk's size
/// and kind.
#[track_caller]
fn check(groups: &[Vec<Value<'_>>], effort: Effort) -> (usize, Kind) {
    let mut builder = Builder::default();
    let finished = encode(&mut builder, groups, effort);
    let column = Column::open(&finished).unwrap();
    column.verify().unwrap();
    let dictionary = column.dictionary().unwrap();
    let mut vector = Vector::default();
    let order = (0..groups.len()).chain((0..groups.len()).rev());
    for at in order {
        let (group, values) = (u32::try_from(at).unwrap(), &groups[at]);
        column.read(group, &mut vector).unwrap();
        assert_eq!(vector.len(), values.len());
        assert_eq!(column.group_len(group) as usize, values.len());
        let start: usize = groups[..at].iter().map(Vec::len).sum();
        assert_eq!(column.group_start(group) as usize, start);
        for (place, value) in values.iter().enumerate() {
            let back = vector.get(place, Some(&dictionary)).unwrap();
            assert!(same(back, *value), "{back:?} for {value:?} at {place} of group {group}");
        }
        assert!(vector.get(values.len(), Some(&dictionary)).is_none());
        check_view(&column, group, values, &vector);
    }
    let all = || groups.iter().flatten();
    assert_eq!(column.len() as usize, all().count());
    assert_eq!(column.groups() as usize, groups.len());
    if column.only_strings() {
        assert!(all().all(|value| matches!(value, Value::Str(_))));
    }
    if let Some(constant) = column.constant() {
        assert!(all().all(|value| same(*value, constant)));
    }
    (finished.len(), column.kind())
}

fn check_view(column: &Column<'_>, group: u32, values: &[Value<'_>], vector: &Vector) {
    match vector.view() {
        View::Texts(texts) => {
            for (at, value) in values.iter().enumerate() {
                if let Value::Str(text) | Value::Number(text) | Value::Json(text) = value {
                    assert_eq!(texts.str(at), *text);
                }
            }
        }
        View::Ints(_, ints) => {
            let bounds = ints.iter().min().copied().zip(ints.iter().max().copied());
            assert_eq!(column.bounds(group), bounds);
        }
        View::Decimals(decimals) => {
            assert!(matches!(column.kind(), Kind::Decimals(_)));
            let (min, max) = column.block_bounds().unwrap();
            assert!(decimals.units.iter().all(|units| (min..=max).contains(units)));
        }
        View::Constant(_) | View::Codes(_) | View::Floats(_) | View::Mixed(_) => {}
    }
}

/// Groups of a thousand, as in a block that is full.
fn full<'v>(values: &[Value<'v>]) -> Vec<Vec<Value<'v>>> {
    values.chunks(GROUP_LEN_MAX).map(<[_]>::to_vec).collect()
}

/// Deterministic noise.
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

fn hostile() -> Vec<Own> {
    let mut all = vec![Own::Null, Own::Bool(true), Own::Bool(false)];
    all.extend(
        ["007", "1.0", "-0", "1e5", "-0.0", "0.50", "1E400", "9223372036854775808"]
            .map(|text| Own::Number(text.into())),
    );
    all.extend(
        ["007", "1.0", " 1", "", "\0", "null", "\u{fffd}", "\u{1f600}", "e\u{301}"]
            .map(|text| Own::Str(text.into())),
    );
    all.extend(
        [&b"\xff"[..], b"\xed\xa0\x80", b"", b"plain", b"\xf0\x9f"].map(|bytes| Own::Bytes(bytes.into())),
    );
    let json = ["[]", "{}", r#"["\ud800"]"#, r#"{"a":{"b":1},"a.b":2}"#, "[ 1 ,2]"];
    all.extend(json.map(|text| Own::Json(text.into())));
    for int in [i64::MIN, -1, 0, 1, i64::MAX] {
        all.extend([Own::Int(int), Own::Time(int), Own::Duration(int), Own::Cost(int)]);
    }
    for bits in [0.0_f64, -0.0, 1.5, f64::INFINITY, f64::MIN_POSITIVE].map(f64::to_bits) {
        all.push(Own::Float(bits));
    }
    // NaNs with a payload, quiet and signalling.
    all.extend([0x7ff8_0000_0000_1234, 0xfff0_0000_0000_0001].map(Own::Float));
    all.extend(Level::ALL.map(Own::Level));
    all
}

fn own() -> impl Strategy<Value = Own> {
    prop_oneof![
        proptest::sample::select(hostile()),
        any::<i64>().prop_map(Own::Int),
        (-100_i64..100).prop_map(Own::Int),
        any::<u64>().prop_map(Own::Float),
        "-?[0-9]{1,4}\\.[0-9]{1,3}".prop_map(Own::Number),
        ".{0,12}".prop_map(Own::Str),
        "(id-)?[0-9a-f]{8}".prop_map(Own::Str),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Own::Bytes),
    ]
}

/// Groups of values of one kind, of several, or of few distinct ones.
fn columns() -> impl Strategy<Value = Vec<Vec<Own>>> {
    let groups = |values: BoxedStrategy<Own>| {
        proptest::collection::vec(proptest::collection::vec(values, 0..20), 0..6)
    };
    let of_one_kind = own().prop_flat_map(move |example| {
        let kind = std::mem::discriminant(&example);
        let like = own().prop_map(
            move |own| {
                if std::mem::discriminant(&own) == kind { own } else { example.clone() }
            },
        );
        groups(like.boxed())
    });
    let few = proptest::collection::vec(own(), 1..4)
        .prop_flat_map(move |few| groups(proptest::sample::select(few).boxed()));
    let split = groups(
        prop_oneof![
            Just(Own::Null),
            "[a-f0-9]{4}".prop_map(Own::Str),
            ".{0,6}".prop_map(Own::Json),
            Just(Own::Number("1e5".into())),
        ]
        .boxed(),
    );
    let nulls = groups(prop_oneof![Just(Own::Null), "[a-f0-9]{9}".prop_map(Own::Str)].boxed());
    prop_oneof![groups(own().boxed()), of_one_kind, few, split, nulls]
}

fn effort() -> impl Strategy<Value = Effort> {
    proptest::sample::select(EFFORTS.to_vec())
}

proptest! {
    #[test]
    fn every_value_comes_back_as_it_was(owned in columns(), effort in effort()) {
        let groups: Vec<Vec<Value<'_>>> =
            owned.iter().map(|group| group.iter().map(Own::value).collect()).collect();
        check(&groups, effort);
    }

    #[test]
    fn every_flipped_bit_is_noticed(
        owned in columns(),
        effort in effort(),
        at in any::<usize>(),
        bit in 0..8,
    ) {
        let groups: Vec<Vec<Value<'_>>> =
            owned.iter().map(|group| group.iter().map(Own::value).collect()).collect();
        let mut bytes = encode(&mut Builder::default(), &groups, effort);
        let at = at % bytes.len();
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(damage(&bytes), "byte {} of {}", at, bytes.len());
    }

    #[test]
    fn any_bytes_give_values_or_damage(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }

    #[test]
    fn a_chunk_with_right_checksums_and_wrong_bytes_reads_or_not(
        owned in columns(),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let groups: Vec<Vec<Value<'_>>> =
            owned.iter().map(|group| group.iter().map(Own::value).collect()).collect();
        let mut bytes = encode(&mut Builder::default(), &groups, Effort::Hot);
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        fuzz(&bytes);
    }
}

/// Whether opening, verifying and reading all say that the bytes are damaged.
fn damage(bytes: &[u8]) -> bool {
    let Ok(column) = Column::open(bytes) else { return true };
    let mut vector = Vector::default();
    let reads = (0..column.groups()).all(|group| column.read(group, &mut vector).is_ok());
    column.verify().is_err() && !(reads && column.dictionary().is_ok())
}

/// One column of each encoding, with a few groups each.
fn samples() -> Vec<(Vec<Own>, Kind)> {
    let noise: Vec<u64> = noise(7).take(3000).collect();
    let each = |make: &dyn Fn(u64) -> Own| noise.iter().map(|n| make(*n)).collect::<Vec<_>>();
    let int = |n: u64| i64::try_from(n % 100_000).unwrap();
    vec![
        (each(&|_| Own::Str("same".into())), Kind::Constant),
        (each(&|n| Own::Str(format!("one of {}", n % 40))), Kind::Dictionary),
        (each(&|n| Own::Int(int(n))), Kind::Ints(Unit::Int)),
        (each(&|n| Own::Bool(n % 2 == 0)), Kind::Ints(Unit::Bool)),
        (each(&|n| Own::Number(format!("{}.{:03}", n % 10, n % 997))), Kind::Decimals(3)),
        (each(&|n| Own::Float(n)), Kind::Floats),
        (each(&|n| Own::Str(format!("sess-{n:016x}"))), Kind::Texts(TextKind::Str)),
        (each(&|n| Own::Str(format!("took {n} ms"))), Kind::Texts(TextKind::Str)),
        (
            each(&|n| Own::Str(format!("step {} of {:04x} by w{n}", n % 5000, n % 65_536))),
            Kind::Texts(TextKind::Str),
        ),
        (each(&|n| Own::Bytes(n.to_le_bytes().to_vec())), Kind::Texts(TextKind::Bytes)),
        (each(&|n| if n % 3 == 0 { Own::Null } else { Own::Str(n.to_string()) }), Kind::Mixed),
    ]
}

#[test]
fn each_sort_of_values_gets_its_encoding() {
    for (owned, kind) in samples() {
        let values: Vec<Value<'_>> = owned.iter().map(Own::value).collect();
        for effort in EFFORTS {
            assert_eq!(check(&full(&values), effort).1, kind);
        }
    }
}

#[test]
fn every_flipped_byte_of_every_encoding_is_noticed() {
    for (owned, kind) in samples() {
        let values: Vec<Value<'_>> = owned.iter().map(Own::value).collect();
        for effort in [Effort::Hot, Effort::Cold] {
            let mut bytes = encode(&mut Builder::default(), &full(&values), effort);
            // The head byte by byte, the pages here and there.
            for at in (0..bytes.len()).filter(|at| *at < 200 || at % 97 == 0) {
                bytes[at] ^= 0x10;
                assert!(damage(&bytes), "{kind:?} at {at}");
                bytes[at] ^= 0x10;
            }
            assert!(!damage(&bytes));
        }
    }
}

#[test]
fn every_cut_and_every_byte_too_much_is_noticed() {
    for (owned, kind) in samples() {
        let values: Vec<Value<'_>> = owned.iter().take(50).map(Own::value).collect();
        let mut bytes = encode(&mut Builder::default(), &full(&values), Effort::Hot);
        for cut in 0..bytes.len() {
            assert!(Column::open(&bytes[..cut]).is_err(), "{kind:?} cut at {cut}");
        }
        bytes.push(0);
        assert!(Column::open(&bytes).is_err(), "{kind:?}");
    }
}

#[test]
fn the_hostile_values_come_back_alone_and_together() {
    let all = hostile();
    for effort in EFFORTS {
        for own in &all {
            check(&[vec![own.value()]], effort);
        }
        let together: Vec<Value<'_>> = all.iter().map(Own::value).collect();
        check(&[together.clone(), vec![], together], effort);
    }
}

#[test]
fn columns_without_values_are_columns() {
    for groups in [vec![], vec![vec![]], vec![vec![]; 64], vec![vec![], vec![Value::Int(1)], vec![]]] {
        let (size, kind) = check(&groups, Effort::Hot);
        assert_eq!(kind, Kind::Constant);
        assert!(size < 32);
    }
}

#[test]
fn a_full_block_comes_back() {
    let texts: Vec<String> = noise(1).take(65_536).map(|n| format!("{n:x} of {}", n % 50)).collect();
    let different: Vec<Value<'_>> = texts.iter().map(|text| Value::Str(text)).collect();
    assert_eq!(check(&full(&different), Effort::Hot).1, Kind::Texts(TextKind::Str));
    let few: Vec<Value<'_>> = different.iter().cycle().step_by(911).take(65_536).copied().collect();
    check(&full(&few), Effort::Hot);
    let equal = vec![different[0]; 65_536];
    assert_eq!(check(&full(&equal), Effort::Hot).1, Kind::Constant);
    let ints: Vec<Value<'_>> = (0..65_536).map(Value::Int).collect();
    let (size, kind) = check(&full(&ints), Effort::Hot);
    assert_eq!(kind, Kind::Ints(Unit::Int));
    assert!(size < 1000);
}

#[test]
fn sparse_groups_keep_their_places() {
    let groups: Vec<Vec<Value<'_>>> = (0..64)
        .map(|group| vec![Value::Int(group * group); [0, 3, 0, 900][usize::try_from(group % 4).unwrap()]])
        .collect();
    check(&groups, Effort::Hot);
    let texts: Vec<Vec<Value<'_>>> = groups.iter().map(|group| vec![Value::Str("x"); group.len()]).collect();
    check(&texts, Effort::Cold);
}

#[test]
fn large_values_come_back() {
    let prose: String = (0..40_000).map(|n| format!("word{} ", n % 997)).collect();
    for size in [1 << 20, 64 << 20] {
        let text = prose.repeat(size / prose.len() + 1);
        let text = &text[..size];
        check(&[vec![Value::Str(text), Value::Str("x")], vec![Value::Str(text)]], Effort::Hot);
        check(&[vec![Value::Str(text)]], Effort::Bodies);
    }
}

#[test]
fn ids_take_half_their_digits() {
    let ids: Vec<String> = noise(3).take(4096).map(|n| format!("sess-{:012x}", n >> 16)).collect();
    let values: Vec<Value<'_>> = ids.iter().map(|id| Value::Str(id)).collect();
    for effort in EFFORTS {
        let (size, _) = check(&full(&values), effort);
        assert!(size < 4096 * 6 + 200, "{size}");
    }
}

#[test]
fn nulls_among_ids_cost_two_bits_each() {
    let ids: Vec<String> = noise(3).take(4096).map(|n| format!("{n:016x}")).collect();
    let values: Vec<Value<'_>> =
        ids.iter().enumerate().map(|(n, id)| if n % 2 == 0 { Value::Null } else { Value::Str(id) }).collect();
    for effort in EFFORTS {
        let (size, kind) = check(&full(&values), effort);
        assert_eq!(kind, Kind::Mixed);
        assert!(size < 2048 * 8 + 4096 / 4 + 200, "{size}");
    }
}

#[test]
fn numbers_that_mix_whole_and_broken_ones_are_decimals() {
    let texts: Vec<String> = (0..2000_u32).map(|n| format!("{}.{}", n % 77, n % 9 + 1)).collect();
    let whole = |n: usize| Value::Int(i64::try_from(n % 77).unwrap());
    let values: Vec<Value<'_>> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| if n % 3 == 0 { whole(n) } else { Value::Number(text) })
        .collect();
    assert_eq!(check(&full(&values), Effort::Hot).1, Kind::Decimals(1));
}

#[test]
fn a_vector_that_goes_from_column_to_column_mixes_nothing_up() {
    let mut vector = Vector::default();
    let mut builder = Builder::default();
    let owned = samples();
    let chunks: Vec<Vec<u8>> = owned
        .iter()
        .map(|(owned, _)| {
            let values: Vec<Value<'_>> = owned.iter().map(Own::value).collect();
            encode(&mut builder, &full(&values), Effort::Cold)
        })
        .collect();
    for group in 0..3 {
        for (chunk, (owned, kind)) in chunks.iter().zip(&owned) {
            let column = Column::open(chunk).unwrap();
            let dictionary = column.dictionary().unwrap();
            column.read(group, &mut vector).unwrap();
            let start = column.group_start(group) as usize;
            for at in 0..vector.len() {
                let back = vector.get(at, Some(&dictionary)).unwrap();
                assert!(same(back, owned[start + at].value()), "{kind:?}");
            }
        }
    }
}

#[test]
fn a_damaged_page_leaves_nothing_behind_in_a_vector() {
    let owned = samples().remove(7).0;
    let values: Vec<Value<'_>> = owned.iter().map(Own::value).collect();
    let mut bytes = encode(&mut Builder::default(), &full(&values), Effort::Hot);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let column = Column::open(&bytes).unwrap();
    let mut vector = Vector::default();
    for _ in 0..2 {
        let error = column.read(2, &mut vector).unwrap_err();
        assert_eq!(error.what, "page checksum does not match");
        assert_eq!(vector.len(), 0);
        assert!(vector.get(0, None).is_none());
    }
    assert!(column.read(3, &mut vector).is_err());
}

#[test]
fn a_group_or_block_that_is_too_large_is_refused() {
    let refused = |values: usize, groups: usize| {
        let mut builder = Builder::default();
        (0..values).for_each(|_| builder.push(Value::Null));
        catch_unwind(AssertUnwindSafe(|| (0..groups).for_each(|_| builder.end_group()))).is_err()
    };
    assert!(!refused(1024, 64));
    assert!(refused(1025, 1));
    assert!(refused(0, 65));
}

#[test]
fn a_builder_is_as_good_as_fresh_after_clear() {
    let owned = samples();
    let mut used = Builder::default();
    for (owned, _) in &owned {
        let values: Vec<Value<'_>> = owned.iter().map(Own::value).collect();
        let again = encode(&mut used, &full(&values), Effort::Hot);
        let fresh = encode(&mut Builder::default(), &full(&values), Effort::Hot);
        assert_eq!(again, fresh);
        assert_eq!(used.len(), values.len());
        assert!(
            used.values(0..3).eq(values.iter().copied())
                || owned.iter().any(|own| matches!(own, Own::Float(_)))
        );
    }
    used.clear();
    assert_eq!(used.len(), 0);
}

/// One small column of each encoding; no page of them is worth a codec.
fn pinned() -> Vec<(Vec<Own>, &'static str)> {
    let str = |text: &str| Own::Str(text.into());
    let number = |text: &str| Own::Number(text.into());
    vec![
        (vec![Own::Level(Level::Warn); 3], "070000009b9264a300020209000c04"),
        (
            ["GET", "PUT", "GET", "GET"].repeat(16).into_iter().map(str).collect(),
            "15000000bd12a694010602c10f020600000876cfb501020009322793ce4745545055540f02001111111111111111",
        ),
        (
            [1000, 4000, 2000, 1000].map(Own::Int).to_vec(),
            "16000000b9c270f30202020d00e807d00f00ff00b817ff0200012e7a664c07",
        ),
        (
            (0..40).map(|n| Own::Time(n * 1_000_000 + n % 2)).collect(),
            "1d000000739729b2020602c10901010000ff82897a80ab8f120200fe887a02000a559acdb988888888888888888808",
        ),
        (
            ["0.25", "-1.5", "3.0"].map(number).to_vec(),
            "1600000091f91e5b030202090102193200ffdd02c203ff020002d63cae5f4002",
        ),
        (
            vec![Own::Float(1.5_f64.to_bits()), Own::Float(0x7ff8_0000_0000_1234)],
            "0c00000093f73fa60401020302010f109b30ab1911000100a0f83f341200000000f87f",
        ),
        (
            vec![str("a\u{e4}"), str(""), str("bcd")],
            "0c00000064fa3898050202090602000882b2c19961c3a46263643302",
        ),
        (
            ["id-00ff", "id-10f0", "id-2a01", "id-3b02", "id-4c03"].map(str).to_vec(),
            "15000000042491b305030221160769642d303030307802000a5fb6d61a00ff010fa210b320c430",
        ),
        (
            vec![str("a"), Own::Null, str(""), Own::Json("[]".into()), number("1.0")],
            "0d000000192ddac005030221010602000a691f1007615b5d312e30e102e201",
        ),
        (
            vec![Own::Bytes(vec![255]), Own::Null, Own::Json("[]".into()), Own::Bool(true)],
            "0c000000260d6d8f0502020d0002000db822d05b000701ff00000008025b5d0002",
        ),
    ]
}

#[test]
fn the_bytes_of_a_chunk_are_pinned() {
    for (owned, want) in pinned() {
        // Two groups, the first of one value, so that both layouts of groups are in it.
        let (first, rest) = owned.split_first().unwrap();
        let rest = rest.iter().map(Own::value).collect();
        let groups = [vec![first.value()], rest];
        let bytes = encode(&mut Builder::default(), &groups, Effort::Hot);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, want, "{:?}", check(&groups, Effort::Hot).1);
    }
}

/// Forty texts under LZ4.
const LZ4: &str = "\
    0e00000049c8fe1305ff28060101f201f80717f11076ff0961206c696e65206f6620746578742c206e756d6265\
    7220301800041f311800041f321800041f331800041f341800041f351800041f361800041f371800041f381800\
    041f391800041f31f100060ff200051f31f300051f31f400051f31f500051f31f600051f31f700051f31f80005\
    1f31f900051f31fa00051f32fa00051f32fa00051f32fa00051f32fa00051f32fa00051f32fa00051f32fa0005\
    1f32fa00051f32fa00051f32fa00051f33fa00051f33fa00051f33fa00051f33fa00051f33fa00051f33fa0005\
    1f33fa00052f3337bc02041f33fa0005d5333918638c31c618e79c73ce3905006039e79c73ce05";
/// The same under DEFLATE.
const DEFLATE: &str = "\
    0e0000006ffe21ac05ff280601029101f8078bd9dc7b75d2bd0902511444e1c81e367c05183833febd7276e509\
    82aea02b588425588fa16dd886b1e0496e70b28fb97d391ec656cefb32b5fb342fe3ed34b44b59f4ffbba01b7a\
    a02fa1afa0afa16fa06fa157722198c422b2c82c428bd422b6c82d828be426b9716b929be426b9496e929be426\
    b9491e9287e4c1372779481e9287e42179489edaed1e7a759fe7f55d7fcfec0b";

/// What the codecs make of a page may change with their libraries. That it is read may not.
#[test]
fn pages_of_every_codec_are_read_for_ever() {
    for (hex, tag) in [(LZ4, 1), (DEFLATE, 2)] {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        // Head: encoding, groups (two bytes), form, groups of the page, codec.
        assert_eq!(bytes[8 + 5], tag);
        let column = Column::open(&bytes).unwrap();
        let mut vector = Vector::default();
        column.read(0, &mut vector).unwrap();
        assert_eq!(vector.len(), 40);
        for at in 0..40 {
            let text = format!("a line of text, number {at}");
            assert_eq!(vector.get(at, None), Some(Value::Str(&text)));
        }
    }
}
