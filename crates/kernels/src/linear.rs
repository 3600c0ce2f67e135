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

/// Gradients of weight [O, I] and bias [O].
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
