//! Momentum that mirrors the rate: low where the rate is high.

use super::check::{Result, require};
use super::curve;

/// The bounds of a cycled momentum, where both are given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    max: f64,
    min: f64,
}

impl Bounds {
    pub(super) fn of(max: Option<f64>, min: Option<f64>) -> Option<Self> {
        Some(Self { max: max?, min: min? })
    }

    /// `height` 0 is the upper bound, where the rate is lowest; 1 the lower one, where it is highest.
    pub(super) fn at(self, height: f64) -> f64 {
        curve::linear(self.max, self.min, height)
    }
}

/// Both bounds or neither, in order, from 0 to below 1.
pub(super) fn validate(max: Option<f64>, min: Option<f64>) -> Result {
    let (max, min) = match (max, min) {
        (None, None) => return Ok(()),
        (Some(max), Some(min)) => (max, min),
        (Some(_), None) => return require(false, "--min-momentum", "a value, as --max-momentum has one", "none"),
        (None, Some(_)) => return require(false, "--max-momentum", "a value, as --min-momentum has one", "none"),
    };
    require((0.0..1.0).contains(&max), "--max-momentum", "a number from 0 to below 1", max)?;
    require(min >= 0.0 && min <= max, "--min-momentum", &format!("a number from 0 to --max-momentum {max}"), min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_or_neither_and_in_order() {
        assert_eq!(validate(None, None), Ok(()));
        assert_eq!(validate(Some(0.95), Some(0.85)), Ok(()));
        assert_eq!(validate(Some(0.9), Some(0.9)), Ok(()));
        for (max, min, message) in [
            (Some(0.95), None, "--min-momentum: expected a value, as --max-momentum has one, found none"),
            (None, Some(0.85), "--max-momentum: expected a value, as --min-momentum has one, found none"),
            (Some(1.0), Some(0.85), "--max-momentum: expected a number from 0 to below 1, found 1"),
            (Some(0.85), Some(0.95), "--min-momentum: expected a number from 0 to --max-momentum 0.85, found 0.95"),
            (Some(0.85), Some(f64::NAN), "--min-momentum: expected a number from 0 to --max-momentum 0.85, found NaN"),
        ] {
            assert_eq!(validate(max, min).unwrap_err().to_string(), message);
        }
    }
}
