//! `choice.json`: the rate that came out best of a grid, chosen on held-out training images.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{ArtifactError, Result, json};

/// Version of the schema.
pub const FORMAT: &str = "superconv-choice/1";

/// One rate of the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The rate.
    pub lr: f64,
    /// Mean over seeds of the final accuracy on held-out images; null where every run diverged.
    pub mean_val_accuracy: Option<f64>,
    /// Runs that it is the mean of.
    pub runs: usize,
    /// Runs that diverged.
    pub diverged: usize,
}

/// `choice.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// [`FORMAT`].
    pub format: String,
    /// The chosen rate.
    pub lr: f64,
    /// Whether it is the lowest or the highest of the grid: the best may lie beyond.
    pub at_edge: bool,
    /// Steps of each run.
    pub iterations: u64,
    /// The grid, in order of rate.
    pub candidates: Vec<Candidate>,
}

/// Reads a choice.
///
/// # Errors
/// When it cannot be read or is of another format.
pub fn read(path: &Path) -> Result<Choice> {
    let choice: Choice = json::read(path, "a choice made by sc-analyze choose")?;
    if choice.format != FORMAT {
        return Err(ArtifactError::content(path, format!("format {FORMAT:?}"), format!("{:?}", choice.format)));
    }
    Ok(choice)
}
