//! What a run is made of: its recorded configuration, checked, with the names in it resolved.

use std::fmt::Display;

use artifacts::run::{Config, Kind};
use kernels::engine::Optimizer;
use kernels::graph::{Graph, Loss};
use schedules::{ParameterError, Schedule};
use serde_json::Value;

use crate::samples::Augment;
use crate::tuning::Tuning;

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
        Tuning::of(&config).check()?;
        if matches!(schedule, Schedule::Plateau(_)) {
            check_validation(&config)?;
        }
        Ok(Self { config, schedule, optimizer, augment })
    }

    /// The net as it is trained: what is frozen, the factors of the rates, and what is trained for.
    ///
    /// # Errors
    /// When it has not as many parts as are frozen, or not as many classes as have weights.
    pub fn tuned(&self, net: &Graph) -> Result<Graph> {
        let Config { label_smoothing, class_weights, .. } = &self.config;
        let classes = net.nodes.last().map_or(0, |node| node.shape[0]);
        let expected = format!("as many numbers as there are classes, {classes}");
        let fits = class_weights.is_empty() || class_weights.len() == classes;
        require(fits, "class_weights", &expected, class_weights.len())?;
        let class_weights = class_weights.iter().map(|weight| *weight as f32).collect();
        let loss = Loss { label_smoothing: *label_smoothing, class_weights };
        Ok(Graph { loss, ..Tuning::of(&self.config).apply(net)? })
    }

    /// The parameters of a schedule as a configuration holds them.
    pub fn schedule_parameters(schedule: &Schedule) -> Value {
        serde_json::to_value(schedule).expect("a schedule is plain data")
    }

    /// Whether the run continues when the loss is not finite, as long as the weights are. A range test does: a collapse
    /// followed by a second rise is one of the outcomes it is meant to show.
    pub(crate) fn outlives_bad_loss(&self) -> bool {
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
    let smoothing = config.label_smoothing;
    require(below_one(smoothing), "label_smoothing", "a number from 0 to below 1", smoothing)?;
    require(below_one(config.ema), "ema", "a number from 0 to below 1, the share of the old", config.ema)?;
    let usable = config.class_weights.iter().all(|weight| *weight > 0.0 && weight.is_finite());
    require(usable, "class_weights", "finite numbers above 0", format!("{:?}", config.class_weights))?;
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

pub(crate) fn wrong(key: &'static str, expected: &str, found: impl Display) -> ConfigError {
    ConfigError::Value { key, expected: expected.to_owned(), found: found.to_string() }
}

#[cfg(test)]
mod tests {
    use schedules::{Constant, Plateau, RampScale, RangeRamp};

    use super::*;

    fn config(schedule: &Schedule) -> Config {
        Config {
            kind: Kind::Train,
            net: "lenet".to_owned(),
            shortcut: String::new(),
            seed: 1,
            batch_size: 8,
            iterations: 10,
            schedule: schedule.name().to_owned(),
            schedule_parameters: RunSpec::schedule_parameters(schedule),
            optimizer: "nesterov".to_owned(),
            momentum: 0.9,
            weight_decay: 1e-4,
            bn_momentum: 0.1,
            bn_reestimate: 0,
            augment: "flip".to_owned(),
            train_size: 0,
            normalise: String::new(),
            train_limit: None,
            val_from_train: 0.1,
            val_every: 5,
            test_every: 0,
            exact_conv: false,
            precision: "float32".to_owned(),
            engine: "fast".to_owned(),
            freeze: String::new(),
            freeze_bn: String::new(),
            group_rates: Vec::new(),
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            ema: 0.0,
        }
    }

    fn constant() -> Schedule {
        Schedule::Constant(Constant { lr: 0.1 })
    }

    #[test]
    fn names_are_resolved() {
        let spec = RunSpec::new(config(&constant())).unwrap();
        assert_eq!(spec.schedule, constant());
        assert_eq!((spec.optimizer, spec.augment), (Optimizer::Sgd { nesterov: true }, Augment::Flip));
        assert!(!spec.outlives_bad_loss());
        let ramp = Schedule::Ramp(RangeRamp::new(RampScale::Log, 0.1, 1.0));
        assert!(RunSpec::new(Config { kind: Kind::RangeTest, ..config(&ramp) }).unwrap().outlives_bad_loss());
    }

    #[test]
    fn unusable_values_are_refused_by_name() {
        let good = config(&constant());
        for (config, message) in [
            (Config { momentum: 1.0, ..good.clone() }, "momentum: expected a number from 0 to below 1, found 1"),
            (Config { momentum: f64::NAN, ..good.clone() }, "momentum: expected a number from 0 to below 1, found NaN"),
            (
                Config { weight_decay: f64::INFINITY, ..good.clone() },
                "weight_decay: expected a finite number of at least 0, found inf",
            ),
            (
                Config { val_from_train: -0.1, ..good.clone() },
                "val_from_train: expected a number from 0 to below 1, found -0.1",
            ),
            (
                Config { bn_momentum: 2.0, ..good.clone() },
                "bn_momentum: expected a number from 0 to 1, the weight of the new batch, found 2",
            ),
            (
                Config { label_smoothing: 1.0, ..good.clone() },
                "label_smoothing: expected a number from 0 to below 1, found 1",
            ),
            (
                Config { class_weights: vec![1.0, 0.0], ..good.clone() },
                "class_weights: expected finite numbers above 0, found [1.0, 0.0]",
            ),
            (Config { batch_size: 0, ..good.clone() }, "batch_size: expected at least 1, found 0"),
            (Config { train_limit: Some(0), ..good.clone() }, "train_limit: expected at least 1, found 0"),
            (
                Config { augment: "mirror".to_owned(), ..good.clone() },
                "augment: expected one of none, flip, crop-flip, random-resized-crop, found \"mirror\"",
            ),
            (config(&Schedule::Constant(Constant { lr: 0.0 })), "lr: expected a finite number above 0, found 0"),
        ] {
            assert_eq!(RunSpec::new(config).unwrap_err().to_string(), message);
        }
        let error = RunSpec::new(Config { batch_size: 0, ..good }).unwrap_err();
        assert_eq!(error.message(str::to_uppercase), "BATCH_SIZE: expected at least 1, found 0");
    }

    #[test]
    fn a_plateau_needs_a_validation_loss() {
        let good = config(&Schedule::Plateau(Plateau::new(0.1)));
        RunSpec::new(good.clone()).unwrap();
        for (config, expected) in [
            (Config { val_from_train: 0.0, ..good.clone() }, "val_from_train: expected a share above 0"),
            (Config { val_every: 0, ..good }, "val_every: expected at least 1"),
        ] {
            let message = RunSpec::new(config).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
