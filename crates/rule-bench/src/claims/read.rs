//! The tables of the benchmark, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::str::FromStr;

use artifacts::{Action, ArtifactError};

use crate::regret::truth::Truth;

/// The rates that a rule named, by setting.
pub(crate) type Answers = BTreeMap<usize, Vec<f64>>;

/// A setting, as far as the figures need it.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
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
    /// What was measured.
    pub(crate) truth: Truth,
}

impl Setting {
    /// Whether its net has batch norm.
    pub(crate) fn has_batch_norm(&self) -> bool {
        ["resnet", "bottleneck"].iter().any(|family| self.net.starts_with(family))
    }

    /// The best rate of its grid.
    pub(crate) fn best_rate(&self) -> f64 {
        self.truth.rates[self.truth.best()]
    }

    /// The rates around the best one between which the mean stays within so many points of it.
    pub(crate) fn stretch(&self, points: f64) -> (f64, f64) {
        let (means, rates, best) = (self.truth.means(), &self.truth.rates, self.truth.best());
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
    pub(crate) settings: Vec<Setting>,
    /// The answers, by rule and kind of range test.
    pub(crate) answers: BTreeMap<(String, String), Answers>,
}

impl Tables {
    /// Reads `settings.csv`, `truth.csv` and `answers.csv` in a folder.
    ///
    /// # Errors
    /// When one cannot be read, or is not such a table.
    pub(crate) fn read(folder: &Path) -> Result<Self, ArtifactError> {
        let mut grids: BTreeMap<String, BTreeMap<u64, (f64, BTreeMap<u64, f64>)>> = BTreeMap::new();
        for line in Csv::read(&folder.join("truth.csv"))?.lines {
            let rate: f64 = line.number("max_lr")?;
            let row = grids.entry(line.text("setting")?.to_owned()).or_default().entry(rate.to_bits());
            row.or_insert((rate, BTreeMap::new())).1.insert(line.number("seed")?, line.number("accuracy")?);
        }
        let mut settings = Vec::new();
        for line in Csv::read(&folder.join("settings.csv"))?.lines {
            let name = line.text("setting")?.to_owned();
            let grid = grids.remove(&name).ok_or_else(|| line.refuse("setting", "a setting that truth.csv has"))?;
            let seeds: Vec<u64> =
                grid.values().next().map(|(_, row)| row.keys().copied().collect()).unwrap_or_default();
            let truth = Truth {
                rates: grid.values().map(|(rate, _)| *rate).collect(),
                accuracy: grid.values().map(|(_, row)| row.values().copied().collect()).collect(),
                seeds,
                chance: 0.1,
            };
            if truth.accuracy.iter().any(|row| row.len() != truth.seeds.len()) {
                return Err(line.refuse("setting", "a setting with every seed at every rate in truth.csv"));
            }
            settings.push(Setting {
                name,
                judging: line.text("half")? == "judging",
                data: line.text("data")?.to_owned(),
                net: line.text("net")?.to_owned(),
                optimizer: line.text("optimizer")?.to_owned(),
                momentum: line.number("momentum")?,
                truth,
            });
        }
        let mut answers: BTreeMap<(String, String), Answers> = BTreeMap::new();
        for line in Csv::read(&folder.join("answers.csv"))?.lines {
            if line.text("max_lr")?.is_empty() {
                continue;
            }
            let name = line.text("setting")?;
            let index = settings.iter().position(|setting| setting.name == name);
            let index = index.ok_or_else(|| line.refuse("setting", "a setting that settings.csv has"))?;
            let key = (line.text("rule")?.to_owned(), line.text("range_test")?.to_owned());
            answers.entry(key).or_default().entry(index).or_default().push(line.number("max_lr")?);
        }
        Ok(Self { settings, answers })
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

/// A table that [`crate::regret::tables`] wrote: no cell holds a comma.
struct Csv {
    lines: Vec<Line>,
}

struct Line {
    path: std::path::PathBuf,
    number: usize,
    cells: BTreeMap<String, String>,
}

impl Csv {
    fn read(path: &Path) -> Result<Self, ArtifactError> {
        let text = fs::read_to_string(path).map_err(|source| ArtifactError::io(path, Action::Read, source))?;
        let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let header = rows.next().unwrap_or_default();
        let line = |(index, row): (usize, Vec<String>)| Line {
            path: path.to_owned(),
            number: index + 2,
            cells: header.iter().cloned().zip(row).collect(),
        };
        Ok(Self { lines: rows.enumerate().map(line).collect() })
    }
}

impl Line {
    fn text(&self, column: &str) -> Result<&str, ArtifactError> {
        self.cells.get(column).map(String::as_str).ok_or_else(|| self.refuse(column, "a cell"))
    }

    fn number<T: FromStr>(&self, column: &str) -> Result<T, ArtifactError> {
        self.text(column)?.parse().map_err(|_| self.refuse(column, "a number"))
    }

    fn refuse(&self, column: &str, expected: &str) -> ArtifactError {
        let found = self.cells.get(column).map_or("none", String::as_str);
        let expected = format!("{expected} in line {}, column {column}", self.number);
        ArtifactError::content(&self.path, expected, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_where_the_mean_falls_below_the_best_by_so_much() {
        let truth = Truth {
            rates: vec![0.1, 0.2, 0.4, 0.8],
            seeds: vec![1],
            accuracy: [0.8, 0.9, 0.89, 0.5].iter().map(|accuracy| vec![*accuracy]).collect(),
            chance: 0.1,
        };
        let setting = Setting {
            name: "S".to_owned(),
            judging: true,
            data: "d".to_owned(),
            net: "resnet8".to_owned(),
            optimizer: "sgd".to_owned(),
            momentum: 0.9,
            truth,
        };
        let (low, high) = setting.stretch(5.0);
        assert!((low - 0.1 * 2f64.sqrt()).abs() < 1e-9, "halfway from 90% to 80% in log rate: {low}");
        assert!((high - 0.4 * 2f64.powf(0.04 / 0.39)).abs() < 1e-9, "{high}");
        assert_eq!(setting.stretch(50.0), (0.1, 0.8), "no further than the grid");
        assert!(setting.has_batch_norm());
    }
}
