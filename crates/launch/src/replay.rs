//! A run repeated from its record: the same configuration, data, initial weights and kernels, and then the same bits.

use std::fs;
use std::path::{Path, PathBuf};

use artifacts::metrics;
use artifacts::run::{self, Kind, RunRecord, Source};
use artifacts::{Action, ArtifactError};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use cli::{Failure, output};
use kernels::device::Device;
use kernels::isa::Isa;

use crate::flags::Flags;
use crate::machine;
use crate::run::{Asked, Prepared, Request, isa_of, prepare, tool};

/// Flags that a repeated run may be given, by their ids: where it reads and writes, and what no number depends on; all
/// else comes from the record. `isa` and `device` change the rounding, which is then said.
const ALLOWED: [&str; 15] = [
    "replay",
    "data",
    "init",
    "out",
    "resume",
    "supersede",
    "checkpoint_every",
    "checkpoint_seconds",
    "record_batches",
    "device",
    "threads",
    "isa",
    "fail_on_divergence",
    "quiet",
    "json",
];

/// What two runs of the same record have in common, byte by byte.
const SAME: [&str; 4] = [metrics::FILE, metrics::TEST_FILE, run::MODEL_FILE, run::EMA_MODEL_FILE];

/// Repeats the run that `path` (a `run.json`, or its folder) records, and compares the outcome with that run's, if it is
/// there. `command` and `given` are what the flags were parsed by.
///
/// # Errors
/// When the record, a file that it names, or a flag beside `--replay` cannot be used; or when the outcome is not the
/// same.
pub fn repeat(
    program: &'static str,
    kind: Kind,
    path: &Path,
    flags: &Flags,
    command: &Command,
    given: &ArgMatches,
) -> Result<u8, Failure> {
    refuse_other_flags(command, given)?;
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let file = if path.is_dir() { path.join(run::RUN_FILE) } else { path.to_owned() };
    let record = run::read_run_file(&file)
        .map_err(|error| Failure::from(error).hint("pass the run.json of the run, or its folder"))?;
    check_program(&file, kind, &record)?;
    let out = flags.out.clone().unwrap_or_else(|| beside(folder));
    let mut flags = Flags { out: Some(out.clone()), ..flags.clone() };
    if isa_of(&record).is_some() {
        flags.isa = Some(isa(&file, &record, flags.isa)?);
    }
    flags.device = Some(flags.device.map_or_else(|| device(&file, &record), Ok)?);
    for warning in warnings(program, &record, &flags) {
        output::warning(program, warning);
    }
    let (json, config) = (flags.json, record.config.clone());
    let request = Request { program, kind, flags, asked: Asked::Record(Box::new(record.clone())) };
    check_there(&file, &request)?;
    let prepared = prepare(request)?;
    check_files(&file, &record, &prepared)?;
    let code = prepared.execute(config)?;
    if run::read_result(&out)?.is_some() {
        let outcome = compare(folder, &out)?;
        if json { output::note(outcome) } else { output::result(outcome)? }
    }
    Ok(code)
}

/// Refuses flags that the record decides: they would be ignored in silence.
fn refuse_other_flags(command: &Command, given: &ArgMatches) -> Result<(), Failure> {
    let known: Vec<&str> = given.ids().map(clap::Id::as_str).collect();
    let arguments = command.get_arguments().filter(|argument| known.contains(&argument.get_id().as_str()));
    for argument in arguments {
        let id = argument.get_id().as_str();
        if given.value_source(id) == Some(ValueSource::CommandLine) && !ALLOWED.contains(&id) {
            let flag = argument.get_long().unwrap_or(id);
            let message = format!("--{flag} does not apply to --replay");
            return Err(Failure::unusable(message).hint("the record sets it; for another run, leave --replay out"));
        }
    }
    Ok(())
}

fn check_program(file: &Path, kind: Kind, record: &RunRecord) -> Result<(), Failure> {
    if record.config.kind == kind {
        return Ok(());
    }
    let (recorded, other) = match kind {
        Kind::Train => ("a range test, not of a training run", "sc-rangetest"),
        Kind::RangeTest => ("a training run, not of a range test", "sc-train"),
    };
    let message = format!("{} is the record of {recorded}", file.display());
    Err(Failure::unusable(message).hint(format!("run: {other} --replay {}", file.display())))
}

/// The folder that a repeated run goes to by default.
fn beside(folder: &Path) -> PathBuf {
    // `.` and `runs/x/..` have no name of their own.
    let named = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = named.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{name}-replay");
    if folder.file_name().is_some() { folder.with_file_name(name) } else { named.with_file_name(name) }
}

/// The recorded instruction set, unless a flag names another.
fn isa(file: &Path, record: &RunRecord, flag: Option<Isa>) -> Result<Isa, Failure> {
    let wanted = flag.or_else(|| isa_of(record)).unwrap_or_else(Isa::detect);
    if wanted.is_supported() {
        return Ok(wanted);
    }
    let message = format!("{}: the run used {wanted}, which this processor does not have", file.display());
    Err(Failure::unusable(message).hint(format!("--isa {} repeats it, with other rounding", Isa::detect())))
}

/// The recorded device.
fn device(file: &Path, record: &RunRecord) -> Result<Device, Failure> {
    let unknown = |error| Failure::unusable(format!("{}: device {:?}: {error}", file.display(), record.device));
    record.device.parse().map_err(|error: String| unknown(error).hint("pass --device to run on another"))
}

/// What may keep the bits from being the same.
fn warnings(program: &str, record: &RunRecord, flags: &Flags) -> Vec<String> {
    let mut all = Vec::new();
    let mut differs = |what: &str, recorded: &str, here: &str| {
        if recorded != here {
            all.push(format!("recorded with {what} {recorded}, repeated with {here}: numbers may differ"));
        }
    };
    differs("version", &record.tool, &tool(program));
    if let (Some(recorded), Some(here)) = (&record.git_commit, machine::commit()) {
        differs("commit", recorded, &here);
    }
    if let Some(recorded) = &record.build {
        differs("build", recorded, &machine::build());
    }
    differs("device", &record.device, &flags.device().to_string());
    if let (Some(recorded), Some(here)) = (isa_of(record), flags.isa) {
        differs("instruction set", recorded.name(), here.name());
    }
    all
}

/// Refuses data and initial weights that do not lie where the record, or a flag, says.
fn check_there(file: &Path, request: &Request) -> Result<(), Failure> {
    let (data, init) = request.files()?;
    for (what, flag, path) in [("data", "--data", data), ("initial weights", "--init", init)] {
        if !path.exists() {
            let message = format!("{} does not exist, but {} was made from it", path.display(), file.display());
            return Err(Failure::unusable(message).hint(format!("say where the {what} is now: {flag} FILE")));
        }
    }
    Ok(())
}

/// Refuses data and initial weights that are not the recorded ones.
fn check_files(file: &Path, record: &RunRecord, prepared: &Prepared) -> Result<(), Failure> {
    let (data, init) = prepared.sources();
    let files = [("data", "--data", &record.data, data), ("initial weights", "--init", &record.init, init)];
    for (what, flag, recorded, found) in files {
        if recorded.sha256 != found.sha256 {
            let Source { path, sha256 } = found;
            let (record, wanted) = (file.display(), &recorded.sha256);
            let message =
                format!("{path} is not the {what} that {record} was made from: its SHA-256 is {sha256}, not {wanted}");
            return Err(Failure::unusable(message).hint(format!("name the file that was used: {flag} FILE")));
        }
    }
    Ok(())
}

/// Compares what a repeated run left with what the run itself left.
///
/// # Errors
/// When there is a difference, or a file cannot be read.
fn compare(original: &Path, repeated: &Path) -> Result<String, Failure> {
    if run::read_result(original)?.is_none() {
        return Ok(format!("{} is not finished, so there is nothing to compare with", original.display()));
    }
    let mut same = Vec::new();
    for name in SAME {
        let (one, other) = (original.join(name), repeated.join(name));
        if !one.exists() && !other.exists() {
            continue;
        }
        if let Some(at) = first_difference(&read(&one)?, &read(&other)?) {
            let message = format!("{} differs from {} {at}", other.display(), one.display());
            let hint = if output::is_quiet() {
                "rerun without --quiet: a warning may say why"
            } else {
                "a warning above may say why"
            };
            return Err(Failure::failed(message).hint(hint));
        }
        same.push(name);
    }
    Ok(format!("the same bits as {}: {}", original.display(), same.join(", ")))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(fs::read(path).map_err(|source| ArtifactError::io(path, Action::Read, source))?)
}

/// Where two files differ first; by line, as records go.
fn first_difference(one: &[u8], other: &[u8]) -> Option<String> {
    if one == other {
        return None;
    }
    let byte = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let line = one[..byte].split(|byte| *byte == b'\n').count();
    let is_text = |bytes: &[u8]| bytes.first() == Some(&b'{');
    Some(if is_text(one) && is_text(other) { format!("from line {line}") } else { format!("from byte {byte}") })
}
