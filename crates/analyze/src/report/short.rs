//! A study in five sentences, for somebody who has read nothing: what reached what, in how many steps, how sure, at which cost.

use artifacts::correct;
use artifacts::number::{count, rate};

use super::Report;
use super::findings::{and, saved, with_deviation};
use crate::study::{BASELINE_ARM, CYCLE_ARM, Cell, Comparison, Saving, Verdict};

/// Arm at the customary rate.
const CUSTOMARY_ARM: &str = "customary";

/// The sentences; none without 1cycle and something to compare it with.
pub(super) fn of(report: &Report) -> Vec<String> {
    let against: Vec<&Saving> = report.savings.iter().filter(|saving| saving.arm == CYCLE_ARM).collect();
    if against.is_empty() {
        return Vec::new();
    }
    let mut sentences = vec![reached(report)];
    // The customary rate first: it is where most people stand.
    let first = |saving: &&&Saving| saving.baseline == CUSTOMARY_ARM;
    let ordered = against.iter().filter(first).chain(against.iter().filter(|saving| !first(saving)));
    sentences.extend(ordered.map(|saving| opponent(report, saving)));
    sentences.extend(spent(report));
    sentences
}

fn cells<'a>(report: &'a Report, arm: &str) -> Vec<&'a Cell> {
    report.cells.iter().filter(|cell| cell.arm == arm).collect()
}

/// What 1cycle reached, on how many seeds and images, and which difference would have shown.
fn reached(report: &Report) -> String {
    let cells = cells(report, CYCLE_ARM);
    let mut reached: Vec<String> = cells
        .iter()
        .rev()
        .map(|cell| format!("{} in {} steps", with_deviation(cell), count(cell.iterations)))
        .collect();
    reached.truncate(3);
    let longest = cells.last().expect("1cycle has runs");
    let rates: Vec<String> = longest.max_lr.iter().map(|lr| rate(*lr)).collect();
    let images = report.study.runs().iter().find_map(|run| correct::read(&run.folder.join(correct::FILE)).ok());
    let images = images.map_or_else(String::new, |images| format!(" on {} test images", count(images.len() as u64)));
    let seen = |comparison: &&Comparison| {
        let is_that = comparison.arm == CYCLE_ARM && comparison.iterations == longest.iterations;
        is_that && comparison.baseline == BASELINE_ARM
    };
    let detectable = report.comparisons.iter().find(seen).and_then(|comparison| comparison.difference.detectable);
    let detectable = detectable.map_or_else(String::new, |difference| {
        let steps = count(longest.iterations);
        format!("; a difference of {:.1} points at {steps} steps shows in 4 such studies of 5", 100.0 * difference)
    });
    format!(
        "1cycle at a highest rate of {}, which range tests suggest, reaches {}{images} (mean and deviation of {} seeds{detectable}).",
        and(&rates),
        and(&reached),
        longest.seeds.len()
    )
}

/// One arm against 1cycle.
fn opponent(report: &Report, saving: &Saving) -> String {
    let arm = saving.baseline.as_str();
    let at = || {
        cells(report, arm)
            .last()
            .map_or_else(String::new, |cell| cell.max_lr.iter().map(|lr| rate(*lr)).collect::<Vec<_>>().join(", "))
    };
    let name = match arm {
        BASELINE_ARM => "A piecewise constant rate, the best of a grid at each length".to_owned(),
        CUSTOMARY_ARM => format!("A piecewise constant rate at the customary {}", at()),
        "linear" => format!("A linear decay to zero from the rate of {BASELINE_ARM}"),
        other => format!("Arm {other}"),
    };
    let mut sentence = format!("{name}: {}", saved(saving));
    let of_cycle = |comparison: &&Comparison| comparison.arm == CYCLE_ARM && comparison.baseline == arm;
    let wins = report.comparisons.iter().filter(of_cycle).any(|comparison| comparison.verdict == Verdict::Wins);
    if arm == "linear" && !wins {
        sentence.push_str("; so nothing that 1cycle gains can be put down to the cycle");
    }
    sentence.push('.');
    sentence
}

/// What each arm costs in all.
fn spent(report: &Report) -> Option<String> {
    let spent = report.spent.as_ref()?;
    let train = count(spent.iterations);
    let total = |steps: u64| count(steps + spent.iterations);
    let mut arms = vec![format!(
        "1cycle {} ({} range tests with their probes {}, training {train})",
        total(spent.range_tests),
        spent.tests,
        count(spent.range_tests)
    )];
    let has = |arm: &str| report.cells.iter().any(|cell| cell.arm == arm);
    if has(BASELINE_ARM) && spent.grid_runs > 0 {
        let (grid, runs) = (count(spent.grid), spent.grid_runs);
        arms.push(format!("{BASELINE_ARM} {} ({runs} runs of its grid {grid}, training {train})", total(spent.grid)));
    }
    if has(CUSTOMARY_ARM) {
        arms.push(format!("the customary rate {train}"));
    }
    Some(format!("Steps spent in all, to find a rate and train once for {train} steps: {}.", and(&arms)))
}
