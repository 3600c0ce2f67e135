//! A range test as a file of any tool. What it holds decides how it is read, whatever its name: a table with a header row
//! (`table`: separators, decimal commas, comments) or JSON (`json`), in any encoding (`text`). `columns` knows the names that
//! tools give to what is read, `rows` makes points of rows, and `given` is what flags or the file's first line say of the
//! setting.

mod columns;
mod given;
mod json;
mod rows;
mod table;
mod text;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use artifacts::error::{display_path, quote};
use artifacts::{Action, ArtifactError};

use super::Curve;
use crate::error::{Error, Result};
pub use given::Given;

/// What a file has to hold.
const NEEDED: &str = "a rate (lr, learning_rate, ...) and a loss or an accuracy (train_loss, val_accuracy, ...)";
/// Bytes of the largest file that is read: a range test of 100,000 steps takes a tenth of them.
const MOST_BYTES: u64 = 64 << 20;

/// Named columns of text, before anything is known of what they mean.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<String>,
    rows: Vec<Row>,
    /// What a row's number counts: `line`, or `entry` of a list.
    place: &'static str,
    /// What comment lines above the header say.
    comments: Vec<String>,
    /// Whether commas stand for decimal points.
    decimal_comma: bool,
    /// What the reader should be told.
    notes: Vec<String>,
}

#[derive(Debug)]
struct Row {
    /// Where it begins, from 1.
    number: u64,
    /// One for each name at most: what is missing was not measured.
    cells: Vec<String>,
}

/// Reads a file, and says what the reader should be told about it. What is `given` counts more than what the file says of
/// itself.
///
/// # Errors
/// When the file cannot be read or is too large, a rate or a measure is missing, a cell is no number, or the rates do not rise.
pub fn read(path: &Path, given: &Given) -> Result<(Curve, Vec<String>)> {
    let in_file = |fault: Fault| Error::in_file(path, fault.what, fault.hint);
    let bytes = bytes(path)?;
    let text = text::decode(&bytes).map_err(in_file)?;
    let columns = if json::is_json(&text) { json::columns(&text) } else { table::columns(&text) };
    let columns = columns.map_err(in_file)?;
    let mut warnings = Vec::new();
    let points = rows::points(path, &columns, &mut warnings)?;
    let mut curve = Curve { source: path.display().to_string(), points, ..Curve::default() };
    let (own, unknown) = columns
        .comments
        .iter()
        .find_map(|line| Given::of_comment(line))
        .transpose()
        .map_err(in_file)?
        .unwrap_or_default();
    let mut said: Vec<String> =
        unknown.iter().map(|key| format!("what the first line says of {key} is not used")).collect();
    given.or(own, &mut said).describe(&mut curve);
    said.extend(unsaid(&curve));
    warnings.extend(said.into_iter().map(|text| format!("{}: {}", display_path(path), quote(text))));
    Ok((curve, warnings))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let fail = |refusal| ArtifactError::io(path, Action::Read, refusal);
    let mut bytes = Vec::new();
    // Not by its size: a pipe has none.
    File::open(path).map_err(fail)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MOST_BYTES {
        let what = format!("more than {} MiB, too large for a range test", MOST_BYTES >> 20);
        return Err(Error::in_file(path, what, "keep the columns of the step, the rate, the loss and the accuracy"));
    }
    Ok(bytes)
}

/// What the rule would ask for, where it has a critical rate.
fn unsaid(curve: &Curve) -> Option<String> {
    curve.critical_lr?;
    match curve.setting.optimizer.as_deref() {
        None => Some("the optimizer is not known: the critical rate is taken for one of SGD (--optimizer)".to_owned()),
        Some(name) if !given::OPTIMIZERS.contains(&name) => {
            Some(format!("the rule was not judged on the optimizer {name}: its critical rate is taken as it is"))
        }
        Some("sgd" | "nesterov") if curve.setting.momentum.is_none() => {
            Some("the momentum is not known: it is taken for 0.9 (--momentum)".to_owned())
        }
        Some(_) => None,
    }
}

fn hint() -> String {
    format!("a range test is a table with a header row, or JSON, with {NEEDED}")
}

/// What is wrong with a file, and what to do about it.
#[derive(Debug)]
struct Fault {
    what: String,
    hint: String,
}

impl Fault {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }

    fn hinted(what: impl Into<String>) -> Self {
        Self::new(what, hint())
    }
}

#[cfg(test)]
mod tests;
