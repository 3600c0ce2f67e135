//! Memory that kernels work in, kept between calls, and slices that several threads write to.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use crate::threads::Threads;

/// Working memory of the kernels: grows once, reused between calls and between layers.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Weights as the kernels read them.
    pub(super) weights: Buffer,
    /// Weight gradients of each chunk of images, before they are summed.
    pub(super) partials: Buffer,
    /// What each thread works in.
    pub(super) workers: Workers,
}

impl Scratch {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let workers: usize = self.workers.0.iter().map(|worker| lock(worker).bytes()).sum();
        self.weights.bytes() + self.partials.bytes() + workers
    }
}

/// One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; Line::LEN]);

impl Line {
    const LEN: usize = 16;
}

/// Numbers that start on a cache line. They hold whatever the last user left.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<Line>);

impl Buffer {
    /// The first `len` numbers, after growing to that many if need be.
    pub(super) fn get(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(Line::LEN);
        if self.0.len() < lines {
            self.0 = Vec::new(); // let go of the old memory before asking for the new
            self.0 = vec![Line([0.0; Line::LEN]); lines];
        }
        // SAFETY: the vector holds at least `lines * LEN >= len` initialised f32s, side by side, borrowed with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast::<f32>(), len) }
    }

    fn bytes(&self) -> usize {
        size_of_val(self.0.as_slice())
    }
}

/// A buffer for each thread of a pool.
#[derive(Debug, Default)]
pub(super) struct Workers(Vec<Mutex<Buffer>>);

impl Workers {
    /// Makes sure that there is one for each thread.
    pub(super) fn prepare(&mut self, threads: &Threads) -> &Self {
        if self.0.len() < threads.count() {
            self.0.resize_with(threads.count(), Mutex::default);
        }
        self
    }

    /// Calls `work` with `len` numbers that are the calling thread's own for that time.
    pub(super) fn with<R>(&self, len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
        let own = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        work(lock(&self.0[own]).get(len))
    }
}

fn lock(worker: &Mutex<Buffer>) -> std::sync::MutexGuard<'_, Buffer> {
    worker.lock().unwrap_or_else(PoisonError::into_inner) // the contents mean nothing between calls
}

/// A slice in consecutive parts of equal length (the last may be shorter), each for one task to write.
pub(super) struct Parts<'a> {
    start: *mut f32,
    len: usize,
    part: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: `get` hands out parts that do not overlap, under its own contract.
unsafe impl Sync for Parts<'_> {}

impl<'a> Parts<'a> {
    pub(super) fn new(slice: &'a mut [f32], part: usize) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), part, slice: PhantomData }
    }

    /// Number of parts.
    pub(super) fn count(&self) -> usize {
        self.len.div_ceil(self.part)
    }

    /// The part at `index`.
    ///
    /// # Safety
    /// No part may be had twice at a time.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn get(&self, index: usize) -> &mut [f32] {
        let first = index * self.part;
        assert!(first < self.len, "part {index} of {}", self.count());
        // SAFETY: `first .. first + len` lies in the slice borrowed for 'a; the caller holds no other part like it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), self.part.min(self.len - first)) }
    }
}
