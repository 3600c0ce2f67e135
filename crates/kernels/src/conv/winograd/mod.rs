//! Winograd's convolution, F(4x4, 3x3) and F(2x2, 5x5): stride 1, tiles of 6x6 input pixels.
//!
//! With the matrices of [`transform`], y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A for a tile d of 6x6 input pixels, a kernel w and the
//! M x M output pixels y of the tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
//! arXiv 1509.09308). Over channels, the elementwise product becomes 36 matrix products: with 2.25 (F(4x4, 3x3)) or 1.44
//! (F(2x2, 5x5)) multiplications an output instead of 9 or 25. The gradient of the input is the same convolution by the
//! kernel turned round; that of the weight is the adjoint, Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ d B)] G, summed over tiles.

mod correlate;
mod grid;
mod kernels;
mod scatter;
mod tile_io;
mod transform;
mod weights;

pub(super) use correlate::Correlation;
pub(super) use weights::WeightGradient;

use self::scatter::Scatter;
use super::ConvShape;
use super::finish::Output;
use super::scratch::Scratch;
use crate::isa::Isa;
use crate::threads::Threads;

/// Backward to the input, by whichever way needs fewer tiles.
#[derive(Clone, Debug)]
pub(super) enum DataGradient<const M: usize, const R: usize> {
    /// Tiles over the input.
    Correlation(Correlation<M, R>),
    /// Tiles over the output.
    Scatter(Scatter<M, R>),
}

impl<const M: usize, const R: usize> DataGradient<M, R> {
    /// For the convolution of this shape.
    pub(super) fn new(shape: &ConvShape, isa: Isa) -> Self {
        let tiles = |height: usize, width: usize| height.div_ceil(M) * width.div_ceil(M);
        // Adding up overlapping tiles costs more than storing disjoint ones.
        if 3 * tiles(shape.out_height(), shape.out_width()) <= 2 * tiles(shape.height, shape.width) {
            Self::Scatter(Scatter::new(shape, isa))
        } else {
            Self::Correlation(Correlation::backward(shape, isa))
        }
    }

    /// Puts the gradients of the input, given those of the output, `dy`, into `output`, whose length is `dx_len`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(super) fn run(
        &self,
        threads: &Threads,
        dy: &[f32],
        weight: &[f32],
        output: &Output,
        dx_len: usize,
        scratch: &mut Scratch,
    ) {
        match self {
            Self::Correlation(plan) => plan.run(threads, dy, weight, output, dx_len, scratch),
            Self::Scatter(plan) => plan.run(threads, dy, weight, output, dx_len, scratch),
        }
    }
}

/// Side of a tile of input pixels.
const SIDE: usize = 6;
/// Elements of a tile, in either domain.
const AREA: usize = SIDE * SIDE;
/// Numbers between the 36 matrices beyond their size: one cache line, lest all begin in the same set of the cache.
const SKEW: usize = 16;

/// Whether Winograd's convolution pays for this shape. It does where channels fill vectors and tiles are not mostly border.
pub(super) fn pays(shape: &ConvShape) -> bool {
    let ConvShape { c_in, c_out, kernel, stride, padding, .. } = *shape;
    if !matches!(kernel, 3 | 5) || stride != 1 || padding >= kernel || c_in < 8 || c_out < 8 {
        return false;
    }
    let tile = SIDE + 1 - kernel;
    let products = |height: usize, width: usize| height.div_ceil(tile) * width.div_ceil(tile) * AREA;
    let direct = shape.out_height() * shape.out_width() * kernel * kernel;
    2 * products(shape.out_height(), shape.out_width()) <= direct
        && 2 * products(shape.height, shape.width) <= shape.height * shape.width * kernel * kernel
}
