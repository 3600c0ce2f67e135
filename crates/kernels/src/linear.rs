//! Dense layer, as `torch.nn.Linear`: y [N, O] = x [N, I] weight^T [I, O] + bias.

use crate::gemm::{Matrix, multiply};
use crate::isa::Isa;
use crate::threads::Threads;

/// Forward.
pub fn forward(threads: &Threads, isa: Isa, x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
    y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
    let (x_matrix, weight) = (Matrix::row_major(x, inputs), Matrix::row_major(weight, inputs).transposed());
    multiply(threads, isa, [x.len() / inputs, outputs, inputs], x_matrix, weight, true, y);
}

/// Gradient of x [N, I], for `outputs` features; added to `dx` if `accumulate`.
pub fn backward_data(
    threads: &Threads,
    isa: Isa,
    outputs: usize,
    dy: &[f32],
    weight: &[f32],
    accumulate: bool,
    dx: &mut [f32],
) {
    let inputs = weight.len() / outputs;
    let (dy_matrix, weight) = (Matrix::row_major(dy, outputs), Matrix::row_major(weight, inputs));
    multiply(threads, isa, [dy.len() / outputs, inputs, outputs], dy_matrix, weight, accumulate, dx);
}

/// Gradients of weight [O, I] and bias `[O]`.
pub fn backward_parameters(
    threads: &Threads,
    isa: Isa,
    x: &[f32],
    dy: &[f32],
    d_weight: &mut [f32],
    d_bias: &mut [f32],
) {
    let (outputs, inputs) = (d_bias.len(), d_weight.len() / d_bias.len());
    let (dy_matrix, x) = (Matrix::row_major(dy, outputs).transposed(), Matrix::row_major(x, inputs));
    multiply(threads, isa, [outputs, inputs, dy.len() / outputs], dy_matrix, x, false, d_weight);
    for (o, d_bias) in d_bias.iter_mut().enumerate() {
        *d_bias = dy.iter().skip(o).step_by(outputs).map(|&g| f64::from(g)).sum::<f64>() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiples of 1/8: sums of products are exact.
    fn noise(seed: usize, len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 + seed * 11) % 19) as f32 / 8.0 - 1.0).collect()
    }

    #[test]
    fn forward_and_gradients_equal_the_sums() {
        let threads = Threads::new(2).unwrap();
        for isa in Isa::supported() {
            for [n, inputs, outputs] in [[1, 1, 1], [3, 70, 10], [70, 33, 5]] {
                let (x, weight) = (noise(1, n * inputs), noise(2, outputs * inputs));
                let (bias, dy) = (noise(3, outputs), noise(4, n * outputs));
                let mut y = vec![f32::NAN; n * outputs];
                forward(&threads, isa, &x, &weight, &bias, &mut y);
                for (i, y) in y.iter().enumerate() {
                    let (row, o) = (i / outputs, i % outputs);
                    let sum: f32 = (0..inputs).map(|j| x[row * inputs + j] * weight[o * inputs + j]).sum();
                    assert_eq!(*y, bias[o] + sum, "{isa}");
                }
                let mut dx = vec![1.0; x.len()];
                backward_data(&threads, isa, outputs, &dy, &weight, true, &mut dx);
                for (i, dx) in dx.iter().enumerate() {
                    let (row, j) = (i / inputs, i % inputs);
                    let sum: f32 = (0..outputs).map(|o| dy[row * outputs + o] * weight[o * inputs + j]).sum();
                    assert_eq!(*dx, 1.0 + sum, "{isa}");
                }
                let (mut d_weight, mut d_bias) = (vec![f32::NAN; weight.len()], vec![f32::NAN; outputs]);
                backward_parameters(&threads, isa, &x, &dy, &mut d_weight, &mut d_bias);
                for (i, d_weight) in d_weight.iter().enumerate() {
                    let (o, j) = (i / inputs, i % inputs);
                    let sum: f32 = (0..n).map(|row| dy[row * outputs + o] * x[row * inputs + j]).sum();
                    assert_eq!(*d_weight, sum, "{isa}");
                }
                assert_eq!(d_bias[0], dy.iter().step_by(outputs).sum::<f32>());
            }
        }
    }
}
