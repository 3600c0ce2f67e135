//! Operations whose gradient candle lacks or gets wrong, put together from operations that have one.
//!
//! candle 0.11's pooling has a gradient only where kernel and stride are equal, and its maximum then divides it by the
//! window's area; `upsample_nearest2d`, which both gradients use, needs sides that are multiples of the kernel.

use candle_core::{Result, Tensor};

use crate::graph::window;

/// Every `stride`-th pixel of every `stride`-th row of x [N, C, H, W].
pub(super) fn subsample(x: &Tensor, stride: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    strided(x, [0, 0], [h.div_ceil(stride), w.div_ceil(stride)], stride)
}

/// `torch.nn.MaxPool2d`; of equal numbers in a window the first gets the gradient.
pub(super) fn max_pool(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let padded = pad(x, padding)?;
    let padded = padded.broadcast_add(&border(x, padding)?)?;
    let mut views = views(&padded, x, kernel, stride, padding)?.into_iter();
    let first = views.next().expect("a window has a pixel")?;
    views.try_fold(first, |best, view| {
        let view = view?;
        view.gt(&best)?.where_cond(&view, &best)
    })
}

/// `torch.nn.AvgPool2d`, the padding counted.
pub(super) fn avg_pool(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let mut views = views(&pad(x, padding)?, x, kernel, stride, padding)?.into_iter();
    let first = views.next().expect("a window has a pixel")?;
    let sum = views.try_fold(first, |sum, view| sum + view?)?;
    sum / (kernel * kernel) as f64
}

fn pad(x: &Tensor, padding: usize) -> Result<Tensor> {
    if padding == 0 {
        return Ok(x.clone());
    }
    x.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)
}

/// [1, 1, H + 2 padding, W + 2 padding]: -infinity where there is padding, else 0.
fn border(x: &Tensor, padding: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let inside = |at: usize, side: usize| (padding..padding + side).contains(&at);
    let (height, width) = (h + 2 * padding, w + 2 * padding);
    let value = |i: usize| if inside(i / width, h) && inside(i % width, w) { 0.0 } else { f32::NEG_INFINITY };
    Tensor::from_iter((0..height * width).map(value), x.device())?.reshape((1, 1, height, width))
}

/// For each place in the window, row by row, the pixels that all windows have there: [N, C, OH, OW].
fn views(padded: &Tensor, x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Vec<Result<Tensor>>> {
    let (_, _, h, w) = x.dims4()?;
    let out = [window(h, kernel, stride, padding), window(w, kernel, stride, padding)];
    let view = |place| strided(padded, [place / kernel, place % kernel], out, stride);
    Ok((0..kernel * kernel).map(view).collect())
}

/// The pixels at `start`, `start + stride`, .. of rows and columns, `count` of them.
fn strided(x: &Tensor, start: [usize; 2], count: [usize; 2], stride: usize) -> Result<Tensor> {
    let pick = |x: &Tensor, dim: usize| {
        let (start, count) = (start[dim - 2], count[dim - 2]);
        let indices = (0..count).map(|i| (start + i * stride) as u32);
        x.index_select(&Tensor::from_iter(indices, x.device())?, dim)
    };
    pick(&pick(x, 2)?.contiguous()?, 3)?.contiguous()
}
