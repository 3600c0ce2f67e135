//! The flags that `sc-rangetest` and `sc-train` share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use cli::Failure;
use cli::output::Quiet;
use kernels::device::Precision;
use kernels::isa::Isa;

/// What is run on what.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags are")]
pub struct Flags {
    /// Data set, made by sc-prep
    #[arg(long, value_name = "FILE", required_unless_present = "replay")]
    pub data: Option<PathBuf>,
    /// Initial weights, made by sc-init
    #[arg(long, value_name = "FILE", required_unless_present = "replay")]
    pub init: Option<PathBuf>,
    /// Repeat, to the bit, the run that this run.json records: its whole configuration, its data and initial weights
    /// (where those lie elsewhere now: --data, --init), its kernels [--out: the recorded folder's name and -replay]
    #[arg(long, value_name = "RUN.JSON")]
    pub replay: Option<PathBuf>,
    /// Folder of the run [default: runs/ and a name made of the hyper-parameters]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the run in --out: start it if absent, finish it if begun, do nothing if finished
    #[arg(long)]
    pub resume: bool,
    /// With --resume: where --out holds a run of another configuration, rename that one and start anew
    #[arg(long, requires = "resume")]
    pub supersede: bool,
    /// Take what no flag says from a recipe that sc-analyze made; exit 2 where it holds for other data or another net
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Use a recipe or a suggestion that was made for something else
    #[arg(long)]
    pub force: bool,
    /// Optimizer steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), required_unless_present_any = ["replay", "recipe"])]
    pub iterations: Option<u64>,
    /// Images a step
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub batch_size: usize,
    /// Seed of order and augmentation [default: the seed of the initial weights]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Optimizer
    #[arg(long, value_enum, default_value_t = OptimizerName::Sgd)]
    pub optimizer: OptimizerName,
    /// Momentum (Adam's beta1) where the schedule does not cycle it
    #[arg(long, value_name = "F", default_value_t = 0.9)]
    pub momentum: f64,
    /// Weight decay: added to the gradient as in PyTorch's SGD, decoupled for AdamW
    #[arg(long, value_name = "F", default_value_t = 1e-4)]
    pub weight_decay: f64,
    /// Batch norm's momentum as PyTorch means it, the weight of the new batch (Caffe's moving_average_fraction is 1
    /// minus it)
    #[arg(long, value_name = "F", default_value_t = 0.1)]
    pub bn_momentum: f64,
    /// Evaluate with batch norm statistics averaged over N fixed training batches in place of the running ones, which
    /// lag in short runs and at rising rates; 0: the running ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub bn_reestimate: usize,
    /// Augmentation of training images
    #[arg(long, value_enum, default_value_t = AugmentName::None)]
    pub augment: AugmentName,
    /// Train on at most N images, the classes balanced
    #[arg(long, value_name = "N")]
    pub train_limit: Option<usize>,
    /// Share of the training images held out for val_*: a fixed, stratified one
    #[arg(long, value_name = "F", default_value_t = 0.1)]
    pub val_from_train: f64,
    /// Steps between measurements of val_*; 0: after the last step only
    #[arg(long, value_name = "N")]
    pub val_every: Option<u64>,
    /// Steps between looks at the test set, for looking, never for choosing (test.jsonl); 0: none
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub test_every: u64,
    /// Measure the held-out images alone at the end, neither the test set nor training accuracy: enough for choosing
    #[arg(long)]
    pub held_out_only: bool,
    /// Steps between checkpoints, besides those by time; 0: by time alone
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub checkpoint_every: u64,
    /// Seconds between checkpoints; 0: none by time
    #[arg(long, value_name = "T", default_value_t = 30.0, value_parser = seconds)]
    pub checkpoint_seconds: f64,
    /// Record which images each step saw and how they were augmented (batches.safetensors)
    #[arg(long)]
    pub record_batches: bool,
    /// Where to run: cpu, cuda or cuda:N [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Numbers of activations and products: float32 (TF32 off), or on a GPU tf32 or bf16 (mixed precision)
    #[arg(long, value_name = "NAME", default_value_t = Precision::Float32)]
    pub precision: Precision,
    /// Worker threads; no number depends on them [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
    /// Instruction set of the kernels: portable, avx2 or avx512 [default: the best of this processor; for a run that
    /// goes on or is repeated, the one it was begun with]
    #[arg(long, value_name = "NAME")]
    pub kernels: Option<Isa>,
    /// Convolve directly, never by Winograd's algorithm
    #[arg(long)]
    pub exact_conv: bool,
    /// Study that the run belongs to, for the record
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub study: String,
    /// Its part in the study, for the record
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub arm: String,
    /// Exit with 3 where the run diverges (a divergence is recorded either way)
    #[arg(long)]
    pub fail_on_divergence: bool,
    /// What stderr is told.
    #[command(flatten)]
    pub quiet: Quiet,
    /// Print result.json in place of the summary line
    #[arg(long)]
    pub json: bool,
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
    /// Cropped out of the image padded by 4 pixels, and mirrored half of the time
    CropFlip,
}

impl Flags {
    /// The device that was asked for.
    pub fn device(&self) -> &str {
        self.device.as_deref().unwrap_or("cpu")
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
        let missing = |flag: &str| Failure::unusable(format!("{flag}: expected a value, found none"));
        let data = self.data.as_deref().ok_or_else(|| missing("--data"))?;
        let init = self.init.as_deref().ok_or_else(|| missing("--init"))?;
        Ok((data, init, self.iterations.ok_or_else(|| missing("--iterations"))?))
    }
}

/// A number of seconds that a clock can count.
fn seconds(text: &str) -> Result<f64, String> {
    let found: Option<f64> = text.parse().ok();
    found.filter(|seconds| (0.0..=1e9).contains(seconds)).ok_or_else(|| "expected seconds, from 0 to 1e9".to_owned())
}

/// The flag that sets a value of a run's configuration, or a parameter of its schedule, such as `--max-lr` for `max_lr`.
pub fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// The name of a flag's value as the record keeps it.
pub fn value_name(value: impl ValueEnum + Copy) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
