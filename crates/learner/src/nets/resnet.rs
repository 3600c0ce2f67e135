//! The residual nets for CIFAR of He et al.: three stages of n blocks, ReLU after the addition.
//!
//! - basic blocks (2015, arXiv:1512.03385, section 4.2): depth 6n + 2, blocks of two 3x3 convolutions with 16, 32 and 64
//!   channels;
//! - bottleneck blocks (2016, arXiv:1603.05027, the original unit of its table 1): depth 9n + 2, blocks of a 1x1, a 3x3 and
//!   a 1x1 convolution, the last of which has four times the channels: 64, 128 and 256.

use kernels::graph::{Graph, NodeId};

use super::Shortcut;

/// What the stages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1 convolutions.
    Bottleneck,
}

impl Block {
    /// The prefix of the nets' names, before their depth.
    pub(super) const PREFIXES: [(&'static str, Block); 2] = [("resnet", Self::Basic), ("bottleneck", Self::Bottleneck)];

    /// The depths that were published, and smaller ones for quick experiments.
    pub(super) fn depths(self) -> &'static [usize] {
        match self {
            Self::Basic => &[8, 20, 32, 44, 56, 110],
            Self::Bottleneck => &[11, 29, 56, 164],
        }
    }

    /// Layers with weights that one more block in each of the three stages adds.
    fn layers(self) -> usize {
        match self {
            Self::Basic => 6,
            Self::Bottleneck => 9,
        }
    }
}

pub(super) fn build(kind: Block, depth: usize, shortcut: Shortcut, [c, h, w]: [usize; 3], classes: usize) -> Graph {
    let block = match kind {
        Block::Basic => basic_block,
        Block::Bottleneck => bottleneck_block,
    };
    let (mut graph, input) = Graph::new(c, h, w);
    let x = graph.conv2d("conv1", input, 16, 3, 1, 1, false);
    let mut x = graph.batch_norm("bn1", x, None, true);
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for number in 0..(depth - 2) / kind.layers() {
            let stride = if stage > 0 && number == 0 { 2 } else { 1 };
            x = block(&mut graph, &format!("layer{}.{number}", stage + 1), x, channels, stride, shortcut);
        }
    }
    let x = graph.global_avg_pool(x);
    graph.linear("fc", x, classes);
    graph
}

fn basic_block(g: &mut Graph, name: &str, x: NodeId, channels: usize, stride: usize, shortcut: Shortcut) -> NodeId {
    let y = g.conv2d(&format!("{name}.conv1"), x, channels, 3, stride, 1, false);
    let y = g.batch_norm(&format!("{name}.bn1"), y, None, true);
    let y = g.conv2d(&format!("{name}.conv2"), y, channels, 3, 1, 1, false);
    let residual = fitted(g, x, channels, stride, shortcut);
    g.batch_norm(&format!("{name}.bn2"), y, Some(residual), true)
}

fn bottleneck_block(
    g: &mut Graph,
    name: &str,
    x: NodeId,
    channels: usize,
    stride: usize,
    shortcut: Shortcut,
) -> NodeId {
    let y = g.conv2d(&format!("{name}.conv1"), x, channels, 1, 1, 0, false);
    let y = g.batch_norm(&format!("{name}.bn1"), y, None, true);
    let y = g.conv2d(&format!("{name}.conv2"), y, channels, 3, stride, 1, false);
    let y = g.batch_norm(&format!("{name}.bn2"), y, None, true);
    let y = g.conv2d(&format!("{name}.conv3"), y, 4 * channels, 1, 1, 0, false);
    let residual = fitted(g, x, 4 * channels, stride, shortcut);
    g.batch_norm(&format!("{name}.bn3"), y, Some(residual), true)
}

/// The shortcut of a block: its input, brought to the side and the channels of its output.
fn fitted(g: &mut Graph, x: NodeId, channels: usize, stride: usize, shortcut: Shortcut) -> NodeId {
    let new = channels - g.shape(x)[0];
    let x = match shortcut {
        _ if stride == 1 => x,
        Shortcut::A => g.subsample(x, stride),
        Shortcut::AvgPool => g.avg_pool(x, 3, stride, 1),
    };
    match shortcut {
        _ if new == 0 => x,
        Shortcut::A => g.pad_channels(x, new / 2, new - new / 2),
        Shortcut::AvgPool => g.pad_channels(x, 0, new),
    }
}
