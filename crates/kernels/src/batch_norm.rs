//! Batch norm over [rows, C] (NHWC with images, rows and columns in one), fused with the residual's addition and ReLU.
//!
//! Training, for a channel with batch mean m and biased batch variance v over n rows (Ioffe and Szegedy 2015):
//! y = relu((x - m) / sqrt(v + eps) * weight + bias + residual). Backward, with g = dy where y > 0:
//! dbias = sum g, dweight = sum g (x - m) / sqrt(v + eps), and
//! dx = weight / sqrt(v + eps) * (g - dbias / n - (x - m) / (v + eps) * sum(g (x - m)) / n).
//!
//! Sums run over x minus a provisional mean (of a sample of the rows), so that a mean far from 0 costs no digits; each
//! chunk's sums are added up in f64, in order.

mod backward;
mod forward;
#[cfg(test)]
mod reference;
mod statistics;
#[cfg(test)]
mod tests;
mod walk;

use crate::channels::{chunk_len, period};
use crate::isa::Isa;

pub(crate) use forward::{evaluation_affine, forward_evaluation};

/// PyTorch's default.
pub const EPSILON: f64 = 1e-5;

/// One batch norm: what its backward needs of its forward, and memory for sums.
pub struct BatchNorm {
    channels: usize,
    isa: Isa,
    /// Rows of the last forward.
    rows: usize,
    mean: Vec<f64>,
    variance: Vec<f64>,
    /// Per-channel numbers laid out over a period.
    centre: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    slope: Vec<f32>,
    offset: Vec<f32>,
    /// Two sums a channel for every chunk.
    partial: Vec<f64>,
    sums: Vec<f64>,
}

impl BatchNorm {
    /// A batch norm over `channels`, for batches of up to `max_rows` rows (images x height x width).
    pub fn new(channels: usize, max_rows: usize, isa: Isa) -> Self {
        let period = period(channels);
        let chunks = (max_rows * channels).div_ceil(chunk_len(period));
        let table = || vec![0.0; period];
        Self {
            channels,
            isa,
            rows: 0,
            mean: vec![0.0; channels],
            variance: vec![0.0; channels],
            centre: table(),
            scale: table(),
            shift: table(),
            slope: table(),
            offset: table(),
            partial: vec![0.0; chunks * 2 * channels],
            sums: vec![0.0; 2 * channels],
        }
    }
}
