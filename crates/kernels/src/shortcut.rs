//! Operations that only move numbers: subsampling, zero channels, flattening. Activations are NHWC.
//!
//! Backward functions add to `dx` if `accumulate`, else overwrite it.

use crate::disjoint::for_each_chunk;
use crate::threads::Threads;

/// [height, width, channels] of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl ImageShape {
    /// Elements of an image.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Every `stride`-th pixel of every `stride`-th row, from the first; `shape` is x's.
pub fn subsample(threads: &Threads, shape: ImageShape, stride: usize, x: &[f32], y: &mut [f32]) {
    let c = shape.channels;
    let width = shape.width.div_ceil(stride);
    for_each_chunk(threads, y, shape.height.div_ceil(stride) * width * c, |image, y| {
        let x = &x[image * shape.len()..][..shape.len()];
        for (i, pixel) in y.chunks_exact_mut(c).enumerate() {
            let (row, column) = (i / width * stride, i % width * stride);
            pixel.copy_from_slice(&x[(row * shape.width + column) * c..][..c]);
        }
    });
}

/// Gradient of [`subsample`]; `shape` is x's.
pub(crate) fn subsample_backward(
    threads: &Threads,
    shape: ImageShape,
    stride: usize,
    dy: &[f32],
    accumulate: bool,
    dx: &mut [f32],
) {
    let c = shape.channels;
    let width = shape.width.div_ceil(stride);
    let dy_len = shape.height.div_ceil(stride) * width * c;
    for_each_chunk(threads, dx, shape.len(), |image, dx| {
        if !accumulate {
            dx.fill(0.0);
        }
        for (i, pixel) in dy[image * dy_len..][..dy_len].chunks_exact(c).enumerate() {
            let (row, column) = (i / width * stride, i % width * stride);
            add(pixel, &mut dx[(row * shape.width + column) * c..][..c]);
        }
    });
}

/// Zero channels added, `before` below the first and `after` above the last; x has `channels`.
pub(crate) fn pad_channels(threads: &Threads, channels: usize, before: usize, after: usize, x: &[f32], y: &mut [f32]) {
    let wide = before + channels + after;
    let pixels = x.len() / channels;
    for_each_chunk(threads, y, pixels_of_a_task(pixels) * wide, |task, y| {
        let x = &x[task * pixels_of_a_task(pixels) * channels..];
        for (to, from) in y.chunks_exact_mut(wide).zip(x.chunks_exact(channels)) {
            to[..before].fill(0.0);
            to[before..before + channels].copy_from_slice(from);
            to[before + channels..].fill(0.0);
        }
    });
}

/// Gradient of [`pad_channels`].
pub(crate) fn pad_channels_backward(
    threads: &Threads,
    channels: usize,
    before: usize,
    after: usize,
    dy: &[f32],
    accumulate: bool,
    dx: &mut [f32],
) {
    let wide = before + channels + after;
    let pixels = dx.len() / channels;
    for_each_chunk(threads, dx, pixels_of_a_task(pixels) * channels, |task, dx| {
        let dy = &dy[task * pixels_of_a_task(pixels) * wide..];
        for (to, from) in dx.chunks_exact_mut(channels).zip(dy.chunks_exact(wide)) {
            let from = &from[before..before + channels];
            if accumulate { add(from, to) } else { to.copy_from_slice(from) }
        }
    });
}

/// A divisor of `pixels` near 1024.
fn pixels_of_a_task(pixels: usize) -> usize {
    (1..=pixels.min(1024)).rev().find(|part| pixels.is_multiple_of(*part)).unwrap_or(1)
}

/// [H, W, C] to [C, H, W], image by image.
pub(crate) fn flatten(threads: &Threads, shape: ImageShape, x: &[f32], y: &mut [f32]) {
    let (pixels, c) = (shape.height * shape.width, shape.channels);
    for_each_chunk(threads, y, shape.len(), |image, y| {
        for (pixel, row) in x[image * shape.len()..][..shape.len()].chunks_exact(c).enumerate() {
            for (channel, &value) in row.iter().enumerate() {
                y[channel * pixels + pixel] = value;
            }
        }
    });
}

/// Gradient of [`flatten`].
pub(crate) fn flatten_backward(threads: &Threads, shape: ImageShape, dy: &[f32], accumulate: bool, dx: &mut [f32]) {
    let (pixels, c) = (shape.height * shape.width, shape.channels);
    for_each_chunk(threads, dx, shape.len(), |image, dx| {
        let dy = &dy[image * shape.len()..][..shape.len()];
        for (pixel, row) in dx.chunks_exact_mut(c).enumerate() {
            for (channel, value) in row.iter_mut().enumerate() {
                let new = dy[channel * pixels + pixel];
                *value = if accumulate { *value + new } else { new };
            }
        }
    });
}

/// `to += from` over tasks of fixed size.
pub(crate) fn accumulate(threads: &Threads, from: &[f32], to: &mut [f32]) {
    const CHUNK: usize = 32 * 1024;
    for_each_chunk(threads, to, CHUNK, |chunk, to| add(&from[chunk * CHUNK..][..to.len()], to));
}

fn add(from: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

/// Sum by column of rows [N, C] into `sums` `[C]`: the gradient of a bias. Tasks of fixed size, added up in order.
pub(crate) fn sum_rows(threads: &Threads, rows: &[f32], sums: &mut [f32]) {
    const ROWS: usize = 4096;
    let c = sums.len();
    let tasks = (rows.len() / c).div_ceil(ROWS);
    let mut partial = vec![0.0f64; tasks * c];
    for_each_chunk(threads, &mut partial, c, |task, partial| {
        for block in rows[task * ROWS * c..((task + 1) * ROWS * c).min(rows.len())].chunks(64 * c) {
            for row in block.chunks_exact(c) {
                partial.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
    });
    for (channel, sum) in sums.iter_mut().enumerate() {
        *sum = partial.iter().skip(channel).step_by(c).sum::<f64>() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { height: 5, width: 4, channels: 3 };
    const IMAGES: usize = 2;

    /// Whole numbers: sums of products are exact.
    fn noise(seed: usize, len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 31 + seed * 17) % 23) as f32 - 11.0).collect()
    }

    /// Checks that `backward` is the adjoint of `forward`, <dy, forward(x)> = <backward(dy), x>, and that it adds.
    fn check_adjoint(
        outputs: usize,
        forward: impl Fn(&[f32], &mut [f32]),
        backward: impl Fn(&[f32], bool, &mut [f32]),
    ) {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let (x, dy) = (noise(1, IMAGES * SHAPE.len()), noise(2, IMAGES * outputs));
        let (mut y, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
        forward(&x, &mut y);
        backward(&dy, false, &mut dx);
        assert_eq!(dot(&dy, &y), dot(&dx, &x));
        let mut twice = dx.clone();
        backward(&dy, true, &mut twice);
        assert_eq!(twice, dx.iter().map(|v| 2.0 * v).collect::<Vec<_>>());
    }

    #[test]
    fn every_gradient_is_the_adjoint() {
        let threads = Threads::new(2).unwrap();
        for stride in [1, 2, 3] {
            let pixels = SHAPE.height.div_ceil(stride) * SHAPE.width.div_ceil(stride);
            check_adjoint(
                pixels * SHAPE.channels,
                |x, y| subsample(&threads, SHAPE, stride, x, y),
                |dy, add, dx| subsample_backward(&threads, SHAPE, stride, dy, add, dx),
            );
        }
        for (before, after) in [(0, 0), (1, 2), (3, 0)] {
            check_adjoint(
                SHAPE.len() / 3 * (3 + before + after),
                |x, y| pad_channels(&threads, 3, before, after, x, y),
                |dy, add, dx| pad_channels_backward(&threads, 3, before, after, dy, add, dx),
            );
        }
        check_adjoint(
            SHAPE.len(),
            |x, y| flatten(&threads, SHAPE, x, y),
            |dy, add, dx| flatten_backward(&threads, SHAPE, dy, add, dx),
        );
    }

    #[test]
    fn numbers_land_where_they_belong() {
        let threads = Threads::new(1).unwrap();
        let shape = ImageShape { height: 3, width: 3, channels: 2 };
        let x: Vec<f32> = (0..18).map(|i| i as f32).collect();
        let mut y = [0.0; 8];
        subsample(&threads, shape, 2, &x, &mut y);
        assert_eq!(y, [0.0, 1.0, 4.0, 5.0, 12.0, 13.0, 16.0, 17.0]);
        let mut y = [f32::NAN; 8];
        pad_channels(&threads, 2, 1, 1, &x[..4], &mut y);
        assert_eq!(y, [0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
        let mut y = [0.0; 18];
        flatten(&threads, shape, &x, &mut y);
        assert_eq!(y[..10], [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 1.0]);
    }

    #[test]
    fn sums_of_rows_and_of_slices() {
        let threads = Threads::new(2).unwrap();
        let rows = noise(3, 9001 * 5);
        let mut sums = [f32::NAN; 5];
        sum_rows(&threads, &rows, &mut sums);
        for (channel, sum) in sums.iter().enumerate() {
            assert_eq!(*sum, rows.iter().skip(channel).step_by(5).sum::<f32>());
        }
        let mut to = vec![1.0; rows.len()];
        accumulate(&threads, &rows, &mut to);
        assert_eq!(to, rows.iter().map(|v| v + 1.0).collect::<Vec<_>>());
    }
}
