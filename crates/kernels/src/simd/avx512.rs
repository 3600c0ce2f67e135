//! Vectors of AVX-512.

#[allow(clippy::wildcard_imports)] // intrinsics carry their namespace in their names
use std::arch::x86_64::*;

use super::{Kernel, Vector};

/// Sixteen numbers in an AVX-512 register.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

/// Runs a kernel with the features of the instruction set.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn call<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the features are enabled here, so the processor has them.
    unsafe { kernel.run::<Avx512>() }
}

/// Ones for the first `count` lanes.
#[inline(always)]
fn mask(count: usize) -> __mmask16 {
    ((1_u32 << count) - 1) as __mmask16
}

impl Vector for Avx512 {
    const LANES: usize = 16;
    const ROWS_OF_ONE: usize = 16;
    const ROWS_OF_TWO: usize = 14;

    #[inline(always)]
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { call(kernel) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller vouches for the instruction set.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for the instruction set and the elements.
        Self(unsafe { _mm512_loadu_ps(source) })
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        // SAFETY: the caller vouches for the instruction set and the elements; masked lanes are not touched.
        Self(unsafe { _mm512_maskz_loadu_ps(mask(count), source) })
    }

    #[inline(always)]
    unsafe fn load_bytes(source: *const u8) -> Self {
        // SAFETY: the caller vouches for the instruction set and the bytes.
        Self(unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(source.cast()))) })
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for the elements.
        unsafe { _mm512_storeu_ps(target, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        // SAFETY: the caller vouches for the elements; masked lanes are not touched.
        unsafe { _mm512_mask_storeu_ps(target, mask(count), self.0) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, target: *mut u8) {
        // SAFETY: the caller vouches for the bytes.
        unsafe { _mm_storeu_si128(target.cast(), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(self.0))) }
    }

    // SAFETY of every block below: a vector exists only where the processor has the instruction set.

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn relu(self) -> Self {
        // The instruction yields its second operand where both are 0 or either is not a number.
        // SAFETY: see above.
        Self(unsafe { _mm512_max_ps(_mm512_setzero_ps(), self.0) })
    }

    #[inline(always)]
    fn where_positive(self, test: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(test.0, _mm512_setzero_ps()), self.0) })
    }

    #[inline(always)]
    fn where_equal(self, left: Self, right: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(left.0, right.0), self.0) })
    }

    #[inline(always)]
    fn where_beats(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let missing = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
            let larger = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0);
            _mm512_mask_blend_ps(larger | missing, no.0, yes.0)
        })
    }
}
