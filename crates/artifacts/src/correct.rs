//! `runs/NAME/correct.safetensors`: which images of the test set the finished run classifies correctly. Two runs on one data
//! set can so be compared image by image.

use std::path::Path;

use crate::Result;
use crate::tensors::{TensorFile, Values};

/// Name of the file in a run's folder.
pub const FILE: &str = "correct.safetensors";

/// Writes, atomically, for each image of the test set whether the run has it right.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, test: &[bool]) -> Result<()> {
    let mut file = TensorFile::default();
    file.insert("test", &[test.len()], Values::U8(test.iter().map(|correct| u8::from(*correct)).collect()));
    file.write(path)
}

/// Reads for each image of the test set whether the run has it right.
///
/// # Errors
/// When the file cannot be read, or holds other things than 0 and 1 for each image.
pub fn read(path: &Path) -> Result<Vec<bool>> {
    let mut file = TensorFile::open(path)?;
    let (shape, values) = file.u8s("test")?;
    if shape.len() != 1 {
        return Err(file.wrong("test of shape [images]", &format!("{shape:?}")));
    }
    if let Some(at) = values.iter().position(|value| *value > 1) {
        return Err(file.wrong("0 or 1 for each image", &format!("{} at position {at}", values[at])));
    }
    file.finish("which test images are correct")?;
    Ok(values.into_iter().map(|value| value == 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_other_things_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, &[true, false, true]).unwrap();
        assert_eq!(read(&path).unwrap(), [true, false, true]);
        for (shape, values, expected) in [
            (&[3][..], vec![0, 2, 1], "0 or 1 for each image, found 2 at position 1"),
            (&[1, 2], vec![0, 1], "[images]"),
        ] {
            let mut file = TensorFile::default();
            file.insert("test", shape, Values::U8(values));
            file.write(&path).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(FILE) && message.contains(expected), "{message}");
        }
    }
}
