//! Rows of channels, [rows, C], as flat slices: how per-channel numbers meet vectors of any width.
//!
//! A row of C floats seldom is a whole number of vectors. A *period*, the least common multiple of C and
//! [`GROUP_MAX`], is: per-channel numbers are laid out over one period ([`spread`]), and kernels walk a slice period by
//! period. Work is cut into chunks of whole periods, so that every chunk starts at channel 0.

use crate::simd::MAX_LANES;

/// Vectors that a kernel handles side by side, to have as many independent sums.
pub(crate) const GROUP: usize = 4;

/// Floats in a group of the widest vectors.
pub(crate) const GROUP_MAX: usize = GROUP * MAX_LANES;

/// Floats of a chunk, about: small enough to stay in a core's cache, large enough to be worth a task.
const CHUNK: usize = 32 * 1024;

/// Floats after which channels and vectors line up again.
pub(crate) fn period(channels: usize) -> usize {
    channels / gcd(channels, GROUP_MAX) * GROUP_MAX
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Floats of a chunk of whole periods.
pub(crate) fn chunk_len(period: usize) -> usize {
    (CHUNK / period).max(1) * period
}

/// Lays `values`, one a channel, out over `table`, a period.
pub(crate) fn spread(values: impl Iterator<Item = f32>, channels: usize, table: &mut [f32]) {
    for (slot, value) in table.iter_mut().zip(values) {
        *slot = value;
    }
    for start in (channels..table.len()).step_by(channels) {
        table.copy_within(0..channels, start);
    }
}

/// Adds the first `count` of `lanes`, which begin at `position` of a period, to their channels' sums.
#[inline(always)]
pub(crate) fn fold(lanes: &[f32], position: usize, sums: &mut [f64]) {
    let mut channel = position % sums.len();
    for &lane in lanes {
        sums[channel] += f64::from(lane);
        channel += 1;
        if channel == sums.len() {
            channel = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_whole_in_channels_and_vectors() {
        for channels in [1, 3, 16, 20, 32, 50, 64, 80, 511] {
            let period = period(channels);
            assert_eq!((period % channels, period % GROUP_MAX), (0, 0));
            assert_eq!(chunk_len(period) % period, 0);
        }
        assert_eq!(period(20), 320);
    }

    #[test]
    fn spread_repeats_and_fold_undoes() {
        let mut table = vec![0.0; period(3)];
        spread([1.0, 2.0, 3.0].into_iter(), 3, &mut table);
        assert_eq!(table[..7], [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
        let mut sums = [0.0; 3];
        fold(&table[4..10], 4, &mut sums);
        assert_eq!(sums, [2.0, 4.0, 6.0]);
    }
}
