//! What every schedule asks of its parameters.

use std::fmt::Display;

/// A parameter that a schedule cannot run by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: expected {expected}, found {found}")]
pub struct ScheduleError {
    /// The flag that sets it, such as `--max-lr`.
    pub flag: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

pub(super) type Result = std::result::Result<(), ScheduleError>;

pub(super) fn wrong(flag: &'static str, expected: &str, found: impl Display + Copy) -> ScheduleError {
    ScheduleError { flag, expected: expected.to_owned(), found: found.to_string() }
}

pub(super) fn require(holds: bool, flag: &'static str, expected: &str, found: impl Display + Copy) -> Result {
    if holds { Ok(()) } else { Err(wrong(flag, expected, found)) }
}

/// At least one step.
pub(super) fn iterations(found: u64) -> Result {
    require(found > 0, "--iterations", "at least 1", found)
}

/// A rate above 0; no upper limit.
pub(super) fn positive(flag: &'static str, found: f64) -> Result {
    require(found > 0.0 && found.is_finite(), flag, "a finite number above 0", found)
}

/// A rate of 0 or above.
pub(super) fn not_negative(flag: &'static str, found: f64) -> Result {
    require(found >= 0.0 && found.is_finite(), flag, "a finite number of at least 0", found)
}

/// `--min-lr` strictly below the rate that `upper_flag` sets.
pub(super) fn ordered(min_lr: f64, upper_flag: &str, upper: f64) -> Result {
    require(min_lr < upper, "--min-lr", &format!("a rate below {upper_flag} {upper}"), min_lr)
}

/// A count of at least 1.
pub(super) fn counted(flag: &'static str, found: u64) -> Result {
    require(found > 0, flag, "at least 1", found)
}
