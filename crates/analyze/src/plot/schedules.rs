//! Rate and momentum over the steps, one line per arm.

use plotters::style::RGBColor;

use super::axes::{Axis, Entry, Panel, legend};
use super::figure::Figure;
use super::{BELOW, BETWEEN, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH};

/// The schedule that one arm followed.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleLine {
    /// The arm.
    pub arm: String,
    /// Its colour.
    pub color: RGBColor,
    /// Steps.
    pub iteration: Vec<f64>,
    /// Learning rate of each.
    pub lr: Vec<f64>,
    /// Momentum of each.
    pub momentum: Vec<f64>,
}

/// Rate and momentum of the arms.
pub(crate) fn figure(lines: &[ScheduleLine]) -> Option<Figure> {
    let last = lines.iter().filter_map(|line| line.iteration.last()).copied().fold(0.0, f64::max);
    if lines.is_empty() || last < 2.0 {
        return None;
    }
    let mut figure =
        Figure::new("schedules", "Learning rate and momentum over the steps, one line per arm", WIDTH, 0.0);
    let entries: Vec<Entry> = lines
        .iter()
        .map(|line| Entry { text: line.arm.clone(), color: line.color, dashed: false, mark: None })
        .collect();
    let taken = legend(&mut figure, &entries, LEFT, RIGHT, LEGEND_TOP);
    let (lowest, highest) = span(lines.iter().flat_map(|line| &line.momentum));
    let x = Axis::linear(0.0, last, false);
    let top = LEGEND_TOP + taken + TITLE_ROOM;
    let highest_lr = lines.iter().flat_map(|line| &line.lr).copied().fold(0.0, f64::max);
    let y = Axis::linear(0.0, highest_lr * 1.04, true);
    let rate = Panel { left: LEFT, top, right: RIGHT, bottom: top + 190.0, x, y };
    let top = rate.bottom + BETWEEN;
    let y = Axis::linear((lowest - 0.02).max(0.0), highest + 0.02, true);
    let momentum = Panel { top, bottom: top + 110.0, y, ..rate };
    rate.frame(&mut figure, "learning rate", None);
    momentum.frame(&mut figure, "momentum", Some("step"));
    for line in lines {
        rate.series(&mut figure, &steps(&line.iteration, &line.lr), line.color, 2.2, 1.0);
        momentum.series(&mut figure, &steps(&line.iteration, &line.momentum), line.color, 2.2, 1.0);
    }
    figure.height = momentum.bottom + BELOW;
    Some(figure)
}

fn steps(x: &[f64], y: &[f64]) -> Vec<(f64, f64)> {
    x.iter().copied().zip(y.iter().copied()).collect()
}

fn span<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}
