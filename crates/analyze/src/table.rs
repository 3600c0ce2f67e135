//! Runs side by side: what was asked where they differ, and what came out.

use std::collections::BTreeSet;

use artifacts::finished::Run;
use artifacts::keys::{CRITICAL_LR, Class, class_of};
use artifacts::number::rate;
use cli::Failure;
use polars::prelude::{
    AnyValue, Column, CsvWriter, DataFrame, IntoColumn as _, NamedFrom as _, SerWriter as _, Series,
};
use serde_json::{Map, Value, json};

use crate::Result;
use crate::frame::refused;

/// A table of runs, one per row.
#[derive(Clone, Debug)]
pub struct Table {
    frame: DataFrame,
    /// Columns whose texts are JSON.
    nested: BTreeSet<String>,
}

/// Results, by the names of `result.json`.
pub(crate) const RESULTS: [&str; 8] = [
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
///
/// # Errors
/// Only where polars refuses.
pub fn of(runs: &[Run]) -> Result<Table> {
    let asked = Table::of_records(&runs.iter().map(asked).collect::<Vec<_>>())?;
    let results = Table::of_records(&runs.iter().map(result).collect::<Vec<_>>())?;
    let names = Series::new("name".into(), runs.iter().map(|run| run.record.name.as_str()).collect::<Vec<_>>());
    let mut columns = vec![names.into_column()];
    columns.extend(asked.differing()?.into_iter().cloned());
    columns.extend(RESULTS.iter().filter_map(|key| results.column(key)).cloned());
    let frame = DataFrame::new(runs.len(), columns).map_err(refused)?;
    Ok(Table { frame, nested: asked.nested })
}

/// What came out of a run.
fn result(run: &Run) -> Map<String, Value> {
    match serde_json::to_value(&run.result) {
        Ok(Value::Object(result)) => result,
        _ => Map::new(),
    }
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
pub fn check_comparable(runs: &[Run], vary: &Vary) -> Result<()> {
    let Vary::Keys(vary) = vary else { return Ok(()) };
    let asked = Table::of_records(&runs.iter().map(asked).collect::<Vec<_>>())?;
    let around_critical = asked.column(CRITICAL_LR).is_some_and(|rates| !rates.has_nulls());
    let mut refused = asked.differing()?;
    refused.retain(|column| column.name() == DATA || !allowed(column.name(), vary, around_critical));
    if refused.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = refused.iter().map(|column| column.name().as_str()).collect();
    let difference = |column: &&Column| {
        let values: Vec<AnyValue> = (0..runs.len()).filter_map(|row| column.get(row).ok()).collect();
        let other = values.iter().position(|value| *value != values[0]).unwrap_or(0);
        let show = |row: usize| if values[row].is_null() { "none".to_owned() } else { text(&values[row]) };
        let (names, key) = ([0, other].map(|row| &runs[row].record.name), column.name());
        format!("{} and {} differ in {key}: {} and {}", names[0], names[1], show(0), show(other))
    };
    let mut message = refused.iter().take(SHOWN_DIFFERENCES).map(difference).collect::<Vec<_>>().join("; ");
    if keys.len() > SHOWN_DIFFERENCES {
        let rest = keys[SHOWN_DIFFERENCES..].join(", ");
        message = format!("{message}; and in {rest}");
    }
    let hint = if keys.contains(&DATA) {
        "runs on different data cannot be compared; to see them side by side all the same: --vary any".to_owned()
    } else {
        let all: Vec<&str> = vary.iter().map(String::as_str).chain(keys).collect();
        format!("compare runs that differ in one thing, or say what may vary: --vary {}", all.join(","))
    };
    Err(Failure::unusable(message).hint(hint))
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

/// A value as people read it.
fn text(value: &AnyValue) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::Float64(number) => short(*number),
        other => match other.get_str() {
            Some(hash) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => hash[..12].to_owned(),
            Some(text) => text.to_owned(),
            None => other.to_string(),
        },
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
    /// One row per record, one column per key of any of them; null where a record lacks the key.
    fn of_records(records: &[Map<String, Value>]) -> Result<Self> {
        let mut keys: Vec<&String> = Vec::new();
        for key in records.iter().flat_map(Map::keys) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut nested = BTreeSet::new();
        let mut columns = Vec::new();
        for key in keys {
            let values: Vec<Option<&Value>> =
                records.iter().map(|record| record.get(key).filter(|value| !value.is_null())).collect();
            if values.iter().flatten().all(|value| value.is_array() || value.is_object()) {
                nested.insert(key.clone());
            }
            columns.push(column(key, &values));
        }
        Ok(Self { frame: DataFrame::new(records.len(), columns).map_err(refused)?, nested })
    }

    /// A column, if there is one and it holds a value.
    fn column(&self, name: &str) -> Option<&Column> {
        self.frame.column(name).ok().filter(|column| column.null_count() < column.len())
    }

    /// The columns whose values are not the same in all rows.
    fn differing(&self) -> Result<Vec<&Column>> {
        let mut differing = Vec::new();
        for column in self.frame.columns() {
            if column.n_unique().map_err(refused)? > 1 {
                differing.push(column);
            }
        }
        Ok(differing)
    }

    fn value(&self, column: &Column, row: usize) -> Value {
        match column.get(row).unwrap_or(AnyValue::Null) {
            AnyValue::Null => Value::Null,
            AnyValue::Boolean(value) => json!(value),
            AnyValue::UInt64(value) => json!(value),
            AnyValue::Int64(value) => json!(value),
            AnyValue::Float64(value) => json!(value),
            other => {
                let text = other.get_str().unwrap_or_default();
                let is_nested = self.nested.contains(column.name().as_str());
                if is_nested { serde_json::from_str(text).unwrap_or(Value::Null) } else { json!(text) }
            }
        }
    }

    /// Columns that people read: name, whether it holds text, and its cells. Columns of nested JSON are left out.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, bool, Vec<String>)> {
        let plain = self.frame.columns().iter().filter(|column| !self.nested.contains(column.name().as_str()));
        plain.map(|column| {
            (column.name().as_str(), column.dtype().is_string(), Self::cells(column).into_iter().skip(1).collect())
        })
    }

    /// As aligned text: numbers right, names left.
    pub fn to_text(&self) -> String {
        let columns: Vec<Vec<String>> = self.frame.columns().iter().map(Self::cells).collect();
        let is_text: Vec<bool> = self.frame.columns().iter().map(|column| column.dtype().is_string()).collect();
        let widths: Vec<usize> =
            columns.iter().map(|cells| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for row in 0..=self.frame.height() {
            let cells = columns.iter().zip(widths.iter().zip(&is_text)).map(|(cells, (&width, &left))| {
                let cell = &cells[row];
                if left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// Name and values of a column, as people read them.
    fn cells(column: &Column) -> Vec<String> {
        let values = (0..column.len()).map(|row| column.get(row).map_or_else(|_| String::new(), |value| text(&value)));
        std::iter::once(column.name().to_string()).chain(values).collect()
    }

    /// As CSV.
    ///
    /// # Errors
    /// Only where polars refuses.
    pub fn to_csv(&self) -> Result<String> {
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes).finish(&mut self.frame.clone()).map_err(refused)?;
        String::from_utf8(bytes).map_err(Failure::failed)
    }

    /// As JSON, one object per run.
    pub fn to_json(&self) -> Value {
        let object = |row: usize| -> Value {
            let columns = self.frame.columns().iter();
            Value::Object(columns.map(|column| (column.name().to_string(), self.value(column, row))).collect())
        };
        Value::Array((0..self.frame.height()).map(object).collect())
    }
}

/// A column of the values' type: whole numbers, numbers, truths; else text, JSON where the values are no texts.
fn column(name: &str, values: &[Option<&Value>]) -> Column {
    let is_all = |of: fn(&Value) -> bool| values.iter().flatten().all(|value| of(value));
    let column = |series: Series| series.into_column();
    if is_all(Value::is_boolean) {
        return column(Series::new(name.into(), values.iter().map(|v| v.and_then(Value::as_bool)).collect::<Vec<_>>()));
    }
    if is_all(Value::is_u64) {
        return column(Series::new(name.into(), values.iter().map(|v| v.and_then(Value::as_u64)).collect::<Vec<_>>()));
    }
    if is_all(Value::is_i64) {
        return column(Series::new(name.into(), values.iter().map(|v| v.and_then(Value::as_i64)).collect::<Vec<_>>()));
    }
    if is_all(Value::is_number) {
        return column(Series::new(name.into(), values.iter().map(|v| v.and_then(Value::as_f64)).collect::<Vec<_>>()));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    column(Series::new(name.into(), values.iter().map(|value| value.map(text)).collect::<Vec<_>>()))
}
