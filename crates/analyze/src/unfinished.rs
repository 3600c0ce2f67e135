//! Runs that have not finished: left out with a warning where all is shown, refused where something is decided.

use std::path::PathBuf;

use artifacts::run::RESULT_FILE;
use cli::Failure;

use crate::Result;

/// What to say of the runs in `folders`, which are left out.
pub fn warnings(folders: &[PathBuf]) -> Vec<String> {
    let warning = |folder: &PathBuf| format!("{}: has not finished (no {RESULT_FILE}), left out", folder.display());
    folders.iter().map(warning).collect()
}

/// Refuses to go on where some of the runs have not finished: to decide by the others would be to decide by which were quick.
///
/// # Errors
/// Naming the first of `folders`.
pub fn refuse(folders: &[PathBuf]) -> Result<()> {
    let Some(first) = folders.first() else { return Ok(()) };
    let message = format!("{}: has not finished (no {RESULT_FILE})", first.display());
    Err(Failure::unusable(message).hint("finish the run first: start it again with --resume"))
}
