//! One slice written by many tasks, each in a part of its own.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use crate::threads::Threads;

/// Calls `task(index, chunk)` for every chunk of `chunk` elements of `slice`, the last of which may be shorter.
pub(crate) fn for_each_chunk<T: Send>(
    threads: &Threads,
    slice: &mut [T],
    chunk: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) {
    let chunks = slice.len().div_ceil(chunk);
    let slice = Disjoint::new(slice);
    threads.run(chunks, |index| {
        // SAFETY: each index comes once, so each chunk belongs to one task.
        task(index, unsafe { slice.chunk(index, chunk) });
    });
}

/// A mutable slice that tasks on several threads write to, each to elements of its own. Where a task's elements are a chunk
/// and there is one slice, [`for_each_chunk`] says the same without `unsafe`.
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: elements are reached through unsafe code alone, whose authors vouch that no two threads have the same ones; what
// is sent is `&mut T`.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}

impl<T> Clone for Disjoint<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Wraps `slice` for as long as tasks write to it.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// Elements in all.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first element, for tasks whose elements do not lie side by side. Elements may be used by one task each.
    #[inline(always)]
    pub(crate) fn start(&self) -> *mut T {
        self.start
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// No two ranges that are held at once may overlap.
    #[allow(clippy::mut_from_ref)] // that is its purpose; the callers vouch for disjointness
    pub(crate) unsafe fn range(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "range {range:?} of {}", self.len);
        // SAFETY: inside the slice by the assertion, held by nobody else by the caller's word.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The chunk `index` of chunks of `chunk` elements, the last of which may be shorter.
    ///
    /// # Safety
    /// No two tasks may hold the same chunk at once.
    pub(crate) unsafe fn chunk(&self, index: usize, chunk: usize) -> &'a mut [T] {
        let start = (index * chunk).min(self.len);
        let end = (start + chunk).min(self.len);
        // SAFETY: chunks of different indices do not overlap; the caller vouches for the rest.
        unsafe { self.range(start..end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_comes_once_and_the_last_may_be_shorter() {
        for count in [1, 3] {
            let threads = Threads::new(count).unwrap();
            let mut numbers = [9; 10];
            for_each_chunk(&threads, &mut numbers, 4, |index, chunk| {
                assert_eq!(chunk.len(), if index == 2 { 2 } else { 4 });
                chunk.fill(index + 1);
            });
            assert_eq!(numbers, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
            for_each_chunk(&threads, &mut numbers[..0], 4, |_, _| panic!("there is none"));
        }
    }
}
