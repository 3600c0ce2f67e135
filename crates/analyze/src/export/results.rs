//! `results.csv` as other trainers write it, so that what reads theirs reads ours: a row per measurement on validation images, no
//! field empty but where a number was not finite. Where validation images were measured less than twice it is a row per step,
//! without them.
//!
//! The names are Ultralytics' where it has one (`train/loss`, `val/loss`, `metrics/accuracy_top1`, `lr/pg0`, `time`); `step` is
//! what trackio looks for.

use artifacts::metrics::Metrics;
use polars::prelude::{Column, DataFrame};

use super::run::RunFiles;
use crate::Result;
use crate::frame::{number, refused, whole};

/// A run's table.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn of(run: &RunFiles) -> Result<DataFrame> {
    let is_measured = |step: &Metrics| step.val_accuracy.is_some() || step.val_loss.is_some();
    let validated = run.steps.iter().filter(|step| is_measured(step)).count() > 1;
    let ends = |step: &Metrics| !validated || is_measured(step);
    let rows: Vec<&[Metrics]> = run.steps.split_inclusive(ends).filter(|row| row.last().is_some_and(ends)).collect();
    let last = |row: &[Metrics]| row[row.len() - 1];
    let of_last = |name: &str, of: fn(&Metrics) -> Option<f64>| number(name, rows.iter().map(|row| of(&last(row))));
    let of_all = |name: &str, of: fn(&Metrics) -> Option<f64>| number(name, rows.iter().map(|row| mean(row, of)));

    let mut columns: Vec<Column> = vec![
        whole("step", rows.iter().map(|row| Some(last(row).iteration))),
        of_last("epoch", |step| Some(step.epoch)),
    ];
    if run.is_timed() {
        columns.push(number("time", rows.iter().map(|row| Some(run.seconds(last(row).iteration)))));
    }
    columns.push(of_all("train/loss", |step| step.train_loss));
    columns.push(of_all("train/accuracy", |step| step.train_accuracy));
    if validated {
        columns.push(of_last("val/loss", |step| step.val_loss));
        columns.push(of_last("metrics/accuracy_top1", |step| step.val_accuracy));
    }
    columns.push(of_last("lr/pg0", |step| Some(step.lr)));
    columns.push(of_last("momentum", |step| Some(step.momentum)));
    DataFrame::new(rows.len(), columns).map_err(refused)
}

/// The mean of what was measured over the steps of a row.
fn mean(row: &[Metrics], of: fn(&Metrics) -> Option<f64>) -> Option<f64> {
    let (sum, count) = row.iter().filter_map(of).fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
