//! Samples of a component, and rows of them at the size of the picture, as libjpeg's default (`jdsample.c`, "fancy
//! upsampling"): a triangle filter where a component has half as many columns, rows or both; repeated elsewhere.

use super::frame::{Component, Frame};
use super::idct;

/// The samples of a component.
pub(super) struct Plane {
    size: (usize, usize),
    stride: usize,
    samples: Vec<u8>,
    /// How many pixels a sample stands for, across and down.
    scale: (usize, usize),
}

impl Plane {
    /// Transforms all blocks of a component, which are dropped.
    pub(super) fn new(frame: &Frame, component: &mut Component) -> Self {
        let stride = 8 * component.stride;
        let coefficients = std::mem::take(&mut component.coefficients);
        let quant = component.quant.unwrap_or([1; 64]);
        let mut samples = vec![0; 64 * coefficients.len()];
        for (at, block) in coefficients.iter().enumerate() {
            let (row, column) = (at / component.stride, at % component.stride);
            idct::block(block, &quant, &mut samples, 8 * row * stride + 8 * column, stride);
        }
        let scale = (frame.most.0 / component.sampling.0, frame.most.1 / component.sampling.1);
        Self { size: component.size, stride, samples, scale }
    }

    /// Row `y` of the picture, into as many columns as the picture has.
    pub(super) fn row(&self, y: usize, out: &mut [u8]) {
        let near = self.line(y / self.scale.1);
        // libjpeg does not smooth across where a component is two columns wide or less.
        let is_wide = self.size.0 > 2;
        match self.scale {
            (1, 1) => out.copy_from_slice(&near[..out.len()]),
            (2, 1) if is_wide => double(near, out),
            (1, 2) => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                for ((out, near), far) in out.iter_mut().zip(near).zip(self.neighbour(y)) {
                    *out = ((u32::from(*near) * 3 + u32::from(*far) + bias) >> 2) as u8;
                }
            }
            (2, 2) if is_wide => double_both(near, self.neighbour(y), out),
            (across, _) => out.iter_mut().enumerate().for_each(|(x, out)| *out = near[x / across]),
        }
    }

    fn line(&self, row: usize) -> &[u8] {
        &self.samples[row * self.stride..][..self.size.0]
    }

    /// With two pixels a sample downwards: the row of samples that is next nearest to row `y`; at the edges the same.
    fn neighbour(&self, y: usize) -> &[u8] {
        let row = y / 2;
        self.line(if y.is_multiple_of(2) { row.saturating_sub(1) } else { (row + 1).min(self.size.1 - 1) })
    }
}

/// Twice as many columns: three quarters of the nearer sample and one of the farther, halves rounded down and up in turn.
fn double(samples: &[u8], out: &mut [u8]) {
    let last = samples.len() - 1;
    for (x, out) in out.iter_mut().enumerate() {
        let at = x / 2;
        let near = u32::from(samples[at]);
        let is_left = x.is_multiple_of(2);
        *out = if (is_left && at == 0) || (!is_left && at == last) {
            samples[at]
        } else if is_left {
            ((3 * near + u32::from(samples[at - 1]) + 1) >> 2) as u8
        } else {
            ((3 * near + u32::from(samples[at + 1]) + 2) >> 2) as u8
        };
    }
}

/// The same across and down at once.
fn double_both(near: &[u8], far: &[u8], out: &mut [u8]) {
    let last = near.len() - 1;
    let sum = |at: usize| 3 * u32::from(near[at]) + u32::from(far[at]);
    for (x, out) in out.iter_mut().enumerate() {
        let at = x / 2;
        let is_left = x.is_multiple_of(2);
        let other = if is_left { at.saturating_sub(1) } else { (at + 1).min(last) };
        *out = ((3 * sum(at) + sum(other) + if is_left { 8 } else { 7 }) >> 4) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_columns() {
        let mut out = [0; 6];
        double(&[0, 4, 100], &mut out);
        assert_eq!(out, [0, 1, 3, 28, 76, 100]);
        double_both(&[0, 4, 100], &[0, 4, 100], &mut out);
        assert_eq!(out, [0, 1, 3, 28, 76, 100]);
    }
}
