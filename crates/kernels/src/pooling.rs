//! Pooling over square windows, NHWC: maximum, average with the padding counted, and the mean over all pixels.
//!
//! Backward passes gather: each input pixel sums over the windows that cover it, in order, so that no two tasks write
//! to one place and nothing has to be cleared first. They add to `dx` if `accumulate`, else overwrite it.

mod average;
mod gather;
mod global;
mod max;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::graph::window;
use crate::shortcut::ImageShape;

pub(crate) use global::{global_average, global_average_backward};

/// A pooling: the input's shape and the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Shape of an input image.
    pub input: ImageShape,
    /// Side of the window.
    pub kernel: usize,
    /// Pixels between two windows.
    pub stride: usize,
    /// Pixels around the image.
    pub padding: usize,
}

impl Pooling {
    /// Shape of an output image.
    pub fn output(&self) -> ImageShape {
        let side = |side| window(side, self.kernel, self.stride, self.padding);
        ImageShape { height: side(self.input.height), width: side(self.input.width), channels: self.input.channels }
    }

    /// Offsets inside the window `out` that fall into the image, along an axis of `side` pixels.
    fn inside(&self, out: usize, side: usize) -> Range<usize> {
        let start = out * self.stride;
        self.padding.saturating_sub(start)..self.kernel.min((side + self.padding).saturating_sub(start))
    }

    /// Windows that cover the pixel `at` along an axis with `windows` of them.
    fn covering(&self, at: usize, windows: usize) -> Range<usize> {
        let first = (at + self.padding + 1).saturating_sub(self.kernel).div_ceil(self.stride);
        first..((at + self.padding) / self.stride + 1).min(windows)
    }

    /// What of the window of an output pixel lies in the image.
    #[inline(always)]
    fn window(&self, oy: usize, ox: usize) -> Inside {
        let (rows, columns) = (self.inside(oy, self.input.height), self.inside(ox, self.input.width));
        // A window may lie in the padding altogether: then there is no pixel to point to.
        let at = |out: usize, start: usize| (out * self.stride + start).saturating_sub(self.padding);
        Inside {
            first: at(oy, rows.start) * self.input.width + at(ox, columns.start),
            row: rows.start,
            column: columns.start,
            rows: rows.len(),
            columns: columns.len(),
        }
    }
}

/// The part of a window that lies in the image, for a pixel of the output.
#[derive(Clone, Copy)]
struct Inside {
    /// Its first pixel in the image.
    first: usize,
    /// Its first row and column in the window ..
    row: usize,
    column: usize,
    /// .. and how many.
    rows: usize,
    columns: usize,
}
