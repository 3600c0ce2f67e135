//! `batch.png` in a run's folder: what the net sees in its first batch, cropped and mirrored as it will be, with its labels.
//! Wrong colours, wrong labels and an augmentation that destroys what is to be learnt show there at a glance.

use std::path::Path;

use artifacts::atomic;
use cli::Failure;
use kernels::engine::Batch;
use kernels::input;
use learner::samples::{Division, Look, Samples};
use learner::spec::RunSpec;
use pages::sheet;
use pictures::encode::Canvas;

use crate::failure::OrFail;
use crate::inputs::Inputs;

/// Name of the file.
const FILE: &str = "batch.png";

/// So many images of the batch are shown, the first.
const SHOWN: usize = 64;

/// So many in a row.
const COLUMNS: usize = 8;

/// Writes the sheet of a run that begins. Order and augmentation are functions of seed and step: looking at them changes
/// nothing.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(folder: &Path, spec: &RunSpec, division: &Division, inputs: &Inputs) -> Result<(), Failure> {
    let config = &spec.config;
    let look = Look::new(spec.augment, &inputs.data, &inputs.graph);
    let mut samples = Samples::new(division.train.clone(), config.seed, config.batch_size, look);
    let batch = samples.batch(1);
    let shown = batch.indices.len().min(SHOWN);
    let augmentations = if batch.augmentations.is_empty() { &[] } else { &batch.augmentations[..shown] };
    let batch = Batch { indices: &batch.indices[..shown], augmentations, ..batch };
    let shape = inputs.task.shape;
    let seen = input::seen(&inputs.data, shape, &batch).or_fail()?;
    let [channels, height, width] = shape;
    let tile = |(pixels, index): (&[u8], &u32)| {
        let label = inputs.data.train.labels[*index as usize] as usize;
        let canvas = Canvas { width, height, channels, pixels: pixels.to_vec() };
        (canvas, inputs.task.classes[label].as_str())
    };
    let tiles: Vec<(Canvas, &str)> =
        seen.chunks_exact(channels * height * width).zip(batch.indices).map(tile).collect();
    Ok(atomic::write(&folder.join(FILE), &sheet::draw(&tiles, COLUMNS).png())?)
}
