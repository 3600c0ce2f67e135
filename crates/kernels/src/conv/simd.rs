//! Vectors of `f32` in the registers of each instruction set, behind one trait, so that a kernel is written once.
//!
//! A kernel is a type that implements [`Kernel`]; [`dispatch`] runs it with the vectors of an instruction set. Everything
//! between there and the vectors' methods is `#[inline(always)]`, so that it is compiled for that instruction set.
#![allow(unsafe_code)]

use crate::isa::Isa;

/// `LANES` numbers side by side in one register.
///
/// # Safety
/// Every method may be called only where the processor supports the instruction set of the implementing type. Methods
/// that take pointers read or write `LANES` elements there (or as many as they are told), of any alignment.
pub(super) trait Vector: Copy {
    /// Numbers in a vector.
    const LANES: usize;
    /// Accumulators that a kernel may keep, so that they and their operands stay in registers, for one vector a row ..
    const ROWS_OF_ONE: usize;
    /// .. and for two vectors a row.
    const ROWS_OF_TWO: usize;

    /// Runs a kernel, compiled for this instruction set, as a function of its own: `#[inline(never)]`, or the tiles of
    /// all sizes end up in one function and lose their registers. (On a function with `#[target_feature]` itself, that
    /// attribute has no effect where the caller has other features, so it stands here.)
    unsafe fn call<K: Kernel>(kernel: K);

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The first `lanes` elements, 0 in the lanes above; elements above are not touched.
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self;
    /// Stores the first `lanes` elements and nothing above.
    unsafe fn store_first(self, to: *mut f32, lanes: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// The larger; `other` where the two cannot be compared.
    unsafe fn max(self, other: Self) -> Self;
    /// `self * factor + addend`, fused where the instruction set can.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { Self::splat(0.0) }
    }
}

/// Work to be run with the vectors of one instruction set.
pub(super) trait Kernel {
    /// Does the work. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor must support the instruction set of `V`; kernels that hold pointers say what else they need.
    unsafe fn run<V: Vector>(self);
}

/// Runs a kernel with the vectors of `isa`.
///
/// # Safety
/// What the kernel asks for, and `isa.is_supported()`.
pub(super) unsafe fn dispatch<K: Kernel>(isa: Isa, kernel: K) {
    // SAFETY: the caller vouches for the instruction set and the kernel's needs.
    unsafe {
        match isa {
            Isa::Portable => Portable::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512::call(kernel),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("instruction set {isa} is not of this processor"),
        }
    }
}

/// Numbers in a vector of `isa`.
pub(super) fn lanes(isa: Isa) -> usize {
    match isa {
        Isa::Portable => Portable::LANES,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Avx2::LANES,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Avx512::LANES,
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("instruction set {isa} is not of this processor"),
    }
}

/// Memory to be brought into the second-level cache while a kernel computes, a share at a time.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    start: *const f32,
    lines: usize,
}

impl Ahead {
    /// `len` numbers from `start`. They are never read: they need not exist.
    pub(super) fn new(start: *const f32, len: usize) -> Self {
        Self { start, lines: len.div_ceil(Self::LINE) }
    }

    /// Numbers in a cache line.
    const LINE: usize = 16;

    /// Asks for the share at `index` of `count`. Does nothing where that cannot be asked.
    #[inline(always)]
    pub(super) fn fetch(&self, index: usize, count: usize) {
        for line in self.lines * index / count..self.lines * (index + 1) / count {
            let address = self.start.wrapping_add(line * Self::LINE);
            #[cfg(target_arch = "x86_64")]
            // SAFETY: SSE is part of x86-64, and a prefetch never faults.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(address.cast());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = address;
        }
    }
}

/// How many lanes of a vector hold channels: all of them, or the first few.
pub(super) trait Span: Copy {
    unsafe fn load<V: Vector>(self, from: *const f32) -> V;
    unsafe fn store<V: Vector>(self, vector: V, to: *mut f32);
}

/// All lanes.
#[derive(Clone, Copy)]
pub(super) struct All;

/// The first so many lanes.
#[derive(Clone, Copy)]
pub(super) struct First(pub(super) usize);

impl Span for All {
    #[inline(always)]
    unsafe fn load<V: Vector>(self, from: *const f32) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(from) }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(self, vector: V, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { vector.store(to) }
    }
}

impl Span for First {
    #[inline(always)]
    unsafe fn load<V: Vector>(self, from: *const f32) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_first(from, self.0) }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(self, vector: V, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { vector.store_first(to, self.0) }
    }
}

/// Four numbers in plain Rust, which compilers put into one register of SSE2, NEON and their like.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct Portable([f32; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, op: impl Fn(f32, f32) -> f32) -> Self {
        let (a, b) = (self.0, other.0);
        Self([op(a[0], b[0]), op(a[1], b[1]), op(a[2], b[2]), op(a[3], b[3])])
    }
}

impl Vector for Portable {
    const LANES: usize = 4;
    const ROWS_OF_ONE: usize = 8;
    const ROWS_OF_TWO: usize = 6;

    #[inline(never)]
    unsafe fn call<K: Kernel>(kernel: K) {
        // SAFETY: plain Rust runs anywhere; the caller vouches for the kernel's needs.
        unsafe { kernel.run::<Self>() }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller grants four elements.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller grants four elements.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self {
        let mut values = [0.0; 4];
        for (i, value) in values.iter_mut().enumerate().take(lanes) {
            // SAFETY: the caller grants `lanes` elements.
            *value = unsafe { *from.add(i) };
        }
        Self(values)
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, lanes: usize) {
        for (i, value) in self.0.into_iter().enumerate().take(lanes) {
            // SAFETY: the caller grants `lanes` elements.
            unsafe { *to.add(i) = value }
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // A fused multiply-add is an instruction on 64-bit ARM, a slow function call on plain x86-64.
        if cfg!(target_arch = "aarch64") {
            let (a, b, c) = (self.0, factor.0, addend.0);
            Self(std::array::from_fn(|i| a[i].mul_add(b[i], c[i])))
        } else {
            self.zip(factor, |a, b| a * b).zip(addend, |product, c| product + c)
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)] // intrinsics carry their namespace in their names
    use std::arch::x86_64::*;

    use super::{Kernel, Vector};

    /// Eight numbers in an AVX register.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256);

    impl Avx2 {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn call_inner<K: Kernel>(kernel: K) {
            // SAFETY: the caller vouches for AVX2 and FMA, and for the kernel's needs.
            unsafe { kernel.run::<Self>() }
        }

        /// All ones in the first `lanes` lanes.
        #[inline(always)]
        unsafe fn mask(lanes: usize) -> __m256i {
            // SAFETY: the caller vouches for AVX2.
            unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
        }
    }

    // SAFETY of every block below: the caller vouches for AVX2 and FMA, and for the memory behind the pointers.
    impl Vector for Avx2 {
        const LANES: usize = 8;
        const ROWS_OF_ONE: usize = 12;
        const ROWS_OF_TWO: usize = 6;

        #[inline(always)]
        unsafe fn call<K: Kernel>(kernel: K) {
            // SAFETY: see above.
            unsafe { Self::call_inner(kernel) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see above.
            unsafe { _mm256_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, lanes: usize) -> Self {
            // SAFETY: see above; masked lanes are not touched.
            Self(unsafe { _mm256_maskload_ps(from, Self::mask(lanes)) })
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, lanes: usize) {
            // SAFETY: see above; masked lanes are not touched.
            unsafe { _mm256_maskstore_ps(to, Self::mask(lanes), self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
        }
    }

    /// Sixteen numbers in an AVX-512 register.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(__m512);

    impl Avx512 {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        unsafe fn call_inner<K: Kernel>(kernel: K) {
            // SAFETY: the caller vouches for AVX-512, and for the kernel's needs.
            unsafe { kernel.run::<Self>() }
        }

        /// Ones for the first `lanes` lanes.
        #[inline(always)]
        fn mask(lanes: usize) -> __mmask16 {
            ((1_u32 << lanes) - 1) as __mmask16
        }
    }

    // SAFETY of every block below: the caller vouches for AVX-512, and for the memory behind the pointers.
    impl Vector for Avx512 {
        const LANES: usize = 16;
        const ROWS_OF_ONE: usize = 16;
        const ROWS_OF_TWO: usize = 14;

        #[inline(always)]
        unsafe fn call<K: Kernel>(kernel: K) {
            // SAFETY: see above.
            unsafe { Self::call_inner(kernel) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, lanes: usize) -> Self {
            // SAFETY: see above; masked lanes are not touched.
            Self(unsafe { _mm512_maskz_loadu_ps(Self::mask(lanes), from) })
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, lanes: usize) {
            // SAFETY: see above; masked lanes are not touched.
            unsafe { _mm512_mask_storeu_ps(to, Self::mask(lanes), self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
        }
    }
}
