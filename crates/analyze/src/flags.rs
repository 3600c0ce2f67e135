//! The command line.

use std::path::PathBuf;

use analyze::table::Vary;
use clap::{Args, Parser, Subcommand};

/// Reads the records of runs: suggests learning rates, draws reports, compares.
#[derive(Debug, Parser)]
#[command(name = "sc-analyze", version, about)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reads range tests of one setting and suggests the lowest and the highest learning rate.
    Suggest(SuggestFlags),
    /// Draws a report of a study: a page, its plots and its numbers.
    Report(ReportFlags),
    /// Chooses the best rate of a grid of training runs, on held-out images.
    Choose(ChooseFlags),
    /// Shows runs side by side, and refuses those that differ in more than was asked to vary.
    Compare(CompareFlags),
    /// Shows the runs that patterns name side by side, and refuses those that differ in more than was asked to vary.
    Table(TableFlags),
    /// Checks that runs are whole and were made from the files that they name: a line a run, exit 1 where one does not hold.
    Verify(VerifyFlags),
}

#[derive(Debug, Args)]
pub(crate) struct SuggestFlags {
    /// Range tests: folders of sc-rangetest runs, or CSV files from any tool (columns iteration, lr, test_accuracy, test_loss).
    #[arg(required = true, value_name = "RUN|FILE.csv")]
    pub(crate) curves: Vec<PathBuf>,
    /// Where to write the suggestion.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the suggestion as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Number of classes behind the CSV files, where accuracy before training does not show it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) classes: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportFlags {
    /// Folders of finished runs (or their result.json): range tests, grid and arms; with --recipe the last run.
    #[arg(required_unless_present = "recipe", value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Show the decisions of a search, each with its curves.
    #[arg(long, value_name = "FILE", conflicts_with = "suggestion")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder of the report.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Title of the page.
    #[arg(long, default_value = "Super-convergence study")]
    pub(crate) title: String,
    /// A suggestion to mark in the range test; without one the range tests are read anew.
    #[arg(long, value_name = "FILE")]
    pub(crate) suggestion: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ChooseFlags {
    /// Finished training runs of one setting and length, that differ in rate and seed alone.
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Where to write the choice.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompareFlags {
    /// Folders of finished runs.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) vary: VaryFlags,
    #[command(flatten)]
    pub(crate) shape: ShapeFlags,
}

#[derive(Debug, Args)]
pub(crate) struct VaryFlags {
    /// What may differ between the runs, by the keys of run.json; `any`: anything.
    #[arg(long, value_name = "KEY,KEY", value_delimiter = ',', default_value = "lr,seed")]
    vary: Vec<String>,
    /// Show the runs whatever they differ in, as --vary any.
    #[arg(long, conflicts_with = "vary")]
    force: bool,
}

impl VaryFlags {
    /// What may differ.
    pub(crate) fn vary(&self) -> Vary {
        if self.force { Vary::Any } else { Vary::of(self.vary.iter().map(String::as_str)) }
    }
}

#[derive(Debug, Args)]
pub(crate) struct VerifyFlags {
    /// Folders of runs; a pattern may hold * and ?.
    #[arg(required = true, value_name = "RUN|GLOB")]
    pub(crate) patterns: Vec<String>,
    /// The folder that the runs' data and weights lie in relation to: that in which they were made.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) root: PathBuf,
    /// Print JSON, an object a run.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TableFlags {
    /// Folders of runs; a pattern may hold * and ?.
    #[arg(required = true, value_name = "GLOB")]
    pub(crate) patterns: Vec<String>,
    #[command(flatten)]
    pub(crate) vary: VaryFlags,
    #[command(flatten)]
    pub(crate) shape: ShapeFlags,
}

#[derive(Debug, Args)]
pub(crate) struct ShapeFlags {
    /// Print JSON, an object a run.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print CSV.
    #[arg(long)]
    pub(crate) csv: bool,
}
