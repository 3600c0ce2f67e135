//! What happens to sums on their way from registers to memory.
#![allow(unsafe_code)]

use super::Epilogue;
use super::simd::{Span, Vector};

/// Where sums go, and what is done to them on the way.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// First element.
    pub(super) start: *mut f32,
    finish: Finish,
}

// SAFETY: the pointers are used only by kernels, whose callers see to it that no two threads write the same elements.
unsafe impl Sync for Output {}

#[derive(Clone, Copy)]
enum Finish {
    Store,
    Accumulate,
    Bias(*const f32),
    Affine { scale: *const f32, shift: *const f32, residual: Option<*const f32>, relu: bool },
}

impl Output {
    /// Sums go to `y`, `channels` of them a pixel, through the epilogue.
    ///
    /// # Panics
    /// When the epilogue's slices do not fit.
    pub(super) fn through(epilogue: Epilogue, channels: usize, y: &mut [f32]) -> Self {
        let finish = match epilogue {
            Epilogue::None => Finish::Store,
            Epilogue::Bias(bias) => {
                assert_eq!(bias.len(), channels, "bias: one value a channel");
                Finish::Bias(bias.as_ptr())
            }
            Epilogue::Affine { scale, shift, residual, relu } => {
                assert_eq!(scale.len(), channels, "scale: one value a channel");
                assert_eq!(shift.len(), channels, "shift: one value a channel");
                if let Some(residual) = residual {
                    assert_eq!(residual.len(), y.len(), "residual: of the output's shape");
                }
                let residual = residual.map(<[f32]>::as_ptr);
                Finish::Affine { scale: scale.as_ptr(), shift: shift.as_ptr(), residual, relu }
            }
        };
        Self { start: y.as_mut_ptr(), finish }
    }

    /// Sums go to `dx`, or are added to it.
    pub(super) fn plain(accumulate: bool, dx: &mut [f32]) -> Self {
        Self { start: dx.as_mut_ptr(), finish: if accumulate { Finish::Accumulate } else { Finish::Store } }
    }

    /// Whether sums are stored as they are.
    #[inline(always)]
    pub(super) fn stores(&self) -> bool {
        matches!(self.finish, Finish::Store)
    }

    /// Finishes a vector of sums: element `offset` of the output on, channel `channel` on.
    ///
    /// # Safety
    /// The instruction set of `V` is supported; the span's lanes from `offset` and from `channel` lie in the slices that
    /// this was made of, which are still borrowed, and no other thread uses those elements of the output.
    #[inline(always)]
    pub(super) unsafe fn put<V: Vector, S: Span>(&self, span: S, sums: V, offset: usize, channel: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let value = match self.finish {
                Finish::Store => sums,
                Finish::Accumulate => span.load::<V>(self.start.add(offset)).add(sums),
                Finish::Bias(bias) => sums.add(span.load(bias.add(channel))),
                Finish::Affine { scale, shift, residual, relu } => {
                    let mut value = sums.mul_add(span.load(scale.add(channel)), span.load(shift.add(channel)));
                    if let Some(residual) = residual {
                        value = value.add(span.load(residual.add(offset)));
                    }
                    if relu { V::zero().max(value) } else { value }
                }
            };
            span.store(value, self.start.add(offset));
        }
    }
}
