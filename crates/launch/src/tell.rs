//! Lines for the user. That nobody is left to read them (a closed terminal, a pipe that ended) must not end a run.

use std::fmt::Display;
use std::io::{self, Write};

use crate::stop::Stop;

/// A line on stderr, if it can be written.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A result on stdout. A reader that went away has read what it wanted.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
pub fn result(text: impl Display) -> Result<(), Stop> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Stop::failed(format!("standard output: cannot write: {error}")))
        }
        _ => Ok(()),
    }
}
