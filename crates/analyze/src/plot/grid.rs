//! The baseline's grid: validation accuracy over the rate, one line per length, the chosen rate ringed.

use artifacts::number::count;

use super::axes::{Axis, Entry, Panel, legend};
use super::figure::Figure;
use super::{BELOW, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH, palette};
use crate::study::GridPoint;

/// The grid of every length.
pub(crate) fn figure(points: &[GridPoint]) -> Option<Figure> {
    let mut lengths: Vec<u64> = points.iter().map(|point| point.iterations).collect();
    lengths.dedup();
    let (low, high) = span(points.iter().map(|point| point.lr));
    if points.is_empty() || low <= 0.0 {
        return None;
    }
    let mut figure = Figure::new(
        "grid",
        "Validation accuracy of the baseline over its learning rate, one line per length",
        WIDTH,
        0.0,
    );
    let color = |i: usize| palette::SERIES[i % palette::SERIES.len()];
    let entries: Vec<Entry> = lengths
        .iter()
        .enumerate()
        .map(|(i, length)| Entry {
            text: format!("{} steps", count(*length)),
            color: color(i),
            dashed: false,
            mark: None,
        })
        .collect();
    let taken = legend(&mut figure, &entries, LEFT, RIGHT, LEGEND_TOP);
    let top = LEGEND_TOP + taken + TITLE_ROOM;
    let (least, most) = span(points.iter().map(|point| point.mean_val_accuracy));
    let mut y = Axis::linear(least, most, true).in_percent();
    y.high = y.high.min(1.0);
    let x = Axis::log(low / 1.3, high * 1.3);
    let panel = Panel { left: LEFT, top, right: RIGHT, bottom: top + 200.0, x, y };
    panel.frame(
        &mut figure,
        "validation accuracy (ring: the chosen rate)",
        Some("learning rate before the drops (log scale)"),
    );
    for (i, length) in lengths.iter().enumerate() {
        let of_length: Vec<&GridPoint> = points.iter().filter(|point| point.iterations == *length).collect();
        let line: Vec<(f64, f64)> = of_length.iter().map(|point| (point.lr, point.mean_val_accuracy)).collect();
        panel.series(&mut figure, &line, color(i), 1.8, 0.85);
        for point in of_length {
            let at = panel.at(point.lr, point.mean_val_accuracy);
            figure.dot(at, 3.5, color(i), 1.0);
            if point.chosen {
                figure.ring(at, 7.5, color(i));
            }
        }
    }
    figure.height = panel.bottom + BELOW;
    Some(figure)
}

fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}
