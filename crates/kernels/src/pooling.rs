//! Pooling over square windows, NHWC: maximum, average with the padding counted, and the mean over all pixels.
//!
//! Backward passes gather: each input pixel sums over the windows that cover it, in order, so that no two tasks write
//! to one place and nothing has to be cleared first. They add to `dx` if `accumulate`, else overwrite it.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::disjoint::Disjoint;
use crate::graph::window;
use crate::isa::Isa;
use crate::shortcut::{ImageShape, for_each_image};
use crate::simd::{Kernel, MAX_LANES, Vector, dispatch};
use crate::threads::Threads;

/// A pooling: the input's shape and the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Shape of an input image.
    pub input: ImageShape,
    /// Side of the window.
    pub kernel: usize,
    /// Pixels between two windows.
    pub stride: usize,
    /// Pixels around the image.
    pub padding: usize,
}

impl Pooling {
    /// Shape of an output image.
    pub fn output(&self) -> ImageShape {
        let side = |side| window(side, self.kernel, self.stride, self.padding);
        ImageShape { height: side(self.input.height), width: side(self.input.width), channels: self.input.channels }
    }

    /// Offsets inside the window `out` that fall into the image, along an axis of `side` pixels.
    fn inside(&self, out: usize, side: usize) -> Range<usize> {
        let start = out * self.stride;
        self.padding.saturating_sub(start)..self.kernel.min((side + self.padding).saturating_sub(start))
    }

    /// Windows that cover the pixel `at` along an axis with `windows` of them.
    fn covering(&self, at: usize, windows: usize) -> Range<usize> {
        let first = (at + self.padding + 1).saturating_sub(self.kernel).div_ceil(self.stride);
        first..((at + self.padding) / self.stride + 1).min(windows)
    }

    /// Bytes of `winners` for so many images: of each output pixel whole vectors of channels.
    pub fn winners_len(&self, images: usize) -> usize {
        let out = self.output();
        images * out.height * out.width * winners_of(out.channels)
    }

    /// Maximum; `winners`, if there are any, gets the place (row * kernel + column) in its window of each maximum, the first
    /// of equals, for [`Pooling::max_backward`]: [`Pooling::winners_len`] bytes. The padding never wins. What is not a
    /// number does.
    ///
    /// # Panics
    /// Where the kernel is larger than 15, or a slice's length does not fit.
    pub fn max(&self, threads: &Threads, isa: Isa, x: &[f32], y: &mut [f32], winners: Option<&mut [u8]>) {
        assert!(self.kernel <= 15, "a place in the window, and none, must fit one byte");
        let (in_len, out_len) = (self.input.len(), self.output().len());
        let winners = winners.map(Disjoint::new);
        for_each_image(threads, y, out_len, |image, y| {
            let x = &x[image * in_len..][..in_len];
            match &winners {
                Some(winners) => {
                    // SAFETY: an image to each task.
                    let winners = unsafe { winners.chunk(image, self.winners_len(1)) };
                    assert_eq!(winners.len(), self.winners_len(1), "winners: whole images");
                    dispatch(isa, Max::<true> { pooling: self, x, y, winners });
                }
                None => dispatch(isa, Max::<false> { pooling: self, x, y, winners: &mut [] }),
            }
        });
    }

    /// Gradient of [`Pooling::max`].
    ///
    /// # Panics
    /// Where a slice's length does not fit.
    pub fn max_backward(
        &self,
        threads: &Threads,
        isa: Isa,
        winners: &[u8],
        dy: &[f32],
        accumulate: bool,
        dx: &mut [f32],
    ) {
        let (out_len, winners_len) = (self.output().len(), self.winners_len(1));
        for_each_image(threads, dx, self.input.len(), |image, dx| {
            let (winners, dy) = (&winners[image * winners_len..][..winners_len], &dy[image * out_len..][..out_len]);
            dispatch(isa, MaxBackward { pooling: self, winners, dy, accumulate, dx });
        });
    }

    /// Sum over the window, padding as zeros, divided by the window's area.
    pub fn average(&self, threads: &Threads, isa: Isa, x: &[f32], y: &mut [f32]) {
        let in_len = self.input.len();
        for_each_image(threads, y, self.output().len(), |image, y| {
            dispatch(isa, Average { pooling: self, x: &x[image * in_len..][..in_len], y });
        });
    }

    /// Gradient of [`Pooling::average`].
    pub fn average_backward(&self, threads: &Threads, isa: Isa, dy: &[f32], accumulate: bool, dx: &mut [f32]) {
        let out_len = self.output().len();
        for_each_image(threads, dx, self.input.len(), |image, dx| {
            dispatch(isa, AverageBackward { pooling: self, dy: &dy[image * out_len..][..out_len], accumulate, dx });
        });
    }
}

/// Mean over all pixels: [N, H, W, C] to [N, C].
pub fn global_average(threads: &Threads, shape: ImageShape, x: &[f32], y: &mut [f32]) {
    let factor = 1.0 / (shape.height * shape.width) as f32;
    for_each_image(threads, y, shape.channels, |image, y| {
        y.fill(0.0);
        for pixel in x[image * shape.len()..][..shape.len()].chunks_exact(shape.channels) {
            y.iter_mut().zip(pixel).for_each(|(y, x)| *y += x);
        }
        for y in y.iter_mut() {
            *y *= factor;
        }
    });
}

/// Gradient of [`global_average`].
pub fn global_average_backward(threads: &Threads, shape: ImageShape, dy: &[f32], accumulate: bool, dx: &mut [f32]) {
    let factor = 1.0 / (shape.height * shape.width) as f32;
    for_each_image(threads, dx, shape.len(), |image, dx| {
        let dy = &dy[image * shape.channels..][..shape.channels];
        for pixel in dx.chunks_exact_mut(shape.channels) {
            for (dx, dy) in pixel.iter_mut().zip(dy) {
                *dx = if accumulate { *dx + dy * factor } else { dy * factor };
            }
        }
    });
}

/// Bytes of a pixel's winners: whole vectors, so that none has to be cut.
fn winners_of(channels: usize) -> usize {
    channels.next_multiple_of(MAX_LANES)
}

/// The place in a window that holds no pixel at all.
const NOWHERE: f32 = 255.0;

/// Runs `$body` for each vector of channels, from `$channel` on: `$count` of its lanes hold any.
macro_rules! for_each_vector {
    ($channels:expr, |$channel:ident, $count:ident| $body:expr) => {
        let (channels, mut $channel) = ($channels, 0);
        while $channel + V::LANES <= channels {
            let $count = V::LANES;
            $body;
            $channel += V::LANES;
        }
        if $channel < channels {
            let $count = channels - $channel;
            $body;
        }
    };
}

/// The part of a window that lies in the image, for a pixel of the output.
#[derive(Clone, Copy)]
struct Inside {
    /// Its first pixel in the image.
    first: usize,
    /// Its first row and column in the window ..
    row: usize,
    column: usize,
    /// .. and how many.
    rows: usize,
    columns: usize,
}

impl Pooling {
    /// What of the window of an output pixel lies in the image.
    #[inline(always)]
    fn window(&self, oy: usize, ox: usize) -> Inside {
        let (rows, columns) = (self.inside(oy, self.input.height), self.inside(ox, self.input.width));
        // A window may lie in the padding altogether: then there is no pixel to point to.
        let at = |out: usize, start: usize| (out * self.stride + start).saturating_sub(self.padding);
        Inside {
            first: at(oy, rows.start) * self.input.width + at(ox, columns.start),
            row: rows.start,
            column: columns.start,
            rows: rows.len(),
            columns: columns.len(),
        }
    }
}

// No vector below is handled in a closure: closures may end up as functions of their own, which lack the instruction set,
// and then every instruction is a call.

struct Max<'a, const WINNERS: bool> {
    pooling: &'a Pooling,
    x: &'a [f32],
    y: &'a mut [f32],
    winners: &'a mut [u8],
}

impl<const WINNERS: bool> Kernel for Max<'_, WINNERS> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has the instruction set; the kernel's side is what the constant says, or the constant is 0.
        unsafe {
            match self.pooling.kernel {
                2 => self.windows::<V, 2>(),
                3 => self.windows::<V, 3>(),
                _ => self.windows::<V, 0>(),
            }
        }
    }
}

impl<const WINNERS: bool> Max<'_, WINNERS> {
    /// The maxima of all windows, of side `K` if that is not 0.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`.
    #[inline(always)]
    unsafe fn windows<V: Vector, const K: usize>(self) {
        let Self { pooling: p, x, y, winners } = self;
        let (c, out) = (p.input.channels, p.output());
        assert!(x.len() == p.input.len() && y.len() == out.len());
        assert!(!WINNERS || winners.len() == p.winners_len(1));
        for oy in 0..out.height {
            for ox in 0..out.width {
                let (pixel, inside) = (oy * out.width + ox, p.window(oy, ox));
                for_each_vector!(c, |channel, count| {
                    // SAFETY: windows lie in the image and output pixels in the output, whose lengths were checked above; the
                    // caller has the instruction set.
                    unsafe {
                        let from = x.as_ptr().wrapping_add(inside.first * c + channel);
                        let (best, place) = if K > 0 && inside.rows == K && inside.columns == K {
                            let whole = Inside { rows: K, columns: K, ..inside };
                            p.best::<V, WINNERS>(whole, from, count)
                        } else {
                            p.best::<V, WINNERS>(inside, from, count)
                        };
                        best.store_first(y.as_mut_ptr().add(pixel * c + channel), count);
                        if WINNERS {
                            place.store_bytes(winners.as_mut_ptr().add(pixel * winners_of(c) + channel));
                        }
                    }
                });
            }
        }
    }
}

impl Pooling {
    /// The maximum of a window's pixels, the first of which starts at `from`, and its place if `WINNERS`.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`, and each of the pixels `count` channels.
    #[inline(always)]
    unsafe fn best<V: Vector, const WINNERS: bool>(&self, inside: Inside, from: *const f32, count: usize) -> (V, V) {
        let (c, width) = (self.input.channels, self.input.width);
        // SAFETY: the caller's promise.
        unsafe {
            let (mut best, mut place) = (V::splat(f32::NEG_INFINITY), V::splat(NOWHERE));
            for row in 0..inside.rows {
                for column in 0..inside.columns {
                    let value = V::load_first(from.add((row * width + column) * c), count);
                    // The first pixel always wins against none, be it -infinity.
                    let first = row == 0 && column == 0;
                    if WINNERS {
                        let here = V::splat(((inside.row + row) * self.kernel + inside.column + column) as f32);
                        place = if first { here } else { value.where_beats(best, here, place) };
                    }
                    best = if first { value } else { value.where_beats(best, value, best) };
                }
            }
            (best, place)
        }
    }
}

/// What one window adds to the gradient of a pixel that it covers.
trait Part {
    /// For the pixel at `place` in the window of an output pixel, `count` channels from `channel` on.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; the output must have the pixel and the channels.
    unsafe fn part<V: Vector>(&self, place: usize, pixel: usize, channel: usize, count: usize) -> V;
}

impl Pooling {
    /// Gathers an image's `dx`: for each pixel the parts of the windows that cover it are summed, in order, and then
    /// multiplied by `factor`.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; the parts must be those of an output of this pooling's shape.
    #[inline(always)]
    unsafe fn gather<V: Vector>(&self, dx: &mut [f32], accumulate: bool, factor: f32, parts: &impl Part) {
        let (c, out) = (self.input.channels, self.output());
        assert_eq!(dx.len(), self.input.len());
        for iy in 0..self.input.height {
            let rows = self.covering(iy, out.height);
            for ix in 0..self.input.width {
                let columns = self.covering(ix, out.width);
                let to = (iy * self.input.width + ix) * c;
                for_each_vector!(c, |channel, count| {
                    // SAFETY: the pixel lies in `dx`, whose length was checked above; the rest is the caller's promise.
                    unsafe {
                        let mut sum = V::splat(0.0);
                        for oy in rows.clone() {
                            let ky = iy + self.padding - oy * self.stride;
                            for ox in columns.clone() {
                                let kx = ix + self.padding - ox * self.stride;
                                let (place, pixel) = (ky * self.kernel + kx, oy * out.width + ox);
                                sum = sum.add(parts.part(place, pixel, channel, count));
                            }
                        }
                        let sum = sum.mul(V::splat(factor));
                        let dx = dx.as_mut_ptr().add(to + channel);
                        let sum = if accumulate { sum.add(V::load_first(dx, count)) } else { sum };
                        sum.store_first(dx, count);
                    }
                });
            }
        }
    }
}

struct MaxBackward<'a> {
    pooling: &'a Pooling,
    winners: &'a [u8],
    dy: &'a [f32],
    accumulate: bool,
    dx: &'a mut [f32],
}

impl Kernel for MaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { pooling, winners, dy, accumulate, dx } = self;
        assert!(dy.len() == pooling.output().len() && winners.len() == pooling.winners_len(1));
        let parts = Winners { places: winners, dy, channels: pooling.input.channels };
        // SAFETY: `dy` and `winners` are of the output's shape by the check above; the caller has the instruction set.
        unsafe { pooling.gather::<V>(dx, accumulate, 1.0, &parts) }
    }
}

/// The gradient of a maximum belongs to the pixel that won. Needs: `dy` of an output, and the places of its winners.
struct Winners<'a> {
    places: &'a [u8],
    dy: &'a [f32],
    channels: usize,
}

impl Part for Winners<'_> {
    #[inline(always)]
    unsafe fn part<V: Vector>(&self, place: usize, pixel: usize, channel: usize, count: usize) -> V {
        // SAFETY: the caller's promise; places have whole vectors.
        unsafe {
            let winners = V::load_bytes(self.places.as_ptr().add(pixel * winners_of(self.channels) + channel));
            let dy = V::load_first(self.dy.as_ptr().add(pixel * self.channels + channel), count);
            dy.where_equal(winners, V::splat(place as f32))
        }
    }
}

struct Average<'a> {
    pooling: &'a Pooling,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Average<'_> {
    type Output = ();

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
                for_each_vector!(c, |channel, count| {
                    // SAFETY: windows lie in the image and output pixels in the output, whose lengths were checked above; the
                    // caller has the instruction set.
                    unsafe {
                        let from = x.as_ptr().wrapping_add(inside.first * c + channel);
                        let mut sum = V::splat(0.0);
                        for row in 0..inside.rows {
                            for column in 0..inside.columns {
                                sum = sum.add(V::load_first(from.add((row * width + column) * c), count));
                            }
                        }
                        sum.mul(V::splat(factor)).store_first(y.as_mut_ptr().add(to + channel), count);
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
    unsafe fn part<V: Vector>(&self, _: usize, pixel: usize, channel: usize, count: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_first(self.dy.as_ptr().add(pixel * self.channels + channel), count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sides, kernel, stride and padding: overlapping, apart, padded, uneven.
    const CASES: [([usize; 2], usize, usize, usize); 7] = [
        ([4, 6], 2, 2, 0),
        ([7, 5], 3, 2, 1),
        ([8, 8], 3, 2, 1),
        ([5, 5], 2, 1, 0),
        ([7, 9], 2, 3, 0),
        ([3, 3], 3, 3, 1),
        ([6, 5], 5, 1, 2),
    ];
    const CHANNELS: usize = 19;
    const IMAGES: usize = 3;

    fn noise(seed: usize, len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn poolings() -> impl Iterator<Item = Pooling> {
        CASES.into_iter().map(|([height, width], kernel, stride, padding)| Pooling {
            input: ImageShape { height, width, channels: CHANNELS },
            kernel,
            stride,
            padding,
        })
    }

    /// For each element of the output the elements of the input in its window, row by row.
    fn windows(p: &Pooling) -> Vec<Vec<usize>> {
        let out = p.output();
        let mut windows = Vec::new();
        for image in 0..IMAGES {
            for (oy, ox, c) in
                (0..out.len()).map(|i| (i / CHANNELS / out.width, i / CHANNELS % out.width, i % CHANNELS))
            {
                let rows = (oy * p.stride..oy * p.stride + p.kernel).filter_map(|y| y.checked_sub(p.padding));
                let columns = || (ox * p.stride..ox * p.stride + p.kernel).filter_map(|x| x.checked_sub(p.padding));
                let inside = rows.filter(|y| *y < p.input.height).flat_map(|y| {
                    let at = move |x| ((image * p.input.height + y) * p.input.width + x) * CHANNELS + c;
                    columns().filter(|x| *x < p.input.width).map(at)
                });
                windows.push(inside.collect());
            }
        }
        windows
    }

    fn isas() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_supported())
    }

    fn assert_close(found: &[f32], expected: &[f32], what: &str) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{what}: {found} {expected}");
        }
    }

    #[test]
    fn maximum_and_its_gradient() {
        let threads = Threads::new(2).unwrap();
        for (p, isa) in poolings().flat_map(|p| isas().map(move |isa| (p, isa))) {
            let x = noise(1, IMAGES * p.input.len());
            let windows = windows(&p);
            let dy = noise(2, windows.len());
            let (mut y, mut winners) = (vec![0.0; windows.len()], vec![0; p.winners_len(IMAGES)]);
            p.max(&threads, isa, &x, &mut y, Some(&mut winners));
            let mut alone = vec![0.0; windows.len()];
            p.max(&threads, isa, &x, &mut alone, None);
            assert_eq!(alone, y);
            let mut expected = vec![0.0; x.len()];
            for (i, window) in windows.iter().enumerate() {
                // The first of equals.
                let best = window.iter().copied().reduce(|best, at| if x[at] > x[best] { at } else { best }).unwrap();
                assert_eq!(y[i], x[best], "{p:?} {isa}");
                expected[best] += dy[i];
            }
            for accumulate in [false, true] {
                let mut dx = if accumulate { noise(3, x.len()) } else { vec![f32::NAN; x.len()] };
                let expected: Vec<f32> =
                    expected.iter().zip(&dx).map(|(e, dx)| if accumulate { e + dx } else { *e }).collect();
                p.max_backward(&threads, isa, &winners, &dy, accumulate, &mut dx);
                assert_close(&dx, &expected, &format!("{p:?} {isa}"));
            }
        }
    }

    #[test]
    fn average_and_its_gradient() {
        let threads = Threads::new(2).unwrap();
        for (p, isa) in poolings().flat_map(|p| isas().map(move |isa| (p, isa))) {
            let x = noise(4, IMAGES * p.input.len());
            let windows = windows(&p);
            let dy = noise(5, windows.len());
            let mut y = vec![0.0; windows.len()];
            p.average(&threads, isa, &x, &mut y);
            let area = (p.kernel * p.kernel) as f32;
            let mut expected = vec![0.0; x.len()];
            for (i, window) in windows.iter().enumerate() {
                assert!((y[i] - window.iter().map(|&at| x[at]).sum::<f32>() / area).abs() < 1e-5, "{p:?} {isa}");
                for &at in window {
                    expected[at] += dy[i] / area;
                }
            }
            for accumulate in [false, true] {
                let mut dx = if accumulate { noise(3, x.len()) } else { vec![f32::NAN; x.len()] };
                let expected: Vec<f32> =
                    expected.iter().zip(&dx).map(|(e, dx)| if accumulate { e + dx } else { *e }).collect();
                p.average_backward(&threads, isa, &dy, accumulate, &mut dx);
                assert_close(&dx, &expected, &format!("{p:?} {isa}"));
            }
        }
    }

    #[test]
    fn what_is_not_a_number_wins() {
        isas().for_each(check_missing_numbers);
    }

    fn check_missing_numbers(isa: Isa) {
        let threads = Threads::new(1).unwrap();
        let p = Pooling { input: ImageShape { height: 1, width: 3, channels: 1 }, kernel: 1, stride: 1, padding: 0 };
        let p = Pooling { kernel: 3, padding: 1, ..p };
        let (mut y, mut winners) = ([0.0; 3], [0; 3 * MAX_LANES]);
        p.max(&threads, isa, &[1.0, f32::NAN, 2.0], &mut y, Some(&mut winners));
        assert!(y.iter().all(|y| y.is_nan()));
        p.max(&threads, isa, &[f32::NEG_INFINITY; 3], &mut y, Some(&mut winners));
        let winners = [0, 1, 2].map(|pixel| winners[pixel * MAX_LANES]);
        assert_eq!((y, winners), ([f32::NEG_INFINITY; 3], [4, 3, 3]), "the padding never wins");
    }

    #[test]
    fn mean_over_all_pixels_and_its_gradient() {
        let threads = Threads::new(2).unwrap();
        let shape = ImageShape { height: 3, width: 5, channels: 7 };
        let x = noise(6, 2 * shape.len());
        let mut y = vec![0.0; 14];
        global_average(&threads, shape, &x, &mut y);
        for (i, y) in y.iter().enumerate() {
            let image = &x[i / 7 * shape.len()..][..shape.len()];
            let expected = image.iter().skip(i % 7).step_by(7).sum::<f32>() / 15.0;
            assert!((y - expected).abs() < 1e-6);
        }
        let mut dx = vec![1.0; x.len()];
        global_average_backward(&threads, shape, &y, true, &mut dx);
        assert!((dx[7 * 4 + 2] - (1.0 + y[2] / 15.0)).abs() < 1e-6);
        global_average_backward(&threads, shape, &y, false, &mut dx);
        assert!((dx[shape.len()] - y[7] / 15.0).abs() < 1e-6);
    }
}
