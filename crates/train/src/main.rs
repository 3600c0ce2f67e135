//! `sc-train`: trains a net under a learning rate schedule.

#![forbid(unsafe_code)]

mod flags;
mod rates;

use std::process::ExitCode;

use artifacts::run::Kind;
use clap::{ArgMatches, Command};
use cli::{Failure, arguments};
use launch::run::{self, Asked, Request};
use launch::{recipe, replay};

use crate::flags::Arguments;

/// Large buffers come and go; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "sc-train";

/// Measurements of val_* over the run where --val-every does not say.
const MEASUREMENTS: u64 = 20;

fn main() -> ExitCode {
    let (arguments, command, given) = arguments::parse_with_matches();
    cli::run(PROGRAM, start(arguments, &command, &given))
}

fn start(mut arguments: Arguments, command: &Command, given: &ArgMatches) -> Result<u8, Failure> {
    arguments.flags.quiet.apply();
    if let Some(record) = &arguments.flags.replay {
        return replay::repeat(PROGRAM, Kind::Train, record, &arguments.flags, command, given);
    }
    let recipe = recipe::apply(&mut arguments.flags, given)?;
    if let Some(applied) = &recipe {
        let constant_momentum = recipe::given(given, "momentum");
        arguments.schedule.take_from(&applied.recipe.training, arguments.flags.steps(), constant_momentum);
    }
    arguments.schedule.check_flags(given)?;
    let rates_file = rates::read(&arguments)?;
    let rates_from = rates_file.as_ref().map(|file| &file.source).or(recipe.as_ref().map(|applied| &applied.source));
    let flags = &arguments.flags;
    let (_, _, iterations) = flags.required()?;
    let request = Request {
        program: PROGRAM,
        kind: Kind::Train,
        flags: flags.clone(),
        asked: Asked::Flags { default_measurements: MEASUREMENTS, rates_from: rates_from.cloned(), recipe },
    };
    let prepared = run::prepare(request)?;
    let rates = rates::resolve(&arguments, rates_file, &prepared)?;
    prepared.launch(&arguments.schedule.build(&rates, iterations)?)
}
