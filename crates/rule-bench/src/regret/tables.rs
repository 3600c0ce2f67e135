//! The benchmark's tables, as CSV.

use std::fmt::Write as _;

use artifacts::number::round_digits;

use super::bench::{Bench, MeasuredSetting, Role};
use super::{Answer, RuleScore, floor};

/// A header and rows as CSV.
pub(crate) fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Nothing is refused but a disk, and this is memory.
    let _ = writer.write_record(header);
    for row in rows {
        let _ = writer.write_record(row);
    }
    writer.into_inner().unwrap_or_default()
}

/// In points: percent of accuracy.
fn points(fraction: f64) -> String {
    format!("{:.2}", 100.0 * fraction)
}

fn or_empty(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(String::new, show)
}

/// One line per setting: what it is, its best rate, how far its grid spans, and its noise floor.
pub(crate) fn settings(bench: &Bench) -> Vec<u8> {
    let header = [
        "setting",
        "half",
        "data",
        "net",
        "batch_size",
        "optimizer",
        "momentum",
        "weight_decay",
        "iterations",
        "best_lr",
        "best_accuracy",
        "span_points",
        "floor_points",
        "chance",
    ];
    let row = |setting: &MeasuredSetting| {
        let (config, ground_truth) = (&setting.config, &setting.ground_truth);
        let best = ground_truth.best();
        vec![
            setting.name.clone(),
            setting.role.key().to_owned(),
            setting.data.clone(),
            config.net.clone(),
            config.batch_size.to_string(),
            config.optimizer.clone(),
            config.momentum.to_string(),
            format!("{:e}", config.weight_decay),
            config.iterations.to_string(),
            round_digits(ground_truth.rates[best], 6).to_string(),
            format!("{:.4}", ground_truth.means()[best]),
            points(ground_truth.span()),
            points(ground_truth.floor()),
            format!("{:.4}", ground_truth.chance),
        ]
    };
    csv(&header, bench.settings.iter().map(row))
}

/// One line per run of the ground truth.
pub(crate) fn ground_truth(bench: &Bench) -> Vec<u8> {
    let mut rows = Vec::new();
    for setting in &bench.settings {
        for (rate, row) in setting.ground_truth.rates.iter().zip(&setting.ground_truth.accuracy) {
            for (seed, accuracy) in setting.ground_truth.seeds.iter().zip(row) {
                let rate = round_digits(*rate, 6).to_string();
                rows.push(vec![setting.name.clone(), rate, seed.to_string(), format!("{accuracy:.4}")]);
            }
        }
    }
    csv(&["setting", "max_lr", "seed", "accuracy"], rows)
}

/// One line per answer.
pub(crate) fn answers(bench: &Bench, answers: &[Answer]) -> Vec<u8> {
    let row = |answer: &Answer| {
        vec![
            bench.settings[answer.setting].name.clone(),
            answer.arm.clone(),
            answer.seed.to_string(),
            answer.rule.clone(),
            or_empty(answer.rate, |rate| round_digits(rate, 5).to_string()),
            or_empty(answer.regret, points),
            u8::from(answer.falls).to_string(),
        ]
    };
    let header = ["setting", "range_test", "seed", "rule", "max_lr", "regret_points", "falls"];
    csv(&header, answers.iter().map(row))
}

/// One line per role, rule and kind of range test.
pub(crate) fn scores(scores: &[RuleScore]) -> Vec<u8> {
    let header = [
        "half",
        "rule",
        "range_test",
        "settings",
        "mean_regret_points",
        "low95",
        "high95",
        "worst_setting_points",
        "worst_setting",
        "worst_single_points",
        "falls",
        "answers",
        "unanswered",
        "cost_share",
        "median_spread",
        "largest_spread",
    ];
    let row = |score: &RuleScore| {
        vec![
            score.role.key().to_owned(),
            score.rule.clone(),
            score.arm.clone(),
            score.settings.len().to_string(),
            points(score.mean),
            or_empty(score.interval.map(|interval| interval.0), points),
            or_empty(score.interval.map(|interval| interval.1), points),
            points(score.worst.0),
            score.worst.1.clone(),
            points(score.worst_single),
            score.falls.to_string(),
            score.answers.to_string(),
            score.unanswered.to_string(),
            format!("{:.3}", score.cost),
            format!("{:.2}", score.spread.0),
            format!("{:.2}", score.spread.1),
        ]
    };
    csv(&header, scores.iter().map(row))
}

/// The scores in the settings of one role for people: a table in Markdown, the noise floor below it.
pub(crate) fn markdown(bench: &Bench, scores: &[RuleScore], role: Role) -> String {
    let mut text = String::from(
        "| rule | range test | mean regret | 95% interval | worst setting | worst single | off the cliff | cost | spread over seeds |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for score in scores {
        let interval =
            score.interval.map_or_else(String::new, |(low, high)| format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high));
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {interval} | {:.1} ({}) | {:.1} | {} of {} | {:.0}% | {:.2} ({:.1}) |",
            score.rule,
            score.arm,
            100.0 * score.mean,
            100.0 * score.worst.0,
            score.worst.1,
            100.0 * score.worst_single,
            score.falls,
            score.answers,
            100.0 * score.cost,
            score.spread.0,
            score.spread.1
        );
    }
    if let Some(floor) = floor(bench, role) {
        let _ = writeln!(text, "\nNoise floor: {:.2} points.", 100.0 * floor);
    }
    text
}
