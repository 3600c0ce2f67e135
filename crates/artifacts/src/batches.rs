//! `runs/NAME/batches.safetensors`: which images each step saw and how they were augmented, so that another framework
//! can replay the run.

use std::path::Path;

use crate::Result;
use crate::tensors::{Taking, TensorFile, Values};

/// Name of the file in a run's folder.
pub const FILE: &str = "batches.safetensors";

/// Name of the tensor of the parts that images are made of.
const PARTS: &str = "parts";

/// Numbers that say where a part lies.
const SIDES: usize = 4;

/// The last row or column at which a crop of an image padded by 4 on every side can begin.
const MOST_CROP: u8 = 8;

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
    /// Of a run whose images are cut out of larger ones, or scaled: top row, left column, height and width of the part that each
    /// is made of; [iterations, batch, 4]. Empty where `crop_y` and `crop_x` say all.
    pub parts: Vec<u32>,
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
    if !batches.parts.is_empty() {
        file.insert(PARTS, &[shape[0], shape[1], SIDES], Values::U32(batches.parts));
    }
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
    let parts = parts(&mut file, &shape)?;
    if batch_size == 0 {
        return Err(file.wrong("batches of at least one image", &format!("{shape:?}")));
    }
    for (name, values, most) in [("flip", &flip, 1), ("crop_y", &crop_y, MOST_CROP), ("crop_x", &crop_x, MOST_CROP)] {
        if let Some(at) = values.iter().position(|value| *value > most) {
            return Err(file.wrong(&format!("{name} from 0 to {most}"), &format!("{} at position {at}", values[at])));
        }
    }
    file.finish("recorded batches")?;
    Ok(Batches { batch_size, indices, flip, crop_y, crop_x, parts })
}

/// The parts that images were made of, where they are recorded.
fn parts(file: &mut Taking, shape: &[usize]) -> Result<Vec<u32>> {
    if !file.file.tensors.contains_key(PARTS) {
        return Ok(Vec::new());
    }
    let (found, values) = file.u32s(PARTS)?;
    let wanted = [shape, &[SIDES]].concat();
    if found != wanted {
        return Err(file.wrong(&format!("{PARTS} of shape {wanted:?}"), &format!("{found:?}")));
    }
    let sides = values.chunks_exact(SIDES).flat_map(|part| &part[2..]);
    if sides.into_iter().any(|side| *side == 0) {
        return Err(file.wrong(&format!("{PARTS} of at least one row and column"), "one of none"));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Batches {
        Batches {
            batch_size: 2,
            indices: vec![0, 1, 2, 3],
            flip: vec![0, 1, 0, 1],
            crop_y: vec![8; 4],
            crop_x: vec![0; 4],
            parts: (1..=16).collect(),
        }
    }

    type Spoil = fn(&mut Batches);

    #[test]
    fn what_is_written_is_read_and_what_no_run_records_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, sample()).unwrap();
        assert_eq!(read(&path).unwrap(), sample());
        let plain = Batches { parts: Vec::new(), ..sample() };
        write(&path, plain.clone()).unwrap();
        assert_eq!(read(&path).unwrap(), plain);
        let cases: [(Spoil, &str); 4] = [
            (|b| b.parts[3] = 0, "parts of at least one row and column"),
            (|b| b.flip[2] = 2, "flip from 0 to 1, found 2 at position 2"),
            (|b| b.crop_x[1] = 9, "crop_x from 0 to 8, found 9 at position 1"),
            (|b| *b = Batches::default(), "batches of at least one image"),
        ];
        for (spoil, expected) in cases {
            let mut batches = sample();
            spoil(&mut batches);
            write(&path, batches).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(FILE) && message.contains(expected), "{message}");
        }
    }
}
