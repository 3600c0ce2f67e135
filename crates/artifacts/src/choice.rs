//! `choice.json`: the rate that came out best of a grid, chosen on validation images.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::format::Kind;
use crate::setting::Setting;
use crate::{Result, json};

/// Version of the schema.
pub const FORMAT: &str = "superconv-choice/1";

/// One rate of the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The rate.
    pub lr: f64,
    /// Mean over seeds of the final accuracy on validation images; null where every run diverged.
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
    /// The schedule of its runs: whether the rate is one to start from or the highest of a cycle. Null where the choice is
    /// older than this entry: the rate is then one to start from.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The setting of its runs; null where the choice is older than this entry.
    #[serde(default)]
    pub setting: Option<Setting>,
}

/// Reads a choice.
///
/// # Errors
/// When it cannot be read or is of another kind or version.
pub fn read(path: &Path) -> Result<Choice> {
    json::read_versioned(path, Kind::Choice)
}

/// As [`read`], with the SHA-256 of the bytes that were read.
///
/// # Errors
/// As [`read`].
pub fn read_with_hash(path: &Path) -> Result<(Choice, String)> {
    json::read_versioned_with_hash(path, Kind::Choice)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_choice_of_before_it_held_a_setting_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("choice.json");
        let candidate = r#"{"lr": 0.2, "mean_val_accuracy": 0.9, "runs": 3, "diverged": 0}"#;
        let text = format!(
            r#"{{"format": "{FORMAT}", "lr": 0.2, "at_edge": true, "iterations": 60, "candidates": [{candidate}]}}"#
        );
        fs::write(&path, text).unwrap();
        let choice = read(&path).unwrap();
        assert_eq!((choice.lr, choice.schedule, choice.setting), (0.2, None, None));
    }
}
