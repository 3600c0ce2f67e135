//! What happens to sums on their way from registers to memory.
#![allow(unsafe_code)]

use super::Epilogue;
use crate::disjoint::Disjoint;
use crate::simd::{Span, Vector};

/// Where sums go, and what is done to them on the way.
#[derive(Clone, Copy)]
pub(super) enum Output<'a> {
    /// They are stored.
    Stored(Stored<'a>),
    /// They are added to what is there.
    Accumulated(Accumulated<'a>),
    /// They get a bias.
    Biased(Biased<'a>),
    /// They go through [`Epilogue::Affine`].
    Affine(Affine<'a>),
}

/// One of the ways out.
pub(super) trait Finish: Copy {
    /// The output.
    fn y(&self) -> Disjoint<'_, f32>;

    /// Finishes a vector of sums: element `offset` of the output on, channel `channel` on.
    ///
    /// # Safety
    /// The span's lanes from `offset` must lie in the output, those from `channel` among its channels, and no other thread
    /// may use those elements of the output.
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, channel: usize);
}

/// `y = sums`.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a>(Disjoint<'a, f32>);

impl Finish for Stored<'_> {
    #[inline(always)]
    fn y(&self) -> Disjoint<'_, f32> {
        self.0
    }

    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, _: usize) {
        // SAFETY: the caller's promise.
        unsafe { span.store(sums, self.y().start().add(offset)) }
    }
}

/// `y += sums`.
#[derive(Clone, Copy)]
pub(super) struct Accumulated<'a>(Disjoint<'a, f32>);

impl Finish for Accumulated<'_> {
    #[inline(always)]
    fn y(&self) -> Disjoint<'_, f32> {
        self.0
    }

    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, _: usize) {
        // SAFETY: the caller's promise; a vector's instruction set is there.
        unsafe {
            let place = self.y().start().add(offset);
            span.store(span.load::<V>(place).add(sums), place);
        }
    }
}

/// `y = sums + bias`.
#[derive(Clone, Copy)]
pub(super) struct Biased<'a> {
    y: Disjoint<'a, f32>,
    bias: &'a [f32],
}

impl Biased<'_> {
    /// The bias of the first channel, for sums to start from: what then is left to do is to store them.
    #[inline(always)]
    pub(super) fn bias(&self) -> *const f32 {
        self.bias.as_ptr()
    }
}

impl Finish for Biased<'_> {
    #[inline(always)]
    fn y(&self) -> Disjoint<'_, f32> {
        self.y
    }

    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, channel: usize) {
        // SAFETY: the caller's promise; a vector's instruction set is there.
        unsafe { span.store(sums.add(span.load(self.bias().add(channel))), self.y().start().add(offset)) }
    }
}

/// `y = sums * scale + shift (+ residual)`, then ReLU if asked for.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    y: Disjoint<'a, f32>,
    scale: &'a [f32],
    shift: &'a [f32],
    residual: Option<&'a [f32]>,
    relu: bool,
}

impl Finish for Affine<'_> {
    #[inline(always)]
    fn y(&self) -> Disjoint<'_, f32> {
        self.y
    }

    #[inline(always)]
    unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, channel: usize) {
        // SAFETY: the caller's promise; a vector's instruction set is there; a residual is as long as the output.
        unsafe {
            let (scale, shift) = (self.scale.as_ptr().add(channel), self.shift.as_ptr().add(channel));
            let mut value = sums.mul_add(span.load(scale), span.load(shift));
            if let Some(residual) = self.residual {
                value = value.add(span.load(residual.as_ptr().add(offset)));
            }
            span.store(if self.relu { value.relu() } else { value }, self.y().start().add(offset));
        }
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

impl<'a> Output<'a> {
    /// Sums go to `y`, `channels` of them a pixel, through the epilogue.
    ///
    /// # Panics
    /// When the epilogue's slices do not fit.
    pub(super) fn through(epilogue: Epilogue<'a>, channels: usize, y: &'a mut [f32]) -> Self {
        let y = Disjoint::new(y);
        match epilogue {
            Epilogue::None => Self::Stored(Stored(y)),
            Epilogue::Bias(bias) => {
                assert_eq!(bias.len(), channels, "bias: one value a channel");
                Self::Biased(Biased { y, bias })
            }
            Epilogue::Affine { scale, shift, residual, relu } => {
                assert_eq!(scale.len(), channels, "scale: one value a channel");
                assert_eq!(shift.len(), channels, "shift: one value a channel");
                if let Some(residual) = residual {
                    assert_eq!(residual.len(), y.len(), "residual: of the output's shape");
                }
                Self::Affine(Affine { y, scale, shift, residual, relu })
            }
        }
    }

    /// Sums go to `dx`, or are added to it.
    pub(super) fn plain(accumulate: bool, dx: &'a mut [f32]) -> Self {
        let dx = Disjoint::new(dx);
        if accumulate { Self::Accumulated(Accumulated(dx)) } else { Self::Stored(Stored(dx)) }
    }

    /// Elements of the output.
    pub(super) fn len(&self) -> usize {
        with_finish!(self, |finish| finish.y().len())
    }

    /// First element of the output.
    #[inline(always)]
    pub(super) fn start(&self) -> *mut f32 {
        with_finish!(self, |finish| finish.y().start())
    }
}
