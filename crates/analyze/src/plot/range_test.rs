//! Range tests: accuracy and loss over the rate, with the suggested rates marked.

use artifacts::number::rate;
use artifacts::suggestion::Suggestion;
use plotters::style::RGBColor;
use reading::curve::{Curve, Measure};
use reading::suggest::smoothed;
use reading::{Smooth, WINDOW_DECADES};

use super::axes::{Axis, AxisScale, Entry, Mark, Panel, legend};
use super::figure::Figure;
use super::{BELOW, BETWEEN, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH, palette};

const FRAME_HEIGHT: f64 = 190.0;
/// Points of a raw curve that are drawn at most: more would be one blot.
const RAW_POINTS: usize = 400;

/// The kinds of ramps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ramp {
    /// Around the critical rate of the first step: these decide the highest rate.
    Around,
    /// On a log scale.
    Log,
    /// On a linear scale.
    Linear,
}

impl Ramp {
    const ALL: [Self; 3] = [Self::Around, Self::Log, Self::Linear];

    /// The kind that a curve was measured along: what its source says, or else where the middle step's rate lies, at the middle of
    /// a linear ramp, or far below.
    pub(crate) fn of(curve: &Curve) -> Self {
        let lr = |i: usize| curve.points.get(i).map_or(0.0, |point| point.lr);
        let last = curve.points.len().saturating_sub(1);
        if curve.is_around_critical_rate() {
            Self::Around
        } else if lr(last / 2) > lr(0) + 0.3 * (lr(last) - lr(0)) {
            Self::Linear
        } else {
            Self::Log
        }
    }

    /// As legends say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Around => "around the critical rate",
            Self::Log => "log ramp",
            Self::Linear => "linear ramp",
        }
    }

    fn mark(self) -> Option<Mark> {
        match self {
            Self::Around => Some(Mark::Dot),
            Self::Log => None,
            Self::Linear => Some(Mark::Ring),
        }
    }

    /// The colour of its curves, here and on the page.
    pub(crate) fn color(self) -> RGBColor {
        match self {
            Self::Around => palette::ORANGE,
            Self::Log => palette::BLUE,
            Self::Linear => palette::GREEN,
        }
    }

    /// The kinds of some curves by their colours, in words; nothing where all are of one kind.
    pub(crate) fn told_apart(curves: &[Curve]) -> String {
        let kinds: Vec<Self> =
            Self::ALL.into_iter().filter(|kind| curves.iter().any(|c| Self::of(c) == *kind)).collect();
        let words = |kind: &Self| match kind {
            Self::Around => "orange: around the critical rate",
            Self::Log => "blue: log ramps",
            Self::Linear => "green: linear ramps",
        };
        if kinds.len() < 2 { String::new() } else { kinds.iter().map(words).collect::<Vec<_>>().join(", ") }
    }
}

/// The range tests on a logarithmic and on a linear axis.
pub(crate) fn figures(curves: &[Curve], suggestion: Option<&Suggestion>) -> Vec<Figure> {
    if curves.is_empty() {
        return Vec::new();
    }
    let low = curves.iter().flat_map(|c| &c.points).map(|p| p.lr).filter(|lr| *lr > 0.0).fold(f64::INFINITY, f64::min);
    let high = curves.iter().map(Curve::highest_rate).fold(0.0, f64::max);
    // A linear ramp's first rates alone would leave most of a log axis empty.
    let low = low.max(high * 1e-6);
    // On a linear axis a log ramp is a thin line at its left edge, and hides the linear ones there.
    let linear: Vec<Curve> = curves.iter().filter(|curve| Ramp::of(curve) == Ramp::Linear).cloned().collect();
    let on_linear_axis = if linear.is_empty() { curves } else { &linear };
    let linear_high = on_linear_axis.iter().map(Curve::highest_rate).fold(0.0, f64::max);
    vec![
        figure("range-test-log", Axis::log(low, high), curves, suggestion),
        figure("range-test-linear", Axis::linear(0.0, linear_high, false), on_linear_axis, suggestion),
    ]
}

fn figure(name: &str, x: Axis, curves: &[Curve], suggestion: Option<&Suggestion>) -> Figure {
    let scale = if x.scale == AxisScale::Log { "a logarithmic" } else { "a linear" };
    let description = format!("Learning rate range test on {scale} axis: accuracy and loss over the learning rate");
    let mut figure = Figure::new(name, description, WIDTH, 0.0);
    let taken = legend(&mut figure, &entries(curves), LEFT, RIGHT, LEGEND_TOP);
    let top = LEGEND_TOP + taken + TITLE_ROOM;
    let accuracy = Panel { left: LEFT, top, right: RIGHT, bottom: top + FRAME_HEIGHT, x, y: accuracy_axis(curves) };
    let top = accuracy.bottom + BETWEEN;
    let loss = Panel { top, bottom: top + FRAME_HEIGHT, y: loss_axis(curves), ..accuracy };
    let label = if x.scale == AxisScale::Log { "learning rate (log scale)" } else { "learning rate" };
    shade(&mut figure, &[accuracy, loss], suggestion);
    accuracy.frame(&mut figure, "accuracy", None);
    loss.frame(&mut figure, "loss (nats)", Some(label));
    for curve in curves {
        draw(&mut figure, &accuracy, curve, Measure::TrainAccuracy, Measure::ValAccuracy);
        draw(&mut figure, &loss, curve, Measure::TrainLoss, Measure::ValLoss);
    }
    mark(&mut figure, &accuracy, &loss, suggestion);
    figure.height = loss.bottom + BELOW;
    figure
}

fn entries(curves: &[Curve]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for ramp in Ramp::ALL {
        let of_ramp: Vec<&Curve> = curves.iter().filter(|curve| Ramp::of(curve) == ramp).collect();
        let measured = |measures: [Measure; 2]| of_ramp.iter().any(|curve| measures.iter().any(|m| curve.has(*m)));
        if measured([Measure::TrainAccuracy, Measure::TrainLoss]) {
            entries.push(Entry {
                text: format!("{}, training", ramp.name()),
                color: ramp.color(),
                dashed: false,
                mark: ramp.mark(),
            });
        }
        if measured([Measure::ValAccuracy, Measure::ValLoss]) {
            entries.push(Entry {
                text: format!("{}, validation", ramp.name()),
                color: ramp.color(),
                dashed: true,
                mark: ramp.mark(),
            });
        }
    }
    entries
}

fn accuracy_axis(curves: &[Curve]) -> Axis {
    let values = curves.iter().flat_map(|curve| {
        let measures = [Measure::TrainAccuracy, Measure::ValAccuracy];
        measures.into_iter().filter_map(|measure| smoothed(curve, measure, WINDOW_DECADES)).flat_map(|s| s.value)
    });
    Axis::linear(0.0, values.fold(0.1, f64::max).min(1.0), true).in_percent()
}

/// From 0 to somewhat above the loss at the start: beyond that a curve has left the picture, and how far says little.
fn loss_axis(curves: &[Curve]) -> Axis {
    let start = |curve: &Curve| {
        let measures = [Measure::TrainLoss, Measure::ValLoss];
        let first = measures.into_iter().filter_map(|m| smoothed(curve, m, WINDOW_DECADES)).map(|s| s.value[0]);
        curve.classes.map_or(0.0, |classes| (classes as f64).ln()).max(first.fold(0.0, f64::max))
    };
    Axis::linear(0.0, 1.15 * curves.iter().map(start).fold(0.1, f64::max), true)
}

/// Training drawn solid over its raw values, validation dashed over its own where there is no training.
fn draw(figure: &mut Figure, panel: &Panel, curve: &Curve, training: Measure, held_out: Measure) {
    let ramp = Ramp::of(curve);
    let color = ramp.color();
    let has_training = curve.has(training);
    let raw = if has_training { training } else { held_out };
    panel.series(figure, &raw_points(curve, raw), color, 0.8, 0.28);
    if let Some(smooth) = smoothed(curve, training, WINDOW_DECADES) {
        panel.series(figure, &line(&smooth), color, 2.2, 1.0);
        if let Some(mark) = ramp.mark() {
            panel.marks(figure, &line(&smooth), color, mark);
        }
    }
    if let Some(smooth) = smoothed(curve, held_out, WINDOW_DECADES) {
        panel.dashed_series(figure, &line(&smooth), color, if has_training { 1.4 } else { 2.2 });
        if let Some(mark) = ramp.mark().filter(|_| !has_training) {
            panel.marks(figure, &line(&smooth), color, mark);
        }
    }
}

fn raw_points(curve: &Curve, measure: Measure) -> Vec<(f64, f64)> {
    let series = curve.series(measure);
    let stride = series.len().div_ceil(RAW_POINTS).max(1);
    series.into_iter().step_by(stride).map(|(log, value)| (10f64.powf(log), value)).collect()
}

fn line(smooth: &Smooth) -> Vec<(f64, f64)> {
    (0..smooth.len()).map(|i| (smooth.rate(i), smooth.value[i])).collect()
}

fn shade(figure: &mut Figure, panels: &[Panel], suggestion: Option<&Suggestion>) {
    let Some(suggestion) = suggestion else {
        return;
    };
    for panel in panels {
        for (interval, color) in
            [(suggestion.min_lr_interval, palette::PLUM), (suggestion.max_lr_interval, palette::VERMILLION)]
        {
            if let Some(interval) = interval {
                panel.shade(figure, interval.low, interval.high, color);
            }
        }
    }
}

fn mark(figure: &mut Figure, accuracy: &Panel, loss: &Panel, suggestion: Option<&Suggestion>) {
    let marks = suggestion.map(|s| [("min", s.min_lr, palette::PLUM), ("max", s.max_lr, palette::VERMILLION)]);
    let inside = |lr: &f64| *lr >= accuracy.x.low && *lr <= accuracy.x.high * 1.001;
    let marks: Vec<(&str, f64, RGBColor)> =
        marks.into_iter().flatten().filter_map(|(name, lr, color)| Some((name, lr.filter(inside)?, color))).collect();
    for (_, lr, color) in &marks {
        accuracy.marker(figure, *lr, *color);
        loss.marker(figure, *lr, *color);
    }
    // The loss falls from the top left and the accuracy rises to it: labels have room at the top of the loss.
    for (row, (name, lr, color)) in marks.into_iter().enumerate() {
        loss.marker_label(figure, lr, &format!("{name} {}", rate(lr)), row, color);
    }
}
