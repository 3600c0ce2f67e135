//! The benchmark's tables, as CSV.

use std::fmt::Write as _;

use super::bench::{Bench, Half};
use super::{Answer, Score, floor};
use artifacts::number::round_digits;

/// A line a setting: what it is, its best rate, how far its grid spans, and its noise floor.
pub(crate) fn settings(bench: &Bench) -> String {
    let mut text = String::from(
        "setting,half,data,net,batch_size,optimizer,momentum,weight_decay,iterations,best_lr,best_accuracy,span_points,floor_points\n",
    );
    for setting in &bench.settings {
        let (config, truth) = (&setting.config, &setting.truth);
        let best = truth.best();
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{:e},{},{},{:.4},{:.2},{:.2}",
            setting.name,
            setting.half.name(),
            setting.data,
            config.net,
            config.batch_size,
            config.optimizer,
            config.momentum,
            config.weight_decay,
            config.iterations,
            round_digits(truth.rates[best], 6),
            truth.means()[best],
            100.0 * truth.span(),
            100.0 * truth.floor()
        );
    }
    text
}

/// A line a run of the truth.
pub(crate) fn truth(bench: &Bench) -> String {
    let mut text = String::from("setting,max_lr,seed,accuracy\n");
    for setting in &bench.settings {
        for (rate, row) in setting.truth.rates.iter().zip(&setting.truth.accuracy) {
            for (seed, accuracy) in setting.truth.seeds.iter().zip(row) {
                let _ = writeln!(text, "{},{},{seed},{accuracy:.4}", setting.name, round_digits(*rate, 6));
            }
        }
    }
    text
}

/// A line an answer.
pub(crate) fn answers(bench: &Bench, answers: &[Answer]) -> String {
    let mut text = String::from("setting,range_test,seed,rule,max_lr,regret_points,falls\n");
    let number = |value: Option<f64>, digits| value.map_or_else(String::new, |v| round_digits(v, digits).to_string());
    for answer in answers {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{}",
            bench.settings[answer.setting].name,
            answer.arm,
            answer.seed,
            answer.rule,
            number(answer.rate, 5),
            answer.regret.map_or_else(String::new, |regret| format!("{:.2}", 100.0 * regret)),
            u8::from(answer.falls)
        );
    }
    text
}

/// A line a rule and kind of range test and half.
pub(crate) fn scores(scores: &[Score]) -> String {
    let mut text = String::from(
        "half,rule,range_test,settings,mean_regret_points,low95,high95,worst_setting_points,worst_setting,worst_single_points,falls,answers,unanswered,cost_share,median_spread,largest_spread\n",
    );
    for score in scores {
        let bound = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{:.2}", 100.0 * value));
        let _ = writeln!(
            text,
            "{},{},{},{},{:.2},{},{},{:.2},{},{:.2},{},{},{},{:.3},{:.2},{:.2}",
            score.half.name(),
            score.rule,
            score.arm,
            score.settings.len(),
            100.0 * score.mean,
            bound(score.interval.map(|interval| interval.0)),
            bound(score.interval.map(|interval| interval.1)),
            100.0 * score.worst.0,
            score.worst.1,
            100.0 * score.worst_single,
            score.falls,
            score.answers,
            score.unanswered,
            score.cost,
            score.spread.0,
            score.spread.1
        );
    }
    text
}

/// The scores of one half for people: a table in Markdown, the noise floor below it.
pub(crate) fn markdown(bench: &Bench, scores: &[Score], half: Half) -> String {
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
    if let Some(floor) = floor(bench, half) {
        let _ = writeln!(text, "\nNoise floor: {:.2} points.", 100.0 * floor);
    }
    text
}
