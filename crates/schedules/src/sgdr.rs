//! Stochastic gradient descent with warm restarts (Loshchilov and Hutter, arXiv:1608.03983):
//! PyTorch's `CosineAnnealingWarmRestarts`.

use serde::{Deserialize, Serialize};

use crate::curve;
use crate::error::{self, Result};

/// Half cosines from `lr` towards `min_lr`, one after the other, the first `t_0` steps long and each `t_mult` times as
/// long as the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgdr {
    /// Rate of the first step, and after every restart.
    pub lr: f64,
    /// The rate that every period descends to, PyTorch's `eta_min`; 0 by default.
    #[serde(default)]
    pub min_lr: f64,
    /// Length of the first period, in steps.
    pub t_0: u64,
    /// How many times as long each period is as the one before; 1 by default.
    #[serde(default = "default_t_mult")]
    pub t_mult: u64,
}

impl Sgdr {
    /// From `lr` in periods of `t_0` steps, with PyTorch's defaults: down to 0, all periods equally long.
    pub const fn new(lr: f64, t_0: u64) -> Self {
        Self { lr, min_lr: 0.0, t_0, t_mult: 1 }
    }

    pub(crate) fn validate(&self) -> Result {
        error::positive("lr", self.lr)?;
        error::not_negative("min_lr", self.min_lr)?;
        error::below("min_lr", self.min_lr, ("lr", self.lr))?;
        error::at_least_one("t_0", self.t_0)?;
        error::at_least_one("t_mult", self.t_mult)
    }

    pub(crate) fn lr(&self, elapsed: u64) -> f64 {
        let (within, period) = self.period(elapsed);
        curve::cosine(self.lr, self.min_lr, within as f64 / period as f64)
    }

    /// Steps since the last restart, and the length of the period that they lie in.
    fn period(&self, elapsed: u64) -> (u64, u64) {
        if self.t_mult == 1 {
            return (elapsed % self.t_0, self.t_0);
        }
        let (mut within, mut period) = (elapsed, self.t_0);
        while within >= period {
            within -= period;
            period = period.saturating_mul(self.t_mult);
        }
        (within, period)
    }
}

fn default_t_mult() -> u64 {
    Sgdr::new(1.0, 1).t_mult
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_grow_and_restart_from_the_top() {
        let schedule = Sgdr { lr: 2.0, min_lr: 0.0, t_0: 2, t_mult: 2 };
        for (step, lr) in [(1, 2.0), (2, 1.0), (3, 2.0), (5, 1.0), (7, 2.0), (11, 1.0), (14, 2.0 - 1.9238795325112867)]
        {
            assert!((schedule.lr(step - 1) - lr).abs() < 1e-15, "step {step}: {}", schedule.lr(step - 1));
        }
        assert_eq!(schedule.lr(14), 2.0);
    }

    #[test]
    fn periods_of_equal_length() {
        let schedule = Sgdr { lr: 2.0, min_lr: 1.0, t_0: 4, t_mult: 1 };
        for (step, lr) in [(1, 2.0), (3, 1.5), (5, 2.0), (7, 1.5), (4001, 2.0), (4003, 1.5)] {
            assert!((schedule.lr(step - 1) - lr).abs() < 1e-15, "step {step}");
        }
    }

    #[test]
    fn unusable_parameters_are_refused_by_name() {
        let good = Sgdr { lr: 2.0, min_lr: 0.0, t_0: 2, t_mult: 2 };
        assert_eq!(good.validate(), Ok(()));
        for (schedule, message) in [
            (Sgdr { t_0: 0, ..good.clone() }, "t_0: expected at least 1, found 0"),
            (Sgdr { t_mult: 0, ..good.clone() }, "t_mult: expected at least 1, found 0"),
            (Sgdr { min_lr: 3.0, ..good.clone() }, "min_lr: expected a rate below lr (2), found 3"),
        ] {
            assert_eq!(schedule.validate().unwrap_err().to_string(), message);
        }
    }
}
