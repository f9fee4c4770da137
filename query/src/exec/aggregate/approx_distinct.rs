//! `approx_distinct`: about how many different values, in 4 KiB a group.
//!
//! HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) of 2^12 registers, whose standard error is 1.04 / sqrt(2^12) = 1.6 %,
//! with the estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6), which needs
//! no correction of small or large counts. Up to 512 values the hashes themselves are kept, and the count is exact. The hash
//! is XXH3 without a seed, so that the same values give the same answer; a register is a maximum, so that no order
//! matters.

use logq_engine::compare::put_key;
use logq_engine::{RecordId, Value};
use std::collections::BTreeSet;
use twox_hash::XxHash3_64;

use super::{States, merge_each};
use crate::datum::Datum;

/// Bits of a hash that choose its register.
const BITS: u32 = 12;
const REGISTERS: usize = 1 << BITS;
/// Hashes that are kept before registers take their place.
const HASHES_MAX: usize = 512;
/// Bits of a hash that are left to count zeros in.
const LEFT: u32 = u64::BITS - BITS;

#[derive(Default)]
pub(in crate::exec) struct ApproxDistinct {
    sketches: Vec<Sketch>,
    key: Vec<u8>,
    grown: usize,
}

enum Sketch {
    Hashes(BTreeSet<u64>),
    Registers(Box<[u8]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Hashes(BTreeSet::new())
    }
}

impl Sketch {
    /// Takes a hash; the bytes that it took.
    fn add(&mut self, hash: u64) -> usize {
        match self {
            Self::Registers(registers) => {
                put(registers, hash);
                0
            }
            Self::Hashes(hashes) => {
                let grown = if hashes.insert(hash) { 2 * size_of::<u64>() } else { 0 };
                if hashes.len() <= HASHES_MAX {
                    return grown;
                }
                let mut registers = vec![0; REGISTERS].into_boxed_slice();
                hashes.iter().for_each(|hash| put(&mut registers, *hash));
                *self = Self::Registers(registers);
                REGISTERS
            }
        }
    }

    fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Hashes(hashes)) => hashes.into_iter().for_each(|hash| {
                self.add(hash);
            }),
            (Self::Registers(registers), Self::Registers(more)) => {
                registers.iter_mut().zip(more).for_each(|(one, other)| *one = other.max(*one));
            }
            (Self::Hashes(hashes), Self::Registers(mut registers)) => {
                hashes.iter().for_each(|hash| put(&mut registers, *hash));
                *self = Self::Registers(registers);
            }
        }
    }

    fn count(&self) -> i64 {
        match self {
            Self::Hashes(hashes) => i64::try_from(hashes.len()).unwrap_or(i64::MAX),
            Self::Registers(registers) => format!("{:.0}", estimate(registers)).parse().unwrap_or(i64::MAX),
        }
    }
}

/// Notes a hash: its register holds the longest run of zeros that was seen, and one.
fn put(registers: &mut [u8], hash: u64) {
    let at = usize::try_from(hash >> LEFT).unwrap_or(0);
    let zeros = (hash << BITS).leading_zeros().min(LEFT) + 1;
    if let Some(register) = registers.get_mut(at) {
        *register = u8::try_from(zeros).unwrap_or(u8::MAX).max(*register);
    }
}

/// Ertl's improved raw estimator.
fn estimate(registers: &[u8]) -> f64 {
    let mut histogram = vec![0_u32; LEFT as usize + 2];
    for register in registers {
        if let Some(count) = histogram.get_mut(usize::from(*register)) {
            *count += 1;
        }
    }
    let of = |at: usize| f64::from(histogram.get(at).copied().unwrap_or(0));
    let m = f64::from(1_u32 << BITS);
    let mut z = m * tau(1.0 - of(LEFT as usize + 1) / m);
    for at in (1..=LEFT as usize).rev() {
        z = 0.5 * (z + of(at));
    }
    z += m * sigma(of(0) / m);
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

impl States for ApproxDistinct {
    fn grow(&mut self, groups: usize) {
        self.sketches.resize_with(groups, Sketch::default);
    }

    fn add(&mut self, group: usize, value: Value<'_>, _: (i64, RecordId)) {
        let Some(sketch) = self.sketches.get_mut(group) else { return };
        self.key.clear();
        put_key(&mut self.key, Some(value));
        self.grown += sketch.add(XxHash3_64::oneshot(&self.key));
    }

    fn merge(&mut self, other: Self, map: &[u32]) {
        merge_each(&mut self.sketches, other.sketches, map, Sketch::merge);
    }

    fn finish(&mut self, group: usize) -> Datum {
        Datum::Int(self.sketches.get(group).map_or(0, Sketch::count))
    }

    fn grown(&mut self) -> usize {
        std::mem::take(&mut self.grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(numbers: impl Iterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::default();
        numbers.for_each(|n| {
            sketch.add(XxHash3_64::oneshot(&n.to_le_bytes()));
        });
        sketch
    }

    #[test]
    fn counts_are_exact_while_small_and_within_a_few_percent_after() {
        for count in [0, 1, 512] {
            assert_eq!(sketch(0..count).count(), i64::try_from(count).unwrap());
        }
        for count in [513_u64, 5_000, 50_000, 500_000] {
            let got = f64::from(u32::try_from(sketch(0..count).count()).unwrap());
            let want = f64::from(u32::try_from(count).unwrap());
            assert!((got / want - 1.0).abs() < 0.05, "{count}: {got}");
        }
    }

    #[test]
    fn merging_in_any_order_gives_what_one_sketch_gives() {
        for (first, second) in
            [(0..300, 200..400), (0..300, 100..9000), (0..9000, 8000..8100), (0..800, 700..9000)]
        {
            let one = sketch(first.clone().chain(second.clone())).count();
            let (mut left, mut right) = (sketch(first.clone()), sketch(second.clone()));
            left.merge(sketch(second));
            right.merge(sketch(first));
            assert_eq!((left.count(), right.count()), (one, one));
        }
    }
}
