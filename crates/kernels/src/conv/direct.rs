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
