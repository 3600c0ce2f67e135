//! The report of a search: every decision with what it was made on, the last run, and how to repeat it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use artifacts::finished::{self, Run};
use artifacts::number::{count, percent, rate};
use artifacts::recipe::{Candidate, Decision, Recipe, Spent, Training, Unit};
use artifacts::{atomic, json};
use pages::escape;
use reading::curve;
use reading::suggest;
use serde_json::json;

use super::steps::{self, Steps, TRAIN_LOSS};
use super::{PAGE, figures, page, summary};
use crate::frame;
use crate::plot::candidates::{self, Finals, Line};
use crate::plot::figure::Figure;
use crate::plot::{curves, palette, range_test, render, schedules};
use crate::study::FinalAccuracy;
use crate::{Result, unfinished, unreadable};

/// Points of a loss curve: several over each other are read by their course, not by the noise of their batches.
const LOSS_POINTS: u64 = 24;
/// Name of the recipe beside the page.
const RECIPE: &str = "recipe.json";

/// All that the report says, before it is written down.
#[derive(Debug)]
pub struct SearchReport {
    title: String,
    recipe: Recipe,
    recipe_path: PathBuf,
    last: Vec<Run>,
    /// The figures of each decision, and at the end those of the last run.
    drawn: Vec<Vec<Figure>>,
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
        let mut drawn = Vec::new();
        for decision in &recipe.decisions {
            drawn.push(decision_figures(decision, &mut warnings)?);
        }
        drawn.push(last_figures(&last)?);
        let findings = findings(&recipe, &last);
        let (title, recipe_path) = (title.to_owned(), path.to_owned());
        Ok(Self { title, recipe, recipe_path, last, drawn, warnings, findings })
    }

    /// Writes the folder: plots, recipe and numbers first, the page last.
    ///
    /// # Errors
    /// When something cannot be drawn or written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let earlier = summary::files_of(folder);
        let mut names = vec![RECIPE.to_owned(), "summary.json".to_owned(), PAGE.to_owned()];
        let mut drawings = Vec::new();
        for figures in &self.drawn {
            let mut svgs = Vec::new();
            for figure in figures {
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
        atomic::write(&folder.join(PAGE), self.html(&drawings).as_bytes())?;
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

    fn html(&self, drawings: &[Vec<(String, String)>]) -> String {
        let title = escape(&self.title);
        let mut html = page::head(&title);
        let _ = writeln!(html, "<h1>{title}</h1>\n{}", setting(&self.recipe));
        html.push_str(&chosen(&self.recipe.training));
        html.push_str(&page::list("findings", &self.findings));
        for (decision, drawn) in self.recipe.decisions.iter().zip(drawings) {
            html.push_str(&decision_section(decision, drawn));
        }
        if let Some(drawn) = drawings.last().filter(|_| !self.last.is_empty()) {
            html.push_str(&last_section(&self.last, drawn));
        }
        html.push_str(&self.repeat());
        html.push_str(&cost_section(&self.recipe, &self.last));
        if !self.warnings.is_empty() {
            html.push_str("<h2>Warnings</h2>\n");
            html.push_str(&page::list("warnings", &self.warnings));
        }
        html.push_str("</body>\n</html>\n");
        html
    }

    /// How to train so again, here and in PyTorch.
    fn repeat(&self) -> String {
        if self.recipe.training.iterations.is_none() {
            return String::new();
        }
        let command = format!(
            "sc-train --data FILE --init FILE --recipe {} --val-from-train 0 --out DIR",
            self.recipe_path.display()
        );
        // Calls first, and then what is to be said of them.
        let (calls, difference) = self.recipe.pytorch.split_once("). ").unwrap_or((&self.recipe.pytorch, ""));
        let calls = format!("{}{}", calls.replacen("; ", "\n", 1), if difference.is_empty() { "" } else { ")" });
        format!(
            "<h2>The same again</h2>\n<pre>{}</pre>\n<p>In PyTorch:</p>\n<pre>{}</pre>\n<p>{}</p>\n<p class=\"note\">The recipe is <a href=\"{RECIPE}\">{RECIPE}</a>, all numbers are in <a href=\"summary.json\">summary.json</a>.</p>\n",
            escape(&command),
            escape(&calls),
            escape(difference)
        )
    }
}

fn setting(recipe: &Recipe) -> String {
    let (setting, training) = (&recipe.setting, &recipe.training);
    let shortcut =
        if setting.shortcut.is_empty() { String::new() } else { format!(" (shortcut {})", setting.shortcut) };
    let text = format!(
        "data {}, net {}{shortcut}, optimizer {}, augmentation {}; choices read {} validation images",
        setting.data_name,
        setting.net,
        training.optimizer,
        training.augment,
        count(setting.held_out_images as u64)
    );
    format!("<p class=\"setting\">{}</p>", escape(&text))
}

/// The recipe in a row of numbers.
fn chosen(training: &Training) -> String {
    let momentum = match (training.max_momentum, training.min_momentum) {
        (Some(max), Some(min)) => format!("{max} to {min}"),
        _ => training.momentum.to_string(),
    };
    let open = || "open".to_owned();
    let entries = [
        ("batch size", training.batch_size.to_string()),
        ("momentum", momentum),
        ("weight decay", rate(training.weight_decay)),
        ("highest rate", training.max_lr.map_or_else(open, rate)),
        ("steps", training.iterations.map_or_else(open, count)),
    ];
    let mut html = String::from("<div class=\"rates\">\n");
    for (name, value) in entries {
        let _ = writeln!(html, "<div><span class=\"note\">{name}</span><b>{}</b></div>", escape(&value));
    }
    html.push_str("</div>\n");
    html
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

fn decision_section(decision: &Decision, drawn: &[(String, String)]) -> String {
    let title = format!("{}: {}", title_of(&decision.step), decision.chosen);
    let mut html = format!(
        "<h2>{}</h2>\n<p class=\"note\">{}</p>\n<p>{}</p>\n",
        escape(&title),
        escape(&decision.question),
        escape(&decision.reason)
    );
    html.push_str(&figures_of(drawn.iter().map(|(name, svg)| (svg.as_str(), caption(name)))));
    if decision.candidates.iter().any(|one| one.runs > 0) {
        html.push_str(&candidate_table(decision));
    }
    html
}

fn caption(figure: &str) -> &'static str {
    if figure.ends_with("-scores") {
        "Large dots are means over runs, small ones runs; pale ones fell out in an earlier round."
    } else if figure.ends_with("-losses") {
        "The first run of each candidate; the bold line is the choice."
    } else if figure.contains("range-test") {
        "Thin lines as measured, bold ones smoothed over log rate. Lines mark the suggested rates, shades their intervals."
    } else {
        "Smoothed over log rate; the bold line is the choice."
    }
}

fn candidate_table(decision: &Decision) -> String {
    let timed = decision.candidates.iter().any(|one| one.images_per_second.is_some());
    let mut head = vec![
        ("", true),
        ("validation accuracy", false),
        ("sd", false),
        ("loss", false),
        ("runs", false),
        ("diverged", false),
        ("steps", false),
        ("highest rate", false),
    ];
    head.extend(timed.then_some(("images/s", false)));
    let row = |one: &Candidate| {
        let mut cells = vec![
            escape(&one.name),
            one.mean_val_accuracy.map_or_else(String::new, percent),
            one.sd_val_accuracy.map_or_else(String::new, |sd| format!("{:.2}", 100.0 * sd)),
            one.mean_val_loss.map_or_else(String::new, |loss| format!("{loss:.3}")),
            one.runs.to_string(),
            one.diverged.to_string(),
            count(one.iterations),
            one.max_lr.map_or_else(String::new, rate),
        ];
        let speed = one.images_per_second.map_or_else(String::new, |speed| count(speed.round() as u64));
        cells.extend(timed.then_some(speed));
        cells
    };
    let rows: Vec<Vec<String>> = decision.candidates.iter().map(row).collect();
    format!("<details><summary>{} candidates</summary>\n{}</details>\n", rows.len(), page::table(&head, &rows))
}

fn last_section(last: &[Run], drawn: &[(String, String)]) -> String {
    let mut html = String::from("<h2>The last run</h2>\n");
    for run in last {
        let result = &run.result;
        let accuracy = |name: &str, value: Option<f64>| {
            value.map_or_else(String::new, |value| format!(", {name} accuracy {}", percent(value)))
        };
        let text = format!(
            "{} steps on {} training images, no validation images{}{}.",
            count(result.iterations),
            count(run.record.train_images as u64),
            accuracy("test", result.test_accuracy),
            accuracy("training", result.final_train_accuracy)
        );
        let _ = writeln!(html, "<p>{}</p>", escape(&text));
    }
    let captions =
        ["Rate and momentum of every step.", "Loss and accuracy of the batches; the dot is the test accuracy."];
    html.push_str(&figures_of(drawn.iter().map(|(_, svg)| svg.as_str()).zip(captions)));
    html
}

/// Figures side by side, each with its caption.
fn figures_of<'a>(drawn: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let all: String = drawn.map(|(svg, caption)| page::figure(Some(svg), caption)).collect();
    if all.is_empty() { all } else { format!("<div class=\"figures\">\n{all}</div>\n") }
}

fn cost_section(recipe: &Recipe, last: &[Run]) -> String {
    let head = [("step", true), ("runs", false), ("images trained on", false), ("seconds", false)];
    let row = |name: &str, spent: &Spent| {
        vec![escape(name), spent.runs.to_string(), count(spent.images as u64), format!("{:.1}", spent.seconds)]
    };
    let mut steps = Spent::default();
    let mut rows = Vec::new();
    for decision in &recipe.decisions {
        steps = steps.plus(&decision.spent);
        rows.push(row(&title_of(&decision.step), &decision.spent));
    }
    let all = recipe.budget.spent;
    let before =
        Spent { seconds: all.seconds - steps.seconds, images: all.images - steps.images, runs: all.runs - steps.runs };
    rows.insert(0, row("Calibration", &before));
    let total = spent(recipe, last);
    let of_last = Spent { seconds: total.seconds - all.seconds, images: total.images - all.images, runs: last.len() };
    if !last.is_empty() {
        rows.push(row("The last run", &of_last));
    }
    rows.push(row("All", &total));
    format!(
        "<h2>What it cost</h2>\n<p class=\"note\">Budget {}.</p>\n{}",
        escape(&recipe.budget.given),
        page::table(&head, &rows)
    )
}

fn decision_figures(decision: &Decision, warnings: &mut Vec<String>) -> Result<Vec<Figure>> {
    let (step, what) = (decision.step.as_str(), title_of(&decision.step).to_lowercase());
    let most = decision.candidates.iter().map(|one| one.runs).max().unwrap_or(0);
    let mut scores = Vec::new();
    let mut lines = Vec::new();
    for one in &decision.candidates {
        let folders: Vec<PathBuf> = one.folders.iter().map(PathBuf::from).collect();
        let (runs, left_out) = finished::load(&folders)?;
        warnings.extend(unfinished::warnings(&left_out));
        let chosen = is_chosen(decision, one);
        let accuracies = runs.iter().filter_map(|run| FinalAccuracy::Validation.of(run)).collect();
        scores.push(Finals { name: one.name.clone(), accuracies, chosen, finalist: one.runs == most });
        if let Some(run) = runs.first() {
            lines.push(loss_line(one, run, chosen, step == "batch-size")?);
        }
    }
    let x_label = if step == "batch-size" { "seconds of training steps" } else { "step" };
    let mut drawn = Vec::new();
    drawn.extend(candidates::finals(&format!("{step}-scores"), &what, &scores));
    drawn.extend(candidates::losses(&format!("{step}-losses"), &what, x_label, &lines));
    drawn.extend(ramp_figures(decision, &what, warnings)?);
    Ok(drawn)
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
fn ramp_figures(decision: &Decision, what: &str, warnings: &mut Vec<String>) -> Result<Vec<Figure>> {
    let mut curves = Vec::new();
    for one in &decision.candidates {
        for folder in &one.range_tests {
            let (curve, said) = curve::run::read(Path::new(folder)).map_err(unreadable)?;
            warnings.extend(said);
            curves.push((one.name.clone(), is_chosen(decision, one), folder.clone(), curve));
        }
    }
    let distinct: BTreeSet<&String> = curves.iter().map(|(.., folder, _)| folder).collect();
    if distinct.len() == curves.len() && curves.len() > 1 && decision.step != "rate" {
        let shown: Vec<_> = curves.iter().map(|(name, chosen, _, curve)| (name.clone(), *chosen, curve)).collect();
        return Ok(candidates::ramps(&format!("{}-ramps", decision.step), what, &shown).into_iter().collect());
    }
    let mut own: Vec<curve::Curve> = Vec::new();
    for (.., curve) in curves {
        if own.iter().all(|known| known != &curve) {
            own.push(curve);
        }
    }
    own.retain(|curve| curve.check().is_ok());
    let suggestion = suggest::suggest(&own).ok();
    let mut drawn = range_test::figures(&own, suggestion.as_ref());
    drawn.truncate(1); // the ramps are logarithmic: a linear axis shows nothing more
    for figure in &mut drawn {
        figure.name = format!("{}-range-test", decision.step);
    }
    Ok(drawn)
}

fn last_figures(last: &[Run]) -> Result<Vec<Figure>> {
    let Some(first) = last.first() else {
        return Ok(Vec::new());
    };
    let color = palette::of_arm(first.arm(), 0);
    let runs = last.iter().map(|run| Steps::read(run, true)).collect::<Result<Vec<_>>>()?;
    let mut drawn = Vec::new();
    drawn.extend(schedules::figure(&[runs[0].schedule_line(first.arm(), color)]));
    let finals = last.iter().filter_map(|run| FinalAccuracy::Test.of(run)).collect();
    let arm = figures::arm_curves(first.arm(), color, &runs.iter().collect::<Vec<_>>(), finals)?;
    let mut figure = curves::figure(first.record.config.iterations, &[arm], FinalAccuracy::Test.name());
    "last-run".clone_into(&mut figure.name);
    drawn.push(figure);
    Ok(drawn)
}
