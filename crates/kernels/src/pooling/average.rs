//! The average of each window, the padding counted.
#![allow(unsafe_code)]

use super::Pooling;
use super::gather::Part;
use crate::disjoint::for_each_chunk;
use crate::isa::Isa;
use crate::simd::{Kernel, Span, Vector, dispatch, for_each_vector};
use crate::threads::Threads;

impl Pooling {
    /// Sum over the window, padding as zeros, divided by the window's area.
    pub fn average(&self, threads: &Threads, isa: Isa, x: &[f32], y: &mut [f32]) {
        let in_len = self.input.len();
        for_each_chunk(threads, y, self.output().len(), |image, y| {
            dispatch(isa, Average { pooling: self, x: &x[image * in_len..][..in_len], y });
        });
    }

    /// Gradient of [`Pooling::average`].
    pub fn average_backward(&self, threads: &Threads, isa: Isa, dy: &[f32], accumulate: bool, dx: &mut [f32]) {
        let out_len = self.output().len();
        for_each_chunk(threads, dx, self.input.len(), |image, dx| {
            dispatch(isa, AverageBackward { pooling: self, dy: &dy[image * out_len..][..out_len], accumulate, dx });
        });
    }
}

struct Average<'a> {
    pooling: &'a Pooling,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Average<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { pooling: p, x, y } = self;
        let (c, width, out) = (p.input.channels, p.input.width, p.output());
        assert!(x.len() == p.input.len() && y.len() == out.len());
        let factor = 1.0 / (p.kernel * p.kernel) as f32;
        for oy in 0..out.height {
            for ox in 0..out.width {
                let inside = p.window(oy, ox);
                let to = (oy * out.width + ox) * c;
                for_each_vector!(V, c, |channel, span| {
                    // SAFETY: windows lie in the image and output pixels in the output, whose lengths were checked above; the
                    // caller has the instruction set.
                    unsafe {
                        let from = x.as_ptr().wrapping_add(inside.first * c + channel);
                        let mut sum = V::splat(0.0);
                        for row in 0..inside.rows {
                            for column in 0..inside.columns {
                                sum = sum.add(span.load(from.add((row * width + column) * c)));
                            }
                        }
                        span.store(sum.mul(V::splat(factor)), y.as_mut_ptr().add(to + channel));
                    }
                });
            }
        }
    }
}

struct AverageBackward<'a> {
    pooling: &'a Pooling,
    dy: &'a [f32],
    accumulate: bool,
    dx: &'a mut [f32],
}

impl Kernel for AverageBackward<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { pooling, dy, accumulate, dx } = self;
        assert_eq!(dy.len(), pooling.output().len());
        let factor = 1.0 / (pooling.kernel * pooling.kernel) as f32;
        let parts = Even { dy, channels: pooling.input.channels };
        // SAFETY: `dy` is of the output's shape by the check above; the caller has the instruction set.
        unsafe { pooling.gather::<V>(dx, accumulate, factor, &parts) }
    }
}

/// The gradient of a mean belongs to all pixels alike. Needs: `dy` of an output.
struct Even<'a> {
    dy: &'a [f32],
    channels: usize,
}

impl Part for Even<'_> {
    #[inline(always)]
    unsafe fn part<V: Vector>(&self, _: usize, pixel: usize, channel: usize, span: impl Span) -> V {
        // SAFETY: the caller's promise.
        unsafe { span.load(self.dy.as_ptr().add(pixel * self.channels + channel)) }
    }
}
