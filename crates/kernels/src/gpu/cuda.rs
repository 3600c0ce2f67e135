//! A GPU through CUDA: candle's device for context, stream and cuBLAS; the kernels compiled for the card by NVRTC when
//! it is opened.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::cublas::{result as cublas, sys as cublas_sys};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg, result as driver,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};

use super::device::{Address, Args, ColumnMajor, Convolution, ConvolutionPass, Factor, Gpu, KERNELS, Product, SOURCE};
use crate::device::{Device, Options, Precision, Unavailable};
use crate::engine::EngineError;

/// Threads of a block; THREADS in kernels.cu.
const THREADS: usize = 256;
/// Bytes of columns at a time, where convolutions are products of matrices.
const WORKSPACE: usize = 256 << 20;

// SAFETY: the mirror of the kernels' own struct, plain numbers and addresses.
unsafe impl DeviceRepr for Args {}

/// A failure of the device, with what was being done.
pub(super) fn failed(doing: &str, error: impl Display) -> EngineError {
    EngineError::Device(format!("CUDA, {doing}: {error}"))
}

/// An NVIDIA GPU.
pub struct Cuda {
    precision: Precision,
    device: CudaDevice,
    stream: Arc<CudaStream>,
    functions: HashMap<&'static str, CudaFunction>,
    /// Everything that was allocated, until this is dropped.
    memory: Vec<CudaSlice<u8>>,
    card: String,
    #[cfg(feature = "cudnn")]
    cudnn: super::cudnn::Cudnn,
}

impl Cuda {
    /// Opens the GPU of this number and compiles the kernels for it.
    ///
    /// # Errors
    /// When there is no such GPU, or it or its driver cannot be used.
    pub fn open(number: usize, options: &Options) -> Result<Self, EngineError> {
        let device = open_device(number)?;
        let stream = device.cuda_stream();
        let Card { name, major, minor } = Card::of(&device)?;
        if options.precision != Precision::Float32 && major < 8 {
            let reason = format!("it has compute capability {major}.{minor}, and 8.0 is the least");
            let device = Device::Cuda(number);
            return Err(Unavailable::Precision { device, precision: options.precision, reason }.into());
        }
        // SAFETY: one stream is used throughout; there is nothing that events would have to put in order.
        unsafe { device.disable_event_tracking() };
        Ok(Self {
            precision: options.precision,
            functions: functions(&stream, options.precision, major, minor)?,
            #[cfg(feature = "cudnn")]
            cudnn: super::cudnn::Cudnn::new(&stream, options)?,
            device,
            stream,
            memory: Vec::new(),
            card: format!("{name}, compute capability {major}.{minor}"),
        })
    }
}

/// candle's device for the GPU of this number.
///
/// # Errors
/// When there is no such GPU, or its driver refuses.
pub(crate) fn open_device(number: usize) -> Result<CudaDevice, EngineError> {
    let unavailable = |reason: String| Unavailable::Gpu { device: Device::Cuda(number), reason };
    match candle_core::Device::new_cuda(number) {
        Ok(candle_core::Device::Cuda(device)) => Ok(device),
        Ok(other) => Err(unavailable(format!("candle opened {other:?} in its place")).into()),
        Err(error) => {
            // What follows the first line is where in candle it happened.
            let error = error.to_string();
            let found = error.lines().next().unwrap_or_default();
            Err(unavailable(found.to_owned()).into())
        }
    }
}

/// What a GPU is.
pub(crate) struct Card {
    /// Its name, such as `NVIDIA H100 80GB HBM3`.
    pub(crate) name: String,
    major: i32,
    minor: i32,
}

impl Card {
    /// What the driver says of a GPU.
    ///
    /// # Errors
    /// When it refuses.
    pub(crate) fn of(device: &CudaDevice) -> Result<Self, EngineError> {
        let about = |error: driver::DriverError| failed("asking about the card", error);
        let stream = device.cuda_stream();
        let context = stream.context();
        let (major, minor) = context.compute_capability().map_err(about)?;
        Ok(Self { name: context.name().map_err(about)?, major, minor })
    }
}

/// Compiles the kernels for a card of this compute capability, and finds each.
fn functions(
    stream: &Arc<CudaStream>,
    precision: Precision,
    major: i32,
    minor: i32,
) -> Result<HashMap<&'static str, CudaFunction>, EngineError> {
    let mut options = vec![format!("--gpu-architecture=compute_{major}{minor}")];
    if precision == Precision::Bf16 {
        options.push("--define-macro=BF16".to_owned());
    }
    let name = Some("kernels.cu".to_owned());
    let compiled = compile_ptx_with_opts(SOURCE, CompileOptions { options, name, ..CompileOptions::default() });
    let ptx = compiled.map_err(|error| match error {
        CompileError::CompileError { log, .. } => failed("compiling the kernels", log.to_string_lossy()),
        other => failed("compiling the kernels", other),
    })?;
    let module = stream.context().load_module(ptx).map_err(|error| failed("loading the kernels", error))?;
    let find = |name: &'static str| {
        let function = module.load_function(name).map_err(|error| failed(&format!("finding kernel {name}"), error))?;
        Ok((name, function))
    };
    KERNELS.into_iter().map(find).collect()
}

impl Gpu for Cuda {
    fn precision(&self) -> Precision {
        self.precision
    }

    fn threads(&self) -> usize {
        THREADS
    }

    fn workspace(&self) -> usize {
        WORKSPACE
    }

    fn allocate(&mut self, bytes: usize) -> Result<Address, EngineError> {
        let memory = self.stream.alloc_zeros::<u8>(bytes.max(1));
        let memory = memory.map_err(|error| failed(&format!("allocating {bytes} bytes"), error))?;
        let at = Address(memory.device_ptr(&self.stream).0);
        self.memory.push(memory);
        Ok(at)
    }

    fn upload(&mut self, bytes: &[u8], to: Address) -> Result<(), EngineError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.stream.context().bind_to_thread().map_err(|error| failed("taking up the card", error))?;
        // SAFETY: the engine keeps to what it allocated. Memory that is not page-locked is read before the call returns.
        unsafe { driver::memcpy_htod_async(to.0, bytes, self.stream.cu_stream()) }
            .map_err(|error| failed("copying to the card", error))
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), EngineError> {
        self.stream.context().bind_to_thread().map_err(|error| failed("taking up the card", error))?;
        if !bytes.is_empty() {
            // SAFETY: the engine keeps to what it allocated; `bytes` is borrowed until the stream is done.
            unsafe { driver::memcpy_dtoh_async(bytes, from.0, self.stream.cu_stream()) }
                .map_err(|error| failed("copying from the card", error))?;
        }
        self.stream.synchronize().map_err(|error| failed("waiting for the card", error))
    }

    fn launch(&mut self, kernel: &'static str, [x, y]: [usize; 2], args: &Args) -> Result<(), EngineError> {
        if x == 0 || y == 0 {
            return Ok(());
        }
        let (grid_dim, block_dim) = ((x as u32, y as u32, 1), (THREADS as u32, 1, 1));
        let function = self.functions.get(kernel).ok_or_else(|| failed(kernel, "there is no such kernel"))?;
        let mut launch = self.stream.launch_builder(function);
        launch.arg(args);
        // SAFETY: every kernel takes one Args and keeps to the shapes in it; the tests run each of them on the processor.
        unsafe { launch.launch(LaunchConfig { grid_dim, block_dim, shared_mem_bytes: 0 }) }
            .map(|_| ())
            .map_err(|error| failed(&format!("starting {kernel}"), error))
    }

    fn multiply(&mut self, product: &Product) -> Result<(), EngineError> {
        let ColumnMajor { m, n, k, a, lda, b, ldb, ldc, stride_c } = product.column_major();
        let (activation, compute) = match self.precision {
            Precision::Float32 => (FLOAT, cublas_sys::cublasComputeType_t::CUBLAS_COMPUTE_32F),
            Precision::Tf32 => (FLOAT, cublas_sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32),
            Precision::Bf16 => (BFLOAT, cublas_sys::cublasComputeType_t::CUBLAS_COMPUTE_32F),
        };
        let operation = |factor: Factor| {
            if factor.transposed {
                cublas_sys::cublasOperation_t::CUBLAS_OP_T
            } else {
                cublas_sys::cublasOperation_t::CUBLAS_OP_N
            }
        };
        let (alpha, beta) = (1.0f32, f32::from(u8::from(product.accumulate)));
        // SAFETY: the engine keeps to what it allocated; shapes are those of the buffers; alpha and beta outlive the call.
        unsafe {
            cublas::gemm_strided_batched_ex(
                *self.device.cublas_handle().handle(),
                operation(a),
                operation(b),
                m as i32,
                n as i32,
                k as i32,
                (&raw const alpha).cast(),
                a.at.0 as *const _,
                activation,
                lda as i32,
                a.stride as i64,
                b.at.0 as *const _,
                activation,
                ldb as i32,
                b.stride as i64,
                (&raw const beta).cast(),
                product.c.0 as *mut _,
                if product.wide { FLOAT } else { activation },
                ldc as i32,
                stride_c as i64,
                product.count as i32,
                compute,
                cublas_sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(|error| failed("multiplying matrices", error))
    }

    #[cfg(feature = "cudnn")]
    fn convolve(&mut self, shape: &Convolution, pass: &ConvolutionPass) -> Result<bool, EngineError> {
        self.cudnn.convolve(&self.stream, shape, pass)
    }

    #[cfg(not(feature = "cudnn"))]
    fn convolve(&mut self, _: &Convolution, _: &ConvolutionPass) -> Result<bool, EngineError> {
        Ok(false)
    }

    fn description(&self) -> String {
        #[cfg(feature = "cudnn")]
        let convolutions = super::cudnn::name();
        #[cfg(not(feature = "cudnn"))]
        let convolutions = "cuBLAS";
        format!("cuda {}, convolutions by {convolutions}, {}", self.card, self.precision)
    }
}

const FLOAT: cublas_sys::cudaDataType = cublas_sys::cudaDataType::CUDA_R_32F;
const BFLOAT: cublas_sys::cudaDataType = cublas_sys::cudaDataType::CUDA_R_16BF;
