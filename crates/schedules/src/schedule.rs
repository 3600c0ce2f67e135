//! A schedule of any kind, and what a step runs with.

use serde::{Deserialize, Serialize};

use crate::error::{ParameterError, at_least_one};
use crate::{
    Constant, Cosine, ExpRange, OneCycle, Piecewise, Plateau, PlateauState, Poly, RampScale, RangeRamp, Sgdr,
    Triangular,
};

/// What a schedule gives for a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepParameters {
    /// Learning rate.
    pub lr: f64,
    /// Momentum of SGD, `beta1` of Adam.
    pub momentum: f64,
}

/// A learning rate schedule with its parameters. In JSON it is one object: `schedule` names it, beside its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schedule")]
pub enum Schedule {
    /// One rate throughout.
    #[serde(rename = "constant")]
    Constant(Constant),
    /// Given rates for given numbers of steps.
    #[serde(rename = "piecewise")]
    Piecewise(Piecewise),
    /// Lowered whenever the validation loss stops improving.
    #[serde(rename = "plateau")]
    Plateau(Plateau),
    /// Cycles of constant height.
    #[serde(rename = "triangular")]
    Triangular(Triangular),
    /// Cycles, each half as high as the one before.
    #[serde(rename = "triangular2")]
    Triangular2(Triangular),
    /// Cycles whose height decays with every step.
    #[serde(rename = "exp-range")]
    ExpRange(ExpRange),
    /// One rise, one fall, and a tail.
    #[serde(rename = "1cycle")]
    OneCycle(OneCycle),
    /// Half a cosine, down.
    #[serde(rename = "cosine")]
    Cosine(Cosine),
    /// Half cosines with warm restarts.
    #[serde(rename = "sgdr")]
    Sgdr(Sgdr),
    /// A power of the share of steps that remain.
    #[serde(rename = "poly")]
    Poly(Poly),
    /// A range test's ramp.
    #[serde(rename = "ramp")]
    Ramp(RangeRamp),
}

impl Schedule {
    /// Checks that a run of `iterations` steps can follow this schedule: rates finite, positive and in order. There is no
    /// upper limit on a rate.
    ///
    /// # Errors
    /// At the first parameter that cannot be used.
    pub fn validate(&self, iterations: u64) -> Result<(), ParameterError> {
        at_least_one("iterations", iterations)?;
        match self {
            Self::Constant(schedule) => schedule.validate(),
            Self::Piecewise(schedule) => schedule.validate(iterations),
            Self::Plateau(schedule) => schedule.validate(),
            Self::Triangular(schedule) | Self::Triangular2(schedule) => schedule.validate(),
            Self::ExpRange(schedule) => schedule.validate(),
            Self::OneCycle(schedule) => schedule.validate(iterations),
            Self::Cosine(schedule) => schedule.validate(),
            Self::Sgdr(schedule) => schedule.validate(),
            Self::Poly(schedule) => schedule.validate(),
            Self::Ramp(schedule) => schedule.validate(),
        }
    }

    /// The same schedule with its defaults for a run of `iterations` steps filled in, as a record should keep it.
    #[must_use]
    pub fn resolved(&self, iterations: u64) -> Self {
        match self {
            Self::OneCycle(schedule) => Self::OneCycle(schedule.resolved(iterations)),
            other => other.clone(),
        }
    }

    /// What step `step` of `iterations`, numbered from 1, runs with. `base_momentum` applies where the schedule does not
    /// cycle the momentum; `plateau` is what a plateau schedule has seen so far, which the others ignore.
    pub fn at(&self, step: u64, iterations: u64, base_momentum: f64, plateau: &PlateauState) -> StepParameters {
        let elapsed = step.saturating_sub(1);
        let lr = match self {
            Self::Constant(schedule) => schedule.lr,
            Self::Piecewise(schedule) => schedule.lr(elapsed),
            Self::Plateau(schedule) => plateau.lr(schedule),
            Self::Triangular(schedule) => return schedule.parameters(elapsed, base_momentum),
            Self::Triangular2(schedule) => return schedule.halving_parameters(elapsed, base_momentum),
            Self::ExpRange(schedule) => return schedule.parameters(elapsed, base_momentum),
            Self::OneCycle(schedule) => return schedule.parameters(elapsed, iterations, base_momentum),
            Self::Cosine(schedule) => schedule.lr(elapsed, iterations),
            Self::Sgdr(schedule) => schedule.lr(elapsed),
            Self::Poly(schedule) => schedule.lr(elapsed, iterations),
            Self::Ramp(schedule) => schedule.lr(elapsed, iterations),
        };
        StepParameters { lr, momentum: base_momentum }
    }

    /// Tells a plateau schedule the validation loss that was just measured; the others ignore it.
    pub fn observe(&self, state: &mut PlateauState, val_loss: f64) {
        if let Self::Plateau(schedule) = self {
            state.observe(schedule, val_loss);
        }
    }

    /// Its name, as flags and records have it; that of a ramp includes its scale.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Piecewise(_) => "piecewise",
            Self::Plateau(_) => "plateau",
            Self::Triangular(_) => "triangular",
            Self::Triangular2(_) => "triangular2",
            Self::ExpRange(_) => "exp-range",
            Self::OneCycle(_) => "1cycle",
            Self::Cosine(_) => "cosine",
            Self::Sgdr(_) => "sgdr",
            Self::Poly(_) => "poly",
            Self::Ramp(RangeRamp { scale: RampScale::Linear, .. }) => "ramp-linear",
            Self::Ramp(RangeRamp { scale: RampScale::Log, .. }) => "ramp-log",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Variant;

    fn one_of_each() -> Vec<Schedule> {
        let triangular = Triangular { min_lr: 0.1, max_lr: 3.0, step_size: 45, max_momentum: None, min_momentum: None };
        vec![
            Schedule::Constant(Constant { lr: 0.1 }),
            Schedule::Piecewise(Piecewise::step_decay(0.1, 100, &[0.5, 0.75], 0.1)),
            Schedule::Plateau(Plateau::new(0.1)),
            Schedule::Triangular(triangular),
            Schedule::Triangular2(triangular),
            Schedule::ExpRange(ExpRange::new(triangular, 0.99)),
            Schedule::OneCycle(OneCycle::new(Variant::Smith, 3.0)),
            Schedule::Cosine(Cosine { lr: 0.1, min_lr: 0.0 }),
            Schedule::Sgdr(Sgdr { lr: 0.1, min_lr: 0.0, t_0: 10, t_mult: 2 }),
            Schedule::Poly(Poly { lr: 0.1, power: 1.0 }),
            Schedule::Ramp(RangeRamp::new(RampScale::Linear, 0.0, 30.0)),
            Schedule::Ramp(RangeRamp::new(RampScale::Log, 1e-4, 30.0)),
        ]
    }

    #[test]
    fn records_read_back_as_they_were_written() {
        for schedule in one_of_each().into_iter().flat_map(|schedule| [schedule.resolved(100), schedule]) {
            schedule.validate(100).unwrap();
            let json = serde_json::to_value(&schedule).unwrap();
            assert!(schedule.name().starts_with(json["schedule"].as_str().unwrap()), "{json}");
            assert_eq!(serde_json::from_value::<Schedule>(json).unwrap(), schedule);
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused() {
        for schedule in one_of_each() {
            let mut json = serde_json::to_value(&schedule).unwrap();
            json["warmup"] = 5.into();
            let error = serde_json::from_value::<Schedule>(json).unwrap_err().to_string();
            assert!(error.contains("warmup"), "{}: {error}", schedule.name());
        }
    }

    #[test]
    fn resolving_changes_no_step() {
        for schedule in one_of_each() {
            let resolved = schedule.resolved(100);
            let state = PlateauState::default();
            for step in 1..=100 {
                assert_eq!(schedule.at(step, 100, 0.9, &state), resolved.at(step, 100, 0.9, &state));
            }
        }
    }

    #[test]
    fn a_run_without_steps_is_refused() {
        for schedule in one_of_each() {
            assert_eq!(schedule.validate(0).unwrap_err().to_string(), "iterations: expected at least 1, found 0");
        }
    }
}
