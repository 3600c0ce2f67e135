//! Scans: what the coded bits say of the coefficients (T.81, F.2 and G.2).

use super::frame::{Block, Component, Frame};
use super::huffman::{Bits, Codes};
use super::{Result, damaged};

/// From the order in which coefficients are coded to their place in a block (T.81, figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, //
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
    55, 62, 63,
];

/// With 8 bits a sample no coefficient has more bits (T.81, tables F.1 and F.2).
const MOST_DC_BITS: u8 = 11;
const MOST_AC_BITS: u8 = 10;

/// Tables as they are at a point of the file.
#[derive(Default)]
pub(super) struct Tables {
    dc: [Option<Codes>; 4],
    ac: [Option<Codes>; 4],
    quant: [Option<[u16; 64]>; 4],
    /// Units between two restart marks; 0: there are none.
    interval: usize,
}

impl Tables {
    pub(super) fn take_huffman(&mut self, mut content: &[u8]) -> Result<()> {
        let bad = || damaged("a table of codes that is no table");
        while let [which, rest @ ..] = content {
            let counts: &[u8; 16] = rest.first_chunk().ok_or_else(bad)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let symbols = rest.get(16..16 + total).ok_or_else(bad)?;
            let kind = match which >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(bad()),
            };
            *kind.get_mut(usize::from(which & 15)).ok_or_else(bad)? = Some(Codes::new(counts, symbols)?);
            content = &rest[16 + total..];
        }
        Ok(())
    }

    pub(super) fn take_quant(&mut self, mut content: &[u8]) -> Result<()> {
        let bad = || damaged("a table of quantization that is no table");
        while let [which, rest @ ..] = content {
            let width = match which >> 4 {
                0 => 1,
                1 => 2,
                _ => return Err(bad()),
            };
            let values = rest.get(..64 * width).ok_or_else(bad)?;
            let mut table = [0; 64];
            for (place, value) in ZIGZAG.iter().zip(values.chunks_exact(width)) {
                table[*place] = value.iter().fold(0, |all, byte| all << 8 | u16::from(*byte));
            }
            if table.contains(&0) {
                return Err(bad());
            }
            *self.quant.get_mut(usize::from(which & 15)).ok_or_else(bad)? = Some(table);
            content = &rest[64 * width..];
        }
        Ok(())
    }

    pub(super) fn take_interval(&mut self, content: &[u8]) -> Result<()> {
        let bytes = content.try_into().map_err(|_| damaged("restart marks without a distance"))?;
        self.interval = usize::from(u16::from_be_bytes(bytes));
        Ok(())
    }
}

/// What a scan codes.
struct Header {
    /// Places of its components in the frame, with the numbers of their tables.
    components: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    band: (usize, usize),
    /// Bits that were coded before (0: none), and that are left when it is done.
    bits: (u8, u8),
}

impl Header {
    fn new(frame: &Frame, content: &[u8]) -> Result<Self> {
        let bad = || damaged("a scan whose header makes no sense");
        let (count, rest) = content.split_first().ok_or_else(bad)?;
        let count = usize::from(*count);
        if !(1..=frame.components.len()).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(bad());
        }
        let mut components: Vec<(usize, usize, usize)> = Vec::new();
        for fields in rest[..2 * count].chunks_exact(2) {
            let place = frame.components.iter().position(|component| component.id == fields[0]).ok_or_else(bad)?;
            if components.iter().any(|(other, ..)| *other == place) {
                return Err(bad());
            }
            components.push((place, usize::from(fields[1] >> 4), usize::from(fields[1] & 15)));
        }
        let [first, last, bits] = rest[2 * count..] else { return Err(bad()) };
        let (band, bits) = ((usize::from(first), usize::from(last)), (bits >> 4, bits & 15));
        let fits = if frame.is_progressive {
            let is_dc = band == (0, 0);
            let is_ac = band.0 > 0 && band.0 <= band.1 && band.1 < 64 && count == 1;
            (is_dc || is_ac) && bits.1 <= 13
        } else {
            // Some programs write zeros for what does not apply here.
            bits == (0, 0)
        };
        if !fits {
            return Err(bad());
        }
        let band = if frame.is_progressive { band } else { (0, 63) };
        Ok(Self { components, band, bits })
    }
}

/// Reads a scan into the coefficients of the frame; gives what follows it.
pub(super) fn read<'a>(frame: &mut Frame, tables: &Tables, header: &[u8], coded: &'a [u8]) -> Result<&'a [u8]> {
    let header = Header::new(frame, header)?;
    for (place, ..) in &header.components {
        let component = &mut frame.components[*place];
        component.begin(frame.units.1, tables.quant[component.table])?;
        if header.band.0 > 0 && component.missing_bits[0] == u8::MAX {
            return Err(damaged("scans out of order"));
        }
        component.advance(header.band.0..=header.band.1, header.bits.0, header.bits.1)?;
    }
    let coder = Coder { header: &header, tables, is_progressive: frame.is_progressive };
    let mut state = State { bits: Bits::new(coded), predictions: [0; 4], run: 0 };
    let mut marks = Marks { interval: tables.interval, left: tables.interval, next: 0 };
    match header.components.as_slice() {
        // Of one component only the blocks that hold samples are coded (T.81, A.2.2).
        [(place, dc, ac)] => {
            let component = &mut frame.components[*place];
            let (columns, rows) = component.blocks;
            for row in 0..rows {
                for column in 0..columns {
                    marks.before_unit(&mut state)?;
                    let block = &mut component.coefficients[row * component.stride + column];
                    coder.block(&mut state, 0, (*dc, *ac), block)?;
                }
            }
        }
        several => {
            for unit in 0..frame.units.0 * frame.units.1 {
                marks.before_unit(&mut state)?;
                let (row, column) = (unit / frame.units.0, unit % frame.units.0);
                for (at, (place, dc, ac)) in several.iter().enumerate() {
                    let component = &mut frame.components[*place];
                    coder.unit(&mut state, at, (*dc, *ac), component, (row, column))?;
                }
            }
        }
    }
    if state.run > 0 {
        return Err(damaged("a run of blocks that goes beyond the last"));
    }
    state.bits.end()
}

/// The marks that allow a decoder to find its way after damage.
struct Marks {
    interval: usize,
    left: usize,
    next: u8,
}

impl Marks {
    /// Passes a mark where one is due.
    fn before_unit(&mut self, state: &mut State) -> Result<()> {
        if self.interval == 0 {
            return Ok(());
        }
        if self.left == 0 {
            if state.run > 0 {
                return Err(damaged("a run of blocks that goes beyond a restart mark"));
            }
            let rest = std::mem::replace(&mut state.bits, Bits::new(&[])).end()?;
            let filled = rest.iter().take_while(|byte| **byte == 0xff).count();
            if filled == 0 || rest.get(filled) != Some(&(0xd0 + self.next)) {
                return Err(damaged(if rest.is_empty() {
                    "a JPEG file without its end mark, so it is cut off"
                } else {
                    "a restart mark is missing or out of order"
                }));
            }
            *state = State { bits: Bits::new(&rest[filled + 1..]), predictions: [0; 4], run: 0 };
            (self.left, self.next) = (self.interval, (self.next + 1) % 8);
        }
        self.left -= 1;
        Ok(())
    }
}

/// What changes while a scan is read.
struct State<'a> {
    bits: Bits<'a>,
    /// The last constant coefficient of each component of the scan.
    predictions: [i32; 4],
    /// How many more blocks have no further coefficient in the band.
    run: i32,
}

struct Coder<'a> {
    header: &'a Header,
    tables: &'a Tables,
    is_progressive: bool,
}

impl Coder<'_> {
    fn unit(
        &self,
        state: &mut State,
        at: usize,
        tables: (usize, usize),
        component: &mut Component,
        (row, column): (usize, usize),
    ) -> Result<()> {
        let (across, down) = component.sampling;
        for y in 0..down {
            for x in 0..across {
                let place = (row * down + y) * component.stride + column * across + x;
                self.block(state, at, tables, &mut component.coefficients[place])?;
            }
        }
        Ok(())
    }

    /// Reads what the scan says of one block of its component number `at`.
    fn block(&self, state: &mut State, at: usize, (dc, ac): (usize, usize), block: &mut Block) -> Result<()> {
        if !self.is_progressive {
            self.dc_first(state, at, dc, block)?;
            return self.ac_sequential(state, ac, block);
        }
        match (self.header.band.0, self.header.bits.0) {
            (0, 0) => self.dc_first(state, at, dc, block),
            (0, _) => {
                block[0] |= (state.bits.take(1)? as i16) << self.header.bits.1;
                Ok(())
            }
            (_, 0) => self.ac_first(state, ac, block),
            (_, _) => self.ac_refine(state, ac, block),
        }
    }

    fn dc_first(&self, state: &mut State, at: usize, table: usize, block: &mut Block) -> Result<()> {
        let size = state.bits.symbol(codes(&self.tables.dc, table)?)?;
        if size > MOST_DC_BITS {
            return Err(damaged("a coefficient out of range"));
        }
        let value = state.predictions[at] + state.bits.difference(u32::from(size))?;
        let scaled = value << self.header.bits.1;
        if scaled.abs() >= 1 << MOST_DC_BITS {
            return Err(damaged("a coefficient out of range"));
        }
        state.predictions[at] = value;
        block[0] = scaled as i16;
        Ok(())
    }

    /// All coefficients but the first, each with the zeros before it.
    fn ac_sequential(&self, state: &mut State, table: usize, block: &mut Block) -> Result<()> {
        let codes = codes(&self.tables.ac, table)?;
        let mut k = 1;
        while k < 64 {
            let symbol = state.bits.symbol(codes)?;
            match (symbol >> 4, symbol & 15) {
                (0, 0) => break,
                (15, 0) => k += 16,
                (_, 0) => return Err(damaged("a code without a meaning")),
                (zeros, size) => {
                    k += usize::from(zeros);
                    set(block, k, state.bits.difference(ac_size(size)?)?)?;
                    k += 1;
                }
            }
        }
        // Zeros may end a block, but not go beyond it.
        if k > 64 { Err(beyond()) } else { Ok(()) }
    }

    fn ac_first(&self, state: &mut State, table: usize, block: &mut Block) -> Result<()> {
        if state.run > 0 {
            state.run -= 1;
            return Ok(());
        }
        let codes = codes(&self.tables.ac, table)?;
        let (mut k, last) = self.header.band;
        while k <= last {
            let symbol = state.bits.symbol(codes)?;
            match (symbol >> 4, symbol & 15) {
                (15, 0) => k += 16,
                (run, 0) => {
                    state.run = (1 << run) + state.bits.take(u32::from(run))? - 1;
                    break;
                }
                (zeros, size) => {
                    k += usize::from(zeros);
                    if k > last {
                        return Err(beyond());
                    }
                    let value = state.bits.difference(ac_size(size)?)? << self.header.bits.1;
                    if value.abs() > i32::from(i16::MAX) {
                        return Err(damaged("a coefficient out of range"));
                    }
                    set(block, k, value)?;
                    k += 1;
                }
            }
        }
        if k > last + 1 { Err(beyond()) } else { Ok(()) }
    }

    /// One more bit of each coefficient that is not zero, and those that get their first (T.81, figure G.7).
    fn ac_refine(&self, state: &mut State, table: usize, block: &mut Block) -> Result<()> {
        let codes = codes(&self.tables.ac, table)?;
        let (mut k, last) = self.header.band;
        let unit = 1_i16 << self.header.bits.1;
        if state.run == 0 {
            while k <= last {
                let symbol = state.bits.symbol(codes)?;
                let (mut zeros, new) = match (symbol >> 4, symbol & 15) {
                    (15, 0) => (15, None),
                    (run, 0) => {
                        state.run = (1 << run) + state.bits.take(u32::from(run))?;
                        break;
                    }
                    (zeros, 1) => (zeros, Some(if state.bits.take(1)? == 1 { unit } else { -unit })),
                    _ => return Err(damaged("a code without a meaning")),
                };
                while k <= last {
                    let coefficient = &mut block[ZIGZAG[k]];
                    if *coefficient != 0 {
                        refine(state, coefficient, unit)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    k += 1;
                }
                if let Some(value) = new {
                    if k > last {
                        return Err(beyond());
                    }
                    block[ZIGZAG[k]] = value;
                }
                k += 1;
            }
        }
        if state.run > 0 {
            for place in &ZIGZAG[k.min(last + 1)..=last] {
                refine(state, &mut block[*place], unit)?;
            }
            state.run -= 1;
        }
        Ok(())
    }
}

/// Adds a bit to a coefficient that is not zero, away from zero.
fn refine(state: &mut State, coefficient: &mut i16, unit: i16) -> Result<()> {
    if *coefficient != 0 && state.bits.take(1)? == 1 && *coefficient & unit == 0 {
        *coefficient = coefficient.saturating_add(if *coefficient > 0 { unit } else { -unit });
    }
    Ok(())
}

fn set(block: &mut Block, k: usize, value: i32) -> Result<()> {
    let place = ZIGZAG.get(k).ok_or_else(beyond)?;
    block[*place] = value as i16;
    Ok(())
}

fn codes(kind: &[Option<Codes>; 4], number: usize) -> Result<&Codes> {
    kind.get(number).and_then(Option::as_ref).ok_or_else(|| damaged("a table of codes is missing"))
}

fn ac_size(size: u8) -> Result<u32> {
    if size > MOST_AC_BITS { Err(damaged("a coefficient out of range")) } else { Ok(u32::from(size)) }
}

fn beyond() -> String {
    damaged("a coefficient beyond the end of its block")
}
