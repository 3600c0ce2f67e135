//! Where a direct convolution finds its pixels: images framed by zeros, and the taps that each output pixel sees.

use crate::conv::ConvShape;

/// One row (or column) of output pixels at equal distances, and the kernel's taps that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// First output pixel; the next is [`Geometry::out_step`] further on.
    pub(super) out_first: usize,
    /// Output pixels.
    pub(super) count: usize,
    /// Pixel of the frame under the first tap of the first output pixel.
    pub(super) source_first: usize,
    /// Taps, over neighbouring pixels of the frame.
    pub(super) taps: usize,
    /// Position in the kernel of the first of them ..
    first_tap: usize,
    /// .. and how far apart they lie, and whether downwards.
    tap_step: usize,
    reversed: bool,
}

impl Phase {
    /// Position in the kernel of the tap at `index`.
    pub(super) fn tap(&self, index: usize) -> usize {
        let index = if self.reversed { self.taps - 1 - index } else { index };
        self.first_tap + index * self.tap_step
    }

    /// Pixels of the frame that it reaches, from its edge.
    fn reach(&self, source_step: usize) -> usize {
        if self.taps == 0 || self.count == 0 {
            0
        } else {
            self.source_first + (self.count - 1) * source_step + self.taps
        }
    }
}

/// How output pixels lie over framed source pixels.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    /// Rows, columns and channels of a source image.
    pub(super) source: [usize; 3],
    /// Rows, columns and channels of an output image.
    pub(super) out: [usize; 3],
    /// Zero pixels above and to the left of the source image in the frame.
    margin: usize,
    /// Rows and columns of the frame.
    pub(super) frame: [usize; 2],
    /// Pixels of the frame between the windows of neighbouring output pixels of a phase.
    pub(super) source_step: usize,
    /// Pixels between neighbouring output pixels of a phase.
    pub(super) out_step: usize,
    /// Rows of output pixels: each goes with each of `columns`.
    pub(super) rows: Vec<Phase>,
    /// Columns of output pixels.
    pub(super) columns: Vec<Phase>,
}

impl Geometry {
    /// From input to output.
    pub(super) fn forward(shape: &ConvShape) -> Self {
        let phase = |count| Phase {
            out_first: 0,
            count,
            source_first: 0,
            taps: shape.kernel,
            first_tap: 0,
            tap_step: 1,
            reversed: false,
        };
        let (rows, columns) = (vec![phase(shape.out_height())], vec![phase(shape.out_width())]);
        let source = [shape.height, shape.width, shape.c_in];
        let out = [shape.out_height(), shape.out_width(), shape.c_out];
        Self::new(source, out, shape.padding, shape.stride, 1, rows, columns)
    }

    /// From the output's gradient to the input's. Input pixel `i` takes from output pixel `o` by tap `t` where
    /// `o * stride + t == i + padding`: for the phase `i = stride * a + r`, taps `t = t0 + stride * j` with
    /// `t0 = (r + padding) % stride`, and `o = a + (r + padding) / stride - j`.
    pub(super) fn backward(shape: &ConvShape) -> Self {
        let ConvShape { kernel, stride, padding, .. } = *shape;
        let taps = |r: usize| kernel.saturating_sub((r + padding) % stride).div_ceil(stride);
        let margin = (0..stride).map(|r| taps(r).saturating_sub(1 + (r + padding) / stride)).max().unwrap_or(0);
        let phases = |side: usize| {
            let phase = |r| {
                let taps = taps(r);
                Phase {
                    out_first: r,
                    count: (side - r).div_ceil(stride),
                    source_first: if taps == 0 { 0 } else { margin + (r + padding) / stride + 1 - taps },
                    taps,
                    first_tap: (r + padding) % stride,
                    tap_step: stride,
                    reversed: true,
                }
            };
            (0..stride.min(side)).map(phase).collect::<Vec<_>>()
        };
        let source = [shape.out_height(), shape.out_width(), shape.c_out];
        let out = [shape.height, shape.width, shape.c_in];
        Self::new(source, out, margin, 1, stride, phases(shape.height), phases(shape.width))
    }

    fn new(
        source: [usize; 3],
        out: [usize; 3],
        margin: usize,
        source_step: usize,
        out_step: usize,
        rows: Vec<Phase>,
        columns: Vec<Phase>,
    ) -> Self {
        let reach = |phases: &[Phase]| phases.iter().map(|phase| phase.reach(source_step)).max().unwrap_or(0);
        let frame = [reach(&rows), reach(&columns)];
        Self { source, out, margin, frame, source_step, out_step, rows, columns }
    }

    /// Elements of a source image.
    pub(super) fn source_len(&self) -> usize {
        self.source.iter().product()
    }

    /// Elements of an output image.
    pub(super) fn out_len(&self) -> usize {
        self.out.iter().product()
    }

    /// Elements of a row of the frame.
    pub(super) fn frame_row(&self) -> usize {
        self.frame[1] * self.source[2]
    }

    /// Elements of the frame.
    pub(super) fn frame_len(&self) -> usize {
        self.frame[0] * self.frame_row()
    }

    /// The frame of an image: the image itself where no border is needed, else `memory`, [`Self::memory_len`] numbers whose
    /// border is 0 already, with the image put in.
    pub(super) fn framed<'a>(&self, image: &'a [f32], memory: &'a mut [f32]) -> &'a [f32] {
        if self.memory_len() == 0 {
            return image;
        }
        self.fill(image, memory);
        memory
    }

    /// Elements that [`Self::framed`] needs.
    pub(super) fn memory_len(&self) -> usize {
        if self.margin == 0 && self.frame == self.source[..2] { 0 } else { self.frame_len() }
    }

    /// Puts an image into a frame whose border is 0 already. Pixels that no window reaches are left out.
    fn fill(&self, image: &[f32], frame: &mut [f32]) {
        let [height, width, channels] = self.source;
        let row_len = self.frame_row();
        let margin = self.margin.min(self.frame[1]);
        let copied = width.min(self.frame[1] - margin) * channels;
        let rows = image.chunks_exact(width * channels).take(height);
        for (to, from) in frame.chunks_exact_mut(row_len.max(1)).skip(self.margin).zip(rows) {
            to[margin * channels..][..copied].copy_from_slice(&from[..copied]);
        }
    }
}
