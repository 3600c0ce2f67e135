//! What can be measured at given weights, without training: how noisy the gradient is, and how far one step can go.

use std::slice;

use kernels::engine::{Batch, Buffers, Engine, EngineError, OptimizerState, Split, Update};

/// The factor between one rate and the next while the critical rate is bracketed. With a larger one, a narrow range in which
/// the loss rises could be skipped.
const BRACKET_FACTOR: f64 = 2.0;
/// The first rate tried, as a fraction of Polyak's step.
const FIRST: f64 = 0.5;
/// After this many factors up or down without a bracket, the search ends without an answer.
const MAX_BRACKET_STEPS: usize = 40;
/// Bisection ends when the bounds are within this factor of each other.
const PRECISION: f64 = 1.2;

/// What batches say about the gradient at given weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientNoise {
    /// Unbiased estimate of the squared norm of the true gradient, |G|^2.
    pub gradient_squared: f64,
    /// Unbiased estimate of tr(Sigma), the variance of a single image's gradient, summed over the weights.
    pub variance: f64,
    /// Mean loss over the batches, in nats.
    pub loss: f64,
}

impl GradientNoise {
    /// The simple noise scale B = tr(Sigma) / |G|^2, in images (McCandlish et al. 2018, arXiv:1812.06162, eq. 2.9): above this
    /// batch size, larger batches save few steps. `None` where noise hides the gradient.
    pub fn scale(&self) -> Option<f64> {
        (self.gradient_squared > 0.0).then(|| self.variance.max(0.0) / self.gradient_squared)
    }
}

/// Measures the noise of the gradient over at least two batches of equal size, by the estimate of McCandlish et al. (appendix
/// A.1) from a small batch, any of these, of `b` images, and a big one, all of them together, of `B` images.
///
/// |G|^2 = (B |g_B|^2 - b |g_b|^2) / (B - b), tr(Sigma) = (|g_b|^2 - |g_B|^2) / (1/b - 1/B),
///
/// with |g_b|^2 averaged over the batches. The weights are not changed; batch norm normalises by the statistics of each
/// batch.
///
/// # Errors
/// When the device fails.
pub fn gradient_noise(engine: &mut dyn Engine, batches: &[Vec<u32>]) -> Result<GradientNoise, EngineError> {
    let (mut sum, mut small, mut loss): (Vec<f64>, f64, f64) = (Vec::new(), 0.0, 0.0);
    for indices in batches {
        let outcome = engine.gradients_of(&Batch::plain(Split::Train, indices), 0.0)?;
        let gradient: Vec<f64> = engine.gradients()?.into_iter().flatten().map(f64::from).collect();
        small += squared(&gradient);
        loss += outcome.loss;
        sum.resize(gradient.len(), 0.0);
        sum.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += g);
    }
    let count = batches.len() as f64;
    let (small, large) = (small / count, squared(&sum) / (count * count));
    let b = batches.first().map_or(0, Vec::len) as f64;
    let all = b * count;
    Ok(GradientNoise {
        gradient_squared: (all * large - b * small) / (all - b),
        variance: (small - large) / (1.0 / b - 1.0 / all),
        loss: loss / count,
    })
}

/// The critical rate of one batch, and how many losses were measured to find it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CriticalRate {
    /// The lowest rate at which the optimizer's first step does not lower the loss of its own batch; `None` where none was
    /// found.
    pub lr: Option<f64>,
    /// Losses measured.
    pub evaluations: usize,
}

/// Finds, by forward passes, the rate at which one step of the optimizer no longer lowers the loss of its own batch (Kalra and
/// Barkeshli 2024, arXiv:2406.09405, appendix B.2). In the quadratic approximation it is 2 / lambda, lambda being the
/// curvature along the step. It is bracketed by factors of 2, then bisected in log rate. The search starts below Polyak's step,
/// the loss over its slope along the step; for a quadratic whose minimum is 0 the critical rate is 4 times that step.
///
/// The optimizer's state is reset; weights and buffers are restored.
///
/// # Errors
/// When the device fails.
pub fn critical_rate(engine: &mut dyn Engine, indices: &[u32], update: &Update) -> Result<CriticalRate, EngineError> {
    let (start, buffers) = (engine.parameters()?, engine.buffers()?);
    engine.set_optimizer_state(&OptimizerState::default())?;
    // A step is linear in its rate, so the step at rate 1 is its direction.
    engine.train_step(&Batch::plain(Split::Train, indices), 0.0, &Update { lr: 1.0, ..*update })?;
    let (end, gradient) = (engine.parameters()?, engine.gradients()?);
    engine.set_optimizer_state(&OptimizerState::default())?;
    let mut search = Search { engine, indices, start: &start, end: &end, buffers: &buffers, evaluations: 0 };
    let lr = search.run(&gradient);
    let evaluations = search.evaluations;
    engine.set_state(&start, &buffers)?;
    Ok(CriticalRate { lr: lr?, evaluations })
}

/// The search for a critical rate, between the weights before the step and those after a step at rate 1.
struct Search<'a> {
    engine: &'a mut dyn Engine,
    indices: &'a [u32],
    start: &'a [Vec<f32>],
    end: &'a [Vec<f32>],
    buffers: &'a Buffers,
    evaluations: usize,
}

impl Search<'_> {
    fn run(&mut self, gradient: &[Vec<f32>]) -> Result<Option<f64>, EngineError> {
        let start = self.loss(0.0)?;
        let first = FIRST * start / self.slope(gradient);
        if !(first > 0.0 && first.is_finite()) {
            return Ok(None);
        }
        let Some((mut low, mut high)) = self.bracket(start, first)? else {
            return Ok(None);
        };
        while high / low > PRECISION {
            let middle = (low * high).sqrt();
            if self.loss(middle)? < start {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(Some((low * high).sqrt()))
    }

    /// A rate that lowers the loss, and one a factor of [`BRACKET_FACTOR`] above it that does not.
    fn bracket(&mut self, start: f64, first: f64) -> Result<Option<(f64, f64)>, EngineError> {
        let mut rate = first;
        let falls_at_first = self.loss(rate)? < start;
        for _ in 0..MAX_BRACKET_STEPS {
            let next = if falls_at_first { rate * BRACKET_FACTOR } else { rate / BRACKET_FACTOR };
            let falls = self.loss(next)? < start;
            if falls != falls_at_first {
                return Ok(Some(if falls { (next, rate) } else { (rate, next) }));
            }
            rate = next;
        }
        Ok(None)
    }

    /// How fast the loss falls with the rate at first: the product of gradient and step.
    fn slope(&self, gradient: &[Vec<f32>]) -> f64 {
        let steps = self.start.iter().flatten().zip(self.end.iter().flatten());
        let along = |((start, end), g): ((&f32, &f32), &f32)| f64::from(*g) * (f64::from(*start) - f64::from(*end));
        steps.zip(gradient.iter().flatten()).map(along).sum()
    }

    /// The batch's mean loss in training mode after a step at rate `lr`.
    fn loss(&mut self, lr: f64) -> Result<f64, EngineError> {
        self.evaluations += 1;
        let moved = |(start, end): (&Vec<f32>, &Vec<f32>)| {
            start.iter().zip(end).map(|(s, e)| (f64::from(*s) + lr * (f64::from(*e) - f64::from(*s))) as f32).collect()
        };
        let parameters: Vec<Vec<f32>> = self.start.iter().zip(self.end).map(moved).collect();
        self.engine.set_state(&parameters, self.buffers)?;
        let batch = Batch::plain(Split::Train, self.indices);
        // As in training, batch norm normalises by this batch's own statistics.
        let has_batch_norm = !self.buffers.is_empty();
        let statistics = has_batch_norm.then(|| self.engine.batch_statistics(slice::from_ref(&batch))).transpose()?;
        let evaluation = self.engine.evaluate(&batch, statistics.as_ref())?;
        Ok(evaluation.loss_sum / evaluation.count as f64)
    }
}

/// The squared norm.
fn squared(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}
