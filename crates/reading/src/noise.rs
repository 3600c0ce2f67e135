//! What of a curve is noise, and what stands out of it.

use crate::smooth::median;

/// Values that are averaged into one before all stretches are tried: more would take long.
pub(crate) const MOST_BLOCKS: usize = 200;
/// Values that a stretch holds at least.
const LEAST_STRETCH: usize = 5;

/// Standard deviation of the noise of neighbouring values, by the median of their differences: steps and spikes do not count.
pub(crate) fn difference_noise(values: &[f64]) -> f64 {
    let differences: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    // Of a normal distribution the median distance is 0.6745 standard deviations, and a difference has twice the variance.
    median(&differences) / (0.6745 * std::f64::consts::SQRT_2)
}

/// How many of the first values say where a curve starts.
pub(crate) fn start_count(n: usize) -> usize {
    (n / 10).clamp(3, 25).min(n.max(1))
}

/// Where values start: the median of the first of them.
pub(crate) fn start_of(values: &[f64]) -> f64 {
    median(&values[..start_count(values.len()).min(values.len())])
}

/// By how many standard errors the stretch of values that stands out most lies above `level`: the greatest of (mean - level) /
/// error over all stretches. `noise`: standard deviation of a value; `level_error`: that of the level.
pub(crate) fn stands_out(values: &[f64], level: f64, noise: f64, level_error: f64) -> f64 {
    let size = values.len().div_ceil(MOST_BLOCKS).max(1);
    let blocks: Vec<(f64, f64)> =
        values.chunks(size).map(|chunk| (chunk.iter().map(|value| value - level).sum(), chunk.len() as f64)).collect();
    let mut most = f64::NEG_INFINITY;
    for from in 0..blocks.len() {
        let (mut sum, mut count) = (0.0, 0.0);
        for (block, of) in &blocks[from..] {
            sum += block;
            count += of;
            if count >= LEAST_STRETCH as f64 {
                let error = (noise * noise / count + level_error * level_error).sqrt();
                most = most.max(sum / count / error.max(f64::MIN_POSITIVE));
            }
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_that_of_neighbours_whatever_the_trend() {
        let alternating: Vec<f64> =
            (0..100).map(|i| 0.5 * f64::from(i) + if i % 2 == 0 { 3.0 } else { -3.0 }).collect();
        let expected = 6.0 / (0.6745 * 2f64.sqrt());
        assert!((difference_noise(&alternating) - expected).abs() < 0.6, "{}", difference_noise(&alternating));
        assert_eq!(difference_noise(&[1.0]), 0.0);
    }

    /// 1,600 images of which 21% are right where 10% is chance: 100 batches of 16 at 0.21 are 14.7 standard errors out.
    #[test]
    fn a_stretch_stands_out_by_its_binomial_error() {
        let noise = (0.1f64 * 0.9 / 16.0).sqrt();
        let found = stands_out(&[0.21; 100], 0.1, noise, 0.0);
        assert!((found - 14.67).abs() < 0.01, "{found}");
        let mut half = vec![0.1; 100];
        half[40..80].fill(0.21);
        assert!((stands_out(&half, 0.1, noise, 0.0) - 9.28).abs() < 0.01);
        let many = stands_out(&vec![0.21; 10_000], 0.1, noise, 0.0);
        assert!((many - 146.7).abs() < 0.1, "{many}");
    }
}
