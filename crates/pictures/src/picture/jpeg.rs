//! JPEG files (ITU-T T.81) with Huffman codes and 8 bits a sample, baseline, extended and progressive, in any order of
//! scans: the pixels that libjpeg-turbo gives with its defaults, to the bit.
//!
//! Strict where libjpeg warns and goes on: a code that is in no table, a coefficient past the end of its block, restart
//! marks out of order, bytes left over in a scan, a scan that is missing, no end mark. Whoever trains on pictures wants to
//! know which are damaged.

mod colour;
mod frame;
mod huffman;
mod idct;
mod scan;
mod segments;
mod upsample;

use frame::Frame;
use segments::{Reader, Segment};

/// What is wrong with a file.
pub(super) type Result<T> = std::result::Result<T, String>;

/// What a file says of itself before its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) is_colour: bool,
}

/// Pixels, row by row; of a colour image red, green and blue beside each other.
#[derive(Debug)]
pub(super) struct Pixels {
    pub(super) facts: Facts,
    pub(super) values: Vec<u8>,
}

/// Reads the header alone.
pub(super) fn facts(content: &[u8]) -> Result<Facts> {
    let mut file = File::default();
    let mut reader = Reader::new(content)?;
    loop {
        match reader.next()? {
            Segment::Scan(_) | Segment::End => return Err(damaged("pixels before a header")),
            segment => file.take(segment)?,
        }
        if let Some(frame) = &file.frame {
            return Ok(frame.facts());
        }
    }
}

/// Reads the whole file.
pub(super) fn decode(content: &[u8]) -> Result<Pixels> {
    let mut file = File::default();
    let mut reader = Reader::new(content)?;
    loop {
        match reader.next()? {
            Segment::End => break,
            Segment::Scan(header) => {
                let frame = file.frame.as_mut().ok_or_else(|| damaged("pixels before a header"))?;
                let rest = scan::read(frame, &file.tables, header, reader.rest())?;
                reader.go_on_at(rest);
            }
            segment => file.take(segment)?,
        }
    }
    let frame = file.frame.ok_or_else(|| damaged("no header"))?;
    frame.check_whole()?;
    let (facts, model) = (frame.facts(), file.colours.model(&frame)?);
    Ok(Pixels { facts, values: colour::convert(frame, model) })
}

/// In the words of all readers of pictures.
fn damaged(what: &str) -> String {
    format!("damaged: {what}")
}

/// What came before the scan that is read.
#[derive(Default)]
struct File {
    frame: Option<Frame>,
    tables: scan::Tables,
    colours: colour::Marks,
}

impl File {
    fn take(&mut self, segment: Segment) -> Result<()> {
        match segment {
            Segment::Frame(kind, content) => {
                if self.frame.is_some() {
                    return Err(damaged("a second header"));
                }
                self.frame = Some(Frame::new(kind, content)?);
                Ok(())
            }
            Segment::HuffmanTables(content) => self.tables.take_huffman(content),
            Segment::QuantTables(content) => self.tables.take_quant(content),
            Segment::RestartInterval(content) => self.tables.take_interval(content),
            Segment::Application(number, content) => {
                self.colours.take(number, content);
                Ok(())
            }
            Segment::Other | Segment::Scan(_) | Segment::End => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use artifacts::sha256;

    use super::*;

    /// Files of many encodings, with what libjpeg-turbo reads out of them: tests/parity/jpegs.py.
    #[test]
    fn pixels_are_those_of_libjpeg_turbo_to_the_bit() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/fixtures/jpegs");
        let index = fs::read_to_string(folder.join("pixels.txt")).unwrap();
        let (mut whole, mut bad) = (0, 0);
        for line in index.lines() {
            let (name, expected) = line.split_once(' ').unwrap_or((line, ""));
            let content = fs::read(folder.join(format!("{name}.jpg"))).unwrap();
            match decode(&content) {
                Ok(Pixels { facts, values }) => {
                    let channels = if facts.is_colour { 3 } else { 1 };
                    let hash = sha256::of_bytes(&values);
                    let found = format!("{} {} {channels} {hash}", facts.width, facts.height);
                    assert_eq!(found, expected, "{name}");
                    whole += 1;
                }
                Err(why) => {
                    assert!(name.starts_with("bad-") && why.contains(expected), "{name}: {why}");
                    bad += 1;
                }
            }
        }
        assert!(whole >= 70 && bad >= 10, "{whole} whole, {bad} damaged");
    }

    #[test]
    fn a_wrong_byte_in_the_pixels_is_found_or_decodes_to_as_many() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/fixtures/jpegs");
        let whole = fs::read(folder.join("restart-444.jpg")).unwrap();
        let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
        let refused = (scan..whole.len()).filter(|at| {
            let mut file = whole.clone();
            file[*at] ^= 0x55;
            decode(&file).map(|pixels| assert_eq!(pixels.values.len(), 35 * 29 * 3)).is_err()
        });
        let (refused, all) = (refused.count(), whole.len() - scan);
        assert!(refused * 2 > all, "{refused} of {all}");
    }
}
