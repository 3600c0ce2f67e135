//! What happened in a range test, defined in numbers.
//!
//! The **progress** at a rate is how far the smoothed curve has come there: from chance (0) to its best (1). Of an accuracy A:
//! `(A - chance) / (best - chance)`; of a loss L, where no accuracy was measured: `(start - L) / (start - least)`.
//!
//! | outcome | progress, as the rate rises |
//! |---|---|
//! | `no-learning` | the best itself is less than [`MIN_LEARNT`] of the distance from chance to 1 (a loss: falls by less than that share), or less than [`MIN_STANDARD_ERRORS`] standard errors, above it |
//! | `collapse-and-recovery` | comes to [`HALFWAY`], falls below [`COLLAPSED_BELOW`], and comes back to [`RECOVERED_FROM`] |
//! | `divergence` | ends with losses that overflow or are not finite; or falls from [`CLIFF_FROM`] to below [`CLIFF_TO`] within a factor of [`CLIFF_FACTOR`] in rate (or fewer than [`CLIFF_MEASUREMENTS`] measurements) and stays there |
//! | `plateau` | is still at [`PLATEAU_PROGRESS`] at the highest rate tried; or stays there over a factor of [`PLATEAU_FACTOR`] in rate, falling later |
//! | `hill` | falls below [`PLATEAU_PROGRESS`] sooner than that |
//!
//! They are tried in this order. A fall or a rise counts if it lasts for [`MIN_STRETCH_DECADES`] decades of the smoothed curve.

use artifacts::suggestion::Outcome;

use crate::curve::{Curve, Measure};
use crate::smooth::{Smooth, median, scatter, smooth, support};

/// Share of the distance from chance to 1 that counts as learning.
pub(crate) const MIN_LEARNT: f64 = 0.05;
/// Progress that a first rise must reach before a fall can be a collapse.
pub(crate) const HALFWAY: f64 = 0.5;
/// Progress below which the curve has collapsed to chance.
pub(crate) const COLLAPSED_BELOW: f64 = 0.15;
/// Progress that a second rise must reach.
pub(crate) const RECOVERED_FROM: f64 = 0.30;
/// Progress from which an abrupt fall is measured.
pub(crate) const CLIFF_FROM: f64 = 0.8;
/// Progress below which nothing is left.
pub(crate) const CLIFF_TO: f64 = 0.1;
/// Factor in rate within which a fall is abrupt.
pub(crate) const CLIFF_FACTOR: f64 = 2.5;
/// Measurements within a fall, fewer than which make it abrupt as far as can be seen.
pub(crate) const CLIFF_MEASUREMENTS: usize = 5;
/// Progress at which a plateau is kept.
pub(crate) const PLATEAU_PROGRESS: f64 = 0.7;
/// Factor in rate over which a plateau that ends must reach.
pub(crate) const PLATEAU_FACTOR: f64 = 30.0;
/// Standard errors of the smoothed value that a rise must stand above noise.
pub(crate) const MIN_STANDARD_ERRORS: f64 = 6.0;
/// Decades of the rate that a dip may last and be bridged, where the curve comes back to the level of a plateau.
pub(crate) const MAX_DIP_DECADES: f64 = 0.25;
/// Decades of the rate that a fall or a rise must last.
pub(crate) const MIN_STRETCH_DECADES: f64 = 0.05;
/// Decades at the ramp's end over which it is asked whether the curve still rises.
const END_DECADES: f64 = 0.15;
/// Gain in progress over [`END_DECADES`] that says so.
const MIN_END_GAIN: f64 = 0.04;
/// Losses below this are as good as any: the logarithm must not run away with them.
const MIN_LOSS: f64 = 1e-3;

/// One curve as it is read: smoothed, and put on the scale of progress.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// What was measured.
    pub measure: Measure,
    /// The smoothed values.
    pub curve: Smooth,
    /// Progress, 0 at chance and 1 at the best.
    pub progress: Smooth,
    /// The value at progress 0: chance, or the loss at the start.
    pub floor: f64,
    /// The value at progress 1.
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
        point.1 = point.1.max(MIN_LOSS).ln();
    }
    let mut smooth = smooth(&series, window)?;
    for value in &mut smooth.value {
        *value = value.exp();
    }
    Some(smooth)
}

impl Reading {
    /// Reads one measure of a curve; `None` where it was taken at too few rates.
    pub(super) fn of(curve: &Curve, measure: Measure, window: f64) -> Option<Self> {
        let smoothed = smoothed(curve, measure, window)?;
        let (floor, peak, least_rise) = if measure.is_loss() {
            let start = starting_loss(curve, &smoothed);
            (start, smoothed.argmin(), MIN_LEARNT * start)
        } else {
            let chance = chance(curve, measure);
            (chance, smoothed.argmax(), MIN_LEARNT * (1.0 - chance))
        };
        let best = smoothed.value[peak];
        let series = curve.series(measure);
        let noise = scatter(&series, &smoothed) / (support(&series, smoothed.rate(peak), window) as f64).sqrt();
        let rise = if measure.is_loss() { floor - best } else { best - floor };
        let learnt = rise >= least_rise.max(MIN_STANDARD_ERRORS * noise);
        let scale = if best == floor { 1.0 } else { best - floor };
        let mut progress = smoothed.clone();
        for value in &mut progress.value {
            *value = (*value - floor) / scale;
        }
        let blown = curve.blown_from().is_some();
        let outcome = if learnt {
            classify(&progress, blown, &series.iter().map(|point| point.0).collect::<Vec<_>>())
        } else {
            Outcome::NoLearning
        };
        let still_rising_at = (learnt && still_rising(&progress)).then(|| curve.highest_rate());
        Some(Self { measure, curve: smoothed, progress, floor, best, outcome, still_rising_at })
    }

    /// The largest rate up to which progress stays at `level`, from the best on.
    pub(super) fn kept_until(&self, level: f64) -> f64 {
        self.progress.rate(kept(&self.progress, level).1)
    }

    /// The rate up to which the plateau reaches: where progress falls below `keep` of the plateau's level, the middle of
    /// all that is at least [`PLATEAU_PROGRESS`]. (Noise lifts the best of a curve, and a share of the best with it.)
    pub(super) fn plateau_end(&self, keep: f64) -> f64 {
        let (from, to) = kept(&self.progress, PLATEAU_PROGRESS);
        self.kept_until(keep * median(&self.progress.value[from..=to]))
    }

    /// The smallest rate from which on progress stays at `level`, to the best.
    pub(super) fn kept_from(&self, level: f64) -> f64 {
        self.progress.rate(kept(&self.progress, level).0)
    }

    /// The reading of the curve up to a rate: what comes after a fall is another story.
    #[must_use]
    pub(super) fn before(&self, rate: f64) -> Self {
        let last = self.progress.log_rate.partition_point(|x| *x <= rate.log10()).clamp(1, self.progress.len()) - 1;
        Self { curve: self.curve.up_to(last), progress: self.progress.up_to(last), ..self.clone() }
    }

    /// The rate from which on progress is below [`HALFWAY`] for as long as counts, after the best; the end of the ramp where
    /// there is none.
    pub(super) fn falls_at(&self) -> Option<f64> {
        let half = first_run(&self.progress, 0, |progress| progress >= HALFWAY)?;
        first_run(&self.progress, half, |progress| progress < HALFWAY).map(|index| self.progress.rate(index))
    }

    /// The rate at which learning starts: where progress first comes to `level` and stays for as long as counts.
    pub(super) fn starts_at(&self, level: f64) -> f64 {
        self.progress.rate(first_run(&self.progress, 0, |progress| progress >= level).unwrap_or(self.progress.argmax()))
    }
}

/// What a guess at random scores: from the number of classes, or else from the accuracy before anything was learnt.
pub(super) fn chance(curve: &Curve, measure: Measure) -> f64 {
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

fn classify(progress: &Smooth, blown: bool, rates: &[f64]) -> Outcome {
    if recovers(progress) {
        return Outcome::CollapseAndRecovery;
    }
    if blown || falls_abruptly(progress, rates) {
        return Outcome::Divergence;
    }
    let (from, to) = kept(progress, PLATEAU_PROGRESS);
    let wide = progress.log_rate[to] - progress.log_rate[from] >= PLATEAU_FACTOR.log10();
    if to == progress.len() - 1 || wide { Outcome::Plateau } else { Outcome::Hill }
}

fn recovers(progress: &Smooth) -> bool {
    let half = first_run(progress, 0, |progress| progress >= HALFWAY);
    let collapsed = half.and_then(|half| first_run(progress, half, |progress| progress < COLLAPSED_BELOW));
    collapsed.and_then(|collapsed| first_run(progress, collapsed, |progress| progress >= RECOVERED_FROM)).is_some()
}

/// `rates`: the log10 rates that were measured. Where they are sparse a cliff is smoothed into a slope over a few of
/// them: as far as can be seen that is abrupt.
fn falls_abruptly(progress: &Smooth, rates: &[f64]) -> bool {
    let Some(gone) = first_run(progress, progress.argmax(), |progress| progress < CLIFF_TO) else {
        return false;
    };
    let stays = progress.value[gone..].iter().all(|progress| *progress < COLLAPSED_BELOW);
    let high = progress.value[..gone].iter().rposition(|progress| *progress >= CLIFF_FROM).unwrap_or(0);
    let (from, to) = (progress.log_rate[high], progress.log_rate[gone]);
    let seen = rates.iter().filter(|rate| **rate > from && **rate < to).count();
    stays && (to - from <= CLIFF_FACTOR.log10() || seen < CLIFF_MEASUREMENTS)
}

fn still_rising(progress: &Smooth) -> bool {
    let end = progress.len() - 1;
    let before = progress.log_rate.partition_point(|x| *x < progress.log_rate[end] - END_DECADES).min(end - 1);
    progress.log_rate[end] - progress.log_rate[progress.argmax()] < END_DECADES / 2.0
        && progress.value[end] - progress.value[before] >= MIN_END_GAIN
}

/// First and last index around the best at which progress is at least `level`; a dip shorter than [`MAX_DIP_DECADES`] is passed
/// over.
fn kept(progress: &Smooth, level: f64) -> (usize, usize) {
    let best = progress.argmax();
    let walk = |indices: &mut dyn Iterator<Item = usize>| {
        let mut last = best;
        for index in indices {
            if progress.value[index] >= level {
                last = index;
            } else if (progress.log_rate[index] - progress.log_rate[last]).abs() > MAX_DIP_DECADES {
                break;
            }
        }
        last
    };
    (walk(&mut (0..best).rev()), walk(&mut (best + 1..progress.len())))
}

/// Index, at or after `from`, of the first stretch of at least [`MIN_STRETCH_DECADES`] decades in which `holds`; a stretch that lasts
/// to the end of the ramp counts at any length.
fn first_run(progress: &Smooth, from: usize, holds: impl Fn(f64) -> bool) -> Option<usize> {
    let mut start = None;
    for index in from..progress.len() {
        if !holds(progress.value[index]) {
            start = None;
            continue;
        }
        let begun = *start.get_or_insert(index);
        if progress.log_rate[index] - progress.log_rate[begun] >= MIN_STRETCH_DECADES {
            return Some(begun);
        }
    }
    start
}
