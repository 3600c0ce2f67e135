//! What a net is made of: a list of operations over activations, and the parameters and buffers they use.
//!
//! Shapes are given in PyTorch's order, [channels, height, width] an image. How an engine lays out its activations is
//! its own affair. Parameters and buffers bear PyTorch's names and layouts.

/// An activation: the output of the operation at this position of [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub usize);

/// Position in [`Graph::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterId(pub usize);

/// Position in [`Graph::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(pub usize);

/// One operation; its inputs come earlier in the list. `x` is the input; the other fields are called as the arguments of
/// the PyTorch module that each names.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the fields, by the sentence above
pub enum Op {
    /// The normalised images.
    Input,
    /// `torch.nn.Conv2d` with a square kernel: weight [O, I, k, k], bias `[O]`.
    Conv2d { x: NodeId, weight: ParameterId, bias: Option<ParameterId>, kernel: usize, stride: usize, padding: usize },
    /// `torch.nn.BatchNorm2d` (eps 1e-5), then `+ residual` if there is one, then ReLU if asked for.
    BatchNorm {
        x: NodeId,
        weight: ParameterId,
        bias: ParameterId,
        running_mean: BufferId,
        running_var: BufferId,
        residual: Option<NodeId>,
        relu: bool,
        /// In training too it normalises by the running statistics, which then stay as they are.
        frozen: bool,
    },
    /// `max(x, 0)`.
    Relu { x: NodeId },
    /// `torch.nn.MaxPool2d`, floor mode.
    MaxPool { x: NodeId, kernel: usize, stride: usize, padding: usize },
    /// `torch.nn.AvgPool2d`, floor mode, the padding counted.
    AvgPool { x: NodeId, kernel: usize, stride: usize, padding: usize },
    /// Every `stride`-th pixel, from the first.
    Subsample { x: NodeId, stride: usize },
    /// Zero channels added: `before` below the first, `after` above the last.
    PadChannels { x: NodeId, before: usize, after: usize },
    /// Mean over height and width: [C, H, W] becomes [C, 1, 1].
    GlobalAvgPool { x: NodeId },
    /// [C, H, W] becomes [C * H * W, 1, 1] in PyTorch's (channel-major) order.
    Flatten { x: NodeId },
    /// `torch.nn.Linear` over [C, 1, 1]: weight [O, C], bias `[O]`.
    Linear { x: NodeId, weight: ParameterId, bias: ParameterId },
}

impl Op {
    /// The activations that it reads: its input, and the residual.
    pub fn inputs(&self) -> (Option<NodeId>, Option<NodeId>) {
        match *self {
            Self::Input => (None, None),
            Self::BatchNorm { x, residual, .. } => (Some(x), residual),
            Self::Conv2d { x, .. }
            | Self::Relu { x }
            | Self::MaxPool { x, .. }
            | Self::AvgPool { x, .. }
            | Self::Subsample { x, .. }
            | Self::PadChannels { x, .. }
            | Self::GlobalAvgPool { x }
            | Self::Flatten { x }
            | Self::Linear { x, .. } => (Some(x), None),
        }
    }
}

/// An operation and the [channels, height, width] of what it puts out.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// [channels, height, width] of the output, an image.
    pub shape: [usize; 3],
}

/// A named tensor of a net, in PyTorch's name and layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// PyTorch's name, such as `layer1.0.bn1.weight`.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a training step follows the gradient of: `torch.nn.CrossEntropyLoss` with its options. The loss that is reported is
/// the plain mean cross-entropy, whatever these are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    /// Share of each label that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Weight of each class; empty: all alike.
    pub class_weights: Vec<f32>,
}

impl Loss {
    /// Whether it is the plain one.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The weight of a class.
    pub(crate) fn weight(&self, class: usize) -> f64 {
        self.class_weights.get(class).map_or(1.0, |weight| f64::from(*weight))
    }

    /// What the loss is divided by: the weights of the labels, summed.
    pub(crate) fn divisor(&self, labels: &[u32]) -> f64 {
        labels.iter().map(|label| self.weight(*label as usize)).sum()
    }

    /// What every class gets of a label, times its own weight; and what the label's own class gets besides, likewise.
    pub(crate) fn shares(&self, classes: usize) -> (f64, f64) {
        (self.label_smoothing / classes as f64, 1.0 - self.label_smoothing)
    }
}

/// A net: operations in order, the last one's output the logits [classes, 1, 1].
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Operations, inputs before users.
    pub nodes: Vec<Node>,
    /// What is trained.
    pub parameters: Vec<TensorSpec>,
    /// What the rate of a step is multiplied by for each of them; one whose factor is 0 stays as it is, and costs no gradient.
    pub rates: Vec<f64>,
    /// What is trained for.
    pub loss: Loss,
    /// What is not trained but kept: batch norm's running mean and variance.
    pub buffers: Vec<TensorSpec>,
}

impl Graph {
    /// A graph that starts from images of `channels` x `height` x `width`.
    pub fn new(channels: usize, height: usize, width: usize) -> (Self, NodeId) {
        let mut graph = Self::default();
        let input = graph.push(Op::Input, [channels, height, width]);
        (graph, input)
    }

    /// The shape [channels, height, width] of an activation.
    pub fn shape(&self, node: NodeId) -> [usize; 3] {
        self.nodes[node.0].shape
    }

    /// Convolution with parameters `name.weight` and, if `bias`, `name.bias`.
    pub fn conv2d(
        &mut self,
        name: &str,
        x: NodeId,
        channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    ) -> NodeId {
        let [c, h, w] = self.shape(x);
        let weight = self.parameter(format!("{name}.weight"), vec![channels, c, kernel, kernel]);
        let bias = bias.then(|| self.parameter(format!("{name}.bias"), vec![channels]));
        let shape = [channels, window(h, kernel, stride, padding), window(w, kernel, stride, padding)];
        self.push(Op::Conv2d { x, weight, bias, kernel, stride, padding }, shape)
    }

    /// Batch norm with parameters `name.weight`, `name.bias` and buffers `name.running_mean`, `name.running_var`; then
    /// the residual, if any, is added, then ReLU, if asked for.
    pub fn batch_norm(&mut self, name: &str, x: NodeId, residual: Option<NodeId>, relu: bool) -> NodeId {
        let shape = self.shape(x);
        let weight = self.parameter(format!("{name}.weight"), vec![shape[0]]);
        let bias = self.parameter(format!("{name}.bias"), vec![shape[0]]);
        let running_mean = self.buffer(format!("{name}.running_mean"), vec![shape[0]]);
        let running_var = self.buffer(format!("{name}.running_var"), vec![shape[0]]);
        let frozen = false;
        self.push(Op::BatchNorm { x, weight, bias, running_mean, running_var, residual, relu, frozen }, shape)
    }

    /// ReLU.
    pub fn relu(&mut self, x: NodeId) -> NodeId {
        self.push(Op::Relu { x }, self.shape(x))
    }

    /// Max pooling.
    pub fn max_pool(&mut self, x: NodeId, kernel: usize, stride: usize, padding: usize) -> NodeId {
        let shape = self.pooled(x, kernel, stride, padding);
        self.push(Op::MaxPool { x, kernel, stride, padding }, shape)
    }

    /// Average pooling, the padding counted.
    pub fn avg_pool(&mut self, x: NodeId, kernel: usize, stride: usize, padding: usize) -> NodeId {
        let shape = self.pooled(x, kernel, stride, padding);
        self.push(Op::AvgPool { x, kernel, stride, padding }, shape)
    }

    /// Every `stride`-th pixel.
    pub fn subsample(&mut self, x: NodeId, stride: usize) -> NodeId {
        let [c, h, w] = self.shape(x);
        self.push(Op::Subsample { x, stride }, [c, h.div_ceil(stride), w.div_ceil(stride)])
    }

    /// Zero channels before and after.
    pub fn pad_channels(&mut self, x: NodeId, before: usize, after: usize) -> NodeId {
        let [c, h, w] = self.shape(x);
        self.push(Op::PadChannels { x, before, after }, [before + c + after, h, w])
    }

    /// Mean over height and width.
    pub fn global_avg_pool(&mut self, x: NodeId) -> NodeId {
        let [c, ..] = self.shape(x);
        self.push(Op::GlobalAvgPool { x }, [c, 1, 1])
    }

    /// All in one row, channel-major.
    pub fn flatten(&mut self, x: NodeId) -> NodeId {
        let [c, h, w] = self.shape(x);
        self.push(Op::Flatten { x }, [c * h * w, 1, 1])
    }

    /// Dense layer with parameters `name.weight`, `name.bias`. `x` must be flat.
    pub fn linear(&mut self, name: &str, x: NodeId, features: usize) -> NodeId {
        let [c, ..] = self.shape(x);
        let weight = self.parameter(format!("{name}.weight"), vec![features, c]);
        let bias = self.parameter(format!("{name}.bias"), vec![features]);
        self.push(Op::Linear { x, weight, bias }, [features, 1, 1])
    }

    /// Which activations depend on a parameter, so that a backward pass needs their gradients: one a node.
    pub(crate) fn needs_gradient(&self) -> Vec<bool> {
        let mut needed = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let trained = self.trains(&node.op);
            let (x, residual) = node.op.inputs();
            needed.push(trained || x.into_iter().chain(residual).any(|input| needed[input.0]));
        }
        needed
    }

    /// Whether an operation has parameters that are trained.
    pub(crate) fn trains(&self, op: &Op) -> bool {
        let is_trained = |parameter: ParameterId| self.rates[parameter.0] > 0.0;
        match *op {
            Op::Conv2d { weight, bias, .. } => is_trained(weight) || bias.is_some_and(is_trained),
            Op::BatchNorm { weight, bias, .. } | Op::Linear { weight, bias, .. } => {
                is_trained(weight) || is_trained(bias)
            }
            _ => false,
        }
    }

    /// Whether any batch norm goes by its running statistics in training.
    pub(crate) fn has_frozen_norms(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.op, Op::BatchNorm { frozen: true, .. }))
    }

    fn pooled(&self, x: NodeId, kernel: usize, stride: usize, padding: usize) -> [usize; 3] {
        let [c, h, w] = self.shape(x);
        [c, window(h, kernel, stride, padding), window(w, kernel, stride, padding)]
    }

    fn parameter(&mut self, name: String, shape: Vec<usize>) -> ParameterId {
        self.parameters.push(TensorSpec { name, shape });
        self.rates.push(1.0);
        ParameterId(self.parameters.len() - 1)
    }

    fn buffer(&mut self, name: String, shape: Vec<usize>) -> BufferId {
        self.buffers.push(TensorSpec { name, shape });
        BufferId(self.buffers.len() - 1)
    }

    fn push(&mut self, op: Op, shape: [usize; 3]) -> NodeId {
        self.nodes.push(Node { op, shape });
        NodeId(self.nodes.len() - 1)
    }
}

/// Output side of a window of `kernel` moved by `stride` over `side` pixels padded by `padding` on both ends; 0 where
/// the window does not fit even once (nets are checked for that before they are built).
pub(crate) fn window(side: usize, kernel: usize, stride: usize, padding: usize) -> usize {
    (side + 2 * padding).checked_sub(kernel).map_or(0, |room| room / stride + 1)
}
