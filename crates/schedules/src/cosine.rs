//! Cosine annealing (Loshchilov and Hutter, arXiv:1608.03983) without restarts: PyTorch's `CosineAnnealingLR` with
//! `T_max` = N.

use serde::{Deserialize, Serialize};

use crate::curve;
use crate::error::{self, Result};

/// From `lr` towards `min_lr` along half a cosine. As in PyTorch, the curve would reach `min_lr` at step N + 1: the last step
/// runs a little above it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosine {
    /// Rate of the first step.
    pub lr: f64,
    /// The rate that the curve descends to, PyTorch's `eta_min`; 0 by default.
    #[serde(default)]
    pub min_lr: f64,
}

impl Cosine {
    /// From `lr`, with PyTorch's default: down to 0.
    pub const fn new(lr: f64) -> Self {
        Self { lr, min_lr: 0.0 }
    }

    pub(crate) fn validate(&self) -> Result {
        error::positive("lr", self.lr)?;
        error::not_negative("min_lr", self.min_lr)?;
        error::below("min_lr", self.min_lr, ("lr", self.lr))
    }

    pub(crate) fn lr(&self, elapsed: u64, iterations: u64) -> f64 {
        curve::cosine(self.lr, self.min_lr, elapsed as f64 / iterations as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_half_a_cosine() {
        let schedule = Cosine { lr: 2.0, min_lr: 0.5 };
        let root = 3f64.sqrt() / 2.0;
        for (step, lr) in
            [(1, 2.0), (2, 1.25 + 0.75 * root), (3, 1.625), (4, 1.25), (5, 0.875), (6, 1.25 - 0.75 * root)]
        {
            assert!((schedule.lr(step - 1, 6) - lr).abs() < 1e-15, "step {step}");
        }
    }

    #[test]
    fn unusable_rates_are_refused_by_name() {
        let message = |lr, min_lr| Cosine { lr, min_lr }.validate().unwrap_err().to_string();
        assert_eq!(message(0.1, 0.1), "min_lr: expected a rate below lr (0.1), found 0.1");
        assert_eq!(message(0.1, -1.0), "min_lr: expected a finite number of at least 0, found -1");
        assert_eq!(message(0.0, 0.0), "lr: expected a finite number above 0, found 0");
    }
}
