//! An axis: where values lie along it, and the round numbers beside it.

use artifacts::number::rate;

/// An axis, linear or logarithmic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

/// A number beside an axis, and where: from 0 to 1.
pub(crate) type Tick = (f64, String);

impl Scale {
    /// Over all values, those that it can show. None where there is none.
    pub(crate) fn over(values: impl Iterator<Item = f64>, is_log: bool) -> Option<Self> {
        let shown = values.filter(|value| value.is_finite() && (!is_log || *value > 0.0));
        let ends = shown.fold(None, |ends: Option<(f64, f64)>, value| {
            Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        ends.map(|(low, high)| Self { low, high, is_log }.opened())
    }

    /// Not beyond a value.
    pub(crate) fn cut_at(self, most: f64) -> Self {
        if self.high > most && most > self.low { Self { high: most, ..self } } else { self }
    }

    /// The highest value.
    pub(crate) fn high(&self) -> f64 {
        self.high
    }

    /// A scale of some length, even where all values are one.
    fn opened(self) -> Self {
        let Self { low, high, is_log } = self;
        if self.length() > 1e-9 * self.along(high).abs().max(1e-300) {
            return self;
        }
        if is_log {
            return Self { low: low / 2.0, high: high * 2.0, is_log };
        }
        let margin = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
        Self { low: low - margin, high: high + margin, is_log }
    }

    fn along(&self, value: f64) -> f64 {
        if self.is_log { value.log10() } else { value }
    }

    fn length(&self) -> f64 {
        self.along(self.high) - self.along(self.low)
    }

    /// Where a value lies: 0 at the low end, 1 at the high one, beyond them outside. None of what it cannot show.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let place = (self.along(value) - self.along(self.low)) / self.length();
        place.is_finite().then_some(place)
    }

    /// Round numbers along it, `most` or so.
    pub(crate) fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.max(1) as f64;
        let values = if self.is_log && self.length() >= 1.0 { self.log_ticks(most) } else { self.linear_ticks(most) };
        let tick = |(value, label): (f64, String)| Some((self.place(value)?, label));
        values.into_iter().filter_map(tick).filter(|(place, _)| (-1e-9..=1.0 + 1e-9).contains(place)).collect()
    }

    fn log_ticks(&self, most: f64) -> Vec<(f64, String)> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = f64::from(last - first + 1);
        // 1, 2 and 5 of each decade where there is room; or else every so many decades.
        let factors: &[f64] = if 3.0 * decades <= most { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let stride = (decades / most).ceil().max(1.0) as usize;
        let values =
            (first..=last).step_by(stride).flat_map(|decade| factors.iter().map(move |factor| (decade, *factor)));
        values.map(|(decade, factor)| factor * 10f64.powi(decade)).map(|value| (value, rate(value))).collect()
    }

    fn linear_ticks(&self, most: f64) -> Vec<(f64, String)> {
        let step = round_up((self.high - self.low) / most);
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        let first = (self.low / step).ceil();
        let count = (((self.high - self.low) / step).floor() as usize + 1).min(100);
        let values = (0..=count).map(|at| (first + at as f64) * step);
        values.map(|value| (value, label(value, decimals, self.high.abs().max(self.low.abs())))).collect()
    }
}

/// The next of 1, 2, 5, 10, ... times a power of ten.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * decade >= value * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * decade
}

/// A number beside a linear axis whose largest number is `largest`.
fn label(value: f64, decimals: usize, largest: f64) -> String {
    if largest >= 1e7 {
        format!("{}M", trimmed(value / 1e6))
    } else if largest >= 1e5 {
        format!("{}k", trimmed(value / 1e3))
    } else {
        // No minus before nothing.
        format!("{:.decimals$}", value + 0.0)
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, is_log: bool, most: usize) -> Vec<String> {
        let scale = Scale::over([low, high].into_iter(), is_log).unwrap();
        scale.ticks(most).into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(labels(0.0, 2.3, false, 5), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(labels(1.0, 120.0, false, 6), ["20", "40", "60", "80", "100", "120"]);
        assert_eq!(labels(0.0, 250_000.0, false, 5), ["0k", "50k", "100k", "150k", "200k", "250k"]);
        assert_eq!(labels(1e-4, 10.0, true, 6), ["1e-4", "0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(labels(1e-4, 10.0, true, 3), ["1e-4", "0.01", "1"]);
        assert_eq!(labels(0.1, 1.0, true, 8), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(0.3, 0.5, true, 4), ["0.30", "0.35", "0.40", "0.45", "0.50"]);
    }

    #[test]
    fn values_lie_between_the_ends_by_size_or_by_ratio() {
        let linear = Scale::over([1.0, 3.0, f64::NAN].into_iter(), false).unwrap();
        assert_eq!([1.0, 2.0, 3.0, 5.0].map(|value| linear.place(value).unwrap()), [0.0, 0.5, 1.0, 2.0]);
        let log = Scale::over([0.0, 0.01, 100.0].into_iter(), true).unwrap();
        assert_eq!((log.place(0.01), log.place(1.0), log.place(0.0)), (Some(0.0), Some(0.5), None));
        assert_eq!(log.cut_at(1.0).place(1.0), Some(1.0));
        assert_eq!(log.cut_at(0.001), log, "nothing would be left");
    }

    #[test]
    fn one_value_alone_has_a_scale_and_none_has_none() {
        for (value, is_log) in [(0.0, false), (-3.0, false), (0.9, false), (0.01, true), (1e-300, true), (1e300, false)]
        {
            let scale = Scale::over([value].into_iter(), is_log).unwrap();
            let place = scale.place(value).unwrap();
            assert!((0.4..0.6).contains(&place), "{value}: {place}");
            assert!(scale.ticks(4).len() < 100);
        }
        assert_eq!(Scale::over([f64::NAN, -1.0].into_iter(), true), None);
        assert_eq!(Scale::over(std::iter::empty(), false), None);
    }
}
