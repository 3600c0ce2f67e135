//! What the rule costs that reads a curve alone, without a critical rate: on the benchmark's ramps over all rates.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use analyze::{Result, unreadable};
use artifacts::number::round_digits;
use artifacts::run::RUN_FILE;
use artifacts::{Action, ArtifactError};
use cli::Failure;
use reading::curve::{Curve, run};
use reading::suggest;

use crate::claims::hindsight;
use crate::claims::read::{CurveAnswer, Tables};
use crate::regret::tables::csv;

/// What of a curve is shown to the rule.
pub(crate) const SHOWN: [&str; 2] = ["accuracy", "loss"];

/// The answers on every range test `SETTING/ARM-seedK` of a folder.
///
/// # Errors
/// When a run cannot be read, or there is none of the tables' settings.
pub(crate) fn answers(folder: &Path, arm: &str, tables: &Tables) -> Result<Vec<CurveAnswer>> {
    let mut answers = Vec::new();
    for setting in &tables.settings {
        for path in runs(&folder.join(&setting.name), arm)? {
            let (mut curve, _) = run::read(&path).map_err(unreadable)?;
            curve.critical_lr = None;
            answers.extend(SHOWN.map(|shown| answer(&setting.name, &curve, shown)));
        }
    }
    if answers.is_empty() {
        return Err(Failure::unusable(format!("{}: holds no range test SETTING/{arm}-...", folder.display()))
            .hint("make rule-bench makes the runs"));
    }
    Ok(answers)
}

fn answer(setting: &str, curve: &Curve, shown: &str) -> CurveAnswer {
    let mut curve = curve.clone();
    if shown == "loss" {
        for point in &mut curve.points {
            (point.train_accuracy, point.val_accuracy, point.val_loss) = (None, None, None);
        }
    }
    let rate = suggest::rates(&curve).map(|rates| round_digits(rates.max, 5));
    CurveAnswer {
        setting: setting.to_owned(),
        curve: shown.to_owned(),
        seed: curve.seed.unwrap_or_default(),
        steps: curve.points.len() as u64,
        max_lr: rate,
    }
}

/// The range tests of an arm in a setting's folder, by name; none where the setting has no folder.
pub(crate) fn runs(folder: &Path, arm: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(|source| ArtifactError::io(folder, Action::Read, source))?;
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(arm).is_some_and(|rest| rest.starts_with('-')) && path.join(RUN_FILE).exists()
    };
    let mut runs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(named).collect();
    runs.sort();
    Ok(runs)
}

/// The answers as a table.
pub(crate) fn table(answers: &[CurveAnswer]) -> Vec<u8> {
    let row = |answer: &CurveAnswer| {
        let rate = answer.max_lr.map_or_else(String::new, |rate| rate.to_string());
        vec![answer.setting.clone(), answer.curve.clone(), answer.seed.to_string(), answer.steps.to_string(), rate]
    };
    csv(&["setting", "curve", "seed", "steps", "max_lr"], answers.iter().map(row))
}

/// What a setting costs: the mean over seeds, where a range test without an answer costs what chance does.
fn costs(tables: &Tables, shown: &str, judging: Option<bool>) -> Vec<(f64, String)> {
    let mut costs = Vec::new();
    for setting in tables.settings.iter().filter(|setting| judging.is_none_or(|judging| setting.judging == judging)) {
        let own = tables.by_curve.iter().filter(|answer| answer.setting == setting.name && answer.curve == shown);
        let truth = &setting.ground_truth;
        let at_chance = 100.0 * (truth.means()[truth.best()] - truth.chance);
        let each: Vec<f64> =
            own.map(|answer| answer.max_lr.map_or(at_chance, |rate| hindsight(setting, rate))).collect();
        if !each.is_empty() {
            costs.push((each.iter().sum::<f64>() / each.len() as f64, setting.name.clone()));
        }
    }
    costs
}

/// Hindsight regret of the rule without a critical rate.
pub(crate) fn report(text: &mut String, tables: &Tables) {
    if tables.by_curve.is_empty() {
        return;
    }
    text.push_str(
        "\n## Without a critical rate, by the curve alone\n\n| read from | judging settings | worst of them | tuning settings | \
         all settings | worst | without an answer |\n|---|---|---|---|---|---|---|\n",
    );
    for shown in SHOWN {
        let of = |judging| {
            let costs = costs(tables, shown, judging);
            let mean = costs.iter().map(|(cost, _)| cost).sum::<f64>() / costs.len() as f64;
            let worst = costs.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
            (mean, format!("{:.1} ({})", worst.0, worst.1))
        };
        let (judging, tuning, all) = (of(Some(true)), of(Some(false)), of(None));
        let own = tables.by_curve.iter().filter(|answer| answer.curve == shown);
        let (count, none) =
            own.fold((0, 0), |(count, none), answer| (count + 1, none + usize::from(answer.max_lr.is_none())));
        let _ = writeln!(
            text,
            "| {shown} | {:.2} | {} | {:.2} | {:.2} | {} | {none} of {count} |",
            judging.0, judging.1, tuning.0, all.0, all.1
        );
    }
}
