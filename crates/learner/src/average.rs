//! The exponential moving average of the weights, as `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`:
//! it starts as the weights after the first step, and then goes by each step's share 1 - decay towards them. Batch norm's
//! statistics are not averaged: an evaluation takes the net's own, or estimates them anew.

use std::path::Path;

use artifacts::ArtifactError;
use artifacts::checkpoint::Checkpoint;
use kernels::graph::TensorSpec;

/// What its tensors are called in a checkpoint, before the parameter's name.
const KIND: &str = "average.";

/// A moving average of a net's parameters, in the graph's order.
pub(crate) struct Average {
    decay: f64,
    values: Vec<Vec<f32>>,
}

impl Average {
    /// One that has seen no weights; none where none is asked for.
    pub(crate) fn new(decay: f64) -> Option<Self> {
        (decay > 0.0).then(|| Self { decay, values: Vec::new() })
    }

    /// Takes the weights after a step in.
    pub(crate) fn take(&mut self, parameters: Vec<Vec<f32>>) {
        if self.values.is_empty() {
            self.values = parameters;
            return;
        }
        let share = (1.0 - self.decay) as f32;
        for (value, new) in self.values.iter_mut().flatten().zip(parameters.into_iter().flatten()) {
            *value = lerp(*value, new, share);
        }
    }

    /// The averages.
    pub(crate) fn values(&self) -> &[Vec<f32>] {
        &self.values
    }

    /// Adds them to a checkpoint.
    pub(crate) fn save(&self, specs: &[TensorSpec], checkpoint: &mut Checkpoint) {
        for (spec, values) in specs.iter().zip(&self.values) {
            checkpoint.tensors.insert(format!("{KIND}{}", spec.name), (spec.shape.clone(), values.clone()));
        }
    }

    /// Takes them out of a checkpoint, read from `path`.
    ///
    /// # Errors
    /// When one is missing or of another shape.
    pub(crate) fn restore(
        &mut self,
        specs: &[TensorSpec],
        path: &Path,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), ArtifactError> {
        let one = |spec: &TensorSpec| {
            let name = format!("{KIND}{}", spec.name);
            let found = checkpoint.tensors.remove(&name).filter(|(shape, _)| *shape == spec.shape);
            let expected = || format!("tensor {name:?} of shape {:?}", spec.shape);
            found.map(|(_, values)| values).ok_or_else(|| ArtifactError::content(path, expected(), "none"))
        };
        self.values = specs.iter().map(one).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// `torch.lerp`, which goes from the nearer end.
fn lerp(from: f32, to: f32, share: f32) -> f32 {
    if share < 0.5 { from + share * (to - from) } else { to - (to - from) * (1.0 - share) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one weight set to these numbers before each `update_parameters`, in PyTorch 2.15:
    ///
    ///     m = torch.nn.Linear(1, 1, bias=False)
    ///     a = AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(decay))
    ///     for v in (1.0, 2.0, -1.0, 0.5): m.weight.data.fill_(v); a.update_parameters(m); a.module.weight.item()
    #[test]
    fn it_is_pytorchs() {
        for (decay, expected) in [
            (0.9, [1.0, 1.1, 0.890_000_05, 0.851]),
            (0.999, [1.0, 1.001, 0.998_999_06, 0.998_500_05]),
            (0.25, [1.0, 1.75, -0.3125, 0.296_875]),
        ] {
            let mut average = Average::new(decay).unwrap();
            for (value, expected) in [1.0, 2.0, -1.0, 0.5].into_iter().zip(expected) {
                average.take(vec![vec![value]]);
                let found: f32 = average.values()[0][0];
                assert!((found - expected).abs() <= 1e-7, "{decay}: {found} {expected}");
            }
        }
        assert!(Average::new(0.0).is_none());
    }
}
