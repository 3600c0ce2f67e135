//! Input that cannot be used, said in one line and a hint.

use std::fmt::Display;
use std::path::Path;

use artifacts::ArtifactError;
use artifacts::error::{display_path, quote};

/// What a user handed over and cannot be used: exit code 2, nothing written.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BadInput {
    /// What is wrong: names the file or flag, what was expected and what was found.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl BadInput {
    /// An error with its hint.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// `path` holds `found` where `expected` should be.
    pub fn file(path: &Path, expected: impl Display, found: impl Display, hint: impl Into<String>) -> Self {
        let (path, expected, found) = (display_path(path), quote(expected), quote(found));
        Self::new(format!("{path}: expected {expected}, found {found}"), hint)
    }
}

/// The exit code that an error asks for: 2 where the input is at fault, 1 where this machine is.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let input = error.chain().any(|cause| {
        cause.downcast_ref::<BadInput>().is_some()
            || cause.downcast_ref::<ArtifactError>().is_some_and(ArtifactError::is_input)
    });
    if input { 2 } else { 1 }
}

/// The hint that goes with an error, if it has one.
pub fn hint(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| cause.downcast_ref::<BadInput>()).map(|bad| bad.hint.as_str())
}
