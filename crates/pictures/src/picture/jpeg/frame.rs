//! The header of a frame (T.81, B.2.2) and the coefficients of its components.

use super::{Facts, Result, damaged};

/// Coefficients of a block of 8x8 samples, row by row.
pub(super) type Block = [i16; 64];

/// Each block in bits: no coefficient was coded yet.
const NOT_CODED: u8 = u8::MAX;

/// A picture: its size and components.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) is_progressive: bool,
    pub(super) components: Vec<Component>,
    /// The largest sampling factors.
    pub(super) most: (usize, usize),
    /// Blocks of all components together that one step of an interleaved scan codes: how many beside and below each other.
    pub(super) units: (usize, usize),
}

/// One of the channels.
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, horizontal and vertical.
    pub(super) sampling: (usize, usize),
    /// Number of its table of quantization.
    pub(super) table: usize,
    /// That table, as it was when the first scan of the component began.
    pub(super) quant: Option<[u16; 64]>,
    /// Samples.
    pub(super) size: (usize, usize),
    /// Blocks that hold samples.
    pub(super) blocks: (usize, usize),
    /// Blocks with those that fill up the last unit: how many beside each other.
    pub(super) stride: usize,
    /// All blocks, row by row.
    pub(super) coefficients: Vec<Block>,
    /// For each coefficient, in zigzag order, how many low bits of it are still to come.
    pub(super) missing_bits: [u8; 64],
}

impl Frame {
    /// Reads the header; holds no coefficients yet.
    pub(super) fn new(kind: u8, content: &[u8]) -> Result<Self> {
        let short = || damaged("a header that is too short");
        let [precision, h1, h0, w1, w0, count, rest @ ..] = content else { return Err(short()) };
        let (height, width) = (u16::from_be_bytes([*h1, *h0]), u16::from_be_bytes([*w1, *w0]));
        if *precision != 8 {
            return Err(format!("a JPEG file of {precision} bits a sample, of which 8 can be read"));
        }
        if height == 0 {
            return Err("a JPEG file that gives its height after its pixels, which cannot be read".into());
        }
        if ![1, 3, 4].contains(count) {
            return Err(format!("a JPEG file of {count} components, of which 1, 3 or 4 can be read"));
        }
        if rest.len() != 3 * usize::from(*count) {
            return Err(short());
        }
        let (width, height) = (usize::from(width), usize::from(height));
        let mut components: Vec<Component> = rest.chunks_exact(3).map(Component::new).collect::<Result<_>>()?;
        let most = |of: fn(&Component) -> usize| components.iter().map(of).max().unwrap_or(1);
        let most = (most(|c| c.sampling.0), most(|c| c.sampling.1));
        let units = (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1));
        for at in 0..components.len() {
            let id = components[at].id;
            if components[..at].iter().any(|other| other.id == id) {
                return Err(damaged("two components of one name"));
            }
            components[at].lay_out((width, height), most, units)?;
        }
        Ok(Self { width, height, is_progressive: kind == 2, components, most, units })
    }

    /// What a header says.
    pub(super) fn facts(&self) -> Facts {
        Facts { width: self.width, height: self.height, is_colour: self.components.len() > 1 }
    }

    /// Whether every bit of every coefficient was coded.
    pub(super) fn check_whole(&self) -> Result<()> {
        let is_whole = |component: &Component| component.missing_bits.iter().all(|bits| *bits == 0);
        if self.components.iter().all(is_whole) { Ok(()) } else { Err(damaged("some of its scans are missing")) }
    }
}

impl Component {
    fn new(fields: &[u8]) -> Result<Self> {
        let sampling = (usize::from(fields[1] >> 4), usize::from(fields[1] & 15));
        if !(1..=4).contains(&sampling.0) || !(1..=4).contains(&sampling.1) || fields[2] > 3 {
            return Err(damaged("a header with sampling factors or tables out of range"));
        }
        Ok(Self {
            id: fields[0],
            sampling,
            table: usize::from(fields[2]),
            quant: None,
            size: (0, 0),
            blocks: (0, 0),
            stride: 0,
            coefficients: Vec::new(),
            missing_bits: [NOT_CODED; 64],
        })
    }

    /// Sizes in samples and blocks (T.81, A.1.1 and A.2.4).
    fn lay_out(&mut self, size: (usize, usize), most: (usize, usize), units: (usize, usize)) -> Result<()> {
        if !most.0.is_multiple_of(self.sampling.0) || !most.1.is_multiple_of(self.sampling.1) {
            return Err("a JPEG file whose sampling factors do not divide each other, which cannot be read".into());
        }
        self.size = ((size.0 * self.sampling.0).div_ceil(most.0), (size.1 * self.sampling.1).div_ceil(most.1));
        self.blocks = (self.size.0.div_ceil(8), self.size.1.div_ceil(8));
        self.stride = units.0 * self.sampling.0;
        Ok(())
    }

    /// All coefficients as zeros, if this is the first scan.
    pub(super) fn begin(&mut self, rows_of_units: usize, quant: Option<[u16; 64]>) -> Result<()> {
        if self.quant.is_none() {
            self.quant = Some(quant.ok_or_else(|| damaged("a table of quantization is missing"))?);
            self.coefficients = vec![[0; 64]; self.stride * rows_of_units * self.sampling.1];
        }
        Ok(())
    }

    /// Notes that the coefficients `band` of every block are coded from bit `high` (0: none was) down to `low`.
    pub(super) fn advance(&mut self, band: std::ops::RangeInclusive<usize>, high: u8, low: u8) -> Result<()> {
        for missing in &mut self.missing_bits[band] {
            let fits = if high == 0 { *missing == NOT_CODED } else { *missing == high && low + 1 == high };
            if !fits {
                return Err(damaged("scans out of order"));
            }
            *missing = low;
        }
        Ok(())
    }
}
