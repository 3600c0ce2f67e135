//! Memory that kernels work in, kept between calls.

use std::sync::{Mutex, PoisonError};

use crate::aligned::AlignedBuffer;
use crate::threads::Threads;

/// Working memory of the kernels: grows once, reused between calls and between layers.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Weights as the kernels read them.
    pub(super) weights: AlignedBuffer,
    /// Weight gradients of each chunk of images, before they are summed.
    pub(super) partials: AlignedBuffer,
    /// What each thread works in.
    pub(super) workers: Workers,
}

/// A buffer for each thread of a pool.
#[derive(Debug, Default)]
pub(super) struct Workers(Vec<Mutex<AlignedBuffer>>);

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

fn lock(worker: &Mutex<AlignedBuffer>) -> std::sync::MutexGuard<'_, AlignedBuffer> {
    worker.lock().unwrap_or_else(PoisonError::into_inner) // the contents mean nothing between calls
}
