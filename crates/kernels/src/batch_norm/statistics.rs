//! Mean and variance of a batch.
#![allow(unsafe_code)]

use super::BatchNorm;
use super::walk::{check_period, fold_pair, sum_chunks, walk};
use crate::channels::{GROUP, spread};
use crate::simd::{Kernel, Vector, dispatch};
use crate::threads::Threads;

/// Rows that the provisional mean is taken from, at most.
const SAMPLE_ROWS: usize = 256;

impl BatchNorm {
    /// Mean and biased variance by channel, of x [rows, C].
    pub(super) fn measure(&mut self, threads: &Threads, x: &[f32]) {
        let channels = self.channels;
        self.rows = x.len() / channels;
        self.provisional_means(x);
        let (isa, centre) = (self.isa, &self.centre);
        sum_chunks(threads, x.len(), centre.len(), &mut self.partial, &mut self.sums, |chunk, sums| {
            dispatch(isa, Moments { x: &x[chunk], centre, sums });
        });
        let n = self.rows as f64;
        for c in 0..channels {
            let (sum, squares) = (self.sums[c], self.sums[channels + c]);
            self.mean[c] = f64::from(self.centre[c]) + sum / n;
            // Rounding may leave it below 0. Not clamped by max(), which would hide what is not a number.
            let variance = (squares - sum * sum / n) / n;
            self.variance[c] = if variance < 0.0 { 0.0 } else { variance };
        }
    }

    /// Sets `centre` to the means of some rows taken at even distances.
    fn provisional_means(&mut self, x: &[f32]) {
        let channels = self.channels;
        let step = (self.rows / SAMPLE_ROWS).max(1);
        self.sums.fill(0.0);
        let mut taken = 0usize;
        for row in x.chunks_exact(channels).step_by(step) {
            for (sum, &value) in self.sums.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
            taken += 1;
        }
        let means = self.sums.iter().take(channels).map(|&sum| (sum / taken as f64) as f32);
        spread(means, channels, &mut self.centre);
    }

    /// Mean by channel of the last forward's batch.
    pub fn batch_mean(&self) -> impl Iterator<Item = f64> + '_ {
        self.mean.iter().copied()
    }

    /// Unbiased variance by channel of the last forward's batch.
    pub fn batch_variance(&self) -> impl Iterator<Item = f64> + '_ {
        // With a single row PyTorch refuses; here the variance is then 0.
        let correction = self.rows as f64 / (self.rows.max(2) - 1) as f64;
        self.variance.iter().map(move |variance| variance * correction)
    }

    /// Moves running statistics towards the last forward's batch by `momentum`, the weight of the batch.
    pub fn update_running(&self, momentum: f64, running_mean: &mut [f32], running_var: &mut [f32]) {
        let mix =
            |running: &mut f32, new: f64| *running = (momentum * new + (1.0 - momentum) * f64::from(*running)) as f32;
        running_mean.iter_mut().zip(self.batch_mean()).for_each(|(running, new)| mix(running, new));
        running_var.iter_mut().zip(self.batch_variance()).for_each(|(running, new)| mix(running, new));
    }
}

/// Sums of x - centre and of its square.
struct Moments<'a> {
    x: &'a [f32],
    centre: &'a [f32],
    sums: &'a mut [f64],
}

impl Kernel for Moments<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, centre, sums } = self;
        check_period(centre.len());
        let (x, len, table, period) = (x.as_ptr(), x.len(), centre.as_ptr(), centre.len());
        // SAFETY: the caller has the instruction set; every place is below `len`, every position below `period`.
        unsafe {
            let (mut sum, mut squares): ([V; GROUP], [V; GROUP]);
            let mut middle = [V::splat(0.0); GROUP];
            walk!(
                V,
                len,
                period,
                |group| {
                    sum = [V::splat(0.0); GROUP];
                    squares = [V::splat(0.0); GROUP];
                    for (j, middle) in middle.iter_mut().enumerate() {
                        *middle = V::load(table.add(group + j * V::LANES));
                    }
                },
                |at, j| {
                    let d = V::load(x.add(at)).sub(middle[j]);
                    sum[j] = sum[j].add(d);
                    squares[j] = d.mul_add(d, squares[j]);
                },
                {
                    fold_pair(&sum, &squares, group, GROUP * V::LANES, sums);
                },
                |place, count| {
                    let d = V::load_first(x.add(place), count).sub(V::load(table.add(place % period)));
                    fold_pair(&[d], &[d.mul(d)], place % period, count, sums);
                }
            );
        }
    }
}
