//! What happens to sums on their way from registers to memory.
#![allow(unsafe_code)]

use super::Epilogue;
use super::simd::{Span, Vector};

/// Where sums go, and what is done to them on the way.
#[derive(Clone, Copy)]
pub(super) enum Output {
    /// They are stored.
    Stored(Stored),
    /// They are added to what is there.
    Accumulated(Accumulated),
    /// They get a bias.
    Biased(Biased),
    /// They go through [`Epilogue::Affine`].
    Affine(Affine),
}

// SAFETY: the pointers are used only by kernels, whose callers see to it that no two threads write the same elements.
unsafe impl Sync for Output {}

/// One of the ways out.
pub(super) trait Finish: Copy {
    /// First element of the output.
    fn start(&self) -> *mut f32;

    /// Finishes a vector of sums: element `offset` of the output on, channel `channel` on.
    ///
    /// # Safety
    /// The instruction set of `V` is supported; the span's lanes from `offset` and from `channel` lie in the slices that
    /// the [`Output`] was made of, which are still borrowed, and no other thread uses those elements of the output.
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, channel: usize);
}

/// `y = sums`.
#[derive(Clone, Copy)]
pub(super) struct Stored(*mut f32);

impl Finish for Stored {
    fn start(&self) -> *mut f32 {
        self.0
    }
    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, _: usize) {
        // SAFETY: the caller's promise.
        unsafe { span.store(sums, self.0.add(offset)) }
    }
}

/// `y += sums`.
#[derive(Clone, Copy)]
pub(super) struct Accumulated(*mut f32);

impl Finish for Accumulated {
    fn start(&self) -> *mut f32 {
        self.0
    }
    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, _: usize) {
        // SAFETY: the caller's promise.
        unsafe { span.store(span.load::<V>(self.0.add(offset)).add(sums), self.0.add(offset)) }
    }
}

/// `y = sums + bias`.
#[derive(Clone, Copy)]
pub(super) struct Biased(*mut f32, *const f32);

impl Biased {
    /// The bias of the first channel, for sums to start from: what then is left to do is to store them.
    pub(super) fn bias(&self) -> *const f32 {
        self.1
    }
}

impl Finish for Biased {
    fn start(&self) -> *mut f32 {
        self.0
    }
    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, channel: usize) {
        // SAFETY: the caller's promise.
        unsafe { span.store(sums.add(span.load(self.1.add(channel))), self.0.add(offset)) }
    }
}

/// `y = sums * scale + shift (+ residual)`, then ReLU if asked for.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    start: *mut f32,
    scale: *const f32,
    shift: *const f32,
    residual: Option<*const f32>,
    relu: bool,
}

impl Finish for Affine {
    fn start(&self) -> *mut f32 {
        self.start
    }
    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, channel: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut value = sums.mul_add(span.load(self.scale.add(channel)), span.load(self.shift.add(channel)));
            if let Some(residual) = self.residual {
                value = value.add(span.load(residual.add(offset)));
            }
            span.store(if self.relu { V::zero().max(value) } else { value }, self.start.add(offset));
        }
    }
}

impl Output {
    /// Sums go to `y`, `channels` of them a pixel, through the epilogue.
    ///
    /// # Panics
    /// When the epilogue's slices do not fit.
    pub(super) fn through(epilogue: Epilogue, channels: usize, y: &mut [f32]) -> Self {
        let start = y.as_mut_ptr();
        match epilogue {
            Epilogue::None => Self::Stored(Stored(start)),
            Epilogue::Bias(bias) => {
                assert_eq!(bias.len(), channels, "bias: one value a channel");
                Self::Biased(Biased(start, bias.as_ptr()))
            }
            Epilogue::Affine { scale, shift, residual, relu } => {
                assert_eq!(scale.len(), channels, "scale: one value a channel");
                assert_eq!(shift.len(), channels, "shift: one value a channel");
                if let Some(residual) = residual {
                    assert_eq!(residual.len(), y.len(), "residual: of the output's shape");
                }
                let residual = residual.map(<[f32]>::as_ptr);
                Self::Affine(Affine { start, scale: scale.as_ptr(), shift: shift.as_ptr(), residual, relu })
            }
        }
    }

    /// Sums go to `dx`, or are added to it.
    pub(super) fn plain(accumulate: bool, dx: &mut [f32]) -> Self {
        let start = dx.as_mut_ptr();
        if accumulate { Self::Accumulated(Accumulated(start)) } else { Self::Stored(Stored(start)) }
    }
}

/// Runs `$body` with the [`Finish`] that an [`Output`] holds.
macro_rules! with_finish {
    ($output:expr, |$finish:ident| $body:expr) => {
        match $output {
            $crate::conv::finish::Output::Stored($finish) => $body,
            $crate::conv::finish::Output::Accumulated($finish) => $body,
            $crate::conv::finish::Output::Biased($finish) => $body,
            $crate::conv::finish::Output::Affine($finish) => $body,
        }
    };
}
pub(super) use with_finish;
