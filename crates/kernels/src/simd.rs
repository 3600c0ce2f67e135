//! Vectors of `f32` in the registers of each instruction set, and the dispatch of a kernel to one of them.
//!
//! A kernel is a type that implements [`Kernel`]: written once, generic over [`Vector`], and compiled for every [`Isa`].
//! [`dispatch`] enters a function that has the instruction set's features enabled; everything between there and the
//! vectors' methods is `#[inline(always)]`, so that it is compiled with those features.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
mod prefetch;
mod span;

use crate::isa::Isa;

use self::portable::Portable;
#[cfg(target_arch = "x86_64")]
use self::{avx2::Avx2, avx512::Avx512};

pub(crate) use prefetch::{Ahead, prefetch};
pub(crate) use span::{All, First, Span, for_each_vector};

/// The largest number of lanes of any [`Vector`]; lengths that are multiples of it suit every instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// `LANES` numbers side by side in one register.
///
/// A vector exists only where the processor has the instruction set of its type: whoever makes one vouches for that, and
/// whoever has one may compute with it. Pointers that vectors are loaded from and stored to may be of any alignment.
///
/// One lane computes what IEEE 754 says, whatever the instruction set and the number of lanes; instruction sets differ in
/// [`Vector::mul_add`] alone.
pub(crate) trait Vector: Copy {
    /// Numbers in a vector.
    const LANES: usize;
    /// Accumulators that a kernel may keep, so that they and their operands stay in registers, for one vector a row ..
    const ROWS_OF_ONE: usize;
    /// .. and for two vectors a row.
    const ROWS_OF_TWO: usize;

    /// Runs a kernel as a function of its own, compiled for this instruction set. Where the instruction set has no function
    /// with `#[target_feature]`, which is one by nature, it is `#[inline(never)]`: tiles of all sizes in one function would
    /// lose their registers.
    ///
    /// # Safety
    /// The processor must have the instruction set.
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output;

    /// Every lane `value`.
    ///
    /// # Safety
    /// The processor must have the instruction set.
    unsafe fn splat(value: f32) -> Self;

    /// Every lane 0.
    ///
    /// # Safety
    /// The processor must have the instruction set.
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { Self::splat(0.0) }
    }

    /// `LANES` elements from `source`.
    ///
    /// # Safety
    /// The processor must have the instruction set, and `source` point to so many elements.
    unsafe fn load(source: *const f32) -> Self;

    /// The first `count` of the lanes from `source`, 0 in the lanes above; elements above are not touched.
    ///
    /// # Safety
    /// The processor must have the instruction set, and `source` point to `count` elements.
    unsafe fn load_first(source: *const f32, count: usize) -> Self;

    /// `LANES` bytes from `source`, as numbers.
    ///
    /// # Safety
    /// The processor must have the instruction set, and `source` point to so many bytes.
    unsafe fn load_bytes(source: *const u8) -> Self;

    /// `LANES` elements to `target`.
    ///
    /// # Safety
    /// `target` must point to so many elements.
    unsafe fn store(self, target: *mut f32);

    /// The first `count` of the lanes to `target`, nothing above.
    ///
    /// # Safety
    /// `target` must point to `count` elements.
    unsafe fn store_first(self, target: *mut f32, count: usize);

    /// The lanes, whole numbers from 0 to 255, as `LANES` bytes to `target`.
    ///
    /// # Safety
    /// `target` must point to so many bytes.
    unsafe fn store_bytes(self, target: *mut u8);

    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self - other`.
    fn sub(self, other: Self) -> Self;
    /// `self * other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`.
    fn div(self, other: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `self * factor + term`, rounded once where the instruction set can.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// 0 where `self < 0`, else `self`: ReLU, of which -0 and what is not a number stay.
    fn relu(self) -> Self;
    /// `self` where `test > 0` or not a number, else 0: the gradient of ReLU.
    fn where_positive(self, test: Self) -> Self;
    /// `self` where `left == right`, else 0.
    fn where_equal(self, left: Self, right: Self) -> Self;
    /// `yes` where `self > other` or `self` is not a number, else `no`.
    fn where_beats(self, other: Self, yes: Self, no: Self) -> Self;
}

/// A piece of work that is compiled once for every instruction set.
///
/// A kernel is safe to run with what it holds: it checks the lengths of its slices, and one that writes where other threads
/// write too is made by an `unsafe` constructor, whose caller vouches that it gets elements of its own.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Whether vectors of two registers suit it in plain Rust: where loops cost more than registers are scarce.
    const WIDE: bool = false;

    /// Does the work; must be `#[inline(always)]`, so that it takes on the features of its caller.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

/// Runs `kernel` with the vectors of `isa`.
///
/// # Panics
/// Where the processor lacks `isa`.
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    assert!(isa.is_supported(), "this processor has no {isa}");
    // SAFETY: the processor has the instruction set.
    unsafe {
        match isa {
            Isa::Portable if K::WIDE => Portable::<8>::call(kernel),
            Isa::Portable => Portable::<4>::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512::call(kernel),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => unreachable!("not supported on this processor"),
        }
    }
}

/// Numbers in a vector of `isa`, for kernels that are not [`Kernel::WIDE`].
pub(crate) fn lanes(isa: Isa) -> usize {
    dispatch(isa, Lanes)
}

struct Lanes;

impl Kernel for Lanes {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> usize {
        V::LANES
    }
}

#[cfg(test)]
mod tests;
