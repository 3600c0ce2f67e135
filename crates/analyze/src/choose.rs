//! The best rate of a grid, chosen on held-out training images.

use artifacts::choice::{Candidate, Choice, FORMAT};

use crate::table::{Vary, check_comparable};
use artifacts::finished::Run;
use reading::error::BadInput;
use reading::stats::summary;

/// Chooses the rate with the highest mean final held-out accuracy; of equals the lowest. A run that diverged counts with
/// the accuracy of a guess at random.
///
/// # Errors
/// When runs are of different lengths or settings, have no held-out accuracy, or all diverged.
pub fn choose(runs: &[Run]) -> Result<Choice, BadInput> {
    let hint = "choose among finished training runs of one setting and length that differ in rate and seed alone";
    let Some(first) = runs.first() else {
        return Err(BadInput::new("no finished run was given", hint));
    };
    check_one_setting(first, &runs[1..], hint)?;
    let mut rates = Vec::new();
    for run in runs {
        let Some(lr) = run.main_lr() else {
            return Err(BadInput::new(
                format!("{}: its schedule {} has no rate to choose", run.folder.display(), run.record.config.schedule),
                hint,
            ));
        };
        rates.push(lr);
    }
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let candidates = rates.iter().map(|lr| candidate(runs, *lr)).collect::<Result<Vec<_>, _>>()?;
    let mut best: Option<usize> = None;
    for (i, candidate) in candidates.iter().enumerate().filter(|(_, c)| c.mean_val_accuracy.is_some()) {
        if best.is_none_or(|best| candidate.mean_val_accuracy > candidates[best].mean_val_accuracy) {
            best = Some(i);
        }
    }
    let Some(best) = best else {
        return Err(BadInput::new("every run of the grid diverged", "add lower rates to the grid"));
    };
    Ok(Choice {
        format: FORMAT.to_owned(),
        lr: candidates[best].lr,
        at_edge: best == 0 || best == candidates.len() - 1,
        iterations: first.record.config.iterations,
        candidates,
    })
}

fn check_one_setting(first: &Run, others: &[Run], hint: &str) -> Result<(), BadInput> {
    for run in std::iter::once(first).chain(others) {
        if run.is_range_test() {
            return Err(BadInput::file(&run.folder, "a training run", "a range test", hint));
        }
    }
    let vary = Vary::of(["lr", "seed"]);
    let all: Vec<Run> = std::iter::once(first).chain(others).cloned().collect();
    check_comparable(&all, &vary).map_err(|error| BadInput::new(error.message, hint))
}

fn candidate(runs: &[Run], lr: f64) -> Result<Candidate, BadInput> {
    let runs: Vec<&Run> = runs.iter().filter(|run| run.main_lr() == Some(lr)).collect();
    let mut accuracies = Vec::new();
    for run in &runs {
        let measured = run.result.final_val_accuracy.or_else(|| run.diverged().then(|| run.chance()));
        let Some(accuracy) = measured else {
            let what = format!("{}: expected a final accuracy on held-out images, found none", run.folder.display());
            return Err(BadInput::new(
                what,
                "train the grid with --val-from-train 0.1: the test set must choose nothing",
            ));
        };
        accuracies.push(accuracy);
    }
    let diverged = runs.iter().filter(|run| run.diverged()).count();
    let mean = summary(&accuracies).map(|summary| summary.mean).filter(|_| diverged < runs.len());
    Ok(Candidate { lr, mean_val_accuracy: mean, runs: runs.len(), diverged })
}
