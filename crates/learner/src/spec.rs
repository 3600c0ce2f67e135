//! What a run is made of: its recorded configuration, checked, with the names in it resolved.

use std::fmt::Display;

use artifacts::run::{Config, Kind};
use kernels::engine::Optimizer;
use schedules::{ParameterError, Schedule};
use serde_json::Value;

use crate::samples::Augment;

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

/// A configuration that cannot be run.
///
/// Displayed, it calls values by their keys in [`Config`]; [`ConfigError::message`] lets a program call them by its own
/// names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A parameter of the schedule.
    #[error(transparent)]
    Schedule(#[from] ParameterError),
    /// Another value.
    #[error("{key}: expected {expected}, found {found}")]
    Value {
        /// Its key.
        key: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl ConfigError {
    /// The message, with every value called what `name` makes of its key.
    pub fn message(&self, name: impl Fn(&str) -> String) -> String {
        match self {
            Self::Schedule(error) => error.message(name),
            Self::Value { key, expected, found } => format!("{}: expected {expected}, found {found}", name(key)),
        }
    }
}

type Result<T, E = ConfigError> = std::result::Result<T, E>;

/// A configuration that was checked, with its names resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// The configuration as it is recorded.
    pub config: Config,
    /// Its schedule.
    pub schedule: Schedule,
    /// Its optimizer.
    pub optimizer: Optimizer,
    /// Its augmentation.
    pub augment: Augment,
}

impl RunSpec {
    /// Checks a configuration and resolves its names.
    ///
    /// # Errors
    /// At the first value that cannot be used.
    pub fn new(config: Config) -> Result<Self> {
        let schedule: Schedule = serde_json::from_value(config.schedule_parameters.clone())
            .map_err(|error| wrong("schedule", "the parameters of a schedule", error))?;
        schedule.validate(config.iterations)?;
        let optimizer = known("optimizer", &OPTIMIZERS, &config.optimizer)?;
        let augment = known("augment", &Augment::NAMES, &config.augment)?;
        check_numbers(&config)?;
        if matches!(schedule, Schedule::Plateau(_)) {
            check_validation(&config)?;
        }
        Ok(Self { config, schedule, optimizer, augment })
    }

    /// The parameters of a schedule as a configuration holds them.
    pub fn schedule_parameters(schedule: &Schedule) -> Value {
        serde_json::to_value(schedule).expect("a schedule is plain data")
    }

    /// Whether the run continues when the loss is not finite, as long as the weights are. A range test does: a collapse
    /// followed by a second rise is one of the outcomes it is meant to show.
    pub fn outlives_bad_loss(&self) -> bool {
        self.config.kind == Kind::RangeTest
    }
}

fn check_numbers(config: &Config) -> Result<()> {
    let below_one = |value: f64| (0.0..1.0).contains(&value);
    require(below_one(config.momentum), "momentum", "a number from 0 to below 1", config.momentum)?;
    let decay = config.weight_decay;
    require(decay >= 0.0 && decay.is_finite(), "weight_decay", "a finite number of at least 0", decay)?;
    require(below_one(config.val_from_train), "val_from_train", "a number from 0 to below 1", config.val_from_train)?;
    let weight = config.bn_momentum;
    require((0.0..=1.0).contains(&weight), "bn_momentum", "a number from 0 to 1, the weight of the new batch", weight)?;
    require(config.batch_size > 0, "batch_size", "at least 1", config.batch_size)?;
    require(config.train_limit != Some(0), "train_limit", "at least 1", 0)
}

/// What a plateau schedule needs: a validation loss to watch.
fn check_validation(config: &Config) -> Result<()> {
    let share = "a share above 0, as the plateau schedule watches the validation loss";
    require(config.val_from_train > 0.0, "val_from_train", share, config.val_from_train)?;
    let steps = "at least 1, as the plateau schedule watches the validation loss";
    require(config.val_every > 0, "val_every", steps, config.val_every)
}

fn known<T: Copy>(key: &'static str, names: &[(&'static str, T)], found: &str) -> Result<T> {
    let hit = names.iter().find(|(name, _)| *name == found);
    let all = || names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    hit.map(|(_, value)| *value).ok_or_else(|| wrong(key, &format!("one of {}", all()), format!("{found:?}")))
}

fn require(holds: bool, key: &'static str, expected: &str, found: impl Display) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(key, expected, found)) }
}

fn wrong(key: &'static str, expected: &str, found: impl Display) -> ConfigError {
    ConfigError::Value { key, expected: expected.to_owned(), found: found.to_string() }
}
