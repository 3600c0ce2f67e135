//! How a picture is to be turned: EXIF's orientation, in JPEG's APP1 segment or PNG's eXIf chunk.
//!
//! EXIF is a TIFF file in small: byte order, 42, where the first list of entries is; an entry has tag, type, count and
//! value (Exif 2.32, 4.5 and 4.6.2).

const TAG: u16 = 0x0112;
const SHORT: u16 = 3;

/// From 1 (upright) to 8, as EXIF numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation(u8);

impl Orientation {
    /// As it is stored.
    pub const UPRIGHT: Self = Self(1);

    /// What a JPEG or PNG file says; upright where it says nothing that makes sense.
    pub(super) fn of(content: &[u8]) -> Self {
        let exif = if content.starts_with(&[0xff, 0xd8]) { exif_of_jpeg(content) } else { exif_of_png(content) };
        exif.and_then(of_tiff).unwrap_or(Self::UPRIGHT)
    }

    /// Whether columns and rows change places.
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Where the pixel at (x, y) of an upright picture is stored; `width` and `height` are those stored.
    pub(super) fn source(self, x: u32, y: u32, width: u32, height: u32) -> (u32, u32) {
        let (right, bottom) = (width - 1, height - 1);
        match self.0 {
            2 => (right - x, y),
            3 => (right - x, bottom - y),
            4 => (x, bottom - y),
            5 => (y, x),
            6 => (y, bottom - x),
            7 => (right - y, bottom - x),
            8 => (right - y, x),
            _ => (x, y),
        }
    }
}

/// The EXIF data of a JPEG file: the first such segment before its pixels.
fn exif_of_jpeg(content: &[u8]) -> Option<&[u8]> {
    let mut rest = &content[2..];
    loop {
        let marker = *rest.get(1)?;
        if rest[0] != 0xff {
            return None;
        }
        match marker {
            0xff => rest = &rest[1..],
            0x01 | 0xd0..=0xd7 => rest = &rest[2..],
            0xd9 | 0xda => return None,
            _ => {
                let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
                let segment = rest.get(4..2 + length)?;
                if let Some(exif) = segment.strip_prefix(b"Exif\0\0").filter(|_| marker == 0xe1) {
                    return Some(exif);
                }
                rest = &rest[2 + length..];
            }
        }
    }
}

/// The EXIF data of a PNG file.
fn exif_of_png(content: &[u8]) -> Option<&[u8]> {
    let mut rest = content.get(8..)?;
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let data = rest.get(8..)?.get(..length)?;
        if rest[4..8] == *b"eXIf" {
            return Some(data);
        }
        rest = rest.get(8..)?.get(length..)?.get(4..)?;
    }
}

fn of_tiff(tiff: &[u8]) -> Option<Orientation> {
    let is_little = match tiff.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk::<2>()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk::<4>()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    };
    let list = long(4)?;
    let count = usize::from(short(list)?);
    let entry = (0..count).map(|entry| list + 2 + 12 * entry).find(|at| short(*at) == Some(TAG))?;
    let value = short(entry + 8)?;
    (short(entry + 2)? == SHORT && (1..=8).contains(&value)).then_some(Orientation(value as u8))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// EXIF data with one entry.
    pub(in crate::picture) fn exif(value: u16, is_little: bool) -> Vec<u8> {
        let short = |n: u16| if is_little { n.to_le_bytes() } else { n.to_be_bytes() };
        let long = |n: u32| if is_little { n.to_le_bytes() } else { n.to_be_bytes() };
        let order: &[u8] = if is_little { b"II" } else { b"MM" };
        let head = [order, &short(42), &long(8), &short(1)].concat();
        [&head[..], &short(TAG), &short(SHORT), &long(1), &short(value), &short(0), &long(0)].concat()
    }

    /// A JPEG file with that in its first segment.
    pub(in crate::picture) fn marked(jpeg: &[u8], value: u16) -> Vec<u8> {
        let exif = [&b"Exif\0\0"[..], &exif(value, false)].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn both_byte_orders_and_both_formats() {
        for value in 1..=8 {
            assert_eq!(of_tiff(&exif(value, true)), Some(Orientation(value as u8)));
            assert_eq!(of_tiff(&exif(value, false)), Some(Orientation(value as u8)));
        }
        assert_eq!(Orientation::of(&marked(&[0xff, 0xd8, 0xff, 0xda], 6)), Orientation(6));
        let data = exif(3, true);
        let chunk = [&(data.len() as u32).to_be_bytes()[..], b"eXIf", &data, &[0; 4]].concat();
        let png = [b"\x89PNG\r\n\x1a\n", &[0, 0, 0, 1][..], b"tEXt", &[9, 0, 0, 0, 0], &chunk].concat();
        assert_eq!(Orientation::of(&png), Orientation(3));
    }

    #[test]
    fn nonsense_is_upright() {
        let whole = marked(&[0xff, 0xd8, 0xff, 0xda], 6);
        for length in 2..whole.len() - 10 {
            assert_eq!(Orientation::of(&whole[..length]), Orientation::UPRIGHT, "{length} bytes");
        }
        for value in [0, 9, 65535] {
            assert_eq!(of_tiff(&exif(value, false)), None);
        }
    }
}
