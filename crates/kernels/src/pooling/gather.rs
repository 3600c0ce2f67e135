//! Backward over windows: what the windows that cover a pixel add to its gradient.
#![allow(unsafe_code)]

use super::Pooling;
use crate::simd::{Span, Vector, for_each_vector};

/// What one window adds to the gradient of a pixel that it covers.
pub(super) trait Part {
    /// For the pixel at `place` in the window of an output pixel, its channels from `channel` on that the span holds.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; the output must have the pixel and the channels.
    unsafe fn part<V: Vector>(&self, place: usize, pixel: usize, channel: usize, span: impl Span) -> V;
}

impl Pooling {
    /// Gathers an image's `dx`: for each pixel the parts of the windows that cover it are summed, in order, and then
    /// multiplied by `factor`.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; the parts must be those of an output of this pooling's shape.
    #[inline(always)]
    pub(super) unsafe fn gather<V: Vector>(&self, dx: &mut [f32], accumulate: bool, factor: f32, parts: &impl Part) {
        let (c, out) = (self.input.channels, self.output());
        assert_eq!(dx.len(), self.input.len());
        for iy in 0..self.input.height {
            let rows = self.covering(iy, out.height);
            for ix in 0..self.input.width {
                let columns = self.covering(ix, out.width);
                let to = (iy * self.input.width + ix) * c;
                for_each_vector!(V, c, |channel, span| {
                    // SAFETY: the pixel lies in `dx`, whose length was checked above; the rest is the caller's promise.
                    unsafe {
                        let mut sum = V::splat(0.0);
                        for oy in rows.clone() {
                            let ky = iy + self.padding - oy * self.stride;
                            for ox in columns.clone() {
                                let kx = ix + self.padding - ox * self.stride;
                                let (place, pixel) = (ky * self.kernel + kx, oy * out.width + ox);
                                sum = sum.add(parts.part(place, pixel, channel, span));
                            }
                        }
                        let sum = sum.mul(V::splat(factor));
                        let dx = dx.as_mut_ptr().add(to + channel);
                        let sum = if accumulate { sum.add(span.load(dx)) } else { sum };
                        span.store(sum, dx);
                    }
                });
            }
        }
    }
}
