//! The inverse cosine transform of a block, as libjpeg's default (`jidctint.c`): the algorithm of C. Loeffler, A.
//! Ligtenberg and G. Moschytz ("Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989) on integers, with
//! its roundings.

use super::frame::Block;

/// Fraction bits of the constants, and bits that stay of the first pass.
const CONSTANT_BITS: u32 = 13;
const PASS_BITS: u32 = 2;

/// round(x * 2^13) of the constants of the algorithm.
const F_0_298: i64 = 2446;
const F_0_390: i64 = 3196;
const F_0_541: i64 = 4433;
const F_0_765: i64 = 6270;
const F_0_899: i64 = 7373;
const F_1_175: i64 = 9633;
const F_1_501: i64 = 12299;
const F_1_847: i64 = 15137;
const F_1_961: i64 = 16069;
const F_2_053: i64 = 16819;
const F_2_562: i64 = 20995;
const F_3_072: i64 = 25172;

/// Samples of a block, row by row, into the 8 rows of `plane` that begin at `start`.
pub(super) fn block(coefficients: &Block, quant: &[u16; 64], plane: &mut [u8], start: usize, stride: usize) {
    let mut values = [0_i64; 64];
    for ((value, coefficient), quant) in values.iter_mut().zip(coefficients).zip(quant) {
        *value = i64::from(*coefficient) * i64::from(*quant);
    }
    for column in 0..8 {
        let out = pass(std::array::from_fn(|row| values[8 * row + column]));
        for (row, value) in out.into_iter().enumerate() {
            values[8 * row + column] = rounded(value, CONSTANT_BITS - PASS_BITS);
        }
    }
    for row in 0..8 {
        let out = pass(std::array::from_fn(|column| values[8 * row + column]));
        let samples = &mut plane[start + row * stride..][..8];
        for (sample, value) in samples.iter_mut().zip(out) {
            *sample = (rounded(value, CONSTANT_BITS + PASS_BITS + 3) + 128).clamp(0, 255) as u8;
        }
    }
}

fn rounded(value: i64, bits: u32) -> i64 {
    (value + (1 << (bits - 1))) >> bits
}

/// One dimension, in fixed point.
#[inline]
fn pass(x: [i64; 8]) -> [i64; 8] {
    let z1 = (x[2] + x[6]) * F_0_541;
    let (even2, even3) = (z1 - x[6] * F_1_847, z1 + x[2] * F_0_765);
    let (even0, even1) = ((x[0] + x[4]) << CONSTANT_BITS, (x[0] - x[4]) << CONSTANT_BITS);
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let (z1, z2, z3, z4) = (x[7] + x[1], x[5] + x[3], x[7] + x[3], x[5] + x[1]);
    let z5 = (z3 + z4) * F_1_175;
    let (z1, z2) = (-z1 * F_0_899, -z2 * F_2_562);
    let (z3, z4) = (z5 - z3 * F_1_961, z5 - z4 * F_0_390);
    let odd = [x[1] * F_1_501 + z1 + z4, x[3] * F_3_072 + z2 + z3, x[5] * F_2_053 + z2 + z4, x[7] * F_0_298 + z1 + z3];
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_one_of_the_definition() {
        // T.81, A.3.3, in floating point.
        let definition = |block: &Block, x: usize, y: usize| {
            let cosine = |at: usize, u: usize| ((2 * at + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos();
            let scale = |u: usize| if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
            let term = |at: usize| {
                let (v, u) = (at / 8, at % 8);
                scale(u) * scale(v) * f64::from(block[at]) * 3.0 * cosine(x, u) * cosine(y, v)
            };
            ((0..64).map(term).sum::<f64>() / 4.0 + 128.0).round().clamp(0.0, 255.0)
        };
        for seed in 0..20_i32 {
            let coefficients: Block = std::array::from_fn(|i| {
                let value = (i as i32 * 37 + seed * 101) % 61 - 30;
                (value / (1 + i as i32 / 4)) as i16
            });
            let mut plane = [0; 64];
            block(&coefficients, &[3; 64], &mut plane, 0, 8);
            for (at, sample) in plane.into_iter().enumerate() {
                let expected = definition(&coefficients, at % 8, at / 8);
                assert!((f64::from(sample) - expected).abs() <= 1.0, "{sample} {expected}");
            }
        }
    }
}
