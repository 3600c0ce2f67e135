//! Direct convolution, backward to the weight: a tile of (kernel column x input channel) x output channels is kept in
//! registers while all pixels of an image go by.
#![allow(unsafe_code)]

use super::frame::Geometry;
use crate::conv::ConvShape;
use crate::conv::chunks::{chunk_of, chunks, reduce};
use crate::conv::scratch::Scratch;
use crate::conv::tiles::{ProductTile, blocks, even_parts};
use crate::disjoint::for_each_chunk;
use crate::isa::Isa;
use crate::simd::{Kernel, Vector, dispatch, lanes};
use crate::threads::Threads;

/// The gradient of the weight, made ready.
#[derive(Clone, Debug)]
pub(crate) struct WeightGradient {
    geometry: Geometry,
    kernel: usize,
    isa: Isa,
}

impl WeightGradient {
    /// For the convolution of this shape.
    pub(crate) fn new(shape: &ConvShape, isa: Isa) -> Self {
        Self { geometry: Geometry::forward(shape), kernel: shape.kernel, isa }
    }

    /// `dw` [O, I, k, k] of the images `x` and the output's gradient `dy`.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub(crate) fn run(&self, threads: &Threads, x: &[f32], dy: &[f32], dw: &mut [f32], scratch: &mut Scratch) {
        let g = &self.geometry;
        let images = x.len() / g.source_len();
        assert_eq!(x.len(), images * g.source_len(), "input: not a whole number of images");
        assert_eq!(dy.len(), images * g.out_len(), "output gradient: as many images as the input");
        assert_eq!(dw.len(), g.source[2] * g.out[2] * self.kernel * self.kernel, "weight gradient");
        let (count, len) = (chunks(images), self.packed_len());
        let partials = scratch.partials.get(count * len);
        let workers = scratch.workers.prepare(threads);
        for_each_chunk(threads, partials, len, |chunk, sums| {
            sums.fill(0.0);
            workers.with(g.memory_len(), |memory| {
                memory.fill(0.0);
                for image in chunk_of(images, chunk) {
                    let frame = g.framed(&x[image * g.source_len()..][..g.source_len()], memory);
                    let dy = &dy[image * g.out_len()..][..g.out_len()];
                    dispatch(self.isa, Image { whole: self, frame, dy, sums });
                }
            });
        });
        let taps = self.kernel * self.kernel;
        reduce(threads, partials, len, [g.out[2], g.source[2], taps], lanes(self.isa), dw);
    }

    /// Elements of one chunk's sums, in the layout of [`reduce`].
    fn packed_len(&self) -> usize {
        let g = &self.geometry;
        self.kernel * self.run_len() * g.out[2].next_multiple_of(lanes(self.isa))
    }

    /// Elements along a kernel row.
    fn run_len(&self) -> usize {
        self.kernel * self.geometry.source[2]
    }
}

/// Adds one image to the sums.
struct Image<'a> {
    whole: &'a WeightGradient,
    frame: &'a [f32],
    dy: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Image<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let g = &self.whole.geometry;
        assert_eq!((self.frame.len(), self.dy.len()), (g.frame_len(), g.out_len()), "frame and gradient: of its size");
        let [height, width, outs] = g.out;
        let mut sums = self.sums;
        for (channel, block) in blocks(outs, V::LANES) {
            let vectors = block / V::LANES;
            let limit = if vectors == 1 { V::ROWS_OF_ONE } else { V::ROWS_OF_TWO };
            let last_lanes = (outs - channel).min(block) - (vectors - 1) * V::LANES;
            for ky in 0..self.whole.kernel {
                let (own, rest) = sums.split_at_mut(self.whole.run_len() * block);
                sums = rest;
                for (first, rows) in even_parts(self.whole.run_len(), limit) {
                    // SAFETY: the caller has the instruction set; the frame reaches as far as the last window, of which
                    // `first .. first + rows` is a part; `own` holds the sums of this block and kernel row.
                    unsafe {
                        let tile = ProductTile {
                            source: self.frame.as_ptr().add(ky * g.frame_row() + first),
                            source_step: g.source_step * g.source[2],
                            source_row: g.source_step * g.frame_row(),
                            dy: self.dy.as_ptr().add(channel),
                            outs,
                            height,
                            width,
                            sums: own.as_mut_ptr().add(first * block),
                            last_lanes,
                        };
                        tile.run::<V>(rows, vectors);
                    }
                }
            }
        }
    }
}
