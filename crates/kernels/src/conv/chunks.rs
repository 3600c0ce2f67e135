//! How weight gradients split a batch: a number of chunks that depends on the batch alone, summed in their order, so that
//! results do not depend on the number of threads.

use std::ops::Range;

use super::tiles::blocks;
use crate::disjoint::for_each_chunk;
use crate::threads::Threads;

/// Chunks at most: enough for the cores of a workstation, few enough that summing them costs little.
const CHUNKS: usize = 16;

/// Number of chunks of a batch of so many images.
pub(super) fn chunks(images: usize) -> usize {
    images.min(CHUNKS)
}

/// The images of one chunk.
pub(super) fn chunk_of(images: usize, chunk: usize) -> Range<usize> {
    let count = chunks(images);
    images * chunk / count..images * (chunk + 1) / count
}

/// Sums the chunks' gradients, in their order, into `dw` in PyTorch's layout [output channel, input channel, tap], whose
/// sides are `sides`. A chunk's own layout is that of the register tiles: by block of one or two vectors of output
/// channels (see [`blocks`]), tap, input channel, output channel.
pub(super) fn reduce(
    threads: &Threads,
    chunks: &[f32],
    chunk_len: usize,
    sides: [usize; 3],
    lanes: usize,
    dw: &mut [f32],
) {
    let [outs, inputs, taps] = sides;
    let rows = inputs * taps;
    for_each_chunk(threads, dw, 2 * lanes * rows, |block, dw| {
        let (first, width) = blocks(outs, lanes).nth(block).expect("one part a block");
        let mut sums = vec![0.0; width];
        for row in 0..rows {
            sums.fill(0.0);
            for chunk in chunks.chunks_exact(chunk_len) {
                let values = &chunk[first * rows + row * width..][..width];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            let (tap, input) = (row / inputs, row % inputs);
            for (dw, sum) in dw.chunks_exact_mut(rows).zip(&sums) {
                dw[input * taps + tap] = *sum;
            }
        }
    });
}
