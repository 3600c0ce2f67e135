//! Interpolation between two values.

use std::f64::consts::PI;

/// Along a straight line; exact at fractions 0 and 1.
pub(crate) fn linear(start: f64, end: f64, fraction: f64) -> f64 {
    start * (1.0 - fraction) + end * fraction
}

/// Along half a cosine: flat at both ends.
pub(crate) fn cosine(start: f64, end: f64, fraction: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + libm::cos(PI * fraction))
}

/// By equal factors, which needs both ends above 0; exact at fractions 0 and 1.
pub(crate) fn geometric(start: f64, end: f64, fraction: f64) -> f64 {
    if fraction == 1.0 { end } else { start * libm::pow(end / start, fraction) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cosine starts only within the rounding error of the larger end: 30 + (1e-7 - 30) is not 1e-7.
    #[test]
    fn ends_are_exact() {
        for (start, end) in [(0.1f64, 3.0f64), (3.0, 0.1), (1e-7, 30.0), (0.3, 0.7)] {
            for curve in [linear, cosine, geometric] {
                assert_eq!(curve(start, end, 1.0), end);
            }
            assert_eq!(linear(start, end, 0.0), start);
            assert_eq!(geometric(start, end, 0.0), start);
            assert!((cosine(start, end, 0.0) - start).abs() <= f64::EPSILON * start.max(end), "{start} {end}");
        }
    }

    #[test]
    fn middles_are_means() {
        assert_eq!(linear(1.0, 4.0, 0.5), 2.5);
        assert!((cosine(1.0, 4.0, 0.5) - 2.5).abs() < 1e-15);
        assert!((geometric(1.0, 4.0, 0.5) - 2.0).abs() < 1e-15);
    }
}
