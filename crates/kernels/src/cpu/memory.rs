//! One block of memory for all activations and gradients, each with a place fixed beforehand: those that never live at
//! the same time share theirs.

#![allow(unsafe_code)]

use std::ops::Range;

/// Floats in a cache line, which every buffer starts at.
const LINE: usize = 16;

/// A buffer of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BufferId(pub(super) usize);

/// How large a buffer is, and from when to when it is needed, both ends included.
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

/// Where every buffer of a plan lies, for batches of up to a given size.
#[derive(Debug)]
pub(super) struct Layout {
    starts: Vec<usize>,
    lens: Vec<usize>,
    /// Floats in all.
    pub(super) total: usize,
}

impl Layout {
    /// Places the largest first, each at the lowest address where it disturbs nobody.
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

    /// The floats of a buffer for `images` images.
    pub(super) fn range(&self, buffer: BufferId, images: usize) -> Range<usize> {
        let start = self.starts[buffer.0];
        start..start + self.lens[buffer.0] * images
    }
}

/// The memory itself: grows, never shrinks, and starts at a cache line.
#[derive(Default)]
pub(super) struct Arena {
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

impl Arena {
    /// Makes room for `floats`. What was there is lost if it grows.
    pub(super) fn reserve(&mut self, floats: usize) {
        let lines = floats.div_ceil(LINE);
        if self.lines.len() < lines {
            // Freed first: both together would be the peak of the process.
            self.lines = Vec::new();
            self.lines = vec![Line([0.0; LINE]); lines];
        }
    }

    /// All of it.
    pub(super) fn floats(&mut self) -> &mut [f32] {
        let len = self.lines.len() * LINE;
        // SAFETY: a line is exactly its floats.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }

    /// The floats of several ranges, which must not overlap.
    pub(super) fn split<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [f32]; N] {
        self.floats().get_disjoint_mut(ranges).expect("buffers that live together have places of their own")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_share_memory_only_when_never_alive_together() {
        let lifetimes: Vec<Lifetime> =
            (0..40).map(|i| Lifetime { len: 1 + i * 7 % 13 * 5, first: i, last: i + i * 5 % 11 }).collect();
        let layout = Layout::new(&lifetimes, 3);
        for (i, a) in lifetimes.iter().enumerate() {
            for (j, b) in lifetimes.iter().enumerate().skip(i + 1) {
                let (x, y) = (layout.range(BufferId(i), 3), layout.range(BufferId(j), 3));
                assert!(!a.overlaps(b) || x.end <= y.start || y.end <= x.start, "{a:?} {b:?}");
            }
            assert!(layout.range(BufferId(i), 3).end <= layout.total);
            assert_eq!(layout.range(BufferId(i), 1).start % LINE, 0);
        }
        let all: usize = lifetimes.iter().map(|l| l.len * 3).sum();
        assert!(layout.total < all / 2, "{} of {all}", layout.total);
    }
}
