//! How sure a mean hindsight regret is: a bootstrap over settings, seeds of the ground truth and seeds of the range tests.

use super::read::{Answers, Tables};

/// Samples that are drawn.
const SAMPLES: usize = 4000;

/// A mean and its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// The mean, corrected.
    pub(crate) mean: f64,
    /// Lower end.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
}

/// The mean hindsight regret of a group of settings, in points. The best of noisy means is too high, and each sample's best is so
/// once more: by as much as samples exceed what was measured, that exceeds what is true. So the bias is taken off what was
/// measured, and twice off the samples (Efron and Tibshirani 1993, chapter 10).
pub(crate) fn hindsight(tables: &Tables, answers: &Answers, group: &[usize]) -> Estimate {
    let mut chance = Chance(1);
    let measured =
        group.iter().map(|index| of_setting(tables, answers, *index, |n| (0..n).collect())).collect::<Vec<_>>();
    let measured = measured.iter().sum::<f64>() / group.len() as f64;
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let settings: Vec<usize> = chance.draws(group.len());
            let costs = settings.iter().map(|at| of_setting(tables, answers, group[*at], |n| chance.draws(n)));
            costs.sum::<f64>() / group.len() as f64
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    let bias = samples.iter().sum::<f64>() / SAMPLES as f64 - measured;
    let quantile = |share: f64| samples[(share * SAMPLES as f64) as usize] - 2.0 * bias;
    Estimate { mean: measured - bias, low: quantile(0.025), high: quantile(0.975) }
}

/// Hindsight regret in a setting, of those seeds of the truth and those range tests that `draw` takes.
fn of_setting(tables: &Tables, answers: &Answers, index: usize, mut draw: impl FnMut(usize) -> Vec<usize>) -> f64 {
    let mut setting = tables.settings[index].clone();
    let drawn = draw(setting.ground_truth.seeds.len());
    setting.ground_truth.accuracy =
        setting.ground_truth.accuracy.iter().map(|row| drawn.iter().map(|seed| row[*seed]).collect()).collect();
    let rates = &answers[&index];
    let drawn = draw(rates.len());
    drawn.iter().map(|at| super::hindsight(&setting, rates[*at])).sum::<f64>() / drawn.len() as f64
}

/// Numbers that a seed decides: splitmix64 (Steele, Lea and Flood 2014).
struct Chance(u64);

impl Chance {
    /// `n` numbers below `n`.
    fn draws(&mut self, n: usize) -> Vec<usize> {
        (0..n).map(|_| (self.next() % n as u64) as usize).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
