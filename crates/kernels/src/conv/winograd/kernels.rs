//! The transform of a convolution's kernels, once a call.
#![allow(unsafe_code)]
// Arrays that stay in registers are indexed by loops over constants.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::SKEW;
use super::transform::KernelMatrix;
use crate::aligned::AlignedBuffer;
use crate::conv::tiles::blocks;
use crate::disjoint::Disjoint;
use crate::isa::Isa;
use crate::simd::{First, Kernel, MAX_LANES, Span, Vector, dispatch, lanes};
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
        memory: &'a mut AlignedBuffer,
    ) -> Self {
        assert_eq!(weight.len(), sources * outs * R * R, "weight");
        let channels = [sources, outs];
        let matrix = (sources * outs.next_multiple_of(lanes(isa))).next_multiple_of(SKEW) + SKEW;
        let values = memory.get(S * S * matrix);
        let to = Disjoint::new(values);
        threads.run(sources.div_ceil(CHANNELS_PER_TASK), |task| {
            let first = task * CHANNELS_PER_TASK;
            let own = first..(first + CHANNELS_PER_TASK).min(sources);
            // SAFETY: tasks have source channels of their own.
            let kernels = unsafe { Kernels::<S, R>::new(weight, channels, orientation, own, to, matrix) };
            dispatch(isa, kernels);
        });
        Self { values, matrix, channels }
    }

    /// Checks that there are so many matrices, each with room for its channels in whole vectors of `V`.
    pub(super) fn check<V: Vector>(&self, count: usize) {
        let [sources, outs] = self.channels;
        let room = sources * outs.next_multiple_of(V::LANES) <= self.matrix && count * self.matrix <= self.values.len();
        assert!(room, "transformed kernels: fewer than {count} of {sources} x {outs} channels");
    }
}

/// G w Gᵀ for some source channels.
struct Kernels<'a, const S: usize, const R: usize> {
    weight: &'a [f32],
    /// Source and output channels.
    channels: [usize; 2],
    orientation: Orientation,
    /// Source channels to do.
    own: Range<usize>,
    to: Disjoint<'a, f32>,
    matrix: usize,
}

impl<'a, const S: usize, const R: usize> Kernels<'a, S, R> {
    /// Puts the source channels `own` into `to`, where matrices are `matrix` numbers apart.
    ///
    /// # Safety
    /// No other thread may use the rows of these source channels in `to`.
    unsafe fn new(
        weight: &'a [f32],
        channels: [usize; 2],
        orientation: Orientation,
        own: Range<usize>,
        to: Disjoint<'a, f32>,
        matrix: usize,
    ) -> Self {
        Self { weight, channels, orientation, own, to, matrix }
    }
}

impl<const S: usize, const R: usize> Kernel for Kernels<'_, S, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let matrix = KernelMatrix::<S, R>::new();
        let [sources, outs] = self.channels;
        assert!(self.own.end <= sources && sources * outs.next_multiple_of(V::LANES) <= self.matrix, "channels");
        assert!(S * S * self.matrix <= self.to.len(), "transformed kernels: room for all matrices");
        let (source_stride, out_stride) =
            if self.orientation == Orientation::Plain { (R * R, sources * R * R) } else { (outs * R * R, R * R) };
        let mut side_by_side = [[0.0_f32; MAX_LANES]; 25];
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
                    // SAFETY: the caller has the instruction set; there is room at `to`, checked above, which is this thread's
                    // own (`Kernels::new`); no vector has more lanes than a row of `side_by_side`.
                    unsafe {
                        let lanes = First(V::LANES.min(outs - channel));
                        let mut kernel = [[V::zero(); R]; R];
                        for (tap, weights) in side_by_side.iter().enumerate().take(R * R) {
                            kernel[tap / R][tap % R] = lanes.load(weights.as_ptr());
                        }
                        let at = block * sources + source * width + channel - block;
                        for (i, row) in matrix.transform(kernel).iter().enumerate() {
                            for (j, &value) in row.iter().enumerate() {
                                value.store(self.to.start().add((i * S + j) * self.matrix + at));
                            }
                        }
                    }
                }
            }
        }
    }
}
