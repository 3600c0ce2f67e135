//! Product of two matrices of any strides, for dense layers: blocks packed on the stack, a register tile inside.
//!
//! Every element of the result is summed by one task, in an order that depends on the shapes alone.

#![allow(unsafe_code)]

use crate::disjoint::Disjoint;
use crate::isa::Isa;
use crate::simd::{Kernel, MAX_LANES, Vector, dispatch};
use crate::threads::Threads;

/// Rows and columns of the result that make a task.
const BLOCK: usize = 64;
/// Products that are packed at a time.
const DEPTH: usize = 256;
/// Rows of the register tile.
const TILE_ROWS: usize = 6;
/// Vectors in a row of the register tile.
const TILE_VECTORS: usize = 2;
/// Rows of a packed block of the left matrix, a whole number of tiles.
const PACKED_ROWS: usize = BLOCK.div_ceil(TILE_ROWS) * TILE_ROWS;

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
    let columns = n.div_ceil(BLOCK);
    let c = Disjoint::new(&mut c[..m * n]);
    threads.run(m.div_ceil(BLOCK) * columns, |task| {
        let (i, j) = (task / columns * BLOCK, task % columns * BLOCK);
        dispatch(
            isa,
            Block { a, b, rows: i..(i + BLOCK).min(m), columns: j..(j + BLOCK).min(n), k, n, accumulate, c: &c },
        );
    });
}

/// One task's block of the result.
struct Block<'a, 'c> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    k: usize,
    n: usize,
    accumulate: bool,
    c: &'a Disjoint<'c, f32>,
}

impl Kernel for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::large_stack_arrays)] // see below
    unsafe fn run<V: Vector>(self) {
        let tile_columns = TILE_VECTORS * V::LANES;
        // About 100 KiB: threads have 2 MiB of stack, and a level-2 cache holds it.
        let mut left = [0.0f32; PACKED_ROWS * DEPTH];
        let mut right = [0.0f32; TILE_VECTORS * MAX_LANES * DEPTH];
        let mut tile = [0.0f32; TILE_ROWS * TILE_VECTORS * MAX_LANES];
        let mut depth = 0;
        while depth < self.k {
            let count = DEPTH.min(self.k - depth);
            let add = self.accumulate || depth > 0;
            self.pack_left(depth, count, &mut left);
            for j in self.columns.clone().step_by(tile_columns) {
                let width = tile_columns.min(self.columns.end - j);
                self.pack_right(j, width, tile_columns, depth, count, &mut right);
                for (i, strip) in self.rows.clone().step_by(TILE_ROWS).zip(left.chunks_exact(TILE_ROWS * count)) {
                    // SAFETY: both packs hold `count` steps; the caller has the instruction set.
                    unsafe { multiply_tile::<V>(strip, &right, count, &mut tile) };
                    for row in 0..TILE_ROWS.min(self.rows.end - i) {
                        let start = (i + row) * self.n + j;
                        // SAFETY: rows and columns belong to this task alone.
                        let c = unsafe { self.c.range(start..start + width) };
                        let sums = &tile[row * tile_columns..][..width];
                        for (c, sum) in c.iter_mut().zip(sums) {
                            *c = if add { *c + sum } else { *sum };
                        }
                    }
                }
            }
            depth += count;
        }
    }
}

impl Block<'_, '_> {
    /// Strips of [`TILE_ROWS`] rows, step by step of the depth; rows beyond the end are 0.
    #[inline(always)]
    fn pack_left(&self, depth: usize, count: usize, left: &mut [f32]) {
        let strips = left.chunks_exact_mut(TILE_ROWS * count);
        for (i, strip) in self.rows.clone().step_by(TILE_ROWS).zip(strips) {
            for row in 0..TILE_ROWS {
                for step in 0..count {
                    strip[step * TILE_ROWS + row] = if i + row < self.rows.end {
                        self.a.values[(i + row) * self.a.row_stride + (depth + step) * self.a.column_stride]
                    } else {
                        0.0
                    };
                }
            }
        }
    }

    /// Rows of a tile's width, step by step of the depth; columns beyond the end are 0.
    #[inline(always)]
    fn pack_right(&self, j: usize, width: usize, tile_columns: usize, depth: usize, count: usize, right: &mut [f32]) {
        let b = &self.b;
        if width < tile_columns {
            right[..count * tile_columns].fill(0.0);
        }
        if b.column_stride == 1 {
            for (step, row) in right.chunks_exact_mut(tile_columns).take(count).enumerate() {
                row[..width].copy_from_slice(&b.values[(depth + step) * b.row_stride + j..][..width]);
            }
        } else {
            for column in 0..width {
                for step in 0..count {
                    right[step * tile_columns + column] =
                        b.values[(depth + step) * b.row_stride + (j + column) * b.column_stride];
                }
            }
        }
    }
}

/// The tile's sums over `count` steps.
///
/// # Safety
/// The packs must hold `count` steps, the processor have the instruction set of `V`.
#[inline(always)]
unsafe fn multiply_tile<V: Vector>(left: &[f32], right: &[f32], count: usize, tile: &mut [f32]) {
    // SAFETY: as the caller's; the tile holds TILE_ROWS rows of TILE_VECTORS of the widest vectors.
    unsafe {
        let mut sums = [[V::splat(0.0); TILE_VECTORS]; TILE_ROWS];
        for step in 0..count {
            let row = right.as_ptr().add(step * TILE_VECTORS * V::LANES);
            let b = [V::load(row), V::load(row.add(V::LANES))];
            for (i, sums) in sums.iter_mut().enumerate() {
                let a = V::splat(*left.as_ptr().add(step * TILE_ROWS + i));
                sums[0] = a.mul_add(b[0], sums[0]);
                sums[1] = a.mul_add(b[1], sums[1]);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                sum.store(tile.as_mut_ptr().add((i * TILE_VECTORS + j) * V::LANES));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_shape_and_layout() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_supported()) {
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
