//! Winograd's transforms of one tile, a channel in each lane.
//!
//! The interpolation points are 0, ±1/√2, ±√2 and infinity. The usual 0, ±1, ±2 and infinity cost as much but err twice as
//! much (1.1e-6 of the root mean square against 5e-7, over 32 channels): here the points' powers stay nearer to 1. Direct
//! convolution errs by 2e-7 to 4e-7 there, so that Winograd's loses one to two bits of 24.
#![allow(unsafe_code)]

use super::SIDE;
use crate::conv::simd::Vector;

/// The first pair of points is ±A ..
const A: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// .. the second ±B.
const B: f64 = std::f64::consts::SQRT_2;
/// Powers of A ..
const NEAR: [f32; 4] = [1.0, A as f32, (A * A) as f32, (A * A * A) as f32];
/// .. and of B.
const FAR: [f32; 4] = [1.0, B as f32, (B * B) as f32, (B * B * B) as f32];

/// G: SIDE rows of `taps` numbers; a row holds the powers of a point over the derivative of x (x² - A²) (x² - B²) there.
fn kernel_matrix(tap: usize) -> [f32; SIDE] {
    let at = |point: f64, derivative: f64| (point.powi(tap as i32) / derivative) as f32;
    let (near, far) = (2.0 * A * A * (A * A - B * B), 2.0 * B * B * (B * B - A * A));
    [at(0.0, A * A * B * B), at(A, near), at(-A, near), at(B, far), at(-B, far), 0.0]
}

/// G with `R` columns.
pub(super) struct KernelMatrix<const R: usize>([[f32; SIDE]; R]);

impl<const R: usize> KernelMatrix<R> {
    pub(super) fn new() -> Self {
        let mut columns: [[f32; SIDE]; R] = std::array::from_fn(kernel_matrix);
        columns[R - 1][SIDE - 1] = 1.0;
        Self(columns)
    }
}

/// Bᵀ d, of one column.
///
/// # Safety
/// The instruction set of `V` is supported, as for all functions here.
#[inline(always)]
pub(super) unsafe fn input_pass<V: Vector>(d: [V; SIDE]) -> [V; SIDE] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (minus_a2, minus_b2) = (V::splat(-NEAR[2]), V::splat(-FAR[2]));
        let minus_sum = V::splat(-NEAR[2] - FAR[2]);
        let (near_even, near_odd) = (d[2].mul_add(minus_b2, d[4]), d[1].mul_add(minus_b2, d[3]));
        let (far_even, far_odd) = (d[2].mul_add(minus_a2, d[4]), d[1].mul_add(minus_a2, d[3]));
        // A²B² is 1.
        [
            d[2].mul_add(minus_sum, d[0].add(d[4])),
            near_odd.mul_add(V::splat(NEAR[1]), near_even),
            near_odd.mul_add(V::splat(-NEAR[1]), near_even),
            far_odd.mul_add(V::splat(FAR[1]), far_even),
            far_odd.mul_add(V::splat(-FAR[1]), far_even),
            d[3].mul_add(minus_sum, d[1].add(d[5])),
        ]
    }
}

/// B m, of one column: the adjoint of [`input_pass`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn input_pass_adjoint<V: Vector>(m: [V; SIDE]) -> [V; SIDE] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (minus_a2, minus_b2) = (V::splat(-NEAR[2]), V::splat(-FAR[2]));
        let minus_sum = V::splat(-NEAR[2] - FAR[2]);
        let (near_even, near_odd) = (m[1].add(m[2]), m[1].sub(m[2]).mul(V::splat(NEAR[1])));
        let (far_even, far_odd) = (m[3].add(m[4]), m[3].sub(m[4]).mul(V::splat(FAR[1])));
        // A²B² is 1.
        [
            m[0],
            near_odd.mul_add(minus_b2, far_odd.mul_add(minus_a2, m[5])),
            near_even.mul_add(minus_b2, far_even.mul_add(minus_a2, m[0].mul(minus_sum))),
            m[5].mul_add(minus_sum, near_odd.add(far_odd)),
            m[0].add(near_even.add(far_even)),
            m[5],
        ]
    }
}

/// Aᵀ m, of one column: from SIDE to M numbers.
#[inline(always)]
pub(super) unsafe fn output_pass<V: Vector, const M: usize>(m: [V; SIDE]) -> [V; M] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (near_sum, near_difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
        let mut y = [V::zero(); M];
        for (power, y) in y.iter_mut().enumerate() {
            let (near, far) = (V::splat(NEAR[power]), V::splat(FAR[power]));
            *y = match power {
                0 => near_sum.add(far_sum),
                power if power % 2 == 0 => near_sum.mul_add(near, far_sum.mul(far)),
                _ => near_difference.mul_add(near, far_difference.mul(far)),
            };
        }
        y[0] = y[0].add(m[0]);
        y[M - 1] = y[M - 1].add(m[SIDE - 1]);
        y
    }
}

/// A e, of one column: from M to SIDE numbers; the adjoint of [`output_pass`].
#[inline(always)]
pub(super) unsafe fn gradient_pass<V: Vector, const M: usize>(e: [V; M]) -> [V; SIDE] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (mut near_even, mut far_even) = (e[0], e[0]);
        let (mut near_odd, mut far_odd) = (e[1].mul(V::splat(NEAR[1])), e[1].mul(V::splat(FAR[1])));
        for (power, &e) in e.iter().enumerate().skip(2) {
            let (near, far) = (V::splat(NEAR[power]), V::splat(FAR[power]));
            if power % 2 == 0 {
                (near_even, far_even) = (e.mul_add(near, near_even), e.mul_add(far, far_even));
            } else {
                (near_odd, far_odd) = (e.mul_add(near, near_odd), e.mul_add(far, far_odd));
            }
        }
        [e[0], near_even.add(near_odd), near_even.sub(near_odd), far_even.add(far_odd), far_even.sub(far_odd), e[M - 1]]
    }
}

impl<const R: usize> KernelMatrix<R> {
    /// G w Gᵀ.
    #[inline(always)]
    pub(super) unsafe fn transform<V: Vector>(&self, w: [[V; R]; R]) -> [[V; SIDE]; SIDE] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let mut half = [[V::zero(); R]; SIDE];
            for (i, half) in half.iter_mut().enumerate() {
                for (tap, w) in w.iter().enumerate() {
                    let factor = V::splat(self.0[tap][i]);
                    for (half, w) in half.iter_mut().zip(w) {
                        *half = w.mul_add(factor, *half);
                    }
                }
            }
            let mut output = [[V::zero(); SIDE]; SIDE];
            for (output, half) in output.iter_mut().zip(half) {
                for (j, output) in output.iter_mut().enumerate() {
                    for (tap, half) in half.iter().enumerate() {
                        *output = half.mul_add(V::splat(self.0[tap][j]), *output);
                    }
                }
            }
            output
        }
    }

    /// Gᵀ u G: the adjoint.
    #[inline(always)]
    pub(super) unsafe fn transform_back<V: Vector>(&self, u: [[V; SIDE]; SIDE]) -> [[V; R]; R] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let mut half = [[V::zero(); SIDE]; R];
            for (tap, half) in half.iter_mut().enumerate() {
                for (i, u) in u.iter().enumerate() {
                    let factor = V::splat(self.0[tap][i]);
                    for (half, u) in half.iter_mut().zip(u) {
                        *half = u.mul_add(factor, *half);
                    }
                }
            }
            let mut output = [[V::zero(); R]; R];
            for (output, half) in output.iter_mut().zip(half) {
                for (tap, output) in output.iter_mut().enumerate() {
                    for (j, half) in half.iter().enumerate() {
                        *output = half.mul_add(V::splat(self.0[tap][j]), *output);
                    }
                }
            }
            output
        }
    }
}
