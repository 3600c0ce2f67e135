//! From named columns to the points of a curve: one for each step, in order of the rate.

use std::fmt::Display;
use std::path::Path;

use artifacts::error::{display_path, quote};

use super::columns::{self, Found, MEASURES, is_log_of_caffes_tests, is_same, is_tensorboard_export};
use super::{Columns, NEEDED, Row};
use crate::curve::Point;
use crate::error::{Error, Result};

/// Accuracies above this are in percent.
const MAX_SHARE: f64 = 1.5;
/// Which of [`MEASURES`] are accuracies.
const ACCURACIES: [usize; 2] = [1, 4];
/// Columns that a warning names at most.
const MOST_NAMED: usize = 8;
/// How files say that nothing was measured.
const NOTHING: [&str; 6] = ["null", "none", "na", "n/a", "-", "nil"];

/// What is read of a row.
#[derive(Clone, Debug)]
struct Record {
    number: u64,
    iteration: Option<u64>,
    lr: Option<f64>,
    /// In the order of [`MEASURES`].
    measures: [Option<f64>; 5],
}

impl Record {
    fn is_measured(&self) -> bool {
        self.measures.iter().any(Option::is_some)
    }

    fn rate(&self) -> f64 {
        self.lr.unwrap_or(0.0)
    }
}

/// The points of a curve, with sentences for the reader. Rows of one step are merged; rows without a rate are dropped, and of
/// those at rate 0 all but one that comes first.
///
/// # Errors
/// When a rate or a measure is missing, a cell is no number, or the rates do not rise.
pub(super) fn points(path: &Path, columns: &Columns, warnings: &mut Vec<String>) -> Result<Vec<Point>> {
    let reader = Reader { path, columns };
    let filled: Vec<usize> = (0..columns.names.len()).map(|column| reader.filled(column)).collect();
    let found = columns::find(&columns.names, &filled).ok_or_else(|| reader.lacks_columns())?;
    reader.check_names(&found)?;
    let mut say = |text: String| warnings.push(format!("{}: {}", display_path(path), quote(text)));
    reader.unused(&found).into_iter().for_each(&mut say);
    if is_log_of_caffes_tests(&columns.names) {
        say("Caffe writes each test beside the rate that it logged last, which may be one row behind".to_owned());
    }
    let mut records = merged(reader.records(&found)?, found.iteration.is_some());
    let without = records.iter().filter(|record| record.lr.is_none() && record.is_measured()).count();
    if without > 0 {
        say(format!("dropped {} without a rate", rows(without)));
    }
    records.retain(|record| record.lr.is_some());
    let zeros = drop_zeros(&mut records);
    if zeros > 0 {
        say(format!("dropped {} at rate 0", rows(zeros)));
    }
    reader.check_order(&records)?;
    if renumber(&mut records) && found.iteration.is_some() {
        say("the step numbers do not rise with the rate: rows are counted instead".to_owned());
    }
    if reader.percent_to_share(&found, &mut records)? {
        say("accuracies above 1 were read as percent".to_owned());
    }
    Ok(records.iter().map(point).collect())
}

fn rows(count: usize) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

fn point(record: &Record) -> Point {
    let [train_loss, train_accuracy, grad_norm, val_loss, val_accuracy] = record.measures;
    let (iteration, lr) = (record.iteration.unwrap_or(0), record.rate());
    Point { iteration, lr, train_loss, train_accuracy, grad_norm, val_loss, val_accuracy }
}

/// Rows of one step as one, where they do not contradict each other: some tools write a row for each thing that they log. Where
/// steps have no number, a row with nothing but a rate belongs to the one that follows.
fn merged(records: Vec<Record>, are_numbered: bool) -> Vec<Record> {
    let mut merged: Vec<Record> = Vec::new();
    for record in records {
        match merged.last_mut().filter(|last| are_of_one_step(last, &record, are_numbered)) {
            Some(last) => {
                last.lr = last.lr.or(record.lr);
                for (known, new) in last.measures.iter_mut().zip(record.measures) {
                    *known = known.or(new);
                }
            }
            None => merged.push(record),
        }
    }
    merged
}

fn are_of_one_step(one: &Record, next: &Record, are_numbered: bool) -> bool {
    if !are_numbered {
        return one.lr.is_some() && !one.is_measured() && next.lr.is_none();
    }
    let agree = |a: Option<f64>, b: Option<f64>| a.is_none() || b.is_none() || a == b;
    one.iteration.is_some()
        && one.iteration == next.iteration
        && agree(one.lr, next.lr)
        && one.measures.iter().zip(&next.measures).all(|(a, b)| agree(*a, *b))
}

/// Drops the rows at rate 0, but for the first of all: that was measured before anything was learnt.
fn drop_zeros(records: &mut Vec<Record>) -> usize {
    let all = records.len();
    let mut is_first = true;
    records.retain(|record| std::mem::take(&mut is_first) || record.lr != Some(0.0));
    all - records.len()
}

/// Counts the rows where the steps have no numbers, or none that rise. Returns whether they were counted.
fn renumber(records: &mut [Record]) -> bool {
    let rise = records.windows(2).all(|pair| pair[0].iteration < pair[1].iteration);
    if rise && records.iter().all(|record| record.iteration.is_some()) {
        return false;
    }
    for (record, number) in records.iter_mut().zip(1..) {
        record.iteration = Some(number);
    }
    true
}

struct Reader<'a> {
    path: &'a Path,
    columns: &'a Columns,
}

impl Reader<'_> {
    /// How many cells of a column hold something.
    fn filled(&self, column: usize) -> usize {
        let cells = self.columns.rows.iter().filter_map(|row| row.cells.get(column));
        cells.filter(|cell| !is_nothing(cell)).count()
    }

    fn lacks_columns(&self) -> Error {
        let names = &self.columns.names;
        if is_tensorboard_export(names) {
            let what =
                "this is TensorBoard's export of one quantity, and a range test needs rate and loss side by side";
            let hint =
                "export the rate and the loss, and join them by Step in one table with the columns step, lr, loss";
            return Error::in_file(self.path, what, hint);
        }
        let what = format!("has columns {}, but a range test needs {NEEDED}", names.join(", "));
        Error::in_file(self.path, what, "name the columns in the first row, such as `step,lr,loss`")
    }

    fn check_names(&self, found: &Found) -> Result<()> {
        let names = &self.columns.names;
        let read = [Some(found.rate), found.iteration].into_iter().chain(found.measures).flatten();
        for index in read {
            let is_twin = |other: &usize| *other != index && is_same(&names[*other], &names[index]);
            if (0..names.len()).any(|other| is_twin(&other)) {
                let what = format!("column {:?} appears twice", names[index]);
                return Err(Error::in_file(self.path, what, "leave one of them out, or give it another name"));
            }
        }
        Ok(())
    }

    /// What is not read of the file.
    fn unused(&self, found: &Found) -> Vec<String> {
        let names: Vec<&str> = found.unused.iter().map(|index| self.columns.names[*index].as_str()).collect();
        let more = names.len().saturating_sub(MOST_NAMED);
        let named = names[..names.len() - more].join(", ");
        let unused = match (names.len(), more) {
            (0, _) => None,
            (1, _) => Some(format!("column {named} is not used")),
            (_, 0) => Some(format!("columns {named} are not used")),
            _ => Some(format!("columns {named} and {more} more are not used")),
        };
        unused.into_iter().chain(self.columns.notes.iter().cloned()).collect()
    }

    fn records(&self, found: &Found) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for row in &self.columns.rows {
            let mut measures = [None; MEASURES.len()];
            for (value, column) in measures.iter_mut().zip(found.measures) {
                *value = column.map(|column| self.number(column, row)).transpose()?.flatten();
            }
            let lr = self.number(found.rate, row)?;
            let mut record = Record { number: row.number, iteration: None, lr, measures };
            if lr.is_none() && !record.is_measured() {
                continue;
            }
            self.check_rate(found.rate, row, lr)?;
            record.iteration =
                found.iteration.map(|column| self.step(column, row, lr.is_some())).transpose()?.flatten();
            records.push(record);
        }
        Ok(records)
    }

    /// Refuses a cell: `column NAME, line N: what`.
    fn refuse(&self, column: usize, number: u64, what: impl Display, hint: &str) -> Error {
        let (name, place) = (&self.columns.names[column], self.columns.place);
        Error::in_file(self.path, format!("column {name}, {place} {number}: {what}"), hint)
    }

    fn check_rate(&self, column: usize, row: &Row, lr: Option<f64>) -> Result<()> {
        let Some(lr) = lr.filter(|lr| !lr.is_finite() || *lr < 0.0) else {
            return Ok(());
        };
        let hint = if lr < 0.0 {
            "a rate is 0 or more: where the column holds the logarithm of the rate, write the rate itself"
        } else {
            "leave the cell empty where no rate was recorded"
        };
        Err(self.refuse(column, row.number, format!("{lr} is not a learning rate"), hint))
    }

    fn number(&self, column: usize, row: &Row) -> Result<Option<f64>> {
        let cell = row.cells.get(column).map_or("", String::as_str);
        if is_nothing(cell) {
            return Ok(None);
        }
        let bare = bare(cell);
        let with_point = if self.columns.decimal_comma { bare.replace(',', ".") } else { bare.to_owned() };
        with_point.parse().map(Some).map_err(|_| {
            let hint = if cell.contains(',') {
                "write numbers with a decimal point, and without commas between thousands"
            } else {
                "leave a cell empty where nothing was measured"
            };
            self.refuse(column, row.number, format!("{cell:?} is not a number"), hint)
        })
    }

    fn step(&self, column: usize, row: &Row, is_needed: bool) -> Result<Option<u64>> {
        let step = self.number(column, row)?;
        if step.is_none() && !is_needed {
            return Ok(None);
        }
        let whole = step.filter(|step| *step >= 0.0 && step.fract() == 0.0);
        whole.map(|step| Some(step as u64)).ok_or_else(|| {
            let what = step.map_or("the cell is empty".to_owned(), |step| format!("{step} is not a whole number"));
            self.refuse(column, row.number, what, "count the optimizer steps from 1")
        })
    }

    /// Rates rise from row to row: names the first pair that does not, and what to do.
    fn check_order(&self, records: &[Record]) -> Result<()> {
        let Some(index) = records.windows(2).position(|pair| pair[1].rate() <= pair[0].rate()) else {
            return Ok(());
        };
        let place = self.columns.place;
        let (before, after) = (&records[index], &records[index + 1]);
        let what = if before.rate() == after.rate() {
            format!(
                "rate {} appears twice, in {place} {} and {place} {}: rates must rise from row to row",
                after.rate(),
                before.number,
                after.number
            )
        } else {
            format!(
                "rates must rise from row to row, but after {} in {place} {} comes {} in {place} {}",
                before.rate(),
                before.number,
                after.rate(),
                after.number
            )
        };
        let rest = &records[index..];
        let falls_for_good = rest.windows(2).all(|pair| pair[1].rate() <= pair[0].rate())
            && rest.last().is_some_and(|last| last.rate() < before.rate());
        let hint = if falls_for_good && index == 0 {
            "where the newest row comes first, turn the rows around".to_owned()
        } else if falls_for_good {
            format!("a range test ends where its rate turns: keep the rows up to {place} {}", before.number)
        } else if before.rate() == after.rate() {
            "keep one row for each rate, such as the mean of its rows".to_owned()
        } else {
            "sort the rows by step, and keep one range test in a file".to_owned()
        };
        Err(Error::in_file(self.path, what, hint))
    }

    /// Some tools log accuracy in percent. Returns whether a column is, whose values are then divided by 100.
    fn percent_to_share(&self, found: &Found, records: &mut [Record]) -> Result<bool> {
        let mut any = false;
        for index in ACCURACIES {
            let Some(column) = found.measures[index] else { continue };
            let mut highest = 0.0;
            for record in &*records {
                let Some(value) = record.measures[index].filter(|value| value.is_finite()) else { continue };
                if !(0.0..=100.0).contains(&value) {
                    let what = format!("{value} is neither a share nor a percentage");
                    return Err(self.refuse(column, record.number, what, "write accuracies as shares, from 0 to 1"));
                }
                highest = f64::max(highest, value);
            }
            if highest > MAX_SHARE {
                any = true;
                records
                    .iter_mut()
                    .filter_map(|record| record.measures[index].as_mut())
                    .for_each(|value| *value /= 100.0);
            }
        }
        Ok(any)
    }
}

fn is_nothing(cell: &str) -> bool {
    cell.is_empty() || NOTHING.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// The number that Python prints as `tensor(2.3, device='cuda:0')` or `np.float64(2.3)`, or with a percent sign.
fn bare(cell: &str) -> &str {
    let within = cell.strip_suffix(')').and_then(|cell| cell.split_once('(')).map(|(_, within)| within);
    let number = within.map_or(cell, |within| within.split_once(", ").map_or(within, |(number, _)| number));
    number.strip_suffix('%').map_or(number, str::trim_end)
}
