//! How sure suggestions are: of those like one another, the share within a point of the best rate.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reading::suggest::Basis;

use crate::claims::hindsight;
use crate::claims::read::{TableSetting, Tables};
use crate::regret::OURS;

/// What counts as right, in points of accuracy below the best.
const RIGHT: f64 = 1.0;
/// The kind of range test that `make rangetest` lays, and its share of a training.
const RAMP: (&str, f64) = ("around33", 0.33);
/// Steps of a range test at least.
const LEAST_STEPS: f64 = 12.0;

/// A suggestion, and whether it was right.
struct Case {
    setting: usize,
    basis: Basis,
    right: bool,
}

/// A kind of suggestion: with a critical rate or without, several range tests or one.
type Kind = (bool, bool);

/// Every range test alone, and every three of a setting.
fn cases(tables: &Tables) -> Vec<Case> {
    let mut cases = Vec::new();
    let critical = tables.answers(OURS, RAMP.0);
    for (index, setting) in tables.settings.iter().enumerate() {
        if let Some(rates) = critical.and_then(|answers| answers.get(&index)) {
            let steps = (RAMP.1 * setting.iterations as f64).round().max(LEAST_STEPS);
            add(&mut cases, (index, setting), true, steps, rates);
        }
        let by_curve =
            tables.by_curve.iter().filter(|answer| answer.setting == setting.name && answer.curve == "accuracy");
        let steps = by_curve.clone().next().map_or(0, |answer| answer.steps) as f64;
        let rates: Vec<f64> = by_curve.filter_map(|answer| answer.max_lr).collect();
        add(&mut cases, (index, setting), false, steps, &rates);
    }
    cases
}

fn add(
    cases: &mut Vec<Case>,
    (index, setting): (usize, &TableSetting),
    by_critical_rate: bool,
    steps: f64,
    rates: &[f64],
) {
    let right = |rate: f64| hindsight(setting, rate) <= RIGHT;
    let mut push = |spread: Option<f64>, rate: f64| {
        cases.push(Case { setting: index, basis: Basis { by_critical_rate, spread, steps }, right: right(rate) });
    };
    for rate in rates {
        push(None, *rate);
    }
    for i in 0..rates.len() {
        for j in i + 1..rates.len() {
            for k in j + 1..rates.len() {
                let mut three = [rates[i], rates[j], rates[k]];
                three.sort_by(f64::total_cmp);
                push(Some(three[2] / three[0]), three[1]);
            }
        }
    }
}

/// The share that is right: every setting counts as much as any other.
fn share<'a>(cases: impl Iterator<Item = &'a Case>) -> Option<f64> {
    let mut settings: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for case in cases {
        let (right, all) = settings.entry(case.setting).or_default();
        *right += f64::from(u8::from(case.right));
        *all += 1.0;
    }
    let (right, all) = settings.values().fold((0.0, 0.0), |(right, all), own| (right + own.0, all + own.1));
    (all > 0.0).then(|| right / all)
}

/// Mean squared error of foretelling whether each case is right, by what the other settings say of cases like it.
fn error(cases: &[&Case], alike: impl Fn(&Case, &Case) -> bool) -> f64 {
    let settings: Vec<usize> = cases.iter().map(|case| case.setting).collect();
    let squares = cases.iter().map(|case| {
        let others = cases.iter().copied().filter(|other| other.setting != case.setting);
        let told = share(others.clone().filter(|other| alike(case, other))).or_else(|| share(others)).unwrap_or(0.5);
        (told - f64::from(u8::from(case.right))).powi(2)
    });
    squares.sum::<f64>() / settings.len() as f64
}

/// What the committed table of the reader says of each kind, and what is measured.
pub(crate) fn shares(tables: &Tables) -> Vec<(Kind, usize, f64, f64, usize)> {
    let cases = cases(tables);
    let mut cells: BTreeMap<(Kind, usize), Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        cells.entry((kind(case), case.basis.cell())).or_default().push(case);
    }
    let row = |((kind, cell), cases): ((Kind, usize), Vec<&Case>)| {
        let settings: std::collections::BTreeSet<usize> = cases.iter().map(|case| case.setting).collect();
        let said = cases[0].basis.confidence();
        (kind, cell, said, share(cases.into_iter()).unwrap_or(f64::NAN), settings.len())
    };
    cells.into_iter().map(row).collect()
}

fn kind(case: &Case) -> Kind {
    (case.basis.by_critical_rate, case.basis.spread.is_some())
}

fn name((by_critical_rate, several): Kind) -> &'static str {
    match (by_critical_rate, several) {
        (true, true) => "three range tests with a critical rate, by their spread",
        (true, false) => "one with a critical rate, by its steps",
        (false, true) => "three by the curve alone, by their spread",
        (false, false) => "one by the curve alone, by its steps",
    }
}

/// The shares by kind, and how well they foretell settings that they were not counted on.
pub(crate) fn report(text: &mut String, tables: &Tables) {
    let _ = writeln!(
        text,
        "\n## Confidence: suggestions within {RIGHT} point of the best\n\n| suggestion | kind | settings | share | confidence given |\n\
         |---|---|---|---|---|"
    );
    for (kind, cell, said, found, settings) in shares(tables) {
        let _ = writeln!(text, "| {} | {} | {settings} | {found:.2} | {said:.2} |", name(kind), cell + 1);
    }
    text.push_str(
        "\nMean squared error of foretelling each setting by the others, by kind and by the mean of all:\n\n",
    );
    let cases = cases(tables);
    for which in [(true, true), (true, false), (false, true), (false, false)] {
        let own: Vec<&Case> = cases.iter().filter(|case| kind(case) == which).collect();
        if own.is_empty() {
            continue;
        }
        let by_kind = error(&own, |a, b| a.basis.cell() == b.basis.cell());
        let by_mean = error(&own, |_, _| true);
        let all = share(own.iter().copied()).unwrap_or(f64::NAN);
        let _ = writeln!(text, "- {}: {by_kind:.3} and {by_mean:.3} ({all:.2} of all are right).", name(which));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The reader's table is a count on the committed tables: who changes the rule counts again.
    #[test]
    fn confidences_are_what_the_tables_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results/rule-bench");
        let shares = shares(&Tables::read(&folder).unwrap());
        assert!(shares.len() >= 8, "{shares:?}");
        for (kind, cell, said, found, _) in shares {
            assert!((said - found).abs() < 0.015, "{}, kind {}: {found:.3}, not {said}", name(kind), cell + 1);
        }
    }
}
