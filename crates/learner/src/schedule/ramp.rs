//! A range test's ramp (Smith, arXiv:1506.01186, section 3.3): every step at a higher rate than the one before.

use serde::{Deserialize, Serialize};

use super::check::{self, Result};
use super::curve;

/// By what the rate grows from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// By an equal amount.
    Linear,
    /// By an equal factor.
    Log,
}

impl Scale {
    /// Every scale, with the name that `--scale` and records use.
    pub const NAMES: [(&'static str, Scale); 2] = [("linear", Scale::Linear), ("log", Scale::Log)];

    /// The scale of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, scale)| scale)
    }
}

/// From `min_lr` to `max_lr`, both included: step k of N runs at the fraction (k - 1) / (N - 1) of the ramp. The one
/// step of a ramp of length 1 runs at `min_lr`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeRamp {
    /// `--scale`
    pub scale: Scale,
    /// `--min-lr`, the rate of the first step; on a linear scale it may be 0.
    pub min_lr: f64,
    /// `--max-lr`, the rate of the last step.
    pub max_lr: f64,
    /// The critical rate that the ramp was laid around; none where its ends were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical_lr: Option<f64>,
}

/// How far below the critical rate a ramp around it starts.
const BELOW: f64 = 64.0;
/// How far above the critical rate it ends.
const ABOVE: f64 = 16.0;

impl RangeRamp {
    /// A ramp between two rates.
    pub fn new(scale: Scale, min_lr: f64, max_lr: f64) -> Self {
        Self { scale, min_lr, max_lr, critical_lr: None }
    }

    /// A ramp on a log scale around the critical rate of the first step ([`crate::probe::critical_rate`]), from a 64th of it
    /// to 16 times it: three decades, where a ramp that knows nothing of the net takes five or six and spends most of its
    /// steps where nothing happens.
    pub fn around(critical_lr: f64) -> Self {
        let (min_lr, max_lr) = (critical_lr / BELOW, critical_lr * ABOVE);
        Self { scale: Scale::Log, min_lr, max_lr, critical_lr: Some(critical_lr) }
    }

    pub(super) fn validate(&self) -> Result {
        match self.scale {
            Scale::Linear => check::not_negative("--min-lr", self.min_lr)?,
            Scale::Log => check::require(
                self.min_lr > 0.0 && self.min_lr.is_finite(),
                "--min-lr",
                "a finite number above 0, where a log scale starts",
                self.min_lr,
            )?,
        }
        check::positive("--max-lr", self.max_lr)?;
        check::ordered(self.min_lr, "--max-lr", self.max_lr)
    }

    pub(super) fn lr(&self, elapsed: u64, iterations: u64) -> f64 {
        if iterations <= 1 {
            return self.min_lr;
        }
        let fraction = elapsed as f64 / (iterations - 1) as f64;
        match self.scale {
            Scale::Linear => curve::linear(self.min_lr, self.max_lr, fraction),
            Scale::Log => curve::geometric(self.min_lr, self.max_lr, fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: RangeRamp = RangeRamp { scale: Scale::Linear, min_lr: 0.0, max_lr: 30.0, critical_lr: None };
    const LOG: RangeRamp = RangeRamp { scale: Scale::Log, min_lr: 1e-5, max_lr: 10.0, critical_lr: None };

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
        for ramp in [LINEAR, LOG, RangeRamp::new(Scale::Log, 0.07, 0.3), RangeRamp::around(0.5)] {
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
        let message = RangeRamp { scale: Scale::Log, ..LINEAR }.validate().unwrap_err().to_string();
        assert_eq!(message, "--min-lr: expected a finite number above 0, where a log scale starts, found 0");
    }

    #[test]
    fn a_ramp_goes_up() {
        let message = RangeRamp { max_lr: 1e-6, ..LOG }.validate().unwrap_err().to_string();
        assert_eq!(message, "--min-lr: expected a rate below --max-lr 0.000001, found 0.00001");
        assert!(RangeRamp { max_lr: 1e-5, ..LOG }.validate().is_err());
        assert!(RangeRamp { max_lr: f64::INFINITY, ..LOG }.validate().is_err());
        assert!(RangeRamp { min_lr: f64::NAN, ..LINEAR }.validate().is_err());
    }
}
