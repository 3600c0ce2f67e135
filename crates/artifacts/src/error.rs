//! What can be wrong with a file.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// The result of reading or writing an artifact.
pub type Result<T> = std::result::Result<T, ArtifactError>;

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The system refuses to read or write.
    #[error("{path}: cannot {action}: {source}", path = on_one_line(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The content is not what the format asks for.
    #[error("{path}: expected {expected}, found {found}", path = on_one_line(path))]
    Content {
        /// The file.
        path: PathBuf,
        /// What the format asks for, and where.
        expected: String,
        /// What is there instead.
        found: String,
    },
}

impl ArtifactError {
    /// The system refused `action` on `path`.
    pub fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, source }
    }

    /// `path` holds `found` where `expected` should be. Both may quote what the file says: see [`one_line`].
    pub fn content(path: &Path, expected: impl Display, found: impl Display) -> Self {
        Self::Content { path: path.to_owned(), expected: one_line(expected), found: one_line(found) }
    }

    /// Whether the fault lies in what was handed over (a missing or malformed file) and not in this machine: programs
    /// then exit with 2.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Content { .. } => true,
            Self::Io { action, source, .. } => {
                *action == "read" && matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory)
            }
        }
    }
}

/// What is quoted of a file at most, in characters.
const LONGEST_QUOTE: usize = 300;

/// What a message may quote of a file from elsewhere: on one line, whatever characters it holds, and no longer than a reader
/// would read.
pub fn one_line(text: impl Display) -> String {
    let text = text.to_string();
    let mut line: String = text.chars().take(LONGEST_QUOTE).collect();
    if line.len() < text.len() {
        line.push_str("...");
    }
    without_controls(&line)
}

/// A path that may come out of a file, whole, without the ends of lines that it may hold.
pub fn on_one_line(path: &Path) -> String {
    without_controls(&path.display().to_string())
}

fn without_controls(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_stays_on_its_line_and_ends() {
        let error = ArtifactError::content(Path::new("x.json"), "a name", format!("a\nb\u{1b}[2J{}", "c".repeat(9999)));
        let message = error.to_string();
        assert!(message.starts_with("x.json: expected a name, found a?b?[2Jccc"), "{message}");
        assert!(message.ends_with("ccc...") && message.len() < 400, "{message}");
    }

    #[test]
    fn a_path_out_of_a_record_stays_on_the_line() {
        let error = ArtifactError::io(Path::new("a\nb"), "read", io::ErrorKind::NotFound.into());
        assert!(error.to_string().starts_with("a?b: cannot read: "), "{error}");
        assert!(ArtifactError::content(Path::new("a\rb"), 1, 2).to_string().starts_with("a?b: expected 1"));
    }
}
