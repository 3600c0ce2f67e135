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
use crate::conv::simd::{All, First, Kernel, Span, Vector};

/// How the matrices of some tiles of side S lie in memory: S x S of them.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Numbers from one tile to the next: channels in whole vectors.
    pub(super) tile: usize,
    /// Numbers from one matrix to the next.
    pub(super) matrix: usize,
    /// Matrices.
    pub(super) count: usize,
}

impl Layout {
    pub(super) fn new<const S: usize>(tiles: usize, channels: usize, lanes: usize) -> Self {
        let tile = channels.next_multiple_of(lanes);
        Self { tile, matrix: (tiles * tile).next_multiple_of(SKEW) + SKEW, count: S * S }
    }

    /// Numbers in all.
    pub(super) fn len(&self) -> usize {
        self.count * self.matrix
    }
}

/// Runs `$body` for each vector of channels: `$span` says how many of its lanes hold any.
macro_rules! for_each_vector {
    ($channels:expr, |$channel:ident, $span:ident| $body:expr) => {
        let (channels, mut $channel) = ($channels, 0);
        while $channel + V::LANES <= channels {
            let $span = All;
            $body;
            $channel += V::LANES;
        }
        if $channel < channels {
            let $span = First(channels - $channel);
            $body;
        }
    };
}

pub(super) use for_each_vector;

/// Bᵀ d B of overlapping tiles of source pixels. Needs: `source` holds the tiles' images, `zeros` is a row of zeros as long
/// as an image's, `matrices` as long as its layout says.
pub(super) struct Input<'a, const S: usize> {
    pub(super) grid: &'a Grid,
    pub(super) source: &'a [f32],
    pub(super) zeros: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) layout: Layout,
    pub(super) matrices: &'a mut [f32],
}

impl<const S: usize> Kernel for Input<'_, S> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width, channels] = self.grid.source;
        for (index, tile) in self.tiles.clone().map(|tile| self.grid.tile(tile)).enumerate() {
            let (y, first_row, end_row) = self.grid.overlap(tile.y, height);
            let (x, first_column, end_column) = self.grid.overlap(tile.x, width);
            let mut rows = [self.zeros.as_ptr(); S];
            for (i, row) in rows.iter_mut().enumerate().take(end_row).skip(first_row) {
                let pixel = (tile.image * height + y + i - first_row) * width + x;
                *row = self.source[pixel * channels..].as_ptr();
            }
            // SAFETY: the rows hold the columns from `first_column` to `end_column`, all inside the image or in the row of
            // zeros; the matrices hold the tile's row.
            unsafe {
                let to = self.matrices.as_mut_ptr().add(index * self.layout.tile);
                for_each_vector!(channels, |channel, span| {
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

/// A e Aᵀ of tiles of `M` x `M` pixels of the output's gradient, cut off at the image's end. Needs: `dy` holds the
/// tiles' images, `matrices` is as long as its layout says.
pub(super) struct Gradient<'a, const S: usize, const M: usize> {
    pub(super) grid: &'a Grid,
    pub(super) dy: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) layout: Layout,
    pub(super) matrices: &'a mut [f32],
}

impl<const S: usize, const M: usize> Kernel for Gradient<'_, S, M> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width, channels] = self.grid.out;
        for (index, tile) in self.tiles.clone().map(|tile| self.grid.tile(tile)).enumerate() {
            let (rows, columns) = (M.min(height - tile.y), M.min(width - tile.x));
            let from = self.dy[((tile.image * height + tile.y) * width + tile.x) * channels..].as_ptr();
            // SAFETY: `rows` and `columns` keep to the image; the matrices hold the tile's row.
            unsafe {
                let to = self.matrices.as_mut_ptr().add(index * self.layout.tile);
                for_each_vector!(channels, |channel, span| {
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

/// Aᵀ m A of tiles of `M` x `M` output pixels, cut off at the image's end. Needs: the output holds the tiles' images, whose
/// tiles are this thread's own; `matrices` is as long as its layout says.
pub(super) struct Outputs<'a, const S: usize, const M: usize, F> {
    pub(super) grid: &'a Grid,
    pub(super) matrices: &'a [f32],
    pub(super) layout: Layout,
    pub(super) tiles: Range<usize>,
    pub(super) finish: F,
}

impl<const S: usize, const M: usize, F: Finish> Kernel for Outputs<'_, S, M, F> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [height, width, channels] = self.grid.out;
        for (index, tile) in self.tiles.clone().map(|tile| self.grid.tile(tile)).enumerate() {
            let (rows, columns) = (M.min(height - tile.y), M.min(width - tile.x));
            let to = ((tile.image * height + tile.y) * width + tile.x) * channels;
            // SAFETY: `rows` and `columns` keep to the image; the matrices hold the tile's row.
            unsafe {
                let from = self.matrices.as_ptr().add(index * self.layout.tile);
                for_each_vector!(channels, |channel, span| {
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
