//! A GPU that is none: the same kernels, compiled for the processor, and plain loops in place of the libraries.

#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int};

use kernels::device::Precision;
use kernels::engine::EngineError;
use kernels::gpu::device::{Address, Args, Convolution, Factor, Gpu, Pass, Product};

unsafe extern "C" {
    fn emulate_float32(name: *const c_char, blocks: c_int, slices: c_int, args: *const Args) -> c_int;
    fn emulate_bf16(name: *const c_char, blocks: c_int, slices: c_int, args: *const Args) -> c_int;
}

/// The processor's memory as a GPU's.
pub(crate) struct Emulated {
    precision: Precision,
    memory: Vec<Box<[u64]>>,
}

impl Emulated {
    pub(crate) fn new(precision: Precision) -> Self {
        Self { precision, memory: Vec::new() }
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

/// A matrix of a factor, row-major whichever way it lies in memory.
fn row_major(matrix: Vec<f32>, transposed: bool, [rows, columns]: [usize; 2]) -> Vec<f32> {
    if !transposed {
        return matrix;
    }
    (0..rows * columns).map(|i| matrix[i % columns * rows + i / columns]).collect()
}

impl Gpu for Emulated {
    fn precision(&self) -> Precision {
        self.precision
    }

    fn threads(&self) -> usize {
        1
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
        let run = if self.precision == Precision::Bf16 { emulate_bf16 } else { emulate_float32 };
        // SAFETY: the kernel gets the arguments that it would get on a GPU.
        let known = unsafe { run(name.as_ptr(), grid[0] as c_int, grid[1] as c_int, args) };
        assert_eq!(known, 1, "there is no kernel {kernel}");
        Ok(())
    }

    fn multiply(&mut self, product: &Product) -> Result<(), EngineError> {
        let Product { count, m, n, k, a, b, c, accumulate, wide } = *product;
        assert!(!(wide && accumulate), "no operation adds to a wide product");
        let element = if self.precision == Precision::Bf16 { 2 } else { 4 };
        let matrix = |factor: Factor, which: usize, shape: [usize; 2]| {
            let at = factor.at.plus(which * factor.stride * element);
            row_major(self.load(at, shape[0] * shape[1]), factor.transposed, shape)
        };
        for which in 0..count {
            let at = c.plus(which * m * n * if wide { 4 } else { element });
            let (a, b) = (matrix(a, which, [m, k]), matrix(b, which, [k, n]));
            let mut sums = if accumulate { self.load(at, m * n) } else { vec![0.0; m * n] };
            for (row, sums) in sums.chunks_exact_mut(n).enumerate() {
                for (factor, b) in a[row * k..][..k].iter().zip(b.chunks_exact(n)) {
                    sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += factor * b);
                }
            }
            self.store(at, &sums, wide);
        }
        Ok(())
    }

    fn convolve(&mut self, _: &Convolution, _: &Pass) -> Result<bool, EngineError> {
        Ok(false)
    }

    fn description(&self) -> String {
        format!("emulated {}", self.precision)
    }
}
