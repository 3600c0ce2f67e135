//! The residual nets of He et al. 2015 (arXiv:1512.03385, table 1) for photographs, as torchvision builds them, so that its
//! weights fit by name: `torchvision.models.resnet18`, `resnet34` and `resnet50`.
//!
//! A 7x7 convolution of stride 2 and 3x3 max pooling bring the images to a quarter of their side; four stages of 64, 128,
//! 256 and 512 channels follow. Where a stage narrows or widens, the shortcut is a 1x1 convolution with batch norm (option
//! B). Bottleneck blocks widen fourfold, and their 3x3 convolution has the stride (ResNet v1.5).

use kernels::graph::{Graph, NodeId};

/// The smallest image side, in pixels, that leaves the last stage a pixel of its own: it halves five times.
pub(super) const MIN_SIDE: usize = 32;

/// What the stages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Design {
    /// Blocks of each stage.
    blocks: [usize; 4],
    /// Whether they are bottlenecks of 1x1, 3x3 and 1x1 convolutions, or else of two 3x3 convolutions.
    bottleneck: bool,
}

/// The design of the net of this name.
pub(super) fn design(name: &str) -> Option<Design> {
    let (blocks, bottleneck) = match name {
        "resnet18" => ([2, 2, 2, 2], false),
        "resnet34" => ([3, 4, 6, 3], false),
        "resnet50" => ([3, 4, 6, 3], true),
        _ => return None,
    };
    Some(Design { blocks, bottleneck })
}

pub(super) fn build(design: Design, [c, h, w]: [usize; 3], classes: usize) -> Graph {
    let (mut graph, input) = Graph::new(c, h, w);
    let x = graph.conv2d("conv1", input, 64, 7, 2, 3, false);
    let x = graph.batch_norm("bn1", x, None, true);
    let mut x = graph.max_pool(x, 3, 2, 1);
    for (stage, (channels, blocks)) in [64, 128, 256, 512].into_iter().zip(design.blocks).enumerate() {
        for number in 0..blocks {
            let stride = if stage > 0 && number == 0 { 2 } else { 1 };
            x = block(&mut graph, &format!("layer{}.{number}", stage + 1), x, channels, stride, design.bottleneck);
        }
    }
    let x = graph.global_avg_pool(x);
    graph.linear("fc", x, classes);
    graph
}

fn block(g: &mut Graph, name: &str, x: NodeId, channels: usize, stride: usize, bottleneck: bool) -> NodeId {
    let convolutions: &[(usize, usize, usize)] = if bottleneck {
        &[(channels, 1, 1), (channels, 3, stride), (4 * channels, 1, 1)]
    } else {
        &[(channels, 3, stride), (channels, 3, 1)]
    };
    let (mut y, last) = (x, convolutions.len());
    for (number, &(channels, kernel, stride)) in (1..).zip(convolutions) {
        y = g.conv2d(&format!("{name}.conv{number}"), y, channels, kernel, stride, kernel / 2, false);
        if number < last {
            y = g.batch_norm(&format!("{name}.bn{number}"), y, None, true);
        }
    }
    let residual = shortcut(g, name, x, convolutions[last - 1].0, stride);
    g.batch_norm(&format!("{name}.bn{last}"), y, Some(residual), true)
}

/// The block's input, by a convolution of its own where side or channels change.
fn shortcut(g: &mut Graph, name: &str, x: NodeId, channels: usize, stride: usize) -> NodeId {
    if stride == 1 && g.shape(x)[0] == channels {
        return x;
    }
    let x = g.conv2d(&format!("{name}.downsample.0"), x, channels, 1, stride, 0, false);
    g.batch_norm(&format!("{name}.downsample.1"), x, None, false)
}
