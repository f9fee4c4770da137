//! Cubes against a plain recount, and against bytes that are none.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::level::Level;

/// Values of keys: such that a careless identity would take one for the other.
const VALUES: [Option<Value<'static>>; 8] = [
    None,
    Some(Value::Null),
    Some(Value::Int(200)),
    Some(Value::Str("200")),
    Some(Value::Number("200.0")),
    Some(Value::Bytes(&[0xFF])),
    Some(Value::Str("\u{FFFD}")),
    Some(Value::Level(Level::Error)),
];

const INTS: [Option<Value<'static>>; 6] = [
    None,
    Some(Value::Null),
    Some(Value::Int(0)),
    Some(Value::Int(-3)),
    Some(Value::Int(1 << 40)),
    Some(Value::Int(1_000)),
];

const COSTS: [Option<Value<'static>>; 3] = [None, Some(Value::Cost(-7)), Some(Value::Cost(2_500))];

/// A time, and a number of each key's value and each measure's.
type Numbers = (i64, [usize; KEYS.len()], [usize; MEASURES.len()]);

fn entry(&(time, keys, measures): &Numbers) -> Entry<'static> {
    let mut values = measures.map(|at| INTS[at % INTS.len()]);
    values[COST] = COSTS[measures[COST] % COSTS.len()];
    Entry { time, keys: keys.map(|at| VALUES[at % VALUES.len()]), measures: values }
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let measures = any::<[u8; MEASURES.len()]>();
    (-2 * DAY..2 * DAY, any::<[bool; KEYS.len()]>(), 0_usize..8, measures).prop_map(
        |(time, keys, value, measures)| {
            (time, keys.map(|set| if set { value } else { 2 }), measures.map(usize::from))
        },
    )
}

/// So often that cubes are worth it, in the order of time.
fn repeated(entries: &[Entry<'static>]) -> Vec<Entry<'static>> {
    let mut all: Vec<_> = (0..RECORDS_PER_CELL).flat_map(|_| entries).copied().collect();
    all.sort_by_key(|entry| entry.time);
    all
}

fn counted(entries: &[Entry<'_>]) -> Counter {
    let mut counter = Counter::default();
    entries.iter().for_each(|entry| counter.push(entry));
    counter
}

/// The cubes of records, written and read back.
fn read_back(entries: &[Entry<'_>], archive: bool) -> Option<(Rollups, Vec<Cube>)> {
    let bytes = counted(entries).encode(7, archive);
    if bytes.is_empty() {
        return None;
    }
    let rollups = Rollups::decode(&bytes, 7).unwrap();
    let cube = |at| rollups.cube(at, &bytes, entries.len() as u64).unwrap().clone();
    let cubes = (0..rollups.cubes.len()).map(cube).collect();
    Some((rollups, cubes))
}

/// By span, keys and what is present: records and sums.
type Shown = BTreeMap<String, (i64, [i64; MEASURES.len()])>;

/// What the cells of a cube say, without the numbers of values.
fn shown(rollups: &Rollups, cube: &Cube) -> Shown {
    let mut cells = Shown::new();
    for (at, place) in cube.places.iter().enumerate() {
        let combo = cube.combos[usize::try_from(*place).unwrap()];
        let keys: Vec<_> = (0..KEYS.len()).map(|key| rollups.value(&combo, key)).collect();
        let mut sums = [0; MEASURES.len()];
        sums.iter_mut().zip(&cube.sums).for_each(|(to, sums)| *to = sums.get(at).copied().unwrap_or(0));
        let name = format!("{} {keys:?} {:08b}", cube.starts[at], combo.present);
        assert_eq!(cells.insert(name, (cube.records[at], sums)), None, "a cell stands there twice");
    }
    cells
}

/// The same from the records, in the plainest way.
fn recounted(entries: &[Entry<'_>], form: &Form) -> Shown {
    let mut cells = Shown::new();
    for entry in entries {
        let keys: Vec<_> =
            entry.keys.iter().enumerate().map(|(at, value)| value.filter(|_| form.has(at))).collect();
        let ints = entry.measures.map(|value| match value {
            Some(Value::Int(int) | Value::Cost(int)) if form.sums => Some(int),
            _ => None,
        });
        let present = ints.iter().rev().fold(0_u8, |bits, int| bits << 1 | u8::from(int.is_some()));
        let name = format!("{} {keys:?} {present:08b}", entry.time.div_euclid(form.span));
        let (records, sums) = cells.entry(name).or_default();
        *records += 1;
        sums.iter_mut().zip(ints).for_each(|(sum, int)| *sum += int.unwrap_or(0));
    }
    cells
}

proptest! {
    #[test]
    fn cubes_say_what_a_recount_says_and_read_back(
        list in prop::collection::vec(numbers(), 1..40),
        archive: bool,
    ) {
        let entries = repeated(&list.iter().map(entry).collect::<Vec<_>>());
        let (rollups, cubes) = read_back(&entries, archive).unwrap();
        prop_assert_eq!(rollups.fit, 0xFF);
        prop_assert!(cubes.iter().any(|cube| cube.form == HOURS));
        prop_assert_eq!(cubes.iter().any(|cube| cube.form == DAYS), archive);
        for cube in &cubes {
            prop_assert_eq!(shown(&rollups, cube), recounted(&entries, &FORMS[cube.form]));
        }
        prop_assert_eq!(counted(&entries).finish(archive).2, cubes);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200), records: u64) {
        let _ = Rollups::decode(&body, 7);
        if let Some(rollups) = Rollups::decode_body(&body) {
            for at in 0..rollups.cubes.len() {
                let _ = rollups.cube(at, &body, records);
            }
        }
    }
}

fn small() -> (Vec<u8>, u64) {
    let list = [(0, [1, 2, 3, 4, 5, 6], [3, 4, 0, 5, 1, 2, 1, 5]), (5 * HOUR, [0; 6], [0; 8])];
    let entries = repeated(&list.map(|numbers| entry(&numbers)));
    (counted(&entries).encode(7, false), entries.len() as u64)
}

#[test]
fn rollups_of_another_segment_or_with_a_flipped_bit_do_not_pass_and_those_of_other_records_are_not_used() {
    let (good, records) = small();
    let rollups = Rollups::decode(&good, 7).unwrap();
    assert!(rollups.cube(0, &good, records).is_some());
    assert!(Rollups::decode(&good, 8).is_none());
    assert_eq!(Rollups::decode(&good, 7).unwrap().cube(0, &good, records + 1), None);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Rollups::decode(&bad, 7).is_none(), "bit {bit}");
    }
    for len in 0..good.len() {
        assert!(Rollups::decode(&good[..len], 7).is_none(), "{len} bytes");
    }
}

#[test]
fn a_time_just_before_an_hour_is_of_the_hour_before_also_before_1970_and_at_both_ends_of_time() {
    let at = |time| Entry { time, ..Entry::default() };
    let entries = repeated(&[at(i64::MIN), at(-1), at(0), at(HOUR - 1), at(HOUR), at(i64::MAX)]);
    let (_, cubes) = read_back(&entries, false).unwrap();
    let hours = &cubes[0];
    assert_eq!(hours.starts, [-2_562_048, -1, 0, 1, 2_562_047]);
    assert_eq!(hours.records, [8, 8, 16, 8, 8]);
}

#[test]
fn a_cube_with_a_cell_for_fewer_than_eight_records_is_left_out() {
    let at = |hour: i64| Entry { time: hour * HOUR, ..Entry::default() };
    let mut entries = vec![at(0); 15];
    assert!(read_back(&entries, false).is_some());
    entries.push(at(1));
    assert_eq!(read_back(&entries, false).unwrap().1[0].starts.len(), 2);
    let mut entries = vec![at(0); 13];
    entries.push(at(1));
    let forms: Vec<_> = read_back(&entries, false).unwrap().1.iter().map(|cube| cube.form).collect();
    assert_eq!(forms, [DAYS], "the day still has one cell");
    assert!(read_back(&[], false).is_none());
}

#[test]
fn cubes_of_fewer_keys_stand_in_for_one_that_is_too_large() {
    let record = |at: i64| {
        let mut entry = Entry { time: at, ..Entry::default() };
        entry.keys[2] = Some(Value::Int(at));
        entry.keys[3] = Some(Value::Str("llama3.2"));
        entry.measures[0] = Some(Value::Int(at));
        entry
    };
    let entries: Vec<_> = (0..100).map(record).collect();
    let (rollups, cubes) = read_back(&entries, false).unwrap();
    let forms: Vec<_> = cubes.iter().map(|cube| cube.form).collect();
    assert_eq!(forms, [1, 4, 5], "by status is a cell for each record, by the hour and by the day");
    assert_eq!(shown(&rollups, &cubes[0]), recounted(&entries, &FORMS[1]));
}

#[test]
fn a_key_of_too_many_values_or_too_long_ones_leaves_no_cube_and_takes_no_memory() {
    let mut counter = Counter::default();
    let names: Vec<String> = (0..=CELLS_MAX).map(|at| format!("model-{at}")).collect();
    for name in &names {
        let mut entry = Entry::default();
        entry.keys[3] = Some(Value::Str(name));
        (0..RECORDS_PER_CELL).for_each(|_| counter.push(&entry));
    }
    assert!(counter.encode(7, false).is_empty());
    let long = "x".repeat(300);
    let mut entry = Entry::default();
    entry.keys[4] = Some(Value::Str(&long));
    assert!(counted(&[entry; 100]).encode(7, false).is_empty());
}

#[test]
fn one_count_that_is_no_integer_costs_its_measure_in_the_whole_segment() {
    let (mut good, mut bad) = (Entry::default(), Entry::default());
    good.measures = [Some(Value::Int(1)); MEASURES.len()];
    good.measures[COST] = Some(Value::Cost(1));
    for odd in
        [Value::Number("1.5"), Value::Float(2.0), Value::Str("7"), Value::Cost(7), Value::Int(i64::MIN)]
    {
        bad.measures[1] = Some(odd);
        let (rollups, cubes) = read_back(&repeated(&[good, bad]), false).unwrap();
        assert_eq!(rollups.fit, !2, "{odd:?}");
        assert_eq!(cubes[0].sums[0], [8, 0]);
        assert_eq!(cubes[0].sums[1], Vec::<i64>::new());
    }
}

#[test]
fn a_sum_that_no_integer_holds_is_not_exact() {
    let mut entry = Entry::default();
    entry.measures[3] = Some(Value::Int(1 << 62));
    assert_eq!(read_back(&[entry], false).map(|_| ()), None, "one record is no cell");
    assert_eq!(read_back(&[entry; 8], false).unwrap().0.fit, !8);
    entry.measures[3] = Some(Value::Int(1 << 59));
    assert_eq!(read_back(&[entry; 8], false).unwrap().1[0].sums[3], [1 << 62]);
}
