//! Batch norm as its definition reads, in `f64`: what the kernels are tested against.

use super::EPSILON;

/// A forward pass over x [rows, C].
pub(super) struct Forward {
    /// [rows, C], before the ReLU.
    pub(super) y: Vec<f64>,
    /// [rows, C]: (x - mean) / sqrt(variance + eps).
    normal: Vec<f64>,
    /// `[C]`: 1 / sqrt(variance + eps).
    inverse_std: Vec<f64>,
}

/// Forward in training mode, the residual added if there is one.
pub(super) fn forward(x: &[f64], weight: &[f32], bias: &[f32], residual: Option<&[f32]>) -> Forward {
    let (c, rows) = (weight.len(), (x.len() / weight.len()) as f64);
    let (mut y, mut normal, mut inverse_std) = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; c]);
    for (channel, inverse_std) in inverse_std.iter_mut().enumerate() {
        let column = || x.iter().skip(channel).step_by(c);
        let mean = column().sum::<f64>() / rows;
        let variance = column().map(|v| (v - mean) * (v - mean)).sum::<f64>() / rows;
        *inverse_std = 1.0 / (variance + EPSILON).sqrt();
        for i in (channel..x.len()).step_by(c) {
            normal[i] = (x[i] - mean) * *inverse_std;
            y[i] = normal[i] * f64::from(weight[channel]) + f64::from(bias[channel]);
            y[i] += residual.map_or(0.0, |residual| f64::from(residual[i]));
        }
    }
    Forward { y, normal, inverse_std }
}

/// The gradients of x, weight, bias and residual, given that of the output.
pub(super) fn backward(forward: &Forward, weight: &[f32], dy: &[f32], relu: bool) -> [Vec<f64>; 4] {
    let Forward { y, normal, inverse_std } = forward;
    let (c, rows) = (weight.len(), (y.len() / weight.len()) as f64);
    let g: Vec<f64> = dy.iter().zip(y).map(|(&dy, &y)| if relu && y <= 0.0 { 0.0 } else { f64::from(dy) }).collect();
    let (mut d_weight, mut d_bias) = (vec![0.0; c], vec![0.0; c]);
    for (i, (g, normal)) in g.iter().zip(normal).enumerate() {
        d_weight[i % c] += g * normal;
        d_bias[i % c] += g;
    }
    let dx = (0..y.len()).map(|i| {
        let centred = g[i] - d_bias[i % c] / rows - normal[i] * d_weight[i % c] / rows;
        f64::from(weight[i % c]) * inverse_std[i % c] * centred
    });
    [dx.collect(), d_weight, d_bias, g]
}
