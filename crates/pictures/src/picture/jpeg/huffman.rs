//! Huffman codes and the bits of a scan (T.81, C, F.2.2.3 and F.1.2.3).

use super::{Result, damaged};

/// Codes of so many bits at most are looked up at once.
const FAST: u32 = 9;

/// A table of codes.
#[derive(Clone)]
pub(super) struct Codes {
    /// By the next [`FAST`] bits: length and symbol, where the code is that short; length 0 elsewhere.
    fast: Vec<(u8, u8)>,
    /// By length: the code behind the last of that length, with zeros up to 16 bits behind it.
    ends: [u32; 17],
    /// By length: what, added to a code, gives the place of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Codes {
    /// From how many codes there are of each length, and their symbols in order.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self> {
        let mut codes =
            Self { fast: vec![(0, 0); 1 << FAST], ends: [0; 17], offsets: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = usize::from(counts[length as usize - 1]);
            codes.offsets[length as usize] = place as i32 - code as i32;
            for symbol in &symbols[place..place + count] {
                if code >= 1 << length {
                    return Err(damaged("a table of codes that contradicts itself"));
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    codes.fast[first..first + (1 << (FAST - length))].fill((length as u8, *symbol));
                }
                code += 1;
            }
            place += count;
            codes.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(codes)
    }

    /// Length and symbol of the code that 16 bits begin with.
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let (length, symbol) = self.fast[(bits >> (16 - FAST)) as usize];
        if length > 0 {
            return Some((u32::from(length), symbol));
        }
        let length = (FAST + 1..=16).find(|length| bits < self.ends[*length as usize])?;
        let place = (bits >> (16 - length)) as i32 + self.offsets[length as usize];
        self.symbols.get(place as usize).map(|symbol| (length, *symbol))
    }
}

/// The bits between two marks.
pub(super) struct Bits<'a> {
    /// What was not loaded yet.
    rest: &'a [u8],
    /// Loaded bits, the next one highest.
    loaded: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, loaded: 0, count: 0 }
    }

    /// Loads bytes, until a mark or 56 bits: 0xff is written as 0xff 0, so that marks stand out.
    fn load(&mut self) {
        while self.count <= 48 {
            let byte = match self.rest {
                [0xff, 0, ..] => {
                    self.rest = &self.rest[2..];
                    0xff
                }
                [0xff, ..] | [] => return,
                [byte, ..] => {
                    self.rest = &self.rest[1..];
                    *byte
                }
            };
            self.loaded |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn drop_bits(&mut self, count: u32) -> Result<()> {
        if count > self.count {
            return Err(damaged(if self.rest.is_empty() {
                "a JPEG file without its end mark, so it is cut off"
            } else {
                "pixels that end too early"
            }));
        }
        self.loaded <<= count;
        self.count -= count;
        Ok(())
    }

    /// The next `count` bits, 16 at most.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> Result<i32> {
        if count == 0 {
            return Ok(0);
        }
        if self.count < count {
            self.load();
        }
        let bits = self.loaded >> (64 - count);
        self.drop_bits(count)?;
        Ok(bits as i32)
    }

    /// A difference of `size` bits (T.81, F.2.2.1, EXTEND).
    #[inline]
    pub(super) fn difference(&mut self, size: u32) -> Result<i32> {
        let bits = self.take(size)?;
        Ok(if size > 0 && bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits })
    }

    /// The next symbol.
    #[inline]
    pub(super) fn symbol(&mut self, codes: &Codes) -> Result<u8> {
        if self.count < 16 {
            self.load();
        }
        let found = codes.find((self.loaded >> 48) as u32);
        let (length, symbol) = found.ok_or_else(|| damaged("a code that is in no table"))?;
        self.drop_bits(length)?;
        Ok(symbol)
    }

    /// Ends at a mark, and gives what follows from there on: the rest of a byte is padding, more is left over.
    pub(super) fn end(mut self) -> Result<&'a [u8]> {
        self.load();
        if self.count >= 8 {
            return Err(damaged("bytes are left over behind its pixels"));
        }
        Ok(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110 and one of 12 bits.
    fn codes() -> Codes {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[2], counts[11]) = (1, 1, 1, 1);
        Codes::new(&counts, &[5, 6, 7, 8]).unwrap()
    }

    #[test]
    fn codes_short_and_long() {
        let mut bits = Bits::new(&[0b0101_1011, 0b1000_0000, 0b0001_1111, 0xff, 0xd9]);
        let symbols: Vec<u8> = (0..4).map(|_| bits.symbol(&codes()).unwrap()).collect();
        assert_eq!(symbols, [5, 6, 7, 8]);
        assert_eq!(bits.end().unwrap(), [0xff, 0xd9]);
    }

    #[test]
    fn a_code_in_no_table_is_refused() {
        let error = Bits::new(&[0b1111_1110, 0, 0xff, 0xd9]).symbol(&codes()).unwrap_err();
        assert_eq!(error, "damaged: a code that is in no table");
    }

    #[test]
    fn differences_have_a_sign() {
        let mut bits = Bits::new(&[0b0111_0001, 0xff, 0xd9]);
        let found: Vec<i32> = [1, 1, 2, 3].into_iter().map(|size| bits.difference(size).unwrap()).collect();
        assert_eq!(found, [-1, 1, 3, -7]);
    }

    #[test]
    fn bits_end_at_a_mark() {
        let mut bits = Bits::new(&[0xff, 0, 0x80, 0xff, 0xd0]);
        assert_eq!(bits.take(9).unwrap(), 0x1ff);
        assert!(bits.take(8).unwrap_err().contains("end too early"));
        assert!(Bits::new(&[1, 0xff, 0xd9]).end().unwrap_err().contains("left over"));
        assert!(Bits::new(&[]).take(1).unwrap_err().contains("cut off"));
    }
}
