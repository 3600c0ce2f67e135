//! What is exported of a run: its records as they lie in its folder.

use std::path::{Component, Path, PathBuf};

use artifacts::finished;
use artifacts::metrics::{self, Metrics, TestMetrics, Timing};
use artifacts::run::{self, ResultRecord, RunRecord};
use cli::Failure;

use crate::Result;

/// Folder that runs lie in, by habit and by make: it is no part of their names.
const RUNS: &str = "runs";

/// The files of a run.
#[derive(Debug)]
pub(super) struct RunFiles {
    /// The name that it is exported under: its path below `runs`, else its folder's name.
    pub name: String,
    /// What was asked.
    pub record: RunRecord,
    /// What came out; none while it runs.
    pub result: Option<ResultRecord>,
    /// Its steps.
    pub steps: Vec<Metrics>,
    /// Measurements on the test set along the way.
    pub tests: Vec<TestMetrics>,
    /// Steps done and the seconds that training took up to then, rising; empty where no times are kept.
    times: Vec<(u64, f64)>,
}

impl RunFiles {
    /// Reads the run in a folder, and adds to `warnings` what a reader should know.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(super) fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        let folder = finished::folder_of(path);
        let record = run::read_run(&folder)?;
        let result = run::read_result(&folder)?;
        if result.is_none() {
            warnings.push(format!("{}: has not finished, exported as far as it got", folder.display()));
        }
        let steps = lines::<Metrics>(&folder.join(metrics::FILE), warnings)?;
        let test_file = folder.join(metrics::TEST_FILE);
        let tests = if test_file.exists() { lines::<TestMetrics>(&test_file, warnings)? } else { Vec::new() };
        // Times decide nothing: what cannot be read of them is not shown.
        let times = metrics::read::<Timing>(&folder.join(metrics::TIMING_FILE)).map_or(Vec::new(), |(lines, _)| lines);
        let times = times.into_iter().map(|line| (line.iteration, line.train_seconds)).collect();
        Ok(Self { name: name_of(path)?, record, result, steps, tests, times })
    }

    /// What was measured on the test set after a step.
    pub(super) fn test_after(&self, iteration: u64) -> Option<&TestMetrics> {
        let place = self.tests.binary_search_by_key(&iteration, |test| test.iteration).ok()?;
        self.tests.get(place)
    }

    /// Whether it is known when its steps were made.
    pub(super) fn is_timed(&self) -> bool {
        !self.times.is_empty()
    }

    /// Seconds that training took up to a step, between the times that were kept by a straight line; 0 where none were.
    pub(super) fn seconds(&self, iteration: u64) -> f64 {
        let after = self.times.partition_point(|(step, _)| *step < iteration);
        let before = if after == 0 { (0, 0.0) } else { self.times[after - 1] };
        let Some(next) = self.times.get(after).filter(|next| next.0 > before.0) else { return before.1 };
        before.1 + (next.1 - before.1) * (iteration - before.0) as f64 / (next.0 - before.0) as f64
    }
}

fn lines<T: metrics::Line>(path: &Path, warnings: &mut Vec<String>) -> Result<Vec<T>> {
    let (lines, is_torn) = metrics::read(path)?;
    if is_torn {
        warnings.push(format!("{}: dropped a torn last line", path.display()));
    }
    Ok(lines)
}

/// The name that the run in a folder is exported under: the folders below the last one called `runs`, else the last alone.
///
/// # Errors
/// When the folder has no name.
pub(super) fn name_of(path: &Path) -> Result<String> {
    let folder = finished::folder_of(path);
    let nameless = || Failure::unusable(format!("{}: this folder has no name to export it under", folder.display()));
    let absolute: PathBuf = std::path::absolute(&folder).map_err(|_| nameless())?;
    let names: Vec<String> = absolute
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let (last, above) = names.split_last().ok_or_else(nameless)?;
    let below_runs = above.iter().rposition(|name| name == RUNS).map(|place| names[place + 1..].join("/"));
    Ok(below_runs.unwrap_or_else(|| last.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_folders_below_runs() {
        for (path, name) in [
            ("runs/a/x", "a/x"),
            ("/home/me/runs/old/runs/x/", "x"),
            ("/home/me/x/result.json", "x"),
            ("./runs/x/./", "x"),
            ("/somewhere/runs", "runs"),
        ] {
            assert_eq!(name_of(Path::new(path)).unwrap(), name, "{path}");
        }
        assert!(name_of(Path::new("/")).is_err());
    }
}
