//! The most that a processor can do: multiply-adds in registers, for benchmarks to be measured against.
#![allow(unsafe_code)]

use std::hint::black_box;

use crate::isa::Isa;
use crate::simd::{Kernel, MAX_LANES, Vector, dispatch};

/// Chains of multiply-adds that do not wait for each other: latency times throughput, with room to spare.
const CHAINS: usize = 12;

/// Keeps the calling thread busy with `rounds` rounds of multiply-adds in registers; the number of floating-point
/// operations (two a multiply-add) that it did.
///
/// # Panics
/// When this processor lacks the instruction set.
pub fn multiply_adds(isa: Isa, rounds: usize) -> u64 {
    dispatch(isa, MultiplyAdds { rounds })
}

struct MultiplyAdds {
    rounds: usize,
}

impl Kernel for MultiplyAdds {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> u64 {
        // SAFETY: the caller vouches for the instruction set; no vector has more lanes than the array.
        unsafe {
            let factor = V::splat(black_box(0.999));
            let mut sums = [V::splat(black_box(0.5)); CHAINS];
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, factor);
                }
            }
            let total = sums.into_iter().fold(V::zero(), |total, sum| V::add(total, sum));
            let mut lanes = [0.0_f32; MAX_LANES];
            total.store(black_box(lanes.as_mut_ptr()));
            black_box(lanes);
        }
        (self.rounds * CHAINS * V::LANES * 2) as u64
    }
}
