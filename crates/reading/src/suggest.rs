//! From range tests of one setting to a suggestion: outcome, lowest and highest useful rate, how sure, and why.

mod by_curve;
mod confidence;
mod joint;
pub mod other_rules;
mod outcome;
mod rule;
mod sentences;

pub use confidence::Basis;
pub use outcome::smoothed;
pub use rule::{Rates, base_rate, depends_on_momentum, momentum_factor, rates};
pub use sentences::name_of;

use std::collections::BTreeMap;

use artifacts::number::{rate, round_digits};
use artifacts::setting::{Difference, Setting};
use artifacts::suggestion::{About, FORMAT, Interval, Outcome, Reason, Suggestion};

use crate::curve::Curve;
use crate::error::{Error, Result};
use crate::mended::{Mended, mended};
use crate::smooth::median;
use joint::Joint;
use outcome::Reading;
use rule::{Start, include};

/// What is left of the confidence where the curve still rises at its end: of such ramps there are none in the benchmark.
const STOPPED_TOO_SOON: f64 = 0.5;

/// One curve with what was read from it.
struct Read<'a> {
    /// As it was measured.
    curve: &'a Curve,
    /// As it was read.
    mended: Mended,
    reading: Reading,
    rates: Option<Rates>,
}

impl Read<'_> {
    /// The rate from which on its loss is not finite, or manyfold that of the start.
    fn blown_from(&self) -> Option<f64> {
        self.mended.blow_up.map(|blow_up| blow_up.rate).or_else(|| self.curve.blown_from())
    }
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
    let joint = Joint::of(&reads);
    let outcome = joint.outcome;
    let about = |about: About| move |sentence: String| Reason { about, sentence };
    let mut reasons = vec![Reason { about: About::Outcome, sentence: sentences::outcome(&reads, outcome) }];
    let mut rest = sentences::agreement(&reads, &joint);
    rest.extend(sentences::repairs(&reads));
    let combined = combined(&reads);
    let mut confidence = 0.0;
    if let Some(Combined { rates, deciding }) = &combined {
        // In order: what the confidence rests on, the rates, and the rest.
        let basis = basis(deciding);
        confidence = basis.confidence();
        reasons.extend(rest.drain(..).map(Reason::from));
        reasons.push(Reason::from(sentences::confidence(basis, deciding.len(), confidence)));
        reasons.push(about(About::HighestRate)(format!("highest rate: {}.", rates.max_reason)));
        rest.push(sentences::lowest(&reads, rates));
        rest.extend(sentences::interval(rates));
        if outcome == Outcome::NoLearning {
            rest.push(sentences::unseen(&reads, basis));
        }
    } else {
        rest.push(sentences::no_rate(curves));
    }
    rest.extend(sentences::weaker_rule(curves, combined.is_some()));
    rest.extend(sentences::super_convergence(&reads, &setting));
    if let Some((sentence, stopped_too_soon)) = sentences::end_of_ramp(&reads) {
        rest.push(sentence);
        confidence *= if stopped_too_soon { STOPPED_TOO_SOON } else { 1.0 };
    }
    rest.extend(sentences::other_measures(&reads, outcome));
    rest.extend(sentences::recovery(&reads, outcome));
    reasons.extend(rest.into_iter().map(Reason::from));
    let rates = combined.map(|combined| combined.rates);
    let interval = |interval: Interval| Interval { low: rounded(interval.low), high: rounded(interval.high) };
    Ok(Suggestion {
        format: FORMAT.to_owned(),
        outcome,
        min_lr: rates.as_ref().map(|rates| rounded(rates.min)),
        max_lr: rates.as_ref().map(|rates| rounded(rates.max)),
        min_lr_interval: rates.as_ref().map(|rates| interval(rates.min_interval)),
        max_lr_interval: rates.as_ref().map(|rates| interval(rates.max_interval)),
        confidence: (confidence * 100.0).round() / 100.0,
        reasons,
        other_rules: other_rules_of_all(curves, rates.as_ref()),
        setting,
        for_iterations: common_length(curves),
        sources: curves.iter().map(|curve| curve.source.clone()).collect(),
    })
}

/// What a suggestion rests on that comes from these range tests.
fn basis(deciding: &[&Read]) -> Basis {
    let steps: Vec<f64> = deciding.iter().map(|read| read.curve.points.len() as f64).collect();
    let (low, high) = span(deciding.iter().filter_map(|read| read.rates.as_ref()).map(|rates| rates.max));
    Basis {
        by_critical_rate: deciding.iter().all(|read| read.curve.critical_lr.is_some()),
        spread: (deciding.len() > 1).then_some(high / low),
        steps: median(&steps),
    }
}

/// Four digits: more than any rate deserves, and few enough to be copied by hand.
fn rounded(rate: f64) -> f64 {
    round_digits(rate, 4)
}

fn read(curve: &Curve) -> Result<Read<'_>> {
    let mended = mended(curve);
    let Some(reading) = rule::read(&mended.curve) else {
        let what = format!("{}: the rates with a finite loss or accuracy are too few, or all the same", curve.source);
        return Err(Error::curve(what, "run the range test for more iterations, or over a wider range"));
    };
    let rates = rule::rates_of(curve, &mended.curve);
    Ok(Read { curve, mended, reading, rates })
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

/// The rates of several range tests, and those of them that decide the highest.
struct Combined<'a> {
    rates: Rates,
    deciding: Vec<&'a Read<'a>>,
}

/// The middle of the curves' answers, in log rate; the intervals cover all of them.
fn combined<'a>(reads: &'a [Read<'a>]) -> Option<Combined<'a>> {
    let answered: Vec<&Read> = reads.iter().filter(|read| read.rates.is_some()).collect();
    // The rule was found by measurement on ramps around the critical rate: where there are any, they decide; or else those
    // whose critical rate is known.
    let among = |decides: fn(&Curve) -> bool| {
        let found: Vec<&Read> = answered.iter().copied().filter(|read| decides(read.curve)).collect();
        Some(found).filter(|found| !found.is_empty())
    };
    let deciding = among(Curve::is_around_critical_rate)
        .or_else(|| among(|curve| curve.critical_lr.is_some()))
        .unwrap_or_else(|| answered.clone());
    let of = |reads: &[&'a Read]| reads.iter().filter_map(|read| read.rates.as_ref()).collect::<Vec<&'a Rates>>();
    let (rates, highest) = (of(&answered), of(&deciding));
    let max = middle(highest.iter().map(|rates| rates.max))?;
    let start = |rates: &&&Rates| rates.start == Start::Seen;
    let seen: Vec<f64> = rates.iter().filter(start).map(|rates| rates.min).collect();
    let of_all =
        middle(if seen.is_empty() { rates.iter().map(|rates| rates.min).collect() } else { seen.clone() }.into_iter())?;
    let min = of_all.min(max);
    let cover = |rates: &[&Rates], start: f64, of: fn(&Rates) -> Interval| {
        let start = Interval { low: start, high: start };
        rates.iter().map(|rates| of(rates)).fold(start, |all, one| include(include(all, one.low), one.high))
    };
    let nearest = highest.iter().min_by(|a, b| (a.max / max).ln().abs().total_cmp(&(b.max / max).ln().abs()))?;
    let mut max_reason = nearest.max_reason.clone();
    if highest.len() > 1 {
        let (low, high) = span(highest.iter().map(|rates| rates.max));
        max_reason = format!(
            "{} is the middle of {} range tests ({} to {}); in the nearest, {max_reason}",
            rate(max),
            highest.len(),
            rate(low),
            rate(high)
        );
    }
    let min_interval = cover(&rates, min, |rates| rates.min_interval);
    let max_interval = cover(&highest, max, |rates| rates.max_interval);
    let start = if of_all > max {
        Start::AboveHighest
    } else if seen.is_empty() {
        rates.first()?.start
    } else {
        Start::Seen
    };
    let rates = Rates { min, start, min_interval, max, max_interval, max_reason };
    Some(Combined { rates, deciding })
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

#[cfg(test)]
mod tests;
