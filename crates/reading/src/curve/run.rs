//! A range test as a run of `sc-rangetest`.

use std::path::Path;

use artifacts::metrics::{self, Metrics};
use artifacts::run::{self, Kind, RunRecord};
use serde_json::Value;

use super::{Curve, Point};
use crate::error::{Error, Result};

/// Reads the run in `folder`, and says what the reader should be told about it.
///
/// # Errors
/// When a record cannot be read, or the run is no range test.
pub fn read(folder: &Path) -> Result<(Curve, Vec<String>)> {
    let record = run::read_run(folder)?;
    if record.config.kind != Kind::RangeTest {
        let hint = "a suggestion is read from runs of sc-rangetest";
        return Err(Error::in_file(folder, "this is a training run, not a range test", hint));
    }
    let mut warnings = Vec::new();
    if run::read_result(folder)?.is_none() {
        warnings.push(format!("{}: the range test has not finished: read as far as it went", folder.display()));
    }
    let (lines, torn) = metrics::read::<Metrics>(&folder.join(metrics::FILE))?;
    if torn {
        warnings.push(format!("{}: dropped a torn last line of metrics.jsonl", folder.display()));
    }
    Ok((of(&record, &lines), warnings))
}

/// The curve of a range test, out of what its program recorded: the setting, and the steps so far.
pub fn of(record: &RunRecord, lines: &[Metrics]) -> Curve {
    Curve {
        source: record.name.clone(),
        classes: Some(record.classes),
        seed: Some(record.config.seed),
        setting: record.setting(),
        critical_lr: record.config.schedule_parameters.get("critical_lr").and_then(Value::as_f64),
        conditions: conditions(record),
        points: lines.iter().map(point).collect(),
        ..Curve::default()
    }
}

fn point(line: &Metrics) -> Point {
    let measured_or_blown_up = |value: Option<f64>| value.unwrap_or(f64::NAN);
    Point {
        iteration: line.iteration,
        lr: line.lr,
        // The training loss is measured at every step: null says that it was not finite.
        train_loss: Some(measured_or_blown_up(line.train_loss)),
        train_accuracy: line.train_accuracy,
        grad_norm: line.grad_norm,
        // An accuracy without a loss beside it says the same of the validation loss.
        val_loss: line.val_accuracy.map(|_| measured_or_blown_up(line.val_loss)),
        val_accuracy: line.val_accuracy,
    }
}

/// What changes the curve besides the setting: curves read together must agree in it.
fn conditions(record: &RunRecord) -> Vec<(&'static str, String)> {
    let config = &record.config;
    vec![
        ("augment", config.augment.clone()),
        ("bn_momentum", config.bn_momentum.to_string()),
        ("bn_reestimate", config.bn_reestimate.to_string()),
        ("train_images", record.train_images.to_string()),
    ]
}
