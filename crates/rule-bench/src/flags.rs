//! The command line.

use std::path::PathBuf;

use clap::Parser;
use cli::arguments::EXIT_CODES;

/// Measure what rules for the highest learning rate cost, in points of accuracy, against a ground truth: see make rule-bench
#[derive(Debug, Parser)]
#[command(name = crate::PROGRAM, version, after_help = EXIT_CODES)]
pub(crate) struct Flags {
    /// Folder with a folder for each setting: runs of arm `truth`, and range tests; with --claims a folder of tables
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Settings that rules may be tuned on
    #[arg(long, alias = "finding", required_unless_present = "claims", num_args = 1.., value_name = "SETTING")]
    pub(crate) tuning: Vec<String>,
    /// Settings that judge them
    #[arg(long, required_unless_present = "claims", num_args = 1.., value_name = "SETTING")]
    pub(crate) judging: Vec<String>,
    /// Kind of range test whose answers are drawn
    #[arg(long, value_name = "ARM", default_value = "around33")]
    pub(crate) draw: String,
    /// Folder of the tables and figures
    #[arg(long, required_unless_present = "claims", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Measure nothing: print what earlier tables say beyond themselves (hindsight regret with intervals, a table of rates
    /// without measurement, transfer between data sets)
    #[arg(long, conflicts_with_all = ["tuning", "judging", "out", "draw"])]
    pub(crate) claims: bool,
}
