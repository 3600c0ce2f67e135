//! The fast engine: plain `f32` buffers, kernels written for the processor, activations NHWC.
//!
//! Everything is planned when it is built: the order of operations, the place of each activation and gradient in one
//! block of memory, and which of them may share it. A step allocates nothing.

mod arena;
mod layers;
mod pass;
mod plan;

use std::ops::Range;
use std::sync::Arc;

use crate::conv::Scratch;
use crate::engine::{Batch, Buffers, DataSet, Engine, EngineError, Evaluation, OptimizerState, StepOutcome, Update};
use crate::flat::FlatLayout;
use crate::graph::{Graph, Node, Op, TensorSpec};
use crate::input::{self, Input};
use crate::isa::Isa;
use crate::optimizer::{self, FlatState};
use crate::softmax_cross_entropy::{Score, SoftmaxCrossEntropy, largest_of_rows};
use crate::threads::Threads;
use arena::{Arena, ArenaLayout, RegionId};
use layers::Layer;
use pass::{Mode, Pass};
use plan::{EvaluationPlan, TrainingPlan};

/// How the engine computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuOptions {
    /// Worker threads, at least one. Their number changes no bit of any result.
    pub threads: usize,
    /// The instruction set; one that this processor has.
    pub isa: Isa,
    /// Only direct convolution, no Winograd.
    pub exact_conv: bool,
}

/// A net on the processor.
pub struct CpuEngine {
    graph: Graph,
    data: DataSet,
    batch_size: usize,
    isa: Isa,
    threads: Arc<Threads>,
    input: Input,
    layers: Vec<Layer>,
    places: FlatLayout,
    /// What of the parameters is trained, and the factors of its rates.
    parts: Vec<(Range<usize>, f64)>,
    training: TrainingPlan,
    training_layout: ArenaLayout,
    evaluation: EvaluationPlan,
    evaluation_layout: ArenaLayout,
    arena: Arena,
    scratch: Scratch,
    softmax: SoftmaxCrossEntropy,
    labels: Vec<u32>,
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    buffers: Buffers,
    optimizer: FlatState,
}

impl CpuEngine {
    /// A net for batches of up to `batch_size` images, with parameters and buffers still 0.
    ///
    /// # Errors
    /// When the processor lacks the instruction set, the threads cannot be started, or graph and data do not fit.
    pub fn new(graph: &Graph, data: &DataSet, batch_size: usize, options: CpuOptions) -> Result<Self, EngineError> {
        if !options.isa.is_supported() {
            return Err(EngineError::Device(format!("this processor has no {}", options.isa)));
        }
        check_graph(graph, data)?;
        let threads =
            Threads::new(options.threads).map_err(|error| EngineError::Device(format!("threads: {error}")))?;
        let layer = |node| Layer::new(graph, node, batch_size, options.isa, options.exact_conv);
        let (training, evaluation) = (TrainingPlan::new(graph), EvaluationPlan::new(graph));
        let places = FlatLayout::of(&graph.parameters);
        Ok(Self {
            batch_size,
            isa: options.isa,
            threads: Arc::new(threads),
            input: Input::new(data, graph.nodes[0].shape),
            layers: (0..graph.nodes.len()).map(layer).collect(),
            training_layout: ArenaLayout::new(&training.lifetimes, batch_size),
            training,
            evaluation_layout: ArenaLayout::new(&evaluation.lifetimes, batch_size),
            evaluation,
            arena: Arena::default(),
            scratch: Scratch::default(),
            softmax: SoftmaxCrossEntropy::new(data.classes, batch_size, &graph.loss),
            labels: Vec::with_capacity(batch_size),
            parameters: vec![0.0; places.len()],
            gradients: vec![0.0; places.len()],
            buffers: graph.buffers.iter().map(|spec| vec![0.0; spec.len()]).collect(),
            optimizer: FlatState::default(),
            parts: places.alike(&graph.rates),
            places,
            graph: graph.clone(),
            data: data.clone(),
        })
    }

    /// Gathers a batch into the region of the input, and its labels.
    fn load(&mut self, batch: &Batch, mode: Mode) -> Result<(), EngineError> {
        input::check(&self.data, batch)?;
        if batch.indices.len() > self.batch_size || batch.indices.is_empty() {
            let (found, most) = (batch.indices.len(), self.batch_size);
            return Err(EngineError::Device(format!("batch: expected 1 to {most} images, found {found}")));
        }
        let (layout, region) = match mode {
            Mode::Training => (&self.training_layout, self.training.forward[0].y),
            Mode::Evaluation => (&self.evaluation_layout, self.evaluation.steps[0].y),
        };
        self.arena.reserve(layout.total);
        let images = input::images(&self.data, batch.split);
        let out = &mut self.arena.floats()[layout.range(region, batch.indices.len())];
        self.input.gather(&self.threads, images, batch, out);
        self.labels.clear();
        self.labels.extend(batch.indices.iter().map(|&index| images.labels[index as usize]));
        Ok(())
    }

    fn pass(&mut self, mode: Mode) -> (Pass<'_>, &TrainingPlan, &EvaluationPlan, &mut [f32]) {
        let layout = match mode {
            Mode::Training => &self.training_layout,
            Mode::Evaluation => &self.evaluation_layout,
        };
        let pass = Pass {
            graph: &self.graph,
            threads: &self.threads,
            isa: self.isa,
            layers: &mut self.layers,
            arena: &mut self.arena,
            layout,
            places: &self.places,
            parameters: &self.parameters,
            scratch: &mut self.scratch,
            images: self.labels.len(),
        };
        (pass, &self.training, &self.evaluation, &mut self.gradients)
    }

    /// Forward in training mode up to the logits.
    fn training_forward(&mut self, batch: &Batch) -> Result<(), EngineError> {
        self.load(batch, Mode::Training)?;
        let running = std::mem::take(&mut self.buffers);
        let (mut pass, training, ..) = self.pass(Mode::Training);
        if pass.graph.has_frozen_norms() {
            pass.fold_batch_norms(&training.forward, &running);
        }
        pass.forward(&training.forward, Mode::Training);
        self.buffers = running;
        Ok(())
    }

    /// Loss, and its gradient by the logits.
    fn loss(&mut self) -> Score {
        let images = self.labels.len();
        let range = |region: RegionId| self.training_layout.range(region, images);
        let [logits, gradient] = self.arena.split([range(self.training.logits), range(self.training.d_logits)]);
        gradient.copy_from_slice(logits);
        self.softmax.score_and_backward(&self.threads, gradient, &self.labels)
    }

    /// Forward, loss and backward: leaves gradients, and moves the running statistics.
    fn forward_backward(&mut self, batch: &Batch, bn_momentum: f64) -> Result<StepOutcome, EngineError> {
        self.training_forward(batch)?;
        let score = self.loss();
        self.update_running(bn_momentum);
        let (mut pass, training, _, gradients) = self.pass(Mode::Training);
        pass.backward(&training.backward, gradients);
        Ok(StepOutcome {
            loss: score.loss_sum / batch.indices.len() as f64,
            correct: score.correct,
            grad_norm: optimizer::norm(&self.gradients),
            weights_finite: None,
        })
    }

    /// Moves every batch norm's running statistics towards the last batch.
    fn update_running(&mut self, momentum: f64) {
        for (node, layer) in self.graph.nodes.iter().zip(&self.layers) {
            if let (Op::BatchNorm { running_mean, running_var, frozen: false, .. }, Layer::BatchNorm(layer)) =
                (&node.op, layer)
            {
                let [mean, variance] = self
                    .buffers
                    .get_disjoint_mut([running_mean.0, running_var.0])
                    .expect("mean and variance are two buffers");
                layer.norm.update_running(momentum, mean, variance);
            }
        }
    }

    /// Evaluates a batch of any size, part by part; `collect` gets each part's logits and labels.
    fn evaluate_parts(
        &mut self,
        batch: &Batch,
        statistics: Option<&Buffers>,
        mut collect: impl FnMut(&mut SoftmaxCrossEntropy, &Threads, &[f32], &[u32]) + Send,
    ) -> Result<(), EngineError> {
        if let Some(statistics) = statistics {
            check_lengths(&self.graph.buffers, statistics)?;
        }
        input::check(&self.data, batch)?;
        let threads = Arc::clone(&self.threads);
        threads.enter(|| self.evaluate_each(batch, statistics, &mut collect))
    }

    fn evaluate_each(
        &mut self,
        batch: &Batch,
        statistics: Option<&Buffers>,
        collect: &mut impl FnMut(&mut SoftmaxCrossEntropy, &Threads, &[f32], &[u32]),
    ) -> Result<(), EngineError> {
        for start in (0..batch.indices.len()).step_by(self.batch_size) {
            let part = start..(start + self.batch_size).min(batch.indices.len());
            let augmentations = if batch.augmentations.is_empty() { &[] } else { &batch.augmentations[part.clone()] };
            let part = Batch { split: batch.split, indices: &batch.indices[part], augmentations };
            self.load(&part, Mode::Evaluation)?;
            let running = std::mem::take(&mut self.buffers);
            let (mut pass, _, evaluation, _) = self.pass(Mode::Evaluation);
            if start == 0 {
                pass.fold_batch_norms(&evaluation.steps, statistics.unwrap_or(&running));
            }
            pass.forward(&evaluation.steps, Mode::Evaluation);
            let logits = self.evaluation_layout.range(self.evaluation.logits, self.labels.len());
            collect(&mut self.softmax, &self.threads, &self.arena.floats()[logits], &self.labels);
            self.buffers = running;
        }
        Ok(())
    }
}

impl Engine for CpuEngine {
    fn train_step(&mut self, batch: &Batch, bn_momentum: f64, update: &Update) -> Result<StepOutcome, EngineError> {
        let names = optimizer::slots_of(update.optimizer);
        if let Some((name, _)) = self.optimizer.slots.iter().find(|(name, _)| !names.contains(name)) {
            return Err(EngineError::Tensor {
                name: (*name).to_string(),
                expected: format!("state of {:?}: {}", update.optimizer, names.join(", ")),
                found: "another optimizer's".to_string(),
            });
        }
        let threads = Arc::clone(&self.threads);
        threads.enter(|| {
            let outcome = self.forward_backward(batch, bn_momentum)?;
            optimizer::step_parts(
                &self.threads,
                self.isa,
                update,
                &self.parts,
                &mut self.optimizer,
                &mut self.parameters,
                &self.gradients,
            );
            Ok(outcome)
        })
    }

    fn gradients_of(&mut self, batch: &Batch, bn_momentum: f64) -> Result<StepOutcome, EngineError> {
        let threads = Arc::clone(&self.threads);
        threads.enter(|| self.forward_backward(batch, bn_momentum))
    }

    fn evaluate(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Evaluation, EngineError> {
        Ok(self.classify(batch, statistics)?.0)
    }

    fn classify(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<(Evaluation, Vec<u32>), EngineError> {
        let (mut sums, classes) = (Evaluation::default(), self.data.classes);
        let mut found = Vec::with_capacity(batch.indices.len());
        self.evaluate_parts(batch, statistics, |softmax, threads, logits, labels| {
            let score = softmax.score(threads, logits, labels);
            sums.loss_sum += score.loss_sum;
            sums.correct += score.correct;
            sums.count += labels.len();
            found.extend(largest_of_rows(logits, classes));
        })?;
        Ok((sums, found))
    }

    fn logits(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Vec<f32>, EngineError> {
        let mut all = Vec::with_capacity(batch.indices.len() * self.data.classes);
        self.evaluate_parts(batch, statistics, |_, _, logits, _| all.extend_from_slice(logits))?;
        Ok(all)
    }

    fn batch_statistics(&mut self, batches: &[Batch]) -> Result<Buffers, EngineError> {
        let mut sums: Vec<Vec<f64>> = self.buffers.iter().map(|buffer| vec![0.0; buffer.len()]).collect();
        for batch in batches {
            self.training_forward(batch)?;
            for (node, layer) in self.graph.nodes.iter().zip(&self.layers) {
                if let (Op::BatchNorm { running_mean, running_var, frozen, .. }, Layer::BatchNorm(layer)) =
                    (&node.op, layer)
                {
                    let add = |(sum, value): (&mut f64, f64)| *sum += value;
                    if *frozen {
                        for buffer in [running_mean.0, running_var.0] {
                            let running = self.buffers[buffer].iter().map(|value| f64::from(*value));
                            sums[buffer].iter_mut().zip(running).for_each(add);
                        }
                        continue;
                    }
                    sums[running_mean.0].iter_mut().zip(layer.norm.batch_mean()).for_each(add);
                    sums[running_var.0].iter_mut().zip(layer.norm.batch_variance()).for_each(add);
                }
            }
        }
        let count = batches.len() as f64;
        Ok(sums.into_iter().map(|sum| sum.into_iter().map(|sum| (sum / count) as f32).collect()).collect())
    }

    fn parameters(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(self.places.split(&self.parameters))
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(self.places.split(&self.gradients))
    }

    fn buffers(&self) -> Result<Buffers, EngineError> {
        Ok(self.buffers.clone())
    }

    fn set_state(&mut self, parameters: &[Vec<f32>], buffers: &Buffers) -> Result<(), EngineError> {
        check_lengths(&self.graph.parameters, parameters)?;
        check_lengths(&self.graph.buffers, buffers)?;
        self.parameters = self.places.join(parameters);
        self.buffers.clone_from(buffers);
        Ok(())
    }

    fn optimizer_state(&self) -> Result<OptimizerState, EngineError> {
        let slots = self.optimizer.slots.iter();
        let slots = slots.map(|(name, values)| ((*name).to_string(), self.places.split(values))).collect();
        Ok(OptimizerState { updates: self.optimizer.updates, slots })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        let mut slots = Vec::with_capacity(state.slots.len());
        for (name, parts) in &state.slots {
            let known = known_slot(name)?;
            check_lengths(&self.graph.parameters, parts)?;
            slots.push((known, self.places.join(parts)));
        }
        self.optimizer = FlatState { updates: state.updates, slots };
        Ok(())
    }

    fn description(&self) -> String {
        let mut algorithms: Vec<&str> = Vec::new();
        for layer in &self.layers {
            if let Layer::Conv(layer) = layer
                && !algorithms.contains(&layer.conv.algorithm())
            {
                algorithms.push(layer.conv.algorithm());
            }
        }
        algorithms.sort_unstable();
        format!("cpu {} {}", self.isa, algorithms.join("+")).trim_end().to_string()
    }

    fn isa(&self) -> Option<Isa> {
        Some(self.isa)
    }
}

/// The name of an optimizer's slot, if there is one like that.
pub(crate) fn known_slot(name: &str) -> Result<&'static str, EngineError> {
    optimizer::SLOT_NAMES.into_iter().find(|known| *known == name).ok_or_else(|| EngineError::Tensor {
        name: name.to_string(),
        expected: format!("an optimizer's state: one of {}", optimizer::SLOT_NAMES.join(", ")),
        found: "an unknown name".to_string(),
    })
}

/// Checks that there is one vector a tensor, of its length.
pub(crate) fn check_lengths(specs: &[TensorSpec], found: &[Vec<f32>]) -> Result<(), EngineError> {
    if specs.len() != found.len() {
        return Err(EngineError::Tensor {
            name: specs.get(found.len()).map_or_else(|| "(one too many)".to_string(), |spec| spec.name.clone()),
            expected: format!("{} tensors", specs.len()),
            found: format!("{}", found.len()),
        });
    }
    match specs.iter().zip(found).find(|(spec, found)| spec.len() != found.len()) {
        None => Ok(()),
        Some((spec, found)) => Err(EngineError::Tensor {
            name: spec.name.clone(),
            expected: format!("{} numbers of shape {:?}", spec.len(), spec.shape),
            found: format!("{}", found.len()),
        }),
    }
}

/// Checks that a graph starts from the data's images, or a part of them, and ends in their classes.
pub(crate) fn check_graph(graph: &Graph, data: &DataSet) -> Result<(), EngineError> {
    let wrong = |what: &str, expected: [usize; 3], found: Option<[usize; 3]>| {
        let found = found.map_or_else(|| "nothing".to_string(), |shape| format!("{shape:?}"));
        Err(EngineError::Device(format!("net's {what}: expected shape {expected:?}, found {found}")))
    };
    let first = graph.nodes.first().map(|node| node.shape);
    let [channels, height, width] = data.shape;
    if !first.is_some_and(|[c, h, w]| c == channels && h <= height && w <= width) {
        return wrong("input", data.shape, first);
    }
    let (last, logits) = (graph.nodes.last().map(|node| node.shape), [data.classes, 1, 1]);
    if last != Some(logits) {
        return wrong("output", logits, last);
    }
    if let Some(node) = graph.nodes.iter().find(|node| node.shape.contains(&0)) {
        return Err(EngineError::Device(format!("net: {:?} leaves no pixel", node.op)));
    }
    let weights = graph.loss.class_weights.len();
    if weights != 0 && weights != data.classes {
        return Err(EngineError::Device(format!("class weights: expected {}, found {weights}", data.classes)));
    }
    let needed = graph.needs_gradient();
    let stands_in_the_way =
        |(node, needed): (&Node, &bool)| *needed && matches!(node.op, Op::BatchNorm { frozen: true, .. });
    if graph.nodes.iter().zip(&needed).any(stands_in_the_way) {
        return Err(EngineError::Device("net: a frozen batch norm lies behind what is trained".to_owned()));
    }
    Ok(())
}
