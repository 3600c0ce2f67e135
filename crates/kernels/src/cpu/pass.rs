//! Forward and backward passes over planned regions of memory.

use super::arena::{Arena, ArenaLayout};
use super::layers::{ConvLayer, Layer};
use super::plan::{BackwardStep, Step};
use crate::batch_norm::{evaluation_affine, forward_evaluation};
use crate::conv::{Epilogue, Scratch};
use crate::engine::Buffers;
use crate::flat::FlatLayout;
use crate::graph::{Graph, Op, ParameterId};
use crate::isa::Isa;
use crate::threads::Threads;
use crate::{linear, pooling, relu, shortcut};

/// Whether batch norm goes by the batch or by given statistics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Training,
    Evaluation,
}

/// Everything that a pass works with.
pub(super) struct Pass<'a> {
    pub(super) graph: &'a Graph,
    pub(super) threads: &'a Threads,
    pub(super) isa: Isa,
    pub(super) layers: &'a mut [Layer],
    pub(super) arena: &'a mut Arena,
    pub(super) layout: &'a ArenaLayout,
    pub(super) places: &'a FlatLayout,
    pub(super) parameters: &'a [f32],
    pub(super) scratch: &'a mut Scratch,
    /// Images in the batch.
    pub(super) images: usize,
}

impl Pass<'_> {
    /// Sets the evaluation's scale and shift of every batch norm, and of the convolutions that have one folded in.
    pub(super) fn fold_batch_norms(&mut self, steps: &[Step], statistics: &Buffers) {
        for (node, layer) in self.graph.nodes.iter().zip(self.layers.iter_mut()) {
            if let (Op::BatchNorm { weight, bias, running_mean, running_var, .. }, Layer::BatchNorm(layer)) =
                (&node.op, layer)
            {
                let (mean, variance) = (&statistics[running_mean.0], &statistics[running_var.0]);
                let (weight, bias) = (self.places.range(weight.0), self.places.range(bias.0));
                let (weight, bias) = (&self.parameters[weight], &self.parameters[bias]);
                evaluation_affine(weight, bias, mean, variance, &mut layer.scale, &mut layer.shift);
            }
        }
        for step in steps {
            let bias = match self.graph.nodes[step.node].op {
                Op::Conv2d { bias, .. } => bias.map(|bias| &self.parameters[self.places.range(bias.0)]),
                _ => continue,
            };
            let folded = step.folded.map(|norm| match &self.layers[norm] {
                Layer::BatchNorm(layer) => (layer.scale.clone(), layer.shift.clone()),
                _ => unreachable!("only batch norms are folded"),
            });
            if let (Layer::Conv(conv), Some((scale, shift))) = (&mut self.layers[step.node], folded) {
                (conv.scale, conv.shift) = (scale, shift);
                for ((shift, scale), bias) in conv.shift.iter_mut().zip(&conv.scale).zip(bias.into_iter().flatten()) {
                    *shift += scale * bias;
                }
            }
        }
    }

    /// Runs a forward pass; the input lies in its region already.
    pub(super) fn forward(&mut self, steps: &[Step], mode: Mode) {
        for step in steps {
            self.forward_step(step, mode);
        }
    }

    fn forward_step(&mut self, step: &Step, mode: Mode) {
        let (threads, isa, parameters) = (self.threads, self.isa, self.parameters);
        let of = |parameter: ParameterId| &parameters[self.places.range(parameter.0)];
        let range = |region| self.layout.range(region, self.images);
        let op = &self.graph.nodes[step.node].op;
        if matches!(op, Op::Input) {
            return;
        }
        if step.x == step.y {
            return relu::forward(threads, isa, &mut self.arena.floats()[range(step.y)]);
        }
        let (x, y, residual): (&[f32], &mut [f32], Option<&[f32]>) = match step.residual {
            Some(residual) if residual == step.x => {
                let [x, y] = self.arena.split([range(step.x), range(step.y)]);
                (x, y, Some(x))
            }
            Some(residual) => {
                let [x, y, residual] = self.arena.split([range(step.x), range(step.y), range(residual)]);
                (x, y, Some(residual))
            }
            None => {
                let [x, y] = self.arena.split([range(step.x), range(step.y)]);
                (x, y, None)
            }
        };
        match (op, &mut self.layers[step.node]) {
            (Op::Conv2d { weight, bias, .. }, Layer::Conv(layer)) => {
                let ConvLayer { conv, scale, shift } = layer.as_mut();
                let relu_after = step.folded.map_or(step.relu, |norm| {
                    step.relu || matches!(self.graph.nodes[norm].op, Op::BatchNorm { relu: true, .. })
                });
                let epilogue = match (step.folded, bias) {
                    (Some(_), _) => Epilogue::Affine { scale, shift, residual, relu: relu_after },
                    (None, _) if step.relu => {
                        scale.fill(1.0);
                        match bias {
                            Some(bias) => shift.copy_from_slice(of(*bias)),
                            None => shift.fill(0.0),
                        }
                        Epilogue::Affine { scale, shift, residual: None, relu: true }
                    }
                    (None, Some(bias)) => Epilogue::Bias(of(*bias)),
                    (None, None) => Epilogue::None,
                };
                conv.forward(threads, x, of(*weight), epilogue, y, self.scratch);
            }
            (Op::BatchNorm { weight, bias, relu, frozen, .. }, Layer::BatchNorm(layer)) => match mode {
                Mode::Training if !frozen => layer.norm.forward(threads, x, of(*weight), of(*bias), residual, *relu, y),
                _ => {
                    forward_evaluation(threads, isa, x, &layer.scale, &layer.shift, residual, *relu, y);
                }
            },
            (Op::Relu { .. }, _) => {
                y.copy_from_slice(x);
                relu::forward(threads, isa, y);
            }
            (Op::MaxPool { .. }, Layer::MaxPool { pooling, winners }) => {
                let images = self.images;
                let winners = (mode == Mode::Training).then(|| &mut winners[..pooling.winners_len(images)]);
                pooling.max(threads, isa, x, y, winners);
            }
            (Op::AvgPool { .. }, Layer::AvgPool(pooling)) => pooling.average(threads, isa, x, y),
            (Op::Subsample { stride, .. }, Layer::Plain(shape)) => {
                shortcut::subsample(threads, *shape, *stride, x, y);
            }
            (Op::PadChannels { before, after, .. }, Layer::Plain(shape)) => {
                shortcut::pad_channels(threads, shape.channels, *before, *after, x, y);
            }
            (Op::GlobalAvgPool { .. }, Layer::Plain(shape)) => pooling::global_average(threads, *shape, x, y),
            (Op::Flatten { .. }, Layer::Plain(shape)) => shortcut::flatten(threads, *shape, x, y),
            (Op::Linear { weight, bias, .. }, _) => linear::forward(threads, isa, x, of(*weight), of(*bias), y),
            _ => unreachable!("layers are made from their operations"),
        }
    }

    /// Runs a backward pass; the gradient of the logits lies in its region already. Overwrites every part of
    /// `gradients` that belongs to a parameter in use.
    pub(super) fn backward(&mut self, steps: &[BackwardStep], gradients: &mut [f32]) {
        for step in steps {
            self.backward_step(step, gradients);
        }
    }

    fn backward_step(&mut self, step: &BackwardStep, gradients: &mut [f32]) {
        let (threads, isa, parameters, places) = (self.threads, self.isa, self.parameters, self.places);
        let of = |parameter: ParameterId| &parameters[places.range(parameter.0)];
        let range = |region| self.layout.range(region, self.images);
        let (node, x, y, dy, dx) = match *step {
            BackwardStep::Operation { node, x, y, dy, dx } => (node, x, y, dy, dx),
            BackwardStep::Add { from, to } => {
                let [from, to] = self.arena.split([range(from), range(to)]);
                return shortcut::accumulate(threads, from, to);
            }
        };
        let accumulate = dx.is_some_and(|target| target.accumulate);
        match (&self.graph.nodes[node].op, &mut self.layers[node]) {
            (Op::Conv2d { weight, bias, .. }, Layer::Conv(layer)) => {
                let [x, rows] = self.arena.split([range(x), range(dy)]);
                layer.conv.backward_weights(threads, x, rows, &mut gradients[places.range(weight.0)], self.scratch);
                if let Some(bias) = bias {
                    shortcut::sum_rows(threads, rows, &mut gradients[places.range(bias.0)]);
                }
                if let Some(target) = dx {
                    let [dy, dx] = self.arena.split([range(dy), range(target.region)]);
                    layer.conv.backward_data(threads, dy, of(*weight), accumulate, dx, self.scratch);
                }
            }
            (Op::BatchNorm { weight, bias, residual, relu, .. }, Layer::BatchNorm(layer)) => {
                let [d_weight, d_bias] = gradients
                    .get_disjoint_mut([places.range(weight.0), places.range(bias.0)])
                    .expect("parameters have places of their own");
                let (norm, weight) = (&mut layer.norm, of(*weight));
                match (residual, dx) {
                    (None, _) => {
                        let [x, dy] = self.arena.split([range(x), range(dy)]);
                        norm.backward(threads, x, weight, *relu, dy, d_weight, d_bias);
                    }
                    (Some(_), Some(target)) if *relu => {
                        let [x, y, dy, dx] = self.arena.split([range(x), range(y), range(dy), range(target.region)]);
                        norm.backward_residual(threads, x, weight, Some(y), dy, dx, d_weight, d_bias);
                    }
                    (Some(_), Some(target)) => {
                        let [x, dy, dx] = self.arena.split([range(x), range(dy), range(target.region)]);
                        norm.backward_residual(threads, x, weight, None, dy, dx, d_weight, d_bias);
                    }
                    (Some(_), None) => unreachable!("a batch norm with a residual has a region for its gradient"),
                }
            }
            (Op::Relu { .. }, _) => {
                let [y, dy] = self.arena.split([range(y), range(dy)]);
                relu::backward(threads, isa, y, dy);
            }
            (Op::Linear { weight, bias, .. }, _) => {
                let [x, rows] = self.arena.split([range(x), range(dy)]);
                let [d_weight, d_bias] = gradients
                    .get_disjoint_mut([places.range(weight.0), places.range(bias.0)])
                    .expect("parameters have places of their own");
                let outputs = d_bias.len();
                linear::backward_parameters(threads, isa, x, rows, d_weight, d_bias);
                if let Some(target) = dx {
                    let [dy, dx] = self.arena.split([range(dy), range(target.region)]);
                    linear::backward_data(threads, isa, outputs, dy, of(*weight), accumulate, dx);
                }
            }
            (op, layer) => {
                let target = dx.expect("planned only where there is a gradient to compute");
                let [dy, dx] = self.arena.split([range(dy), range(target.region)]);
                match (op, layer) {
                    (Op::MaxPool { .. }, Layer::MaxPool { pooling, winners }) => {
                        pooling.max_backward(
                            threads,
                            isa,
                            &winners[..pooling.winners_len(self.images)],
                            dy,
                            accumulate,
                            dx,
                        );
                    }
                    (Op::AvgPool { .. }, Layer::AvgPool(pooling)) => {
                        pooling.average_backward(threads, isa, dy, accumulate, dx);
                    }
                    (Op::Subsample { stride, .. }, Layer::Plain(shape)) => {
                        shortcut::subsample_backward(threads, *shape, *stride, dy, accumulate, dx);
                    }
                    (Op::PadChannels { before, after, .. }, Layer::Plain(shape)) => {
                        shortcut::pad_channels_backward(threads, shape.channels, *before, *after, dy, accumulate, dx);
                    }
                    (Op::GlobalAvgPool { .. }, Layer::Plain(shape)) => {
                        pooling::global_average_backward(threads, *shape, dy, accumulate, dx);
                    }
                    (Op::Flatten { .. }, Layer::Plain(shape)) => {
                        shortcut::flatten_backward(threads, *shape, dy, accumulate, dx);
                    }
                    _ => unreachable!("layers are made from their operations"),
                }
            }
        }
    }
}
