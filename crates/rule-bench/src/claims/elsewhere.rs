//! Rules in settings that none was found on, beside rivals whose constants were fitted in other settings.

use std::fmt::Write as _;

use super::read::{Answers, TableSetting, Tables};
use super::table_rule::TableRule;
use super::{RAMP, best_factor, cells, losses, mean_of, means, ramp_against_probe, scaled, values, worst};
use crate::by_curve;
use crate::regret::bench::PROBE;
use crate::regret::{BY_MOMENTUM, OURS};

/// A line of the table with its mean, which orders them.
struct Row {
    mean: f64,
    text: String,
}

/// All figures, as Markdown. `tables`: the settings that judge. `others`: those that constants are fitted on.
///
/// # Panics
/// When the tables lack the rule itself, or settings.
pub(crate) fn report(tables: &Tables, others: &Tables) -> String {
    let all: Vec<usize> = (0..tables.settings.len()).collect();
    let ours = tables.answers(OURS, RAMP).expect("the rule itself is in the tables");
    let base = tables.answers(BY_MOMENTUM, PROBE).expect("so is what it starts from");
    let mut text = format!("## Hindsight regret in {} new settings\n\n", all.len());
    text.push_str("| rule | range test | one factor fitted elsewhere | mean | worst setting | without an answer |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    let mut rows = vec![by_the_table(tables, others)];
    for ((rule, arm), answers) in &tables.answers {
        rows.push(row(tables, answers, &all, (rule, arm), None));
        if let Some(known) = others.answers(rule, arm) {
            let everywhere: Vec<usize> = (0..others.settings.len()).collect();
            let factor = best_factor(others, known, &everywhere);
            rows.push(row(tables, &scaled(answers, factor), &all, (rule, arm), Some(factor)));
        }
    }
    rows.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    text.extend(rows.iter().map(|row| format!("{}\n", row.text)));
    let _ = writeln!(text, "\n## The rule ({OURS} on {RAMP})\n");
    losses(&mut text, tables, ours, "judging", &all);
    ramp_against_probe(&mut text, tables, (ours, base), "judging", &all);
    spreads(&mut text, tables, ours);
    cells(&mut text, tables, (ours, base));
    by_setting(&mut text, tables, (ours, base));
    by_curve::report(&mut text, tables);
    text
}

fn row(tables: &Tables, answers: &Answers, all: &[usize], (rule, arm): (&str, &str), factor: Option<f64>) -> Row {
    let costs = costs(tables, answers, all);
    let (most, name) = worst(tables, &costs);
    let mean = mean_of(&values(&costs));
    let none = all.len() - answers.len();
    let factor = factor.map_or_else(String::new, |factor| format!("times {factor:.2}"));
    let text = format!("| {rule} | {arm} | {factor} | {mean:.2} | {most:.1} ({name}) | {none} |");
    Row { mean, text }
}

/// Mean hindsight regret in every setting: without an answer, what chance would cost.
fn costs(tables: &Tables, answers: &Answers, all: &[usize]) -> Vec<(usize, f64)> {
    let answered = means(tables, answers, all);
    let at_chance = |setting: &TableSetting| {
        let truth = &setting.ground_truth;
        100.0 * (truth.means()[truth.best()] - truth.chance)
    };
    let of = |index: &usize| {
        let found = answered.iter().find(|(answered, _)| answered == index);
        (*index, found.map_or_else(|| at_chance(&tables.settings[*index]), |(_, cost)| *cost))
    };
    all.iter().map(of).collect()
}

/// The table of constants that needs no measurement.
fn by_the_table(tables: &Tables, others: &Tables) -> Row {
    let table = TableRule::fitted(&others.settings.iter().collect::<Vec<_>>());
    let costs: Vec<(f64, &str)> =
        tables.settings.iter().map(|setting| (table.cost(&[setting]), setting.name.as_str())).collect();
    let (most, name) = costs.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are settings");
    let mean = mean_of(&costs.iter().map(|(cost, _)| *cost).collect::<Vec<_>>());
    let text = format!("| a table of five constants | none | all five | {mean:.2} | {most:.1} ({name}) | 0 |");
    Row { mean, text }
}

/// By which factor the answers of several seeds differ.
fn spreads(text: &mut String, tables: &Tables, ours: &Answers) {
    let spread = |rates: &Vec<f64>| {
        let (low, high) =
            rates.iter().fold((f64::INFINITY, 0.0f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
        high / low
    };
    let all: Vec<f64> = ours.values().map(spread).collect();
    let (index, most) =
        ours.iter().map(|(index, rates)| (*index, spread(rates))).max_by(|a, b| a.1.total_cmp(&b.1)).expect("answers");
    let _ = writeln!(
        text,
        "- Answers of the seeds of a setting differ by a factor of {:.2} in the median, of {most:.2} at most ({}).",
        super::median_of(&all),
        tables.settings[index].name
    );
}

/// What the rule and b lose, setting by setting.
fn by_setting(text: &mut String, tables: &Tables, (ours, base): (&Answers, &Answers)) {
    text.push_str("\n| setting | best rate | its accuracy, % | the rule's rates | it loses | b loses |\n|---|---|---|---|---|---|\n");
    for (index, setting) in tables.settings.iter().enumerate() {
        let cost = |answers: &Answers| mean_of(&values(&means(tables, answers, &[index])));
        let rates: Vec<String> =
            ours.get(&index).into_iter().flatten().map(|rate| artifacts::number::rate(*rate)).collect();
        let _ = writeln!(
            text,
            "| {}: {} on {} | {} | {:.1} | {} | {:.1} | {:.1} |",
            setting.name,
            setting.net,
            setting.data,
            artifacts::number::rate(setting.best_rate()),
            100.0 * setting.ground_truth.means()[setting.ground_truth.best()],
            rates.join(", "),
            cost(ours),
            cost(base)
        );
    }
}
