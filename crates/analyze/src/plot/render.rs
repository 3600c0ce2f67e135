//! From a figure to SVG and PNG, with plotters.

use std::io::Cursor;
use std::sync::Once;

use cli::Failure;
use image::{DynamicImage, ImageFormat, RgbImage, imageops};
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingBackend, IntoDrawingArea as _, PathElement, Polygon, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontStyle, IntoFont as _, IntoTextStyle as _, ShapeStyle, register_font as plotters_register,
};

use super::figure::{Anchor, FONT, FONT_FACTOR, Figure, Item};
use super::palette;
use crate::Result;

/// Steps a pixel: plotters draws on whole numbers, so figures are drawn larger and shown smaller.
const FINE: f64 = 6.0;
/// Pixels of a PNG for each pixel of a figure.
const PNG_SCALE: u32 = 2;

static REGISTER: Once = Once::new();

/// Makes the embedded font known to plotters.
pub(super) fn register_font() {
    REGISTER.call_once(|| {
        // A font that came with the program is readable: a test sees to it.
        let _ = plotters_register(FONT, FontStyle::Normal, pages::INTER);
    });
}

/// The figure as the text of an SVG file.
///
/// # Errors
/// When plotters refuses.
pub fn svg(figure: &Figure) -> Result<String> {
    register_font();
    let (width, height) = size(figure);
    let mut text = String::new();
    draw(figure, &SVGBackend::with_string(&mut text, (width, height)).into_drawing_area())?;
    // The drawing keeps its fine coordinates in the view box and its size in pixels.
    let fine = format!("width=\"{width}\" height=\"{height}\"");
    let shown = format!("width=\"{}\" height=\"{}\" role=\"img\"", figure.width, figure.height);
    let text = text.replacen(&fine, &shown, 1);
    let head = text.find('>').map_or(0, |at| at + 1);
    // Where the font is not installed a browser takes another without feet.
    let text = text.replace("font-family=\"Inter\"", "font-family=\"Inter, Helvetica, Arial, sans-serif\"");
    let title = format!("<title>{}</title>", pages::escape(&figure.description));
    Ok(format!("{}{title}{}", &text[..head], &text[head..]))
}

/// The figure as the bytes of a PNG file, `PNG_SCALE` pixels for one.
///
/// # Errors
/// When plotters or the encoder refuses.
pub fn png(figure: &Figure) -> Result<Vec<u8>> {
    register_font();
    let (width, height) = size(figure);
    let mut pixels = vec![0; (width * height * 3) as usize];
    draw(figure, &BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area())?;
    let large = RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| Failure::failed(format_args!("{}: wrong number of pixels", figure.name)))?;
    let (width, height) = (figure.width as u32 * PNG_SCALE, figure.height as u32 * PNG_SCALE);
    let small = imageops::thumbnail(&large, width, height);
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(small).write_to(&mut bytes, ImageFormat::Png).map_err(Failure::failed)?;
    Ok(bytes.into_inner())
}

fn size(figure: &Figure) -> (u32, u32) {
    ((figure.width * FINE) as u32, (figure.height * FINE) as u32)
}

fn draw<DB: DrawingBackend>(figure: &Figure, area: &DrawingArea<DB, Shift>) -> Result<()> {
    // plotters' errors hold references to its backend, which cannot leave this function.
    let refused =
        |error: &dyn std::fmt::Display| Failure::failed(format_args!("{}: cannot be drawn: {error}", figure.name));
    area.fill(&palette::PAPER).map_err(|error| refused(&error))?;
    for item in &figure.items {
        draw_item(area, item).map_err(|error| refused(&error))?;
    }
    area.present().map_err(|error| refused(&error))
}

type DrawingResult<DB> = Result<(), plotters::drawing::DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn draw_item<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, item: &Item) -> DrawingResult<DB> {
    match item {
        Item::Line { points, color, opacity, width, dash } => {
            let style = ShapeStyle { color: color.mix(*opacity), filled: false, stroke_width: fine(*width) as u32 };
            let points: Vec<(i32, i32)> = points.iter().copied().map(place).collect();
            match dash {
                None => area.draw(&PathElement::new(points, style)),
                Some((stroke, gap)) => {
                    let (stroke, gap) = (fine(*stroke), fine(*gap));
                    area.draw(&DashedPathElement::new(points, stroke, gap, style))
                }
            }
        }
        Item::Area { points, color, opacity } => {
            let points: Vec<(i32, i32)> = points.iter().copied().map(place).collect();
            area.draw(&Polygon::new(points, color.mix(*opacity).filled()))
        }
        Item::Dot { at, radius, color, opacity, filled } => {
            let stroke_width = fine(1.5) as u32;
            let style = ShapeStyle { color: color.mix(*opacity), filled: *filled, stroke_width };
            area.draw(&Circle::new(place(*at), fine(*radius), style))
        }
        Item::Text { text, at, anchor, size, color } => {
            let horizontal = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            let font = (FONT, size * FINE * FONT_FACTOR).into_font();
            let style = font.color(color).into_text_style(area).pos(Pos::new(horizontal, VPos::Center));
            // plotters centres the line's height; capitals and digits stand above that.
            area.draw(&Text::new(text.as_str(), place((at.0, at.1 + 0.12 * size)), style))
        }
    }
}

fn fine(length: f64) -> i32 {
    (length * FINE).round().max(1.0) as i32
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    ((x * FINE).round() as i32, (y * FINE).round() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        let mut figure = Figure::new("test", "a <test>", 120.0, 60.0);
        figure.line(vec![(10.0, 50.0), (110.0, 10.0)], palette::INK, 1.5);
        figure.text("1cycle ± 0.3", (60.0, 30.0), Anchor::Middle, 13.0, palette::INK);
        figure
    }

    #[test]
    fn an_svg_has_its_size_its_title_and_its_text() {
        let svg = svg(&figure()).unwrap();
        assert!(svg.starts_with("<svg width=\"120\" height=\"60\" role=\"img\" viewBox=\"0 0 720 360\""), "{svg}");
        assert!(svg.contains("<title>a &lt;test&gt;</title>"), "{svg}");
        assert!(svg.contains("1cycle ± 0.3"), "{svg}");
    }

    #[test]
    fn a_png_shows_line_and_text_on_paper() {
        let bytes = png(&figure()).unwrap();
        let image = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (240, 120));
        let dark = image.pixels().filter(|pixel| pixel.0.iter().all(|channel| *channel < 120)).count();
        assert!(dark > 400, "{dark} dark pixels: was the font registered?");
        assert_eq!(image.get_pixel(2, 2).0, [255, 255, 255]);
    }
}
