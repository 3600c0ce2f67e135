//! A run as TensorBoard shows it: one scalar per measure, `train/`, `val/` and `test/` in sections of their own, over the steps.
//! The rate is a scalar besides: of a range test too the horizontal axis is the step. Records hold no dates, so times count
//! from 1970: the axis "relative" shows seconds of training.

use artifacts::metrics::{Metrics, TestMetrics};

use super::event::EventFile;
use super::run::RunFiles;

/// Name of the event file: TensorBoard looks for `tfevents` in it, and reads the files of a folder in the order of their names.
pub(super) const FILE: &str = "events.out.tfevents.0.superconv";

type Scalars = Vec<(&'static str, f64)>;

/// The bytes of a run's event file.
pub(super) fn events(run: &RunFiles) -> Vec<u8> {
    let mut file = EventFile::new();
    for step in &run.steps {
        let mut values = scalars(step);
        values.extend(run.test_after(step.iteration).map(test_scalars).unwrap_or_default());
        file.scalars(run.seconds(step.iteration), step.iteration, &values);
    }
    if let Some(result) = &run.result {
        let finals = measured(&[
            ("final/train_loss", result.final_train_loss),
            ("final/train_accuracy", result.final_train_accuracy),
            ("final/val_loss", result.final_val_loss),
            ("final/val_accuracy", result.final_val_accuracy),
            ("final/test_loss", result.test_loss),
            ("final/test_accuracy", result.test_accuracy),
        ]);
        if !finals.is_empty() {
            file.scalars(run.seconds(result.iterations), result.iterations, &finals);
        }
    }
    file.into_bytes()
}

fn measured(values: &[(&'static str, Option<f64>)]) -> Scalars {
    values.iter().filter_map(|(tag, value)| Some((*tag, (*value)?))).collect()
}

fn scalars(step: &Metrics) -> Scalars {
    measured(&[
        ("lr", Some(step.lr)),
        ("momentum", Some(step.momentum)),
        ("epoch", Some(step.epoch)),
        ("grad_norm", step.grad_norm),
        ("train/loss", step.train_loss),
        ("train/accuracy", step.train_accuracy),
        ("val/loss", step.val_loss),
        ("val/accuracy", step.val_accuracy),
    ])
}

fn test_scalars(test: &TestMetrics) -> Scalars {
    measured(&[("test/loss", test.test_loss), ("test/accuracy", test.test_accuracy)])
}
