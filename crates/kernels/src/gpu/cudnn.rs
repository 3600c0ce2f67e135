//! Convolution by cuDNN, forward and backward, in [N, C, H, W].
//!
//! Algorithms are those that cuDNN's heuristics rank first among the deterministic ones, so that runs repeat: nothing is
//! timed, and a card of one model with one version of cuDNN always takes the same.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::cudnn::{result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::cuda::failed;
use super::device::{Address, Convolution, ConvolutionPass};
use crate::device::{Options, Precision};
use crate::engine::EngineError;

use sys::cudnnConvolutionBwdDataAlgo_t as DataAlgorithm;
use sys::cudnnConvolutionBwdFilterAlgo_t as FilterAlgorithm;
use sys::cudnnConvolutionFwdAlgo_t as ForwardAlgorithm;
use sys::cudnnMathType_t as Math;

/// Bytes of workspace, at most, that an algorithm may ask for.
const MOST_WORKSPACE: usize = 1 << 30;
/// Algorithms that cuDNN is asked to rank.
const MOST_ALGORITHMS: usize = 16;

type CudnnResult<T> = Result<T, result::CudnnError>;

/// A handle, and every convolution made ready so far.
pub(super) struct Cudnn {
    handle: Handle,
    precision: Precision,
    exact_conv: bool,
    /// By shape, the batch size included; none where no algorithm may be taken.
    prepared: HashMap<Convolution, Option<Prepared>>,
    workspace: Option<CudaSlice<u8>>,
}

/// The library and its version.
pub(super) fn name() -> String {
    // 9.21.1 is 92101.
    let version = result::get_version();
    format!("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100)
}

impl Cudnn {
    pub(super) fn new(stream: &Arc<CudaStream>, options: &Options) -> Result<Self, EngineError> {
        let handle = Handle::new(stream).map_err(|error| failed("opening cuDNN", error))?;
        let Options { precision, exact_conv, .. } = *options;
        Ok(Self { handle, precision, exact_conv, prepared: HashMap::new(), workspace: None })
    }

    /// Starts a pass; says whether there is an algorithm for it.
    pub(super) fn convolve(
        &mut self,
        stream: &Arc<CudaStream>,
        shape: &Convolution,
        pass: &ConvolutionPass,
    ) -> Result<bool, EngineError> {
        if !self.prepared.contains_key(shape) {
            let rules = Rules { shape: *shape, precision: self.precision, exact_conv: self.exact_conv };
            let prepared = match Prepared::new(self.handle.0, &rules) {
                Ok(prepared) => Some(prepared),
                Err(result::CudnnError(sys::cudnnStatus_t::CUDNN_STATUS_NOT_SUPPORTED)) => None,
                Err(error) => return Err(failed(&format!("preparing {shape:?} for cuDNN"), error)),
            };
            self.reserve(stream, prepared.as_ref().map_or(0, |prepared| prepared.workspace))?;
            self.prepared.insert(*shape, prepared);
        }
        let workspace = match &self.workspace {
            Some(memory) => (memory.device_ptr(stream).0 as *mut c_void, memory.len()),
            None => (std::ptr::null_mut(), 0),
        };
        let Some(prepared) = &self.prepared[shape] else { return Ok(false) };
        // SAFETY: descriptors live as long as they are in the map; the engine's buffers have the shapes that they describe.
        unsafe { prepared.run(self.handle.0, workspace, pass) }
            .map_err(|error| failed(&format!("convolving {shape:?} by cuDNN"), error))?;
        Ok(true)
    }

    /// One workspace for all, as large as the most that any needs.
    fn reserve(&mut self, stream: &Arc<CudaStream>, bytes: usize) -> Result<(), EngineError> {
        if bytes > self.workspace.as_ref().map_or(0, CudaSlice::len) {
            // Freed in the order of the stream, when what was begun is done with it.
            self.workspace = None;
            let memory = stream.alloc_zeros::<u8>(bytes);
            self.workspace = Some(memory.map_err(|error| failed("allocating cuDNN's workspace", error))?);
        }
        Ok(())
    }
}

struct Handle(sys::cudnnHandle_t);

impl Handle {
    fn new(stream: &Arc<CudaStream>) -> CudnnResult<Self> {
        let handle = Self(result::create_handle()?);
        // SAFETY: both are alive; cuDNN's stream is the driver's under another name.
        unsafe { result::set_stream(handle.0, stream.cu_stream().cast()) }?;
        Ok(handle)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: created in `new`, dropped once. There is nobody left to tell of a failure.
        let _ = unsafe { result::destroy_handle(self.0) };
    }
}

/// A convolution of one shape: descriptors, and for each pass its algorithm. Math is part of a descriptor, so each pass
/// has one of its own.
struct Prepared {
    x: Tensor,
    y: Tensor,
    weight: Filter,
    forward: (Descriptor, ForwardAlgorithm),
    data: (Descriptor, DataAlgorithm),
    filter: (Descriptor, FilterAlgorithm),
    /// Bytes that the most demanding of the three needs.
    workspace: usize,
}

/// The algorithm of one pass: the first in cuDNN's ranking that may be taken, its math set in a descriptor, and the
/// bytes that it needs. The three passes have three sets of functions and types that differ in name alone.
macro_rules! choose {
    ($rank:ident, $size:ident, $performance:ident, $handle:expr, [$one:expr, $two:expr, $three:expr], $rules:expr,
     transforms: $($transform:path)|+) => {{
        let descriptor = Descriptor::new($rules)?;
        // SAFETY: descriptors are alive and set; the ranking is plain numbers, as long as it is said to be.
        let (ranking, count) = unsafe {
            let (mut count, mut ranking) = (0, [std::mem::zeroed::<sys::$performance>(); MOST_ALGORITHMS]);
            let most = MOST_ALGORITHMS as i32;
            let conv = descriptor.0;
            result::$rank($handle, $one, $two, conv, $three, most, &raw mut count, ranking.as_mut_ptr())?;
            (ranking, count as usize)
        };
        let allowed = ranking[..count.min(MOST_ALGORITHMS)].iter().find(|found| {
            $rules.allow(found.status, found.determinism, found.mathType, found.memory)
                && !($rules.exact_conv && matches!(found.algo, $($transform)|+))
        });
        let chosen = allowed.ok_or(result::CudnnError(sys::cudnnStatus_t::CUDNN_STATUS_NOT_SUPPORTED))?;
        descriptor.set_math($rules.math(chosen.mathType))?;
        // SAFETY: as above. Asked again, as math may change what is needed.
        let bytes = unsafe { result::$size($handle, $one, $two, descriptor.0, $three, chosen.algo) }?;
        ((descriptor, chosen.algo), bytes)
    }};
}

impl Prepared {
    fn new(handle: sys::cudnnHandle_t, rules: &Rules) -> CudnnResult<Self> {
        let Convolution { images, c_in, height, width, c_out, out_height, out_width, kernel, .. } = rules.shape;
        let kind = match rules.precision {
            Precision::Float32 | Precision::Tf32 => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
            Precision::Bf16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        };
        let x = Tensor::new(kind, [images, c_in, height, width])?;
        let y = Tensor::new(kind, [images, c_out, out_height, out_width])?;
        let weight = Filter::new(kind, [c_out, c_in, kernel, kernel])?;
        let (forward, forward_bytes) = choose!(
            get_convolution_forward_algorithm, get_convolution_forward_workspace_size,
            cudnnConvolutionFwdAlgoPerf_t, handle, [x.0, weight.0, y.0], rules,
            transforms: ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD
                | ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED
                | ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_FFT
                | ForwardAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING
        );
        let (data, data_bytes) = choose!(
            get_convolution_backward_data_algorithm, get_convolution_backward_data_workspace_size,
            cudnnConvolutionBwdDataAlgoPerf_t, handle, [weight.0, y.0, x.0], rules,
            transforms: DataAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD
                | DataAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED
                | DataAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT
                | DataAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING
        );
        let (filter, filter_bytes) = choose!(
            get_convolution_backward_filter_algorithm, get_convolution_backward_filter_workspace_size,
            cudnnConvolutionBwdFilterAlgoPerf_t, handle, [x.0, y.0, weight.0], rules,
            transforms: FilterAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD
                | FilterAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED
                | FilterAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT
                | FilterAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING
        );
        let workspace = forward_bytes.max(data_bytes).max(filter_bytes);
        Ok(Self { x, y, weight, forward, data, filter, workspace })
    }

    /// Starts a pass.
    ///
    /// # Safety
    /// The operands must have the shapes of this convolution; the workspace's bytes must be there.
    unsafe fn run(
        &self,
        handle: sys::cudnnHandle_t,
        (workspace, bytes): (*mut c_void, usize),
        pass: &ConvolutionPass,
    ) -> CudnnResult<()> {
        let read = |at: Address| at.0 as *const c_void;
        let write = |at: Address| at.0 as *mut c_void;
        let (one, zero) = (1.0f32, 0.0f32);
        let factor = |number: &f32| std::ptr::from_ref(number).cast::<c_void>();
        let (alpha, beta) = (factor(&one), factor(&zero));
        let (x_is, y_is, w_is) = (self.x.0, self.y.0, self.weight.0);
        // SAFETY: as the caller's; the factors live until the call returns.
        unsafe {
            match *pass {
                ConvolutionPass::Forward { x, weight, y } => {
                    let (conv, algorithm) = &self.forward;
                    let (x, w, y) = (read(x), read(weight), write(y));
                    result::convolution_forward(
                        handle, alpha, x_is, x, w_is, w, conv.0, *algorithm, workspace, bytes, beta, y_is, y,
                    )
                }
                ConvolutionPass::BackwardData { dy, weight, dx, accumulate } => {
                    let (conv, algorithm) = &self.data;
                    let (w, dy, dx) = (read(weight), read(dy), write(dx));
                    let beta = if accumulate { alpha } else { beta };
                    result::convolution_backward_data(
                        handle, alpha, w_is, w, y_is, dy, conv.0, *algorithm, workspace, bytes, beta, x_is, dx,
                    )
                }
                ConvolutionPass::BackwardWeight { x, dy, d_weight } => {
                    let (conv, algorithm) = &self.filter;
                    let (x, dy, dw) = (read(x), read(dy), write(d_weight));
                    result::convolution_backward_filter(
                        handle, alpha, x_is, x, y_is, dy, conv.0, *algorithm, workspace, bytes, beta, w_is, dw,
                    )
                }
            }
        }
    }
}

/// What is asked of the algorithms of a convolution.
struct Rules {
    shape: Convolution,
    precision: Precision,
    /// No transform: neither Winograd's nor Fourier's.
    exact_conv: bool,
}

impl Rules {
    /// Whether an algorithm may be taken: it runs, repeats its bits, and asks for no more than there is.
    fn allow(
        &self,
        status: sys::cudnnStatus_t,
        determinism: sys::cudnnDeterminism_t,
        math: Math,
        memory: usize,
    ) -> bool {
        let rounds = match self.precision {
            // Tensor cores would round float32 factors to TF32.
            Precision::Float32 => matches!(math, Math::CUDNN_DEFAULT_MATH | Math::CUDNN_FMA_MATH),
            Precision::Tf32 | Precision::Bf16 => math != Math::CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION,
        };
        status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS
            && determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC
            && rounds
            && memory <= MOST_WORKSPACE
    }

    /// The math to run a ranked algorithm with.
    fn math(&self, ranked: Math) -> Math {
        match self.precision {
            Precision::Float32 => Math::CUDNN_FMA_MATH,
            Precision::Tf32 | Precision::Bf16 => ranked,
        }
    }

    /// The math to have algorithms ranked for.
    fn wanted(&self) -> Math {
        match self.precision {
            Precision::Float32 => Math::CUDNN_FMA_MATH,
            Precision::Tf32 => Math::CUDNN_DEFAULT_MATH,
            Precision::Bf16 => Math::CUDNN_TENSOR_OP_MATH,
        }
    }
}

/// The shape of an activation.
struct Tensor(sys::cudnnTensorDescriptor_t);

impl Tensor {
    fn new(kind: sys::cudnnDataType_t, shape: [usize; 4]) -> CudnnResult<Self> {
        let tensor = Self(result::create_tensor_descriptor()?);
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        // SAFETY: just created.
        unsafe { result::set_tensor4d_descriptor(tensor.0, format, kind, shape.map(|side| side as i32)) }?;
        Ok(tensor)
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        // SAFETY: created in `new`, dropped once.
        let _ = unsafe { result::destroy_tensor_descriptor(self.0) };
    }
}

/// The shape of a weight.
struct Filter(sys::cudnnFilterDescriptor_t);

impl Filter {
    fn new(kind: sys::cudnnDataType_t, shape: [usize; 4]) -> CudnnResult<Self> {
        let filter = Self(result::create_filter_descriptor()?);
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        // SAFETY: just created.
        unsafe { result::set_filter4d_descriptor(filter.0, kind, format, shape.map(|side| side as i32)) }?;
        Ok(filter)
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: created in `new`, dropped once.
        let _ = unsafe { result::destroy_filter_descriptor(self.0) };
    }
}

/// Stride, padding and math of a convolution; products are summed in float32.
struct Descriptor(sys::cudnnConvolutionDescriptor_t);

impl Descriptor {
    fn new(rules: &Rules) -> CudnnResult<Self> {
        let descriptor = Self(result::create_convolution_descriptor()?);
        let (padding, stride) = (rules.shape.padding as i32, rules.shape.stride as i32);
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let sums = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
        // SAFETY: just created.
        unsafe {
            result::set_convolution2d_descriptor(descriptor.0, padding, padding, stride, stride, 1, 1, mode, sums)
        }?;
        descriptor.set_math(rules.wanted())?;
        Ok(descriptor)
    }

    fn set_math(&self, math: Math) -> CudnnResult<()> {
        // SAFETY: alive as long as this is.
        unsafe { result::set_convolution_math_type(self.0, math) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: created in `new`, dropped once.
        let _ = unsafe { result::destroy_convolution_descriptor(self.0) };
    }
}
