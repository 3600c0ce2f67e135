//! Tables with a header row: separated by commas, semicolons, tabs, bars or blanks, with `#` comments, as programs and
//! spreadsheets write them.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};

use super::columns::{is_known, is_rate};
use super::{Columns, Fault, Row};

/// Separators, the one to prefer first where several fit a header equally well.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
const COMMENT: char = '#';

/// The columns of a table.
pub(super) fn columns(text: &str) -> Result<Columns, Fault> {
    let Some(head) = Head::of(text) else {
        return Err(Fault::hinted("there is no header row: the file holds no table"));
    };
    let named_by_comment = head.names_in_a_comment();
    let header = named_by_comment.as_deref().unwrap_or(head.first);
    if named_by_comment.is_none() && is_numbers(header) {
        let what = format!("line {} holds numbers: the columns have no names", head.line);
        return Err(Fault::new(what, "put a header row above them, such as `step,lr,loss`"));
    }
    let separator = head.separator.or_else(|| best_separator(header));
    let is_blank = separator.is_none() && header.split_whitespace().count() > 1;
    let separator = separator.unwrap_or(if is_blank { '\t' } else { ',' });
    let names = if is_blank { header.split_whitespace().map(clean).collect() } else { split(header, separator) };
    let tabbed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join("\t") + "\n";
    // Blanks between words: one separator, however many.
    let body: Cow<'_, str> = if is_blank { head.body.split('\n').map(tabbed).collect() } else { head.body.into() };
    let table = Table { separator, names, first_line: head.line, has_header: named_by_comment.is_none() };
    let rows = table.rows(&body)?;
    let decimal_comma = has_decimal_commas(&rows);
    Ok(Columns {
        names: table.names,
        rows,
        place: "line",
        comments: head.comments,
        decimal_comma,
        ..Columns::default()
    })
}

/// What stands before the first row, and where that begins.
struct Head<'a> {
    comments: Vec<String>,
    separator: Option<char>,
    /// The first line of the table.
    first: &'a str,
    /// Its number, from 1.
    line: u64,
    /// The text from there on.
    body: &'a str,
}

impl<'a> Head<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (mut comments, mut separator, mut start) = (Vec::new(), None, 0);
        for (index, line) in text.split('\n').enumerate() {
            let content = line.trim();
            if let Some(comment) = content.strip_prefix(COMMENT) {
                comments.push(comment.trim().to_owned());
            } else if let Some(stated) = excel_separator(content) {
                separator = Some(stated);
            } else if !content.is_empty() {
                return Some(Self { comments, separator, first: line, line: index as u64 + 1, body: &text[start..] });
            }
            start += line.len() + 1;
        }
        None
    }

    /// The last comment, where it names columns (as numpy writes them) and the first row holds numbers alone.
    fn names_in_a_comment(&self) -> Option<String> {
        let comment = self.comments.last().filter(|_| is_numbers(self.first))?;
        let words = comment.split([',', ';', '\t', ' ']).filter(|word| is_known(word)).count();
        (words >= 2).then(|| comment.clone())
    }
}

struct Table {
    separator: char,
    names: Vec<String>,
    /// The number of the text's first line.
    first_line: u64,
    has_header: bool,
}

impl Table {
    fn rows(&self, body: &str) -> Result<Vec<Row>, Fault> {
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .has_headers(self.has_header)
            .delimiter(self.separator as u8)
            .comment(Some(COMMENT as u8))
            .from_reader(body.as_bytes());
        let mut rows = Vec::new();
        // What the header lacks is the first thing to be said.
        if !self.names.iter().any(|name| is_rate(name)) {
            return Ok(rows);
        }
        for record in reader.records() {
            let record = record.map_err(|error| Fault::hinted(error.to_string()))?;
            let number = self.first_line - 1 + line_of(body, &record);
            let mut cells: Vec<String> = record.iter().map(clean).collect();
            while cells.len() > self.names.len() && cells.last().is_some_and(String::is_empty) {
                cells.pop();
            }
            if cells.len() > self.names.len() {
                return Err(self.too_many(number, &cells));
            }
            // A log that was gone on with has its header again.
            if cells != self.names {
                rows.push(Row { number, cells });
            }
        }
        Ok(rows)
    }

    fn too_many(&self, line: u64, cells: &[String]) -> Fault {
        let what = format!("line {line} has {} cells, but the header names {}", cells.len(), self.names.len());
        let is_whole = |cell: &String| cell.bytes().all(|byte| byte.is_ascii_digit() || b"+-eE".contains(&byte));
        if self.separator == ',' && cells.iter().all(is_whole) {
            return Fault::new(
                format!("{what}: commas seem to stand for decimal points and between the cells"),
                "save the table with semicolons between the cells, or with decimal points",
            );
        }
        Fault::new(what, "every row needs as many cells as the header")
    }
}

/// What spreadsheets leave around a name or a number.
fn clean(cell: &str) -> String {
    cell.trim().trim_matches('"').trim().to_owned()
}

fn split(line: &str, separator: char) -> Vec<String> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator as u8).from_reader(line.as_bytes());
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => record.iter().map(clean).collect(),
        _ => Vec::new(),
    }
}

/// Excel's first line, `sep=;`.
fn excel_separator(line: &str) -> Option<char> {
    let rest = line.trim_matches('"').strip_prefix("sep=")?;
    let mut characters = rest.chars();
    let separator = characters.next().filter(|separator| SEPARATORS.contains(separator))?;
    characters.next().is_none().then_some(separator)
}

/// The separator that makes the most known names of a header; none where none cuts it.
fn best_separator(header: &str) -> Option<char> {
    let known = |separator: &char| split(header, *separator).iter().filter(|name| is_known(name)).count();
    let cuts = |separator: &&char| split(header, **separator).len() > 1;
    // Of equals the first: `max_by_key` takes the last.
    SEPARATORS.iter().rev().filter(cuts).max_by_key(|separator| known(separator)).copied()
}

fn is_numbers(line: &str) -> bool {
    let mut cells =
        line.split([',', ';', '\t', ' ', '|']).map(|cell| cell.trim_matches('"')).filter(|cell| !cell.is_empty());
    let is_number = |cell: &str| cell.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    cells.all(|cell| is_number(cell) && cell.replace(',', ".").parse::<f64>().is_ok())
}

/// Whether commas stand for decimal points: unmistakable where no number has a point, and one has a comma that cannot stand
/// between thousands.
fn has_decimal_commas(rows: &[Row]) -> bool {
    let cells = || rows.iter().flat_map(|row| &row.cells);
    let is_number = |cell: &&String| cell.replace(',', ".").parse::<f64>().is_ok();
    let is_decimal = |cell: &String| {
        cell.split_once(',').is_some_and(|(whole, rest)| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            whole.trim_start_matches(['+', '-']) == "0" || digits != 3
        })
    };
    cells().filter(is_number).any(is_decimal) && !cells().filter(is_number).any(|cell| cell.contains('.'))
}

/// The line that a row begins on, from 1. Its position is that at which the reader began to look for it: before empty lines and
/// comments.
fn line_of(body: &str, row: &StringRecord) -> u64 {
    let Some(position) = row.position() else { return 0 };
    let from = body.get(position.byte() as usize..).unwrap_or_default();
    let skipped = from.split('\n').take_while(|line| line.is_empty() || line.starts_with(COMMENT)).count();
    position.line() + skipped as u64
}
