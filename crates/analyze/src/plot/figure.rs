//! A figure as a list of things to draw, in pixels from the top left: laid out once, drawn as SVG and as PNG alike.

use plotters::style::{IntoFont as _, RGBColor};

/// Name under which the embedded font is known to plotters, and in SVG.
pub const FONT: &str = "Inter";
/// plotters takes the height of a line for the size of a font; this much above the size that everybody else means.
pub const FONT_FACTOR: f64 = 1.24;

/// Where a text stands about its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins at the point.
    Start,
    /// It is centred on it.
    Middle,
    /// It ends there.
    End,
}

/// One thing to draw.
#[derive(Clone, Debug)]
pub enum Item {
    /// A line through points.
    Line {
        /// Its points.
        points: Vec<(f64, f64)>,
        /// Its colour.
        color: RGBColor,
        /// Its opacity.
        opacity: f64,
        /// Its width.
        width: f64,
        /// Lengths of stroke and gap; none for a solid line.
        dash: Option<(f64, f64)>,
    },
    /// A filled area.
    Area {
        /// Its outline.
        points: Vec<(f64, f64)>,
        /// Its colour.
        color: RGBColor,
        /// Its opacity.
        opacity: f64,
    },
    /// A dot.
    Dot {
        /// Its centre.
        at: (f64, f64),
        /// Its radius.
        radius: f64,
        /// Its colour.
        color: RGBColor,
        /// Its opacity.
        opacity: f64,
        /// Whether it is filled, or a ring.
        filled: bool,
    },
    /// A line of text, centred vertically on its point.
    Text {
        /// What it says.
        text: String,
        /// Its point.
        at: (f64, f64),
        /// Where it stands about its point.
        anchor: Anchor,
        /// Font size.
        size: f64,
        /// Its colour.
        color: RGBColor,
    },
}

/// A figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name of its files, without extension.
    pub name: String,
    /// What it shows, for readers who cannot see it.
    pub description: String,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// What to draw, in order.
    pub items: Vec<Item>,
}

impl Figure {
    /// An empty figure.
    pub fn new(name: &str, description: impl Into<String>, width: f64, height: f64) -> Self {
        Self { name: name.to_owned(), description: description.into(), width, height, items: Vec::new() }
    }

    /// Draws a solid line.
    pub fn line(&mut self, points: Vec<(f64, f64)>, color: RGBColor, width: f64) {
        self.items.push(Item::Line { points, color, opacity: 1.0, width, dash: None });
    }

    /// Draws a dashed line.
    pub fn dashed(&mut self, points: Vec<(f64, f64)>, color: RGBColor, width: f64) {
        self.items.push(Item::Line { points, color, opacity: 1.0, width, dash: Some((4.0, 3.0)) });
    }

    /// Draws a line that lets others show through.
    pub fn faint(&mut self, points: Vec<(f64, f64)>, color: RGBColor, width: f64, opacity: f64) {
        self.items.push(Item::Line { points, color, opacity, width, dash: None });
    }

    /// Draws a filled area.
    pub fn area(&mut self, points: Vec<(f64, f64)>, color: RGBColor, opacity: f64) {
        self.items.push(Item::Area { points, color, opacity });
    }

    /// Draws a dot.
    pub fn dot(&mut self, at: (f64, f64), radius: f64, color: RGBColor, opacity: f64) {
        self.items.push(Item::Dot { at, radius, color, opacity, filled: true });
    }

    /// Draws a ring.
    pub fn ring(&mut self, at: (f64, f64), radius: f64, color: RGBColor) {
        self.items.push(Item::Dot { at, radius, color, opacity: 1.0, filled: false });
    }

    /// Writes a line of text.
    pub fn text(&mut self, text: impl Into<String>, at: (f64, f64), anchor: Anchor, size: f64, color: RGBColor) {
        self.items.push(Item::Text { text: text.into(), at, anchor, size, color });
    }
}

/// The width of a text in pixels.
pub fn text_width(text: &str, size: f64) -> f64 {
    super::render::register_font();
    // Measured large: plotters rounds to whole pixels.
    let scale = 16.0;
    let measured = (FONT, size * scale * FONT_FACTOR).into_font().box_size(text);
    measured.map_or(size * 0.55 * text.chars().count() as f64, |(width, _)| f64::from(width) / scale)
}
