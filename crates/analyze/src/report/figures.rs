//! From a study to its figures: what to read of each run's metrics, and how finely.

use std::collections::BTreeMap;

use anyhow::Result;
use artifacts::metrics::{self, TestMetrics};
use artifacts::suggestion::Suggestion;
use plotters::style::RGBColor;

use crate::frame;
use crate::plot::curves::{ArmCurves, Band};
use crate::plot::figure::Figure;
use crate::plot::schedules::ScheduleLine;
use crate::plot::{curves, grid, lengths, palette, range_test, schedules};
use crate::study::{Cell, GridPoint, Score, Study};
use artifacts::finished::Run;
use reading::curve::Curve;

/// Columns of a curve: steps are averaged into so many at most.
const COLUMNS: u64 = 80;
/// Points of a schedule's line at most.
const SCHEDULE_POINTS: usize = 2000;

/// All figures of a report, in the order in which the page shows them.
///
/// # Errors
/// When metrics cannot be read.
pub fn all(
    study: &Study,
    score: Option<Score>,
    cells: &[Cell],
    grid_points: &[GridPoint],
    range_tests: &[Curve],
    suggestion: Option<&Suggestion>,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    figures.extend(score.and_then(|score| lengths::figure(cells, score)));
    figures.extend(range_test::figures(range_tests, suggestion));
    figures.extend(grid::figure(grid_points));
    figures.extend(schedules::figure(&schedule_lines(study)?));
    for (iterations, arms) in by_length(study) {
        let drawn = arms
            .iter()
            .map(|(arm, color, runs)| arm_curves(arm, *color, iterations, runs, score))
            .collect::<Result<Vec<_>>>()?;
        figures.push(curves::figure(iterations, &drawn, score.map_or("accuracy", Score::name)));
    }
    Ok(figures)
}

type ArmRuns<'a> = (&'a str, RGBColor, &'a [Run]);

fn by_length(study: &Study) -> BTreeMap<u64, Vec<ArmRuns<'_>>> {
    let mut lengths: BTreeMap<u64, Vec<ArmRuns>> = BTreeMap::new();
    for (index, (arm, runs_by_length)) in study.arms.iter().enumerate() {
        for (iterations, runs) in runs_by_length {
            lengths.entry(*iterations).or_default().push((arm, palette::of_arm(arm, index), runs));
        }
    }
    lengths
}

/// The schedules at the longest length that most arms have, of the first seed.
fn schedule_lines(study: &Study) -> Result<Vec<ScheduleLine>> {
    let lengths = by_length(study);
    let most = lengths.values().map(Vec::len).max().unwrap_or(0);
    let Some((_, arms)) = lengths.iter().rev().find(|(_, arms)| arms.len() == most) else {
        return Ok(Vec::new());
    };
    let mut lines = Vec::new();
    for (arm, color, runs) in arms {
        if let Some(run) = runs.first() {
            lines.push(schedule_line(arm, *color, run)?);
        }
    }
    Ok(lines)
}

pub(super) fn schedule_line(arm: &str, color: RGBColor, run: &Run) -> Result<ScheduleLine> {
    let metrics = frame::read(&run.folder, &["iteration", "lr", "momentum"])?;
    let stride = metrics.frame.height().div_ceil(SCHEDULE_POINTS).max(1);
    let column =
        |name| -> Result<Vec<f64>> { Ok(frame::numbers(&metrics.frame, name)?.into_iter().step_by(stride).collect()) };
    let (iteration, lr, momentum) = (column("iteration")?, column("lr")?, column("momentum")?);
    Ok(ScheduleLine { arm: arm.to_owned(), color, iteration, lr, momentum })
}

pub(super) fn arm_curves(
    arm: &str,
    color: RGBColor,
    iterations: u64,
    runs: &[Run],
    score: Option<Score>,
) -> Result<ArmCurves> {
    let mut curves = ArmCurves {
        arm: arm.to_owned(),
        color,
        train_loss: Band::default(),
        train_accuracy: Band::default(),
        held_out_accuracy: Band::default(),
        held_out_name: "held-out",
        finals: runs.iter().filter_map(|run| score?.of(run)).collect(),
    };
    for run in runs {
        let metrics = frame::read(&run.folder, &["iteration", "train_loss", "train_accuracy", "val_accuracy"])?.frame;
        let iteration = frame::numbers(&metrics, "iteration")?;
        add_seed(&mut curves.train_loss, iterations, &iteration, &frame::numbers(&metrics, "train_loss")?);
        add_seed(&mut curves.train_accuracy, iterations, &iteration, &frame::numbers(&metrics, "train_accuracy")?);
        let (at, held_out) = match test_curve(run)? {
            Some(test) => {
                curves.held_out_name = "test";
                test
            }
            None => (iteration, frame::numbers(&metrics, "val_accuracy")?),
        };
        add_seed(&mut curves.held_out_accuracy, iterations, &at, &held_out);
    }
    Ok(curves)
}

/// Test accuracy along the way, where the run looked at it.
fn test_curve(run: &Run) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
    let path = run.folder.join(metrics::TEST_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let (lines, _) = metrics::read::<TestMetrics>(&path)?;
    let pairs = lines.iter().map(|line| (line.iteration as f64, line.test_accuracy.unwrap_or(f64::NAN)));
    Ok(Some(pairs.unzip()))
}

/// One run's values, averaged into so many columns of equally many steps: positions in steps, and values.
pub(super) fn averaged(iterations: u64, columns: u64, at: &[f64], values: &[f64]) -> Vec<(f64, f64)> {
    let mut band = Band::default();
    add_to_columns(&mut band, iterations, columns, at, values);
    let points = band.x.iter().zip(&band.seeds).map(|(x, seeds)| (*x, seeds[0]));
    points.filter(|(_, value)| value.is_finite()).collect()
}

/// Adds one seed's values, averaged into columns of equally many steps.
fn add_seed(band: &mut Band, iterations: u64, at: &[f64], values: &[f64]) {
    add_to_columns(band, iterations, COLUMNS, at, values);
}

fn add_to_columns(band: &mut Band, iterations: u64, most: u64, at: &[f64], values: &[f64]) {
    let columns = iterations.clamp(1, most) as usize;
    let width = iterations.max(1) as f64 / columns as f64;
    if band.x.is_empty() {
        band.x = (0..columns).map(|i| (i as f64 + 0.5) * width + 0.5).collect();
        band.seeds = vec![Vec::new(); columns];
    }
    let mut sums = vec![(0.0, 0u32); columns];
    for (step, value) in at.iter().zip(values).filter(|(_, value)| value.is_finite()) {
        let column = (((step - 1.0) / width).max(0.0) as usize).min(columns - 1);
        sums[column].0 += value;
        sums[column].1 += 1;
    }
    for (column, (sum, count)) in band.seeds.iter_mut().zip(sums) {
        column.push(if count > 0 { sum / f64::from(count) } else { f64::NAN });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_averaged_into_columns() {
        let mut band = Band::default();
        let steps: Vec<f64> = (1..=160).map(f64::from).collect();
        add_seed(&mut band, 160, &steps, &steps);
        add_seed(&mut band, 160, &[160.0], &[7.0]);
        assert_eq!((band.x.len(), band.x[0], band.x[79]), (80, 1.5, 159.5));
        assert_eq!(band.seeds[0][0], 1.5);
        assert!(band.seeds[0][1].is_nan());
        assert_eq!(band.seeds[79], [159.5, 7.0]);
    }
}
