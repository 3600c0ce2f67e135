//! Final accuracy over the length of training: each seed, the mean, and one standard deviation.

use artifacts::number::count;

use super::axes::{Axis, Entry, Panel, Tick, legend};
use super::figure::Figure;
use super::{BELOW, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH, palette};
use crate::study::{Cell, FinalAccuracy};

/// Final accuracy of every arm over its lengths.
pub(crate) fn figure(cells: &[Cell], accuracy: FinalAccuracy) -> Option<Figure> {
    let arms = arms_of(cells);
    if cells.is_empty() {
        return None;
    }
    let description = format!("Final {} over the length of training, one line per arm", accuracy.name());
    let mut figure = Figure::new("accuracy-by-length", description, WIDTH, 0.0);
    let entries: Vec<Entry> = arms
        .iter()
        .enumerate()
        .map(|(i, arm)| Entry { text: (*arm).to_owned(), color: palette::of_arm(arm, i), dashed: false, mark: None })
        .collect();
    let taken = legend(&mut figure, &entries, LEFT, RIGHT, LEGEND_TOP);
    let top = LEGEND_TOP + taken + TITLE_ROOM;
    let y = accuracy_axis(cells);
    let panel = Panel { left: LEFT, top, right: RIGHT, bottom: top + 240.0, x: length_axis(cells), y };
    let title = format!("final {} (mean, one standard deviation, seeds)", accuracy.name());
    panel.frame_with_ticks(&mut figure, &title, &length_ticks(cells), "steps of training (log scale)");
    for (i, arm) in arms.iter().enumerate() {
        draw_arm(&mut figure, &panel, cells, arm, i, arms.len());
    }
    figure.height = panel.bottom + BELOW;
    Some(figure)
}

fn arms_of(cells: &[Cell]) -> Vec<&str> {
    let mut arms: Vec<&str> = cells.iter().map(|cell| cell.arm.as_str()).collect();
    arms.sort_unstable();
    arms.dedup();
    arms
}

fn accuracy_axis(cells: &[Cell]) -> Axis {
    let values = cells.iter().flat_map(|cell| {
        let sd = cell.sd_accuracy.unwrap_or(0.0);
        let ends = [cell.mean_accuracy - sd, cell.mean_accuracy + sd];
        cell.accuracy.iter().copied().chain(ends)
    });
    let (low, high) = values.fold((1.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    let mut axis = Axis::linear(low, high.min(1.0), true);
    axis.high = axis.high.min(1.0);
    axis.in_percent()
}

fn length_axis(cells: &[Cell]) -> Axis {
    let lengths = cells.iter().map(|cell| cell.iterations as f64);
    let (low, high) = lengths.fold((f64::INFINITY, 0.0f64), |(low, high), length| (low.min(length), high.max(length)));
    Axis::log(low / 1.25, high * 1.25)
}

/// The lengths themselves are the only ticks worth a mark.
fn length_ticks(cells: &[Cell]) -> Vec<Tick> {
    let mut lengths: Vec<u64> = cells.iter().map(|cell| cell.iterations).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths.into_iter().map(|length| (length as f64, Some(count(length)))).collect()
}

fn draw_arm(figure: &mut Figure, panel: &Panel, cells: &[Cell], arm: &str, index: usize, arms: usize) {
    let color = palette::of_arm(arm, index);
    // Arms side by side at one length, so that their whiskers do not cover each other.
    let shift = (index as f64 - (arms - 1) as f64 / 2.0) * 9.0;
    let place = |cell: &Cell, value: f64| {
        let (x, y) = panel.at(cell.iterations as f64, value);
        (x + shift, y)
    };
    let of_arm: Vec<&Cell> = cells.iter().filter(|cell| cell.arm == arm).collect();
    let means: Vec<(f64, f64)> = of_arm.iter().map(|cell| place(cell, cell.mean_accuracy)).collect();
    if means.len() > 1 {
        figure.faint(means.clone(), color, 1.6, 0.7);
    }
    for cell in &of_arm {
        if let Some(sd) = cell.sd_accuracy {
            let ends = vec![
                place(cell, (cell.mean_accuracy - sd).max(panel.y.low)),
                place(cell, (cell.mean_accuracy + sd).min(panel.y.high)),
            ];
            figure.line(ends, color, 1.4);
        }
        for value in &cell.accuracy {
            let (x, y) = place(cell, *value);
            figure.dot((x + 5.0 * shift.signum(), y), 2.2, color, 0.45);
        }
        figure.dot(place(cell, cell.mean_accuracy), 4.5, color, 1.0);
    }
}
