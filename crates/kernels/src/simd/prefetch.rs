//! Asking for memory before it is used.

use crate::aligned::LINE;

/// Asks for the cache line at an address, which need not exist, to be brought into the nearest cache. Does nothing where
/// that cannot be asked.
#[inline(always)]
pub(crate) fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Memory to be brought into the second-level cache while a kernel computes, a share at a time.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    start: *const f32,
    lines: usize,
}

impl Ahead {
    /// `len` numbers from `start`. They are never read: they need not exist.
    pub(crate) fn new(start: *const f32, len: usize) -> Self {
        Self { start, lines: len.div_ceil(LINE) }
    }

    /// Asks for the share at `index` of `count`. Does nothing where that cannot be asked.
    #[inline(always)]
    pub(crate) fn fetch(&self, index: usize, count: usize) {
        for line in self.lines * index / count..self.lines * (index + 1) / count {
            let address = self.start.wrapping_add(line * LINE);
            #[cfg(target_arch = "x86_64")]
            // SAFETY: SSE is part of x86-64, and a prefetch never faults.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(address.cast());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = address;
        }
    }
}
