//! The optimizers of [`crate::engine::Optimizer`], each one pass over all parameters, gradients and slots, as
//! `torch.optim` 2.x computes them (`foreach=False`): the same formulas, in the same order of operations.
//!
//! Scalars are computed in f64, as Python does, and then rounded to f32, as PyTorch does when they meet a tensor.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::disjoint::Disjoint;
use crate::engine::{Optimizer, Update};
use crate::isa::Isa;
use crate::simd::{Kernel, Vector, dispatch};
use crate::threads::Threads;

/// Floats of a task.
const CHUNK: usize = 16 * 1024;

const ADAGRAD_EPSILON: f64 = 1e-10;
const ADADELTA_RHO: f64 = 0.9;
const ADADELTA_EPSILON: f64 = 1e-6;
const RMSPROP_ALPHA: f64 = 0.99;
const RMSPROP_EPSILON: f64 = 1e-8;
const ADAM_BETA2: f64 = 0.999;
const ADAM_EPSILON: f64 = 1e-8;

/// Every name that a slot can have, PyTorch's.
pub(crate) const SLOT_NAMES: [&str; 6] = ["momentum_buffer", "sum", "square_avg", "acc_delta", "exp_avg", "exp_avg_sq"];

/// What an optimizer remembers between steps, over all parameters in one; [`crate::engine::OptimizerState`] has them one by
/// one.
#[derive(Clone, Debug, Default)]
pub struct FlatState {
    /// Updates made so far.
    pub updates: u64,
    /// Name and values of each slot.
    pub slots: Vec<(&'static str, Vec<f32>)>,
}

/// The names of the slots that `optimizer` has, once each has been used.
pub(crate) fn slots_of(optimizer: Optimizer) -> &'static [&'static str] {
    match optimizer {
        Optimizer::Sgd { .. } => &["momentum_buffer"],
        Optimizer::Adagrad => &["sum"],
        Optimizer::Adadelta => &["square_avg", "acc_delta"],
        Optimizer::RmsProp => &["square_avg", "momentum_buffer"],
        Optimizer::Adam | Optimizer::AdamW => &["exp_avg", "exp_avg_sq"],
    }
}

impl FlatState {
    /// Takes the slot `name` out, as it is or as zeros; says whether it was there.
    fn take(&mut self, name: &'static str, len: usize) -> (Vec<f32>, bool) {
        if let Some((_, values)) = self.slots.iter_mut().find(|(slot, _)| *slot == name) {
            return (std::mem::take(values), true);
        }
        self.slots.push((name, Vec::new()));
        (vec![0.0; len], false)
    }

    fn put_back(&mut self, name: &'static str, values: Vec<f32>) {
        if let Some((_, slot)) = self.slots.iter_mut().find(|(slot, _)| *slot == name) {
            *slot = values;
        }
    }
}

/// One step: moves `parameters` by `gradients`, which stay as they are.
pub fn step(
    threads: &Threads,
    isa: Isa,
    update: &Update,
    state: &mut FlatState,
    parameters: &mut [f32],
    gradients: &[f32],
) {
    let all = (0..parameters.len(), 1.0);
    step_parts(threads, isa, update, std::slice::from_ref(&all), state, parameters, gradients);
}

/// As [`step`], for some parts of the parameters, each with a factor of the rate: PyTorch's groups of parameters.
pub(crate) fn step_parts(
    threads: &Threads,
    isa: Isa,
    update: &Update,
    parts: &[(Range<usize>, f64)],
    state: &mut FlatState,
    parameters: &mut [f32],
    gradients: &[f32],
) {
    state.updates += 1;
    let names: &[&'static str] = match update.optimizer {
        // PyTorch makes no buffer where there is no momentum.
        Optimizer::Sgd { .. } if update.momentum == 0.0 => &[],
        Optimizer::RmsProp if update.momentum == 0.0 => &["square_avg"],
        optimizer => slots_of(optimizer),
    };
    let mut slots = [Vec::new(), Vec::new()];
    let mut fresh = false;
    for (slot, name) in slots.iter_mut().zip(names) {
        let (values, found) = state.take(name, parameters.len());
        *slot = values;
        fresh = !found;
    }
    for (range, factor) in parts {
        let rule = Rule::new(&Update { lr: update.lr * factor, ..*update }, state.updates, fresh);
        let (parameters, gradients, len) = (&mut parameters[range.clone()], &gradients[range.clone()], range.len());
        let [first, second] =
            slots.each_mut().map(|slot| if slot.is_empty() { &mut [][..] } else { &mut slot[range.clone()] });
        let (parameters, first, second) = (Disjoint::new(parameters), Disjoint::new(first), Disjoint::new(second));
        threads.run(len.div_ceil(CHUNK), |chunk| {
            let gradients = &gradients[chunk * CHUNK..((chunk + 1) * CHUNK).min(len)];
            // SAFETY: each chunk comes once, so it belongs to one task.
            let (parameters, first, second) =
                unsafe { (parameters.chunk(chunk, CHUNK), first.chunk(chunk, CHUNK), second.chunk(chunk, CHUNK)) };
            dispatch(isa, Step { rule, parameters, gradients, first, second });
        });
    }
    for (values, name) in slots.into_iter().zip(names) {
        state.put_back(name, values);
    }
}

/// Euclidean norm, summed in f64 in a fixed order.
pub fn norm(values: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let parts = values.chunks_exact(8);
    for (sum, &value) in sums.iter_mut().zip(parts.remainder()) {
        *sum = f64::from(value) * f64::from(value);
    }
    for part in parts {
        for (sum, &value) in sums.iter_mut().zip(part) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}

/// One step's algorithm with its scalars, as PyTorch's tensors see them.
#[derive(Clone, Copy)]
enum Rule {
    Sgd { lr: f32, momentum: f32, decay: f32, nesterov: bool, fresh: bool },
    Adagrad { lr: f32, decay: f32 },
    Adadelta { lr: f32, decay: f32 },
    RmsProp { lr: f32, momentum: f32, decay: f32 },
    Adam { step_size: f32, correction: f32, weight: f32, decay: f32, shrink: f32 },
}

impl Rule {
    fn new(update: &Update, updates: u64, fresh: bool) -> Self {
        let (lr, momentum, decay) = (update.lr as f32, update.momentum as f32, update.weight_decay as f32);
        match update.optimizer {
            Optimizer::Sgd { nesterov } => Rule::Sgd { lr, momentum, decay, nesterov, fresh },
            Optimizer::Adagrad => Rule::Adagrad { lr, decay },
            Optimizer::Adadelta => Rule::Adadelta { lr, decay },
            Optimizer::RmsProp => Rule::RmsProp { lr, momentum, decay },
            Optimizer::Adam | Optimizer::AdamW => {
                let Scalars { step_size, correction, weight, decay, shrink } = Scalars::new(update, updates);
                Rule::Adam {
                    step_size: step_size as f32,
                    correction: correction as f32,
                    weight: weight as f32,
                    decay: decay as f32,
                    shrink: shrink as f32,
                }
            }
        }
    }
}

/// What Adam and AdamW derive from an update and its number; `decay` and `shrink` hold for every optimizer.
pub(crate) struct Scalars {
    /// Rate over the bias correction of the mean.
    pub(crate) step_size: f64,
    /// Root of the bias correction of the square.
    pub(crate) correction: f64,
    /// Weight of the new gradient in the mean.
    pub(crate) weight: f64,
    /// Weight decay that is added to the gradient.
    pub(crate) decay: f64,
    /// What a parameter is multiplied by where weight decay is decoupled, else 1.
    pub(crate) shrink: f64,
}

impl Scalars {
    /// For the update of number `updates`, from 1.
    pub(crate) fn new(update: &Update, updates: u64) -> Self {
        let power = |beta: f64| 1.0 - libm::pow(beta, updates as f64);
        let decoupled = update.optimizer == Optimizer::AdamW;
        Self {
            step_size: update.lr / power(update.momentum),
            correction: power(ADAM_BETA2).sqrt(),
            weight: 1.0 - update.momentum,
            decay: if decoupled { 0.0 } else { update.weight_decay },
            shrink: if decoupled { 1.0 - update.lr * update.weight_decay } else { 1.0 },
        }
    }
}

struct Step<'a> {
    rule: Rule,
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Kernel for Step<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has the instruction set; the slices have one length or none, as `each` checks.
        unsafe {
            let splat = |value: f32| V::splat(value);
            match self.rule {
                Rule::Sgd { lr, momentum: 0.0, decay, .. } => {
                    self.each::<V>(|p, g, a, b| {
                        let g = decayed(g, p, decay);
                        (g.mul_add(splat(-lr), p), a, b)
                    });
                }
                Rule::Sgd { lr, momentum, decay, nesterov, fresh } => self.each::<V>(|p, g, buffer, b| {
                    let g = decayed(g, p, decay);
                    let buffer = if fresh { g } else { buffer.mul(splat(momentum)).add(g) };
                    let direction = if nesterov { buffer.mul_add(splat(momentum), g) } else { buffer };
                    (direction.mul_add(splat(-lr), p), buffer, b)
                }),
                Rule::Adagrad { lr, decay } => self.each::<V>(|p, g, sum, b| {
                    let g = decayed(g, p, decay);
                    let sum = g.mul_add(g, sum);
                    let std = sum.sqrt().add(splat(ADAGRAD_EPSILON as f32));
                    (splat(-lr).mul(g).div(std).add(p), sum, b)
                }),
                Rule::Adadelta { lr, decay } => self.each::<V>(|p, g, square_avg, acc_delta| {
                    let g = decayed(g, p, decay);
                    let (rho, rest) = (splat(ADADELTA_RHO as f32), splat((1.0 - ADADELTA_RHO) as f32));
                    let epsilon = splat(ADADELTA_EPSILON as f32);
                    let square_avg = rest.mul(g).mul_add(g, square_avg.mul(rho));
                    let std = square_avg.add(epsilon).sqrt();
                    let delta = acc_delta.add(epsilon).sqrt().div(std).mul(g);
                    let acc_delta = rest.mul(delta).mul_add(delta, acc_delta.mul(rho));
                    (delta.mul_add(splat(-lr), p), square_avg, acc_delta)
                }),
                Rule::RmsProp { lr, momentum, decay } => self.each::<V>(|p, g, square_avg, buffer| {
                    let g = decayed(g, p, decay);
                    let (alpha, rest) = (splat(RMSPROP_ALPHA as f32), splat((1.0 - RMSPROP_ALPHA) as f32));
                    let square_avg = rest.mul(g).mul_add(g, square_avg.mul(alpha));
                    let avg = square_avg.sqrt().add(splat(RMSPROP_EPSILON as f32));
                    if momentum == 0.0 {
                        return (splat(-lr).mul(g).div(avg).add(p), square_avg, buffer);
                    }
                    let buffer = buffer.mul(splat(momentum)).add(g.div(avg));
                    (buffer.mul_add(splat(-lr), p), square_avg, buffer)
                }),
                Rule::Adam { step_size, correction, weight, decay, shrink } => {
                    self.each::<V>(|p, g, exp_avg, exp_avg_sq| {
                        let p = p.mul(splat(shrink));
                        let g = decayed(g, p, decay);
                        // torch.lerp goes from the nearer end.
                        let exp_avg = if weight < 0.5 {
                            g.sub(exp_avg).mul_add(splat(weight), exp_avg)
                        } else {
                            exp_avg.sub(g).mul_add(splat(1.0 - weight), g)
                        };
                        let (beta2, rest) = (splat(ADAM_BETA2 as f32), splat((1.0 - ADAM_BETA2) as f32));
                        let exp_avg_sq = rest.mul(g).mul_add(g, exp_avg_sq.mul(beta2));
                        let denominator = exp_avg_sq.sqrt().div(splat(correction)).add(splat(ADAM_EPSILON as f32));
                        (splat(-step_size).mul(exp_avg).div(denominator).add(p), exp_avg, exp_avg_sq)
                    });
                }
            }
        }
    }
}

/// The gradient with coupled weight decay.
///
/// # Safety
/// The processor must have the instruction set of `V`.
#[inline(always)]
unsafe fn decayed<V: Vector>(gradient: V, parameter: V, decay: f32) -> V {
    // Without decay a parameter that is not finite must not spoil the gradient.
    if decay == 0.0 {
        return gradient;
    }
    // SAFETY: as the caller's.
    unsafe { parameter.mul_add(V::splat(decay), gradient) }
}

impl Step<'_> {
    /// `rule(parameter, gradient, first slot, second slot)` gives the new parameter and slots. Slots that the rule does
    /// not have are empty: it gets zeros, and what it gives is dropped.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`.
    #[inline(always)]
    unsafe fn each<V: Vector>(self, rule: impl Fn(V, V, V, V) -> (V, V, V)) {
        let len = self.gradients.len();
        let fits = |slice: &[f32]| slice.is_empty() || slice.len() == len;
        assert!(fits(self.parameters) && fits(self.first) && fits(self.second), "slices of one length, or none");
        let mut at = 0;
        while at < len {
            let count = V::LANES.min(len - at);
            let whole = count == V::LANES;
            // SAFETY: the caller has the instruction set; `count` elements are left of each slice that is not empty.
            unsafe {
                let load = |slice: &[f32]| match (slice.is_empty(), whole) {
                    (true, _) => V::splat(0.0),
                    (false, true) => V::load(slice.as_ptr().add(at)),
                    (false, false) => V::load_first(slice.as_ptr().add(at), count),
                };
                let store = |vector: V, slice: &mut [f32]| match (slice.is_empty(), whole) {
                    (true, _) => {}
                    (false, true) => vector.store(slice.as_mut_ptr().add(at)),
                    (false, false) => vector.store_first(slice.as_mut_ptr().add(at), count),
                };
                let (p, g) = (load(self.parameters), load(self.gradients));
                let (p, first, second) = rule(p, g, load(self.first), load(self.second));
                store(p, self.parameters);
                store(first, self.first);
                store(second, self.second);
            }
            at += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: [f32; 3] = [0.5, -1.25, 2.0];
    const GRADIENTS: [[f32; 3]; 3] = [[0.3, -0.1, 1e-3], [-0.2, 0.4, 2e-3], [0.05, 0.25, -1.0]];
    const RATES: [f64; 3] = [0.1, 10.0, 0.5];
    const MOMENTA: [f64; 3] = [0.9, 0.8, 0.95];

    /// Three steps of `torch.optim` 2.15 on the CPU, `foreach=False`, weight decay 0.01, rate and momentum (for Adam
    /// beta1) set before each step to the numbers above; `None` is a momentum of 0.
    const CASES: [(Optimizer, Option<[f64; 3]>, [f32; 3]); 9] = [
        (SGD, Some(MOMENTA), [-0.065_492_85, -4.460_166_5, 2.083_639_4]),
        (Optimizer::Sgd { nesterov: true }, Some(MOMENTA), [1.920_278_9, -7.792_562_5, 2.409_541]),
        (SGD, None, [2.385_437_3, -5.214_300_6, 2.269_219_4]),
        (Optimizer::Adagrad, None, [5.663_359_6, -10.921_475, -4.671_266_6]),
        (Optimizer::Adadelta, None, [0.524_261_9, -1.294_408_2, 1.969_626_4]),
        (Optimizer::RmsProp, Some(MOMENTA), [-23.303_034, -18.290_695, -129.967_36]),
        (Optimizer::RmsProp, None, [51.194_027, -92.171_036, -43.802_555]),
        (Optimizer::Adam, Some(MOMENTA), [2.177_489_5, -8.841_629, -5.606_45]),
        (Optimizer::AdamW, Some(MOMENTA), [2.304_379, -8.871_488, -6.388_923]),
    ];
    const SGD: Optimizer = Optimizer::Sgd { nesterov: false };

    /// Runs a case over `copies` of the three numbers.
    fn run(isa: Isa, threads: usize, optimizer: Optimizer, momenta: Option<[f64; 3]>, copies: usize) -> Vec<f32> {
        let threads = Threads::new(threads).unwrap();
        let mut state = FlatState::default();
        let mut parameters = START.repeat(copies);
        for i in 0..3 {
            let momentum = momenta.map_or(0.0, |momenta| momenta[i]);
            let update = Update { optimizer, lr: RATES[i], momentum, weight_decay: 0.01 };
            step(&threads, isa, &update, &mut state, &mut parameters, &GRADIENTS[i].repeat(copies));
        }
        assert_eq!(state.updates, 3);
        parameters
    }

    #[test]
    fn three_steps_equal_pytorch() {
        for isa in Isa::supported() {
            for (optimizer, momenta, expected) in CASES {
                for row in run(isa, 2, optimizer, momenta, 11).chunks_exact(3) {
                    for (found, expected) in row.iter().zip(expected) {
                        let apart = (found / expected - 1.0).abs();
                        assert!(apart < 1e-5, "{isa} {optimizer:?}: found {found}, expected {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads() {
        for (optimizer, momenta, _) in CASES {
            let bits = |threads| run(Isa::detect(), threads, optimizer, momenta, CHUNK);
            assert!(bits(1) == bits(2) && bits(1) == bits(7), "{optimizer:?}");
        }
    }

    #[test]
    fn a_parameter_that_is_not_finite_stays_alone() {
        let (threads, mut state) = (Threads::new(1).unwrap(), FlatState::default());
        let mut parameters = [f32::INFINITY, 1.0];
        let update = Update { optimizer: SGD, lr: 0.5, momentum: 0.0, weight_decay: 0.0 };
        step(&threads, Isa::detect(), &update, &mut state, &mut parameters, &[1.0, 1.0]);
        assert_eq!(parameters, [f32::INFINITY, 0.5]);
        assert!(state.slots.is_empty(), "without momentum there is nothing to remember");
    }

    #[test]
    fn norm_of_any_length() {
        assert_eq!(norm(&[3.0, 4.0]), 5.0);
        assert_eq!(norm(&[2.0; 25]), 10.0);
    }
}
