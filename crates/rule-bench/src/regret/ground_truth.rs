//! The measured ground truth of one setting: accuracy over a grid of highest rates and seeds.

/// Accuracy at each rate and seed. A run that diverged counts with chance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroundTruth {
    /// The grid, ascending.
    pub rates: Vec<f64>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Final validation accuracy, one row per rate, one column per seed.
    pub accuracy: Vec<Vec<f64>>,
    /// Accuracy of a guess at random.
    pub chance: f64,
}

impl GroundTruth {
    /// The mean over all seeds at each rate.
    pub(crate) fn means(&self) -> Vec<f64> {
        self.means_over(&(0..self.seeds.len()).collect::<Vec<_>>())
    }

    /// Index of the rate that is best over all seeds.
    pub(crate) fn best(&self) -> usize {
        argmax(&self.means())
    }

    /// From the worst rate's mean to the best one's.
    pub(crate) fn span(&self) -> f64 {
        let means = self.means();
        let least = means.iter().copied().fold(f64::INFINITY, f64::min);
        means[argmax(&means)] - least
    }

    /// What `rate` costs against the best rate chosen on half of the seeds, scored on the other half.
    pub(crate) fn regret(&self, rate: f64) -> f64 {
        self.over_halves(|chosen, scores| scores[chosen] - self.interpolated(scores, rate))
    }

    /// What choosing on half of the seeds costs against the scoring half's own best.
    pub(crate) fn floor(&self) -> f64 {
        self.over_halves(|chosen, scores| scores[argmax(scores)] - scores[chosen])
    }

    /// Accuracy at a rate, all seeds.
    pub(crate) fn at(&self, rate: f64) -> f64 {
        self.interpolated(&self.means(), rate)
    }

    /// Whether less than half of the progress from chance to the best is left at a rate above the best one.
    pub(crate) fn has_fallen(&self, rate: f64) -> bool {
        let best = self.best();
        rate > self.rates[best] && self.at(rate) - self.chance < 0.5 * (self.means()[best] - self.chance)
    }

    /// The mean of `f` over all ways to choose half of the seeds: it is given the rate that those choose, and the other
    /// half's mean at every rate.
    fn over_halves(&self, f: impl Fn(usize, &[f64]) -> f64) -> f64 {
        let n = self.seeds.len();
        let halves: Vec<u32> = (0..1u32 << n).filter(|half| half.count_ones() as usize == n / 2).collect();
        let members = |half: u32, wanted: bool| -> Vec<usize> {
            (0..n).filter(|seed| (half >> seed & 1 == 1) == wanted).collect()
        };
        let one = |half: &u32| {
            let chosen = argmax(&self.means_over(&members(*half, true)));
            f(chosen, &self.means_over(&members(*half, false)))
        };
        halves.iter().map(one).sum::<f64>() / halves.len() as f64
    }

    fn means_over(&self, seeds: &[usize]) -> Vec<f64> {
        self.accuracy.iter().map(|row| seeds.iter().map(|seed| row[*seed]).sum::<f64>() / seeds.len() as f64).collect()
    }

    /// Linear in log rate; the ends beyond the ends.
    fn interpolated(&self, values: &[f64], rate: f64) -> f64 {
        let right = self.rates.partition_point(|grid| *grid < rate);
        if right == 0 {
            return values[0];
        }
        if right == self.rates.len() {
            return values[right - 1];
        }
        let (low, high) = (self.rates[right - 1], self.rates[right]);
        let share = (rate / low).ln() / (high / low).ln();
        values[right - 1] + share * (values[right] - values[right - 1])
    }
}

/// Index of the largest value, the first of equals.
fn argmax(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(accuracy: Vec<Vec<f64>>) -> GroundTruth {
        let rates = (0..accuracy.len()).map(|i| 0.1 * 2f64.powi(i as i32)).collect();
        GroundTruth { rates, seeds: (1..=accuracy[0].len() as u64).collect(), accuracy, chance: 0.1 }
    }

    #[test]
    fn without_noise_regret_is_the_difference_to_the_best() {
        let truth = truth(vec![vec![0.6; 4], vec![0.8; 4], vec![0.1; 4]]);
        assert_eq!(truth.floor(), 0.0);
        assert!((truth.regret(0.2)).abs() < 1e-12);
        assert!((truth.regret(0.1) - 0.2).abs() < 1e-12);
        assert!((truth.regret(0.1 * 2f64.sqrt()) - 0.1).abs() < 1e-12, "halfway in log rate");
        assert!((truth.regret(1e-9) - 0.2).abs() < 1e-12, "beyond the grid its end counts");
        assert!(truth.has_fallen(0.39) && !truth.has_fallen(0.22) && !truth.has_fallen(1e-9));
        assert!((truth.span() - 0.7).abs() < 1e-12);
    }

    /// Seeds 1 and 2 prefer the first rate, 3 and 4 the second. Of the six halves two choose with both of a kind and lose 0.1
    /// on the others; four are mixed, a tie between the rates, which the first wins and loses nothing.
    #[test]
    fn noise_is_what_halves_disagree_about() {
        let truth = truth(vec![vec![0.8, 0.8, 0.7, 0.7], vec![0.7, 0.7, 0.8, 0.8]]);
        assert!((truth.floor() - 2.0 / 6.0 * 0.1).abs() < 1e-12, "{}", truth.floor());
        assert!(
            (truth.regret(0.1) + 0.1 / 6.0).abs() < 1e-12,
            "only the two that choose the second rate lose to the first"
        );
    }
}
