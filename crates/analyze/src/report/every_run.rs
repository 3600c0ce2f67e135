//! Every run of a report: its curves for the page's script, and the table of what differs between runs, what came out, and the
//! command that makes each again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use artifacts::finished::Run;
use artifacts::metrics::{self, Metrics};
use artifacts::number::rate;
use artifacts::run::RUN_FILE;
use pages::escape;
use plotters::style::RGBColor;
use serde::Serialize;

use super::chart::{Short, hex};
use super::charts::per_step;
use crate::plot::palette;
use crate::plot::range_test::Ramp;
use crate::table::{self, Table};
use crate::{Result, frame};

/// Points of all runs' curves together, about: of few runs each gets [`MOST_POINTS`], of many [`LEAST_POINTS`].
const POINTS: usize = 6000;
const MOST_POINTS: usize = 120;
const LEAST_POINTS: usize = 16;

/// Runs of one arm that each get a colour of their own: the figure names so many.
const FEW: usize = 16;

/// What can be drawn of every run, in the order of the values of [`RunCurves`].
pub(super) const MEASURES: [&str; 5] =
    ["training loss", "training accuracy", "validation loss", "validation accuracy", "learning rate"];

/// A run's curves: means over equal spans of its steps; of validation images and of the rate the last value in each.
#[derive(Clone, Debug, Serialize)]
struct RunCurves {
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "c")]
    color: String,
    /// Steps that were asked for.
    #[serde(rename = "i")]
    iterations: u64,
    #[serde(rename = "k")]
    per_step: [Short; 3],
    /// By measure; null where nothing was measured. Of the rate the place in the list of rates, which runs share.
    #[serde(rename = "v")]
    values: [Option<Values>; 5],
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Values {
    Own(Vec<Option<Short>>),
    Shared(usize),
}

/// The curves of all runs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Curves {
    runs: Vec<RunCurves>,
    /// Curves of the rate, each once.
    rates: Vec<Vec<Option<Short>>>,
}

impl Curves {
    /// Reads the steps of the runs.
    ///
    /// # Errors
    /// When metrics cannot be read.
    pub(super) fn read(runs: &[Run]) -> Result<Self> {
        let points = (POINTS / runs.len().max(1)).clamp(LEAST_POINTS, MOST_POINTS);
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut curves = Self::default();
        let mut arms: Vec<&str> = Vec::new();
        let training = || runs.iter().filter(|run| !run.is_range_test());
        let has_one_arm = training().all(|run| Some(run.arm()) == training().next().map(Run::arm));
        for (number, run) in runs.iter().enumerate() {
            if !arms.contains(&run.arm()) {
                arms.push(run.arm());
            }
            let (steps, _) = metrics::read::<Metrics>(&run.folder.join(metrics::FILE))?;
            let mut values = spans(&steps, run.record.config.iterations, points);
            let lr = values[4].take().unwrap_or_default();
            let next = curves.rates.len();
            let place = *known.entry(format!("{lr:?}")).or_insert(next);
            if place == next {
                curves.rates.push(lr);
            }
            let mut values = values.map(|values| values.map(Values::Own));
            values[4] = Some(Values::Shared(place));
            curves.runs.push(RunCurves {
                name: run.record.name.clone(),
                color: hex(if has_one_arm && runs.len() <= FEW && !run.is_range_test() {
                    palette::SERIES[number % palette::SERIES.len()]
                } else {
                    color(run, &arms, &steps)
                }),
                iterations: run.record.config.iterations,
                per_step: per_step(run),
                values,
            });
        }
        Ok(curves)
    }
}

/// The colour of a run: its arm's; of a range test that of its kind.
fn color(run: &Run, arms: &[&str], steps: &[Metrics]) -> RGBColor {
    if run.is_range_test() {
        return Ramp::of(&reading::curve::run::of(&run.record, steps)).color();
    }
    palette::of_arm(run.arm(), arms.iter().position(|arm| *arm == run.arm()).unwrap_or(0))
}

/// The steps of a run in equal spans; a run that stopped early has fewer.
fn spans(steps: &[Metrics], iterations: u64, points: usize) -> [Option<Vec<Option<Short>>>; 5] {
    let spans = (points as u64).min(iterations).max(1);
    let span_of = |step: &Metrics| (step.iteration.max(1) - 1) * spans / iterations.max(1);
    let mean = |of: fn(&Metrics) -> Option<f64>, span: &[Metrics]| {
        let (sum, count) = span.iter().filter_map(of).fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
        (count > 0).then(|| Short(sum / f64::from(count)))
    };
    let last = |of: fn(&Metrics) -> Option<f64>, span: &[Metrics]| span.iter().rev().find_map(of).map(Short);
    let mut values: [Vec<Option<Short>>; 5] = Default::default();
    for span in steps.chunk_by(|one, next| span_of(one) == span_of(next)) {
        values[0].push(mean(|step| step.train_loss, span));
        values[1].push(mean(|step| step.train_accuracy, span));
        values[2].push(last(|step| step.val_loss, span));
        values[3].push(last(|step| step.val_accuracy, span));
        values[4].push(last(|step| Some(step.lr), span));
    }
    values.map(|values| values.iter().any(Option::is_some).then_some(values))
}

/// The section of every run: the chart that the script draws, and the table.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn section(runs: &[Run]) -> Result<String> {
    let table = table::of(runs)?;
    let mut html = String::from("<h2>Every run</h2>\n");
    html.push_str(
        "<figure id=\"every-run\" class=\"wide\"><figcaption>One line per run, in the colour of its arm or kind of ramp: those that the table below shows.</figcaption></figure>\n",
    );
    let first = &runs[0].record;
    let _ = writeln!(
        html,
        "<p class=\"note\">Columns are what came out, the highest rate, and what differs between the runs. {}. \"again\" repeats the run to the bit.</p>",
        shared(first, &table)
    );
    let columns = columns(runs, &table);
    let head: Vec<(&str, bool)> =
        columns.iter().map(|(name, is_text, _)| (*name, *is_text)).chain([("again", true)]).collect();
    let row = |(place, run): (usize, &Run)| {
        let cells = columns.iter().map(|(.., cells)| escape(&cells[place]));
        cells.chain([format!("<code>{}</code>", escape(&again(run)))]).collect()
    };
    let rows: Vec<Vec<String>> = runs.iter().enumerate().map(row).collect();
    let _ = write!(
        html,
        "<details id=\"runs\"{}><summary>{} runs</summary>\n{}</details>\n",
        if runs.len() <= 60 { " open" } else { "" },
        runs.len(),
        pages::table(&head, &rows)
    );
    Ok(html)
}

/// The hashes that all runs share, in words; those that differ are columns.
fn shared(record: &artifacts::run::RunRecord, table: &Table) -> String {
    let data = format!("Data {}, SHA-256 <code>{}</code>", escape(&record.data_name), escape(&record.data.sha256));
    if table.columns().any(|(name, ..)| name == frame::INIT) {
        format!("{data}; \"init\" is the beginning of the SHA-256 of the initial weights")
    } else {
        format!("{data}; initial weights, SHA-256 <code>{}</code>", escape(&record.init.sha256))
    }
}

/// The columns of the table: what came out first, then in what the runs differ. The highest rate of a schedule is shown for all
/// alike, whatever its parameters are called.
fn columns<'a>(runs: &[Run], table: &'a Table) -> Vec<(&'a str, bool, Vec<String>)> {
    let rates = runs.iter().map(|run| run.main_lr().map_or_else(String::new, rate)).collect();
    let is_rate = |name: &str| ["max_lr", "lr"].contains(&name);
    let (mut results, mut asked): (Vec<_>, Vec<_>) =
        table.columns().filter(|(name, ..)| !is_rate(name)).partition(|(name, ..)| table::RESULTS.contains(name));
    let mut columns = vec![asked.remove(0)];
    columns.append(&mut results);
    columns.push(("rate", false, rates));
    columns.append(&mut asked);
    columns
}

/// The command that repeats a run.
fn again(run: &Run) -> String {
    let program = if run.is_range_test() { "sc-rangetest" } else { "sc-train" };
    let path = run.folder.join(RUN_FILE).display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+=,:@".contains(letter);
    let path = if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) };
    format!("{program} --replay {path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(iteration: u64, val: Option<f64>) -> Metrics {
        Metrics {
            iteration,
            epoch: 0.0,
            lr: iteration as f64,
            momentum: 0.9,
            train_loss: Some(iteration as f64),
            train_accuracy: None,
            grad_norm: None,
            val_loss: None,
            val_accuracy: val,
            ema_val_loss: None,
            ema_val_accuracy: None,
        }
    }

    #[test]
    fn spans_hold_means_and_the_last_measurement() {
        let steps: Vec<Metrics> = (1..=6).map(|at| step(at, (at == 3).then_some(0.5))).collect();
        let [loss, accuracy, val_loss, val_accuracy, lr] = spans(&steps, 8, 4);
        assert_eq!(loss.unwrap(), [Some(Short(1.5)), Some(Short(3.5)), Some(Short(5.5))], "it stopped at step 6 of 8");
        assert_eq!(val_accuracy.unwrap(), [None, Some(Short(0.5)), None]);
        assert_eq!(lr.unwrap()[0], Some(Short(2.0)));
        assert!(accuracy.is_none() && val_loss.is_none());
        assert_eq!(spans(&steps[..2], 2, 120)[0].as_ref().unwrap().len(), 2, "never more points than steps");
    }
}
