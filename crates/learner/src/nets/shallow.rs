//! Caffe's 3-layer net for CIFAR-10 (`cifar10_full`) without its local response normalisation; no batch norm. Parameters
//! are named as in a `torch.nn.Sequential` of its layers.

use kernels::graph::Graph;

pub(super) fn build([c, h, w]: [usize; 3], classes: usize) -> Graph {
    let (mut graph, input) = Graph::new(c, h, w);
    let x = graph.conv2d("0", input, 32, 5, 1, 2, true);
    let x = graph.max_pool(x, 3, 2, 1);
    let x = graph.relu(x);
    let x = graph.conv2d("3", x, 32, 5, 1, 2, true);
    let x = graph.relu(x);
    let x = graph.avg_pool(x, 3, 2, 1);
    let x = graph.conv2d("6", x, 64, 5, 1, 2, true);
    let x = graph.relu(x);
    let x = graph.avg_pool(x, 3, 2, 1);
    let x = graph.flatten(x);
    graph.linear("10", x, classes);
    graph
}
