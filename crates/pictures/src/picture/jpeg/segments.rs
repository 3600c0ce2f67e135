//! The parts of a JPEG file between its marks (T.81, B.1 and B.2).

use super::{Result, damaged};

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Segment<'a> {
    /// SOF0, SOF1 or SOF2, by number.
    Frame(u8, &'a [u8]),
    /// DHT.
    HuffmanTables(&'a [u8]),
    /// DQT.
    QuantTables(&'a [u8]),
    /// DRI.
    RestartInterval(&'a [u8]),
    /// APP0 to APP15.
    Application(u8, &'a [u8]),
    /// SOS; what it codes follows.
    Scan(&'a [u8]),
    /// EOI.
    End,
    /// What says nothing about pixels.
    Other,
}

/// Reads one segment after another.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of a file that begins as JPEG files do.
    pub(super) fn new(content: &'a [u8]) -> Result<Self> {
        content.strip_prefix(&[0xff, 0xd8]).map(|rest| Self { rest }).ok_or_else(|| damaged("no JPEG file"))
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Passes over what a scan has read.
    pub(super) fn go_on_at(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// The next segment.
    pub(super) fn next(&mut self) -> Result<Segment<'a>> {
        let cut = || damaged("a JPEG file without its end mark, so it is cut off");
        let [0xff, ..] = self.rest else {
            return Err(if self.rest.is_empty() { cut() } else { damaged("bytes between the parts of a JPEG file") });
        };
        let filled = self.rest.iter().take_while(|byte| **byte == 0xff).count();
        let marker = *self.rest.get(filled).ok_or_else(cut)?;
        self.rest = &self.rest[filled + 1..];
        // Marks without a length.
        match marker {
            0xd9 => return Ok(Segment::End),
            0x01 => return Ok(Segment::Other),
            0xd0..=0xd8 | 0 => return Err(damaged("a mark out of its place")),
            _ => {}
        }
        let length = self.rest.first_chunk().map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
        let content = self.rest.get(2..length.ok_or_else(cut)?).ok_or_else(cut)?;
        self.rest = &self.rest[2 + content.len()..];
        Ok(match marker {
            0xc0..=0xc2 => Segment::Frame(marker - 0xc0, content),
            0xc4 => Segment::HuffmanTables(content),
            0xc3 => return Err("a lossless JPEG file, which cannot be read".into()),
            0xc5..=0xc7 | 0xcd..=0xcf | 0xde | 0xdf => {
                return Err("a hierarchical JPEG file, which cannot be read".into());
            }
            0xc8..=0xcc => return Err("a JPEG file with arithmetic coding, which cannot be read".into()),
            0xda => Segment::Scan(content),
            0xdb => Segment::QuantTables(content),
            0xdc => return Err("a JPEG file that gives its height after its pixels, which cannot be read".into()),
            0xdd => Segment::RestartInterval(content),
            0xe0..=0xef => Segment::Application(marker - 0xe0, content),
            _ => Segment::Other,
        })
    }
}
