//! `recipe.json`: what a streamlined search chose, why, and what it cost. `sc-train --recipe` repeats its training.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::format::Kind;
use crate::run;
use crate::setting::Setting;
use crate::{Result, json};

/// Version of the schema.
pub const FORMAT: &str = "superconv-recipe/1";

/// What a recipe holds for: a setting without what is chosen, and the images that were there to choose with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// SHA-256 of the data set.
    pub data_sha256: String,
    /// Its name.
    pub data_name: String,
    /// The net.
    pub net: String,
    /// Its shortcut; empty where it has none.
    pub shortcut: String,
    /// Training images while choosing: validation images are not counted.
    pub train_images: usize,
    /// Validation images, that every choice was made on.
    pub held_out_images: usize,
    /// Test images: the last run alone looks at them.
    pub test_images: usize,
    /// Share of the training images kept for validation (`--val-from-train`).
    pub val_from_train: f64,
}

/// How to train. What is null has not been chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Images a step.
    pub batch_size: usize,
    /// The optimizer, as `--optimizer` names it.
    pub optimizer: String,
    /// Momentum, constant unless both bounds are given; with them, that at the highest rate.
    pub momentum: f64,
    /// Momentum at the lowest rate, where it cycles against the rate.
    pub max_momentum: Option<f64>,
    /// Momentum at the highest rate, where it cycles.
    pub min_momentum: Option<f64>,
    /// Weight decay.
    pub weight_decay: f64,
    /// PyTorch's batch norm momentum: the weight of the new batch.
    pub bn_momentum: f64,
    /// Training batches that batch norm's statistics are averaged over before an evaluation; 0: the running ones.
    pub bn_reestimate: usize,
    /// `none`, `flip`, `crop-flip` or `random-resized-crop`.
    pub augment: String,
    /// Side of the square that the net sees of each image; 0, and left out, where it sees all of it.
    #[serde(default, skip_serializing_if = "run::is_none")]
    pub train_size: usize,
    /// Whose statistics images are normalised by: `imagenet`, or empty, and left out, for those of the data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub normalise: String,
    /// Variant of 1cycle, as `--variant` names it.
    pub variant: String,
    /// Highest rate of the cycle.
    pub max_lr: Option<f64>,
    /// Rate of the first step.
    pub min_lr: Option<f64>,
    /// Rate of the tail, or at its end.
    pub final_lr: Option<f64>,
    /// Steps of the rise and of the fall, in `smith` and `paper`; the rest of the run is the tail.
    pub step_size: Option<u64>,
    /// Optimizer steps.
    pub iterations: Option<u64>,
}

/// One value that a step of the search tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// What it is called, such as `0.95` or `0.95-0.85`.
    pub name: String,
    /// Optimizer steps of each of its runs.
    pub iterations: u64,
    /// Images a step.
    pub batch_size: usize,
    /// Highest rate of its runs.
    pub max_lr: Option<f64>,
    /// Mean final accuracy on validation images, runs that diverged at chance; null where nothing was run.
    pub mean_val_accuracy: Option<f64>,
    /// Standard deviation over its runs; null for fewer than two.
    pub sd_val_accuracy: Option<f64>,
    /// Mean final cross-entropy on validation images; null where a run diverged.
    pub mean_val_loss: Option<f64>,
    /// Runs that this is the mean of.
    pub runs: usize,
    /// Runs that diverged.
    pub diverged: usize,
    /// Images a second, where candidates were given equal time.
    pub images_per_second: Option<f64>,
    /// Folders of its training runs.
    pub folders: Vec<String>,
    /// Folders of its range tests.
    pub range_tests: Vec<String>,
}

/// One step of the search: a question, what was tried, and the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The step, such as `batch-size`.
    pub step: String,
    /// The question.
    pub question: String,
    /// What was tried; empty where a rule decided without a run.
    pub candidates: Vec<Candidate>,
    /// The answer.
    pub chosen: String,
    /// Why, in sentences.
    pub reason: String,
    /// What the step cost.
    pub spent: Spent,
}

/// A budget's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds of this machine.
    Seconds,
    /// Images trained on.
    Images,
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Seconds, of runs from start to end.
    pub seconds: f64,
    /// Images trained on: steps x batch size.
    pub images: f64,
    /// Runs.
    pub runs: usize,
}

impl Spent {
    /// The amount in a budget's unit.
    pub fn amount(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Seconds => self.seconds,
            Unit::Images => self.images,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { seconds: self.seconds + other.seconds, images: self.images + other.images, runs: self.runs + other.runs }
    }
}

/// How fast a batch size trains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// Images a step.
    pub batch_size: usize,
    /// Images a second in training steps.
    pub images_per_second: f64,
}

/// A search's budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// As it was given, such as `10m`.
    pub given: String,
    /// Its unit.
    pub unit: Unit,
    /// How much there is.
    pub limit: f64,
    /// What was spent so far, all steps together.
    pub spent: Spent,
    /// Measured speeds, one a batch size, ascending.
    pub speeds: Vec<Speed>,
    /// Seconds that a run takes besides its steps: start, reading the data, measuring validation images.
    pub overhead_seconds: f64,
}

/// `recipe.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// [`FORMAT`].
    pub format: String,
    /// What it holds for.
    pub setting: Scope,
    /// How to train.
    pub training: Training,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
    /// The budget and what was spent of it.
    pub budget: Budget,
    /// The same training in PyTorch's words, and where that differs.
    pub pytorch: String,
}

impl Recipe {
    /// The setting that a run has to agree with. The rest of how to train is the recipe's to say, and flags may change it.
    pub fn made_for(&self) -> Setting {
        let Scope { data_sha256, data_name, net, shortcut, .. } = &self.setting;
        Setting {
            data_sha256: Some(data_sha256.clone()),
            data_name: Some(data_name.clone()),
            net: Some(net.clone()),
            shortcut: Some(shortcut.clone()),
            ..Setting::default()
        }
    }
}

/// Reads a recipe.
///
/// # Errors
/// When it cannot be read or is of another kind or version.
pub fn read(path: &Path) -> Result<Recipe> {
    json::read_versioned(path, Kind::Recipe)
}

/// As [`read`], with the SHA-256 of the bytes that were read.
///
/// # Errors
/// As [`read`].
pub fn read_with_hash(path: &Path) -> Result<(Recipe, String)> {
    json::read_versioned_with_hash(path, Kind::Recipe)
}
