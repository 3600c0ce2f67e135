//! Why an input cannot be used, in one line and a hint.

use std::fmt::Display;
use std::io;
use std::path::Path;

use artifacts::error::one_line;

/// The result of reading an input.
pub type Result<T> = std::result::Result<T, Refusal>;

/// An input that cannot be used: where, what was expected, what was found.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Refusal {
    place: String,
    problem: String,
    hint: Option<String>,
}

impl Refusal {
    /// `place` (a file, a file in an archive, a flag) holds `found` where `expected` should be.
    pub fn new(place: impl Display, expected: impl Display, found: impl Display) -> Self {
        Self::because(place, format!("expected {expected}, found {found}"))
    }

    /// `place` cannot be used because of `problem`.
    pub fn because(place: impl Display, problem: impl Display) -> Self {
        // What others wrote (file names, messages of decoders) must not break the line.
        let place = place.to_string().replace(char::is_control, "?");
        Self { place, problem: one_line(problem), hint: None }
    }

    /// The file cannot be read; `wanted` says what it should have been.
    pub fn unreadable(path: &Path, wanted: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(path.display(), wanted, "no such file or folder"),
            _ => Self::because(path.display(), format!("expected {wanted}, cannot read it: {error}")),
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, where something can be said.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
