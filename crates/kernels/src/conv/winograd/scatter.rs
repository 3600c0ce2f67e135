//! Winograd's convolution, backward to the input, as the adjoint of the forward one: B [(G w Gᵀ) ⊙ (A dy Aᵀ)] Bᵀ, whose
//! S x S tiles overlap and are added up. Its tiles lie over the output, those of [`super::Correlation`] over the input: it
//! needs fewer where a kernel without padding leaves the output much smaller.
#![allow(unsafe_code)]
// Arrays that stay in registers are indexed by loops over constants.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::correlate::{Products, tiles_together};
use super::grid::Grid;
use super::kernels::{Orientation, TransformedKernels};
use super::tile_io::{Gradient, MatrixLayout};
use super::transform::input_pass_adjoint;
use crate::conv::ConvShape;
use crate::conv::finish::{Finish, Output, with_finish};
use crate::conv::scratch::Scratch;
use crate::isa::Isa;
use crate::simd::{Kernel, Vector, dispatch, for_each_vector, lanes};
use crate::threads::Threads;

/// The gradient of the input by tiles of `M` x `M` output pixels over `S` x `S` input pixels, `S` = M + R - 1, made ready.
#[derive(Clone, Debug)]
pub(crate) struct Scatter<const S: usize, const M: usize, const R: usize> {
    grid: Grid,
    isa: Isa,
}

impl<const S: usize, const M: usize, const R: usize> Scatter<S, M, R> {
    /// For the convolution of this shape.
    pub(crate) fn new(shape: &ConvShape, isa: Isa) -> Self {
        let source = [shape.height, shape.width, shape.c_in];
        let out = [shape.out_height(), shape.out_width(), shape.c_out];
        Self { grid: Grid::new(source, out, shape.padding, M, S), isa }
    }

    /// Puts the gradients of the input, given those of the output, `dy`, into `output`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn run(&self, threads: &Threads, dy: &[f32], weight: &[f32], output: Output, scratch: &mut Scratch) {
        let grid = &self.grid;
        let (inputs, outs) = (grid.source[2], grid.out[2]);
        let images = dy.len() / grid.out_len();
        assert_eq!(dy.len(), images * grid.out_len(), "output gradient: not a whole number of images");
        assert_eq!(output.len(), images * grid.source_len(), "input gradient: as many images as the output's");
        let lanes = lanes(self.isa);
        let kernels = TransformedKernels::new::<S, R>(
            self.isa,
            threads,
            weight,
            [outs, inputs],
            Orientation::Exchanged,
            &mut scratch.weights,
        );
        let batch = tiles_together(S);
        let (from, to) = (MatrixLayout::new::<S>(batch, outs, lanes), MatrixLayout::new::<S>(batch, inputs, lanes));
        let frame = Frame::new::<S>(grid, to.tile);
        let group = batch.div_ceil(grid.tiles()).min(images.max(1));
        let workers = scratch.workers.prepare(threads);
        threads.run(images.div_ceil(group), |task| {
            let own = task * group..((task + 1) * group).min(images);
            workers.with(from.len() + to.len() + own.len() * frame.len(), |memory| {
                let (inputs, memory) = memory.split_at_mut(from.len());
                let (sums, frames) = memory.split_at_mut(to.len());
                frames.fill(0.0);
                let end = own.end * grid.tiles();
                for first in (own.start * grid.tiles()..end).step_by(batch) {
                    let tiles = first..(first + batch).min(end);
                    let gradient =
                        Gradient::<S, M> { grid, dy, tiles: tiles.clone(), layout: from, matrices: &mut *inputs };
                    dispatch(self.isa, gradient);
                    let next = tiles.end..tiles.end + tiles.len();
                    let ahead = [
                        grid.ahead(dy.as_ptr(), next, grid.out),
                        grid.ahead(output.start(), tiles.clone(), grid.source),
                    ];
                    let (inputs, sums) = (&*inputs, &mut *sums);
                    let products = Products { kernels, inputs, from, sums, to, tiles: tiles.len(), ahead };
                    dispatch(self.isa, products);
                    let (matrices, frames) = (&*sums, &mut *frames);
                    let spread = Spread::<S> { grid, matrices, layout: to, tiles, first: own.start, frame, frames };
                    dispatch(self.isa, spread);
                }
                with_finish!(output, |finish| {
                    // SAFETY: the output holds all images (asserted above), and a task has its images to itself.
                    let crop = unsafe { Crop::new(grid, frame, frames, own, finish) };
                    dispatch(self.isa, crop);
                });
            });
        });
    }
}

/// An image of sums with room for all of every tile: padding and what tiles reach beyond it included.
#[derive(Clone, Copy)]
struct Frame {
    rows: usize,
    columns: usize,
    /// In whole vectors.
    channels: usize,
}

impl Frame {
    fn new<const S: usize>(grid: &Grid, channels: usize) -> Self {
        let last = grid.tile(grid.tiles() - 1);
        Self { rows: last.y + S, columns: last.x + S, channels }
    }

    fn len(self) -> usize {
        self.rows * self.columns * self.channels
    }

    /// Position of a pixel in an array of frames.
    fn at(self, image: usize, y: usize, x: usize) -> usize {
        ((image * self.rows + y) * self.columns + x) * self.channels
    }
}

/// Adds B m Bᵀ of tiles to the frames of their images, the first of which is `first`.
struct Spread<'a, const S: usize> {
    grid: &'a Grid,
    matrices: &'a [f32],
    layout: MatrixLayout,
    tiles: Range<usize>,
    first: usize,
    frame: Frame,
    frames: &'a mut [f32],
}

impl<const S: usize> Kernel for Spread<'_, S> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        self.layout.check::<V>(self.tiles.len(), self.frame.channels, self.matrices.len());
        let fits = self.frame.channels.is_multiple_of(V::LANES) && self.frames.len().is_multiple_of(self.frame.len());
        assert!(self.layout.count == S * S && fits, "tiles and frames: of this size");
        for (index, tile) in self.tiles.clone().map(|tile| self.grid.tile(tile)).enumerate() {
            let at = self.frame.at(tile.image - self.first, tile.y, tile.x);
            // SAFETY: the caller has the instruction set; `at` lies in the frames, whole ones, each with room for the whole of
            // each of its tiles (`Frame::new`); the matrices hold the tile's row.
            unsafe {
                let from = self.matrices.as_ptr().add(index * self.layout.tile);
                let to = self.frames[at..].as_mut_ptr();
                for channel in (0..self.frame.channels).step_by(V::LANES) {
                    let mut half = [[V::zero(); S]; S];
                    for j in 0..S {
                        let mut column = [V::zero(); S];
                        for i in 0..S {
                            column[i] = V::load(from.add((i * S + j) * self.layout.matrix + channel));
                        }
                        let column = input_pass_adjoint(column);
                        for i in 0..S {
                            half[i][j] = column[i];
                        }
                    }
                    for (i, &half) in half.iter().enumerate() {
                        for (j, &value) in input_pass_adjoint(half).iter().enumerate() {
                            let place = to.add((i * self.frame.columns + j) * self.frame.channels + channel);
                            V::load(place).add(value).store(place);
                        }
                    }
                }
            }
        }
    }
}

/// Sends the images within frames on their way out.
struct Crop<'a, F> {
    grid: &'a Grid,
    frame: Frame,
    frames: &'a [f32],
    images: Range<usize>,
    finish: F,
}

impl<'a, F: Finish> Crop<'a, F> {
    /// The frames of `images` of the output.
    ///
    /// # Safety
    /// The output must hold the images, which no other thread may use.
    unsafe fn new(grid: &'a Grid, frame: Frame, frames: &'a [f32], images: Range<usize>, finish: F) -> Self {
        Self { grid, frame, frames, images, finish }
    }
}

impl<F: Finish> Kernel for Crop<'_, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width, channels] = self.grid.source;
        assert!(channels.next_multiple_of(V::LANES) <= self.frame.channels, "frames: channels in whole vectors");
        assert_eq!(self.frames.len(), self.images.len() * self.frame.len(), "frames: one an image");
        let padding = self.grid.padding();
        for (index, image) in self.images.enumerate() {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let from = self.frames[self.frame.at(index, y + padding, x + padding)..].as_ptr();
                let to = ((image * height + y) * width + x) * channels;
                // SAFETY: the caller has the instruction set; the frame holds the pixel, channels in whole vectors; the output
                // holds the image, which is this thread's own (`Crop::new`).
                unsafe {
                    for_each_vector!(V, channels, |channel, span| {
                        self.finish.put(span, V::load(from.add(channel)), to + channel, channel);
                    });
                }
            }
        }
    }
}
