//! One JPEG or PNG file: what it says of itself, and its pixels in planes.
//!
//! Grey is what the file calls grey (with or without alpha); a palette counts as colour. Alpha is dropped, 16 bits are rounded
//! to 8, EXIF orientation is applied on demand, colour profiles are not: as torchvision's loader, except that it clips
//! 16 bits.

mod jpeg;
mod orientation;

use std::io::Cursor;

use artifacts::dataset::{Fit, Fitting};
use artifacts::error::quote;
use artifacts::magic::Magic;
use image::imageops::{FilterType, crop_imm, replace, resize};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, Pixel, RgbImage};

pub use orientation::Orientation;

/// No image has more pixels: a decoder then needs less than 1 GiB.
pub const MAX_PIXELS: u64 = 1 << 26;

/// No image file is larger.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// A JPEG file has at least one bit for each block of 8x8 pixels (ITU-T T.81, F.1.2: no code is shorter).
const JPEG_PIXELS_PER_BYTE: u64 = 8 * 64;

/// Deflate makes nothing smaller than this (RFC 1951: 258 bytes in two codes of one bit).
const PNG_BYTES_PER_BYTE: u64 = 1032;

/// What the decoder may allocate for the pixels of one image.
const MAX_DECODED_BYTES: u64 = 8 * MAX_PIXELS;

/// What the header of an image file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Whether it is a colour image.
    pub is_colour: bool,
    /// How it is to be turned.
    pub orientation: Orientation,
}

impl Header {
    /// Columns and rows, of the picture as it is stored or (`upright`) turned.
    pub fn size(&self, upright: bool) -> (u32, u32) {
        let is_swapped = upright && self.orientation.swaps_sides();
        if is_swapped { (self.height, self.width) } else { (self.width, self.height) }
    }

    /// Whether it is not stored upright.
    pub fn is_turned(&self) -> bool {
        self.orientation != Orientation::UPRIGHT
    }
}

/// How pictures become images of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// 1 or 3.
    pub channels: usize,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How they are brought there.
    pub fitting: Fitting,
}

/// The result of reading a picture: what is wrong with it comes without its name, which the caller knows.
pub type Result<T> = std::result::Result<T, String>;

/// Reads the header alone.
///
/// # Errors
/// When this is no JPEG or PNG file, or claims more than [`MAX_PIXELS`] or than its bytes can hold: what a decoder
/// allocates is thereby bounded by the length of the file.
pub fn inspect(content: &[u8]) -> Result<Header> {
    let is_jpeg = content.starts_with(&JPEG_START);
    let (header, most) = if is_jpeg { jpeg_header(content)? } else { png_header(content)? };
    let Header { width, height, .. } = header;
    let pixels = u64::from(width) * u64::from(height);
    if !(1..=MAX_PIXELS).contains(&pixels) {
        return Err(format!("{width}x{height} pixels; from 1 to {MAX_PIXELS} can be read"));
    }
    if pixels > most {
        return Err(format!("{width}x{height} pixels, which {} bytes cannot hold", content.len()));
    }
    Ok(header)
}

/// Decodes a picture, to know whether it can be.
///
/// # Errors
/// When it is damaged or cut off.
pub fn check(content: &[u8]) -> Result<()> {
    whole(content).map(drop)
}

/// Decodes a picture into `planes`, [channels, height, width]. A picture of another size is cut to the centre part of the
/// wanted proportions, or put into the middle of black, or neither, and scaled with a triangle filter, which averages when it
/// shrinks.
///
/// # Errors
/// When it is damaged or cut off.
///
/// # Panics
/// When `planes` has another length than `to` says, which is a fault of the program.
pub fn decode(content: &[u8], to: Conversion, planes: &mut [u8]) -> Result<()> {
    let (picture, header) = whole(content)?;
    let orientation = if to.fitting.orient { header.orientation } else { Orientation::UPRIGHT };
    match to.channels {
        1 => spread(&fit(upright(picture.into_luma8(), orientation), to), planes),
        _ => spread(&fit(upright(picture.into_rgb8(), orientation), to), planes),
    }
    Ok(())
}

/// A picture as it is stored.
fn whole(content: &[u8]) -> Result<(DynamicImage, Header)> {
    let header = inspect(content)?;
    let picture = if content.starts_with(&JPEG_START) { decode_jpeg(content)? } else { decode_png(content)? };
    Ok((picture, header))
}

/// A picture turned upright.
fn upright<P>(picture: ImageBuffer<P, Vec<u8>>, orientation: Orientation) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8>,
{
    if orientation == Orientation::UPRIGHT {
        return picture;
    }
    let (width, height) = picture.dimensions();
    let (to_width, to_height) = if orientation.swaps_sides() { (height, width) } else { (width, height) };
    ImageBuffer::from_fn(to_width, to_height, |x, y| {
        let (x, y) = orientation.source(x, y, width, height);
        *picture.get_pixel(x, y)
    })
}

/// The header, and how many pixels the file can hold at most.
fn png_header(content: &[u8]) -> Result<(Header, u64)> {
    let decoder = png_reader(content)?.into_decoder().map_err(|error| said(&error))?;
    let (width, height) = decoder.dimensions();
    let bits = u64::from(decoder.original_color_type().bits_per_pixel()).max(1);
    let orientation = Orientation::of(content);
    let header = Header { width, height, is_colour: decoder.color_type().has_color(), orientation };
    Ok((header, content.len() as u64 * PNG_BYTES_PER_BYTE * 8 / bits))
}

fn decode_png(content: &[u8]) -> Result<DynamicImage> {
    png_reader(content)?.decode().map_err(|error| said(&error))
}

/// What a decoder says, on one line: some end theirs.
fn said(error: &dyn std::fmt::Display) -> String {
    format!("damaged: {}", quote(error.to_string().trim()))
}

fn png_reader(content: &[u8]) -> Result<ImageReader<Cursor<&[u8]>>> {
    let mut reader = ImageReader::new(Cursor::new(content)).with_guessed_format().map_err(|error| said(&error))?;
    if reader.format() != Some(ImageFormat::Png) {
        let is = Magic::of(content).map_or(String::new(), |kind| format!("{}, ", kind.title()));
        return Err(format!("{is}neither a JPEG nor a PNG image"));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    Ok(reader)
}

const JPEG_START: [u8; 2] = [0xff, 0xd8];

/// The header, and how many pixels the file can hold at most.
fn jpeg_header(content: &[u8]) -> Result<(Header, u64)> {
    let jpeg::Facts { width, height, is_colour } = jpeg::facts(content)?;
    let orientation = Orientation::of(content);
    let header = Header { width: width as u32, height: height as u32, is_colour, orientation };
    Ok((header, content.len() as u64 * JPEG_PIXELS_PER_BYTE))
}

fn decode_jpeg(content: &[u8]) -> Result<DynamicImage> {
    let jpeg::Pixels { facts, values } = jpeg::decode(content)?;
    let (width, height) = (facts.width as u32, facts.height as u32);
    let picture = if facts.is_colour {
        RgbImage::from_raw(width, height, values).map(DynamicImage::ImageRgb8)
    } else {
        GrayImage::from_raw(width, height, values).map(DynamicImage::ImageLuma8)
    };
    Ok(picture.expect("a decoder gives as many pixels as its header says"))
}

/// A picture in the wanted size.
fn fit<P>(picture: ImageBuffer<P, Vec<u8>>, to: Conversion) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (width, height) = picture.dimensions();
    if (width, height) == (to.width, to.height) {
        return picture;
    }
    match to.fitting.fit {
        Fit::Crop => {
            let (part_w, part_h) = largest((to.width, to.height), (width, height));
            let part = crop_imm(&picture, (width - part_w) / 2, (height - part_h) / 2, part_w, part_h);
            resize(&*part, to.width, to.height, FilterType::Triangle)
        }
        Fit::Pad => {
            let (part_w, part_h) = largest((width, height), (to.width, to.height));
            let whole = resize(&picture, part_w, part_h, FilterType::Triangle);
            let mut padded = ImageBuffer::new(to.width, to.height);
            let (left, top) = ((to.width - part_w) / 2, (to.height - part_h) / 2);
            replace(&mut padded, &whole, i64::from(left), i64::from(top));
            padded
        }
        Fit::Squash => resize(&picture, to.width, to.height, FilterType::Triangle),
    }
}

/// The largest [width, height] of these proportions that lies in `space`, in u64 because the products exceed 32 bits.
fn largest(proportions: (u32, u32), space: (u32, u32)) -> (u32, u32) {
    let [w, h, tw, th] = [space.0, space.1, proportions.0, proportions.1].map(u64::from);
    let (w, h) = if w * th > h * tw { ((h * tw / th).max(1), h) } else { (w, (w * th / tw).max(1)) };
    (w as u32, h as u32)
}

/// From channels beside each other to planes.
fn spread<P: Pixel<Subpixel = u8>>(picture: &ImageBuffer<P, Vec<u8>>, planes: &mut [u8]) {
    let channels = P::CHANNEL_COUNT as usize;
    assert_eq!(picture.as_raw().len(), planes.len(), "length of the planes");
    let plane = planes.len() / channels;
    for (index, pixel) in picture.as_raw().chunks_exact(channels).enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            planes[channel * plane + index] = *value;
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder};

    use super::*;

    fn png(pixels: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file).write_image(pixels, width, height, colour).unwrap();
        file
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 7) as u8).collect();
        JpegEncoder::new(&mut file).write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
        file
    }

    fn planes(file: &[u8], channels: usize, width: u32, height: u32) -> Vec<u8> {
        let mut planes = vec![0; channels * (width * height) as usize];
        let fitting = Fitting::default();
        decode(file, Conversion { channels, width, height, fitting }, &mut planes).unwrap();
        planes
    }

    #[test]
    fn every_kind_of_pixel() {
        use ExtendedColorType::{L8, L16, La8, Rgb8, Rgb16, Rgba8};
        // 16-bit values as the encoder takes them, in native order: 0x1234 is 18 x 257 + 34, 0xabff is 171 x 257 + 84.
        let wide = |values: &[u16]| values.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<u8>>();
        let cases: [(Vec<u8>, bool, &[u8]); 6] = [
            (png(&[1, 2], 2, 1, L8), false, &[1, 2]),
            (png(&[1, 0, 2, 9], 2, 1, La8), false, &[1, 2]),
            (png(&wide(&[0x1234, 0xabff]), 2, 1, L16), false, &[18, 171]),
            (png(&[1, 2, 3, 4, 5, 6], 2, 1, Rgb8), true, &[1, 4, 2, 5, 3, 6]),
            (png(&[1, 2, 3, 0, 4, 5, 6, 255], 2, 1, Rgba8), true, &[1, 4, 2, 5, 3, 6]),
            (png(&wide(&[257, 514, 771, 1028, 1285, 65535]), 2, 1, Rgb16), true, &[1, 4, 2, 5, 3, 255]),
        ];
        for (file, is_colour, expected) in cases {
            let orientation = Orientation::UPRIGHT;
            assert_eq!(inspect(&file).unwrap(), Header { width: 2, height: 1, is_colour, orientation });
            assert_eq!(planes(&file, if is_colour { 3 } else { 1 }, 2, 1), expected);
        }
    }

    #[test]
    fn grey_in_a_colour_set_is_repeated() {
        assert_eq!(planes(&png(&[7, 8], 2, 1, ExtendedColorType::L8), 3, 2, 1), [7, 8, 7, 8, 7, 8]);
    }

    #[test]
    fn the_centre_is_cut_out_and_scaled() {
        let grey = |pixels: &[u8], width, height| png(pixels, width, height, ExtendedColorType::L8);
        // The centre of 4x2 is columns 1 and 2; shrunk to one pixel it is their mean.
        assert_eq!(planes(&grey(&[0, 10, 20, 0, 0, 30, 40, 0], 4, 2), 1, 2, 2), [10, 20, 30, 40]);
        assert_eq!(planes(&grey(&[0, 10, 20, 0, 0, 30, 40, 0], 4, 2), 1, 1, 1), [25]);
        assert_eq!(planes(&grey(&[9], 1, 1), 1, 2, 2), [9; 4]);
        assert_eq!(planes(&grey(&[5; 300], 300, 1), 1, 3, 3), [5; 9]);
    }

    #[test]
    fn the_whole_picture_is_padded_or_squashed_on_demand() {
        let grey = |pixels: &[u8], width, height| png(pixels, width, height, ExtendedColorType::L8);
        let fitted = |file: &[u8], fit: Fit, width: u32, height: u32| {
            let mut planes = vec![9; (width * height) as usize];
            let fitting = Fitting { fit, orient: false };
            decode(file, Conversion { channels: 1, width, height, fitting }, &mut planes).unwrap();
            planes
        };
        let wide = grey(&[10, 20, 30, 40, 50, 60, 70, 80], 4, 2);
        assert_eq!(
            fitted(&wide, Fit::Pad, 4, 4),
            [0, 0, 0, 0, 10, 20, 30, 40, 50, 60, 70, 80, 0, 0, 0, 0],
            "as it is, in the middle"
        );
        // Half as large: the mean of each 2x2, but for the filter's reach.
        let flat = grey(&[10, 10, 30, 30, 10, 10, 30, 30], 4, 2);
        let padded = fitted(&flat, Fit::Pad, 2, 3);
        assert_eq!((&padded[..2], &padded[4..]), (&[0, 0][..], &[0, 0][..]));
        assert!(padded[2] < padded[3] && padded[2] >= 10 && padded[3] <= 30, "{padded:?}");
        assert_eq!(fitted(&grey(&[5; 300], 300, 1), Fit::Pad, 3, 3), [0, 0, 0, 5, 5, 5, 0, 0, 0], "a line at least");
        let squashed = fitted(&wide, Fit::Squash, 2, 2);
        assert!(squashed[0] < squashed[1] && squashed[2] < squashed[3] && squashed[1] < squashed[2], "{squashed:?}");
        assert_eq!(fitted(&grey(&[5; 300], 300, 1), Fit::Squash, 3, 3), [5; 9]);
        for fit in [Fit::Crop, Fit::Pad, Fit::Squash] {
            assert_eq!(fitted(&wide, fit, 4, 2), [10, 20, 30, 40, 50, 60, 70, 80], "{fit:?} of the wanted size");
        }
    }

    #[test]
    fn a_picture_is_turned_on_demand() {
        use orientation::tests::exif;
        // Stored as 1 2 3 over 4 5 6; how it is to be seen, by orientation (Exif 2.32, figure 6).
        let upright: [(u16, u32, &[u8]); 8] = [
            (1, 3, &[1, 2, 3, 4, 5, 6]),
            (2, 3, &[3, 2, 1, 6, 5, 4]),
            (3, 3, &[6, 5, 4, 3, 2, 1]),
            (4, 3, &[4, 5, 6, 1, 2, 3]),
            (5, 2, &[1, 4, 2, 5, 3, 6]),
            (6, 2, &[4, 1, 5, 2, 6, 3]),
            (7, 2, &[6, 3, 5, 2, 4, 1]),
            (8, 2, &[3, 6, 2, 5, 1, 4]),
        ];
        for (value, width, expected) in upright {
            let mut file = Vec::new();
            let mut encoder = PngEncoder::new(&mut file);
            encoder.set_exif_metadata(exif(value, false)).unwrap();
            encoder.write_image(&[1, 2, 3, 4, 5, 6], 3, 2, ExtendedColorType::L8).unwrap();
            let header = inspect(&file).unwrap();
            assert_eq!((header.is_turned(), header.size(true).0), (value != 1, width), "{value}");
            let mut planes = [0; 6];
            let fitting = Fitting { orient: true, ..Fitting::default() };
            let to = Conversion { channels: 1, width, height: 6 / width, fitting };
            decode(&file, to, &mut planes).unwrap();
            assert_eq!(planes, expected, "{value}");
            let stored = Conversion { channels: 1, width: 3, height: 2, fitting: Fitting::default() };
            decode(&file, stored, &mut planes).unwrap();
            assert_eq!(planes, [1, 2, 3, 4, 5, 6], "{value}");
        }
    }

    #[test]
    fn a_jpeg_cut_anywhere_is_refused() {
        let file = jpeg(17, 9);
        let to = Conversion { channels: 3, width: 17, height: 9, fitting: Fitting::default() };
        let mut planes = vec![0; 3 * 17 * 9];
        decode(&file, to, &mut planes).unwrap();
        for length in 0..file.len() {
            assert!(decode(&file[..length], to, &mut planes).is_err(), "{length} of {} bytes", file.len());
        }
    }

    #[test]
    fn what_a_decoder_says_stays_display_path() {
        // Found by mutation: the decoder ends some of its messages with an end of line.
        let mut file = jpeg(8, 8);
        let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        file.truncate(frame + 3);
        let message = inspect(&file).unwrap_err();
        assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
    }

    #[test]
    fn a_jpeg_with_a_table_inside_its_scan_is_refused() {
        let mut file = jpeg(64, 64);
        let middle = file.len() / 2;
        file[middle..middle + 2].copy_from_slice(&[0xff, 0xc0]);
        let to = Conversion { channels: 3, width: 64, height: 64, fitting: Fitting::default() };
        assert!(decode(&file, to, &mut vec![0; 3 * 64 * 64]).is_err());
    }

    #[test]
    fn a_png_cut_in_its_pixels_is_refused() {
        let file = png(&(0..=255).collect::<Vec<u8>>(), 16, 16, ExtendedColorType::L8);
        let to = Conversion { channels: 1, width: 16, height: 16, fitting: Fitting::default() };
        for length in 0..file.len() - 24 {
            assert!(decode(&file[..length], to, &mut [0; 256]).is_err(), "{length} of {} bytes", file.len());
        }
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_decoding() {
        let mut file = jpeg(8, 8);
        let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        file[frame + 5..frame + 9].fill(0xff);
        let expected = "65535x65535 pixels; from 1 to 67108864 can be read";
        assert_eq!(inspect(&file).unwrap_err(), expected);
        let to = Conversion { channels: 3, width: 8, height: 8, fitting: Fitting::default() };
        assert_eq!(decode(&file, to, &mut [0; 192]).unwrap_err(), expected);
    }

    #[test]
    fn a_header_that_claims_more_than_the_file_can_hold_is_refused() {
        let mut file = jpeg(8, 8);
        let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        file[frame + 5..frame + 9].copy_from_slice(&[0x10, 0, 0x20, 0]);
        let expected = format!("8192x4096 pixels, which {} bytes cannot hold", file.len());
        assert_eq!(inspect(&file).unwrap_err(), expected);
        // Of one colour throughout both formats are as small as they get: these are read.
        let side = 2048;
        let mut white = Vec::new();
        let pixels = vec![255; side * side];
        JpegEncoder::new(&mut white).write_image(&pixels, side as u32, side as u32, ExtendedColorType::L8).unwrap();
        for file in [white, png(&pixels, side as u32, side as u32, ExtendedColorType::L8)] {
            assert_eq!(inspect(&file).unwrap().width, side as u32, "{} bytes", file.len());
        }
    }
}
