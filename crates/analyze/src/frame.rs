//! `metrics.jsonl` as a polars frame, under an explicit schema: left to itself polars guesses one from the first lines,
//! where `val_*` is often null.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use artifacts::metrics::{self, Metrics};
use artifacts::{Action, ArtifactError};
use polars::prelude::{
    Column, DataFrame, DataType, Field, JsonFormat, JsonReader, PlSmallStr, PolarsResult, Schema, SerReader as _,
};

/// The columns of `metrics.jsonl`, in order.
pub const COLUMNS: [&str; 9] =
    ["iteration", "epoch", "lr", "momentum", "train_loss", "train_accuracy", "grad_norm", "val_loss", "val_accuracy"];

/// The schema of `metrics.jsonl`: `iteration` is an integer, all else a number that may be null.
fn schema() -> Schema {
    COLUMNS
        .iter()
        .map(|&name| {
            let kind = if name == "iteration" { DataType::Int64 } else { DataType::Float64 };
            Field::new(PlSmallStr::from_static(name), kind)
        })
        .collect()
}

/// The metrics of one run.
#[derive(Clone, Debug)]
pub struct MetricsFrame {
    /// One row a step, the wanted columns alone.
    pub frame: DataFrame,
    /// Whether the last line was torn by a crash and left out.
    pub torn: bool,
}

/// Reads the wanted `columns` of a run's `metrics.jsonl`, all of its steps.
///
/// # Errors
/// When the file cannot be read, or a line before the last is no record of a step.
pub fn read(folder: &Path, columns: &[&str]) -> Result<MetricsFrame> {
    let path = folder.join(metrics::FILE);
    let mut text = fs::read(&path).map_err(|source| ArtifactError::io(&path, Action::Read, source))?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = whole < text.len();
    text.truncate(whole);
    refuse_other_formats(&path, &text)?;
    let frame = if text.is_empty() { empty(columns)? } else { parse(&path, text, columns)? };
    Ok(MetricsFrame { frame, torn })
}

/// polars fills a missing key with null and drops an unknown one; the first line shows whether this is our file at all.
fn refuse_other_formats(path: &Path, text: &[u8]) -> Result<()> {
    let Some(first) = text.split(|byte| *byte == b'\n').next().filter(|line| !line.is_empty()) else {
        return Ok(());
    };
    serde_json::from_slice::<Metrics>(first)
        .map_err(|error| ArtifactError::content(path, "a record on line 1", error))?;
    Ok(())
}

fn parse(path: &Path, mut text: Vec<u8>, columns: &[&str]) -> Result<DataFrame> {
    // polars 0.55 samples line lengths three quarters through the file and slices past its end where the last line
    // begins before that. It skips empty lines.
    text.extend_from_slice(b"\n\n");
    let wanted = columns.iter().map(|name| PlSmallStr::from_str(name)).collect();
    let frame = JsonReader::new(Cursor::new(text))
        .with_json_format(JsonFormat::JsonLines)
        .with_schema(Arc::new(schema()))
        .with_projection(Some(wanted))
        .finish();
    frame.or_else(|error| {
        // polars does not say which line: the line reader does.
        metrics::read::<Metrics>(path)?;
        Err(error).with_context(|| format!("{}: cannot be read as JSON lines", path.display()))
    })
}

fn empty(columns: &[&str]) -> PolarsResult<DataFrame> {
    let schema = schema();
    let columns = columns
        .iter()
        .map(|&name| Column::new_empty(PlSmallStr::from_str(name), schema.get(name).unwrap_or(&DataType::Float64)))
        .collect();
    DataFrame::new(0, columns)
}

/// A column as numbers; NaN where it is null.
///
/// # Errors
/// When the frame has no such column of numbers.
pub fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let column = frame.column(name)?.cast(&DataType::Float64)?;
    Ok(column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(iteration: u64, val: &str) -> String {
        format!(
            r#"{{"iteration":{iteration},"epoch":0.5,"lr":0.1,"momentum":0.9,"train_loss":2.0,"train_accuracy":0.1,"grad_norm":null,"val_loss":null,"val_accuracy":{val}}}"#
        )
    }

    fn write(lines: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(metrics::FILE), lines).unwrap();
        dir
    }

    #[test]
    fn a_value_that_first_shows_after_hundreds_of_nulls_is_read() {
        let text: String = (1..=300).map(|i| line(i, if i == 300 { "0.75" } else { "null" }) + "\n").collect();
        let read = read(write(&text).path(), &["iteration", "val_accuracy"]).unwrap();
        assert!(!read.torn);
        assert_eq!(read.frame.width(), 2);
        let val = numbers(&read.frame, "val_accuracy").unwrap();
        assert!(val[0].is_nan());
        assert_eq!(val[299], 0.75);
        assert_eq!(numbers(&read.frame, "iteration").unwrap()[299], 300.0);
    }

    #[test]
    fn files_of_every_small_length_are_read() {
        for lines in 1..=12 {
            let text: String = (1..=lines).map(|i| line(i, "null") + "\n").collect();
            assert_eq!(read(write(&text).path(), &["lr"]).unwrap().frame.height() as u64, lines);
        }
    }

    #[test]
    fn a_torn_last_line_is_left_out() {
        let text = line(1, "null") + "\n" + &line(2, "null")[..40];
        let read = read(write(&text).path(), &["lr"]).unwrap();
        assert!(read.torn);
        assert_eq!(numbers(&read.frame, "lr").unwrap(), [0.1]);
    }

    #[test]
    fn an_empty_file_has_no_steps() {
        let read = read(write("").path(), &["iteration", "lr"]).unwrap();
        assert_eq!((read.frame.height(), read.frame.width()), (0, 2));
    }

    #[test]
    fn another_tools_lines_and_broken_ones_are_refused_by_number() {
        let other = read(write("{\"step\":1}\n").path(), &["lr"]).unwrap_err();
        assert!(other.to_string().contains("line 1"), "{other}");
        let broken = write(&(line(1, "null") + "\n{\"iteration\":\n" + &line(3, "null") + "\n"));
        let message = read(broken.path(), &["lr"]).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }
}
