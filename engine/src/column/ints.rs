//! Integers: each group as small offsets from its least value, as small steps from value to value, as small changes of
//! that step, or as runs of equal values; whichever takes the fewest bytes.
//!
//! ```text
//! head     divisor (varint; every difference of two values is a multiple of it), then for each group that
//!          has values:
//!            least value (zigzag varint, minus the least value of the group before, wrapping)
//!            range (varint): greatest value minus least
//!            packing u8: 255 offsets; 0 ..= 64 steps of that many bits, and then
//!              first value minus least (varint), least step (zigzag varint);
//!              128 ..= 192 changes of 0 ..= 64 bits, and then first value minus least (varint),
//!              first step, least change (zigzag varints);
//!              254 runs, and then count of runs (varint), bits of a length u8
//! page     its groups one after the other, each on whole bytes, see `bits`
//! offsets  (value - least) / divisor for each value, in as many bits as range / divisor needs
//! steps    (step - least step) / divisor for each value but the first, wrapping
//! changes  (change - least change) / divisor for each value but the first two, wrapping
//! runs     the value of each run as an offset, then the length of each less one
//! ```

use super::bits;
use crate::format::varint;
use std::ops::Range;

const OFFSETS: u8 = 255;
const RUNS: u8 = 254;
/// The packing of changes of no bits.
const CHANGES: u8 = 128;
/// The same in its highest place.
const CHANGES_LAST: u8 = CHANGES + 64;
/// A group has 1,024 values at most: a run takes no more bits than this.
const RUN_WIDTH_MAX: u32 = 16;

/// How the integers of a block are packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    divisor: u64,
    groups: Vec<Frame>,
}

/// One group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    len: usize,
    min: i64,
    max: i64,
    packing: Packing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Offsets { width: u32 },
    Steps { first: i64, least: i64, width: u32 },
    Changes { first: i64, step: i64, least: i64, width: u32 },
    Runs { count: usize, len_width: u32, width: u32 },
}

impl Frames {
    /// The smallest packing of `values`, which the ranges cut into groups.
    pub(crate) fn measure(values: &[i64], groups: impl Iterator<Item = Range<usize>>) -> Self {
        let divisor = divisor(values);
        let groups = groups.map(|range| frame(values.get(range).unwrap_or_default(), divisor)).collect();
        Self { divisor, groups }
    }

    /// The value, if there is one only.
    pub(crate) fn constant(&self) -> Option<i64> {
        self.block_bounds().filter(|(min, max)| min == max).map(|(min, _)| min)
    }

    /// Bytes of the head and of all groups, about.
    pub(crate) fn size(&self) -> usize {
        self.groups.iter().filter(|frame| frame.len != 0).map(|frame| frame.size() + 8).sum()
    }

    pub(crate) fn write_head(&self, out: &mut Vec<u8>) {
        varint::put(out, self.divisor);
        let mut before = 0;
        for frame in self.groups.iter().filter(|frame| frame.len != 0) {
            varint::put_signed(out, frame.min.wrapping_sub(before));
            before = frame.min;
            varint::put(out, frame.max.abs_diff(frame.min));
            match frame.packing {
                Packing::Offsets { .. } => out.push(OFFSETS),
                Packing::Steps { first, least, width } => {
                    out.push(u8::try_from(width).unwrap_or(64));
                    varint::put(out, first.abs_diff(frame.min));
                    varint::put_signed(out, least);
                }
                Packing::Changes { first, step, least, width } => {
                    out.push(CHANGES + u8::try_from(width).unwrap_or(64));
                    varint::put(out, first.abs_diff(frame.min));
                    varint::put_signed(out, step);
                    varint::put_signed(out, least);
                }
                Packing::Runs { count, len_width, .. } => {
                    out.push(RUNS);
                    varint::put(out, count as u64);
                    out.push(u8::try_from(len_width).unwrap_or(0));
                }
            }
        }
    }

    /// Reads the head for groups of these sizes.
    pub(crate) fn read_head(input: &mut &[u8], lens: impl Iterator<Item = usize>) -> Option<Self> {
        let divisor = varint::take(input).filter(|divisor| *divisor != 0)?;
        let mut groups = Vec::new();
        let mut before = 0_i64;
        for len in lens {
            if len == 0 {
                groups.push(Frame { len, min: 0, max: 0, packing: Packing::Offsets { width: 0 } });
                continue;
            }
            let min = before.wrapping_add(varint::take_signed(input)?);
            before = min;
            let range = varint::take(input)?;
            let max = min.checked_add_unsigned(range)?;
            let (&tag, rest) = input.split_first()?;
            *input = rest;
            let packing = match tag {
                OFFSETS => Packing::Offsets { width: bits::width(range / divisor) },
                0..=64 => {
                    let first = min.checked_add_unsigned(varint::take(input)?)?;
                    let least = varint::take_signed(input)?;
                    Packing::Steps { first, least, width: u32::from(tag) }
                }
                CHANGES..=CHANGES_LAST => {
                    let first = min.checked_add_unsigned(varint::take(input)?)?;
                    let (step, least) = (varint::take_signed(input)?, varint::take_signed(input)?);
                    Packing::Changes { first, step, least, width: u32::from(tag - CHANGES) }
                }
                RUNS => {
                    let count = usize::try_from(varint::take(input)?).ok().filter(|count| *count <= len)?;
                    let (&len_width, rest) = input.split_first()?;
                    *input = rest;
                    let len_width = u32::from(len_width);
                    let width = bits::width(range / divisor);
                    if RUN_WIDTH_MAX < len_width {
                        return None;
                    }
                    Packing::Runs { count, len_width, width }
                }
                _ => return None,
            };
            groups.push(Frame { len, min, max, packing });
        }
        Some(Self { divisor, groups })
    }

    /// Bytes that a group takes in its page.
    pub(crate) fn group_size(&self, group: usize) -> usize {
        self.groups.get(group).map_or(0, Frame::size)
    }

    /// The least and greatest value of a group.
    pub(crate) fn bounds(&self, group: usize) -> Option<(i64, i64)> {
        self.groups.get(group).filter(|frame| frame.len != 0).map(|frame| (frame.min, frame.max))
    }

    /// The least and greatest value of all groups.
    pub(crate) fn block_bounds(&self) -> Option<(i64, i64)> {
        let bounds = (0..self.groups.len()).filter_map(|group| self.bounds(group));
        bounds.reduce(|(min, max), (least, greatest)| (min.min(least), max.max(greatest)))
    }

    /// Appends a group's bytes.
    pub(crate) fn write_group(&self, group: usize, values: &[i64], out: &mut Vec<u8>) {
        let Some(frame) = self.groups.get(group) else { return };
        let divide = |value: u64| if self.divisor == 1 { value } else { value / self.divisor };
        match frame.packing {
            Packing::Offsets { width } => {
                bits::pack(out, width, values.iter().map(|value| divide(value.abs_diff(frame.min))));
            }
            Packing::Steps { least, width, .. } => {
                let steps = values.iter().zip(values.iter().skip(1));
                let steps = steps.map(|(value, next)| divide(next.wrapping_sub(*value).abs_diff(least)));
                bits::pack(out, width, steps);
            }
            Packing::Changes { least, width, .. } => {
                bits::pack(out, width, changes(values).map(|change| divide(change.abs_diff(least))));
            }
            Packing::Runs { len_width, width, .. } => {
                let runs = || values.chunk_by(|value, next| value == next);
                let firsts = runs().filter_map(<[i64]>::first);
                bits::pack(out, width, firsts.map(|value| divide(value.abs_diff(frame.min))));
                bits::pack(out, len_width, runs().map(|run| run.len() as u64 - 1));
            }
        }
    }

    /// Replaces what `out` holds by a group's values. `None` when the bytes are not what the head says.
    pub(crate) fn read_group(&self, group: usize, bytes: &[u8], out: &mut Vec<i64>) -> Option<()> {
        let frame = self.groups.get(group)?;
        match frame.packing {
            Packing::Offsets { width } => {
                bits::unpack(bytes, width, frame.len, out, u64::cast_signed)?;
                self.scale(out, frame.min);
            }
            Packing::Steps { first, least, width } => {
                bits::unpack(bytes, width, frame.len.checked_sub(1)?, out, u64::cast_signed)?;
                self.scale(out, least);
                let mut value = first;
                for place in out.iter_mut() {
                    let step = *place;
                    *place = value;
                    value = value.wrapping_add(step);
                }
                out.push(value);
            }
            Packing::Changes { first, step, least, width } => {
                bits::unpack(bytes, width, frame.len.checked_sub(2)?, out, u64::cast_signed)?;
                self.scale(out, least);
                let (mut value, mut step) = (first, step);
                for place in out.iter_mut() {
                    let change = *place;
                    *place = value;
                    value = value.wrapping_add(step);
                    step = step.wrapping_add(change);
                }
                out.extend([value, value.wrapping_add(step)]);
            }
            Packing::Runs { count, len_width, width } => {
                let (mut values, mut lens) = (Vec::new(), Vec::new());
                let (offsets, rest) = bytes.split_at_checked(bits::size(count, width))?;
                bits::unpack(offsets, width, count, &mut values, u64::cast_signed)?;
                bits::unpack(rest, len_width, count, &mut lens, |len| len)?;
                self.scale(&mut values, frame.min);
                out.clear();
                for (value, len) in values.into_iter().zip(lens) {
                    let len = usize::try_from(len).ok()?.checked_add(1)?;
                    let end = out.len().checked_add(len).filter(|end| *end <= frame.len)?;
                    out.resize(end, value);
                }
                if out.len() != frame.len {
                    return None;
                }
            }
        }
        Some(())
    }

    /// Undoes the division and adds `base`. In a loop of its own, over what the cache holds: it costs little,
    /// and so the code that unpacks is there once.
    fn scale(&self, values: &mut [i64], base: i64) {
        let divisor = self.divisor.cast_signed();
        if divisor == 1 {
            values.iter_mut().for_each(|value| *value = base.wrapping_add(*value));
        } else {
            values.iter_mut().for_each(|value| *value = base.wrapping_add(value.wrapping_mul(divisor)));
        }
    }
}

impl Frame {
    fn size(&self) -> usize {
        match self.packing {
            Packing::Offsets { width } => bits::size(self.len, width),
            Packing::Steps { width, .. } => bits::size(self.len.saturating_sub(1), width),
            Packing::Changes { width, .. } => bits::size(self.len.saturating_sub(2), width),
            Packing::Runs { count, len_width, width } => {
                bits::size(count, width) + bits::size(count, len_width)
            }
        }
    }
}

fn frame(values: &[i64], divisor: u64) -> Frame {
    let Some((&first, rest)) = values.split_first() else {
        return Frame { len: 0, min: 0, max: 0, packing: Packing::Offsets { width: 0 } };
    };
    let (mut min, mut max) = (first, first);
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    let mut before = first;
    for &value in rest {
        min = min.min(value);
        max = max.max(value);
        let step = value.wrapping_sub(before);
        least = least.min(step);
        most = most.max(step);
        before = value;
    }
    let range = max.abs_diff(min);
    let width = bits::width(range / divisor);
    let mut best = Frame { len: values.len(), min, max, packing: Packing::Offsets { width } };
    // Any other packing costs time or a longer head: it must be worth it.
    let mut try_packing = |packing, head| {
        let other = Frame { packing, ..best };
        if other.size() + other.size() / 8 + head < best.size() {
            best = other;
        }
    };
    let runs = values.chunk_by(|value, next| value == next);
    let (count, longest) = runs.fold((0, 0), |(count, longest), run| (count + 1, run.len().max(longest)));
    let len_width = bits::width(longest as u64 - 1);
    if len_width <= RUN_WIDTH_MAX {
        try_packing(Packing::Runs { count, len_width, width }, 8);
    }
    // Steps of a wider range can wrap, and wrapped ones are no multiples of the divisor; so can their changes.
    if !rest.is_empty() && range <= u64::MAX / 2 {
        let width = bits::width(most.abs_diff(least) / divisor);
        try_packing(Packing::Steps { first, least, width }, 8);
    }
    if 2 < values.len() && range <= u64::MAX / 4 {
        let (least, most) = changes(values)
            .fold((i64::MAX, i64::MIN), |(least, most), change| (least.min(change), most.max(change)));
        let width = bits::width(most.abs_diff(least) / divisor);
        let step = rest.first().copied().unwrap_or(first).wrapping_sub(first);
        try_packing(Packing::Changes { first, step, least, width }, 16);
    }
    best
}

/// By how much each step differs from the one before.
fn changes(values: &[i64]) -> impl Iterator<Item = i64> {
    values.windows(3).filter_map(|values| match *values {
        [before, value, next] => Some(next.wrapping_sub(value).wrapping_sub(value.wrapping_sub(before))),
        _ => None,
    })
}

/// The greatest common divisor of all differences; 1 where there are none.
fn divisor(values: &[i64]) -> u64 {
    let first = values.first().copied().unwrap_or(0);
    let mut divisor = 0;
    for value in values {
        let difference = value.abs_diff(first);
        if divisor == 1 {
            break;
        }
        if divisor == 0 || !difference.is_multiple_of(divisor) {
            divisor = gcd(difference, divisor);
        }
    }
    divisor.max(1)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[i64], group: usize) -> usize {
        let ranges: Vec<Range<usize>> =
            (0..values.len()).step_by(group).map(|at| at..(at + group).min(values.len())).collect();
        let frames = Frames::measure(values, ranges.iter().cloned());
        let mut head = Vec::new();
        frames.write_head(&mut head);
        let mut input = head.as_slice();
        let read = Frames::read_head(&mut input, ranges.iter().map(Range::len));
        assert_eq!(read.as_ref(), Some(&frames));
        assert!(input.is_empty());
        let (mut back, mut size) = (Vec::new(), head.len());
        for (at, range) in ranges.iter().enumerate() {
            let mut bytes = Vec::new();
            frames.write_group(at, &values[range.clone()], &mut bytes);
            assert_eq!(bytes.len(), frames.group_size(at));
            size += bytes.len();
            assert_eq!(frames.read_group(at, &bytes, &mut back), Some(()));
            assert_eq!(back, values[range.clone()]);
            let (min, max) = frames.bounds(at).unwrap();
            assert!(back.iter().all(|value| (min..=max).contains(value)));
            bytes.push(0);
            assert_eq!(frames.read_group(at, &bytes, &mut back), None);
        }
        size
    }

    proptest! {
        #[test]
        fn integers_read_back(
            values in proptest::collection::vec(any::<i64>(), 1..70),
            shift in 0_u32..64,
            factor in 1_i64..1000,
            group in 1_usize..40,
        ) {
            let values: Vec<i64> =
                values.into_iter().map(|value| (value >> shift).wrapping_mul(factor)).collect();
            check(&values, group);
        }
    }

    #[test]
    fn the_extremes_read_back() {
        for values in [
            vec![i64::MIN, i64::MAX],
            vec![i64::MAX, i64::MIN, 0, -1],
            vec![0],
            vec![i64::MIN],
            vec![-(1 << 62), 1 << 62, -(1 << 62)],
            vec![-(1 << 62), (1 << 62) - 1, -(1 << 62)],
            // Steps that wrap are no multiples of three any more.
            [-3 << 61, 3 << 61].repeat(512),
        ] {
            check(&values, 1024);
        }
    }

    #[test]
    fn runs_and_steady_changes_are_small() {
        let runs: Vec<i64> = (0..1024).map(|n| n / 100 * 7919 % 31 * 1_000_003).collect();
        assert!(check(&runs, 1024) < 40);
        // What falls goes faster by the same from step to step.
        let falling: Vec<i64> = (0..1024).map(|n| -7 * n * n + 13 * n).collect();
        assert!(check(&falling, 1024) < 24);
        for short in [vec![5], vec![5, 5], vec![5, 5, 5], vec![1, 2, 4], vec![7; 1024]] {
            check(&short, 1024);
        }
    }

    #[test]
    fn runs_that_do_not_add_up_are_damage() {
        let values: Vec<i64> = (0..1024).map(|n| n / 512).collect();
        let frames = Frames::measure(&values, std::iter::once(0..1024));
        let mut bytes = Vec::new();
        frames.write_group(0, &values, &mut bytes);
        assert!(matches!(frames.groups[0].packing, Packing::Runs { count: 2, .. }));
        let last = bytes.len() - 1;
        for flip in 1..=255 {
            let mut bad = bytes.clone();
            bad[last] ^= flip;
            let mut back = Vec::new();
            let read = frames.read_group(0, &bad, &mut back);
            assert!(read.is_none() || back.len() == 1024);
        }
    }

    #[test]
    fn sequences_and_coarse_times_are_small() {
        let sequence: Vec<i64> = (1_000_000..1_001_024).collect();
        assert!(check(&sequence, 1024) < 16);
        let times: Vec<i64> =
            (0..1024).map(|n| 1_800_000_000_000_000_000 + n * n % 1000 * 1_000_000).collect();
        // A thousand milliseconds take ten bits.
        assert!(check(&times, 1024) < 1280 + 24);
    }
}
