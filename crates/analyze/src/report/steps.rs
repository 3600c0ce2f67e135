//! What a report shows of a run's steps. `metrics.jsonl` is read once for all of it.

use artifacts::finished::Run;
use artifacts::metrics::{self, TestMetrics};
use plotters::style::RGBColor;
use polars::prelude::{Column, DataFrame, NamedFrom as _, Series, SortMultipleOptions};
use reading::stats::summary;

use crate::Result;
use crate::frame::{self, refused};
use crate::overfit::{self, Saturation};
use crate::plot::curves::Band;
use crate::plot::schedules::ScheduleLine;

/// Spans of a curve: steps are averaged into so many at most.
const SPANS: u64 = 80;
/// Points of a schedule's line at most.
const SCHEDULE_POINTS: usize = 2000;

/// Column of the step in the middle of a span.
const MIDDLE: &str = "middle";

/// What is drawn over the steps, by the names of the frame's columns.
pub(super) const TRAIN_LOSS: &str = "train_loss";
pub(super) const TRAIN_ACCURACY: &str = "train_accuracy";
const VAL_ACCURACY: &str = "val_accuracy";
const TEST_ACCURACY: &str = "test_accuracy";

/// The steps of one run.
#[derive(Debug)]
pub(super) struct Steps {
    /// Means over spans of steps.
    means: DataFrame,
    /// The same of test accuracy, where the run measured it as it trained.
    test: Option<DataFrame>,
    /// Whether training accuracy was complete before the annealing.
    pub saturation: Option<Saturation>,
    /// Step, learning rate and momentum.
    schedule: Vec<(f64, f64, f64)>,
}

impl Steps {
    /// Reads the steps of a run. `with_schedule`: its rates and momentum too.
    ///
    /// # Errors
    /// When its metrics cannot be read.
    pub(super) fn read(run: &Run, with_schedule: bool) -> Result<Self> {
        let steps = frame::of_steps(&run.folder)?;
        let iterations = run.record.config.iterations;
        let shown = [TRAIN_LOSS, TRAIN_ACCURACY, VAL_ACCURACY];
        Ok(Self {
            means: averaged(&steps, &shown, iterations, SPANS)?,
            test: test_means(run)?,
            saturation: overfit::saturation(run, &steps)?,
            schedule: if with_schedule { schedule(&steps)? } else { Vec::new() },
        })
    }

    /// The schedule that the run followed.
    pub(super) fn schedule_line(&self, arm: &str, color: RGBColor) -> ScheduleLine {
        let column = |of: fn(&(f64, f64, f64)) -> f64| self.schedule.iter().map(of).collect();
        let (iteration, lr, momentum) = (column(|step| step.0), column(|step| step.1), column(|step| step.2));
        ScheduleLine { arm: arm.to_owned(), color, iteration, lr, momentum }
    }

    /// Whether test accuracy was measured along the steps.
    pub(super) fn has_test_accuracy(&self) -> bool {
        self.test.is_some()
    }

    /// Validation accuracy; where it was measured along the steps, test accuracy.
    fn other_accuracy(&self) -> (&DataFrame, &'static str) {
        self.test.as_ref().map_or((&self.means, VAL_ACCURACY), |test| (test, TEST_ACCURACY))
    }
}

/// Every so many steps: step, learning rate, momentum.
fn schedule(steps: &DataFrame) -> Result<Vec<(f64, f64, f64)>> {
    let stride = steps.height().div_ceil(SCHEDULE_POINTS).max(1);
    let numbers = frame::whole_numbers(steps, "iteration")?;
    let rates = frame::numbers(steps, "lr")?.into_iter().zip(frame::numbers(steps, "momentum")?);
    let all = numbers.into_iter().zip(rates).map(|(step, (lr, momentum))| (step as f64, lr, momentum));
    Ok(all.step_by(stride).collect())
}

/// Test accuracy along the steps, where the run measured it.
fn test_means(run: &Run) -> Result<Option<DataFrame>> {
    let path = run.folder.join(metrics::TEST_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let (lines, _) = metrics::read::<TestMetrics>(&path)?;
    let values: Vec<(u64, Option<f64>)> = lines.iter().map(|line| (line.iteration, line.test_accuracy)).collect();
    let steps = frame::of_values(TEST_ACCURACY, &values)?;
    averaged(&steps, &[TEST_ACCURACY], run.record.config.iterations, SPANS).map(Some)
}

/// The means of columns `names` over spans of equally many of a run's `iterations` steps, at most `most` spans; null where a
/// span has no value.
///
/// # Errors
/// When the frame has no such columns.
pub(super) fn averaged(steps: &DataFrame, names: &[&str], iterations: u64, most: u64) -> Result<DataFrame> {
    const SPAN: &str = "span";
    let spans = iterations.clamp(1, most);
    let width = iterations.max(1) as f64 / spans as f64;
    let span = |step: u64| (((step as f64 - 1.0) / width).max(0.0) as u64).min(spans - 1);
    let of_steps: Vec<u64> = frame::whole_numbers(steps, "iteration")?.into_iter().map(span).collect();
    let mut steps = steps.clone();
    steps.with_column(Series::new(SPAN.into(), of_steps).into()).map_err(refused)?;
    let groups = frame::groups(&steps, [SPAN])?;
    let mut middles = Vec::new();
    for group in &groups {
        middles.extend(frame::whole_numbers(group, SPAN)?.first().map(|span| (*span as f64 + 0.5) * width + 0.5));
    }
    let mut columns: Vec<Column> = vec![Series::new(MIDDLE.into(), middles).into()];
    for name in names {
        let mean = |group: &DataFrame| Ok(summary(&frame::numbers(group, name)?).map(|summary| summary.mean));
        let means = groups.iter().map(mean).collect::<Result<Vec<Option<f64>>>>()?;
        columns.push(Series::new((*name).into(), means).into());
    }
    DataFrame::new(groups.len(), columns).map_err(refused)
}

/// Middle and value of the spans that have a value.
///
/// # Errors
/// When the frame has no such column.
pub(super) fn points(means: &DataFrame, name: &str) -> Result<Vec<(f64, f64)>> {
    let has = means.column(name).map_err(refused)?.is_not_null();
    let measured = means.filter(&has).map_err(refused)?;
    Ok(frame::numbers(&measured, MIDDLE)?.into_iter().zip(frame::numbers(&measured, name)?).collect())
}

/// Mean and standard deviation over the seeds of an arm, span by span.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn band(seeds: &[&Steps], name: &str) -> Result<Band> {
    band_of(seeds.iter().map(|steps| (&steps.means, name)))
}

/// The same of validation accuracy, or test accuracy where a run measured it along the steps.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn other_accuracy(seeds: &[&Steps]) -> Result<Band> {
    band_of(seeds.iter().map(|steps| steps.other_accuracy()))
}

fn band_of<'a>(seeds: impl Iterator<Item = (&'a DataFrame, &'a str)>) -> Result<Band> {
    const VALUE: &str = "value";
    let mut all: Option<DataFrame> = None;
    for (means, name) in seeds {
        let mut of_seed = means.select([MIDDLE, name]).map_err(refused)?;
        of_seed.rename(name, VALUE.into()).map_err(refused)?;
        all = Some(match all {
            Some(all) => all.vstack(&of_seed).map_err(refused)?,
            None => of_seed,
        });
    }
    let mut band = Band::default();
    let Some(all) = all else { return Ok(band) };
    let in_order = SortMultipleOptions::default().with_maintain_order(true);
    for span in frame::groups(&all.sort([MIDDLE], in_order).map_err(refused)?, [MIDDLE])? {
        if let Some(seeds) = summary(&frame::numbers(&span, VALUE)?) {
            band.x.extend(frame::numbers(&span, MIDDLE)?.first());
            band.mean.push(seeds.mean);
            band.deviation.push(seeds.sd.unwrap_or(0.0));
        }
    }
    Ok(band)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(values: &[(u64, Option<f64>)]) -> Steps {
        let steps = frame::of_values(TRAIN_LOSS, values).unwrap();
        let means = averaged(&steps, &[TRAIN_LOSS], 160, SPANS).unwrap();
        Steps { means, test: None, saturation: None, schedule: Vec::new() }
    }

    #[test]
    fn seeds_are_averaged_span_by_span() {
        let whole: Vec<(u64, Option<f64>)> = (1..=160).map(|step| (step, Some(step as f64))).collect();
        let mut broken = vec![(1, None), (160, Some(161.5))];
        let band = band(&[&steps(&whole), &steps(&broken)], TRAIN_LOSS).unwrap();
        assert_eq!((band.x.len(), band.x[0], band.x[79]), (80, 1.5, 159.5));
        assert_eq!((band.mean[0], band.deviation[0]), (1.5, 0.0), "the other seed has no value there");
        assert_eq!((band.mean[79], band.deviation[79]), (160.5, 2f64.sqrt()));
        broken.pop();
        assert_eq!(super::band(&[&steps(&broken)], TRAIN_LOSS).unwrap(), Band::default());
    }

    #[test]
    fn spans_without_values_are_no_points() {
        let few = steps(&[(2, Some(0.25)), (3, None), (160, Some(0.5))]);
        assert_eq!(points(&few.means, TRAIN_LOSS).unwrap(), [(1.5, 0.25), (159.5, 0.5)]);
    }
}
