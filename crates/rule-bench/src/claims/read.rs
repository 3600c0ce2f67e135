//! The tables of the benchmark, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use artifacts::{Action, ArtifactError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::regret::OURS;
use crate::regret::bench::Role;
use crate::regret::ground_truth::GroundTruth;

/// The rates that a rule named, by setting.
pub(crate) type Answers = BTreeMap<usize, Vec<f64>>;

/// A setting, as far as the figures need it.
#[derive(Clone, Debug)]
pub(crate) struct TableSetting {
    /// Its name.
    pub(crate) name: String,
    /// Whether it judges rules; else rules were tuned on it.
    pub(crate) judging: bool,
    /// Its data set.
    pub(crate) data: String,
    /// Its net.
    pub(crate) net: String,
    /// Its optimizer.
    pub(crate) optimizer: String,
    /// Its momentum.
    pub(crate) momentum: f64,
    /// Steps of its trainings.
    pub(crate) iterations: u64,
    /// What was measured.
    pub(crate) ground_truth: GroundTruth,
}

impl TableSetting {
    /// Whether its net has batch norm.
    pub(crate) fn has_batch_norm(&self) -> bool {
        ["resnet", "bottleneck"].iter().any(|family| self.net.starts_with(family))
    }

    /// The best rate of its grid.
    pub(crate) fn best_rate(&self) -> f64 {
        self.ground_truth.rates[self.ground_truth.best()]
    }

    /// The rates around the best one between which the mean stays within so many points of it.
    pub(crate) fn stretch(&self, points: f64) -> (f64, f64) {
        let (means, rates, best) = (self.ground_truth.means(), &self.ground_truth.rates, self.ground_truth.best());
        let least = means[best] - points / 100.0;
        // The last rate on the way from the best one that is still good enough, and the next: the edge lies between them.
        let edge = |steps: &mut dyn Iterator<Item = usize>| {
            let mut inside = best;
            for next in steps {
                if means[next] < least {
                    let share = (means[inside] - least) / (means[inside] - means[next]);
                    return rates[inside] * (rates[next] / rates[inside]).powf(share);
                }
                inside = next;
            }
            rates[inside]
        };
        (edge(&mut (0..best).rev()), edge(&mut (best + 1..rates.len())))
    }
}

/// The tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// The settings.
    pub(crate) settings: Vec<TableSetting>,
    /// The answers, by rule and kind of range test.
    pub(crate) answers: BTreeMap<(String, String), Answers>,
    /// The rule's own answers of the tables, with the seed of each range test.
    pub(crate) ours: Vec<RampAnswer>,
    /// The answers by the curve alone; none where there is no such table.
    pub(crate) by_curve: Vec<CurveAnswer>,
    /// The present rule's answers, where an earlier one made the tables; none where there is no such table.
    pub(crate) anew: Vec<RampAnswer>,
}

/// What a rule answers on one range test: a line of [`ANEW`], and of `answers.csv`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RampAnswer {
    /// The setting.
    pub(crate) setting: String,
    /// Kind of the range test.
    pub(crate) range_test: String,
    /// Its seed.
    pub(crate) seed: u64,
    /// The rate; none where it has no answer.
    pub(crate) max_lr: Option<f64>,
}

/// A line of [`BY_CURVE`]: what the rule without a critical rate answers on one range test.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CurveAnswer {
    /// The setting.
    pub(crate) setting: String,
    /// What of the curve was shown to it.
    pub(crate) curve: String,
    /// Seed of the range test.
    pub(crate) seed: u64,
    /// Steps of the range test.
    pub(crate) steps: u64,
    /// The rate; none where it has no answer.
    pub(crate) max_lr: Option<f64>,
}

/// The table of the present rule's answers.
pub(crate) const ANEW: &str = "anew.csv";
/// The table of answers by the curve alone.
pub(crate) const BY_CURVE: &str = "by-curve.csv";

impl Tables {
    /// Reads `settings.csv`, `truth.csv` and `answers.csv` in a folder.
    ///
    /// # Errors
    /// When one cannot be read, or is not such a table.
    pub(crate) fn read(folder: &Path) -> Result<Self, ArtifactError> {
        let mut grids: BTreeMap<String, Grid> = BTreeMap::new();
        for run in rows::<GroundTruthRow>(&folder.join("truth.csv"))? {
            let rates = grids.entry(run.setting).or_default();
            let (_, seeds) = rates.entry(run.max_lr.to_bits()).or_insert((run.max_lr, BTreeMap::new()));
            seeds.insert(run.seed, run.accuracy);
        }
        let path = folder.join("settings.csv");
        let mut settings = Vec::new();
        for row in rows::<SettingRow>(&path)? {
            let grid = grids.remove(&row.setting).unwrap_or_default();
            let ground_truth = ground_truth(&grid, row.chance).ok_or_else(|| {
                let expected = "settings with every seed at every rate in truth.csv";
                ArtifactError::content(&path, expected, &row.setting)
            })?;
            settings.push(TableSetting {
                name: row.setting,
                judging: row.half == Role::Judging.key(),
                data: row.data,
                net: row.net,
                optimizer: row.optimizer,
                momentum: row.momentum,
                iterations: row.iterations,
                ground_truth,
            });
        }
        let path = folder.join("answers.csv");
        let mut answers: BTreeMap<(String, String), Answers> = BTreeMap::new();
        let mut ours = Vec::new();
        for AnswerRow { setting, range_test, seed, rule, max_lr } in rows(&path)? {
            if rule == OURS {
                ours.push(RampAnswer { setting: setting.clone(), range_test: range_test.clone(), seed, max_lr });
            }
            let row = (setting, range_test, rule);
            let Some(rate) = max_lr else { continue };
            let index = settings.iter().position(|known: &TableSetting| known.name == row.0);
            let index = index.ok_or_else(|| ArtifactError::content(&path, "settings that settings.csv has", &row.0))?;
            answers.entry((row.2, row.1)).or_default().entry(index).or_default().push(rate);
        }
        let path = folder.join(BY_CURVE);
        let by_curve = if path.exists() { rows(&path)? } else { Vec::new() };
        let path = folder.join(ANEW);
        let anew = if path.exists() { rows(&path)? } else { Vec::new() };
        Ok(Self { settings, answers, ours, by_curve, anew })
    }

    /// The answers of a rule on a kind of range test.
    pub(crate) fn answers(&self, rule: &str, arm: &str) -> Option<&Answers> {
        self.answers.get(&(rule.to_owned(), arm.to_owned()))
    }

    /// The data sets.
    pub(crate) fn data_sets(&self) -> BTreeSet<&str> {
        self.settings.iter().map(|setting| setting.data.as_str()).collect()
    }
}

/// The accuracy of every seed, by rate: ordered by its bits, as positive numbers are.
type Grid = BTreeMap<u64, (f64, BTreeMap<u64, f64>)>;

/// A grid as what it measures; none where it is empty, or some rate lacks a seed.
fn ground_truth(grid: &Grid, chance: f64) -> Option<GroundTruth> {
    let seeds: Vec<u64> = grid.values().next()?.1.keys().copied().collect();
    let is_whole = grid.values().all(|(_, row)| row.keys().eq(&seeds));
    is_whole.then(|| GroundTruth {
        rates: grid.values().map(|(rate, _)| *rate).collect(),
        accuracy: grid.values().map(|(_, row)| row.values().copied().collect()).collect(),
        seeds,
        chance,
    })
}

/// A line of `settings.csv`: what the figures need of it.
#[derive(Deserialize)]
struct SettingRow {
    setting: String,
    half: String,
    data: String,
    net: String,
    optimizer: String,
    momentum: f64,
    iterations: u64,
    chance: f64,
}

/// A line of `truth.csv`.
#[derive(Deserialize)]
struct GroundTruthRow {
    setting: String,
    max_lr: f64,
    seed: u64,
    accuracy: f64,
}

/// A line of `answers.csv`: what the figures need of it.
#[derive(Deserialize)]
struct AnswerRow {
    setting: String,
    range_test: String,
    seed: u64,
    rule: String,
    max_lr: Option<f64>,
}

/// The rows of a table that [`crate::regret::tables`] wrote.
fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ArtifactError> {
    let text = fs::read(path).map_err(|refusal| ArtifactError::io(path, Action::Read, refusal))?;
    let rows = csv::Reader::from_reader(text.as_slice()).into_deserialize().collect::<Result<_, _>>();
    rows.map_err(|error| ArtifactError::content(path, "a table of rule-bench", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_where_the_mean_falls_below_the_best_by_so_much() {
        let ground_truth = GroundTruth {
            rates: vec![0.1, 0.2, 0.4, 0.8],
            seeds: vec![1],
            accuracy: [0.8, 0.9, 0.89, 0.5].iter().map(|accuracy| vec![*accuracy]).collect(),
            chance: 0.1,
        };
        let setting = TableSetting {
            name: "S".to_owned(),
            judging: true,
            data: "d".to_owned(),
            net: "resnet8".to_owned(),
            optimizer: "sgd".to_owned(),
            momentum: 0.9,
            iterations: 100,
            ground_truth,
        };
        let (low, high) = setting.stretch(5.0);
        assert!((low - 0.1 * 2f64.sqrt()).abs() < 1e-9, "halfway from 90% to 80% in log rate: {low}");
        assert!((high - 0.4 * 2f64.powf(0.04 / 0.39)).abs() < 1e-9, "{high}");
        assert_eq!(setting.stretch(50.0), (0.1, 0.8), "no further than the grid");
        assert!(setting.has_batch_norm());
    }
}
