//! `sc-probe`: measures at given weights, without training, how noisy the gradient is and how far one step may go.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use artifacts::probe::{FORMAT, Noise, Probe};
use artifacts::{json, number};
use clap::Parser;
use cli::arguments::{FILES, OUTPUT};
use cli::output::Quiet;
use cli::{Failure, arguments, output};
use kernels::device::{self, Device, EngineKind, Options, Precision};
use kernels::engine::{Engine, Update};
use kernels::isa::Isa;
use launch::failure::OrFail;
use launch::flags::headings::{MACHINE, OPTIMIZER, TRAINING, VALIDATION};
use launch::flags::{OptimizerName, value_name};
use launch::input::InputFlags;
use launch::inputs::Inputs;
use launch::tuning::TuningFlags;
use launch::{critical, machine};
use learner::probe;
use learner::samples::{self, Look, Samples};
use learner::spec::OPTIMIZERS;

const PROGRAM: &str = "sc-probe";

/// Heading in `--help` of the flags that say how much is measured.
const MEASUREMENT: &str = "Measurement";

/// Measure the gradient noise scale and the critical learning rate at given weights, without training
#[derive(Parser)]
#[command(name = PROGRAM, version, allow_negative_numbers = true, after_help = arguments::EXIT_CODES)]
struct Arguments {
    /// Data set, made by sc-prep
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    data: PathBuf,
    /// Weights to measure at: initial ones, made by sc-init, or a run's model.safetensors
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    init: PathBuf,
    /// File to write; an existing one is replaced
    #[arg(long, help_heading = FILES, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Batches that the gradient noise is measured over
    #[arg(long, help_heading = MEASUREMENT, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(2..=4096))]
    batches: u64,
    /// Batches of up to 64 images that the critical rate is measured on; the result is their median. The first is
    /// measured at the weights given. If those come from sc-init, each other one is measured at initial weights drawn
    /// anew, else at the weights given
    #[arg(long, help_heading = MEASUREMENT, value_name = "N", default_value_t = critical::BATCHES as u64, value_parser = clap::value_parser!(u64).range(1..=4096))]
    critical_batches: u64,
    /// Images per step
    #[arg(long, help_heading = TRAINING, value_name = "N", default_value_t = 128)]
    batch_size: usize,
    /// Seed of the order of the images
    #[arg(long, help_heading = TRAINING, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Optimizer
    #[arg(long, help_heading = OPTIMIZER, value_enum, default_value_t = OptimizerName::Sgd)]
    optimizer: OptimizerName,
    /// Momentum (Adam's beta1); of a run, where the schedule does not cycle it
    #[arg(long, help_heading = OPTIMIZER, value_name = "F", default_value_t = 0.9)]
    momentum: f64,
    /// Weight decay: added to the gradient as in PyTorch's SGD, decoupled for AdamW
    #[arg(long, help_heading = OPTIMIZER, value_name = "F", default_value_t = 1e-4)]
    weight_decay: f64,
    /// Share of the training images kept for validation (val_*): a fixed, stratified one
    #[arg(long, help_heading = VALIDATION, value_name = "F", default_value_t = 0.1)]
    val_from_train: f64,
    #[command(flatten)]
    input: InputFlags,
    #[command(flatten)]
    tuning: TuningFlags,
    /// Where to run: cpu, cuda or cuda:N [default: cpu]
    #[arg(long, help_heading = MACHINE, value_name = "DEVICE", default_value_t = Device::Cpu, hide_default_value = true)]
    device: Device,
    /// What computes: fast (our kernels), or candle (candle's own operations: slow, to hold the other's results against)
    #[arg(long, help_heading = MACHINE, value_name = "NAME", default_value_t = EngineKind::Fast)]
    engine: EngineKind,
    /// Worker threads; results do not depend on them [default: all processors]
    #[arg(long, help_heading = MACHINE, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Print the result as JSON
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
    #[command(flatten)]
    quiet: Quiet,
}

fn main() -> ExitCode {
    cli::run(PROGRAM, run(&arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.quiet.apply();
    let update = arguments.update()?;
    let inputs = Inputs::read(&arguments.data, &arguments.init, arguments.input)?;
    let mut samples = arguments.samples(&inputs)?;
    let mut engine = arguments.engine(&inputs)?;
    engine.set_state(&inputs.parameters, &inputs.buffers).or_fail()?;
    let batches: Vec<Vec<u32>> =
        (1..=arguments.batches.max(arguments.critical_batches)).map(|k| samples.batch(k).indices.to_vec()).collect();
    let noise = probe::gradient_noise(engine.as_mut(), &batches[..arguments.batches as usize]).or_fail()?;
    let critical =
        critical::measure(&inputs, engine.as_mut(), &batches[..arguments.critical_batches as usize], &update)?;
    let probe = Probe {
        format: FORMAT.to_owned(),
        net: inputs.origin.net.clone(),
        batch_size: arguments.batch_size,
        optimizer: value_name(arguments.optimizer),
        momentum: arguments.momentum,
        weight_decay: arguments.weight_decay,
        engine: arguments.engine.to_string(),
        tuning: arguments.tuning.tuning().text(),
        input: inputs.in_words(),
        seed: arguments.seed,
        data: inputs.data_source,
        init: inputs.init_source,
        loss: noise.loss,
        noise: Noise {
            scale: noise.scale(),
            gradient_squared: noise.gradient_squared,
            variance: noise.variance,
            batch_size: arguments.batch_size,
            batches: arguments.batches as usize,
        },
        critical,
    };
    if let Some(path) = &arguments.out {
        json::write(path, &probe)?;
    }
    if arguments.json {
        output::json(&probe)?;
    } else {
        output::result(sentence(&probe))?;
    }
    Ok(0)
}

impl Arguments {
    fn update(&self) -> Result<Update, Failure> {
        for (flag, value, below) in [
            ("--momentum", self.momentum, 1.0),
            ("--weight-decay", self.weight_decay, f64::INFINITY),
            ("--val-from-train", self.val_from_train, 1.0),
        ] {
            if !(value >= 0.0 && value < below) {
                let message = format!("{flag} {value} is out of range: a number from 0 to below {below} is required");
                return Err(Failure::unusable(message));
            }
        }
        let name = value_name(self.optimizer);
        let known = OPTIMIZERS.iter().find(|(known, _)| *known == name);
        let optimizer = known.map(|(_, optimizer)| *optimizer).expect("every name of the flag is an optimizer's");
        Ok(Update { optimizer, lr: 1.0, momentum: self.momentum, weight_decay: self.weight_decay })
    }

    fn samples(&self, inputs: &Inputs) -> Result<Samples, Failure> {
        let division = samples::divide(&inputs.data.train.labels, inputs.data.classes, self.val_from_train, None);
        let left = division.train.len();
        if self.batch_size == 0 || self.batch_size > left {
            let found = self.batch_size;
            return Err(Failure::unusable(format!(
                "--batch-size {found} is not between 1 and the {left} images to train on"
            )));
        }
        Ok(Samples::new(division.train, self.seed, self.batch_size, Look::PLAIN))
    }

    fn engine(&self, inputs: &Inputs) -> Result<Box<dyn Engine>, Failure> {
        let threads = self.threads.map_or_else(machine::cores, |threads| threads as usize);
        let options = Options {
            engine: self.engine,
            threads,
            isa: Isa::detect(),
            exact_conv: false,
            precision: Precision::Float32,
        };
        let graph = self.tuning.tuning().apply(&inputs.graph).or_fail()?;
        device::open(&self.device, &graph, &inputs.data, self.batch_size, &options).or_fail()
    }
}

fn sentence(probe: &Probe) -> String {
    let noise = probe.noise.scale.map_or_else(
        || "hidden by noise: take more or larger batches".to_owned(),
        |scale| format!("{scale:.0} images"),
    );
    let critical = probe.critical.lr.map_or_else(|| "none found".to_owned(), number::rate);
    format!(
        "gradient noise scale {noise}; critical rate of one {} step {critical}; loss {}",
        probe.optimizer,
        number::loss(probe.loss)
    )
}
