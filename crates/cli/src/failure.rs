//! Why a program ends before its work is done, and the exit code that says so.

use std::fmt::{self, Display};
use std::process::ExitCode;

use artifacts::ArtifactError;

use crate::output;

/// This machine could not do it: a full disk, no network, a device that fails.
pub const FAILED: u8 = 1;
/// Arguments or input cannot be used; nothing was written.
pub const UNUSABLE: u8 = 2;
/// A run diverged, where `--fail-on-divergence` asks for this exit code.
pub const DIVERGED: u8 = 3;
/// Some of the input could not be read; the output says which and why, and holds the rest.
pub const SOME_UNREADABLE: u8 = 4;
/// Interrupted by a signal; progress was saved.
pub const INTERRUPTED: u8 = 130;

/// What the user is told where a program cannot go on: a message, a hint at what to do, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// One line: the file, flag or key, and what is wrong with it.
    pub message: String,
    /// A list below the message, where it counts things: a line each.
    pub details: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// Arguments or input that cannot be used: exit code 2.
    pub fn unusable(message: impl Display) -> Self {
        Self { code: UNUSABLE, message: message.to_string(), details: Vec::new(), hint: None }
    }

    /// This machine could not do it: exit code 1.
    pub fn failed(message: impl Display) -> Self {
        Self { code: FAILED, message: message.to_string(), details: Vec::new(), hint: None }
    }

    /// Adds a list of what the message counts.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// Adds what to do about it, unless something is said already.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint.get_or_insert_with(|| hint.to_string());
        self
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ArtifactError> for Failure {
    fn from(error: ArtifactError) -> Self {
        if error.is_input() { Self::unusable(error) } else { Self::failed(error) }
    }
}

/// The end of a program: an exit code, after a [`Failure`] was printed on stderr as `PROGRAM: MESSAGE` with the hint
/// indented below.
pub fn run(program: &str, outcome: Result<u8, Failure>) -> ExitCode {
    match outcome {
        Ok(code) => code.into(),
        Err(failure) => {
            output::error(&told(program, &failure));
            failure.code.into()
        }
    }
}

/// A failure as it is printed. File names and quotes from files must not break the lines.
fn told(program: &str, failure: &Failure) -> String {
    let line = |text: &str| text.replace(char::is_control, "?");
    let below = failure.details.iter().chain(&failure.hint).map(|text| format!("\n  {}", line(text)));
    format!("{program}: {}{}", line(&failure.message), below.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use artifacts::Action;

    use super::*;

    #[test]
    fn the_first_hint_stays() {
        let failure = Failure::unusable("x").hint("near the cause").hint("far from it");
        assert_eq!(failure.hint.as_deref(), Some("near the cause"));
    }

    #[test]
    fn a_failure_is_a_line_and_an_indented_hint() {
        let failure = Failure::unusable("a\nb: is no data set").hint("run: sc-prep\u{1b}");
        assert_eq!(told("sc-x", &failure), "sc-x: a?b: is no data set\n  run: sc-prep?");
        assert_eq!(told("sc-x", &Failure::failed("full")), "sc-x: full");
    }

    #[test]
    fn a_list_stands_between_message_and_hint() {
        let failure = Failure::unusable("2 faults").hint("mend them").details(vec!["a".into(), "b\nc".into()]);
        assert_eq!(told("sc-x", &failure), "sc-x: 2 faults\n  a\n  b?c\n  mend them");
    }

    #[test]
    fn input_is_unusable_and_a_machine_fails() {
        let code =
            |action, kind: io::ErrorKind| Failure::from(ArtifactError::io(Path::new("f"), action, kind.into())).code;
        assert_eq!(code(Action::Read, io::ErrorKind::NotFound), UNUSABLE);
        assert_eq!(code(Action::Write, io::ErrorKind::StorageFull), FAILED);
        assert_eq!(Failure::from(ArtifactError::content(Path::new("f"), "a", "b")).code, UNUSABLE);
    }
}
