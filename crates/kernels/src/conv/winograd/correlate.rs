//! Winograd's convolution, forward and backward to the input: blocks of tiles go through input transform, matrix products
//! and output transform while they are in the cache.
#![allow(unsafe_code)]

use super::SKEW;
use super::grid::Grid;
use super::kernels::{Orientation, TransformedKernels};
use super::tile_io::{Input, Layout, Outputs};
use crate::conv::ConvShape;
use crate::conv::finish::{Finish, Output, with_finish};
use crate::conv::scratch::Scratch;
use crate::conv::simd::{Ahead, Kernel, Vector, dispatch, lanes};
use crate::conv::tiles::{PixelTile, blocks, even_parts};
use crate::isa::Isa;
use crate::threads::Threads;

/// Tiles of this side that are transformed together: enough to reuse transformed weights, few enough for the cache.
pub(super) fn tiles_together(side: usize) -> usize {
    if side == 6 { 24 } else { 12 }
}

/// Multiplications that are worth a task of their own.
const PRODUCTS_PER_TASK: usize = 1 << 20;

/// A convolution by tiles of `M` x `M` output pixels over `S` x `S` source pixels, `S` = M + R - 1, made ready.
#[derive(Clone, Debug)]
pub(crate) struct Correlation<const S: usize, const M: usize, const R: usize> {
    grid: Grid,
    isa: Isa,
    orientation: Orientation,
}

impl<const S: usize, const M: usize, const R: usize> Correlation<S, M, R> {
    /// From input to output.
    pub(crate) fn forward(shape: &ConvShape, isa: Isa) -> Self {
        let source = [shape.height, shape.width, shape.c_in];
        let out = [shape.out_height(), shape.out_width(), shape.c_out];
        Self { grid: Grid::new(source, out, shape.padding, M, S), isa, orientation: Orientation::Plain }
    }

    /// From the output's gradient to the input's.
    pub(crate) fn backward(shape: &ConvShape, isa: Isa) -> Self {
        let source = [shape.out_height(), shape.out_width(), shape.c_out];
        let out = [shape.height, shape.width, shape.c_in];
        Self { grid: Grid::new(source, out, R - 1 - shape.padding, M, S), isa, orientation: Orientation::Turned }
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
        let lanes = lanes(self.isa);
        let kernels = TransformedKernels::new::<S, R>(
            self.isa,
            threads,
            weight,
            [sources, outs],
            self.orientation,
            &mut scratch.weights,
        );
        let batch = tiles_together(S);
        let (from, to) = (Layout::new::<S>(batch, sources, lanes), Layout::new::<S>(batch, outs, lanes));
        let zeros_len = (width * sources).next_multiple_of(SKEW);
        let tiles = images * grid.tiles();
        let per_task = batch * PRODUCTS_PER_TASK.div_ceil(batch * S * S * sources * outs);
        let workers = scratch.workers.prepare(threads);
        threads.run(tiles.div_ceil(per_task), |task| {
            workers.with(zeros_len + from.len() + to.len(), |memory| {
                let (zeros, memory) = memory.split_at_mut(zeros_len);
                let (inputs, sums) = memory.split_at_mut(from.len());
                zeros.fill(0.0);
                let own = task * per_task..((task + 1) * per_task).min(tiles);
                for first in own.clone().step_by(batch) {
                    let tiles = first..(first + batch).min(own.end);
                    let matrices = &mut *inputs;
                    let input = Input::<S> { grid, source, zeros, tiles: tiles.clone(), layout: from, matrices };
                    let kernel = Products {
                        kernels,
                        inputs: input.matrices.as_ptr(),
                        from,
                        sums: Output::plain(false, sums),
                        to,
                        tiles: tiles.len(),
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
                            dispatch(self.isa, Outputs::<S, M, _> { grid, matrices: sums, layout: to, tiles, finish });
                        });
                    }
                }
            });
        });
    }
}

/// The products of matrices, tiles x source channels by source channels x output channels. Needs: layouts that hold.
pub(super) struct Products<'a> {
    pub(super) kernels: TransformedKernels<'a>,
    pub(super) inputs: *const f32,
    pub(super) from: Layout,
    pub(super) sums: Output,
    pub(super) to: Layout,
    pub(super) tiles: usize,
    /// What to fetch meanwhile.
    pub(super) ahead: [Ahead; 2],
}

impl Kernel for Products<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [sources, outs] = self.kernels.channels;
        for matrix in 0..self.from.count {
            self.ahead.iter().for_each(|ahead| ahead.fetch(matrix, self.from.count));
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
                            weights: self.kernels.values.as_ptr().add(matrix * self.kernels.matrix + channel * sources),
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
