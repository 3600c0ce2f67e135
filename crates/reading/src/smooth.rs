//! Robust smoothing of a curve over the logarithm of the learning rate.
//!
//! Locally weighted linear regression with two robustifying passes (Cleveland, "Robust Locally Weighted Regression and
//! Smoothing Scatterplots", JASA 1979), except that the window is a fixed width in log10 rate, not a share of the points:
//! so a linear ramp, whose points crowd at its high end, and a log ramp are smoothed alike, and half the points give
//! the same curve. Where a window holds too few points it widens to the nearest [`MIN_POINTS`].

/// Full width of the smoothing window, in decades of the learning rate.
pub const WINDOW_DECADES: f64 = 0.3;
/// Points that a window holds at least.
pub(crate) const MIN_POINTS: usize = 7;
/// Points of the smoothed curve in a decade, equally spaced in log10 rate.
pub(crate) const GRID_PER_DECADE: f64 = 40.0;
/// Points of the smoothed curve at most.
const GRID_LIMIT: usize = 400;
/// Bins in a decade in which crowded points become one.
const BINS_PER_DECADE: f64 = 80.0;
/// Points that crowd a bin.
const CROWDED_BIN: usize = 4;
const ROBUST_PASSES: usize = 2;
/// Least scale of the outliers, as a share of the range of the values.
const LEAST_SCALE: f64 = 0.05;

/// A curve at equally spaced logarithms of the rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Smooth {
    /// log10 of the learning rate, ascending.
    pub log_rate: Vec<f64>,
    /// The smoothed value there.
    pub value: Vec<f64>,
}

impl Smooth {
    /// The learning rate at a point of the grid.
    pub fn rate(&self, index: usize) -> f64 {
        10f64.powf(self.log_rate[index])
    }

    /// The number of points of the grid, at least 2.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether there is no point: never true of a smoothed curve.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// Index of the largest value, the first of equals.
    pub fn argmax(&self) -> usize {
        (1..self.len()).fold(0, |best, i| if self.value[i] > self.value[best] { i } else { best })
    }

    /// Index of the smallest value, the first of equals.
    pub fn argmin(&self) -> usize {
        (1..self.len()).fold(0, |best, i| if self.value[i] < self.value[best] { i } else { best })
    }

    /// The value at a rate, interpolated in its logarithm; the end value beyond the ends.
    pub fn at(&self, rate: f64) -> f64 {
        let x = rate.log10();
        let right = self.log_rate.partition_point(|&g| g < x);
        if right == 0 {
            return self.value[0];
        }
        if right == self.len() {
            return self.value[right - 1];
        }
        let share = (x - self.log_rate[right - 1]) / (self.log_rate[right] - self.log_rate[right - 1]);
        self.value[right - 1] + share * (self.value[right] - self.value[right - 1])
    }

    /// The curve up to and including a point of the grid.
    #[must_use]
    pub fn up_to(&self, index: usize) -> Self {
        Self { log_rate: self.log_rate[..=index].to_vec(), value: self.value[..=index].to_vec() }
    }
}

/// Smooths `points` (log10 rate, value; ascending, finite) with a window of `window` decades. `None` for fewer than two
/// rates.
pub(crate) fn smooth(points: &[(f64, f64)], window: f64) -> Option<Smooth> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    if last <= first {
        return None;
    }
    let points = thinned(points);
    let weights = robust_weights(&points, window);
    let steps = (((last - first) * GRID_PER_DECADE).ceil() as usize).clamp(2, GRID_LIMIT);
    let log_rate: Vec<f64> = (0..=steps).map(|i| first + (last - first) * i as f64 / steps as f64).collect();
    let value = log_rate.iter().map(|&x| local_line(&points, &weights, x, window)).collect();
    Some(Smooth { log_rate, value })
}

/// The points, those of a crowded bin as their median: a long linear ramp has thousands in its last decade.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let bin = |x: f64| (x * BINS_PER_DECADE).floor();
    let mut thin = Vec::new();
    for crowd in points.chunk_by(|a, b| bin(a.0) == bin(b.0)) {
        if crowd.len() < CROWDED_BIN {
            thin.extend_from_slice(crowd);
        } else {
            let x = crowd.iter().map(|p| p.0).sum::<f64>() / crowd.len() as f64;
            thin.push((x, median(&crowd.iter().map(|p| p.1).collect::<Vec<_>>())));
        }
    }
    thin
}

/// Weights that take out points far from the curve through their neighbours, such as a spike.
fn robust_weights(points: &[(f64, f64)], window: f64) -> Vec<f64> {
    let mut weights = vec![1.0; points.len()];
    // What lies this near to the curve is never taken for an outlier, however little the rest is scattered: else the one
    // steep stretch of a noiseless curve would be.
    let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.1), b.max(p.1)));
    let least_scale = LEAST_SCALE * (high - low);
    // A spike differs from the points on either side; of the first and the last that cannot be said.
    let ends = 2.min(points.len());
    for _ in 0..ROBUST_PASSES {
        let residual: Vec<f64> =
            points.iter().map(|&(x, y)| (y - local_line(points, &weights, x, window)).abs()).collect();
        let scale = (6.0 * median(&residual)).max(least_scale).max(f64::MIN_POSITIVE);
        weights = residual.iter().map(|r| if *r < scale { (1.0 - (r / scale).powi(2)).powi(2) } else { 0.0 }).collect();
        weights[..ends].fill(1.0);
        let last = weights.len() - ends;
        weights[last..].fill(1.0);
    }
    weights
}

/// The weighted least-squares line through the window around `x`, at `x`: tricube weights times the robust ones.
fn local_line(points: &[(f64, f64)], weights: &[f64], x: f64, window: f64) -> f64 {
    let (from, to) = neighbours(points, x, window);
    let near = &points[from..to];
    let reach = near.iter().map(|p| (p.0 - x).abs()).fold(window / 2.0, f64::max) * 1.000_001;
    let (mut sw, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (&(px, py), &robust) in near.iter().zip(&weights[from..to]) {
        let w = robust * (1.0 - ((px - x).abs() / reach).powi(3)).powi(3);
        let dx = px - x;
        sw += w;
        sx += w * dx;
        sy += w * py;
        sxx += w * dx * dx;
        sxy += w * dx * py;
    }
    if sw <= 0.0 {
        // Every neighbour was taken for an outlier: their median is all that is left to say.
        return median(&near.iter().map(|p| p.1).collect::<Vec<_>>());
    }
    let spread = sw * sxx - sx * sx;
    // Points (nearly) on one side of `x` carry no slope; a line through them would extrapolate wildly.
    if spread <= 1e-3 * (sw * reach).powi(2) { sy / sw } else { (sy * sxx - sx * sxy) / spread }
}

/// The points within half a window of `x`, or the nearest [`MIN_POINTS`] where those are fewer.
fn neighbours(points: &[(f64, f64)], x: f64, window: f64) -> (usize, usize) {
    let mut from = points.partition_point(|p| p.0 < x - window / 2.0);
    let mut to = points.partition_point(|p| p.0 <= x + window / 2.0);
    let least = MIN_POINTS.min(points.len());
    while to - from < least {
        let take_left = from > 0 && (to == points.len() || x - points[from - 1].0 <= points[to].0 - x);
        if take_left { from -= 1 } else { to += 1 }
    }
    (from, to)
}

/// The middle value; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize, f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..n).map(|i| -3.0 + 4.0 * i as f64 / (n - 1) as f64).map(|x| (x, f(x))).collect()
    }

    #[test]
    fn a_line_stays_a_line() {
        let curve = smooth(&ramp(100, |x| 2.0 * x + 1.0), WINDOW_DECADES).unwrap();
        for (x, y) in curve.log_rate.iter().zip(&curve.value) {
            assert!((y - (2.0 * x + 1.0)).abs() < 1e-9, "{x} {y}");
        }
    }

    #[test]
    fn a_spike_vanishes() {
        let mut points = ramp(200, |x| 0.1 * x);
        points[120].1 = 50.0;
        let curve = smooth(&points, WINDOW_DECADES).unwrap();
        let worst = curve.log_rate.iter().zip(&curve.value).map(|(x, y)| (y - 0.1 * x).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-3, "{worst}");
    }

    #[test]
    fn linear_ramps_are_smoothed_as_log_ramps_are() {
        let truth = |x: f64| (-(x - 0.2).powi(2)).exp();
        let linear: Vec<(f64, f64)> =
            (1..=4000).map(|i| (i as f64 / 4000.0 * 3.0).log10()).map(|x| (x, truth(x))).collect();
        let curve = smooth(&linear, WINDOW_DECADES).unwrap();
        assert!((curve.rate(curve.argmax()).log10() - 0.2).abs() < 0.03);
        assert!((curve.at(1.0) - truth(0.0)).abs() < 0.01);
    }

    #[test]
    fn one_rate_is_no_curve() {
        assert_eq!(smooth(&[(0.0, 1.0)], WINDOW_DECADES), None);
        assert_eq!(smooth(&[], WINDOW_DECADES), None);
    }
}
