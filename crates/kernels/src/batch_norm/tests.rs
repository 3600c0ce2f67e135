//! Batch norm on every instruction set of this machine, against the reference in `f64`.

use super::*;
use crate::threads::Threads;

const SHAPES: [(usize, usize); 6] = [(1000, 16), (37, 20), (5, 3), (131, 50), (2, 1), (5003, 64)];

fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).skip(8).take(len).collect()
}

/// Everything that a batch norm takes, of a shape.
struct Case {
    channels: usize,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(rows: usize, channels: usize) -> Self {
        let len = rows * channels;
        let weight = noise(2, channels).iter().map(|v| 1.0 + 0.5 * v).collect();
        let (x, bias) = (noise(1, len).iter().map(|v| 2.0 * v + 0.7).collect(), noise(3, channels));
        Self { channels, x, weight, bias, residual: noise(4, len), dy: noise(5, len) }
    }

    /// y, and the gradients of x, weight, bias and residual.
    fn fast(&self, isa: Isa, threads: usize, residual: bool, relu: bool) -> [Vec<f32>; 5] {
        let threads = Threads::new(threads).unwrap();
        let (x, weight, bias) = (&self.x, &self.weight, &self.bias);
        let mut norm = BatchNorm::new(self.channels, x.len() / self.channels, isa);
        let mut y = vec![f32::NAN; x.len()];
        norm.forward(&threads, x, weight, bias, residual.then_some(&self.residual[..]), relu, &mut y);
        let (mut gradient, mut dx) = (self.dy.clone(), vec![f32::NAN; x.len()]);
        let (mut d_weight, mut d_bias) = (vec![f32::NAN; self.channels], vec![f32::NAN; self.channels]);
        if residual {
            let mask = relu.then_some(&y[..]);
            norm.backward_residual(&threads, x, weight, mask, &mut gradient, &mut dx, &mut d_weight, &mut d_bias);
        } else {
            norm.backward(&threads, x, weight, relu, &mut gradient, &mut d_weight, &mut d_bias);
            dx.copy_from_slice(&gradient);
        }
        [y, dx, d_weight, d_bias, gradient]
    }
}

fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    let largest = expected.iter().fold(1.0f64, |max, v| max.max(v.abs()));
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let apart = (f64::from(found) - expected).abs();
        assert!(apart <= tolerance * largest, "{what}, {i}: found {found}, expected {expected}");
    }
}

#[test]
fn forward_and_backward_equal_the_reference() {
    for (rows, channels) in SHAPES {
        let case = Case::new(rows, channels);
        let x: Vec<f64> = case.x.iter().map(|&v| f64::from(v)).collect();
        for (residual, relu) in [(false, false), (false, true), (true, false), (true, true)] {
            let forward = reference::forward(&x, &case.weight, &case.bias, residual.then_some(&case.residual));
            let mut expected = forward.y.clone();
            expected.iter_mut().filter(|_| relu).for_each(|y| *y = y.max(0.0));
            let [dx, d_weight, d_bias, g] = reference::backward(&forward, &case.weight, &case.dy, relu);
            for isa in Isa::supported() {
                let what = format!("{rows} x {channels}, {isa}, residual {residual}, relu {relu}");
                let found = case.fast(isa, 2, residual, relu);
                assert_close(&format!("y of {what}"), &found[0], &expected, 1e-5);
                // Two rows normalise to 1 and -1 whatever they are: the gradient is a difference of equals.
                let tolerance = if rows > 2 { 2e-5 } else { 1e-3 };
                assert_close(&format!("dx of {what}"), &found[1], &dx, tolerance);
                assert_close(&format!("d_weight of {what}"), &found[2], &d_weight, tolerance);
                assert_close(&format!("d_bias of {what}"), &found[3], &d_bias, 1e-5);
                if residual {
                    assert_close(&format!("d_residual of {what}"), &found[4], &g, 0.0);
                }
            }
        }
    }
}

#[test]
fn the_reference_gradient_is_the_slope() {
    let case = Case::new(7, 3);
    let x: Vec<f64> = case.x.iter().map(|&v| f64::from(v)).collect();
    let forward = |x: &[f64]| reference::forward(x, &case.weight, &case.bias, Some(&case.residual));
    let [dx, ..] = reference::backward(&forward(&x), &case.weight, &case.dy, true);
    let loss =
        |x: &[f64]| -> f64 { forward(x).y.iter().zip(&case.dy).map(|(y, &dy)| y.max(0.0) * f64::from(dy)).sum() };
    for i in 0..x.len() {
        let (mut up, mut down) = (x.clone(), x.clone());
        up[i] += 1e-6;
        down[i] -= 1e-6;
        let slope = (loss(&up) - loss(&down)) / 2e-6;
        assert!((slope - dx[i]).abs() < 1e-6, "{i}: {slope} {}", dx[i]);
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let case = Case::new(20_011, 20);
    for isa in Isa::supported() {
        let bits = |threads| case.fast(isa, threads, true, true).map(|v| v.iter().map(|v| v.to_bits()).collect());
        let one: [Vec<u32>; 5] = bits(1);
        assert!(one == bits(2) && one == bits(7), "{isa}");
    }
}

#[test]
fn a_far_mean_costs_no_digits() {
    for isa in Isa::supported() {
        let x: Vec<f32> = noise(9, 4000).iter().map(|v| 1000.0 + v).collect();
        let mut norm = BatchNorm::new(2, 2000, isa);
        let threads = Threads::new(1).unwrap();
        norm.forward(&threads, &x, &[1.0; 2], &[0.0; 2], None, false, &mut vec![0.0; 4000]);
        for (channel, found) in norm.batch_variance().enumerate() {
            let column = || x.iter().skip(channel).step_by(2).map(|&v| f64::from(v));
            let mean = column().sum::<f64>() / 2000.0;
            let expected = column().map(|v| (v - mean).powi(2)).sum::<f64>() / 1999.0;
            assert!((found / expected - 1.0).abs() < 1e-6, "{isa}: {found} {expected}");
        }
    }
}

#[test]
fn running_statistics_take_the_unbiased_variance() {
    let mut norm = BatchNorm::new(1, 4, Isa::Portable);
    let threads = Threads::new(1).unwrap();
    norm.forward(&threads, &[1.0, 2.0, 3.0, 6.0], &[1.0], &[0.0], None, false, &mut [0.0; 4]);
    let (mut mean, mut variance) = ([1.0], [2.0]);
    norm.update_running(0.25, &mut mean, &mut variance);
    // Mean 3, sum of squares 14, by 3 in the unbiased variance.
    assert_eq!(mean, [0.75 + 0.25 * 3.0]);
    assert!((variance[0] - (1.5 + 0.25 * 14.0 / 3.0)).abs() < 1e-6, "{variance:?}");
}

#[test]
fn evaluation_uses_the_statistics_it_is_given() {
    let (mut scale, mut shift) = ([0.0; 2], [0.0; 2]);
    evaluation_affine(&[2.0, 1.0], &[0.5, 0.0], &[1.0, -1.0], &[4.0, 0.25], &mut scale, &mut shift);
    let threads = Threads::new(1).unwrap();
    let mut y = [0.0; 4];
    forward_evaluation(&threads, Isa::Portable, &[3.0, 0.0, -3.0, -2.0], &scale, &shift, None, true, &mut y);
    for (found, expected) in y.iter().zip([2.5, 2.0, 0.0, 0.0]) {
        assert!((found - expected).abs() < 1e-4, "{y:?}");
    }
}

#[test]
fn slices_that_do_not_fit_are_refused() {
    let threads = Threads::new(1).unwrap();
    let case = Case::new(40, 16);
    for isa in Isa::supported() {
        let refused = |call: &mut dyn FnMut(&mut BatchNorm)| {
            let mut norm = BatchNorm::new(16, 40, isa);
            norm.forward(&threads, &case.x, &case.weight, &case.bias, None, true, &mut vec![0.0; 640]);
            let call = std::panic::AssertUnwindSafe(|| call(&mut norm));
            assert!(std::panic::catch_unwind(call).is_err(), "{isa}");
        };
        let (x, weight, bias, short) = (&case.x, &case.weight, &case.bias, &case.residual[1..]);
        let (mut y, mut dx, mut gradient) = (vec![0.0; 640], vec![0.0; 640], case.dy.clone());
        let (mut d_weight, mut d_bias) = ([0.0; 16], [0.0; 16]);
        refused(&mut |norm| norm.forward(&threads, x, weight, bias, None, true, &mut y[1..]));
        refused(&mut |norm| norm.forward(&threads, x, weight, bias, Some(short), true, &mut y));
        refused(&mut |norm| norm.forward(&threads, x, &weight[1..], bias, None, true, &mut y));
        refused(&mut |norm| {
            norm.backward(&threads, x, weight, true, &mut gradient[1..], &mut d_weight, &mut d_bias);
        });
        refused(&mut |norm| {
            let dx = &mut dx[1..];
            norm.backward_residual(&threads, x, weight, None, &mut gradient, dx, &mut d_weight, &mut d_bias);
        });
        refused(&mut |norm| {
            let mask = Some(short);
            norm.backward_residual(&threads, x, weight, mask, &mut gradient, &mut dx, &mut d_weight, &mut d_bias);
        });
    }
}
