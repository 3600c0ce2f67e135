//! Polynomial decay, Caffe's `poly`: `PolynomialLR` with `total_iters` = N.

use serde::{Deserialize, Serialize};

use super::check::{self, Result};

/// `lr` times a power of the share of steps that are still to come, this one included: step k of N runs at
/// lr (1 - (k - 1) / N)^power.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poly {
    /// `--lr`, the rate of the first step.
    pub lr: f64,
    /// `--power`; 1, PyTorch's default, is a straight line to 0.
    #[serde(default = "Poly::default_power")]
    pub power: f64,
}

impl Poly {
    fn default_power() -> f64 {
        1.0
    }

    pub(super) fn validate(&self) -> Result {
        check::positive("--lr", self.lr)?;
        check::positive("--power", self.power)
    }

    pub(super) fn lr(&self, elapsed: u64, iterations: u64) -> f64 {
        self.lr * libm::pow(iterations.saturating_sub(elapsed) as f64 / iterations as f64, self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_powers_of_what_is_left() {
        let line = Poly { lr: 4.0, power: 1.0 };
        let square = Poly { lr: 4.0, power: 2.0 };
        for (step, first, second) in [(1, 4.0, 4.0), (2, 3.0, 2.25), (3, 2.0, 1.0), (4, 1.0, 0.25)] {
            assert_eq!((line.lr(step - 1, 4), square.lr(step - 1, 4)), (first, second), "step {step}");
        }
    }

    #[test]
    fn unusable_parameters_are_named() {
        let message = |lr, power| Poly { lr, power }.validate().unwrap_err().to_string();
        assert_eq!(message(4.0, 0.0), "--power: expected a finite number above 0, found 0");
        assert_eq!(message(-4.0, 1.0), "--lr: expected a finite number above 0, found -4");
    }
}
