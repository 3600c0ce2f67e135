//! From a study to the numbers behind its figures.

use artifacts::finished::Run;
use artifacts::number::{count, rate};
use artifacts::suggestion::{Interval, Suggestion};
use plotters::style::RGBColor;
use reading::curve::{Curve, Measure};
use reading::suggest::smoothed;
use reading::{Smooth, WINDOW_DECADES};

use super::chart::{Chart, Ends, Mark, Panel, Series, Short, hex, shorts};
use crate::plot::candidates::{Line, style};
use crate::plot::curves::{ArmCurves, Band};
use crate::plot::palette;
use crate::plot::range_test::Ramp;
use crate::plot::schedules::ScheduleLine;
use crate::study::{Cell, FinalAccuracy, GridPoint};

/// Points of all smoothed lines of range tests together, about.
const SMOOTH_POINTS: usize = 3600;
/// Points of a schedule's line at most.
const SCHEDULE_POINTS: usize = 200;

fn panel(title: impl Into<String>, percent: bool) -> Panel {
    Panel { title: title.into(), percent, log: false, ends: None }
}

/// Epochs, images and seconds of a step of a run.
pub(super) fn per_step(run: &Run) -> [Short; 3] {
    let images = run.record.config.batch_size as f64;
    let seconds = run.result.images_per_second.map_or(0.0, |speed| images / speed);
    [Short(images / run.record.train_images.max(1) as f64), Short(images), Short(seconds)]
}

/// Final accuracy over length.
pub(super) fn lengths(cells: &[Cell], accuracy: FinalAccuracy) -> Chart {
    let mut arms: Vec<&str> = cells.iter().map(|cell| cell.arm.as_str()).collect();
    arms.sort_unstable();
    arms.dedup();
    let of_arm = |(place, arm): (usize, &&str)| {
        let of: Vec<&Cell> = cells.iter().filter(|cell| cell.arm == *arm).collect();
        let lengths = || of.iter().map(|cell| cell.iterations as f64);
        let raw = of.iter().flat_map(|cell| cell.accuracy.iter().map(|value| (cell.iterations as f64, *value)));
        let (x, y): (Vec<f64>, Vec<f64>) = raw.unzip();
        Series {
            group: (*arm).to_owned(),
            color: hex(palette::of_arm(arm, place)),
            x: shorts(lengths()),
            y: shorts(of.iter().map(|cell| cell.mean_accuracy)),
            sd: shorts(of.iter().map(|cell| cell.sd_accuracy.unwrap_or(0.0))),
            raw: Some((shorts(x), shorts(y))),
            dots: true,
            ..Series::default()
        }
    };
    let series = arms.iter().enumerate().map(of_arm).collect();
    chart("accuracy-by-length", "steps of training", true, vec![panel(accuracy.name(), true)], series)
}

/// Validation accuracy of the baseline over its rate, a line per length.
pub(super) fn grid(points: &[GridPoint]) -> Chart {
    let mut lengths: Vec<u64> = points.iter().map(|point| point.iterations).collect();
    lengths.dedup();
    let of_length = |(place, length): (usize, &u64)| {
        let of = || points.iter().filter(|point| point.iterations == *length);
        Series {
            group: format!("{} steps", count(*length)),
            color: hex(palette::SERIES[place % palette::SERIES.len()]),
            x: shorts(of().map(|point| point.lr)),
            y: shorts(of().map(|point| point.mean_val_accuracy)),
            raw: Some((Vec::new(), Vec::new())),
            dots: true,
            ..Series::default()
        }
    };
    let series = lengths.iter().enumerate().map(of_length).collect();
    chart("grid", "learning rate before the drops", true, vec![panel("validation accuracy", true)], series)
}

/// Rate and momentum of the arms.
pub(super) fn schedules(lines: &[ScheduleLine]) -> Chart {
    let mut series = Vec::new();
    for line in lines {
        let thin = |values: &[f64]| -> Vec<f64> {
            values.iter().copied().step_by(values.len().div_ceil(SCHEDULE_POINTS).max(1)).collect()
        };
        for (panel, measure, values) in [(0, ", rate", &line.lr), (1, ", momentum", &line.momentum)] {
            series.push(Series {
                group: line.arm.clone(),
                measure: measure.to_owned(),
                color: hex(line.color),
                panel,
                x: shorts(thin(&line.iteration)),
                y: shorts(thin(values)),
                ..Series::default()
            });
        }
    }
    chart("schedules", "step", false, vec![panel("learning rate", false), panel("momentum", false)], series)
}

/// Loss and accuracy of the arms at one length. `per_step`: of each arm, epochs, images and seconds of a step.
pub(super) fn curves(iterations: u64, arms: &[ArmCurves], per_step: &[Option<[Short; 3]>]) -> Chart {
    let mut series = Vec::new();
    for (arm, per_step) in arms.iter().zip(per_step) {
        let other = format!(", {} accuracy", arm.other_name);
        let lines: [(usize, &str, &Band, bool); 3] = [
            (0, ", training loss", &arm.train_loss, false),
            (1, ", training accuracy", &arm.train_accuracy, false),
            (1, &other, &arm.other_accuracy, true),
        ];
        for (panel, measure, band, dashed) in lines {
            series.push(Series {
                group: arm.arm.clone(),
                measure: measure.to_owned(),
                color: hex(arm.color),
                panel,
                dashed,
                x: shorts(band.x.iter().copied()),
                y: shorts(band.mean.iter().copied()),
                sd: if dashed { Vec::new() } else { shorts(band.deviation.iter().copied()) },
                per_step: *per_step,
                // Once per arm: the final accuracies, at the end.
                raw: (panel == 1 && !dashed).then(|| {
                    (shorts(arm.finals.iter().map(|_| iterations as f64)), shorts(arm.finals.iter().copied()))
                }),
                dots: panel == 1 && !dashed,
                width: None,
            });
        }
    }
    series.retain(|series| !series.x.is_empty());
    let loss = Panel { log: true, ..panel("training loss (nats)", false) };
    let accuracy = Panel { ends: Some(Ends { low: 0.0, high: 1.0 }), ..panel("accuracy", true) };
    chart(&format!("curves-{iterations}"), "step", false, vec![loss, accuracy], series)
}

/// Training loss of the candidates of a decision. `per_step`: of each, epochs, images and seconds of a step, where the axis is steps.
pub(super) fn losses(x: &'static str, lines: &[Line], per_step: &[Option<[Short; 3]>]) -> Chart {
    let of = |(place, (line, per_step)): (usize, (&Line, &Option<[Short; 3]>))| Series {
        measure: ", training loss".to_owned(),
        per_step: *per_step,
        ..candidate(place, line)
    };
    let series = lines.iter().zip(per_step).enumerate().map(of).collect();
    chart("losses", x, false, vec![Panel { log: true, ..panel("training loss (nats)", false) }], series)
}

/// Range tests of the candidates of a decision over each other.
pub(super) fn ramps(curves: &[(String, bool, &Curve)]) -> Chart {
    let points = (SMOOTH_POINTS / (2 * curves.len().max(1))).clamp(16, 80);
    let mut series = Vec::new();
    let mut highest_loss: f64 = 0.1;
    for (place, (name, chosen, curve)) in curves.iter().enumerate() {
        for (panel, measure) in [(0, Measure::TrainAccuracy), (1, Measure::TrainLoss)] {
            let Some(smooth) = smoothed(curve, measure, WINDOW_DECADES) else { continue };
            if panel == 1 {
                highest_loss = highest_loss.max(1.3 * smooth.value[0]);
            }
            let all: Vec<(f64, f64)> = rates(&smooth).into_iter().zip(smooth.value.iter().copied()).collect();
            let thin = all.iter().copied().step_by(all.len().div_ceil(points).max(1)).collect();
            let line = Line { name: name.clone(), points: thin, chosen: *chosen };
            series.push(Series { measure: format!(", {}", measure.name()), panel, ..candidate(place, &line) });
        }
    }
    let accuracy = Panel { ends: Some(Ends { low: 0.0, high: 1.0 }), ..panel("training accuracy", true) };
    let loss = Panel { ends: Some(Ends { low: 0.0, high: highest_loss }), ..panel("training loss (nats)", false) };
    chart("ramps", "learning rate", true, vec![accuracy, loss], series)
}

/// The line of a candidate; that of the choice is bold.
fn candidate(place: usize, line: &Line) -> Series {
    let (color, dashed) = style(place);
    Series {
        group: line.name.clone(),
        color: hex(color),
        width: line.chosen.then_some(3),
        dashed,
        x: shorts(line.points.iter().map(|point| point.0)),
        y: shorts(line.points.iter().map(|point| point.1)),
        ..Series::default()
    }
}

/// The range tests on a logarithmic axis, and on a linear one.
pub(super) fn range_tests(curves: &[Curve], suggestion: Option<&Suggestion>) -> Vec<Chart> {
    if curves.is_empty() {
        return Vec::new();
    }
    let points = (SMOOTH_POINTS / (4 * curves.len())).clamp(16, 80);
    let mut series = Vec::new();
    let mut highest_loss: f64 = 0.1;
    for curve in curves {
        for (panel, measure, dashed) in [
            (0, Measure::TrainAccuracy, false),
            (0, Measure::ValAccuracy, true),
            (1, Measure::TrainLoss, false),
            (1, Measure::ValLoss, true),
        ] {
            let Some(smooth) = smoothed(curve, measure, WINDOW_DECADES) else { continue };
            if panel == 1 {
                highest_loss = highest_loss.max(1.15 * smooth.value[0]);
            }
            let raw = (!dashed && curves.len() <= 12).then(|| raw(curve, measure, 2 * points));
            let thin = |values: &[f64]| -> Vec<f64> {
                values.iter().copied().step_by(values.len().div_ceil(points).max(1)).collect()
            };
            series.push(Series {
                group: curve.source.clone(),
                measure: format!(", {}", measure.name()),
                color: hex(Ramp::of(curve).color()),
                panel,
                dashed,
                x: shorts(thin(&rates(&smooth))),
                y: shorts(thin(&smooth.value)),
                raw,
                ..Series::default()
            });
        }
    }
    let accuracy = Panel { ends: Some(Ends { low: 0.0, high: 1.0 }), ..panel("accuracy", true) };
    let loss = Panel { ends: Some(Ends { low: 0.0, high: highest_loss }), ..panel("loss (nats)", false) };
    let mut log = chart("range-test-log", "learning rate", true, vec![accuracy, loss], series);
    log.marks = marks(suggestion);
    let mut linear = Chart { name: "range-test-linear".to_owned(), log: false, ..log.clone() };
    // As the drawing: a log ramp is a thin line at the left edge of a linear axis.
    let is_linear = |curve: &Curve| Ramp::of(curve) == Ramp::Linear;
    if curves.iter().any(is_linear) {
        let of_linear = |series: &Series| curves.iter().any(|c| c.source == series.group && is_linear(c));
        linear.series.retain(of_linear);
    }
    vec![log, linear]
}

fn marks(suggestion: Option<&Suggestion>) -> Vec<Mark> {
    let Some(suggestion) = suggestion else { return Vec::new() };
    let mark = |row: usize, name: &str, lr: Option<f64>, interval: Option<Interval>, color: RGBColor| {
        let (lr, color) = (lr?, hex(color));
        let within = interval.map(|interval| [Short(interval.low), Short(interval.high)]);
        Some(Mark { x: Short(lr), label: format!("{name} {}", rate(lr)), color, row, within })
    };
    let lowest = mark(0, "min", suggestion.min_lr, suggestion.min_lr_interval, palette::PLUM);
    let highest = mark(1, "max", suggestion.max_lr, suggestion.max_lr_interval, palette::VERMILLION);
    lowest.into_iter().chain(highest).collect()
}

fn rates(smooth: &Smooth) -> Vec<f64> {
    (0..smooth.len()).map(|place| smooth.rate(place)).collect()
}

fn raw(curve: &Curve, measure: Measure, most: usize) -> (Vec<Short>, Vec<Short>) {
    let all = curve.series(measure);
    let stride = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(stride).map(|(log, value)| (Short(10f64.powf(log)), Short(value))).unzip()
}

fn chart(name: &str, x: &'static str, log: bool, panels: Vec<Panel>, series: Vec<Series>) -> Chart {
    Chart { name: name.to_owned(), x, log, panels, series, marks: Vec::new() }
}
