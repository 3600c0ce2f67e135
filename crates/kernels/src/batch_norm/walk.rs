//! How kernels walk a slice of rows of channels, and how their sums are added up.
#![allow(unsafe_code)]

use std::ops::Range;

use crate::channels::{GROUP_MAX, chunk_len, fold};
use crate::disjoint::for_each_chunk;
use crate::simd::Vector;
use crate::threads::Threads;

/// Walks a slice that starts at channel 0, group by group of [`GROUP`] vectors down the whole slice, so that a group's
/// sums stay in registers; what is left of the last period comes lane by lane.
///
/// `$group` sees each group's first position in the period; `$body` each full vector's place in the slice and number in
/// the group, `$end` the group's end, `$part` the tail's vectors with their place and count of valid lanes.
macro_rules! walk {
    ($V:ty, $len:expr, $period:expr, |$group:ident| $begin:block, |$at:ident, $j:ident| $body:block, $end:block,
     |$place:ident, $count:ident| $part:block) => {{
        let whole = $len / $period * $period;
        let mut $group = 0;
        while $group < $period && whole > 0 {
            $begin
            let mut start = $group;
            while start < whole {
                for $j in 0..GROUP {
                    let $at = start + $j * <$V>::LANES;
                    $body
                }
                start += $period;
            }
            $end
            $group += GROUP * <$V>::LANES;
        }
        let mut $place = whole;
        while $place < $len {
            let $count = <$V>::LANES.min($len - $place);
            $part
            $place += <$V>::LANES;
        }
    }};
}

pub(super) use walk;

/// Checks that per-channel numbers laid out over `period` suit the vectors of every instruction set.
pub(super) fn check_period(period: usize) {
    assert!(period > 0 && period.is_multiple_of(GROUP_MAX), "a period of {period} is no whole number of groups");
}

/// Folds the vectors of two sums into their channels.
#[inline(always)]
pub(super) fn fold_pair<V: Vector>(first: &[V], second: &[V], position: usize, count: usize, sums: &mut [f64]) {
    assert!(first.len().max(second.len()) * V::LANES <= GROUP_MAX);
    let mut lanes = [0.0f32; GROUP_MAX];
    let (one, two) = sums.split_at_mut(sums.len() / 2);
    for (vectors, sums) in [(first, one), (second, two)] {
        for (j, vector) in vectors.iter().enumerate() {
            // SAFETY: the array holds so many vectors, checked above.
            unsafe { vector.store(lanes.as_mut_ptr().add(j * V::LANES)) };
        }
        fold(&lanes[..count], position, sums);
    }
}

/// Runs `task` on every chunk of a slice of `len` floats, and adds up in order the sums that each leaves in its part of
/// `partial`.
pub(super) fn sum_chunks(
    threads: &Threads,
    len: usize,
    period: usize,
    partial: &mut [f64],
    sums: &mut [f64],
    task: impl Fn(Range<usize>, &mut [f64]) + Sync,
) {
    let (chunk_len, width) = (chunk_len(period), sums.len());
    let partial = &mut partial[..len.div_ceil(chunk_len) * width];
    partial.fill(0.0);
    for_each_chunk(threads, partial, width, |chunk, part| {
        task(chunk * chunk_len..((chunk + 1) * chunk_len).min(len), part);
    });
    sums.fill(0.0);
    for part in partial.chunks_exact(width) {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
}

/// The chunk `index` of chunks of `len` numbers, the last of which may be shorter.
pub(super) fn chunk_of(all: &[f32], index: usize, len: usize) -> &[f32] {
    let chunk = &all[index * len..];
    &chunk[..len.min(chunk.len())]
}
