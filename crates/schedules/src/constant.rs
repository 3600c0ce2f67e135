//! One rate throughout.

use serde::{Deserialize, Serialize};

use crate::error::{self, Result};

/// One rate throughout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The rate.
    pub lr: f64,
}

impl Constant {
    pub(crate) fn validate(&self) -> Result {
        error::positive("lr", self.lr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PlateauState, Schedule, StepParameters};

    #[test]
    fn every_step_is_the_same() {
        let schedule = Schedule::Constant(Constant { lr: 12.5 });
        for step in [1, 2, 500, 1000] {
            let found = schedule.at(step, 1000, 0.9, &PlateauState::default());
            assert_eq!(found, StepParameters { lr: 12.5, momentum: 0.9 });
        }
    }

    #[test]
    fn only_positive_rates_are_accepted() {
        assert_eq!(Constant { lr: 1000.0 }.validate(), Ok(()));
        for lr in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            let message = Constant { lr }.validate().unwrap_err().to_string();
            assert_eq!(message, format!("lr: expected a finite number above 0, found {lr}"));
        }
    }
}
