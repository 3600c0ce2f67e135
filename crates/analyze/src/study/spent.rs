//! What an arm costs in all, in steps of training: to find its rate, and to train once at it.

use std::path::Path;

use artifacts::finished::Run;
use artifacts::probe;
use serde::Serialize;

/// What finding the rate of one length's run cost, in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spent {
    /// Range tests and their probes: once, whatever the length.
    pub range_tests: u64,
    /// How many.
    pub tests: usize,
    /// The grid of the longest length that `by_length` has.
    pub grid: u64,
    /// Its runs.
    pub grid_runs: usize,
    /// That length.
    pub iterations: u64,
}

/// Of `iterations` steps: all range tests, and the runs of the grid of that length.
pub(crate) fn spent(range_tests: &[Run], grid: &[Run], iterations: u64) -> Spent {
    let steps = |run: &Run| run.result.iterations;
    let grid: Vec<&Run> = grid.iter().filter(|run| run.record.config.iterations == iterations).collect();
    Spent {
        range_tests: range_tests.iter().map(|run| steps(run) + probing(run)).sum(),
        tests: range_tests.len(),
        grid: grid.iter().map(|run| steps(run)).sum(),
        grid_runs: grid.len(),
        iterations,
    }
}

/// What the probe of a range test cost, in steps; 0 where there was none, or its file is gone.
fn probing(run: &Run) -> u64 {
    let Some(source) = &run.record.rates_from else { return 0 };
    let Ok(probe) = probe::read(Path::new(&source.path)) else { return 0 };
    let images = (probe.noise.batches * probe.noise.batch_size) as f64 + probe.critical.images();
    (images / run.record.config.batch_size as f64).ceil() as u64
}
