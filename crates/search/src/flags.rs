//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser};
use cli::arguments::EXIT_CODES;

use crate::budget::Given;
use crate::steps::Step;

/// The streamlined search: which runs a step needs next, and what it decides.
#[derive(Debug, Parser)]
#[command(name = "sc-search", version, about, after_help = EXIT_CODES)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Start a search: write a recipe with the setting of a short run, no rate yet, and a budget
    Start(StartFlags),
    /// Print the commands that a step of the search needs next, one per line; if it needs none, decide and write the recipe
    ///
    /// Words are quoted for a shell. Add --data, --device and --threads to each command, run them all, and ask again until nothing
    /// is printed; pipelines/search-step does so.
    Next(NextFlags),
}

#[derive(Debug, Args)]
pub(crate) struct StartFlags {
    /// A short run of sc-train --validation-only: the search starts from its setting and its speed
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// What the whole search may take: a time such as 90s, 10m or 1h, or steps of the run's batch size such as 5000it
    #[arg(long, value_name = "BUDGET")]
    pub(crate) budget: Given,
    /// Where to write the recipe
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NextFlags {
    /// The step
    #[arg(value_name = "STEP", value_parser = Step::NAMES.map(|(name, _)| name))]
    pub(crate) step: String,
    /// What is decided so far
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: PathBuf,
    /// Files of initial weights, with % in place of the seed
    #[arg(long, value_name = "PATTERN")]
    pub(crate) init: String,
    /// Seeds to use, in this order
    #[arg(long, value_name = "SEED,SEED", value_delimiter = ',', default_value = "1,2")]
    pub(crate) seeds: Vec<u64>,
    /// Folder of the step's runs
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: String,
    /// Where to write the recipe with the step's decision
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// length: take the longest training tried, not the shortest that is as good
    #[arg(long)]
    pub(crate) longest: bool,
    /// random: train each draw on as many images as the longest training behind this recipe
    #[arg(long, value_name = "FILE")]
    pub(crate) like: Option<PathBuf>,
}
