//! Winograd's convolution, backward to the weight: the adjoint of the forward one. Sums over tiles are kept in the
//! transformed domain and go back once a chunk of images. Where there are many weights, the sums are split by matrix
//! instead: all tiles are transformed, and then each matrix's product is taken at once.
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

/// Weights from which on the sums are split by matrix: those of each chunk of images would no longer stay in the cache, and few
/// tiles are left to fill them with. No net for small images has a layer of that size.
const MANY_WEIGHTS: usize = 1 << 18;

/// Tiles, in all, that are transformed before their products are taken, where the sums are split by matrix.
const TILES_OF_A_PRODUCT: usize = 16 * TILES;

/// The gradient of the weight by tiles of `M` x `M` output pixels over `S` x `S` input pixels, `S` = M + R - 1, made ready.
#[derive(Clone, Debug)]
pub(crate) struct WeightGradient<const S: usize, const M: usize, const R: usize> {
    grid: Grid,
    isa: Isa,
    by_matrix: bool,
}

impl<const S: usize, const M: usize, const R: usize> WeightGradient<S, M, R> {
    /// For the convolution of this shape.
    pub(crate) fn new(shape: &ConvShape, isa: Isa) -> Self {
        let source = [shape.height, shape.width, shape.c_in];
        let out = [shape.out_height(), shape.out_width(), shape.c_out];
        Self { grid: Grid::new(source, out, shape.padding, M, S), isa, by_matrix: shape.weights() >= MANY_WEIGHTS }
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
        if self.by_matrix {
            return self.run_by_matrix(threads, x, dy, dw, scratch);
        }
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
                let channels = [inputs, outs];
                let mut rest = partial;
                for (block, width) in blocks(outs, lanes) {
                    let (partial, others) = rest.split_at_mut(R * R * inputs * width);
                    rest = others;
                    dispatch(self.isa, Back::<S, R> { sums, matrix, channels, block, width, partial });
                }
            });
        });
        reduce(threads, partials, chunk_len, [outs, inputs, R * R], lanes, dw);
    }

    /// As [`Self::run`], the work split by matrix.
    fn run_by_matrix(&self, threads: &Threads, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut Scratch) {
        let grid = &self.grid;
        let ([_, width, inputs], outs) = (grid.source, grid.out[2]);
        let (lanes, channels) = (lanes(self.isa), [inputs, outs]);
        let (sources, gradients) =
            (MatrixLayout::new::<S>(TILES, inputs, lanes), MatrixLayout::new::<S>(TILES, outs, lanes));
        let (zeros_len, part_len) = ((width * inputs).next_multiple_of(SKEW), sources.len() + gradients.len());
        let matrix = (inputs * gradients.tile).next_multiple_of(SKEW) + SKEW;
        let packed_len = R * R * inputs * gradients.tile;
        let (sums, packed) = scratch.partials.get(S * S * matrix + packed_len).split_at_mut(S * S * matrix);
        let tiles = x.len() / grid.source_len() * grid.tiles();
        let parts = tiles.min(TILES_OF_A_PRODUCT).div_ceil(TILES);
        let (zeros, parts) = scratch.weights.get(zeros_len + parts * part_len).split_at_mut(zeros_len);
        zeros.fill(0.0);
        let zeros = &*zeros;
        sums.fill(0.0);
        for first in (0..tiles).step_by(TILES_OF_A_PRODUCT) {
            let own = first..(first + TILES_OF_A_PRODUCT).min(tiles);
            let parts = &mut parts[..own.len().div_ceil(TILES) * part_len];
            for_each_chunk(threads, parts, part_len, |part, memory| {
                let first = own.start + part * TILES;
                let tiles = first..(first + TILES).min(own.end);
                let (from, to) = memory.split_at_mut(sources.len());
                let input =
                    Input::<S> { grid, source: x, zeros, tiles: tiles.clone(), layout: sources, matrices: from };
                dispatch(self.isa, input);
                dispatch(self.isa, Gradient::<S, M> { grid, dy, tiles, layout: gradients, matrices: to });
            });
            let (parts, tiles) = (&*parts, own.len());
            for_each_chunk(threads, sums, matrix, |index, sums| {
                dispatch(self.isa, MatrixProduct { parts, sources, gradients, sums, index, tiles, channels });
            });
        }
        let sums = &*sums;
        for_each_chunk(threads, packed, R * R * inputs * 2 * lanes, |index, partial| {
            let (block, width) = blocks(outs, lanes).nth(index).expect("one part a block");
            dispatch(self.isa, Back::<S, R> { sums, matrix, channels, block, width, partial });
        });
        reduce(threads, packed, packed_len, [outs, inputs, R * R], lanes, dw);
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

/// Adds one matrix's product, source channels x tiles by tiles x output channels, to its sums, which lie by block of one or
/// two vectors of output channels, input channel, output channel. The tiles lie in parts: of each up to [`TILES`] tiles the
/// inputs' matrices and the gradients'.
struct MatrixProduct<'a> {
    parts: &'a [f32],
    sources: MatrixLayout,
    gradients: MatrixLayout,
    sums: &'a mut [f32],
    /// The matrix.
    index: usize,
    tiles: usize,
    /// Input and output channels.
    channels: [usize; 2],
}

impl Kernel for MatrixProduct<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [inputs, outs] = self.channels;
        self.sources.check::<V>(TILES, inputs, self.sources.len());
        self.gradients.check::<V>(TILES, outs, self.gradients.len());
        let part_len = self.sources.len() + self.gradients.len();
        assert_eq!(self.parts.len(), self.tiles.div_ceil(TILES) * part_len, "as many parts as hold the tiles");
        assert!(self.index < self.sources.count.min(self.gradients.count), "a matrix of these");
        check_sums::<V>(self.channels, self.sums.len(), 1, self.sums.len());
        for (channel, width) in blocks(outs, V::LANES) {
            let vectors = width / V::LANES;
            let limit = if vectors == 1 { V::ROWS_OF_ONE } else { V::ROWS_OF_TWO };
            for (first, rows) in even_parts(inputs, limit) {
                for (number, part) in self.parts.chunks_exact(part_len).enumerate() {
                    let (from, to) = part.split_at(self.sources.len());
                    // SAFETY: the caller has the instruction set; matrices and sums have room, checked above.
                    unsafe {
                        ProductTile {
                            source: from.as_ptr().add(self.index * self.sources.matrix + first),
                            source_step: self.sources.tile,
                            source_row: 0,
                            dy: to.as_ptr().add(self.index * self.gradients.matrix + channel),
                            outs: self.gradients.tile,
                            height: 1,
                            width: TILES.min(self.tiles - number * TILES),
                            sums: self.sums.as_mut_ptr().add(channel * inputs + first * width),
                            last_lanes: V::LANES,
                        }
                        .run::<V>(rows, vectors);
                    }
                }
            }
        }
    }
}

/// Gᵀ u G of the sums of one block of output channels, into its part of a gradient in the layout of [`reduce`].
struct Back<'a, const S: usize, const R: usize> {
    sums: &'a [f32],
    matrix: usize,
    /// Input and output channels.
    channels: [usize; 2],
    /// First output channel of the block ..
    block: usize,
    /// .. and its width in lanes.
    width: usize,
    partial: &'a mut [f32],
}

impl<const S: usize, const R: usize> Kernel for Back<'_, S, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let kernel_matrix = KernelMatrix::<S, R>::new();
        let ([inputs, outs], block, width) = (self.channels, self.block, self.width);
        check_sums::<V>(self.channels, self.matrix, S * S, self.sums.len());
        let whole = width.is_multiple_of(V::LANES) && block + width <= outs.next_multiple_of(V::LANES);
        assert!(whole && R * R * inputs * width <= self.partial.len(), "gradient: room for a block of {width}");
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
                            value.store(self.partial.as_mut_ptr().add(((i * R + j) * inputs + input) * width + lane));
                        }
                    }
                }
            }
        }
    }
}
