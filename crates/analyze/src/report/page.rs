//! The page of a report: one file that holds everything, for screens large and small, light and dark, and for paper. Figures are
//! drawn without a script; a script makes them answer.

use std::fmt::Write as _;

use artifacts::finished::Run;
use artifacts::number::{count, percent, rate};
use artifacts::suggestion::{Interval, Suggestion};
use cli::Failure;
use pages::{STYLE, escape};
use reading::suggest::name_of;
use serde_json::json;

use super::chart::Chart;
use super::every_run::{self, Curves};
use super::findings::points;
use super::{Report, answer};
use crate::Result;
use crate::plot::palette;
use crate::plot::range_test::Ramp;
use crate::study::{Cell, Comparison, GridPoint, Verdict};

use pages::{list, table};

const SCRIPT: &str = include_str!("page.js");

/// What the figures of range tests show.
const RANGE_TEST_CAPTION: &str = "Training solid, validation dashed; thin lines as measured, bold ones smoothed over log rate. Upright lines mark the suggested rates, shades their intervals.";

/// What the page may load: nothing, from nowhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The page. `drawings`: the figures' names and SVG texts.
///
/// # Errors
/// Only where polars refuses.
pub fn html(report: &Report, drawings: &[(String, String)]) -> Result<String> {
    let title = escape(&report.title);
    let mut page = head(&title);
    let _ = writeln!(page, "<h1>{title}</h1>\n{}", setting(report));
    page.push_str(&answers(&[
        ("Asked", answer::asked(report)),
        ("In short", report.short.clone()),
        ("Found", report.findings.clone()),
        ("How sure", answer::sure(report)),
    ]));
    let drawn = Drawn { drawings, charts: &report.charts };
    page.push_str(&arms(report, &drawn));
    page.push_str(&range_tests(report, &drawn));
    page.push_str(&grid(report, &drawn));
    page.push_str(&training(&drawn));
    page.push_str(&every_run::section(report.study.runs())?);
    page.push_str("<p class=\"note\">The same numbers as files: <a href=\"summary.json\">summary.json</a>, <a href=\"summary.csv\">summary.csv</a>, <a href=\"summary.parquet\">summary.parquet</a>.</p>\n");
    if !report.warnings.is_empty() {
        page.push_str("<h2>Warnings</h2>\n");
        page.push_str(&list("warnings", &report.warnings));
    }
    page.push_str(&script(&report.charts.iter().collect::<Vec<_>>(), &report.every_run)?);
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

/// Everything above the title. The title is escaped already.
pub(super) fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n",
        dark_plots()
    )
}

/// The script, and what it draws from.
///
/// # Errors
/// Never: numbers and texts can be written.
pub(super) fn script(charts: &[&Chart], every_run: &Curves) -> Result<String> {
    let charts: serde_json::Map<String, serde_json::Value> = charts
        .iter()
        .map(|chart| Ok((chart.name.clone(), serde_json::to_value(chart).map_err(Failure::failed)?)))
        .collect::<Result<_>>()?;
    let mut data = serde_json::to_value(every_run).map_err(Failure::failed)?;
    data["charts"] = json!(charts);
    data["measures"] = json!(every_run::MEASURES);
    // No text in it may end the element that holds it.
    let data = data.to_string().replace('<', "\\u003c");
    let script = compact(SCRIPT);
    Ok(format!("<script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{script}</script>\n"))
}

/// A script without comment lines, indentation, and spaces that separate nothing. Strings stay as they are; none spans lines.
fn compact(script: &str) -> String {
    let mut compact = String::with_capacity(script.len());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        let mut quote = None;
        for (at, letter) in line.char_indices() {
            let (before, after) = (line[..at].chars().next_back(), line[at + letter.len_utf8()..].chars().next());
            let parts = |letter: Option<char>| letter.is_some_and(|l| !l.is_alphanumeric() && !"_$\"`".contains(l));
            // `a + +b` is not `a ++b`.
            if quote.is_none() && letter == ' ' && (parts(before) || parts(after)) && before != after {
                continue;
            }
            compact.push(letter);
            quote = match quote {
                Some(open) => Some(open).filter(|open| *open != letter),
                None => Some(letter).filter(|letter| "\"`".contains(*letter)),
            };
        }
        // What cannot end a statement needs no line's end after it.
        if !line.ends_with([';', ',', '{', '(', '[', '?', ':']) {
            compact.push('\n');
        }
    }
    compact
}

/// What was asked, what was found, and how sure that is.
pub(super) fn answers(words: &[(&str, Vec<String>)]) -> String {
    let mut html = String::from("<dl class=\"answers\">\n");
    for (word, sentences) in words {
        if !sentences.is_empty() {
            let class = if *word == "Found" { "findings" } else { "plain" };
            let _ = writeln!(html, "<dt>{word}</dt><dd>{}</dd>", list(class, sentences));
        }
    }
    html.push_str("</dl>\n");
    html
}

/// What was drawn, and the numbers behind it, by the names of the figures.
pub(super) struct Drawn<'a> {
    pub drawings: &'a [(String, String)],
    pub charts: &'a [Chart],
}

impl Drawn<'_> {
    /// The names of the figures, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.drawings.iter().map(|(name, _)| name.as_str())
    }

    /// A figure with its caption; `with_table`: and its numbers, where no table beside it has them.
    pub(super) fn figure(&self, name: &str, caption: &str, with_table: bool) -> String {
        let Some((_, svg)) = self.drawings.iter().find(|(drawn, _)| drawn == name) else {
            return String::new();
        };
        let chart = self.charts.iter().find(|chart| chart.name == name);
        let table = chart.filter(|_| with_table).map_or_else(String::new, Chart::table);
        let answers = chart.map_or_else(String::new, |_| format!(" data-chart=\"{name}\""));
        format!("<figure{answers}>\n{svg}<figcaption>{}</figcaption>\n{table}</figure>\n", escape(caption))
    }
}

/// On a dark page every colour of the plots gives way to its dark counterpart.
pub(super) fn dark_plots() -> String {
    let mut style = String::from("@media (prefers-color-scheme: dark) {\n");
    for (color, dark) in palette::DARK {
        let hex = format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
        let _ =
            writeln!(style, "  svg [fill=\"{hex}\"] {{ fill: {dark}; }} svg [stroke=\"{hex}\"] {{ stroke: {dark}; }}");
    }
    style.push_str("}\n");
    style
}

/// What the runs have in common, in a line.
fn setting(report: &Report) -> String {
    let runs: Vec<&Run> = report.study.runs().iter().collect();
    let Some(first) = runs.first() else {
        return String::new();
    };
    let shared = |name: &str, of: &dyn Fn(&Run) -> String| {
        let value = of(first);
        let says = !value.is_empty() && runs.iter().all(|run| of(run) == value);
        says.then(|| format!("{name} {value}"))
    };
    let parts = [
        shared("data", &|run| run.record.data_name.clone()),
        shared("net", &|run| run.record.config.net.clone()),
        shared("batch", &|run| run.record.config.batch_size.to_string()),
        shared("optimizer", &|run| run.record.config.optimizer.clone()),
        shared("weight decay", &|run| rate(run.record.config.weight_decay)),
        shared("augmentation", &|run| run.record.config.augment.clone()),
        shared("input", &|run| run.record.config.input()),
        shared("batch norm momentum", &|run| rate(run.record.config.bn_momentum)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("<p class=\"setting\">{}; {} runs</p>", escape(&parts.join(", ")), runs.len())
}

fn arms(report: &Report, drawn: &Drawn) -> String {
    let Some(accuracy) = report.accuracy else {
        return String::new();
    };
    let mut section = format!("<h2>Final {} by arm and length</h2>\n", accuracy.name());
    let caption =
        "One dot per seed; whiskers are one standard deviation over seeds. Final accuracy, never the best of the run.";
    section.push_str(&drawn.figure("accuracy-by-length", caption, false));
    let head = [
        ("steps", false),
        ("arm", true),
        ("highest rate", false),
        ("mean", false),
        ("sd", false),
        ("training", false),
        ("gap", false),
    ];
    let mut cells: Vec<&Cell> = report.cells.iter().collect();
    cells.sort_by(|a, b| (a.iterations, &a.arm).cmp(&(b.iterations, &b.arm)));
    let rows: Vec<Vec<String>> = cells.into_iter().map(arm_row).collect();
    section.push_str(&table(&head, &rows));
    let note = "The gap is training accuracy minus final accuracy, in points; training accuracy is measured on the images as they are, after the last step.";
    let _ = writeln!(section, "<p class=\"note\">{note}</p>");
    section.push_str(&comparisons(report));
    section
}

fn comparisons(report: &Report) -> String {
    if report.comparisons.is_empty() {
        return String::new();
    }
    let mut section = String::from("<h2>Arms against each other</h2>\n");
    let head = [
        ("arm", true),
        ("against", true),
        ("steps", false),
        ("difference", false),
        ("95% interval", false),
        ("over images too", false),
        ("would show", false),
        ("seeds", false),
        ("", true),
    ];
    let interval = |i: Option<(f64, f64)>| {
        i.map_or_else(String::new, |(low, high)| format!("{} to {}", points(low), points(high)))
    };
    let row = |comparison: &Comparison| {
        let Comparison { arm, baseline, iterations, pairs, difference, .. } = comparison;
        vec![
            escape(arm),
            escape(baseline),
            count(*iterations),
            points(difference.mean),
            interval(difference.interval),
            interval(difference.interval_over_images),
            difference.detectable.map_or_else(String::new, |d| format!("{:.1}", 100.0 * d)),
            pairs.to_string(),
            verdict(comparison),
        ]
    };
    section.push_str(&table(&head, &report.comparisons.iter().map(row).collect::<Vec<_>>()));
    let note = format!(
        "Differences in points, paired by seed. An arm wins or loses where the 95% interval (Student's t) lies above or below 0; it ties where \
         the 90% interval lies within {:.1} points of 0 (two one-sided tests at 5%); else the seeds do not decide. Over images too: the \
         interval if the test images are taken as a sample as well. Would show: the difference that so many seeds, with this spread, show \
         in four studies of five.",
        100.0 * report.margin
    );
    let _ = writeln!(section, "<p class=\"note\">{}</p>", escape(&note));
    section
}

fn arm_row(cell: &Cell) -> Vec<String> {
    let optional = |value: Option<f64>| value.map_or_else(String::new, percent);
    let rates: Vec<String> = cell.max_lr.iter().map(|lr| rate(*lr)).collect();
    vec![
        count(cell.iterations),
        escape(&cell.arm),
        rates.join(", "),
        percent(cell.mean_accuracy),
        cell.sd_accuracy.map_or_else(String::new, |sd| format!("{:.2}", 100.0 * sd)),
        optional(cell.mean_train_accuracy),
        cell.mean_gap.map_or_else(String::new, points),
    ]
}

fn verdict(comparison: &Comparison) -> String {
    let (class, word) = match comparison.verdict {
        Verdict::Wins => ("wins", "wins"),
        Verdict::Ties => ("ties", "ties"),
        Verdict::Loses => ("loses", "loses"),
        Verdict::Undecided => ("ties", "undecided"),
        Verdict::Unclear => ("ties", "one seed"),
    };
    format!("<span class=\"{class}\">{word}</span>")
}

fn range_tests(report: &Report, drawn: &Drawn) -> String {
    if report.curves.is_empty() && report.suggestions.is_empty() {
        return String::new();
    }
    let mut section = String::from("<h2>Range test</h2>\n");
    for suggestion in &report.suggestions {
        section.push_str(&suggestion_box(suggestion));
    }
    section.push_str("<div class=\"figures\">\n");
    let kinds = Ramp::told_apart(&report.curves);
    let kinds = if kinds.is_empty() { kinds } else { format!(" Ramps: {kinds}.") };
    for (name, kinds) in [("range-test-log", kinds.as_str()), ("range-test-linear", "")] {
        section.push_str(&drawn.figure(name, &format!("{RANGE_TEST_CAPTION}{kinds}"), true));
    }
    section.push_str("</div>\n");
    for suggestion in &report.suggestions {
        section.push_str(&other_rules(suggestion));
    }
    section
}

fn suggestion_box(suggestion: &Suggestion) -> String {
    let entry = |name: &str, lr: Option<f64>, interval: Option<Interval>| {
        let within = interval.map_or_else(String::new, |i| format!("{} to {}", rate(i.low), rate(i.high)));
        let lr = lr.map_or_else(|| "none".to_owned(), rate);
        format!("<div><span class=\"note\">{name}</span><b>{lr}</b><span class=\"note\">{within}</span></div>\n")
    };
    let mut text = String::from("<div class=\"rates\">\n");
    let outcome = name_of(suggestion.outcome);
    let _ = writeln!(
        text,
        "<div><span class=\"note\">outcome</span><b>{outcome}</b><span class=\"note\">confidence {}</span></div>",
        suggestion.confidence
    );
    text.push_str(&entry("lowest useful rate", suggestion.min_lr, suggestion.min_lr_interval));
    text.push_str(&entry("highest useful rate", suggestion.max_lr, suggestion.max_lr_interval));
    text.push_str("</div>\n");
    text.push_str(&list("reasons", &suggestion.reasons));
    text
}

fn other_rules(suggestion: &Suggestion) -> String {
    let rows: Vec<Vec<String>> = suggestion
        .other_rules
        .iter()
        .map(|(name, lr)| vec![escape(name), lr.map_or_else(|| "none".to_owned(), rate)])
        .collect();
    let head = [("rule", true), ("rate", false)];
    format!(
        "<details><summary>What other rules answer on the same curves</summary>\n{}</details>\n",
        table(&head, &rows)
    )
}

fn grid(report: &Report, drawn: &Drawn) -> String {
    if report.grid.is_empty() {
        return String::new();
    }
    let mut section = String::from("<h2>The baseline's grid</h2>\n");
    let note = "The baseline gets its own best rate at each length, chosen on validation images; the test set chooses nothing.";
    let _ = writeln!(section, "<p class=\"note\">{note}</p>");
    let caption = "Mean over the grid's seeds; runs that diverged count at chance.";
    section.push_str(&drawn.figure("grid", caption, false));
    let head = [
        ("steps", false),
        ("rate", false),
        ("validation accuracy", false),
        ("runs", false),
        ("diverged", false),
        ("", true),
    ];
    let rows: Vec<Vec<String>> = report.grid.iter().map(grid_row).collect();
    section.push_str(&table(&head, &rows));
    section
}

fn grid_row(point: &GridPoint) -> Vec<String> {
    let chosen = match (point.chosen, point.at_edge) {
        (true, true) => "chosen, at the grid's edge: a better rate may lie beyond",
        (true, false) => "chosen",
        _ => "",
    };
    vec![
        count(point.iterations),
        rate(point.lr),
        percent(point.mean_val_accuracy),
        point.runs.to_string(),
        point.diverged.to_string(),
        chosen.to_owned(),
    ]
}

fn training(drawn: &Drawn) -> String {
    let names = drawn.drawings.iter().map(|(name, _)| name);
    let names: Vec<&String> = names.filter(|name| *name == "schedules" || name.starts_with("curves-")).collect();
    if names.is_empty() {
        return String::new();
    }
    let mut section = String::from("<h2>Schedules and curves</h2>\n<div class=\"figures\">\n");
    for name in names {
        let caption = match name.strip_prefix("curves-") {
            Some(steps) => format!(
                "{} steps: training solid, validation or test images dashed; mean over seeds, band one standard deviation; dots are the final accuracy of each seed.",
                steps.parse().map_or_else(|_| steps.to_owned(), count)
            ),
            None => "Rate and momentum of each arm.".to_owned(),
        };
        section.push_str(&drawn.figure(name, &caption, true));
    }
    section.push_str("</div>\n");
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_loses_what_separates_nothing() {
        let script = "// A comment\n  const a = {b: \"c : d\"};\n\n  if (a in b) return `${a} ± ${b}` + +c;\n";
        assert_eq!(compact(script), "const a={b:\"c : d\"};if(a in b)return `${a} ± ${b}`+ +c;");
    }

    /// What every page carries: at most 10 KB.
    #[test]
    fn the_script_is_small() {
        let size = compact(SCRIPT).len();
        assert!(size <= 10 * 1024, "{size} bytes");
    }
}
