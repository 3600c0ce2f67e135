//! `sc-search`: the command line of the streamlined search. Commands to stdout, everything else to stderr.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use artifacts::finished::{self, Run};
use artifacts::{json, recipe};
use clap::Parser as _;
use reading::error::{BadInput, exit_code, hint};
use search::steps::Step;
use search::trial::Weights;
use search::{Next, Search, longest_images, start};

mod flags;

use flags::{Command, Flags, NextFlags, StartFlags};

fn main() -> ExitCode {
    let done = match Flags::parse().command {
        Command::Start(flags) => start_command(&flags),
        Command::Next(flags) => next_command(&flags),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    eprintln!("sc-search: {error:#}");
    if let Some(hint) = hint(&error) {
        eprintln!("  {hint}");
    }
    ExitCode::from(exit_code(&error))
}

fn start_command(flags: &StartFlags) -> Result<()> {
    let runs = finished(std::slice::from_ref(&flags.run))?;
    let recipe = start::recipe(&runs[0], &flags.budget)?;
    Ok(json::write(&flags.out, &recipe)?)
}

/// The runs at `paths`, every one of them finished: to choose among some would be to choose by which were quick.
fn finished(paths: &[PathBuf]) -> Result<Vec<Run>> {
    let (runs, unfinished) = finished::load(paths)?;
    match unfinished.first() {
        None => Ok(runs),
        Some(first) => {
            let message = first.trim_end_matches(": left out");
            Err(BadInput::new(message, "finish the run (--resume), then choose").into())
        }
    }
}

/// Commands to stdout, one a line: program, initial weights, folder, flags. Nothing where the step is over.
fn next_command(flags: &NextFlags) -> Result<()> {
    let step = Step::from_name(&flags.step).ok_or_else(|| BadInput::new("unknown step", "see --help"))?;
    let images_each = flags.like.as_ref().map(|path| anyhow::Ok(longest_images(&recipe::read(path)?))).transpose()?;
    let search = Search {
        step,
        recipe: recipe::read(&flags.recipe)?,
        folder: flags.runs.clone(),
        seeds: flags.seeds.clone(),
        longest: flags.longest,
        images_each: images_each.flatten(),
    };
    match search.what_next()? {
        Next::Run(trials) => {
            for trial in trials {
                let init = flags.init.replace('%', &trial.seed.to_string());
                let folder = trial.folder(&search);
                println!(
                    "{} --init {init} --out {} {} --resume --supersede",
                    trial.program(),
                    folder.display(),
                    trial.flags(&search)
                );
            }
        }
        Next::Probe(probes) => {
            for probe in probes {
                let weights = match &probe.weights {
                    Weights::Initial(seed) => flags.init.replace('%', &seed.to_string()),
                    Weights::File(path) => path.display().to_string(),
                };
                println!("sc-probe --init {weights} --out {} {}", probe.out.display(), probe.flags);
            }
        }
        Next::Decided(decided) => {
            json::write(&flags.out, &*decided)?;
            for decision in &decided.decisions[search.recipe.decisions.len()..] {
                eprintln!("{}: {}. {}", decision.step, decision.chosen, decision.reason);
            }
        }
    }
    Ok(())
}
