//! Runs for other tools: event files for TensorBoard, `results.csv` as other trainers write it, and one Parquet table of all
//! steps. Runs that are not finished are exported as far as they got. Equal files in, equal bytes out.

mod crc32c;
mod event;
mod results;
mod run;
mod steps;
mod tensorboard;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifacts::atomic;
use cli::Failure;

use crate::Result;
use crate::report::summary;
use run::RunFiles;

/// Name of a run's table for other tools.
const RESULTS_FILE: &str = "results.csv";

/// Runs that were read, with the names that they are exported under.
#[derive(Debug)]
pub struct Export {
    runs: Vec<RunFiles>,
    /// What the reader should know besides.
    pub warnings: Vec<String>,
}

impl Export {
    /// Reads everything that is exported of the runs in `folders`: nothing is written where one cannot be read.
    ///
    /// # Errors
    /// When a run cannot be read, or two of them would be exported under one name.
    pub fn read(folders: &[PathBuf]) -> Result<Self> {
        let mut names: BTreeMap<String, &PathBuf> = BTreeMap::new();
        for folder in folders {
            let name = run::name_of(folder)?;
            if let Some(other) = names.insert(name.clone(), folder) {
                let message = format!("{} and {} are both called {name}", other.display(), folder.display());
                return Err(Failure::unusable(message).hint("export one of them into a folder of its own"));
            }
        }
        let mut warnings = Vec::new();
        let mut runs = Vec::new();
        for folder in folders {
            runs.push(RunFiles::read(folder, &mut warnings)?);
        }
        Ok(Self { runs, warnings })
    }

    /// Writes an event file per run, `DIR/NAME/events.out.tfevents...`. Returns their number.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn tensorboard(&self, folder: &Path) -> Result<usize> {
        for run in &self.runs {
            atomic::write(&folder.join(&run.name).join(tensorboard::FILE), &tensorboard::events(run))?;
        }
        Ok(self.runs.len())
    }

    /// Writes a table per run, `DIR/NAME/results.csv`. Returns their number.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn csv(&self, folder: &Path) -> Result<usize> {
        for run in &self.runs {
            let bytes = summary::csv(&mut results::of(run)?)?;
            atomic::write(&folder.join(&run.name).join(RESULTS_FILE), &bytes)?;
        }
        Ok(self.runs.len())
    }

    /// Writes all steps of all runs as one Parquet file. Returns the number of its rows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn parquet(&self, path: &Path) -> Result<usize> {
        let mut frame = steps::of(&self.runs)?;
        atomic::write(path, &summary::parquet(&mut frame)?)?;
        Ok(frame.height())
    }
}
