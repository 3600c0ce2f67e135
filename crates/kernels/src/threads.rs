//! A fixed number of worker threads, and work split in a way that does not depend on how many there are.

use rayon::prelude::*;

/// The threads that run kernels. Work is cut into tasks by the caller, never by the number of threads, so that sums
/// come out the same whatever that number is.
pub struct Threads {
    pool: rayon::ThreadPool,
}

impl Threads {
    /// A pool of `count` threads (at least one).
    ///
    /// # Errors
    /// When the system refuses to start that many threads.
    pub fn new(count: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count.max(1)).build()?;
        Ok(Self { pool })
    }

    /// How many threads there are.
    pub fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Does `work` on one of the threads: what it then [`run`](Self::run)s has no other thread to wake and wait for.
    pub(crate) fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        if self.count() == 1 { work() } else { self.pool.install(work) }
    }

    /// Does `work` on these threads and no others: what in it goes to rayon's pool goes to theirs, even where there is but one.
    pub(crate) fn confine<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Calls `task(0)`, `task(1)` .. `task(tasks - 1)`, each exactly once, in any order, on any thread.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        if self.count() == 1 || tasks <= 1 {
            (0..tasks).for_each(task);
        } else {
            self.pool.install(|| (0..tasks).into_par_iter().with_max_len(1).for_each(&task));
        }
    }
}
