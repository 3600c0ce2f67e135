//! The report of a search: every decision with what it was made on, the last run, and how to repeat it.

mod decision;
mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use artifacts::finished::Run;
use artifacts::number::{count, percent};
use artifacts::recipe::{Recipe, Spent, Unit};
use artifacts::{atomic, json};
use serde_json::json;

use super::chart::Chart;
use super::every_run::Curves;
use super::{PAGE, summary};
use crate::Result;
use crate::plot::figure::Figure;
use crate::plot::render;
use crate::study::FinalAccuracy;

/// Name of the recipe beside the page.
const RECIPE: &str = "recipe.json";

/// What is shown of a decision, or of the last run.
#[derive(Debug, Default)]
struct Shown {
    figures: Vec<Figure>,
    /// The numbers behind those figures that answer on the page.
    charts: Vec<Chart>,
    /// The runs that it was drawn from.
    runs: Vec<Run>,
}

/// All that the report says, before it is written down.
#[derive(Debug)]
pub struct SearchReport {
    title: String,
    recipe: Recipe,
    recipe_path: PathBuf,
    last: Vec<Run>,
    /// Of each decision, and at the end of the last run.
    shown: Vec<Shown>,
    /// Every run of the search, the last ones included, each once.
    runs: Vec<Run>,
    /// The curves of these.
    every_run: Curves,
    warnings: Vec<String>,
    /// What was found, a sentence each.
    pub findings: Vec<String>,
}

impl SearchReport {
    /// Reads the runs behind the decisions. `last`: the runs made with the recipe; none where only a step was asked for.
    ///
    /// # Errors
    /// When a run cannot be read.
    pub fn new(title: &str, recipe: Recipe, path: &Path, last: Vec<Run>, mut warnings: Vec<String>) -> Result<Self> {
        let mut shown = Vec::new();
        for decision in &recipe.decisions {
            shown.push(decision::shown(decision, &mut warnings)?);
        }
        shown.push(decision::last(&last)?);
        let mut known = BTreeSet::new();
        let runs: Vec<Run> =
            shown.iter().flat_map(|shown| &shown.runs).filter(|run| known.insert(&run.folder)).cloned().collect();
        let every_run = Curves::read(&runs)?;
        let findings = findings(&recipe, &last);
        let (title, recipe_path) = (title.to_owned(), path.to_owned());
        Ok(Self { title, recipe, recipe_path, last, shown, runs, every_run, warnings, findings })
    }

    /// Writes the folder: plots, recipe and numbers first, the page last.
    ///
    /// # Errors
    /// When something cannot be drawn or written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let earlier = summary::files_of(folder);
        let mut names = vec![RECIPE.to_owned(), "summary.json".to_owned(), PAGE.to_owned()];
        let mut drawings = Vec::new();
        for shown in &self.shown {
            let mut svgs = Vec::new();
            for figure in &shown.figures {
                let svg = render::svg(figure)?;
                for (extension, bytes) in [("svg", svg.clone().into_bytes()), ("png", render::png(figure)?)] {
                    let name = format!("{}.{extension}", figure.name);
                    atomic::write(&folder.join(&name), &bytes)?;
                    names.push(name);
                }
                svgs.push((figure.name.clone(), svg));
            }
            drawings.push(svgs);
        }
        json::write(&folder.join(RECIPE), &self.recipe)?;
        json::write(&folder.join("summary.json"), &self.summary(&names))?;
        atomic::write(&folder.join(PAGE), page::html(self, &drawings)?.as_bytes())?;
        for stale in earlier.iter().filter(|name| !names.contains(name)) {
            // Gone already, or not ours to remove: the page does not show it either way.
            let _ = fs::remove_file(folder.join(stale));
        }
        Ok(())
    }

    fn summary(&self, files: &[String]) -> serde_json::Value {
        json!({
            "format": summary::FORMAT,
            "title": self.title,
            "findings": self.findings,
            "warnings": self.warnings,
            "recipe": self.recipe,
            "spent": spent(&self.recipe, &self.last),
            "last_runs": self.last.iter().map(|run| json!({"name": run.record.name, "result": run.result})).collect::<Vec<_>>(),
            "files": files,
        })
    }
}

fn findings(recipe: &Recipe, last: &[Run]) -> Vec<String> {
    let mut findings = Vec::new();
    let accuracies: Vec<f64> = last.iter().filter_map(|run| FinalAccuracy::Test.of(run)).collect();
    if let Some(mean) = reading::stats::summary(&accuracies).map(|summary| summary.mean) {
        let steps = recipe.training.iterations.map_or_else(String::new, |steps| format!(" in {} steps", count(steps)));
        findings.push(format!(
            "{} on {}: test accuracy {}{steps}, measured once, after every choice was made.",
            recipe.setting.net,
            recipe.setting.data_name,
            percent(mean)
        ));
    }
    for decision in recipe.decisions.iter().filter(|decision| decision.step != "cycle") {
        findings.push(format!("{}: {}.", title_of(&decision.step).to_lowercase(), decision.chosen));
    }
    let spent = spent(recipe, last);
    let text = match recipe.budget.unit {
        Unit::Seconds => format!("{:.0} of {:.0} seconds", spent.seconds, recipe.budget.limit),
        Unit::Images => {
            format!("{} of {} images trained on", count(spent.images as u64), count(recipe.budget.limit as u64))
        }
    };
    findings.push(format!("spent: {text}, {} runs (budget {}).", spent.runs, recipe.budget.given));
    findings
}

/// What the search and the last runs cost together.
fn spent(recipe: &Recipe, last: &[Run]) -> Spent {
    last.iter().fold(recipe.budget.spent, |sum, run| {
        let images = run.result.iterations as f64 * run.record.config.batch_size as f64;
        sum.plus(&Spent { seconds: run.result.wall_seconds, images, runs: 1 })
    })
}

fn title_of(step: &str) -> String {
    let text = match step {
        "rate" => "highest rate",
        "random" => "random search",
        other => other,
    };
    let text = text.replace('-', " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
