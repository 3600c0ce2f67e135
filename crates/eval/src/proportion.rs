//! A share of successes, and how well so many trials know it.

/// The standard normal quantile of 0.975.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95% score interval of a proportion (E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", 1927). `count` is above 0.
pub fn wilson(successes: usize, count: usize) -> (f64, f64) {
    let (n, share) = (count as f64, successes as f64 / count as f64);
    let scale = 1.0 + Z * Z / n;
    let centre = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the ends rounding alone would leave the range.
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}
