//! The best rate of a grid, chosen on held-out training images.

use artifacts::choice::{Candidate, Choice, FORMAT};

use crate::grid;
use crate::study::Score;
use crate::table::{Vary, check_comparable};
use artifacts::finished::Run;
use reading::error::BadInput;

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
    for run in runs {
        check_can_be_chosen(run, hint)?;
    }
    let rates = grid::rates(&runs.iter().collect::<Vec<_>>());
    let Some(best) = grid::best(&rates) else {
        return Err(BadInput::new("every run of the grid diverged", "add lower rates to the grid"));
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
fn check_can_be_chosen(run: &Run, hint: &str) -> Result<(), BadInput> {
    let folder = run.folder.display();
    if run.main_lr().is_none() {
        let what = format!("{folder}: its schedule {} has no rate to choose", run.record.config.schedule);
        return Err(BadInput::new(what, hint));
    }
    if Score::ValAccuracy.of(run).is_none() {
        let what = format!("{folder}: expected a final accuracy on held-out images, found none");
        let hint = "train the grid with --val-from-train 0.1: the test set must choose nothing";
        return Err(BadInput::new(what, hint));
    }
    Ok(())
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

fn candidate(rate: &grid::Rate) -> Candidate {
    let grid::Rate { lr, accuracies, diverged } = rate;
    Candidate { lr: *lr, mean_val_accuracy: rate.mean_of_trained(), runs: accuracies.len(), diverged: *diverged }
}
