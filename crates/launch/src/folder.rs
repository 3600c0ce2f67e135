//! The folder of a run: whose it is, and whether the run starts, goes on, or is done.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use artifacts::checkpoint::{self, Checkpoint};
use artifacts::run::{self, RunRecord};
use artifacts::{ArtifactError, json};
use serde_json::Value;

use crate::stop::Stop;

/// Name of the file that is locked while a program works in the folder.
const LOCK_FILE: &str = ".lock";

/// What there is to do in a run's folder.
pub enum Task {
    /// Everything.
    Start,
    /// What comes after this checkpoint.
    GoOn(Box<Checkpoint>),
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
    _lock: File,
}

impl RunFolder {
    /// Takes the folder `path` for the run that `record` describes, and says what there is to do. A new folder is made
    /// and gets its `run.json`.
    ///
    /// # Errors
    /// When the folder is there and may not be used, or is in use.
    pub fn take(path: &Path, record: &RunRecord, existing: Existing) -> Result<(Self, Task), Stop> {
        let is_new = !path.exists();
        if !is_new && !existing.resume {
            let message = format!("{}: expected a folder that does not exist, found one", path.display());
            return Err(
                Stop::unusable(message).hint("go on with that run: --resume; or name another folder: --out DIR")
            );
        }
        let recorded = path.join(run::RUN_FILE);
        if !is_new && !recorded.exists() && !is_empty(path)? {
            let message = format!("{}: expected the folder of a run, found other files", path.display());
            return Err(Stop::unusable(message).hint("name another folder: --out DIR"));
        }
        fs::create_dir_all(path).map_err(|source| ArtifactError::io(path, "make the folder", source))?;
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        if !recorded.exists() {
            json::write(&recorded, record)?;
            return Ok((folder, Task::Start));
        }
        if let Err(differs) = same_run(path, &run::read_run(path)?, record) {
            if !existing.supersede {
                return Err(differs);
            }
            move_aside(path)?;
            drop(folder);
            return Self::take(path, record, existing);
        }
        if path.join(run::RESULT_FILE).exists() {
            return Ok((folder, Task::Nothing));
        }
        let saved = path.join(checkpoint::FILE);
        let task = if saved.exists() { Task::GoOn(Box::new(checkpoint::read(&saved)?)) } else { Task::Start };
        Ok((folder, task))
    }
}

/// Renames a folder to the first free of `NAME.superseded-1`, `-2`, ...: what a run measured is never deleted.
fn move_aside(path: &Path) -> Result<(), Stop> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut names = (1..).map(|number| path.with_file_name(format!("{name}.superseded-{number}")));
    let free = names.find(|candidate| !candidate.exists()).expect("some number is free");
    eprintln!("{}: was made with another configuration; moved to {}", path.display(), free.display());
    Ok(fs::rename(path, &free).map_err(|source| ArtifactError::io(path, "move aside", source))?)
}

fn is_empty(path: &Path) -> Result<bool, Stop> {
    let entries = fs::read_dir(path).map_err(|source| ArtifactError::io(path, "read", source))?;
    // A program that was killed before it wrote run.json leaves its lock or an unfinished hidden file.
    Ok(entries.flatten().all(|entry| entry.file_name().to_string_lossy().starts_with('.')))
}

fn lock(folder: &Path) -> Result<File, Stop> {
    let path = folder.join(LOCK_FILE);
    let fail = |source| Stop::from(ArtifactError::io(&path, "write", source));
    let file = File::options().create(true).append(true).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let message =
                format!("{}: expected a folder of our own, found it in use by {}", folder.display(), holder.trim());
            return Err(Stop::unusable(message).hint("wait for that program to end, or name another folder: --out DIR"));
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    fs::write(&path, format!("process {}\n", std::process::id())).map_err(fail)?;
    Ok(file)
}

/// Refuses to go on with a run of another configuration, naming the first difference.
fn same_run(folder: &Path, found: &RunRecord, wanted: &RunRecord) -> Result<(), Stop> {
    let differs = |key: &str, found: &Value, wanted: &Value| {
        let message = format!("{}: expected {key} {wanted}, found {found}", folder.join(run::RUN_FILE).display());
        let hint = "the run in this folder was asked for with another configuration; name another folder: --out DIR, or \
                    move this one aside: --supersede";
        Stop::unusable(message).hint(hint)
    };
    let plain = |record: &RunRecord| serde_json::to_value(&record.config).unwrap_or_default();
    let (found_config, wanted_config) = (plain(found), plain(wanted));
    for (key, value) in wanted_config.as_object().into_iter().flatten() {
        if found_config[key] != *value {
            return Err(differs(key, &found_config[key], value));
        }
    }
    for (key, found, wanted) in
        [("data", &found.data.sha256, &wanted.data.sha256), ("init", &found.init.sha256, &wanted.init.sha256)]
    {
        if found != wanted {
            return Err(differs(
                &format!("sha256 of {key}"),
                &Value::from(found.as_str()),
                &Value::from(wanted.as_str()),
            ));
        }
    }
    Ok(())
}
