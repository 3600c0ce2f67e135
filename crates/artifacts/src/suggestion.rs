//! `suggestion.json`: what a range test says about the rates to train at.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::format::Kind;
use crate::setting::Setting;
use crate::{Result, json};

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

/// What a reason is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// What happened in the range tests.
    Outcome,
    /// Where the highest rate comes from.
    HighestRate,
    /// Something else, and every reason that was read from a file: files keep the sentences alone.
    #[default]
    Other,
}

/// A sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Reason {
    /// What it is about, in a suggestion just made.
    pub about: About,
    /// The sentence.
    pub sentence: String,
}

impl From<String> for Reason {
    fn from(sentence: String) -> Self {
        Self { about: About::Other, sentence }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.sentence
    }
}

impl Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.sentence
    }
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
    pub reasons: Vec<Reason>,
    /// What other rules answer, by name; null where a rule has no answer.
    #[serde(rename = "rivals")]
    pub other_rules: BTreeMap<String, Option<f64>>,
    /// The setting that it holds for; null where the curve does not say (a CSV of another tool's).
    pub setting: Setting,
    /// Steps of the training that it was asked for, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_iterations: Option<u64>,
    /// The runs or files that it was read from.
    pub sources: Vec<String>,
}

/// Reads a suggestion.
///
/// # Errors
/// When it cannot be read or is of another kind or version.
pub fn read(path: &Path) -> Result<Suggestion> {
    json::read_versioned(path, Kind::Suggestion)
}

/// As [`read`], with the SHA-256 of the bytes that were read.
///
/// # Errors
/// As [`read`].
pub fn read_with_hash(path: &Path) -> Result<(Suggestion, String)> {
    json::read_versioned_with_hash(path, Kind::Suggestion)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_sentence_on_disk() {
        let reason = Reason { about: About::HighestRate, sentence: "because".to_owned() };
        assert_eq!(serde_json::to_string(&reason).unwrap(), r#""because""#);
        let read: Reason = serde_json::from_str(r#""because""#).unwrap();
        assert_eq!(read, Reason::from("because".to_owned()));
    }
}
