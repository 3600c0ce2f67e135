//! Winograd's convolution, forward and backward to the input: blocks of tiles go through input transform, matrix products
//! and output transform while they are in the cache.
#![allow(unsafe_code)]
// Arrays that stay in registers are indexed by loops over constants.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::grid::Grid;
use super::tile_io::{Input, Layout, Outputs};
use super::transform::KernelMatrix;
use super::{AREA, SIDE, SKEW};
use crate::conv::ConvShape;
use crate::conv::finish::{Finish, Output, with_finish};
use crate::conv::scratch::Scratch;
use crate::conv::simd::{Ahead, First, Kernel, Span, Vector, dispatch, lanes};
use crate::conv::tiles::{PixelTile, blocks, even_parts};
use crate::isa::Isa;
use crate::threads::Threads;

/// Tiles that are transformed together: enough to reuse transformed weights, few enough for the cache.
const TILES: usize = 24;
/// Multiplications that are worth a task of their own.
const PRODUCTS_PER_TASK: usize = 1 << 20;

/// A convolution by tiles of `M` x `M` output pixels, `R` = 7 - M, made ready.
#[derive(Clone, Debug)]
pub(crate) struct Correlation<const M: usize, const R: usize> {
    grid: Grid,
    isa: Isa,
    backward: bool,
}

impl<const M: usize, const R: usize> Correlation<M, R> {
    /// From input to output.
    pub(crate) fn forward(shape: &ConvShape, isa: Isa) -> Self {
        let source = [shape.height, shape.width, shape.c_in];
        let out = [shape.out_height(), shape.out_width(), shape.c_out];
        Self { grid: Grid::new(source, out, shape.padding, M), isa, backward: false }
    }

    /// From the output's gradient to the input's.
    pub(crate) fn backward(shape: &ConvShape, isa: Isa) -> Self {
        let source = [shape.out_height(), shape.out_width(), shape.c_out];
        let out = [shape.height, shape.width, shape.c_in];
        Self { grid: Grid::new(source, out, R - 1 - shape.padding, M), isa, backward: true }
    }

    /// Convolves the images of `source` into `output`, whose length is `out_len`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn run(
        &self,
        threads: &Threads,
        source: &[f32],
        weight: &[f32],
        output: &Output,
        out_len: usize,
        scratch: &mut Scratch,
    ) {
        let grid = &self.grid;
        let ([_, width, sources], outs) = (grid.source, grid.out[2]);
        let images = source.len() / grid.source_len();
        assert_eq!(source.len(), images * grid.source_len(), "source: not a whole number of images");
        assert_eq!(out_len, images * grid.out_len(), "output: as many images as the source");
        assert_eq!(weight.len(), sources * outs * R * R, "weight");
        let lanes = lanes(self.isa);
        let matrix = Self::kernel_matrix_len(sources, outs, lanes);
        let kernels = scratch.weights.get(AREA * matrix);
        self.transform_kernels(threads, weight, matrix, kernels);
        let kernels = &*kernels;

        let (from, to) = (Layout::new(TILES, sources, lanes), Layout::new(TILES, outs, lanes));
        let zeros_len = (width * sources).next_multiple_of(SKEW);
        let tiles = images * grid.tiles();
        let per_task = TILES * PRODUCTS_PER_TASK.div_ceil(TILES * AREA * sources * outs);
        let workers = scratch.workers.prepare(threads);
        threads.run(tiles.div_ceil(per_task), |task| {
            workers.with(zeros_len + from.len() + to.len(), |memory| {
                let (zeros, memory) = memory.split_at_mut(zeros_len);
                let (inputs, sums) = memory.split_at_mut(from.len());
                zeros.fill(0.0);
                let own = task * per_task..((task + 1) * per_task).min(tiles);
                for first in own.clone().step_by(TILES) {
                    let tiles = first..(first + TILES).min(own.end);
                    let matrices = &mut *inputs;
                    let input = Input { grid, source, zeros, tiles: tiles.clone(), layout: from, matrices };
                    let kernel = Products {
                        kernels,
                        matrix,
                        inputs: input.matrices.as_ptr(),
                        from,
                        sums: Output::plain(false, sums),
                        to,
                        tiles: tiles.len(),
                        channels: [sources, outs],
                        ahead: [
                            grid.ahead(source.as_ptr(), tiles.end..tiles.end + tiles.len(), grid.source),
                            grid.ahead(with_finish!(*output, |finish| finish.start()), tiles.clone(), grid.out),
                        ],
                    };
                    // SAFETY: the instruction set was checked when the plan was made; all memory is as long as layouts and
                    // plan say (asserted above), and each tile is one task's own.
                    unsafe {
                        dispatch(self.isa, input);
                        dispatch(self.isa, kernel);
                        with_finish!(*output, |finish| {
                            dispatch(self.isa, Outputs::<M, _> { grid, matrices: sums, layout: to, tiles, finish });
                        });
                    }
                }
            });
        });
    }

    /// Numbers from one of the 36 matrices of the kernels to the next.
    fn kernel_matrix_len(sources: usize, outs: usize, lanes: usize) -> usize {
        (sources * outs.next_multiple_of(lanes)).next_multiple_of(SKEW) + SKEW
    }

    /// G w Gᵀ of all kernels: 36 matrices, each by block of one or two vectors of output channels, source channel, output
    /// channel; missing channels are 0.
    fn transform_kernels(&self, threads: &Threads, weight: &[f32], matrix: usize, kernels: &mut [f32]) {
        const CHANNELS_PER_TASK: usize = 8;
        let (sources, outs) = (self.grid.source[2], self.grid.out[2]);
        let to = Shared(kernels.as_mut_ptr());
        threads.run(sources.div_ceil(CHANNELS_PER_TASK), |task| {
            let first = task * CHANNELS_PER_TASK;
            let kernel = Kernels::<R> {
                weight,
                channels: [sources, outs],
                backward: self.backward,
                own: first..(first + CHANNELS_PER_TASK).min(sources),
                to: &to,
                matrix,
            };
            // SAFETY: the instruction set was checked; the lengths are asserted by the caller; tasks write to the rows of
            // their own source channels.
            unsafe { dispatch(self.isa, kernel) }
        });
    }
}

/// Where several threads write, each its own elements.
struct Shared(*mut f32);

// SAFETY: tasks write to different elements.
unsafe impl Sync for Shared {}

/// G w Gᵀ for some source channels. Needs: `weight` of these channels, room for them at `to`.
struct Kernels<'a, const R: usize> {
    weight: &'a [f32],
    /// Source and output channels.
    channels: [usize; 2],
    /// Channels exchanged and the kernel turned round.
    backward: bool,
    /// Source channels to do.
    own: Range<usize>,
    to: &'a Shared,
    matrix: usize,
}

impl<const R: usize> Kernel for Kernels<'_, R> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let matrix = KernelMatrix::<R>::new();
        let [sources, outs] = self.channels;
        let (source_stride, out_stride) = if self.backward { (outs * R * R, R * R) } else { (R * R, sources * R * R) };
        let mut side_by_side = [[0.0_f32; 16]; 25];
        for (block, width) in blocks(outs, V::LANES) {
            for source in self.own.clone() {
                for channel in (block..block + width).step_by(V::LANES) {
                    for lane in 0..V::LANES {
                        if channel + lane < outs {
                            let from = source * source_stride + (channel + lane) * out_stride;
                            for (tap, weight) in self.weight[from..from + R * R].iter().enumerate() {
                                side_by_side[if self.backward { R * R - 1 - tap } else { tap }][lane] = *weight;
                            }
                        }
                    }
                    // SAFETY: the caller vouches for the instruction set and the room at `to`; `side_by_side` has rows of
                    // 16, no vector has more lanes, and lanes without a channel are masked out.
                    unsafe {
                        let lanes = First(V::LANES.min(outs - channel));
                        let mut kernel = [[V::zero(); R]; R];
                        for (tap, weights) in side_by_side.iter().enumerate().take(R * R) {
                            kernel[tap / R][tap % R] = lanes.load(weights.as_ptr());
                        }
                        let at = block * sources + source * width + channel - block;
                        for (i, row) in matrix.transform(kernel).iter().enumerate() {
                            for (j, &value) in row.iter().enumerate() {
                                value.store(self.to.0.add((i * SIDE + j) * self.matrix + at));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The 36 products of matrices, tiles x source channels by source channels x output channels. Needs: layouts that hold.
struct Products<'a> {
    kernels: &'a [f32],
    matrix: usize,
    inputs: *const f32,
    from: Layout,
    sums: Output,
    to: Layout,
    tiles: usize,
    /// Source and output channels.
    channels: [usize; 2],
    /// What to fetch meanwhile.
    ahead: [Ahead; 2],
}

impl Kernel for Products<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [sources, outs] = self.channels;
        for matrix in 0..AREA {
            self.ahead.iter().for_each(|ahead| ahead.fetch(matrix, AREA));
            for (channel, width) in blocks(outs, V::LANES) {
                let vectors = width / V::LANES;
                let limit = if vectors == 1 { V::ROWS_OF_ONE } else { V::ROWS_OF_TWO };
                for (first, tiles) in even_parts(self.tiles, limit) {
                    // SAFETY: the caller's promise.
                    unsafe {
                        PixelTile {
                            source: self.inputs.add(matrix * self.from.matrix + first * self.from.tile),
                            source_step: self.from.tile,
                            rows: 1,
                            row_distance: 0,
                            run: sources,
                            weights: self.kernels.as_ptr().add(matrix * self.matrix + channel * sources),
                            output: self.sums,
                            offset: matrix * self.to.matrix + first * self.to.tile + channel,
                            out_distance: self.to.tile,
                            channel,
                            last_lanes: V::LANES,
                        }
                        .run::<V>(tiles, vectors);
                    }
                }
            }
        }
    }
}
