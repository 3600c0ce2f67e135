//! Runs side by side: what was asked where they differ, and what came out.

use std::collections::BTreeSet;

use artifacts::keys::{CRITICAL_LR, Class, class_of};
use serde_json::{Map, Value, json};

use artifacts::finished::Run;
use artifacts::number::rate;
use reading::error::BadInput;

/// A table of runs.
#[derive(Clone, Debug)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// One row a run.
    pub rows: Vec<Vec<Value>>,
}

/// Results, by the names of `result.json`.
const RESULTS: [&str; 8] = [
    "status",
    "final_train_accuracy",
    "final_val_accuracy",
    "final_val_loss",
    "test_accuracy",
    "test_loss",
    "images_per_second",
    "wall_seconds",
];

/// What a run is made from, and its part in a study: compared like a key of the configuration.
const DATA: &str = "data";
const INIT: &str = "init";
const ARM: &str = "arm";

/// What was asked of a run: the configuration with the schedule's parameters beside it, and what it was made from.
fn asked(run: &Run) -> Map<String, Value> {
    let mut asked = Map::new();
    asked.insert(DATA.to_owned(), json!(run.record.data.sha256));
    asked.insert(INIT.to_owned(), json!(run.record.init.sha256));
    if !run.record.arm.is_empty() {
        asked.insert(ARM.to_owned(), json!(run.record.arm));
    }
    if let Ok(Value::Object(config)) = serde_json::to_value(&run.record.config) {
        for (key, value) in config {
            if let ("schedule_parameters", Value::Object(parameters)) = (key.as_str(), &value) {
                asked.extend(parameters.clone());
            } else {
                asked.insert(key, value);
            }
        }
    }
    asked
}

/// The table of `runs`: their names, what differs in what was asked, and the results that at least one has.
pub fn of(runs: &[Run]) -> Table {
    let asked: Vec<Map<String, Value>> = runs.iter().map(asked).collect();
    let results: Vec<Map<String, Value>> = runs
        .iter()
        .map(|run| match serde_json::to_value(&run.result) {
            Ok(Value::Object(result)) => result,
            _ => Map::new(),
        })
        .collect();
    let mut columns = vec!["name".to_owned()];
    columns.extend(differing(&asked));
    let with_result = RESULTS.into_iter().filter(|key| results.iter().any(|result| !is_absent(result.get(*key))));
    let results_from = columns.len();
    columns.extend(with_result.map(str::to_owned));
    let rows = runs
        .iter()
        .zip(asked.iter().zip(&results))
        .map(|(run, (asked, result))| {
            let cell = |(i, key): (usize, &String)| match i {
                0 => json!(run.record.name),
                i if i < results_from => asked.get(key).cloned().unwrap_or(Value::Null),
                _ => result.get(key).cloned().unwrap_or(Value::Null),
            };
            columns.iter().enumerate().map(cell).collect()
        })
        .collect();
    Table { columns, rows }
}

fn is_absent(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_null)
}

/// Keys whose values are not the same in all.
fn differing(asked: &[Map<String, Value>]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in asked.iter().flat_map(Map::keys) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    let differs = |key: &String| asked.windows(2).any(|pair| pair[0].get(key) != pair[1].get(key));
    keys.into_iter().filter(differs).collect()
}

/// What may differ between runs that are put side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Anything, the data too.
    Any,
    /// These keys of the configuration, and what follows from them.
    Keys(BTreeSet<String>),
}

impl Vary {
    /// Of the words of a flag: keys, with dashes or underscores, or `any`.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let keys: BTreeSet<String> = words.into_iter().map(|word| word.trim().replace('-', "_")).collect();
        if keys.contains("any") { Self::Any } else { Self::Keys(keys) }
    }
}

/// How many differences a refusal spells out.
const SHOWN_DIFFERENCES: usize = 6;

/// Refuses runs that differ in their data, or in something that was not asked to vary. What follows from a varied key
/// may differ with it: `init` and the order with `seed`, the rates of a schedule with `lr`, all of its parameters with
/// `schedule`.
///
/// # Errors
/// Naming every key that differs, and for each two runs and their values.
pub fn check_comparable(runs: &[Run], vary: &Vary) -> Result<(), BadInput> {
    let Vary::Keys(vary) = vary else { return Ok(()) };
    let asked: Vec<Map<String, Value>> = runs.iter().map(asked).collect();
    let around_critical = asked.iter().all(|asked| !is_absent(asked.get(CRITICAL_LR)));
    let refused = |key: &String| key == DATA || !allowed(key, vary, around_critical);
    let keys: Vec<String> = differing(&asked).into_iter().filter(refused).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let difference = |key: &String| {
        let other = (1..runs.len()).find(|i| asked[*i].get(key) != asked[0].get(key)).unwrap_or(0);
        let show = |i: usize| asked[i].get(key).map(text).filter(|text| !text.is_empty()).unwrap_or("none".to_owned());
        let names = [&runs[0].record.name, &runs[other].record.name];
        format!("{} and {} differ in {key}: {} and {}", names[0], names[1], show(0), show(other))
    };
    let mut message = keys.iter().take(SHOWN_DIFFERENCES).map(difference).collect::<Vec<_>>().join("; ");
    if keys.len() > SHOWN_DIFFERENCES {
        let rest = keys[SHOWN_DIFFERENCES..].join(", ");
        message = format!("{message}; and in {rest}");
    }
    let hint = if keys.iter().any(|key| key == DATA) {
        "runs on different data cannot be compared; to see them side by side all the same: --vary any".to_owned()
    } else {
        let all: Vec<&str> = vary.iter().chain(&keys).map(String::as_str).collect();
        format!("compare runs that differ in one thing, or say what may vary: --vary {}", all.join(","))
    };
    Err(BadInput::new(message, hint))
}

/// What runs may differ in without being refused, though a reader should know: equal seeds need not give equal bits then, and
/// times do not compare.
pub fn warnings(runs: &[Run]) -> Vec<String> {
    type Of = fn(&Run) -> String;
    let told: [(&str, Of, &str); 6] = [
        ("kernels", |run| run.record.kernels.clone(), "equal seeds need not give equal bits"),
        ("device", |run| run.record.device.clone(), "equal seeds need not give equal bits"),
        ("tool", |run| run.record.tool.clone(), "versions may compute differently"),
        ("git_commit", |run| run.record.git_commit.clone().unwrap_or_default(), "versions may compute differently"),
        ("machine", |run| format!("{:?}", run.record.machine), "times do not compare"),
        ("threads", |run| run.record.threads.to_string(), "times do not compare"),
    ];
    let differs = |of: Of| runs.windows(2).any(|pair| of(&pair[0]) != of(&pair[1]));
    told.into_iter()
        .filter(|(_, of, _)| differs(*of))
        .map(|(key, _, why)| format!("the runs differ in {key}: {why}"))
        .collect()
}

/// Whether the runs may differ in `key`, where they were asked to differ in `vary`.
///
/// `around_critical`: all are range tests around the critical rates of their initial weights, which come with the seed.
fn allowed(key: &str, vary: &BTreeSet<String>, around_critical: bool) -> bool {
    let varies = |key: &str| vary.contains(key);
    let follows = match key {
        DATA => false,
        INIT => varies("seed") || varies("net"),
        ARM => true,
        _ => match class_of(key) {
            Some(Class::Shared) => false,
            Some(Class::OfNet) => varies("net"),
            Some(Class::Rate) => varies("lr") || varies("schedule") || (around_critical && varies("seed")),
            Some(Class::OfSchedule) | None => varies("schedule"),
        },
    };
    follows || varies(key)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => text[..12].to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, short),
        other => other.to_string(),
    }
}

/// A number in few digits: rates of any size, results to four places, speeds whole.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.01 => rate(value),
        size if size < 100.0 => format!("{}", (value * 1e4).round() / 1e4),
        _ => format!("{}", value.round()),
    }
}

impl Table {
    /// As aligned text: numbers right, names left.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<Vec<String>> = vec![self.columns.clone()];
        lines.extend(self.rows.iter().map(|row| row.iter().map(text).collect()));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let left = |column: usize| self.rows.iter().any(|row| row[column].is_string());
        let mut out = String::new();
        for line in &lines {
            let cells = line.iter().enumerate().map(|(i, cell)| {
                let width = widths[i];
                if left(i) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            let line: Vec<String> = cells.collect();
            out.push_str(line.join("  ").trim_end());
            out.push('\n');
        }
        out
    }

    /// As CSV: text quoted where it needs to be.
    pub fn to_csv(&self) -> String {
        let quote = |cell: &str| {
            if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
        };
        let exact = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => quote(text),
            other => quote(&other.to_string()),
        };
        let mut out = self.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(",") + "\n";
        for row in &self.rows {
            out.push_str(&row.iter().map(exact).collect::<Vec<_>>().join(","));
            out.push('\n');
        }
        out
    }

    /// As JSON: an object a run.
    pub fn to_json(&self) -> Value {
        let object = |row: &Vec<Value>| Value::Object(self.columns.iter().cloned().zip(row.iter().cloned()).collect());
        Value::Array(self.rows.iter().map(object).collect())
    }
}
