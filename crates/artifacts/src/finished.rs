//! Finished runs as folders: what was asked and what came out.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::run::{self, Kind, ResultRecord, RunRecord, Status};

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its folder.
    pub folder: PathBuf,
    /// What was asked.
    pub record: RunRecord,
    /// What came out.
    pub result: ResultRecord,
}

impl Run {
    /// Its part in a study: the recorded arm, or else its schedule.
    pub fn arm(&self) -> &str {
        if self.record.arm.is_empty() { &self.record.config.schedule } else { &self.record.arm }
    }

    /// Whether it is a range test.
    pub fn is_range_test(&self) -> bool {
        self.record.config.kind == Kind::RangeTest
    }

    /// Whether it diverged.
    pub fn diverged(&self) -> bool {
        self.result.status == Status::Diverged
    }

    /// Accuracy of a guess at random.
    pub fn chance(&self) -> f64 {
        1.0 / self.record.classes.max(1) as f64
    }

    /// A number among the schedule's parameters.
    pub fn parameter(&self, key: &str) -> Option<f64> {
        self.record.config.parameter(key)
    }

    /// The rate that the run is known by: the highest of its schedule.
    pub fn main_lr(&self) -> Option<f64> {
        self.record.config.main_lr()
    }
}

/// The run in a folder; none where it has not finished.
///
/// # Errors
/// When a record is missing or cannot be read.
pub fn read(folder: &Path) -> Result<Option<Run>> {
    let record = run::read_run(folder)?;
    Ok(run::read_result(folder)?.map(|result| Run { folder: folder.to_owned(), record, result }))
}

/// Reads the runs at `paths`: folders, or a file in one. Returns those that have finished, and the folders of those that
/// have not.
///
/// # Errors
/// When a record is missing or cannot be read.
pub fn load(paths: &[PathBuf]) -> Result<(Vec<Run>, Vec<PathBuf>)> {
    let mut runs = Vec::new();
    let mut unfinished = Vec::new();
    for path in paths {
        let folder = folder_of(path);
        match read(&folder)? {
            Some(run) => runs.push(run),
            None => unfinished.push(folder),
        }
    }
    Ok((runs, unfinished))
}

/// The folder of a run: make names runs by their `result.json`.
pub fn folder_of(path: &Path) -> PathBuf {
    let names_a_file = path.file_name().is_some_and(|name| name == run::RESULT_FILE || name == run::RUN_FILE);
    match path.parent() {
        Some(parent) if names_a_file && !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) if names_a_file => PathBuf::from("."),
        _ => path.to_owned(),
    }
}
