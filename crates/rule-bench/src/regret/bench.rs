//! The runs of the benchmark: one folder per setting, with the runs of its ground truth and its range tests.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use analyze::{Result, unfinished, unreadable};
use artifacts::finished::{self, Run};
use artifacts::run::{Config, RUN_FILE};
use artifacts::{Action, ArtifactError, probe};
use cli::Failure;
use reading::curve::{self, Curve};
use reading::stats::summary;

use super::MIN_SPAN;
use super::ground_truth::GroundTruth;

/// The arm of the runs that measure the ground truth.
pub(crate) const GROUND_TRUTH_ARM: &str = "truth";
/// What rules that ask no range test, but the probe before it alone, are listed under.
pub(crate) const PROBE: &str = "probe";

/// What a setting is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Rules may be tuned on it.
    Tuning,
    /// It judges them.
    Judging,
}

impl Role {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Tuning, Self::Judging];

    /// What sentences call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tuning => "tuning",
            Self::Judging => "judging",
        }
    }

    /// What tables and files call it: as they did when the first of them were made.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Tuning => "finding",
            Self::Judging => "judging",
        }
    }
}

/// A range test of a setting.
#[derive(Clone, Debug)]
pub(crate) struct RangeTest {
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
pub(crate) struct MeasuredSetting {
    /// Its name: its folder's.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Name of its data set.
    pub data: String,
    /// The configuration of one of its training runs.
    pub config: Config,
    /// What was measured.
    pub ground_truth: GroundTruth,
    /// Its range tests.
    pub ramps: Vec<RangeTest>,
}

impl MeasuredSetting {
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
    pub settings: Vec<MeasuredSetting>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

impl Bench {
    /// Reads every folder of `folder` as a setting. `tuning`, `judging`: their names.
    ///
    /// # Errors
    /// When a record cannot be read, a setting has both roles, its grid has holes, or it has fewer than two seeds.
    pub(crate) fn read(folder: &Path, tuning: &[String], judging: &[String]) -> Result<Self> {
        let mut bench = Self { settings: Vec::new(), left_out: Vec::new() };
        for path in folders(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let role = match (tuning.contains(&name), judging.contains(&name)) {
                (true, false) => Role::Tuning,
                (false, true) => Role::Judging,
                (false, false) => {
                    bench.left_out.push(format!("{name}: neither a tuning nor a judging setting"));
                    continue;
                }
                (true, true) => {
                    let hint = "a setting that rules are tuned on cannot judge them";
                    let message = format!("{name} is both a tuning and a judging setting");
                    return Err(Failure::unusable(message).hint(hint));
                }
            };
            let setting = setting(&path, name, role)?;
            if setting.ground_truth.span() < MIN_SPAN {
                let span = 100.0 * setting.ground_truth.span();
                bench.left_out.push(format!("{}: its grid spans only {span:.1} points", setting.name));
            } else {
                bench.settings.push(setting);
            }
        }
        if bench.settings.is_empty() {
            return Err(unmade(folder, "holds no setting that can be used"));
        }
        Ok(bench)
    }
}

/// What is wrong with a folder or run where `make rule-bench` would mend it.
fn unmade(path: &Path, what: impl Display) -> Failure {
    Failure::unusable(format!("{}: {what}", path.display())).hint("make rule-bench makes the runs that are missing")
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|source| ArtifactError::io(folder, Action::Read, source))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn setting(folder: &Path, name: String, role: Role) -> Result<MeasuredSetting> {
    let paths: Vec<PathBuf> = folders(folder)?.into_iter().filter(|path| path.join(RUN_FILE).exists()).collect();
    let (runs, left_out) = finished::load(&paths)?;
    unfinished::refuse(&left_out)?;
    let (tests, trained): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(Run::is_range_test);
    let Some(first) = trained.first() else {
        return Err(unmade(folder, "no training run measures the ground truth"));
    };
    let (config, data) = (first.record.config.clone(), first.record.data_name.clone());
    let ground_truth = ground_truth(folder, &trained)?;
    let ramp = |run: Run| -> Result<RangeTest> {
        let (curve, _) = curve::run::read(&run.folder).map_err(unreadable)?;
        let Config { batch_size, iterations, .. } = run.record.config;
        let probe = run.record.rates_from.as_ref().map(|source| probe::read(Path::new(&source.path))).transpose()?;
        let probing = probe.map(|probe| probe.critical.images() / batch_size as f64);
        Ok(RangeTest { arm: run.record.arm.clone(), steps: iterations as f64, probing, curve })
    };
    Ok(MeasuredSetting {
        name,
        role,
        data,
        config,
        ground_truth,
        ramps: tests.into_iter().map(ramp).collect::<Result<_>>()?,
    })
}

fn ground_truth(folder: &Path, runs: &[Run]) -> Result<GroundTruth> {
    let mut grid: BTreeMap<u64, BTreeMap<u64, f64>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.arm() == GROUND_TRUTH_ARM) {
        let lr = run.main_lr().ok_or_else(|| unmade(&run.folder, "its schedule has no highest rate"))?;
        let accuracy = run.result.final_val_accuracy.or_else(|| run.diverged().then(|| run.chance()));
        let accuracy = accuracy.ok_or_else(|| unmade(&run.folder, "the run has no validation accuracy"))?;
        // Positive floats are ordered as their bits are.
        grid.entry(lr.to_bits()).or_default().insert(run.record.config.seed, accuracy);
    }
    let seeds: Vec<u64> = grid.values().next().map(|row| row.keys().copied().collect()).unwrap_or_default();
    if seeds.len() < 2 {
        return Err(unmade(folder, "every rate of the grid needs two seeds or more"));
    }
    let mut accuracy = Vec::new();
    for (lr, row) in &grid {
        if !row.keys().eq(&seeds) {
            let (lr, found) = (f64::from_bits(*lr), row.keys().collect::<Vec<_>>());
            let what = format!("every rate of the grid needs seeds {seeds:?}, but rate {lr} has {found:?}");
            return Err(unmade(folder, what));
        }
        accuracy.push(row.values().copied().collect());
    }
    let rates = grid.keys().map(|lr| f64::from_bits(*lr)).collect();
    Ok(GroundTruth { rates, seeds, accuracy, chance: runs[0].chance() })
}
