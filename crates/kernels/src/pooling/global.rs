//! The mean over all pixels.

use crate::disjoint::for_each_chunk;
use crate::shortcut::ImageShape;
use crate::threads::Threads;

/// Mean over all pixels: [N, H, W, C] to [N, C].
pub(crate) fn global_average(threads: &Threads, shape: ImageShape, x: &[f32], y: &mut [f32]) {
    let factor = 1.0 / (shape.height * shape.width) as f32;
    for_each_chunk(threads, y, shape.channels, |image, y| {
        y.fill(0.0);
        for pixel in x[image * shape.len()..][..shape.len()].chunks_exact(shape.channels) {
            y.iter_mut().zip(pixel).for_each(|(y, x)| *y += x);
        }
        for y in y.iter_mut() {
            *y *= factor;
        }
    });
}

/// Gradient of [`global_average`].
pub(crate) fn global_average_backward(
    threads: &Threads,
    shape: ImageShape,
    dy: &[f32],
    accumulate: bool,
    dx: &mut [f32],
) {
    let factor = 1.0 / (shape.height * shape.width) as f32;
    for_each_chunk(threads, dx, shape.len(), |image, dx| {
        let dy = &dy[image * shape.channels..][..shape.channels];
        for pixel in dx.chunks_exact_mut(shape.channels) {
            for (dx, dy) in pixel.iter_mut().zip(dy) {
                *dx = if accumulate { *dx + dy * factor } else { dy * factor };
            }
        }
    });
}
