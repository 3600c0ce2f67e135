//! The first losses of a curve, where its tool averaged them wrongly.
//!
//! A running average m of losses x, `m = b m + (1 - b) x` from 0, is (1 - b^t) times too low at step t, which is what tools divide
//! by. One that does not starts at next to nothing; one that counts a step too many starts at half; one that divides twice, or
//! averages something else, starts manyfold too high. All of that is a known factor of t, which is undone where it explains the
//! first losses. Where nothing explains them, and the first of them lie far above or below all that follow, they are left out.

use super::{losses, set};
use crate::curve::{Curve, Measure};
use crate::noise::difference_noise;
use crate::smooth::median;

/// Decays of running averages that tools use.
const DECAYS: [f64; 6] = [0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
/// A start is looked at if its losses differ by this factor.
const LEAST_FACTOR: f64 = 1.5;
/// An explanation leaves no more than this share of the differences, in logarithms.
const MOST_LEFT: f64 = 0.35;
/// What the least loss is at most, as a share of the start, in a curve that learns.
const MOST_OF_START: f64 = 0.9;
/// A first loss that is so many times those that follow, or lies so many times below, is left out.
const FAR: f64 = 4.0;
/// The same, of a loss that lies below all that follow until training has lowered it.
const FAR_BELOW: f64 = 1.25;
/// Standard deviations of the noise that a first loss must be away from those that follow.
const FAR_DEVIATIONS: f64 = 6.0;

/// How a running average went wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    NotCorrected,
    OneStepTooMany,
    CorrectedTwice,
}

impl Mistake {
    const ALL: [Self; 3] = [Self::NotCorrected, Self::OneStepTooMany, Self::CorrectedTwice];

    /// What the loss of step `t`, from 1, was multiplied by.
    fn factor(self, decay: f64, t: f64) -> f64 {
        let weight = |t: f64| 1.0 - decay.powf(t);
        match self {
            Self::NotCorrected => weight(t),
            Self::OneStepTooMany => weight(t) / weight(t + 1.0),
            Self::CorrectedTwice => 1.0 / weight(t),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::NotCorrected => "was not corrected for starting at 0",
            Self::OneStepTooMany => "was corrected for one step too many",
            Self::CorrectedTwice => "was corrected for a start at 0 that it did not have",
        }
    }
}

/// Puts the first losses right, and says what was done.
pub(super) fn put_right(curve: &mut Curve, measure: Measure) -> Option<String> {
    undo(curve, measure).or_else(|| leave_out(curve, measure))
}

/// How many losses are looked at as the first ones.
fn first(n: usize) -> usize {
    (n / 10).clamp(4, 40)
}

/// Undoes the factor that explains the first losses best, if one does.
fn undo(curve: &mut Curve, measure: Measure) -> Option<String> {
    let losses = losses(curve, measure);
    let head = &losses[..first(losses.len()).min(losses.len())];
    if head.iter().any(|(_, loss)| *loss <= 0.0) || spread(head.iter().map(|(_, loss)| *loss)) < LEAST_FACTOR.ln() {
        return None;
    }
    let before = spread(head.iter().map(|(_, loss)| *loss));
    let from_zero = curve.points.first().is_some_and(|point| point.iteration == 0);
    let step = |curve: &Curve, index: usize| (curve.points[index].iteration + u64::from(from_zero)) as f64;
    let undone = |(mistake, decay): (Mistake, f64)| -> Vec<f64> {
        losses.iter().map(|(index, loss)| loss / mistake.factor(decay, step(curve, *index))).collect()
    };
    // A longer average explains the start of any shorter one, if the start lies as much lower: below all that is learnt later.
    let explains = |which: &(Mistake, f64)| learns(&undone(*which), head.len());
    let all = Mistake::ALL.into_iter().flat_map(|mistake| DECAYS.map(|decay| (mistake, decay)));
    let left = |which: (Mistake, f64)| spread(undone(which).into_iter().take(head.len()));
    let explained = all.filter(explains).map(|which| (left(which), which));
    let (rest, (mistake, decay)) = explained.min_by(|a, b| a.0.total_cmp(&b.0))?;
    if rest > MOST_LEFT * before {
        return None;
    }
    for (index, loss) in losses {
        let factor = mistake.factor(decay, step(curve, index));
        set(curve, measure, index, Some(loss / factor));
    }
    Some(format!(
        "the first values of the {} look like a running average (decay {decay}) that {}: that was undone before reading.",
        measure.name(),
        mistake.name()
    ))
}

/// Whether losses come to lie well below where they start.
fn learns(values: &[f64], head: usize) -> bool {
    let least = values.windows(3).map(median).fold(f64::INFINITY, f64::min);
    least < MOST_OF_START * median(&values[..head])
}

/// The largest over the smallest, as a logarithm.
fn spread(losses: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = losses.fold((f64::INFINITY, 0.0f64), |(low, high), loss| (low.min(loss), high.max(loss)));
    (high / low).ln()
}

/// Leaves out first losses that lie far from all that follow, on one side.
fn leave_out(curve: &mut Curve, measure: Measure) -> Option<String> {
    let losses = losses(curve, measure);
    let values: Vec<f64> = losses.iter().map(|(_, loss)| *loss).collect();
    let (high, low) = (leading(&values, is_far_above), leading(&values, is_far_below));
    let (count, word) = if high > 0 { (high, "above") } else { (low, "below") };
    // A curve that only ever rises from its start was never lower: what it shows is a rate too high, not an average.
    if count == 0 || values.len() - count < 2 * first(values.len()) || (high == 0 && !falls_later(&values[count..])) {
        return None;
    }
    for (index, _) in &losses[..count] {
        set(curve, measure, *index, None);
    }
    let (name, show) = (measure.name(), |loss: f64| format!("{loss:.3}"));
    let follows = show(values[count]);
    Some(if count == 1 {
        format!(
            "the first value of the {name} ({}) lies far {word} those that follow ({follows}): it is left out.",
            show(values[0])
        )
    } else {
        let last = show(values[count - 1]);
        format!(
            "the first {count} values of the {name} ({} to {last}) lie far {word} those that follow ({follows}), as those of a \
             running average do that was started wrongly: they are left out.",
            show(values[0])
        )
    })
}

/// How many of the first values are far from those that follow each.
fn leading(values: &[f64], is_far: fn(f64, f64) -> bool) -> usize {
    let noise = difference_noise(values);
    let (window, most) = (2 * first(values.len()), values.len() / 4);
    let far = |at: usize| {
        let later = &values[at + 1..(at + 1 + window).min(values.len())];
        let level = median(later);
        is_far(values[at], level) && (values[at] - level).abs() > FAR_DEVIATIONS * noise
    };
    // One value that happens to be near does not end the run.
    let mut count = 0;
    for at in 0..most {
        if far(at) {
            count = at + 1;
        } else if at > count {
            break;
        }
    }
    count
}

fn is_far_above(loss: f64, level: f64) -> bool {
    level > 0.0 && loss > FAR * level
}

fn is_far_below(loss: f64, level: f64) -> bool {
    loss > 0.0 && FAR_BELOW * loss < level
}

/// Whether losses fall from their start by more than noise.
fn falls_later(values: &[f64]) -> bool {
    let window = first(values.len());
    let start = median(&values[..window.min(values.len())]);
    let least = values.windows(3).map(median).fold(f64::INFINITY, f64::min);
    start - least > FAR_DEVIATIONS * difference_noise(values)
}
