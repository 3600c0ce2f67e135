//! Where the rates come from: flags, a suggestion, or a choice.

use std::path::Path;

use artifacts::suggestion::{Setting, Suggestion};
use artifacts::{choice, suggestion};
use cli::Failure;
use launch::flags::value_name;
use launch::run::Prepared;

use crate::flags::Arguments;

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

/// The rates of the flags, those missing out of the suggestion or choice that the flags name.
///
/// # Errors
/// When that file cannot be used, holds for another setting, or has no rate to suggest.
pub(crate) fn resolve(arguments: &Arguments, prepared: &Prepared) -> Result<ScheduleRates, Failure> {
    let schedule = &arguments.schedule;
    let given = ScheduleRates { lr: schedule.lr, min_lr: schedule.min_lr, max_lr: schedule.max_lr };
    let found = if let Some(path) = &arguments.suggestion {
        suggested(path, arguments, prepared)?
    } else if let Some(path) = &arguments.choice {
        let choice = choice::read(path)
            .map_err(|error| Failure::from(error).hint("a choice is made by sc-analyze choose RUN... --out FILE"))?;
        ScheduleRates { lr: Some(choice.lr), ..ScheduleRates::default() }
    } else {
        ScheduleRates::default()
    };
    Ok(ScheduleRates {
        lr: given.lr.or(found.lr),
        min_lr: given.min_lr.or(found.min_lr),
        max_lr: given.max_lr.or(found.max_lr),
    })
}

fn suggested(path: &Path, arguments: &Arguments, prepared: &Prepared) -> Result<ScheduleRates, Failure> {
    let suggestion = suggestion::read(path)
        .map_err(|error| Failure::from(error).hint("a suggestion is made by sc-analyze suggest RUN... --out FILE"))?;
    if !arguments.flags.force {
        same_setting(path, &suggestion.setting, prepared)?;
    }
    let Suggestion { min_lr, max_lr, reasons, .. } = suggestion;
    if max_lr.is_none() {
        let why = reasons.first().map_or("no reason given", String::as_str);
        let message = format!("{}: expected a highest rate, found none: {why}", path.display());
        return Err(Failure::unusable(message).hint("give the rates by hand (--max-lr F), or repeat the range test"));
    }
    Ok(ScheduleRates { lr: max_lr, min_lr, max_lr })
}

/// Refuses a suggestion made for something else. What it does not say (a curve of another tool's) is not compared.
fn same_setting(path: &Path, made_for: &Setting, prepared: &Prepared) -> Result<(), Failure> {
    let flags = prepared.flags();
    let (net, shortcut) = prepared.net();
    let text = |value: &Option<String>| value.clone();
    let number = |value: Option<f64>| value.map(|value| value.to_string());
    let compared = [
        ("data (sha256)", text(&made_for.data_sha256), prepared.data_sha256().to_owned()),
        ("net", text(&made_for.net), net.to_owned()),
        ("shortcut", text(&made_for.shortcut), shortcut.to_owned()),
        ("batch size", made_for.batch_size.map(|size| size.to_string()), flags.batch_size.to_string()),
        ("optimizer", text(&made_for.optimizer), value_name(flags.optimizer)),
        ("momentum", number(made_for.momentum), flags.momentum.to_string()),
        ("weight decay", number(made_for.weight_decay), flags.weight_decay.to_string()),
    ];
    for (what, found, expected) in compared {
        if let Some(found) = found.filter(|found| *found != expected) {
            let message =
                format!("{}: expected a suggestion for {what} {expected}, found one for {found}", path.display());
            return Err(
                Failure::unusable(message).hint("make a range test of this setting, or use it all the same: --force")
            );
        }
    }
    Ok(())
}
