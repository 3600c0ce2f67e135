//! Kills every stage at random moments, lets it run to its end, and holds the outcome against an undisturbed run.
//!
//!     cargo run --release -p end-to-end --bin torture -- KILLS SEED
//!
//! KILLS is the number of kills of each program's stage; `make` as a whole gets a tenth of it. Ends with 1 where a kill
//! was not survived.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use end_to_end::kill::{Stage, Tally};
use end_to_end::stages::{Stages, whole_study};

fn main() -> ExitCode {
    let number = |at: usize, otherwise: u64| {
        std::env::args().nth(at).map_or(otherwise, |text| text.parse().expect("KILLS and SEED are whole numbers"))
    };
    let (kills, seed) = (number(1, 25), number(2, 1));
    println!("kills of each stage: {kills}; seed {seed}");
    println!("{:<26} {:>6} {:>9} {:>9}", "stage", "kills", "at files", "survived");
    let mut tallies = Vec::new();
    let stages = Stages::new(80);
    let one: [fn(&Stages) -> Stage; 10] = [
        Stages::prep,
        Stages::init,
        Stages::rangetest,
        Stages::train,
        Stages::train_by_time,
        Stages::diverging,
        Stages::probe,
        Stages::suggest,
        Stages::choose,
        Stages::report,
    ];
    for make_stage in one {
        tallies.push(say(make_stage(&stages).survive(kills, seed)));
    }
    let (_checkout, study) = whole_study();
    tallies.push(say(study.survive(kills.div_ceil(10).max(3), seed)));
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    println!("{:<26} {:>6} {:>9} {:>9}", "all", sum(|t| t.tried), sum(|t| t.at_files), sum(|t| t.survived));
    if tallies.iter().all(Tally::is_clean) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(tally: Tally) -> Tally {
    println!("{:<26} {:>6} {:>9} {:>9}", tally.name, tally.tried, tally.at_files, tally.survived);
    for fault in &tally.faults {
        println!("  {fault}");
    }
    tally
}
