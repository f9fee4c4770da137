//! The counters of a store, as one process knows them: what each budget used and holds, and which records of the
//! log are in it.
//!
//! A state changes by ops only, and by the clock that comes with them, so that every process that applies the same
//! ops has the same state. The clock never goes back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::counter::{Bucket, Counter, Held};
use super::definition::Budget;
use super::op::{Add, Group, Hold, Op};
use super::usage::{Amounts, Usage};
use super::window::{Window, Windows};
use crate::compare::to_text;
use crate::error::Result;
use crate::record_id::RecordId;
use crate::snapshot::Position;
use crate::value::Value;

/// Values of a `by` field that have a counter of their own; the rest share one.
pub const GROUPS_MAX: usize = 1000;
/// Ids of events that are remembered, so that a second commit is recognised without a look into the log.
const IDS_MAX: usize = 4096;

/// The budgets that a state counts for.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) budgets: Vec<Budget>,
    /// The bytes of the definitions, by their fingerprint.
    pub(super) fingerprint: u64,
    /// The fields that selectors and groups look at.
    pub(super) fields: Vec<String>,
}

impl Rules {
    pub(super) fn new(budgets: Vec<Budget>, fingerprint: u64) -> Self {
        let mut fields: Vec<String> = budgets
            .iter()
            .flat_map(|budget| budget.selector.iter().map(|(field, _)| field).chain(&budget.by))
            .cloned()
            .collect();
        fields.sort();
        fields.dedup();
        Self { budgets, fingerprint, fields }
    }

    /// Which counters an event with these fields belongs to, and with how much; those with nothing too, if asked.
    pub(super) fn adds<'v>(
        &self,
        amounts: &Amounts,
        nothing: bool,
        get: impl Fn(&str) -> Option<Value<'v>>,
    ) -> Vec<Add> {
        let mut adds = Vec::with_capacity(self.budgets.len());
        for (at, budget) in self.budgets.iter().enumerate() {
            let amount = amounts.of(budget.measure);
            let has = |(field, value): &(String, String)| {
                get(field).is_some_and(|given| given != Value::Null && to_text(given) == value.as_str())
            };
            if (amount == 0 && !nothing) || !budget.selector.iter().all(has) {
                continue;
            }
            let value = budget.by.as_ref().and_then(|field| get(field)).filter(|value| *value != Value::Null);
            let group = value.map_or(Group::Alone, |value| Group::Named(cut(&to_text(value)).into()));
            adds.push(Add { budget: at, group, amount });
        }
        adds
    }
}

/// Bytes of a group's name that count; what differs only behind them is one group.
const GROUP_NAME_MAX: usize = 256;

pub(super) fn cut(name: &str) -> &str {
    let end = (0..=GROUP_NAME_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or(0)).unwrap_or("")
}

/// How far a writer's records are taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Taken {
    /// All before this one.
    next: u64,
    /// And these runs behind it: start and end.
    beyond: BTreeMap<u64, u64>,
}

impl Taken {
    fn contains(&self, sequence: u64) -> bool {
        let run = self.beyond.range(..=sequence).next_back();
        sequence < self.next || run.is_some_and(|(_, end)| sequence < *end)
    }

    fn insert(&mut self, sequence: u64) {
        if self.contains(sequence) {
            return;
        }
        let next = sequence.saturating_add(1);
        let end = self.beyond.remove(&next).unwrap_or(next);
        match self.beyond.range_mut(..sequence).next_back().filter(|(_, end)| **end == sequence) {
            Some((_, before)) => *before = end,
            None => {
                self.beyond.insert(sequence, end);
            }
        }
        self.advance(self.next);
    }

    fn advance(&mut self, next: u64) {
        self.next = self.next.max(next);
        while let Some((start, end)) = self.beyond.first_key_value().map(|(start, end)| (*start, *end)) {
            if self.next < start {
                break;
            }
            self.next = self.next.max(end);
            self.beyond.remove(&start);
        }
    }
}

/// The counters.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rules: Arc<Rules>,
    /// The latest time that anybody has seen.
    pub(super) now: i64,
    /// For each budget its windows and counters.
    windows: Vec<Windows>,
    counters: Vec<BTreeMap<Group, Counter>>,
    pub(super) holds: HashMap<u64, Arc<Hold>>,
    taken: BTreeMap<u32, Taken>,
    ids: HashMap<Box<str>, Usage>,
    /// The ids in the order in which they came.
    ids_order: VecDeque<Box<str>>,
    /// Since when all ids are known.
    pub(super) ids_since: i64,
    /// Where the counters' clock stood when it was last said that the machine's was set back.
    pub(super) back: Option<i64>,
}

impl State {
    pub(super) fn new(rules: Arc<Rules>, now: i64) -> Result<Self> {
        let windows = rules.budgets.iter().map(|budget| Windows::new(budget.window, &budget.zone));
        Ok(Self {
            now,
            windows: windows.collect::<Result<_>>()?,
            counters: rules.budgets.iter().map(|_| BTreeMap::new()).collect(),
            rules,
            holds: HashMap::new(),
            taken: BTreeMap::new(),
            ids: HashMap::new(),
            ids_order: VecDeque::new(),
            ids_since: i64::MAX,
            back: None,
        })
    }

    /// Lets the clock go on; it never goes back.
    pub(super) fn tick(&mut self, now: i64) -> i64 {
        self.now = self.now.max(now);
        self.now
    }

    pub(super) fn is_taken(&self, id: RecordId) -> bool {
        self.taken.get(&id.writer).is_some_and(|taken| taken.contains(id.sequence))
    }

    /// From where on records may not be taken in yet.
    pub(super) fn position(&self) -> Position {
        Position { next: self.taken.iter().map(|(slot, taken)| (*slot, taken.next)).collect() }
    }

    /// Runs of records beyond the position.
    pub(super) fn runs_beyond(&self) -> usize {
        self.taken.values().map(|taken| taken.beyond.len()).sum()
    }

    pub(super) fn booked(&self, id: &str) -> Option<&Usage> {
        self.ids.get(id)
    }

    /// Since when events matter.
    pub(super) fn horizon(&mut self) -> i64 {
        let now = self.now;
        self.windows.iter_mut().map(|windows| windows.horizon(now)).min().unwrap_or(now)
    }

    /// A counter with the windows that it counts in.
    pub(super) fn counter(&mut self, budget: usize, group: &Group) -> Option<(&Counter, &mut Windows)> {
        let group = self.group(budget, group);
        let counter = self.counters.get(budget)?.get(&group)?;
        Some((counter, self.windows.get_mut(budget)?))
    }

    /// The windows of a budget.
    pub(super) fn windows(&mut self, budget: usize) -> Option<&mut Windows> {
        self.windows.get_mut(budget)
    }

    /// The counters of a budget that hold something, by their groups.
    pub(super) fn groups(&self, budget: usize) -> Vec<Group> {
        let counters = self.counters.get(budget).into_iter().flatten();
        counters.filter(|(_, counter)| !counter.is_empty()).map(|(group, _)| group.clone()).collect()
    }

    /// The counter that a value's amounts go to: its own, if it has one or may have one.
    pub(super) fn group(&mut self, budget: usize, group: &Group) -> Group {
        let (Group::Named(_), Some(counters)) = (group, self.counters.get_mut(budget)) else {
            return group.clone();
        };
        if counters.contains_key(group) || counters.len() < GROUPS_MAX {
            return group.clone();
        }
        if let Some(windows) = self.windows.get_mut(budget) {
            let now = self.now;
            counters.retain(|_, counter| {
                counter.prune(windows, now);
                !counter.is_empty()
            });
        }
        if counters.len() < GROUPS_MAX { group.clone() } else { Group::Rest }
    }

    fn with<T>(
        &mut self,
        budget: usize,
        group: &Group,
        change: impl FnOnce(&mut Counter, &mut Windows) -> T,
    ) -> Option<T> {
        let group = self.group(budget, group);
        let counter = self.counters.get_mut(budget)?.entry(group).or_default();
        Some(change(counter, self.windows.get_mut(budget)?))
    }

    /// Applies a change. What names a budget that is not there changes nothing.
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Hold(hold) => self.hold(hold),
            Op::Free(id) => self.free(*id),
            Op::Book { time, adds, id } => {
                let now = self.now;
                for add in adds {
                    self.with(add.budget, &add.group, |counter, windows| {
                        counter.add(windows, *time, add.amount, now);
                    });
                }
                if let Some((id, usage)) = id {
                    self.know(id, usage);
                }
            }
            Op::Seen(id) => self.taken.entry(id.writer).or_default().insert(id.sequence),
            Op::Upto(id) => self.taken.entry(id.writer).or_default().advance(id.sequence),
            Op::Fired { budget, group, fired } => {
                self.with(*budget, group, |counter, _| counter.fire(*fired));
            }
            Op::Armed { budget, group, millionths } => {
                self.with(*budget, group, |counter, _| {
                    counter.fired.retain(|fired| fired.millionths != *millionths);
                });
            }
            Op::Bucket { budget, group, bucket } => {
                self.with(*budget, group, |counter, _| counter.restore(*bucket));
            }
            Op::Known(since) => self.ids_since = *since,
            Op::Extend { id, until, adds } => self.extend(*id, *until, adds),
            Op::Back(now) => self.back = Some(*now),
        }
    }

    fn hold(&mut self, hold: &Arc<Hold>) {
        if self.holds.contains_key(&hold.id) {
            return;
        }
        // What a hold was booked to may be full by the time that it is freed: it remembers where it went.
        let mut hold = Arc::clone(hold);
        for at in 0..hold.adds.len() {
            let Some(add) = hold.adds.get(at) else { break };
            let (budget, group, amount) = (add.budget, self.group(add.budget, &add.group), add.amount);
            let held = Held { id: hold.id, at: hold.at, amount };
            self.with(budget, &group, |counter, _| counter.held.push(held));
            if group != add.group
                && let Some(add) = Arc::make_mut(&mut hold).adds.get_mut(at)
            {
                add.group = group;
            }
        }
        self.holds.insert(hold.id, hold);
    }

    /// Makes a hold hold more, and longer. One that is gone stays gone.
    fn extend(&mut self, id: u64, until: i64, more: &[Add]) {
        let Some(mut hold) = self.holds.remove(&id) else { return };
        let longer = Arc::make_mut(&mut hold);
        longer.until = longer.until.max(until);
        for add in more {
            let (budget, group) = (add.budget, self.group(add.budget, &add.group));
            let held = Held { id, at: longer.at, amount: add.amount };
            self.with(budget, &group, |counter, _| counter.held.push(held));
            longer.adds.push(Add { budget, group, amount: add.amount });
        }
        self.holds.insert(id, hold);
    }

    fn free(&mut self, id: u64) {
        let Some(hold) = self.holds.remove(&id) else { return };
        for add in &hold.adds {
            if let Some(counter) =
                self.counters.get_mut(add.budget).and_then(|counters| counters.get_mut(&add.group))
            {
                counter.held.retain(|held| held.id != id);
            }
        }
    }

    fn know(&mut self, id: &str, usage: &Usage) {
        if let Some(known) = self.ids.get_mut(id) {
            *known = known.plus(usage);
            return;
        }
        if IDS_MAX <= self.ids_order.len()
            && let Some(oldest) = self.ids_order.pop_front()
        {
            self.ids.remove(&oldest);
            // What was forgotten may be as young as now.
            self.ids_since = self.now;
        }
        self.ids.insert(id.into(), *usage);
        self.ids_order.push_back(id.into());
    }

    /// Takes over the counters of budgets that count the same under other definitions. `false` when some budget has
    /// none to take over, so that the log is to be counted anew.
    pub(super) fn adopt(&mut self, mut old: Self) -> bool {
        let mut all = true;
        let mut places: HashMap<usize, usize> = HashMap::new();
        for (at, budget) in self.rules.budgets.iter().enumerate() {
            let from = old
                .rules
                .budgets
                .iter()
                .position(|other| other.name == budget.name && other.counts_as(budget));
            match (from, self.counters.get_mut(at)) {
                (Some(from), Some(counters)) => {
                    *counters = old.counters.get_mut(from).map(std::mem::take).unwrap_or_default();
                    places.insert(from, at);
                }
                _ => all = false,
            }
        }
        let moved = |hold: Arc<Hold>| {
            let add = |add: &Add| Some(Add { budget: *places.get(&add.budget)?, ..add.clone() });
            let adds = hold.adds.iter().filter_map(add).collect();
            (hold.id, Arc::new(Hold { adds, ..Hold::clone(&hold) }))
        };
        self.holds = old.holds.into_values().map(moved).collect();
        (self.now, self.taken) = (old.now, old.taken);
        (self.ids, self.ids_order, self.ids_since) = (old.ids, old.ids_order, old.ids_since);
        self.back = old.back;
        all
    }

    /// The ops that make a new state what this one is.
    pub(super) fn ops(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        for (&writer, taken) in &self.taken {
            ops.push(Op::Upto(RecordId { writer, sequence: taken.next }));
            let runs = taken.beyond.iter().flat_map(|(start, end)| *start..*end);
            ops.extend(runs.map(|sequence| Op::Seen(RecordId { writer, sequence })));
        }
        for budget in 0..self.counters.len() {
            let Some(windows) = self.windows.get_mut(budget) else { continue };
            let now = self.now;
            for (group, counter) in self.counters.get_mut(budget).into_iter().flatten() {
                counter.prune(windows, now);
                let group = || group.clone();
                let bucket = |bucket: &Bucket| Op::Bucket { budget, group: group(), bucket: *bucket };
                ops.extend(counter.buckets.iter().map(bucket));
                let fired =
                    |fired: &super::counter::Fired| Op::Fired { budget, group: group(), fired: *fired };
                ops.extend(counter.fired.iter().map(fired));
            }
        }
        ops.extend(self.holds.values().cloned().map(Op::Hold));
        for id in &self.ids_order {
            let usage = self.ids.get(id).copied().unwrap_or_default();
            ops.push(Op::Book { time: 0, adds: Vec::new(), id: Some((id.clone(), usage)) });
        }
        ops.push(Op::Known(self.ids_since));
        ops.extend(self.back.map(Op::Back));
        ops
    }

    /// What each window of interest holds, for a comparison: budget, group, start of the window, amount.
    pub(super) fn amounts(&mut self) -> BTreeMap<(usize, Group, i64), u64> {
        let mut amounts = BTreeMap::new();
        let now = self.now;
        for (budget, (counters, windows)) in self.counters.iter_mut().zip(&mut self.windows).enumerate() {
            for (group, counter) in counters {
                counter.prune(windows, now);
                for bucket in &counter.buckets {
                    amounts.insert((budget, group.clone(), bucket.span.start), bucket.amount);
                }
            }
        }
        amounts
    }

    /// Whether some budget counts sessions, whose windows depend on the order of events.
    pub(super) fn has_sessions(&self) -> bool {
        self.windows.iter().any(|windows| matches!(windows.window, Window::Session(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::definition::{Measure, defaults};
    use crate::budget::op::Owner;

    fn state(budgets: Vec<Budget>) -> State {
        State::new(Arc::new(Rules::new(budgets, 1)), 0).unwrap()
    }

    fn book(budget: usize, group: Group, amount: u64) -> Op {
        Op::Book { time: 0, adds: vec![Add { budget, group, amount }], id: None }
    }

    fn by_user() -> Budget {
        Budget { by: Some("user".into()), ..Budget::new("u", Measure::Tokens, 100, Window::Day) }
    }

    #[test]
    fn records_are_taken_in_once_in_any_order() {
        let mut taken = Taken::default();
        for sequence in [5, 3, 4, 9, 3, 0] {
            taken.insert(sequence);
        }
        assert_eq!((taken.next, taken.beyond.len()), (1, 2));
        assert!([0, 3, 4, 5, 9].iter().all(|n| taken.contains(*n)));
        assert!([1, 2, 6, 8, 10].iter().all(|n| !taken.contains(*n)));
        taken.advance(3);
        assert_eq!((taken.next, taken.beyond.len()), (6, 1));
        taken.advance(8);
        taken.insert(8);
        assert_eq!((taken.next, taken.beyond.len()), (10, 0));
    }

    #[test]
    fn values_beyond_the_greatest_number_of_groups_share_a_counter() {
        let mut state = state(vec![by_user()]);
        let named = |n: usize| Group::Named(format!("u{n}").into());
        for n in 0..GROUPS_MAX + 5 {
            state.apply(&book(0, named(n), 1));
        }
        assert_eq!(state.groups(0).len(), GROUPS_MAX + 1);
        let (rest, windows) = state.counter(0, &Group::Rest).unwrap();
        assert_eq!(rest.used(windows, 0), 5);
        // Groups whose windows are over make room.
        state.tick(10 * 86_400_000_000_000);
        state.apply(&Op::Book {
            time: state.now,
            adds: vec![Add { budget: 0, group: named(GROUPS_MAX + 9), amount: 7 }],
            id: None,
        });
        assert_eq!(state.groups(0), [named(GROUPS_MAX + 9)]);
    }

    #[test]
    fn a_state_is_what_its_ops_make_of_a_new_one() {
        let mut one = state([defaults(), vec![by_user()]].concat());
        let ann = Group::Named("ann".into());
        let adds = vec![Add { budget: 2, group: ann.clone(), amount: 30 }];
        let owner = Some(Owner { slot: 1, epoch: 2 });
        for op in [
            book(0, Group::Alone, 5),
            book(2, ann, 7),
            Op::Hold(Arc::new(Hold { id: 77, owner, at: 1, until: 900, adds: adds.clone() })),
            Op::Book { time: 4, adds, id: Some(("x".into(), Usage::default())) },
            Op::Seen(RecordId { writer: 4, sequence: 2 }),
            Op::Upto(RecordId { writer: 5, sequence: 20 }),
            Op::Known(5),
        ] {
            one.apply(&op);
        }
        let mut two = State::new(Arc::clone(&one.rules), 0).unwrap();
        let ops = one.ops();
        ops.iter().for_each(|op| two.apply(op));
        assert_eq!(two.ops(), ops);
        assert_eq!((one.counters.clone(), one.taken.clone()), (two.counters.clone(), two.taken.clone()));
        two.apply(&Op::Free(77));
        assert!(two.counters[2].values().all(|counter| counter.held.is_empty()));
    }

    #[test]
    fn counters_go_on_under_new_limits_and_not_under_new_selectors() {
        let mut old = state(defaults());
        old.apply(&book(1, Group::Alone, 5));
        let mut budgets = defaults();
        budgets.reverse();
        budgets[0].limit = 7;
        let mut new = state(budgets.clone());
        assert!(new.adopt(old));
        let (counter, windows) = new.counter(0, &Group::Alone).unwrap();
        assert_eq!(counter.used(windows, 0), 5, "the daily budget, now first");
        budgets[0].selector.push(("model".into(), "x".into()));
        assert!(!state(budgets).adopt(new));
    }

    #[test]
    fn the_clock_of_the_counters_never_goes_back() {
        let mut state = state(defaults());
        assert_eq!((state.tick(50), state.tick(20), state.tick(60)), (50, 50, 60));
    }

    #[test]
    fn an_id_that_was_forgotten_moves_the_time_since_which_all_are_known() {
        let mut state = state(defaults());
        state.apply(&Op::Known(i64::MIN));
        for n in 0..=IDS_MAX {
            state.tick(n as i64);
            assert_eq!(state.ids_since, i64::MIN);
            let id = Some((n.to_string().into(), Usage { calls: 1, ..Usage::default() }));
            state.apply(&Op::Book { time: 0, adds: Vec::new(), id });
        }
        assert_eq!(state.ids_since, IDS_MAX as i64);
        assert!(state.booked("0").is_none());
        assert!(state.booked("1").is_some());
    }
}
