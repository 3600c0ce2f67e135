//! The rule: from one range test to the lowest and the highest useful rate. This file alone decides them, so that a
//! better rule replaces it.
//!
//! - a curve that **falls** again, however (hill, divergence, collapse-and-recovery): [`by_curve`](super::by_curve);
//! - one that **does not fall** within the ramp (a plateau to its end): where accuracy, and training loss where there is one,
//!   fall below [`PLATEAU_END_SHARE`] of the plateau's level; the highest rate tried, where they do not;
//! - **no-learning**: where the loss first rises all the same; none where it does not.
//!
//! Where the critical rate of the first step is known (`sc-rangetest` measures it) another rule decides, found and judged by
//! measurement (`make rule-bench`, `docs/the-rule.md`): see `by_the_critical_rate`.
//!
//! The lowest rate is where learning starts: where progress comes to [`START_PROGRESS`].
//!
//! Training loss and training accuracy are read in preference to validation ones: in a net with batch norm, these lag on
//! short ramps (running statistics) and peak far too low.

use std::fmt::Write as _;

use artifacts::suggestion::{Interval, Outcome};

use super::by_curve;
use super::outcome::{PLATEAU_PROGRESS, Reading, smoothed};
use crate::curve::{Curve, Measure};
use crate::mended::mended;
use crate::noise::start_of;
use crate::smooth::WINDOW_DECADES;

/// Progress at which learning has started.
pub(crate) const START_PROGRESS: f64 = 0.10;
/// Progress that the end of a plateau, or of a hill's top, still has.
pub(crate) const PLATEAU_END_SHARE: f64 = 0.90;
/// Without a critical rate, where no learning shows: what the rate at which the loss rises is multiplied by.
const UNSEEN_FACTOR: f64 = 0.4;
/// And the share of the distance from chance to 1 from which on an accuracy that proves nothing is still the better hint.
const LEAST_HINT: f64 = 0.01;

/// Around a critical rate: the first minimum of the smoothed training loss ends where the loss has risen by this share.
pub(crate) const FIRST_MINIMUM_RISE: f64 = 0.1;
/// Around a critical rate: the windows, as multiples of the usual one, under which the minimum is looked for. Of a wide and a
/// wider one the answers hardly depend on single batches.
pub(crate) const FIRST_MINIMUM_WINDOWS: [f64; 2] = [2.0, 10.0 / 3.0];
/// Around a critical rate: what it is multiplied by without momentum, for an optimizer whose steps momentum carries on; with
/// momentum m times the square root of 1 - m. The first step knows nothing of those that follow.
pub(crate) const MOMENTUM_FREE_FACTOR: f64 = 2.0;
/// Around a critical rate: steps, in units of 1 / (1 - m), up to which a ramp says nothing; momentum m lags behind its rates.
pub(crate) const MIN_RAMP_STEPS: f64 = 1.2;
/// Around a critical rate: steps, in the same units, beyond [`MIN_RAMP_STEPS`] at which a ramp alone would decide, were its
/// weight not bounded by [`MAX_RAMP_WEIGHT`].
pub(crate) const UNIT_WEIGHT_STEPS: f64 = 2.4;
/// Around a critical rate: the largest weight of a ramp.
pub(crate) const MAX_RAMP_WEIGHT: f64 = 0.6;
/// Around a critical rate: the momentum from which on the ramp has its whole weight.
pub(crate) const FULL_WEIGHT_MOMENTUM: f64 = 0.9;
/// Around a critical rate: a minimum that a ramp reaches late counts as no more than so many times what the critical rate says.
/// Where the loss falls to rates as high as that, the first step, which overshoots so much earlier, is the worse witness.
pub(crate) const MAX_MINIMUM_RATIO: f64 = 8.0;
/// With a critical rate: the batch at which the rule says what it says; at others a power of their ratio is multiplied on.
pub(crate) const REFERENCE_BATCH: f64 = 128.0;
/// That power. The noise of small batches, which the first step knows nothing of, lowers the rate that trains best; large batches
/// bear more. By measurement (`docs/the-rule.md`).
pub(crate) const BATCH_POWER: f64 = 0.25;
/// With a critical rate, on a ramp between ends that were given: a minimum counts as no less than this share of what the
/// critical rate says. Of a ramp over five or six decades few steps lie where it matters, and noise makes minima far too early.
pub(crate) const MIN_MINIMUM_RATIO: f64 = 1.0 / 3.0;

/// Another choice of the rule's constants: the interval is the span of the answers under all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constants {
    window: f64,
    start: f64,
    keep: f64,
    rise: f64,
    /// Added to the share of what was learnt.
    pub(super) share: f64,
}

const DEFAULTS: Constants = Constants {
    window: WINDOW_DECADES,
    start: START_PROGRESS,
    keep: PLATEAU_END_SHARE,
    rise: FIRST_MINIMUM_RISE,
    share: 0.0,
};
const VARIATIONS: [Constants; 4] = [
    Constants { window: WINDOW_DECADES / 2.0, ..DEFAULTS },
    Constants { window: WINDOW_DECADES * 2.0, ..DEFAULTS },
    Constants { start: START_PROGRESS / 2.0, keep: 0.85, rise: FIRST_MINIMUM_RISE / 2.0, share: 0.1, ..DEFAULTS },
    Constants { start: START_PROGRESS * 2.0, keep: 0.95, rise: FIRST_MINIMUM_RISE * 4.0, share: -0.1, ..DEFAULTS },
];

/// Where the lowest rate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Learning starts there.
    Seen,
    /// Learning had started at the lowest rate tried.
    BeforeTheRamp,
    /// No learning was seen: it is the lowest rate tried.
    Unseen,
    /// Learning shows above the highest rate only, which stands for both.
    AboveHighest,
}

/// What the rule says of one curve.
#[derive(Clone, Debug)]
pub struct Rates {
    /// The lowest useful rate.
    pub min: f64,
    /// Where that comes from.
    pub start: Start,
    /// Its span under other constants.
    pub min_interval: Interval,
    /// The highest useful rate.
    pub max: f64,
    /// Its span under other constants.
    pub max_interval: Interval,
    /// Where the highest rate was read, as a clause.
    pub max_reason: String,
}

/// Accuracies, the one to read first.
const ACCURACIES: [Measure; 2] = [Measure::TrainAccuracy, Measure::ValAccuracy];
/// Losses, the one to read first.
const LOSSES: [Measure; 2] = [Measure::TrainLoss, Measure::ValLoss];

/// The measure that outcome and plateau are read from: an accuracy if there is one.
pub(super) fn main_measure(curve: &Curve) -> Option<Measure> {
    ACCURACIES.into_iter().chain(LOSSES).find(|measure| curve.has(*measure))
}

/// Reads what happened along a curve, with the stated window.
pub(super) fn read(curve: &Curve) -> Option<Reading> {
    Reading::of(curve, main_measure(curve)?, WINDOW_DECADES)
}

/// The rates that a curve suggests; `None` where nothing was learnt.
pub fn rates(curve: &Curve) -> Option<Rates> {
    rates_of(curve, &mended(curve).curve)
}

/// The same of a curve that was mended already.
pub(super) fn rates_of(curve: &Curve, mended: &Curve) -> Option<Rates> {
    let Answer { min, start, max, reason } = answer(curve, mended, DEFAULTS)?;
    let mut min_interval = Interval { low: min, high: min };
    let mut max_interval = Interval { low: max, high: max };
    if let Some(critical) = curve.critical_lr {
        max_interval = include(max_interval, batch_factor(curve) * base_rate(curve, critical));
    }
    for constants in VARIATIONS {
        if let Some(Answer { min, max, .. }) = answer(curve, mended, constants) {
            min_interval = include(min_interval, min);
            max_interval = include(max_interval, max);
        }
    }
    Some(Rates { min, start, min_interval, max, max_interval, max_reason: reason })
}

/// The smallest interval that holds both.
pub(super) fn include(interval: Interval, rate: f64) -> Interval {
    Interval { low: interval.low.min(rate), high: interval.high.max(rate) }
}

/// What the rule says under one choice of its constants.
struct Answer {
    min: f64,
    start: Start,
    max: f64,
    reason: String,
}

/// The critical rate's rule reads the curve as it was measured: it was judged so, and it looks no further than a first minimum.
fn answer(curve: &Curve, mended: &Curve, constants: Constants) -> Option<Answer> {
    let seen = main_measure(mended).and_then(|measure| Reading::of(mended, measure, constants.window));
    let learnt = seen.clone().filter(|reading| reading.outcome != Outcome::NoLearning);
    let by_critical = curve.critical_lr.map(|critical| {
        let found = by_the_critical_rate(curve, critical, constants);
        by_the_batch(curve, found.unwrap_or_else(|| without_a_ramp(curve, critical)))
    });
    let (max, reason) = match by_critical {
        Some(answer) => answer,
        None => read_off(mended, (seen.as_ref(), learnt.as_ref()), constants)?,
    };
    let lowest = curve.lowest_rate()?;
    let (min, start) = match learnt.map(|reading| reading.starts_at(constants.start)) {
        None => (lowest, Start::Unseen),
        Some(rate) if rate > max => (rate, Start::AboveHighest),
        Some(rate) if rate <= 1.01 * lowest => (rate, Start::BeforeTheRamp),
        Some(rate) => (rate, Start::Seen),
    };
    Some(Answer { min: min.min(max), start, max, reason })
}

/// The rate at the curve's batch size, for one that holds at [`REFERENCE_BATCH`].
fn by_the_batch(curve: &Curve, (rate, mut reason): (f64, String)) -> (f64, String) {
    let factor = batch_factor(curve);
    if let Some(size) = curve.setting.batch_size.filter(|_| (factor - 1.0).abs() > 1e-9) {
        let _ = write!(reason, "; batches of {size} make that {}", show(factor * rate));
    }
    (factor * rate, reason)
}

/// What the batch size multiplies the rule's rate by: 1 where it is not known.
fn batch_factor(curve: &Curve) -> f64 {
    curve.setting.batch_size.map_or(1.0, |size| (size as f64 / REFERENCE_BATCH).powf(BATCH_POWER))
}

/// What the critical rate says alone, where no training loss was measured that could say more.
fn without_a_ramp(curve: &Curve, critical: f64) -> (f64, String) {
    let base = base_rate(curve, critical);
    (base, format!("{}; without a training loss the ramp adds nothing to that", first_step(curve, critical, base)))
}

/// What the critical rate stands for, as a clause.
fn first_step(curve: &Curve, critical: f64, base: f64) -> String {
    let mut clause = format!("the first step overshoots at {}", show(critical));
    if (base / critical - 1.0).abs() > 1e-9 {
        let _ = write!(clause, ", which momentum {} makes {}", momentum(curve), show(base));
    }
    clause
}

/// The rule where the critical rate c of the first step is known: b^(1-w) r^w, with b the rate [`by_momentum`] that c
/// stands for, r the first minimum of the smoothed training loss, the geometric mean under both [`FIRST_MINIMUM_WINDOWS`], and the [`weight`]
/// w growing with the ramp's steps and with momentum.
///
/// c says where the first step overshoots; it costs some forward passes. It is blind to what comes later: where gradients are
/// noisy and momentum carries them on, a net with batch norm trains best well below it. r sees that, but is noisy, and late on
/// short ramps. In log rate a point between the two is nearer than either. Without momentum a loss that rises for some
/// steps of a ramp is no cliff.
fn by_the_critical_rate(curve: &Curve, critical: f64, constants: Constants) -> Option<(f64, String)> {
    let mut log_first = 0.0;
    for factor in FIRST_MINIMUM_WINDOWS {
        let loss = smoothed(curve, Measure::TrainLoss, factor * constants.window)?;
        log_first += loss.log_rate[first_minimum(&loss.value, constants.rise)] / FIRST_MINIMUM_WINDOWS.len() as f64;
    }
    let momentum = momentum(curve);
    let base = base_rate(curve, critical);
    let least = if curve.is_around_critical_rate() { 0.0 } else { MIN_MINIMUM_RATIO * base };
    let first = 10f64.powf(log_first).clamp(least, f64::INFINITY);
    let weight = weight(curve.points.len() as f64, momentum);
    let max = base.powf(1.0 - weight) * first.min(MAX_MINIMUM_RATIO * base).powf(weight);
    let mut reason = first_step(curve, critical, base);
    if weight == 0.0 {
        reason.push_str("; a ramp of so few steps, or without momentum, adds nothing to that");
    } else {
        let _ = write!(
            reason,
            ", and the training loss has its first minimum at {}; {} lies between them, the ramp's weight {weight:.2} by its \
             steps and the momentum",
            show(first),
            show(max)
        );
    }
    Some((max, reason))
}

/// What a critical rate says in a curve's setting.
pub fn base_rate(curve: &Curve, critical: f64) -> f64 {
    by_momentum(critical, curve.setting.optimizer.as_deref(), momentum(curve))
}

/// A curve's momentum; the usual one where it does not say.
fn momentum(curve: &Curve) -> f64 {
    curve.setting.momentum.unwrap_or(FULL_WEIGHT_MOMENTUM)
}

/// Whether the best rate depends on momentum: where that carries steps on. An adaptive step is as long at first as it is later.
/// Without a name, the optimizer is taken for plain SGD.
pub fn depends_on_momentum(optimizer: Option<&str>) -> bool {
    matches!(optimizer, None | Some("sgd" | "nesterov"))
}

/// The best rate at this momentum over that at momentum 0: sqrt(1 - m) by measurement (`docs/the-rule.md`), where it
/// depends on momentum.
pub fn momentum_factor(optimizer: Option<&str>, momentum: f64) -> f64 {
    if depends_on_momentum(optimizer) { (1.0 - momentum).sqrt() } else { 1.0 }
}

/// The rate that a critical rate of the first step stands for, once momentum has gathered. Nesterov's first step looks ahead
/// and is 1 + m times as long as one of plain momentum, which the steps that follow are not: its critical rate is as much
/// lower.
fn by_momentum(critical: f64, optimizer: Option<&str>, momentum: f64) -> f64 {
    let carried = MOMENTUM_FREE_FACTOR * momentum_factor(optimizer, momentum);
    match optimizer {
        None | Some("sgd") => carried * critical,
        Some("nesterov") => carried * (1.0 + momentum) * critical,
        Some(_) => critical,
    }
}

/// The weight of a ramp of so many steps beside the critical rate.
fn weight(steps: f64, momentum: f64) -> f64 {
    let delay = 1.0 / (1.0 - momentum);
    let by_steps = ((steps - MIN_RAMP_STEPS * delay) / (UNIT_WEIGHT_STEPS * delay)).clamp(0.0, MAX_RAMP_WEIGHT);
    by_steps * (momentum / FULL_WEIGHT_MOMENTUM).min(1.0)
}

/// Index of the least of the values before they first rise by the share `rise` above it.
fn first_minimum(values: &[f64], rise: f64) -> usize {
    let mut least = 0;
    for (index, value) in values.iter().enumerate() {
        if *value < values[least] {
            least = index;
        } else if *value > values[least] * (1.0 + rise) {
            break;
        }
    }
    least
}

/// What the shape of the curve alone says. `learnt`: its reading, where it shows learning.
fn read_off(
    curve: &Curve,
    (seen, learnt): (Option<&Reading>, Option<&Reading>),
    constants: Constants,
) -> Option<(f64, String)> {
    let Some(reading) = learnt else {
        // Where nothing comes apart nothing happens at all. Where something does, little accuracy says more than that.
        let rise = first_rise(curve, constants)?;
        let accuracy = seen.filter(|reading| {
            !reading.measure.is_loss() && reading.best - reading.floor >= LEAST_HINT * (1.0 - reading.floor)
        });
        return Some(accuracy.map_or(rise, |reading| by_curve::highest(reading, constants)));
    };
    let falls = reading.outcome != Outcome::Plateau || reading.ends_below(PLATEAU_PROGRESS);
    Some(if falls { by_curve::highest(reading, constants) } else { plateau_end(curve, reading, constants) })
}

/// Below where a loss that shows no learning rises by [`FIRST_MINIMUM_RISE`] above its start, or is no longer finite, by the factor
/// [`UNSEEN_FACTOR`]: a ramp too short or too noisy to show what it learns shows at least where it comes apart. None where nothing
/// happens at all.
fn first_rise(curve: &Curve, constants: Constants) -> Option<(f64, String)> {
    let measure = LOSSES.into_iter().find(|measure| smoothed(curve, *measure, constants.window).is_some())?;
    let loss = smoothed(curve, measure, constants.window)?;
    let values: Vec<f64> = curve.series(measure).iter().map(|point| point.1).collect();
    let start = start_of(&values);
    let limit = start + FIRST_MINIMUM_RISE * start.abs();
    let least = first_minimum(&loss.value, FIRST_MINIMUM_RISE);
    let rise = (least..loss.len()).find(|index| loss.value[*index] > limit).map(|index| loss.rate(index));
    let name = measure.name();
    let (from, what) = match (rise, curve.blown_from()) {
        (Some(rate), _) => (
            rate,
            format!(
                "the smoothed {name} rises by {:.0}% above its start at {}",
                100.0 * FIRST_MINIMUM_RISE,
                show(rate)
            ),
        ),
        (None, Some(rate)) => (rate, format!("the {name} blows up at {}", show(rate))),
        (None, None) => return None,
    };
    let max = UNSEEN_FACTOR * from;
    Some((max, format!("{what}; {} is {UNSEEN_FACTOR} times that", show(max))))
}

fn plateau_end(curve: &Curve, reading: &Reading, constants: Constants) -> (f64, String) {
    let keep = constants.keep;
    let ends = [Some(reading.measure), Some(Measure::TrainLoss)].into_iter().flatten().filter_map(|measure| {
        // A slow decline under noise: what the end needs is steadiness, not resolution.
        let reading = Reading::of(curve, measure, 2.0 * constants.window)?;
        Some((reading.plateau_end(keep), measure))
    });
    let (end, measure) = ends.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((curve.highest_rate(), reading.measure));
    let highest = curve.highest_rate();
    if end >= 0.99 * highest {
        return (
            highest,
            format!(
                "{} keeps {:.0}% of the plateau's middle level up to the highest rate tried",
                measure.name(),
                100.0 * keep
            ),
        );
    }
    let ends = format!(
        "the plateau ends at {}, where {} falls below {:.0}% of the plateau's middle level",
        show(end),
        measure.name(),
        100.0 * keep
    );
    (end, ends)
}

/// A rate as people write it, three digits.
pub(super) fn show(rate: f64) -> String {
    artifacts::number::rate(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_minimum_ends_where_the_loss_has_risen_by_a_share() {
        let losses = [2.0, 1.5, 1.0, 1.05, 0.9, 1.2, 0.1];
        assert_eq!(first_minimum(&losses, 0.04), 2);
        assert_eq!(first_minimum(&losses, 0.1), 4, "1.05 is no rise by a tenth, 1.2 is one");
        assert_eq!(first_minimum(&losses, 0.5), 6);
    }

    #[test]
    fn a_ramp_weighs_by_its_steps_and_by_momentum() {
        for (steps, momentum, expected) in [
            (12.0, 0.9, 0.0),
            (18.0, 0.9, 0.25),
            (200.0, 0.9, 0.6),
            (24.0, 0.95, 0.0),
            (36.0, 0.95, 0.25),
            (200.0, 0.95, 0.6),
            (200.0, 0.45, 0.3),
            (200.0, 0.0, 0.0),
        ] {
            assert!((weight(steps, momentum) - expected).abs() < 1e-12, "{steps} steps, momentum {momentum}");
        }
    }

    #[test]
    fn momentum_lowers_what_a_critical_rate_stands_for() {
        for (optimizer, momentum, expected) in [
            (Some("sgd"), 0.0, 1.0),
            (Some("sgd"), 0.75, 0.5),
            (None, 0.96, 0.2),
            (Some("nesterov"), 0.75, 0.875),
            (Some("adamw"), 0.96, 0.5),
        ] {
            let found = by_momentum(0.5, optimizer, momentum);
            assert!((found - expected).abs() < 1e-12, "{optimizer:?}, momentum {momentum}: {found}");
        }
    }
}
