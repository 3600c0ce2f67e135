//! `sc-prep`: prepares a data set, once, for every later stage. Flags, checks, calls.

mod options;
mod report;

use std::process::ExitCode;

use artifacts::{ArtifactError, dataset, sha256};
use clap::Parser;
use prep::archive::Tree;
use prep::progress::Progress;
use prep::set::Set;
use prep::{Refusal, cifar, folder, idx};

use options::{Cli, Common, Format};
use report::{Bar, Summary};

/// Why no data set was made.
enum Failure {
    /// The input or the arguments are unusable: exit code 2.
    Refused(Refusal),
    /// This machine could not do it: exit code 1.
    Failed(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ArtifactError> for Failure {
    fn from(error: ArtifactError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(refusal)) => {
            eprintln!("sc-prep: {refusal}");
            if let Some(advice) = refusal.advice() {
                eprintln!("  hint: {advice}");
            }
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("sc-prep: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let common = cli.format.common();
    let name = common.name()?;
    common.check_out()?;
    let bar = Bar::new(common.quiet);
    let mut set = read(&cli.format, common, &bar)?;
    if let Some(limit) = common.limit_per_class {
        set.limit_per_class(limit);
    }
    let data = set.finish(&name, &common.source.display().to_string())?;
    let summary = Summary::new(&common.out, &data);
    bar.stage("writing", None);
    dataset::write(&common.out, data)?;
    let hash = sha256::of_file(&common.out)?;
    bar.clear();
    summary.print(&hash, common.json);
    Ok(())
}

fn read(format: &Format, common: &Common, progress: &Bar) -> Result<Set, Refusal> {
    let tree = || Tree::open(&common.source);
    let max_bytes = common.max_bytes();
    match format {
        Format::Cifar10(_) => cifar::read(&cifar::CIFAR10, &tree()?, max_bytes, progress),
        Format::Cifar100(_) => cifar::read(&cifar::CIFAR100, &tree()?, max_bytes, progress),
        Format::Mnist(_) => idx::read_mnist(&common.source, max_bytes),
        Format::Folder { size, test_share, .. } => {
            let limit_per_class = common.limit_per_class;
            let options = folder::Options { size: *size, test_share: *test_share, limit_per_class, max_bytes };
            let outcome = folder::read(&tree()?, options, progress)?;
            if let Some((count, first)) = outcome.skipped {
                progress.warn(&format!("{first}: not named .jpg, .jpeg or .png: left aside ({count} such files)"));
            }
            Ok(outcome.set)
        }
    }
}
