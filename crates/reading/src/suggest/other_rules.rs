//! What other tools' rules answer on the same curve, each as its source defines it, with the smoothing, the cuts and the
//! stopping that go with it, on the training loss of every step (the validation loss where a curve has no other).
//!
//! | name | source |
//! |---|---|
//! | `valley`, `slide`, `minimum_over_10`, `steep` | fastai, `callback/schedule.py` |
//! | `steepest` | Lightning, `tuner/lr_finder.py`: the gradient takes the spacing of the rates into account |
//! | `steepest_by_index` | pytorch-lr-finder, `lr_finder.py`: the gradient by index |
//! | `loss_minimum`, `accuracy_peak`, `plateau_end` | read by eye since Smith's papers; here off the smoothed curves |
//! | `max_over_3`, `max_over_4`, `max_over_10` | Smith's bounds for the lowest rate, of the suggested highest one |

use std::collections::BTreeMap;

use super::outcome::{Reading, smoothed};
use super::rule::{PLATEAU_END_SHARE, main_measure};
use crate::curve::{Curve, Measure};
use crate::smooth::WINDOW_DECADES;

/// A loss curve step by step: learning rates and losses, NaN where a loss was not finite.
#[derive(Clone, Debug, PartialEq)]
struct LossCurve {
    /// Learning rates.
    lr: Vec<f64>,
    /// Losses, in nats.
    loss: Vec<f64>,
}

/// The answers of all rules on one curve; `None` where a rule has none.
pub fn answers(curve: &Curve) -> BTreeMap<String, Option<f64>> {
    let steps = steps(curve);
    let fastai = fastai_view(&steps);
    let read = |measure| smoothed(curve, measure, WINDOW_DECADES);
    let loss = read(Measure::TrainLoss).or_else(|| read(Measure::ValLoss));
    let accuracy = read(Measure::ValAccuracy).or_else(|| read(Measure::TrainAccuracy));
    let plateau = main_measure(curve).and_then(|measure| Reading::of(curve, measure, WINDOW_DECADES));
    let named = [
        ("valley", valley(&fastai)),
        ("slide", slide(&fastai)),
        ("minimum_over_10", minimum_over_10(&fastai)),
        ("steep", steep(&fastai)),
        ("steepest", steepest(&lightning_view(&steps))),
        ("steepest_by_index", steepest_by_index(&lr_finder_view(&steps))),
        ("loss_minimum", loss.map(|loss| loss.rate(loss.argmin()))),
        ("accuracy_peak", accuracy.map(|accuracy| accuracy.rate(accuracy.argmax()))),
        ("plateau_end", plateau.map(|reading| reading.plateau_end(PLATEAU_END_SHARE))),
    ];
    named
        .into_iter()
        .map(|(name, rate)| (name.to_owned(), rate.filter(|rate| rate.is_finite() && *rate > 0.0)))
        .collect()
}

fn steps(curve: &Curve) -> LossCurve {
    let measure = if curve.has(Measure::TrainLoss) { Measure::TrainLoss } else { Measure::ValLoss };
    let measured = curve.points.iter().filter_map(|point| Some((point.lr, measure.of(point)?)));
    let (lr, loss) = measured.unzip();
    LossCurve { lr, loss }
}

/// What fastai's rules see: losses averaged exponentially (0.98, corrected for the start), the run stopped at four times
/// the least of them, the first tenth and the last five points cut off, and all from the first NaN on.
fn fastai_view(steps: &LossCurve) -> LossCurve {
    const BETA: f64 = 0.98;
    let (mut mean, mut least) = (0.0, f64::INFINITY);
    let mut loss = Vec::new();
    for (count, raw) in steps.loss.iter().enumerate() {
        mean = BETA * mean + (1.0 - BETA) * raw;
        let smooth = mean / (1.0 - BETA.powi(count as i32 + 1));
        loss.push(smooth);
        least = f64::min(least, smooth);
        if smooth > 4.0 * least {
            break;
        }
    }
    let mut view = cut(steps, &loss, steps.loss.len() / 10, 5);
    if let Some(nan) = view.loss.iter().position(|loss| loss.is_nan()) {
        view.lr.truncate(nan);
        view.loss.truncate(nan);
    }
    view
}

/// What Lightning's rule sees: losses averaged exponentially (0.98; its correction counts one step too many), the run
/// stopped at four times the least of them, the first ten points and the last cut off, and those not finite.
fn lightning_view(steps: &LossCurve) -> LossCurve {
    const BETA: f64 = 0.98;
    let (mut mean, mut least) = (0.0, 0.0);
    let mut loss = Vec::new();
    for (index, raw) in steps.loss.iter().enumerate() {
        let step = index as i32 + 1;
        mean = BETA * mean + (1.0 - BETA) * raw;
        let smooth = mean / (1.0 - BETA.powi(step + 1));
        loss.push(smooth);
        if step > 1 && smooth > 4.0 * least {
            break;
        }
        if smooth < least || step == 1 {
            least = smooth;
        }
    }
    let view = cut(steps, &loss, 10, 1);
    let finite = view.lr.into_iter().zip(view.loss).filter(|(_, loss)| loss.is_finite());
    let (lr, loss) = finite.unzip();
    LossCurve { lr, loss }
}

/// What pytorch-lr-finder's rule sees: losses averaged exponentially (0.05 of each new one), the run stopped at five times
/// the least of them, the first ten and the last five points cut off.
fn lr_finder_view(steps: &LossCurve) -> LossCurve {
    const NEW: f64 = 0.05;
    let mut loss: Vec<f64> = Vec::new();
    let mut least = f64::INFINITY;
    for raw in &steps.loss {
        let smooth = loss.last().map_or(*raw, |last| NEW * raw + (1.0 - NEW) * last);
        loss.push(smooth);
        least = f64::min(least, smooth);
        if smooth > 5.0 * least {
            break;
        }
    }
    cut(steps, &loss, 10, 5)
}

fn cut(steps: &LossCurve, loss: &[f64], start: usize, end: usize) -> LossCurve {
    let to = loss.len().saturating_sub(end);
    let from = start.min(to);
    LossCurve { lr: steps.lr[from..to].to_vec(), loss: loss[from..to].to_vec() }
}

/// fastai: halfway along the longest run of falling losses (its longest decreasing subsequence), counted back from its
/// end.
fn valley(steps: &LossCurve) -> Option<f64> {
    let losses = &steps.loss;
    if losses.is_empty() {
        return None;
    }
    // The length of the longest decreasing subsequence that ends at each point: a patience search over negated losses,
    // where fastai compares all pairs.
    let mut tails: Vec<f64> = Vec::new();
    let lengths: Vec<usize> = losses
        .iter()
        .map(|loss| {
            let at = tails.partition_point(|tail| tail > loss);
            if at == tails.len() {
                tails.push(*loss);
            } else {
                tails[at] = *loss;
            }
            at + 1
        })
        .collect();
    let end = (1..lengths.len()).fold(0, |best, i| if lengths[i] > lengths[best] { i } else { best });
    // Nothing fell: fastai's search never moves from the first point.
    let start = if end == 0 { 0 } else { end as i64 - lengths[end] as i64 };
    let sections = (end as i64 - start) as f64 / 3.0;
    let index = start + sections as i64 + (sections / 2.0) as i64;
    // Python counts a negative index from the end.
    let index = if index < 0 { index + losses.len() as i64 } else { index };
    steps.lr.get(index as usize).copied()
}

/// fastai: from the right, the first rate 15 points before another where the loss's gradient differs by no more than 0.005.
fn slide(steps: &LossCurve) -> Option<f64> {
    const GAP: usize = 15;
    const THRESHOLD: f64 = 0.005;
    let n = steps.loss.len();
    if n < GAP + 1 {
        return None;
    }
    let gradient = gradient_by_index(&steps.loss);
    let (mut right, mut left) = (n - 1, n - 1 - GAP);
    let mut rate = steps.lr[left];
    while (gradient[right] - gradient[left]).abs() > THRESHOLD {
        rate = steps.lr[left];
        if left == 0 {
            break;
        }
        right -= 1;
        left -= 1;
    }
    Some(rate)
}

/// fastai: a tenth of the rate at the least loss.
fn minimum_over_10(steps: &LossCurve) -> Option<f64> {
    Some(steps.lr[first_least(&steps.loss)?] / 10.0)
}

/// fastai: where the loss falls most steeply over the logarithm of the rate, between neighbours.
fn steep(steps: &LossCurve) -> Option<f64> {
    let slope = |i: usize| (steps.loss[i + 1] - steps.loss[i]) / (steps.lr[i + 1].ln() - steps.lr[i].ln());
    let slopes: Vec<f64> = (0..steps.loss.len().saturating_sub(1)).map(slope).collect();
    Some(steps.lr[first_least(&slopes)?])
}

/// Lightning: where the loss falls most steeply over the rate (`torch.gradient` with the rates as coordinates).
fn steepest(steps: &LossCurve) -> Option<f64> {
    let (x, y) = (&steps.lr, &steps.loss);
    let n = y.len();
    if n < 2 {
        return None;
    }
    let slope = |i: usize, j: usize| (y[j] - y[i]) / (x[j] - x[i]);
    let inner = |i: usize| {
        // Of second order on an uneven grid: the neighbours' slopes, each weighted with the other's distance.
        let (left, right) = (x[i] - x[i - 1], x[i + 1] - x[i]);
        (left * slope(i, i + 1) + right * slope(i - 1, i)) / (left + right)
    };
    let gradient: Vec<f64> = (0..n)
        .map(|i| match i {
            0 => slope(0, 1),
            i if i == n - 1 => slope(n - 2, n - 1),
            i => inner(i),
        })
        .collect();
    Some(x[first_least(&gradient)?])
}

/// pytorch-lr-finder: where the loss falls most steeply from step to step (`numpy.gradient`), whatever the rates between.
fn steepest_by_index(steps: &LossCurve) -> Option<f64> {
    if steps.loss.len() < 2 {
        return None;
    }
    Some(steps.lr[first_least(&gradient_by_index(&steps.loss))?])
}

/// `numpy.gradient` with unit spacing: central differences, one-sided at the ends.
fn gradient_by_index(values: &[f64]) -> Vec<f64> {
    let last = values.len() - 1;
    (0..values.len())
        .map(|i| match i {
            0 => values[1] - values[0],
            i if i == last => values[i] - values[i - 1],
            i => (values[i + 1] - values[i - 1]) / 2.0,
        })
        .collect()
}

/// Index of the least value, the first of equals; `None` of no values, or where numpy's argmin would answer a NaN.
fn first_least(values: &[f64]) -> Option<usize> {
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    (0..values.len()).reduce(|best, i| if values[i] < values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        lr: Vec<f64>,
        loss: Vec<f64>,
        answers: BTreeMap<String, f64>,
    }

    /// The expected answers are made by `tests/parity/other_rules.py`.
    #[test]
    fn the_tools_own_rules_answer_as_their_tools_do() {
        let fixture: Fixture = serde_json::from_str(include_str!("../../tests/fixtures/other_rules.json")).unwrap();
        for case in fixture.cases {
            let steps = LossCurve { lr: case.lr, loss: case.loss };
            let fastai = fastai_view(&steps);
            let found = [
                ("valley", valley(&fastai)),
                ("slide", slide(&fastai)),
                ("minimum_over_10", minimum_over_10(&fastai)),
                ("steep", steep(&fastai)),
                ("steepest", steepest(&lightning_view(&steps))),
                ("steepest_by_index", steepest_by_index(&lr_finder_view(&steps))),
            ];
            assert_eq!(case.answers.len(), found.len());
            for (rule, rate) in found {
                let (rate, expected) = (rate.unwrap(), case.answers[rule]);
                assert!((rate / expected - 1.0).abs() < 1e-9, "{}, {rule}: {rate}, not {expected}", case.name);
            }
        }
    }

    #[test]
    fn rules_without_enough_points_have_no_answer() {
        let few = LossCurve { lr: vec![0.1, 0.2], loss: vec![2.0, 1.0] };
        assert_eq!(slide(&few), None);
        let none = fastai_view(&few);
        assert_eq!((valley(&none), minimum_over_10(&none), steep(&none)), (None, None, None));
        assert_eq!(steepest(&lightning_view(&few)), None);
        assert_eq!(steepest_by_index(&lr_finder_view(&few)), None);
    }

    #[test]
    fn fastai_cuts_at_the_first_loss_that_is_no_number() {
        let lr: Vec<f64> = (1..=100).map(|i| 1e-3 * f64::from(i)).collect();
        let loss: Vec<f64> = (1..=100).map(|i| if i < 60 { 2.0 - 0.01 * f64::from(i) } else { f64::NAN }).collect();
        let view = fastai_view(&LossCurve { lr, loss });
        assert_eq!(view.lr.len(), 49);
        assert!(valley(&view).is_some());
    }
}
