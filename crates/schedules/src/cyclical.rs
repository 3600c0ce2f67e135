//! Cyclical learning rates (Smith, arXiv:1506.01186): the rate goes up and down in straight lines, again and again.
//!
//! Counting from 0, step i lies in cycle c = floor(i / 2S) at the height h = 1 - |i / S - 2c - 1| between the two bounds, S
//! being the step size. The cycles are of constant height (`triangular`), each half as high as the one before
//! (`triangular2`), or gamma^i as high (`exp-range`). A cycled momentum mirrors the rate, scaled alike. The same as
//! `torch.optim.lr_scheduler.CyclicLR`.

use serde::{Deserialize, Serialize};

use crate::StepParameters;
use crate::curve;
use crate::error::{self, Result, require};
use crate::momentum::{self, Bounds};

/// Cycles between two rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triangular {
    /// Rate at which every cycle starts and ends; may be 0.
    pub min_lr: f64,
    /// Rate in the middle of the first cycle.
    pub max_lr: f64,
    /// Steps from one bound to the other, half a cycle.
    pub step_size: u64,
    /// Momentum at `min_lr`; constant where it has no bounds.
    #[serde(default)]
    pub max_momentum: Option<f64>,
    /// Momentum at `max_lr`.
    #[serde(default)]
    pub min_momentum: Option<f64>,
}

impl Triangular {
    pub(crate) fn validate(&self) -> Result {
        error::not_negative("min_lr", self.min_lr)?;
        error::positive("max_lr", self.max_lr)?;
        error::below("min_lr", self.min_lr, ("max_lr", self.max_lr))?;
        error::at_least_one("step_size", self.step_size)?;
        momentum::validate(self.max_momentum, self.min_momentum)
    }

    pub(crate) fn parameters(&self, elapsed: u64, base_momentum: f64) -> StepParameters {
        self.at_height(height(elapsed, self.step_size), base_momentum)
    }

    pub(crate) fn halving_parameters(&self, elapsed: u64, base_momentum: f64) -> StepParameters {
        self.at_height(halving_height(elapsed, self.step_size), base_momentum)
    }

    fn at_height(&self, height: f64, base_momentum: f64) -> StepParameters {
        let momentum = Bounds::new(self.max_momentum, self.min_momentum);
        StepParameters {
            lr: curve::linear(self.min_lr, self.max_lr, height),
            momentum: momentum.map_or(base_momentum, |bounds| bounds.at(height)),
        }
    }
}

/// Cycles whose height decays at every step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpRange {
    /// Rate at which every cycle starts and ends; may be 0.
    pub min_lr: f64,
    /// Rate that the first cycle would reach without the decay.
    pub max_lr: f64,
    /// Steps from one bound to the other, half a cycle.
    pub step_size: u64,
    /// Factor of a cycle's height per step, above 0 and at most 1.
    pub gamma: f64,
    /// Momentum at `min_lr`; constant where it has no bounds.
    #[serde(default)]
    pub max_momentum: Option<f64>,
    /// Momentum at `max_lr`.
    #[serde(default)]
    pub min_momentum: Option<f64>,
}

impl ExpRange {
    /// The given cycles, their height decaying by the factor `gamma` per step.
    pub fn new(cycles: Triangular, gamma: f64) -> Self {
        let Triangular { min_lr, max_lr, step_size, max_momentum, min_momentum } = cycles;
        Self { min_lr, max_lr, step_size, gamma, max_momentum, min_momentum }
    }

    pub(crate) fn validate(&self) -> Result {
        self.cycles().validate()?;
        require(self.gamma > 0.0 && self.gamma <= 1.0, "gamma", "a number above 0 and at most 1", self.gamma)
    }

    pub(crate) fn parameters(&self, elapsed: u64, base_momentum: f64) -> StepParameters {
        let height = height(elapsed, self.step_size) * libm::pow(self.gamma, elapsed as f64);
        self.cycles().at_height(height, base_momentum)
    }

    fn cycles(&self) -> Triangular {
        let Self { min_lr, max_lr, step_size, max_momentum, min_momentum, .. } = *self;
        Triangular { min_lr, max_lr, step_size, max_momentum, min_momentum }
    }
}

/// Height in a cycle, 0 at its ends and 1 in its middle.
fn height(elapsed: u64, step_size: u64) -> f64 {
    let within = elapsed % step_size.saturating_mul(2);
    within.min(step_size.saturating_mul(2) - within) as f64 / step_size as f64
}

/// The same, halved once for every cycle that is over.
pub(crate) fn halving_height(elapsed: u64, step_size: u64) -> f64 {
    let cycles = elapsed / step_size.saturating_mul(2);
    height(elapsed, step_size) * 0.5f64.powi(i32::try_from(cycles).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYCLES: Triangular =
        Triangular { min_lr: 0.5, max_lr: 2.5, step_size: 4, max_momentum: Some(0.95), min_momentum: Some(0.85) };

    fn check(schedule: impl Fn(u64) -> StepParameters, table: &[(u64, f64, f64)]) {
        for &(step, lr, momentum) in table {
            let found = schedule(step - 1);
            let close = |found: f64, expected: f64| (found - expected).abs() < 1e-15;
            assert!(close(found.lr, lr) && close(found.momentum, momentum), "step {step}: {found:?}");
        }
    }

    #[test]
    fn triangular_goes_up_and_down() {
        check(
            |elapsed| CYCLES.parameters(elapsed, 0.9),
            &[
                (1, 0.5, 0.95),
                (2, 1.0, 0.925),
                (4, 2.0, 0.875),
                (5, 2.5, 0.85),
                (6, 2.0, 0.875),
                (8, 1.0, 0.925),
                (9, 0.5, 0.95),
                (13, 2.5, 0.85),
                (17, 0.5, 0.95),
                (8001, 0.5, 0.95),
            ],
        );
    }

    #[test]
    fn triangular2_halves_every_cycle() {
        check(
            |elapsed| CYCLES.halving_parameters(elapsed, 0.9),
            &[
                (1, 0.5, 0.95),
                (5, 2.5, 0.85),
                (9, 0.5, 0.95),
                (10, 0.75, 0.9375),
                (13, 1.5, 0.9),
                (17, 0.5, 0.95),
                (21, 1.0, 0.925),
                (25, 0.5, 0.95),
            ],
        );
    }

    #[test]
    fn exp_range_decays_every_step() {
        let schedule = ExpRange::new(CYCLES, 0.5);
        check(
            |elapsed| schedule.parameters(elapsed, 0.9),
            &[(1, 0.5, 0.95), (2, 0.75, 0.9375), (3, 0.75, 0.9375), (5, 0.625, 0.94375), (9, 0.5, 0.95)],
        );
    }

    #[test]
    fn momentum_is_constant_without_bounds() {
        let constant = Triangular { max_momentum: None, min_momentum: None, ..CYCLES };
        check(|elapsed| constant.parameters(elapsed, 0.8), &[(1, 0.5, 0.8), (5, 2.5, 0.8), (9, 0.5, 0.8)]);
    }

    #[test]
    fn a_far_cycle_is_flat() {
        let short = Triangular { step_size: 1, ..CYCLES };
        assert_eq!(short.halving_parameters(9_999_999, 0.9).lr, 0.5);
        let endless = Triangular { step_size: u64::MAX, ..CYCLES };
        assert_eq!(endless.parameters(0, 0.9).lr, 0.5);
    }

    #[test]
    fn unusable_parameters_are_refused_by_name() {
        for (schedule, message) in [
            (Triangular { step_size: 0, ..CYCLES }, "step_size: expected at least 1, found 0"),
            (Triangular { min_lr: 3.0, ..CYCLES }, "min_lr: expected a rate below max_lr (2.5), found 3"),
            (Triangular { min_lr: -1.0, ..CYCLES }, "min_lr: expected a finite number of at least 0, found -1"),
            (Triangular { max_lr: 0.0, ..CYCLES }, "max_lr: expected a finite number above 0, found 0"),
        ] {
            assert_eq!(schedule.validate().unwrap_err().to_string(), message);
        }
        for gamma in [0.0, 1.5, f64::NAN] {
            let message = ExpRange::new(CYCLES, gamma).validate().unwrap_err().to_string();
            assert_eq!(message, format!("gamma: expected a number above 0 and at most 1, found {gamma}"));
        }
        assert_eq!(Triangular { min_lr: 0.0, max_lr: 100.0, ..CYCLES }.validate(), Ok(()));
    }
}
