//! `runs/NAME/checkpoint.safetensors`: everything that a resumed run needs.
//!
//! The order of images and their augmentation are functions of seed and step (see the learner), so the number of steps
//! done is their whole state.

use std::path::Path;

use crate::Result;
use crate::format::{Head, Kind};
use crate::tensors::{Named, TensorFile, Values};

/// Name of the file in a run's folder.
pub const FILE: &str = "checkpoint.safetensors";
/// Version of the schema.
pub const FORMAT: &str = "superconv-checkpoint/1";

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
    pub tensors: Named,
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
    file.refuse_other_than(Kind::Checkpoint.name())?;
    Kind::Checkpoint.check(path, &Head::of_format(file.file.metadata.get("format")))?;
    let mut number = |key: &str| {
        let text = file.metadata(key)?;
        text.parse().map_err(|_| file.wrong(&format!("metadata {key:?}: a whole number"), &text))
    };
    let (iteration, updates) = (number("iteration")?, number("updates")?);
    let (schedule, last_finite_loss) = (file.metadata("schedule")?, file.metadata("last_finite_loss")?);
    Ok(Checkpoint { iteration, updates, schedule, last_finite_loss, tensors: file.into_f32s()? })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{dataset, weights};

    fn sample() -> Checkpoint {
        let tensors = BTreeMap::from([
            ("parameter.a".to_owned(), (vec![2, 2], vec![0.5; 4])),
            ("buffer.b".to_owned(), (vec![3], vec![1.0, 2.0, 3.0])),
        ]);
        let (schedule, last_finite_loss) = ("null".to_owned(), "1.5".to_owned());
        Checkpoint { iteration: 20, updates: 19, schedule, last_finite_loss, tensors }
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, sample()).unwrap();
        assert_eq!(read(&path).unwrap(), sample());
    }

    /// Changes the metadata of a checkpoint, reads it, and hands back why it is refused.
    fn refusal(change: impl Fn(&mut TensorFile)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, sample()).unwrap();
        let mut file = TensorFile::read(&path).unwrap();
        change(&mut file);
        file.write(&path).unwrap();
        read(&path).unwrap_err().to_string()
    }

    #[test]
    fn a_newer_checkpoint_is_called_newer_and_another_file_by_its_name() {
        let with = |key: &str, value: &str| {
            refusal(|file| {
                file.metadata.clear();
                file.metadata.insert(key.to_owned(), value.to_owned());
            })
        };
        let newer = with("format", "superconv-checkpoint/2");
        assert!(newer.contains("made by a newer superconv (format superconv-checkpoint/2)"), "{newer}");
        for (key, value, expected) in [
            ("net", "resnet8", "this is a file of weights, not a checkpoint"),
            ("classes", "[]", "this is a data set, not a checkpoint"),
            ("format", "pt", "expected a checkpoint (format \"superconv-checkpoint/1\"), found format \"pt\""),
            ("other", "", "a file that does not say its format"),
        ] {
            let message = with(key, value);
            assert!(message.contains(FILE) && message.contains(expected), "{message}");
        }
        let words = refusal(|file| file.insert("parameter.a", &[1], Values::U32(vec![1])));
        assert!(words.contains("tensor \"parameter.a\" of type F32 and any shape, found U32 [1]"), "{words}");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, sample()).unwrap();
        let message = weights::open(&path).map(drop).unwrap_err().to_string();
        assert!(message.ends_with("this is a checkpoint, not a file of weights"), "{message}");
        let message = dataset::read(&path).unwrap_err().to_string();
        assert!(message.ends_with("this is a checkpoint, not a data set"), "{message}");
    }
}
