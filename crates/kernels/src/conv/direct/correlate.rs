//! Direct convolution, forward and backward to the input: tiles of output pixels x channels kept in registers.
#![allow(unsafe_code)]

use super::frame::{Geometry, Phase};
use crate::conv::ConvShape;
use crate::conv::finish::Output;
use crate::conv::scratch::Scratch;
use crate::conv::tiles::{PixelTiles, blocks, even_parts};
use crate::isa::Isa;
use crate::simd::{Ahead, Kernel, Vector, dispatch, lanes};
use crate::threads::Threads;

/// Multiplications that are worth a task of their own.
const PRODUCTS_PER_TASK: usize = 1 << 21;

/// Multiplications an output from which on fetching ahead pays.
const PRODUCTS_TO_FETCH: usize = 64;

/// A direct convolution made ready.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    geometry: Geometry,
    isa: Isa,
    /// Output channels first in the weight's layout (forward), or second (backward).
    backward: bool,
    kernel: usize,
    /// Multiplications an image.
    products: usize,
}

impl Correlation {
    /// From input to output.
    pub(crate) fn forward(shape: &ConvShape, isa: Isa) -> Self {
        Self::new(Geometry::forward(shape), shape, isa, false)
    }

    /// From the output's gradient to the input's.
    pub(crate) fn backward(shape: &ConvShape, isa: Isa) -> Self {
        Self::new(Geometry::backward(shape), shape, isa, true)
    }

    fn new(geometry: Geometry, shape: &ConvShape, isa: Isa, backward: bool) -> Self {
        let products = shape.outputs_per_image() * shape.c_in * shape.kernel * shape.kernel;
        Self { geometry, isa, backward, kernel: shape.kernel, products }
    }

    /// Convolves the images of `source` into `output`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn run(&self, threads: &Threads, source: &[f32], weight: &[f32], output: Output, scratch: &mut Scratch) {
        let g = &self.geometry;
        let images = source.len() / g.source_len();
        assert_eq!(source.len(), images * g.source_len(), "source: not a whole number of images");
        assert_eq!(output.len(), images * g.out_len(), "output: as many images as the source");
        assert_eq!(weight.len(), g.source[2] * g.out[2] * self.kernel * self.kernel, "weight");
        let weights = &*self.pack(weight, scratch.weights.get(self.packed_len()));
        let workers = scratch.workers.prepare(threads);
        // Under small kernels there is too little to compute for fetches to hide behind.
        let fetched = |len| if self.products / g.out_len() < PRODUCTS_TO_FETCH { 0 } else { len };
        let per_task = PRODUCTS_PER_TASK.div_ceil(self.products).min(images.max(1));
        threads.run(images.div_ceil(per_task), |task| {
            let first = task * per_task;
            workers.with(g.memory_len(), |memory| {
                memory.fill(0.0);
                for image in first..(first + per_task).min(images) {
                    let frame = g.framed(&source[image * g.source_len()..][..g.source_len()], memory);
                    let offset = image * g.out_len();
                    let ahead = [
                        Ahead::new(source.as_ptr().wrapping_add((image + 1) * g.source_len()), fetched(g.source_len())),
                        Ahead::new(output.start().wrapping_add(offset + g.out_len()), fetched(g.out_len())),
                    ];
                    // SAFETY: each image is one task's own.
                    let kernel = unsafe { Image::new(self, frame, weights, output, offset, ahead) };
                    dispatch(self.isa, kernel);
                }
            });
        });
    }

    fn lanes(&self) -> usize {
        lanes(self.isa)
    }

    /// Length of the weights as the kernels read them.
    fn packed_len(&self) -> usize {
        let g = &self.geometry;
        let taps = |phases: &[Phase]| phases.iter().map(|phase| phase.taps).sum::<usize>();
        taps(&g.rows) * taps(&g.columns) * g.source[2] * g.out[2].next_multiple_of(self.lanes())
    }

    /// Weights in the order in which the kernels read them: by phase, block of one or two vectors of output channels,
    /// tap row, tap column, source channel, output channel; missing channels are 0.
    fn pack<'a>(&self, weight: &[f32], packed: &'a mut [f32]) -> &'a mut [f32] {
        let g = &self.geometry;
        let (sources, outs, area) = (g.source[2], g.out[2], self.kernel * self.kernel);
        let (source_stride, out_stride) = if self.backward { (outs * area, area) } else { (area, sources * area) };
        let mut at = 0;
        for (rows, columns) in g.rows.iter().flat_map(|rows| g.columns.iter().map(move |columns| (rows, columns))) {
            for (first, width) in blocks(outs, self.lanes()) {
                for row in 0..rows.taps {
                    for column in 0..columns.taps {
                        let tap = rows.tap(row) * self.kernel + columns.tap(column);
                        for source in 0..sources {
                            let from = &weight[source * source_stride + tap..];
                            let (filled, rest) = packed[at..at + width].split_at_mut(width.min(outs - first));
                            for (o, value) in filled.iter_mut().enumerate() {
                                *value = from[(first + o) * out_stride];
                            }
                            rest.fill(0.0);
                            at += width;
                        }
                    }
                }
            }
        }
        debug_assert_eq!(at, packed.len());
        packed
    }
}

/// One image of a correlation.
struct Image<'a> {
    correlation: &'a Correlation,
    frame: &'a [f32],
    weights: &'a [f32],
    output: Output<'a>,
    /// First element of the image in the output.
    offset: usize,
    /// What to fetch meanwhile.
    ahead: [Ahead; 2],
}

impl<'a> Image<'a> {
    /// The image at `offset` of the output.
    ///
    /// # Safety
    /// No other thread may use the image's part of the output.
    unsafe fn new(
        correlation: &'a Correlation,
        frame: &'a [f32],
        weights: &'a [f32],
        output: Output<'a>,
        offset: usize,
        ahead: [Ahead; 2],
    ) -> Self {
        let g = &correlation.geometry;
        assert_eq!(
            (frame.len(), weights.len()),
            (g.frame_len(), correlation.packed_len()),
            "frame and weights: of its size"
        );
        assert!(offset + g.out_len() <= output.len(), "output: room for the image");
        Self { correlation, frame, weights, output, offset, ahead }
    }
}

impl Kernel for Image<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let g = &self.correlation.geometry;
        let mut weights = self.weights;
        let blocks_of_phases = g.rows.len() * g.columns.len() * blocks(g.out[2], V::LANES).count();
        let mut index = 0;
        for rows in &g.rows {
            for columns in &g.columns {
                for (channel, width) in blocks(g.out[2], V::LANES) {
                    let (own, rest) = weights.split_at(rows.taps * columns.taps * g.source[2] * width);
                    weights = rest;
                    let share = [index, blocks_of_phases];
                    index += 1;
                    // SAFETY: the caller has the instruction set; `own` are the weights of this phase and block.
                    unsafe { self.phase::<V>(rows, columns, channel, width, own, share) }
                }
            }
        }
    }
}

impl Image<'_> {
    /// The output pixels of one phase, one block of channels; meanwhile fetches ahead its share (index, of how many).
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`; `weights` must be those of the phase and block.
    #[inline(always)]
    unsafe fn phase<V: Vector>(
        &self,
        rows: &Phase,
        columns: &Phase,
        channel: usize,
        width: usize,
        weights: &[f32],
        [share, shares]: [usize; 2],
    ) {
        let g = &self.correlation.geometry;
        let [_, out_width, outs] = g.out;
        let vectors = width / V::LANES;
        let limit = if vectors == 1 { V::ROWS_OF_ONE } else { V::ROWS_OF_TWO };
        let tiles = PixelTiles {
            source_step: g.source_step * g.source[2],
            rows: rows.taps,
            row_distance: g.frame_row(),
            run: columns.taps * g.source[2],
            weights: weights.as_ptr(),
            output: self.output,
            out_distance: g.out_step * outs,
            channel,
            last_lanes: (outs - channel).min(width) - (vectors - 1) * V::LANES,
        };
        for y in 0..rows.count {
            self.ahead.iter().for_each(|ahead| ahead.fetch(share * rows.count + y, shares * rows.count));
            let source_row = (rows.source_first + y * g.source_step) * g.frame_row();
            let out_row = (rows.out_first + y * g.out_step) * out_width;
            for (x, pixels) in even_parts(columns.count, limit) {
                let source = source_row + (columns.source_first + x * g.source_step) * g.source[2];
                let offset = self.offset + (out_row + columns.out_first + x * g.out_step) * outs + channel;
                // SAFETY: the frame reaches as far as the last window of every phase, so `source` and all that the tile
                // reads lie in it, or the tile reads nothing; its output pixels lie in this image, which is this thread's
                // own (`Image::new`).
                unsafe { tiles.run::<V>(self.frame.as_ptr().wrapping_add(source), offset, pixels, vectors) }
            }
        }
    }
}
