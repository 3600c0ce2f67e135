//! Winograd's convolution, F(4x4, 3x3) and F(2x2, 5x5): stride 1, tiles of 6x6 input pixels.
//!
//! With the matrices of [`transform`], y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A for a tile d of 6x6 input pixels, a kernel w and the
//! M x M output pixels y of the tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
//! arXiv 1509.09308). Over channels, the elementwise product becomes 36 matrix products: with 2.25 (F(4x4, 3x3)) or 1.44
//! (F(2x2, 5x5)) multiplications an output instead of 9 or 25. The gradient of the input is the same convolution by the
//! kernel turned round; that of the weight is the adjoint, Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ d B)] G, summed over tiles.

mod correlate;
mod grid;
mod tile_io;
mod transform;
mod weights;

pub(super) use correlate::Correlation;
pub(super) use weights::WeightGradient;

use super::ConvShape;

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
