//! The highest rate where the critical rate is not known: by the shape of the curve alone.
//!
//! A single rate of a noisy curve (its minimum, its steepest fall, the end of its top) moves by factors from seed to seed. What
//! was learnt along the whole ramp does not: the rule takes the rate below which a share of it was learnt, counted in log rate,
//! times a constant.
//!
//! | curve | weight of a rate | share | times |
//! |---|---|---|---|
//! | with accuracies | the square of progress | [`ACCURACY_SHARE`] | [`ACCURACY_FACTOR`] |
//! | of losses alone | progress | [`LOSS_SHARE`] | [`LOSS_FACTOR`] |
//!
//! Accuracies say more: a loss falls as soon as initial weights forget what they were too sure of. Constants were fitted on the
//! tuning settings of the benchmark; `docs/the-rule.md` has what both cost, `rule-bench --by-curve` measures it.

use super::outcome::Reading;
use super::rule::{Constants, show};
use crate::curve::Measure;

/// With accuracies: share of the squared progress that lies below the rate.
const ACCURACY_SHARE: f64 = 0.75;
/// With accuracies: what that rate is multiplied by.
const ACCURACY_FACTOR: f64 = 0.4;
/// Of losses alone: share of the progress that lies below the rate.
const LOSS_SHARE: f64 = 0.5;
/// Of losses alone: what that rate is multiplied by.
const LOSS_FACTOR: f64 = 2.8;
/// Of losses alone: share of the rate at which a curve falls below [`LEFT`] of its best that the answer stays below.
const BELOW_THE_FALL: f64 = 0.5;
/// Progress at which a curve has fallen.
const LEFT: f64 = 0.5;
/// Progress below which the story of a curve ends, if it stays there for [`OVER_DECADES`].
const OVER: f64 = 0.1;
/// Decades of the rate after which nothing that comes back counts.
const OVER_DECADES: f64 = 0.5;

/// The highest useful rate of a curve that falls, and where it comes from.
pub(super) fn highest(reading: &Reading, constants: Constants) -> (f64, String) {
    let accuracy = !reading.measure.is_loss();
    let (power, share, factor) =
        if accuracy { (2, ACCURACY_SHARE, ACCURACY_FACTOR) } else { (1, LOSS_SHARE, LOSS_FACTOR) };
    let share = share + constants.share;
    let from = learnt_below(reading, power, share);
    let (wanted, most) = (factor * from, BELOW_THE_FALL * reading.kept_until(LEFT));
    let name = if reading.measure == Measure::ValAccuracy { "validation" } else { "training" };
    let what = if accuracy { format!("{name} accuracy (squared)") } else { reading.measure.name().to_owned() };
    let learnt =
        format!("{:.0}% of what the {what} gained along the ramp was gained below {}", 100.0 * share, show(from));
    if !accuracy && wanted > most {
        return (
            most,
            format!(
                "{learnt}, but half of it is lost from {} on; {} is half of that",
                show(most / BELOW_THE_FALL),
                show(most)
            ),
        );
    }
    (wanted, format!("{learnt}; {} is {factor} times that", show(wanted)))
}

/// The rate below which a share of the progress (to a power) lies, in log rate, up to where the curve is over.
fn learnt_below(reading: &Reading, power: i32, share: f64) -> f64 {
    let progress = &reading.progress;
    let end = end_of_story(reading);
    let weight: Vec<f64> = progress.value[..=end].iter().map(|progress| progress.clamp(0.0, 1.0).powi(power)).collect();
    let wanted = share * weight.iter().sum::<f64>();
    let mut sum = 0.0;
    for (index, weight) in weight.iter().enumerate() {
        sum += weight;
        if sum >= wanted {
            return progress.rate(index);
        }
    }
    progress.rate(end)
}

fn end_of_story(reading: &Reading) -> usize {
    let progress = &reading.progress;
    let mut low_since = None;
    for index in progress.argmax()..progress.len() {
        if progress.value[index] >= OVER {
            low_since = None;
            continue;
        }
        let since = *low_since.get_or_insert(index);
        if progress.log_rate[index] - progress.log_rate[since] >= OVER_DECADES {
            return since;
        }
    }
    progress.len() - 1
}
