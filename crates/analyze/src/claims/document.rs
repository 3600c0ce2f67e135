//! A page of all experiments: a line for each claim, then each experiment with its arms and its picture.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use artifacts::atomic;

use super::head::Asserted;
use super::{Claim, Found, Head, Verdict, stem};
use crate::Result;

/// Scales, as the command line knows them, in the order in which they are shown.
const SCALES: [&str; 2] = ["small", "full"];

/// All experiments, with what those found that were run.
pub struct Document {
    title: String,
    /// Name of the folder of results and pictures, beside the page.
    folder: String,
    experiments: Vec<(Head, Vec<Found>)>,
}

impl Document {
    /// Reads what the experiments of `heads` found, from `folder`.
    ///
    /// # Errors
    /// When results cannot be read.
    pub fn read(title: &str, heads: Vec<Head>, folder: &Path) -> Result<Self> {
        let with_results = |head: Head| {
            let path = |scale: &&str| folder.join(format!("{}.json", stem(&head.name(), scale)));
            let paths: Vec<PathBuf> = SCALES.iter().map(path).collect();
            let found = paths.iter().filter_map(|path| Found::read(path).transpose()).collect::<Result<_>>()?;
            Ok((head, found))
        };
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let experiments = heads.into_iter().map(with_results).collect::<Result<_>>()?;
        Ok(Self { title: title.to_owned(), folder: name, experiments })
    }

    /// Writes the page.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(atomic::write(path, self.text().as_bytes())?)
    }

    fn text(&self) -> String {
        let mut text = format!("# {}\n\n{}\n", self.title, self.summary());
        text.push_str("| experiment | claim | published | scale | ours | verdict |\n|---|---|---|---|---|---|\n");
        for (head, found) in &self.experiments {
            for claim in &head.claims {
                rows(&mut text, head, claim, found);
            }
        }
        for (head, found) in &self.experiments {
            self.section(&mut text, head, found);
        }
        text
    }

    /// How many claims hold, and how a verdict is come by.
    fn summary(&self) -> String {
        let verdicts: Vec<Option<Verdict>> = self
            .experiments
            .iter()
            .flat_map(|(head, found)| {
                head.claims.iter().map(|claim| last(claim, found).map(|(_, claim)| claim.verdict))
            })
            .collect();
        let count = |wanted: Option<Verdict>| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        format!(
            "Written by `sc-analyze claims`, from runs and from the heads of the experiments' files. Of {} claims {} hold, {} do not, {} cannot be \
             told at the scale at which they were asked, {} were not run yet.\n\nA verdict rests on a 95% interval of the difference, over seeds and, where two test accuracies are \
             compared, over test images too. A difference holds where the interval has its sign, and holds not where it has the other one or where the difference is surely too small to \
             matter. Equal is what is surely that small. Everything else cannot be told. Figures are percent of images; ± is one standard deviation over seeds.\n",
            verdicts.len(),
            count(Some(Verdict::Holds)),
            count(Some(Verdict::HoldsNot)),
            count(Some(Verdict::CannotTell)),
            count(None)
        )
    }

    fn section(&self, text: &mut String, head: &Head, found: &[Found]) {
        let name = head.name();
        let paragraphs = [
            format!("\n## {name}: {}\n", head.title.trim_end_matches('.')),
            head.question.clone(),
            labelled("Published", &head.published),
            labelled("Arms", &head.arms),
            labelled("Cost", &head.cost),
        ];
        for paragraph in paragraphs.iter().filter(|paragraph| !paragraph.is_empty()) {
            let _ = writeln!(text, "{}\n", paragraph.trim_end());
        }
        if found.is_empty() {
            text.push_str("Not run yet.\n");
        }
        for found in found {
            let _ = writeln!(
                text,
                "At scale {}: {}; {} points count as too few to matter.\n",
                found.scale, found.setting, found.margin
            );
            table(text, found);
            let _ = writeln!(text, "\n![{} at scale {}]({}/{}.svg)", name, found.scale, self.folder, found.stem());
        }
        let whys = head.claims.iter().filter(|claim| !claim.why.is_empty());
        for (i, claim) in whys.enumerate() {
            if i == 0 {
                text.push_str("\nWhy it should be so, or not, as it was thought of before the runs:\n\n");
            }
            let verdict =
                last(claim, found).map_or_else(|| "not run yet".to_owned(), |(_, claim)| claim.verdict.to_string());
            let _ = writeln!(text, "- {} **{verdict}**: {}", claim.says, claim.why);
        }
    }
}

fn labelled(label: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{label}: {text}") }
}

/// What became of a claim at the largest scale at which it was asked, if the file still claims the same.
fn last<'a>(claim: &Asserted, found: &'a [Found]) -> Option<(&'a Found, &'a Claim)> {
    found.iter().rev().find_map(|found| Some((found, answer(claim, found)?)))
}

fn answer<'a>(claim: &Asserted, found: &'a Found) -> Option<&'a Claim> {
    found.claims.iter().find(|answer| answer.says == claim.says && answer.holds_if == claim.holds_if)
}

/// The rows of a claim: one for each scale at which it was asked.
fn rows(text: &mut String, head: &Head, claim: &Asserted, found: &[Found]) {
    let name = head.name();
    let mut row = |scale: &str, ours: &str, verdict: &str| {
        let cells = [&name, &claim.says, &claim.published, scale, ours, verdict].map(cell);
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    let mut is_answered = false;
    for found in found {
        if let Some(answer) = answer(claim, found) {
            let ours =
                answer.ours.as_ref().map_or_else(|| "asked at another scale alone".to_owned(), ToString::to_string);
            row(&found.scale, &ours, &answer.verdict.to_string());
            is_answered = true;
        }
    }
    if !is_answered {
        row("", &format!("cost: {}", head.cost), "not run yet");
    }
}

fn table(text: &mut String, found: &Found) {
    let line =
        |cells: Vec<String>| format!("| {} |\n", cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(" | "));
    let columns = found.columns();
    let rule = "|---".repeat(columns.len());
    text.push_str(&line(columns));
    let _ = writeln!(text, "{rule}|");
    for row in found.rows() {
        text.push_str(&line(row));
    }
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
