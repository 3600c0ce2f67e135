//! A range test as a CSV from any tool: columns `iteration`, `lr`, and at least one of `test_accuracy`, `test_loss`
//! (`val_*` says the same), `train_accuracy`, `train_loss`, in any order; other columns are ignored.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use artifacts::ArtifactError;
use artifacts::suggestion::Setting;
use polars::prelude::{
    CsvParseOptions, CsvReadOptions, DataFrame, DataType, Field, PlSmallStr, Schema, SerReader as _,
};

use super::{Curve, Point};
use crate::error::BadInput;

const WANTED: &str = "columns iteration, lr, and test_accuracy or test_loss (or val_..., train_...)";

/// A curve and what the reader should be told about it.
#[derive(Debug)]
pub struct CsvCurve {
    /// The curve.
    pub curve: Curve,
    /// Sentences, such as about rows that were dropped.
    pub warnings: Vec<String>,
}

/// Reads a CSV. Rows without a rate are dropped with a warning; accuracies in percent become fractions, with a warning.
///
/// # Errors
/// When the file cannot be read, a needed column is missing, or a cell is no number.
pub fn read(path: &Path, classes: Option<usize>) -> Result<CsvCurve> {
    let text = fs::read(path).map_err(|source| ArtifactError::io(path, "read", source))?;
    let frame = frame(path, text)?;
    let table = Table { path, frame: &frame };
    let iteration = table.required("iteration")?;
    let lr = table.required("lr")?;
    let measures = Measures {
        train_loss: table.first_of(&["train_loss"])?,
        train_accuracy: table.first_of(&["train_accuracy"])?,
        grad_norm: table.first_of(&["grad_norm"])?,
        val_loss: table.first_of(&["val_loss", "test_loss"])?,
        val_accuracy: table.first_of(&["val_accuracy", "test_accuracy"])?,
    };
    if measures.nothing() {
        return Err(table
            .refuse(WANTED, format!("columns {}", table.names()), "name the columns in the first row")
            .into());
    }
    let mut warnings = Vec::new();
    let mut points = Vec::new();
    let mut without_rate = 0;
    for row in 0..frame.height() {
        let Some(rate) = lr[row] else {
            without_rate += 1;
            continue;
        };
        points.push(table.point(row, iteration[row], rate, &measures)?);
    }
    if without_rate > 0 {
        let rows = if without_rate == 1 { "1 row".to_owned() } else { format!("{without_rate} rows") };
        warnings.push(format!("{}: dropped {rows} without a rate", path.display()));
    }
    if percent_to_fraction(&mut points) {
        warnings.push(format!("{}: accuracies above 1 were read as percent", path.display()));
    }
    let source = path.display().to_string();
    let (setting, conditions) = (Setting::default(), Vec::new());
    let curve = Curve { source, classes, seed: None, setting, critical_lr: None, conditions, points };
    Ok(CsvCurve { curve, warnings })
}

/// Every cell as text: what is no number is then refused with its row, which polars would not name.
fn frame(path: &Path, text: Vec<u8>) -> Result<DataFrame> {
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let header = String::from_utf8_lossy(header);
    let names: Vec<&str> = header.trim_start_matches('\u{feff}').trim().split(',').map(clean).collect();
    let hint = format!("a range test is a CSV with {WANTED}");
    if names.iter().all(|name| name.is_empty()) {
        return Err(BadInput::file(path, "a header row", "none", hint).into());
    }
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| name) {
        return Err(BadInput::file(path, "every column once", format!("{twice:?} twice"), hint).into());
    }
    let schema: Schema = names.iter().map(|name| Field::new(PlSmallStr::from_str(name), DataType::String)).collect();
    let options = CsvReadOptions::default()
        .with_has_header(true)
        .with_schema(Some(Arc::new(schema)))
        .with_parse_options(CsvParseOptions::default().with_separator(b','));
    let frame = options.into_reader_with_file_handle(Cursor::new(text)).finish();
    frame.map_err(|error| {
        let first_line = error.to_string().lines().next().unwrap_or_default().to_owned();
        BadInput::file(path, "rows of comma-separated numbers", first_line, hint).into()
    })
}

fn clean(name: &str) -> &str {
    name.trim().trim_matches('"')
}

struct Table<'a> {
    path: &'a Path,
    frame: &'a DataFrame,
}

type Cells = Vec<Option<f64>>;

struct Measures {
    train_loss: Option<Cells>,
    train_accuracy: Option<Cells>,
    grad_norm: Option<Cells>,
    val_loss: Option<Cells>,
    val_accuracy: Option<Cells>,
}

impl Measures {
    fn nothing(&self) -> bool {
        [&self.train_loss, &self.train_accuracy, &self.val_loss, &self.val_accuracy]
            .iter()
            .all(|column| column.is_none())
    }
}

impl Table<'_> {
    fn refuse(&self, expected: impl std::fmt::Display, found: impl std::fmt::Display, hint: &str) -> BadInput {
        BadInput::file(self.path, expected, found, hint)
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.frame.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
        names.join(", ")
    }

    fn required(&self, name: &str) -> Result<Cells> {
        match self.first_of(&[name])? {
            Some(cells) => Ok(cells),
            None => Err(self
                .refuse(WANTED, format!("columns {}", self.names()), "name the columns in the first row")
                .into()),
        }
    }

    fn first_of(&self, names: &[&str]) -> Result<Option<Cells>> {
        let Some(column) = names.iter().find_map(|name| self.frame.column(name).ok()) else {
            return Ok(None);
        };
        let cells = column.str()?.iter().enumerate().map(|(row, cell)| self.number(column.name(), row, cell));
        Ok(Some(cells.collect::<Result<_>>()?))
    }

    fn number(&self, column: &str, row: usize, cell: Option<&str>) -> Result<Option<f64>> {
        let cell = cell.map_or("", clean);
        if cell.is_empty() || cell.eq_ignore_ascii_case("null") {
            return Ok(None);
        }
        cell.parse().map(Some).map_err(|_| {
            let expected = format!("a number in column {column}, line {}", row + 2);
            self.refuse(expected, format!("{cell:?}"), "leave a cell empty where nothing was measured").into()
        })
    }

    fn point(&self, row: usize, iteration: Option<f64>, lr: f64, measures: &Measures) -> Result<Point> {
        let line = row + 2;
        let Some(iteration) = iteration.filter(|i| *i >= 0.0 && i.fract() == 0.0) else {
            let expected = format!("a whole number in column iteration, line {line}");
            let found = iteration.map_or("none".to_owned(), |i| i.to_string());
            return Err(self.refuse(expected, found, "count the optimizer steps from 1").into());
        };
        if !lr.is_finite() || lr < 0.0 {
            let expected = format!("a rate of 0 or more in column lr, line {line}");
            return Err(self.refuse(expected, lr, "leave the cell empty where no rate was recorded").into());
        }
        let cell = |column: &Option<Cells>| column.as_ref().and_then(|cells| cells[row]);
        Ok(Point {
            iteration: iteration as u64,
            lr,
            train_loss: cell(&measures.train_loss),
            train_accuracy: cell(&measures.train_accuracy),
            grad_norm: cell(&measures.grad_norm),
            val_loss: cell(&measures.val_loss),
            val_accuracy: cell(&measures.val_accuracy),
        })
    }
}

/// Some tools log accuracy in percent. Returns whether these did.
fn percent_to_fraction(points: &mut [Point]) -> bool {
    let accuracies = |p: &Point| [p.train_accuracy, p.val_accuracy].into_iter().flatten().collect::<Vec<_>>();
    let highest = points.iter().flat_map(accuracies).filter(|a| a.is_finite()).fold(0.0, f64::max);
    if highest <= 1.5 {
        return false;
    }
    for point in points {
        point.train_accuracy = point.train_accuracy.map(|a| a / 100.0);
        point.val_accuracy = point.val_accuracy.map(|a| a / 100.0);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<CsvCurve> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("curve.csv");
        fs::write(&path, text).unwrap();
        read(&path, None)
    }

    #[test]
    fn columns_may_stand_in_any_order_beside_others() {
        let text =
            "note,test_loss,lr,iteration,val_accuracy\nfirst,87.3366,0,0,0.1\n,nan,0.015,100,0.28\n,1.5,,200,0.3\n";
        let CsvCurve { curve, warnings } = read_text(text).unwrap();
        assert_eq!(curve.points.len(), 2);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].ends_with("dropped 1 row without a rate"), "{warnings:?}");
        let second = curve.points[1];
        assert_eq!((second.iteration, second.lr, second.val_accuracy), (100, 0.015, Some(0.28)));
        assert!(second.val_loss.unwrap().is_nan());
        assert_eq!(second.train_loss, None);
    }

    #[test]
    fn percent_is_said_and_divided() {
        let CsvCurve { curve, warnings } = read_text("iteration,lr,test_accuracy\n1,0.1,10\n2,0.2,55.5\n").unwrap();
        assert_eq!(curve.points[1].val_accuracy, Some(0.555));
        assert!(warnings[0].contains("percent"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let refusal = |text| read_text(text).unwrap_err().to_string();
        assert!(refusal("step,rate,acc\n1,0.1,0.5\n").contains("expected columns iteration, lr"));
        assert!(refusal("iteration,lr,note\n1,0.1,0.5\n").contains("found columns iteration, lr, note"));
        assert!(refusal("iteration,lr,test_loss\n1,0.1,2\n2,fast,2\n").contains("column lr, line 3, found \"fast\""));
        assert!(refusal("iteration,lr,test_loss\n1,-0.1,2\n").contains("a rate of 0 or more"));
        assert!(refusal("iteration,lr,test_loss\n1.5,0.1,2\n").contains("a whole number in column iteration, line 2"));
        assert!(refusal("iteration,lr,lr\n1,0.1,2\n").contains("\"lr\" twice"));
        assert!(refusal("").contains("a header row"));
    }
}
