//! The present rule on range tests that an earlier one was measured on: what a change of the rule alone changes.

use std::fmt::Write as _;
use std::path::Path;

use analyze::{Result, unreadable};
use artifacts::number::round_digits;
use cli::Failure;
use reading::curve::run;
use reading::suggest;

use crate::by_curve::runs;
use crate::claims::losses;
use crate::claims::read::{Answers, RampAnswer, Tables};
use crate::regret::tables::csv;

/// Kinds of range tests that are read.
const ARMS: [&str; 2] = ["around15", "around33"];

/// The answers on every range test `SETTING/around...-seedK` of a folder.
///
/// # Errors
/// When a run cannot be read, or there is none of the tables' settings.
pub(crate) fn answers(folder: &Path, tables: &Tables) -> Result<Vec<RampAnswer>> {
    let mut answers = Vec::new();
    for setting in &tables.settings {
        for arm in ARMS {
            for path in runs(&folder.join(&setting.name), arm)? {
                let (curve, _) = run::read(&path).map_err(unreadable)?;
                answers.push(RampAnswer {
                    setting: setting.name.clone(),
                    range_test: arm.to_owned(),
                    seed: curve.seed.unwrap_or_default(),
                    max_lr: suggest::rates(&curve).map(|rates| round_digits(rates.max, 5)),
                });
            }
        }
    }
    if answers.is_empty() {
        return Err(Failure::unusable(format!("{}: holds no range test SETTING/around...", folder.display()))
            .hint("make rule-bench makes the runs"));
    }
    Ok(answers)
}

/// The answers as a table.
pub(crate) fn table(answers: &[RampAnswer]) -> Vec<u8> {
    let row = |answer: &RampAnswer| {
        let rate = answer.max_lr.map_or_else(String::new, |rate| rate.to_string());
        vec![answer.setting.clone(), answer.range_test.clone(), answer.seed.to_string(), rate]
    };
    csv(&["setting", "range_test", "seed", "max_lr"], answers.iter().map(row))
}

/// Hindsight regret of both rules on the same range tests.
pub(crate) fn report(text: &mut String, tables: &Tables) {
    for arm in ARMS {
        let anew: Vec<&RampAnswer> = tables.anew.iter().filter(|answer| answer.range_test == arm).collect();
        if anew.is_empty() {
            continue;
        }
        let is_read = |one: &&RampAnswer| {
            one.range_test == arm && anew.iter().any(|other| other.setting == one.setting && other.seed == one.seed)
        };
        let before: Vec<&RampAnswer> = tables.ours.iter().filter(is_read).collect();
        let _ = writeln!(text, "\n## The rule as it is now, on {arm}\n");
        let all: Vec<usize> = (0..tables.settings.len()).collect();
        for (name, answers) in [("the earlier rule", before), ("the present rule", anew)] {
            losses(text, tables, &by_setting(tables, &answers), name, &all);
        }
    }
}

fn by_setting(tables: &Tables, answers: &[&RampAnswer]) -> Answers {
    let mut all = Answers::new();
    for answer in answers {
        let index = tables.settings.iter().position(|setting| setting.name == answer.setting);
        if let (Some(index), Some(rate)) = (index, answer.max_lr) {
            all.entry(index).or_default().push(rate);
        }
    }
    all
}
