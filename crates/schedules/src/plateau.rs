//! The rate is lowered whenever the validation loss stops improving: PyTorch's
//! `ReduceLROnPlateau(mode="min", threshold_mode="rel")`.

use serde::{Deserialize, Serialize};

use crate::error::{self, Result, require};

/// Smaller reductions are not made: PyTorch's `eps`.
const MIN_REDUCTION: f64 = 1e-8;

/// Multiplies the rate by `factor` once more than `patience` measurements in a row were no improvement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    /// Rate at the start.
    pub lr: f64,
    /// Factor of a reduction.
    pub factor: f64,
    /// Measurements in a row without improvement that are tolerated.
    pub patience: u64,
    /// A measurement is an improvement if it lies below the best by more than this share of it.
    pub threshold: f64,
    /// Measurements after a reduction that are not counted.
    pub cooldown: u64,
    /// The rate does not fall below this.
    pub min_lr: f64,
}

impl Plateau {
    /// From `lr`, with PyTorch's defaults.
    pub const fn new(lr: f64) -> Self {
        Self { lr, factor: 0.1, patience: 10, threshold: 1e-4, cooldown: 0, min_lr: 0.0 }
    }

    pub(crate) fn validate(&self) -> Result {
        error::positive("lr", self.lr)?;
        require(self.factor > 0.0 && self.factor < 1.0, "factor", "a number above 0 and below 1", self.factor)?;
        require((0.0..1.0).contains(&self.threshold), "threshold", "a share from 0 to below 1", self.threshold)?;
        error::not_negative("min_lr", self.min_lr)?;
        error::below("min_lr", self.min_lr, ("lr", self.lr))
    }
}

/// What a plateau schedule has seen so far, part of a checkpoint. The default is the start of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauState {
    /// The current rate; none before the first reduction.
    lr: Option<f64>,
    /// The lowest loss so far that counted as an improvement.
    best: Option<f64>,
    /// Measurements without improvement since then, or since the last reduction.
    bad: u64,
    /// Measurements still not to be counted.
    cooldown: u64,
}

impl PlateauState {
    /// Takes in a validation loss. One that is not finite is no improvement.
    pub(crate) fn observe(&mut self, schedule: &Plateau, val_loss: f64) {
        let better = val_loss < self.best.unwrap_or(f64::INFINITY) * (1.0 - schedule.threshold);
        if better && val_loss.is_finite() {
            self.best = Some(val_loss);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad = 0;
        }
        if self.bad > schedule.patience {
            self.reduce(schedule);
            self.cooldown = schedule.cooldown;
            self.bad = 0;
        }
    }

    /// The current rate.
    pub(crate) fn lr(&self, schedule: &Plateau) -> f64 {
        self.lr.unwrap_or(schedule.lr)
    }

    fn reduce(&mut self, schedule: &Plateau) {
        let old = self.lr(schedule);
        let new = (old * schedule.factor).max(schedule.min_lr);
        if old - new > MIN_REDUCTION {
            self.lr = Some(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;

    fn follow(schedule: &Plateau, losses: &[f64]) -> Vec<f64> {
        let mut state = PlateauState::default();
        let rate = |loss: &f64| {
            state.observe(schedule, *loss);
            state.lr(schedule)
        };
        losses.iter().map(rate).collect()
    }

    const HALVE: Plateau = Plateau { lr: 4.0, factor: 0.5, patience: 1, threshold: 0.1, cooldown: 0, min_lr: 0.0 };

    #[test]
    fn patience_ends_with_one_measurement_more() {
        assert_eq!(follow(&HALVE, &[1.0, 1.0, 1.0, 1.0, 1.0]), [4.0, 4.0, 2.0, 2.0, 1.0]);
        assert_eq!(follow(&HALVE, &[1.0, 0.8, 0.8, 0.6, 0.6]), [4.0; 5]);
    }

    #[test]
    fn a_small_improvement_does_not_count() {
        assert_eq!(follow(&HALVE, &[1.0, 0.95, 0.92]), [4.0, 4.0, 2.0]);
        assert_eq!(follow(&HALVE, &[1.0, 0.95, 0.89]), [4.0, 4.0, 4.0]);
    }

    #[test]
    fn nothing_counts_while_it_cools_down() {
        let cooling = Plateau { cooldown: 2, ..HALVE };
        assert_eq!(follow(&cooling, &[1.0; 7]), [4.0, 4.0, 2.0, 2.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn the_rate_stops_at_its_bound() {
        let bounded = Plateau { patience: 0, min_lr: 1.5, ..HALVE };
        assert_eq!(follow(&bounded, &[1.0; 4]), [4.0, 2.0, 1.5, 1.5]);
    }

    #[test]
    fn a_loss_that_is_not_finite_is_no_improvement() {
        assert_eq!(follow(&HALVE, &[f64::NAN, f64::INFINITY, 1.0, 1.0]), [4.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn a_restored_state_continues_where_it_was() {
        let schedule = Schedule::Plateau(HALVE);
        let (mut straight, mut resumed) = (PlateauState::default(), PlateauState::default());
        for loss in [1.0, 1.1, 0.7, 0.7, 0.69, 0.1, 0.2, f64::NAN] {
            schedule.observe(&mut straight, loss);
            let saved = serde_json::to_string(&resumed).unwrap();
            resumed = serde_json::from_str(&saved).unwrap();
            schedule.observe(&mut resumed, loss);
            assert_eq!(straight, resumed);
        }
        assert_eq!(schedule.at(9, 100, 0.9, &resumed).lr, 1.0);
    }

    #[test]
    fn unusable_parameters_are_refused_by_name() {
        for (schedule, message) in [
            (Plateau { factor: 1.0, ..HALVE }, "factor: expected a number above 0 and below 1, found 1"),
            (Plateau { threshold: -0.1, ..HALVE }, "threshold: expected a share from 0 to below 1, found -0.1"),
            (Plateau { min_lr: 4.0, ..HALVE }, "min_lr: expected a rate below lr (4), found 4"),
        ] {
            assert_eq!(schedule.validate().unwrap_err().to_string(), message);
        }
    }
}
