//! The engine for a GPU: everything of a step happens on the device, the data set included.
//!
//! A step uploads the positions and augmentations of its images and starts kernels; it waits for nothing. What it
//! measured stays on the device until [`Engine::outcomes`] asks for it. Activations are [N, C, H, W], PyTorch's order,
//! so that parameters need no other layout. The device itself is behind [`device::Gpu`]: CUDA (`gpu::cuda`), or in tests
//! the processor, which runs the same kernels.

mod bytes;
mod columns;
#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(feature = "cudnn")]
mod cudnn;
pub mod device;
mod memory;
mod pass;
mod plan;

use std::rc::Rc;

use crate::cpu::{check_graph, check_lengths, known_slot};
use crate::device::Precision;
use crate::engine::{
    Augmentation, Batch, Buffers, DataSet, Engine, EngineError, Evaluation, Optimizer, OptimizerState, Split,
    StepOutcome, Update,
};
use crate::flat::FlatLayout;
use crate::graph::{Graph, Op};
use crate::input::{self, View};
use crate::isa::Isa;
use crate::optimizer::{Scalars, slots_of};
use columns::Columns;
use device::{Address, Args, Gpu};
use memory::{DeviceMemory, EVALUATION_SLOT, OUTCOME, SLOTS};
use pass::Statistics;
use plan::GpuPlan;

/// Bytes of an activation's element.
fn width(precision: Precision) -> usize {
    match precision {
        Precision::Float32 | Precision::Tf32 => size_of::<f32>(),
        Precision::Bf16 => 2,
    }
}

/// The grid of a kernel with a thread an element.
fn elements(gpu: &impl Gpu, total: usize) -> [usize; 2] {
    [total.div_ceil(gpu.threads()), 1]
}

/// A net on a GPU.
pub struct GpuEngine<G> {
    gpu: G,
    graph: Rc<Graph>,
    data: DataSet,
    batch_size: usize,
    plan: Rc<GpuPlan>,
    memory: DeviceMemory,
    columns: Columns,
    parameters: FlatLayout,
    buffers: FlatLayout,
    updates: u64,
    /// The optimizer's slots that are in use: name and memory.
    slots: Vec<(&'static str, Address)>,
    /// Images of each step whose outcome lies on the device.
    begun: Vec<usize>,
    /// Outcomes that were fetched but not yet handed over.
    fetched: Vec<StepOutcome>,
}

impl<G: Gpu> GpuEngine<G> {
    /// A net for batches of up to `batch_size` images, with parameters and buffers still 0, and its data on the device.
    ///
    /// # Errors
    /// When graph and data do not fit, or the device has not the memory.
    pub fn new(mut gpu: G, graph: &Graph, data: &DataSet, batch_size: usize) -> Result<Self, EngineError> {
        check_graph(graph, data)?;
        let plan = GpuPlan::new(graph);
        let largest = plan.regions.iter().max().map_or(0, |len| len * batch_size);
        if batch_size == 0 || i32::try_from(largest).is_err() {
            let most = i32::MAX as usize / plan.regions.iter().max().copied().unwrap_or(1).max(1);
            return Err(EngineError::Device(format!("batch: expected 1 to {most} images, found {batch_size}")));
        }
        let (parameters, buffers) = (FlatLayout::of(&graph.parameters), FlatLayout::of(&graph.buffers));
        let memory = DeviceMemory::new(&mut gpu, graph, data, batch_size, &plan, parameters.len(), buffers.len())?;
        let convolutions = (0..graph.nodes.len()).filter_map(|node| pass::convolution(graph, node, batch_size));
        Ok(Self {
            columns: Columns::new(&gpu, convolutions),
            gpu,
            graph: Rc::new(graph.clone()),
            data: data.clone(),
            batch_size,
            plan: Rc::new(plan),
            memory,
            parameters,
            buffers,
            updates: 0,
            slots: Vec::new(),
            begun: Vec::new(),
            fetched: Vec::new(),
        })
    }

    /// Starts the gathering of a batch's images into the input.
    fn load(&mut self, batch: &Batch) -> Result<(), EngineError> {
        input::check(&self.data, batch)?;
        let images = batch.indices.len();
        if images > self.batch_size || images == 0 {
            let most = self.batch_size;
            return Err(EngineError::Device(format!("batch: expected 1 to {most} images, found {images}")));
        }
        let pack = |how: Augmentation| u32::from(how.flip) | u32::from(how.crop_y) << 8 | u32::from(how.crop_x) << 16;
        let how = |i: usize| pack(batch.augmentations.get(i).copied().unwrap_or(Augmentation::NONE));
        // Positions, then augmentations: one copy.
        let order: Vec<u32> = batch.indices.iter().copied().chain((0..images).map(how)).collect();
        self.gpu.upload(bytes::of(&order), self.memory.order)?;
        let [channels, height, width] = self.graph.nodes[0].shape;
        let augmentations = self.memory.order.plus(size_of_val(batch.indices));
        let (pixels, positions) = match self.prepare(batch)? {
            Some(prepared) => prepared,
            None => (self.memory.pixels[half(batch.split)], self.memory.order),
        };
        let x = self.memory.regions[self.plan.values[0].0];
        let total = images * channels * height * width;
        let pointers = [pixels, positions, augmentations, self.memory.tables, x];
        self.each("gather", total, &pointers, &[channels, height, width])
    }

    /// Uploads the images of a batch as they are to be mirrored and normalised, where any is cut out of a larger one or scaled:
    /// pixels, and positions in them. The processor does that: it is bytes that it reads and sends.
    fn prepare(&mut self, batch: &Batch) -> Result<Option<(Address, Address)>, EngineError> {
        let seen = self.graph.nodes[0].shape;
        let (view, len) = (View::new(&self.data, seen), seen.iter().product::<usize>());
        if (0..batch.indices.len()).all(|i| view.part(batch, i).is_none()) {
            return Ok(None);
        }
        let images = input::images(&self.data, batch.split);
        let mut planes = vec![0; batch.indices.len() * len];
        for (i, planes) in planes.chunks_exact_mut(len).enumerate() {
            let pixels = view.pixels(images, batch, i);
            match view.part(batch, i) {
                Some(part) => view.resample(pixels, part, planes),
                None => planes.copy_from_slice(pixels),
            }
        }
        let (at, positions) = if let Some(prepared) = self.memory.prepared {
            prepared
        } else {
            let all: Vec<u32> = (0..self.batch_size as u32).collect();
            let prepared = (self.gpu.allocate(self.batch_size * len)?, memory::upload(&mut self.gpu, &all)?);
            *self.memory.prepared.insert(prepared)
        };
        self.gpu.upload(&planes, at)?;
        Ok(Some((at, positions)))
    }

    /// Runs a kernel with a thread an element: `integers` come after the number of elements.
    fn each(
        &mut self,
        kernel: &'static str,
        total: usize,
        pointers: &[Address],
        integers: &[usize],
    ) -> Result<(), EngineError> {
        let integers: Vec<usize> = std::iter::once(total).chain(integers.iter().copied()).collect();
        self.gpu.launch(kernel, elements(&self.gpu, total), &Args::new(pointers, &integers))
    }

    /// Forward, loss and backward; an update if there is one. Nothing is waited for.
    fn begin(&mut self, batch: &Batch, bn_momentum: f64, update: Option<&Update>) -> Result<(), EngineError> {
        if self.begun.len() == SLOTS {
            self.fetch()?;
        }
        let outcome = self.memory.outcome(self.begun.len());
        self.load(batch)?;
        let images = batch.indices.len();
        self.forward(images, Statistics::Batch { moves: Some(bn_momentum) })?;
        let d_logits = self.memory.regions[self.plan.d_logits.0];
        self.loss(batch, d_logits, outcome, false)?;
        self.backward(images)?;
        self.gradient_norm(outcome)?;
        if let Some(update) = update {
            self.update(update, outcome)?;
        }
        self.begun.push(images);
        Ok(())
    }

    /// Losses and hits of the logits into an outcome, and their gradient unless `d_logits` is none.
    fn loss(
        &mut self,
        batch: &Batch,
        d_logits: Address,
        outcome: Address,
        accumulate: bool,
    ) -> Result<(), EngineError> {
        let (images, classes) = (batch.indices.len(), self.data.classes);
        let logits = self.memory.regions[self.plan.values[self.graph.nodes.len() - 1].0];
        let labels = self.memory.labels[half(batch.split)];
        let pointers = [logits, labels, self.memory.order, d_logits, outcome, self.memory.class_weights];
        let loss = &self.graph.loss;
        let args = Args::new(&pointers, &[images, classes, usize::from(accumulate), usize::from(!loss.is_plain())]);
        let all = &input::images(&self.data, batch.split).labels;
        let labels: Vec<u32> = batch.indices.iter().map(|index| all[*index as usize]).collect();
        let ((every, own), weights) = (loss.shares(classes), (0..classes).map(|class| loss.weight(class)).sum::<f64>());
        let args = args.floats(&[every, own, weights, loss.divisor(&labels)]);
        self.gpu.launch("softmax_cross_entropy", [1, 1], &args)
    }

    fn gradient_norm(&mut self, outcome: Address) -> Result<(), EngineError> {
        let len = self.parameters.len();
        let blocks = len.div_ceil(self.gpu.threads() * 8).clamp(1, memory::MOST_BLOCKS);
        let args = Args::new(&[self.memory.gradients, self.memory.partial], &[len, blocks]);
        self.gpu.launch("squares", [blocks, 1], &args)?;
        self.gpu.launch("squares_total", [1, 1], &Args::new(&[self.memory.partial, outcome], &[blocks]))
    }

    fn update(&mut self, update: &Update, outcome: Address) -> Result<(), EngineError> {
        self.updates += 1;
        let names: &[&'static str] = match update.optimizer {
            // PyTorch makes no buffer where there is no momentum.
            Optimizer::Sgd { .. } if update.momentum == 0.0 => &[],
            Optimizer::RmsProp if update.momentum == 0.0 => &["square_avg"],
            optimizer => slots_of(optimizer),
        };
        let mut fresh = false;
        let mut slots = [Address::NONE; 2];
        for (slot, name) in slots.iter_mut().zip(names) {
            (*slot, fresh) = self.slot(name)?;
        }
        let (rule, nesterov) = match update.optimizer {
            Optimizer::Sgd { nesterov } => (0, nesterov),
            Optimizer::Adagrad => (1, false),
            Optimizer::Adadelta => (2, false),
            Optimizer::RmsProp => (3, false),
            Optimizer::Adam | Optimizer::AdamW => (4, false),
        };
        let ([first, second], &DeviceMemory { parameters, gradients, weights, .. }) = (slots, &self.memory);
        let copy = if weights == parameters { Address::NONE } else { weights };
        for (range, factor) in self.parameters.alike(&self.graph.rates) {
            let update = Update { lr: update.lr * factor, ..*update };
            let Scalars { step_size, correction, weight, decay, shrink } = Scalars::new(&update, self.updates);
            let from = |at: Address, width: usize| if at == Address::NONE { at } else { at.plus(range.start * width) };
            let [parameters, gradients, first, second] =
                [parameters, gradients, first, second].map(|at| from(at, size_of::<f32>()));
            let copy = from(copy, width(self.gpu.precision()));
            let integers = [range.len(), rule, usize::from(nesterov), usize::from(fresh)];
            let args = Args::new(&[parameters, gradients, first, second, copy, outcome], &integers);
            let args = args.floats(&[update.lr, update.momentum, decay, step_size, correction, weight, shrink]);
            self.gpu.launch("update", elements(&self.gpu, range.len()), &args)?;
        }
        Ok(())
    }

    /// The memory of an optimizer's slot, zeros at first; says whether it is new.
    fn slot(&mut self, name: &'static str) -> Result<(Address, bool), EngineError> {
        if let Some((_, at)) = self.slots.iter().find(|(slot, _)| *slot == name) {
            return Ok((*at, false));
        }
        let at = self.memory.slots[self.slots.len()];
        self.gpu.upload(bytes::of(&vec![0.0f32; self.parameters.len()]), at)?;
        self.slots.push((name, at));
        Ok((at, true))
    }

    /// Waits for all steps that were begun and fetches their outcomes.
    fn fetch(&mut self) -> Result<(), EngineError> {
        let numbers: Vec<f64> = self.read(self.memory.outcome(0), self.begun.len() * OUTCOME)?;
        for (images, outcome) in self.begun.drain(..).zip(numbers.chunks_exact(OUTCOME)) {
            self.fetched.push(StepOutcome {
                loss: outcome[0] / images as f64,
                correct: outcome[1] as usize,
                grad_norm: outcome[2].sqrt(),
                weights_finite: Some(outcome[3] == 0.0),
            });
        }
        Ok(())
    }

    /// The outcome of the last step begun; those before it stay to be handed over.
    fn last_outcome(&mut self) -> Result<StepOutcome, EngineError> {
        self.fetch()?;
        self.fetched.pop().ok_or_else(|| EngineError::Device("no step was begun".to_owned()))
    }

    fn read<T: bytes::Plain>(&self, from: Address, len: usize) -> Result<Vec<T>, EngineError> {
        let mut numbers = vec![T::default(); len];
        self.gpu.download(from, bytes::of_mut(&mut numbers))?;
        Ok(numbers)
    }

    /// Evaluates a batch of any size, part by part; `collect` is called after each.
    fn evaluate_parts(
        &mut self,
        batch: &Batch,
        statistics: Option<&Buffers>,
        mut collect: impl FnMut(&mut Self, &Batch) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let statistics = match statistics {
            None => self.memory.running,
            Some(given) => {
                check_lengths(&self.graph.buffers, given)?;
                self.gpu.upload(bytes::of(&self.buffers.join(given)), self.memory.given)?;
                self.memory.given
            }
        };
        input::check(&self.data, batch)?;
        for start in (0..batch.indices.len()).step_by(self.batch_size) {
            let part = start..(start + self.batch_size).min(batch.indices.len());
            let augmentations = if batch.augmentations.is_empty() { &[] } else { &batch.augmentations[part.clone()] };
            let part = Batch { split: batch.split, indices: &batch.indices[part], augmentations };
            self.load(&part)?;
            self.forward(part.indices.len(), Statistics::Given(statistics))?;
            collect(self, &part)?;
        }
        Ok(())
    }
}

fn half(split: Split) -> usize {
    match split {
        Split::Train => 0,
        Split::Test => 1,
    }
}

impl<G: Gpu> Engine for GpuEngine<G> {
    fn train_step(&mut self, batch: &Batch, bn_momentum: f64, update: &Update) -> Result<StepOutcome, EngineError> {
        self.begin_step(batch, bn_momentum, update)?;
        self.last_outcome()
    }

    fn begin_step(
        &mut self,
        batch: &Batch,
        bn_momentum: f64,
        update: &Update,
    ) -> Result<Option<StepOutcome>, EngineError> {
        let names = slots_of(update.optimizer);
        if let Some((name, _)) = self.slots.iter().find(|(name, _)| !names.contains(name)) {
            return Err(EngineError::Tensor {
                name: (*name).to_string(),
                expected: format!("state of {:?}: {}", update.optimizer, names.join(", ")),
                found: "another optimizer's".to_string(),
            });
        }
        self.begin(batch, bn_momentum, Some(update))?;
        Ok(None)
    }

    fn outcomes(&mut self) -> Result<Vec<StepOutcome>, EngineError> {
        self.fetch()?;
        Ok(std::mem::take(&mut self.fetched))
    }

    fn gradients_of(&mut self, batch: &Batch, bn_momentum: f64) -> Result<StepOutcome, EngineError> {
        self.begin(batch, bn_momentum, None)?;
        Ok(StepOutcome { weights_finite: None, ..self.last_outcome()? })
    }

    fn evaluate(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Evaluation, EngineError> {
        let outcome = self.memory.outcome(EVALUATION_SLOT);
        let mut count = 0;
        self.evaluate_parts(batch, statistics, |engine, part| {
            engine.loss(part, Address::NONE, outcome, count > 0)?;
            count += part.indices.len();
            Ok(())
        })?;
        if count == 0 {
            return Ok(Evaluation::default());
        }
        let sums: Vec<f64> = self.read(outcome, OUTCOME)?;
        Ok(Evaluation { loss_sum: sums[0], correct: sums[1] as usize, count })
    }

    fn logits(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Vec<f32>, EngineError> {
        let mut all = Vec::with_capacity(batch.indices.len() * self.data.classes);
        self.evaluate_parts(batch, statistics, |engine, part| {
            let logits = engine.memory.regions[engine.plan.values[engine.graph.nodes.len() - 1].0];
            let len = part.indices.len() * engine.data.classes;
            match engine.gpu.precision() {
                Precision::Float32 | Precision::Tf32 => all.extend(engine.read::<f32>(logits, len)?),
                Precision::Bf16 => {
                    let halves = engine.read::<u16>(logits, len)?;
                    all.extend(halves.into_iter().map(|bits| f32::from_bits(u32::from(bits) << 16)));
                }
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn batch_statistics(&mut self, batches: &[Batch]) -> Result<Buffers, EngineError> {
        let mut sums: Vec<Vec<f64>> = self.graph.buffers.iter().map(|spec| vec![0.0; spec.len()]).collect();
        let graph = Rc::clone(&self.graph);
        for batch in batches {
            self.load(batch)?;
            self.forward(batch.indices.len(), Statistics::Batch { moves: None })?;
            let saved: Vec<f32> = self.read(self.memory.saved, self.memory.saved_places.len())?;
            for (i, node) in graph.nodes.iter().enumerate() {
                let Op::BatchNorm { running_mean, running_var, frozen, .. } = node.op else { continue };
                if frozen {
                    let running = self.buffers()?;
                    for buffer in [running_mean.0, running_var.0] {
                        sums[buffer].iter_mut().zip(&running[buffer]).for_each(|(sum, new)| *sum += f64::from(*new));
                    }
                    continue;
                }
                // Mean, 1 / deviation, unbiased variance.
                let moments = &saved[self.memory.saved_places.range(i).start..][..3 * node.shape[0]];
                let (mean, variance) = (&moments[..node.shape[0]], &moments[2 * node.shape[0]..]);
                for (buffer, new) in [(running_mean, mean), (running_var, variance)] {
                    sums[buffer.0].iter_mut().zip(new).for_each(|(sum, new)| *sum += f64::from(*new));
                }
            }
        }
        let count = batches.len() as f64;
        Ok(sums.into_iter().map(|sum| sum.into_iter().map(|sum| (sum / count) as f32).collect()).collect())
    }

    fn parameters(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(self.parameters.split(&self.read(self.memory.parameters, self.parameters.len())?))
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(self.parameters.split(&self.read(self.memory.gradients, self.parameters.len())?))
    }

    fn buffers(&self) -> Result<Buffers, EngineError> {
        Ok(self.buffers.split(&self.read(self.memory.running, self.buffers.len())?))
    }

    fn set_state(&mut self, parameters: &[Vec<f32>], buffers: &Buffers) -> Result<(), EngineError> {
        check_lengths(&self.graph.parameters, parameters)?;
        check_lengths(&self.graph.buffers, buffers)?;
        self.gpu.upload(bytes::of(&self.parameters.join(parameters)), self.memory.parameters)?;
        self.gpu.upload(bytes::of(&self.buffers.join(buffers)), self.memory.running)?;
        if self.memory.weights != self.memory.parameters {
            let pointers = [self.memory.parameters, self.memory.weights];
            self.each("narrow", self.parameters.len(), &pointers, &[])?;
        }
        Ok(())
    }

    fn optimizer_state(&self) -> Result<OptimizerState, EngineError> {
        let mut slots = Vec::with_capacity(self.slots.len());
        for (name, at) in &self.slots {
            slots.push(((*name).to_string(), self.parameters.split(&self.read(*at, self.parameters.len())?)));
        }
        Ok(OptimizerState { updates: self.updates, slots })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        let mut slots = Vec::with_capacity(state.slots.len());
        for ((name, parts), at) in state.slots.iter().zip(self.memory.slots) {
            let known = known_slot(name)?;
            check_lengths(&self.graph.parameters, parts)?;
            self.gpu.upload(bytes::of(&self.parameters.join(parts)), at)?;
            slots.push((known, at));
        }
        self.slots = slots;
        self.updates = state.updates;
        Ok(())
    }

    fn description(&self) -> String {
        self.gpu.description()
    }

    fn isa(&self) -> Option<Isa> {
        None
    }
}
