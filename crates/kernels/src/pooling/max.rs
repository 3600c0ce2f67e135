//! The maximum of each window.
#![allow(unsafe_code)]

use super::gather::Part;
use super::{Inside, Pooling};
use crate::disjoint::{Disjoint, for_each_chunk};
use crate::isa::Isa;
use crate::simd::{Kernel, MAX_LANES, Span, Vector, dispatch, for_each_vector};
use crate::threads::Threads;

impl Pooling {
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
        for_each_chunk(threads, y, out_len, |image, y| {
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
        for_each_chunk(threads, dx, self.input.len(), |image, dx| {
            let (winners, dy) = (&winners[image * winners_len..][..winners_len], &dy[image * out_len..][..out_len]);
            dispatch(isa, MaxBackward { pooling: self, winners, dy, accumulate, dx });
        });
    }
}

/// Bytes of a pixel's winners: whole vectors, so that none has to be cut.
fn winners_of(channels: usize) -> usize {
    channels.next_multiple_of(MAX_LANES)
}

/// The place in a window that holds no pixel at all.
const NOWHERE: f32 = 255.0;

struct Max<'a, const WINNERS: bool> {
    pooling: &'a Pooling,
    x: &'a [f32],
    y: &'a mut [f32],
    winners: &'a mut [u8],
}

impl<const WINNERS: bool> Kernel for Max<'_, WINNERS> {
    type Output = ();
    const WIDE: bool = true;

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
                for_each_vector!(V, c, |channel, span| {
                    // SAFETY: windows lie in the image and output pixels in the output, whose lengths were checked above; the
                    // caller has the instruction set.
                    unsafe {
                        let from = x.as_ptr().wrapping_add(inside.first * c + channel);
                        let (best, place) = if K > 0 && inside.rows == K && inside.columns == K {
                            let whole = Inside { rows: K, columns: K, ..inside };
                            p.best::<V, WINNERS>(whole, from, span)
                        } else {
                            p.best::<V, WINNERS>(inside, from, span)
                        };
                        span.store(best, y.as_mut_ptr().add(pixel * c + channel));
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
    /// The processor must have the instruction set of `V`, and each of the pixels as many channels as the span.
    #[inline(always)]
    unsafe fn best<V: Vector, const WINNERS: bool>(&self, inside: Inside, from: *const f32, span: impl Span) -> (V, V) {
        let (c, width) = (self.input.channels, self.input.width);
        // SAFETY: the caller's promise.
        unsafe {
            let (mut best, mut place) = (V::splat(f32::NEG_INFINITY), V::splat(NOWHERE));
            for row in 0..inside.rows {
                for column in 0..inside.columns {
                    let value = span.load::<V>(from.add((row * width + column) * c));
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

struct MaxBackward<'a> {
    pooling: &'a Pooling,
    winners: &'a [u8],
    dy: &'a [f32],
    accumulate: bool,
    dx: &'a mut [f32],
}

impl Kernel for MaxBackward<'_> {
    type Output = ();
    const WIDE: bool = true;

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
    unsafe fn part<V: Vector>(&self, place: usize, pixel: usize, channel: usize, span: impl Span) -> V {
        // SAFETY: the caller's promise; places have whole vectors.
        unsafe {
            let winners = V::load_bytes(self.places.as_ptr().add(pixel * winners_of(self.channels) + channel));
            let dy: V = span.load(self.dy.as_ptr().add(pixel * self.channels + channel));
            dy.where_equal(winners, V::splat(place as f32))
        }
    }
}
