//! The residual nets for CIFAR of He et al. 2015 (arXiv:1512.03385, section 4.2): depth 6n + 2, three stages of n basic
//! blocks with 16, 32 and 64 channels, ReLU after the addition.

use kernels::graph::{Graph, NodeId};

use super::Shortcut;

/// The depths that have been published or are of use here, 6n + 2 each.
pub(super) const DEPTHS: [usize; 6] = [8, 20, 32, 44, 56, 110];

pub(super) fn build(depth: usize, shortcut: Shortcut, [c, h, w]: [usize; 3], classes: usize) -> Graph {
    let (mut graph, input) = Graph::new(c, h, w);
    let x = graph.conv2d("conv1", input, 16, 3, 1, 1, false);
    let mut x = graph.batch_norm("bn1", x, None, true);
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..(depth - 2) / 6 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = basic_block(&mut graph, &format!("layer{}.{block}", stage + 1), x, channels, stride, shortcut);
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
    let residual = if stride == 1 { x } else { narrowed(g, x, channels, stride, shortcut) };
    g.batch_norm(&format!("{name}.bn2"), y, Some(residual), true)
}

fn narrowed(g: &mut Graph, x: NodeId, channels: usize, stride: usize, shortcut: Shortcut) -> NodeId {
    let new = channels - g.shape(x)[0];
    match shortcut {
        Shortcut::A => {
            let x = g.subsample(x, stride);
            g.pad_channels(x, new / 2, new - new / 2)
        }
        Shortcut::AvgPool => {
            let x = g.avg_pool(x, 3, stride, 1);
            g.pad_channels(x, 0, new)
        }
    }
}
