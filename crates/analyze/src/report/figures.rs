//! From a study to its figures: what to read of each run's metrics, and how finely.

use artifacts::suggestion::Suggestion;
use plotters::style::RGBColor;
use reading::curve::Curve;

use super::chart::Chart;
use super::charts;
use super::steps::{self, Steps, TRAIN_ACCURACY, TRAIN_LOSS};
use crate::Result;
use crate::plot::curves::ArmCurves;
use crate::plot::figure::Figure;
use crate::plot::schedules::ScheduleLine;
use crate::plot::{curves, grid, lengths, palette, range_test, schedules};
use crate::study::{ArmRuns, Cell, FinalAccuracy, GridPoint, Study};

/// What the figures are drawn from.
pub(super) struct Contents<'a> {
    pub study: &'a Study,
    pub accuracy: Option<FinalAccuracy>,
    pub cells: &'a [Cell],
    pub grid: &'a [GridPoint],
    pub range_tests: &'a [Curve],
    pub suggestion: Option<&'a Suggestion>,
    /// The steps of the runs of the arms, by their place.
    pub steps: &'a [Option<Steps>],
}

/// All figures of a report, in the order in which the page shows them, and the numbers behind them.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn all(contents: &Contents) -> Result<(Vec<Figure>, Vec<Chart>)> {
    let Contents { study, accuracy, steps, .. } = contents;
    let mut figures = Vec::new();
    let mut charts = charts::range_tests(contents.range_tests, contents.suggestion);
    charts.extend(accuracy.map(|accuracy| charts::lengths(contents.cells, accuracy)));
    charts.push(charts::grid(contents.grid));
    figures.extend(accuracy.and_then(|accuracy| lengths::figure(contents.cells, accuracy)));
    figures.extend(range_test::figures(contents.range_tests, contents.suggestion));
    figures.extend(grid::figure(contents.grid));
    let arms = study.arms()?;
    let lines: Vec<ScheduleLine> = scheduled(&arms)
        .into_iter()
        .filter_map(|(color, arm)| Some(steps[arm.runs.first()?.0].as_ref()?.schedule_line(&arm.arm, color)))
        .collect();
    figures.extend(schedules::figure(&lines));
    charts.push(charts::schedules(&lines));
    for (iterations, arms) in by_length(&arms) {
        let per_step: Vec<_> =
            arms.iter().map(|(_, arm)| arm.runs.first().map(|(_, run)| charts::per_step(run))).collect();
        let drawn = arms.into_iter().map(|(color, arm)| {
            let of_runs: Vec<&Steps> = arm.runs.iter().filter_map(|(place, _)| steps[*place].as_ref()).collect();
            let finals = arm.runs.iter().filter_map(|(_, run)| accuracy.as_ref()?.of(run)).collect();
            arm_curves(&arm.arm, color, &of_runs, finals)
        });
        let drawn = drawn.collect::<Result<Vec<_>>>()?;
        figures.push(curves::figure(iterations, &drawn, accuracy.map_or("accuracy", FinalAccuracy::name)));
        charts.push(charts::curves(iterations, &drawn, &per_step));
    }
    charts.retain(|chart| figures.iter().any(|figure| figure.name == chart.name));
    Ok((figures, charts))
}

/// The places of the runs whose schedules are drawn.
pub(super) fn scheduled_places(arms: &[ArmRuns]) -> Vec<usize> {
    scheduled(arms).into_iter().filter_map(|(_, arm)| Some(arm.runs.first()?.0)).collect()
}

/// The arms at the longest length that most of them have.
fn scheduled<'a>(arms: &'a [ArmRuns<'a>]) -> Vec<(RGBColor, &'a ArmRuns<'a>)> {
    let lengths = by_length(arms);
    let most = lengths.iter().map(|(_, arms)| arms.len()).max().unwrap_or(0);
    lengths.into_iter().rev().find(|(_, arms)| arms.len() == most).map_or_else(Vec::new, |(_, arms)| arms)
}

/// The arms at each length, ascending, with their colours.
fn by_length<'a>(arms: &'a [ArmRuns<'a>]) -> Vec<(u64, Vec<(RGBColor, &'a ArmRuns<'a>)>)> {
    let mut names: Vec<&str> = arms.iter().map(|arm| arm.arm.as_str()).collect();
    names.dedup();
    let mut lengths: Vec<u64> = arms.iter().map(|arm| arm.iterations).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let color = |arm: &ArmRuns| palette::of_arm(&arm.arm, names.iter().position(|name| *name == arm.arm).unwrap_or(0));
    let of_length =
        |length: u64| arms.iter().filter(|arm| arm.iterations == length).map(|arm| (color(arm), arm)).collect();
    lengths.into_iter().map(|length| (length, of_length(length))).collect()
}

/// The curves of the runs of one arm and length. `finals`: their final accuracies.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn arm_curves(arm: &str, color: RGBColor, runs: &[&Steps], finals: Vec<f64>) -> Result<ArmCurves> {
    Ok(ArmCurves {
        arm: arm.to_owned(),
        color,
        train_loss: steps::band(runs, TRAIN_LOSS)?,
        train_accuracy: steps::band(runs, TRAIN_ACCURACY)?,
        other_accuracy: steps::other_accuracy(runs)?,
        other_name: if runs.iter().any(|run| run.has_test_accuracy()) { "test" } else { "validation" },
        finals,
    })
}
