//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use cli::arguments::{FILES, OUTPUT};

/// The exit codes, for `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    failed, for example because the terminal cannot be used
  2    arguments or input cannot be used
  130  ended by a signal";

/// Watch runs in a terminal, in progress or finished: curves, where each run is, how long it still takes, and what the rule
/// says of range tests so far. Only reads: it cannot stop or slow a run. Press ? for the keys
#[expect(clippy::struct_excessive_bools, reason = "a command line")]
#[derive(Debug, Parser)]
#[command(name = "sc-watch", version, about, after_help = EXIT_CODES)]
pub(crate) struct Flags {
    /// Runs, or folders with runs below them, such as a whole study
    #[arg(value_name = "RUN", default_value = "runs")]
    pub(crate) paths: Vec<PathBuf>,
    /// Wait for runs that are named and not there yet, instead of refusing them
    #[arg(long, help_heading = FILES)]
    pub(crate) wait: bool,
    /// Also show runs that were moved aside (NAME.superseded-1)
    #[arg(long, help_heading = FILES)]
    pub(crate) superseded: bool,
    /// Print the state once, as plain text, and exit; so it does wherever stdout is no terminal
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) once: bool,
    /// Print once, and above the state the curves of the newest six runs, drawn as text
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) chart: bool,
    /// Seconds between looks at the files
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds, help_heading = OUTPUT)]
    pub(crate) interval: Duration,
    /// Draw with ASCII characters alone; so it does wherever the locale is not UTF-8
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) ascii: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.1..=3600.0).contains(number));
    number.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds from 0.1 to 3600".to_owned())
}
