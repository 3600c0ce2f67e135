//! A configuration resolved into what the loop needs, and checked.

use artifacts::run::{Config, Kind};
use kernels::engine::Optimizer;
use serde_json::Value;

use crate::samples::Augment;
use crate::schedule::{Schedule, ScheduleError};

/// The optimizers, with the names that flags and records use.
pub const OPTIMIZERS: [(&str, Optimizer); 7] = [
    ("sgd", Optimizer::Sgd { nesterov: false }),
    ("nesterov", Optimizer::Sgd { nesterov: true }),
    ("adagrad", Optimizer::Adagrad),
    ("adadelta", Optimizer::Adadelta),
    ("rmsprop", Optimizer::RmsProp),
    ("adam", Optimizer::Adam),
    ("adamw", Optimizer::AdamW),
];

/// A configuration that cannot be run: which flag, what it should be, what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: expected {expected}, found {found}")]
pub struct PlanError {
    /// The flag, such as `--batch-size`.
    pub flag: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// What the loop runs by.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The resolved configuration, as recorded.
    pub config: Config,
    /// Its schedule.
    pub schedule: Schedule,
    /// Its optimizer.
    pub optimizer: Optimizer,
    /// Its augmentation.
    pub augment: Augment,
}

impl From<ScheduleError> for PlanError {
    fn from(error: ScheduleError) -> Self {
        Self { flag: error.flag, expected: error.expected, found: error.found }
    }
}

impl Plan {
    /// Checks a configuration and resolves its names.
    ///
    /// # Errors
    /// At the first value that cannot be run.
    pub fn new(config: Config) -> Result<Self, PlanError> {
        let schedule: Schedule = serde_json::from_value(config.schedule_parameters.clone())
            .map_err(|error| wrong("--schedule", "the parameters of a schedule", error))?;
        schedule.validate(config.iterations)?;
        let optimizer = known("--optimizer", &OPTIMIZERS, &config.optimizer)?;
        let augment = known("--augment", &Augment::NAMES, &config.augment)?;
        for (flag, value, least, below) in [
            ("--momentum", config.momentum, 0.0, 1.0),
            ("--weight-decay", config.weight_decay, 0.0, f64::INFINITY),
            ("--val-from-train", config.val_from_train, 0.0, 1.0),
        ] {
            if !(value >= least && value < below) {
                return Err(wrong(flag, &format!("a number from {least} to below {below}"), value));
            }
        }
        if !(config.bn_momentum >= 0.0 && config.bn_momentum <= 1.0) {
            return Err(wrong(
                "--bn-momentum",
                "a number from 0 to 1, the weight of the new batch",
                config.bn_momentum,
            ));
        }
        if config.batch_size == 0 {
            return Err(wrong("--batch-size", "at least 1", 0));
        }
        if config.train_limit == Some(0) {
            return Err(wrong("--train-limit", "at least 1", 0));
        }
        let plan = Self { config, schedule, optimizer, augment };
        plan.check_plateau()?;
        Ok(plan)
    }

    /// The parameters of a schedule as the record keeps them.
    pub fn schedule_parameters(schedule: &Schedule) -> Value {
        serde_json::to_value(schedule).expect("a schedule is plain data")
    }

    /// Whether the loop goes on when the loss is not finite, as long as the weights are: a range test does, because the
    /// third outcome, collapse and a second rise, lies beyond the collapse.
    pub fn outlives_bad_loss(&self) -> bool {
        self.config.kind == Kind::RangeTest
    }

    fn check_plateau(&self) -> Result<(), PlanError> {
        let Config { val_from_train, val_every, .. } = &self.config;
        if !matches!(self.schedule, Schedule::Plateau(_)) {
            return Ok(());
        }
        if *val_from_train == 0.0 {
            return Err(wrong("--val-from-train", "held-out images, which the plateau schedule watches", 0));
        }
        if *val_every == 0 {
            return Err(wrong("--val-every", "steps between the measurements that the plateau schedule watches", 0));
        }
        Ok(())
    }
}

fn known<T: Copy>(flag: &'static str, names: &[(&'static str, T)], found: &str) -> Result<T, PlanError> {
    let hit = names.iter().find(|(name, _)| *name == found);
    let all = || names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    hit.map(|(_, value)| *value).ok_or_else(|| wrong(flag, &format!("one of {}", all()), format!("{found:?}")))
}

fn wrong(flag: &'static str, expected: &str, found: impl std::fmt::Display) -> PlanError {
    PlanError { flag, expected: expected.to_owned(), found: found.to_string() }
}
