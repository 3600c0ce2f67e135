//! From range tests of one setting to a suggestion: outcome, lowest and highest useful rate, how sure, and why.

pub mod other_rules;
mod outcome;
mod rule;

pub use outcome::smoothed;
pub use rule::{Rates, base_rate, depends_on_momentum, momentum_factor, rates};

use std::collections::BTreeMap;

use artifacts::setting::{Difference, Setting};
use artifacts::suggestion::{About, FORMAT, Interval, Outcome, Reason, Suggestion};

use crate::curve::{Curve, Measure};
use crate::error::{Error, Result};
use crate::smooth::{WINDOW_DECADES, median};
use artifacts::number::{percent, rate, round_digits, round_up_125};
use outcome::Reading;
use rule::include;

/// Confidence at most: the rule is a first one, measured on few nets.
const MAX_CONFIDENCE: f64 = 0.9;

/// What is left of the confidence where the curve shows no learning, and the critical rate alone speaks.
const UNSEEN: f64 = 0.5;

/// One curve with what was read from it.
struct Read<'a> {
    curve: &'a Curve,
    reading: Reading,
    rates: Option<Rates>,
}

/// Suggests rates from range tests of one setting: several seeds, several scales.
///
/// # Errors
/// When there is no curve, one cannot be read, or they are of different settings.
pub fn suggest(curves: &[Curve]) -> Result<Suggestion> {
    for curve in curves {
        curve.check()?;
    }
    let setting = common_setting(curves)?;
    let reads = curves.iter().map(read).collect::<Result<Vec<_>>>()?;
    let outcome = majority(&reads);
    let mut reasons = vec![Reason { about: About::Outcome, sentence: outcome_sentence(&reads, outcome) }];
    let mut sentences = Vec::new();
    let mut confidence = Confidence(MAX_CONFIDENCE);
    confidence.weigh_number_of_curves(&reads, &mut sentences);
    confidence.weigh_agreement(&reads, outcome, &mut sentences);
    let by_critical_rate = outcome == Outcome::NoLearning && curves.iter().any(|curve| curve.critical_lr.is_some());
    let rates = if outcome == Outcome::NoLearning && !by_critical_rate { None } else { combined(&reads) };
    if let Some(rates) = &rates {
        // In order: what the confidence rests on, the rates, and the rest.
        reasons.extend(sentences.drain(..).map(Reason::from));
        reasons.push(Reason { about: About::HighestRate, sentence: format!("highest rate: {}.", rates.max_reason) });
        sentences.push(min_sentence(&reads, rates));
        confidence.weigh_intervals(rates, &mut sentences);
    }
    if by_critical_rate {
        confidence.0 *= UNSEEN;
        let unseen = "the ramp was too short or too noisy to show learning: the rate rests on the critical rate of the first step.";
        sentences.push(unseen.to_owned());
    } else {
        sentences.extend(no_rate_sentence(outcome, curves));
    }
    sentences.extend(weaker_rule_sentence(curves, rates.is_some()));
    sentences.extend(super_convergence_sentence(outcome));
    confidence.weigh_end_of_ramp(&reads, &mut sentences);
    sentences.extend(other_measures(&reads, outcome));
    sentences.extend(recovery_sentence(outcome));
    reasons.extend(sentences.into_iter().map(Reason::from));
    let interval = |interval: Interval| Interval { low: rounded(interval.low), high: rounded(interval.high) };
    Ok(Suggestion {
        format: FORMAT.to_owned(),
        outcome,
        min_lr: rates.as_ref().map(|rates| rounded(rates.min)),
        max_lr: rates.as_ref().map(|rates| rounded(rates.max)),
        min_lr_interval: rates.as_ref().map(|rates| interval(rates.min_interval)),
        max_lr_interval: rates.as_ref().map(|rates| interval(rates.max_interval)),
        confidence: (confidence.0 * 100.0).round() / 100.0,
        reasons,
        other_rules: other_rules_of_all(curves, rates.as_ref()),
        setting,
        for_iterations: common_length(curves),
        sources: curves.iter().map(|curve| curve.source.clone()).collect(),
    })
}

/// Four digits: more than any rate deserves, and few enough to be copied by hand.
fn rounded(rate: f64) -> f64 {
    round_digits(rate, 4)
}

fn read(curve: &Curve) -> Result<Read<'_>> {
    let Some(reading) = rule::read(curve) else {
        let what = format!("{}: the rates with a finite loss or accuracy are too few, or all the same", curve.source);
        return Err(Error::curve(what, "run the range test for more iterations, or over a wider range"));
    };
    Ok(Read { curve, reading, rates: rates(curve) })
}

/// The setting that all curves share; `iterations` alone may differ between them and is then left open.
fn common_setting(curves: &[Curve]) -> Result<Setting> {
    let Some((first, others)) = curves.split_first() else {
        return Err(Error::curve("no range test was given", "name runs of sc-rangetest, or CSV files"));
    };
    let mut setting = first.setting.clone();
    for other in others {
        if let Some((key, a, b)) = difference(first, other) {
            let what = format!(
                "{} and {} are of different settings: {key} is {a} in one and {b} in the other",
                first.source, other.source
            );
            return Err(Error::curve(what, "ask for one suggestion a setting; seeds, lengths and scales may differ"));
        }
        if other.setting.iterations != setting.iterations {
            setting.iterations = None;
        }
    }
    Ok(setting)
}

/// The length of training that all curves are asked for.
fn common_length(curves: &[Curve]) -> Option<u64> {
    let asked = curves.first()?.for_iterations;
    asked.filter(|_| curves.iter().all(|curve| curve.for_iterations == asked))
}

/// The first thing in which two curves differ, by its key, of what both say: a CSV says nothing, and may stand beside
/// anything.
fn difference(a: &Curve, b: &Curve) -> Option<(&'static str, String, String)> {
    if let Some(Difference { parameter, one, other }) = a.setting.differences(&b.setting).into_iter().next() {
        return Some((parameter.key(), one, other));
    }
    let conditions = |curve: &Curve| {
        let mut all = vec![("classes", curve.classes.map(|classes| classes.to_string()))];
        all.extend(curve.conditions.iter().map(|(key, value)| (*key, Some(value.clone()))));
        all
    };
    let mut pairs = conditions(a).into_iter().zip(conditions(b));
    pairs.find_map(|((key, a), (_, b))| Some((key, a?, b?)).filter(|(_, a, b)| a != b))
}

/// The outcome of most curves; of equals the one listed first in [`outcome`].
fn majority(reads: &[Read]) -> Outcome {
    let order =
        [Outcome::NoLearning, Outcome::CollapseAndRecovery, Outcome::Divergence, Outcome::Plateau, Outcome::Hill];
    let votes = |outcome: &Outcome| reads.iter().filter(|read| read.reading.outcome == *outcome).count();
    let most = order.iter().map(votes).max().unwrap_or(0);
    order.into_iter().find(|outcome| votes(outcome) == most).unwrap_or(Outcome::NoLearning)
}

/// The middle of the curves' answers, in log rate; the intervals cover all of them.
fn combined(reads: &[Read]) -> Option<Rates> {
    let rates: Vec<&Rates> = reads.iter().filter_map(|read| read.rates.as_ref()).collect();
    // The rule was found by measurement on ramps around the critical rate: where there are any, they decide; or else those
    // whose critical rate is known.
    let among = |decides: fn(&Curve) -> bool| -> Option<Vec<&Rates>> {
        let found = reads.iter().filter(|read| decides(read.curve)).filter_map(|read| read.rates.as_ref()).collect();
        Some(found).filter(|found: &Vec<&Rates>| !found.is_empty())
    };
    let deciding = among(Curve::is_around_critical_rate)
        .or_else(|| among(|curve| curve.critical_lr.is_some()))
        .unwrap_or_else(|| rates.clone());
    let max = middle(deciding.iter().map(|rates| rates.max))?;
    let min = middle(rates.iter().map(|rates| rates.min))?.min(max);
    let cover = |rates: &[&Rates], start: f64, of: fn(&Rates) -> Interval| {
        let start = Interval { low: start, high: start };
        rates.iter().map(|rates| of(rates)).fold(start, |all, one| include(include(all, one.low), one.high))
    };
    let nearest = deciding.iter().min_by(|a, b| (a.max / max).ln().abs().total_cmp(&(b.max / max).ln().abs()));
    let mut max_reason = nearest.map_or_else(String::new, |rates| rates.max_reason.clone());
    if deciding.len() > 1 {
        let (low, high) = span(deciding.iter().map(|rates| rates.max));
        max_reason = format!(
            "{} is the middle of {} range tests ({} to {}); in the nearest, {max_reason}",
            rate(max),
            deciding.len(),
            rate(low),
            rate(high)
        );
    }
    let min_interval = cover(&rates, min, |rates| rates.min_interval);
    let max_interval = cover(&deciding, max, |rates| rates.max_interval);
    Some(Rates { min, min_interval, max, max_interval, max_reason })
}

/// The median in log rate.
fn middle(rates: impl Iterator<Item = f64>) -> Option<f64> {
    let logs: Vec<f64> = rates.map(f64::ln).collect();
    (!logs.is_empty()).then(|| median(&logs).exp())
}

fn span(rates: impl Iterator<Item = f64>) -> (f64, f64) {
    rates.fold((f64::INFINITY, 0.0), |(low, high), rate| (low.min(rate), high.max(rate)))
}

fn other_rules_of_all(curves: &[Curve], rates: Option<&Rates>) -> BTreeMap<String, Option<f64>> {
    let each: Vec<BTreeMap<String, Option<f64>>> = curves.iter().map(other_rules::answers).collect();
    let names = each.first().map(|answers| answers.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let of =
        |name: &String| middle(each.iter().filter_map(|answers| answers.get(name).copied().flatten())).map(rounded);
    let mut all: BTreeMap<String, Option<f64>> = names.iter().map(|name| (name.clone(), of(name))).collect();
    for divisor in [3.0, 4.0, 10.0] {
        all.insert(format!("max_over_{divisor}"), rates.map(|rates| rounded(rates.max / divisor)));
    }
    all
}

fn value(measure: Measure, value: f64) -> String {
    if measure.is_loss() { format!("{value:.3}") } else { percent(value) }
}

fn outcome_sentence(reads: &[Read], outcome: Outcome) -> String {
    let Some(read) = reads.iter().find(|read| read.reading.outcome == outcome) else {
        return String::new();
    };
    let Reading { measure, curve, progress, floor, best, .. } = &read.reading;
    let peak = curve.rate(if measure.is_loss() { curve.argmin() } else { curve.argmax() });
    let last = progress.value[progress.len() - 1];
    let name = measure.name();
    let (best, floor) = (value(*measure, *best), value(*measure, *floor));
    let highest = rate(read.curve.highest_rate());
    match outcome {
        Outcome::NoLearning => {
            format!("no-learning: {name} comes from {floor} to {best} at most, up to rate {highest}.")
        }
        Outcome::Plateau => format!(
            "plateau: {name} rises to {best} at {} and keeps {:.0}% of its progress from {floor} between {} and {}; at the highest rate, {highest}, {:.0}% are left.",
            rate(peak),
            100.0 * outcome::PLATEAU_PROGRESS,
            rate(read.reading.kept_from(outcome::PLATEAU_PROGRESS)),
            rate(read.reading.kept_until(outcome::PLATEAU_PROGRESS)),
            100.0 * last
        ),
        Outcome::Hill => format!(
            "hill: {name} rises to {best} at {} and falls: {:.0}% of its progress from {floor} are left at {}, {:.0}% at the highest rate, {highest}.",
            rate(peak),
            100.0 * outcome::PLATEAU_PROGRESS,
            rate(read.reading.kept_until(outcome::PLATEAU_PROGRESS)),
            100.0 * last
        ),
        Outcome::CollapseAndRecovery => format!(
            "collapse-and-recovery: {name} rises, falls below {:.0}% of its progress from {floor} to {best} at {}, and comes back to {:.0}% or more.",
            100.0 * outcome::COLLAPSED_BELOW,
            read.reading.falls_at().map_or_else(|| "the end".to_owned(), rate),
            100.0 * outcome::RECOVERED_FROM
        ),
        Outcome::Divergence => {
            let blown =
                read.curve.blown_from().map(|from| format!("the loss is no longer finite from {} on", rate(from)));
            let fall = read.reading.falls_at().map(|at| format!("{name} falls off a cliff at {}", rate(at)));
            let both: Vec<String> = [fall, blown].into_iter().flatten().collect();
            format!("divergence: {name} rises to {best} at {}; {}.", rate(peak), both.join(", and "))
        }
    }
}

fn min_sentence(reads: &[Read], rates: &Rates) -> String {
    let name = reads.iter().find(|read| read.rates.is_some()).map_or("the curve", |read| read.reading.measure.name());
    let lowest = reads.iter().filter_map(|read| read.curve.lowest_rate()).fold(f64::INFINITY, f64::min);
    let came = format!("{name} has made {:.0}% of its progress", 100.0 * rule::START_PROGRESS);
    let start = if rates.min <= 1.01 * lowest {
        format!(
            "at {}, the lowest rate tried, {came} already: start the ramp lower to see where learning starts",
            rate(lowest)
        )
    } else {
        format!("learning starts at {}, where {came}", rate(rates.min))
    };
    let [third, fourth, tenth] = [3.0, 4.0, 10.0].map(|divisor| rate(rates.max / divisor));
    format!("lowest rate: {start}; Smith's bounds max/3, max/4 and max/10 are {third}, {fourth} and {tenth}.")
}

fn super_convergence_sentence(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Plateau => {
            Some("a plateau up to high rates is the sign that super-convergence can be had.".to_owned())
        }
        Outcome::Hill => {
            Some("no plateau: expect no super-convergence; less weight decay may widen the hill.".to_owned())
        }
        _ => None,
    }
}

fn no_rate_sentence(outcome: Outcome, curves: &[Curve]) -> Option<String> {
    let highest = curves.iter().map(Curve::highest_rate).fold(0.0, f64::max);
    (outcome == Outcome::NoLearning).then(|| {
        format!(
            "no rate is suggested: nothing was learnt up to {}; test higher rates, more iterations, or another start.",
            rate(highest)
        )
    })
}

/// What the judged rule lacks, where it did not answer.
fn weaker_rule_sentence(curves: &[Curve], is_answered: bool) -> Option<String> {
    let is_known = |curve: &Curve| curve.critical_lr.is_some();
    if curves.iter().any(|curve| is_known(curve) && curve.has(Measure::TrainLoss)) {
        return None;
    }
    let measured = "sc-rangetest and integrations/superconv_lr.py measure it, --critical-lr gives it";
    Some(if curves.iter().any(is_known) {
        "the critical rate goes unused: the stronger rule reads the training loss of the steps beside it.".to_owned()
    } else if is_answered {
        format!(
            "this is the weaker rule, by the shape of the curve alone: the stronger one takes the critical rate of the first step ({measured})."
        )
    } else {
        format!("the critical rate of the first step would give an answer ({measured}).")
    })
}

fn recovery_sentence(outcome: Outcome) -> Option<String> {
    (outcome == Outcome::CollapseAndRecovery).then(|| {
        "the second rise is left out of the suggestion: running statistics of batch norm can make one; look at the training loss and at re-estimated accuracy (--bn-reestimate) there.".to_owned()
    })
}

/// Where validation accuracy tells another story than the measure that was read.
fn other_measures(reads: &[Read], outcome: Outcome) -> Option<String> {
    let other = reads.iter().filter(|read| read.reading.measure != Measure::ValAccuracy).find_map(|read| {
        Reading::of(read.curve, Measure::ValAccuracy, WINDOW_DECADES).filter(|validation| validation.outcome != outcome)
    })?;
    Some(format!(
        "validation accuracy alone would read {}, with its peak at {}: running statistics lag on short ramps.",
        name_of(other.outcome),
        rate(other.curve.rate(other.curve.argmax()))
    ))
}

/// An outcome as files spell it.
pub fn name_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hill => "hill",
        Outcome::Plateau => "plateau",
        Outcome::CollapseAndRecovery => "collapse-and-recovery",
        Outcome::Divergence => "divergence",
        Outcome::NoLearning => "no-learning",
    }
}

/// How sure the suggestion is: [`MAX_CONFIDENCE`], times a factor for everything that speaks against it.
struct Confidence(f64);

impl Confidence {
    fn weigh_number_of_curves(&mut self, reads: &[Read], sentences: &mut Vec<String>) {
        if let [only] = reads {
            self.0 *= 0.8;
            sentences.push("one range test alone: other seeds would show how far the answer moves.".to_owned());
            let rates = only.curve.series(only.reading.measure).len();
            if rates < 40 {
                self.0 *= 0.8;
                sentences.push(format!("{} was measured at {rates} rates only.", only.reading.measure.name()));
            }
        }
    }

    fn weigh_agreement(&mut self, reads: &[Read], outcome: Outcome, sentences: &mut Vec<String>) {
        let agree = reads.iter().filter(|read| read.reading.outcome == outcome).count();
        if agree < reads.len() {
            self.0 *= agree as f64 / reads.len() as f64;
            let others: Vec<String> = reads
                .iter()
                .filter(|read| read.reading.outcome != outcome)
                .map(|read| format!("{} reads {}", read.curve.source, name_of(read.reading.outcome)))
                .collect();
            sentences.push(format!("{agree} of {} range tests agree; {}.", reads.len(), others.join(", ")));
        }
    }

    fn weigh_intervals(&mut self, rates: &Rates, sentences: &mut Vec<String>) {
        let factor = rates.max_interval.high / rates.max_interval.low;
        if factor > 3.0 {
            self.0 *= 0.7;
            sentences.push(format!(
                "the highest rate is known to a factor of {factor:.1} only ({} to {}).",
                rate(rates.max_interval.low),
                rate(rates.max_interval.high)
            ));
        }
    }

    fn weigh_end_of_ramp(&mut self, reads: &[Read], sentences: &mut Vec<String>) {
        let rising: Vec<f64> = reads.iter().filter_map(|read| read.reading.still_rising_at).collect();
        if rising.len() * 2 > reads.len() {
            let highest = rising.iter().copied().fold(0.0, f64::max);
            self.0 *= 0.5;
            sentences.push(format!(
                "the ramp stopped too soon: still rising at the highest rate tried ({}); test up to {}.",
                rate(highest),
                rate(round_up_125(4.0 * highest))
            ));
        } else if reads.iter().all(|read| read.reading.outcome == Outcome::Plateau && ends_on_top(read)) {
            let highest = reads.iter().map(|read| read.curve.highest_rate()).fold(0.0, f64::max);
            self.0 *= 0.9;
            sentences.push(format!(
                "the end of the plateau was not seen: rates above {} may do as well; test up to {}.",
                rate(highest),
                rate(round_up_125(2.0 * highest))
            ));
        }
    }
}

fn ends_on_top(read: &Read) -> bool {
    read.rates.as_ref().is_some_and(|rates| rates.max >= 0.99 * read.curve.highest_rate())
}

#[cfg(test)]
mod tests;
