//! The transform of a convolution's kernels, once a call.
#![allow(unsafe_code)]
// Arrays that stay in registers are indexed by loops over constants.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::SKEW;
use super::transform::KernelMatrix;
use crate::conv::scratch::Buffer;
use crate::conv::simd::{First, Kernel, Span, Vector, dispatch, lanes};
use crate::conv::tiles::blocks;
use crate::isa::Isa;
use crate::threads::Threads;

/// Source channels a task.
const CHANNELS_PER_TASK: usize = 8;

/// How kernels are read from the weight [O, I, R, R].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orientation {
    /// From input channels to output channels.
    Plain,
    /// From output channels to input channels.
    Exchanged,
    /// From output channels to input channels, and turned round.
    Turned,
}

/// G w Gᵀ of all kernels: S x S matrices for tiles of side S, each by block of one or two vectors of output channels, source channel, output
/// channel; missing channels are 0.
#[derive(Clone, Copy)]
pub(super) struct TransformedKernels<'a> {
    pub(super) values: &'a [f32],
    /// Numbers from one matrix to the next.
    pub(super) matrix: usize,
    /// Source and output channels.
    pub(super) channels: [usize; 2],
}

impl<'a> TransformedKernels<'a> {
    /// The kernels of `weight`, R x R, from and to so many channels.
    ///
    /// # Panics
    /// When the weight's length does not fit.
    pub(super) fn new<const S: usize, const R: usize>(
        isa: Isa,
        threads: &Threads,
        weight: &[f32],
        [sources, outs]: [usize; 2],
        orientation: Orientation,
        memory: &'a mut Buffer,
    ) -> Self {
        assert_eq!(weight.len(), sources * outs * R * R, "weight");
        let channels = [sources, outs];
        let matrix = (sources * outs.next_multiple_of(lanes(isa))).next_multiple_of(SKEW) + SKEW;
        let values = memory.get(S * S * matrix);
        let to = Shared(values.as_mut_ptr());
        threads.run(sources.div_ceil(CHANNELS_PER_TASK), |task| {
            let first = task * CHANNELS_PER_TASK;
            let own = first..(first + CHANNELS_PER_TASK).min(sources);
            let kernel = Kernels::<S, R> { weight, channels, orientation, own, to: &to, matrix };
            // SAFETY: plans check the instruction set; the weight's length is asserted, that of the values made to fit;
            // tasks write to the rows of their own source channels.
            unsafe { dispatch(isa, kernel) }
        });
        Self { values, matrix, channels }
    }
}

/// Where several threads write, each its own elements.
struct Shared(*mut f32);

// SAFETY: tasks write to different elements.
unsafe impl Sync for Shared {}

/// G w Gᵀ for some source channels. Needs: `weight` of these channels, room for them at `to`.
struct Kernels<'a, const S: usize, const R: usize> {
    weight: &'a [f32],
    /// Source and output channels.
    channels: [usize; 2],
    orientation: Orientation,
    /// Source channels to do.
    own: Range<usize>,
    to: &'a Shared,
    matrix: usize,
}

impl<const S: usize, const R: usize> Kernel for Kernels<'_, S, R> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let matrix = KernelMatrix::<S, R>::new();
        let [sources, outs] = self.channels;
        let (source_stride, out_stride) =
            if self.orientation == Orientation::Plain { (R * R, sources * R * R) } else { (outs * R * R, R * R) };
        let mut side_by_side = [[0.0_f32; 16]; 25];
        for (block, width) in blocks(outs, V::LANES) {
            for source in self.own.clone() {
                for channel in (block..block + width).step_by(V::LANES) {
                    for lane in 0..V::LANES {
                        if channel + lane < outs {
                            let from = source * source_stride + (channel + lane) * out_stride;
                            for (tap, weight) in self.weight[from..from + R * R].iter().enumerate() {
                                side_by_side
                                    [if self.orientation == Orientation::Turned { R * R - 1 - tap } else { tap }]
                                    [lane] = *weight;
                            }
                        }
                    }
                    // SAFETY: the caller vouches for the instruction set and the room at `to`; `side_by_side` has rows of
                    // 16, no vector has more lanes, and lanes without a channel are masked out.
                    unsafe {
                        let lanes = First(V::LANES.min(outs - channel));
                        let mut kernel = [[V::zero(); R]; R];
                        for (tap, weights) in side_by_side.iter().enumerate().take(R * R) {
                            kernel[tap / R][tap % R] = lanes.load(weights.as_ptr());
                        }
                        let at = block * sources + source * width + channel - block;
                        for (i, row) in matrix.transform(kernel).iter().enumerate() {
                            for (j, &value) in row.iter().enumerate() {
                                value.store(self.to.0.add((i * S + j) * self.matrix + at));
                            }
                        }
                    }
                }
            }
        }
    }
}
