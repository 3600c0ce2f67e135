//! The list of runs, and what is to be said of the selected one.

use artifacts::number::{loss, rate};
use artifacts::run::RunRecord;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};

use super::{BOLD, DIM, colour, line, shortened};
use crate::app::App;
use crate::pace::clock;
use crate::run::State;
use crate::text::{one_line, percent, steps, train_loss};
use crate::watcher::Seen;

/// Columns that a name gets at least before another column is shown.
const LEAST_NAME: usize = 18;
/// Columns before the name: the mark of the selected run, and the name of its curve.
const MARKS: usize = 4;
/// Columns between columns.
const GAP: usize = 2;

/// A column beside the names.
struct Column {
    head: &'static str,
    cell: fn(&Seen) -> String,
    /// The smaller, the earlier it is shown where there is little room.
    rank: u8,
    is_text: bool,
}

/// In their order from the left.
const COLUMNS: [Column; 11] = [
    Column { head: "state", cell: |run| run.state.in_words(), rank: 0, is_text: true },
    Column { head: "step", cell: |run| steps(run).unwrap_or_default(), rank: 1, is_text: false },
    Column { head: "rate", cell: |run| run.latest.lr.map(rate).unwrap_or_default(), rank: 5, is_text: false },
    Column { head: "loss", cell: |run| train_loss(run).unwrap_or_default(), rank: 3, is_text: false },
    Column { head: "acc", cell: |run| or_empty(run.latest.train_accuracy, percent), rank: 6, is_text: false },
    Column { head: "val", cell: |run| or_empty(run.latest.val_accuracy, percent), rank: 4, is_text: false },
    Column { head: "test", cell: |run| or_empty(run.test_accuracy, percent), rank: 7, is_text: false },
    Column {
        head: "images/s",
        cell: |run| or_empty(run.images_per_second, |speed| format!("{speed:.0}")),
        rank: 10,
        is_text: false,
    },
    Column { head: "took", cell: |run| or_empty(run.seconds, clock), rank: 9, is_text: false },
    Column { head: "left", cell: |run| or_empty(run.left, clock), rank: 2, is_text: false },
    Column {
        head: "range test says",
        cell: |run| run.answer.as_ref().map(crate::answer::Answer::in_short).unwrap_or_default(),
        rank: 8,
        is_text: true,
    },
];

fn or_empty(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map(show).unwrap_or_default()
}

/// Draws the list, scrolled to the selected run.
pub(crate) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let lines = area.height as usize - 1;
    let (all, selected) = (app.listed.len(), app.selected_line());
    let first = selected.saturating_sub(lines / 2).min(all.saturating_sub(lines));
    let runs: Vec<&Seen> = app.listed.iter().skip(first).take(lines).map(|at| &app.snapshot.runs[*at]).collect();
    let name_of_longest = runs.iter().map(|run| run.name.chars().count()).max().unwrap_or(0);
    let (name, columns) = layout(&runs, area.width as usize, name_of_longest);
    head(app, name, &columns, area, buffer);
    for (at, run) in runs.iter().enumerate() {
        let row = Rect { y: area.y + 1 + at as u16, height: 1, ..area };
        draw_run(app, run, name, &columns, row, buffer);
    }
}

/// The columns that there is room for, each with its width, and the width of the names.
fn layout(runs: &[&Seen], width: usize, longest_name: usize) -> (usize, Vec<(&'static Column, usize)>) {
    let width_of = |column: &Column| {
        let cells = runs.iter().map(|run| (column.cell)(run).chars().count()).max().unwrap_or(0);
        if cells == 0 { 0 } else { cells.max(column.head.len()) }
    };
    let mut shown: Vec<(usize, &Column, usize)> = COLUMNS
        .iter()
        .enumerate()
        .map(|(at, column)| (at, column, width_of(column)))
        .filter(|(_, _, width)| *width > 0)
        .collect();
    shown.sort_by_key(|(_, column, _)| column.rank);
    let least = longest_name.min(LEAST_NAME);
    let needed =
        |shown: &[(usize, &Column, usize)]| MARKS + shown.iter().map(|(_, _, width)| width + GAP).sum::<usize>();
    while !shown.is_empty() && needed(&shown) + least > width {
        shown.pop();
    }
    let name = width.saturating_sub(needed(&shown)).min(longest_name.max(8));
    shown.sort_by_key(|(at, _, _)| *at);
    (name, shown.into_iter().map(|(_, column, width)| (column, width)).collect())
}

fn cells(columns: &[(&Column, usize)], text: impl Fn(&Column) -> String) -> String {
    let cell = |(column, width): &(&Column, usize)| {
        if column.is_text {
            format!("{:GAP$}{:width$}", "", text(column))
        } else {
            format!("{:GAP$}{:>width$}", "", text(column))
        }
    };
    columns.iter().map(cell).collect()
}

fn head(app: &App, name: usize, columns: &[(&Column, usize)], area: Rect, buffer: &mut Buffer) {
    let cells = cells(columns, |column| column.head.to_owned());
    let words = if app.filter.is_empty() { "run".to_owned() } else { format!("run: {}", app.filter) };
    line(buffer, area, 0, &format!("{:MARKS$}{:name$}{cells}", "", shortened(&one_line(&words), name)), DIM);
    let drawn = format!(" {} of {} drawn", app.drawn().len(), app.listed.len());
    let with_order = format!("{drawn}, {}", app.order.in_words());
    let room = (area.width as usize).saturating_sub(MARKS + name + cells.chars().count());
    if let Some(text) = [with_order, drawn].into_iter().find(|text| text.len() < room) {
        super::right(buffer, area, &text, DIM);
    }
}

fn draw_run(app: &App, run: &Seen, name: usize, columns: &[(&Column, usize)], row: Rect, buffer: &mut Buffer) {
    let is_selected = app.is_selected(run);
    let style = if is_selected { BOLD } else { Style::new() };
    let (mark, tag) = (if is_selected { '>' } else { ' ' }, app.tag(run));
    let cells = cells(columns, |column| one_line(&(column.cell)(run)));
    let text = format!("{mark} {} {:name$}{cells}", tag.unwrap_or(' '), shortened(&one_line(&run.name), name));
    line(buffer, row, 0, &text, style);
    if let Some(tag) = tag {
        buffer.set_style(Rect { x: row.x + 2, width: 1, ..row }, style.fg(colour(tag)).add_modifier(Modifier::BOLD));
    }
    if let Some((_, width)) = columns.first().filter(|(column, _)| column.head == "state") {
        let state = Rect { x: row.x + (MARKS + name + GAP) as u16, width: *width as u16, ..row }.intersection(row);
        buffer.set_style(state, state_style(run.state));
    }
}

fn state_style(state: State) -> Style {
    match state {
        State::Running | State::Starting => Style::new().fg(Color::Green),
        State::Diverged | State::Unreadable => Style::new().fg(Color::Red),
        State::Stopped | State::Silent(_) => Style::new().fg(Color::Yellow),
        State::Waiting | State::Finished => Style::new(),
    }
}

/// What is to be said of the selected run.
pub(crate) fn details(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(run) = app.selected() else { return };
    let mut lines = Vec::new();
    lines.extend(run.fault.as_ref().map(|fault| format!("cannot be read: {fault}")));
    lines.extend(run.answer.as_ref().map(crate::answer::Answer::in_words));
    lines.extend(run.record.as_ref().map(|record| setting(record)));
    if let Some(crate::answer::Answer::Read { reasons, .. }) = &run.answer {
        lines.extend(reasons.iter().cloned());
    }
    let width = (area.width as usize).saturating_sub(2).max(1);
    let wrapped = lines.iter().flat_map(|text| wrap(&one_line(text), width));
    for (at, text) in wrapped.take(area.height as usize).enumerate() {
        line(buffer, area, at as u16, &format!("  {text}"), if at == 0 { Style::new() } else { DIM });
    }
}

/// What a run does, in a line.
fn setting(record: &RunRecord) -> String {
    let config = &record.config;
    let top = config.main_lr().map_or_else(String::new, |lr| format!(" up to {}", loss(lr)));
    format!(
        "{} on {}, {}{top}, batch {}, {}, momentum {}, weight decay {}, {}, seed {}",
        config.net,
        record.data_name,
        config.schedule,
        config.batch_size,
        config.optimizer,
        config.momentum,
        rate(config.weight_decay),
        record.device,
        config.seed
    )
}

/// Words on lines of so many characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("one is there");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_a_long_one_stands_alone() {
        assert_eq!(wrap("a bc def ghijklmno p", 5), ["a bc", "def", "ghijklmno", "p"]);
    }
}
