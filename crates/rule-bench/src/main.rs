//! `rule-bench`: what rules for the highest rate cost, where the best rate was measured. Its runs are made by
//! `make rule-bench`.

use std::process::ExitCode;

use analyze::plot::render;
use anyhow::Result;
use artifacts::atomic;
use clap::Parser as _;
use reading::error::{exit_code, hint};

mod claims;
mod flags;
mod regret;

use claims::read::Tables;
use flags::Flags;
use regret::bench::{Bench, Half};
use regret::{drawing, tables};

fn main() -> ExitCode {
    let Err(error) = measure(&Flags::parse()) else { return ExitCode::SUCCESS };
    eprintln!("rule-bench: {error:#}");
    if let Some(hint) = hint(&error) {
        eprintln!("  {hint}");
    }
    ExitCode::from(exit_code(&error))
}

fn measure(flags: &Flags) -> Result<()> {
    if flags.claims {
        print!("{}", claims::report(&Tables::read(&flags.folder)?));
        return Ok(());
    }
    let Some(out) = &flags.out else { return Ok(()) };
    let bench = Bench::read(&flags.folder, &flags.finding, &flags.judging)?;
    for line in &bench.left_out {
        eprintln!("rule-bench: warning: {line}");
    }
    let answers = regret::answers(&bench);
    let mut files = vec![
        ("settings.csv".to_owned(), tables::settings(&bench).into_bytes()),
        ("truth.csv".to_owned(), tables::truth(&bench).into_bytes()),
        ("answers.csv".to_owned(), tables::answers(&bench, &answers).into_bytes()),
    ];
    let mut all = Vec::new();
    for (name, half) in Half::NAMES {
        let scores = regret::scores(&bench, &answers, half);
        let figures = [drawing::rules(&scores, half), drawing::truths(&bench, &answers, half, &flags.draw)];
        for figure in figures {
            files.push((format!("{}.svg", figure.name), render::svg(&figure)?.into_bytes()));
            files.push((format!("{}.png", figure.name), render::png(&figure)?));
        }
        println!("{name} half\n\n{}", tables::markdown(&bench, &scores, half));
        all.extend(scores);
    }
    files.push(("rules.csv".to_owned(), tables::scores(&all).into_bytes()));
    for (name, bytes) in files {
        atomic::write(&out.join(name), &bytes)?;
    }
    Ok(())
}
