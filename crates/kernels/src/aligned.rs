//! Memory that starts on a cache line.

#![allow(unsafe_code)]

/// Numbers in a cache line.
pub(crate) const LINE: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers that start on a cache line, kept from one use to the next: they hold whatever the last user left, and 0 where
/// nobody was yet.
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    lines: Vec<Line>,
}

impl AlignedBuffer {
    /// The first `len` numbers, after growing to that many if need be: what was there is then lost.
    pub fn get(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(LINE);
        if self.lines.len() < lines {
            // Freed first: both together would be the peak of the process.
            self.lines = Vec::new();
            self.lines = vec![Line([0.0; LINE]); lines];
        }
        &mut self.all()[..len]
    }

    /// All numbers that there are.
    pub fn all(&mut self) -> &mut [f32] {
        let len = self.lines.len() * LINE;
        // SAFETY: a line is exactly its numbers, and lines lie side by side.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_in_whole_lines_that_start_on_one() {
        let mut buffer = AlignedBuffer::default();
        assert_eq!((buffer.get(0).len(), buffer.all().len()), (0, 0));
        let numbers = buffer.get(LINE + 1);
        assert_eq!((numbers.as_ptr().align_offset(64), numbers.len()), (0, LINE + 1));
        numbers.fill(1.0);
        assert_eq!(buffer.get(2), [1.0, 1.0], "what was left is there");
        assert_eq!(buffer.all().len(), 2 * LINE);
        assert!(buffer.get(3 * LINE).iter().all(|number| *number == 0.0), "more is fresh");
    }
}
