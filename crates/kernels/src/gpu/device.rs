//! What the engine asks of a GPU: memory, kernels by name, products of matrices, and convolutions where a library has
//! them. CUDA is one answer; the tests have another, which runs the same kernels on the processor.

use crate::device::Precision;
use crate::engine::EngineError;

/// The kernels' source.
pub const SOURCE: &str = include_str!("kernels.cu");

/// Every kernel in [`SOURCE`].
pub const KERNELS: [&str; 31] = [
    "gather",
    "im2col",
    "im2col_backward",
    "sum_parts",
    "add_bias",
    "bias_backward_sums",
    "bias_backward",
    "batch_norm_sums",
    "batch_norm",
    "batch_norm_evaluation",
    "batch_norm_backward_sums",
    "batch_norm_backward",
    "relu",
    "relu_backward",
    "add",
    "max_pool",
    "max_pool_backward",
    "avg_pool",
    "avg_pool_backward",
    "global_avg_pool",
    "global_avg_pool_backward",
    "subsample",
    "subsample_backward",
    "pad_channels",
    "pad_channels_backward",
    "softmax_cross_entropy",
    "squares",
    "squares_total",
    "update",
    "narrow",
    "widen",
];

/// A place in a GPU's memory; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    /// No place.
    pub const NONE: Address = Address(0);

    /// The place so many bytes further on.
    #[must_use]
    pub fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// What a kernel is called with: the mirror of `struct Args` in kernels.cu.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Args {
    pointers: [Address; 10],
    integers: [i32; 12],
    floats: [f32; 8],
}

impl Args {
    /// Pointers and whole numbers, in the kernel's order.
    pub fn new(pointers: &[Address], integers: &[usize]) -> Self {
        let mut args = Self { pointers: [Address::NONE; 10], integers: [0; 12], floats: [0.0; 8] };
        args.pointers[..pointers.len()].copy_from_slice(pointers);
        args.integers.iter_mut().zip(integers).for_each(|(to, from)| *to = *from as i32);
        args
    }

    /// Numbers, in the kernel's order.
    #[must_use]
    pub fn floats(mut self, floats: &[f64]) -> Self {
        self.floats.iter_mut().zip(floats).for_each(|(to, from)| *to = *from as f32);
        self
    }
}

/// A factor of a product: row-major matrices one after another.
#[derive(Clone, Copy, Debug)]
pub struct Factor {
    /// The first matrix.
    pub at: Address,
    /// Whether it lies in memory transposed.
    pub transposed: bool,
    /// Elements from one matrix to the next; 0: the same one throughout.
    pub stride: usize,
}

/// `count` products c = a b, or c += a b: a is [m, k], b [k, n], c [m, n], all row-major.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // m, n, k, a, b, c by the sentence above
pub struct Product {
    pub count: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Factor,
    pub b: Factor,
    pub c: Address,
    /// Whether c is added to.
    pub accumulate: bool,
    /// Whether c is float32 under every precision; else it is as activations are kept.
    pub wide: bool,
}

/// A product as BLAS takes it, columns first: c = op(a) op(b), or c += op(a) op(b), op(a) m x k, op(b) k x n, c m x n.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // m, n, k by the sentence above
pub struct ColumnMajor {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// What BLAS calls a; op is the transpose where the factor says so.
    pub a: Factor,
    /// Elements from one column of a to the next.
    pub lda: usize,
    /// What BLAS calls b, likewise.
    pub b: Factor,
    /// Elements from one column of b to the next.
    pub ldb: usize,
    /// Elements from one column of c to the next.
    pub ldc: usize,
    /// Elements from one c to the next.
    pub stride_c: usize,
}

impl Product {
    /// The same memory read columns first, where every matrix is its own transpose: c' = b' a'.
    pub fn column_major(&self) -> ColumnMajor {
        // A row in memory is a column here: its length is the way to the next.
        let leading = |factor: Factor, rows, columns| if factor.transposed { rows } else { columns };
        ColumnMajor {
            m: self.n,
            n: self.m,
            k: self.k,
            a: self.b,
            lda: leading(self.b, self.k, self.n),
            b: self.a,
            ldb: leading(self.a, self.m, self.k),
            ldc: self.n,
            stride_c: self.m * self.n,
        }
    }
}

/// The shape of a convolution, images included: x [images, c_in, height, width], weight [c_out, c_in, kernel, kernel],
/// y [images, c_out, out_height, out_width].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the fields, by the sentence above and as torch.nn.Conv2d calls them
pub struct Convolution {
    pub images: usize,
    pub c_in: usize,
    pub height: usize,
    pub width: usize,
    pub c_out: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

/// One of a convolution's three computations, with its operands, all of them as activations are kept.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // operands, by the sentences below
pub enum ConvolutionPass {
    /// y from x and weight.
    Forward { x: Address, weight: Address, y: Address },
    /// dx from dy and weight, or added to dx.
    BackwardData { dy: Address, weight: Address, dx: Address, accumulate: bool },
    /// The gradient of weight from x and dy.
    BackwardWeight { x: Address, dy: Address, d_weight: Address },
}

/// A GPU, or what acts as one. Everything happens in the order of the calls; only [`Gpu::download`] waits for it.
pub trait Gpu {
    /// In what activations are kept and products are taken.
    fn precision(&self) -> Precision;

    /// Threads of a block, always the same: sums depend on it.
    fn threads(&self) -> usize;

    /// Bytes that a workspace for convolutions may take.
    fn workspace(&self) -> usize;

    /// Memory of so many bytes, all 0, for as long as this lives.
    ///
    /// # Errors
    /// Where there is not enough.
    fn allocate(&mut self, bytes: usize) -> Result<Address, EngineError>;

    /// Copies bytes to the GPU.
    ///
    /// # Errors
    /// Where the device fails.
    fn upload(&mut self, bytes: &[u8], to: Address) -> Result<(), EngineError>;

    /// Copies bytes from the GPU, once all that was begun before is done.
    ///
    /// # Errors
    /// Where the device fails, now or at something begun before.
    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), EngineError>;

    /// Runs one of [`KERNELS`] on a grid of [x, y] blocks.
    ///
    /// # Errors
    /// Where the device fails.
    fn launch(&mut self, kernel: &'static str, grid: [usize; 2], args: &Args) -> Result<(), EngineError>;

    /// Multiplies matrices.
    ///
    /// # Errors
    /// Where the device fails.
    fn multiply(&mut self, product: &Product) -> Result<(), EngineError>;

    /// Convolves by a library; says whether there is one.
    ///
    /// # Errors
    /// Where the device fails.
    fn convolve(&mut self, shape: &Convolution, pass: &ConvolutionPass) -> Result<bool, EngineError>;

    /// Card, libraries and precision, for the record.
    fn description(&self) -> String;
}
