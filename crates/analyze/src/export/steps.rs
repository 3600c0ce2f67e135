//! All steps of all runs as one table, a row per step: the columns of `metrics.jsonl` after those that say which run it is.

use artifacts::metrics::{Metrics, TestMetrics};
use polars::prelude::{Column, DataFrame};

use super::run::RunFiles;
use crate::Result;
use crate::frame::{number, refused, text, whole};

/// The table of the runs.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn of(runs: &[RunFiles]) -> Result<DataFrame> {
    let rows = || runs.iter().flat_map(|run| run.steps.iter().map(move |step| (run, step)));
    let of_run = |name: &str, of: fn(&RunFiles) -> &str| text(name, rows().map(|(run, _)| of(run)));
    let whole_of_run = |name: &str, of: fn(&RunFiles) -> u64| whole(name, rows().map(|(run, _)| Some(of(run))));
    let measure = |name: &str, of: fn(&Metrics) -> Option<f64>| number(name, rows().map(|(_, step)| of(step)));
    let seconds = rows().map(|(run, step)| run.is_timed().then(|| run.seconds(step.iteration)));
    let mut columns: Vec<Column> = vec![
        of_run("run", |run| &run.name),
        of_run("study", |run| &run.record.study),
        of_run("arm", |run| &run.record.arm),
        of_run("data", |run| &run.record.data_name),
        of_run("net", |run| &run.record.config.net),
        of_run("schedule", |run| &run.record.config.schedule),
        whole_of_run("batch_size", |run| run.record.config.batch_size as u64),
        whole_of_run("seed", |run| run.record.config.seed),
        whole("iteration", rows().map(|(_, step)| Some(step.iteration))),
        number("seconds", seconds),
        measure("epoch", |step| Some(step.epoch)),
        measure("lr", |step| Some(step.lr)),
        measure("momentum", |step| Some(step.momentum)),
        measure("train_loss", |step| step.train_loss),
        measure("train_accuracy", |step| step.train_accuracy),
        measure("grad_norm", |step| step.grad_norm),
        measure("val_loss", |step| step.val_loss),
        measure("val_accuracy", |step| step.val_accuracy),
    ];
    let tests = |of: fn(&TestMetrics) -> Option<f64>| {
        runs.iter().flat_map(move |run| run.steps.iter().map(move |step| of(run.test_after(step.iteration)?)))
    };
    columns.push(number("test_loss", tests(|test| test.test_loss)));
    columns.push(number("test_accuracy", tests(|test| test.test_accuracy)));
    let height = rows().count();
    DataFrame::new(height, columns).map_err(refused)
}
