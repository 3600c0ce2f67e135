//! The arms of an experiment: side by side, or as curves.

use plotters::style::RGBColor;

use super::axes::{Axis, Entry, Panel, legend};
use super::figure::{Figure, text_width};
use super::{BELOW, LEFT, LEGEND_TOP, RIGHT, TITLE_ROOM, WIDTH, axes, palette};

/// Height of an arm's row.
const ROW: f64 = 22.0;

/// Arms in rows: each seed, the mean, and one standard deviation. `rows`: an arm and what each seed has, in percent.
pub(crate) fn side_by_side(name: &str, measure: &str, rows: &[(String, Vec<f64>)]) -> Option<Figure> {
    let values: Vec<f64> = rows.iter().flat_map(|(_, values)| values).copied().collect();
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    let mut figure =
        Figure::new(name, format!("{measure} of each arm: seeds, mean and one standard deviation"), WIDTH, 0.0);
    let names: Vec<String> = rows.iter().map(|(arm, _)| arm.clone()).collect();
    let widest = names.iter().map(|name| text_width(name, axes::TICK_SIZE)).fold(0.0, f64::max);
    let top = TITLE_ROOM + 8.0;
    let panel = Panel {
        left: widest + 16.0,
        top,
        right: RIGHT,
        bottom: top + ROW * rows.len() as f64,
        x: Axis::linear(low, high, true),
        // Rows from the top down.
        y: Axis { low: rows.len() as f64 - 0.5, high: -0.5, ..Axis::linear(0.0, 1.0, false) },
    };
    panel.frame_with_rows(&mut figure, "seeds, mean and one standard deviation", &names, &format!("{measure}, %"));
    for (row, (_, values)) in rows.iter().enumerate() {
        draw_row(&mut figure, &panel, row as f64, values);
    }
    figure.height = panel.bottom + BELOW;
    Some(figure)
}

fn draw_row(figure: &mut Figure, panel: &Panel, row: f64, values: &[f64]) {
    let color = palette::BLUE;
    let Some(summary) = reading::stats::summary(values) else { return };
    if let Some(sd) = summary.sd {
        let end = |value: f64| panel.at(value.clamp(panel.x.low, panel.x.high), row);
        figure.line(vec![end(summary.mean - sd), end(summary.mean + sd)], color, 1.4);
    }
    for value in values {
        let (x, y) = panel.at(*value, row);
        figure.dot((x, y + 5.0), 2.2, color, 0.45);
    }
    figure.dot(panel.at(summary.mean, row), 4.5, color, 1.0);
}

/// Validation accuracy along the first seed's run of each arm. `below`: what the points' first number is.
pub(crate) fn curves(name: &str, below: &str, arms: &[(String, Vec<(f64, f64)>)]) -> Option<Figure> {
    let xs: Vec<f64> = arms.iter().flat_map(|(_, points)| points).map(|(x, _)| *x).collect();
    let (low, high) = (xs.iter().copied().reduce(f64::min)?, xs.iter().copied().reduce(f64::max)?);
    let mut figure =
        Figure::new(name, format!("Validation accuracy over the {below}, one seed of each arm"), WIDTH, 0.0);
    let color = |i: usize| -> RGBColor { palette::SERIES[i % palette::SERIES.len()] };
    let entry =
        |(i, (arm, _)): (usize, &(String, _))| Entry { text: arm.clone(), color: color(i), dashed: false, mark: None };
    let entries: Vec<Entry> = arms.iter().enumerate().map(entry).collect();
    let top = LEGEND_TOP + legend(&mut figure, &entries, LEFT, RIGHT, LEGEND_TOP) + TITLE_ROOM;
    let best = arms.iter().flat_map(|(_, points)| points).map(|(_, y)| *y).fold(0.1, f64::max);
    let y = Axis::linear(0.0, best, true).in_percent();
    let panel = Panel { left: LEFT, top, right: RIGHT, bottom: top + 220.0, x: Axis::linear(low, high, false), y };
    panel.frame(&mut figure, "validation accuracy, one seed", Some(below));
    for (i, (_, points)) in arms.iter().enumerate() {
        panel.series(&mut figure, points, color(i), 1.6, 0.85);
    }
    figure.height = panel.bottom + BELOW;
    Some(figure)
}
