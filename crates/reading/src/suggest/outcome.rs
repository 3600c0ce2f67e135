//! What happened in a range test, defined in numbers.
//!
//! The **progress** at a rate is how far the smoothed curve has come there: from chance (0) to its best (1). Of an accuracy A:
//! `(A - chance) / (best - chance)`; of a loss L, where no accuracy was measured: `(start - L) / (start - least)`.
//!
//! | outcome | progress, as the rate rises |
//! |---|---|
//! | `no-learning` | the best itself is less than [`MIN_LEARNT`] of the distance from chance to 1 (a loss: falls by less than that share), or no stretch of the ramp stands out of the noise ([`least_errors`]) |
//! | `collapse-and-recovery` | comes to [`HALFWAY`], falls below [`COLLAPSED_BELOW`], and comes back to [`RECOVERED_FROM`], in the curve smoothed twice as wide too |
//! | `divergence` | ends with losses that overflow, are not finite or have grown manyfold (`mended`); or falls from [`CLIFF_FROM`] to below [`CLIFF_TO`] within a factor of [`CLIFF_FACTOR`] in rate (or fewer than [`CLIFF_MEASUREMENTS`] measurements) and stays there |
//! | `plateau` | is still at [`PLATEAU_PROGRESS`] at the highest rate tried; or stays there over a factor of [`PLATEAU_FACTOR`] in rate, falling later |
//! | `hill` | falls below [`PLATEAU_PROGRESS`] sooner than that |
//!
//! They are tried in this order. A fall or a rise counts if it lasts for [`MIN_STRETCH_DECADES`] decades of the smoothed curve.

use artifacts::suggestion::Outcome;

use crate::curve::{Curve, Measure, overflows};
use crate::noise::{MOST_BLOCKS, difference_noise, stands_out, start_count, start_of};
use crate::smooth::{MIN_POINTS, Smooth, median, smooth};

/// Share of the distance from chance to 1 that counts as learning.
pub(crate) const MIN_LEARNT: f64 = 0.03;
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
/// Chance that some stretch of a ramp of noise is taken for learning.
const MOST_FALSE: f64 = 0.005;
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
/// Share of the losses that, below 0, says that they are no cross-entropy: their logarithms say nothing.
const MOST_BELOW_0: f64 = 0.05;
/// Times what was learnt that such a loss counts above its start at most.
const MOST_ABOVE_START: f64 = 2.0;
/// Factor between an accuracy's start and its end that says that it had learnt at its start.
const FAR_BELOW_THE_START: f64 = 1.5;
/// A loss that starts lower than this share of what guessing costs has learnt before the ramp, or was averaged wrongly.
const LOW_START: f64 = 0.85;

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
    let mut series = curve.series(measure);
    if series.len() < MIN_POINTS {
        return None;
    }
    if !measure.is_loss() {
        return smooth(&series, window);
    }
    if is_no_cross_entropy(&series) {
        let values: Vec<f64> = series.iter().map(|point| point.1).collect();
        let start = start_of(&values);
        let least = values.windows(3).map(median).fold(start, f64::min);
        let most = start + MOST_ABOVE_START * (start - least);
        for point in &mut series {
            point.1 = point.1.min(most);
        }
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

/// Whether losses go below 0 and stay there.
fn is_no_cross_entropy(series: &[(f64, f64)]) -> bool {
    series.iter().filter(|point| point.1 < 0.0).count() as f64 > MOST_BELOW_0 * series.len() as f64
}

/// Whether a loss of the curve is below 0 where no cross-entropy can be.
pub(super) fn has_negative_loss(curve: &Curve) -> bool {
    [Measure::TrainLoss, Measure::ValLoss].into_iter().any(|measure| is_no_cross_entropy(&curve.series(measure)))
}

/// What progress is measured from.
struct Floor {
    /// Its value: chance, or the loss at the start.
    value: f64,
    /// Its standard error, as a share of the noise of a value.
    error: f64,
}

impl Reading {
    /// Reads one measure of a curve; `None` where it was taken at too few rates.
    pub(super) fn of(curve: &Curve, measure: Measure, window: f64) -> Option<Self> {
        let smoothed = smoothed(curve, measure, window)?;
        let series = curve.series(measure);
        let values: Vec<f64> = series.iter().map(|point| point.1).collect();
        let from = floor(curve, measure, &values);
        let sign = if measure.is_loss() { -1.0 } else { 1.0 };
        let (floor, peak) = (from.value, if measure.is_loss() { smoothed.argmin() } else { smoothed.argmax() });
        let best = smoothed.value[peak];
        let least_rise = MIN_LEARNT * if measure.is_loss() { floor.abs() } else { 1.0 - floor };
        let noise = noise(curve, measure, &series, smoothed.rate(peak), floor);
        let signed: Vec<f64> = values.iter().map(|value| sign * value).collect();
        let learnt = sign * (best - floor) >= least_rise
            && stands_out(&signed, sign * floor, noise, noise * from.error) >= least_errors(values.len());
        let scale = if best == floor { 1.0 } else { best - floor };
        let on_progress = |mut smooth: Smooth| {
            for value in &mut smooth.value {
                *value = (*value - floor) / scale;
            }
            smooth
        };
        let progress = on_progress(smoothed.clone());
        let wide = self::smoothed(curve, measure, 2.0 * window).map(on_progress);
        let rates: Vec<f64> = series.iter().map(|point| point.0).collect();
        let outcome =
            if learnt { classify(&progress, wide.as_ref(), ends_blown_up(curve), &rates) } else { Outcome::NoLearning };
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

    /// Whether the curve ends below `level` of its progress.
    pub(super) fn ends_below(&self, level: f64) -> bool {
        self.progress.value[self.progress.len() - 1] < level
    }

    /// The rate from which on progress is below [`HALFWAY`] for as long as counts, after the best; the end of the ramp where
    /// there is none.
    pub(super) fn falls_at(&self) -> Option<f64> {
        let half = first_run(&self.progress, 0, |progress| progress >= HALFWAY)?;
        first_run(&self.progress, half, |progress| progress < HALFWAY).map(|index| self.progress.rate(index))
    }

    /// The same after the best: where half of what was learnt is lost for good.
    pub(super) fn lost_at(&self) -> Option<f64> {
        let best = self.progress.argmax();
        first_run(&self.progress, best, |progress| progress < HALFWAY).map(|index| self.progress.rate(index))
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
    let at_zero = curve.points.iter().find(|point| point.lr == 0.0).and_then(|point| measure.of(point));
    let values: Vec<f64> = curve.series(measure).into_iter().map(|point| point.1).collect();
    // Single batches of few images may score anything, and nothing: the start is the middle of several.
    let start = at_zero.unwrap_or_else(|| guessing_at_the_start(&values).min(guessing_at_the_end(&values))).max(1e-3);
    1.0 / (1.0 / start).round().max(2.0)
}

/// What a curve guesses at its start: of one that has learnt within its first values, the first three of them.
fn guessing_at_the_start(values: &[f64]) -> f64 {
    let (start, first) = (start_of(values), median(&values[..values.len().min(3)]));
    if first * FAR_BELOW_THE_START < start { first } else { start }
}

/// What a curve that ends far below its start guesses at its end: a linear ramp may have learnt by its first measurement, and
/// what has come apart guesses, the better part of its second half above chance.
fn guessing_at_the_end(values: &[f64]) -> f64 {
    let mut end = values[values.len() / 2..].to_vec();
    if median(&end) * FAR_BELOW_THE_START > start_of(values) {
        return f64::INFINITY;
    }
    end.sort_by(f64::total_cmp);
    end[end.len() / 10]
}

fn floor(curve: &Curve, measure: Measure, values: &[f64]) -> Floor {
    if !measure.is_loss() {
        return Floor { value: chance(curve, measure), error: 0.0 };
    }
    let start = start_of(values);
    match curve.classes.map(|classes| (classes as f64).ln()) {
        // What nets cost at first lies at what guessing costs or above it, by their initial weights.
        Some(guess) if start < LOW_START * guess => Floor { value: guess, error: 0.0 },
        _ => Floor { value: start, error: 1.0 / (start_count(values.len()) as f64).sqrt() },
    }
}

/// Standard deviation of a value's noise: of an accuracy on a batch of known size that of a guess, else by neighbours. Losses
/// are looked at up to the best: they jump where training comes apart.
fn noise(curve: &Curve, measure: Measure, series: &[(f64, f64)], best: f64, floor: f64) -> f64 {
    if let (Some(images), Measure::TrainAccuracy) = (curve.setting.batch_size, measure) {
        return (floor * (1.0 - floor) / images as f64).sqrt();
    }
    let until = if measure.is_loss() { series.partition_point(|point| point.0 <= best.log10()) } else { series.len() };
    let values: Vec<f64> = series[..until.max(MIN_POINTS).min(series.len())].iter().map(|point| point.1).collect();
    difference_noise(&values)
}

/// Standard errors that the stretch which stands out most of `n` values must lie above chance. Of so many stretches of noise
/// (about n of them differ) none does so but with a probability of [`MOST_FALSE`]: sqrt(2 ln(n / p)) bounds the quantile.
fn least_errors(n: usize) -> f64 {
    (2.0 * (n.min(MOST_BLOCKS) as f64 / MOST_FALSE).ln()).sqrt()
}

/// Whether the last loss that was measured, the one of training where there is one, is none.
fn ends_blown_up(curve: &Curve) -> bool {
    let last = |measure: Measure| curve.points.iter().rev().find_map(|point| measure.of(point));
    last(Measure::TrainLoss).or_else(|| last(Measure::ValLoss)).is_some_and(overflows)
}

fn classify(progress: &Smooth, wide: Option<&Smooth>, blown: bool, rates: &[f64]) -> Outcome {
    if recovers(progress) && wide.is_none_or(recovers) {
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
