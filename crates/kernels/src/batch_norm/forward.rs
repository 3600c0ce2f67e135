//! Forward, by a batch's statistics or by given ones: y = relu(x * scale + shift + residual).
#![allow(unsafe_code)]

use super::walk::{check_period, chunk_of, walk};
use super::{BatchNorm, EPSILON};
use crate::channels::{GROUP, chunk_len, period, spread};
use crate::disjoint::for_each_chunk;
use crate::isa::Isa;
use crate::simd::{Kernel, Vector, dispatch};
use crate::threads::Threads;

impl BatchNorm {
    /// Forward in training mode, x [rows, C] to y [rows, C].
    pub fn forward(
        &mut self,
        threads: &Threads,
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        residual: Option<&[f32]>,
        relu: bool,
        y: &mut [f32],
    ) {
        self.measure(threads, x);
        let (mean, variance) = (&self.mean, &self.variance);
        let scale = |c: usize| (f64::from(weight[c]) / (variance[c] + EPSILON).sqrt()) as f32;
        spread((0..self.channels).map(scale), self.channels, &mut self.scale);
        // The shift goes with the scale as rounded.
        let scale = &self.scale;
        let shift = |c: usize| (f64::from(bias[c]) - mean[c] * f64::from(scale[c])) as f32;
        spread((0..self.channels).map(shift), self.channels, &mut self.shift);
        spread((0..self.channels).map(|c| mean[c] as f32), self.channels, &mut self.centre);
        scale_and_shift(threads, self.isa, x, &self.scale, &self.shift, residual, relu, y);
    }
}

/// y = relu(x * scale + shift + residual) over [rows, C]; `scale` and `shift` are laid out over a period.
fn scale_and_shift(
    threads: &Threads,
    isa: Isa,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    assert_eq!(x.len(), y.len(), "y: of the shape of x");
    let chunk_len = chunk_len(scale.len());
    for_each_chunk(threads, y, chunk_len, |chunk, y| {
        let of_chunk = |all| chunk_of(all, chunk, chunk_len);
        let (x, residual) = (of_chunk(x), residual.map(of_chunk));
        dispatch(isa, Apply { x, scale, shift, residual, relu, y });
    });
}

/// Evaluation's y = relu(x * scale + shift + residual) over [rows, C], `scale` and `shift` one a channel as
/// [`evaluation_affine`] makes them. Allocates two small tables.
pub(crate) fn forward_evaluation(
    threads: &Threads,
    isa: Isa,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    let channels = scale.len();
    let table = |values: &[f32]| {
        let mut table = vec![0.0; period(channels)];
        spread(values.iter().copied(), channels, &mut table);
        table
    };
    scale_and_shift(threads, isa, x, &table(scale), &table(shift), residual, relu, y);
}

/// Batch norm by given statistics as y = x * scale + shift.
pub(crate) fn evaluation_affine(
    weight: &[f32],
    bias: &[f32],
    mean: &[f32],
    variance: &[f32],
    scale: &mut [f32],
    shift: &mut [f32],
) {
    for c in 0..weight.len() {
        scale[c] = (f64::from(weight[c]) / (f64::from(variance[c]) + EPSILON).sqrt()) as f32;
        shift[c] = (f64::from(bias[c]) - f64::from(mean[c]) * f64::from(scale[c])) as f32;
    }
}

/// y = relu(x * scale + shift + residual).
struct Apply<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    residual: Option<&'a [f32]>,
    relu: bool,
    y: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let lens = [self.y.len(), self.residual.map_or(self.x.len(), <[f32]>::len)];
        assert!(lens == [self.x.len(); 2] && self.scale.len() == self.shift.len(), "slices of one length");
        check_period(self.scale.len());
        // SAFETY: the caller has the instruction set. The flags become constants, so that the loop has no branches.
        unsafe {
            match (self.residual, self.relu) {
                (Some(_), true) => self.apply::<V, true, true>(),
                (Some(_), false) => self.apply::<V, true, false>(),
                (None, true) => self.apply::<V, false, true>(),
                (None, false) => self.apply::<V, false, false>(),
            }
        }
    }
}

impl Apply<'_> {
    /// # Safety
    /// The processor must have the instruction set of `V`; all slices must have one length, and both tables one period.
    #[inline(always)]
    unsafe fn apply<V: Vector, const RESIDUAL: bool, const RELU: bool>(self) {
        let Self { x, scale, shift, residual, y, .. } = self;
        let residual = residual.unwrap_or(x).as_ptr();
        let (x, len, y, period) = (x.as_ptr(), x.len(), y.as_mut_ptr(), scale.len());
        let finish = |value: V, residual: V| {
            let value = if RESIDUAL { value.add(residual) } else { value };
            if RELU { value.relu() } else { value }
        };
        // SAFETY: the caller has the instruction set; every place is below `len`, every position below `period`.
        unsafe {
            let (mut a, mut b) = ([V::splat(0.0); GROUP], [V::splat(0.0); GROUP]);
            walk!(
                V,
                len,
                period,
                |group| {
                    for j in 0..GROUP {
                        a[j] = V::load(scale.as_ptr().add(group + j * V::LANES));
                        b[j] = V::load(shift.as_ptr().add(group + j * V::LANES));
                    }
                },
                |at, j| {
                    let value = V::load(x.add(at)).mul_add(a[j], b[j]);
                    let other = if RESIDUAL { V::load(residual.add(at)) } else { value };
                    finish(value, other).store(y.add(at));
                },
                {},
                |place, count| {
                    let (a, b) =
                        (V::load(scale.as_ptr().add(place % period)), V::load(shift.as_ptr().add(place % period)));
                    let value = V::load_first(x.add(place), count).mul_add(a, b);
                    finish(value, V::load_first(residual.add(place), count)).store_first(y.add(place), count);
                }
            );
        }
    }
}
