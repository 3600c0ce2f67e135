//! Caffe's LeNet: two 5x5 convolutions, each with max pooling, and two dense layers, the first one with ReLU. Parameters
//! are named as in a `torch.nn.Sequential` of its layers.

use kernels::graph::Graph;

/// The smallest image side, in pixels, that leaves a pixel after both convolutions and poolings.
pub(super) const MIN_SIDE: usize = 16;

pub(super) fn build([c, h, w]: [usize; 3], classes: usize) -> Graph {
    let (mut graph, input) = Graph::new(c, h, w);
    let x = graph.conv2d("0", input, 20, 5, 1, 0, true);
    let x = graph.max_pool(x, 2, 2, 0);
    let x = graph.conv2d("2", x, 50, 5, 1, 0, true);
    let x = graph.max_pool(x, 2, 2, 0);
    let x = graph.flatten(x);
    let x = graph.linear("5", x, 500);
    let x = graph.relu(x);
    graph.linear("7", x, classes);
    graph
}
