//! Winograd's convolution, backward to the weight: the adjoint of the forward one. Sums over tiles are kept in the
//! transformed domain and go back once a chunk of images.
#![allow(unsafe_code)]

use super::SKEW;
use super::grid::Grid;
use super::tile_io::{Gradient, Input, MatrixLayout};
use super::transform::KernelMatrix;
use crate::conv::ConvShape;
use crate::conv::chunks::{chunk_of, chunks, reduce};
use crate::conv::scratch::Scratch;
use crate::conv::tiles::{ProductTile, blocks, even_parts};
use crate::disjoint::for_each_chunk;
use crate::isa::Isa;
use crate::simd::{Ahead, Kernel, Vector, dispatch, lanes};
use crate::threads::Threads;

/// Tiles that are transformed together.
const TILES: usize = 32;

/// The gradient of the weight by tiles of `M` x `M` output pixels over `S` x `S` input pixels, `S` = M + R - 1, made ready.
#[derive(Clone, Debug)]
pub(crate) struct WeightGradient<const S: usize, const M: usize, const R: usize> {
    grid: Grid,
    isa: Isa,
}

impl<const S: usize, const M: usize, const R: usize> WeightGradient<S, M, R> {
    /// For the convolution of this shape.
    pub(crate) fn new(shape: &ConvShape, isa: Isa) -> Self {
        let source = [shape.height, shape.width, shape.c_in];
        let out = [shape.out_height(), shape.out_width(), shape.c_out];
        Self { grid: Grid::new(source, out, shape.padding, M, S), isa }
    }

    /// `dw` [O, I, k, k] of the images `x` and the output's gradient `dy`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn run(&self, threads: &Threads, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut Scratch) {
        let grid = &self.grid;
        let ([_, width, inputs], outs) = (grid.source, grid.out[2]);
        let images = x.len() / grid.source_len();
        assert_eq!(x.len(), images * grid.source_len(), "input: not a whole number of images");
        assert_eq!(dy.len(), images * grid.out_len(), "output gradient: as many images as the input");
        assert_eq!(dw.len(), inputs * outs * R * R, "weight gradient");
        let lanes = lanes(self.isa);
        let (sources, gradients) =
            (MatrixLayout::new::<S>(TILES, inputs, lanes), MatrixLayout::new::<S>(TILES, outs, lanes));
        let zeros_len = (width * inputs).next_multiple_of(SKEW);
        let matrix = (inputs * gradients.tile).next_multiple_of(SKEW) + SKEW;
        let chunk_len = R * R * inputs * gradients.tile;
        let partials = scratch.partials.get(chunks(images) * chunk_len);
        let workers = scratch.workers.prepare(threads);
        for_each_chunk(threads, partials, chunk_len, |chunk, partial| {
            workers.with(zeros_len + S * S * matrix + sources.len() + gradients.len(), |memory| {
                let (zeros, memory) = memory.split_at_mut(zeros_len);
                let (sums, memory) = memory.split_at_mut(S * S * matrix);
                let (from, to) = memory.split_at_mut(sources.len());
                zeros.fill(0.0);
                sums.fill(0.0);
                let own = chunk_of(images, chunk);
                let own = own.start * grid.tiles()..own.end * grid.tiles();
                for (first, count) in even_parts(own.len(), TILES) {
                    let tiles = own.start + first..own.start + first + count;
                    let matrices = &mut *from;
                    let input = Input::<S> { grid, source: x, zeros, tiles: tiles.clone(), layout: sources, matrices };
                    let matrices = &mut *to;
                    let gradient = Gradient::<S, M> { grid, dy, tiles: tiles.clone(), layout: gradients, matrices };
                    dispatch(self.isa, input);
                    dispatch(self.isa, gradient);
                    let next = tiles.end..tiles.end + count;
                    let ahead =
                        [grid.ahead(x.as_ptr(), next.clone(), grid.source), grid.ahead(dy.as_ptr(), next, grid.out)];
                    let (from, to, sums, channels) = (&*from, &*to, &mut *sums, [inputs, outs]);
                    let products =
                        Products { from, sources, to, gradients, sums, matrix, tiles: count, channels, ahead };
                    dispatch(self.isa, products);
                }
                dispatch(self.isa, Back::<S, R> { sums, matrix, channels: [inputs, outs], partial });
            });
        });
        reduce(threads, partials, chunk_len, [outs, inputs, R * R], lanes, dw);
    }
}

/// Adds the products of matrices, source channels x tiles by tiles x output channels, to the sums; these lie by matrix,
/// block of one or two vectors of output channels, input channel, output channel.
struct Products<'a> {
    from: &'a [f32],
    sources: MatrixLayout,
    to: &'a [f32],
    gradients: MatrixLayout,
    sums: &'a mut [f32],
    matrix: usize,
    tiles: usize,
    /// Input and output channels.
    channels: [usize; 2],
    /// What to fetch meanwhile.
    ahead: [Ahead; 2],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [inputs, outs] = self.channels;
        self.sources.check::<V>(self.tiles, inputs, self.from.len());
        self.gradients.check::<V>(self.tiles, outs, self.to.len());
        assert_eq!(self.sources.count, self.gradients.count, "as many matrices of inputs as of gradients");
        check_sums::<V>(self.channels, self.matrix, self.sources.count, self.sums.len());
        for matrix in 0..self.sources.count {
            self.ahead.iter().for_each(|ahead| ahead.fetch(matrix, self.sources.count));
            for (channel, width) in blocks(outs, V::LANES) {
                let vectors = width / V::LANES;
                let limit = if vectors == 1 { V::ROWS_OF_ONE } else { V::ROWS_OF_TWO };
                for (first, rows) in even_parts(inputs, limit) {
                    // SAFETY: the caller has the instruction set; matrices and sums have room, checked above.
                    unsafe {
                        ProductTile {
                            source: self.from.as_ptr().add(matrix * self.sources.matrix + first),
                            source_step: self.sources.tile,
                            source_row: 0,
                            dy: self.to.as_ptr().add(matrix * self.gradients.matrix + channel),
                            outs: self.gradients.tile,
                            height: 1,
                            width: self.tiles,
                            sums: self.sums.as_mut_ptr().add(matrix * self.matrix + channel * inputs + first * width),
                            last_lanes: V::LANES,
                        }
                        .run::<V>(rows, vectors);
                    }
                }
            }
        }
    }
}

/// Checks that `len` numbers are as many sums for matrices of channels, in whole vectors of `V`.
fn check_sums<V: Vector>([inputs, outs]: [usize; 2], matrix: usize, count: usize, len: usize) {
    let room = inputs * outs.next_multiple_of(V::LANES) <= matrix && count * matrix <= len;
    assert!(room, "sums: fewer than {count} matrices of {inputs} x {outs} channels");
}

/// Gᵀ u G of the sums, into a chunk's gradient in the layout of [`reduce`].
struct Back<'a, const S: usize, const R: usize> {
    sums: &'a [f32],
    matrix: usize,
    /// Input and output channels.
    channels: [usize; 2],
    partial: &'a mut [f32],
}

impl<const S: usize, const R: usize> Kernel for Back<'_, S, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let kernel_matrix = KernelMatrix::<S, R>::new();
        let [inputs, outs] = self.channels;
        check_sums::<V>(self.channels, self.matrix, S * S, self.sums.len());
        let len = R * R * inputs * outs.next_multiple_of(V::LANES);
        assert!(len <= self.partial.len(), "gradient: {len} numbers");
        for (block, width) in blocks(outs, V::LANES) {
            for input in 0..inputs {
                for lane in (0..width).step_by(V::LANES) {
                    // SAFETY: the caller has the instruction set; sums and gradient have room, checked above.
                    unsafe {
                        let from = self.sums.as_ptr().add(block * inputs + input * width + lane);
                        let mut u = [[V::zero(); S]; S];
                        for (i, row) in u.iter_mut().enumerate() {
                            for (j, value) in row.iter_mut().enumerate() {
                                *value = V::load(from.add((i * S + j) * self.matrix));
                            }
                        }
                        for (i, row) in kernel_matrix.transform_back(u).iter().enumerate() {
                            for (j, &value) in row.iter().enumerate() {
                                let at = block * inputs * R * R + ((i * R + j) * inputs + input) * width + lane;
                                value.store(self.partial.as_mut_ptr().add(at));
                            }
                        }
                    }
                }
            }
        }
    }
}
