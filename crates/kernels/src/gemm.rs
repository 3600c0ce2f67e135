//! Product of two matrices of any strides, for dense layers: a register tile, its columns packed
//! on the stack where they do not lie side by side.
//!
//! Every element of the result is summed by one task, in an order that depends on the shapes alone.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::aligned::LINE;
use crate::disjoint::Disjoint;
use crate::isa::Isa;
use crate::simd::{Kernel, MAX_LANES, Vector, dispatch, prefetch};
use crate::threads::Threads;

/// Rows of the result that make a task: many, as each task packs the right matrix anew.
const BLOCK_ROWS: usize = 128;
/// Columns of the result that make a task.
const BLOCK_COLUMNS: usize = 64;
/// Products that are packed at a time: what they fill leaves room in the nearest cache.
const DEPTH: usize = 192;
/// Rows of the register tile.
const TILE_ROWS: usize = 6;
/// Vectors in a row of the register tile.
const TILE_VECTORS: usize = 2;

/// A matrix in memory: element (i, j) at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    /// The elements.
    pub values: &'a [f32],
    /// Distance of two rows.
    pub row_stride: usize,
    /// Distance of two columns.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` elements, one after the other.
    pub(crate) fn row_major(values: &'a [f32], columns: usize) -> Self {
        Self { values, row_stride: columns, column_stride: 1 }
    }

    /// The transpose, in the same memory.
    pub(crate) fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }
}

/// `c` [m, n] row-major = `a` [m, k] x `b` [k, n], added to what is there if `accumulate`.
pub(crate) fn multiply(
    threads: &Threads,
    isa: Isa,
    [m, n, k]: [usize; 3],
    a: Matrix,
    b: Matrix,
    accumulate: bool,
    c: &mut [f32],
) {
    let blocks = n.div_ceil(BLOCK_COLUMNS);
    let c = Disjoint::new(&mut c[..m * n]);
    threads.run(m.div_ceil(BLOCK_ROWS) * blocks, |task| {
        let (i, j) = (task / blocks * BLOCK_ROWS, task % blocks * BLOCK_COLUMNS);
        let (rows, columns) = (i..(i + BLOCK_ROWS).min(m), j..(j + BLOCK_COLUMNS).min(n));
        // SAFETY: a block to each task.
        let block = unsafe { Block::new(a, b, rows, columns, k, n, accumulate, c) };
        dispatch(isa, block);
    });
}

/// One task's block of the result.
struct Block<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
    k: usize,
    n: usize,
    accumulate: bool,
    c: Disjoint<'a, f32>,
}

impl<'a> Block<'a> {
    /// Rows and columns of `c` [m, n] = `a` [m, k] x `b` [k, n].
    ///
    /// # Safety
    /// No other thread may use these rows and columns of `c`.
    unsafe fn new(
        a: Matrix<'a>,
        b: Matrix<'a>,
        rows: Range<usize>,
        columns: Range<usize>,
        k: usize,
        n: usize,
        accumulate: bool,
        c: Disjoint<'a, f32>,
    ) -> Self {
        Self { a, b, rows, columns, k, n, accumulate, c }
    }
}

impl Kernel for Block<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    #[allow(clippy::large_stack_arrays)] // 24 KiB of a thread's 2 MiB, and of its nearest cache
    unsafe fn run<V: Vector>(self) {
        let width = TILE_VECTORS * V::LANES;
        let mut packed = [0.0f32; TILE_VECTORS * MAX_LANES * DEPTH];
        let parts = self.k.div_ceil(DEPTH);
        for part in 0..parts {
            let steps = self.k * part / parts..self.k * (part + 1) / parts;
            let add = self.accumulate || part > 0;
            for j in self.columns.clone().step_by(width) {
                let columns = j..(j + width).min(self.columns.end);
                let right = if self.b.column_stride == 1 && columns.len() == width {
                    Matrix { values: &self.b.values[steps.start * self.b.row_stride + j..], ..self.b }
                } else {
                    self.pack(steps.clone(), columns.clone(), width, &mut packed);
                    Matrix::row_major(&packed, width)
                };
                for i in self.rows.clone().step_by(TILE_ROWS) {
                    // SAFETY: the caller has the instruction set.
                    unsafe { self.tile::<V>(i, columns.clone(), steps.clone(), right, add) };
                }
            }
        }
    }
}

impl Block<'_> {
    /// Columns of the right matrix as rows of a tile's width; columns beyond the end are 0.
    #[inline(always)]
    fn pack(&self, steps: Range<usize>, columns: Range<usize>, width: usize, packed: &mut [f32]) {
        let b = &self.b;
        let packed = &mut packed[..steps.len() * width];
        if columns.len() < width {
            packed.fill(0.0);
        }
        let last = (steps.end - 1) * b.row_stride + (columns.end - 1) * b.column_stride;
        assert!(last < b.values.len() && columns.len() <= width);
        let first = &b.values[steps.start * b.row_stride + columns.start * b.column_stride..];
        // Where steps lie side by side, a cache line of them at a time: a column's line is read once, and the next one asked
        // for, as nothing else foresees reads from so many places.
        for part in (0..steps.len()).step_by(LINE) {
            let part = part..(part + LINE).min(steps.len());
            for column in 0..columns.len() {
                let from = &first[column * b.column_stride..];
                prefetch(from.as_ptr().wrapping_add((part.start + LINE) * b.row_stride));
                for step in part.clone() {
                    // SAFETY: the largest positions of both were checked above.
                    unsafe {
                        *packed.get_unchecked_mut(step * width + column) = *from.get_unchecked(step * b.row_stride);
                    }
                }
            }
        }
    }

    /// One register tile: rows from `i` (of those beyond the end the last is computed again and dropped), `steps` of
    /// the sum; `right` starts at the tile's first column and step.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`.
    #[inline(always)]
    unsafe fn tile<V: Vector>(&self, i: usize, columns: Range<usize>, steps: Range<usize>, right: Matrix, add: bool) {
        let (a, count) = (&self.a, steps.len());
        let last = (self.rows.end - 1) * a.row_stride + (steps.end - 1) * a.column_stride;
        assert!(
            last < a.values.len() && (count - 1) * right.row_stride + TILE_VECTORS * V::LANES <= right.values.len()
        );
        let whole = columns.len() == TILE_VECTORS * V::LANES && i + TILE_ROWS <= self.rows.end;
        let mut tile = [0.0f32; TILE_ROWS * TILE_VECTORS * MAX_LANES];
        // SAFETY: the largest positions were checked above.
        unsafe {
            let left: [*const f32; TILE_ROWS] = std::array::from_fn(|row| {
                let row = (i + row).min(self.rows.end - 1);
                a.values.as_ptr().add(row * a.row_stride + steps.start * a.column_stride)
            });
            let mut sums = [[V::splat(0.0); TILE_VECTORS]; TILE_ROWS];
            for step in 0..count {
                let row = right.values.as_ptr().add(step * right.row_stride);
                let b = [V::load(row), V::load(row.add(V::LANES))];
                for (sums, left) in sums.iter_mut().zip(left) {
                    let a = V::splat(*left.add(step * a.column_stride));
                    sums[0] = a.mul_add(b[0], sums[0]);
                    sums[1] = a.mul_add(b[1], sums[1]);
                }
            }
            if whole {
                // Rows and columns belong to this task alone (`Block::new`).
                for (row, sums) in sums.iter().enumerate() {
                    let start = (i + row) * self.n + columns.start;
                    let c = self.c.range(start..start + columns.len()).as_mut_ptr();
                    for (j, &sum) in sums.iter().enumerate() {
                        let c = c.add(j * V::LANES);
                        if add { V::load(c).add(sum).store(c) } else { sum.store(c) }
                    }
                }
                return;
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    sum.store(tile.as_mut_ptr().add((i * TILE_VECTORS + j) * V::LANES));
                }
            }
        }
        for (i, sums) in (i..self.rows.end).zip(tile.chunks_exact(TILE_VECTORS * V::LANES)) {
            // SAFETY: rows and columns belong to this task alone (`Block::new`).
            let c = unsafe { self.c.range(i * self.n + columns.start..i * self.n + columns.end) };
            for (c, sum) in c.iter_mut().zip(sums) {
                *c = if add { *c + sum } else { *sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_shape_and_layout() {
        for isa in Isa::supported() {
            for [m, n, k] in [[1, 1, 1], [7, 5, 3], [65, 130, 300], [128, 10, 64], [6, 32, 256]] {
                let value = |seed: usize| move |i: usize| ((i * 37 + seed * 11) % 19) as f32 / 8.0 - 1.0;
                let a: Vec<f32> = (0..m * k).map(value(1)).collect();
                let b: Vec<f32> = (0..k * n).map(value(2)).collect();
                let a_transposed: Vec<f32> = (0..k * m).map(|i| a[i % m * k + i / m]).collect();
                let b_transposed: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
                // Multiples of 1/64 in this range are summed without rounding.
                let expected: Vec<f32> = (0..m * n)
                    .map(|i| 1.0 + (0..k).map(|l| a[i / n * k + l] * b[l * n + i % n]).sum::<f32>())
                    .collect();
                let threads = Threads::new(2).unwrap();
                let lefts = [Matrix::row_major(&a, k), Matrix::row_major(&a_transposed, m).transposed()];
                let rights = [Matrix::row_major(&b, n), Matrix::row_major(&b_transposed, k).transposed()];
                for (a, b) in lefts.into_iter().flat_map(|a| rights.map(|b| (a, b))) {
                    let mut c = vec![1.0; m * n];
                    multiply(&threads, isa, [m, n, k], a, b, true, &mut c);
                    assert_eq!(c, expected, "{isa} {m} {n} {k}");
                }
            }
        }
    }
}
