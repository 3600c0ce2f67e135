//! The numbers of a report: `summary.json` (all of it), `summary.csv` and `summary.parquet` (one row a run).

use std::fs;
use std::path::Path;

use anyhow::Result;
use polars::prelude::{Column, CsvWriter, DataFrame, NamedFrom as _, ParquetWriter, SerWriter as _, Series};
use serde_json::{Value, json};

use super::Report;
use crate::study::Study;
use artifacts::finished::Run;

/// Version of `summary.json`'s schema.
pub const FORMAT: &str = "superconv-report/1";

/// One row a run, all runs of the study.
///
/// # Errors
/// Never but for a fault in this function.
pub fn frame(study: &Study) -> Result<DataFrame> {
    let runs: Vec<&Run> = study.all_runs().collect();
    let text = |name: &str, of: fn(&Run) -> String| -> Column {
        Series::new(name.into(), runs.iter().map(|run| of(run)).collect::<Vec<String>>()).into()
    };
    let number = |name: &str, of: fn(&Run) -> Option<f64>| -> Column {
        Series::new(name.into(), runs.iter().map(|run| of(run)).collect::<Vec<Option<f64>>>()).into()
    };
    let whole = |name: &str, of: fn(&Run) -> Option<u64>| -> Column {
        Series::new(name.into(), runs.iter().map(|run| of(run).map(|n| n as i64)).collect::<Vec<Option<i64>>>()).into()
    };
    let columns = vec![
        text("name", |run| run.record.name.clone()),
        text("study", |run| run.record.study.clone()),
        text("arm", |run| run.arm().to_owned()),
        text("data", |run| run.record.data_name.clone()),
        text("net", |run| run.record.config.net.clone()),
        text("schedule", |run| run.record.config.schedule.clone()),
        whole("iterations", |run| Some(run.record.config.iterations)),
        whole("seed", |run| Some(run.record.config.seed)),
        whole("batch_size", |run| Some(run.record.config.batch_size as u64)),
        text("optimizer", |run| run.record.config.optimizer.clone()),
        number("min_lr", |run| run.parameter("min_lr")),
        number("max_lr", Run::main_lr),
        number("momentum", |run| Some(run.record.config.momentum)),
        number("weight_decay", |run| Some(run.record.config.weight_decay)),
        text("augment", |run| run.record.config.augment.clone()),
        text("status", |run| if run.diverged() { "diverged".to_owned() } else { "completed".to_owned() }),
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
    Ok(DataFrame::new(runs.len(), columns)?)
}

/// The frame as CSV.
///
/// # Errors
/// When polars refuses.
pub fn csv(frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).include_header(true).finish(frame)?;
    Ok(bytes)
}

/// The frame as Parquet.
///
/// # Errors
/// When polars refuses.
pub fn parquet(frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(frame)?;
    Ok(bytes)
}

/// Everything that the page says, for programs. `files`: the names of the folder's files.
///
/// # Errors
/// Never but for a fault in this function.
pub fn json(report: &Report, files: &[String]) -> Result<Vec<u8>> {
    let value = json!({
        "format": FORMAT,
        "title": report.title,
        "score": report.score,
        "findings": report.findings,
        "warnings": report.warnings,
        "arms": report.cells,
        "comparisons": report.comparisons,
        "iterations_saved": report.savings,
        "grid": report.grid,
        "suggestions": report.suggestions,
        "files": files,
    });
    let mut text = serde_json::to_vec_pretty(&value)?;
    text.push(b'\n');
    Ok(text)
}

/// The files that an earlier report in `folder` consists of, by its own word: plain names alone.
pub fn files_of(folder: &Path) -> Vec<String> {
    let read = || -> Option<Vec<String>> {
        let summary: Value = serde_json::from_slice(&fs::read(folder.join("summary.json")).ok()?).ok()?;
        if summary["format"] != FORMAT {
            return None;
        }
        summary["files"].as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let plain = |name: &String| !name.contains(['/', '\\']) && !name.starts_with('.');
    read().unwrap_or_default().into_iter().filter(plain).collect()
}
