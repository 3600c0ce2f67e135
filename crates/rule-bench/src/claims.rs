//! What the benchmark's tables say beyond themselves: the figures of docs/the-rule.md that no table shows directly.
//!
//! **Hindsight regret** is what a user loses at a rule's rate: the best mean of the grid over all seeds, minus the mean at that
//! rate, read off the grid by interpolation in log rate. Everything is in points of accuracy (percent) unless said otherwise.

pub(crate) mod elsewhere;
pub(crate) mod read;
pub(crate) mod resample;
pub(crate) mod table_rule;

use std::fmt::Write as _;

use reading::stats;

use crate::regret::bench::PROBE;
use crate::regret::{BY_MOMENTUM, CRITICAL, OURS};
use crate::{anew, by_curve, confidence};
use read::{Answers, TableSetting, Tables};
use table_rule::TableRule;

/// The kind of range test that the rule is judged on.
const RAMP: &str = "around33";
/// Rules whose answers are compared with the best rate.
const TEXTBOOK: [&str; 2] = ["minimum_over_10", "valley"];
/// A rule that leaves more settings without an answer is not listed.
const LEAST_ANSWERED: usize = 12;

/// What a rate costs in a setting.
pub(crate) fn hindsight(setting: &TableSetting, rate: f64) -> f64 {
    let ground_truth = &setting.ground_truth;
    100.0 * (ground_truth.means()[ground_truth.best()] - ground_truth.at(rate))
}

/// All figures, as Markdown.
///
/// # Panics
/// When the tables lack the rule itself, or a half of the settings.
pub(crate) fn report(tables: &Tables) -> String {
    let mut text = String::new();
    let all: Vec<usize> = (0..tables.settings.len()).collect();
    let (judging, tuning): (Vec<usize>, Vec<usize>) = all.iter().partition(|index| tables.settings[**index].judging);
    let groups = [("judging", &judging), ("tuning", &tuning), ("all", &all)];
    let ours = tables.answers(OURS, RAMP).expect("the rule itself is in the tables");
    let base = tables.answers(BY_MOMENTUM, PROBE).expect("so is what it starts from");
    rules(&mut text, tables, &judging, &all);
    for (name, group) in groups {
        losses(&mut text, tables, ours, name, group);
    }
    for (name, group) in groups {
        ramp_against_probe(&mut text, tables, (ours, base), name, group);
    }
    cells(&mut text, tables, (ours, base));
    stretches(&mut text, tables);
    textbook(&mut text, tables);
    noisy_batch_norm(&mut text, tables);
    without_measurement(&mut text, tables, (ours, base), &tuning, &judging);
    anew::report(&mut text, tables);
    by_curve::report(&mut text, tables);
    confidence::report(&mut text, tables);
    text
}

/// Mean hindsight regret in each setting of a group that has answers.
fn means(tables: &Tables, answers: &Answers, group: &[usize]) -> Vec<(usize, f64)> {
    let mean = |index: &usize| {
        let rates = answers.get(index)?;
        let costs: Vec<f64> = rates.iter().map(|rate| hindsight(&tables.settings[*index], *rate)).collect();
        Some((*index, mean_of(&costs)))
    };
    group.iter().filter_map(mean).collect()
}

fn mean_of(values: &[f64]) -> f64 {
    stats::summary(values).map_or(f64::NAN, |summary| summary.mean)
}

fn median_of(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

fn values(means: &[(usize, f64)]) -> Vec<f64> {
    means.iter().map(|(_, mean)| *mean).collect()
}

/// The setting that costs most.
fn worst<'a>(tables: &'a Tables, means: &[(usize, f64)]) -> (f64, &'a str) {
    let worst = means.iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("a group has settings");
    (worst.1, &tables.settings[worst.0].name)
}

/// Every rule on every kind of range test.
fn rules(text: &mut String, tables: &Tables, judging: &[usize], all: &[usize]) {
    text.push_str("## Hindsight regret of every rule\n\n");
    text.push_str("| rule | range test | judging settings | worst of them | all settings |\n|---|---|---|---|---|\n");
    let mut rows: Vec<(f64, String)> = Vec::new();
    for ((rule, arm), answers) in &tables.answers {
        let on_judging = means(tables, answers, judging);
        if on_judging.len() < LEAST_ANSWERED {
            continue;
        }
        let mean = mean_of(&values(&on_judging));
        let on_all = means(tables, answers, all);
        let few = |found: usize, of: usize| if found < of { format!(" ({found} settings)") } else { String::new() };
        let (most, name) = worst(tables, &on_judging);
        let row = format!(
            "| {rule} | {arm} | {mean:.2}{} | {most:.1} ({name}) | {:.2}{} |\n",
            few(on_judging.len(), judging.len()),
            mean_of(&values(&on_all)),
            few(on_all.len(), all.len()),
        );
        rows.push((mean, row));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    text.extend(rows.into_iter().map(|(_, row)| row));
    let _ = writeln!(text, "\n## The rule ({OURS} on {RAMP})\n");
}

/// What the rule loses in a group of settings, and how sure that is.
pub(crate) fn losses(text: &mut String, tables: &Tables, ours: &Answers, name: &str, group: &[usize]) {
    let means = means(tables, ours, group);
    let (most, at) = worst(tables, &means);
    let corrected = resample::hindsight(tables, ours, group);
    let middle: Vec<f64> = group
        .iter()
        .filter_map(|index| Some(middle_of_three(ours.get(index)?, |rate| hindsight(&tables.settings[*index], rate))))
        .collect();
    let _ = writeln!(
        text,
        "- {name}, {} settings: {:.2}; corrected for the best of noisy means {:.2}, 95% interval {:.2} to {:.2}; median setting \
         {:.2}, worst {most:.2} ({at}); the middle of three range tests {:.2}; as a share of the errors at the best rate {:.0}%.",
        means.len(),
        mean_of(&values(&means)),
        corrected.mean,
        corrected.low,
        corrected.high,
        median_of(&values(&means)),
        mean_of(&middle),
        100.0 * mean_of(&means.iter().map(|(index, cost)| cost / errors(&tables.settings[*index])).collect::<Vec<_>>()),
    );
}

/// Errors at the best rate, in percent of the images.
fn errors(setting: &TableSetting) -> f64 {
    100.0 * (1.0 - setting.ground_truth.means()[setting.ground_truth.best()])
}

/// The mean of `cost` at the middle rate of every three of some rates.
fn middle_of_three(rates: &[f64], cost: impl Fn(f64) -> f64) -> f64 {
    let mut costs = Vec::new();
    for i in 0..rates.len() {
        for j in i + 1..rates.len() {
            for k in j + 1..rates.len() {
                costs.push(cost(median_of(&[rates[i], rates[j], rates[k]])));
            }
        }
    }
    mean_of(&costs)
}

/// What leaving the ramp out costs: the probe's rate minus the rule's, paired by setting.
fn ramp_against_probe(
    text: &mut String,
    tables: &Tables,
    (ours, base): (&Answers, &Answers),
    name: &str,
    group: &[usize],
) {
    let differences = differences(tables, (ours, base), group);
    let (low, high) = stats::interval95(&differences).unwrap_or((f64::NAN, f64::NAN));
    let mean = mean_of(&differences);
    let _ =
        writeln!(text, "- {name}, b without a ramp: {mean:+.2} beside the rule, 95% interval {low:+.2} to {high:+.2}.");
}

fn differences(tables: &Tables, (ours, base): (&Answers, &Answers), group: &[usize]) -> Vec<f64> {
    let (ours, base) = (means(tables, ours, group), means(tables, base, group));
    ours.iter().zip(&base).map(|(ours, base)| base.1 - ours.1).collect()
}

/// The same by data set and batch norm, with how far the rule's rate lies above the middle of the best stretch.
fn cells(text: &mut String, tables: &Tables, both: (&Answers, &Answers)) {
    text.push_str(
        "\n| cell | settings | the rule's rate above the middle of the best stretch, octaves | b without a ramp costs more by |\n\
         |---|---|---|---|\n",
    );
    for data in tables.data_sets() {
        for batch_norm in [false, true] {
            let is_in = |index: &usize| {
                let setting = &tables.settings[*index];
                setting.data == data && setting.has_batch_norm() == batch_norm
            };
            let cell: Vec<usize> = (0..tables.settings.len()).filter(is_in).collect();
            if cell.is_empty() {
                continue;
            }
            let above: Vec<f64> =
                cell.iter().map(|index| octaves_above(&tables.settings[*index], &both.0[index])).collect();
            let more = differences(tables, both, &cell);
            let with = if batch_norm { "batch norm" } else { "no batch norm" };
            let _ =
                writeln!(text, "| {data}, {with} | {} | {} | {} |", cell.len(), with_error(&above), with_error(&more));
        }
    }
}

/// A mean and its standard error.
fn with_error(values: &[f64]) -> String {
    let summary = stats::summary(values).expect("a cell has settings");
    let error = summary.sd.map_or(f64::NAN, |sd| sd / (summary.n as f64).sqrt());
    format!("{:+.2} ± {error:.2}", summary.mean)
}

fn octaves_above(setting: &TableSetting, rates: &[f64]) -> f64 {
    let (low, high) = setting.stretch(1.0);
    log_mean(rates).log2() - f64::midpoint(low.log2(), high.log2())
}

/// The geometric mean.
fn log_mean(rates: &[f64]) -> f64 {
    mean_of(&rates.iter().map(|rate| rate.ln()).collect::<Vec<_>>()).exp()
}

/// Over which factor of rates accuracy stays near its best.
fn stretches(text: &mut String, tables: &Tables) {
    text.push_str("\n## Where training is good\n\n");
    for points in [1.0, 2.0] {
        let factors: Vec<f64> = tables
            .settings
            .iter()
            .map(|setting| {
                let (low, high) = setting.stretch(points);
                high / low
            })
            .collect();
        let (least, most) =
            factors.iter().fold((f64::INFINITY, 0.0f64), |(low, high), factor| (low.min(*factor), high.max(*factor)));
        let _ = writeln!(
            text,
            "- Less than {points:.0} point(s) below the best over a factor of {least:.1} to {most:.0}, median {:.1}.",
            median_of(&factors)
        );
    }
}

/// How far below the best rate textbook rules read.
fn textbook(text: &mut String, tables: &Tables) {
    for rule in TEXTBOOK {
        let _ = write!(text, "- {rule}, the best rate over its answer, median over settings:");
        for ((_, arm), answers) in tables.answers.iter().filter(|((name, _), _)| name == rule) {
            let factors: Vec<f64> =
                answers.iter().map(|(index, rates)| tables.settings[*index].best_rate() / median_of(rates)).collect();
            let _ = write!(text, " {:.0} ({arm})", median_of(&factors));
        }
        text.push_str(".\n");
    }
}

/// The best rate over the critical one where momentum carries noisy gradients through batch norm.
fn noisy_batch_norm(text: &mut String, tables: &Tables) {
    let Some(critical) = tables.answers(CRITICAL, PROBE) else { return };
    text.push_str("- Best rate over c, CIFAR with batch norm at momentum 0.9 and more:");
    for (index, rates) in critical {
        let setting = &tables.settings[*index];
        if setting.has_batch_norm() && setting.data.starts_with("cifar") && setting.momentum >= 0.9 {
            let _ = write!(text, " {} 1/{:.1}", setting.name, log_mean(rates) / setting.best_rate());
        }
    }
    text.push_str(".\n");
}

/// The table of constants, and what each is worth on a data set that nothing was fitted on.
fn without_measurement(
    text: &mut String,
    tables: &Tables,
    (ours, base): (&Answers, &Answers),
    tuning: &[usize],
    judging: &[usize],
) {
    let settings = |group: &[usize]| group.iter().map(|index| &tables.settings[*index]).collect::<Vec<_>>();
    let table = TableRule::fitted(&settings(tuning));
    let _ = writeln!(
        text,
        "\n## Without any measurement\n\n- A table of five constants fitted on the tuning settings ({table}): {:.2} on the judging settings.",
        table.cost(&settings(judging))
    );
    let (mut by_table, mut by_base, mut by_ours) = (Vec::new(), Vec::new(), Vec::new());
    for data in tables.data_sets() {
        let (left_out, fitted): (Vec<usize>, Vec<usize>) =
            (0..tables.settings.len()).partition(|index| tables.settings[*index].data == data);
        let table = TableRule::fitted(&settings(&fitted));
        by_table.extend(settings(&left_out).iter().map(|setting| hindsight(setting, table.rate(setting))));
        for (answers, costs) in [(base, &mut by_base), (ours, &mut by_ours)] {
            let factor = best_factor(tables, answers, &fitted);
            costs.extend(values(&means(tables, &scaled(answers, factor), &left_out)));
        }
    }
    let _ = writeln!(
        text,
        "- Fitted on one data set, scored on the other: the table {:.2}, b (one factor fitted) {:.2}, the rule (one factor fitted) {:.2}.",
        mean_of(&by_table),
        mean_of(&by_base),
        mean_of(&by_ours)
    );
}

fn scaled(answers: &Answers, factor: f64) -> Answers {
    answers.iter().map(|(index, rates)| (*index, rates.iter().map(|rate| factor * rate).collect())).collect()
}

/// The factor (a sixteenth to 16, in twentieths of an octave) by which answers cost least.
fn best_factor(tables: &Tables, answers: &Answers, group: &[usize]) -> f64 {
    let cost = |factor: f64| mean_of(&values(&means(tables, &scaled(answers, factor), group)));
    let factors = (-80..=80).map(|step| 2f64.powf(f64::from(step) / 20.0));
    factors.map(|factor| (cost(factor), factor)).min_by(|a, b| a.0.total_cmp(&b.0)).map_or(1.0, |(_, factor)| factor)
}
