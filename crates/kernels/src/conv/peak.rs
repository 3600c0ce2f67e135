//! The most that a processor can do: multiply-adds in registers, for benchmarks to be measured against.
#![allow(unsafe_code)]

use std::hint::black_box;

use super::simd::{Kernel, Vector, dispatch};
use crate::isa::Isa;

/// Chains of multiply-adds that do not wait for each other: latency times throughput, with room to spare.
const CHAINS: usize = 12;

/// Keeps the calling thread busy with `rounds` rounds of multiply-adds in registers; the number of floating-point
/// operations (two a multiply-add) that it did.
///
/// # Panics
/// When this processor lacks the instruction set.
pub fn multiply_adds(isa: Isa, rounds: usize) -> u64 {
    assert!(isa.is_supported(), "instruction set {isa} is not supported here");
    let mut flop = 0;
    // SAFETY: the instruction set is supported; the kernel needs nothing else.
    unsafe { dispatch(isa, MultiplyAdds { rounds, flop: &mut flop }) }
    flop
}

struct MultiplyAdds<'a> {
    rounds: usize,
    flop: &'a mut u64,
}

impl Kernel for MultiplyAdds<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let factor = V::splat(black_box(0.999));
            let mut sums = [V::splat(black_box(0.5)); CHAINS];
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, factor);
                }
            }
            let total = sums.into_iter().fold(V::zero(), |total, sum| V::add(total, sum));
            let mut lanes = [0.0_f32; 16];
            total.store(black_box(lanes.as_mut_ptr()));
            black_box(lanes);
        }
        *self.flop = (self.rounds * CHAINS * V::LANES * 2) as u64;
    }
}
