//! What was found, in plain sentences.

use artifacts::number::{count, percent, rate};
use reading::suggest::name_of;

use super::Report;
use crate::study::{BASELINE_ARM, Cell, Comparison, FinalAccuracy, Verdict};

/// The findings of a report, the most wanted first.
pub(super) fn of(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(verdicts(report));
    sentences.extend(report.comparisons.iter().map(|comparison| comparison_sentence(report, comparison)));
    sentences.extend(cells_without_baseline(report));
    sentences.extend(savings(report));
    sentences.extend(suggestions(report));
    sentences.extend(grid(report));
    sentences.extend(overfitting(report));
    sentences.extend(divergence(report));
    sentences
}

fn cell<'a>(report: &'a Report, arm: &str, iterations: u64) -> Option<&'a Cell> {
    report.cells.iter().find(|cell| cell.arm == arm && cell.iterations == iterations)
}

fn with_deviation(cell: &Cell) -> String {
    match cell.sd_accuracy {
        Some(sd) => format!("{:.1} ± {:.1}%", 100.0 * cell.mean_accuracy, 100.0 * sd),
        None => percent(cell.mean_accuracy),
    }
}

/// Where each arm wins, ties and loses, in one sentence.
fn verdicts(report: &Report) -> Vec<String> {
    let mut arms: Vec<&str> = report.comparisons.iter().map(|comparison| comparison.arm.as_str()).collect();
    arms.dedup();
    let accuracy = report.accuracy.map_or("accuracy", FinalAccuracy::name);
    arms.into_iter()
        .map(|arm| {
            let of = |verdict| {
                let lengths = report.comparisons.iter().filter(|c| c.arm == arm && c.verdict == verdict);
                lengths.map(|comparison| count(comparison.iterations)).collect::<Vec<_>>()
            };
            let named = [
                ("wins", Verdict::Wins),
                ("ties", Verdict::Ties),
                ("loses", Verdict::Loses),
                ("has only one seed", Verdict::Unclear),
            ];
            let parts: Vec<String> = named
                .into_iter()
                .map(|(word, verdict)| (word, of(verdict)))
                .filter(|(_, lengths)| !lengths.is_empty())
                .map(|(word, lengths)| format!("{word} at {} steps", and(&lengths)))
                .collect();
            format!("{arm} against {BASELINE_ARM}: {} (final {accuracy}, paired by seed).", parts.join(", "))
        })
        .collect()
}

fn comparison_sentence(report: &Report, comparison: &Comparison) -> String {
    let Comparison { arm, baseline, iterations, pairs, mean_difference, interval, .. } = comparison;
    let show = |arm: &str| cell(report, arm, *iterations).map_or_else(String::new, with_deviation);
    let points = |fraction: f64| format!("{:+.1}", 100.0 * fraction);
    let interval = interval.map_or_else(String::new, |(low, high)| {
        format!(", 95% interval {} to {}, {pairs} seeds", points(low), points(high))
    });
    format!(
        "{} steps: {arm} {}, {baseline} {}: {} points{interval}.",
        count(*iterations),
        show(arm),
        show(baseline),
        points(*mean_difference)
    )
}

/// Without a baseline the arms' accuracies are all there is to say.
fn cells_without_baseline(report: &Report) -> Vec<String> {
    if !report.comparisons.is_empty() {
        return Vec::new();
    }
    let accuracy = report.accuracy.map_or("accuracy", FinalAccuracy::name);
    let sentence = |cell: &Cell| {
        let seeds = if cell.seeds.len() == 1 { "1 seed".to_owned() } else { format!("{} seeds", cell.seeds.len()) };
        format!("{} steps: {} {} ({accuracy}, {seeds}).", count(cell.iterations), cell.arm, with_deviation(cell))
    };
    report.cells.iter().map(sentence).collect()
}

fn savings(report: &Report) -> Vec<String> {
    let saved =
        report.savings.iter().filter(|saving| saving.iterations.is_some_and(|i| i < saving.baseline_iterations));
    let mut sentences: Vec<String> = saved
        .map(|saving| {
            let iterations = saving.iterations.unwrap_or(saving.baseline_iterations);
            format!(
                "iterations saved: {} in {} steps ({}) ends no lower than {BASELINE_ARM} in {} ({}): {} times fewer.",
                saving.arm,
                count(iterations),
                percent(saving.accuracy.unwrap_or(0.0)),
                count(saving.baseline_iterations),
                percent(saving.baseline_accuracy),
                rate(saving.baseline_iterations as f64 / iterations as f64)
            )
        })
        .collect();
    if sentences.is_empty() && !report.savings.is_empty() {
        sentences.push(format!(
            "iterations saved: none; no shorter run of another arm ends as high as a longer one of {BASELINE_ARM}."
        ));
    }
    sentences
}

fn suggestions(report: &Report) -> Vec<String> {
    let sentence = |suggestion: &artifacts::suggestion::Suggestion| {
        let outcome = name_of(suggestion.outcome);
        match (suggestion.min_lr, suggestion.max_lr) {
            (Some(min), Some(max)) => {
                let within = suggestion.max_lr_interval.map_or_else(String::new, |interval| {
                    format!(" (between {} and {})", rate(interval.low), rate(interval.high))
                });
                format!(
                    "range test: {outcome}; rates from {} to {}{within}, confidence {}.",
                    rate(min),
                    rate(max),
                    suggestion.confidence
                )
            }
            _ => format!("range test: {outcome}; no rate is suggested."),
        }
    };
    report.suggestions.iter().map(sentence).collect()
}

fn grid(report: &Report) -> Vec<String> {
    let chosen: Vec<_> = report.grid.iter().filter(|point| point.chosen).collect();
    if chosen.is_empty() {
        return Vec::new();
    }
    let rates: Vec<String> =
        chosen.iter().map(|p| format!("{} at {} steps", rate(p.lr), count(p.iterations))).collect();
    let mut sentences = vec![format!("{BASELINE_ARM}'s best rate on validation images: {}.", and(&rates))];
    if chosen.iter().any(|point| point.runs < 2) {
        sentences.push("each rate of the grid rests on one run: the choice is partly luck.".to_owned());
    }
    let edge: Vec<String> = chosen.iter().filter(|point| point.at_edge).map(|point| count(point.iterations)).collect();
    if !edge.is_empty() {
        sentences.push(format!("at {} steps that is the edge of its grid: a better rate may lie beyond.", and(&edge)));
    }
    sentences
}

fn overfitting(report: &Report) -> Vec<String> {
    let saturated = report.cells.iter().filter(|cell| !cell.saturated.is_empty());
    saturated
        .map(|cell| {
            let gap = cell.mean_gap.map_or_else(String::new, |gap| {
                format!("; it ends {:.1} points above the final accuracy", 100.0 * gap)
            });
            let earliest = cell.saturated.iter().map(|s| s.iteration).min().unwrap_or(0);
            format!(
                "overfitting: {} at {} steps has a training accuracy of {} or more before the annealing in {} of {} runs (from step {}){gap}.",
                cell.arm,
                count(cell.iterations),
                percent(crate::overfit::COMPLETE),
                cell.saturated.len(),
                cell.seeds.len(),
                count(earliest)
            )
        })
        .collect()
}

fn divergence(report: &Report) -> Vec<String> {
    let diverged = report.cells.iter().filter(|cell| cell.diverged > 0);
    diverged
        .map(|cell| {
            format!(
                "{} at {} steps diverged in {} of {} runs, which count at chance.",
                cell.arm,
                count(cell.iterations),
                cell.diverged,
                cell.seeds.len()
            )
        })
        .collect()
}

/// Items in words: `a, b and c`.
pub(super) fn and(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
