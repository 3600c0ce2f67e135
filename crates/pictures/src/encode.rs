//! Images of a set as files that every viewer shows.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Pixels row by row, of a colour image red, green and blue beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// [height, width, channels].
    pub pixels: Vec<u8>,
}

impl Canvas {
    /// An image of a set: planes [C, H, W]. Of another number of channels than 1 and 3 the first is shown.
    pub fn of_planes(planes: &[u8], [channels, height, width]: [usize; 3]) -> Self {
        let (plane, channels) = (height * width, if channels == 3 { 3 } else { 1 });
        let pixels = (0..plane).flat_map(|at| (0..channels).map(move |channel| planes[channel * plane + at])).collect();
        Self { width, height, channels, pixels }
    }

    /// As a PNG file. The same pixels give the same bytes.
    ///
    /// # Panics
    /// When there are not as many pixels as it says, which is a fault of the program.
    pub fn png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let encoder = PngEncoder::new(&mut file);
        encoder.write_image(&self.pixels, self.width as u32, self.height as u32, self.colour()).expect("whole pixels");
        file
    }

    /// As a JPEG file of quality 90, which is smaller, and not exact.
    ///
    /// # Panics
    /// As [`Canvas::png`].
    pub fn jpeg(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut file, 90);
        encoder.write_image(&self.pixels, self.width as u32, self.height as u32, self.colour()).expect("whole pixels");
        file
    }

    fn colour(&self) -> ExtendedColorType {
        if self.channels == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 }
    }
}

#[cfg(test)]
mod tests {
    use artifacts::dataset::Fitting;

    use super::*;
    use crate::picture::{Conversion, decode};

    #[test]
    fn a_png_is_decoded_to_the_planes_that_it_was_made_of() {
        for channels in [1, 3] {
            let planes: Vec<u8> = (0..channels * 6).map(|i| (i * 37) as u8).collect();
            let file = Canvas::of_planes(&planes, [channels, 2, 3]).png();
            let mut found = vec![0; planes.len()];
            decode(&file, Conversion { channels, width: 3, height: 2, fitting: Fitting::default() }, &mut found)
                .unwrap();
            assert_eq!(found, planes);
        }
    }

    #[test]
    fn a_jpeg_is_nearly_the_same() {
        let planes: Vec<u8> = (0..3 * 256).map(|i| (i % 256 / 2 + 60) as u8).collect();
        let file = Canvas::of_planes(&planes, [3, 16, 16]).jpeg();
        let mut found = vec![0; planes.len()];
        decode(&file, Conversion { channels: 3, width: 16, height: 16, fitting: Fitting::default() }, &mut found)
            .unwrap();
        assert!(found.iter().zip(&planes).all(|(found, made)| found.abs_diff(*made) < 12));
    }
}
