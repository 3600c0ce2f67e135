//! The folder of a run: whose it is, and whether the run starts, goes on, or is done.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use artifacts::checkpoint::{self, Checkpoint};
use artifacts::run::{self, Config, RunRecord, Source};
use artifacts::{Action, ArtifactError, atomic, json, metrics, same_file};
use cli::{Failure, output};
use serde_json::Value;

use crate::machine;

/// Name of the file that is locked while a program works in the folder.
const LOCK_FILE: &str = ".lock";

/// What there is to do in a run's folder.
pub enum Task {
    /// Everything.
    Start,
    /// What comes after a checkpoint.
    GoOn {
        /// The checkpoint.
        saved: Box<Checkpoint>,
        /// What ran the numbers so far.
        kernels: String,
    },
    /// Nothing: the run is finished.
    Nothing,
}

/// What may be done with a folder that is there already.
#[derive(Clone, Copy, Debug)]
pub struct Existing {
    /// Go on with the run in it, if it is of the same configuration.
    pub resume: bool,
    /// Move it aside, if it is of another.
    pub supersede: bool,
}

/// A run's folder, held by this process until dropped.
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    lock: File,
}

impl RunFolder {
    /// Takes the folder `path` for the run that `record` describes, and says what there is to do. A new folder is made
    /// and gets its `run.json`.
    ///
    /// # Errors
    /// When the folder is there and may not be used, or is in use.
    pub fn take(path: &Path, record: &RunRecord, existing: Existing) -> Result<(Self, Task), Failure> {
        let recorded = path.join(run::RUN_FILE);
        if path.exists() {
            check_existing(path, existing)?;
        }
        fs::create_dir_all(path).map_err(|source| ArtifactError::io(path, Action::MakeFolder, source))?;
        let folder = Self { path: path.to_owned(), lock: lock(path, &record.tool)? };
        // The folder is ours alone: what is unfinished in it, a killed program left.
        atomic::sweep(path)?;
        if !recorded.exists() {
            json::write(&recorded, record)?;
            return Ok((folder, Task::Start));
        }
        let found = run::read_run(path)?;
        if let Some(difference) = difference(&found, &record.config, &record.data, &record.init) {
            if !existing.supersede {
                return Err(difference.refusal(path));
            }
            move_aside(path, &difference)?;
            drop(folder);
            return Self::take(path, record, existing);
        }
        if path.join(run::RESULT_FILE).exists() {
            return Ok((folder, Task::Nothing));
        }
        let saved = path.join(checkpoint::FILE);
        if saved.exists() {
            let saved = checkpoint::read(&saved).map_err(|error| Failure::from(error).hint(START_OVER))?;
            return Ok((folder, Task::GoOn { saved: Box::new(saved), kernels: found.kernels }));
        }
        // No step of the earlier start is left, so the record tells of this one: its machine, its kernels.
        json::write(&recorded, record)?;
        Ok((folder, Task::Start))
    }

    /// Refuses to go on where the folder is no longer ours: removed, moved, or replaced while the run was in progress.
    ///
    /// # Errors
    /// When that is so.
    pub fn check(&self) -> Result<(), ArtifactError> {
        let fail = |source| ArtifactError::io(&self.path, Action::Write, source);
        if same_file::is_at(&self.lock, &self.path.join(LOCK_FILE)).map_err(fail)? {
            return Ok(());
        }
        Err(fail(io::Error::new(io::ErrorKind::NotFound, "it or its .lock was removed, moved or replaced meanwhile")))
    }

    /// Whether there is an unfinished run in the folder, its records with it.
    pub fn can_go_on(&self) -> bool {
        let has = |name| self.path.join(name).exists();
        self.check().is_ok() && has(metrics::FILE) && !has(run::RESULT_FILE)
    }
}

/// What to do about a run whose own files are damaged.
pub const START_OVER: &str =
    "the files of this run are damaged; start over in another folder (--out DIR), or move this one away";

/// The record of the run in `path`, if it is the run of this configuration: it should go on with the same kernels.
pub fn begun_as(path: &Path, config: &Config, data: &Source, init: &Source) -> Option<RunRecord> {
    let found = run::read_run(path).ok()?;
    difference(&found, config, data, init).is_none().then_some(found)
}

/// Where else a run can go.
const OTHER_FOLDER: &str = "choose another folder with --out DIR";

fn check_existing(path: &Path, existing: Existing) -> Result<(), Failure> {
    let shown = path.display();
    if !path.is_dir() {
        return Err(Failure::unusable(format!("{shown} is a file, not the folder of a run")).hint(OTHER_FOLDER));
    }
    if !existing.resume {
        let message = format!("{shown} already exists; pass --resume to continue it");
        return Err(Failure::unusable(message).hint(format!("or {OTHER_FOLDER}")));
    }
    if !path.join(run::RUN_FILE).exists() && !is_empty(path)? {
        let message = format!("{shown} is not the folder of a run: it has files, but no run.json");
        return Err(Failure::unusable(message).hint(OTHER_FOLDER));
    }
    Ok(())
}

/// Renames a folder to the first free of `NAME.superseded-1`, `-2`, ...: what a run measured is never deleted.
fn move_aside(path: &Path, difference: &Difference) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut names = (1..).map(|number| path.with_file_name(format!("{name}.superseded-{number}")));
    let free = names.find(|candidate| !candidate.exists()).expect("some number is free");
    let (from, to) = (path.display(), free.display());
    output::note(format!("{from} was started with {}; moved it to {to}", difference.in_words()));
    Ok(fs::rename(path, &free).map_err(|source| ArtifactError::io(path, Action::MoveAside, source))?)
}

fn is_empty(path: &Path) -> Result<bool, Failure> {
    let entries = fs::read_dir(path).map_err(|source| ArtifactError::io(path, Action::Read, source))?;
    // A program that was killed before it wrote run.json leaves its lock or an unfinished hidden file.
    Ok(entries.flatten().all(|entry| entry.file_name().to_string_lossy().starts_with('.')))
}

/// Locks a folder until the file is closed, which the system does for a process that is killed: what is left of a dead
/// one's lock holds nobody up.
fn lock(folder: &Path, tool: &str) -> Result<File, Failure> {
    let path = folder.join(LOCK_FILE);
    let fail = |source| Failure::from(ArtifactError::io(&path, Action::Write, source));
    let mut file = File::options().create(true).append(true).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = Some(holder.trim()).filter(|holder| !holder.is_empty()).unwrap_or("another process");
            let message = format!("{} is in use by {holder}", folder.display());
            return Err(Failure::unusable(message).hint(format!("wait for that program to end, or {OTHER_FOLDER}")));
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    let host = machine::host().map_or_else(String::new, |host| format!(" on {host}"));
    file.set_len(0).map_err(fail)?;
    file.write_all(format!("{tool}, process {}{host}\n", std::process::id()).as_bytes()).map_err(fail)?;
    Ok(file)
}

/// In what the run in a folder differs from the one asked for.
#[derive(Debug, PartialEq)]
enum Difference {
    /// A file has other content than the one that the run was started from.
    File {
        /// What the file is to the run, such as `data`.
        what: &'static str,
        /// Where it lies.
        path: String,
        /// SHA-256 of the one that the run was started from.
        recorded: String,
        /// SHA-256 of this one.
        wanted: String,
    },
    /// A key of the configuration has another value.
    Key {
        /// The key, the innermost one of nested values, such as `max_lr`.
        key: String,
        /// As recorded.
        recorded: String,
        /// As asked for.
        wanted: String,
    },
}

impl Difference {
    fn refusal(&self, folder: &Path) -> Failure {
        let start_over = "pass --supersede to move the old run aside and start over";
        match self {
            Self::File { what, path, recorded, wanted } => {
                let folder = folder.display();
                let message = format!(
                    "{path} is not the {what} that {folder} was started with: its SHA-256 is {wanted}, not {recorded}"
                );
                Failure::unusable(message).hint(format!(
                    "it has changed since, or another file was named then; name that one, {OTHER_FOLDER}, or {start_over}"
                ))
            }
            Self::Key { .. } => {
                let record = folder.join(run::RUN_FILE);
                let message = format!("{}: the run was started with {}", record.display(), self.in_words());
                Failure::unusable(message).hint(format!("{start_over}, or {OTHER_FOLDER}"))
            }
        }
    }

    /// What the run was started with.
    fn in_words(&self) -> String {
        match self {
            Self::File { what, .. } => format!("other {what}"),
            Self::Key { key, recorded, wanted } => format!("{key} {recorded}, not {wanted}"),
        }
    }
}

/// The first difference between the run that `found` records and the one asked for; none where it is the same run.
fn difference(found: &RunRecord, config: &Config, data: &Source, init: &Source) -> Option<Difference> {
    // Files first: other weights bring another seed along, which is not what was changed.
    for (what, recorded, wanted) in [("data", &found.data, data), ("initial weights", &found.init, init)] {
        if recorded.sha256 != wanted.sha256 {
            return Some(Difference::File {
                what,
                path: wanted.path.clone(),
                recorded: recorded.sha256.clone(),
                wanted: wanted.sha256.clone(),
            });
        }
    }
    let plain = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    first_difference("", &plain(&found.config), &plain(config))
}

/// The first key, at any depth, whose values differ.
fn first_difference(key: &str, recorded: &Value, wanted: &Value) -> Option<Difference> {
    if recorded == wanted {
        return None;
    }
    if let (Value::Object(one), Value::Object(other)) = (recorded, wanted) {
        let keys = other.keys().chain(one.keys().filter(|key| !other.contains_key(*key)));
        return keys.into_iter().find_map(|key| first_difference(key, &recorded[key], &wanted[key]));
    }
    let (key, recorded, wanted) = (key.to_owned(), in_words(recorded), in_words(wanted));
    Some(Difference::Key { key, recorded, wanted })
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_one_key_that_differs_is_named() {
        let recorded =
            json!({"schedule": "1cycle", "parameters": {"max_lr": 0.5, "rise": {"step_size": 9}}, "limit": null});
        let changed = |pointer: &str, value: Value| {
            let mut wanted = recorded.clone();
            *wanted.pointer_mut(pointer).unwrap() = value;
            first_difference("", &recorded, &wanted).unwrap().in_words()
        };
        assert_eq!(first_difference("", &recorded, &recorded), None);
        assert_eq!(changed("/parameters/max_lr", json!(0.25)), "max_lr 0.5, not 0.25");
        assert_eq!(changed("/parameters/rise/step_size", json!(8)), "step_size 9, not 8");
        assert_eq!(changed("/schedule", json!("cosine")), "schedule 1cycle, not cosine");
        assert_eq!(changed("/limit", json!(100)), "limit none, not 100");
        let fewer = json!({"schedule": "1cycle", "parameters": {"max_lr": 0.5}, "limit": null});
        assert_eq!(first_difference("", &recorded, &fewer).unwrap().in_words(), "rise {\"step_size\":9}, not none");
    }
}
