//! `sc-rangetest`: raises the learning rate step by step and records what happens (Smith 2015, arXiv:1506.01186).

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::probe::{self, Probe};
use artifacts::run::{Kind, Source};
use clap::{ArgMatches, Command, Parser, ValueEnum};
use cli::{Failure, arguments};
use launch::failure::OrFail;
use launch::flags::Flags;
use launch::run::{self, Asked, Prepared, Request};
use launch::{made_for, recipe, replay};
use schedules::{RampScale, RangeRamp, Schedule};

/// Large buffers come and go; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "sc-rangetest";

/// Heading in `--help` of the flags of the ramp.
const RAMP: &str = "Ramp";

/// Validations over the ramp, unless --val-every says otherwise.
const MEASUREMENTS: u64 = 100;

/// The ways to ask for a run.
const USAGE: &str = "sc-rangetest --data FILE --init FILE --iterations N [OPTIONS]
       sc-rangetest --data FILE --init FILE --scale SCALE --min-lr F --max-lr F --iterations N [OPTIONS]
       sc-rangetest --data FILE --init FILE --around PROBE --iterations N [OPTIONS]
       sc-rangetest --replay RUN.JSON [OPTIONS]";

/// Learning rate range test: raise the rate step by step while training, and record loss and accuracy
///
/// The critical rate of the first step is measured beforehand, as sc-probe does, and recorded with the ramp: sc-analyze
/// suggest reads it. Without --scale, --min-lr and --max-lr the ramp is put around it: on a log scale, from a 64th of it to
/// 16 times it.
#[derive(Parser)]
#[command(name = PROGRAM, version, allow_negative_numbers = true, override_usage = USAGE)]
#[command(after_help = arguments::EXIT_CODES_OF_A_RUN)]
struct Arguments {
    /// How the rate rises: step k of N is at the fraction (k-1)/(N-1) of the ramp
    #[arg(long, help_heading = RAMP, value_enum, requires = "min_lr", requires = "max_lr")]
    scale: Option<Scale>,
    /// Rate of the first step; on a linear scale it may be 0
    #[arg(long, help_heading = RAMP, value_name = "F", requires = "scale")]
    min_lr: Option<f64>,
    /// Rate of the last step; there is no upper limit
    #[arg(long, help_heading = RAMP, value_name = "F", requires = "scale")]
    max_lr: Option<f64>,
    /// Put the ramp around the critical rate that sc-probe measured at these weights, and measure none
    #[arg(long, help_heading = RAMP, value_name = "PROBE", conflicts_with_all = ["scale", "min_lr", "max_lr"])]
    around: Option<PathBuf>,
    /// Measure no critical rate: the ramp runs between --min-lr and --max-lr, and its curve alone is read
    #[arg(long, help_heading = RAMP, requires = "scale")]
    no_probe: bool,
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

impl From<Scale> for RampScale {
    fn from(scale: Scale) -> Self {
        match scale {
            Scale::Linear => Self::Linear,
            Scale::Log => Self::Log,
        }
    }
}

fn main() -> ExitCode {
    let (arguments, command, given) = arguments::parse_with_matches();
    cli::run(PROGRAM, start(arguments, &command, &given))
}

fn start(mut arguments: Arguments, command: &Command, given: &ArgMatches) -> Result<u8, Failure> {
    arguments.flags.quiet.apply();
    if let Some(record) = &arguments.flags.replay {
        return replay::repeat(PROGRAM, Kind::RangeTest, record, &arguments.flags, command, given);
    }
    let recipe = recipe::apply(&mut arguments.flags, given)?;
    let flags = &arguments.flags;
    let around = arguments.around.as_deref().map(read_probe).transpose()?;
    let rates_from = around.as_ref().map(|(_, source)| source.clone());
    let request = Request {
        program: PROGRAM,
        kind: Kind::RangeTest,
        flags: flags.clone(),
        asked: Asked::Flags { default_measurements: MEASUREMENTS, rates_from, recipe },
    };
    let asked = arguments.ramp();
    if let Some(ramp) = &asked {
        let (_, _, iterations) = flags.required()?;
        Schedule::Ramp(ramp.clone()).validate(iterations).or_fail()?;
    }
    let prepared = run::prepare(request)?;
    let ramp = match &around {
        Some((probe, source)) => RangeRamp::around(critical_rate(Path::new(&source.path), probe, &prepared)?),
        None if arguments.no_probe => asked.ok_or_else(|| Failure::unusable("--no-probe needs --scale"))?,
        None => with_critical_rate(asked, &prepared)?,
    };
    prepared.launch(&Schedule::Ramp(ramp))
}

/// The ramp that was asked for, or one around the critical rate; with that rate, which is measured here, or was when the
/// same run was started.
fn with_critical_rate(asked: Option<RangeRamp>, prepared: &Prepared) -> Result<RangeRamp, Failure> {
    let alike = |schedule: &Schedule| match (schedule, &asked) {
        (Schedule::Ramp(ramp), None) => ramp.critical_lr.is_some_and(|rate| *ramp == RangeRamp::around(rate)),
        (Schedule::Ramp(ramp), Some(asked)) => *asked == RangeRamp { critical_lr: None, ..ramp.clone() },
        _ => false,
    };
    if let Some(Schedule::Ramp(ramp)) = prepared.recorded(alike) {
        return Ok(ramp);
    }
    let stand_in = asked.clone().unwrap_or_else(|| RangeRamp::around(1.0));
    let critical_lr = prepared.critical_rate(&Schedule::Ramp(stand_in))?.lr;
    match (asked, critical_lr) {
        (Some(ramp), critical_lr) => Ok(RangeRamp { critical_lr, ..ramp }),
        (None, Some(rate)) => Ok(RangeRamp::around(rate)),
        (None, None) => {
            let message = "no critical rate was found to put the ramp around: no rate tried raised the loss";
            Err(Failure::unusable(message).hint(SET_THE_ENDS))
        }
    }
}

const SET_THE_ENDS: &str = "set the ends of the ramp yourself: --scale log --min-lr F --max-lr F";
const MEASURE_AGAIN: &str = "measure it again: sc-probe --data FILE --init FILE ... --out FILE";

/// A probe, with the file that it was read from.
fn read_probe(path: &Path) -> Result<(Probe, Source), Failure> {
    let (probe, sha256) = probe::read_with_hash(path).map_err(|error| made_for::unreadable(error, MEASURE_AGAIN))?;
    Ok((probe, Source::new(path, sha256)))
}

/// The critical rate out of a probe of the same data, weights and setting.
fn critical_rate(path: &Path, probe: &Probe, prepared: &Prepared) -> Result<f64, Failure> {
    made_for::check(path, &probe.made_for(), prepared, MEASURE_AGAIN)?;
    probe.critical.lr.ok_or_else(|| {
        let message = format!("{} has no critical rate: no rate tried raised the loss", path.display());
        Failure::unusable(message).hint(SET_THE_ENDS)
    })
}

impl Arguments {
    /// The ramp between two rates, where flags give one; the parser of flags lets none pass without all three of them.
    fn ramp(&self) -> Option<RangeRamp> {
        Some(RangeRamp::new(self.scale?.into(), self.min_lr?, self.max_lr?))
    }
}
