//! ReLU, in place: max(x, 0).

#![allow(unsafe_code)]

use crate::disjoint::Disjoint;
use crate::isa::Isa;
use crate::simd::{Kernel, Vector, dispatch};
use crate::threads::Threads;

/// Floats of a task.
const CHUNK: usize = 32 * 1024;

/// `values = max(values, 0)`; what is not a number stays.
pub fn forward(threads: &Threads, isa: Isa, values: &mut [f32]) {
    let chunks = values.len().div_ceil(CHUNK);
    let values = Disjoint::new(values);
    threads.run(chunks, |chunk| {
        // SAFETY: a chunk to each task.
        let values = unsafe { values.chunk(chunk, CHUNK) };
        dispatch(isa, Forward { values });
    });
}

/// Turns the gradient of y into that of x: 0 where `y` is not above 0.
pub fn backward(threads: &Threads, isa: Isa, y: &[f32], gradient: &mut [f32]) {
    let gradient = Disjoint::new(gradient);
    threads.run(y.len().div_ceil(CHUNK), |chunk| {
        let y = &y[chunk * CHUNK..((chunk + 1) * CHUNK).min(y.len())];
        // SAFETY: a chunk to each task.
        let gradient = unsafe { gradient.chunk(chunk, CHUNK) };
        dispatch(isa, Backward { y, gradient });
    });
}

struct Forward<'a> {
    values: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

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
