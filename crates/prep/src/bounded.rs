//! Reading without trusting what a file says of its own size.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Refusal, Result};

/// What every gzip file begins with (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A packed file may grow by this factor, and by [`EXPANSION_FLOOR`] besides. Images that are worth training on
/// shrink by 5 at most; deflate cannot exceed 1032, and a file made to exhaust memory comes close to it.
const EXPANSION_FACTOR: u64 = 200;
const EXPANSION_FLOOR: u64 = 64 << 20;

/// A reader that gives up, with an error, once more than `limit` bytes have come out of it.
#[derive(Debug)]
pub struct Bounded<R> {
    inner: R,
    limit: u64,
    read: u64,
    trailing_zeros: u64,
}

impl<R: Read> Bounded<R> {
    /// Lets `limit` bytes through.
    pub fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit, read: 0, trailing_zeros: 0 }
    }

    /// How many zero bytes the data read so far ends in.
    pub fn trailing_zeros(&self) -> u64 {
        self.trailing_zeros
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        if self.read > self.limit {
            return Err(io::Error::other(format!("it unpacks to more than {} bytes", self.limit)));
        }
        match buffer[..count].iter().rposition(|byte| *byte != 0) {
            Some(last) => self.trailing_zeros = (count - 1 - last) as u64,
            None => self.trailing_zeros += count as u64,
        }
        Ok(count)
    }
}

/// Opens a file, unpacking it if it is gzip, whatever its name.
///
/// # Errors
/// When it is no regular file (a pipe would wait forever) or cannot be read. `wanted` says in the message what the file
/// should have been.
pub fn open(path: &Path, wanted: &str) -> Result<Bounded<Box<dyn Read>>> {
    let fail = |error: io::Error| Refusal::unreadable(path, &error);
    let facts = path.metadata().map_err(fail)?;
    if !facts.is_file() {
        let found = if facts.is_dir() { "a folder" } else { "neither a file nor a folder" };
        return Err(Refusal::at(path.display(), format!("{found}, not {wanted}")));
    }
    let mut file = File::open(path).map_err(fail)?;
    let mut magic = [0; GZIP_MAGIC.len()];
    let start = read_up_to(&mut file, &mut magic).map_err(fail)?;
    let packed = start == magic.len() && magic == GZIP_MAGIC;
    let whole = BufReader::with_capacity(1 << 16, io::Cursor::new(magic).take(start as u64).chain(file));
    Ok(if packed {
        let limit = facts.len().saturating_mul(EXPANSION_FACTOR).saturating_add(EXPANSION_FLOOR);
        Bounded::new(Box::new(MultiGzDecoder::new(whole)), limit)
    } else {
        Bounded::new(Box::new(whole), u64::MAX)
    })
}

/// Fills `buffer` as far as the data go; says how far.
///
/// # Errors
/// When reading fails.
pub fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads on, keeping nothing, so that a checksum at the end of a packed file is verified too.
///
/// # Errors
/// When reading fails.
pub fn drain(reader: &mut impl Read) -> io::Result<()> {
    io::copy(reader, &mut io::sink()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_passes_and_one_more_does_not() {
        let mut out = Vec::new();
        Bounded::new(&[1_u8, 2, 3][..], 3).read_to_end(&mut out).unwrap();
        assert_eq!(out, [1, 2, 3]);
        let error = Bounded::new(&[1_u8, 2, 3][..], 2).read_to_end(&mut out).unwrap_err();
        assert_eq!(error.to_string(), "it unpacks to more than 2 bytes");
    }

    #[test]
    fn zeros_at_the_end_are_counted_across_reads() {
        let data = [7_u8, 0, 0, 0, 0];
        let mut reader = Bounded::new(&data[..], 9);
        for (length, zeros) in [(2, 1), (2, 3), (1, 4)] {
            reader.read_exact(&mut vec![0; length]).unwrap();
            assert_eq!(reader.trailing_zeros(), zeros);
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_has_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bomb.gz");
        let mut packer = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::best());
        io::copy(&mut io::repeat(0).take(1 << 28), &mut packer).unwrap();
        packer.finish().unwrap();
        let limit = EXPANSION_FLOOR + EXPANSION_FACTOR * path.metadata().unwrap().len();
        let error = drain(&mut open(&path, "a file").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("it unpacks to more than {limit} bytes"));
    }
}
