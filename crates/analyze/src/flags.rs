//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use analyze::table::Vary;
use clap::{ArgGroup, Args, Parser, Subcommand};
use cli::arguments::EXIT_CODES;

/// What to make of runs: suggest learning rates, draw reports, choose, compare, verify.
#[derive(Debug, Parser)]
#[command(name = crate::PROGRAM, version, after_help = EXIT_CODES)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Suggest the lowest and the highest learning rate from range tests of one setting
    Suggest(SuggestFlags),
    /// Draw a report of a study, or of a search: a page, its plots and its numbers
    Report(ReportFlags),
    /// Choose the best rate of a grid of training runs, by validation accuracy
    Choose(ChooseFlags),
    /// Show runs side by side; exit 2 if they differ in more than --vary allows
    Compare(CompareFlags),
    /// Show the runs that patterns name side by side; exit 2 if they differ in more than --vary allows
    Table(TableFlags),
    /// Write runs for other tools: TensorBoard, readers of results.csv, and pandas
    Export(ExportFlags),
    /// Check that runs are whole and were made from the files that they name: one line per run, exit 1 if one does not hold
    Verify(VerifyFlags),
    /// Moved to `sc-search start`
    #[command(hide = true)]
    Start(Moved),
    /// Moved to `sc-search next`
    #[command(hide = true)]
    Next(Moved),
    /// Moved to `rule-bench`
    #[command(hide = true)]
    Regret(Moved),
}

/// What follows a command that moved: whatever it is.
#[derive(Debug, Args)]
pub(crate) struct Moved {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("output").args(["out", "json"]).multiple(true).required(true)))]
pub(crate) struct SuggestFlags {
    /// Range tests: folders of sc-rangetest runs, or CSV files from any tool (columns iteration, lr, test_accuracy, test_loss)
    #[arg(required = true, value_name = "RUN|FILE.csv")]
    pub(crate) curves: Vec<PathBuf>,
    /// Write the suggestion to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the suggestion as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Number of classes behind the CSV files, if the accuracy before training does not show it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) classes: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportFlags {
    /// Folders of finished runs (or their result.json): range tests, grid and arms; with --recipe the last run
    #[arg(required_unless_present = "recipe", value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Show the decisions of a search, each with its curves
    #[arg(long, value_name = "FILE", conflicts_with = "suggestion")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder of the report
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Title of the page
    #[arg(long, default_value = "Super-convergence study")]
    pub(crate) title: String,
    /// A suggestion to mark in the range test; without one the range tests are read anew
    #[arg(long, value_name = "FILE")]
    pub(crate) suggestion: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ChooseFlags {
    /// Finished training runs of one setting and length that differ only in rate and seed
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Write the choice to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompareFlags {
    /// Folders of finished runs
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) vary: VaryFlags,
    #[command(flatten)]
    pub(crate) shape: ShapeFlags,
}

#[derive(Debug, Args)]
pub(crate) struct VaryFlags {
    /// What may differ between the runs: keys of run.json, or `any`
    #[arg(long, value_name = "KEY,KEY", value_delimiter = ',', default_value = "lr,seed")]
    vary: Vec<String>,
    /// Show the runs whatever they differ in, as --vary any
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
    /// Folders of runs, or patterns with * and ?
    #[arg(required = true, value_name = "RUN|GLOB")]
    pub(crate) patterns: Vec<String>,
    /// The folder in which the runs were made: their paths of data and weights start there
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) root: PathBuf,
    /// Print JSON, one object per run
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TableFlags {
    /// Folders of runs, or patterns with * and ?
    #[arg(required = true, value_name = "GLOB")]
    pub(crate) patterns: Vec<String>,
    #[command(flatten)]
    pub(crate) vary: VaryFlags,
    #[command(flatten)]
    pub(crate) shape: ShapeFlags,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("formats").args(["tensorboard", "csv", "parquet"]).multiple(true).required(true)))]
pub(crate) struct ExportFlags {
    /// Folders of runs, finished or not, or patterns with * and ?
    #[arg(required = true, value_name = "RUN|GLOB")]
    pub(crate) patterns: Vec<String>,
    /// Write an event file per run below this folder, for `tensorboard --logdir DIR`
    #[arg(long, value_name = "DIR")]
    pub(crate) tensorboard: Option<PathBuf>,
    /// Write a results.csv per run below this folder; `--csv runs` puts it beside the records of the run
    #[arg(long, value_name = "DIR")]
    pub(crate) csv: Option<PathBuf>,
    /// Write all steps of all runs to this Parquet file
    #[arg(long, value_name = "FILE")]
    pub(crate) parquet: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ShapeFlags {
    /// Print JSON, one object per run
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print CSV
    #[arg(long)]
    pub(crate) csv: bool,
}
