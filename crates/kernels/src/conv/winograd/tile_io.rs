//! Transforms of many tiles, from images to matrices and back: one tile and one vector of channels at a time.
//!
//! A matrix of the transformed domain holds a row of channels for each tile; the matrices, one for each element of a
//! transformed tile, follow one another.
#![allow(unsafe_code)]
// Arrays that stay in registers are indexed by loops over constants.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::SKEW;
use super::grid::Grid;
use super::transform::{gradient_pass, input_pass, output_pass};
use crate::conv::finish::Finish;
use crate::simd::{Kernel, Span, Vector, for_each_vector};

/// How the matrices of some tiles of side S lie in memory: S x S of them.
#[derive(Clone, Copy)]
pub(super) struct MatrixLayout {
    /// Numbers from one tile to the next: channels in whole vectors.
    pub(super) tile: usize,
    /// Numbers from one matrix to the next.
    pub(super) matrix: usize,
    /// Matrices.
    pub(super) count: usize,
}

impl MatrixLayout {
    pub(super) fn new<const S: usize>(tiles: usize, channels: usize, lanes: usize) -> Self {
        let tile = channels.next_multiple_of(lanes);
        Self { tile, matrix: (tiles * tile).next_multiple_of(SKEW) + SKEW, count: S * S }
    }

    /// Numbers in all.
    pub(super) fn len(&self) -> usize {
        self.count * self.matrix
    }

    /// Checks that the matrices have room for so many tiles of so many channels, in whole vectors of `V`, and that there are
    /// `len` numbers for them.
    pub(super) fn check<V: Vector>(&self, tiles: usize, channels: usize, len: usize) {
        let room = channels.next_multiple_of(V::LANES) <= self.tile && tiles * self.tile <= self.matrix;
        assert!(room && self.len() <= len, "matrices: too small for {tiles} tiles of {channels} channels");
    }
}

/// Bᵀ d B of overlapping tiles of source pixels: of the images `source`, with `zeros`, a row of them as long as an
/// image's, beyond these.
pub(super) struct Input<'a, const S: usize> {
    pub(super) grid: &'a Grid,
    pub(super) source: &'a [f32],
    pub(super) zeros: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) layout: MatrixLayout,
    pub(super) matrices: &'a mut [f32],
}

impl<const S: usize> Kernel for Input<'_, S> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width, channels] = self.grid.source;
        self.layout.check::<V>(self.tiles.len(), channels, self.matrices.len());
        assert!(self.layout.count == S * S && self.zeros.len() >= width * channels, "tiles and zeros: of this size");
        assert!(self.grid.holds(self.source.len(), self.grid.source, &self.tiles), "source: the tiles' images");
        for (index, tile) in self.tiles.clone().map(|tile| self.grid.tile(tile)).enumerate() {
            let (y, first_row, end_row) = self.grid.overlap(tile.y, height);
            let (x, first_column, end_column) = self.grid.overlap(tile.x, width);
            let mut rows = [self.zeros.as_ptr(); S];
            for (i, row) in rows.iter_mut().enumerate().take(end_row).skip(first_row) {
                let pixel = (tile.image * height + y + i - first_row) * width + x;
                *row = self.source[pixel * channels..].as_ptr();
            }
            // SAFETY: the caller has the instruction set; the rows hold the columns from `first_column` to `end_column`, all
            // inside the image or in the row of zeros; the matrices hold the tile's row.
            unsafe {
                let to = self.matrices.as_mut_ptr().add(index * self.layout.tile);
                for_each_vector!(V, channels, |channel, span| {
                    let mut half = [[V::zero(); S]; S];
                    for j in 0..S {
                        if j < first_column || j >= end_column {
                            continue;
                        }
                        let mut column = [V::zero(); S];
                        for (value, row) in column.iter_mut().zip(rows) {
                            *value = span.load(row.add((j - first_column) * channels + channel));
                        }
                        let column = input_pass(column);
                        for i in 0..S {
                            half[i][j] = column[i];
                        }
                    }
                    for (i, &half) in half.iter().enumerate() {
                        for (j, &value) in input_pass(half).iter().enumerate() {
                            value.store(to.add((i * S + j) * self.layout.matrix + channel));
                        }
                    }
                });
            }
        }
    }
}

/// A e Aᵀ of tiles of `M` x `M` pixels of the output's gradient, cut off at the image's end.
pub(super) struct Gradient<'a, const S: usize, const M: usize> {
    pub(super) grid: &'a Grid,
    pub(super) dy: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) layout: MatrixLayout,
    pub(super) matrices: &'a mut [f32],
}

impl<const S: usize, const M: usize> Kernel for Gradient<'_, S, M> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width, channels] = self.grid.out;
        self.layout.check::<V>(self.tiles.len(), channels, self.matrices.len());
        assert!(self.layout.count == S * S, "tiles: of this size");
        assert!(self.grid.holds(self.dy.len(), self.grid.out, &self.tiles), "output gradient: the tiles' images");
        for (index, tile) in self.tiles.clone().map(|tile| self.grid.tile(tile)).enumerate() {
            let (rows, columns) = (M.min(height - tile.y), M.min(width - tile.x));
            let from = self.dy[((tile.image * height + tile.y) * width + tile.x) * channels..].as_ptr();
            // SAFETY: the caller has the instruction set; `rows` and `columns` keep to the image; the matrices hold the tile's
            // row.
            unsafe {
                let to = self.matrices.as_mut_ptr().add(index * self.layout.tile);
                for_each_vector!(V, channels, |channel, span| {
                    let mut half = [[V::zero(); M]; S];
                    for j in 0..M {
                        if j >= columns {
                            break;
                        }
                        let mut column = [V::zero(); M];
                        for (i, value) in column.iter_mut().enumerate() {
                            if i < rows {
                                *value = span.load(from.add((i * width + j) * channels + channel));
                            }
                        }
                        let column = gradient_pass::<V, S, M>(column);
                        for i in 0..S {
                            half[i][j] = column[i];
                        }
                    }
                    for (i, &half) in half.iter().enumerate() {
                        for (j, &value) in gradient_pass::<V, S, M>(half).iter().enumerate() {
                            value.store(to.add((i * S + j) * self.layout.matrix + channel));
                        }
                    }
                });
            }
        }
    }
}

/// Aᵀ m A of tiles of `M` x `M` output pixels, cut off at the image's end.
pub(super) struct Outputs<'a, const S: usize, const M: usize, F> {
    grid: &'a Grid,
    matrices: &'a [f32],
    layout: MatrixLayout,
    tiles: Range<usize>,
    finish: F,
}

impl<'a, const S: usize, const M: usize, F: Finish> Outputs<'a, S, M, F> {
    /// From `matrices` to the images of an output.
    ///
    /// # Safety
    /// The output must hold the images of the tiles, whose elements no other thread may use.
    pub(super) unsafe fn new(
        grid: &'a Grid,
        matrices: &'a [f32],
        layout: MatrixLayout,
        tiles: Range<usize>,
        finish: F,
    ) -> Self {
        Self { grid, matrices, layout, tiles, finish }
    }
}

impl<const S: usize, const M: usize, F: Finish> Kernel for Outputs<'_, S, M, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width, channels] = self.grid.out;
        self.layout.check::<V>(self.tiles.len(), channels, self.matrices.len());
        assert!(self.layout.count == S * S, "tiles: of this size");
        for (index, tile) in self.tiles.clone().map(|tile| self.grid.tile(tile)).enumerate() {
            let (rows, columns) = (M.min(height - tile.y), M.min(width - tile.x));
            let to = ((tile.image * height + tile.y) * width + tile.x) * channels;
            // SAFETY: the caller has the instruction set; `rows` and `columns` keep to the image, which the output holds and
            // whose tile is this thread's own (`Outputs::new`); the matrices hold the tile's row.
            unsafe {
                let from = self.matrices.as_ptr().add(index * self.layout.tile);
                for_each_vector!(V, channels, |channel, span| {
                    let mut half = [[V::zero(); S]; M];
                    for j in 0..S {
                        let mut column = [V::zero(); S];
                        for (i, value) in column.iter_mut().enumerate() {
                            *value = V::load(from.add((i * S + j) * self.layout.matrix + channel));
                        }
                        let column = output_pass::<V, S, M>(column);
                        for i in 0..M {
                            half[i][j] = column[i];
                        }
                    }
                    for (i, &half) in half.iter().enumerate() {
                        if i >= rows {
                            break;
                        }
                        for (j, &value) in output_pass::<V, S, M>(half).iter().enumerate() {
                            if columns == M || j < columns {
                                self.finish.put(span, value, to + (i * width + j) * channels + channel, channel);
                            }
                        }
                    }
                });
            }
        }
    }
}
