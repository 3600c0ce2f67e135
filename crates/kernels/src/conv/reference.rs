//! Convolution as its definition reads: plain loops, sums in `f64`. What every fast kernel is tested against.

use super::ConvShape;

/// For every product of the convolution of `images` images, calls `visit(x, w, y)` with the positions of its input
/// element (NHWC), weight (OIHW) and output element (NHWC).
fn for_each_product(shape: &ConvShape, images: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let ConvShape { height, width, c_in, c_out, kernel, stride, padding, .. } = *shape;
    let (out_height, out_width) = (shape.out_height(), shape.out_width());
    for n in 0..images {
        for oy in 0..out_height {
            for ox in 0..out_width {
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (Some(iy), Some(ix)) =
                            ((oy * stride + ky).checked_sub(padding), (ox * stride + kx).checked_sub(padding))
                        else {
                            continue;
                        };
                        if iy >= height || ix >= width {
                            continue;
                        }
                        let x = ((n * height + iy) * width + ix) * c_in;
                        let y = ((n * out_height + oy) * out_width + ox) * c_out;
                        for o in 0..c_out {
                            for i in 0..c_in {
                                visit(x + i, ((o * c_in + i) * kernel + ky) * kernel + kx, y + o);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `y` [N, OH, OW, O] of `x` [N, H, W, I] and `weight` [O, I, k, k].
pub(super) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f64> {
    let images = x.len() / shape.inputs_per_image();
    let mut sums = vec![0.0; images * shape.outputs_per_image()];
    for_each_product(shape, images, |i, w, o| sums[o] += f64::from(x[i]) * f64::from(weight[w]));
    sums
}

/// The gradient [N, H, W, I] of the input, given that of the output, `dy` [N, OH, OW, O].
pub(super) fn backward_data(shape: &ConvShape, dy: &[f32], weight: &[f32]) -> Vec<f64> {
    let images = dy.len() / shape.outputs_per_image();
    let mut sums = vec![0.0; images * shape.inputs_per_image()];
    for_each_product(shape, images, |i, w, o| sums[i] += f64::from(dy[o]) * f64::from(weight[w]));
    sums
}

/// The gradient [O, I, k, k] of the weight.
pub(super) fn backward_weights(shape: &ConvShape, x: &[f32], dy: &[f32]) -> Vec<f64> {
    let mut sums = vec![0.0; shape.weights()];
    for_each_product(shape, x.len() / shape.inputs_per_image(), |i, w, o| {
        sums[w] += f64::from(x[i]) * f64::from(dy[o]);
    });
    sums
}
