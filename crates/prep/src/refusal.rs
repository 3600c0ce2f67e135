//! Why an input cannot be used, in one line and a hint.

use std::fmt::Display;
use std::io;
use std::path::Path;

use artifacts::error::quote;

/// The result of reading an input.
pub type Result<T> = std::result::Result<T, Refusal>;

/// An input that cannot be used: where, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

impl Refusal {
    /// What is wrong with the arguments.
    pub fn new(message: impl Display) -> Self {
        Self { message: quote(message), details: Vec::new(), hint: None }
    }

    /// What is wrong with `place`: a file, or a file in an archive.
    pub fn at(place: impl Display, problem: impl Display) -> Self {
        // What others wrote (file names, messages of decoders) must not break the line.
        let place = place.to_string().replace(char::is_control, "?");
        Self { message: format!("{place}: {}", quote(problem)), details: Vec::new(), hint: None }
    }

    /// The file or folder cannot be read.
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::at(path.display(), "no such file or folder"),
            _ => Self::at(path.display(), format!("cannot read: {error}")),
        }
    }

    /// Adds a list: a line for each thing that the message counts.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// The list, empty where the message says it all.
    pub fn list(&self) -> &[String] {
        &self.details
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
