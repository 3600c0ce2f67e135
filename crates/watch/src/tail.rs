//! What a file of lines got since it was last read: only new bytes are read of it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use artifacts::metrics::Line;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;
/// Bytes before the place reached that must still be what they were: else the file was cut back and written anew.
const REMEMBERED: usize = 64;

/// A place in a growing file of lines.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    /// Where reading starts: at the beginning, or so many bytes before the end.
    start: Start,
    /// Device and number of the file that was read.
    file: Option<(u64, u64)>,
    /// Whole lines were read up to here.
    offset: u64,
    /// Length of the file when it was last read to its end: as long as that stays, there is nothing new.
    settled: Option<u64>,
    /// The last bytes before `offset`.
    before: Vec<u8>,
    /// Whole lines that were no records.
    pub(crate) unreadable: u64,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Beginning,
    BeforeEnd(u64),
}

/// Something new in a file.
pub(crate) enum News<T> {
    /// All lines so far are void: the file was cut back, replaced or removed.
    Again,
    /// The next line.
    Line(T),
}

/// The length of a piece of a file, and where in it the last line ends.
struct Piece {
    bytes: Vec<u8>,
    whole: usize,
}

impl Tail {
    /// The whole file.
    pub(crate) fn whole(path: PathBuf) -> Self {
        Self { path, start: Start::Beginning, file: None, offset: 0, settled: None, before: Vec::new(), unreadable: 0 }
    }

    /// The last `bytes` of the file as it is when it is first read, and what comes after.
    pub(crate) fn last(path: PathBuf, bytes: u64) -> Self {
        Self { start: Start::BeforeEnd(bytes), ..Self::whole(path) }
    }

    /// Hands the new whole lines over, a piece of the file at most. Returns how many bytes there are still to read. A torn
    /// last line is left until it is whole.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub(crate) fn read<T: Line>(&mut self, mut take: impl FnMut(News<T>)) -> io::Result<u64> {
        let metadata = match self.path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if self.file.take().is_some() {
                    self.forget(&mut take);
                }
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let (file, length) = ((metadata.dev(), metadata.ino()), metadata.len());
        let is_same = self.file.is_none_or(|known| known == file) && length >= self.offset;
        if is_same && self.settled == Some(length) {
            return Ok(0);
        }
        if !is_same {
            self.forget(&mut take);
        }
        let mut opened = File::open(&self.path)?;
        if self.file.replace(file).is_none() || !is_same {
            self.begin(&mut opened, length)?;
        } else if !self.continues(&mut opened)? {
            self.forget(&mut take);
            self.begin(&mut opened, length)?;
        }
        let piece = self.piece(&mut opened)?;
        let read = piece.bytes.len() as u64;
        for line in piece.bytes[..piece.whole].split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(record) => take(News::Line(record)),
                Err(_) => self.unreadable += 1,
            }
        }
        self.advance(&piece);
        let left = length.saturating_sub(self.offset);
        // What is left after a piece that reached the end is a torn line.
        let at_end = read < PIECE;
        self.settled = at_end.then_some(length);
        Ok(if at_end { 0 } else { left })
    }

    fn forget<T>(&mut self, take: &mut impl FnMut(News<T>)) {
        (self.offset, self.unreadable, self.settled) = (0, 0, None);
        self.before.clear();
        take(News::Again);
    }

    /// Goes to where reading starts.
    fn begin(&mut self, file: &mut File, length: u64) -> io::Result<()> {
        self.offset = 0;
        let Start::BeforeEnd(bytes) = self.start else { return Ok(()) };
        if bytes < length {
            // The line that this cuts in two is left out.
            file.seek(SeekFrom::Start(length - bytes - 1))?;
            let mut end = Vec::new();
            file.by_ref().take(bytes + 1).read_to_end(&mut end)?;
            let line = end.iter().position(|byte| *byte == b'\n').map_or(end.len(), |at| at + 1);
            self.offset = length - bytes - 1 + line as u64;
        }
        Ok(())
    }

    /// Whether what was read last still stands before the place reached.
    fn continues(&self, file: &mut File) -> io::Result<bool> {
        file.seek(SeekFrom::Start(self.offset - self.before.len() as u64))?;
        let mut found = Vec::with_capacity(self.before.len());
        file.by_ref().take(self.before.len() as u64).read_to_end(&mut found)?;
        Ok(found == self.before)
    }

    fn piece(&self, file: &mut File) -> io::Result<Piece> {
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.by_ref().take(PIECE).read_to_end(&mut bytes)?;
        let last = bytes.iter().rposition(|byte| *byte == b'\n');
        // No line is as long as a piece: what has no end there is no line, and is passed over.
        let whole = last.map_or(if bytes.len() as u64 == PIECE { bytes.len() } else { 0 }, |at| at + 1);
        Ok(Piece { bytes, whole })
    }

    fn advance(&mut self, piece: &Piece) {
        self.offset += piece.whole as u64;
        self.before.extend_from_slice(&piece.bytes[piece.whole.saturating_sub(REMEMBERED)..piece.whole]);
        let more = self.before.len().saturating_sub(REMEMBERED);
        self.before.drain(..more);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use artifacts::metrics::TestMetrics;

    use super::*;

    fn line(iteration: u64) -> String {
        format!("{{\"iteration\":{iteration},\"test_loss\":null,\"test_accuracy\":0.5}}\n")
    }

    const NOTHING: [u64; 0] = [];

    fn lines(steps: std::ops::RangeInclusive<u64>) -> String {
        steps.map(line).collect()
    }

    /// The steps that are read until nothing is left; 0 stands for "again".
    fn news(tail: &mut Tail) -> Vec<u64> {
        let mut steps = Vec::new();
        loop {
            let left = tail.read::<TestMetrics>(|news| {
                steps.push(match news {
                    News::Again => 0,
                    News::Line(line) => line.iteration,
                });
            });
            if left.unwrap() == 0 {
                return steps;
            }
        }
    }

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.jsonl");
        (folder, path)
    }

    fn append(path: &PathBuf, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn only_what_is_new_is_read_and_a_torn_line_when_it_is_whole() {
        let (_folder, path) = file();
        let mut tail = Tail::whole(path.clone());
        assert_eq!(news(&mut tail), NOTHING, "there is no file yet");
        append(&path, &lines(1..=3));
        assert_eq!(news(&mut tail), [1, 2, 3]);
        assert_eq!(news(&mut tail), NOTHING);
        append(&path, &line(4)[..10]);
        assert_eq!(news(&mut tail), NOTHING);
        append(&path, &line(4)[10..]);
        append(&path, &line(5));
        assert_eq!(news(&mut tail), [4, 5]);
    }

    #[test]
    fn a_file_that_is_cut_back_or_replaced_or_removed_is_read_again() {
        let (_folder, path) = file();
        let mut tail = Tail::whole(path.clone());
        append(&path, &lines(1..=5));
        news(&mut tail);
        // Cut back, and by the next look longer than before: as a resumed run leaves it.
        fs::write(&path, lines(1..=3) + &lines(14..=19)).unwrap();
        assert_eq!(news(&mut tail), [0, 1, 2, 3, 14, 15, 16, 17, 18, 19]);
        fs::write(&path, lines(1..=2)).unwrap();
        assert_eq!(news(&mut tail), [0, 1, 2]);
        // Another file of the same length.
        let other = path.with_extension("new");
        fs::write(&other, lines(8..=9)).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(news(&mut tail), [0, 8, 9]);
        fs::remove_file(&path).unwrap();
        assert_eq!(news(&mut tail), [0]);
        assert_eq!(news(&mut tail), NOTHING);
    }

    #[test]
    fn lines_that_are_no_records_are_counted_and_passed_over() {
        let (_folder, path) = file();
        let mut tail = Tail::whole(path.clone());
        append(&path, &format!("{}{{}}\n\0\0\n\n{}", line(1), line(4)));
        assert_eq!((news(&mut tail), tail.unreadable), (vec![1, 4], 3));
        let garbage = "x".repeat(PIECE as usize + 5);
        append(&path, &format!("{garbage}\n{}", line(5)));
        assert_eq!(news(&mut tail), [5]);
    }

    #[test]
    fn the_end_of_a_long_file_begins_with_a_whole_line() {
        let (_folder, path) = file();
        append(&path, &lines(10_000..=99_999));
        let three = (3 * line(99_999).len()) as u64;
        for (bytes, expected) in [(three, 3), (three - 1, 2), (three + 1, 3), (1, 0)] {
            let mut tail = Tail::last(path.clone(), bytes);
            assert_eq!(news(&mut tail).len(), expected, "{bytes}");
        }
        let mut tail = Tail::last(path.clone(), three);
        news(&mut tail);
        append(&path, &line(100_000));
        assert_eq!(news(&mut tail), [100_000]);
        assert_eq!(news(&mut Tail::last(path.clone(), 1 << 30)).len(), 90_001);
        assert_eq!(news(&mut Tail::whole(path)).len(), 90_001);
    }
}
