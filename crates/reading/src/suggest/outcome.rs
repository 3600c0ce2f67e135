//! What happened in a range test, defined in numbers.
//!
//! The **way** at a rate is how far the smoothed curve has come there: from chance (0) to its best (1). Of an accuracy A:
//! `(A - chance) / (best - chance)`; of a loss L, where no accuracy was measured: `(start - L) / (start - least)`.
//!
//! | outcome | the way, as the rate rises |
//! |---|---|
//! | `no-learning` | the best itself is less than [`LEARNT`] of the distance from chance to 1 (a loss: falls by less than that share), or less than [`SIGNIFICANT`] standard errors, above it |
//! | `collapse-and-recovery` | comes to [`HALF`], falls below [`COLLAPSED`], and comes back to [`RECOVERED`] |
//! | `divergence` | ends with losses that overflow or are not finite; or falls from [`HIGH`] to below [`GONE`] within a factor of [`ABRUPT`] in rate (or fewer than [`FEW`] measurements) and stays there |
//! | `plateau` | is still at [`KEPT`] at the highest rate tried; or stays there over a factor of [`WIDE`] in rate, falling later |
//! | `hill` | falls below [`KEPT`] sooner than that |
//!
//! They are tried in this order. A fall or a rise counts if it lasts for [`LASTING`] decades of the smoothed curve.

use artifacts::suggestion::Outcome;

use crate::curve::{Curve, Measure};
use crate::smooth::{Smooth, median, scatter, smooth, support};

/// Share of the distance from chance to 1 that counts as learning.
pub const LEARNT: f64 = 0.05;
/// Way that a first rise must reach before a fall can be a collapse.
pub const HALF: f64 = 0.5;
/// Way below which the curve has collapsed to chance.
pub const COLLAPSED: f64 = 0.15;
/// Way that a second rise must reach.
pub const RECOVERED: f64 = 0.30;
/// Way from which an abrupt fall is measured.
pub const HIGH: f64 = 0.8;
/// Way below which nothing is left.
pub const GONE: f64 = 0.1;
/// Factor in rate within which a fall is abrupt.
pub const ABRUPT: f64 = 2.5;
/// Measurements within a fall, fewer than which make it abrupt as far as can be seen.
pub const FEW: usize = 5;
/// Way at which a plateau is kept.
pub const KEPT: f64 = 0.7;
/// Factor in rate over which a plateau that ends must reach.
pub const WIDE: f64 = 30.0;
/// Standard errors of the smoothed value that a rise must stand above noise.
pub const SIGNIFICANT: f64 = 6.0;
/// Decades of the rate that a dip may last and be bridged, where the curve comes back to the level of a plateau.
pub const BRIDGED: f64 = 0.25;
/// Decades of the rate that a fall or a rise must last.
pub const LASTING: f64 = 0.05;
/// Decades at the ramp's end over which it is asked whether the curve still rises.
const END_SPAN: f64 = 0.15;
/// Gain in way over [`END_SPAN`] that says so.
const RISING: f64 = 0.04;
/// Losses below this are as good as any: the logarithm must not run away with them.
const LEAST_LOSS: f64 = 1e-3;

/// One curve as it is read: smoothed, and put on the scale of the way.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What was measured.
    pub measure: Measure,
    /// The smoothed values.
    pub curve: Smooth,
    /// The way, 0 at chance and 1 at the best.
    pub way: Smooth,
    /// The value at way 0: chance, or the loss at the start.
    pub floor: f64,
    /// The value at way 1.
    pub best: f64,
    /// What happened.
    pub outcome: Outcome,
    /// The highest rate tried, if the curve still rises there.
    pub still_rising_at: Option<f64>,
}

/// The curve of a measure, smoothed over `window` decades. Losses are smoothed in their logarithm: they grow by factors.
pub fn smoothed(curve: &Curve, measure: Measure, window: f64) -> Option<Smooth> {
    if !curve.has(measure) {
        return None;
    }
    let mut series = curve.series(measure);
    if !measure.is_loss() {
        return smooth(&series, window);
    }
    for point in &mut series {
        point.1 = point.1.max(LEAST_LOSS).ln();
    }
    let mut smooth = smooth(&series, window)?;
    for value in &mut smooth.value {
        *value = value.exp();
    }
    Some(smooth)
}

impl Reading {
    /// Reads one measure of a curve; `None` where it was taken at too few rates.
    pub fn of(curve: &Curve, measure: Measure, window: f64) -> Option<Self> {
        let smoothed = smoothed(curve, measure, window)?;
        let (floor, peak, least_rise) = if measure.is_loss() {
            let start = starting_loss(curve, &smoothed);
            (start, smoothed.argmin(), LEARNT * start)
        } else {
            let chance = chance(curve, measure);
            (chance, smoothed.argmax(), LEARNT * (1.0 - chance))
        };
        let best = smoothed.value[peak];
        let series = curve.series(measure);
        let noise = scatter(&series, &smoothed) / (support(&series, smoothed.rate(peak), window) as f64).sqrt();
        let rise = if measure.is_loss() { floor - best } else { best - floor };
        let learnt = rise >= least_rise.max(SIGNIFICANT * noise);
        let scale = if best == floor { 1.0 } else { best - floor };
        let mut way = smoothed.clone();
        for value in &mut way.value {
            *value = (*value - floor) / scale;
        }
        let blown = curve.blown_from().is_some();
        let outcome = if learnt {
            classify(&way, blown, &series.iter().map(|point| point.0).collect::<Vec<_>>())
        } else {
            Outcome::NoLearning
        };
        let still_rising_at = (learnt && still_rising(&way)).then(|| curve.highest_rate());
        Some(Self { measure, curve: smoothed, way, floor, best, outcome, still_rising_at })
    }

    /// The largest rate up to which the way stays at `level`, from the best on.
    pub fn kept_until(&self, level: f64) -> f64 {
        self.way.rate(kept(&self.way, level).1)
    }

    /// The rate up to which the plateau reaches: where the way falls below `keep` of the plateau's level, the middle of
    /// all that is at least [`KEPT`]. (Noise lifts the best of a curve, and a share of the best with it.)
    pub fn plateau_end(&self, keep: f64) -> f64 {
        let (from, to) = kept(&self.way, KEPT);
        self.kept_until(keep * median(&self.way.value[from..=to]))
    }

    /// The smallest rate from which on the way stays at `level`, to the best.
    pub fn kept_from(&self, level: f64) -> f64 {
        self.way.rate(kept(&self.way, level).0)
    }

    /// The reading of the curve up to a rate: what comes after a fall is another story.
    #[must_use]
    pub fn before(&self, rate: f64) -> Self {
        let last = self.way.log_rate.partition_point(|x| *x <= rate.log10()).clamp(1, self.way.len()) - 1;
        Self { curve: self.curve.up_to(last), way: self.way.up_to(last), ..self.clone() }
    }

    /// The rate from which on the way is below [`HALF`] for as long as counts, after the best; the end of the ramp where
    /// there is none.
    pub fn falls_at(&self) -> Option<f64> {
        let half = first_run(&self.way, 0, |way| way >= HALF)?;
        first_run(&self.way, half, |way| way < HALF).map(|index| self.way.rate(index))
    }

    /// The rate at which learning starts: where the way first comes to `level` and stays for as long as counts.
    pub fn starts_at(&self, level: f64) -> f64 {
        self.way.rate(first_run(&self.way, 0, |way| way >= level).unwrap_or(self.way.argmax()))
    }
}

/// What a guess at random scores: from the number of classes, or else from the accuracy before anything was learnt.
pub fn chance(curve: &Curve, measure: Measure) -> f64 {
    if let Some(classes) = curve.classes {
        return 1.0 / classes as f64;
    }
    let values = curve.points.iter().filter_map(|point| measure.of(point)).filter(|value| value.is_finite());
    let first = curve.points.iter().find(|point| point.lr == 0.0).and_then(|point| measure.of(point));
    let lowest = first.unwrap_or(1.0).min(values.fold(1.0, f64::min)).max(1e-3);
    1.0 / (1.0 / lowest).round().max(2.0)
}

/// The loss before anything was learnt: that of a guess at random where the classes are known, or of the first rates.
fn starting_loss(curve: &Curve, smoothed: &Smooth) -> f64 {
    curve.classes.map_or(smoothed.value[0], |classes| (classes as f64).ln())
}

fn classify(way: &Smooth, blown: bool, rates: &[f64]) -> Outcome {
    if recovers(way) {
        return Outcome::CollapseAndRecovery;
    }
    if blown || falls_abruptly(way, rates) {
        return Outcome::Divergence;
    }
    let (from, to) = kept(way, KEPT);
    let wide = way.log_rate[to] - way.log_rate[from] >= WIDE.log10();
    if to == way.len() - 1 || wide { Outcome::Plateau } else { Outcome::Hill }
}

fn recovers(way: &Smooth) -> bool {
    let half = first_run(way, 0, |way| way >= HALF);
    let collapsed = half.and_then(|half| first_run(way, half, |way| way < COLLAPSED));
    collapsed.and_then(|collapsed| first_run(way, collapsed, |way| way >= RECOVERED)).is_some()
}

/// `rates`: the log10 rates that were measured. Where they are sparse a cliff is smoothed into a slope over a few of
/// them: as far as can be seen that is abrupt.
fn falls_abruptly(way: &Smooth, rates: &[f64]) -> bool {
    let Some(gone) = first_run(way, way.argmax(), |way| way < GONE) else {
        return false;
    };
    let stays = way.value[gone..].iter().all(|way| *way < COLLAPSED);
    let high = way.value[..gone].iter().rposition(|way| *way >= HIGH).unwrap_or(0);
    let (from, to) = (way.log_rate[high], way.log_rate[gone]);
    let seen = rates.iter().filter(|rate| **rate > from && **rate < to).count();
    stays && (to - from <= ABRUPT.log10() || seen < FEW)
}

fn still_rising(way: &Smooth) -> bool {
    let end = way.len() - 1;
    let before = way.log_rate.partition_point(|x| *x < way.log_rate[end] - END_SPAN).min(end - 1);
    way.log_rate[end] - way.log_rate[way.argmax()] < END_SPAN / 2.0 && way.value[end] - way.value[before] >= RISING
}

/// First and last index around the best at which the way is at least `level`; a dip shorter than [`BRIDGED`] is passed
/// over.
fn kept(way: &Smooth, level: f64) -> (usize, usize) {
    let best = way.argmax();
    let walk = |indices: &mut dyn Iterator<Item = usize>| {
        let mut last = best;
        for index in indices {
            if way.value[index] >= level {
                last = index;
            } else if (way.log_rate[index] - way.log_rate[last]).abs() > BRIDGED {
                break;
            }
        }
        last
    };
    (walk(&mut (0..best).rev()), walk(&mut (best + 1..way.len())))
}

/// Index, at or after `from`, of the first stretch of at least [`LASTING`] decades in which `holds`; a stretch that lasts
/// to the end of the ramp counts at any length.
fn first_run(way: &Smooth, from: usize, holds: impl Fn(f64) -> bool) -> Option<usize> {
    let mut start = None;
    for index in from..way.len() {
        if !holds(way.value[index]) {
            start = None;
            continue;
        }
        let begun = *start.get_or_insert(index);
        if way.log_rate[index] - way.log_rate[begun] >= LASTING {
            return Some(begun);
        }
    }
    start
}
