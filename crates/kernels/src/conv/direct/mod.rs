//! Direct convolution of NHWC images: any kernel, stride and padding, any number of channels.
//!
//! Each image is copied once into a frame of zeros, so that kernels meet no border. In the frame the pixels under one row
//! of the kernel, channels included, lie side by side: a convolution is a sum over kernel rows of products along such
//! runs. The gradient of the input is the same thing with the kernel turned round, in stride x stride phases of output
//! pixels: each phase sees every stride-th tap of the kernel, over neighbouring pixels.

mod correlate;
mod frame;
mod weights;

pub(super) use correlate::Correlation;
pub(super) use weights::WeightGradient;

/// Runs `$body` with the constant `$name` equal to `$value`, which must be 1 to 16.
macro_rules! with_constant {
    ($value:expr, $name:ident => $body:expr) => {
        with_constant!(@match $value, $name, $body, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@match $value:expr, $name:ident, $body:expr, $($n:literal)*) => {
        match $value {
            $($n => { const $name: usize = $n; $body })*
            other => unreachable!("a tile of {other}"),
        }
    };
}
pub(super) use with_constant;

/// `total` in parts of at most `limit`, as equal as can be: their starts and lengths.
pub(super) fn even_parts(total: usize, limit: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = total.div_ceil(limit);
    (0..parts).map(move |i| {
        let (start, end) = (total * i / parts, total * (i + 1) / parts);
        (start, end - start)
    })
}

#[cfg(test)]
mod tests {
    use super::even_parts;

    #[test]
    fn parts_are_whole_and_even() {
        assert_eq!(even_parts(32, 14).collect::<Vec<_>>(), [(0, 10), (10, 11), (21, 11)]);
        assert_eq!(even_parts(16, 16).collect::<Vec<_>>(), [(0, 16)]);
        assert_eq!(even_parts(0, 6).count(), 0);
    }
}
