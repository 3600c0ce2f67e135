//! Convolution as a product of matrices, where no library convolves: the pixels under the kernel become columns
//! (`im2col`), one image after another in a workspace, and are multiplied with the weights. Sums over the images have a
//! fixed order.

use super::device::{Address, Args, Convolution, ConvolutionPass, Factor, Gpu, Product};
use super::elements;
use crate::engine::EngineError;

/// The workspace.
pub(super) struct Columns {
    /// Bytes, enough for every convolution of the net.
    bytes: usize,
    at: Option<Address>,
}

impl Columns {
    /// For these convolutions, at their largest batch. Memory is taken at first use.
    pub(super) fn new<G: Gpu>(gpu: &G, shapes: impl Iterator<Item = Convolution>) -> Self {
        let bytes = |shape| images_at_once(gpu, &shape) * bytes_of_image(&shape, super::width(gpu.precision()));
        let bytes = shapes.map(bytes).max();
        Self { bytes: bytes.unwrap_or(0), at: None }
    }

    /// One of a convolution's passes; the gradient of the weight is float32 under every precision.
    pub(super) fn run<G: Gpu>(
        &mut self,
        gpu: &mut G,
        shape: &Convolution,
        pass: &ConvolutionPass,
    ) -> Result<(), EngineError> {
        let at = match self.at {
            Some(at) => at,
            None => *self.at.insert(gpu.allocate(self.bytes)?),
        };
        let width = super::width(gpu.precision());
        let at_once = images_at_once(gpu, shape);
        for first in (0..shape.images).step_by(at_once) {
            let part = Convolution { images: at_once.min(shape.images - first), ..*shape };
            Part { shape: part, first, width, columns: at }.run(gpu, pass)?;
        }
        Ok(())
    }
}

/// Some images of a batch.
struct Part {
    shape: Convolution,
    /// The first image.
    first: usize,
    /// Bytes an element.
    width: usize,
    columns: Address,
}

impl Part {
    fn run<G: Gpu>(&self, gpu: &mut G, pass: &ConvolutionPass) -> Result<(), EngineError> {
        let Convolution { images, c_out, .. } = self.shape;
        let (places, pixels) = (places(&self.shape), pixels(&self.shape));
        let plain = |at, stride| Factor { at, transposed: false, stride };
        let transposed = |at, stride| Factor { at, transposed: true, stride };
        let product = Product {
            count: images,
            m: c_out,
            n: pixels,
            k: places,
            a: plain(Address::NONE, 0),
            b: plain(self.columns, places * pixels),
            c: self.columns,
            accumulate: false,
            wide: false,
        };
        match *pass {
            ConvolutionPass::Forward { x, weight, y } => {
                self.im2col(gpu, x)?;
                gpu.multiply(&Product { a: plain(weight, 0), c: self.output(y), ..product })
            }
            ConvolutionPass::BackwardData { dy, weight, dx, accumulate } => {
                let b = plain(self.output(dy), c_out * pixels);
                gpu.multiply(&Product { m: places, k: c_out, a: transposed(weight, 0), b, ..product })?;
                let total = self.shape.images * self.image();
                let args = Args::new(&[self.columns, self.input(dx)], &self.integers(total, accumulate));
                gpu.launch("im2col_backward", elements(gpu, total), &args)
            }
            ConvolutionPass::BackwardWeight { x, dy, d_weight } => {
                self.im2col(gpu, x)?;
                let parts = self.columns.plus(images * places * pixels * self.width);
                let (a, b) = (plain(self.output(dy), c_out * pixels), transposed(self.columns, places * pixels));
                gpu.multiply(&Product { n: places, k: pixels, a, b, c: parts, wide: true, ..product })?;
                let total = c_out * places;
                let args = Args::new(&[parts, d_weight], &[total, images, usize::from(self.first > 0)]);
                gpu.launch("sum_parts", elements(gpu, total), &args)
            }
        }
    }

    fn im2col<G: Gpu>(&self, gpu: &mut G, x: Address) -> Result<(), EngineError> {
        let total = self.shape.images * places(&self.shape) * pixels(&self.shape);
        let args = Args::new(&[self.input(x), self.columns], &self.integers(total, false));
        gpu.launch("im2col", elements(gpu, total), &args)
    }

    fn integers(&self, total: usize, accumulate: bool) -> [usize; 10] {
        let Convolution { c_in, height, width, kernel, stride, padding, out_height, out_width, .. } = self.shape;
        let accumulate = usize::from(accumulate);
        [total, c_in, height, width, kernel, stride, padding, out_height, out_width, accumulate]
    }

    /// Elements of an input image.
    fn image(&self) -> usize {
        self.shape.c_in * self.shape.height * self.shape.width
    }

    /// Where these images begin in all inputs.
    fn input(&self, all: Address) -> Address {
        all.plus(self.first * self.image() * self.width)
    }

    /// And in all outputs.
    fn output(&self, all: Address) -> Address {
        all.plus(self.first * self.shape.c_out * pixels(&self.shape) * self.width)
    }
}

/// Input elements that an output pixel depends on.
fn places(shape: &Convolution) -> usize {
    shape.c_in * shape.kernel * shape.kernel
}

/// Output pixels.
fn pixels(shape: &Convolution) -> usize {
    shape.out_height * shape.out_width
}

/// Workspace of an image: its columns, and the gradient of the weight that it gives.
fn bytes_of_image(shape: &Convolution, width: usize) -> usize {
    places(shape) * (pixels(shape) * width + shape.c_out * size_of::<f32>())
}

/// Images whose columns fit into the workspace; at least one.
fn images_at_once<G: Gpu>(gpu: &G, shape: &Convolution) -> usize {
    (gpu.workspace() / bytes_of_image(shape, super::width(gpu.precision()))).clamp(1, shape.images)
}
