//! Two-dimensional convolution (cross-correlation, as `torch.nn.functional.conv2d`): forward, and the gradients of its
//! input and of its weight.
//!
//! Activations are NHWC without any padding between pixels; weights and their gradients are PyTorch's OIHW. Kernels read
//! activations of any alignment, but fastest where they start on a cache line (64 bytes).
//!
//! [`Conv2d`] chooses between two algorithms, each written once over the vectors of every instruction set: direct
//! convolution for any shape, and Winograd's for 3x3 and 5x5 kernels of stride 1 over enough channels, which multiplies
//! 4 times less for 3x3 kernels and errs two to three times as much, and up to 6.3 times less for 5x5 kernels and errs up to
//! ten times as much: 3e-6 of the root mean square (see the tests for the bounds).

mod chunks;
mod direct;
mod finish;
mod peak;
#[cfg(test)]
mod reference;
mod scratch;
#[cfg(test)]
mod tests;
mod tiles;
mod winograd;

use self::finish::Output;
use crate::graph::window;
use crate::isa::Isa;
use crate::threads::Threads;

pub use peak::multiply_adds;
pub use scratch::Scratch;

/// The shape of a convolution with a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images of a full batch. A call may bring fewer, or more: the slices' lengths say how many.
    pub batch: usize,
    /// Rows of an input image.
    pub height: usize,
    /// Columns of an input image.
    pub width: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Pixels between two positions of the kernel.
    pub stride: usize,
    /// Zero pixels around the image.
    pub padding: usize,
}

impl ConvShape {
    /// Rows of an output image.
    pub fn out_height(&self) -> usize {
        window(self.height, self.kernel, self.stride, self.padding)
    }

    /// Columns of an output image.
    pub fn out_width(&self) -> usize {
        window(self.width, self.kernel, self.stride, self.padding)
    }

    /// Elements of an input image.
    pub fn inputs_per_image(&self) -> usize {
        self.height * self.width * self.c_in
    }

    /// Elements of an output image.
    pub fn outputs_per_image(&self) -> usize {
        self.out_height() * self.out_width() * self.c_out
    }

    /// Elements of the weight.
    pub fn weights(&self) -> usize {
        self.c_out * self.c_in * self.kernel * self.kernel
    }

    /// The same convolution over fewer, longer rows, if it looks at each pixel alone: tiles of pixels end at a row's end.
    fn flattened(&self) -> Self {
        const LONG: usize = 64;
        if (self.kernel, self.stride, self.padding) != (1, 1, 0) {
            return *self;
        }
        let fits = |rows: &usize| self.height.is_multiple_of(*rows) && self.height / rows * self.width <= LONG;
        let rows = (1..self.height).find(fits).unwrap_or(self.height);
        Self { height: rows, width: self.height / rows * self.width, ..*self }
    }
}

/// What happens to the sums of the forward pass on their way out.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// Nothing: `y = conv(x)`.
    None,
    /// `y = conv(x) + bias`, one a channel.
    Bias(&'a [f32]),
    /// `y = conv(x) * scale + shift`, one a channel, `+ residual` (of y's shape) if there is one, then ReLU if asked for:
    /// evaluation, batch norm folded.
    Affine {
        /// Factor of each channel.
        scale: &'a [f32],
        /// Added to each channel.
        shift: &'a [f32],
        /// Added to each element.
        residual: Option<&'a [f32]>,
        /// Whether negative results become 0.
        relu: bool,
    },
}

/// A convolution made ready: shape, instruction set and algorithm.
#[derive(Clone, Debug)]
pub struct Conv2d {
    shape: ConvShape,
    algorithm: Algorithm,
}

/// The three passes of an algorithm.
#[derive(Clone, Debug)]
struct Passes<F, D, W> {
    forward: F,
    backward_data: D,
    backward_weights: W,
}

#[derive(Clone, Debug)]
enum Algorithm {
    Direct(Box<Passes<direct::Correlation, direct::Correlation, direct::WeightGradient>>),
    /// F(4x4, 3x3).
    Winograd3(Box<WinogradPasses<6, 4, 3>>),
    /// F(2x2, 5x5).
    Winograd5(Box<WinogradPasses<6, 2, 5>>),
    /// F(4x4, 5x5).
    Winograd5Large(Box<WinogradPasses<8, 4, 5>>),
}

type WinogradPasses<const S: usize, const M: usize, const R: usize> =
    Passes<winograd::Correlation<S, M, R>, winograd::DataGradient<S, M, R>, winograd::WeightGradient<S, M, R>>;

impl<const S: usize, const M: usize, const R: usize> WinogradPasses<S, M, R> {
    fn new(shape: &ConvShape, isa: Isa) -> Box<Self> {
        Box::new(Passes {
            forward: winograd::Correlation::forward(shape, isa),
            backward_data: winograd::DataGradient::new(shape, isa),
            backward_weights: winograd::WeightGradient::new(shape, isa),
        })
    }
}

impl Algorithm {
    fn new(shape: &ConvShape, isa: Isa, exact: bool) -> Self {
        let tiles = winograd::Tiles::for_shape(shape).filter(|_| !exact);
        match (tiles, shape.kernel) {
            (None, _) => {
                let shape = &shape.flattened();
                Self::Direct(Box::new(Passes {
                    forward: direct::Correlation::forward(shape, isa),
                    backward_data: direct::Correlation::backward(shape, isa),
                    backward_weights: direct::WeightGradient::new(shape, isa),
                }))
            }
            (Some(winograd::Tiles::Small), 3) => Self::Winograd3(WinogradPasses::new(shape, isa)),
            (Some(winograd::Tiles::Small), _) => Self::Winograd5(WinogradPasses::new(shape, isa)),
            (Some(winograd::Tiles::Large), _) => Self::Winograd5Large(WinogradPasses::new(shape, isa)),
        }
    }
}

/// Runs `$call` with the [`Passes`] of an [`Algorithm`].
macro_rules! with_passes {
    ($algorithm:expr, |$passes:ident| $call:expr) => {
        match $algorithm {
            Algorithm::Direct($passes) => $call,
            Algorithm::Winograd3($passes) => $call,
            Algorithm::Winograd5($passes) => $call,
            Algorithm::Winograd5Large($passes) => $call,
        }
    };
}

impl Conv2d {
    /// Chooses the algorithm for a shape. `exact` rules out Winograd's, whose sums err a little more than direct ones.
    ///
    /// # Panics
    /// When this processor lacks the instruction set, or a dimension is 0.
    pub fn new(shape: ConvShape, isa: Isa, exact: bool) -> Self {
        assert!(isa.is_supported(), "instruction set {isa} is not supported here");
        assert!(
            shape.inputs_per_image() > 0 && shape.outputs_per_image() > 0 && shape.kernel > 0 && shape.stride > 0,
            "empty convolution: {shape:?}"
        );
        Self { shape, algorithm: Algorithm::new(&shape, isa, exact) }
    }

    /// The shape.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// The algorithm, for the record: `direct` or `winograd`.
    pub fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Direct(..) => "direct",
            Algorithm::Winograd3(..) | Algorithm::Winograd5(..) | Algorithm::Winograd5Large(..) => "winograd",
        }
    }

    /// `y` [N, OH, OW, O] of `x` [N, H, W, I] and `weight` [O, I, k, k].
    ///
    /// # Panics
    /// When a slice's length does not fit.
    pub fn forward(
        &self,
        threads: &Threads,
        x: &[f32],
        weight: &[f32],
        epilogue: Epilogue,
        y: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let output = Output::through(epilogue, self.shape.c_out, y);
        with_passes!(&self.algorithm, |passes| passes.forward.run(threads, x, weight, output, scratch));
    }

    /// The gradient `dx` [N, H, W, I] of the input, given that of the output, `dy` [N, OH, OW, O]; added to what `dx`
    /// holds if `accumulate`.
    ///
    /// # Panics
    /// When a slice's length does not fit.
    pub fn backward_data(
        &self,
        threads: &Threads,
        dy: &[f32],
        weight: &[f32],
        accumulate: bool,
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let output = Output::plain(accumulate, dx);
        with_passes!(&self.algorithm, |passes| passes.backward_data.run(threads, dy, weight, output, scratch));
    }

    /// The gradient `dw` [O, I, k, k] of the weight, overwritten: summed over images in an order that depends on the
    /// shape alone.
    ///
    /// # Panics
    /// When a slice's length does not fit.
    pub fn backward_weights(&self, threads: &Threads, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut Scratch) {
        with_passes!(&self.algorithm, |passes| passes.backward_weights.run(threads, x, dy, dw, scratch));
    }
}
