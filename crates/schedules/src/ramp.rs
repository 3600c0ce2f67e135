//! The ramp of a learning rate range test (Smith, arXiv:1506.01186, section 3.3): every step at a higher rate than the one
//! before.

use serde::{Deserialize, Serialize};

use crate::curve;
use crate::error::{self, Result};

/// How the rate grows from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RampScale {
    /// By an equal amount.
    Linear,
    /// By an equal factor.
    Log,
}

/// From `min_lr` to `max_lr`, both included: step k of N runs at the fraction (k - 1) / (N - 1) of the ramp. The one
/// step of a ramp of length 1 runs at `min_lr`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeRamp {
    /// How the rate grows.
    pub scale: RampScale,
    /// Rate of the first step; on a linear scale it may be 0.
    pub min_lr: f64,
    /// Rate of the last step.
    pub max_lr: f64,
    /// The critical rate that the ramp was laid around; none where its ends were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical_lr: Option<f64>,
}

/// The critical rate over the first rate of a ramp around it.
const AROUND_BELOW: f64 = 64.0;
/// The last rate of a ramp around the critical rate over that rate.
const AROUND_ABOVE: f64 = 16.0;

impl RangeRamp {
    /// A ramp between two rates.
    pub fn new(scale: RampScale, min_lr: f64, max_lr: f64) -> Self {
        Self { scale, min_lr, max_lr, critical_lr: None }
    }

    /// A ramp on a log scale around the critical rate of the first step, the least one at which that step does not lower the
    /// loss: from a 64th of it to 16 times it. That is three decades; a ramp that knows nothing of the net takes five or six,
    /// and spends most of its steps where nothing happens.
    pub fn around(critical_lr: f64) -> Self {
        let (min_lr, max_lr) = (critical_lr / AROUND_BELOW, critical_lr * AROUND_ABOVE);
        Self { scale: RampScale::Log, min_lr, max_lr, critical_lr: Some(critical_lr) }
    }

    pub(crate) fn validate(&self) -> Result {
        match self.scale {
            RampScale::Linear => error::not_negative("min_lr", self.min_lr)?,
            RampScale::Log => error::require(
                self.min_lr > 0.0 && self.min_lr.is_finite(),
                "min_lr",
                "a finite number above 0, as the scale is log",
                self.min_lr,
            )?,
        }
        error::positive("max_lr", self.max_lr)?;
        error::below("min_lr", self.min_lr, ("max_lr", self.max_lr))
    }

    pub(crate) fn lr(&self, elapsed: u64, iterations: u64) -> f64 {
        if iterations <= 1 {
            return self.min_lr;
        }
        let fraction = elapsed as f64 / (iterations - 1) as f64;
        match self.scale {
            RampScale::Linear => curve::linear(self.min_lr, self.max_lr, fraction),
            RampScale::Log => curve::geometric(self.min_lr, self.max_lr, fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: RangeRamp = RangeRamp { scale: RampScale::Linear, min_lr: 0.0, max_lr: 30.0, critical_lr: None };
    const LOG: RangeRamp = RangeRamp { scale: RampScale::Log, min_lr: 1e-5, max_lr: 10.0, critical_lr: None };

    #[test]
    fn a_linear_ramp_adds() {
        let rates: Vec<f64> = (0..7).map(|elapsed| LINEAR.lr(elapsed, 7)).collect();
        assert_eq!(rates, [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
    }

    #[test]
    fn a_log_ramp_multiplies() {
        let rates: Vec<f64> = (0..7).map(|elapsed| LOG.lr(elapsed, 7)).collect();
        for (rate, expected) in rates.iter().zip([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]) {
            assert!((rate / expected - 1.0).abs() < 1e-13, "{rate} {expected}");
        }
    }

    #[test]
    fn ends_are_exact_at_any_length() {
        for ramp in [LINEAR, LOG, RangeRamp::new(RampScale::Log, 0.07, 0.3), RangeRamp::around(0.5)] {
            for iterations in [2, 3, 10, 100, 1001, 4000] {
                assert_eq!(ramp.lr(0, iterations), ramp.min_lr);
                assert_eq!(ramp.lr(iterations - 1, iterations), ramp.max_lr);
            }
            assert_eq!(ramp.lr(0, 1), ramp.min_lr);
        }
    }

    #[test]
    fn only_a_linear_ramp_starts_at_zero() {
        assert_eq!(LINEAR.validate(), Ok(()));
        let message = RangeRamp { scale: RampScale::Log, ..LINEAR }.validate().unwrap_err().to_string();
        assert_eq!(message, "min_lr: expected a finite number above 0, as the scale is log, found 0");
    }

    #[test]
    fn a_ramp_rises() {
        let message = RangeRamp { max_lr: 1e-6, ..LOG }.validate().unwrap_err().to_string();
        assert_eq!(message, "min_lr: expected a rate below max_lr (0.000001), found 0.00001");
        assert!(RangeRamp { max_lr: 1e-5, ..LOG }.validate().is_err());
        assert!(RangeRamp { max_lr: f64::INFINITY, ..LOG }.validate().is_err());
        assert!(RangeRamp { min_lr: f64::NAN, ..LINEAR }.validate().is_err());
    }
}
