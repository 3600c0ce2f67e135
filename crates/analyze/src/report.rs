//! A report folder: one self-contained page, the plots, and the numbers.

mod answer;
mod chart;
mod charts;
mod every_run;
mod figures;
mod findings;
pub mod page;
pub mod search;
mod short;
mod steps;
pub mod summary;

use std::fs;
use std::path::Path;

use artifacts::atomic;
use artifacts::finished::Run;
use artifacts::suggestion::Suggestion;
use reading::curve::{self, Curve};
use reading::suggest;

use crate::plot::figure::Figure;
use crate::plot::render;
use crate::study::{Cell, Comparison, FinalAccuracy, GridPoint, Saving, Spent, Study};
use crate::{Result, frame, unreadable};
use chart::Chart;
use every_run::Curves;
use figures::Contents;
use steps::Steps;

/// Name of the page.
pub const PAGE: &str = "index.html";

/// All that a report says, before it is written down.
#[derive(Debug)]
pub struct Report {
    /// Title of the page.
    pub(crate) title: String,
    /// The runs.
    pub(crate) study: Study,
    /// The accuracy that arms are compared by; `None` without arms.
    pub(crate) accuracy: Option<FinalAccuracy>,
    /// Every arm at every length.
    pub(crate) cells: Vec<Cell>,
    /// Arms against the baseline.
    pub(crate) comparisons: Vec<Comparison>,
    /// Steps saved.
    pub(crate) savings: Vec<Saving>,
    /// Steps spent on finding rates.
    pub(crate) spent: Option<Spent>,
    /// The difference of accuracy that is too small to matter.
    pub(crate) margin: f64,
    /// The baseline's grid.
    pub(crate) grid: Vec<GridPoint>,
    /// The range tests' curves.
    pub(crate) curves: Vec<Curve>,
    /// What they suggest.
    pub(crate) suggestions: Vec<Suggestion>,
    /// The plots.
    pub figures: Vec<Figure>,
    /// The numbers behind the plots.
    charts: Vec<Chart>,
    /// The curves of every run.
    every_run: Curves,
    /// What was found, a sentence each.
    pub findings: Vec<String>,
    /// A study of 1cycle in five sentences; else empty.
    pub short: Vec<String>,
    /// What the reader should know besides.
    pub warnings: Vec<String>,
}

impl Report {
    /// Reads the runs' metrics and works everything out. Without a suggestion the range tests are read here. `margin`: the
    /// difference of accuracy, a fraction, that is too small to matter.
    ///
    /// # Errors
    /// When metrics cannot be read, or the runs cannot stand in one report.
    pub fn new(
        title: &str,
        runs: Vec<Run>,
        margin: f64,
        mut suggestions: Vec<Suggestion>,
        mut warnings: Vec<String>,
    ) -> Result<Self> {
        let study = Study::new(runs)?;
        study.check()?;
        let mut curves = Vec::new();
        for run in study.range_tests() {
            let (curve, said) = curve::run::read(&run.folder).map_err(unreadable)?;
            curves.push(curve);
            warnings.extend(said);
        }
        if suggestions.is_empty() && !curves.is_empty() {
            match suggest::suggest(&curves) {
                Ok(suggestion) => suggestions.push(suggestion),
                Err(refusal) => warnings.push(format!("no suggestion was read from the range tests: {refusal}")),
            }
        }
        // A curve that cannot be read cannot be drawn either.
        curves.retain(|curve| curve.check().is_ok());
        let steps = steps_of_arms(&study)?;
        let saturated = |place: usize| steps[place].as_ref().and_then(|steps| steps.saturation.clone());
        let accuracy = study.accuracy()?;
        let (cells, comparisons, savings) = match accuracy {
            Some(accuracy) => {
                (study.cells(accuracy, saturated)?, study.comparisons(accuracy, margin)?, study.savings(accuracy)?)
            }
            None => (Vec::new(), Vec::new(), Vec::new()),
        };
        let grid = study.grid_points()?;
        let suggestion = suggestions.first();
        let contents = Contents {
            study: &study,
            accuracy,
            cells: &cells,
            grid: &grid,
            range_tests: &curves,
            suggestion,
            steps: &steps,
        };
        let (figures, charts) = figures::all(&contents)?;
        let every_run = Curves::read(study.runs())?;
        warnings.extend(start_warning(&study)?);
        let mut report = Self {
            title: title.to_owned(),
            accuracy,
            comparisons,
            savings,
            spent: study.spent()?,
            margin,
            cells,
            grid,
            curves,
            suggestions,
            figures,
            charts,
            every_run,
            findings: Vec::new(),
            short: Vec::new(),
            warnings,
            study,
        };
        report.findings = findings::of(&report);
        report.short = short::of(&report);
        Ok(report)
    }

    /// Writes the folder: plots and numbers first, the page last. Plots of an earlier report there that this one does
    /// not have are removed.
    ///
    /// # Errors
    /// When something cannot be drawn or written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let earlier = summary::files_of(folder);
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut drawings = Vec::new();
        for figure in &self.figures {
            let svg = render::svg(figure)?;
            files.push((format!("{}.svg", figure.name), svg.clone().into_bytes()));
            files.push((format!("{}.png", figure.name), render::png(figure)?));
            drawings.push((figure.name.clone(), svg));
        }
        let mut frame = frame::of_runs(self.study.runs())?;
        files.push(("summary.csv".to_owned(), summary::csv(&mut frame)?));
        files.push(("summary.parquet".to_owned(), summary::parquet(&mut frame)?));
        let mut names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        names.extend(["summary.json".to_owned(), PAGE.to_owned()]);
        let last = [
            ("summary.json".to_owned(), summary::json(self, &names)?),
            (PAGE.to_owned(), page::html(self, &drawings)?.into_bytes()),
        ];
        let write = |files: &[(String, Vec<u8>)]| -> Result<()> {
            for (name, bytes) in files {
                atomic::write(&folder.join(name), bytes)?;
            }
            Ok(())
        };
        write(&files)?;
        // Before summary.json forgets them: else a kill in between would leave them for good.
        for stale in earlier.iter().filter(|name| !names.contains(name)) {
            // Gone already, or not ours to remove: the page does not show it either way.
            let _ = fs::remove_file(folder.join(stale));
        }
        write(&last)
    }
}

/// The steps of the runs of the arms, by their place; of the other runs nothing more is shown.
fn steps_of_arms(study: &Study) -> Result<Vec<Option<Steps>>> {
    let arms = study.arms()?;
    let scheduled = figures::scheduled_places(&arms);
    let mut steps: Vec<Option<Steps>> = study.runs().iter().map(|_| None).collect();
    for (place, run) in arms.iter().flat_map(|arm| &arm.runs) {
        steps[*place] = Some(Steps::read(run, scheduled.contains(place))?);
    }
    Ok(steps)
}

fn start_warning(study: &Study) -> Result<Option<String>> {
    let unequal = study.unequal_starts()?;
    Ok((!unequal.is_empty()).then(|| {
        let seeds: Vec<String> = unequal.iter().map(u64::to_string).collect();
        format!("runs of seed {} did not all start from the same initial weights", seeds.join(", "))
    }))
}
