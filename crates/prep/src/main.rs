//! `sc-prep`: prepares a data set, once, for every later stage. Flags, checks, calls.

mod options;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::{ArtifactError, dataset, sha256};
use clap::Parser;
use prep::archive::Tree;
use prep::download::{self, Downloader, Patience, Remote};
use prep::progress::Progress;
use prep::set::Set;
use prep::{Refusal, cifar, folder, idx};

use options::{Cli, Format};
use report::{Bar, Summary};

/// Why no data set was made.
enum Failure {
    /// The input or the arguments are unusable: exit code 2.
    Refused(Refusal),
    /// The network did not bring it: exit code 1.
    NotFetched(Refusal),
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
        Err(Failure::Refused(refusal)) => explain(&refusal, ExitCode::from(2)),
        Err(Failure::NotFetched(refusal)) => explain(&refusal, ExitCode::FAILURE),
        Err(Failure::Failed(message)) => {
            eprintln!("sc-prep: {message}");
            ExitCode::FAILURE
        }
    }
}

fn explain(refusal: &Refusal, code: ExitCode) -> ExitCode {
    eprintln!("sc-prep: {refusal}");
    if let Some(advice) = refusal.advice() {
        eprintln!("  hint: {advice}");
    }
    code
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let common = cli.format.common();
    let name = common.name()?;
    common.check_out(cli.format.source())?;
    let bar = Bar::new(common.quiet);
    let source = match cli.format.source() {
        Some(source) => source.to_owned(),
        None => fetch(&cli.format, &bar).map_err(Failure::NotFetched)?,
    };
    let mut set = read(&cli.format, &source, &bar)?;
    set.limit_per_class(common.limits());
    let data = set.finish(&name, &source.display().to_string())?;
    let summary = Summary::new(&common.out, &data);
    bar.stage("writing", None);
    dataset::write(&common.out, data)?;
    let hash = sha256::of_file(&common.out)?;
    bar.clear();
    summary.print(&hash, common.json);
    Ok(())
}

/// Fetches what is to be read: an archive into the folder of the output, several files into a folder of their own there.
fn fetch(format: &Format, progress: &Bar) -> Result<PathBuf, Refusal> {
    let (published, remotes, own_folder) = match format {
        Format::Cifar10(published) => (published, &download::CIFAR10[..], ""),
        Format::Cifar100(published) => (published, &download::CIFAR100[..], ""),
        Format::Mnist(published) => (published, &download::MNIST[..], "mnist"),
        Format::Folder { source, .. } => return Ok(source.clone()),
    };
    let folder = published.common.out.parent().unwrap_or(Path::new("")).join(own_folder);
    let downloader = Downloader::new(Patience::default(), true);
    let mut path = folder.clone();
    for remote in remotes {
        let remote = Remote { base: published.url.as_deref().unwrap_or(remote.base), ..*remote };
        path = downloader.fetch(remote, &folder, progress)?;
    }
    Ok(if remotes.len() == 1 { path } else { folder })
}

fn read(format: &Format, source: &Path, progress: &Bar) -> Result<Set, Refusal> {
    let tree = || Tree::open(source);
    let common = format.common();
    let max_bytes = common.max_bytes();
    match format {
        Format::Cifar10(_) => cifar::read(&cifar::CIFAR10, &tree()?, max_bytes, progress),
        Format::Cifar100(_) => cifar::read(&cifar::CIFAR100, &tree()?, max_bytes, progress),
        Format::Mnist(_) => idx::read_mnist(source, max_bytes),
        Format::Folder { size, test_share, .. } => {
            let limits = common.limits();
            let options = folder::Options { size: *size, test_share: *test_share, limits, max_bytes };
            let outcome = folder::read(&tree()?, options, progress)?;
            if let Some((count, first)) = outcome.skipped {
                progress.warn(&format!("{first}: not named .jpg, .jpeg or .png: left aside ({count} such files)"));
            }
            Ok(outcome.set)
        }
    }
}
