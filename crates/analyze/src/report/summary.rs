//! The numbers of a report: `summary.json` (all of it), `summary.csv` and `summary.parquet` (one row per run).

use std::fs;
use std::path::Path;

use cli::Failure;
use polars::prelude::{CsvWriter, DataFrame, ParquetWriter, SerWriter as _};
use serde_json::{Value, json};

use super::{Report, answer};
use crate::Result;

/// Version of `summary.json`'s schema.
pub const FORMAT: &str = "superconv-report/1";

/// The frame as CSV.
///
/// # Errors
/// When polars refuses.
pub fn csv(frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).include_header(true).finish(frame).map_err(Failure::failed)?;
    Ok(bytes)
}

/// The frame as Parquet.
///
/// # Errors
/// When polars refuses.
pub fn parquet(frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(frame).map_err(Failure::failed)?;
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
        "score": report.accuracy,
        "asked": answer::asked(report),
        "in_short": report.short,
        "findings": report.findings,
        "sure": answer::sure(report),
        "warnings": report.warnings,
        "arms": report.cells,
        "comparisons": report.comparisons,
        "margin": report.margin,
        "iterations_saved": report.savings,
        "steps_spent": report.spent,
        "grid": report.grid,
        "suggestions": report.suggestions,
        "files": files,
    });
    let mut text = serde_json::to_vec_pretty(&value).map_err(Failure::failed)?;
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
