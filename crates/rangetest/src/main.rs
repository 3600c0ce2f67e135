//! `sc-rangetest`: raises the learning rate step by step and records what happens (Smith 2015, arXiv:1506.01186).

use std::process::ExitCode;

use artifacts::run::Kind;
use clap::{Parser, ValueEnum};
use launch::flags::Flags;
use launch::run::{self, Request};
use launch::stop::{self, Stop};
use learner::schedule::{RangeRamp, Scale as RampScale, Schedule};

/// Large buffers come and go; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "sc-rangetest";

/// Measurements of val_* over the ramp where --val-every does not say.
const MEASUREMENTS: u64 = 100;

/// Learning rate range test: raise the rate from --min-lr to --max-lr while training, and record loss and accuracy
#[derive(Parser)]
#[command(name = PROGRAM, version, allow_negative_numbers = true)]
struct Arguments {
    /// How the rate rises: step k of N is at the fraction (k-1)/(N-1) of the ramp
    #[arg(long, value_enum)]
    scale: Scale,
    /// Rate of the first step; on a linear scale it may be 0
    #[arg(long, value_name = "F")]
    min_lr: f64,
    /// Rate of the last step; there is no upper limit
    #[arg(long, value_name = "F")]
    max_lr: f64,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scale {
    /// By equal steps
    Linear,
    /// By equal factors: shows the low rates where learning starts
    Log,
}

fn main() -> ExitCode {
    stop::exit_code(PROGRAM, start(Arguments::parse()))
}

fn start(arguments: Arguments) -> Result<u8, Stop> {
    let Arguments { scale, min_lr, max_lr, flags } = arguments;
    let scale = match scale {
        Scale::Linear => RampScale::Linear,
        Scale::Log => RampScale::Log,
    };
    let schedule = Schedule::Ramp(RangeRamp { scale, min_lr, max_lr });
    schedule.validate(flags.iterations).map_err(Stop::unusable)?;
    let request = Request {
        program: PROGRAM,
        kind: Kind::RangeTest,
        flags,
        default_measurements: MEASUREMENTS,
        rates_from: None,
    };
    run::prepare(request)?.launch(&schedule)
}
