//! Runs and their steps as polars frames: what is grouped, joined and exported.

use std::path::Path;

use artifacts::finished::Run;
use artifacts::metrics::{self, Metrics};
use cli::Failure;
use polars::prelude::{Column, DataFrame, NamedFrom as _, PolarsError, PolarsResult, Series};

use crate::Result;
use crate::study::FinalAccuracy;

/// Column of a run's place in the list that a frame was made of.
pub(crate) const PLACE: &str = "place";
/// Column of the SHA-256 of a run's initial weights.
pub(crate) const INIT: &str = "init";
/// What the column `status` says of a run that diverged.
pub(crate) const DIVERGED: &str = "diverged";

/// What it means to a program that polars refuses.
pub(crate) fn refused(error: PolarsError) -> Failure {
    Failure::failed(error)
}

/// A column of texts.
pub(crate) fn text<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Column {
    Series::new(name.into(), values.collect::<Vec<_>>()).into()
}

/// A column of numbers.
pub(crate) fn number(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    Series::new(name.into(), values.collect::<Vec<_>>()).into()
}

/// A column of whole numbers.
pub(crate) fn whole(name: &str, values: impl Iterator<Item = Option<u64>>) -> Column {
    Series::new(name.into(), values.collect::<Vec<_>>()).into()
}

/// One row per run, in their order: what a report exports of it.
///
/// # Errors
/// Only where polars refuses.
pub(crate) fn of_runs(runs: &[Run]) -> Result<DataFrame> {
    let text = |name, of: fn(&Run) -> &str| text(name, runs.iter().map(of));
    let number = |name, of: fn(&Run) -> Option<f64>| number(name, runs.iter().map(of));
    let whole = |name, of: fn(&Run) -> Option<u64>| whole(name, runs.iter().map(of));
    let columns = vec![
        text("name", |run| &run.record.name),
        text("study", |run| &run.record.study),
        text("arm", Run::arm),
        text("data", |run| &run.record.data_name),
        text("net", |run| &run.record.config.net),
        text("schedule", |run| &run.record.config.schedule),
        whole("iterations", |run| Some(run.record.config.iterations)),
        whole("seed", |run| Some(run.record.config.seed)),
        whole("batch_size", |run| Some(run.record.config.batch_size as u64)),
        text("optimizer", |run| &run.record.config.optimizer),
        number("min_lr", |run| run.parameter("min_lr")),
        number("max_lr", Run::main_lr),
        number("momentum", |run| Some(run.record.config.momentum)),
        number("weight_decay", |run| Some(run.record.config.weight_decay)),
        text("augment", |run| &run.record.config.augment),
        text("status", |run| if run.diverged() { DIVERGED } else { "completed" }),
        number("final_train_accuracy", |run| run.result.final_train_accuracy),
        number("final_train_loss", |run| run.result.final_train_loss),
        number("final_val_accuracy", |run| run.result.final_val_accuracy),
        number("final_val_loss", |run| run.result.final_val_loss),
        number("test_accuracy", |run| run.result.test_accuracy),
        number("test_loss", |run| run.result.test_loss),
        number("wall_seconds", |run| Some(run.result.wall_seconds)),
        number("images_per_second", |run| run.result.images_per_second),
        whole("peak_rss_bytes", |run| run.result.peak_rss_bytes),
    ];
    DataFrame::new(runs.len(), columns).map_err(refused)
}

/// As [`of_runs`], with what runs are compared by: their [`PLACE`], their initial weights, and every [`FinalAccuracy`] under
/// its name.
///
/// # Errors
/// Only where polars refuses.
pub(crate) fn to_compare(runs: &[Run]) -> Result<DataFrame> {
    let mut frame = of_runs(runs)?;
    let mut columns = vec![
        whole(PLACE, (0..runs.len() as u64).map(Some)),
        text(INIT, runs.iter().map(|run| run.record.init.sha256.as_str())),
    ];
    columns.extend(FinalAccuracy::ALL.map(|accuracy| number(accuracy.name(), runs.iter().map(|run| accuracy.of(run)))));
    for column in columns {
        frame.with_column(column).map_err(refused)?;
    }
    Ok(frame)
}

/// One row per step of a run, null where a value was not measured or was not finite. A torn last line is left out.
///
/// # Errors
/// When `metrics.jsonl` cannot be read.
pub(crate) fn of_steps(folder: &Path) -> Result<DataFrame> {
    let (steps, _) = metrics::read::<Metrics>(&folder.join(metrics::FILE))?;
    let number = |name, of: fn(&Metrics) -> Option<f64>| number(name, steps.iter().map(of));
    let columns = vec![
        whole("iteration", steps.iter().map(|step| Some(step.iteration))),
        number("lr", |step| Some(step.lr)),
        number("momentum", |step| Some(step.momentum)),
        number("train_loss", |step| step.train_loss),
        number("train_accuracy", |step| step.train_accuracy),
        number("val_accuracy", |step| step.val_accuracy),
    ];
    DataFrame::new(steps.len(), columns).map_err(refused)
}

/// A frame of numbers by step: `iteration`, and `name`.
///
/// # Errors
/// Only where polars refuses.
pub(crate) fn of_values(name: &str, values: &[(u64, Option<f64>)]) -> Result<DataFrame> {
    let columns = vec![
        whole("iteration", values.iter().map(|(step, _)| Some(*step))),
        number(name, values.iter().map(|(_, value)| *value)),
    ];
    DataFrame::new(values.len(), columns).map_err(refused)
}

/// The rows of each combination of `keys`, in the order in which the combinations first come.
///
/// # Errors
/// When the frame has no such column.
pub(crate) fn groups<const N: usize>(frame: &DataFrame, keys: [&str; N]) -> Result<Vec<DataFrame>> {
    if frame.height() == 0 {
        return Ok(Vec::new());
    }
    frame.partition_by_stable(keys, true).map_err(refused)
}

/// The numbers of a column, nulls left out.
///
/// # Errors
/// When the frame has no such column of numbers.
pub(crate) fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let read = || -> PolarsResult<Vec<f64>> { Ok(frame.column(name)?.f64()?.iter().flatten().collect()) };
    read().map_err(refused)
}

/// The numbers of a column; NaN where it is null.
///
/// # Errors
/// When the frame has no such column of numbers.
pub(crate) fn numbers_or_nan(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let read = || -> PolarsResult<Vec<f64>> {
        Ok(frame.column(name)?.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    };
    read().map_err(refused)
}

/// The whole numbers of a column, nulls left out.
///
/// # Errors
/// When the frame has no such column of whole numbers.
pub(crate) fn whole_numbers(frame: &DataFrame, name: &str) -> Result<Vec<u64>> {
    let read = || -> PolarsResult<Vec<u64>> { Ok(frame.column(name)?.u64()?.iter().flatten().collect()) };
    read().map_err(refused)
}

/// The texts of a column.
///
/// # Errors
/// When the frame has no such column of text.
pub(crate) fn texts(frame: &DataFrame, name: &str) -> Result<Vec<String>> {
    let read = || -> PolarsResult<Vec<String>> {
        Ok(frame.column(name)?.str()?.iter().flatten().map(str::to_owned).collect())
    };
    read().map_err(refused)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn groups_come_in_the_order_of_their_first_rows() {
        let columns = vec![
            text("arm", ["b", "a", "b", "a"].into_iter()),
            number("accuracy", [Some(0.1), Some(0.2), None, Some(0.4)].into_iter()),
        ];
        let frame = DataFrame::new(4, columns).unwrap();
        let groups = groups(&frame, ["arm"]).unwrap();
        let read = |group: &DataFrame| (texts(group, "arm").unwrap(), numbers(group, "accuracy").unwrap());
        assert_eq!(read(&groups[0]), (vec!["b".to_owned(), "b".to_owned()], vec![0.1]));
        assert_eq!(read(&groups[1]), (vec!["a".to_owned(), "a".to_owned()], vec![0.2, 0.4]));
        assert!(super::groups(&frame.clear(), ["arm"]).unwrap().is_empty());
    }

    #[test]
    fn what_was_not_measured_is_null_and_a_torn_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let line = |iteration: u64, val: &str| {
            format!(
                r#"{{"iteration":{iteration},"epoch":0.5,"lr":0.1,"momentum":0.9,"train_loss":null,"train_accuracy":0.1,"grad_norm":null,"val_loss":null,"val_accuracy":{val}}}"#
            )
        };
        let text = format!("{}\n{}\n{}", line(1, "null"), line(2, "0.75"), &line(3, "1")[..40]);
        fs::write(dir.path().join(metrics::FILE), text).unwrap();
        let frame = of_steps(dir.path()).unwrap();
        assert_eq!(frame.height(), 2);
        assert_eq!(frame.column("train_loss").unwrap().null_count(), 2);
        assert_eq!(numbers(&frame, "val_accuracy").unwrap(), [0.75]);
        assert_eq!(whole_numbers(&frame, "iteration").unwrap(), [1, 2]);
    }
}
