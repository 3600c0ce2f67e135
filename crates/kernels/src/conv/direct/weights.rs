//! Direct convolution, backward to the weight: a tile of (kernel column x input channel) x output channels is kept in
//! registers while all pixels of an image go by.
#![allow(unsafe_code)]

use super::correlate::blocks;
use super::frame::Geometry;
use super::{even_parts, with_constant};
use crate::conv::ConvShape;
use crate::conv::chunks::{chunk_of, chunks};
use crate::conv::scratch::{Parts, Scratch};
use crate::conv::simd::{All, First, Kernel, Span, Vector, dispatch, lanes};
use crate::isa::Isa;
use crate::threads::Threads;

/// The gradient of the weight, made ready.
#[derive(Clone, Debug)]
pub(crate) struct WeightGradient {
    geometry: Geometry,
    kernel: usize,
    isa: Isa,
}

impl WeightGradient {
    /// For the convolution of this shape.
    pub(crate) fn new(shape: &ConvShape, isa: Isa) -> Self {
        Self { geometry: Geometry::forward(shape), kernel: shape.kernel, isa }
    }

    /// `dw` [O, I, k, k] of the images `x` and the output's gradient `dy`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn run(&self, threads: &Threads, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut Scratch) {
        let g = &self.geometry;
        let images = x.len() / g.source_len();
        assert_eq!(x.len(), images * g.source_len(), "input: not a whole number of images");
        assert_eq!(dy.len(), images * g.out_len(), "output gradient: as many images as the input");
        assert_eq!(dw.len(), g.source[2] * g.out[2] * self.kernel * self.kernel, "weight gradient");
        let (count, len) = (chunks(images), self.packed_len());
        let partials = scratch.partials.get(count * len);
        let parts = Parts::new(partials, len);
        let workers = scratch.workers.prepare(threads);
        threads.run(count, |chunk| {
            // SAFETY: each task takes the part of its own number.
            let sums = unsafe { parts.get(chunk) };
            sums.fill(0.0);
            workers.with(g.frame_len(), |frame| {
                frame.fill(0.0);
                for image in chunk_of(images, chunk) {
                    g.fill(&x[image * g.source_len()..][..g.source_len()], frame);
                    let dy = &dy[image * g.out_len()..][..g.out_len()];
                    // SAFETY: the instruction set was checked when the plan was made; all slices have its lengths.
                    unsafe { dispatch(self.isa, Image { plan: self, frame, dy, sums }) }
                }
            });
        });
        self.reduce(threads, partials, dw);
    }

    /// Elements of one chunk's sums: by block of output channels, kernel row, kernel column, input channel, output
    /// channel.
    fn packed_len(&self) -> usize {
        let g = &self.geometry;
        self.kernel * self.run_len() * g.out[2].next_multiple_of(lanes(self.isa))
    }

    /// Elements along a kernel row.
    fn run_len(&self) -> usize {
        self.kernel * self.geometry.source[2]
    }

    /// Sums the chunks in their order, into PyTorch's layout.
    fn reduce(&self, threads: &Threads, partials: &[f32], dw: &mut [f32]) {
        let lanes = lanes(self.isa);
        let [inputs, outs] = [self.geometry.source[2], self.geometry.out[2]];
        let (area, len) = (self.kernel * self.kernel, self.packed_len());
        let per_out = inputs * area;
        let parts = Parts::new(dw, 2 * lanes * per_out);
        threads.run(parts.count(), |block| {
            let first = block * 2 * lanes;
            let width = (outs - first).next_multiple_of(lanes).min(2 * lanes);
            // SAFETY: each task takes the part of its own number.
            let dw = unsafe { parts.get(block) };
            let mut sums = vec![0.0; width];
            for row in 0..self.kernel * self.run_len() {
                sums.fill(0.0);
                for partial in partials.chunks_exact(len) {
                    let from = &partial[first * self.kernel * self.run_len() + row * width..][..width];
                    sums.iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
                }
                let (tap, input) = (row / inputs, row % inputs);
                for (dw, sum) in dw.chunks_exact_mut(per_out).zip(&sums) {
                    dw[input * area + tap] = *sum;
                }
            }
        });
    }
}

/// Adds one image to the sums. Needs: lengths as in the plan.
struct Image<'a> {
    plan: &'a WeightGradient,
    frame: &'a [f32],
    dy: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Image<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let g = &self.plan.geometry;
        let [height, width, outs] = g.out;
        let mut sums = self.sums;
        for (channel, block) in blocks(outs, V::LANES) {
            let vectors = block / V::LANES;
            let limit = if vectors == 1 { V::ROWS_OF_ONE } else { V::ROWS_OF_TWO };
            let last_lanes = (outs - channel).min(block) - (vectors - 1) * V::LANES;
            for ky in 0..self.plan.kernel {
                let (own, rest) = sums.split_at_mut(self.plan.run_len() * block);
                sums = rest;
                for (first, rows) in even_parts(self.plan.run_len(), limit) {
                    // SAFETY: the frame reaches as far as the last window, of which `first .. first + rows` is a part;
                    // `own` holds the sums of this block and kernel row.
                    unsafe {
                        let tile = Tile {
                            source: self.frame.as_ptr().add(ky * g.frame_row() + first),
                            source_step: g.source_step * g.source[2],
                            source_row: g.source_step * g.frame_row(),
                            dy: self.dy.as_ptr().add(channel),
                            outs,
                            height,
                            width,
                            sums: own.as_mut_ptr().add(first * block),
                            last_lanes,
                        };
                        match (vectors, last_lanes == V::LANES) {
                            (1, true) => with_constant!(rows, R => V::call(Products::<R, 1, true>(tile))),
                            (1, false) => with_constant!(rows, R => V::call(Products::<R, 1, false>(tile))),
                            (_, true) => with_constant!(rows, R => V::call(Products::<R, 2, true>(tile))),
                            (_, false) => with_constant!(rows, R => V::call(Products::<R, 2, false>(tile))),
                        }
                    }
                }
            }
        }
    }
}

/// Some neighbouring elements of a window, one block of output channels, and all pixels that they meet at.
#[derive(Clone, Copy)]
struct Tile {
    /// The first element at the first output pixel.
    source: *const f32,
    /// Elements between the windows of neighbouring pixels ..
    source_step: usize,
    /// .. and of neighbouring rows.
    source_row: usize,
    /// Gradient of the block's first channel at the first output pixel.
    dy: *const f32,
    /// Elements between output pixels.
    outs: usize,
    height: usize,
    width: usize,
    /// Sums of the tile, a block's width apart.
    sums: *mut f32,
    /// Channels in the last vector.
    last_lanes: usize,
}

/// A tile of `R` window elements x `N` vectors of channels; `FULL` if the last vector is. Needs: everything that the tile
/// describes in bounds.
struct Products<const R: usize, const N: usize, const FULL: bool>(Tile);

impl<const R: usize, const N: usize, const FULL: bool> Kernel for Products<R, N, FULL> {
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
            for (r, sums) in sums.into_iter().enumerate() {
                for (n, sum) in sums.into_iter().enumerate() {
                    sum.store(tile.sums.add((r * N + n) * V::LANES));
                }
            }
        }
    }
}
