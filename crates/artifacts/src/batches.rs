//! `runs/NAME/batches.safetensors`: which images each step saw and how they were augmented, so that another framework
//! can replay the run.

use std::path::Path;

use crate::Result;
use crate::tensors::{TensorFile, Values};

/// Name of the file in a run's folder.
pub const FILE: &str = "batches.safetensors";

/// Every batch of a run, step after step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// Images in a batch.
    pub batch_size: usize,
    /// Positions in `train.images`, [iterations, batch].
    pub indices: Vec<u32>,
    /// 1 where the image is mirrored, after the crop; [iterations, batch].
    pub flip: Vec<u8>,
    /// Top row of the crop in the image padded by 4 black pixels on every side, 0 to 8; [iterations, batch].
    pub crop_y: Vec<u8>,
    /// Left column likewise.
    pub crop_x: Vec<u8>,
}

/// Writes the batches, atomically.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, batches: Batches) -> Result<()> {
    let shape = [batches.indices.len() / batches.batch_size.max(1), batches.batch_size];
    let mut file = TensorFile::default();
    file.insert("indices", &shape, Values::U32(batches.indices));
    file.insert("flip", &shape, Values::U8(batches.flip));
    file.insert("crop_y", &shape, Values::U8(batches.crop_y));
    file.insert("crop_x", &shape, Values::U8(batches.crop_x));
    file.write(path)
}

/// Reads the batches.
///
/// # Errors
/// When the file cannot be read, or its tensors are not of one shape [iterations, batch].
pub fn read(path: &Path) -> Result<Batches> {
    let mut file = TensorFile::open(path)?;
    let (shape, indices) = file.u32s("indices")?;
    let &[_, batch_size] = shape.as_slice() else {
        return Err(file.wrong("indices of shape [iterations, batch]", &format!("{shape:?}")));
    };
    let mut column = |name: &str| {
        let (found, values) = file.u8s(name)?;
        if found == shape {
            Ok(values)
        } else {
            Err(file.wrong(&format!("{name} of shape {shape:?}"), &format!("{found:?}")))
        }
    };
    let (flip, crop_y, crop_x) = (column("flip")?, column("crop_y")?, column("crop_x")?);
    file.finish("recorded batches")?;
    Ok(Batches { batch_size, indices, flip, crop_y, crop_x })
}
