//! A range test as a CSV from any tool: columns `iteration`, `lr`, and at least one of `test_accuracy`, `test_loss`
//! (`val_*` says the same), `train_accuracy`, `train_loss`, in any order; other columns are ignored.

use std::fs;
use std::path::Path;

use artifacts::setting::Setting;
use artifacts::{Action, ArtifactError};
use csv::{ByteRecord, ReaderBuilder};

use super::{Curve, Point};
use crate::error::{Error, Result};

const NEEDED: &str = "columns iteration, lr, and test_accuracy or test_loss (or val_..., train_...)";

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
    let table = CsvTable::read(path, &text)?;
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
        return Err(table.lacks_columns());
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
struct CsvTable<'a> {
    path: &'a Path,
    names: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    /// The line that it begins on, from 1.
    line: u64,
    cells: ByteRecord,
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

impl<'a> CsvTable<'a> {
    /// Rows may be shorter than the header: what is missing was not measured.
    fn read(path: &'a Path, text: &[u8]) -> Result<Self> {
        let refuse = |what: String| Error::in_file(path, what, format!("a range test is a CSV with {NEEDED}"));
        let broken = |error: csv::Error| refuse(error.to_string());
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text);
        let header = reader.byte_headers().map_err(broken)?;
        let names: Vec<String> = header.iter().map(|name| clean(&String::from_utf8_lossy(name)).to_owned()).collect();
        if names.iter().all(String::is_empty) {
            return Err(refuse("there is no header row".to_owned()));
        }
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(refuse(format!("column {twice:?} appears twice")));
        }
        let mut rows = Vec::new();
        for cells in reader.into_byte_records() {
            let cells = cells.map_err(broken)?;
            let line = line(text, &cells);
            if cells.len() > names.len() {
                let (found, expected) = (cells.len(), names.len());
                return Err(refuse(format!("line {line} has {found} cells, but the first row has {expected}")));
            }
            rows.push(Row { line, cells });
        }
        Ok(Self { path, names, rows })
    }

    fn lacks_columns(&self) -> Error {
        let what = format!("has columns {}, but a range test needs {NEEDED}", self.names.join(", "));
        Error::in_file(self.path, what, "name the columns in the first row")
    }

    /// Refuses a cell: `column NAME, line N: what`.
    fn refuse(&self, column: &str, row: &Row, what: impl std::fmt::Display, hint: &str) -> Error {
        Error::in_file(self.path, format!("column {column}, line {}: {what}", row.line), hint)
    }

    fn required(&self, name: &str) -> Result<Cells> {
        self.first_of(&[name])?.ok_or_else(|| self.lacks_columns())
    }

    fn first_of(&self, names: &[&str]) -> Result<Option<Cells>> {
        let column = names.iter().find_map(|name| self.names.iter().position(|known| known == name));
        let Some(column) = column else {
            return Ok(None);
        };
        Ok(Some(self.rows.iter().map(|row| self.number(column, row)).collect::<Result<_>>()?))
    }

    fn number(&self, column: usize, row: &Row) -> Result<Option<f64>> {
        let cell = String::from_utf8_lossy(row.cells.get(column).unwrap_or_default());
        let cell = clean(&cell);
        if cell.is_empty() || cell.eq_ignore_ascii_case("null") {
            return Ok(None);
        }
        cell.parse().map(Some).map_err(|_| {
            let hint = "leave a cell empty where nothing was measured";
            self.refuse(&self.names[column], row, format!("{cell:?} is not a number"), hint)
        })
    }

    fn point(&self, row: usize, iteration: Option<f64>, lr: f64, measures: &Measures) -> Result<Point> {
        let Some(iteration) = iteration.filter(|i| *i >= 0.0 && i.fract() == 0.0) else {
            let what = iteration.map_or("the cell is empty".to_owned(), |i| format!("{i} is not a whole number"));
            return Err(self.refuse("iteration", &self.rows[row], what, "count the optimizer steps from 1"));
        };
        if !lr.is_finite() || lr < 0.0 {
            let hint = "leave the cell empty where no rate was recorded";
            return Err(self.refuse("lr", &self.rows[row], format!("{lr} is not a learning rate"), hint));
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

/// The line that a row begins on, from 1. Its position is that at which the reader began to look for it: before empty lines.
fn line(text: &[u8], row: &ByteRecord) -> u64 {
    let Some(position) = row.position() else { return 0 };
    let from = &text[(position.byte() as usize).min(text.len())..];
    let empty = from.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    position.line() + empty as u64
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
        assert!(refusal("step,rate,acc\n1,0.1,0.5\n").contains("needs columns iteration, lr"));
        assert!(refusal("iteration,lr,note\n1,0.1,0.5\n").contains("has columns iteration, lr, note, but"));
        let broken = refusal("iteration,lr,test_loss\n1,0.1,2\n\n2,fast,2\n");
        assert!(broken.contains("column lr, line 4: \"fast\" is not a number"), "{broken}");
        assert!(refusal("iteration,lr,test_loss\n1,-0.1,2\n").contains("-0.1 is not a learning rate"));
        assert!(refusal("iteration,lr,test_loss\n1.5,0.1,2\n").contains("line 2: 1.5 is not a whole number"));
        assert!(refusal("iteration,lr,test_loss\n,0.1,2\n").contains("column iteration, line 2: the cell is empty"));
        assert!(refusal("iteration,lr,lr\n1,0.1,2\n").contains("\"lr\" appears twice"));
        assert!(refusal("iteration,lr,test_loss\n1,0.1,2,3\n").contains("line 2 has 4 cells, but the first row has 3"));
        assert!(refusal("").contains("no header row"));
    }

    #[test]
    fn cells_are_read_as_spreadsheets_write_them() {
        let text = "\u{feff}\"iteration\", lr ,test_loss,\"a, note\"\r\n1,\"0.1\",2,\"said \"\"so\"\"\r\non two lines\"\r\n2, 0.2 \r\n3,0.3,null,\r\n";
        let CsvCurve { curve, warnings } = read_text(text).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let read: Vec<_> = curve.points.iter().map(|point| (point.iteration, point.lr, point.val_loss)).collect();
        assert_eq!(read, [(1, 0.1, Some(2.0)), (2, 0.2, None), (3, 0.3, None)]);
    }
}
