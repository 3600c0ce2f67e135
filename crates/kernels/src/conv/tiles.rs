//! The innermost loops: tiles of sums that stay in registers.
#![allow(unsafe_code)]
// Arrays that stay in registers are indexed by loops over constants.
#![allow(clippy::needless_range_loop)]

use super::finish::{Finish, Output, with_finish};
use crate::simd::{All, First, Kernel, Span, Vector};

/// Runs `$body` with the constant `$name` equal to `$value`, which must be 1 to 16.
macro_rules! with_constant {
    ($value:expr, $name:ident => $body:expr) => {
        with_constant!(@match $value, $name, $body, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@match $value:expr, $name:ident, $body:expr, $($n:literal)*) => {
        match $value {
            $($n => { const $name: usize = $n; $body })*
            other => unreachable!("a tile of {other}"),
        }
    };
}
/// Repeats `$body` for `$index` from 0 to `$limit` (16 at most) in the source itself: sums that a real loop indexes, even one
/// that could be unrolled, may lose their registers.
macro_rules! unrolled {
    ($index:ident < $limit:expr, $body:block) => {
        unrolled!(@repeat $index, $limit, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@repeat $index:ident, $limit:expr, $body:block, $($n:literal)*) => {
        $(if $n < $limit { let $index = $n; $body })*
    };
}

/// `total` in parts of at most `limit`, as equal as can be: their starts and lengths.
pub(super) fn even_parts(total: usize, limit: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = total.div_ceil(limit);
    (0..parts).map(move |i| {
        let (start, end) = (total * i / parts, total * (i + 1) / parts);
        (start, end - start)
    })
}

/// The blocks of one or two vectors that hold `channels`: first channel and width in lanes.
pub(super) fn blocks(channels: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels)
        .step_by(2 * lanes)
        .map(move |first| (first, (channels - first).next_multiple_of(lanes).min(2 * lanes)))
}

/// Tiles of neighbouring output pixels, one block of channels: what they have in common.
#[derive(Clone, Copy)]
pub(super) struct PixelTiles<'a> {
    /// Elements between the windows of neighbouring pixels.
    pub(super) source_step: usize,
    /// Kernel rows.
    pub(super) rows: usize,
    /// Elements between source rows.
    pub(super) row_distance: usize,
    /// Elements along a kernel row: taps x channels.
    pub(super) run: usize,
    /// Packed weights of the block.
    pub(super) weights: *const f32,
    pub(super) output: Output<'a>,
    /// Elements between neighbouring output pixels.
    pub(super) out_distance: usize,
    /// First channel of the block.
    pub(super) channel: usize,
    /// Channels in the last vector.
    pub(super) last_lanes: usize,
}

impl PixelTiles<'_> {
    /// Computes a tile of `pixels` pixels of `vectors` vectors of channels: from the element `source`, under the first tap,
    /// first channel of the first pixel, to the element `offset` of the output.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; all that the tile reads and writes must be in bounds, and its part
    /// of the output used by no other thread.
    #[inline(always)]
    pub(super) unsafe fn run<V: Vector>(&self, source: *const f32, offset: usize, pixels: usize, vectors: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if vectors == 1 {
                with_constant!(pixels, P => V::call(Pixels::<P, 1> { tiles: self, source, offset }));
            } else {
                with_constant!(pixels, P => V::call(Pixels::<P, 2> { tiles: self, source, offset }));
            }
        }
    }
}

/// The sums of a tile of `P` pixels x `N` vectors of channels. Made by [`PixelTiles::run`] alone, whose caller vouches for
/// the tile.
struct Pixels<'a, const P: usize, const N: usize> {
    tiles: &'a PixelTiles<'a>,
    source: *const f32,
    offset: usize,
}

impl<const P: usize, const N: usize> Kernel for Pixels<'_, P, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let PixelTiles { source_step, rows, row_distance, run, weights, output, out_distance, channel, last_lanes } =
            self.tiles;
        let (source_step, run, out_distance, channel, last_lanes) =
            (*source_step, *run, *out_distance, *channel, *last_lanes);
        // SAFETY: the caller promises that windows, weights and outputs of the tile are in bounds.
        unsafe {
            let last = First(last_lanes);
            let full = last_lanes == V::LANES;
            let mut first = [V::zero(); N];
            if let Output::Biased(biased) = output {
                for (n, value) in first.iter_mut().enumerate() {
                    let from = biased.bias().add(channel + n * V::LANES);
                    *value = if full || n + 1 < N { All.load(from) } else { last.load(from) };
                }
            }
            let mut sums = [first; P];
            let mut weights = *weights;
            for row in 0..*rows {
                let mut source = self.source.add(row * row_distance);
                for _ in 0..run {
                    let mut factors = [V::zero(); N];
                    for (n, factor) in factors.iter_mut().enumerate() {
                        *factor = V::load(weights.add(n * V::LANES));
                    }
                    for (p, sums) in sums.iter_mut().enumerate() {
                        let value = V::splat(*source.add(p * source_step));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = value.mul_add(factor, *sum);
                        }
                    }
                    weights = weights.add(N * V::LANES);
                    source = source.add(1);
                }
            }
            if let Output::Stored(_) | Output::Biased(_) = output {
                let to = output.start().add(self.offset);
                unrolled!(p < P, {
                    for n in 0..N {
                        let to = to.add(p * out_distance + n * V::LANES);
                        if full || n + 1 < N { All.store(sums[p][n], to) } else { last.store(sums[p][n], to) }
                    }
                });
                return;
            }
            let mut staged = [[V::zero(); N]; P];
            let place = staged.as_mut_ptr().cast::<f32>();
            unrolled!(p < P, {
                for n in 0..N {
                    sums[p][n].store(place.add((p * N + n) * V::LANES));
                }
            });
            with_finish!(*output, |finish| {
                for p in 0..P {
                    for n in 0..N {
                        let sum = V::load(place.add((p * N + n) * V::LANES));
                        let offset = self.offset + p * out_distance + n * V::LANES;
                        let channel = channel + n * V::LANES;
                        if full || n + 1 < N {
                            finish.put(All, sum, offset, channel);
                        } else {
                            finish.put(last, sum, offset, channel);
                        }
                    }
                }
            });
        }
    }
}

/// Some neighbouring elements of a window, one block of output channels, and all pixels that they meet at.
#[derive(Clone, Copy)]
pub(super) struct ProductTile {
    /// The first element at the first output pixel.
    pub(super) source: *const f32,
    /// Elements between the windows of neighbouring pixels ..
    pub(super) source_step: usize,
    /// .. and of neighbouring rows.
    pub(super) source_row: usize,
    /// Gradient of the block's first channel at the first output pixel.
    pub(super) dy: *const f32,
    /// Elements between output pixels.
    pub(super) outs: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Sums of the tile, a block's width apart.
    pub(super) sums: *mut f32,
    /// Channels in the last vector.
    pub(super) last_lanes: usize,
}

impl ProductTile {
    /// Adds to the sums of `rows` elements x `vectors` vectors of channels.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; all that the tile describes must be in bounds, and its sums used by
    /// no other thread.
    #[inline(always)]
    pub(super) unsafe fn run<V: Vector>(self, rows: usize, vectors: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match (vectors, self.last_lanes == V::LANES) {
                (1, true) => with_constant!(rows, R => V::call(Products::<R, 1, true>(self))),
                (1, false) => with_constant!(rows, R => V::call(Products::<R, 1, false>(self))),
                (_, true) => with_constant!(rows, R => V::call(Products::<R, 2, true>(self))),
                (_, false) => with_constant!(rows, R => V::call(Products::<R, 2, false>(self))),
            }
        }
    }
}

/// A tile of `R` window elements x `N` vectors of channels; `FULL` if the last vector is. Made by [`ProductTile::run`]
/// alone, whose caller vouches for the tile.
struct Products<const R: usize, const N: usize, const FULL: bool>(ProductTile);

impl<const R: usize, const N: usize, const FULL: bool> Kernel for Products<R, N, FULL> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let tile = self.0;
        // SAFETY: the caller promises that windows, gradients and sums of the tile are in bounds.
        unsafe {
            let mut sums = [[V::zero(); N]; R];
            for (r, sums) in sums.iter_mut().enumerate() {
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(tile.sums.add((r * N + n) * V::LANES));
                }
            }
            let mut dy = tile.dy;
            for y in 0..tile.height {
                let mut source = tile.source.add(y * tile.source_row);
                for _ in 0..tile.width {
                    let mut factors = [V::zero(); N];
                    for (n, factor) in factors.iter_mut().enumerate() {
                        let from = dy.add(n * V::LANES);
                        *factor = if FULL || n + 1 < N { All.load(from) } else { First(tile.last_lanes).load(from) };
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let value = V::splat(*source.add(r));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = value.mul_add(factor, *sum);
                        }
                    }
                    dy = dy.wrapping_add(tile.outs);
                    source = source.wrapping_add(tile.source_step);
                }
            }
            unrolled!(r < R, {
                for n in 0..N {
                    sums[r][n].store(tile.sums.add((r * N + n) * V::LANES));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::even_parts;

    #[test]
    fn parts_are_whole_and_even() {
        assert_eq!(even_parts(32, 14).collect::<Vec<_>>(), [(0, 10), (10, 11), (21, 11)]);
        assert_eq!(even_parts(16, 16).collect::<Vec<_>>(), [(0, 16)]);
        assert_eq!(even_parts(0, 6).count(), 0);
    }
}
