//! The flags that `sc-rangetest` and `sc-train` share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use cli::Failure;
use cli::arguments::{FILES, OUTPUT};
use cli::output::Quiet;
use kernels::device::{Device, EngineKind, Precision};
use kernels::isa::Isa;

use crate::input::InputFlags;
use crate::tuning::TuningFlags;

use self::headings::{BATCH_NORM, MACHINE, OPTIMIZER, RECORDS, TRAINING, VALIDATION};

/// Headings of groups of flags in `--help`.
pub mod headings {
    /// What a step is.
    pub const TRAINING: &str = "Training";
    /// What of the images the net sees.
    pub const IMAGES: &str = "Images";
    /// How weights are updated.
    pub const OPTIMIZER: &str = "Optimizer";
    /// Statistics of batch norm.
    pub const BATCH_NORM: &str = "Batch norm";
    /// What is measured besides training.
    pub const VALIDATION: &str = "Validation";
    /// What is kept of a run.
    pub const RECORDS: &str = "Records";
    /// What computes, and how.
    pub const MACHINE: &str = "Machine";
}

/// What is run on what.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags are")]
pub struct Flags {
    /// Data set, made by sc-prep
    #[arg(long, help_heading = FILES, value_name = "FILE", required_unless_present = "replay")]
    pub data: Option<PathBuf>,
    /// Initial weights, made by sc-init
    #[arg(long, help_heading = FILES, value_name = "FILE", required_unless_present = "replay")]
    pub init: Option<PathBuf>,
    /// Folder of the run [default: runs/ and a name made of the hyperparameters]
    #[arg(long, help_heading = FILES, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue the run in --out: start it if absent, do nothing if finished
    #[arg(long, help_heading = FILES)]
    pub resume: bool,
    /// With --resume: if --out holds a run of another configuration, rename that one and start over
    #[arg(long, help_heading = FILES, requires = "resume")]
    pub supersede: bool,
    /// Recipe made by a search: sets what no flag sets; refused for other data or another net
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Use a recipe, suggestion, choice or probe that was made for another setting
    #[arg(long, help_heading = FILES)]
    pub force: bool,
    /// Repeat, to the bit, the run that this run.json records: its configuration, data, initial weights and instruction
    /// set. If the files are elsewhere now, pass --data and --init [default of --out: the recorded folder's name and
    /// -replay]
    #[arg(long, help_heading = FILES, value_name = "RUN.JSON")]
    pub replay: Option<PathBuf>,
    /// Optimizer steps
    #[arg(long, help_heading = TRAINING, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), required_unless_present_any = ["replay", "recipe"])]
    pub iterations: Option<u64>,
    /// Images per step
    #[arg(long, help_heading = TRAINING, value_name = "N", default_value_t = 128)]
    pub batch_size: usize,
    /// Seed of order and augmentation [default: the seed of the initial weights]
    #[arg(long, help_heading = TRAINING, value_name = "N")]
    pub seed: Option<u64>,
    /// Augmentation of training images
    #[arg(long, help_heading = TRAINING, value_enum, default_value_t = AugmentName::None)]
    pub augment: AugmentName,
    /// Train on at most N images, balanced over the classes
    #[arg(long, help_heading = TRAINING, value_name = "N")]
    pub train_limit: Option<usize>,
    /// Share of each label that is spread evenly over all classes; the loss is reported without
    #[arg(long, help_heading = TRAINING, value_name = "F", default_value_t = 0.0, hide_default_value = true)]
    pub label_smoothing: f64,
    /// Weigh the loss of each class: balanced (rare classes more), or a file with a number a line, in the order of the
    /// classes; the loss is reported without
    #[arg(long, help_heading = TRAINING, value_name = "balanced|FILE")]
    pub class_weights: Option<String>,
    /// Keep a moving average of the weights, F of the old at each step, such as 0.999; it is evaluated beside them and written
    /// to model-ema.safetensors
    #[arg(long, help_heading = TRAINING, value_name = "F", default_value_t = 0.0, hide_default_value = true)]
    pub ema: f64,
    /// What of the images the net sees.
    #[command(flatten)]
    pub input: InputFlags,
    /// Exit with 3 if the run diverges; a divergence is recorded either way
    #[arg(long, help_heading = TRAINING)]
    pub fail_on_divergence: bool,
    /// What of the net is trained.
    #[command(flatten)]
    pub tuning: TuningFlags,
    /// Optimizer
    #[arg(long, help_heading = OPTIMIZER, value_enum, default_value_t = OptimizerName::Sgd)]
    pub optimizer: OptimizerName,
    /// Momentum (Adam's beta1); of a run, where the schedule does not cycle it
    #[arg(long, help_heading = OPTIMIZER, value_name = "F", default_value_t = 0.9)]
    pub momentum: f64,
    /// Weight decay: added to the gradient as in PyTorch's SGD, decoupled for AdamW
    #[arg(long, help_heading = OPTIMIZER, value_name = "F", default_value_t = 1e-4)]
    pub weight_decay: f64,
    /// Weight of the new batch in the running statistics, as in PyTorch (1 minus Caffe's moving_average_fraction)
    #[arg(long, help_heading = BATCH_NORM, value_name = "F", default_value_t = 0.1)]
    pub bn_momentum: f64,
    /// Evaluate with statistics averaged over N fixed training batches, not with the running ones, which lag in short
    /// runs and at rising rates; 0: the running ones
    #[arg(long, help_heading = BATCH_NORM, value_name = "N", default_value_t = 0)]
    pub bn_reestimate: usize,
    /// Share of the training images kept for validation (val_*): a fixed, stratified one
    #[arg(long, help_heading = VALIDATION, value_name = "F", default_value_t = 0.1)]
    pub val_from_train: f64,
    /// Steps between validations; 0: after the last step only [default: 20 validations per training run, 100 per range
    /// test]
    #[arg(long, help_heading = VALIDATION, value_name = "N")]
    pub val_every: Option<u64>,
    /// Steps between looks at the test set (test.jsonl), for looking, never for choosing; 0: none
    #[arg(long, help_heading = VALIDATION, value_name = "N", default_value_t = 0)]
    pub test_every: u64,
    /// Evaluate on the validation images alone at the end, neither on the test set nor on the training images: enough
    /// for choosing
    #[arg(long, alias = "held-out-only", help_heading = VALIDATION)]
    pub validation_only: bool,
    /// Steps between checkpoints, besides those by time; 0: by time alone
    #[arg(long, help_heading = RECORDS, value_name = "N", default_value_t = 0)]
    pub checkpoint_every: u64,
    /// Seconds between checkpoints; 0: none by time
    #[arg(long, help_heading = RECORDS, value_name = "T", default_value_t = 30.0, value_parser = seconds)]
    pub checkpoint_seconds: f64,
    /// Record which images each step saw and how they were augmented (batches.safetensors)
    #[arg(long, help_heading = RECORDS)]
    pub record_batches: bool,
    /// Study that the run belongs to
    #[arg(long, help_heading = RECORDS, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub study: String,
    /// Its part in the study
    #[arg(long, help_heading = RECORDS, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub arm: String,
    /// Where to run: cpu, cuda or cuda:N [default: cpu]
    #[arg(long, help_heading = MACHINE, value_name = "DEVICE")]
    pub device: Option<Device>,
    /// What computes: fast (our kernels), or candle (candle's own operations: slow, to hold the other's results against)
    #[arg(long, help_heading = MACHINE, value_name = "NAME", default_value_t = EngineKind::Fast)]
    pub engine: EngineKind,
    /// Numbers of activations and products: float32 (TF32 off), or on a GPU tf32 or bf16 (mixed precision)
    #[arg(long, help_heading = MACHINE, value_name = "NAME", default_value_t = Precision::Float32)]
    pub precision: Precision,
    /// Worker threads; results do not depend on them [default: all processors]
    #[arg(long, help_heading = MACHINE, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
    /// Instruction set: portable, avx2 or avx512 [default: the recorded one with --resume and --replay, else the best of
    /// this processor]
    #[arg(long, alias = "kernels", help_heading = MACHINE, value_name = "NAME")]
    pub isa: Option<Isa>,
    /// Convolve directly, never by Winograd's algorithm
    #[arg(long, help_heading = MACHINE)]
    pub exact_conv: bool,
    /// Print the result as JSON
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// What stderr is told.
    #[command(flatten)]
    pub quiet: Quiet,
}

impl Flags {
    /// Optimizer steps; 0 where neither a flag nor a recipe says, which every schedule refuses.
    pub fn steps(&self) -> u64 {
        self.iterations.unwrap_or(0)
    }
}

/// Names of the optimizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptimizerName {
    /// Stochastic gradient descent with momentum
    Sgd,
    /// The same with Nesterov's momentum
    Nesterov,
    /// Adagrad
    Adagrad,
    /// Adadelta
    Adadelta,
    /// RMSprop
    Rmsprop,
    /// Adam, weight decay added to the gradient
    Adam,
    /// AdamW, weight decay decoupled
    Adamw,
}

/// Names of the augmentations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AugmentName {
    /// Images as they are
    None,
    /// Mirrored left to right half of the time
    Flip,
    /// Cropped out of the image padded by 4 pixels (with --train-size: out of the image), and mirrored half of the time
    CropFlip,
    /// A part of 8 to 100% of the area, scaled, and mirrored half of the time: torchvision's RandomResizedCrop
    RandomResizedCrop,
}

impl Flags {
    /// The device that was asked for.
    pub fn device(&self) -> Device {
        self.device.unwrap_or(Device::Cpu)
    }

    /// Time between checkpoints; none where they are not made by time.
    pub fn between_checkpoints(&self) -> Option<Duration> {
        (self.checkpoint_seconds > 0.0).then(|| Duration::from_secs_f64(self.checkpoint_seconds))
    }

    /// What a run that is asked for by flags has to say: data, initial weights, number of steps.
    ///
    /// # Errors
    /// When one is missing, which the parser of flags does not let pass.
    pub fn required(&self) -> Result<(&Path, &Path, u64), Failure> {
        let missing = |flag: &str| Failure::unusable(format!("{flag} is required"));
        let data = self.data.as_deref().ok_or_else(|| missing("--data"))?;
        let init = self.init.as_deref().ok_or_else(|| missing("--init"))?;
        Ok((data, init, self.iterations.ok_or_else(|| missing("--iterations"))?))
    }
}

/// A number of seconds that a clock can count.
fn seconds(text: &str) -> Result<f64, String> {
    let found: Option<f64> = text.parse().ok();
    found
        .filter(|seconds| (0.0..=1e9).contains(seconds))
        .ok_or_else(|| "a number of seconds from 0 to 1e9 is required".to_owned())
}

/// The flag that sets a value of a run's configuration, or a parameter of its schedule, such as `--max-lr` for `max_lr`.
pub fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// The name of a flag's value as the record keeps it.
pub fn value_name(value: impl ValueEnum + Copy) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
