//! Draws what the user looks at, on a screen of any size.

mod canvas;
mod chart;
mod help;
mod list;
mod scale;

use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};

use crate::app::{App, Measure, Mode};
use crate::text;

/// Columns and lines below which nothing can be shown.
const LEAST: (u16, u16) = (30, 6);
/// Columns that a chart needs beside others.
const CHART_COLUMNS: u16 = 58;
/// Charts beside one another at most.
const MOST_CHARTS: u16 = 3;
/// Lines that a chart needs.
const CHART_LINES: u16 = 6;
/// Lines of a chart that is printed.
const PRINTED_LINES: u16 = 14;

/// What keys do, the most important first.
const HINTS: [&str; 12] = [
    "q quit",
    "? help",
    "up/down run",
    "space draw",
    "enter alone",
    "x axis",
    "m measure",
    "/ filter",
    "v val",
    "o order",
    "l log",
    "s smooth",
];

/// The colours of curves: the terminal's own, so that they fit what is behind them. They repeat; names do not.
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Yellow, Color::Magenta, Color::Green, Color::LightBlue, Color::LightRed];

/// What is less important.
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// What is more important.
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// The colour of the curve of a name.
fn colour(tag: char) -> Color {
    COLOURS[tag as usize % COLOURS.len()]
}

/// Draws everything.
pub(crate) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        line(buffer, area, 0, "too small a screen", Style::new());
        return;
    }
    let part = |y: u16, height: u16| Rect { y: area.y + y, height, ..area };
    header(app, part(0, 1), buffer);
    footer(app, part(area.height - 1, 1), buffer);
    let body = part(1, area.height - 2);
    if app.mode == Mode::Help {
        help::draw(body, buffer);
        return;
    }
    let (charts, details) = split(app, body);
    draw_charts(app, Rect { height: charts, ..body }, buffer);
    let list = Rect { y: body.y + charts, height: body.height - charts - details, ..body };
    list::draw(app, list, buffer);
    list::details(app, Rect { y: list.y + list.height, height: details, ..body }, buffer);
}

/// Lines of the charts, and of the details of the selected run.
fn split(app: &App, body: Rect) -> (u16, u16) {
    let details = match body.height {
        0..10 => 0,
        10..18 => 1,
        18..40 => 2,
        _ => 8,
    };
    let runs = app.listed.len().min(1000) as u16 + 2;
    let rest = body.height - details;
    // The list gets what it needs, and two fifths at most.
    let list = runs.min((rest * 2 / 5).max(5)).min(rest);
    let charts = if rest - list < CHART_LINES { 0 } else { rest - list };
    (charts, details)
}

fn draw_charts(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.height < CHART_LINES {
        return;
    }
    let panels = (area.width / CHART_COLUMNS).clamp(1, MOST_CHARTS);
    for panel in 0..panels {
        let (from, to) = (area.width * panel / panels, area.width * (panel + 1) / panels);
        // A column between charts.
        let gap = u16::from(panel + 1 < panels);
        chart::draw(app, app.measure(panel.into()), Rect { x: area.x + from, width: to - from - gap, ..area }, buffer);
    }
}

fn header(app: &App, area: Rect, buffer: &mut Buffer) {
    let counts = text::counts(&app.snapshot);
    let news = match (app.silent_seconds, app.snapshot.unread) {
        (Some(seconds), _) => format!("no answer from the disk for {seconds}s"),
        (None, 0) => String::new(),
        (None, bytes) => format!("reading {} kB", bytes.div_ceil(1024)),
    };
    let news = if news.is_empty() { news } else { format!("{news}  ") };
    let left = (area.width as usize).saturating_sub(counts.chars().count() + news.len() + 2);
    let place = if app.snapshot.place.is_empty() { "." } else { &app.snapshot.place };
    line(buffer, area, 0, &shortened(&text::one_line(place), left), BOLD);
    right(buffer, area, &format!("{news}{counts}"), Style::new());
}

fn footer(app: &App, area: Rect, buffer: &mut Buffer) {
    let width = area.width as usize;
    let keys = if app.mode == Mode::Filter {
        let rest = "_   enter: keep   esc: all runs";
        format!("/{}{rest}", shortened(&app.filter, width.saturating_sub(rest.len() + 1)))
    } else {
        hints(width)
    };
    line(buffer, area, 0, &keys, DIM);
}

/// What keys do, in so many columns at most: whole hints, the important ones first. The help has all.
fn hints(width: usize) -> String {
    let mut hints = String::new();
    for hint in HINTS {
        let gap = if hints.is_empty() { "" } else { "  " };
        if hints.len() + gap.len() + hint.len() <= width {
            hints.push_str(gap);
            hints.push_str(hint);
        }
    }
    hints
}

/// The curves of all runs that are drawn as plain text of so many columns, loss above accuracy, and whose they are.
pub(crate) fn printed(app: &App, width: u16) -> Vec<String> {
    let area = Rect::new(0, 0, width.max(LEAST.0), PRINTED_LINES);
    let mut lines = Vec::new();
    for measure in [Measure::Loss, Measure::Accuracy] {
        let mut buffer = Buffer::empty(area);
        chart::draw(app, measure, area, &mut buffer);
        let symbols: Vec<&str> = buffer.content().iter().map(Cell::symbol).collect();
        lines.extend(symbols.chunks(area.width as usize).map(|line| line.concat().trim_end().to_owned()));
    }
    lines.extend(app.drawn().into_iter().map(|(tag, run)| format!("{tag}  {}", text::one_line(&run.name))));
    lines
}

/// Text on a line of an area, from its left, as far as it goes.
fn line(buffer: &mut Buffer, area: Rect, down: u16, text: &str, style: Style) {
    if down < area.height {
        buffer.set_stringn(area.x, area.y + down, text, area.width as usize, style);
    }
}

/// Text at the right end of an area's first line.
fn right(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let width = (text.chars().count() as u16).min(area.width);
    buffer.set_stringn(area.x + area.width - width, area.y, text, width as usize, style);
}

/// Text of so many characters at most, what is too much taken out of its middle: names differ at their ends.
fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(2);
    let (begin, end) = (kept / 2, kept - kept / 2);
    let head: String = text.chars().take(begin).collect();
    let tail: String = text.chars().skip(length - end).collect();
    if most < 4 { text.chars().take(most).collect() } else { format!("{head}..{tail}") }
}

#[cfg(test)]
mod tests {
    use end_to_end::made_up::Runs;
    use ratatui_core::backend::TestBackend;
    use ratatui_core::terminal::Terminal;

    use super::*;
    use crate::app::tests::of_study;
    use crate::terminal::Key;

    /// The lines of a screen.
    fn screen(app: &App, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(app, frame.area(), frame.buffer_mut())).unwrap();
        let buffer = terminal.backend().buffer();
        let text: Vec<String> = buffer.content().iter().map(|cell| cell.symbol().to_owned()).collect();
        text.chunks(width.max(1) as usize).map(|line| line.concat().trim_end().to_owned()).collect()
    }

    fn press(app: &mut App, keys: &str) {
        keys.chars().for_each(|key| app.press(Key::Letter(key)));
    }

    fn contains(lines: &[String], text: &str) -> bool {
        lines.iter().any(|line| line.contains(text))
    }

    #[test]
    fn a_usual_terminal_shows_curve_list_and_details() {
        let runs = Runs::new();
        runs.study();
        let mut app = of_study(&runs);
        press(&mut app, "/range");
        app.press(Key::Enter);
        press(&mut app, "a");
        crate::app::tests::look(&mut app, &runs);
        let lines = screen(&app, 80, 24);
        for text in [
            "19 runs: 19 finished",
            "training loss",
            "rate",
            "q quit",
            "a range-test-log-seed1",
            "100/100",
            "plateau: rates from",
        ] {
            assert!(contains(&lines, text), "{text}\n{}", lines.join("\n"));
        }
        assert!(lines.iter().flat_map(|line| line.chars()).any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)));
        app.is_ascii = true;
        let lines = screen(&app, 80, 24);
        assert!(lines.iter().all(|line| line.is_ascii()), "{}", lines.join("\n"));
        assert!(lines.concat().matches('a').count() > 40, "the curve is drawn by its name");
    }

    #[test]
    fn a_wide_terminal_shows_three_measures() {
        let runs = Runs::new();
        runs.study();
        let mut app = of_study(&runs);
        let lines = screen(&app, 200, 60);
        for text in ["training loss", "training accuracy", "learning rate (log)"] {
            assert!(contains(&lines, text), "{text}\n{}", lines.join("\n"));
        }
        press(&mut app, "mv");
        let lines = screen(&app, 200, 60);
        assert!(contains(&lines, "validation accuracy") && contains(&lines, "gradient norm"), "{}", lines.join("\n"));
    }

    #[test]
    fn no_size_and_no_key_makes_it_panic() {
        let runs = Runs::new();
        runs.study();
        let mut app = of_study(&runs);
        let mut empty = App::new(false);
        for key in "xxxxxlrvsmmmmm?? jja/x".chars() {
            app.press(Key::Letter(key));
            empty.press(Key::Letter(key));
            for (width, height) in
                [(0, 0), (1, 1), (29, 5), (30, 6), (31, 9), (40, 13), (59, 20), (80, 24), (117, 31), (300, 90)]
            {
                screen(&app, width, height);
                screen(&empty, width, height);
            }
        }
        for width in 30..120 {
            screen(&app, width, 6 + width / 4);
        }
    }

    #[test]
    fn the_help_names_every_key() {
        let mut app = App::new(false);
        press(&mut app, "?");
        let lines = screen(&app, 80, 24);
        for key in
            ["up, down", "space", "enter", "x, X", "m, M", "l ", "r ", "v ", "s, S", "o ", "a ", "n ", "f ", "/ ", "q "]
        {
            assert!(contains(&lines, key), "{key}\n{}", lines.join("\n"));
        }
    }

    #[test]
    fn no_hint_is_cut_and_the_important_ones_stay() {
        for width in LEAST.0..140 {
            let text = hints(width.into());
            assert!(text.len() <= width.into() && text.starts_with("q quit  ? help"), "{width}: {text}");
            assert!(text.split("  ").all(|hint| HINTS.contains(&hint)), "{width}: {text}");
        }
        assert_eq!(hints(80), "q quit  ? help  up/down run  space draw  enter alone  x axis  m measure  v val");
        let mut app = App::new(false);
        press(&mut app, "/a word that is much longer than the screen is wide");
        let lines = screen(&app, 60, 20);
        assert!(lines[19].starts_with("/a word") && lines[19].ends_with("wide_   enter: keep   esc: all runs"));
    }

    #[test]
    fn curves_are_printed_with_axes_and_with_whose_they_are() {
        let runs = Runs::new();
        runs.study();
        let mut app = of_study(&runs);
        app.is_ascii = true;
        let lines = printed(&app, 80);
        assert!(lines.iter().all(|line| line.is_ascii() && line.len() <= 80), "{}", lines.join("\n"));
        assert!(lines[0].starts_with("training loss") && lines[14].starts_with("training accuracy"));
        assert!(lines[13].ends_with(" step") && lines[27].ends_with(" step"), "{}", lines.join("\n"));
        let names: Vec<&str> = lines[28..].iter().map(|line| &line[..3]).collect();
        assert_eq!(names, ["a  ", "b  ", "c  ", "d  ", "e  ", "f  "]);
        for tag in 'a'..='f' {
            assert!(lines[1..12].concat().contains(tag), "{tag}: {}", lines.join("\n"));
        }
        assert_eq!(printed(&App::new(true), 80).len(), 28, "nothing is drawn of nothing");
    }

    #[test]
    fn what_is_too_long_is_shortened_in_its_middle() {
        assert_eq!(shortened("grid-it60-lr0.1-seed2", 12), "grid-..seed2");
        assert_eq!((shortened("abc", 3), shortened("abcdef", 2)), ("abc".to_owned(), "ab".to_owned()));
    }
}
