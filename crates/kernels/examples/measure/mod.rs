//! What both benchmarks measure with: time, and the machine's peak. In a folder, and so in a `mod.rs`, because cargo takes
//! every file beside the benchmarks for one of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kernels::conv::multiply_adds;
use kernels::isa::Isa;
use kernels::threads::Threads;

/// Seconds of one call.
pub(crate) fn seconds(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64()
}

/// Seconds that one call kept processors busy, over all threads: Linux's count, for a machine that others use too.
#[allow(dead_code)] // bench_ops measures on a quiet machine
pub(crate) fn busy_seconds(mut call: impl FnMut()) -> f64 {
    let start = busy();
    call();
    busy() - start
}

fn busy() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux lists a process's threads");
    let nanoseconds = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    tasks.flatten().filter_map(nanoseconds).sum::<f64>() / 1e9
}

/// GFLOP/s of multiply-adds in registers, on all threads at once: the best of some attempts.
pub(crate) fn peak(threads: &Threads, isa: Isa) -> f64 {
    const ROUNDS: usize = 1 << 20;
    let attempt = || {
        let flop = AtomicU64::new(0);
        let seconds = seconds(|| {
            threads.run(threads.count(), |_| {
                flop.fetch_add(multiply_adds(isa, ROUNDS), Ordering::Relaxed);
            });
        });
        flop.into_inner() as f64 / seconds / 1e9
    };
    (0..9).map(|_| attempt()).fold(0.0, f64::max)
}
