//! What was found, in plain sentences.

use artifacts::number::{count, percent, rate};
use reading::suggest::name_of;

use super::Report;
use crate::study::{BASELINE_ARM, Cell, Comparison, Difference, Factor, FinalAccuracy, Reach, Saving, Verdict};

/// The findings of a report, the most wanted first.
pub(super) fn of(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(verdicts(report));
    sentences.extend(report.comparisons.iter().map(|comparison| comparison_sentence(report, comparison)));
    sentences.extend(cells_without_baseline(report));
    sentences.extend(
        report
            .savings
            .iter()
            .map(|saving| format!("iterations saved: {} against {}: {}.", saving.arm, saving.baseline, saved(saving))),
    );
    sentences.extend(suggestions(report));
    sentences.extend(grid(report));
    sentences.extend(overfitting(report));
    sentences.extend(divergence(report));
    sentences
}

fn cell<'a>(report: &'a Report, arm: &str, iterations: u64) -> Option<&'a Cell> {
    report.cells.iter().find(|cell| cell.arm == arm && cell.iterations == iterations)
}

pub(super) fn with_deviation(cell: &Cell) -> String {
    match cell.sd_accuracy {
        Some(sd) => format!("{:.1} ± {:.1}%", 100.0 * cell.mean_accuracy, 100.0 * sd),
        None => percent(cell.mean_accuracy),
    }
}

/// Where each arm wins, ties and loses, a sentence for each that it is compared with.
fn verdicts(report: &Report) -> Vec<String> {
    let mut pairs: Vec<(&str, &str)> =
        report.comparisons.iter().map(|comparison| (comparison.arm.as_str(), comparison.baseline.as_str())).collect();
    pairs.dedup();
    let accuracy = report.accuracy.map_or("accuracy", FinalAccuracy::name);
    let sentence = |(arm, baseline): (&str, &str)| {
        let of = |verdict| {
            let is_that = |c: &&Comparison| c.arm == arm && c.baseline == baseline && c.verdict == verdict;
            report.comparisons.iter().filter(is_that).map(|c| count(c.iterations)).collect::<Vec<_>>()
        };
        let named = [
            ("wins", Verdict::Wins),
            ("ties", Verdict::Ties),
            ("loses", Verdict::Loses),
            ("is undecided", Verdict::Undecided),
            ("has only one seed", Verdict::Unclear),
        ];
        let parts: Vec<String> = named
            .into_iter()
            .map(|(word, verdict)| (word, of(verdict)))
            .filter(|(_, lengths)| !lengths.is_empty())
            .map(|(word, lengths)| format!("{word} at {} steps", and(&lengths)))
            .collect();
        format!("{arm} against {baseline}: {} (final {accuracy}, paired by seed).", parts.join(", "))
    };
    pairs.into_iter().map(sentence).collect()
}

fn comparison_sentence(report: &Report, comparison: &Comparison) -> String {
    let Comparison { arm, baseline, iterations, pairs, difference, .. } = comparison;
    let show = |arm: &str| cell(report, arm, *iterations).map_or_else(String::new, with_deviation);
    let images = difference.interval_over_images.map_or_else(String::new, |(low, high)| {
        format!("; {} to {} where the images count as a sample too", points(low), points(high))
    });
    let seeds = if difference.interval.is_some() { format!(", {pairs} seeds{images}") } else { String::new() };
    format!(
        "{} steps: {arm} {}, {baseline} {}: {}{seeds}.",
        count(*iterations),
        show(arm),
        show(baseline),
        in_points(difference)
    )
}

/// A difference of accuracy in points, with its sign.
pub(super) fn points(fraction: f64) -> String {
    format!("{:+.1}", 100.0 * fraction)
}

fn in_points(difference: &Difference) -> String {
    let interval = |(low, high)| format!(", 95% interval {} to {}", points(low), points(high));
    format!("{} points{}", points(difference.mean), difference.interval.map_or_else(String::new, interval))
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

/// What a baseline needs for what an arm reaches, without a full stop.
pub(super) fn saved(saving: &Saving) -> String {
    let Saving { arm, baseline, by_length, pooled, can_show, .. } = saving;
    let lengths = |is_that: &dyn Fn(&Reach) -> bool| -> Vec<String> {
        by_length.iter().filter(|(_, reach)| is_that(reach)).map(|(steps, _)| count(*steps)).collect()
    };
    let mut parts = Vec::new();
    let at_once = lengths(&|reach| matches!(reach, Reach::AtOnce { .. }));
    if let Some((_, Reach::AtOnce { shortest })) = by_length.iter().find(|(_, r)| matches!(r, Reach::AtOnce { .. })) {
        let (steps, shortest) = (and(&at_once), count(*shortest));
        parts.push(format!(
            "what {arm} reaches in {steps} steps, {baseline} reaches in its shortest run, of {shortest}"
        ));
    }
    if let Some(factor) = pooled {
        let steps = and(&lengths(&|reach| matches!(reach, Reach::In(_))));
        parts.push(format!(
            "for what {arm} reaches in {steps} steps, {baseline} needs {} as many",
            times(factor, *can_show)
        ));
    }
    for (steps, reach) in by_length {
        let Reach::Never { best, longest, difference } = reach else { continue };
        let certain = difference.interval.is_some_and(|(low, _)| low > 0.0);
        let how = if certain { "does not reach" } else { "does not surely reach" };
        let ratio = *longest as f64 / *steps as f64;
        let many = if longest == steps {
            "as many".to_owned()
        } else {
            format!("{}, {} times as many", count(*longest), rate(ratio))
        };
        parts.push(format!(
            "what {arm} reaches in {} steps, {baseline} {how} in {many} ({} over its best, of {} steps)",
            count(*steps),
            in_points(difference),
            count(*best)
        ));
    }
    parts.join("; ")
}

/// A factor with its interval, whose ends are named as far as lengths reach.
fn times(factor: &Factor, can_show: (f64, f64)) -> String {
    let interval = |(low, high): (f64, f64)| {
        let low = if low < can_show.0 { format!("less than {:.1}", can_show.0) } else { format!("{low:.1}") };
        let high = if high > can_show.1 { format!("more than {:.1}", can_show.1) } else { format!("{high:.1}") };
        format!(" (95% interval {low} to {high})")
    };
    format!("{:.1} times{}", factor.times, factor.interval.map_or_else(String::new, interval))
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
