//! Backward: sums over the batch, the gradients of weight and bias from these, then that of x.
#![allow(unsafe_code)]

mod gradient;
mod sums;

use self::gradient::{Gradient, GradientInPlace};
use self::sums::{GradientSums, MaskAndSums};
use super::walk::{check_period, chunk_of, sum_chunks};
use super::{BatchNorm, EPSILON};
use crate::channels::{chunk_len, spread};
use crate::disjoint::{Disjoint, for_each_chunk};
use crate::simd::{Vector, dispatch};
use crate::threads::Threads;

impl BatchNorm {
    /// Backward of the last forward, which had no residual: turns `gradient` from that of y into that of x, in place.
    /// ReLU's mask is computed again from x.
    pub fn backward(
        &mut self,
        threads: &Threads,
        x: &[f32],
        weight: &[f32],
        relu: bool,
        gradient: &mut [f32],
        d_weight: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let tables = Tables { centre: &self.centre, scale: &self.scale, shift: &self.shift };
        let (isa, period) = (self.isa, self.centre.len());
        let dy: &[f32] = gradient;
        sum_chunks(threads, x.len(), period, &mut self.partial, &mut self.sums, |chunk, sums| {
            dispatch(isa, GradientSums { x: &x[chunk.clone()], dy: &dy[chunk], tables, relu, sums });
        });
        self.finish_sums(weight, d_weight, d_bias);
        let tables = Tables { centre: &self.centre, scale: &self.scale, shift: &self.shift };
        let line = Line { slope: &self.slope, offset: &self.offset };
        let chunk_len = chunk_len(period);
        for_each_chunk(threads, gradient, chunk_len, |chunk, gradient| {
            dispatch(isa, GradientInPlace { x: chunk_of(x, chunk, chunk_len), tables, line, relu, gradient });
        });
    }

    /// Backward of the last forward, which had a residual: leaves the gradient of the residual (that of y where y > 0)
    /// in `gradient` and that of x in `dx`. `y` is needed where there was a ReLU.
    pub fn backward_residual(
        &mut self,
        threads: &Threads,
        x: &[f32],
        weight: &[f32],
        y: Option<&[f32]>,
        gradient: &mut [f32],
        dx: &mut [f32],
        d_weight: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let (isa, period) = (self.isa, self.centre.len());
        let centre = &self.centre;
        let masked = Disjoint::new(gradient);
        sum_chunks(threads, x.len(), period, &mut self.partial, &mut self.sums, |chunk, sums| {
            // SAFETY: each chunk comes once, so it belongs to one task.
            let gradient = unsafe { masked.range(chunk.clone()) };
            let y = y.map(|y| &y[chunk.clone()]);
            dispatch(isa, MaskAndSums { x: &x[chunk], y, centre, gradient, sums });
        });
        self.finish_sums(weight, d_weight, d_bias);
        let tables = Tables { centre: &self.centre, scale: &self.scale, shift: &self.shift };
        let line = Line { slope: &self.slope, offset: &self.offset };
        let chunk_len = chunk_len(period);
        for_each_chunk(threads, dx, chunk_len, |chunk, dx| {
            let (x, dy) = (chunk_of(x, chunk, chunk_len), chunk_of(gradient, chunk, chunk_len));
            dispatch(isa, Gradient { x, dy, tables, line, dx });
        });
    }

    /// From the sums of g and g (x - centre): the parameters' gradients, and slope and offset of
    /// dx = scale g + slope (x - centre) + offset.
    fn finish_sums(&mut self, weight: &[f32], d_weight: &mut [f32], d_bias: &mut [f32]) {
        let (channels, n) = (self.channels, self.rows as f64);
        for c in 0..channels {
            let inverse_std = 1.0 / (self.variance[c] + EPSILON).sqrt();
            let sum = self.sums[c];
            // The centre is the mean as rounded: what is missing is put right here.
            let rest = self.mean[c] - f64::from(self.centre[c]);
            let product = self.sums[channels + c] - rest * sum;
            d_bias[c] = sum as f32;
            d_weight[c] = (product * inverse_std) as f32;
            let scale = f64::from(weight[c]) * inverse_std;
            let slope = -scale * inverse_std * inverse_std * product / n;
            self.sums[c] = slope;
            self.sums[channels + c] = -scale * sum / n - slope * rest;
        }
        let (slopes, offsets) = self.sums.split_at(channels);
        spread(slopes.iter().map(|&v| v as f32), channels, &mut self.slope);
        spread(offsets.iter().map(|&v| v as f32), channels, &mut self.offset);
    }
}

/// Per-channel tables of the forward pass, laid out over a period.
#[derive(Clone, Copy)]
struct Tables<'a> {
    centre: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

/// Per-channel tables of the backward pass: dx = scale g + slope (x - centre) + offset.
#[derive(Clone, Copy)]
struct Line<'a> {
    slope: &'a [f32],
    offset: &'a [f32],
}

impl Line<'_> {
    /// Checks that these tables are laid out over `period` too.
    fn check(&self, period: usize) {
        assert_eq!([self.slope.len(), self.offset.len()], [period; 2], "tables of one period");
    }
}

impl Tables<'_> {
    /// Floats that the tables are laid out over, whole groups of them.
    fn period(&self) -> usize {
        let period = self.centre.len();
        check_period(period);
        assert_eq!([self.scale.len(), self.shift.len()], [period; 2], "tables of one period");
        period
    }

    /// dy where the forward's x * scale + shift, computed in the same way again, is above 0.
    ///
    /// # Safety
    /// A vector at `position` must lie in the period.
    #[inline(always)]
    unsafe fn mask<V: Vector, const RELU: bool>(&self, dy: V, x: V, position: usize) -> V {
        if !RELU {
            return dy;
        }
        // SAFETY: the position is inside the period; a vector's instruction set is there.
        unsafe {
            let scale = V::load(self.scale.as_ptr().add(position));
            let shift = V::load(self.shift.as_ptr().add(position));
            dy.where_positive(x.mul_add(scale, shift))
        }
    }

    /// scale g + slope (x - centre) + offset.
    ///
    /// # Safety
    /// A vector at `position` must lie in the period, which must be the line's too.
    #[inline(always)]
    unsafe fn gradient<V: Vector>(&self, line: &Line, g: V, x: V, position: usize) -> V {
        // SAFETY: the position is inside the period; a vector's instruction set is there.
        unsafe {
            let d = x.sub(V::load(self.centre.as_ptr().add(position)));
            let slope = V::load(line.slope.as_ptr().add(position));
            let offset = V::load(line.offset.as_ptr().add(position));
            let scale = V::load(self.scale.as_ptr().add(position));
            g.mul_add(scale, d.mul_add(slope, offset))
        }
    }
}
