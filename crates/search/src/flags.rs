//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use search::budget::Given;
use search::steps::Step;

/// The streamlined search: which runs a step needs next, and what it decides.
#[derive(Debug, Parser)]
#[command(name = "sc-search", version, about)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts a search: a recipe with the setting of a short run, no rate yet, and a budget.
    Start(StartFlags),
    /// Says which runs a step of a search needs next, a command a line; where it needs none, decides.
    Next(NextFlags),
}

#[derive(Debug, Args)]
pub(crate) struct StartFlags {
    /// A short run of sc-train that holds images out: the search starts from its setting, and from its speed.
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// What the whole search may take: a time such as 90s, 10m or 1h, or steps of the run's batch size such as 5000it.
    #[arg(long, value_name = "BUDGET")]
    pub(crate) budget: Given,
    /// Where to write the recipe.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NextFlags {
    /// The step.
    #[arg(value_name = "STEP", value_parser = Step::NAMES.map(|(name, _)| name))]
    pub(crate) step: String,
    /// What is decided so far.
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: PathBuf,
    /// Files of initial weights, with % in place of the seed.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) init: String,
    /// Seeds to use, the first first.
    #[arg(long, value_name = "SEED,SEED", value_delimiter = ',', default_value = "1,2")]
    pub(crate) seeds: Vec<u64>,
    /// Folder of the step's runs.
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: PathBuf,
    /// Where to write the recipe with the step's decision.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// length: take the longest training tried, not the shortest that is as good.
    #[arg(long)]
    pub(crate) longest: bool,
    /// random: train each draw on as many images as the longest training behind this recipe.
    #[arg(long, value_name = "FILE")]
    pub(crate) like: Option<PathBuf>,
}
