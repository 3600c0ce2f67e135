//! Vectors over a number of channels that no vector's length divides.

use super::Vector;

/// How many lanes of a vector hold channels: all of them, or the first few.
pub(crate) trait Span: Copy {
    /// The lanes that hold channels, 0 in the others.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`, and `source` point to so many elements.
    unsafe fn load<V: Vector>(self, source: *const f32) -> V;

    /// Stores the lanes that hold channels and nothing above.
    ///
    /// # Safety
    /// `target` must point to so many elements.
    unsafe fn store<V: Vector>(self, vector: V, target: *mut f32);
}

/// All lanes.
#[derive(Clone, Copy)]
pub(crate) struct All;

/// The first so many lanes.
#[derive(Clone, Copy)]
pub(crate) struct First(pub(crate) usize);

impl Span for All {
    #[inline(always)]
    unsafe fn load<V: Vector>(self, source: *const f32) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(source) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(self, vector: V, target: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { vector.store(target) }
    }
}

impl Span for First {
    #[inline(always)]
    unsafe fn load<V: Vector>(self, source: *const f32) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_first(source, self.0) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(self, vector: V, target: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { vector.store_first(target, self.0) }
    }
}

/// Runs `$body` for each vector of channels, from `$channel` on: `$span` says how many of its lanes hold any. A macro, as
/// closures may end up as functions of their own, which lack the instruction set.
macro_rules! for_each_vector {
    ($V:ident, $channels:expr, |$channel:ident, $span:ident| $body:expr) => {
        let (channels, mut $channel) = ($channels, 0);
        while $channel + $V::LANES <= channels {
            let $span = $crate::simd::All;
            $body;
            $channel += $V::LANES;
        }
        if $channel < channels {
            let $span = $crate::simd::First(channels - $channel);
            $body;
        }
    };
}

pub(crate) use for_each_vector;
