//! Which kind of file a file is, and of which version: looked at before anything else in it, so that a newer file is called
//! newer, and another kind of file by its name.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::{ArtifactError, Result, checkpoint, choice, probe, recipe, run, suggestion};

/// A kind of file that says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `run.json`
    Run,
    /// `result.json`
    RunResult,
    /// `probe.json`
    Probe,
    /// `suggestion.json`
    Suggestion,
    /// `choice.json`
    Choice,
    /// `recipe.json`
    Recipe,
    /// `checkpoint.safetensors`
    Checkpoint,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Run, Self::RunResult, Self::Probe, Self::Suggestion, Self::Choice, Self::Recipe, Self::Checkpoint];

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "the record of a run",
            Self::RunResult => "the result of a run",
            Self::Probe => "a probe",
            Self::Suggestion => "a suggestion",
            Self::Choice => "a choice",
            Self::Recipe => "a recipe",
            Self::Checkpoint => "a checkpoint",
        }
    }

    /// The name and version that its files carry, such as `superconv-run/1`.
    pub fn format(self) -> &'static str {
        match self {
            Self::Run | Self::RunResult => run::FORMAT,
            Self::Probe => probe::FORMAT,
            Self::Suggestion => suggestion::FORMAT,
            Self::Choice => choice::FORMAT,
            Self::Recipe => recipe::FORMAT,
            Self::Checkpoint => checkpoint::FORMAT,
        }
    }

    /// Checks what the file at `path` says of itself.
    ///
    /// # Errors
    /// When it is of another kind, or of a version that is not read.
    pub(crate) fn check(self, path: &Path, head: &Head) -> Result<()> {
        let wrong = |found: String| {
            let expected = format!("{} (format {:?})", self.name(), self.format());
            ArtifactError::content(path, expected, found)
        };
        let found = match &head.format {
            None => return Err(wrong("a file that does not say its format".to_owned())),
            Some(Value::String(format)) => format,
            Some(other) => return Err(wrong(format!("format {other}"))),
        };
        let kind = head.kind(found).ok_or_else(|| wrong(format!("format {found:?}")))?;
        if kind != self {
            return Err(ArtifactError::Kind { path: path.to_owned(), found: kind.name(), wanted: self.name() });
        }
        match (version(found), version(self.format())) {
            (Some(found), Some(known)) if found.1 == known.1 => Ok(()),
            (Some(version), Some(known)) if version.1 > known.1 => {
                Err(ArtifactError::Newer { path: path.to_owned(), found: found.clone(), known: self.format() })
            }
            _ => Err(wrong(format!("format {found:?}"))),
        }
    }
}

/// The name and the number of a format: `superconv-run` and 1 of `superconv-run/1`.
fn version(format: &str) -> Option<(&str, u32)> {
    let (name, version) = format.split_once('/')?;
    Some((name, version.parse().ok()?))
}

/// What is looked at first in a file: the rest may be of any shape.
#[derive(Default, Deserialize)]
pub(crate) struct Head {
    format: Option<Value>,
    /// In the result of a run alone: its record has the same format.
    status: Option<Value>,
}

impl Head {
    /// The head of a file whose metadata is text.
    pub(crate) fn of_format(format: Option<&String>) -> Self {
        Self { format: format.map(|format| Value::String(format.clone())), status: None }
    }

    /// The kind of a file whose format is `format`, of whatever version.
    pub(crate) fn kind(&self, format: &str) -> Option<Kind> {
        let (name, _) = version(format)?;
        let mut kinds = Kind::ALL.into_iter().filter(|kind| version(kind.format()).is_some_and(|(of, _)| of == name));
        kinds.find(|kind| match kind {
            Kind::Run => self.status.is_none(),
            Kind::RunResult => self.status.is_some(),
            _ => true,
        })
    }
}
