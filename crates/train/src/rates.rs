//! Where the rates come from: flags, a suggestion, or a choice.

use std::path::Path;

use artifacts::choice::{self, Choice};
use artifacts::run::Source;
use artifacts::suggestion::{self, Suggestion};
use clap::ValueEnum as _;
use cli::Failure;
use launch::flags::value_name;
use launch::made_for;
use launch::run::Prepared;

use crate::flags::{Arguments, Name};

/// The rates that a schedule may need.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ScheduleRates {
    /// The rate of a schedule that has one.
    pub(crate) lr: Option<f64>,
    /// Lower bound of a cycle.
    pub(crate) min_lr: Option<f64>,
    /// Upper bound of a cycle.
    pub(crate) max_lr: Option<f64>,
}

/// A suggestion or a choice that the flags name, as it was read, once.
pub(crate) struct RatesFile {
    /// The file, with the hash of the bytes that were read.
    pub(crate) source: Source,
    content: Content,
}

enum Content {
    Suggestion(Suggestion),
    Choice(Choice),
}

/// Reads the suggestion or choice that the flags name, if any.
///
/// # Errors
/// When it cannot be read, or has no rate for the schedule.
pub(crate) fn read(arguments: &Arguments) -> Result<Option<RatesFile>, Failure> {
    let schedule = arguments.schedule.name()?;
    let (path, (content, sha256)) = if let Some(path) = &arguments.suggestion {
        check_is_cyclical(schedule)?;
        let (suggestion, sha256) = suggestion::read_with_hash(path).map_err(|error| {
            made_for::unreadable(error, "a suggestion is made by sc-analyze suggest RUN... --out FILE")
        })?;
        (path, (Content::Suggestion(suggestion), sha256))
    } else if let Some(path) = &arguments.choice {
        let (choice, sha256) = choice::read_with_hash(path)
            .map_err(|error| made_for::unreadable(error, "a choice is made by sc-analyze choose RUN... --out FILE"))?;
        if !arguments.flags.force {
            check_same_kind(path, &choice, schedule)?;
        }
        (path, (Content::Choice(choice), sha256))
    } else {
        return Ok(None);
    };
    Ok(Some(RatesFile { source: Source::new(path, sha256), content }))
}

/// Refuses a suggestion for a schedule without a cycle: the highest rate that a cycle passes through for a moment is too
/// high to stay at, or to start from.
fn check_is_cyclical(schedule: Name) -> Result<(), Failure> {
    if schedule.is_cyclical() {
        return Ok(());
    }
    let message = format!(
        "--suggestion does not apply to --schedule {}: it holds the highest rate of a cycle, not one to start from",
        value_name(schedule)
    );
    Err(Failure::unusable(message)
        .hint("give a rate by hand (--lr F) or one chosen from a grid (--choice FILE), or take --schedule 1cycle"))
}

/// Refuses a choice among highest rates of cycles for a schedule that starts from its rate, and the other way round.
fn check_same_kind(path: &Path, choice: &Choice, schedule: Name) -> Result<(), Failure> {
    let highest = is_highest(choice);
    if highest == schedule.is_cyclical() {
        return Ok(());
    }
    let (of, flag) = if highest {
        ("the highest of a cycle, not one to start from", "--lr F")
    } else {
        ("one to start from, not the highest of a cycle", "--max-lr F")
    };
    let chosen_for = choice.schedule.as_ref().map_or_else(String::new, |name| format!(", chosen for {name}"));
    let message = format!(
        "--choice does not apply to --schedule {}: the rate in {}{chosen_for}, is {of}",
        value_name(schedule),
        path.display()
    );
    Err(Failure::unusable(message)
        .hint(format!("give the rate by hand ({flag}), choose among runs of this schedule, or pass --force")))
}

/// Whether a choice is of the highest rate of a cycle.
fn is_highest(choice: &Choice) -> bool {
    choice.schedule.as_deref().is_some_and(|name| Name::from_str(name, false).is_ok_and(Name::is_cyclical))
}

/// The rates of the flags, those missing out of the suggestion or choice.
///
/// # Errors
/// When that holds for another setting, or has no rate.
pub(crate) fn resolve(
    arguments: &Arguments,
    file: Option<RatesFile>,
    prepared: &Prepared,
) -> Result<ScheduleRates, Failure> {
    let schedule = &arguments.schedule;
    let found = match file {
        Some(file) => from_file(file, prepared)?,
        None => ScheduleRates::default(),
    };
    Ok(ScheduleRates {
        lr: schedule.lr.or(found.lr),
        min_lr: schedule.min_lr.or(found.min_lr),
        max_lr: schedule.max_lr.or(found.max_lr),
    })
}

fn from_file(file: RatesFile, prepared: &Prepared) -> Result<ScheduleRates, Failure> {
    let path = Path::new(&file.source.path);
    match file.content {
        Content::Suggestion(Suggestion { setting, min_lr, max_lr, reasons, .. }) => {
            made_for::check(path, &setting, prepared, "make a range test of this setting")?;
            if max_lr.is_none() {
                let why = reasons.first().map_or("no reason given", |reason| reason.sentence.as_str());
                let message = format!("{} suggests no rate: {why}", path.display());
                return Err(
                    Failure::unusable(message).hint("give the rates by hand (--max-lr F), or repeat the range test")
                );
            }
            Ok(ScheduleRates { lr: None, min_lr, max_lr })
        }
        Content::Choice(choice) => {
            if let Some(setting) = &choice.setting {
                made_for::check(path, setting, prepared, "choose among runs of this setting")?;
            }
            Ok(ScheduleRates { lr: Some(choice.lr), min_lr: None, max_lr: is_highest(&choice).then_some(choice.lr) })
        }
    }
}
