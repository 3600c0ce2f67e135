//! Small nets that between them have every operation, odd sizes and every kind of fusion; data and weights for them.

use std::sync::Arc;

use kernels::engine::{Augmentation, Buffers, DataSet, Images, Part};
use kernels::graph::{Graph, Loss, NodeId, Op};

pub(crate) const IMAGES: usize = 24;

/// A net with its name, and whether it works with a batch of one image.
pub(crate) struct Net {
    pub(crate) name: &'static str,
    pub(crate) graph: Graph,
    pub(crate) single: bool,
}

pub(crate) fn all() -> Vec<Net> {
    let net = |name, graph: Graph| Net { name, single: graph.buffers.is_empty(), graph };
    vec![
        net("residual, option A", residual(false)),
        net("residual, average pooling", residual(true)),
        net("lenet-like", lenet()),
        net("shallow-like", shallow()),
        net("every oddity", oddities()),
        net("for photographs", photo()),
        net("smoothed labels", with_loss(Loss { label_smoothing: 0.2, class_weights: vec![] })),
        net("weighted classes", with_loss(Loss { label_smoothing: 0.0, class_weights: vec![0.5, 2.0, 1.0, 0.1, 3.0] })),
        net("both", with_loss(Loss { label_smoothing: 0.1, class_weights: vec![0.5, 2.0, 1.0, 0.1, 3.0] })),
        net("a frozen part", frozen(true)),
        net("a frozen part whose batch norm goes by the batch", frozen(false)),
    ]
}

/// The least that has sums over a batch: threads that meet are slow.
pub(crate) fn tiny() -> Graph {
    let (mut g, x) = Graph::new(1, 5, 4);
    let x = g.conv2d("conv", x, 2, 3, 1, 1, true);
    let x = g.batch_norm("bn", x, None, true);
    let x = g.global_avg_pool(x);
    g.linear("fc", x, 5);
    g
}

/// Two stages of basic blocks on 9 x 7 images.
pub(crate) fn residual(average: bool) -> Graph {
    let (mut g, input) = Graph::new(3, 9, 7);
    let stem = g.conv2d("stem", input, 16, 3, 1, 1, false);
    let x = g.batch_norm("stem_bn", stem, None, true);
    let x = block(&mut g, "a", x, 16, 1, average);
    let x = block(&mut g, "b", x, 21, 2, average);
    let x = block(&mut g, "c", x, 21, 1, average);
    let x = g.global_avg_pool(x);
    g.linear("fc", x, 5);
    g
}

fn block(g: &mut Graph, name: &str, x: NodeId, channels: usize, stride: usize, average: bool) -> NodeId {
    let y = g.conv2d(&format!("{name}.conv1"), x, channels, 3, stride, 1, false);
    let y = g.batch_norm(&format!("{name}.bn1"), y, None, true);
    let y = g.conv2d(&format!("{name}.conv2"), y, channels, 3, 1, 1, false);
    let missing = channels - g.shape(x)[0];
    let mut shortcut = x;
    if stride > 1 {
        shortcut = if average { g.avg_pool(x, 3, 2, 1) } else { g.subsample(x, stride) };
        shortcut = g.pad_channels(shortcut, missing / 2, missing - missing / 2);
    }
    g.batch_norm(&format!("{name}.bn2"), y, Some(shortcut), true)
}

/// The beginning of a net for photographs: a wide stem, max pooling, a convolution and batch norm on the shortcut.
fn photo() -> Graph {
    let (mut g, input) = Graph::new(3, 17, 25);
    let x = g.conv2d("conv1", input, 8, 7, 2, 3, false);
    let x = g.batch_norm("bn1", x, None, true);
    let x = g.max_pool(x, 3, 2, 1);
    let y = g.conv2d("a.conv1", x, 12, 3, 2, 1, false);
    let y = g.batch_norm("a.bn1", y, None, true);
    let y = g.conv2d("a.conv2", y, 12, 3, 1, 1, false);
    let shortcut = g.conv2d("a.downsample.0", x, 12, 1, 2, 0, false);
    let shortcut = g.batch_norm("a.downsample.1", shortcut, None, false);
    let x = g.batch_norm("a.bn2", y, Some(shortcut), true);
    let x = g.global_avg_pool(x);
    g.linear("fc", x, 5);
    g
}

fn with_loss(loss: Loss) -> Graph {
    Graph { loss, ..residual(false) }
}

/// A residual net of which all but the last block and layer is frozen, those two at rates of their own.
pub(crate) fn frozen(running: bool) -> Graph {
    let mut g = residual(true);
    let part = |name: &str| ["stem", "a.", "b."].iter().any(|part| name.starts_with(part));
    for (spec, rate) in g.parameters.iter().zip(&mut g.rates) {
        *rate = if part(&spec.name) {
            0.0
        } else if spec.name.starts_with("fc") {
            3.0
        } else {
            0.5
        };
    }
    let rates = g.rates.clone();
    for node in &mut g.nodes {
        if let Op::BatchNorm { weight, frozen, .. } = &mut node.op {
            *frozen = running && rates[weight.0] == 0.0;
        }
    }
    g
}

fn lenet() -> Graph {
    let (mut g, x) = Graph::new(1, 14, 14);
    let x = g.conv2d("0", x, 6, 5, 1, 0, true);
    let x = g.max_pool(x, 2, 2, 0);
    let x = g.conv2d("2", x, 20, 3, 1, 0, true);
    let x = g.max_pool(x, 2, 2, 0);
    let x = g.flatten(x);
    let x = g.linear("5", x, 33);
    let x = g.relu(x);
    g.linear("7", x, 5);
    g
}

fn shallow() -> Graph {
    let (mut g, x) = Graph::new(3, 13, 11);
    let x = g.conv2d("0", x, 8, 5, 1, 2, true);
    let x = g.max_pool(x, 3, 2, 1);
    let x = g.relu(x);
    let x = g.conv2d("3", x, 7, 5, 1, 2, true);
    let x = g.relu(x);
    let x = g.avg_pool(x, 3, 2, 1);
    let x = g.flatten(x);
    g.linear("10", x, 5);
    g
}

/// What real nets do not have: a batch norm on the input, one without ReLU, activations with several users of all
/// kinds, a ReLU that may not work in place, a residual that is its own input, a biased convolution before a batch
/// norm, a branch that is never used.
fn oddities() -> Graph {
    let (mut g, input) = Graph::new(3, 6, 5);
    let normal = g.batch_norm("first", input, None, false);
    let a = g.conv2d("a", normal, 4, 3, 1, 1, true);
    let b = g.batch_norm("b", a, None, false);
    let c = g.relu(b);
    let d = g.batch_norm("d", b, Some(c), false);
    let e = g.conv2d("e", d, 4, 1, 1, 0, false);
    let f = g.batch_norm("f", e, Some(e), true);
    let unused = g.conv2d("unused", f, 2, 3, 2, 1, true);
    let _ = g.relu(unused);
    let h = g.max_pool(f, 3, 1, 1);
    let i = g.batch_norm("i", f, Some(h), true);
    let raw = g.pad_channels(input, 1, 0);
    let j = g.batch_norm("j", i, Some(raw), true);
    let k = g.avg_pool(j, 2, 1, 0);
    let l = g.max_pool(j, 2, 1, 0);
    let m = g.batch_norm("m", k, Some(l), false);
    let n = g.subsample(m, 3);
    let o = g.flatten(n);
    let p = g.linear("p", o, 6);
    let q = g.relu(p);
    let r = g.flatten(q);
    g.linear("r", r, 5);
    g
}

/// Numbers that look random, in (-1, 1).
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
    .skip(8)
}

/// A net that takes less of its images than there is, and how much there is.
pub(crate) fn narrow() -> (Graph, [usize; 3]) {
    let (mut g, input) = Graph::new(3, 8, 6);
    let x = g.conv2d("conv1", input, 16, 3, 1, 1, false);
    let x = g.batch_norm("bn1", x, None, true);
    let x = g.global_avg_pool(x);
    g.linear("fc", x, 5);
    (g, [3, 11, 9])
}

pub(crate) fn data(graph: &Graph) -> DataSet {
    let (narrow, larger) = narrow();
    let shape = graph.nodes[0].shape;
    let shape = if shape == narrow.nodes[0].shape { larger } else { shape };
    let len: usize = shape.iter().product();
    let half = |seed| Images {
        pixels: noise(seed).take(IMAGES * len).map(|v| ((v + 1.0) * 127.9) as u8).collect::<Arc<[u8]>>(),
        labels: (0..IMAGES as u32).map(|i| i * 7 % 5).collect(),
    };
    DataSet {
        shape,
        classes: 5,
        mean: (0..shape[0]).map(|c| 0.45 + c as f32 * 0.05).collect(),
        std: (0..shape[0]).map(|c| 0.3 - c as f32 * 0.02).collect(),
        train: half(3),
        test: half(4),
    }
}

/// Parameters and buffers that leave nothing at 0 or 1.
pub(crate) fn state(graph: &Graph) -> (Vec<Vec<f32>>, Buffers) {
    let parameters = graph.parameters.iter().enumerate().map(|(i, spec)| {
        let (scale, base) = match spec.shape.len() {
            1 if spec.name.ends_with("weight") => (0.3, 1.0),
            1 => (0.2, 0.0),
            _ => ((6.0 / spec.shape[1..].iter().product::<usize>() as f32).sqrt(), 0.0),
        };
        noise(i as u64 + 100).take(spec.len()).map(|v| base + v * scale).collect()
    });
    let buffers = graph.buffers.iter().enumerate().map(|(i, spec)| {
        let base = if spec.name.ends_with("var") { 1.5 } else { 0.1 };
        noise(i as u64 + 200).take(spec.len()).map(|v| base + v * 0.5).collect()
    });
    (parameters.collect(), buffers.collect())
}

/// Parts of larger images for a batch: shrunk, enlarged, of the size that is seen, and none, which is the centre.
pub(crate) fn parts(count: usize) -> Vec<Augmentation> {
    let all = [(0, 0, 11, 9), (3, 2, 4, 5), (3, 3, 8, 6), (10, 8, 1, 1)];
    let all = all.map(|(top, left, height, width)| Some(Part { top, left, height, width }));
    let part = |i: usize| all.get(i % 5).copied().flatten();
    (0..count).map(|i| Augmentation { flip: i % 2 == 0, part: part(i), ..Augmentation::NONE }).collect()
}

/// Crops and flips for a batch.
pub(crate) fn augmentations(count: usize) -> Vec<Augmentation> {
    (0..count)
        .map(|i| Augmentation { flip: i % 2 == 0, crop_y: (i * 5 % 9) as u8, crop_x: (i * 7 % 9) as u8, part: None })
        .collect()
}
