//! What was claimed, held against runs: an experiment's file says it in its head, its runs say whether it holds.
//!
//! A claim compares arms, paired by seed, or an arm with a number. It holds, holds not, or cannot be told; nothing between.

mod document;
mod expression;
mod head;
mod measure;
mod verdict;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use artifacts::finished::Run;
use artifacts::{Action, ArtifactError, atomic, json, number};
use cli::Failure;
use reading::stats::{Summary, summary};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::plot::{experiment, render};
use expression::{Comparison, Term};
use measure::Measure;
use verdict::Ours;

pub use document::Document;
pub use head::Head;
pub use verdict::Verdict;

/// Arm of the runs that rates are chosen from: no part of any claim.
const GRID_ARM: &str = "grid";
/// Version of the file of an experiment's results.
const FORMAT: &str = "superconv-claims/1";

/// What an experiment found, at one scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    format: String,
    /// The experiment: the name of its file.
    experiment: String,
    /// At which size it was asked.
    scale: String,
    /// Nets, data, numbers of images and batches.
    setting: String,
    /// Points of accuracy that are too few to matter.
    margin: f64,
    /// The measures that arms have in `arms`, in this order.
    measures: Vec<Measure>,
    arms: Vec<Arm>,
    claims: Vec<Claim>,
}

/// An arm of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    name: String,
    steps: u64,
    /// The highest rate.
    rate: Option<f64>,
    seeds: Vec<u64>,
    diverged: usize,
    /// By measure: what each seed has, in points; none where a run lacks it.
    values: Vec<Option<Vec<f64>>>,
}

/// A claim and what became of it. What it says stands in the experiment's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    says: String,
    holds_if: String,
    verdict: Verdict,
    /// None where this scale is not the one that the claim is about.
    ours: Option<Ours>,
}

impl Found {
    /// Holds the claims of `head` against `runs`. `margin`: points of accuracy that are too few to matter.
    ///
    /// # Errors
    /// When a claim names an arm or a measure that the runs lack, or metrics cannot be read.
    pub fn new(head: &Head, runs: &[Run], scale: &str, margin: f64) -> Result<Self> {
        let arms = arms_of(runs);
        if arms.is_empty() {
            let message = format!("{}: none of the runs is one of its arms", head.path.display());
            return Err(Failure::unusable(message).hint("pass the folders of finished runs that have an arm"));
        }
        let mut used: BTreeSet<Measure> = [Measure::Test, Measure::Train]
            .into_iter()
            .filter(|measure| arms.iter().all(|(_, runs)| has(*measure, runs)))
            .collect();
        let mut claims = Vec::new();
        for claim in &head.claims {
            let is_elsewhere = claim.at.as_ref().is_some_and(|at| at != scale);
            let comparison: Comparison =
                claim.holds_if.parse().map_err(|error| head.refused(claim.line, &format!("`holds if`: {error}")))?;
            let ours = if is_elsewhere {
                None
            } else {
                used.extend(comparison.terms().map(|term| term.measure));
                Some(hold(head, claim.line, &comparison, &arms, margin)?)
            };
            claims.push(Claim {
                says: claim.says.clone(),
                holds_if: claim.holds_if.clone(),
                verdict: ours.as_ref().map_or(Verdict::CannotTell, |ours| ours.verdict(comparison.sign)),
                ours,
            });
        }
        let measures: Vec<Measure> = used.into_iter().collect();
        let arms = arms.iter().map(|(arm, runs)| Arm::new(arm, runs, &measures)).collect::<Result<_>>()?;
        let (experiment, setting) = (head.name(), setting(runs));
        Ok(Self {
            format: FORMAT.to_owned(),
            experiment,
            scale: scale.to_owned(),
            setting,
            margin,
            measures,
            arms,
            claims,
        })
    }

    /// Writes what was found, and a picture of it, into `folder`.
    ///
    /// # Errors
    /// When something cannot be drawn or written.
    pub fn write(&self, folder: &Path, runs: &[Run]) -> Result<()> {
        fs::create_dir_all(folder).map_err(|error| ArtifactError::io(folder, Action::Write, error))?;
        let stem = self.stem();
        if let Some(figure) = self.figure(runs)? {
            atomic::write(&folder.join(format!("{stem}.svg")), render::svg(&figure)?.as_bytes())?;
        }
        Ok(json::write(&folder.join(format!("{stem}.json")), self)?)
    }

    /// Reads what an experiment found, where it was run at that scale.
    ///
    /// # Errors
    /// When the file is no such file.
    fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(path).map_err(|error| ArtifactError::io(path, Action::Read, error))?;
        let found: Self = serde_json::from_slice(&text)
            .map_err(|error| ArtifactError::content(path, "results of an experiment", error))?;
        if found.format != FORMAT {
            return Err(ArtifactError::content(path, format!("format {FORMAT}"), found.format).into());
        }
        Ok(Some(found))
    }

    /// Name of its files.
    fn stem(&self) -> String {
        stem(&self.experiment, &self.scale)
    }

    /// The table of the arms and a line for each claim, as people read them in a terminal.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} ({}): {}", self.experiment, self.scale, self.setting)];
        lines.extend(self.table_text());
        for claim in &self.claims {
            let ours = claim.ours.as_ref().map_or_else(String::new, |ours| format!(" ({ours})"));
            lines.push(format!("{}: {}{ours}", claim.verdict, claim.says));
        }
        lines
    }

    /// Names of the table's columns.
    fn columns(&self) -> Vec<String> {
        let fixed = ["arm", "steps", "highest rate", "seeds"].map(str::to_owned);
        fixed.into_iter().chain(self.measures.iter().map(|measure| measure.title().to_owned())).collect()
    }

    /// The cells of the table, row by row.
    fn rows(&self) -> Vec<Vec<String>> {
        self.arms.iter().map(Arm::cells).collect()
    }

    fn table_text(&self) -> Vec<String> {
        let rows: Vec<Vec<String>> = [vec![self.columns()], self.rows()].concat();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            format!("  {}", cells.join("  ").trim_end())
        };
        rows.iter().map(line).collect()
    }

    /// Curves where the claims are about curves; else the arms side by side.
    fn figure(&self, runs: &[Run]) -> Result<Option<crate::plot::figure::Figure>> {
        let is_of_curves = self.measures.iter().any(|measure| measure.is_of_curve());
        if !is_of_curves {
            let measure = self.measures.first().map_or("accuracy", |measure| measure.title());
            let rows: Vec<(String, Vec<f64>)> =
                self.arms.iter().filter_map(|arm| Some((arm.name.clone(), arm.values.first()?.clone()?))).collect();
            return Ok(experiment::side_by_side(&self.stem(), measure, &rows));
        }
        let mut lines = Vec::new();
        for (arm, runs) in arms_of(runs) {
            let Some(run) = runs.first() else { continue };
            let points = measure::curve(run)?
                .into_iter()
                .map(|point| (if run.is_range_test() { point.lr } else { point.step }, point.accuracy));
            lines.push((arm.to_owned(), points.collect::<Vec<_>>()));
        }
        let below = if runs.iter().any(Run::is_range_test) { "learning rate" } else { "step" };
        Ok(experiment::curves(&self.stem(), below, &lines))
    }
}

impl Arm {
    fn new(arm: &str, runs: &[&Run], measures: &[Measure]) -> Result<Self> {
        let values =
            |measure: &Measure| -> Result<Option<Vec<f64>>> { runs.iter().map(|run| measure.of(run)).collect() };
        let rates: Vec<f64> = runs.iter().filter_map(|run| run.main_lr()).collect();
        Ok(Self {
            name: arm.to_owned(),
            steps: runs[0].record.config.iterations,
            rate: rates.into_iter().reduce(f64::max),
            seeds: runs.iter().map(|run| run.record.config.seed).collect(),
            diverged: runs.iter().filter(|run| run.diverged()).count(),
            values: measures.iter().map(values).collect::<Result<_>>()?,
        })
    }

    fn cells(&self) -> Vec<String> {
        let seeds = match self.diverged {
            0 => self.seeds.len().to_string(),
            diverged => format!("{} ({diverged} diverged)", self.seeds.len()),
        };
        let rate = self.rate.map_or_else(String::new, number::rate);
        let fixed = [self.name.clone(), number::count(self.steps), rate, seeds];
        let value = |values: &Option<Vec<f64>>| match values.as_deref().and_then(summary) {
            Some(Summary { mean, sd: Some(sd), .. }) => format!("{mean:.1} ± {sd:.1}"),
            Some(Summary { mean, .. }) => format!("{mean:.1}"),
            None => "-".to_owned(),
        };
        fixed.into_iter().chain(self.values.iter().map(value)).collect()
    }
}

/// Name of the files of an experiment at a scale.
fn stem(experiment: &str, scale: &str) -> String {
    format!("{experiment}-{scale}")
}

/// The runs of each arm, by seed; the arms in the order in which they come.
fn arms_of(runs: &[Run]) -> Vec<(&str, Vec<&Run>)> {
    let mut arms: Vec<(&str, Vec<&Run>)> = Vec::new();
    for run in runs.iter().filter(|run| run.arm() != GRID_ARM) {
        match arms.iter_mut().find(|(arm, _)| *arm == run.arm()) {
            Some((_, of_arm)) => of_arm.push(run),
            None => arms.push((run.arm(), vec![run])),
        }
    }
    for (_, of_arm) in &mut arms {
        of_arm.sort_by_key(|run| run.record.config.seed);
    }
    arms
}

fn has(measure: Measure, runs: &[&Run]) -> bool {
    runs.iter().all(|run| measure.of(run).is_ok_and(|value| value.is_some()))
}

/// Nets, data, numbers of images and batches of the runs.
fn setting(runs: &[Run]) -> String {
    let values = |of: fn(&Run) -> String| {
        let mut values: Vec<String> = Vec::new();
        for value in runs.iter().map(of) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values.join(" and ")
    };
    format!(
        "{} on {}, {} training images, batch {}",
        values(|run| run.record.config.net.clone()),
        values(|run| run.record.data_name.clone()),
        values(|run| number::count(run.record.train_images as u64)),
        values(|run| run.record.config.batch_size.to_string())
    )
}

/// What the runs have for both sides of a comparison, by the seeds that all of its arms have.
fn hold(head: &Head, line: usize, comparison: &Comparison, arms: &[(&str, Vec<&Run>)], margin: f64) -> Result<Ours> {
    let runs_of = |term: &Term| {
        let known = arms.iter().find(|(arm, _)| *arm == term.arm).map(|(_, runs)| runs);
        known.ok_or_else(|| {
            let names: Vec<&str> = arms.iter().map(|(arm, _)| *arm).collect();
            head.refused(line, &format!("`holds if`: no run is of arm {}; there are {}", term.arm, names.join(", ")))
        })
    };
    let mut seeds: Option<BTreeSet<u64>> = None;
    for term in comparison.terms() {
        let of_arm: BTreeSet<u64> = runs_of(term)?.iter().map(|run| run.record.config.seed).collect();
        seeds = Some(seeds.map_or_else(|| of_arm.clone(), |seeds| &seeds & &of_arm));
    }
    let value = |term: &Term, seed: u64| -> Result<f64> {
        let run = runs_of(term)?.iter().find(|run| run.record.config.seed == seed).copied();
        let value = run.map(|run| term.measure.of(run)).transpose()?.flatten();
        value.ok_or_else(|| head.refused(line, &format!("`holds if`: {} has no {}", term.arm, term.measure)))
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for seed in seeds.unwrap_or_default() {
        left.push(comparison.left.value(|term| value(term, seed))?);
        right.push(comparison.right.value(|term| value(term, seed))?);
    }
    if left.is_empty() {
        return Err(head.refused(line, "`holds if`: its arms share no seed"));
    }
    let over_images = match comparison.plain_difference() {
        Some([ours, theirs]) => verdict::over_images(runs_of(ours)?, runs_of(theirs)?),
        None => None,
    };
    Ok(Ours::new(&left, &right, over_images, margin))
}

/// The experiments that a pattern names, sorted.
///
/// # Errors
/// When it names none, or one cannot be read.
pub fn experiments(pattern: &str) -> Result<Vec<Head>> {
    let paths = glob::glob(pattern).map_err(|error| Failure::unusable(format!("{pattern}: {error}")))?;
    let mut paths: Vec<PathBuf> = paths.filter_map(std::result::Result::ok).collect();
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::unusable(format!("{pattern}: no file has such a name")));
    }
    paths.iter().map(|path| Head::read(path)).collect()
}
