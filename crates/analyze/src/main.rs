//! `sc-analyze`: the command line of the analysis. Results to stdout, everything else to stderr.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use analyze::report::search::SearchReport;
use analyze::report::{PAGE, Report};
use analyze::table::Vary;
use analyze::verify::{Sources, Verdict};
use analyze::{choose, glob, table, verify};
use anyhow::Result;
use artifacts::finished::{self, Run};
use artifacts::suggestion::Suggestion;
use artifacts::{json, number, recipe, suggestion};
use clap::Parser as _;
use reading::curve::{Curve, csv, run};
use reading::error::{BadInput, exit_code, hint};
use reading::suggest::suggest;

mod flags;

use flags::{
    ChooseFlags, Command, CompareFlags, Flags, ReportFlags, ShapeFlags, SuggestFlags, TableFlags, VerifyFlags,
};

fn main() -> ExitCode {
    match dispatch(Flags::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sc-analyze: {error:#}");
            if let Some(hint) = hint(&error) {
                eprintln!("  {hint}");
            }
            ExitCode::from(exit_code(&error))
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Verify(flags) => return verify_command(&flags),
        Command::Suggest(flags) => suggest_command(&flags),
        Command::Report(flags) => report_command(&flags),
        Command::Choose(flags) => choose_command(&flags),
        Command::Compare(flags) => compare_command(&flags),
        Command::Table(flags) => table_command(&flags),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("sc-analyze: warning: {warning}");
    }
}

fn suggest_command(flags: &SuggestFlags) -> Result<()> {
    if flags.out.is_none() && !flags.json {
        let hint = "name a file for the suggestion (--out suggestion.json), or ask for it on stdout (--json)";
        return Err(BadInput::new("expected --out FILE or --json, found neither", hint).into());
    }
    let curves = flags.curves.iter().map(|path| read_curve(path, flags.classes)).collect::<Result<Vec<_>>>()?;
    let suggestion = suggest(&curves)?;
    if let Some(path) = &flags.out {
        json::write(path, &suggestion)?;
    }
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&suggestion)?);
    } else {
        print_suggestion(&suggestion);
    }
    Ok(())
}

fn read_curve(path: &Path, classes: Option<u32>) -> Result<Curve> {
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    if is_csv {
        let read = csv::read(path, classes.map(|classes| classes as usize))?;
        warn(&read.warnings);
        return Ok(read.curve);
    }
    let (curve, warnings) = run::read(&finished::folder_of(path))?;
    warn(&warnings);
    Ok(curve)
}

fn print_suggestion(suggestion: &Suggestion) {
    let rate = |lr: Option<f64>| lr.map_or_else(|| "none".to_owned(), number::rate);
    println!(
        "{}: learning rates from {} to {} (confidence {})",
        reading::suggest::name_of(suggestion.outcome),
        rate(suggestion.min_lr),
        rate(suggestion.max_lr),
        suggestion.confidence
    );
    for reason in &suggestion.reasons {
        println!("- {}", reason.sentence);
    }
}

fn report_command(flags: &ReportFlags) -> Result<()> {
    let (runs, warnings) = finished::load(&flags.runs)?;
    warn(&warnings);
    if let Some(path) = &flags.recipe {
        let report = SearchReport::new(&flags.title, recipe::read(path)?, path, runs, warnings)?;
        report.write(&flags.out)?;
        print_findings(&report.findings, &flags.out);
        return Ok(());
    }
    if runs.is_empty() {
        return Err(BadInput::new("no finished run was given", "name the folders of finished runs").into());
    }
    let suggestions = flags.suggestion.iter().map(|path| Ok(suggestion::read(path)?)).collect::<Result<Vec<_>>>()?;
    let left_out = warnings.len();
    let report = Report::new(&flags.title, runs, suggestions, warnings)?;
    warn(&report.warnings[left_out..]);
    report.write(&flags.out)?;
    print_findings(&report.findings, &flags.out);
    Ok(())
}

fn print_findings(findings: &[String], folder: &Path) {
    for finding in findings {
        println!("{finding}");
    }
    println!("report: {}", folder.join(PAGE).display());
}

fn choose_command(flags: &ChooseFlags) -> Result<()> {
    let runs = finished(&flags.runs)?;
    let choice = choose::choose(&runs)?;
    json::write(&flags.out, &choice)?;
    if let Some(few) = choice.candidates.iter().find(|candidate| candidate.runs < 2) {
        let rate = number::rate(few.lr);
        warn(&[format!("rate {rate} rests on one run: with more seeds the choice would be less a matter of luck")]);
    }
    let mean = choice.candidates.iter().find(|c| c.lr == choice.lr).and_then(|c| c.mean_val_accuracy);
    let edge = if choice.at_edge { ", at the edge of its grid: a better rate may lie beyond" } else { "" };
    println!(
        "learning rate {} of {} rates at {} steps (held-out accuracy {}){edge}",
        number::rate(choice.lr),
        choice.candidates.len(),
        number::count(choice.iterations),
        mean.map_or_else(|| "unknown".to_owned(), number::percent)
    );
    Ok(())
}

/// The runs at `paths`, every one of them finished: to choose among some would be to choose by which were quick.
fn finished(paths: &[PathBuf]) -> Result<Vec<Run>> {
    let (runs, unfinished) = finished::load(paths)?;
    match unfinished.first() {
        None => Ok(runs),
        Some(first) => {
            let message = first.trim_end_matches(": left out");
            Err(BadInput::new(message, "finish the run (--resume), then choose").into())
        }
    }
}

fn compare_command(flags: &CompareFlags) -> Result<()> {
    side_by_side(&flags.runs, &flags.vary.vary(), &flags.shape)
}

fn table_command(flags: &TableFlags) -> Result<()> {
    side_by_side(&folders(&flags.patterns)?, &flags.vary.vary(), &flags.shape)
}

fn side_by_side(folders: &[PathBuf], vary: &Vary, shape: &ShapeFlags) -> Result<()> {
    let (runs, warnings) = finished::load(folders)?;
    warn(&warnings);
    table::check_comparable(&runs, vary)?;
    warn(&table::warnings(&runs));
    print_table(&table::of(&runs), shape)
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

fn verify_command(flags: &VerifyFlags) -> Result<ExitCode> {
    let mut sources = Sources::in_folder(&flags.root);
    let mut verdicts = Vec::new();
    for folder in folders(&flags.patterns)? {
        let verdict = verify::run(&finished::folder_of(&folder), &mut sources);
        if !flags.json {
            println!("{verdict}");
        }
        verdicts.push(verdict);
    }
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&verdicts)?);
    }
    Ok(if verdicts.iter().all(Verdict::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_table(table: &table::Table, shape: &ShapeFlags) -> Result<()> {
    if shape.json {
        println!("{}", serde_json::to_string_pretty(&table.to_json())?);
    } else if shape.csv {
        print!("{}", table.to_csv());
    } else {
        print!("{}", table.to_text());
    }
    Ok(())
}
