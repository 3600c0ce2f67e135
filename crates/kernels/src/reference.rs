//! The reference engine: the same graph through candle's own operations and autograd, on any candle device.
//!
//! Where candle has no gradient (or a wrong one), the operation is put together from others that have (`ops`). Where
//! candle adds many float32 numbers one by one (batch norm's sums over a batch, the loss, the gradient's norm), they are
//! float64.

mod ops;
mod update;

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor, Var};

use crate::cpu::{check_graph, check_lengths, known_slot};
use crate::engine::{Batch, Buffers, DataSet, Engine, EngineError, Evaluation, OptimizerState, StepOutcome, Update};
use crate::graph::{Graph, NodeId, Op};
use crate::input::{self, Input};
use crate::isa::Isa;
use crate::optimizer::slots_of;
use crate::softmax_cross_entropy::count_correct;
use crate::threads::Threads;

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        EngineError::Device(error.to_string())
    }
}

/// By which statistics batch norm normalises.
#[derive(Clone, Copy)]
enum Statistics<'a> {
    /// The batch's.
    Batch,
    /// These, one a buffer of the graph.
    Given(&'a [Tensor]),
}

/// Mean and unbiased variance of a batch, and the buffers they belong to.
struct BatchMoments {
    running_mean: usize,
    running_var: usize,
    mean: Tensor,
    variance: Tensor,
}

/// A net on a candle device.
pub struct CandleEngine {
    graph: Graph,
    data: DataSet,
    batch_size: usize,
    device: Device,
    description: String,
    input: Input,
    threads: Arc<Threads>,
    parameters: Vec<Var>,
    buffers: Vec<Tensor>,
    gradients: Vec<Tensor>,
    updates: u64,
    slots: Vec<(&'static str, Vec<Tensor>)>,
}

impl CandleEngine {
    /// A net for batches of up to `batch_size` images, with parameters and buffers still 0. On the processor, candle's
    /// operations run on `threads` threads; their number changes no bit.
    ///
    /// # Errors
    /// When graph and data do not fit, or the device fails.
    pub fn new(
        graph: &Graph,
        data: &DataSet,
        batch_size: usize,
        device: Device,
        threads: usize,
    ) -> Result<Self, EngineError> {
        check_graph(graph, data)?;
        let threads = Threads::new(threads).map_err(|error| EngineError::Device(format!("threads: {error}")))?;
        let zeros = |shape: &Vec<usize>| Tensor::zeros(shape.as_slice(), DType::F32, &device);
        let parameters = graph.parameters.iter().map(|spec| Var::from_tensor(&zeros(&spec.shape)?));
        Ok(Self {
            parameters: parameters.collect::<Result<_, _>>()?,
            buffers: graph.buffers.iter().map(|spec| zeros(&spec.shape)).collect::<Result<_, _>>()?,
            gradients: graph.parameters.iter().map(|spec| zeros(&spec.shape)).collect::<Result<_, _>>()?,
            graph: graph.clone(),
            data: data.clone(),
            batch_size,
            input: Input::new(data, graph.nodes[0].shape),
            threads: Arc::new(threads),
            description: describe(&device),
            device,
            updates: 0,
            slots: Vec::new(),
        })
    }

    /// Images [N, C, H, W] and labels of a batch.
    fn load(&self, batch: &Batch) -> Result<(Tensor, Vec<u32>), EngineError> {
        input::check(&self.data, batch)?;
        let images = input::images(&self.data, batch.split);
        let [c, h, w] = self.graph.nodes[0].shape;
        let count = batch.indices.len();
        let mut pixels = vec![0.0; count * c * h * w];
        self.input.gather(&self.threads, images, batch, &mut pixels);
        let x = Tensor::from_vec(pixels, (count, h, w, c), &self.device)?.permute((0, 3, 1, 2))?.contiguous()?;
        Ok((x, batch.indices.iter().map(|&index| images.labels[index as usize]).collect()))
    }

    fn parameter(&self, id: crate::graph::ParameterId) -> &Tensor {
        self.parameters[id.0].as_tensor()
    }

    /// The weight of a convolution, so laid out that candle convolves by itself. Left to cuDNN, which takes whole kernels
    /// alone, a card would round to TF32 and choose the algorithm.
    fn kernel(&self, id: crate::graph::ParameterId) -> candle_core::Result<Tensor> {
        let weight = self.parameter(id);
        if !(cfg!(feature = "cudnn") && self.device.is_cuda()) {
            return Ok(weight.clone());
        }
        let (first, second) = if weight.dim(2)? > 1 { (2, 3) } else { (0, 1) };
        weight.transpose(first, second)?.contiguous()?.transpose(first, second)
    }

    /// The logits [N, classes]; batch moments are pushed to `moments` where batch norm goes by the batch.
    fn forward(
        &self,
        input: &Tensor,
        statistics: Statistics,
        moments: &mut Vec<BatchMoments>,
    ) -> Result<Tensor, EngineError> {
        let mut values: Vec<Tensor> = Vec::with_capacity(self.graph.nodes.len());
        for node in &self.graph.nodes {
            let of = |id: NodeId| &values[id.0];
            let y = match &node.op {
                Op::Input => input.clone(),
                Op::Conv2d { x, weight, bias, stride, padding, .. } => {
                    let y = of(*x).conv2d(&self.kernel(*weight)?, *padding, *stride, 1, 1)?;
                    match bias {
                        Some(bias) => {
                            let channels = Channels::of(&y)?;
                            channels.restore(&channels.flat.broadcast_add(&column(self.parameter(*bias))?)?)?
                        }
                        None => y,
                    }
                }
                Op::BatchNorm { x, residual, relu, .. } => {
                    let y = self.batch_norm(&node.op, of(*x), statistics, moments)?;
                    let y = match residual {
                        Some(residual) => (y + of(*residual))?,
                        None => y,
                    };
                    if *relu { y.relu()? } else { y }
                }
                Op::Relu { x } => of(*x).relu()?,
                Op::MaxPool { x, kernel, stride, padding } => ops::max_pool(of(*x), *kernel, *stride, *padding)?,
                Op::AvgPool { x, kernel, stride, padding } => ops::avg_pool(of(*x), *kernel, *stride, *padding)?,
                Op::Subsample { x, stride } => ops::subsample(of(*x), *stride)?,
                Op::PadChannels { x, before, after } => of(*x).pad_with_zeros(1, *before, *after)?,
                Op::GlobalAvgPool { x } => of(*x).mean_keepdim((2, 3))?,
                Op::Flatten { x } => {
                    let flat = of(*x).flatten_from(1)?;
                    flat.unsqueeze(2)?.unsqueeze(3)?
                }
                Op::Linear { x, weight, bias } => {
                    let y = of(*x).flatten_from(1)?.matmul(&self.parameter(*weight).t()?)?;
                    y.broadcast_add(self.parameter(*bias))?.unsqueeze(2)?.unsqueeze(3)?
                }
            };
            values.push(y);
        }
        let logits = values.pop().expect("a net has operations");
        Ok(logits.flatten_from(1)?)
    }

    fn batch_norm(
        &self,
        op: &Op,
        x: &Tensor,
        statistics: Statistics,
        moments: &mut Vec<BatchMoments>,
    ) -> Result<Tensor, EngineError> {
        let Op::BatchNorm { weight, bias, running_mean, running_var, frozen, .. } = op else {
            unreachable!("called for batch norm alone")
        };
        let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64);
        let channels = Channels::of(x)?;
        let x = wide(&channels.flat)?;
        let (mean, variance) = match statistics {
            Statistics::Batch if *frozen => {
                (wide(&column(&self.buffers[running_mean.0])?)?, wide(&column(&self.buffers[running_var.0])?)?)
            }
            Statistics::Given(buffers) => {
                (wide(&column(&buffers[running_mean.0])?)?, wide(&column(&buffers[running_var.0])?)?)
            }
            Statistics::Batch => {
                let mean = x.mean_keepdim(1)?;
                let variance = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(1)?;
                let rows = x.dim(1)?;
                let unbiased = (variance.detach().flatten_all()? * (rows as f64 / (rows.max(2) - 1) as f64))?;
                moments.push(BatchMoments {
                    running_mean: running_mean.0,
                    running_var: running_var.0,
                    mean: mean.detach().flatten_all()?.to_dtype(DType::F32)?,
                    variance: unbiased.to_dtype(DType::F32)?,
                });
                (mean, variance)
            }
        };
        let normal = x.broadcast_sub(&mean)?.broadcast_div(&(variance + crate::batch_norm::EPSILON)?.sqrt()?)?;
        let (weight, bias) = (wide(&column(self.parameter(*weight))?)?, wide(&column(self.parameter(*bias))?)?);
        Ok(channels.restore(&normal.broadcast_mul(&weight)?.broadcast_add(&bias)?.to_dtype(DType::F32)?)?)
    }

    /// Sum of the cross-entropies in float64, as a tensor that can be differentiated.
    fn loss_sum(&self, logits: &Tensor, labels: &[u32]) -> Result<Tensor, EngineError> {
        let labels = Tensor::from_slice(labels, (labels.len(), 1), &self.device)?;
        let logits = logits.to_dtype(DType::F64)?;
        let max = logits.max_keepdim(D::Minus1)?.detach();
        let shifted = logits.broadcast_sub(&max)?;
        let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
        Ok((log_sum - shifted.gather(&labels, D::Minus1)?)?.sum_all()?)
    }

    /// [`Engine::train_step`], on the engine's threads.
    fn step(&mut self, batch: &Batch, bn_momentum: f64, update: &Update) -> Result<StepOutcome, EngineError> {
        let names = slots_of(update.optimizer);
        if let Some((name, _)) = self.slots.iter().find(|(name, _)| !names.contains(name)) {
            return Err(EngineError::Tensor {
                name: (*name).to_string(),
                expected: format!("state of {:?}: {}", update.optimizer, names.join(", ")),
                found: "another optimizer's".to_string(),
            });
        }
        let outcome = self.forward_backward(batch, bn_momentum)?;
        self.updates += 1;
        update::step(update, self.updates, &mut self.slots, &self.parameters, &self.graph.rates, &self.gradients)?;
        Ok(outcome)
    }

    /// [`Engine::gradients_of`], on the engine's threads.
    fn forward_backward(&mut self, batch: &Batch, bn_momentum: f64) -> Result<StepOutcome, EngineError> {
        if batch.indices.len() > self.batch_size || batch.indices.is_empty() {
            let (found, most) = (batch.indices.len(), self.batch_size);
            return Err(EngineError::Device(format!("batch: expected 1 to {most} images, found {found}")));
        }
        let (x, labels) = self.load(batch)?;
        let mut moments = Vec::new();
        let logits = self.forward(&x, Statistics::Batch, &mut moments)?;
        let loss = (self.loss_sum(&logits, &labels)? / labels.len() as f64)?;
        let mut store =
            if self.graph.loss.is_plain() { loss.backward()? } else { self.followed(&logits, &labels)?.backward()? };
        for ((slot, parameter), rate) in self.gradients.iter_mut().zip(&self.parameters).zip(&self.graph.rates) {
            // Detached: a gradient remembers what it was computed from, all activations of its step.
            *slot = match store.remove(parameter) {
                Some(gradient) if *rate > 0.0 => gradient.detach(),
                _ => parameter.zeros_like()?,
            };
        }
        for BatchMoments { running_mean, running_var, mean, variance } in moments {
            for (buffer, new) in [(running_mean, mean), (running_var, variance)] {
                self.buffers[buffer] = ((new * bn_momentum)? + (&self.buffers[buffer] * (1.0 - bn_momentum))?)?;
            }
        }
        let mut squares = 0.0;
        for gradient in &self.gradients {
            squares += gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
        }
        Ok(StepOutcome {
            loss: loss.to_scalar::<f64>()?,
            correct: count_correct(&values(&logits.detach())?, &labels, self.data.classes),
            grad_norm: squares.sqrt(),
            weights_finite: None,
        })
    }

    /// The loss with options whose gradient is followed.
    fn followed(&self, logits: &Tensor, labels: &[u32]) -> Result<Tensor, EngineError> {
        let (loss, classes) = (&self.graph.loss, self.data.classes);
        let (every, own) = loss.shares(classes);
        let target = |i: usize| {
            let (label, class) = (labels[i / classes] as usize, i % classes);
            loss.weight(class) * (every + if class == label { own } else { 0.0 })
        };
        let targets = Tensor::from_iter((0..labels.len() * classes).map(target), &self.device)?;
        let targets = targets.reshape((labels.len(), classes))?;
        let logits = logits.to_dtype(DType::F64)?;
        let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
        let log = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
        Ok(((targets * log)?.sum_all()? * (-1.0 / loss.divisor(labels)))?)
    }

    /// Evaluates a batch of any size, part by part; `collect` gets each part's logits and labels.
    fn evaluate_parts(
        &self,
        batch: &Batch,
        statistics: Option<&Buffers>,
        mut collect: impl FnMut(&Tensor, &[u32]) -> Result<(), EngineError> + Send,
    ) -> Result<(), EngineError> {
        self.threads.confine(|| self.evaluate_each(batch, statistics, &mut collect))
    }

    fn evaluate_each(
        &self,
        batch: &Batch,
        statistics: Option<&Buffers>,
        collect: &mut impl FnMut(&Tensor, &[u32]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let statistics = match statistics {
            None => self.buffers.clone(),
            Some(given) => self.tensors(&self.graph.buffers, given)?,
        };
        input::check(&self.data, batch)?;
        for start in (0..batch.indices.len()).step_by(self.batch_size) {
            let part = start..(start + self.batch_size).min(batch.indices.len());
            let augmentations = if batch.augmentations.is_empty() { &[] } else { &batch.augmentations[part.clone()] };
            let part = Batch { split: batch.split, indices: &batch.indices[part], augmentations };
            let (x, labels) = self.load(&part)?;
            let logits = self.forward(&x, Statistics::Given(&statistics), &mut Vec::new())?.detach();
            collect(&logits, &labels)?;
        }
        Ok(())
    }

    fn tensors(&self, specs: &[crate::graph::TensorSpec], values: &[Vec<f32>]) -> Result<Vec<Tensor>, EngineError> {
        check_lengths(specs, values)?;
        let tensor = |(spec, values): (&crate::graph::TensorSpec, &Vec<f32>)| {
            Tensor::from_slice(values, spec.shape.as_slice(), &self.device)
        };
        Ok(specs.iter().zip(values).map(tensor).collect::<Result<_, _>>()?)
    }
}

/// What runs the numbers, for the record. candle picks its instructions by what the processor has.
fn describe(device: &Device) -> String {
    match device {
        Device::Cpu => format!("candle cpu (processor: {})", Isa::detect()),
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => crate::gpu::cuda::Card::of(cuda)
            .map_or_else(|error| format!("candle cuda, {error}"), |card| format!("candle cuda {}", card.name)),
        other => format!("candle {:?}", other.location()),
    }
}

/// Activations with all numbers of a channel in a row: candle's sums along rows take a hundredth of the time of those
/// over other dimensions.
struct Channels {
    /// [C, N * H * W].
    flat: Tensor,
    images: usize,
    height: usize,
    width: usize,
}

impl Channels {
    /// Of x [N, C, H, W].
    fn of(x: &Tensor) -> candle_core::Result<Self> {
        let (images, channels, height, width) = x.dims4()?;
        let flat = x.transpose(0, 1)?.contiguous()?.reshape((channels, images * height * width))?;
        Ok(Self { flat, images, height, width })
    }

    /// [C, N * H * W] as [N, C, H, W].
    fn restore(&self, flat: &Tensor) -> candle_core::Result<Tensor> {
        flat.reshape(((), self.images, self.height, self.width))?.transpose(0, 1)?.contiguous()
    }
}

/// `[C]` as [C, 1].
fn column(tensor: &Tensor) -> candle_core::Result<Tensor> {
    tensor.reshape(((), 1))
}

fn values(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

impl Engine for CandleEngine {
    fn train_step(&mut self, batch: &Batch, bn_momentum: f64, update: &Update) -> Result<StepOutcome, EngineError> {
        let threads = Arc::clone(&self.threads);
        threads.confine(|| self.step(batch, bn_momentum, update))
    }

    fn gradients_of(&mut self, batch: &Batch, bn_momentum: f64) -> Result<StepOutcome, EngineError> {
        let threads = Arc::clone(&self.threads);
        threads.confine(|| self.forward_backward(batch, bn_momentum))
    }

    fn evaluate(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Evaluation, EngineError> {
        let mut sums = Evaluation::default();
        self.evaluate_parts(batch, statistics, |logits, labels| {
            sums.loss_sum += self.loss_sum(logits, labels)?.to_scalar::<f64>()?;
            sums.correct += count_correct(&values(logits)?, labels, self.data.classes);
            sums.count += labels.len();
            Ok(())
        })?;
        Ok(sums)
    }

    fn logits(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Vec<f32>, EngineError> {
        let mut all = Vec::with_capacity(batch.indices.len() * self.data.classes);
        self.evaluate_parts(batch, statistics, |logits, _| {
            all.extend(values(logits)?);
            Ok(())
        })?;
        Ok(all)
    }

    fn batch_statistics(&mut self, batches: &[Batch]) -> Result<Buffers, EngineError> {
        let mut sums: Vec<Vec<f64>> = self.graph.buffers.iter().map(|spec| vec![0.0; spec.len()]).collect();
        for batch in batches {
            let mut moments = Vec::new();
            let (x, _) = self.load(batch)?;
            self.threads.confine(|| self.forward(&x, Statistics::Batch, &mut moments))?;
            for BatchMoments { running_mean, running_var, mean, variance } in moments {
                for (buffer, new) in [(running_mean, mean), (running_var, variance)] {
                    sums[buffer].iter_mut().zip(values(&new)?).for_each(|(sum, new)| *sum += f64::from(new));
                }
            }
        }
        let count = batches.len() as f64;
        Ok(sums.into_iter().map(|sum| sum.into_iter().map(|sum| (sum / count) as f32).collect()).collect())
    }

    fn parameters(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(self.parameters.iter().map(|var| values(var)).collect::<Result<_, _>>()?)
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(self.gradients.iter().map(values).collect::<Result<_, _>>()?)
    }

    fn buffers(&self) -> Result<Buffers, EngineError> {
        Ok(self.buffers.iter().map(values).collect::<Result<_, _>>()?)
    }

    fn set_state(&mut self, parameters: &[Vec<f32>], buffers: &Buffers) -> Result<(), EngineError> {
        let parameters = self.tensors(&self.graph.parameters, parameters)?;
        self.buffers = self.tensors(&self.graph.buffers, buffers)?;
        for (var, tensor) in self.parameters.iter().zip(&parameters) {
            var.set(tensor)?;
        }
        Ok(())
    }

    fn optimizer_state(&self) -> Result<OptimizerState, EngineError> {
        let mut slots = Vec::with_capacity(self.slots.len());
        for (name, tensors) in &self.slots {
            slots.push(((*name).to_string(), tensors.iter().map(values).collect::<Result<_, _>>()?));
        }
        Ok(OptimizerState { updates: self.updates, slots })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        let slots = state
            .slots
            .iter()
            .map(|(name, parts)| Ok((known_slot(name)?, self.tensors(&self.graph.parameters, parts)?)));
        self.slots = slots.collect::<Result<_, EngineError>>()?;
        self.updates = state.updates;
        Ok(())
    }

    fn description(&self) -> String {
        self.description.clone()
    }

    fn isa(&self) -> Option<Isa> {
        None
    }
}
