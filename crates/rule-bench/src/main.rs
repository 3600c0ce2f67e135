//! `rule-bench`: what rules for the highest rate cost, against a ground truth. `make rule-bench` makes its runs.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use analyze::Result;
use analyze::plot::render;
use artifacts::atomic;
use cli::{arguments, output};

mod anew;
mod by_curve;
mod claims;
mod confidence;
mod flags;
mod regret;

use claims::read::{ANEW, BY_CURVE, Tables};
use flags::Flags;
use regret::bench::{Bench, Role};
use regret::{drawing, of_role, tables};

const PROGRAM: &str = "rule-bench";

fn main() -> ExitCode {
    cli::run(PROGRAM, measure(&arguments::parse()).map(|()| 0))
}

/// Files first: what is printed may have no reader.
fn measure(flags: &Flags) -> Result<()> {
    if flags.claims {
        let tables = Tables::read(&flags.folder)?;
        return output::text(match &flags.fitted_on {
            Some(folder) => claims::elsewhere::report(&tables, &Tables::read(folder)?),
            None => claims::report(&tables),
        });
    }
    if let Some(runs) = &flags.by_curve {
        return measure_by_curve(flags, runs);
    }
    if let Some(runs) = &flags.anew {
        return measure_anew(flags, runs);
    }
    let Some(out) = &flags.out else { return Ok(()) };
    let bench = Bench::read(&flags.folder, &flags.tuning, &flags.judging)?;
    for line in &bench.left_out {
        output::warning(PROGRAM, format_args!("{line}: left out"));
    }
    let answers = regret::answers(&bench);
    let mut files = vec![
        ("settings.csv".to_owned(), tables::settings(&bench)),
        ("truth.csv".to_owned(), tables::ground_truth(&bench)),
        ("answers.csv".to_owned(), tables::answers(&bench, &answers)),
    ];
    let (mut all, mut summaries) = (Vec::new(), Vec::new());
    for role in Role::ALL.into_iter().filter(|role| of_role(&bench, *role).next().is_some()) {
        let scores = regret::scores(&bench, &answers, role);
        let figures = [drawing::rules(&scores, role), drawing::ground_truths(&bench, &answers, role, &flags.draw)];
        for figure in figures {
            files.push((format!("{}.svg", figure.name), render::svg(&figure)?.into_bytes()));
            files.push((format!("{}.png", figure.name), render::png(&figure)?));
        }
        summaries.push(format!("{} settings\n\n{}", role.name(), tables::markdown(&bench, &scores, role)));
        all.extend(scores);
    }
    files.push(("rules.csv".to_owned(), tables::scores(&all)));
    for (name, bytes) in files {
        atomic::write(&out.join(name), &bytes)?;
    }
    output::text(summaries.join("\n"))
}

/// The present rule on range tests that an earlier one was measured on: its table into the folder of the others, and what it costs.
fn measure_anew(flags: &Flags, runs: &Path) -> Result<()> {
    let mut tables = Tables::read(&flags.folder)?;
    tables.anew = anew::answers(runs, &tables)?;
    atomic::write(&flags.folder.join(ANEW), &anew::table(&tables.anew))?;
    let mut text = String::new();
    anew::report(&mut text, &tables);
    output::text(text.trim_start())
}

/// The rule without a critical rate: its table into the folder of the others, and what it costs.
fn measure_by_curve(flags: &Flags, runs: &Path) -> Result<()> {
    let mut tables = Tables::read(&flags.folder)?;
    tables.by_curve = by_curve::answers(runs, &flags.arm, &tables)?;
    atomic::write(&flags.folder.join(BY_CURVE), &by_curve::table(&tables.by_curve))?;
    let mut text = String::new();
    by_curve::report(&mut text, &tables);
    output::text(text.trim_start())
}
