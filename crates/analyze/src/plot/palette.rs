//! Colours: Okabe and Ito's, which people with any kind of colour vision tell apart.

use plotters::style::RGBColor;

/// Background.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text.
pub const INK: RGBColor = RGBColor(31, 41, 51);
/// Text of second rank: ticks, notes.
pub const MUTED: RGBColor = RGBColor(91, 103, 115);
/// Axes.
pub const AXIS: RGBColor = RGBColor(154, 165, 177);
/// Lines of the grid.
pub const GRID: RGBColor = RGBColor(228, 231, 235);
/// Blue.
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
/// Vermillion.
pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);
/// Bluish green.
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
/// Reddish purple.
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
/// Dark reddish purple: of the same hue, for text.
pub const PLUM: RGBColor = RGBColor(150, 58, 110);
/// Orange.
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// Sky blue.
pub const SKY: RGBColor = RGBColor(86, 180, 233);

/// Colours of series, in the order in which they are given out.
pub const SERIES: [RGBColor; 6] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY];

/// The colour of an arm of a study: the two that every study has keep theirs in every plot.
pub fn of_arm(arm: &str, index: usize) -> RGBColor {
    match arm {
        "1cycle" => BLUE,
        "piecewise" => VERMILLION,
        _ => SERIES[2 + index % (SERIES.len() - 2)],
    }
}

/// Each colour with the one that takes its place on a dark page.
pub const DARK: [(RGBColor, &str); 12] = [
    (PAPER, "#151a21"),
    (INK, "#e6eaee"),
    (MUTED, "#9aa7b4"),
    (AXIS, "#5b6773"),
    (GRID, "#29313a"),
    (BLUE, "#4ea8e0"),
    (VERMILLION, "#f08a3c"),
    (GREEN, "#2ebf95"),
    (PURPLE, "#dd9cc0"),
    (PLUM, "#dd9cc0"),
    (ORANGE, "#f0b73a"),
    (SKY, "#8accf2"),
];
