//! Polynomial decay: Caffe's `poly`, PyTorch's `PolynomialLR` with `total_iters` = N.

use serde::{Deserialize, Serialize};

use crate::error::{self, Result};

/// `lr` times a power of the share of steps that remain, the current one included: step k of N runs at
/// lr (1 - (k - 1) / N)^power.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poly {
    /// Rate of the first step.
    pub lr: f64,
    /// The exponent; 1, the default as in PyTorch, is a straight line to 0.
    #[serde(default = "default_power")]
    pub power: f64,
}

impl Poly {
    /// From `lr`, with PyTorch's default power: a straight line to 0.
    pub const fn new(lr: f64) -> Self {
        Self { lr, power: 1.0 }
    }

    pub(crate) fn validate(&self) -> Result {
        error::positive("lr", self.lr)?;
        error::positive("power", self.power)
    }

    pub(crate) fn lr(&self, elapsed: u64, iterations: u64) -> f64 {
        self.lr * libm::pow(iterations.saturating_sub(elapsed) as f64 / iterations as f64, self.power)
    }
}

fn default_power() -> f64 {
    Poly::new(1.0).power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_powers_of_the_share_of_steps_that_remain() {
        let line = Poly::new(4.0);
        let square = Poly { lr: 4.0, power: 2.0 };
        for (step, first, second) in [(1, 4.0, 4.0), (2, 3.0, 2.25), (3, 2.0, 1.0), (4, 1.0, 0.25)] {
            assert_eq!((line.lr(step - 1, 4), square.lr(step - 1, 4)), (first, second), "step {step}");
        }
    }

    #[test]
    fn unusable_parameters_are_refused_by_name() {
        let message = |lr, power| Poly { lr, power }.validate().unwrap_err().to_string();
        assert_eq!(message(4.0, 0.0), "power: expected a finite number above 0, found 0");
        assert_eq!(message(-4.0, 1.0), "lr: expected a finite number above 0, found -4");
    }
}
