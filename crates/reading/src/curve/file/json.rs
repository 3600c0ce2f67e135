//! JSON as finders and trainers save it: lists by name (`{"lr": [...], "loss": [...]}`), perhaps under another name; a list of
//! objects, or a line for each; a table of pandas.

use std::fmt::Write as _;

use serde_json::{Deserializer, Map, Value};

use super::columns::{is_known, is_rate};
use super::{Columns, Fault, Row};

/// What is said of JSON in which there is no history.
const WANTED: &str = "a history is an object of lists, {\"lr\": [...], \"loss\": [...]}, or a list of objects, [{\"lr\": ..., \"loss\": ...}, ...]";
/// How deep a history may lie below other names.
const DEPTH: usize = 3;
/// What stands between the names of objects within each other.
const WITHIN: &str = "/";

/// Whether a text is meant as JSON.
pub(super) fn is_json(text: &str) -> bool {
    let start = text.trim_start();
    // A bracket alone may be a log's; a brace is an object.
    start.starts_with('{')
        || start.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(is_start_of_value))
}

fn is_start_of_value(character: char) -> bool {
    character.is_ascii_digit() || "{[]\"-nNtfI".contains(character)
}

/// The columns of a history.
pub(super) fn columns(text: &str) -> Result<Columns, Fault> {
    let (value, notes) = parse(&with_quoted_constants(text))?;
    let Some(history) = search(&value, DEPTH) else {
        return Err(Fault::new(format!("holds {}, and no learning rates beside losses", holds(&value)), WANTED));
    };
    let mut columns = match history {
        History::Lists(lists) => of_lists(lists)?,
        History::Entries(entries) => of_entries(&entries),
        History::Table(names, rows) => {
            let row = |cells: &&Vec<Value>| cells.iter().map(cell).collect();
            table(names, rows.iter().map(row).collect())
        }
    };
    columns.notes.extend(notes);
    Ok(columns)
}

/// One value, or a list of those that stand below each other.
fn parse(text: &str) -> Result<(Value, Vec<String>), Fault> {
    let mut values = Vec::new();
    let mut notes = Vec::new();
    for value in Deserializer::from_str(text).into_iter::<Value>() {
        match value {
            Ok(value) => values.push(value),
            // A log whose writer was stopped.
            Err(error) if error.is_eof() && values.len() > 1 => notes.push("dropped a torn last entry".to_owned()),
            Err(error) => return Err(Fault::new(format!("is not valid JSON: {error}"), WANTED)),
        }
    }
    Ok((if values.len() == 1 { values.remove(0) } else { Value::Array(values) }, notes))
}

type Lists<'a> = Vec<(String, Vec<&'a Value>)>;
type Object = Map<String, Value>;

enum History<'a> {
    /// A list for each name.
    Lists(Lists<'a>),
    /// An object for each step.
    Entries(Vec<&'a Object>),
    /// Names, and cells by row.
    Table(Vec<String>, Vec<&'a Vec<Value>>),
}

/// The first place that holds a rate beside something else that is known, the lowest first.
fn search(value: &Value, depth: usize) -> Option<History<'_>> {
    match value {
        Value::Object(object) => {
            let below = || object.values().find_map(|value| search(value, depth - 1));
            split_by_pandas(object)
                .or_else(|| history_of_lists(object, 0))
                .or_else(|| (depth > 0).then(below).flatten())
                .or_else(|| history_of_lists(object, depth))
        }
        Value::Array(array) => {
            let entries: Vec<&Object> = array.iter().filter_map(Value::as_object).collect();
            let has_rate = |entry: &&Object| names_of(entry).iter().any(|name| is_rate(name));
            (entries.len() == array.len() && entries.iter().any(has_rate)).then_some(History::Entries(entries))
        }
        _ => None,
    }
}

fn history_of_lists(object: &Object, depth: usize) -> Option<History<'_>> {
    let mut lists = Vec::new();
    collect_lists(object, "", depth, &mut lists);
    let is_history = lists.len() > 1 && lists.iter().any(|(name, _)| is_rate(name));
    is_history.then_some(History::Lists(lists))
}

/// Every list of an object under a known name, by the names that lead to it.
fn collect_lists<'a>(object: &'a Object, within: &str, depth: usize, lists: &mut Lists<'a>) {
    for (name, value) in object {
        let name = format!("{within}{name}");
        match list(value).filter(|list| is_known(&name) && list.iter().all(|value| !value.is_object())) {
            Some(list) => lists.push((name, list)),
            None if depth > 0 => {
                if let Value::Object(object) = value {
                    collect_lists(object, &(name + WITHIN), depth - 1, lists);
                }
            }
            None => (),
        }
    }
}

/// A list, or pandas' cells by the number of their row.
fn list(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(array) => Some(array.iter().collect()),
        Value::Object(object) if !object.is_empty() && object.keys().all(|key| key.parse::<u64>().is_ok()) => {
            Some(object.values().collect())
        }
        _ => None,
    }
}

/// `to_json(orient="split")`.
fn split_by_pandas(object: &Object) -> Option<History<'_>> {
    let names = object.get("columns")?.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned()));
    let names: Vec<String> = names.collect::<Option<_>>()?;
    let rows: Vec<&Vec<Value>> = object.get("data")?.as_array()?.iter().map(Value::as_array).collect::<Option<_>>()?;
    (names.iter().any(|name| is_rate(name)) && rows.iter().all(|row| row.len() <= names.len()))
        .then_some(History::Table(names, rows))
}

/// Lists of the rate's length: lists of another length hold what was measured at other times.
fn of_lists(lists: Lists<'_>) -> Result<Columns, Fault> {
    let Some(length) = lists.iter().find(|(name, _)| is_rate(name)).map(|(_, list)| list.len()) else {
        return Ok(Columns::default());
    };
    let (lists, others): (Lists<'_>, Lists<'_>) = lists.into_iter().partition(|(_, list)| list.len() == length);
    let lengths: Vec<String> = others.iter().map(|(name, list)| format!("{name} {}", list.len())).collect();
    let other_lengths = format!("there are {length} rates, but of {}", lengths.join(", "));
    if lists.len() == 1 {
        return Err(Fault::new(other_lengths, "save lists of one length: a value for every rate"));
    }
    let names: Vec<String> = lists.iter().map(|(name, _)| name.clone()).collect();
    let row = |index: usize| lists.iter().map(|(_, list)| cell(list[index])).collect();
    let mut columns = table(names, (0..length).map(row).collect());
    if !others.is_empty() {
        columns.notes.push(format!("{other_lengths}: these are not used"));
    }
    Ok(columns)
}

fn of_entries(entries: &[&Object]) -> Columns {
    let mut names: Vec<String> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut rows = Vec::new();
    for entry in entries {
        let mut cells = vec![String::new(); names.len()];
        visit(entry, "", DEPTH, &mut |name, value| {
            let place = *places.entry(name.clone()).or_insert_with(|| {
                names.push(name);
                names.len() - 1
            });
            cells.resize(names.len(), String::new());
            cells[place] = cell(value);
        });
        rows.push(cells);
    }
    table(names, rows)
}

fn names_of(entry: &Object) -> Vec<String> {
    let mut names = Vec::new();
    visit(entry, "", DEPTH, &mut |name, _| names.push(name));
    names
}

/// Every value of an entry that is no object, by the names that lead to it.
fn visit<'a>(entry: &'a Object, within: &str, depth: usize, see: &mut impl FnMut(String, &'a Value)) {
    for (name, value) in entry {
        match value {
            Value::Object(object) if depth > 0 => visit(object, &format!("{within}{name}{WITHIN}"), depth - 1, see),
            Value::Object(_) => (),
            _ => see(format!("{within}{name}"), value),
        }
    }
}

fn table(names: Vec<String>, rows: Vec<Vec<String>>) -> Columns {
    let rows = rows.into_iter().enumerate().map(|(index, cells)| Row { number: index as u64 + 1, cells }).collect();
    Columns { names, rows, place: "entry", ..Columns::default() }
}

/// A number as text; nothing of what is none. Of a list (the rates of an optimizer's groups) the highest.
fn cell(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let highest = values.iter().filter_map(Value::as_f64).reduce(f64::max);
            highest.map_or_else(String::new, |value| value.to_string())
        }
        _ => String::new(),
    }
}

/// What a message says of a value.
fn holds(value: &Value) -> String {
    match value {
        Value::Array(array) if array.is_empty() => "an empty list".to_owned(),
        Value::Array(array) if array.iter().all(Value::is_number) => format!("a list of {} numbers", array.len()),
        Value::Array(array) => match array.iter().find_map(Value::as_object) {
            Some(entry) => format!("a list of {} entries of {}", array.len(), enumerated(entry)),
            None => format!("a list of {} entries", array.len()),
        },
        Value::Object(object) => enumerated(object),
        _ => "a single value".to_owned(),
    }
}

fn enumerated(object: &Object) -> String {
    if object.is_empty() {
        return "nothing".to_owned();
    }
    object.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The text with Python's `NaN` and `Infinity`, which JSON does not know, in quotes.
fn with_quoted_constants(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut in_string = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if !in_string {
            let constant = ["NaN", "-Infinity", "Infinity"].into_iter().find(|constant| rest.starts_with(constant));
            if let Some(constant) = constant {
                let _ = write!(quoted, "\"{constant}\"");
                rest = &rest[constant.len()..];
                continue;
            }
        }
        let mut length = character.len_utf8();
        if character == '"' {
            in_string = !in_string;
        } else if character == '\\' {
            length += rest[length..].chars().next().map_or(0, char::len_utf8);
        }
        quoted.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    quoted
}
