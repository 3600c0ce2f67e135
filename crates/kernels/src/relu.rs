//! ReLU, in place: max(x, 0).

#![allow(unsafe_code)]

use crate::disjoint::for_each_chunk;
use crate::isa::Isa;
use crate::simd::{Kernel, Vector, dispatch};
use crate::threads::Threads;

/// Floats of a task.
const CHUNK: usize = 32 * 1024;

/// `values = max(values, 0)`; what is not a number stays.
pub fn forward(threads: &Threads, isa: Isa, values: &mut [f32]) {
    for_each_chunk(threads, values, CHUNK, |_, values| dispatch(isa, Forward { values }));
}

/// Turns the gradient of y into that of x: 0 where `y` is not above 0.
pub fn backward(threads: &Threads, isa: Isa, y: &[f32], gradient: &mut [f32]) {
    for_each_chunk(threads, gradient, CHUNK, |chunk, gradient| {
        dispatch(isa, Backward { y: &y[chunk * CHUNK..][..gradient.len()], gradient });
    });
}

struct Forward<'a> {
    values: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let mut vectors = self.values.chunks_exact_mut(V::LANES);
        for part in &mut vectors {
            // SAFETY: the part is a vector long, the caller has the instruction set.
            unsafe { V::load(part.as_ptr()).relu().store(part.as_mut_ptr()) };
        }
        for value in vectors.into_remainder() {
            if *value <= 0.0 {
                *value = 0.0;
            }
        }
    }
}

struct Backward<'a> {
    y: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let mut vectors = self.gradient.chunks_exact_mut(V::LANES);
        let tests = self.y.chunks_exact(V::LANES);
        let rest = tests.remainder();
        for (part, y) in (&mut vectors).zip(tests) {
            // SAFETY: both parts are a vector long, the caller has the instruction set.
            unsafe { V::load(part.as_ptr()).where_positive(V::load(y.as_ptr())).store(part.as_mut_ptr()) };
        }
        for (gradient, &y) in vectors.into_remainder().iter_mut().zip(rest) {
            if y <= 0.0 {
                *gradient = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_and_backward_on_every_instruction_set() {
        let threads = Threads::new(2).unwrap();
        for isa in Isa::supported() {
            for len in [1, 7, 33, CHUNK + 5] {
                let x: Vec<f32> = (0..len).map(|i| (i % 7) as f32 - 3.0).collect();
                let mut y = x.clone();
                forward(&threads, isa, &mut y);
                assert_eq!(y, x.iter().map(|v| v.max(0.0)).collect::<Vec<_>>(), "{isa} {len}");
                let mut gradient: Vec<f32> = (0..len).map(|i| i as f32 + 1.0).collect();
                let expected: Vec<f32> =
                    gradient.iter().zip(&x).map(|(&g, &x)| if x > 0.0 { g } else { 0.0 }).collect();
                backward(&threads, isa, &y, &mut gradient);
                assert_eq!(gradient, expected, "{isa} {len}");
            }
            let mut missing = [f32::NAN; 17];
            forward(&threads, isa, &mut missing);
            assert!(missing.iter().all(|v| v.is_nan()), "{isa}: what is not a number stays");
        }
    }
}
