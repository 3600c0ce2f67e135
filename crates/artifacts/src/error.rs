//! What can be wrong with a file.

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};

/// The result of reading or writing an artifact.
pub type Result<T> = std::result::Result<T, ArtifactError>;

/// What a program tries to do with a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read a file, or list a folder.
    Read,
    /// Write a file, or into a folder.
    Write,
    /// Make a folder.
    MakeFolder,
    /// Rename something out of the way.
    MoveAside,
    /// Remove a file.
    Remove,
}

impl Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::MakeFolder => "make the folder",
            Self::MoveAside => "move aside",
            Self::Remove => "remove",
        })
    }
}

/// A file that cannot be used, and why. The message holds the system's words too: an error has no source besides, lest
/// they be printed twice.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The system refuses to read or write.
    #[error("{path}: cannot {action}: {refusal}", path = display_path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: Action,
        /// What the system said.
        refusal: io::Error,
    },
    /// The content is not what the format asks for.
    #[error("{path}: expected {expected}, found {found}", path = display_path(path))]
    Content {
        /// The file.
        path: PathBuf,
        /// What the format asks for, and where.
        expected: String,
        /// What is there instead.
        found: String,
    },
    /// The file is of another kind.
    #[error("{path}: this is {found}, not {wanted}", path = display_path(path))]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is, such as `a recipe`.
        found: &'static str,
        /// What was to be read, likewise.
        wanted: &'static str,
    },
    /// The file is of a later version of its format.
    #[error("{path}: made by a newer superconv (format {found}); this one reads up to {known} — update superconv", path = display_path(path))]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
        /// The latest format of its kind that is known.
        known: &'static str,
    },
}

impl ArtifactError {
    /// The system's `refusal` of `action` on `path`.
    pub fn io(path: &Path, action: Action, refusal: io::Error) -> Self {
        Self::Io { path: path.to_owned(), action, refusal }
    }

    /// `path` holds `found` where `expected` should be. Both may quote what the file says: see [`quote`].
    pub fn content(path: &Path, expected: impl Display, found: impl Display) -> Self {
        Self::Content { path: path.to_owned(), expected: quote(expected), found: quote(found) }
    }

    /// Whether the fault lies in what was handed over (a missing or malformed file) and not in this machine: programs
    /// then exit with 2.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Content { .. } | Self::Kind { .. } | Self::Newer { .. } => true,
            Self::Io { action, refusal, .. } => {
                *action == Action::Read
                    && matches!(
                        refusal.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory
                    )
            }
        }
    }
}

/// What is quoted of a file at most, in characters.
const LONGEST_QUOTE: usize = 300;

/// What a message may quote of a file from elsewhere: on one line, whatever characters it holds, and no longer than a reader
/// would read.
pub fn quote(text: impl Display) -> String {
    let text = text.to_string();
    let mut line: String = text.chars().take(LONGEST_QUOTE).collect();
    if line.len() < text.len() {
        line.push_str("...");
    }
    without_controls(&line)
}

/// A path that may come out of a file, whole, without the ends of lines that it may hold.
pub fn display_path(path: &Path) -> String {
    without_controls(&path.display().to_string())
}

fn without_controls(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_quote_stays_on_its_line_and_ends() {
        let error = ArtifactError::content(Path::new("x.json"), "a name", format!("a\nb\u{1b}[2J{}", "c".repeat(9999)));
        let message = error.to_string();
        assert!(message.starts_with("x.json: expected a name, found a?b?[2Jccc"), "{message}");
        assert!(message.ends_with("ccc...") && message.len() < 400, "{message}");
    }

    /// What prints an error with its sources, as anyhow's `{:#}` does, must not say the same twice.
    #[test]
    fn the_systems_words_are_said_once() {
        let error = ArtifactError::io(Path::new("x.json"), Action::Write, io::Error::other("the disk is full"));
        assert_eq!(error.to_string(), "x.json: cannot write: the disk is full");
        assert!(error.source().is_none(), "{:?}", error.source());
    }

    #[test]
    fn a_missing_file_is_the_users_and_a_refusal_to_write_the_machines() {
        let error = |action, kind: io::ErrorKind| ArtifactError::io(Path::new("x"), action, kind.into());
        assert!(error(Action::Read, io::ErrorKind::NotFound).is_input());
        assert!(error(Action::Read, io::ErrorKind::IsADirectory).is_input());
        assert!(!error(Action::Read, io::ErrorKind::PermissionDenied).is_input());
        for action in [Action::Write, Action::MakeFolder, Action::MoveAside, Action::Remove] {
            assert!(!error(action, io::ErrorKind::NotFound).is_input(), "{action}");
        }
    }

    #[test]
    fn a_path_out_of_a_record_stays_on_the_line() {
        let error = ArtifactError::io(Path::new("a\nb"), Action::Read, io::ErrorKind::NotFound.into());
        assert!(error.to_string().starts_with("a?b: cannot read: "), "{error}");
        assert!(ArtifactError::content(Path::new("a\rb"), 1, 2).to_string().starts_with("a?b: expected 1"));
    }
}
