//! A study: training runs by arm and length, paired by seed; its range tests; the grid that chose the baseline's rate.
//!
//! Arms are compared by final accuracy, never by the best along the way. A run that diverged counts with the accuracy
//! of a guess at random. "Iterations saved" is read from complete shorter runs.

mod comparison;
pub(crate) mod images;
mod saving;
mod spent;

use artifacts::finished::Run;
use cli::Failure;
use polars::prelude::{Column, DataFrame, SortMultipleOptions};
use reading::stats::{Summary, summary};
use serde::Serialize;

use crate::frame::{self, DIVERGED, INIT, PLACE, refused};
use crate::overfit::Saturation;
use crate::{Result, grid};

pub(crate) use comparison::{Comparison, Difference, Verdict};
pub(crate) use saving::{Factor, Reach, Saving};
pub(crate) use spent::Spent;

/// Arm of the runs that the baseline's rate is chosen from.
const GRID_ARM: &str = "grid";
/// Arm that the others are compared with.
pub(crate) const BASELINE_ARM: &str = "piecewise";
/// Arm that is compared with every other.
pub(crate) const CYCLE_ARM: &str = "1cycle";
/// Column of the accuracy that arms are compared by.
const ACCURACY: &str = "accuracy";

/// Runs sorted by the part that they play.
#[derive(Debug)]
pub(crate) struct Study {
    /// The range tests; then the grid; then the arms, by name, length and seed.
    runs: Vec<Run>,
    range_tests: usize,
    grid: usize,
    /// The same runs, row by row.
    frame: DataFrame,
}

/// The accuracy that arms are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum FinalAccuracy {
    /// On the test set, measured once, at the end.
    #[serde(rename = "test_accuracy")]
    Test,
    /// On validation images, at the end.
    #[serde(rename = "val_accuracy")]
    Validation,
}

impl FinalAccuracy {
    /// Every one, the one to compare by first.
    pub(crate) const ALL: [Self; 2] = [Self::Test, Self::Validation];

    /// What sentences call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Test => "test accuracy",
            Self::Validation => "validation accuracy",
        }
    }

    /// The final accuracy of a run; that of a guess at random where it diverged.
    pub(crate) fn of(self, run: &Run) -> Option<f64> {
        let measured = match self {
            Self::Test => run.result.test_accuracy,
            Self::Validation => run.result.final_val_accuracy,
        };
        measured.or_else(|| run.diverged().then(|| run.chance()))
    }
}

/// The runs of one arm and length, by seed.
#[derive(Debug)]
pub(crate) struct ArmRuns<'a> {
    /// The arm.
    pub arm: String,
    /// Steps of each run.
    pub iterations: u64,
    /// The runs, and the place of each among all.
    pub runs: Vec<(usize, &'a Run)>,
}

/// One arm at one length.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cell {
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

/// One rate of the baseline's grid.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GridPoint {
    /// Steps of each run.
    pub iterations: u64,
    /// The rate.
    pub lr: f64,
    /// Mean final accuracy on validation images, divergent runs at chance.
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
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn new(runs: Vec<Run>) -> Result<Self> {
        let (range_tests, trained): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(Run::is_range_test);
        let (grid, mut arms): (Vec<Run>, Vec<Run>) = trained.into_iter().partition(|run| run.arm() == GRID_ARM);
        arms.sort_by(|a, b| {
            let key = |run: &Run| (run.record.config.iterations, run.record.config.seed);
            (a.arm(), key(a)).cmp(&(b.arm(), key(b)))
        });
        let (of_range_tests, of_grid) = (range_tests.len(), grid.len());
        let runs: Vec<Run> = range_tests.into_iter().chain(grid).chain(arms).collect();
        let frame = frame::to_compare(&runs)?;
        Ok(Self { runs, range_tests: of_range_tests, grid: of_grid, frame })
    }

    /// All runs.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The range tests.
    pub(crate) fn range_tests(&self) -> &[Run] {
        &self.runs[..self.range_tests]
    }

    /// The runs of the arms, row by row.
    fn arms_frame(&self) -> DataFrame {
        self.frame.slice((self.range_tests + self.grid) as i64, self.runs.len())
    }

    /// The arms at every length.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn arms(&self) -> Result<Vec<ArmRuns<'_>>> {
        let groups = frame::groups(&self.arms_frame(), ["arm", "iterations"])?;
        let of_group = |group: &DataFrame| {
            let places = frame::whole_numbers(group, PLACE)?.into_iter().map(|place| place as usize);
            let runs: Vec<(usize, &Run)> = places.map(|place| (place, &self.runs[place])).collect();
            let (arm, iterations) = key(group)?;
            Ok(ArmRuns { arm, iterations, runs })
        };
        groups.iter().map(of_group).collect()
    }

    /// The accuracy that all arms have; `None` where there is none that all have.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn accuracy(&self) -> Result<Option<FinalAccuracy>> {
        let arms = self.arms_frame();
        for accuracy in FinalAccuracy::ALL {
            if arms.height() > 0 && !arms.column(accuracy.name()).map_err(refused)?.has_nulls() {
                return Ok(Some(accuracy));
            }
        }
        Ok(None)
    }

    /// Refuses runs that cannot stand in one report.
    ///
    /// # Errors
    /// When runs are of different data, or two of one arm and length share a seed.
    pub(crate) fn check(&self) -> Result<()> {
        let Some((first, others)) = self.runs.split_first() else {
            return Err(Failure::unusable("no finished run was given").hint("name the folders of finished runs"));
        };
        if let Some(other) = others.iter().find(|run| run.record.data.sha256 != first.record.data.sha256) {
            let what = format!(
                "{} and {} are of different data ({} and {})",
                first.record.name, other.record.name, first.record.data_name, other.record.data_name
            );
            return Err(Failure::unusable(what).hint("draw one report for each data set"));
        }
        for same in frame::groups(&self.arms_frame(), ["arm", "iterations", "seed"])? {
            if let [one, other, ..] = frame::whole_numbers(&same, PLACE)?[..] {
                let folder = |place: u64| self.runs[place as usize].folder.display();
                let what = format!("{} and {} are of the same arm, length and seed", folder(one), folder(other));
                return Err(
                    Failure::unusable(what).hint("name the arms of runs with --arm, or leave one of the two out")
                );
            }
        }
        Ok(())
    }

    /// The runs of the arms that have this accuracy, which becomes column [`ACCURACY`].
    fn scored(&self, accuracy: FinalAccuracy) -> Result<DataFrame> {
        let arms = self.arms_frame();
        let has = arms.column(accuracy.name()).map_err(refused)?.is_not_null();
        let mut scored = arms.filter(&has).map_err(refused)?;
        scored.rename(accuracy.name(), ACCURACY.into()).map_err(refused)?;
        Ok(scored)
    }

    /// Every arm at every length. `saturated`: of a run's place, whether it had learnt all before its annealing.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn cells(
        &self,
        accuracy: FinalAccuracy,
        saturated: impl Fn(usize) -> Option<Saturation>,
    ) -> Result<Vec<Cell>> {
        let groups = frame::groups(&self.scored(accuracy)?, ["arm", "iterations"])?;
        let cells = groups.iter().map(|group| cell(group, &saturated)).collect::<Result<Vec<_>>>()?;
        Ok(cells.into_iter().flatten().collect())
    }

    /// Every arm against the baseline, and 1cycle against every other arm, at the lengths that both have, paired by seed.
    /// `margin`: the difference that is too small to matter.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn comparisons(&self, accuracy: FinalAccuracy, margin: f64) -> Result<Vec<Comparison>> {
        let arms = self.arms()?;
        let mut all = Vec::new();
        for [ours, theirs] in opponents(&arms) {
            for group in ours {
                let same_length = theirs.iter().find(|other| other.iterations == group.iterations);
                all.extend(same_length.and_then(|other| comparison::compare(group, other, accuracy, margin)));
            }
        }
        Ok(all)
    }

    /// How many steps the others need for what an arm reaches: of the pairs of [`Study::comparisons`].
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn savings(&self, accuracy: FinalAccuracy) -> Result<Vec<Saving>> {
        let arms = self.arms()?;
        let pairs = opponents(&arms);
        Ok(pairs.iter().filter_map(|[ours, theirs]| saving::saving(ours, theirs, accuracy)).collect())
    }

    /// What finding the rate cost at the longest length that 1cycle has; none without 1cycle.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn spent(&self) -> Result<Option<Spent>> {
        let longest = self.arms()?.iter().filter(|group| group.arm == CYCLE_ARM).map(|group| group.iterations).max();
        let grid = &self.runs[self.range_tests..self.range_tests + self.grid];
        Ok(longest.map(|iterations| spent::spent(self.range_tests(), grid, iterations)))
    }

    /// The grid, by length and rate.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn grid_points(&self) -> Result<Vec<GridPoint>> {
        let grid = self.frame.slice(self.range_tests as i64, self.grid);
        let in_order = SortMultipleOptions::default().with_maintain_order(true);
        let grid = grid.sort(["iterations"], in_order).map_err(refused)?;
        let lengths = frame::groups(&grid, ["iterations"])?;
        Ok(lengths.iter().map(grid_of).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Seeds whose runs did not all start from the same initial weights.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub(crate) fn unequal_starts(&self) -> Result<Vec<u64>> {
        let mut unequal = Vec::new();
        for runs in frame::groups(&self.arms_frame(), ["seed"])? {
            if runs.column(INIT).and_then(Column::n_unique).map_err(refused)? > 1 {
                unequal.extend(frame::whole_numbers(&runs, "seed")?.first());
            }
        }
        Ok(unequal)
    }
}

/// The arms of this accuracy at every length, those that are compared with each other, each pair once: every arm with the
/// baseline, and 1cycle with every other.
fn opponents<'a>(arms: &'a [ArmRuns<'a>]) -> Vec<[Vec<&'a ArmRuns<'a>>; 2]> {
    let mut names: Vec<&str> = arms.iter().map(|group| group.arm.as_str()).collect();
    names.dedup();
    let of = |name: &str| arms.iter().filter(|group| group.arm == name).collect::<Vec<_>>();
    let against = |arm: &str, other: &str| {
        arm != other && (other == BASELINE_ARM || (arm == CYCLE_ARM && names.contains(&CYCLE_ARM)))
    };
    // The baseline first: it is what a reader asks for first.
    let others = || names.iter().filter(|n| **n == BASELINE_ARM).chain(names.iter().filter(|n| **n != BASELINE_ARM));
    let pairs = names.iter().flat_map(|arm| others().map(move |other| (*arm, *other)));
    pairs.filter(|(arm, other)| against(arm, other)).map(|(arm, other)| [of(arm), of(other)]).collect()
}

/// Arm and length of a group.
fn key(group: &DataFrame) -> Result<(String, u64)> {
    let arm = frame::texts(group, "arm")?.into_iter().next().unwrap_or_default();
    let iterations = frame::whole_numbers(group, "iterations")?.first().copied().unwrap_or_default();
    Ok((arm, iterations))
}

fn grid_of(runs: &DataFrame) -> Result<Vec<GridPoint>> {
    let (_, iterations) = key(runs)?;
    let mut rates = grid::rates(runs)?;
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
    Ok(rates.iter().enumerate().filter_map(point).collect())
}

fn cell(runs: &DataFrame, saturated: &impl Fn(usize) -> Option<Saturation>) -> Result<Option<Cell>> {
    let accuracy = frame::numbers(runs, ACCURACY)?;
    let Some(Summary { mean, sd, .. }) = summary(&accuracy) else {
        return Ok(None);
    };
    let (arm, iterations) = key(runs)?;
    let mut max_lr = frame::numbers(runs, "max_lr")?;
    max_lr.sort_by(f64::total_cmp);
    max_lr.dedup();
    let of_training = runs.column("final_train_accuracy").map_err(refused)?;
    let gaps = (of_training - runs.column(ACCURACY).map_err(refused)?).map_err(refused)?;
    let gaps: Vec<f64> = gaps.f64().map_err(refused)?.iter().flatten().collect();
    let places = frame::whole_numbers(runs, PLACE)?;
    Ok(Some(Cell {
        arm,
        iterations,
        seeds: frame::whole_numbers(runs, "seed")?,
        max_lr,
        accuracy,
        mean_accuracy: mean,
        sd_accuracy: sd,
        mean_train_accuracy: summary(&frame::numbers(runs, "final_train_accuracy")?).map(|train| train.mean),
        mean_gap: summary(&gaps).map(|gap| gap.mean),
        diverged: frame::texts(runs, "status")?.iter().filter(|status| *status == DIVERGED).count(),
        saturated: places.into_iter().filter_map(|place| saturated(place as usize)).collect(),
    }))
}
