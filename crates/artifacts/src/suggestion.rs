//! `suggestion.json`: what a range test says about the rates to train at.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{ArtifactError, Result, json};

/// Version of the schema.
pub const FORMAT: &str = "superconv-suggestion/1";

/// What happened in a range test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Accuracy rises and falls again.
    Hill,
    /// Accuracy rises and stays: the sign of super-convergence.
    Plateau,
    /// Accuracy falls to chance and rises a second time.
    CollapseAndRecovery,
    /// The loss blows up.
    Divergence,
    /// Nothing is learnt at any rate.
    NoLearning,
}

/// A closed interval of rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The setting that a suggestion holds for; null where the curve does not say (a CSV of another tool's).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// SHA-256 of the data set.
    pub data_sha256: Option<String>,
    /// Its name.
    pub data_name: Option<String>,
    /// The net.
    pub net: Option<String>,
    /// Its shortcut.
    pub shortcut: Option<String>,
    /// Images a step.
    pub batch_size: Option<usize>,
    /// The optimizer.
    pub optimizer: Option<String>,
    /// Momentum.
    pub momentum: Option<f64>,
    /// Weight decay.
    pub weight_decay: Option<f64>,
    /// Steps of the range test.
    pub iterations: Option<u64>,
}

/// `suggestion.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// [`FORMAT`].
    pub format: String,
    /// What happened.
    pub outcome: Outcome,
    /// The lowest useful rate; null where there is none.
    pub min_lr: Option<f64>,
    /// The highest useful rate for 1cycle; null where there is none.
    pub max_lr: Option<f64>,
    /// Where the lowest useful rate may lie.
    pub min_lr_interval: Option<Interval>,
    /// Where the highest useful rate may lie.
    pub max_lr_interval: Option<Interval>,
    /// 0 (a guess) to 1 (sure).
    pub confidence: f64,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// What other rules answer, by name; null where a rule has no answer.
    pub rivals: BTreeMap<String, Option<f64>>,
    /// The setting that it holds for.
    pub setting: Setting,
    /// The runs or files that it was read from.
    pub sources: Vec<String>,
}

/// Reads a suggestion.
///
/// # Errors
/// When it cannot be read or is of another format.
pub fn read(path: &Path) -> Result<Suggestion> {
    let suggestion: Suggestion = json::read(path, "a suggestion made by sc-analyze suggest")?;
    if suggestion.format != FORMAT {
        return Err(ArtifactError::content(path, format!("format {FORMAT:?}"), format!("{:?}", suggestion.format)));
    }
    Ok(suggestion)
}
