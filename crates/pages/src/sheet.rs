//! A contact sheet: small images beside each other, a line of text below each.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use pictures::encode::Canvas;

/// Small images are enlarged, by a whole number, to at least so many pixels a side.
const SIDE: usize = 80;

/// Pixels between images, and around all.
const GAP: usize = 10;

/// Height of a line of text, and of its letters.
const LINE: usize = 18;
const LETTERS: f32 = 13.0;

const PAPER: u8 = 255;
const INK: u8 = 31;

/// Images, all of one size and number of channels, each with its text, `columns` in a row.
pub fn draw(tiles: &[(Canvas, &str)], columns: usize) -> Canvas {
    let Some((first, _)) = tiles.first() else {
        return Canvas { width: 0, height: 0, channels: 1, pixels: Vec::new() };
    };
    let scale = SIDE.div_ceil(first.width.max(first.height)).max(1);
    let (width, height) = ((scale * first.width).max(SIDE), scale * first.height);
    let (columns, rows) = (columns.min(tiles.len()), tiles.len().div_ceil(columns));
    let mut sheet = Sheet::new(GAP + columns * (width + GAP), GAP + rows * (height + LINE + GAP));
    let font = FontRef::try_from_slice(crate::INTER).expect("the typeface is compiled in");
    for (at, (image, text)) in tiles.iter().enumerate() {
        let (x, y) = (GAP + at % columns * (width + GAP), GAP + at / columns * (height + LINE + GAP));
        sheet.image(image, x, y, scale);
        sheet.text(&font, text, x, y + height, width);
    }
    sheet.0
}

struct Sheet(Canvas);

impl Sheet {
    fn new(width: usize, height: usize) -> Self {
        Self(Canvas { width, height, channels: 3, pixels: vec![PAPER; 3 * width * height] })
    }

    /// Draws an image, every pixel `scale` times as large.
    fn image(&mut self, image: &Canvas, left: usize, top: usize, scale: usize) {
        for y in 0..scale * image.height {
            for x in 0..scale * image.width {
                let from = ((y / scale) * image.width + x / scale) * image.channels;
                let to = 3 * ((top + y) * self.0.width + left + x);
                for channel in 0..3 {
                    // Grey is the same in every channel.
                    self.0.pixels[to + channel] = image.pixels[from + channel.min(image.channels - 1)];
                }
            }
        }
    }

    /// Writes a line of text; what does not fit is cut off.
    fn text(&mut self, font: &FontRef, text: &str, left: usize, top: usize, room: usize) {
        let scaled = font.as_scaled(PxScale::from(LETTERS));
        let (mut x, baseline) = (left as f32, top as f32 + scaled.ascent() + 2.0);
        for letter in text.chars() {
            let id = scaled.glyph_id(letter);
            if x + scaled.h_advance(id) > (left + room) as f32 {
                break;
            }
            let glyph = id.with_scale_and_position(LETTERS, ab_glyph::point(x, baseline));
            if let Some(outline) = font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                outline.draw(|dx, dy, coverage| {
                    self.darken(bounds.min.x as usize + dx as usize, bounds.min.y as usize + dy as usize, coverage);
                });
            }
            x += scaled.h_advance(id);
        }
    }

    fn darken(&mut self, x: usize, y: usize, coverage: f32) {
        if x < self.0.width && y < self.0.height {
            let value = (f32::from(PAPER) + coverage.clamp(0.0, 1.0) * (f32::from(INK) - f32::from(PAPER))) as u8;
            self.0.pixels[3 * (y * self.0.width + x)..][..3].fill(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(fill: u8) -> Canvas {
        Canvas { width: 20, height: 40, channels: 1, pixels: vec![fill; 800] }
    }

    #[test]
    fn images_stand_in_rows_with_their_texts_below() {
        let sheet = draw(&[(tile(1), "one"), (tile(2), ""), (tile(3), "three")], 2);
        assert_eq!((sheet.width, sheet.height, sheet.channels), (10 + 2 * 90, 10 + 2 * (80 + 18 + 10), 3));
        let at = |x: usize, y: usize| sheet.pixels[3 * (y * sheet.width + x)];
        assert_eq!([at(0, 0), at(10, 10), at(49, 89), at(50, 10)], [255, 1, 1, 255], "enlarged twice");
        assert_eq!([at(100, 10), at(10, 118)], [2, 3]);
        let written = |x: usize, y: usize| (x..x + 80).any(|x| (y..y + 18).any(|y| at(x, y) < 128));
        assert_eq!([written(10, 90), written(100, 90), written(10, 198)], [true, false, true]);
    }

    #[test]
    fn long_text_stays_below_its_own_image() {
        let sheet = draw(&[(tile(9), "mmmmmmmmmmmmmmmmmmmmmmmmmm"), (tile(9), "")], 2);
        let dark = |x: usize| (90..118).any(|y| sheet.pixels[3 * (y * sheet.width + x)] < 200);
        assert!((10..90).any(dark) && !(90..sheet.width).any(dark));
    }
}
