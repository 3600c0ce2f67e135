//! Means over seeds, and how sure they are.

/// Mean and spread of a few numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (of a sample: n - 1); `None` of one.
    pub sd: Option<f64>,
}

/// Mean and standard deviation; `None` of nothing.
pub fn summary(values: &[f64]) -> Option<Summary> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    Some(Summary { n, mean, sd })
}

/// The 95% interval of a mean (Student's t); `None` of fewer than two numbers.
pub fn interval95(values: &[f64]) -> Option<(f64, f64)> {
    let Summary { n, mean, sd } = summary(values)?;
    let half = t975(n - 1) * sd? / (n as f64).sqrt();
    Some((mean - half, mean + half))
}

/// The 90% interval of a mean: two one-sided tests at 5% say that it lies within bounds where this does.
pub fn interval90(values: &[f64]) -> Option<(f64, f64)> {
    let Summary { n, mean, sd } = summary(values)?;
    let half = t95(n - 1) * sd? / (n as f64).sqrt();
    Some((mean - half, mean + half))
}

/// The 95% interval around `mean` with a standard error of so many degrees of freedom.
pub fn t_interval95(mean: f64, standard_error: f64, degrees: usize) -> (f64, f64) {
    let half = t975(degrees) * standard_error;
    (mean - half, mean + half)
}

/// The mean that so many numbers of this spread show, at 5% (two-sided), in four samples of five: `None` of fewer than two.
/// The sum of two quantiles of t stands in for the noncentral t distribution: 1% too low at 5 numbers, 5% at 3.
pub fn detectable(values: &[f64]) -> Option<f64> {
    let Summary { n, sd, .. } = summary(values)?;
    Some((t975(n - 1) + expansion(0.841_621, n - 1)) * sd? / (n as f64).sqrt())
}

/// 95% quantile of Student's t distribution, as [`t975`].
fn t95(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753, 1.746,
        1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
    ];
    match degrees {
        0 => f64::INFINITY,
        d if d <= TABLE.len() => TABLE[d - 1],
        d => expansion(1.644_854, d),
    }
}

/// The quantile of Student's t distribution whose normal counterpart is `z`, by the normal distribution's expansion
/// (Abramowitz and Stegun 26.7.5).
fn expansion(z: f64, degrees: usize) -> f64 {
    let d = degrees as f64;
    z + (z.powi(3) + z) / (4.0 * d) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * d * d)
}

/// 97.5% quantile of Student's t distribution, to three decimals, from the usual table; beyond 30 degrees of freedom by
/// [`expansion`].
fn t975(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    match degrees {
        0 => f64::INFINITY,
        d if d <= TABLE.len() => TABLE[d - 1],
        d => expansion(1.959_964, d),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_a_sample() {
        let summary = summary(&[0.90, 0.92, 0.94]).unwrap();
        assert!((summary.mean - 0.92).abs() < 1e-12);
        assert!((summary.sd.unwrap() - 0.02).abs() < 1e-12);
        assert_eq!(super::summary(&[0.5]).unwrap().sd, None);
        assert_eq!(super::summary(&[]), None);
    }

    #[test]
    fn intervals_are_students() {
        // scipy.stats.t.interval(0.95, 2, loc=0.92, scale=0.02/sqrt(3)) = (0.870317, 0.969683)
        let (low, high) = interval95(&[0.90, 0.92, 0.94]).unwrap();
        assert!((low - 0.870_317).abs() < 1e-5 && (high - 0.969_683).abs() < 1e-5, "{low} {high}");
        assert!((t975(40) - 2.021).abs() < 1e-3 && (t975(120) - 1.980).abs() < 1e-3);
        // scipy.stats.t.interval(0.90, 2, loc=0.92, scale=0.02/sqrt(3)) = (0.886283, 0.953717)
        let (low, high) = interval90(&[0.90, 0.92, 0.94]).unwrap();
        assert!((low - 0.886_283).abs() < 1e-5 && (high - 0.953_717).abs() < 1e-5, "{low} {high}");
        assert!((t95(40) - 1.684).abs() < 1e-3 && (t95(120) - 1.658).abs() < 1e-3);
    }

    #[test]
    fn what_could_be_seen_shrinks_with_the_numbers() {
        // Of statsmodels' TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8), in standard deviations.
        for (n, expected, off) in
            [(3, 3.26, 0.06), (5, 1.68, 0.02), (8, 1.15, 0.01), (12, 0.89, 0.01), (24, 0.60, 0.01)]
        {
            let half = ((n - 1) as f64 / n as f64).sqrt();
            let of_one = |i: usize| {
                if n % 2 == 1 && i == n - 1 {
                    0.0
                } else if i.is_multiple_of(2) {
                    half
                } else {
                    -half
                }
            };
            let values: Vec<f64> = (0..n).map(of_one).collect();
            let sd = summary(&values).unwrap().sd.unwrap();
            let found = detectable(&values).unwrap() / sd;
            assert!((found / expected - 1.0).abs() < off, "{n}: {found}");
        }
        assert_eq!(detectable(&[1.0]), None);
    }
}
