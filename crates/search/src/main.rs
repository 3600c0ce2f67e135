//! `sc-search`: the streamlined search, step by step. Commands to run go to stdout, everything else to stderr.

#![forbid(unsafe_code)]

mod budget;
mod command;
mod cycle;
mod flags;
mod halving;
mod pick;
mod pytorch;
mod search;
mod start;
mod steps;
mod trial;

use std::process::ExitCode;

use artifacts::run::RESULT_FILE;
use artifacts::{finished, json, recipe};
use cli::{Failure, arguments, output};

use command::Words;
use flags::{Flags, NextFlags, StartFlags, Subcommand};
use search::{Next, Search, longest_images};
use steps::Step;

const PROGRAM: &str = "sc-search";

/// A result, or why the program cannot go on.
type Result<T> = std::result::Result<T, Failure>;

fn main() -> ExitCode {
    let flags: Flags = arguments::parse();
    let done = match flags.command {
        Subcommand::Start(flags) => start_command(&flags),
        Subcommand::Next(flags) => next_command(&flags),
    };
    cli::run(PROGRAM, done.map(|()| 0))
}

fn start_command(flags: &StartFlags) -> Result<()> {
    let folder = finished::folder_of(&flags.run);
    let run = finished::read(&folder)?.ok_or_else(|| {
        let message = format!("{}: the run has not finished (no {RESULT_FILE})", folder.display());
        Failure::unusable(message).hint("finish it (--resume), then start the search")
    })?;
    Ok(json::write(&flags.out, &start::recipe(&run, &flags.budget)?)?)
}

/// Commands to stdout, one a line, quoted for a shell; nothing where the step is over.
fn next_command(flags: &NextFlags) -> Result<()> {
    let step = Step::from_name(&flags.step).ok_or_else(|| Failure::unusable("unknown step"))?;
    let images_each = match &flags.like {
        Some(path) => longest_images(&recipe::read(path)?),
        None => None,
    };
    let search = Search {
        step,
        recipe: recipe::read(&flags.recipe)?,
        folder: flags.runs.clone().into(),
        seeds: flags.seeds.clone(),
        longest: flags.longest,
        images_each,
    };
    let commands: Vec<Words> = match search.what_next()? {
        Next::Run(trials) => trials.iter().map(|trial| trial.command(&search, &flags.init)).collect(),
        Next::Probe(probes) => probes.iter().map(|probe| probe.command(&flags.init)).collect(),
        Next::Decided(decided) => {
            json::write(&flags.out, &*decided)?;
            for decision in &decided.decisions[search.recipe.decisions.len()..] {
                output::note(format_args!("{}: {}. {}", decision.step, decision.chosen, decision.reason));
            }
            return Ok(());
        }
    };
    let mut lines = output::Lines::new();
    for command in commands {
        lines.line(command.line()?)?;
    }
    lines.finish()
}
