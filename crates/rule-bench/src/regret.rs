//! What rules for the highest rate cost, in points of accuracy, against a ground truth.
//!
//! In a setting the ground truth is the final validation accuracy of 1cycle over a grid of highest rates, several seeds each. A rule
//! reads a range test and names a rate; its **regret** is the accuracy at the best rate of the grid, chosen on half of the
//! seeds and scored on the other half, minus the accuracy at the rule's rate on that other half, read off the grid by
//! interpolation in log rate; the mean over all ways to halve the seeds. A rate beyond the grid counts as the grid's end,
//! which flatters the rule.
//!
//! The **noise floor** is what choosing on half of the seeds itself costs: the best of the scoring half, chosen with
//! hindsight, minus what the other half chose.

pub(crate) mod bench;
pub(crate) mod drawing;
pub(crate) mod ground_truth;
pub(crate) mod tables;

use std::collections::{BTreeMap, BTreeSet};

use reading::curve::Curve;
use reading::stats;
use reading::suggest::{self, other_rules};

use bench::{Bench, MeasuredSetting, PROBE, RangeTest, Role};

/// Settings whose grid spans less teach nothing: every rate is as good as another. In fractions of 1.
pub(crate) const MIN_SPAN: f64 = 0.03;
/// The name of our own rule among the others.
pub(crate) const OURS: &str = "superconv";
/// The name of the critical rate of the first step.
pub(crate) const CRITICAL: &str = "critical_rate";
/// The name of our rule where it has no ramp: the critical rate by momentum.
pub(crate) const BY_MOMENTUM: &str = "critical_rate_by_momentum";

/// One answer of one rule on one range test, and what it costs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Index of the setting in the bench.
    pub setting: usize,
    /// Kind of range test, such as `ramp33`; [`PROBE`] where none was asked.
    pub arm: String,
    /// The rule.
    pub rule: String,
    /// Seed of the range test.
    pub seed: u64,
    /// The rate that it names; `None` where it has no answer.
    pub rate: Option<f64>,
    /// Its regret, a fraction of 1.
    pub regret: Option<f64>,
    /// Whether less than half of the progress from chance to the best is left at that rate: it fell off the cliff.
    pub falls: bool,
}

/// A rule on one kind of range test, over all settings of one role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RuleScore {
    /// The rule.
    pub rule: String,
    /// Kind of range test.
    pub arm: String,
    /// What the settings are for.
    pub role: Role,
    /// Its mean regret in each setting in which it answered.
    pub settings: Vec<f64>,
    /// Range tests on which it had no answer.
    pub unanswered: usize,
    /// Mean over settings of the mean over seeds.
    pub mean: f64,
    /// The 95% interval of that mean, over settings (Student's t).
    pub interval: Option<(f64, f64)>,
    /// The largest setting's mean, and which.
    pub worst: (f64, String),
    /// The largest regret of a single range test.
    pub worst_single: f64,
    /// Range tests whose answer fell off the cliff.
    pub falls: usize,
    /// Range tests answered.
    pub answers: usize,
    /// Steps of the range test and its probe in steps of the training, mean over settings.
    pub cost: f64,
    /// Largest over smallest rate of the seeds: the median over settings, and the largest.
    pub spread: (f64, f64),
}

/// Every rule's answer on a range test, by name.
fn rules(curve: &Curve) -> BTreeMap<String, Option<f64>> {
    let mut answers = other_rules::answers(curve);
    answers.insert(OURS.to_owned(), suggest::rates(curve).map(|rates| rates.max));
    answers
}

/// The answers that ask no range test, but the probe alone that one was laid by.
fn rules_of_probes(curve: &Curve) -> BTreeMap<String, Option<f64>> {
    let Some(critical) = curve.critical_lr else { return BTreeMap::new() };
    [(CRITICAL, critical), (BY_MOMENTUM, suggest::base_rate(curve, critical))]
        .map(|(rule, rate)| (rule.to_owned(), Some(rate)))
        .into()
}

/// All rules on all range tests of the settings worth looking at.
pub(crate) fn answers(bench: &Bench) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (index, setting) in bench.settings.iter().enumerate() {
        let mut add = |arm: &str, seed: u64, rules: BTreeMap<String, Option<f64>>| {
            answers.extend(rules.into_iter().map(|(rule, rate)| Answer {
                setting: index,
                arm: arm.to_owned(),
                rule,
                seed,
                rate,
                regret: rate.map(|rate| setting.ground_truth.regret(rate)),
                falls: rate.is_some_and(|rate| setting.ground_truth.has_fallen(rate)),
            }));
        };
        let mut probed = BTreeSet::new();
        for RangeTest { arm, curve, .. } in &setting.ramps {
            let seed = curve.seed.unwrap_or_default();
            add(arm, seed, rules(curve));
            // Range tests of several lengths share a probe.
            if curve.critical_lr.is_some() && probed.insert(seed) {
                add(PROBE, seed, rules_of_probes(curve));
            }
        }
    }
    answers
}

/// The scores of every rule on every kind of range test, the least mean regret first.
pub(crate) fn scores(bench: &Bench, answers: &[Answer], role: Role) -> Vec<RuleScore> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Answer>> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| bench.settings[answer.setting].role == role) {
        groups.entry((&answer.rule, &answer.arm)).or_default().push(answer);
    }
    let mut scores: Vec<RuleScore> =
        groups.into_iter().filter_map(|((rule, arm), answers)| score(bench, rule, arm, role, &answers)).collect();
    scores.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    scores
}

fn score(bench: &Bench, rule: &str, arm: &str, role: Role, answers: &[&Answer]) -> Option<RuleScore> {
    let mut by_setting: BTreeMap<usize, Vec<&Answer>> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.regret.is_some()) {
        by_setting.entry(answer.setting).or_default().push(answer);
    }
    let regrets = |answers: &[&Answer]| answers.iter().filter_map(|answer| answer.regret).collect::<Vec<_>>();
    let mean_of = |answers: &[&Answer]| stats::summary(&regrets(answers)).map_or(0.0, |summary| summary.mean);
    let means: Vec<f64> = by_setting.values().map(|answers| mean_of(answers)).collect();
    let (worst_mean, worst_setting) =
        by_setting.iter().map(|(setting, answers)| (mean_of(answers), *setting)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut spreads: Vec<f64> = by_setting.values().map(|answers| spread(answers)).collect();
    spreads.sort_by(f64::total_cmp);
    let costs: Vec<f64> = by_setting.keys().filter_map(|setting| bench.settings[*setting].cost(arm)).collect();
    Some(RuleScore {
        rule: rule.to_owned(),
        arm: arm.to_owned(),
        role,
        unanswered: answers.iter().filter(|answer| answer.rate.is_none()).count(),
        mean: stats::summary(&means)?.mean,
        interval: stats::interval95(&means),
        settings: means,
        worst: (worst_mean, bench.settings[worst_setting].name.clone()),
        worst_single: regrets(answers).into_iter().fold(f64::NEG_INFINITY, f64::max),
        falls: answers.iter().filter(|answer| answer.falls).count(),
        answers: regrets(answers).len(),
        cost: stats::summary(&costs)?.mean,
        spread: (spreads[spreads.len() / 2], *spreads.last()?),
    })
}

/// Largest over smallest rate.
fn spread(answers: &[&Answer]) -> f64 {
    let rates = answers.iter().filter_map(|answer| answer.rate);
    let (low, high) = rates.fold((f64::INFINITY, 0.0f64), |(low, high), rate| (low.min(rate), high.max(rate)));
    high / low
}

/// The mean noise floor of the settings of a role.
pub(crate) fn floor(bench: &Bench, role: Role) -> Option<f64> {
    let floors: Vec<f64> = of_role(bench, role).map(|setting| setting.ground_truth.floor()).collect();
    stats::summary(&floors).map(|summary| summary.mean)
}

/// The settings of a role.
pub(crate) fn of_role(bench: &Bench, role: Role) -> impl Iterator<Item = &MeasuredSetting> {
    bench.settings.iter().filter(move |setting| setting.role == role)
}
