//! What runs a graph: the one seam between the training loop and a device.
//!
//! The loop hands over positions in the data set and how each image is augmented; images, activations, gradients and
//! optimizer state live in the engine, wherever that is.

use std::sync::Arc;

use crate::device::Unavailable;
use crate::isa::Isa;
use crate::softmax_cross_entropy::largest_of_rows;

/// Images and labels of one half of a data set.
#[derive(Clone, Debug)]
pub struct Images {
    /// Raw pixels, [N, C, H, W].
    pub pixels: Arc<[u8]>,
    /// Class of each image, `[N]`.
    pub labels: Arc<[u32]>,
}

/// A data set as the engines take it.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// [channels, height, width] of an image. A net may take less of it: the shape of its input decides.
    pub shape: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Mean of the training images by channel, on the 0 to 1 scale.
    pub mean: Vec<f32>,
    /// Standard deviation likewise.
    pub std: Vec<f32>,
    /// The training images.
    pub train: Images,
    /// The test images.
    pub test: Images,
}

/// Which half of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The training images.
    Train,
    /// The test images.
    Test,
}

/// How one image is changed on the way in, on raw pixels: torchvision's `RandomCrop(side, padding=4)`, the padding black, or
/// its `resized_crop`; then `RandomHorizontalFlip`, then `(x / 255 - mean) / std`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augmentation {
    /// Mirrored left to right (after the crop).
    pub flip: bool,
    /// Top row of the crop in the padded image, 0 to 8; 4 leaves the image in place.
    pub crop_y: u8,
    /// Left column of the crop in the padded image, 0 to 8; 4 leaves the image in place.
    pub crop_x: u8,
    /// The part of the image that is scaled to what the net sees, in place of the crop. Without one, a net that sees less than
    /// the whole image sees its centre ([`Part::centre`]).
    pub part: Option<Part>,
}

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its first row.
    pub top: u32,
    /// Its first column.
    pub left: u32,
    /// Its rows, at least one.
    pub height: u32,
    /// Its columns, at least one.
    pub width: u32,
}

impl Part {
    /// The middle `seen` [height, width] of an image of `stored` [height, width], as torchvision's `center_crop` cuts it: of two
    /// middles the one that begins at an even row or column.
    pub fn centre(stored: [usize; 2], seen: [usize; 2]) -> Self {
        let start = |stored: usize, seen: usize| {
            let (half, rest) = ((stored - seen) / 2, (stored - seen) % 2);
            (half + rest * (half % 2)) as u32
        };
        let [height, width] = seen;
        Self {
            top: start(stored[0], height),
            left: start(stored[1], width),
            height: height as u32,
            width: width as u32,
        }
    }
}

impl Augmentation {
    /// The image as it is.
    pub const NONE: Augmentation = Augmentation { flip: false, crop_y: 4, crop_x: 4, part: None };
}

/// The images of one step.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Which half of the data set `indices` point into.
    pub split: Split,
    /// Positions in the data set.
    pub indices: &'a [u32],
    /// One for each index, or empty for none at all.
    pub augmentations: &'a [Augmentation],
}

impl<'a> Batch<'a> {
    /// Images as they are, without augmentation.
    pub fn plain(split: Split, indices: &'a [u32]) -> Self {
        Self { split, indices, augmentations: &[] }
    }
}

/// The optimizers, as `torch.optim` defines them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// `SGD(dampening=0)`: weight decay is added to the gradient.
    Sgd {
        /// Nesterov's form of momentum.
        nesterov: bool,
    },
    /// `Adagrad(lr_decay=0, initial_accumulator_value=0, eps=1e-10)`; has no momentum.
    Adagrad,
    /// `Adadelta(rho=0.9, eps=1e-6)`; has no momentum.
    Adadelta,
    /// `RMSprop(alpha=0.99, eps=1e-8, centered=False)` with its momentum.
    RmsProp,
    /// `Adam(betas=(momentum, 0.999), eps=1e-8)`: weight decay is added to the gradient.
    Adam,
    /// `AdamW(betas=(momentum, 0.999), eps=1e-8)`: weight decay is decoupled.
    AdamW,
}

/// What one optimizer step is to use; all of it may change from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The algorithm, the same at every step of a run.
    pub optimizer: Optimizer,
    /// Learning rate.
    pub lr: f64,
    /// Momentum (for Adam and AdamW: beta1).
    pub momentum: f64,
    /// Weight decay, on every parameter.
    pub weight_decay: f64,
}

/// What a training step measured, before its update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Mean cross-entropy of the batch, in nats.
    pub loss: f64,
    /// Images whose largest logit is their class.
    pub correct: usize,
    /// Euclidean norm of the whole gradient, weight decay not included.
    pub grad_norm: f64,
    /// Whether every parameter is finite after the update; none where the engine does not look at every step.
    pub weights_finite: Option<bool>,
}

/// Sums over the images that were evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Sum of the images' cross-entropies, in nats.
    pub loss_sum: f64,
    /// Images whose largest logit is their class.
    pub correct: usize,
    /// Images evaluated.
    pub count: usize,
}

/// Values of every buffer of the graph, in its order.
pub type Buffers = Vec<Vec<f32>>;

/// What can go wrong in an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A named tensor is not of this net, or not of this length.
    #[error("tensor {name}: expected {expected}, found {found}")]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// What the net wants.
        expected: String,
        /// What was handed over.
        found: String,
    },
    /// The device cannot be used as asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The device refuses.
    #[error("{0}")]
    Device(String),
}

/// A net on a device, with its data, gradients and optimizer state.
pub trait Engine {
    /// Forward in training mode, mean cross-entropy, backward, one optimizer step.
    ///
    /// Batch norm normalises by the batch, and its running statistics move by `bn_momentum`, PyTorch's: the weight of
    /// the new batch; the running variance takes the unbiased one.
    ///
    /// # Errors
    /// Only where the device fails: numbers that are not finite are an outcome.
    fn train_step(&mut self, batch: &Batch, bn_momentum: f64, update: &Update) -> Result<StepOutcome, EngineError>;

    /// Begins [`Engine::train_step`]. An engine that waits for it hands its outcome over; one whose device goes on by
    /// itself hands over nothing now, and the outcome by [`Engine::outcomes`].
    ///
    /// # Errors
    /// As [`Engine::train_step`].
    fn begin_step(
        &mut self,
        batch: &Batch,
        bn_momentum: f64,
        update: &Update,
    ) -> Result<Option<StepOutcome>, EngineError> {
        self.train_step(batch, bn_momentum, update).map(Some)
    }

    /// Waits for every step that was begun; the outcomes that were not handed over yet, oldest first.
    ///
    /// # Errors
    /// Where the device fails, or failed at one of those steps.
    fn outcomes(&mut self) -> Result<Vec<StepOutcome>, EngineError> {
        Ok(Vec::new())
    }

    /// Forward in training mode, loss and backward without an update: leaves gradients for [`Engine::gradients`].
    ///
    /// # Errors
    /// Where the device fails.
    fn gradients_of(&mut self, batch: &Batch, bn_momentum: f64) -> Result<StepOutcome, EngineError>;

    /// Forward in evaluation mode, by the running statistics, or by `statistics` in their place. Any number of images.
    ///
    /// # Errors
    /// Where the device fails.
    fn evaluate(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Evaluation, EngineError>;

    /// [`Engine::evaluate`], and the class that the net gives to each image: that of the largest logit, of equal ones the
    /// first. Here in two passes; an engine may do it in one, with the same numbers.
    ///
    /// # Errors
    /// Where the device fails.
    fn classify(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<(Evaluation, Vec<u32>), EngineError> {
        let evaluation = self.evaluate(batch, statistics)?;
        let logits = self.logits(batch, statistics)?;
        let classes = logits.len() / batch.indices.len().max(1);
        Ok((evaluation, largest_of_rows(&logits, classes).collect()))
    }

    /// The logits [N, classes] of [`Engine::evaluate`].
    ///
    /// # Errors
    /// Where the device fails.
    fn logits(&mut self, batch: &Batch, statistics: Option<&Buffers>) -> Result<Vec<f32>, EngineError>;

    /// The plain mean over `batches` of batch norm's batch mean and unbiased batch variance, in the place of the running
    /// ones; the running ones stay as they are. Forward in training mode, no gradients.
    ///
    /// # Errors
    /// Where the device fails.
    fn batch_statistics(&mut self, batches: &[Batch]) -> Result<Buffers, EngineError>;

    /// Every parameter, in the graph's order, PyTorch's layout.
    ///
    /// # Errors
    /// Where the device fails.
    fn parameters(&self) -> Result<Vec<Vec<f32>>, EngineError>;

    /// Every gradient of the last [`Engine::gradients_of`] or [`Engine::train_step`], likewise.
    ///
    /// # Errors
    /// Where the device fails.
    fn gradients(&self) -> Result<Vec<Vec<f32>>, EngineError>;

    /// Every buffer, in the graph's order.
    ///
    /// # Errors
    /// Where the device fails.
    fn buffers(&self) -> Result<Buffers, EngineError>;

    /// Sets parameters and buffers, in the graph's order.
    ///
    /// # Errors
    /// When a length is not the graph's.
    fn set_state(&mut self, parameters: &[Vec<f32>], buffers: &Buffers) -> Result<(), EngineError>;

    /// The optimizer's slots: for each its name (PyTorch's, such as `momentum_buffer`, `exp_avg`) and one vector a
    /// parameter; and the number of updates made. Empty before the first update.
    ///
    /// # Errors
    /// Where the device fails.
    fn optimizer_state(&self) -> Result<OptimizerState, EngineError>;

    /// Puts back what [`Engine::optimizer_state`] gave.
    ///
    /// # Errors
    /// When a name or a length is not the optimizer's.
    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError>;

    /// What runs the numbers, for the record: such as `cpu avx512 winograd`. Meant for people to read: what a program has
    /// to know of it has an accessor of its own, as [`Engine::isa`].
    fn description(&self) -> String;

    /// The processor's instruction set that the numbers are computed with, none where that is not the processor's to say.
    /// Equal bits are promised on one instruction set.
    fn isa(&self) -> Option<Isa>;
}

/// An optimizer's memory between steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Updates made so far.
    pub updates: u64,
    /// Slot name and, for each parameter of the graph, its values.
    pub slots: Vec<(String, Vec<Vec<f32>>)>,
}
