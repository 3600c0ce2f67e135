//! `init/NAME.safetensors` and `model.safetensors`: the weights of a net, in PyTorch's names and layouts.

use std::path::Path;

use crate::dataset::{self, DataSet, Fitting, json};
use crate::tensors::{self, Taking, TensorFile, Values};
use crate::{ArtifactError, Result};

/// What made the weights, and what they are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The net, such as `resnet20`.
    pub net: String,
    /// Its shortcut, `a` or `avgpool`; empty where it has none.
    pub shortcut: String,
    /// Seed of the initial weights; empty where they came from elsewhere.
    pub seed: String,
    /// How they were drawn, such as `kaiming`, or `torch` where they came from a file of PyTorch's.
    pub scheme: String,
    /// Program and version that wrote the file.
    pub tool: String,
    /// What the net tells apart; none in files of earlier versions.
    pub task: Option<Task>,
    /// Share of the training images that were kept for validation; empty where the weights were not trained.
    pub val_from_train: String,
}

/// What a net tells apart, and what it is shown: all that a prediction needs besides the net and its weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// [channels, height, width] of an image.
    pub shape: [usize; 3],
    /// What is taken off each channel, on the 0 to 1 scale.
    pub mean: Vec<f64>,
    /// What each channel is then divided by.
    pub std: Vec<f64>,
    /// How pictures became images; none where they were no pictures.
    pub pictures: Option<Fitting>,
    /// Name of the data set.
    pub data_name: String,
    /// SHA-256 of the data set's file.
    pub data_sha256: String,
}

impl Task {
    /// That of a data set whose file has this SHA-256.
    pub fn of(data: &DataSet, sha256: &str) -> Self {
        Self {
            classes: data.classes.clone(),
            shape: data.shape,
            mean: data.mean.clone(),
            std: data.std.clone(),
            pictures: data.pictures,
            data_name: data.name.clone(),
            data_sha256: sha256.to_owned(),
        }
    }

    /// As metadata hold it: text, and arrays as JSON.
    fn metadata(&self) -> impl Iterator<Item = (&'static str, String)> {
        let Self { classes, shape, mean, std, pictures, data_name, data_sha256 } = self;
        [
            (CLASSES, json(classes)),
            ("shape", json(shape)),
            ("mean", json(mean)),
            ("std", json(std)),
            ("data_name", data_name.clone()),
            ("data_sha256", data_sha256.clone()),
        ]
        .into_iter()
        .chain(pictures.iter().map(|fitting| (dataset::PICTURES, fitting.text())))
    }

    /// Takes it out of a file's metadata, where it is there.
    fn take(file: &mut Taking) -> Result<Option<Self>> {
        if !file.file.metadata.contains_key(CLASSES) {
            return Ok(None);
        }
        let classes: Vec<String> = file.list(CLASSES)?;
        let shape: Vec<usize> = file.list("shape")?;
        if classes.is_empty() {
            return Err(file.wrong("metadata \"classes\": at least one name", "none"));
        }
        let shape = <[usize; 3]>::try_from(shape.as_slice()).ok().filter(|shape| holds_pixels(*shape));
        let shape =
            shape.ok_or_else(|| file.wrong("metadata \"shape\": [channels, height, width]", "other numbers"))?;
        let (mean, std): (Vec<f64>, Vec<f64>) = (file.list("mean")?, file.list("std")?);
        dataset::check_statistics(file, shape[0], &mean, &std)?;
        let pictures = Fitting::take(file)?;
        let (data_name, data_sha256) = (file.metadata("data_name")?, file.metadata("data_sha256")?);
        Ok(Some(Self { classes, shape, mean, std, pictures, data_name, data_sha256 }))
    }
}

/// Key of the names of the classes.
const CLASSES: &str = "classes";

/// Key of the share that was kept for validation.
const VAL_FROM_TRAIN: &str = "val_from_train";

/// Whether images of a shape have pixels, and no more than memory could hold: a file may say anything.
fn holds_pixels(shape: [usize; 3]) -> bool {
    let size = shape.into_iter().try_fold(1_usize, usize::checked_mul);
    size.is_some_and(|size| (1..=1 << 32).contains(&size))
}

/// Parameters and buffers of a net: name, shape, values.
pub type Named = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Writes weights, atomically; equal content gives equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, origin: &Origin, tensors: Named) -> Result<()> {
    let mut file = TensorFile::default();
    let Origin { net, shortcut, seed, scheme, tool, task, val_from_train } = origin;
    for (key, value) in [("net", net), ("shortcut", shortcut), ("seed", seed), ("scheme", scheme), ("tool", tool)] {
        file.metadata.insert(key.to_owned(), value.clone());
    }
    for (key, value) in task.iter().flat_map(Task::metadata) {
        file.metadata.insert(key.to_owned(), value);
    }
    if !val_from_train.is_empty() {
        file.metadata.insert(VAL_FROM_TRAIN.to_owned(), val_from_train.clone());
    }
    for (name, shape, values) in tensors {
        file.insert(name, &shape, Values::F32(values));
    }
    file.write(path)
}

/// Opens a file of weights: what made them, and the tensors to be taken out by name and shape.
///
/// # Errors
/// When it cannot be read or lacks the metadata.
pub fn open(path: &Path) -> Result<(Origin, Taking)> {
    let mut file = TensorFile::open(path)?;
    file.refuse_other_than(tensors::WEIGHTS)?;
    let origin = Origin {
        net: file.metadata("net")?,
        shortcut: file.metadata("shortcut")?,
        seed: file.metadata("seed")?,
        scheme: file.metadata("scheme")?,
        tool: file.metadata("tool")?,
        task: Task::take(&mut file)?,
        val_from_train: file.file.metadata.remove(VAL_FROM_TRAIN).unwrap_or_default(),
    };
    Ok((origin, file))
}

/// Takes the tensors of a net out of a file, in the order asked for; refuses missing, misshapen, extra and (where
/// `finite`) non-finite ones.
///
/// # Errors
/// When something of that kind is found.
pub fn take<'a>(
    mut file: Taking,
    wanted: impl Iterator<Item = (&'a str, &'a [usize])>,
    net: &str,
) -> Result<Vec<Vec<f32>>> {
    let mut all = Vec::new();
    for (name, shape) in wanted {
        let values = file.f32s(name, shape)?;
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let found = format!("{} at position {at}", values[at]);
            return Err(file.wrong(&format!("finite numbers in tensor {name:?}"), &found));
        }
        all.push(values);
    }
    file.finish(net)?;
    Ok(all)
}

/// A hint at what makes a file of weights.
pub fn hint(error: &ArtifactError) -> Option<&'static str> {
    error.is_input().then_some("initial weights are made by sc-init --net NAME --data FILE --seed N --out FILE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Fit;

    fn task() -> Task {
        Task {
            classes: vec!["a \"b\"".into(), "ç".into()],
            shape: [3, 8, 9],
            mean: vec![0.1, 0.2, 0.3],
            std: vec![0.5, 1.0 / 3.0, 0.25],
            pictures: Some(Fitting { fit: Fit::Crop, orient: false }),
            data_name: "tiny".into(),
            data_sha256: "00".into(),
        }
    }

    fn written(origin: &Origin, spoil: impl Fn(&mut TensorFile)) -> Result<Origin> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        write(&path, origin, vec![("w".into(), vec![1], vec![1.0])]).unwrap();
        let mut file = TensorFile::read(&path).unwrap();
        spoil(&mut file);
        file.write(&path).unwrap();
        Ok(open(&path)?.0)
    }

    #[test]
    fn a_model_says_what_it_is() {
        let origin =
            Origin { net: "lenet".into(), task: Some(task()), val_from_train: "0.1".into(), ..Origin::default() };
        assert_eq!(written(&origin, |_| ()).unwrap(), origin);
    }

    #[test]
    fn weights_of_an_earlier_version_are_read() {
        let origin = Origin { net: "lenet".into(), ..Origin::default() };
        let found = written(&origin, |file| assert_eq!(file.metadata.len(), 5)).unwrap();
        assert_eq!(found, origin);
    }

    #[test]
    fn what_cannot_be_predicted_with_is_refused_by_its_key() {
        let origin = Origin { net: "lenet".into(), task: Some(task()), ..Origin::default() };
        for (key, value, expected) in [
            ("classes", "[]", "metadata \"classes\": at least one name"),
            ("classes", "cat", "metadata \"classes\": a JSON array"),
            ("shape", "[3, 8]", "metadata \"shape\": [channels, height, width]"),
            ("shape", "[3, 0, 9]", "metadata \"shape\""),
            ("mean", "[0.1]", "metadata \"mean\": 3 numbers"),
            ("std", "[0.5, 0.0, 0.5]", "metadata \"std\": 3 numbers"),
            ("pictures", "{\"fit\":\"bend\",\"orient\":true}", "metadata \"pictures\""),
        ] {
            let message = written(&origin, |file| drop(file.metadata.insert(key.into(), value.into()))).unwrap_err();
            assert!(message.to_string().contains(expected), "{message}");
        }
    }
}
