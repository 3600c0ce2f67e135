//! Stochastic gradient descent with warm restarts (Loshchilov and Hutter, arXiv:1608.03983):
//! `CosineAnnealingWarmRestarts`.

use serde::{Deserialize, Serialize};

use super::check::{self, Result};
use super::curve;

/// Half cosines from `lr` towards `min_lr`, one after the other, the first `t_0` steps long and each `t_mult` times as
/// long as the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgdr {
    /// `--lr`, the rate of the first step and of every restart.
    pub lr: f64,
    /// `--min-lr`, PyTorch's `eta_min`; may be 0, its default.
    #[serde(default)]
    pub min_lr: f64,
    /// `--t-0`: steps before the first restart.
    pub t_0: u64,
    /// `--t-mult`: how many times longer each period is than the one before.
    #[serde(default = "Sgdr::default_t_mult")]
    pub t_mult: u64,
}

impl Sgdr {
    fn default_t_mult() -> u64 {
        1
    }

    pub(super) fn validate(&self) -> Result {
        check::positive("--lr", self.lr)?;
        check::not_negative("--min-lr", self.min_lr)?;
        check::ordered(self.min_lr, "--lr", self.lr)?;
        check::counted("--t-0", self.t_0)?;
        check::counted("--t-mult", self.t_mult)
    }

    pub(super) fn lr(&self, elapsed: u64) -> f64 {
        let (within, period) = self.period(elapsed);
        curve::cosine(self.lr, self.min_lr, within as f64 / period as f64)
    }

    /// Steps since the last restart, and length of the period.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_grow_and_start_anew() {
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
    fn unusable_parameters_are_named() {
        let good = Sgdr { lr: 2.0, min_lr: 0.0, t_0: 2, t_mult: 2 };
        assert_eq!(good.validate(), Ok(()));
        for (schedule, message) in [
            (Sgdr { t_0: 0, ..good.clone() }, "--t-0: expected at least 1, found 0"),
            (Sgdr { t_mult: 0, ..good.clone() }, "--t-mult: expected at least 1, found 0"),
            (Sgdr { min_lr: 3.0, ..good.clone() }, "--min-lr: expected a rate below --lr 2, found 3"),
        ] {
            assert_eq!(schedule.validate().unwrap_err().to_string(), message);
        }
    }
}
