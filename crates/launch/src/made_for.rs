//! Files with rates: whether one was made for the setting of the run that takes them.

use std::path::Path;

use artifacts::ArtifactError;
use artifacts::setting::{Difference, Setting};
use cli::Failure;

use crate::run::Prepared;

/// Refuses a file that was made for another setting than the run's, naming everything that differs; `--force` uses it
/// anyway.
///
/// `hint`: how to get one for this run.
///
/// # Errors
/// When something differs, of what both say.
pub fn check(path: &Path, made_for: &Setting, prepared: &Prepared, hint: &str) -> Result<(), Failure> {
    if prepared.flags().force {
        return Ok(());
    }
    let differences = made_for.differences(&prepared.setting());
    if differences.is_empty() {
        return Ok(());
    }
    let list = |value: fn(&Difference) -> &str| {
        let each =
            differences.iter().map(|difference| format!("{} {}", difference.parameter.name(), value(difference)));
        each.collect::<Vec<_>>().join(", ")
    };
    let (theirs, ours) = (list(|difference| &difference.one), list(|difference| &difference.other));
    let message = format!("{} was made for {theirs}; this run has {ours}", path.display());
    Err(Failure::unusable(message).hint(format!("{hint}, or pass --force to use it anyway")))
}

/// A file that cannot be read, with how one is made as a hint; where a newer program made this one, that would not help.
pub fn unreadable(error: ArtifactError, hint: &str) -> Failure {
    let is_newer = matches!(error, ArtifactError::Newer { .. });
    let failure = Failure::from(error);
    if is_newer { failure } else { failure.hint(hint) }
}
