//! Winograd's transforms of one tile, a channel in each lane.
//!
//! The interpolation points are 0, infinity and pairs ±p. For tiles of 6x6 the pairs are ±1/√2 and ±√2: the usual ±1 and ±2
//! cost as much but err twice as much (1.1e-6 of the root mean square against 5e-7, over 32 channels), as the points' powers
//! stay nearer to 1. Direct convolution errs by 2e-7 to 4e-7 there, so that Winograd's loses one to two bits of 24. For
//! tiles of 8x8 they are ±1/2, ±1 and ±2, the best that a search over the three found: they lose another two bits.
#![allow(unsafe_code)]
// Arrays that stay in registers are indexed by loops over constants.
#![allow(clippy::needless_range_loop)]

use crate::simd::Vector;

/// Pairs at most.
const PAIRS: usize = 3;
/// Output pixels along a tile, at most.
const PIXELS: usize = 4;
/// Taps along a kernel, at most.
const TAPS: usize = 5;

/// The interpolation points of tiles of side `S`, and the numbers that follow from them.
struct Points<const S: usize>;

impl<const S: usize> Points<S> {
    /// Pairs of points: two points are 0 and infinity.
    const COUNT: usize = S / 2 - 1;

    /// The positive point of each pair. Their product is 1.
    const PAIRS: [f64; PAIRS] = match S {
        6 => [std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::SQRT_2, 0.0],
        8 => [0.5, 1.0, 2.0],
        _ => panic!("tiles are of side 6 or 8"),
    };

    /// Coefficients of (x² - q²) (x² - r²) .., over all pairs but `left_out`, by power of x².
    const fn product(left_out: usize) -> [f64; PAIRS + 1] {
        let mut coefficients = [0.0; PAIRS + 1];
        coefficients[0] = 1.0;
        let (mut pair, mut degree) = (0, 0);
        while pair < Self::COUNT {
            if pair != left_out {
                let square = Self::PAIRS[pair] * Self::PAIRS[pair];
                degree += 1;
                let mut power = degree;
                while power > 0 {
                    coefficients[power] = coefficients[power - 1] - square * coefficients[power];
                    power -= 1;
                }
                coefficients[0] *= -square;
            }
            pair += 1;
        }
        coefficients
    }

    /// The product over all pairs.
    const ALL: [f32; PAIRS + 1] = rounded(Self::product(PAIRS));

    /// The product over the pairs other than each; its highest coefficient is 1.
    const OTHERS: [[f32; PAIRS + 1]; PAIRS] =
        [rounded(Self::product(0)), rounded(Self::product(1)), rounded(Self::product(2))];

    /// Powers of each pair's point.
    const POWERS: [[f32; PIXELS]; PAIRS] = {
        let mut powers = [[1.0; PIXELS]; PAIRS];
        let mut pair = 0;
        while pair < Self::COUNT {
            let mut power = 1;
            let mut value = 1.0;
            while power < PIXELS {
                value *= Self::PAIRS[pair];
                powers[pair][power] = value as f32;
                power += 1;
            }
            pair += 1;
        }
        powers
    };

    /// G: a row for each point, of which those of finite points hold the point's powers over the derivative there of
    /// x (x² - p²) (x² - q²) .., and that of infinity is 0 (its last number is 1, see [`KernelMatrix::new`]).
    const KERNEL: [[f32; S]; TAPS] = {
        let mut columns = [[0.0; S]; TAPS];
        columns[0][0] = (1.0 / Self::product(PAIRS)[0]) as f32;
        let mut pair = 0;
        while pair < Self::COUNT {
            let point = Self::PAIRS[pair];
            let (square, others) = (point * point, Self::product(pair));
            let (mut derivative, mut power) = (0.0, PAIRS + 1);
            while power > 0 {
                power -= 1;
                derivative = derivative * square + others[power];
            }
            derivative *= 2.0 * square;
            let (mut tap, mut value) = (0, 1.0);
            while tap < TAPS {
                let positive = (value / derivative) as f32;
                columns[tap][1 + 2 * pair] = positive;
                columns[tap][2 + 2 * pair] = if tap % 2 == 0 { positive } else { -positive };
                value *= point;
                tap += 1;
            }
            pair += 1;
        }
        columns
    };
}

const fn rounded(values: [f64; PAIRS + 1]) -> [f32; PAIRS + 1] {
    let mut all = [0.0; PAIRS + 1];
    let mut i = 0;
    while i < all.len() {
        all[i] = values[i] as f32;
        i += 1;
    }
    all
}

/// G with `R` columns.
pub(super) struct KernelMatrix<const S: usize, const R: usize>([[f32; S]; R]);

impl<const S: usize, const R: usize> KernelMatrix<S, R> {
    pub(super) fn new() -> Self {
        let mut columns: [[f32; S]; R] = std::array::from_fn(|tap| Points::<S>::KERNEL[tap]);
        columns[R - 1][S - 1] = 1.0;
        Self(columns)
    }
}

/// Bᵀ d, of one column.
///
/// # Safety
/// The instruction set of `V` is supported, as for all functions here.
#[inline(always)]
pub(super) unsafe fn input_pass<V: Vector, const S: usize>(d: [V; S]) -> [V; S] {
    let count = Points::<S>::COUNT;
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let mut out = [V::zero(); S];
        // For 0 and infinity the product over all pairs, whose highest coefficient is 1 and whose lowest 1 or -1.
        let (low, high) = (d[0], d[S - 2]);
        out[0] = if Points::<S>::ALL[0] > 0.0 { high.add(low) } else { high.sub(low) };
        out[S - 1] = d[1].mul_add(V::splat(Points::<S>::ALL[0]), d[S - 1]);
        for power in 1..count {
            let factor = V::splat(Points::<S>::ALL[power]);
            out[0] = d[2 * power].mul_add(factor, out[0]);
            out[S - 1] = d[2 * power + 1].mul_add(factor, out[S - 1]);
        }
        for pair in 0..count {
            let (mut even, mut odd) = (d[S - 2], d[S - 3]);
            for power in 0..count - 1 {
                let factor = V::splat(Points::<S>::OTHERS[pair][power]);
                even = d[2 + 2 * power].mul_add(factor, even);
                odd = d[1 + 2 * power].mul_add(factor, odd);
            }
            let point = Points::<S>::POWERS[pair][1];
            out[1 + 2 * pair] = odd.mul_add(V::splat(point), even);
            out[2 + 2 * pair] = odd.mul_add(V::splat(-point), even);
        }
        out
    }
}

/// B m, of one column: the adjoint of [`input_pass`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn input_pass_adjoint<V: Vector, const S: usize>(m: [V; S]) -> [V; S] {
    let count = Points::<S>::COUNT;
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let mut out = [V::zero(); S];
        out[0] = m[0].mul(V::splat(Points::<S>::ALL[0]));
        out[1] = m[S - 1].mul(V::splat(Points::<S>::ALL[0]));
        for power in 1..count {
            let factor = V::splat(Points::<S>::ALL[power]);
            out[2 * power] = m[0].mul(factor);
            out[2 * power + 1] = m[S - 1].mul(factor);
        }
        out[S - 2] = m[0];
        out[S - 1] = m[S - 1];
        for pair in 0..count {
            let (positive, negative) = (m[1 + 2 * pair], m[2 + 2 * pair]);
            let (even, odd) = (positive.add(negative), positive.sub(negative));
            let odd = odd.mul(V::splat(Points::<S>::POWERS[pair][1]));
            for power in 0..count - 1 {
                let factor = V::splat(Points::<S>::OTHERS[pair][power]);
                out[2 + 2 * power] = even.mul_add(factor, out[2 + 2 * power]);
                out[1 + 2 * power] = odd.mul_add(factor, out[1 + 2 * power]);
            }
            out[S - 2] = out[S - 2].add(even);
            out[S - 3] = out[S - 3].add(odd);
        }
        out
    }
}

/// Aᵀ m, of one column: from S to M numbers.
///
/// # Safety
/// As above.
#[inline(always)]
pub(super) unsafe fn output_pass<V: Vector, const S: usize, const M: usize>(m: [V; S]) -> [V; M] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let mut y = [V::zero(); M];
        for pair in 0..Points::<S>::COUNT {
            let (positive, negative) = (m[1 + 2 * pair], m[2 + 2 * pair]);
            let (sum, difference) = (positive.add(negative), positive.sub(negative));
            for power in 0..M {
                let part = if power % 2 == 0 { sum } else { difference };
                let factor = Points::<S>::POWERS[pair][power];
                y[power] = match (pair, factor == 1.0) {
                    (0, true) => part,
                    (0, false) => part.mul(V::splat(factor)),
                    (_, true) => y[power].add(part),
                    (_, false) => part.mul_add(V::splat(factor), y[power]),
                };
            }
        }
        y[0] = y[0].add(m[0]);
        y[M - 1] = y[M - 1].add(m[S - 1]);
        y
    }
}

/// A e, of one column: from M to S numbers; the adjoint of [`output_pass`].
///
/// # Safety
/// As above.
#[inline(always)]
pub(super) unsafe fn gradient_pass<V: Vector, const S: usize, const M: usize>(e: [V; M]) -> [V; S] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let mut out = [V::zero(); S];
        (out[0], out[S - 1]) = (e[0], e[M - 1]);
        for pair in 0..Points::<S>::COUNT {
            let mut even = e[0];
            let mut odd = e[1].mul(V::splat(Points::<S>::POWERS[pair][1]));
            for power in 2..M {
                let factor = V::splat(Points::<S>::POWERS[pair][power]);
                if power % 2 == 0 {
                    even = e[power].mul_add(factor, even);
                } else {
                    odd = e[power].mul_add(factor, odd);
                }
            }
            (out[1 + 2 * pair], out[2 + 2 * pair]) = (even.add(odd), even.sub(odd));
        }
        out
    }
}

impl<const S: usize, const R: usize> KernelMatrix<S, R> {
    /// G w Gᵀ.
    #[inline(always)]
    pub(super) unsafe fn transform<V: Vector>(&self, w: [[V; R]; R]) -> [[V; S]; S] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let mut half = [[V::zero(); R]; S];
            for (i, half) in half.iter_mut().enumerate() {
                for (tap, w) in w.iter().enumerate() {
                    let factor = V::splat(self.0[tap][i]);
                    for (half, w) in half.iter_mut().zip(w) {
                        *half = w.mul_add(factor, *half);
                    }
                }
            }
            let mut output = [[V::zero(); S]; S];
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
    pub(super) unsafe fn transform_back<V: Vector>(&self, u: [[V; S]; S]) -> [[V; R]; R] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let mut half = [[V::zero(); S]; R];
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
