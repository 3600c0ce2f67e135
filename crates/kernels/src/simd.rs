//! Vectors of `f32` of the chosen instruction set, and the dispatch of a kernel to it.
//!
//! A kernel is written once, generic over [`Vector`], and compiled for every [`Isa`]: [`dispatch`] enters a function
//! that has the instruction set's features enabled, and everything below it is inlined into that function.

#![allow(unsafe_code)]

use crate::isa::Isa;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m256i, __m512, __mmask16, _CMP_EQ_OQ, _CMP_GT_OQ, _CMP_NLE_UQ, _CMP_UNORD_Q, _mm_loadl_epi64,
    _mm_loadu_si128, _mm_packus_epi16, _mm_packus_epi32, _mm_storel_epi64, _mm_storeu_si128, _mm256_add_ps,
    _mm256_and_ps, _mm256_blendv_ps, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi32, _mm256_cvttps_epi32, _mm256_div_ps, _mm256_extracti128_si256, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_or_ps,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_sqrt_ps, _mm256_storeu_ps,
    _mm256_sub_ps, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32,
    _mm512_cvttps_epi32, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_sqrt_ps, _mm512_storeu_ps, _mm512_sub_ps,
};

/// The largest number of lanes of any [`Vector`]; lengths that are multiples of it suit every instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// A register of `f32`.
///
/// # Safety
/// Every method needs a processor that has the instruction set of the implementing type; loads and stores need `LANES`
/// valid elements behind the pointer, or as many as they are told.
pub(crate) trait Vector: Copy {
    /// Elements in a register.
    const LANES: usize;
    /// Every lane `value`.
    unsafe fn splat(value: f32) -> Self;
    /// `LANES` elements from `source`, of any alignment.
    unsafe fn load(source: *const f32) -> Self;
    /// `LANES` elements to `target`, of any alignment.
    unsafe fn store(self, target: *mut f32);
    /// The first `count` of the lanes from `source`, 0 in the lanes above; nothing above is touched.
    unsafe fn load_first(source: *const f32, count: usize) -> Self;
    /// The first `count` of the lanes to `target`, nothing above.
    unsafe fn store_first(self, target: *mut f32, count: usize);
    /// `LANES` bytes from `source`, as numbers.
    unsafe fn load_bytes(source: *const u8) -> Self;
    /// The lanes, whole numbers from 0 to 255, as `LANES` bytes to `target`.
    unsafe fn store_bytes(self, target: *mut u8);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self / other`.
    unsafe fn div(self, other: Self) -> Self;
    /// Square root.
    unsafe fn sqrt(self) -> Self;
    /// `self * factor + term`, rounded once where the instruction set can.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `max(self, 0)`; not-a-number stays.
    unsafe fn relu(self) -> Self;
    /// `self` where `test > 0` or not a number, else 0: the gradient of ReLU.
    unsafe fn where_positive(self, test: Self) -> Self;
    /// `self` where `left == right`, else 0.
    unsafe fn where_equal(self, left: Self, right: Self) -> Self;
    /// `yes` where `self > other` or `self` is not a number, else `no`.
    unsafe fn where_beats(self, other: Self, yes: Self, no: Self) -> Self;
}

/// Eight lanes in plain Rust.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Plain([f32; 8]);

impl Plain {
    #[inline(always)]
    fn map2(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Vector for Plain {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for eight elements.
        Self(unsafe { source.cast::<[f32; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for eight elements.
        unsafe { target.cast::<[f32; 8]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; 8];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` elements.
            *lane = unsafe { *source.add(i) };
        }
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        for (i, lane) in self.0.into_iter().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` elements.
            unsafe { *target.add(i) = lane };
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(source: *const u8) -> Self {
        // SAFETY: the caller vouches for eight bytes.
        Self(unsafe { source.cast::<[u8; 8]>().read() }.map(f32::from))
    }

    #[inline(always)]
    unsafe fn store_bytes(self, target: *mut u8) {
        // SAFETY: the caller vouches for eight bytes.
        unsafe { target.cast::<[u8; 8]>().write(self.0.map(|lane| lane as u8)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.map2(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.map2(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.map2(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.map2(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        // Two roundings: a fused one without the instruction is a slow library call.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + term.0[i]))
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|a| if a <= 0.0 { 0.0 } else { a }))
    }

    #[inline(always)]
    unsafe fn where_positive(self, test: Self) -> Self {
        self.map2(test, |a, t| if t <= 0.0 { 0.0 } else { a })
    }

    #[inline(always)]
    unsafe fn where_equal(self, left: Self, right: Self) -> Self {
        Self(std::array::from_fn(|i| if left.0[i] == right.0[i] { self.0[i] } else { 0.0 }))
    }

    #[inline(always)]
    unsafe fn where_beats(self, other: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] > other.0[i] || self.0[i].is_nan() { yes.0[i] } else { no.0[i] }))
    }
}

/// Implements [`Vector`] for a register type by one intrinsic a method.
#[cfg(target_arch = "x86_64")]
macro_rules! vector {
    ($register:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident,
     $div:ident, $sqrt:ident, $fmadd:ident, $max:ident, $zero:ident, |$value:ident, $test:ident| $mask:expr,
     |$l:ident, $r:ident, $e:ident| $equal:expr, |$a:ident, $b:ident, $yes:ident, $no:ident| $above:expr,
     |$bytes:ident| $convert:expr, |$numbers:ident, $to_bytes:ident| $narrow:expr,
     |$from:ident, $load_count:ident| $load_first:expr,
     |$part:ident, $to:ident, $store_count:ident| $store_first:expr) => {
        impl Vector for $register {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $splat(value) }
            }

            #[inline(always)]
            unsafe fn load(source: *const f32) -> Self {
                // SAFETY: the caller vouches for the instruction set and the elements.
                unsafe { $load(source) }
            }

            #[inline(always)]
            unsafe fn store(self, target: *mut f32) {
                // SAFETY: the caller vouches for the instruction set and the elements.
                unsafe { $store(target, self) }
            }

            #[inline(always)]
            unsafe fn load_first(source: *const f32, count: usize) -> Self {
                let ($from, $load_count) = (source, count);
                // SAFETY: the caller vouches for the instruction set and the elements; masked lanes are not touched.
                unsafe { $load_first }
            }

            #[inline(always)]
            unsafe fn store_first(self, target: *mut f32, count: usize) {
                let ($part, $to, $store_count) = (self, target, count);
                // SAFETY: the caller vouches for the instruction set and the elements; masked lanes are not touched.
                unsafe { $store_first }
            }

            #[inline(always)]
            unsafe fn load_bytes(source: *const u8) -> Self {
                let $bytes = source;
                // SAFETY: the caller vouches for the instruction set and the bytes.
                unsafe { $convert }
            }

            #[inline(always)]
            unsafe fn store_bytes(self, target: *mut u8) {
                let ($numbers, $to_bytes) = (self, target);
                // SAFETY: the caller vouches for the instruction set and the bytes.
                unsafe { $narrow }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $sub(self, other) }
            }

            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $mul(self, other) }
            }

            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $div(self, other) }
            }

            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $sqrt(self) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $fmadd(self, factor, term) }
            }

            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // The instruction yields its second operand where either is not a number.
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $max($zero(), self) }
            }

            #[inline(always)]
            unsafe fn where_positive(self, test: Self) -> Self {
                let ($value, $test) = (self, test);
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $mask }
            }

            #[inline(always)]
            unsafe fn where_equal(self, left: Self, right: Self) -> Self {
                let ($l, $r, $e) = (left, right, self);
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $equal }
            }

            #[inline(always)]
            unsafe fn where_beats(self, other: Self, yes: Self, no: Self) -> Self {
                let ($a, $b, $yes, $no) = (self, other, yes, no);
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $above }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector!(
    __m256,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_setzero_ps,
    |value, test| _mm256_and_ps(value, _mm256_cmp_ps::<_CMP_NLE_UQ>(test, _mm256_setzero_ps())),
    |left, right, value| _mm256_and_ps(value, _mm256_cmp_ps::<_CMP_EQ_OQ>(left, right)),
    |left, right, yes, no| {
        let missing = _mm256_cmp_ps::<_CMP_UNORD_Q>(left, left);
        _mm256_blendv_ps(no, yes, _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(left, right), missing))
    },
    |bytes| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()))),
    |numbers, target| {
        let whole = _mm256_cvttps_epi32(numbers);
        let halves = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
        _mm_storel_epi64(target.cast(), _mm_packus_epi16(halves, halves));
    },
    |source, count| _mm256_maskload_ps(source, first_lanes(count)),
    |part, target, count| _mm256_maskstore_ps(target, first_lanes(count), part)
);

/// All ones in the first `count` lanes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn first_lanes(count: usize) -> __m256i {
    // SAFETY: the caller vouches for AVX2.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

#[cfg(target_arch = "x86_64")]
vector!(
    __m512,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    _mm512_setzero_ps,
    |value, test| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(test, _mm512_setzero_ps()), value),
    |left, right, value| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(left, right), value),
    |left, right, yes, no| {
        let missing = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(left, left);
        _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(left, right) | missing, no, yes)
    },
    |bytes| _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.cast()))),
    |numbers, target| _mm_storeu_si128(target.cast(), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(numbers))),
    |source, count| _mm512_maskz_loadu_ps(((1u32 << count) - 1) as __mmask16, source),
    |part, target, count| _mm512_mask_storeu_ps(target, ((1u32 << count) - 1) as __mmask16, part)
);

/// A piece of work that is compiled once for every instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

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
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the features were found above.
        Isa::Avx512 => unsafe { with_avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the features were found above.
        Isa::Avx2 => unsafe { with_avx2(kernel) },
        // SAFETY: plain Rust runs anywhere.
        _ => unsafe { kernel.run::<Plain>() },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn with_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller found the features.
    unsafe { kernel.run::<__m512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller found the features.
    unsafe { kernel.run::<__m256>() }
}
