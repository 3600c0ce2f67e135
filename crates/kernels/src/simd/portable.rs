//! Vectors in plain Rust, for any processor.

use super::{Kernel, Vector};

/// `N` numbers, four of which compilers put into a register of SSE2, NEON and their like.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct Portable<const N: usize>([f32; N]);

impl<const N: usize> Portable<N> {
    #[inline(always)]
    fn zip(self, other: Self, op: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| op(self.0[i], other.0[i])))
    }
}

impl<const N: usize> Vector for Portable<N> {
    const LANES: usize = N;
    const ROWS_OF_ONE: usize = 32 / N;
    const ROWS_OF_TWO: usize = 24 / N;

    #[inline(never)]
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: plain Rust runs anywhere.
        unsafe { kernel.run::<Self>() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; N])
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for the elements.
        Self(unsafe { source.cast::<[f32; N]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; N];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` elements.
            *lane = unsafe { *source.add(i) };
        }
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn load_bytes(source: *const u8) -> Self {
        // SAFETY: the caller vouches for the bytes.
        Self(unsafe { source.cast::<[u8; N]>().read() }.map(f32::from))
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for the elements.
        unsafe { target.cast::<[f32; N]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        for (i, lane) in self.0.into_iter().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` elements.
            unsafe { *target.add(i) = lane };
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, target: *mut u8) {
        // SAFETY: the caller vouches for the bytes.
        unsafe { target.cast::<[u8; N]>().write(self.0.map(|lane| lane as u8)) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // A fused multiply-add is an instruction on 64-bit ARM, a slow function call on plain x86-64.
        if cfg!(target_arch = "aarch64") {
            Self(std::array::from_fn(|i| self.0[i].mul_add(factor.0[i], term.0[i])))
        } else {
            self.mul(factor).add(term)
        }
    }

    #[inline(always)]
    fn relu(self) -> Self {
        Self(self.0.map(|a| if a < 0.0 { 0.0 } else { a }))
    }

    #[inline(always)]
    fn where_positive(self, test: Self) -> Self {
        self.zip(test, |a, t| if t <= 0.0 { 0.0 } else { a })
    }

    #[inline(always)]
    fn where_equal(self, left: Self, right: Self) -> Self {
        Self(std::array::from_fn(|i| if left.0[i] == right.0[i] { self.0[i] } else { 0.0 }))
    }

    #[inline(always)]
    fn where_beats(self, other: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] > other.0[i] || self.0[i].is_nan() { yes.0[i] } else { no.0[i] }))
    }
}
