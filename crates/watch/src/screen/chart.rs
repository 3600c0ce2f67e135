//! One measure of all runs that are drawn, along one axis.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;

use super::canvas::Canvas;
use super::scale::{Scale, Tick};
use super::{BOLD, DIM, line, right};
use crate::app::{Along, App, Measure};
use crate::history::{Point, Value};
use crate::watcher::Seen;

/// A loss is shown up to so many times what it starts at, or what a guess has: of one that blows up the rest says nothing.
const MOST_OF_START: f64 = 1.5;
/// On a logarithmic axis, where there is more room.
const MOST_OF_START_LOG: f64 = 20.0;
/// Columns for the numbers on the left at most.
const MOST_LABEL: usize = 7;
/// Columns between numbers below.
const BETWEEN_LABELS: usize = 12;

/// A curve: the stretches between which nothing finite was measured, each (x, y).
struct Curve<'a> {
    tag: char,
    run: &'a Seen,
    stretches: Vec<Vec<(f64, f64)>>,
}

/// Draws a measure.
pub(crate) fn draw(app: &App, measure: Measure, area: Rect, buffer: &mut Buffer) {
    let (along, is_log) = (app.along(), is_log(app, measure));
    let curves: Vec<Curve> = app
        .drawn()
        .into_iter()
        .map(|(tag, run)| Curve { tag, run, stretches: stretches(app, measure, along, run) })
        .collect();
    let values = |of: fn(&(f64, f64)) -> f64| curves.iter().flat_map(|curve| curve.stretches.iter().flatten()).map(of);
    let x = Scale::over(values(|point| point.0), along == Along::Rate && app.log_rate);
    let whole = Scale::over(values(|point| point.1), is_log);
    let most = most_of(measure, is_log, &curves);
    let y = whole.map(|scale| most.map_or(scale, |most| scale.cut_at(most)));
    let is_cut = whole != y;
    title(app, measure, is_log, y.filter(|_| is_cut), area, buffer);
    let Some((x, y)) = x.zip(y) else {
        line(buffer, area, area.height / 2, "   nothing to draw yet", DIM);
        return;
    };
    let frame = Frame::new(area, x, y);
    frame.draw(app.is_ascii, along.name(), buffer);
    mark_answer(app, along, &x, frame.plot, buffer);
    let mut canvas = Canvas::new(frame.plot, app.is_ascii);
    // The selected one last: on top.
    let (selected, others): (Vec<&Curve>, Vec<&Curve>) = curves.iter().partition(|curve| app.is_selected(curve.run));
    for curve in others.into_iter().chain(selected) {
        canvas.begin(curve.tag, app.is_selected(curve.run));
        for stretch in &curve.stretches {
            canvas.draw(stretch.iter().filter_map(|(a, b)| x.place(*a).zip(y.place(*b))));
        }
    }
    canvas.render(frame.plot, buffer);
}

fn is_log(app: &App, measure: Measure) -> bool {
    match measure {
        Measure::Loss => app.log_loss,
        Measure::Rate => app.log_rate,
        Measure::GradNorm => true,
        Measure::Accuracy | Measure::Momentum => false,
    }
}

fn name(app: &App, measure: Measure) -> &'static str {
    match (measure, app.validation) {
        (Measure::Loss, false) => "training loss",
        (Measure::Loss, true) => "validation loss",
        (Measure::Accuracy, false) => "training accuracy",
        (Measure::Accuracy, true) => "validation accuracy",
        (Measure::Rate, _) => "learning rate",
        (Measure::GradNorm, _) => "gradient norm",
        (Measure::Momentum, _) => "momentum",
    }
}

fn title(app: &App, measure: Measure, is_log: bool, cut: Option<Scale>, area: Rect, buffer: &mut Buffer) {
    let mut text = name(app, measure).to_owned();
    if is_log {
        text.push_str(" (log)");
    }
    line(buffer, area, 0, &text, BOLD);
    let mut notes = Vec::new();
    if let Some(scale) = cut {
        notes.push(format!("cut at {}", artifacts::number::loss(scale.high())));
    }
    if is_measured(measure) && app.smoothing() > 0.0 {
        notes.push(format!("mean over {:.0}%", 100.0 * app.smoothing()));
    }
    let notes = notes.join(", ");
    if text.len() + notes.len() + 2 <= area.width as usize {
        right(buffer, area, &notes, DIM);
    }
}

/// Whether it was measured, with noise, and not set.
fn is_measured(measure: Measure) -> bool {
    !matches!(measure, Measure::Rate | Measure::Momentum)
}

/// How high a loss is shown at most.
fn most_of(measure: Measure, is_log: bool, curves: &[Curve]) -> Option<f64> {
    if measure != Measure::Loss {
        return None;
    }
    let first = |curve: &Curve| curve.stretches.first().and_then(|stretch| stretch.first()).map(|point| point.1);
    let guess = |curve: &Curve| curve.run.record.as_ref().map(|record| (record.classes.max(2) as f64).ln());
    let start = curves.iter().flat_map(|curve| [first(curve), guess(curve)]).flatten().reduce(f64::max)?;
    Some(start * if is_log { MOST_OF_START_LOG } else { MOST_OF_START })
}

/// The curve of a run, smoothed.
fn stretches(app: &App, measure: Measure, along: Along, run: &Seen) -> Vec<Vec<(f64, f64)>> {
    let Some(history) = &run.history else { return Vec::new() };
    let batch = run.record.as_ref().map_or(1, |record| record.config.batch_size);
    let x = |point: &Point| match along {
        Along::Step => Some(point.iteration as f64),
        Along::Epoch => Some(point.epoch),
        Along::Images => Some(point.iteration as f64 * batch as f64),
        Along::Seconds => history.seconds_at(point.iteration),
        Along::Rate => Some(point.lr),
    };
    let y = |point: &Point| match measure {
        Measure::Loss => {
            if app.validation {
                point.val_loss
            } else {
                point.train_loss
            }
        }
        Measure::Accuracy => {
            if app.validation {
                point.val_accuracy
            } else {
                point.train_accuracy
            }
        }
        Measure::Rate => Value::Number(point.lr),
        Measure::GradNorm => point.grad_norm,
        Measure::Momentum => Value::Number(point.momentum),
    };
    let mut all: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for point in history.points() {
        match (x(&point), y(&point)) {
            (Some(x), Value::Number(y)) => all.last_mut().expect("one is there").push((x, y)),
            (_, Value::Blown) if !all.last().is_some_and(Vec::is_empty) => all.push(Vec::new()),
            _ => {}
        }
    }
    all.retain(|stretch| !stretch.is_empty());
    if is_measured(measure) {
        let points: usize = all.iter().map(Vec::len).sum();
        let reach = (points as f64 * app.smoothing() / 2.0) as usize;
        for stretch in &mut all {
            smooth(stretch, reach);
        }
    }
    all
}

/// The mean of so many points on either side, of as many on both: a mean of more on one side would shift the curve's ends.
fn smooth(points: &mut [(f64, f64)], reach: usize) {
    let mut sums = vec![0.0];
    for (_, y) in points.iter() {
        sums.push(sums[sums.len() - 1] + y);
    }
    let last = points.len().saturating_sub(1);
    for (at, (_, y)) in points.iter_mut().enumerate() {
        let reach = reach.min(at).min(last - at);
        // Differences of sums: huge values would leave nothing of the small ones after them.
        let mean = (sums[at + reach + 1] - sums[at - reach]) / (2 * reach + 1) as f64;
        if reach > 0 && sums[last + 1].abs() < 1e9 {
            *y = mean;
        }
    }
}

/// Where the rates lie that the rule suggests for the selected range test.
fn mark_answer(app: &App, along: Along, x: &Scale, plot: Rect, buffer: &mut Buffer) {
    let rates = app.selected().filter(|run| app.tag(run).is_some()).and_then(|run| run.answer.as_ref()?.rates());
    let Some((low, high)) = rates.filter(|_| along == Along::Rate) else { return };
    let (bar, foot) = if app.is_ascii { (':', '^') } else { ('┊', '▲') };
    for place in [low, high].into_iter().filter_map(|rate| x.place(rate)).filter(|place| (0.0..=1.0).contains(place)) {
        let column = plot.x + column_of(place, plot.width);
        for y in plot.y..=plot.y + plot.height {
            if let Some(cell) = buffer.cell_mut((column, y)) {
                cell.set_char(if y == plot.y + plot.height { foot } else { bar });
            }
        }
    }
}

fn column_of(place: f64, width: u16) -> u16 {
    (place * f64::from(width.saturating_sub(1))).round() as u16
}

/// The axes of a chart, and what is left between them.
struct Frame {
    plot: Rect,
    left: Vec<Tick>,
    below: Vec<Tick>,
}

impl Frame {
    /// A title above; numbers and a line on the left and below.
    fn new(area: Rect, x: Scale, y: Scale) -> Self {
        let height = area.height.saturating_sub(3);
        let left = y.ticks((height as usize).div_ceil(3).max(2));
        let widest = left.iter().map(|tick| tick.1.len()).max().unwrap_or(0).min(MOST_LABEL) as u16;
        let margin = (widest + 1).min(area.width);
        let plot = Rect { x: area.x + margin, y: area.y + 1, width: area.width - margin, height };
        Self { plot, left, below: x.ticks((plot.width as usize / BETWEEN_LABELS).max(2)) }
    }

    fn draw(&self, is_ascii: bool, name: &str, buffer: &mut Buffer) {
        let Rect { x, y, width, height } = self.plot;
        let [upright, tick_left, corner, flat, tick_below] =
            if is_ascii { ['|', '+', '+', '-', '+'] } else { ['│', '┤', '└', '─', '┬'] };
        let mut put = |x: u16, y: u16, symbol: char| {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_char(symbol).set_style(DIM);
            }
        };
        let bottom = y + height;
        (y..bottom).for_each(|y| put(x - 1, y, upright));
        (x..x + width).for_each(|x| put(x, bottom, flat));
        put(x - 1, bottom, corner);
        let line_of =
            |place: f64| bottom.saturating_sub(1 + (place * f64::from(height.saturating_sub(1))).round() as u16);
        self.left.iter().for_each(|(place, _)| put(x - 1, line_of(*place), tick_left));
        self.below.iter().for_each(|(place, _)| put(x + column_of(*place, width), bottom, tick_below));
        for (place, label) in &self.left {
            let columns = label.len().min(MOST_LABEL) as u16;
            buffer.set_stringn(x.saturating_sub(1 + columns), line_of(*place), label, columns as usize, Style::new());
        }
        self.numbers_below(name, buffer);
    }

    /// Each below its place, where none stands in its way; the name of the axis at the right end.
    fn numbers_below(&self, name: &str, buffer: &mut Buffer) {
        let Rect { x, y, width, height } = self.plot;
        let (line, end) = (y + height + 1, x + width);
        let name_at = end.saturating_sub(name.len() as u16).max(x);
        buffer.set_stringn(name_at, line, name, width as usize, DIM);
        let mut free = 0;
        for (place, label) in &self.below {
            let half = label.len() as u16 / 2;
            let at = (x + column_of(*place, width)).saturating_sub(half);
            if at >= free && at + (label.len() as u16) < name_at {
                buffer.set_string(at, line, label, Style::new());
                free = at + label.len() as u16 + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_takes_the_mean_of_both_sides_and_leaves_the_ends() {
        let mut points: Vec<(f64, f64)> = (0..7).map(|at| (at as f64, if at == 3 { 10.0 } else { 1.0 })).collect();
        smooth(&mut points, 2);
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        assert_eq!(values, [1.0, 1.0, 2.8, 2.8, 2.8, 1.0, 1.0]);
        smooth(&mut [], 2);
    }
}
