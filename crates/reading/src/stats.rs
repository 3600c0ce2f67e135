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

/// 97.5% quantile of Student's t distribution, to three decimals, from the usual table; beyond 30 degrees of freedom
/// the normal distribution's expansion (Abramowitz and Stegun 26.7.5).
fn t975(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    match degrees {
        0 => f64::INFINITY,
        d if d <= TABLE.len() => TABLE[d - 1],
        d => {
            let (z, d) = (1.959_964_f64, d as f64);
            z + (z.powi(3) + z) / (4.0 * d) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * d * d)
        }
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
    }
}
