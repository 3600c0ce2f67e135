//! What a step of a search tried: final accuracy of each candidate, its training loss, its range test.

use plotters::style::RGBColor;
use reading::WINDOW_DECADES;
use reading::curve::{Curve, Measure};
use reading::suggest::smoothed;

use super::axes::{Axis, Entry, Panel, Tick, legend};
use super::figure::Figure;
use super::{BELOW, BETWEEN, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH, palette};

/// Final accuracies of one candidate.
#[derive(Clone, Debug)]
pub(crate) struct Finals {
    /// Its name.
    pub name: String,
    /// Final validation accuracy of each run.
    pub accuracies: Vec<f64>,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Whether it was in the last round, and so could be chosen.
    pub finalist: bool,
}

/// A curve of one candidate.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The candidate's name.
    pub name: String,
    /// Position and value.
    pub points: Vec<(f64, f64)>,
    /// Whether it was chosen.
    pub chosen: bool,
}

/// Colour of candidate `index`, and whether its lines are dashed: more than there are colours begin anew, dashed.
pub(crate) fn style(index: usize) -> (RGBColor, bool) {
    let colors = palette::SERIES.len();
    (palette::SERIES[index % colors], index >= colors)
}

/// Final accuracy by candidate: small dots are runs, large ones means, the ring is the choice.
pub(crate) fn finals(name: &str, what: &str, candidates: &[Finals]) -> Option<Figure> {
    let all = || candidates.iter().flat_map(|candidate| &candidate.accuracies).copied();
    if candidates.len() < 2 || all().next().is_none() {
        return None;
    }
    let mut figure = Figure::new(name, format!("Final validation accuracy by {what}"), WIDTH, 0.0);
    let (low, high) = all().fold((1.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    // Room for the dots at the ends of the axis.
    let room = 0.06 * (high - low).max(0.005);
    let mut y = Axis::linear((low - room).max(0.0), (high + room).min(1.0), true).in_percent();
    y.high = y.high.min(1.0 + room);
    let x = Axis::linear(-0.6, candidates.len() as f64 - 0.4, false);
    let top = TITLE_ROOM + 8.0;
    let panel = Panel { left: LEFT, top, right: RIGHT, bottom: top + 220.0, x, y };
    let ticks: Vec<Tick> =
        candidates.iter().enumerate().map(|(i, candidate)| (i as f64, Some(candidate.name.clone()))).collect();
    panel.frame_with_ticks(&mut figure, "final validation accuracy (ring: the choice)", &ticks, what);
    for (i, candidate) in candidates.iter().enumerate() {
        let (color, _) = style(i);
        let at = |value: f64| panel.at(i as f64, value);
        if candidate.accuracies.len() > 1 {
            for value in &candidate.accuracies {
                figure.dot(at(*value), 2.6, color, 0.55);
            }
        }
        let mean = candidate.accuracies.iter().sum::<f64>() / candidate.accuracies.len().max(1) as f64;
        if !candidate.accuracies.is_empty() {
            figure.dot(at(mean), 4.8, color, if candidate.finalist { 1.0 } else { 0.45 });
        }
        if candidate.chosen {
            figure.ring(at(mean), 8.5, color);
        }
    }
    figure.height = panel.bottom + BELOW;
    Some(figure)
}

/// Training loss of each candidate's first run.
pub(crate) fn losses(name: &str, what: &str, x_label: &str, lines: &[Line]) -> Option<Figure> {
    let values = || lines.iter().flat_map(|line| &line.points);
    let last = values().map(|point| point.0).fold(0.0, f64::max);
    if lines.len() < 2 || last <= 0.0 {
        return None;
    }
    let mut figure = Figure::new(name, format!("Training loss by {what}"), WIDTH, 0.0);
    let taken = legend(&mut figure, &entries(lines.iter().map(|line| line.name.as_str())), LEFT, RIGHT, LEGEND_TOP);
    let top = LEGEND_TOP + taken + TITLE_ROOM;
    let positive = values().map(|point| point.1).filter(|loss| *loss > 0.0);
    let (low, high) = positive.fold((f64::INFINITY, 0.0f64), |(low, high), loss| (low.min(loss), high.max(loss)));
    let y = Axis::log((low * 0.8).max(1e-4), high.min(10.0) * 1.2);
    let panel = Panel { left: LEFT, top, right: RIGHT, bottom: top + 220.0, x: Axis::linear(0.0, last, false), y };
    panel.frame(&mut figure, "training loss (nats, log scale)", Some(x_label));
    draw(&mut figure, &panel, lines);
    figure.height = panel.bottom + BELOW;
    Some(figure)
}

/// Range tests of several candidates over each other: smoothed training accuracy and loss over the rate.
pub(crate) fn ramps(name: &str, what: &str, curves: &[(String, bool, &Curve)]) -> Option<Figure> {
    let lines = |measure: Measure| -> Vec<Line> {
        let of = |(name, chosen, curve): &(String, bool, &Curve)| {
            let smooth = smoothed(curve, measure, WINDOW_DECADES)?;
            let points = (0..smooth.len()).map(|i| (smooth.rate(i), smooth.value[i])).collect();
            Some(Line { name: name.clone(), points, chosen: *chosen })
        };
        curves.iter().filter_map(of).collect()
    };
    let (accuracy, loss) = (lines(Measure::TrainAccuracy), lines(Measure::TrainLoss));
    if loss.len() < 2 || accuracy.len() != loss.len() {
        return None;
    }
    let mut figure = Figure::new(
        name,
        format!("Range tests by {what}: training accuracy and loss over the learning rate"),
        WIDTH,
        0.0,
    );
    let taken = legend(&mut figure, &entries(loss.iter().map(|line| line.name.as_str())), LEFT, RIGHT, LEGEND_TOP);
    let rates = || loss.iter().flat_map(|line| &line.points).map(|point| point.0);
    let x = Axis::log(rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
    let top = LEGEND_TOP + taken + TITLE_ROOM;
    let best = accuracy.iter().flat_map(|line| &line.points).map(|point| point.1).fold(0.1, f64::max);
    let y = Axis::linear(0.0, best.min(1.0), true).in_percent();
    let upper = Panel { left: LEFT, top, right: RIGHT, bottom: top + 180.0, x, y };
    let top = upper.bottom + BETWEEN;
    let start = loss.iter().filter_map(|line| line.points.first()).map(|point| point.1).fold(0.1, f64::max);
    let lower = Panel { top, bottom: top + 180.0, y: Axis::linear(0.0, 1.3 * start, true), ..upper };
    upper.frame(&mut figure, "training accuracy in the range test", None);
    lower.frame(&mut figure, "training loss (nats)", Some("learning rate (log scale)"));
    draw(&mut figure, &upper, &accuracy);
    draw(&mut figure, &lower, &loss);
    figure.height = lower.bottom + BELOW;
    Some(figure)
}

fn entries<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Entry> {
    let entry = |(i, name): (usize, &str)| {
        let (color, dashed) = style(i);
        Entry { text: name.to_owned(), color, dashed, mark: None }
    };
    names.enumerate().map(entry).collect()
}

fn draw(figure: &mut Figure, panel: &Panel, lines: &[Line]) {
    for (i, line) in lines.iter().enumerate() {
        let (color, dashed) = style(i);
        let width = if line.chosen { 2.8 } else { 1.5 };
        if dashed {
            panel.dashed_series(figure, &line.points, color, width);
        } else {
            panel.series(figure, &line.points, color, width, if line.chosen { 1.0 } else { 0.8 });
        }
    }
}
