//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use analyze::table::Vary;
use clap::{ArgGroup, Args, Parser, Subcommand};
use cli::arguments::EXIT_CODES;
use reading::curve::Given;

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
    /// Hold the claims of an experiment's file against its runs: a table, a verdict each, and a page of all experiments
    Claims(ClaimsFlags),
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
pub(crate) struct SuggestFlags {
    /// Range tests: folders of sc-rangetest runs, or files of any tool (CSV or JSON, with learning rate and loss)
    #[arg(required = true, value_name = "RUN|FILE")]
    pub(crate) curves: Vec<PathBuf>,
    /// Write the suggestion to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the suggestion as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) given: GivenFlags,
}

/// What a curve holds for, where its file does not say. A first line such as `# superconv: critical_lr=0.5 optimizer=sgd` says
/// the same.
#[derive(Debug, Args)]
pub(crate) struct GivenFlags {
    /// Number of classes, if the accuracy before training does not show it
    #[arg(long, help_heading = SETTING, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    classes: Option<u32>,
    /// Critical rate of the first step, as sc-probe and integrations/superconv_lr.py measure it: with it the judged rule answers
    #[arg(long, help_heading = SETTING, value_name = "F", value_parser = positive)]
    critical_lr: Option<f64>,
    /// Gradient noise scale, in images
    #[arg(long, help_heading = SETTING, value_name = "F", value_parser = not_negative)]
    noise_scale: Option<f64>,
    /// The optimizer: sgd, nesterov, adagrad, adadelta, rmsprop, adam, adamw, or another
    #[arg(long, help_heading = SETTING, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    optimizer: Option<String>,
    /// Its momentum; of Adam the first beta
    #[arg(long, help_heading = SETTING, value_name = "F", value_parser = below_one)]
    momentum: Option<f64>,
    /// Its weight decay
    #[arg(long, help_heading = SETTING, value_name = "F", value_parser = not_negative)]
    weight_decay: Option<f64>,
    /// Images per step
    #[arg(long, help_heading = SETTING, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch_size: Option<u64>,
    /// Steps of the training that the rates are for
    #[arg(long, help_heading = SETTING, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    for_iterations: Option<u64>,
}

const SETTING: &str = "What the curves hold for, where they do not say";

impl GivenFlags {
    /// What was given.
    pub(crate) fn given(&self) -> Given {
        Given {
            classes: self.classes.map(|classes| classes as usize),
            critical_lr: self.critical_lr,
            noise_scale: self.noise_scale,
            optimizer: self.optimizer.as_ref().map(|name| name.to_lowercase()),
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            batch_size: self.batch_size.map(|size| size as usize),
            for_iterations: self.for_iterations,
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |number| number > 0.0, "above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |number| number >= 0.0, "of 0 or more")
}

fn below_one(text: &str) -> Result<f64, String> {
    number(text, |number| (0.0..1.0).contains(&number), "of 0 or more, and below 1")
}

fn number(text: &str, is_right: fn(f64) -> bool, which: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && is_right(*number));
    number.ok_or_else(|| format!("expected a number {which}"))
}

#[derive(Debug, Args)]
pub(crate) struct ClaimsFlags {
    /// Folders of finished runs (or their result.json): the arms of the experiment, range tests among them; none to write the
    /// page anew from what was found before
    #[arg(value_name = "RUN", requires = "of")]
    pub(crate) runs: Vec<PathBuf>,
    /// The experiment's file: its head states question, cost and claims
    #[arg(long, value_name = "FILE", requires_all = ["runs", "scale"], required_unless_present = "all")]
    pub(crate) of: Option<PathBuf>,
    /// The size at which it was asked
    #[arg(long, value_name = "NAME", value_parser = ["small", "full"])]
    pub(crate) scale: Option<String>,
    /// Points of accuracy that are too few to matter
    #[arg(long, value_name = "F", default_value_t = 0.5, value_parser = above_zero)]
    pub(crate) margin: f64,
    /// Files of all experiments that the page lists, those that were not run included [default: the one of --of]
    #[arg(long, value_name = "GLOB")]
    pub(crate) all: Option<String>,
    /// Title of the page
    #[arg(long, default_value = "Claims and what became of them")]
    pub(crate) title: String,
    /// The page, FILE.md; what each experiment found is kept beside it, in the folder FILE
    #[arg(long, value_name = "FILE.md")]
    pub(crate) out: PathBuf,
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
    /// Points of accuracy that are too few to matter: arms tie where their difference surely lies within
    #[arg(long, value_name = "F", default_value_t = 0.5, value_parser = above_zero)]
    pub(crate) margin: f64,
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

fn above_zero(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok(number) } else { Err("it must be above 0".into()) }
}
