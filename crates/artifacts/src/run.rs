//! `runs/NAME/run.json` (what was asked; written first) and `result.json` (what came out; written last).

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::setting::{self, Setting};
use crate::{Result, format, json};

/// Name of the record of what was asked.
pub const RUN_FILE: &str = "run.json";
/// Name of the record of what came out, the only make target of a run.
pub const RESULT_FILE: &str = "result.json";
/// Name of the final weights.
pub const MODEL_FILE: &str = "model.safetensors";
/// Name of the moving average of the weights, where one was kept.
pub const EMA_MODEL_FILE: &str = "model-ema.safetensors";
/// Version of both schemas.
pub const FORMAT: &str = "superconv-run/1";

/// Which program made a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `sc-rangetest`
    RangeTest,
    /// `sc-train`
    Train,
}

/// The resolved configuration: everything that decides the numbers of a run, but for data and initial weights. A run
/// resumes only under the same one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Range test or training.
    pub kind: Kind,
    /// The net, such as `resnet20`, from the file of initial weights.
    pub net: String,
    /// Its shortcut, `a` or `avgpool`; empty where it has none.
    pub shortcut: String,
    /// Seed of order, augmentation and dropout.
    pub seed: u64,
    /// Images a step.
    pub batch_size: usize,
    /// Optimizer steps.
    pub iterations: u64,
    /// Name of the schedule (`1cycle`, `piecewise`, ...; `ramp-linear` or `ramp-log` for a range test).
    pub schedule: String,
    /// The schedule's parameters, all resolved.
    pub schedule_parameters: Value,
    /// `sgd`, `nesterov`, `adagrad`, `adadelta`, `rmsprop`, `adam` or `adamw`.
    pub optimizer: String,
    /// Momentum where the schedule does not cycle it.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// PyTorch's batch norm momentum: the weight of the new batch.
    pub bn_momentum: f64,
    /// Training batches whose statistics replace the running ones before an evaluation; 0: the running ones are used.
    pub bn_reestimate: usize,
    /// `none`, `flip`, `crop-flip` or `random-resized-crop`.
    pub augment: String,
    /// Side, in pixels, of the square that the net sees of the data's images, which are larger; 0 where it sees all of them. Like
    /// the next entry, it is left out of a record that makes no use of it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub train_size: usize,
    /// Whose mean and standard deviation the images are normalised by: `imagenet`, or empty for those of the data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub normalise: String,
    /// Training images used at most, after holding out; null for all.
    pub train_limit: Option<usize>,
    /// Share of the training images kept for validation (`val_*`).
    pub val_from_train: f64,
    /// Steps between measurements of `val_*`; 0: after the last step only.
    pub val_every: u64,
    /// Steps between looks at the test set; 0: none.
    pub test_every: u64,
    /// Whether Winograd's algorithm is ruled out.
    pub exact_conv: bool,
    /// `float32`, `tf32` or `bf16`: in what activations are kept and products are taken. Older records have none:
    /// they are float32.
    #[serde(default = "float32")]
    pub precision: String,
    /// `fast` (our kernels) or `candle` (candle's operations): what computes. Older records have none: they are of `fast`.
    #[serde(default = "fast")]
    pub engine: String,
    /// What is not trained: `body` (all but the last layer), or so many parts of the net from the images on, such as `3`;
    /// empty where all is. Like the entries below, it is left out of a record that makes no use of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub freeze: String,
    /// By which statistics batch norm of a frozen part normalises in training: `running`, which then stay, or `batch`; empty
    /// where nothing is frozen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub freeze_bn: String,
    /// What the rate is multiplied by in each group of parts: the stem and the first half of the stages, the other stages,
    /// the last layer. Empty: one rate for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_rates: Vec<f64>,
    /// Share of each label that is spread evenly over all classes in the loss whose gradient is followed; what is recorded is
    /// the loss without.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub label_smoothing: f64,
    /// Weight of each class in the loss whose gradient is followed, as in PyTorch's `CrossEntropyLoss`; what is recorded is
    /// the loss without. Empty: all alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f64>,
    /// Share of the old in the moving average of the weights, which is evaluated beside them; 0: none is kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ema: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
pub(crate) fn is_none(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Config {
    /// What of the net is trained, at which rates, in words; empty where all is, at one rate.
    pub fn tuning(&self) -> String {
        setting::tuning(&self.freeze, &self.freeze_bn, &self.group_rates)
    }

    /// What of the images the net sees, and how, in words; empty where it sees all of them, normalised by their own statistics.
    pub fn input(&self) -> String {
        setting::input(self.train_size, &self.normalise)
    }

    /// A number among the schedule's parameters.
    pub fn parameter(&self, key: &str) -> Option<f64> {
        self.schedule_parameters.get(key).and_then(Value::as_f64)
    }

    /// The rate that a run is known by: the highest that its schedule names.
    pub fn main_lr(&self) -> Option<f64> {
        let highest_piece = || {
            let pieces = self.schedule_parameters.get("pieces")?.as_array()?;
            pieces.iter().filter_map(|piece| piece.get("lr")?.as_f64()).reduce(f64::max)
        };
        self.parameter("max_lr").or_else(|| self.parameter("lr")).or_else(highest_piece)
    }
}

fn float32() -> String {
    "float32".to_owned()
}

/// The engine of records from before there was a choice.
pub(crate) fn fast() -> String {
    "fast".to_owned()
}

/// A file that a run was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where it lay.
    pub path: String,
    /// Its SHA-256.
    pub sha256: String,
}

impl Source {
    /// The file at `path`, by the hash of the bytes that were read of it.
    pub fn new(path: &Path, sha256: String) -> Self {
        Self { path: path.display().to_string(), sha256 }
    }
}

/// The machine that a run was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Operating system.
    pub os: String,
    /// Architecture of the processor.
    pub arch: String,
    /// Model of the processor, as the system calls it.
    pub cpu: String,
    /// Processors that the system offers.
    pub cores: usize,
}

/// `run.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the run: its folder's.
    pub name: String,
    /// Study that it belongs to; empty for a run made by hand.
    pub study: String,
    /// Its part in the study, such as `1cycle`, `piecewise`, `grid`, `range-test`; empty for a run made by hand.
    pub arm: String,
    /// Program and version.
    pub tool: String,
    /// Commit of the source that the program was built from; null where unknown.
    pub git_commit: Option<String>,
    /// Compiler and target that it was built with, such as `rustc 1.95.0 for x86_64-unknown-linux-gnu`; null where the
    /// record is older than this entry.
    #[serde(default)]
    pub build: Option<String>,
    /// The resolved configuration.
    pub config: Config,
    /// The data set's name.
    pub data_name: String,
    /// Number of classes: chance is 1 in so many.
    pub classes: usize,
    /// Images trained on.
    pub train_images: usize,
    /// Validation images.
    pub val_images: usize,
    /// The data set.
    pub data: Source,
    /// The initial weights.
    pub init: Source,
    /// The suggestion, choice or recipe that the rates were taken from; null where they were given by hand.
    pub rates_from: Option<Source>,
    /// Device, such as `cpu`.
    pub device: String,
    /// What runs the numbers, such as `cpu avx512 winograd`: for people to read.
    pub kernels: String,
    /// The processor's instruction set, as `--isa` names it; null on a GPU, and where the record is older than this entry
    /// ([`RunRecord::isa`] then reads it off the description).
    #[serde(default)]
    pub isa: Option<String>,
    /// Worker threads; no number depends on them.
    pub threads: usize,
    /// The machine.
    pub machine: Machine,
}

impl RunRecord {
    /// The setting of the run: what is read from it holds for that.
    pub fn setting(&self) -> Setting {
        let config = &self.config;
        Setting {
            data_sha256: Some(self.data.sha256.clone()),
            data_name: Some(self.data_name.clone()),
            init_sha256: None,
            net: Some(config.net.clone()),
            shortcut: Some(config.shortcut.clone()),
            batch_size: Some(config.batch_size),
            optimizer: Some(config.optimizer.clone()),
            momentum: Some(config.momentum),
            weight_decay: Some(config.weight_decay),
            engine: Some(config.engine.clone()),
            tuning: Some(config.tuning()),
            input: Some(config.input()),
            iterations: Some(config.iterations),
        }
    }

    /// The instruction set that the run was made with; none where it was not made on a processor. Records that are older
    /// than the entry name it in their description, after the device: `cpu avx512 winograd`.
    pub fn isa(&self) -> Option<&str> {
        let of_description = || self.kernels.strip_prefix("cpu ")?.split_whitespace().next();
        self.isa.as_deref().or_else(of_description)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All steps were made.
    Completed,
    /// The loss (training) or the weights (range test) were no longer finite.
    Diverged,
}

/// Where a run diverged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// The step at which the loss or the weights were first seen not to be finite.
    pub iteration: u64,
    /// The learning rate of that step.
    pub lr: f64,
    /// The last finite training loss.
    pub last_finite_loss: Option<f64>,
}

/// What the moving average of the weights came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaResult {
    /// Accuracy on the validation images.
    pub val_accuracy: Option<f64>,
    /// Mean cross-entropy on them.
    pub val_loss: Option<f64>,
    /// Accuracy on the test set.
    pub test_accuracy: Option<f64>,
    /// Mean cross-entropy on it.
    pub test_loss: Option<f64>,
}

/// `result.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultRecord {
    /// [`FORMAT`].
    pub format: String,
    /// How the run ended.
    pub status: Status,
    /// Where, if it diverged.
    pub divergence: Option<Divergence>,
    /// Steps made.
    pub iterations: u64,
    /// Accuracy on the validation images after the last step.
    pub final_val_accuracy: Option<f64>,
    /// Mean cross-entropy on them.
    pub final_val_loss: Option<f64>,
    /// Accuracy after the last step on training images as they are, without augmentation, in evaluation mode.
    pub final_train_accuracy: Option<f64>,
    /// Mean cross-entropy on them.
    pub final_train_loss: Option<f64>,
    /// Accuracy on the test set, measured once, after the last step.
    pub test_accuracy: Option<f64>,
    /// Mean cross-entropy on the test set.
    pub test_loss: Option<f64>,
    /// The same measurements of the moving average of the weights; left out where none was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<EmaResult>,
    /// Seconds that the run took in all, every resumed part counted.
    pub wall_seconds: f64,
    /// Images a second in the training steps alone, input pipeline included, of this process.
    pub images_per_second: Option<f64>,
    /// Largest resident memory of this process; null where the system does not say.
    pub peak_rss_bytes: Option<u64>,
}

/// Reads `run.json` of the run in `folder`.
///
/// # Errors
/// When it cannot be read or is of another format.
pub fn read_run(folder: &Path) -> Result<RunRecord> {
    read_run_file(&folder.join(RUN_FILE))
}

/// Reads the file `path` as a `run.json`.
///
/// # Errors
/// As [`read_run`].
pub fn read_run_file(path: &Path) -> Result<RunRecord> {
    json::read_versioned(path, format::Kind::Run)
}

/// Reads `result.json` of the run in `folder`; `None` where the run has not finished.
///
/// # Errors
/// When it is there but cannot be read or is of another format.
pub fn read_result(folder: &Path) -> Result<Option<ResultRecord>> {
    let path = folder.join(RESULT_FILE);
    if !path.exists() {
        return Ok(None);
    }
    json::read_versioned(&path, format::Kind::RunResult).map(Some)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A record as a program wrote it before the entries that have a default were made.
    pub(crate) fn old_record() -> Value {
        let source = json!({"path": "x", "sha256": "0".repeat(64)});
        json!({
            "format": "superconv-run/1", "name": "x", "study": "", "arm": "", "tool": "sc-train 0.1.0",
            "git_commit": null,
            "config": {
                "kind": "train", "net": "resnet8", "shortcut": "a", "seed": 1, "batch_size": 64, "iterations": 20,
                "schedule": "constant", "schedule_parameters": {"lr": 0.1}, "optimizer": "sgd", "momentum": 0.9,
                "weight_decay": 1e-4, "bn_momentum": 0.1, "bn_reestimate": 0, "augment": "none", "train_limit": null,
                "val_from_train": 0.1, "val_every": 1, "test_every": 0, "exact_conv": false,
            },
            "data_name": "digits", "classes": 10, "train_images": 90, "val_images": 10, "data": source, "init": source,
            "rates_from": null, "device": "cpu", "kernels": "cpu avx512 winograd", "threads": 2,
            "machine": {"os": "linux", "arch": "x86_64", "cpu": "x", "cores": 2},
        })
    }

    #[test]
    fn the_instruction_set_is_the_recorded_one_or_that_of_an_older_records_description() {
        let old: RunRecord = serde_json::from_value(old_record()).unwrap();
        assert_eq!((old.config.precision.as_str(), old.config.engine.as_str()), ("float32", "fast"));
        assert_eq!((old.isa.as_deref(), old.isa()), (None, Some("avx512")));
        let with = |isa: Option<&str>, kernels: &str| RunRecord {
            isa: isa.map(str::to_owned),
            kernels: kernels.to_owned(),
            ..old.clone()
        };
        assert_eq!(with(Some("avx2"), "cpu of some other wording").isa(), Some("avx2"));
        assert_eq!(with(None, "cuda NVIDIA avx2, convolutions by cuBLAS, float32").isa(), None);
        assert_eq!(with(None, "cpu").isa(), None);
    }
}
