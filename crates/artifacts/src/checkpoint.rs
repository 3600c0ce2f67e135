//! `runs/NAME/checkpoint.safetensors`: everything that a resumed run needs.
//!
//! The order of images and their augmentation are functions of seed and step (see the learner), so the number of steps
//! done is their whole state.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Result;
use crate::tensors::{TensorFile, Values};

/// Name of the file in a run's folder.
pub const FILE: &str = "checkpoint.safetensors";
const FORMAT: &str = "superconv-checkpoint/1";

/// The state of a run between two steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub iteration: u64,
    /// Updates that the optimizer has made.
    pub updates: u64,
    /// State of the schedule (plateau's), as JSON.
    pub schedule: String,
    /// Last finite training loss, as JSON (`null` before the first).
    pub last_finite_loss: String,
    /// Tensors by name: `parameter.NAME`, `buffer.NAME`, `optimizer.SLOT.NAME`, each with its shape.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// Writes a checkpoint, atomically: a crash leaves the one before.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, checkpoint: Checkpoint) -> Result<()> {
    let mut file = TensorFile::default();
    for (key, value) in [
        ("format", FORMAT.to_owned()),
        ("iteration", checkpoint.iteration.to_string()),
        ("updates", checkpoint.updates.to_string()),
        ("schedule", checkpoint.schedule),
        ("last_finite_loss", checkpoint.last_finite_loss),
    ] {
        file.metadata.insert(key.to_owned(), value);
    }
    for (name, (shape, values)) in checkpoint.tensors {
        file.insert(name, &shape, Values::F32(values));
    }
    file.write(path)
}

/// Reads a checkpoint.
///
/// # Errors
/// When the file cannot be read or is no checkpoint.
pub fn read(path: &Path) -> Result<Checkpoint> {
    let mut file = TensorFile::open(path)?;
    let format = file.metadata("format")?;
    if format != FORMAT {
        return Err(file.wrong(&format!("format {FORMAT:?}"), &format!("{format:?}")));
    }
    let mut number = |key: &str| {
        let text = file.metadata(key)?;
        text.parse().map_err(|_| file.wrong(&format!("metadata {key:?}: a whole number"), &text))
    };
    let (iteration, updates) = (number("iteration")?, number("updates")?);
    let (schedule, last_finite_loss) = (file.metadata("schedule")?, file.metadata("last_finite_loss")?);
    let mut tensors = BTreeMap::new();
    for (name, tensor) in file.file.tensors.clone() {
        let values = file.f32s(&name, &tensor.shape)?;
        tensors.insert(name, (tensor.shape, values));
    }
    Ok(Checkpoint { iteration, updates, schedule, last_finite_loss, tensors })
}
