//! `sc-analyze`: the command line of the analysis. Results to stdout, everything else to stderr.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use analyze::claims::{self, Document, Found, Head};
use analyze::export::Export;
use analyze::report::search::SearchReport;
use analyze::report::{PAGE, Report};
use analyze::table::Vary;
use analyze::verify::{Sources, Verification};
use analyze::{Result, choose, glob, printed, table, unfinished, unreadable, verify};
use artifacts::finished::{self, Run};
use artifacts::suggestion::Suggestion;
use artifacts::{json, number, recipe, suggestion};
use cli::{FAILED, Failure, arguments, output};
use reading::curve::{self, Curve, Given};
use reading::suggest::{name_of, suggest};

mod flags;

use flags::{
    ChooseFlags, ClaimsFlags, Command, CompareFlags, ExportFlags, Flags, ReportFlags, ShapeFlags, SuggestFlags,
    TableFlags, VerifyFlags,
};

const PROGRAM: &str = "sc-analyze";

fn main() -> ExitCode {
    let flags: Flags = arguments::parse();
    cli::run(PROGRAM, dispatch(&flags.command))
}

/// The exit code of a command.
fn dispatch(command: &Command) -> Result<u8> {
    match command {
        Command::Verify(flags) => return verify_command(flags),
        Command::Suggest(flags) => suggest_command(flags),
        Command::Report(flags) => report_command(flags),
        Command::Choose(flags) => choose_command(flags),
        Command::Compare(flags) => compare_command(flags),
        Command::Table(flags) => table_command(flags),
        Command::Claims(flags) => claims_command(flags),
        Command::Export(flags) => export_command(flags),
        Command::Start(_) => Err(moved("start", "sc-search start")),
        Command::Next(_) => Err(moved("next", "sc-search next")),
        Command::Regret(_) => Err(moved("regret", "rule-bench")),
    }
    .map(|()| 0)
}

fn moved(command: &str, now: &str) -> Failure {
    Failure::unusable(format!("`{PROGRAM} {command}` is now `{now}`"))
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        output::warning(PROGRAM, warning);
    }
}

fn suggest_command(flags: &SuggestFlags) -> Result<()> {
    let given = flags.given.given();
    let curves = flags.curves.iter().map(|path| read_curve(path, &given)).collect::<Result<Vec<_>>>()?;
    let suggestion = suggest(&curves).map_err(unreadable)?;
    if let Some(path) = &flags.out {
        json::write(path, &suggestion)?;
    }
    if flags.json {
        output::json(&suggestion)
    } else if flags.out.is_some() {
        print_suggestion(&suggestion)
    } else {
        print_answer(&suggestion)
    }
}

fn read_curve(path: &Path, given: &Given) -> Result<Curve> {
    let (curve, warnings) = curve::read(path, given).map_err(unreadable)?;
    warn(&warnings);
    Ok(curve)
}

/// What somebody reads who asked for no file.
fn print_answer(suggestion: &Suggestion) -> Result<()> {
    let mut lines = output::Lines::new();
    for line in printed::lines(suggestion, output::is_styled()) {
        lines.line(line)?;
    }
    lines.finish()
}

fn print_suggestion(suggestion: &Suggestion) -> Result<()> {
    let rate = |lr: Option<f64>| lr.map_or_else(|| "none".to_owned(), number::rate);
    let mut lines = output::Lines::new();
    lines.line(format_args!(
        "{}: learning rates from {} to {} (confidence {})",
        name_of(suggestion.outcome),
        rate(suggestion.min_lr),
        rate(suggestion.max_lr),
        suggestion.confidence
    ))?;
    for reason in &suggestion.reasons {
        lines.line(format_args!("- {}", reason.sentence))?;
    }
    lines.finish()
}

fn report_command(flags: &ReportFlags) -> Result<()> {
    let (runs, left_out) = finished::load(&flags.runs)?;
    let left_out = unfinished::warnings(&left_out);
    warn(&left_out);
    if let Some(path) = &flags.recipe {
        let report = SearchReport::new(&flags.title, recipe::read(path)?, path, runs, left_out)?;
        report.write(&flags.out)?;
        return print_findings(&report.findings, &flags.out);
    }
    let suggestions = flags.suggestion.iter().map(|path| suggestion::read(path)).collect::<Result<Vec<_>, _>>()?;
    let said = left_out.len();
    let report = Report::new(&flags.title, runs, flags.margin / 100.0, suggestions, left_out)?;
    warn(&report.warnings[said..]);
    report.write(&flags.out)?;
    let heading = if report.short.is_empty() { None } else { Some("In short:".to_owned()) };
    let said: Vec<String> = report.findings.into_iter().chain(heading).chain(report.short).collect();
    print_findings(&said, &flags.out)
}

fn print_findings(findings: &[String], folder: &Path) -> Result<()> {
    let mut lines = output::Lines::new();
    for finding in findings {
        lines.line(finding)?;
    }
    lines.line(format_args!("report: {}", folder.join(PAGE).display()))?;
    lines.finish()
}

fn choose_command(flags: &ChooseFlags) -> Result<()> {
    let (runs, left_out) = finished::load(&flags.runs)?;
    unfinished::refuse(&left_out)?;
    let choice = choose::choose(&runs)?;
    json::write(&flags.out, &choice)?;
    if let Some(few) = choice.candidates.iter().find(|candidate| candidate.runs < 2) {
        let rate = number::rate(few.lr);
        warn(&[format!("rate {rate} rests on one run: with more seeds the choice would be less a matter of luck")]);
    }
    let mean = choice.candidates.iter().find(|c| c.lr == choice.lr).and_then(|c| c.mean_val_accuracy);
    let edge = if choice.at_edge { ", at the edge of its grid: a better rate may lie beyond" } else { "" };
    output::result(format_args!(
        "learning rate {} of {} rates at {} steps (validation accuracy {}){edge}",
        number::rate(choice.lr),
        choice.candidates.len(),
        number::count(choice.iterations),
        mean.map_or_else(|| "unknown".to_owned(), number::percent)
    ))
}

fn compare_command(flags: &CompareFlags) -> Result<()> {
    side_by_side(&flags.runs, &flags.vary.vary(), &flags.shape)
}

fn table_command(flags: &TableFlags) -> Result<()> {
    side_by_side(&folders(&flags.patterns)?, &flags.vary.vary(), &flags.shape)
}

fn side_by_side(folders: &[PathBuf], vary: &Vary, shape: &ShapeFlags) -> Result<()> {
    let (runs, left_out) = finished::load(folders)?;
    warn(&unfinished::warnings(&left_out));
    table::check_comparable(&runs, vary)?;
    warn(&table::warnings(&runs));
    print_table(&runs, shape)
}

fn claims_command(flags: &ClaimsFlags) -> Result<()> {
    let folder = flags.out.with_extension("");
    if folder == flags.out {
        return Err(Failure::unusable(format!("--out {}: expected a file that ends in .md", flags.out.display())));
    }
    let mut lines = output::Lines::new();
    let one = flags.of.as_deref().map(Head::read).transpose()?;
    let all = match (&flags.all, &one) {
        (Some(all), _) => claims::experiments(all)?,
        (None, one) => one.iter().cloned().collect(),
    };
    if let (Some(head), Some(scale)) = (&one, &flags.scale) {
        let (runs, left_out) = finished::load(&flags.runs)?;
        warn(&unfinished::warnings(&left_out));
        let found = Found::new(head, &runs, scale, flags.margin)?;
        found.write(&folder, &runs)?;
        for line in found.lines() {
            lines.line(line)?;
        }
    }
    Document::read(&flags.title, all, &folder)?.write(&flags.out)?;
    lines.line(format_args!("page: {}", flags.out.display()))?;
    lines.finish()
}

/// The folders that patterns name, each once.
fn folders(patterns: &[String]) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        let found = glob::runs(pattern)?;
        folders.extend(found.into_iter().filter(|folder| !folders.contains(folder)).collect::<Vec<_>>());
    }
    Ok(folders)
}

fn export_command(flags: &ExportFlags) -> Result<()> {
    let export = Export::read(&folders(&flags.patterns)?)?;
    warn(&export.warnings);
    let mut lines = output::Lines::new();
    if let Some(folder) = &flags.tensorboard {
        let files = export.tensorboard(folder)?;
        let shown = folder.display();
        lines.line(format_args!("{}: tensorboard --logdir {shown}", counted(files, "event file")))?;
    }
    if let Some(folder) = &flags.csv {
        let files = export.csv(folder)?;
        lines.line(format_args!("{} in {}", counted(files, "table"), folder.display()))?;
    }
    if let Some(file) = &flags.parquet {
        let rows = export.parquet(file)?;
        lines.line(format_args!("{} in {}", counted(rows, "step"), file.display()))?;
    }
    lines.finish()
}

/// A number of things, in words.
fn counted(number: usize, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", number::count(number as u64))
}

fn verify_command(flags: &VerifyFlags) -> Result<u8> {
    let mut sources = Sources::in_folder(&flags.root);
    let mut verdicts = Vec::new();
    for folder in folders(&flags.patterns)? {
        let verdict = verify::run(&finished::folder_of(&folder), &mut sources);
        if !flags.json {
            output::result(&verdict)?;
        }
        verdicts.push(verdict);
    }
    if flags.json {
        output::json(&verdicts)?;
    }
    Ok(if verdicts.iter().all(Verification::holds) { 0 } else { FAILED })
}

fn print_table(runs: &[Run], shape: &ShapeFlags) -> Result<()> {
    let table = table::of(runs)?;
    if shape.json {
        output::json(&table.to_json())
    } else if shape.csv {
        output::text(table.to_csv()?)
    } else {
        output::text(table.to_text())
    }
}
