//! Vectors of AVX2.

#[allow(clippy::wildcard_imports)] // intrinsics carry their namespace in their names
use std::arch::x86_64::*;

use super::{Kernel, Vector};

/// Eight numbers in an AVX register.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

/// Runs a kernel with the features of the instruction set.
#[target_feature(enable = "avx2,fma")]
fn call<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the features are enabled here, so the processor has them.
    unsafe { kernel.run::<Avx2>() }
}

/// All ones in the first `count` lanes.
///
/// # Safety
/// The processor must have AVX2.
#[inline(always)]
unsafe fn mask(count: usize) -> __m256i {
    // SAFETY: the caller vouches for AVX2.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

impl Vector for Avx2 {
    const LANES: usize = 8;
    const ROWS_OF_ONE: usize = 12;
    const ROWS_OF_TWO: usize = 6;

    #[inline(always)]
    unsafe fn call<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { call(kernel) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller vouches for the instruction set.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the caller vouches for the instruction set and the elements.
        Self(unsafe { _mm256_loadu_ps(source) })
    }

    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        // SAFETY: the caller vouches for the instruction set and the elements; masked lanes are not touched.
        Self(unsafe { _mm256_maskload_ps(source, mask(count)) })
    }

    #[inline(always)]
    unsafe fn load_bytes(source: *const u8) -> Self {
        // SAFETY: the caller vouches for the instruction set and the bytes.
        Self(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(source.cast()))) })
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller vouches for the elements.
        unsafe { _mm256_storeu_ps(target, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        // SAFETY: the caller vouches for the elements; masked lanes are not touched.
        unsafe { _mm256_maskstore_ps(target, mask(count), self.0) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, target: *mut u8) {
        // SAFETY: the caller vouches for the bytes.
        unsafe {
            let whole = _mm256_cvttps_epi32(self.0);
            let halves = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            _mm_storel_epi64(target.cast(), _mm_packus_epi16(halves, halves));
        }
    }

    // SAFETY of every block below: a vector exists only where the processor has the instruction set.

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn relu(self) -> Self {
        // The instruction yields its second operand where both are 0 or either is not a number.
        // SAFETY: see above.
        Self(unsafe { _mm256_max_ps(_mm256_setzero_ps(), self.0) })
    }

    #[inline(always)]
    fn where_positive(self, test: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_and_ps(self.0, _mm256_cmp_ps::<_CMP_NLE_UQ>(test.0, _mm256_setzero_ps())) })
    }

    #[inline(always)]
    fn where_equal(self, left: Self, right: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_and_ps(self.0, _mm256_cmp_ps::<_CMP_EQ_OQ>(left.0, right.0)) })
    }

    #[inline(always)]
    fn where_beats(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let missing = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            let larger = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0);
            _mm256_blendv_ps(no.0, yes.0, _mm256_or_ps(larger, missing))
        })
    }
}
