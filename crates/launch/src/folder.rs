//! The folder of a run: whose it is, and whether the run starts, goes on, or is done.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use artifacts::checkpoint::{self, Checkpoint};
use artifacts::run::{self, Config, RunRecord, Source};
use artifacts::{ArtifactError, atomic, json, metrics, same_file};
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
        fs::create_dir_all(path).map_err(|source| ArtifactError::io(path, "make the folder", source))?;
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
            let saved = checkpoint::read(&saved).map_err(|error| Failure::from(error).hint(START_ANEW))?;
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
        let fail = |source| ArtifactError::io(&self.path, "write into the folder of the run", source);
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
pub const START_ANEW: &str = "the files of this run are damaged; start it anew in another folder (--out DIR), or move \
                              this one away";

/// The kernels that the run in `path` was begun with, if it is the run of this configuration: it should go on with them.
pub fn kernels_of(path: &Path, config: &Config, data: &Source, init: &Source) -> Option<String> {
    let found = run::read_run(path).ok()?;
    difference(&found, config, data, init).is_none().then_some(found.kernels)
}

fn check_existing(path: &Path, existing: Existing) -> Result<(), Failure> {
    if !path.is_dir() {
        let message = format!("{}: expected a folder or nothing, found a file", path.display());
        return Err(Failure::unusable(message).hint("name another folder: --out DIR"));
    }
    if !existing.resume {
        let message = format!("{}: expected a folder that does not exist, found one", path.display());
        return Err(Failure::unusable(message).hint("go on with that run: --resume; or name another folder: --out DIR"));
    }
    if !path.join(run::RUN_FILE).exists() && !is_empty(path)? {
        let message = format!("{}: expected the folder of a run, found other files", path.display());
        return Err(Failure::unusable(message).hint("name another folder: --out DIR"));
    }
    Ok(())
}

/// Renames a folder to the first free of `NAME.superseded-1`, `-2`, ...: what a run measured is never deleted.
fn move_aside(path: &Path, difference: &Difference) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut names = (1..).map(|number| path.with_file_name(format!("{name}.superseded-{number}")));
    let free = names.find(|candidate| !candidate.exists()).expect("some number is free");
    output::note(format!("{}: was made with another {}; moved to {}", path.display(), difference.what, free.display()));
    Ok(fs::rename(path, &free).map_err(|source| ArtifactError::io(path, "move aside", source))?)
}

fn is_empty(path: &Path) -> Result<bool, Failure> {
    let entries = fs::read_dir(path).map_err(|source| ArtifactError::io(path, "read", source))?;
    // A program that was killed before it wrote run.json leaves its lock or an unfinished hidden file.
    Ok(entries.flatten().all(|entry| entry.file_name().to_string_lossy().starts_with('.')))
}

/// Locks a folder until the file is closed, which the system does for a process that is killed: what is left of a dead
/// one's lock holds nobody up.
fn lock(folder: &Path, tool: &str) -> Result<File, Failure> {
    let path = folder.join(LOCK_FILE);
    let fail = |source| Failure::from(ArtifactError::io(&path, "write", source));
    let mut file = File::options().create(true).append(true).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = Some(holder.trim()).filter(|holder| !holder.is_empty()).unwrap_or("another process");
            let message = format!("{}: expected a folder of our own, found it in use by {holder}", folder.display());
            return Err(
                Failure::unusable(message).hint("wait for that program to end, or name another folder: --out DIR")
            );
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    let host = machine::host().map_or_else(String::new, |host| format!(" on {host}"));
    file.set_len(0).map_err(fail)?;
    file.write_all(format!("{tool}, process {}{host}\n", std::process::id()).as_bytes()).map_err(fail)?;
    Ok(file)
}

/// In what the run in a folder differs from the one asked for.
struct Difference {
    /// What differs, such as `momentum`.
    what: String,
    /// As asked for.
    wanted: String,
    /// As in the folder.
    found: String,
    /// Where it is a file's content: the file.
    file: Option<String>,
}

impl Difference {
    fn refusal(&self, folder: &Path) -> Failure {
        let Self { what, wanted, found, file } = self;
        if let Some(file) = file {
            let message = format!(
                "{file}: expected the {what} that {} was begun with (sha256 {found}), found another (sha256 {wanted})",
                folder.display()
            );
            let hint = "it has changed since, or is not the file that was named then; name that one, or another folder (--out \
                        DIR), or move the run aside: --supersede";
            return Failure::unusable(message).hint(hint);
        }
        let message = format!("{}: expected {what} {wanted}, found {found}", folder.join(run::RUN_FILE).display());
        let hint = "the run in this folder was asked for with another configuration; name another folder: --out DIR, or \
                    move this one aside: --supersede";
        Failure::unusable(message).hint(hint)
    }
}

/// The first difference between the run that `found` records and the one asked for; none where it is the same run.
fn difference(found: &RunRecord, config: &Config, data: &Source, init: &Source) -> Option<Difference> {
    // Files first: other weights bring another seed along, which is not what was changed.
    for (what, found, wanted) in [("data", &found.data, data), ("initial weights", &found.init, init)] {
        if found.sha256 != wanted.sha256 {
            return Some(Difference {
                what: what.to_owned(),
                wanted: wanted.sha256.clone(),
                found: found.sha256.clone(),
                file: Some(wanted.path.clone()),
            });
        }
    }
    let plain = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let (found_config, wanted_config) = (plain(&found.config), plain(config));
    for (key, value) in wanted_config.as_object().into_iter().flatten() {
        let other: &Value = &found_config[key];
        if other != value {
            let (wanted, found) = (value.to_string(), other.to_string());
            return Some(Difference { what: key.clone(), wanted, found, file: None });
        }
    }
    None
}
