//! A report folder: one self-contained page, the plots, and the numbers.

pub mod figures;
pub mod findings;
pub mod page;
pub mod search;
pub mod summary;

use std::fs;
use std::path::Path;

use anyhow::Result;
use artifacts::atomic;
use artifacts::suggestion::Suggestion;

use crate::plot::figure::Figure;
use crate::plot::render;
use crate::study::{Cell, Comparison, GridPoint, Saving, Score, Study, comparisons, savings};
use artifacts::finished::Run;
use reading::curve::{self, Curve};
use reading::suggest;

/// Name of the page.
pub const PAGE: &str = "index.html";

/// All that a report says, before it is written down.
#[derive(Debug)]
pub struct Report {
    /// Title of the page.
    pub title: String,
    /// The runs.
    pub study: Study,
    /// The accuracy that arms are compared by; `None` without arms.
    pub score: Option<Score>,
    /// Every arm at every length.
    pub cells: Vec<Cell>,
    /// Arms against the baseline.
    pub comparisons: Vec<Comparison>,
    /// Steps saved.
    pub savings: Vec<Saving>,
    /// The baseline's grid.
    pub grid: Vec<GridPoint>,
    /// The range tests' curves.
    pub curves: Vec<Curve>,
    /// What they suggest.
    pub suggestions: Vec<Suggestion>,
    /// The plots.
    pub figures: Vec<Figure>,
    /// What was found, a sentence each.
    pub findings: Vec<String>,
    /// What the reader should know besides.
    pub warnings: Vec<String>,
}

impl Report {
    /// Reads the runs' metrics and works everything out. Without a suggestion the range tests are read here.
    ///
    /// # Errors
    /// When metrics cannot be read, or the runs cannot stand in one report.
    pub fn new(
        title: &str,
        runs: Vec<Run>,
        mut suggestions: Vec<Suggestion>,
        mut warnings: Vec<String>,
    ) -> Result<Self> {
        let study = Study::new(runs);
        study.check()?;
        let mut curves = Vec::new();
        for run in &study.range_tests {
            let (curve, said) = curve::run::read(&run.folder)?;
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
        let score = study.score();
        let cells = score.map_or(Ok(Vec::new()), |score| study.cells(score))?;
        let grid = study.grid_points();
        let figures = figures::all(&study, score, &cells, &grid, &curves, suggestions.first())?;
        warnings.extend(start_warning(&study));
        let mut report = Self {
            title: title.to_owned(),
            score,
            comparisons: comparisons(&cells),
            savings: savings(&cells),
            cells,
            grid,
            curves,
            suggestions,
            figures,
            findings: Vec::new(),
            warnings,
            study,
        };
        report.findings = findings::of(&report);
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
        let mut frame = summary::frame(&self.study)?;
        files.push(("summary.csv".to_owned(), summary::csv(&mut frame)?));
        files.push(("summary.parquet".to_owned(), summary::parquet(&mut frame)?));
        let mut names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        names.extend(["summary.json".to_owned(), PAGE.to_owned()]);
        let last = [
            ("summary.json".to_owned(), summary::json(self, &names)?),
            (PAGE.to_owned(), page::html(self, &drawings).into_bytes()),
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

fn start_warning(study: &Study) -> Option<String> {
    let unequal = crate::study::unequal_starts(study);
    (!unequal.is_empty()).then(|| {
        let seeds: Vec<String> = unequal.iter().map(u64::to_string).collect();
        format!("runs of seed {} did not all start from the same initial weights", seeds.join(", "))
    })
}
