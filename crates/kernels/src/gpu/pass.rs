//! Forward and backward passes: which kernels an operation takes.

use std::rc::Rc;

use super::device::{Address, Args, Convolution, ConvolutionPass, Factor, Gpu, Product};
use super::plan::{Backward, Target};
use super::{GpuEngine, width};
use crate::batch_norm::EPSILON;
use crate::device::Precision;
use crate::engine::EngineError;
use crate::graph::{BufferId, Graph, NodeId, Op, ParameterId};

/// Elements of a channel that a thread sums up, if there are blocks enough.
const ELEMENTS: usize = 8;
/// Blocks a channel, at most.
const MOST_SLICES: usize = 64;

/// By which statistics batch norm normalises.
#[derive(Clone, Copy)]
pub(super) enum Statistics {
    /// The batch's; the running ones move by the momentum, if there is one.
    Batch { moves: Option<f64> },
    /// These, laid out as the running ones.
    Given(Address),
}

impl Statistics {
    /// Those of a frozen batch norm, whose running statistics stand in for the batch's.
    fn kept(self, running: Address) -> Self {
        if matches!(self, Self::Given(_)) { self } else { Self::Given(running) }
    }
}

/// Blocks that share the work on a channel of `count` elements: a matter of shape alone, as sums depend on it.
pub(super) fn slices(gpu: &impl Gpu, count: usize) -> usize {
    count.div_ceil(gpu.threads() * ELEMENTS).clamp(1, MOST_SLICES)
}

/// The convolution at a node, if that is what it is.
pub(super) fn convolution(graph: &Graph, node: usize, images: usize) -> Option<Convolution> {
    let Op::Conv2d { x, kernel, stride, padding, .. } = graph.nodes[node].op else { return None };
    let ([c_in, height, width], [c_out, out_height, out_width]) = (graph.shape(x), graph.nodes[node].shape);
    Some(Convolution { images, c_in, height, width, c_out, out_height, out_width, kernel, stride, padding })
}

impl<G: Gpu> GpuEngine<G> {
    /// Runs every operation on the images that lie in the input.
    pub(super) fn forward(&mut self, images: usize, statistics: Statistics) -> Result<(), EngineError> {
        let graph = Rc::clone(&self.graph);
        for node in 0..graph.nodes.len() {
            self.forward_node(&graph, node, images, statistics)?;
        }
        Ok(())
    }

    fn forward_node(
        &mut self,
        graph: &Graph,
        node: usize,
        images: usize,
        statistics: Statistics,
    ) -> Result<(), EngineError> {
        let (op, [c, h, w]) = (&graph.nodes[node].op, graph.nodes[node].shape);
        let (Some(input), _) = op.inputs() else { return Ok(()) };
        let (x, y, total) = (self.value(input), self.value(NodeId(node)), images * c * h * w);
        let [in_c, in_h, in_w] = graph.shape(input);
        match *op {
            Op::Input | Op::Flatten { .. } => Ok(()),
            Op::Conv2d { weight, bias, .. } => {
                let pass = ConvolutionPass::Forward { x, weight: self.weight(weight), y };
                self.convolve(&convolution(graph, node, images).expect("it is one"), &pass)?;
                bias.map_or(Ok(()), |bias| self.add_bias(y, bias, images, [c, h * w]))
            }
            Op::BatchNorm { weight, bias, running_mean, running_var, residual, relu, frozen, .. } => {
                let statistics = if frozen { statistics.kept(self.memory.running) } else { statistics };
                let residual = residual.map_or(Address::NONE, |residual| self.value(residual));
                let (weight, bias) = (self.parameter(weight), self.parameter(bias));
                match statistics {
                    Statistics::Given(all) => {
                        let (mean, variance) = (self.buffer(all, running_mean), self.buffer(all, running_var));
                        let pointers = [x, weight, bias, mean, variance, residual, y];
                        let args = Args::new(&pointers, &[total, c, h * w, usize::from(relu)]).floats(&[EPSILON]);
                        self.gpu.launch("batch_norm_evaluation", super::elements(&self.gpu, total), &args)
                    }
                    Statistics::Batch { moves } => {
                        let grid = [c, slices(&self.gpu, images * h * w)];
                        let partial = self.memory.partial;
                        self.gpu.launch("batch_norm_sums", grid, &Args::new(&[x, partial], &[images, c, h * w]))?;
                        let running = self.memory.running;
                        let (mean, variance) = (self.buffer(running, running_mean), self.buffer(running, running_var));
                        let pointers = [x, partial, weight, bias, mean, variance, self.saved(node), residual, y];
                        let integers = [images, c, h * w, usize::from(relu), usize::from(moves.is_some())];
                        let args = Args::new(&pointers, &integers).floats(&[moves.unwrap_or_default(), EPSILON]);
                        self.gpu.launch("batch_norm", grid, &args)
                    }
                }
            }
            Op::Relu { .. } => self.each("relu", total, &[x, y], &[]),
            Op::MaxPool { kernel, stride, padding, .. } => {
                let pointers = [x, y, self.memory.winners[node]];
                self.each("max_pool", total, &pointers, &[in_h, in_w, kernel, stride, padding, h, w])
            }
            Op::AvgPool { kernel, stride, padding, .. } => {
                self.each("avg_pool", total, &[x, y], &[in_h, in_w, kernel, stride, padding, h, w])
            }
            Op::Subsample { stride, .. } => self.each("subsample", total, &[x, y], &[in_h, in_w, stride, h, w]),
            Op::PadChannels { before, .. } => self.each("pad_channels", total, &[x, y], &[in_c, before, c, h * w]),
            Op::GlobalAvgPool { .. } => self.each("global_avg_pool", total, &[x, y], &[in_h * in_w]),
            Op::Linear { weight, bias, .. } => {
                let [a, b] = [plain(x), transposed(self.weight(weight))];
                self.gpu.multiply(&Product { m: images, n: c, k: in_c, a, b, c: y, ..ONE })?;
                self.add_bias(y, bias, images, [c, 1])
            }
        }
    }

    /// Runs the backward pass from the gradient of the logits to that of every parameter in use.
    pub(super) fn backward(&mut self, images: usize) -> Result<(), EngineError> {
        let (graph, plan) = (Rc::clone(&self.graph), Rc::clone(&self.plan));
        for step in &plan.backward {
            self.backward_node(&graph, step, images)?;
        }
        Ok(())
    }

    fn backward_node(&mut self, graph: &Graph, step: &Backward, images: usize) -> Result<(), EngineError> {
        let (op, [c, h, w]) = (&graph.nodes[step.node].op, graph.nodes[step.node].shape);
        let input = op.inputs().0.expect("planned only where there is one");
        let (x, y) = (self.value(input), self.value(NodeId(step.node)));
        let dy = self.memory.regions[step.dy.0];
        let [in_c, in_h, in_w] = graph.shape(input);
        let total = images * in_c * in_h * in_w;
        let (dx, accumulate) = self.target(step.dx);
        match *op {
            Op::Conv2d { weight, bias, .. } => {
                let shape = convolution(graph, step.node, images).expect("it is one");
                self.convolve_backward_weight(&shape, x, dy, weight)?;
                if let Some(bias) = bias {
                    self.bias_backward(dy, bias, images, [c, h * w])?;
                }
                if step.dx.is_none() {
                    return Ok(());
                }
                let weight = self.weight(weight);
                self.convolve(&shape, &ConvolutionPass::BackwardData { dy, weight, dx, accumulate: accumulate == 1 })
            }
            Op::BatchNorm { weight, bias, relu, .. } => {
                let grid = [c, slices(&self.gpu, images * h * w)];
                let (saved, partial) = (self.saved(step.node), self.memory.partial);
                let (d_residual, accumulate_residual) = self.target(step.d_residual);
                let integers = [images, c, h * w, usize::from(relu), accumulate, accumulate_residual];
                self.gpu.launch(
                    "batch_norm_backward_sums",
                    grid,
                    &Args::new(&[x, y, dy, saved, partial], &integers),
                )?;
                let (d_weight, d_bias) = (self.gradient(weight), self.gradient(bias));
                let pointers = [x, y, dy, saved, partial, self.parameter(weight), dx, d_residual, d_weight, d_bias];
                self.gpu.launch("batch_norm_backward", grid, &Args::new(&pointers, &integers))
            }
            Op::Relu { .. } => self.each("relu_backward", total, &[y, dy, dx], &[accumulate]),
            Op::Flatten { .. } if accumulate == 1 => self.each("add", total, &[dy, dx], &[]),
            Op::Input | Op::Flatten { .. } => Ok(()),
            Op::MaxPool { kernel, stride, padding, .. } => {
                let pointers = [self.memory.winners[step.node], dy, dx];
                let integers = [in_h, in_w, kernel, stride, padding, h, w, accumulate];
                self.each("max_pool_backward", total, &pointers, &integers)
            }
            Op::AvgPool { kernel, stride, padding, .. } => {
                let integers = [in_h, in_w, kernel, stride, padding, h, w, accumulate];
                self.each("avg_pool_backward", total, &[dy, dx], &integers)
            }
            Op::Subsample { stride, .. } => {
                self.each("subsample_backward", total, &[dy, dx], &[in_h, in_w, stride, h, w, accumulate])
            }
            Op::PadChannels { before, .. } => {
                self.each("pad_channels_backward", total, &[dy, dx], &[in_c, before, c, h * w, accumulate])
            }
            Op::GlobalAvgPool { .. } => {
                self.each("global_avg_pool_backward", total, &[dy, dx], &[in_h * in_w, accumulate])
            }
            Op::Linear { weight, bias, .. } => {
                let (a, b, to) = (transposed(dy), plain(x), self.gradient(weight));
                self.gpu.multiply(&Product { m: c, n: in_c, k: images, a, b, c: to, wide: true, ..ONE })?;
                self.bias_backward(dy, bias, images, [c, 1])?;
                if step.dx.is_none() {
                    return Ok(());
                }
                let (a, b, accumulate) = (plain(dy), plain(self.weight(weight)), accumulate == 1);
                self.gpu.multiply(&Product { m: images, n: in_c, k: c, a, b, c: dx, accumulate, ..ONE })
            }
        }
    }

    /// By the device's library, or else by columns.
    fn convolve(&mut self, shape: &Convolution, pass: &ConvolutionPass) -> Result<(), EngineError> {
        if self.gpu.convolve(shape, pass)? { Ok(()) } else { self.columns.run(&mut self.gpu, shape, pass) }
    }

    /// The same for the gradient of a weight, which a library leaves in the type of activations.
    fn convolve_backward_weight(
        &mut self,
        shape: &Convolution,
        x: Address,
        dy: Address,
        weight: ParameterId,
    ) -> Result<(), EngineError> {
        let to = self.gradient(weight);
        let narrow = match self.gpu.precision() {
            Precision::Float32 | Precision::Tf32 => to,
            Precision::Bf16 => self.memory.d_weight,
        };
        if !self.gpu.convolve(shape, &ConvolutionPass::BackwardWeight { x, dy, d_weight: narrow })? {
            return self.columns.run(&mut self.gpu, shape, &ConvolutionPass::BackwardWeight { x, dy, d_weight: to });
        }
        if narrow == to {
            return Ok(());
        }
        self.each("widen", self.parameters.range(weight.0).len(), &[narrow, to], &[])
    }

    /// y [images, channels, plane] += bias.
    fn add_bias(
        &mut self,
        y: Address,
        bias: ParameterId,
        images: usize,
        [channels, plane]: [usize; 2],
    ) -> Result<(), EngineError> {
        let bias = self.parameter(bias);
        self.each("add_bias", images * channels * plane, &[y, bias], &[channels, plane])
    }

    fn bias_backward(
        &mut self,
        dy: Address,
        bias: ParameterId,
        images: usize,
        [channels, plane]: [usize; 2],
    ) -> Result<(), EngineError> {
        let (partial, slices) = (self.memory.partial, slices(&self.gpu, images * plane));
        let args = Args::new(&[dy, partial], &[images, channels, plane]);
        self.gpu.launch("bias_backward_sums", [channels, slices], &args)?;
        self.each("bias_backward", channels, &[partial, self.gradient(bias)], &[slices])
    }

    /// An activation.
    fn value(&self, node: NodeId) -> Address {
        self.memory.regions[self.plan.values[node.0].0]
    }

    /// Where a gradient goes, and 1 if it is added to what is there.
    fn target(&self, target: Option<Target>) -> (Address, usize) {
        target.map_or((Address::NONE, 0), |to| (self.memory.regions[to.region.0], usize::from(to.accumulate)))
    }

    /// A parameter in float32.
    fn parameter(&self, id: ParameterId) -> Address {
        self.memory.parameters.plus(self.parameters.range(id.0).start * size_of::<f32>())
    }

    /// A parameter as activations are kept.
    fn weight(&self, id: ParameterId) -> Address {
        self.memory.weights.plus(self.parameters.range(id.0).start * width(self.gpu.precision()))
    }

    fn gradient(&self, id: ParameterId) -> Address {
        self.memory.gradients.plus(self.parameters.range(id.0).start * size_of::<f32>())
    }

    /// A buffer among all of them.
    fn buffer(&self, all: Address, id: BufferId) -> Address {
        all.plus(self.buffers.range(id.0).start * size_of::<f32>())
    }

    /// What a batch norm keeps of its batch.
    fn saved(&self, node: usize) -> Address {
        self.memory.saved.plus(self.memory.saved_places.range(node).start * size_of::<f32>())
    }
}

/// A single product, its operands to be filled in.
const ONE: Product = Product {
    count: 1,
    m: 0,
    n: 0,
    k: 0,
    a: Factor { at: Address::NONE, transposed: false, stride: 0 },
    b: Factor { at: Address::NONE, transposed: false, stride: 0 },
    c: Address::NONE,
    accumulate: false,
    wide: false,
};

fn plain(at: Address) -> Factor {
    Factor { at, transposed: false, stride: 0 }
}

fn transposed(at: Address) -> Factor {
    Factor { at, transposed: true, stride: 0 }
}
