//! Axes: from values to pixels, ticks where people expect them, and series cut to the frame.

use plotters::style::RGBColor;

use super::figure::{Anchor, Figure, text_width};
use super::palette;

/// Size of tick labels.
pub const TICK_SIZE: f64 = 12.5;
/// Size of titles and labels.
pub const LABEL_SIZE: f64 = 13.5;

/// Radius of the marks on a series.
const MARK_RADIUS: f64 = 3.2;
/// Pixels between them.
const MARK_DISTANCE: f64 = 36.0;

/// What a series carries, so that it is told apart in print without colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Rings.
    Ring,
    /// Dots.
    Dot,
}

impl Mark {
    fn draw(self, figure: &mut Figure, at: (f64, f64), color: RGBColor) {
        match self {
            Self::Ring => figure.ring(at, MARK_RADIUS, color),
            Self::Dot => figure.dot(at, MARK_RADIUS, color, 1.0),
        }
    }
}
/// How values become positions along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisScale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
}

/// A value to mark on an axis, and its label where it has one.
pub type Tick = (f64, Option<String>);

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// Its scale.
    pub scale: AxisScale,
    /// Value at its start.
    pub low: f64,
    /// Value at its end.
    pub high: f64,
    /// Whether values are fractions, labelled in percent.
    pub percent: bool,
}

impl Axis {
    /// A linear axis over `low` to `high`, widened to whole ticks where `nice`.
    pub fn linear(low: f64, high: f64, nice: bool) -> Self {
        let (mut low, mut high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        if nice {
            let step = nice_step(high - low, 5);
            low = (low / step + 1e-9).floor() * step;
            high = (high / step - 1e-9).ceil() * step;
        }
        Self { scale: AxisScale::Linear, low, high, percent: false }
    }

    /// A log axis over positive `low` to `high`.
    pub fn log(low: f64, high: f64) -> Self {
        let (low, high) = if high > low * 1.001 { (low, high) } else { (low / 2.0, low * 2.0) };
        Self { scale: AxisScale::Log, low, high, percent: false }
    }

    /// The same axis, of fractions labelled in percent.
    #[must_use]
    pub fn in_percent(self) -> Self {
        Self { percent: true, ..self }
    }

    /// The position of a value: 0 at the start, 1 at the end; beyond where it lies beyond.
    pub fn position(&self, value: f64) -> f64 {
        match self.scale {
            AxisScale::Linear => (value - self.low) / (self.high - self.low),
            AxisScale::Log => (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// Ticks: value, and its label where it has one.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        match self.scale {
            AxisScale::Linear => self.linear_ticks(wanted),
            AxisScale::Log => self.log_ticks(wanted),
        }
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<Tick> {
        let step = nice_step(self.high - self.low, wanted);
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        (first..=last).map(|i| i as f64 * step).map(|value| (value, Some(self.label(value, step)))).collect()
    }

    /// Decades and their twos and fives where there are few; decades with unlabelled steps between where there are many.
    fn log_ticks(&self, wanted: usize) -> Vec<Tick> {
        let decades = (self.high / self.low).log10();
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let every = ((decades / wanted as f64).ceil() as i32).max(1);
        let labelled = |factor: u32, exponent: i32| match factor {
            1 => exponent.rem_euclid(every) == 0,
            2 | 5 => decades * 3.0 <= wanted as f64 * 1.6,
            _ => decades < 0.7,
        };
        let mut ticks = Vec::new();
        for exponent in first..=last {
            for factor in 1..10 {
                let value: f64 = format!("{factor}e{exponent}").parse().unwrap_or(f64::NAN);
                if value >= self.low * 0.999_999 && value <= self.high * 1.000_001 {
                    let label = labelled(factor, exponent).then(|| self.label(value, value));
                    ticks.push((value, label));
                }
            }
        }
        ticks
    }

    fn label(&self, value: f64, step: f64) -> String {
        let (value, step) = if self.percent { (value * 100.0, step * 100.0) } else { (value, step) };
        let unit = if self.percent { "%" } else { "" };
        let magnitude = value.abs();
        if value.abs() < step * 1e-6 {
            return format!("0{unit}");
        }
        if !(1e-4..1e7).contains(&magnitude) {
            return format!("{value:e}{unit}");
        }
        let digits = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
        // A step such as 0.25 or 2.5 needs one digit more than its first.
        let digits =
            if (step * 10f64.powi(digits as i32)).fract() > 0.01 && (step * 10f64.powi(digits as i32)).fract() < 0.99 {
                digits + 1
            } else {
                digits
            };
        let text = format!("{value:.digits$}");
        if magnitude >= 10_000.0 && digits == 0 {
            return artifacts::number::count(magnitude as u64);
        }
        format!("{text}{unit}")
    }
}

fn nice_step(span: f64, wanted: usize) -> f64 {
    let raw = span / wanted as f64;
    let decade = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| factor * decade >= raw * 0.999).unwrap_or(10.0);
    factor * decade
}

/// A frame with two axes inside a figure.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Left edge of the frame.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Bottom edge.
    pub bottom: f64,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
}

impl Panel {
    /// The pixel of a point.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x_at(x), self.bottom - self.y.position(y) * (self.bottom - self.top))
    }

    /// The horizontal pixel of a value.
    pub fn x_at(&self, x: f64) -> f64 {
        self.left + self.x.position(x) * (self.right - self.left)
    }

    /// Draws grid, ticks and labels, and the title above the vertical axis. `below`: the horizontal axis's label, where
    /// it is drawn.
    pub fn frame(&self, figure: &mut Figure, title: &str, below: Option<&str>) {
        self.side(figure, title);
        let wanted = (((self.right - self.left) / 70.0) as usize).max(2);
        let ticks = self.x.ticks(wanted);
        self.foot(figure, &ticks, below);
    }

    /// As [`Panel::frame`], with the horizontal axis's ticks given.
    pub fn frame_with_ticks(&self, figure: &mut Figure, title: &str, ticks: &[Tick], below: &str) {
        self.side(figure, title);
        self.foot(figure, ticks, Some(below));
    }

    /// As [`Panel::frame`], with rows of text at values of the vertical axis in the place of its ticks.
    pub fn frame_with_rows(&self, figure: &mut Figure, title: &str, rows: &[String], below: &str) {
        figure.text(title, (self.left, self.top - 14.0), Anchor::Start, LABEL_SIZE, palette::INK);
        for (row, text) in rows.iter().enumerate() {
            let (_, y) = self.at(self.x.low, row as f64);
            figure.line(vec![(self.left, y), (self.right, y)], palette::GRID, 1.0);
            figure.text(text.as_str(), (self.left - 7.0, y), Anchor::End, TICK_SIZE, palette::INK);
        }
        self.foot(figure, &self.x.ticks((((self.right - self.left) / 70.0) as usize).max(2)), Some(below));
    }

    /// The horizontal axis: line, ticks and label.
    fn foot(&self, figure: &mut Figure, ticks: &[Tick], below: Option<&str>) {
        self.horizontal_ticks(figure, ticks, below.is_some());
        figure.line(vec![(self.left, self.bottom), (self.right, self.bottom)], palette::AXIS, 1.0);
        if let Some(label) = below {
            let at = (self.right, self.bottom + 37.0);
            figure.text(label, at, Anchor::End, LABEL_SIZE, palette::INK);
        }
    }

    /// The vertical axis: title, grid and labels.
    fn side(&self, figure: &mut Figure, title: &str) {
        figure.text(title, (self.left, self.top - 14.0), Anchor::Start, LABEL_SIZE, palette::INK);
        let wanted = (((self.bottom - self.top) / 42.0) as usize).max(2);
        for (value, label) in self.y.ticks(wanted) {
            let (_, y) = self.at(self.x.low, value);
            if let Some(label) = label {
                figure.line(vec![(self.left, y), (self.right, y)], palette::GRID, 1.0);
                figure.text(label, (self.left - 7.0, y), Anchor::End, TICK_SIZE, palette::MUTED);
            }
        }
    }

    fn horizontal_ticks(&self, figure: &mut Figure, ticks: &[Tick], labelled: bool) {
        let mut free_from = f64::NEG_INFINITY;
        for (value, label) in ticks {
            let x = self.x_at(*value);
            let length = if label.is_some() { 5.0 } else { 3.0 };
            figure.line(vec![(x, self.bottom), (x, self.bottom + length)], palette::AXIS, 1.0);
            let Some(label) = label.as_ref().filter(|_| labelled) else {
                continue;
            };
            let half = text_width(label, TICK_SIZE) / 2.0;
            if x - half >= free_from {
                figure.text(label.as_str(), (x, self.bottom + 16.0), Anchor::Middle, TICK_SIZE, palette::MUTED);
                free_from = x + half + 6.0;
            }
        }
    }

    /// The pixels of a series inside the frame, in stretches between values that are not finite; cut where it leaves.
    pub fn stretches(&self, series: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let mut stretches = Vec::new();
        let mut stretch: Vec<(f64, f64)> = Vec::new();
        let mut last: Option<(f64, f64)> = None;
        for &(x, y) in series {
            if !(x.is_finite() && y.is_finite()) {
                stretches.extend((stretch.len() > 1).then(|| std::mem::take(&mut stretch)));
                stretch.clear();
                last = None;
                continue;
            }
            let point = self.at(x, y);
            if let Some(piece) = last.and_then(|last| self.clip(last, point)) {
                if stretch.last().is_none_or(|end| (end.0 - piece.0.0).abs() + (end.1 - piece.0.1).abs() > 1e-6) {
                    stretches.extend((stretch.len() > 1).then(|| std::mem::take(&mut stretch)));
                    stretch = vec![piece.0];
                }
                stretch.push(piece.1);
            }
            last = Some(point);
        }
        stretches.extend((stretch.len() > 1).then_some(stretch));
        stretches
    }

    /// The part of a segment inside the frame (Liang and Barsky's clipping).
    fn clip(&self, a: (f64, f64), b: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let (mut from, mut to) = (0.0f64, 1.0f64);
        let edges = [(-dx, a.0 - self.left), (dx, self.right - a.0), (-dy, a.1 - self.top), (dy, self.bottom - a.1)];
        for (p, q) in edges {
            if p == 0.0 {
                if q < -1e-9 {
                    return None;
                }
            } else if p < 0.0 {
                from = from.max(q / p);
            } else {
                to = to.min(q / p);
            }
        }
        let point = |t: f64| (a.0 + t * dx, a.1 + t * dy);
        (from <= to).then(|| (point(from), point(to)))
    }

    /// Draws a series as a line.
    pub fn series(&self, figure: &mut Figure, series: &[(f64, f64)], color: RGBColor, width: f64, opacity: f64) {
        for stretch in self.stretches(series) {
            figure.faint(stretch, color, width, opacity);
        }
    }

    /// Draws a series as a dashed line.
    pub fn dashed_series(&self, figure: &mut Figure, series: &[(f64, f64)], color: RGBColor, width: f64) {
        for stretch in self.stretches(series) {
            figure.dashed(stretch, color, width);
        }
    }

    /// Puts marks on a series, `MARK_DISTANCE` apart along the axis.
    pub fn marks(&self, figure: &mut Figure, series: &[(f64, f64)], color: RGBColor, mark: Mark) {
        for stretch in self.stretches(series) {
            let mut last = f64::NEG_INFINITY;
            for (x, y) in stretch {
                if x - last >= MARK_DISTANCE {
                    last = x;
                    mark.draw(figure, (x, y), color);
                }
            }
        }
    }

    /// Fills the band between two curves over the same positions.
    pub fn band(&self, figure: &mut Figure, x: &[f64], low: &[f64], high: &[f64], color: RGBColor) {
        let inside = |(px, py): (f64, f64)| (px.clamp(self.left, self.right), py.clamp(self.top, self.bottom));
        let edge = |values: &[f64]| -> Vec<(f64, f64)> {
            x.iter()
                .zip(values)
                .filter(|(x, y)| x.is_finite() && y.is_finite())
                .map(|(x, y)| inside(self.at(*x, *y)))
                .collect()
        };
        let (upper, mut lower) = (edge(high), edge(low));
        lower.reverse();
        if upper.len() > 1 {
            figure.area(upper.into_iter().chain(lower).collect(), color, 0.16);
        }
    }

    /// Draws a vertical line over the whole frame.
    pub fn marker(&self, figure: &mut Figure, x: f64, color: RGBColor) {
        let px = self.x_at(x);
        figure.line(vec![(px, self.top), (px, self.bottom)], color, 1.5);
    }

    /// Writes the label of a marker at the frame's top, where it stays inside, in the given row of labels.
    pub fn marker_label(&self, figure: &mut Figure, x: f64, label: &str, row: usize, color: RGBColor) {
        let px = self.x_at(x);
        let width = text_width(label, TICK_SIZE);
        let fits_right = px + 5.0 + width <= self.right;
        let (at, anchor) = if fits_right { (px + 5.0, Anchor::Start) } else { (px - 5.0, Anchor::End) };
        // Curves that run behind a label must not run through it.
        let (left, middle) =
            (if anchor == Anchor::Start { at } else { at - width }, self.top + 10.0 + 17.0 * row as f64);
        let (right, half) = (left + width, TICK_SIZE * 0.62);
        let corners = vec![
            (left - 2.0, middle - half),
            (right + 2.0, middle - half),
            (right + 2.0, middle + half),
            (left - 2.0, middle + half),
        ];
        figure.area(corners, palette::PAPER, 0.85);
        figure.text(label, (at, middle), anchor, TICK_SIZE, color);
    }

    /// Shades the frame between two values of the horizontal axis.
    pub fn shade(&self, figure: &mut Figure, from: f64, to: f64, color: RGBColor) {
        let (left, right) = (self.x_at(from).max(self.left), self.x_at(to).min(self.right));
        if right > left {
            let corners = vec![(left, self.top), (right, self.top), (right, self.bottom), (left, self.bottom)];
            figure.area(corners, color, 0.10);
        }
    }
}

/// An entry of a legend.
pub struct Entry {
    /// What it says.
    pub text: String,
    /// Colour of its sample.
    pub color: RGBColor,
    /// Whether the sample is dashed.
    pub dashed: bool,
    /// What the series carries, if anything.
    pub mark: Option<Mark>,
}

/// Draws a legend from the left, in as many rows as it needs, centred vertically on the first row's `y`. Returns the
/// height that it takes.
pub fn legend(figure: &mut Figure, entries: &[Entry], left: f64, right: f64, y: f64) -> f64 {
    const SAMPLE: f64 = 18.0;
    const ROW: f64 = 19.0;
    let (mut x, mut row) = (left, y);
    for entry in entries {
        let width = SAMPLE + 6.0 + text_width(&entry.text, LABEL_SIZE);
        if x > left && x + width > right {
            x = left;
            row += ROW;
        }
        let sample = vec![(x, row), (x + SAMPLE, row)];
        if entry.dashed {
            figure.dashed(sample, entry.color, 2.0);
        } else {
            figure.line(sample, entry.color, 2.5);
        }
        if let Some(mark) = entry.mark {
            mark.draw(figure, (x + SAMPLE / 2.0, row), entry.color);
        }
        figure.text(entry.text.as_str(), (x + SAMPLE + 6.0, row), Anchor::Start, LABEL_SIZE, palette::INK);
        x += width + 16.0;
    }
    row - y + ROW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, wanted: usize) -> Vec<String> {
        axis.ticks(wanted).into_iter().filter_map(|(_, label)| label).collect()
    }

    #[test]
    fn log_axes_are_labelled_at_decades_or_at_1_2_5() {
        assert_eq!(labels(Axis::log(1e-5, 10.0), 6), ["1e-5", "0.0001", "0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(labels(Axis::log(0.1, 3.0), 6), ["0.1", "0.2", "0.5", "1", "2"]);
    }

    #[test]
    fn linear_axes_have_round_steps() {
        assert_eq!(labels(Axis::linear(0.0, 3.0, false), 6), ["0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0"]);
        assert_eq!(
            labels(Axis::linear(0.86, 0.97, true).in_percent(), 5),
            ["85.0%", "87.5%", "90.0%", "92.5%", "95.0%", "97.5%"]
        );
        assert_eq!(labels(Axis::linear(0.0, 80_000.0, false), 4), ["0", "20,000", "40,000", "60,000", "80,000"]);
    }

    #[test]
    fn a_series_is_cut_at_the_frame_and_at_gaps() {
        let (x, y) = (Axis::linear(0.0, 10.0, false), Axis::linear(0.0, 1.0, false));
        let panel = Panel { left: 0.0, top: 0.0, right: 100.0, bottom: 100.0, x, y };
        let stretches = panel.stretches(&[(0.0, 0.5), (2.0, 1.5), (4.0, 0.5), (5.0, f64::NAN), (6.0, 0.2), (7.0, 0.2)]);
        assert_eq!(stretches.len(), 3);
        assert_eq!(stretches[0], [(0.0, 50.0), (10.0, 0.0)]);
        assert_eq!(stretches[1], [(30.0, 0.0), (40.0, 50.0)]);
    }
}
