//! From components to colours, as libjpeg's (`jdapimin.c`, `jdcolor.c`), and from CMYK to RGB as Pillow's.

use super::frame::Frame;
use super::upsample::Plane;
use super::{Result, damaged};

/// What the components of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// What a file says about that beside its header.
#[derive(Default)]
pub(super) struct Marks {
    has_jfif: bool,
    /// The transform that Adobe's segment gives.
    adobe: Option<u8>,
}

impl Marks {
    /// Looks at an application's segment.
    pub(super) fn take(&mut self, number: u8, content: &[u8]) {
        match number {
            0 if content.starts_with(b"JFIF\0") => self.has_jfif = true,
            14 if content.starts_with(b"Adobe") && content.len() >= 12 => self.adobe = Some(content[11]),
            _ => {}
        }
    }

    /// What the components of a frame are.
    pub(super) fn model(&self, frame: &Frame) -> Result<Model> {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match (ids.len(), self.adobe) {
            (1, _) => Ok(Model::Grey),
            (3, _) if self.has_jfif => Ok(Model::YCbCr),
            (3, Some(0)) => Ok(Model::Rgb),
            (3, None) if ids == *b"RGB" => Ok(Model::Rgb),
            (3, _) => Ok(Model::YCbCr),
            (4, Some(0) | None) => Ok(Model::Cmyk),
            (4, Some(_)) => Ok(Model::Ycck),
            _ => Err(damaged("no colours")),
        }
    }
}

/// The pixels of a frame, row by row: one value, or red, green and blue.
pub(super) fn convert(mut frame: Frame, model: Model) -> Vec<u8> {
    let mut components = std::mem::take(&mut frame.components);
    let planes: Vec<Plane> = components.iter_mut().map(|component| Plane::new(&frame, component)).collect();
    let channels = if model == Model::Grey { 1 } else { 3 };
    let mut pixels = vec![0; frame.width * frame.height * channels];
    let mut lines = vec![vec![0; frame.width]; planes.len()];
    for (y, row) in pixels.chunks_exact_mut(frame.width * channels).enumerate() {
        for (plane, line) in planes.iter().zip(&mut lines) {
            plane.row(y, line);
        }
        if model == Model::Grey {
            row.copy_from_slice(&lines[0]);
            continue;
        }
        for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let three = [lines[0][x], lines[1][x], lines[2][x]];
            *pixel = match model {
                Model::Grey | Model::Rgb => three,
                Model::YCbCr => rgb_of_ycc(three),
                Model::Cmyk => rgb_of_cmyk(three, lines[3][x]),
                Model::Ycck => rgb_of_cmyk(rgb_of_ycc(three).map(|value| 255 - value), lines[3][x]),
            };
        }
    }
    pixels
}

/// ITU-T T.871, 7, in fixed point of 16 bits.
#[inline]
fn rgb_of_ycc([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    let red = y + ((91881 * cr + 32768) >> 16);
    let green = y + ((-22554 * cb - 46802 * cr + 32768) >> 16);
    let blue = y + ((116130 * cb + 32768) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// Files hold the inks inverted, as Adobe's programs write them; Pillow takes them so in any file.
#[inline]
fn rgb_of_cmyk(inks: [u8; 3], light: u8) -> [u8; 3] {
    let light = u32::from(light);
    inks.map(|ink| {
        let product = u32::from(255 - ink) * light + 128;
        light.saturating_sub((product + (product >> 8)) >> 8) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours() {
        for (from, to) in [
            ([128, 128, 128], [128, 128, 128]),
            ([255, 128, 128], [255; 3]),
            ([76, 85, 255], [254, 0, 0]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(rgb_of_ycc(from), to, "{from:?}");
        }
        assert_eq!(rgb_of_cmyk([255, 255, 255], 200), [200; 3]);
        assert_eq!(rgb_of_cmyk([0, 255, 128], 255), [0, 255, 128]);
    }

    #[test]
    fn what_the_components_are() {
        let frame = |ids: &[u8]| {
            let fields = ids.iter().flat_map(|id| [*id, 0x11, 0]);
            let content: Vec<u8> = [8, 0, 1, 0, 1, ids.len() as u8].into_iter().chain(fields).collect();
            Frame::new(0, &content).unwrap()
        };
        let adobe = |transform: u8| [&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat();
        let cases: [(&[u8], bool, Option<u8>, Model); 9] = [
            (&[1], false, None, Model::Grey),
            (&[1, 2, 3], false, None, Model::YCbCr),
            (b"RGB", false, None, Model::Rgb),
            (b"RGB", true, None, Model::YCbCr),
            (&[1, 2, 3], false, Some(0), Model::Rgb),
            (&[1, 2, 3], true, Some(0), Model::YCbCr),
            (&[1, 2, 3, 4], false, None, Model::Cmyk),
            (&[1, 2, 3, 4], false, Some(0), Model::Cmyk),
            (&[1, 2, 3, 4], false, Some(2), Model::Ycck),
        ];
        for (ids, has_jfif, transform, model) in cases {
            let mut marks = Marks::default();
            if has_jfif {
                marks.take(0, b"JFIF\0");
            }
            if let Some(transform) = transform {
                marks.take(14, &adobe(transform));
            }
            assert_eq!(marks.model(&frame(ids)).unwrap(), model, "{ids:?} {has_jfif} {transform:?}");
        }
    }
}
