//! What a report was asked, and how sure its answer is, in plain sentences: what stands around the findings.

use artifacts::number::{count, rate};

use super::Report;
use super::findings::and;
use crate::study::BASELINE_ARM;

/// What was asked.
pub(super) fn asked(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    let first = report.study.runs().first().map(|run| &run.record);
    let on = first.map_or_else(String::new, |record| {
        format!("{} on {}, batch {}", record.config.net, record.data_name, record.config.batch_size)
    });
    if !report.curves.is_empty() {
        let tests = counted(report.curves.len(), "range test");
        sentences.push(format!("Which learning rates are worth training at? {on}: {tests}."));
    }
    let mut lengths: Vec<u64> = report.cells.iter().map(|cell| cell.iterations).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let lengths = and(&lengths.into_iter().map(count).collect::<Vec<_>>());
    let mut arms: Vec<&str> = report.cells.iter().map(|cell| cell.arm.as_str()).collect();
    arms.dedup();
    if !report.comparisons.is_empty() {
        arms.retain(|arm| *arm != BASELINE_ARM);
        let tuned = if report.grid.is_empty() { "" } else { ", at the best rate of a grid for each length" };
        let arms: Vec<String> = arms.into_iter().map(str::to_owned).collect();
        sentences.push(format!(
            "{} {} end higher than {BASELINE_ARM}{tuned}, from the same initial weights, seed by seed? {on}: {lengths} steps.",
            if arms.len() == 1 { "Does" } else { "Do" },
            and(&arms)
        ));
    } else if !arms.is_empty() {
        let arms: Vec<String> = arms.into_iter().map(str::to_owned).collect();
        sentences.push(format!("How well does {} train? {on}: {lengths} steps.", and(&arms)));
    }
    sentences
}

/// How sure the findings are.
pub(super) fn sure(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    if !report.comparisons.is_empty() {
        sentences.push(of_comparisons(report));
    } else if report.cells.iter().any(|cell| cell.seeds.len() == 1) {
        sentences.push("One seed says nothing of chance: another may end some points higher or lower.".to_owned());
    }
    if let Some(suggestion) = report.suggestions.first() {
        let interval = suggestion.max_lr_interval.map_or_else(String::new, |interval| {
            format!("the highest useful rate may lie from {} to {}; ", rate(interval.low), rate(interval.high))
        });
        let tests = counted(suggestion.sources.len(), "range test");
        sentences.push(format!(
            "Rates: {interval}confidence {} on a scale from 0, a guess, to 1, read from {tests}.",
            suggestion.confidence
        ));
    }
    sentences
}

/// How wide the intervals of the differences are.
fn of_comparisons(report: &Report) -> String {
    let widths: Vec<f64> = report
        .comparisons
        .iter()
        .filter_map(|comparison| comparison.difference.interval)
        .map(|(low, high)| 50.0 * (high - low))
        .collect();
    let seeds = report.comparisons.iter().map(|comparison| comparison.pairs).min().unwrap_or(0);
    let (least, most) = widths.iter().fold((f64::INFINITY, 0.0f64), |(a, b), width| (a.min(*width), b.max(*width)));
    if widths.is_empty() {
        return "One seed per arm: nothing tells a difference from chance.".to_owned();
    }
    let wide = if format!("{least:.1}") == format!("{most:.1}") {
        format!("{most:.1}")
    } else {
        format!("{least:.1} to {most:.1}")
    };
    format!(
        "Differences are known to within {wide} points (95%, {seeds} seeds): where a comparison is undecided, a smaller one is not excluded."
    )
}

fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
