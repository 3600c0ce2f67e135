//! Winograd's convolution, F(4x4, 3x3), F(2x2, 5x5) and F(4x4, 5x5): stride 1, tiles of 6x6 or 8x8 input pixels.
//!
//! With the matrices of [`transform`], y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A for a tile d of S x S input pixels, a kernel w and the
//! M x M output pixels y of the tile (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
//! arXiv 1509.09308). Over channels, the elementwise product becomes S x S matrix products: with 2.25
//! multiplications an output instead of 9 (F(4x4, 3x3)), or 9 (F(2x2, 5x5)) or 4 (F(4x4, 5x5)) instead of 25. The gradient
//! of the input is the same convolution by the kernel turned round; that of the weight is the adjoint,
//! Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ d B)] G, summed over tiles.

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
use crate::aligned::LINE;
use crate::isa::Isa;
use crate::threads::Threads;

/// Backward to the input, by whichever way needs fewer tiles.
#[derive(Clone, Debug)]
pub(super) enum DataGradient<const S: usize, const M: usize, const R: usize> {
    /// Tiles over the input.
    Correlation(Correlation<S, M, R>),
    /// Tiles over the output.
    Scatter(Scatter<S, M, R>),
}

impl<const S: usize, const M: usize, const R: usize> DataGradient<S, M, R> {
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

    /// Puts the gradients of the input, given those of the output, `dy`, into `output`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(super) fn run(&self, threads: &Threads, dy: &[f32], weight: &[f32], output: Output, scratch: &mut Scratch) {
        match self {
            Self::Correlation(correlation) => correlation.run(threads, dy, weight, output, scratch),
            Self::Scatter(scatter) => scatter.run(threads, dy, weight, output, scratch),
        }
    }
}

/// Numbers between the matrices beyond their size: one cache line, lest all begin in the same set of the cache.
const SKEW: usize = LINE;

/// Tiles of Winograd's convolution, for kernels of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tiles {
    /// Of 6x6 input pixels.
    Small,
    /// Of 8x8 input pixels: fewer multiplications, and two bits less.
    Large,
}

impl Tiles {
    /// Those that need the fewest multiplications, if Winograd's convolution pays for this shape at all: where channels fill
    /// vectors and tiles are not mostly border.
    pub(super) fn for_shape(shape: &ConvShape) -> Option<Self> {
        let ConvShape { c_in, c_out, kernel, stride, padding, .. } = *shape;
        if !matches!(kernel, 3 | 5) || stride != 1 || padding >= kernel || c_in < 8 || c_out < 8 {
            return None;
        }
        let (out, source) = ([shape.out_height(), shape.out_width()], [shape.height, shape.width]);
        let pays = |tiles: Self| {
            [out, source].iter().all(|&side| 2 * tiles.products(side, kernel) <= side[0] * side[1] * kernel * kernel)
        };
        // Forward and both gradients: two of the three go by output pixels.
        let cost = |tiles: Self| 2 * tiles.products(out, kernel) + tiles.products(source, kernel);
        let large = (kernel == 5).then_some(Self::Large);
        large.into_iter().chain([Self::Small]).filter(|&tiles| pays(tiles)).min_by_key(|&tiles| cost(tiles))
    }

    /// Multiplications of two channels over an image of so many output pixels.
    fn products(self, [height, width]: [usize; 2], kernel: usize) -> usize {
        let side = match self {
            Self::Small => 6,
            Self::Large => 8,
        };
        let tile = side + 1 - kernel;
        height.div_ceil(tile) * width.div_ceil(tile) * side * side
    }
}
