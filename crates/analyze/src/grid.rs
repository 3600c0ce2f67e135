//! A grid of learning rates: what its runs came to on validation images, and which rate is the best.

use polars::prelude::{DataFrame, SortMultipleOptions};
use reading::stats::summary;

use crate::Result;
use crate::frame::{self, DIVERGED, refused};
use crate::study::FinalAccuracy;

/// One rate of a grid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rate {
    /// The rate.
    pub lr: f64,
    /// Final validation accuracy of each run that has one, a run that diverged at chance.
    pub accuracies: Vec<f64>,
    /// Runs that diverged.
    pub diverged: usize,
}

impl Rate {
    /// The mean of its runs; none where no run has an accuracy.
    pub(crate) fn mean(&self) -> Option<f64> {
        Some(summary(&self.accuracies)?.mean)
    }

    /// The mean of its runs where one of them at least did not diverge: a grid's best is none that never trained.
    pub(crate) fn mean_of_trained(&self) -> Option<f64> {
        self.mean().filter(|_| self.diverged < self.accuracies.len())
    }
}

/// The rates of a frame of runs ([`frame::to_compare`]), ascending. Runs whose schedule has no rate are left out.
///
/// # Errors
/// Only where polars refuses.
pub(crate) fn rates(runs: &DataFrame) -> Result<Vec<Rate>> {
    let known = runs.column("max_lr").map_err(refused)?.is_not_null();
    let in_order = SortMultipleOptions::default().with_maintain_order(true);
    let runs = runs.filter(&known).and_then(|runs| runs.sort(["max_lr"], in_order)).map_err(refused)?;
    frame::groups(&runs, ["max_lr"])?.iter().map(rate).collect()
}

fn rate(runs: &DataFrame) -> Result<Rate> {
    Ok(Rate {
        lr: frame::numbers(runs, "max_lr")?[0],
        accuracies: frame::numbers(runs, FinalAccuracy::Validation.name())?,
        diverged: frame::texts(runs, "status")?.iter().filter(|status| *status == DIVERGED).count(),
    })
}

/// The best of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Best {
    /// Its position.
    pub at: usize,
    /// Whether it is the lowest or the highest rate: a better one may lie beyond.
    pub at_edge: bool,
}

/// The rate with the highest mean, of equals the lowest; none where every run of every rate diverged.
pub(crate) fn best(rates: &[Rate]) -> Option<Best> {
    let mut best: Option<(usize, f64)> = None;
    for (at, mean) in rates.iter().enumerate().filter_map(|(at, rate)| Some((at, rate.mean_of_trained()?))) {
        if best.is_none_or(|(_, highest)| mean > highest) {
            best = Some((at, mean));
        }
    }
    let (at, _) = best?;
    Some(Best { at, at_edge: at == 0 || at == rates.len() - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(lr: f64, accuracies: &[f64], diverged: usize) -> Rate {
        Rate { lr, accuracies: accuracies.to_vec(), diverged }
    }

    #[test]
    fn the_best_has_the_highest_mean_and_of_equals_the_lowest_rate() {
        let grid = [rate(0.1, &[0.5], 0), rate(0.2, &[0.8, 0.6], 0), rate(0.4, &[0.7], 0), rate(0.8, &[0.1], 1)];
        assert_eq!(best(&grid), Some(Best { at: 1, at_edge: false }));
        assert_eq!(best(&grid[..2]), Some(Best { at: 1, at_edge: true }));
        assert_eq!(best(&grid[1..]), Some(Best { at: 0, at_edge: true }));
    }

    #[test]
    fn some_runs_that_diverge_count_at_chance_and_rates_that_never_train_are_not_chosen() {
        let grid = [rate(0.1, &[0.05, 0.05], 0), rate(0.2, &[0.1, 0.1], 2), rate(0.4, &[0.1, 0.9], 1)];
        assert_eq!(best(&grid).map(|best| best.at), Some(2));
        assert_eq!(best(&grid[..2]).map(|best| best.at), Some(0), "chance is no training, though it is more");
        assert_eq!(best(&grid[1..2]), None);
        assert_eq!(grid[1].mean(), Some(0.1), "a report shows it all the same");
        assert_eq!(best(&[rate(0.1, &[], 0)]), None);
    }
}
