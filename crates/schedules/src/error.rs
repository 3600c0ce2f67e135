//! What schedules require of their parameters.

use std::fmt::{self, Display};

/// A parameter that a schedule cannot run with.
///
/// Displayed, it calls parameters by their names in this crate, such as `max_lr`; [`ParameterError::message`] lets a
/// program call them by its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError {
    parameter: &'static str,
    problem: Problem,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    /// Its value is not one of those allowed. A bound is another parameter, and its value.
    Value { expected: String, bound: Option<(&'static str, String)>, found: String },
    /// It is given without the other parameter that it requires.
    Alone { without: &'static str },
    /// It is given where another parameter has a value that makes it meaningless.
    Unused { with: &'static str, value: String },
}

impl ParameterError {
    /// The message, with every parameter called what `name` makes of its name.
    pub fn message(&self, name: impl Fn(&str) -> String) -> String {
        let parameter = name(self.parameter);
        match &self.problem {
            Problem::Value { expected, bound, found } => {
                let bound =
                    bound.as_ref().map_or_else(String::new, |(other, value)| format!(" {} ({value})", name(other)));
                format!("{parameter}: expected {expected}{bound}, found {found}")
            }
            Problem::Alone { without } => format!("{parameter} requires {}", name(without)),
            Problem::Unused { with, value } => format!("{parameter} does not apply to {} {value}", name(with)),
        }
    }
}

impl Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message(str::to_owned))
    }
}

impl std::error::Error for ParameterError {}

pub(crate) type Result = std::result::Result<(), ParameterError>;

pub(crate) fn require(holds: bool, parameter: &'static str, expected: &str, found: impl Display + Copy) -> Result {
    check(holds, parameter, || Problem::Value { expected: expected.to_owned(), bound: None, found: found.to_string() })
}

/// As [`require`], where `expected` ends in the value of another parameter.
pub(crate) fn require_bound(
    holds: bool,
    parameter: &'static str,
    expected: &str,
    bound: (&'static str, impl Display + Copy),
    found: impl Display + Copy,
) -> Result {
    check(holds, parameter, || Problem::Value {
        expected: expected.to_owned(),
        bound: Some((bound.0, bound.1.to_string())),
        found: found.to_string(),
    })
}

/// A parameter is given without the other one that it requires.
pub(crate) fn alone(parameter: &'static str, without: &'static str) -> ParameterError {
    ParameterError { parameter, problem: Problem::Alone { without } }
}

/// Refuses a parameter that is given although another one's value makes it meaningless.
pub(crate) fn require_unused(given: bool, parameter: &'static str, with: &'static str, value: &str) -> Result {
    check(!given, parameter, || Problem::Unused { with, value: value.to_owned() })
}

/// A rate above 0; there is no upper limit.
pub(crate) fn positive(parameter: &'static str, found: f64) -> Result {
    require(found > 0.0 && found.is_finite(), parameter, "a finite number above 0", found)
}

/// A rate of 0 or above.
pub(crate) fn not_negative(parameter: &'static str, found: f64) -> Result {
    require(found >= 0.0 && found.is_finite(), parameter, "a finite number of at least 0", found)
}

/// A rate strictly below that of another parameter.
pub(crate) fn below(parameter: &'static str, found: f64, bound: (&'static str, f64)) -> Result {
    require_bound(found < bound.1, parameter, "a rate below", bound, found)
}

/// A count of at least 1.
pub(crate) fn at_least_one(parameter: &'static str, found: u64) -> Result {
    require(found > 0, parameter, "at least 1", found)
}

fn check(holds: bool, parameter: &'static str, problem: impl FnOnce() -> Problem) -> Result {
    if holds { Ok(()) } else { Err(ParameterError { parameter, problem: problem() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_calls_parameters_by_its_own_names() {
        let flag = |parameter: &str| format!("--{}", parameter.replace('_', "-"));
        for (result, display, message) in [
            (
                below("min_lr", 5.0, ("max_lr", 3.0)),
                "min_lr: expected a rate below max_lr (3), found 5",
                "--min-lr: expected a rate below --max-lr (3), found 5",
            ),
            (
                Err(alone("max_momentum", "min_momentum")),
                "max_momentum requires min_momentum",
                "--max-momentum requires --min-momentum",
            ),
            (
                require_unused(true, "pct_start", "variant", "smith"),
                "pct_start does not apply to variant smith",
                "--pct-start does not apply to --variant smith",
            ),
        ] {
            let error = result.unwrap_err();
            assert_eq!((error.to_string().as_str(), error.message(flag).as_str()), (display, message));
        }
    }
}
