//! What each operation of a graph keeps besides activations and parameters.

use crate::batch_norm::BatchNorm;
use crate::conv::{Conv2d, ConvShape};
use crate::graph::{Graph, Op};
use crate::isa::Isa;
use crate::pooling::Pooling;
use crate::shortcut::ImageShape;

/// An operation made ready for a shape.
pub(super) enum Layer {
    /// Operations that need nothing but the shape of their input.
    Plain(ImageShape),
    Conv(Box<ConvLayer>),
    BatchNorm(Box<BatchNormLayer>),
    MaxPool {
        pooling: Pooling,
        /// Where each maximum came from.
        winners: Vec<u8>,
    },
    AvgPool(Pooling),
}

/// A convolution, and what a ReLU or a batch norm folded into it needs.
pub(super) struct ConvLayer {
    pub(super) conv: Conv2d,
    /// Factor of each channel, 1 where no batch norm is folded in.
    pub(super) scale: Vec<f32>,
    /// Addend of each channel.
    pub(super) shift: Vec<f32>,
}

/// A batch norm, and its evaluation as y = x * scale + shift.
pub(super) struct BatchNormLayer {
    pub(super) norm: BatchNorm,
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl Layer {
    pub(super) fn new(graph: &Graph, node: usize, batch_size: usize, isa: Isa, exact_conv: bool) -> Self {
        let op = &graph.nodes[node].op;
        let input = op.inputs().0.map_or(graph.nodes[node].shape, |x| graph.shape(x));
        let [channels, height, width] = input;
        let shape = ImageShape { height, width, channels };
        match *op {
            Op::Conv2d { kernel, stride, padding, .. } => {
                let c_out = graph.nodes[node].shape[0];
                let shape =
                    ConvShape { batch: batch_size, height, width, c_in: channels, c_out, kernel, stride, padding };
                let conv = Conv2d::new(shape, isa, exact_conv);
                Layer::Conv(Box::new(ConvLayer { conv, scale: vec![1.0; c_out], shift: vec![0.0; c_out] }))
            }
            Op::BatchNorm { .. } => Layer::BatchNorm(Box::new(BatchNormLayer {
                norm: BatchNorm::new(channels, batch_size * height * width, isa),
                scale: vec![1.0; channels],
                shift: vec![0.0; channels],
            })),
            Op::MaxPool { kernel, stride, padding, .. } => {
                let pooling = Pooling { input: shape, kernel, stride, padding };
                Layer::MaxPool { pooling, winners: vec![0; pooling.winners_len(batch_size)] }
            }
            Op::AvgPool { kernel, stride, padding, .. } => {
                Layer::AvgPool(Pooling { input: shape, kernel, stride, padding })
            }
            _ => Layer::Plain(shape),
        }
    }
}
