//! Winograd's convolution, forward and backward to the input: blocks of tiles go through input transform, matrix products
//! and output transform while they are in the cache.
#![allow(unsafe_code)]

use super::SKEW;
use super::grid::Grid;
use super::kernels::{Orientation, TransformedKernels};
use super::tile_io::{Input, MatrixLayout, Outputs};
use crate::conv::ConvShape;
use crate::conv::finish::{Output, with_finish};
use crate::conv::scratch::Scratch;
use crate::conv::tiles::{PixelTiles, blocks, even_parts};
use crate::isa::Isa;
use crate::simd::{Ahead, Kernel, Vector, dispatch, lanes};
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

    /// Convolves the images of `source` into `output`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn run(&self, threads: &Threads, source: &[f32], weight: &[f32], output: Output, scratch: &mut Scratch) {
        let grid = &self.grid;
        let ([_, width, sources], outs) = (grid.source, grid.out[2]);
        let images = source.len() / grid.source_len();
        assert_eq!(source.len(), images * grid.source_len(), "source: not a whole number of images");
        assert_eq!(output.len(), images * grid.out_len(), "output: as many images as the source");
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
        let (from, to) = (MatrixLayout::new::<S>(batch, sources, lanes), MatrixLayout::new::<S>(batch, outs, lanes));
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
                    dispatch(self.isa, input);
                    let next = tiles.end..tiles.end + tiles.len();
                    let ahead = [
                        grid.ahead(source.as_ptr(), next, grid.source),
                        grid.ahead(output.start(), tiles.clone(), grid.out),
                    ];
                    let (inputs, sums) = (&*inputs, &mut *sums);
                    let products = Products { kernels, inputs, from, sums, to, tiles: tiles.len(), ahead };
                    dispatch(self.isa, products);
                    with_finish!(output, |finish| {
                        // SAFETY: the output holds all images (asserted above), and each tile is one task's own.
                        let outputs = unsafe { Outputs::<S, M, _>::new(grid, sums, to, tiles, finish) };
                        dispatch(self.isa, outputs);
                    });
                }
            });
        });
    }
}

/// The products of matrices, tiles x source channels by source channels x output channels.
pub(super) struct Products<'a> {
    pub(super) kernels: TransformedKernels<'a>,
    pub(super) inputs: &'a [f32],
    pub(super) from: MatrixLayout,
    pub(super) sums: &'a mut [f32],
    pub(super) to: MatrixLayout,
    pub(super) tiles: usize,
    /// What to fetch meanwhile.
    pub(super) ahead: [Ahead; 2],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [sources, outs] = self.kernels.channels;
        self.from.check::<V>(self.tiles, sources, self.inputs.len());
        self.to.check::<V>(self.tiles, outs, self.sums.len());
        assert_eq!(self.from.count, self.to.count, "as many matrices of inputs as of sums");
        self.kernels.check::<V>(self.from.count);
        let sums = Output::plain(false, self.sums);
        for matrix in 0..self.from.count {
            self.ahead.iter().for_each(|ahead| ahead.fetch(matrix, self.from.count));
            for (channel, width) in blocks(outs, V::LANES) {
                let vectors = width / V::LANES;
                let limit = if vectors == 1 { V::ROWS_OF_ONE } else { V::ROWS_OF_TWO };
                let tiles = PixelTiles {
                    source_step: self.from.tile,
                    rows: 1,
                    row_distance: 0,
                    run: sources,
                    weights: self.kernels.values[matrix * self.kernels.matrix + channel * sources..].as_ptr(),
                    output: sums,
                    out_distance: self.to.tile,
                    channel,
                    last_lanes: V::LANES,
                };
                for (first, count) in even_parts(self.tiles, limit) {
                    let offset = matrix * self.to.matrix + first * self.to.tile + channel;
                    // SAFETY: the caller has the instruction set; the matrices have room for the tiles, checked above.
                    unsafe {
                        let source = self.inputs.as_ptr().add(matrix * self.from.matrix + first * self.from.tile);
                        tiles.run::<V>(source, offset, count, vectors);
                    }
                }
            }
        }
    }
}
