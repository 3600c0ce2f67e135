//! What programs print: results on stdout, everything else on stderr.
//!
//! Results must arrive: a disk that is full is a [`Failure`]. A reader that went away (`| head`) has read what it wanted, and is
//! none. Notes may be lost: that nobody is left to read them (a closed terminal) must not end hours of work.
//!
//! `--quiet` means the same in every program: neither progress nor notes nor warnings on stderr, errors alone. Results
//! stay on stdout.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::Failure;
use crate::arguments::OUTPUT;

/// Stderr is one for the whole process, and so is whether it is to be quiet.
static QUIET: AtomicBool = AtomicBool::new(false);

/// `--quiet`, to be flattened into the flags of a program.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Quiet {
    /// Print no progress, notes or warnings on stderr; errors are printed, and results on stdout
    #[arg(long, help_heading = OUTPUT)]
    pub quiet: bool,
}

impl Quiet {
    /// From now on this process prints errors and results alone, if the flag was given.
    pub fn apply(self) {
        QUIET.store(self.quiet, Ordering::Relaxed);
    }
}

/// Whether progress and notes are to be left out.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether results may be set in bold: where stdout is a terminal that can, and nobody asked for plain text
/// (<https://no-color.org>).
pub fn is_styled() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// A line on stderr, if it can be written and `--quiet` was not given.
pub fn note(line: impl Display) {
    if !is_quiet() {
        error(&line.to_string());
    }
}

/// A warning on stderr, as [`note`]: `PROGRAM: warning: TEXT`.
pub fn warning(program: &str, text: impl Display) {
    note(format_args!("{program}: warning: {text}"));
}

/// Lines on stderr, `--quiet` or not.
pub(crate) fn error(lines: &str) {
    let _ = writeln!(io::stderr().lock(), "{lines}");
}

/// A line on stdout.
///
/// # Errors
/// When it cannot be written, unless because the reader went away.
pub fn result(line: impl Display) -> Result<(), Failure> {
    text(format_args!("{line}\n"))
}

/// Text on stdout, as it is.
///
/// # Errors
/// As [`result`].
pub fn text(text: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    arrived(write!(stdout, "{text}").and_then(|()| stdout.flush())).map(drop)
}

/// A value on stdout as indented JSON.
///
/// # Errors
/// As [`result`].
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    result(serde_json::to_string_pretty(value).map_err(Failure::failed)?)
}

/// Many lines on stdout, written in large pieces.
pub struct Lines {
    stdout: BufWriter<StdoutLock<'static>>,
    is_read: bool,
}

impl Lines {
    /// Holds stdout until dropped.
    pub fn new() -> Self {
        Self { stdout: BufWriter::new(io::stdout().lock()), is_read: true }
    }

    /// Adds a line. Once the reader went away, lines go nowhere.
    ///
    /// # Errors
    /// As [`result`].
    pub fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        if self.is_read {
            self.is_read = arrived(writeln!(self.stdout, "{line}"))?;
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`result`].
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.is_read {
            arrived(self.stdout.flush())?;
        }
        Ok(())
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether what was written has a reader still.
fn arrived(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed(format!("standard output: cannot write: {error}"))),
    }
}
