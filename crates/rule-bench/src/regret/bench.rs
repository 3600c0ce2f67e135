//! The runs of the benchmark: one folder a setting, in it the runs of the truth and the range tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifacts::probe;
use artifacts::run::{Config, RUN_FILE};
use artifacts::{Action, ArtifactError};

use super::LEAST_SPAN;
use super::truth::Truth;
use artifacts::finished::{self, Run};
use reading::curve::{self, Curve};
use reading::error::BadInput;
use reading::stats::summary;

/// The arm of the runs that measure the truth.
pub(crate) const TRUTH: &str = "truth";
/// What rules that ask no range test, but the probe before it alone, are listed under.
pub(crate) const PROBE: &str = "probe";

/// What a setting is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Rules may be fitted on it.
    Finding,
    /// It judges them.
    Judging,
}

impl Half {
    /// Both, with their names.
    pub(crate) const NAMES: [(&'static str, Half); 2] = [("finding", Half::Finding), ("judging", Half::Judging)];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, half)| *half == self).map_or("", |(name, _)| name)
    }
}

/// A range test of a setting.
#[derive(Clone, Debug)]
pub(crate) struct Ramp {
    /// Its kind, such as `ramp33`.
    pub arm: String,
    /// Its steps.
    pub steps: f64,
    /// What the probe that it was laid by cost, in steps; none where there was none.
    pub probing: Option<f64>,
    /// What it measured.
    pub curve: Curve,
}

/// One setting.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its name: its folder's.
    pub name: String,
    /// What it is for.
    pub half: Half,
    /// Name of its data set.
    pub data: String,
    /// The configuration of one of its training runs.
    pub config: Config,
    /// What was measured.
    pub truth: Truth,
    /// Its range tests.
    pub ramps: Vec<Ramp>,
}

impl Setting {
    /// What a kind of range test with its probe, or [`PROBE`] alone, costs in steps of the training that it serves; the mean
    /// over seeds.
    pub(crate) fn cost(&self, arm: &str) -> Option<f64> {
        let steps: Vec<f64> = if arm == PROBE {
            self.ramps.iter().filter_map(|ramp| ramp.probing).collect()
        } else {
            let of_arm = self.ramps.iter().filter(|ramp| ramp.arm == arm);
            of_arm.map(|ramp| ramp.steps + ramp.probing.unwrap_or(0.0)).collect()
        };
        Some(summary(&steps)?.mean / self.config.iterations as f64)
    }

    /// What it is, in a line.
    pub(crate) fn title(&self) -> String {
        let Config { net, batch_size, optimizer, momentum, iterations, .. } = &self.config;
        format!("{net}, {}, {optimizer} {momentum}, batch {batch_size}, {iterations} steps", self.data)
    }
}

/// All settings whose grid spans enough.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    /// The settings, by name.
    pub settings: Vec<Setting>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

impl Bench {
    /// Reads every folder of `folder` as a setting. `halves` names those of each half.
    ///
    /// # Errors
    /// When a record cannot be read, a setting is of no half or both, its grid has holes, or it has fewer than two seeds.
    pub(crate) fn read(folder: &Path, finding: &[String], judging: &[String]) -> Result<Self> {
        let mut bench = Self { settings: Vec::new(), left_out: Vec::new() };
        for path in folders(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let half = match (finding.contains(&name), judging.contains(&name)) {
                (true, false) => Half::Finding,
                (false, true) => Half::Judging,
                (false, false) => {
                    bench.left_out.push(format!("{name}: named in neither half"));
                    continue;
                }
                (true, true) => {
                    let hint = "a setting that rules are fitted on cannot judge them";
                    return Err(BadInput::new(format!("{name}: expected in one half, found in both"), hint).into());
                }
            };
            let setting = setting(&path, name, half)?;
            if setting.truth.span() < LEAST_SPAN {
                let span = 100.0 * setting.truth.span();
                bench.left_out.push(format!("{}: its grid spans {span:.1} points only", setting.name));
            } else {
                bench.settings.push(setting);
            }
        }
        if bench.settings.is_empty() {
            let what = format!("{}: expected folders of settings, found none to be used", folder.display());
            return Err(BadInput::new(what, "make the runs first: make rule-bench").into());
        }
        Ok(bench)
    }
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|source| ArtifactError::io(folder, Action::Read, source))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn setting(folder: &Path, name: String, half: Half) -> Result<Setting> {
    let paths: Vec<PathBuf> = folders(folder)?.into_iter().filter(|path| path.join(RUN_FILE).exists()).collect();
    let (runs, unfinished) = finished::load(&paths)?;
    if let Some(first) = unfinished.first() {
        return Err(
            BadInput::new(first.trim_end_matches(": left out"), "finish the runs first: make rule-bench").into()
        );
    }
    let (tests, trained): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(Run::is_range_test);
    let Some(first) = trained.first() else {
        let hint = "the truth is measured by training runs: make rule-bench";
        return Err(BadInput::file(folder, "training runs", "none", hint).into());
    };
    let (config, data) = (first.record.config.clone(), first.record.data_name.clone());
    let truth = truth(folder, &trained)?;
    let ramp = |run: Run| -> Result<Ramp> {
        let (curve, _) = curve::run::read(&run.folder)?;
        let Config { batch_size, iterations, .. } = run.record.config;
        let probe = run.record.rates_from.as_ref().map(|source| probe::read(Path::new(&source.path))).transpose()?;
        let probing = probe.map(|probe| probe.critical.images() / batch_size as f64);
        Ok(Ramp { arm: run.record.arm.clone(), steps: iterations as f64, probing, curve })
    };
    Ok(Setting { name, half, data, config, truth, ramps: tests.into_iter().map(ramp).collect::<Result<_>>()? })
}

fn truth(folder: &Path, runs: &[Run]) -> Result<Truth> {
    let hint = "every rate of the grid needs every seed, two at least: make rule-bench";
    let mut grid: BTreeMap<u64, BTreeMap<u64, f64>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.arm() == TRUTH) {
        let lr = run.main_lr().ok_or_else(|| BadInput::file(&run.folder, "a highest rate", "none", hint))?;
        let accuracy = run.result.final_val_accuracy.or_else(|| run.diverged().then(|| run.chance()));
        let accuracy = accuracy.ok_or_else(|| BadInput::file(&run.folder, "held-out accuracy", "none", hint))?;
        // Positive floats are ordered as their bits are.
        grid.entry(lr.to_bits()).or_default().insert(run.record.config.seed, accuracy);
    }
    let seeds: Vec<u64> = grid.values().next().map(|row| row.keys().copied().collect()).unwrap_or_default();
    if seeds.len() < 2 {
        return Err(BadInput::file(folder, "at least two seeds a rate", seeds.len(), hint).into());
    }
    let mut accuracy = Vec::new();
    for (lr, row) in &grid {
        if !row.keys().eq(&seeds) {
            let found = format!("seeds {:?} at rate {}", row.keys().collect::<Vec<_>>(), f64::from_bits(*lr));
            return Err(BadInput::file(folder, format!("seeds {seeds:?} at every rate"), found, hint).into());
        }
        accuracy.push(row.values().copied().collect());
    }
    let rates = grid.keys().map(|lr| f64::from_bits(*lr)).collect();
    Ok(Truth { rates, seeds, accuracy, chance: runs[0].chance() })
}
