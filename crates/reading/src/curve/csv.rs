//! A range test as a CSV from any tool: columns `iteration`, `lr`, and at least one of `test_accuracy`, `test_loss`
//! (`val_*` says the same), `train_accuracy`, `train_loss`, in any order; other columns are ignored.

use std::fs;
use std::path::Path;

use anyhow::Result;
use artifacts::setting::Setting;
use artifacts::{Action, ArtifactError};
use csv::{ByteRecord, ReaderBuilder};

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
    let text = fs::read(path).map_err(|source| ArtifactError::io(path, Action::Read, source))?;
    let table = Table::read(path, &text)?;
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
            .refuse(WANTED, format!("columns {}", table.names.join(", ")), "name the columns in the first row")
            .into());
    }
    let mut warnings = Vec::new();
    let mut points = Vec::new();
    let mut without_rate = 0;
    for row in 0..table.rows.len() {
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

/// What spreadsheets leave around a name or a number.
fn clean(cell: &str) -> &str {
    cell.trim().trim_matches('"')
}

/// Every cell as text: what is no number is refused with its line.
struct Table<'a> {
    path: &'a Path,
    names: Vec<String>,
    rows: Vec<ByteRecord>,
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

impl<'a> Table<'a> {
    /// Rows may be shorter than the header: what is missing was not measured.
    fn read(path: &'a Path, text: &[u8]) -> Result<Self> {
        let hint = format!("a range test is a CSV with {WANTED}");
        let refuse = |expected: &str, found: String| BadInput::file(path, expected, found, hint.clone());
        let broken = |error: csv::Error| refuse("rows of comma-separated numbers", error.to_string());
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text);
        let header = reader.byte_headers().map_err(broken)?;
        let names: Vec<String> = header.iter().map(|name| clean(&String::from_utf8_lossy(name)).to_owned()).collect();
        if names.iter().all(String::is_empty) {
            return Err(refuse("a header row", "none".to_owned()).into());
        }
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(refuse("every column once", format!("{twice:?} twice")).into());
        }
        let rows: Vec<ByteRecord> =
            reader.into_byte_records().collect::<std::result::Result<_, _>>().map_err(broken)?;
        if let Some(long) = rows.iter().find(|row| row.len() > names.len()) {
            let expected = format!("{} cells on line {}, as the first row has", names.len(), line(long));
            return Err(refuse(&expected, long.len().to_string()).into());
        }
        Ok(Self { path, names, rows })
    }

    fn refuse(&self, expected: impl std::fmt::Display, found: impl std::fmt::Display, hint: &str) -> BadInput {
        BadInput::file(self.path, expected, found, hint)
    }

    fn required(&self, name: &str) -> Result<Cells> {
        match self.first_of(&[name])? {
            Some(cells) => Ok(cells),
            None => Err(self
                .refuse(WANTED, format!("columns {}", self.names.join(", ")), "name the columns in the first row")
                .into()),
        }
    }

    fn first_of(&self, names: &[&str]) -> Result<Option<Cells>> {
        let column = names.iter().find_map(|name| self.names.iter().position(|known| known == name));
        let Some(column) = column else {
            return Ok(None);
        };
        Ok(Some(self.rows.iter().map(|row| self.number(column, row)).collect::<Result<_>>()?))
    }

    fn number(&self, column: usize, row: &ByteRecord) -> Result<Option<f64>> {
        let cell = String::from_utf8_lossy(row.get(column).unwrap_or_default());
        let cell = clean(&cell);
        if cell.is_empty() || cell.eq_ignore_ascii_case("null") {
            return Ok(None);
        }
        cell.parse().map(Some).map_err(|_| {
            let expected = format!("a number in column {}, line {}", self.names[column], line(row));
            self.refuse(expected, format!("{cell:?}"), "leave a cell empty where nothing was measured").into()
        })
    }

    fn point(&self, row: usize, iteration: Option<f64>, lr: f64, measures: &Measures) -> Result<Point> {
        let line = line(&self.rows[row]);
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

/// The line that a row begins on, from 1.
fn line(row: &ByteRecord) -> u64 {
    row.position().map_or(0, csv::Position::line)
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
