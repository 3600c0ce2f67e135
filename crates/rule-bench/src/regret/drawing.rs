//! The benchmark's figures: what each rule costs, and the ground truth of every setting with the answers on it.

use analyze::plot::axes::{Axis, Entry, LABEL_SIZE, Panel, TICK_SIZE, legend};
use analyze::plot::figure::{Anchor, Figure, text_width};
use analyze::plot::{LEGEND_TOP, palette};
use plotters::style::RGBColor;

use super::bench::{Bench, MeasuredSetting, PROBE, Role};
use super::{Answer, BY_MOMENTUM, OURS, RuleScore};

/// Regrets below this, in points, are drawn here: the axis is a log scale.
const LEAST: f64 = 0.1;
const ROW: f64 = 26.0;
const RULES_WIDTH: f64 = 720.0;
const COLUMNS: usize = 4;
const COLUMN: f64 = 235.0;

/// Rules whose answers are drawn over the ground truth.
const SHOWN: [(&str, RGBColor); 4] = [
    (OURS, palette::BLUE),
    (BY_MOMENTUM, palette::GREEN),
    ("minimum_over_10", palette::VERMILLION),
    ("valley", palette::PURPLE),
];

/// What the rules cost in the settings of one role: a row per rule, its best kind of range test among those on which it answered most often,
/// a dot per setting, a bar at the mean.
pub(crate) fn rules(scores: &[RuleScore], role: Role) -> Figure {
    let mut best: Vec<&RuleScore> = Vec::new();
    for score in scores {
        match best.iter_mut().find(|known| known.rule == score.rule) {
            None => best.push(score),
            Some(known) if known.settings.len() < score.settings.len() => *known = score,
            Some(_) => {}
        }
    }
    best.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let all = best.iter().map(|score| score.settings.len()).max().unwrap_or(0);
    let label = |score: &RuleScore| match score.settings.len() {
        some if some < all => format!("{} ({}, {some} of {all})", score.rule, score.arm),
        _ => format!("{} ({})", score.rule, score.arm),
    };
    let left = best.iter().map(|score| text_width(&label(score), LABEL_SIZE)).fold(0.0, f64::max) + 24.0;
    let top = 46.0;
    let bottom = top + ROW * best.len() as f64;
    let (x, y) = (Axis::log(LEAST, 100.0), Axis::linear(0.0, 1.0, false));
    let panel = Panel { left, top, right: RULES_WIDTH - 18.0, bottom, x, y };
    let description =
        format!("Regret of every rule in the {} settings, one dot per setting, a bar at the mean", role.name());
    let mut figure = Figure::new(&format!("rules-{}", role.key()), description, RULES_WIDTH, bottom + 52.0);
    let title = format!("points of accuracy lost, {} settings (dot: a setting; bar: the mean)", role.name());
    figure.text(title, (12.0, 18.0), Anchor::Start, LABEL_SIZE, palette::INK);
    for (value, text) in [(0.1, "0.1 or less"), (1.0, "1"), (10.0, "10"), (100.0, "100")] {
        let x = panel.x_at(value);
        figure.line(vec![(x, top), (x, bottom)], palette::GRID, 1.0);
        let anchor = if value > 50.0 { Anchor::End } else { Anchor::Middle };
        figure.text(text, (x, bottom + 16.0), anchor, TICK_SIZE, palette::MUTED);
    }
    figure.text("points (log scale)", (panel.right, bottom + 37.0), Anchor::End, LABEL_SIZE, palette::INK);
    for (row, score) in best.iter().enumerate() {
        let middle = top + ROW * (row as f64 + 0.5);
        let color = if score.rule == OURS { palette::BLUE } else { palette::MUTED };
        let ink = if score.rule == OURS { palette::BLUE } else { palette::INK };
        figure.text(label(score), (left - 12.0, middle), Anchor::End, LABEL_SIZE, ink);
        for mean in &score.settings {
            figure.dot((panel.x_at((100.0 * mean).clamp(LEAST, 100.0)), middle), 3.2, color, 0.55);
        }
        let x = panel.x_at((100.0 * score.mean).clamp(LEAST, 100.0));
        figure.line(vec![(x, middle - 9.0), (x, middle + 9.0)], color, 3.0);
    }
    figure
}

/// The ground truth of every setting of a role over the highest rate, with the answers of some rules on one kind of range test
/// and of those that need none.
pub(crate) fn ground_truths(bench: &Bench, answers: &[Answer], role: Role, arm: &str) -> Figure {
    let settings: Vec<usize> = (0..bench.settings.len()).filter(|i| bench.settings[*i].role == role).collect();
    let rows = settings.len().div_ceil(COLUMNS);
    let width = COLUMN * COLUMNS as f64 + 20.0;
    let description = format!("Final validation accuracy over the highest rate of 1cycle, {} settings", role.name());
    let mut figure = Figure::new(&format!("truth-{}", role.key()), description, width, 0.0);
    let entries: Vec<Entry> = std::iter::once(("mean and seeds of the ground truth", palette::INK))
        .chain(SHOWN)
        .map(|(text, color)| Entry { text: text.to_owned(), color, dashed: false, mark: None })
        .collect();
    let taken = legend(&mut figure, &entries, 16.0, width - 16.0, LEGEND_TOP);
    let top = LEGEND_TOP + taken + 34.0;
    for (at, setting) in settings.iter().enumerate() {
        let (column, row) = (at % COLUMNS, at / COLUMNS);
        let (left, top) = (COLUMN * column as f64 + 50.0, top + 190.0 * row as f64);
        let setting_answers = answers.iter().filter(|a| a.setting == *setting && (a.arm == arm || a.arm == PROBE));
        let place = Place { left, top, right: left + COLUMN - 60.0, bottom: top + 120.0 };
        draw_ground_truth(&mut figure, &bench.settings[*setting], setting_answers, &place);
    }
    figure.height = top + 190.0 * rows as f64;
    figure
}

struct Place {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

fn draw_ground_truth<'a>(
    figure: &mut Figure,
    setting: &MeasuredSetting,
    answers: impl Iterator<Item = &'a Answer>,
    place: &Place,
) {
    let ground_truth = &setting.ground_truth;
    let x = Axis::log(ground_truth.rates[0] / 1.4, ground_truth.rates[ground_truth.rates.len() - 1] * 1.4);
    let most = ground_truth.accuracy.iter().flatten().copied().fold(0.0, f64::max);
    let mut y = Axis::linear(0.0, most, true).in_percent();
    y.high = y.high.min(1.0);
    let panel = Panel { left: place.left, top: place.top, right: place.right, bottom: place.bottom, x, y };
    panel.frame(figure, "", Some(""));
    let title = format!("{} {}", setting.name, setting.title());
    let (first, second) = title.split_at(title.find(", ").map_or(title.len(), |comma| comma + 2));
    figure.text(first.trim_end_matches(", "), (place.left, place.top - 31.0), Anchor::Start, TICK_SIZE, palette::INK);
    figure.text(second, (place.left - 36.0, place.top - 16.0), Anchor::Start, TICK_SIZE - 2.0, palette::MUTED);
    for answer in answers {
        let Some((_, color)) = SHOWN.iter().find(|(rule, _)| *rule == answer.rule) else {
            continue;
        };
        if let Some(rate) = answer.rate {
            panel.marker(figure, rate.clamp(panel.x.low, panel.x.high), *color);
        }
    }
    for (rate, row) in ground_truth.rates.iter().zip(&ground_truth.accuracy) {
        for accuracy in row {
            figure.dot(panel.at(*rate, *accuracy), 1.8, palette::INK, 0.4);
        }
    }
    let line: Vec<(f64, f64)> = ground_truth.rates.iter().copied().zip(ground_truth.means()).collect();
    panel.series(figure, &line, palette::INK, 1.6, 0.9);
}
