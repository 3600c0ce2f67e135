//! Overfitting that sets in early: training accuracy complete before the rate is annealed, so that the annealing has
//! nothing left to learn.

use artifacts::finished::Run;
use polars::prelude::DataFrame;
use serde::Serialize;

use crate::{Result, frame};

/// Training accuracy from which on nothing is left to learn.
pub(crate) const COMPLETE: f64 = 0.995;
/// Steps that a mean of batch accuracies is taken over at least.
const MIN_STEPS: usize = 5;

/// A run whose training accuracy was complete before the annealing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Saturation {
    /// The run.
    pub run: String,
    /// The step at which the mean over the last epoch's batches first was [`COMPLETE`].
    pub iteration: u64,
    /// The step at which the annealing begins.
    pub annealing: u64,
}

/// Whether a run's training accuracy was complete before its annealing. `steps`: its steps ([`frame::of_steps`]).
///
/// # Errors
/// Only where polars refuses.
pub(crate) fn saturation(run: &Run, steps: &DataFrame) -> Result<Option<Saturation>> {
    let (iteration, lr) = (frame::whole_numbers(steps, "iteration")?, frame::numbers(steps, "lr")?);
    let accuracy = frame::numbers_or_nan(steps, "train_accuracy")?;
    let epoch = (run.record.train_images / run.record.config.batch_size.max(1)).max(MIN_STEPS);
    let (Some(annealing), Some(complete)) = (annealing_start(&lr), first_complete(&accuracy, epoch)) else {
        return Ok(None);
    };
    Ok((complete < annealing).then(|| Saturation {
        run: run.record.name.clone(),
        iteration: iteration[complete],
        annealing: iteration[annealing],
    }))
}

/// Index of the step at which the annealing begins: the first after the highest rate whose rate is below the first
/// step's. Of a piecewise schedule that is its first drop, of 1cycle its tail.
fn annealing_start(lr: &[f64]) -> Option<usize> {
    let first = *lr.first()?;
    let peak = (0..lr.len()).reduce(|best, i| if lr[i] > lr[best] { i } else { best })?;
    (peak..lr.len()).find(|i| lr[*i] < first * (1.0 - 1e-9))
}

/// Index of the step at which the mean of the last `window` accuracies first is complete.
fn first_complete(accuracy: &[f64], window: usize) -> Option<usize> {
    let complete = |end: &usize| {
        let mean = accuracy[end + 1 - window..=*end].iter().sum::<f64>() / window as f64;
        mean >= COMPLETE
    };
    (window.max(1) - 1..accuracy.len()).find(complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annealing_begins_at_the_first_drop_or_in_the_tail() {
        assert_eq!(annealing_start(&[0.1, 0.1, 0.1, 0.01, 0.01]), Some(3));
        assert_eq!(annealing_start(&[0.1, 0.5, 1.0, 0.5, 0.1, 0.001]), Some(5));
        assert_eq!(annealing_start(&[0.1, 0.1]), None);
        assert_eq!(annealing_start(&[]), None);
    }

    #[test]
    fn one_lucky_batch_is_not_complete() {
        assert_eq!(first_complete(&[0.9, 1.0, 0.9, 1.0, 1.0, 1.0], 3), Some(5));
        assert_eq!(first_complete(&[0.9, 1.0, 0.9], 2), None);
        assert_eq!(first_complete(&[1.0], 2), None);
    }
}
