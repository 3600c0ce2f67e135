//! `sc-rangetest`: raises the learning rate step by step and records what happens (Smith 2015, arXiv:1506.01186).

use std::process::ExitCode;

use artifacts::run::Kind;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Parser, ValueEnum};
use launch::flags::Flags;
use launch::replay;
use launch::run::{self, Asked, Request};
use launch::stop::{self, Stop};
use learner::schedule::{RangeRamp, Scale as RampScale, Schedule};

/// Large buffers come and go; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "sc-rangetest";

/// Measurements of val_* over the ramp where --val-every does not say.
const MEASUREMENTS: u64 = 100;

/// The two ways to ask for a run.
const USAGE: &str = "sc-rangetest --data FILE --init FILE --scale SCALE --min-lr F --max-lr F --iterations N [OPTIONS]
       sc-rangetest --replay RUN.JSON [OPTIONS]";

/// Learning rate range test: raise the rate from --min-lr to --max-lr while training, and record loss and accuracy
#[derive(Parser)]
#[command(name = PROGRAM, version, allow_negative_numbers = true, override_usage = USAGE)]
struct Arguments {
    /// How the rate rises: step k of N is at the fraction (k-1)/(N-1) of the ramp
    #[arg(long, value_enum, required_unless_present = "replay")]
    scale: Option<Scale>,
    /// Rate of the first step; on a linear scale it may be 0
    #[arg(long, value_name = "F", required_unless_present = "replay")]
    min_lr: Option<f64>,
    /// Rate of the last step; there is no upper limit
    #[arg(long, value_name = "F", required_unless_present = "replay")]
    max_lr: Option<f64>,
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
    let mut command = Arguments::command();
    let given = command.get_matches_mut();
    let outcome = Arguments::from_arg_matches(&given).map_err(|error| error.exit());
    stop::exit_code(PROGRAM, outcome.and_then(|arguments| start(&arguments, &command, &given)))
}

fn start(arguments: &Arguments, command: &Command, given: &ArgMatches) -> Result<u8, Stop> {
    let flags = &arguments.flags;
    if let Some(record) = &flags.replay {
        return replay::repeat(PROGRAM, Kind::RangeTest, record, flags, command, given);
    }
    let schedule = Schedule::Ramp(arguments.ramp()?);
    let (_, _, iterations) = flags.required()?;
    schedule.validate(iterations).map_err(Stop::unusable)?;
    let request = Request {
        program: PROGRAM,
        kind: Kind::RangeTest,
        flags: flags.clone(),
        asked: Asked::Flags { default_measurements: MEASUREMENTS, rates_from: None },
    };
    run::prepare(request)?.launch(&schedule)
}

impl Arguments {
    /// The ramp; the parser of flags does not let one pass without its parameters.
    fn ramp(&self) -> Result<RangeRamp, Stop> {
        let missing = |flag: &str| Stop::unusable(format!("{flag}: expected a value, found none"));
        Ok(RangeRamp {
            scale: match self.scale.ok_or_else(|| missing("--scale"))? {
                Scale::Linear => RampScale::Linear,
                Scale::Log => RampScale::Log,
            },
            min_lr: self.min_lr.ok_or_else(|| missing("--min-lr"))?,
            max_lr: self.max_lr.ok_or_else(|| missing("--max-lr"))?,
        })
    }
}
