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
    #[arg(long, alias = "finding", num_args = 1.., value_name = "SETTING")]
    pub(crate) tuning: Vec<String>,
    /// Settings that judge them
    #[arg(long, required_unless_present_any = ["claims", "by_curve", "anew"], num_args = 1.., value_name = "SETTING")]
    pub(crate) judging: Vec<String>,
    /// Kind of range test whose answers are drawn
    #[arg(long, value_name = "ARM", default_value = "around33")]
    pub(crate) draw: String,
    /// Folder of the tables and figures
    #[arg(long, required_unless_present_any = ["claims", "by_curve", "anew"], value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Measure nothing: print what earlier tables say beyond themselves (hindsight regret with intervals, a table of rates
    /// without measurement, transfer between data sets)
    #[arg(long, conflicts_with_all = ["tuning", "judging", "out", "draw"])]
    pub(crate) claims: bool,
    /// With --claims: tables of other settings, that the constants of the rule's rivals are fitted on; all of DIR judge
    #[arg(long, requires = "claims", value_name = "TABLES")]
    pub(crate) fitted_on: Option<PathBuf>,
    /// Measure the rule that reads a curve alone, without a critical rate, on the range tests SETTING/ARM-... of a folder, by the
    /// ground truth of earlier tables in DIR; adds its answers to them
    #[arg(long, conflicts_with_all = ["tuning", "judging", "out", "draw", "claims"], value_name = "RUNS")]
    pub(crate) by_curve: Option<PathBuf>,
    /// Measure the present rule on the range tests SETTING/around... of a folder, by the ground truth of earlier tables in DIR; adds
    /// its answers to them
    #[arg(long, conflicts_with_all = ["tuning", "judging", "out", "draw", "claims", "by_curve"], value_name = "RUNS")]
    pub(crate) anew: Option<PathBuf>,
    /// Kind of range test that --by-curve reads
    #[arg(long, default_value = "ramp50", value_name = "ARM", requires = "by_curve")]
    pub(crate) arm: String,
}
