//! What is shown of a decision of a search, and of the last run: figures, the numbers behind them, and the runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifacts::finished::{self, Run};
use artifacts::number::count;
use artifacts::recipe::{Candidate, Decision};
use reading::curve;
use reading::suggest;

use super::{Shown, title_of};
use crate::frame;
use crate::plot::candidates::{self, Finals, Line};
use crate::plot::figure::Figure;
use crate::plot::{curves, palette, range_test, schedules};
use crate::report::chart::Chart;
use crate::report::steps::{self, Steps, TRAIN_LOSS};
use crate::report::{charts, figures};
use crate::study::FinalAccuracy;
use crate::{Result, unfinished, unreadable};

/// Points of a loss curve: several over each other are read by their course, not by the noise of their batches.
const LOSS_POINTS: u64 = 24;

impl Shown {
    /// A figure, if there is one, and the numbers behind it.
    fn add(&mut self, figure: Option<Figure>, chart: impl FnOnce() -> Chart) {
        if let Some(figure) = figure {
            self.charts.push(Chart { name: figure.name.clone(), ..chart() });
            self.figures.push(figure);
        }
    }
}

/// What is shown of a decision.
///
/// # Errors
/// When a run cannot be read.
pub(super) fn shown(decision: &Decision, warnings: &mut Vec<String>) -> Result<Shown> {
    let (step, what) = (decision.step.as_str(), title_of(&decision.step).to_lowercase());
    let most = decision.candidates.iter().map(|one| one.runs).max().unwrap_or(0);
    let in_seconds = step == "batch-size";
    let mut shown = Shown::default();
    let (mut scores, mut lines, mut per_step) = (Vec::new(), Vec::new(), Vec::new());
    for one in &decision.candidates {
        let folders: Vec<PathBuf> = one.folders.iter().map(PathBuf::from).collect();
        let (runs, left_out) = finished::load(&folders)?;
        warnings.extend(unfinished::warnings(&left_out));
        let chosen = is_chosen(decision, one);
        let accuracies = runs.iter().filter_map(|run| FinalAccuracy::Validation.of(run)).collect();
        scores.push(Finals { name: one.name.clone(), accuracies, chosen, finalist: one.runs == most });
        if let Some(run) = runs.first() {
            lines.push(loss_line(one, run, chosen, in_seconds)?);
            per_step.push((!in_seconds).then(|| charts::per_step(run)));
        }
        shown.runs.extend(runs);
    }
    let x_label = if in_seconds { "seconds of training steps" } else { "step" };
    shown.figures.extend(candidates::finals(&format!("{step}-scores"), &what, &scores));
    shown.add(candidates::losses(&format!("{step}-losses"), &what, x_label, &lines), || {
        charts::losses(x_label, &lines, &per_step)
    });
    add_ramps(&mut shown, decision, &what, warnings)?;
    Ok(shown)
}

fn is_chosen(decision: &Decision, one: &Candidate) -> bool {
    let name = one.name.as_str();
    name == decision.chosen
        || (decision.step == "rate" && name.split(' ').next() == Some(decision.chosen.as_str()))
        || (decision.step == "length" && decision.chosen == format!("{} steps", count(one.iterations)))
}

/// Training loss over steps; over seconds where candidates were given equal time.
fn loss_line(one: &Candidate, run: &Run, chosen: bool, in_seconds: bool) -> Result<Line> {
    let means = steps::averaged(&frame::of_steps(&run.folder)?, &[TRAIN_LOSS], one.iterations, LOSS_POINTS)?;
    let mut points = steps::points(&means, TRAIN_LOSS)?;
    if let Some(speed) = one.images_per_second.filter(|_| in_seconds) {
        let seconds = one.batch_size as f64 / speed;
        for point in &mut points {
            point.0 *= seconds;
        }
    }
    Ok(Line { name: one.name.clone(), points, chosen })
}

/// The range tests of a decision: over each other where every candidate has its own, else as any range test.
fn add_ramps(shown: &mut Shown, decision: &Decision, what: &str, warnings: &mut Vec<String>) -> Result<()> {
    let mut curves = Vec::new();
    for one in &decision.candidates {
        for folder in &one.range_tests {
            let (curve, said) = curve::run::read(Path::new(folder)).map_err(unreadable)?;
            warnings.extend(said);
            shown.runs.extend(finished::read(Path::new(folder))?);
            curves.push((one.name.clone(), is_chosen(decision, one), folder.clone(), curve));
        }
    }
    let distinct: BTreeSet<&String> = curves.iter().map(|(.., folder, _)| folder).collect();
    if distinct.len() == curves.len() && curves.len() > 1 && decision.step != "rate" {
        let ramps: Vec<_> = curves.iter().map(|(name, chosen, _, curve)| (name.clone(), *chosen, curve)).collect();
        let figure = candidates::ramps(&format!("{}-ramps", decision.step), what, &ramps);
        shown.add(figure, || charts::ramps(&ramps));
        return Ok(());
    }
    // Candidates may share a range test; a curve that diverged is not equal to itself, so by their folders.
    let mut known = BTreeSet::new();
    curves.retain(|(.., folder, _)| known.insert(folder.clone()));
    let mut own: Vec<curve::Curve> = curves.into_iter().map(|(.., curve)| curve).collect();
    own.retain(|curve| curve.check().is_ok());
    let suggestion = suggest::suggest(&own).ok();
    // The first of them: the ramps are logarithmic, and a linear axis shows nothing more.
    let figure = range_test::figures(&own, suggestion.as_ref()).into_iter().next();
    let chart =
        || charts::range_tests(&own, suggestion.as_ref()).into_iter().next().expect("there is a figure of them");
    shown.add(figure.map(|figure| Figure { name: format!("{}-range-test", decision.step), ..figure }), chart);
    Ok(())
}

/// What is shown of the last runs.
///
/// # Errors
/// When a run cannot be read.
pub(super) fn last(last: &[Run]) -> Result<Shown> {
    let mut shown = Shown { runs: last.to_vec(), ..Shown::default() };
    let Some(first) = last.first() else {
        return Ok(shown);
    };
    let color = palette::of_arm(first.arm(), 0);
    let runs = last.iter().map(|run| Steps::read(run, true)).collect::<Result<Vec<_>>>()?;
    let line = runs[0].schedule_line(first.arm(), color);
    shown.add(schedules::figure(std::slice::from_ref(&line)), || charts::schedules(&[line]));
    let finals = last.iter().filter_map(|run| FinalAccuracy::Test.of(run)).collect();
    let arms = [figures::arm_curves(first.arm(), color, &runs.iter().collect::<Vec<_>>(), finals)?];
    let iterations = first.record.config.iterations;
    let figure = curves::figure(iterations, &arms, FinalAccuracy::Test.name());
    let per_step = [Some(charts::per_step(first))];
    shown.add(Some(Figure { name: "last-run".to_owned(), ..figure }), || charts::curves(iterations, &arms, &per_step));
    Ok(shown)
}
