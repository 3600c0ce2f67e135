//! Why a range test cannot be read.

use std::fmt::Display;
use std::path::Path;

use artifacts::ArtifactError;
use artifacts::error::{display_path, quote};

/// The result of reading a range test.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a range test cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or is not what it should be.
    #[error(transparent)]
    File(#[from] ArtifactError),
    /// Nothing can be learnt from what was measured.
    #[error("{message}")]
    Curve {
        /// What is wrong, and in which run or file.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

impl Error {
    /// A curve of which nothing can be learnt.
    pub(crate) fn curve(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Curve { message: message.into(), hint: hint.into() }
    }

    /// The same, of a file: `path: message`. The message may quote what the file says.
    pub(crate) fn in_file(path: &Path, message: impl Display, hint: impl Into<String>) -> Self {
        Self::curve(format!("{}: {}", display_path(path), quote(message)), hint)
    }
}
