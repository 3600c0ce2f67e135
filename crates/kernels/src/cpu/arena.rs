//! One block of memory for all activations and gradients, each with a place fixed beforehand: those that never live at
//! the same time share theirs.

use std::ops::Range;

use crate::aligned::{AlignedBuffer, LINE};

/// A region of the memory: a plan says what lies in it when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegionId(pub(super) usize);

/// How large a region is, and from when to when it is needed, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    /// Floats an image.
    pub(super) len: usize,
    /// When it is first written.
    pub(super) first: usize,
    /// When it is last read.
    pub(super) last: usize,
}

impl Lifetime {
    /// Prolongs it to `time`.
    pub(super) fn extend(&mut self, time: usize) {
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Where every region of a plan lies, for batches of up to a given size.
#[derive(Debug)]
pub(super) struct ArenaLayout {
    starts: Vec<usize>,
    lens: Vec<usize>,
    /// Floats in all.
    pub(super) total: usize,
}

impl ArenaLayout {
    /// Places the largest first, each on a cache line, at the lowest address where it disturbs nobody.
    pub(super) fn new(lifetimes: &[Lifetime], batch_size: usize) -> Self {
        let size = |i: usize| (lifetimes[i].len * batch_size).next_multiple_of(LINE);
        let mut order: Vec<usize> = (0..lifetimes.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(size(i)), i));
        let mut starts = vec![0; lifetimes.len()];
        let mut placed: Vec<usize> = Vec::new();
        let mut total = 0;
        for i in order {
            let mut start = 0;
            for &other in placed.iter().filter(|&&other| lifetimes[other].overlaps(&lifetimes[i])) {
                if start + size(i) <= starts[other] {
                    break;
                }
                start = start.max(starts[other] + size(other));
            }
            starts[i] = start;
            total = total.max(start + size(i));
            let at = placed.partition_point(|&other| starts[other] <= start);
            placed.insert(at, i);
        }
        Self { starts, lens: lifetimes.iter().map(|l| l.len).collect(), total }
    }

    /// The floats of a region for `images` images.
    pub(super) fn range(&self, region: RegionId, images: usize) -> Range<usize> {
        let start = self.starts[region.0];
        start..start + self.lens[region.0] * images
    }
}

/// The memory itself: grows, never shrinks, and starts at a cache line.
#[derive(Default)]
pub(super) struct Arena(AlignedBuffer);

impl Arena {
    /// Makes room for `floats`. What was there is lost if it grows.
    pub(super) fn reserve(&mut self, floats: usize) {
        self.0.get(floats);
    }

    /// All of it.
    pub(super) fn floats(&mut self) -> &mut [f32] {
        self.0.all()
    }

    /// The floats of several ranges, which must not overlap.
    pub(super) fn split<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [f32]; N] {
        self.floats().get_disjoint_mut(ranges).expect("regions that live together have places of their own")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_share_memory_only_when_never_alive_together() {
        let lifetimes: Vec<Lifetime> =
            (0..40).map(|i| Lifetime { len: 1 + i * 7 % 13 * 5, first: i, last: i + i * 5 % 11 }).collect();
        let layout = ArenaLayout::new(&lifetimes, 3);
        for (i, a) in lifetimes.iter().enumerate() {
            for (j, b) in lifetimes.iter().enumerate().skip(i + 1) {
                let (x, y) = (layout.range(RegionId(i), 3), layout.range(RegionId(j), 3));
                assert!(!a.overlaps(b) || x.end <= y.start || y.end <= x.start, "{a:?} {b:?}");
            }
            assert!(layout.range(RegionId(i), 3).end <= layout.total);
            assert_eq!(layout.range(RegionId(i), 1).start % LINE, 0);
        }
        let all: usize = lifetimes.iter().map(|l| l.len * 3).sum();
        assert!(layout.total < all / 2, "{} of {all}", layout.total);
    }
}
