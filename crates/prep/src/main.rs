//! `sc-prep`: prepares a data set, once, for every later stage. Flags, checks, calls.

#![forbid(unsafe_code)]

mod options;
mod report;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::{dataset, sha256};
use cli::{Failure, arguments};
use prep::archive::Tree;
use prep::download::{self, Downloader, Patience, Remote};
use prep::progress::Progress;
use prep::set::Set;
use prep::{Refusal, cifar, class_list, folder, idx};

use options::{Arguments, Format};
use report::{Stages, Summary};

const PROGRAM: &str = "sc-prep";

fn main() -> ExitCode {
    cli::run(PROGRAM, run(&arguments::parse()))
}

/// Input or arguments that cannot be used.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn unusable(refusal: Refusal) -> Failure {
    with_hint(Failure::unusable(&refusal), &refusal)
}

/// The network did not bring it, or the disk did not take it.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn not_fetched(refusal: Refusal) -> Failure {
    with_hint(Failure::failed(&refusal), &refusal)
}

fn with_hint(failure: Failure, refusal: &Refusal) -> Failure {
    let failure = failure.details(refusal.list().to_vec());
    match refusal.advice() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let format = &arguments.format;
    let common = format.common();
    common.quiet.apply();
    let name = common.name().map_err(unusable)?;
    common.check_out(format.source()).map_err(unusable)?;
    let stages = Stages::default();
    let source = match format.source() {
        Some(source) => source.to_owned(),
        None => fetch(format, &stages).map_err(not_fetched)?,
    };
    let mut set = read(format, &source, &stages).map_err(unusable)?;
    if let Some(classes) = &common.only {
        set.keep_classes(classes, &source.display().to_string()).map_err(unusable)?;
    }
    if let Some(most) = format.train_per_class() {
        set.test_on_the_rest(most);
    }
    set.limit_per_class(common.limits());
    let warnings = set.warnings();
    let data = set.finish(&name, &source.display().to_string()).map_err(unusable)?;
    for warning in &warnings {
        stages.warning(warning);
    }
    let summary = Summary::new(&common.out, &data);
    stages.stage("writing", None);
    dataset::write(&common.out, data)?;
    let hash = sha256::of_file(&common.out)?;
    stages.finish();
    summary.print(&hash, common.json)?;
    Ok(0)
}

/// Fetches what is to be read: an archive into the folder of the output, several files into a folder of their own there.
fn fetch(format: &Format, progress: &Stages) -> Result<PathBuf, Refusal> {
    let (published, remotes, own_folder) = match format {
        Format::Cifar10(published) => (published, &download::CIFAR10[..], ""),
        Format::Cifar100(published) => (published, &download::CIFAR100[..], ""),
        Format::Mnist { published, .. } => (published, &download::MNIST[..], "mnist"),
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

/// Names of classes out of a file.
fn class_names(path: &Path) -> Result<Vec<String>, Refusal> {
    let fail = |error| Refusal::unreadable(path, &error);
    let mut content = Vec::new();
    File::open(path).map_err(fail)?.take(class_list::MAX_BYTES).read_to_end(&mut content).map_err(fail)?;
    class_list::parse(&content, &path.display().to_string())
}

fn read(format: &Format, source: &Path, progress: &Stages) -> Result<Set, Refusal> {
    let tree = || Tree::open(source);
    let common = format.common();
    let max_bytes = common.max_bytes();
    match format {
        Format::Cifar10(_) => cifar::read(&cifar::CIFAR10, &tree()?, max_bytes, progress),
        Format::Cifar100(_) => cifar::read(&cifar::CIFAR100, &tree()?, max_bytes, progress),
        Format::Mnist { classes, .. } => {
            let names = classes.as_deref().map(class_names).transpose()?;
            idx::read_mnist(source, names, max_bytes, progress)
        }
        Format::Folder { size, keep, fit, test_share, skip_damaged, orient, .. } => {
            let keep = options::keep(*size, *keep)?;
            let options = folder::Options {
                size: *size,
                keep,
                fit: (*fit).into(),
                test_share: *test_share,
                limits: common.limits(),
                max_bytes,
                skip_damaged: *skip_damaged,
                orient: *orient,
            };
            folder::read(&tree()?, options, progress)
        }
    }
}
