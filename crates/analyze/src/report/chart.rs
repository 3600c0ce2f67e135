//! The numbers behind a figure: for the page's script, which makes the figure answer, and as a table for everybody.

use pages::{escape, table};
use plotters::style::RGBColor;
use serde::Serialize;

/// Rows of a table behind a figure at most: it is to be read, and the records have all.
const ROWS: usize = 24;

/// A number in so many digits as a picture shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Short(pub f64);

impl Serialize for Short {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded: f64 = format!("{:.3e}", self.0).parse().unwrap_or(self.0);
        // Whole numbers without the point that would follow.
        if rounded.fract() == 0.0 && rounded.abs() < 1e9 {
            serializer.serialize_i64(rounded as i64)
        } else {
            serializer.serialize_f64(rounded)
        }
    }
}

/// A colour as the drawings write it, so that a dark page finds it.
pub(super) fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// One frame of a figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Panel {
    /// What its vertical axis shows.
    pub title: String,
    /// Whether values are fractions, shown in percent.
    pub percent: bool,
    /// Whether its vertical axis is logarithmic at first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    /// Ends of its vertical axis; none to fit the values.
    #[serde(flatten)]
    pub ends: Option<Ends>,
}

/// The ends of an axis.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Ends {
    pub low: f64,
    pub high: f64,
}

/// One line of a figure.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Series {
    /// What is hidden and shown together, by one button: an arm, or a run.
    #[serde(rename = "g")]
    pub group: String,
    /// What it shows of that, after the group's name.
    #[serde(rename = "m")]
    pub measure: String,
    /// Its colour.
    #[serde(rename = "c")]
    pub color: String,
    /// Its frame, from the top.
    #[serde(rename = "p")]
    pub panel: usize,
    /// Its width where it is not the usual one: the choice among several.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub width: Option<u8>,
    /// Whether it is dashed.
    #[serde(rename = "dash", skip_serializing_if = "std::ops::Not::not")]
    pub dashed: bool,
    /// Positions, rising.
    pub x: Vec<Short>,
    /// Values.
    pub y: Vec<Short>,
    /// Standard deviations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sd: Vec<Short>,
    /// Positions and values as measured, behind a line that is smoothed or a mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<(Vec<Short>, Vec<Short>)>,
    /// Whether these are drawn as dots.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dots: bool,
    /// Epochs, images and seconds of a step, where positions are steps.
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    pub per_step: Option<[Short; 3]>,
}

/// A rate that is marked.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Mark {
    pub x: Short,
    pub label: String,
    #[serde(rename = "c")]
    pub color: String,
    /// Which row its label stands in, from the top.
    pub row: usize,
    /// Where it may lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<[Short; 2]>,
}

/// The numbers behind a figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chart {
    /// The figure's name.
    #[serde(skip)]
    pub name: String,
    /// What its horizontal axis shows.
    pub x: &'static str,
    /// Whether that axis is logarithmic at first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    pub panels: Vec<Panel>,
    pub series: Vec<Series>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

/// Numbers as a picture shows them.
pub(super) fn shorts(numbers: impl IntoIterator<Item = f64>) -> Vec<Short> {
    numbers.into_iter().map(Short).collect()
}

impl Chart {
    /// The figure's numbers as a table, one column per line of the figure; where there are many positions, at some of them.
    pub(super) fn table(&self) -> String {
        let series: Vec<&Series> = self.series.iter().filter(|series| !series.x.is_empty()).collect();
        let names: Vec<String> = series.iter().map(|one| format!("{}{}", one.group, one.measure)).collect();
        let mut head: Vec<(&str, bool)> = vec![(self.x, false)];
        head.extend(names.iter().map(|name| (name.as_str(), false)));
        let rows: Vec<Vec<String>> = self.positions(&series).into_iter().map(|x| self.row(&series, x)).collect();
        let all = table(&head, &rows);
        format!("<details><summary>The numbers of this figure</summary>\n{all}</details>\n")
    }

    /// The positions of the table's rows: those of the line that has most, if need be every so many.
    fn positions(&self, series: &[&Series]) -> Vec<f64> {
        let Some(most) = series.iter().max_by_key(|one| one.x.len()) else { return Vec::new() };
        let ends = series.iter().flat_map(|one| [one.x[0].0, one.x[one.x.len() - 1].0]);
        let (low, high) = ends.fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
        if series.iter().all(|one| one.x == most.x) {
            return most.x.iter().step_by(most.x.len().div_ceil(ROWS).max(1)).map(|x| x.0).collect();
        }
        let share = |row: usize| row as f64 / (ROWS - 1) as f64;
        let at = |row| if self.log { low * (high / low).powf(share(row)) } else { low + (high - low) * share(row) };
        (0..ROWS).map(at).collect()
    }

    /// A row: of each line the value nearest to a position, where the line reaches it.
    fn row(&self, series: &[&Series], x: f64) -> Vec<String> {
        let mut cells = vec![escape(&artifacts::number::rate(x))];
        for one in series {
            let (first, last) = (one.x[0].0, one.x[one.x.len() - 1].0);
            let distance = |place: &usize| (one.x[*place].0 - x).abs();
            let nearest = (0..one.x.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let value = nearest.filter(|_| x >= first * 0.999 && x <= last * 1.001).map(|place| one.y[place].0);
            let percent = self.panels[one.panel].percent;
            cells.push(value.map_or_else(String::new, |value| {
                if percent { artifacts::number::percent(value) } else { artifacts::number::rate(value) }
            }));
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(log: bool, lines: &[(&[f64], &[f64])]) -> Chart {
        let series = lines.iter().enumerate().map(|(place, (x, y))| Series {
            group: format!("run {place}"),
            measure: ", loss".to_owned(),
            x: shorts(x.iter().copied()),
            y: shorts(y.iter().copied()),
            ..Series::default()
        });
        let panels = vec![Panel { title: "loss".to_owned(), percent: false, log: false, ends: None }];
        let (x, series) = ("learning rate", series.collect());
        Chart { name: "test".to_owned(), x, log, panels, series, marks: Vec::new() }
    }

    #[test]
    fn numbers_are_short_and_parse() {
        let text = serde_json::to_string(&shorts([0.123456, 2.0, 1e-7, 123456.0, 0.30000000000000004])).unwrap();
        assert_eq!(text, "[0.1235,2,1e-7,123500,0.3]");
    }

    #[test]
    fn a_table_has_the_common_positions_or_evenly_spaced_ones() {
        let same = chart(false, &[(&[1.0, 2.0], &[0.5, 0.25]), (&[1.0, 2.0], &[0.75, 0.125])]).table();
        assert!(same.contains("<th>run 1, loss</th>"), "{same}");
        assert!(same.contains("<tr><td>2</td><td>0.25</td><td>0.125</td></tr>"), "{same}");
        let apart = chart(true, &[(&[0.01, 1.0], &[2.0, 1.0]), (&[0.01, 0.1], &[4.0, 3.0])]).table();
        assert_eq!(apart.matches("<tr>").count(), ROWS + 1);
        assert!(apart.contains("<tr><td>1</td><td>1</td><td></td></tr>"), "a line ends where it ends: {apart}");
    }
}
