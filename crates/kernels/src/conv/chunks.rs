//! How weight gradients split a batch: a number of chunks that depends on the batch alone, summed in their order, so that
//! results do not depend on the number of threads.

use std::ops::Range;

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
