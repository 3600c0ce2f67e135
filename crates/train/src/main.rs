//! `sc-train`: trains a net under a learning rate schedule.

mod flags;
mod rates;

use std::process::ExitCode;

use artifacts::run::Kind;
use clap::Parser;
use launch::run::{self, Request};
use launch::stop::{self, Stop};

use crate::flags::Arguments;

/// Large buffers come and go; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "sc-train";

/// Measurements of val_* over the run where --val-every does not say.
const MEASUREMENTS: u64 = 20;

fn main() -> ExitCode {
    stop::exit_code(PROGRAM, start(&Arguments::parse()))
}

fn start(arguments: &Arguments) -> Result<u8, Stop> {
    arguments.schedule.check_flags()?;
    let request = Request {
        program: PROGRAM,
        kind: Kind::Train,
        flags: arguments.flags.clone(),
        default_measurements: MEASUREMENTS,
        rates_from: arguments.rates_file().cloned(),
    };
    let prepared = run::prepare(request)?;
    let rates = rates::resolve(arguments, &prepared)?;
    prepared.launch(&arguments.schedule.build(&rates, arguments.flags.iterations)?)
}
