//! One slice written by many tasks, each in a part of its own.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

/// A mutable slice that tasks on several threads take disjoint ranges of.
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it only hands out ranges, whose disjointness the callers of `range` vouch for; what is sent is `&mut [T]`.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Wraps `slice` for as long as tasks write to it.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// No two ranges that are held at once may overlap.
    #[allow(clippy::mut_from_ref)] // that is its purpose; the callers vouch for disjointness
    pub(crate) unsafe fn range(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "range {range:?} of {}", self.len);
        // SAFETY: inside the slice by the assertion, held by nobody else by the caller's word.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The chunk `index` of chunks of `chunk` elements, the last of which may be shorter.
    ///
    /// # Safety
    /// No two tasks may hold the same chunk at once.
    #[allow(clippy::mut_from_ref)] // as above
    pub(crate) unsafe fn chunk(&self, index: usize, chunk: usize) -> &mut [T] {
        let start = (index * chunk).min(self.len);
        let end = (start + chunk).min(self.len);
        // SAFETY: chunks of different indices do not overlap; the caller vouches for the rest.
        unsafe { self.range(start..end) }
    }
}
