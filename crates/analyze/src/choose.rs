//! The best rate of a grid, chosen on validation images.

use artifacts::choice::{Candidate, Choice, FORMAT};
use artifacts::finished::Run;
use cli::Failure;

use crate::study::FinalAccuracy;
use crate::table::{Vary, check_comparable};
use crate::{Result, frame, grid};

/// Chooses the rate with the highest mean final validation accuracy; of equals the lowest. A run that diverged counts with
/// the accuracy of a guess at random.
///
/// # Errors
/// When runs are of different lengths or settings, have no validation accuracy, or all diverged.
pub fn choose(runs: &[Run]) -> Result<Choice> {
    let hint = "choose among finished training runs of one setting and length that differ only in rate and seed";
    let Some(first) = runs.first() else {
        return Err(Failure::unusable("no finished run was given").hint(hint));
    };
    check_one_setting(first, &runs[1..], hint)?;
    for run in runs {
        check_can_be_chosen(run, hint)?;
    }
    let rates = grid::rates(&frame::to_compare(runs)?)?;
    let Some(best) = grid::best(&rates) else {
        return Err(Failure::unusable("every run of the grid diverged").hint("add lower rates to the grid"));
    };
    Ok(Choice {
        format: FORMAT.to_owned(),
        lr: rates[best.at].lr,
        at_edge: best.at_edge,
        iterations: first.record.config.iterations,
        candidates: rates.iter().map(candidate).collect(),
        schedule: Some(first.record.config.schedule.clone()),
        setting: Some(first.record.setting()),
    })
}

/// Refuses a run without a rate to choose, or without an accuracy to choose it by.
fn check_can_be_chosen(run: &Run, hint: &str) -> Result<()> {
    let folder = run.folder.display();
    if run.main_lr().is_none() {
        let what = format!("{folder}: schedule {} has no rate to choose", run.record.config.schedule);
        return Err(Failure::unusable(what).hint(hint));
    }
    if FinalAccuracy::Validation.of(run).is_none() {
        let hint = "train the grid with --val-from-train 0.1: the test set must choose nothing";
        return Err(Failure::unusable(format!("{folder}: the run has no validation accuracy")).hint(hint));
    }
    Ok(())
}

fn check_one_setting(first: &Run, others: &[Run], hint: &str) -> Result<()> {
    for run in std::iter::once(first).chain(others) {
        if run.is_range_test() {
            let what = format!("{}: this is a range test, not a training run", run.folder.display());
            return Err(Failure::unusable(what).hint(hint));
        }
    }
    let vary = Vary::of(["lr", "seed"]);
    let all: Vec<Run> = std::iter::once(first).chain(others).cloned().collect();
    check_comparable(&all, &vary).map_err(|refusal| Failure::unusable(refusal.message).hint(hint))
}

fn candidate(rate: &grid::Rate) -> Candidate {
    let grid::Rate { lr, accuracies, diverged } = rate;
    Candidate { lr: *lr, mean_val_accuracy: rate.mean_of_trained(), runs: accuracies.len(), diverged: *diverged }
}
