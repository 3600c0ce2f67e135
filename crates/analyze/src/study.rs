//! A study: training runs by arm and length, paired by seed; its range tests; the grid that chose the baseline's rate.
//!
//! Arms are compared by final accuracy, never by the best along the way. A run that diverged counts with the accuracy
//! of a guess at random. "Iterations saved" is read from complete shorter runs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::grid;
use crate::overfit::{self, Saturation};
use artifacts::finished::Run;
use reading::error::BadInput;
use reading::stats::{Summary, interval95, summary};

/// Arm of the runs that the baseline's rate is chosen from.
pub const GRID_ARM: &str = "grid";
/// Arm that the others are compared with.
pub const BASELINE_ARM: &str = "piecewise";

/// Runs sorted by the part that they play.
#[derive(Debug, Default)]
pub struct Study {
    /// The range tests.
    pub range_tests: Vec<Run>,
    /// The baseline's grid.
    pub grid: Vec<Run>,
    /// The arms: by name, then by length in steps; each in order of seed.
    pub arms: BTreeMap<String, BTreeMap<u64, Vec<Run>>>,
}

/// The accuracy that arms are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// On the test set, measured once, at the end.
    TestAccuracy,
    /// On training images held out of training, at the end.
    ValAccuracy,
}

impl Score {
    /// What sentences call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TestAccuracy => "test accuracy",
            Self::ValAccuracy => "held-out accuracy",
        }
    }

    /// The final accuracy of a run; that of a guess at random where it diverged.
    pub fn of(self, run: &Run) -> Option<f64> {
        let measured = match self {
            Self::TestAccuracy => run.result.test_accuracy,
            Self::ValAccuracy => run.result.final_val_accuracy,
        };
        measured.or_else(|| run.diverged().then(|| run.chance()))
    }
}

/// One arm at one length.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The arm.
    pub arm: String,
    /// Steps of each run.
    pub iterations: u64,
    /// Seeds, ascending.
    pub seeds: Vec<u64>,
    /// The highest rates that were used, ascending.
    pub max_lr: Vec<f64>,
    /// Final accuracy, by seed.
    pub accuracy: Vec<f64>,
    /// Its mean over seeds.
    pub mean_accuracy: f64,
    /// Its standard deviation over seeds.
    pub sd_accuracy: Option<f64>,
    /// Mean final accuracy on the training images, in evaluation mode.
    pub mean_train_accuracy: Option<f64>,
    /// Mean of training accuracy minus final accuracy: the generalization gap.
    pub mean_gap: Option<f64>,
    /// Runs that diverged.
    pub diverged: usize,
    /// Runs whose training accuracy was complete before the annealing.
    pub saturated: Vec<Saturation>,
}

/// How an arm ends against the baseline of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Higher, and the interval of the difference holds only gains.
    Wins,
    /// The interval of the difference holds 0.
    Ties,
    /// Lower, and the interval of the difference holds only losses.
    Loses,
    /// One seed: no interval.
    Unclear,
}

/// An arm against the baseline at one length, paired by seed.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The arm.
    pub arm: String,
    /// The baseline.
    pub baseline: String,
    /// Steps of each run.
    pub iterations: u64,
    /// Seeds that both have.
    pub pairs: usize,
    /// Mean difference of final accuracy, the arm's minus the baseline's.
    pub mean_difference: f64,
    /// Its 95% interval.
    pub interval: Option<(f64, f64)>,
    /// What that amounts to.
    pub verdict: Verdict,
}

/// A shorter run of an arm that ends where a longer one of the baseline does.
#[derive(Clone, Debug, Serialize)]
pub struct Saving {
    /// The arm.
    pub arm: String,
    /// Length of the baseline, in steps.
    pub baseline_iterations: u64,
    /// Mean final accuracy of the baseline.
    pub baseline_accuracy: f64,
    /// The shortest length of the arm whose mean final accuracy is at least that; `None` where no length's is.
    pub iterations: Option<u64>,
    /// Its mean final accuracy.
    pub accuracy: Option<f64>,
}

/// One rate of the baseline's grid.
#[derive(Clone, Debug, Serialize)]
pub struct GridPoint {
    /// Steps of each run.
    pub iterations: u64,
    /// The rate.
    pub lr: f64,
    /// Mean final accuracy on held-out training images, divergent runs at chance.
    pub mean_val_accuracy: f64,
    /// Runs.
    pub runs: usize,
    /// Runs that diverged.
    pub diverged: usize,
    /// Whether it is the best of its length (of equals the lowest rate); no rate is where every run diverged.
    pub chosen: bool,
    /// Whether it is chosen and the lowest or highest of its length: the best may lie beyond.
    pub at_edge: bool,
}

impl Study {
    /// Sorts runs by their part.
    pub fn new(runs: Vec<Run>) -> Self {
        let mut study = Self::default();
        for run in runs {
            if run.is_range_test() {
                study.range_tests.push(run);
            } else if run.arm() == GRID_ARM {
                study.grid.push(run);
            } else {
                let arm = study.arms.entry(run.arm().to_owned()).or_default();
                arm.entry(run.record.config.iterations).or_default().push(run);
            }
        }
        for runs in study.arms.values_mut().flat_map(BTreeMap::values_mut) {
            runs.sort_by_key(|run| run.record.config.seed);
        }
        study
    }

    /// All runs of the arms.
    pub fn arm_runs(&self) -> impl Iterator<Item = &Run> {
        self.arms.values().flat_map(BTreeMap::values).flatten()
    }

    /// All runs.
    pub fn all_runs(&self) -> impl Iterator<Item = &Run> {
        self.range_tests.iter().chain(&self.grid).chain(self.arm_runs())
    }

    /// The accuracy that all arms have; `None` where there is none that all have.
    pub fn score(&self) -> Option<Score> {
        let all_have = |score: &Score| self.arm_runs().all(|run| score.of(run).is_some());
        [Score::TestAccuracy, Score::ValAccuracy]
            .into_iter()
            .find(all_have)
            .filter(|_| self.arm_runs().next().is_some())
    }

    /// Refuses runs that cannot stand in one report.
    ///
    /// # Errors
    /// When runs are of different data, or two of one arm and length share a seed.
    pub fn check(&self) -> Result<(), BadInput> {
        let mut runs = self.all_runs();
        let Some(first) = runs.next() else {
            return Err(BadInput::new("no finished run was given", "name the folders of finished runs"));
        };
        if let Some(other) = runs.find(|run| run.record.data.sha256 != first.record.data.sha256) {
            let what = format!(
                "{} and {} are of different data ({} and {})",
                first.record.name, other.record.name, first.record.data_name, other.record.data_name
            );
            return Err(BadInput::new(what, "draw one report for each data set"));
        }
        for runs in self.arms.values().flat_map(BTreeMap::values) {
            for pair in runs.windows(2) {
                if pair[0].record.config.seed == pair[1].record.config.seed {
                    let what = format!(
                        "{} and {} are of the same arm, length and seed",
                        pair[0].folder.display(),
                        pair[1].folder.display()
                    );
                    return Err(BadInput::new(what, "name their arms when they are made (--arm), or leave one out"));
                }
            }
        }
        Ok(())
    }

    /// Every arm at every length.
    ///
    /// # Errors
    /// When the metrics of a run cannot be read.
    pub fn cells(&self, score: Score) -> anyhow::Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for (arm, lengths) in &self.arms {
            for (iterations, runs) in lengths {
                cells.extend(cell(arm, *iterations, runs, score)?);
            }
        }
        Ok(cells)
    }

    /// The grid, by length and rate.
    pub fn grid_points(&self) -> Vec<GridPoint> {
        let lengths: std::collections::BTreeSet<u64> =
            self.grid.iter().map(|run| run.record.config.iterations).collect();
        lengths.into_iter().flat_map(|length| self.grid_of(length)).collect()
    }

    fn grid_of(&self, iterations: u64) -> Vec<GridPoint> {
        let runs: Vec<&Run> = self.grid.iter().filter(|run| run.record.config.iterations == iterations).collect();
        let mut rates = grid::rates(&runs);
        rates.retain(|rate| rate.mean().is_some());
        let best = grid::best(&rates);
        let point = |(at, rate): (usize, &grid::Rate)| {
            let best = best.filter(|best| best.at == at);
            Some(GridPoint {
                iterations,
                lr: rate.lr,
                mean_val_accuracy: rate.mean()?,
                runs: rate.accuracies.len(),
                diverged: rate.diverged,
                chosen: best.is_some(),
                at_edge: best.is_some_and(|best| best.at_edge),
            })
        };
        rates.iter().enumerate().filter_map(point).collect()
    }
}

fn cell(arm: &str, iterations: u64, runs: &[Run], score: Score) -> anyhow::Result<Option<Cell>> {
    let scored: Vec<(&Run, f64)> = runs.iter().filter_map(|run| Some((run, score.of(run)?))).collect();
    let accuracy: Vec<f64> = scored.iter().map(|(_, accuracy)| *accuracy).collect();
    let Some(Summary { mean, sd, .. }) = summary(&accuracy) else {
        return Ok(None);
    };
    let mut max_lr: Vec<f64> = scored.iter().filter_map(|(run, _)| run.main_lr()).collect();
    max_lr.sort_by(f64::total_cmp);
    max_lr.dedup();
    let trained: Vec<(f64, f64)> =
        scored.iter().filter_map(|(run, accuracy)| Some((run.result.final_train_accuracy?, *accuracy))).collect();
    let train: Vec<f64> = trained.iter().map(|(train, _)| *train).collect();
    let gaps: Vec<f64> = trained.iter().map(|(train, accuracy)| train - accuracy).collect();
    let mut saturated = Vec::new();
    for (run, _) in &scored {
        saturated.extend(overfit::saturation(run)?);
    }
    Ok(Some(Cell {
        arm: arm.to_owned(),
        iterations,
        seeds: scored.iter().map(|(run, _)| run.record.config.seed).collect(),
        max_lr,
        accuracy,
        mean_accuracy: mean,
        sd_accuracy: sd,
        mean_train_accuracy: summary(&train).map(|train| train.mean),
        mean_gap: summary(&gaps).map(|gap| gap.mean),
        diverged: scored.iter().filter(|(run, _)| run.diverged()).count(),
        saturated,
    }))
}

/// Every arm against the baseline at the lengths that both have.
pub fn comparisons(cells: &[Cell]) -> Vec<Comparison> {
    let baseline = |iterations| cells.iter().find(|cell| cell.arm == BASELINE_ARM && cell.iterations == iterations);
    let others = cells.iter().filter(|cell| cell.arm != BASELINE_ARM);
    others.filter_map(|cell| compare(cell, baseline(cell.iterations)?)).collect()
}

fn compare(cell: &Cell, baseline: &Cell) -> Option<Comparison> {
    let of_seed = |cell: &Cell, seed: u64| {
        let at = cell.seeds.iter().position(|other| *other == seed)?;
        Some(cell.accuracy[at])
    };
    let differences: Vec<f64> =
        cell.seeds.iter().filter_map(|seed| Some(of_seed(cell, *seed)? - of_seed(baseline, *seed)?)).collect();
    let Summary { n, mean, .. } = summary(&differences)?;
    let interval = interval95(&differences);
    let verdict = match interval {
        None => Verdict::Unclear,
        Some((low, _)) if low > 0.0 => Verdict::Wins,
        Some((_, high)) if high < 0.0 => Verdict::Loses,
        Some(_) => Verdict::Ties,
    };
    Some(Comparison {
        arm: cell.arm.clone(),
        baseline: baseline.arm.clone(),
        iterations: cell.iterations,
        pairs: n,
        mean_difference: mean,
        interval,
        verdict,
    })
}

/// For every length of the baseline, the shortest complete runs of each other arm that end at least as high.
pub fn savings(cells: &[Cell]) -> Vec<Saving> {
    let arms: std::collections::BTreeSet<&str> =
        cells.iter().map(|cell| cell.arm.as_str()).filter(|arm| *arm != BASELINE_ARM).collect();
    let mut savings = Vec::new();
    for arm in arms {
        for baseline in cells.iter().filter(|cell| cell.arm == BASELINE_ARM) {
            let reaching = cells.iter().filter(|cell| cell.arm == arm && cell.mean_accuracy >= baseline.mean_accuracy);
            let shortest = reaching.min_by_key(|cell| cell.iterations);
            savings.push(Saving {
                arm: arm.to_owned(),
                baseline_iterations: baseline.iterations,
                baseline_accuracy: baseline.mean_accuracy,
                iterations: shortest.map(|cell| cell.iterations),
                accuracy: shortest.map(|cell| cell.mean_accuracy),
            });
        }
    }
    savings
}

/// Seeds whose runs did not all start from the same initial weights.
pub fn unequal_starts(study: &Study) -> Vec<u64> {
    let mut starts: BTreeMap<u64, &str> = BTreeMap::new();
    let mut unequal = Vec::new();
    for run in study.arm_runs() {
        let seed = run.record.config.seed;
        let first = starts.entry(seed).or_insert(&run.record.init.sha256);
        if *first != run.record.init.sha256 && !unequal.contains(&seed) {
            unequal.push(seed);
        }
    }
    unequal
}
