//! Momentum that mirrors the rate: low where the rate is high (Smith, arXiv:1803.09820, section 4.3).

use crate::curve;
use crate::error::{Result, alone, require, require_bound};

/// The usual bounds of a cycled momentum, the upper one first: those of Smith and Topin's runs (arXiv:1708.07120), and the
/// defaults of PyTorch's `OneCycleLR` and of fastai's `fit_one_cycle`. Schedules here cycle the momentum only where bounds
/// are given.
pub const MOMENTUM_BOUNDS: (f64, f64) = (0.95, 0.85);

/// The bounds of a cycled momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    max: f64,
    min: f64,
}

impl Bounds {
    /// Both bounds; none where the momentum is constant.
    pub(crate) fn new(max: Option<f64>, min: Option<f64>) -> Option<Self> {
        Some(Self { max: max?, min: min? })
    }

    /// The momentum at a height of the rate between its own bounds: the upper bound at 0, the lower one at 1.
    pub(crate) fn at(self, height: f64) -> f64 {
        curve::linear(self.max, self.min, height)
    }
}

/// Both bounds or neither, in order, from 0 to below 1.
pub(crate) fn validate(max: Option<f64>, min: Option<f64>) -> Result {
    let (max, min) = match (max, min) {
        (None, None) => return Ok(()),
        (Some(max), Some(min)) => (max, min),
        (Some(_), None) => return Err(alone("max_momentum", "min_momentum")),
        (None, Some(_)) => return Err(alone("min_momentum", "max_momentum")),
    };
    require((0.0..1.0).contains(&max), "max_momentum", "a number from 0 to below 1", max)?;
    require_bound(min >= 0.0 && min <= max, "min_momentum", "a number from 0 to", ("max_momentum", max), min)
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
            (Some(0.95), None, "max_momentum requires min_momentum"),
            (None, Some(0.85), "min_momentum requires max_momentum"),
            (Some(1.0), Some(0.85), "max_momentum: expected a number from 0 to below 1, found 1"),
            (Some(0.85), Some(0.95), "min_momentum: expected a number from 0 to max_momentum (0.85), found 0.95"),
            (Some(0.85), Some(f64::NAN), "min_momentum: expected a number from 0 to max_momentum (0.85), found NaN"),
        ] {
            assert_eq!(validate(max, min).unwrap_err().to_string(), message);
        }
    }
}
