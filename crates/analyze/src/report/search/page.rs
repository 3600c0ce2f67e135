//! The page of a search: what was asked, found, and how sure; each decision; the last run; every run; the same again.

use std::fmt::Write as _;

use artifacts::finished::Run;
use artifacts::number::{count, percent, rate};
use artifacts::recipe::{Candidate, Decision, Recipe, Spent, Training};
use pages::{escape, list, table};

use super::{RECIPE, SearchReport, spent, title_of};
use crate::Result;
use crate::report::findings::and;
use crate::report::page::{self, Drawn};
use crate::report::{chart::Chart, every_run};
use crate::study::FinalAccuracy;

/// The page. `drawings`: of each decision and of the last run, the figures' names and SVG texts.
///
/// # Errors
/// Only where polars refuses.
pub(super) fn html(report: &SearchReport, drawings: &[Vec<(String, String)>]) -> Result<String> {
    let title = escape(&report.title);
    let mut html = page::head(&title);
    let _ = writeln!(html, "<h1>{title}</h1>\n{}", setting(&report.recipe));
    html.push_str(&page::answers(&[
        ("Asked", asked(&report.recipe)),
        ("Found", report.findings.clone()),
        ("How sure", sure(report)),
    ]));
    html.push_str(&chosen(&report.recipe.training));
    let drawn = |place: usize| Drawn { drawings: &drawings[place], charts: &report.shown[place].charts };
    for (place, decision) in report.recipe.decisions.iter().enumerate() {
        html.push_str(&decision_section(decision, &drawn(place)));
    }
    if !report.last.is_empty() {
        html.push_str(&last_section(&report.last, &drawn(report.recipe.decisions.len())));
    }
    if !report.runs.is_empty() {
        html.push_str(&every_run::section(&report.runs)?);
    }
    html.push_str(&repeat(report));
    html.push_str(&cost_section(&report.recipe, &report.last));
    if !report.warnings.is_empty() {
        html.push_str("<h2>Warnings</h2>\n");
        html.push_str(&list("warnings", &report.warnings));
    }
    let charts: Vec<&Chart> = report.shown.iter().flat_map(|shown| &shown.charts).collect();
    html.push_str(&page::script(&charts, &report.every_run)?);
    html.push_str("</body>\n</html>\n");
    Ok(html)
}

/// What was asked.
fn asked(recipe: &Recipe) -> Vec<String> {
    let asked = recipe.decisions.iter().filter(|decision| !["cycle", "random"].contains(&decision.step.as_str()));
    let mut asked: Vec<String> = asked.map(|decision| title_of(&decision.step).to_lowercase()).collect();
    if asked.is_empty() {
        asked.push("settings".to_owned());
    }
    let setting = &recipe.setting;
    vec![format!(
        "Which {} train{} {} on {} best, within a budget of {}?",
        and(&asked),
        if asked.len() == 1 { "s" } else { "" },
        setting.net,
        setting.data_name,
        recipe.budget.given
    )]
}

/// How sure the choices are, and the last accuracy.
fn sure(report: &SearchReport) -> Vec<String> {
    let setting = &report.recipe.setting;
    let candidates = || report.recipe.decisions.iter().flat_map(|decision| &decision.candidates);
    let most = candidates().map(|one| one.runs).max().unwrap_or(0);
    let mut sentences = Vec::new();
    if most > 0 {
        let runs = if most == 1 { "one run of each".to_owned() } else { format!("up to {most} runs of each") };
        sentences.push(format!(
            "Values were compared by {runs} on {} validation images. One within noise of the best is not shown to be worse: there the value nearest to the start is kept.",
            count(setting.held_out_images as u64)
        ));
    }
    let accuracies: Vec<f64> = report.last.iter().filter_map(|run| FinalAccuracy::Test.of(run)).collect();
    if let [accuracy] = accuracies[..] {
        sentences.push(format!(
            "The test accuracy is of one run: its {} images alone tell it to within {:.1} points (95%), and another seed may end elsewhere.",
            count(setting.test_images as u64),
            100.0 * half_interval(accuracy, setting.test_images)
        ));
    }
    sentences
}

/// Half of the 95% interval of a proportion (Agresti and Coull: two successes and two failures more).
fn half_interval(share: f64, of: usize) -> f64 {
    let count = of as f64 + 4.0;
    let middle = (share * of as f64 + 2.0) / count;
    1.96 * (middle * (1.0 - middle) / count).sqrt()
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

fn decision_section(decision: &Decision, drawn: &Drawn) -> String {
    let title = format!("{}: {}", title_of(&decision.step), decision.chosen);
    let mut html = format!(
        "<h2>{}</h2>\n<p class=\"note\">{}</p>\n<p>{}</p>\n",
        escape(&title),
        escape(&decision.question),
        escape(&decision.reason)
    );
    html.push_str(&figures_of(drawn, drawn.names().map(|name| (name, caption(name)))));
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
    format!("<details><summary>{} candidates</summary>\n{}</details>\n", rows.len(), table(&head, &rows))
}

fn last_section(last: &[Run], drawn: &Drawn) -> String {
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
    html.push_str(&figures_of(drawn, drawn.names().zip(captions)));
    html
}

/// Figures side by side, each with its caption, and the numbers of those that no table beside them has.
fn figures_of<'a>(drawn: &Drawn, shown: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let all: String = shown.map(|(name, caption)| drawn.figure(name, caption, true)).collect();
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
        table(&head, &rows)
    )
}

/// How to train so again, here and in PyTorch.
fn repeat(report: &SearchReport) -> String {
    if report.recipe.training.iterations.is_none() {
        return String::new();
    }
    let command = format!(
        "sc-train --data FILE --init FILE --recipe {} --val-from-train 0 --out DIR",
        report.recipe_path.display()
    );
    // Calls first, and then what is to be said of them.
    let (calls, difference) = report.recipe.pytorch.split_once("). ").unwrap_or((&report.recipe.pytorch, ""));
    let calls = format!("{}{}", calls.replacen("; ", "\n", 1), if difference.is_empty() { "" } else { ")" });
    format!(
        "<h2>The same again</h2>\n<pre>{}</pre>\n<p>In PyTorch:</p>\n<pre>{}</pre>\n<p>{}</p>\n<p class=\"note\">The recipe is <a href=\"{RECIPE}\">{RECIPE}</a>, all numbers are in <a href=\"summary.json\">summary.json</a>.</p>\n",
        escape(&command),
        escape(&calls),
        escape(difference)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proportion_is_known_as_well_as_its_images_are_many() {
        // By hand: 2 of 14, 92 of 104.
        assert!((half_interval(0.0, 10) - 0.183).abs() < 1e-3, "{}", half_interval(0.0, 10));
        assert!((half_interval(0.9, 100) - 0.0614).abs() < 1e-3, "{}", half_interval(0.9, 100));
    }
}
