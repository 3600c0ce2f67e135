//! A GPU that is none: the same kernels, compiled for the processor, and plain loops in place of the libraries.

#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int};

use emulation as _; // links the functions below
use kernels::device::Precision;
use kernels::engine::EngineError;
use kernels::gpu::device::{Address, Args, ColumnMajor, Convolution, ConvolutionPass, Factor, Gpu, Product};

unsafe extern "C" {
    fn emulate_float32(name: *const c_char, blocks: c_int, slices: c_int, args: *const Args) -> c_int;
    fn emulate_threads(name: *const c_char, blocks: c_int, slices: c_int, args: *const Args) -> c_int;
    fn emulate_bf16(name: *const c_char, blocks: c_int, slices: c_int, args: *const Args) -> c_int;
}

/// The processor's memory as a GPU's.
pub(crate) struct Emulated {
    precision: Precision,
    threads: usize,
    memory: Vec<Box<[u64]>>,
}

impl Emulated {
    pub(crate) fn new(precision: Precision) -> Self {
        Self { precision, threads: 1, memory: Vec::new() }
    }

    /// In float32, with blocks of four threads that run side by side.
    pub(crate) fn with_threads() -> Self {
        Self { precision: Precision::Float32, threads: 4, memory: Vec::new() }
    }

    /// Numbers of a product's operand.
    fn load(&self, at: Address, len: usize) -> Vec<f32> {
        // SAFETY: the engine keeps to what it allocated, or these tests fail.
        unsafe {
            match self.precision {
                Precision::Bf16 => {
                    let halves = std::slice::from_raw_parts(at.0 as *const u16, len);
                    halves.iter().map(|bits| f32::from_bits(u32::from(*bits) << 16)).collect()
                }
                _ => std::slice::from_raw_parts(at.0 as *const f32, len).to_vec(),
            }
        }
    }

    fn store(&self, at: Address, values: &[f32], wide: bool) {
        let round = |value: f32| ((value.to_bits() + 0x7fff + (value.to_bits() >> 16 & 1)) >> 16) as u16;
        // SAFETY: as above.
        unsafe {
            if self.precision == Precision::Bf16 && !wide {
                let to = std::slice::from_raw_parts_mut(at.0 as *mut u16, values.len());
                to.iter_mut().zip(values).for_each(|(to, value)| *to = round(*value));
            } else {
                std::slice::from_raw_parts_mut(at.0 as *mut f32, values.len()).copy_from_slice(values);
            }
        }
    }
}

impl Gpu for Emulated {
    fn precision(&self) -> Precision {
        self.precision
    }

    fn threads(&self) -> usize {
        self.threads
    }

    /// So little that a batch takes several turns.
    fn workspace(&self) -> usize {
        64 << 10
    }

    fn allocate(&mut self, bytes: usize) -> Result<Address, EngineError> {
        self.memory.push(vec![0; bytes.div_ceil(8).max(1)].into_boxed_slice());
        Ok(Address(self.memory.last().unwrap().as_ptr() as u64))
    }

    fn upload(&mut self, bytes: &[u8], to: Address) -> Result<(), EngineError> {
        // SAFETY: the engine keeps to what it allocated.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.0 as *mut u8, bytes.len()) };
        Ok(())
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), EngineError> {
        // SAFETY: the engine keeps to what it allocated.
        unsafe { std::ptr::copy_nonoverlapping(from.0 as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn launch(&mut self, kernel: &'static str, grid: [usize; 2], args: &Args) -> Result<(), EngineError> {
        let name = CString::new(kernel).unwrap();
        let run = match (self.precision, self.threads) {
            (Precision::Bf16, _) => emulate_bf16,
            (_, 1) => emulate_float32,
            _ => emulate_threads,
        };
        // SAFETY: the kernel gets the arguments that it would get on a GPU.
        let known = unsafe { run(name.as_ptr(), grid[0] as c_int, grid[1] as c_int, args) };
        assert_eq!(known, 1, "there is no kernel {kernel}");
        Ok(())
    }

    fn multiply(&mut self, product: &Product) -> Result<(), EngineError> {
        assert!(!(product.wide && product.accumulate), "no operation adds to a wide product");
        let ColumnMajor { m, n, k, a, lda, b, ldb, ldc, stride_c } = product.column_major();
        let element = if self.precision == Precision::Bf16 { 2 } else { 4 };
        // op(factor), rows x columns, as BLAS defines it: columns lie `leading` apart.
        let matrix = |factor: Factor, which: usize, rows: usize, columns: usize, leading: usize| {
            let (inner, outer) = if factor.transposed { (columns, rows) } else { (rows, columns) };
            let memory = self.load(factor.at.plus(which * factor.stride * element), (outer - 1) * leading + inner);
            let at = |row: usize, column: usize| {
                memory[if factor.transposed { row * leading + column } else { column * leading + row }]
            };
            (0..rows * columns).map(|i| at(i % rows, i / rows)).collect::<Vec<f32>>()
        };
        for which in 0..product.count {
            let at = product.c.plus(which * stride_c * if product.wide { 4 } else { element });
            let (a, b) = (matrix(a, which, m, k, lda), matrix(b, which, k, n, ldb));
            assert_eq!(ldc, m, "results lie without gaps");
            let mut sums = if product.accumulate { self.load(at, m * n) } else { vec![0.0; m * n] };
            for (b, sums) in b.chunks_exact(k).zip(sums.chunks_exact_mut(m)) {
                for (factor, a) in b.iter().zip(a.chunks_exact(m)) {
                    sums.iter_mut().zip(a).for_each(|(sum, a)| *sum += factor * a);
                }
            }
            self.store(at, &sums, product.wide);
        }
        Ok(())
    }

    fn convolve(&mut self, _: &Convolution, _: &ConvolutionPass) -> Result<bool, EngineError> {
        Ok(false)
    }

    fn description(&self) -> String {
        format!("emulated {}", self.precision)
    }
}
