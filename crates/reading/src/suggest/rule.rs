//! The rule: from one range test to the lowest and the highest useful rate. This file alone decides them, so that a
//! better rule replaces it.
//!
//! A first, careful version. Trained with 1cycle at a grid of maximum rates, nets end about equally well over a factor of
//! 10 to 60 and then fall off a cliff: the costly mistake is a rate past the cliff. A rising ramp reaches rates before
//! the weights have had the time to blow up at them, so what it shows just below the cliff is too hopeful:
//!
//! - **plateau**: the end of the plateau, where accuracy, and training loss where there is one, fall below
//!   [`PLATEAU_END_SHARE`] of the plateau's level; the highest rate tried, where they do not. Where accuracy then falls
//!   within the ramp, divided by [`PLATEAU_SAFETY`];
//! - **hill**, and **collapse-and-recovery** up to its collapse: the minimum of the smoothed loss, or the end of the top
//!   of the hill where that comes first;
//! - **divergence**: where the smoothed loss is last near its minimum ([`NEAR_MINIMUM_PROGRESS`]), before the cliff, divided by
//!   [`CLIFF_SAFETY`]: where the loss is flat its minimum may lie anywhere;
//! - **no-learning**: none.
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

use super::outcome::{Reading, smoothed};
use crate::curve::{Curve, Measure};
use crate::smooth::WINDOW_DECADES;

/// Progress at which learning has started.
pub(crate) const START_PROGRESS: f64 = 0.10;
/// Progress that the end of a plateau, or of a hill's top, still has.
pub(crate) const PLATEAU_END_SHARE: f64 = 0.90;
/// Progress of a loss that is near its minimum.
pub(crate) const NEAR_MINIMUM_PROGRESS: f64 = 0.95;
/// Factor to stay below the last rate near the loss's minimum where a cliff follows.
pub(crate) const CLIFF_SAFETY: f64 = 2.0;
/// The same below the end of a plateau: what a ramp of some hundred steps shows there is a net that survives, not one
/// that learns. Measured: ResNet-20 on CIFAR-10 (JPEG), batch 128, a log ramp of 300 steps with its plateau's end at 2.15;
/// 1cycle of 400 steps ends at .556, .553 and .372 (test accuracy) with highest rates of 0.2, 0.6 and 2.15.
pub(crate) const PLATEAU_SAFETY: f64 = 4.0;

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
pub(crate) const MAX_MINIMUM_RATIO: f64 = 2.0;
/// With a critical rate, on a ramp between ends that were given: a minimum counts as no less than this share of what the
/// critical rate says. Of a ramp over five or six decades few steps lie where it matters, and noise makes minima far too early.
pub(crate) const MIN_MINIMUM_RATIO: f64 = 1.0 / 3.0;

/// Another choice of the rule's constants: the interval is the span of the answers under all of them.
#[derive(Clone, Copy, Debug)]
struct Constants {
    window: f64,
    start: f64,
    keep: f64,
    rise: f64,
}

const DEFAULTS: Constants =
    Constants { window: WINDOW_DECADES, start: START_PROGRESS, keep: PLATEAU_END_SHARE, rise: FIRST_MINIMUM_RISE };
const VARIATIONS: [Constants; 4] = [
    Constants { window: WINDOW_DECADES / 2.0, ..DEFAULTS },
    Constants { window: WINDOW_DECADES * 2.0, ..DEFAULTS },
    Constants { start: START_PROGRESS / 2.0, keep: 0.85, rise: FIRST_MINIMUM_RISE / 2.0, ..DEFAULTS },
    Constants { start: START_PROGRESS * 2.0, keep: 0.95, rise: FIRST_MINIMUM_RISE * 4.0, ..DEFAULTS },
];

/// What the rule says of one curve.
#[derive(Clone, Debug)]
pub struct Rates {
    /// The lowest useful rate.
    pub min: f64,
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
    let (min, max, max_reason) = answer(curve, DEFAULTS)?;
    let mut min_interval = Interval { low: min, high: min };
    let mut max_interval = Interval { low: max, high: max };
    if let Some(critical) = curve.critical_lr {
        max_interval = include(max_interval, base_rate(curve, critical));
    }
    for constants in VARIATIONS {
        if let Some((min, max, _)) = answer(curve, constants) {
            min_interval = include(min_interval, min);
            max_interval = include(max_interval, max);
        }
    }
    Some(Rates { min, min_interval, max, max_interval, max_reason })
}

/// The smallest interval that holds both.
pub(super) fn include(interval: Interval, rate: f64) -> Interval {
    Interval { low: interval.low.min(rate), high: interval.high.max(rate) }
}

fn answer(curve: &Curve, constants: Constants) -> Option<(f64, f64, String)> {
    let by_critical = curve.critical_lr.and_then(|critical| by_the_critical_rate(curve, critical, constants));
    let Some((max, reason)) = by_critical else {
        return read_off(curve, constants);
    };
    let starts = Reading::of(curve, main_measure(curve)?, constants.window)
        .filter(|reading| reading.outcome != Outcome::NoLearning)
        .map_or(curve.lowest_rate()?, |reading| reading.starts_at(constants.start));
    Some((starts.min(max), max, reason))
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
    let mut reason = format!("the first step overshoots at {}", show(critical));
    if (base / critical - 1.0).abs() > 1e-9 {
        let _ = write!(reason, ", which momentum {momentum} makes {}", show(base));
    }
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

/// What the shape of the curve alone says.
fn read_off(curve: &Curve, constants: Constants) -> Option<(f64, f64, String)> {
    let reading = Reading::of(curve, main_measure(curve)?, constants.window)?;
    let (max, reason) = match reading.outcome {
        Outcome::NoLearning => return None,
        Outcome::Plateau => plateau_end(curve, &reading, constants),
        Outcome::Hill | Outcome::CollapseAndRecovery => {
            let (loss, loss_reason) = least_loss(curve, &reading, constants);
            let top = reading.kept_until(constants.keep);
            if loss <= top {
                (loss, loss_reason)
            } else {
                (
                    top,
                    format!(
                        "{} keeps {:.0}% of its progress up to {}",
                        reading.measure.name(),
                        100.0 * constants.keep,
                        show(top)
                    ),
                )
            }
        }
        Outcome::Divergence => below_the_cliff(curve, &reading, constants),
    };
    let min = reading.starts_at(constants.start).min(max);
    Some((min, max, reason))
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
            format!("{} keeps {:.0}% of its level up to the highest rate tried", measure.name(), 100.0 * keep),
        );
    }
    let ends = format!(
        "the plateau ends at {}, where {} falls below {:.0}% of its level",
        show(end),
        measure.name(),
        100.0 * keep
    );
    if reading.falls_at().is_none() {
        return (end, ends);
    }
    let max = end / PLATEAU_SAFETY;
    (max, format!("{ends}; {} is {PLATEAU_SAFETY} times below, for a fall follows", show(max)))
}

/// The last rate near the minimum of the loss (of the accuracy's peak where no loss was measured), with a margin.
fn below_the_cliff(curve: &Curve, reading: &Reading, constants: Constants) -> (f64, String) {
    let loss = LOSSES.into_iter().find_map(|measure| Reading::of(curve, measure, constants.window));
    let loss = loss.unwrap_or_else(|| reading.clone());
    let until = reading.falls_at().unwrap_or_else(|| curve.highest_rate());
    let near = loss.before(until).kept_until(NEAR_MINIMUM_PROGRESS);
    let max = near / CLIFF_SAFETY;
    let name = loss.measure.name();
    (
        max,
        format!(
            "{name} stays near its best up to {}; {} is {CLIFF_SAFETY} times below, for a cliff follows",
            show(near),
            show(max)
        ),
    )
}

/// The minimum of the smoothed loss before the curve falls; the peak of the accuracy where no loss was measured.
fn least_loss(curve: &Curve, reading: &Reading, constants: Constants) -> (f64, String) {
    let loss = LOSSES.into_iter().find_map(|measure| Some((smoothed(curve, measure, constants.window)?, measure)));
    let Some((loss, measure)) = loss else {
        let peak = reading.progress.rate(reading.progress.argmax());
        return (peak, format!("{} peaks at {}", reading.measure.name(), show(peak)));
    };
    let until = reading.falls_at().unwrap_or_else(|| curve.highest_rate());
    let last = loss.log_rate.partition_point(|x| *x <= until.log10()).clamp(1, loss.len()) - 1;
    let loss = loss.up_to(last);
    let least = loss.rate(loss.argmin());
    (least, format!("the smoothed {} is least at {}", measure.name(), show(least)))
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
