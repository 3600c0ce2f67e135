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
    /// Whose mean and standard deviation the images are normalised by: [`IMAGENET`], or empty for those of the data.
    pub normalise: String,
}

/// [`Origin::normalise`] of weights that want ImageNet's.
pub const IMAGENET: &str = "imagenet";

/// ImageNet's mean by channel, red, green and blue, as torchvision's weights want it.
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];

/// ImageNet's standard deviation likewise.
pub const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

/// What a net tells apart, and what it is shown: all that a prediction needs besides the net and its weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// [channels, height, width] of an image, as the net sees it.
    pub shape: [usize; 3],
    /// [height, width] of the images that the net sees the centre of, which is what pictures are brought to; none where it
    /// sees all of them.
    pub stored: Option<[usize; 2]>,
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
    /// That of a data set whose file has this SHA-256, seen as the file says.
    pub fn of(data: &DataSet, sha256: &str) -> Self {
        let [channels, height, width] = data.shape;
        let smaller = data.train_size.filter(|side| [*side; 2] != [height, width]);
        Self {
            classes: data.classes.clone(),
            shape: smaller.map_or(data.shape, |side| [channels, side, side]),
            stored: smaller.map(|_| [height, width]),
            mean: data.mean.clone(),
            std: data.std.clone(),
            pictures: data.pictures,
            data_name: data.name.clone(),
            data_sha256: sha256.to_owned(),
        }
    }

    /// [channels, height, width] of the images that the net is handed: those it sees, or those it sees the centre of.
    pub fn handed(&self) -> [usize; 3] {
        let [channels, height, width] = self.shape;
        let [height, width] = self.stored.unwrap_or([height, width]);
        [channels, height, width]
    }

    /// Lets the net see a square of this side out of the images that it is handed; false where they are smaller.
    pub fn see(&mut self, side: usize) -> bool {
        let [channels, height, width] = self.handed();
        if side > height.min(width) {
            return false;
        }
        self.shape = [channels, side, side];
        self.stored = ([side; 2] != [height, width]).then_some([height, width]);
        true
    }

    /// Normalises by ImageNet's mean and standard deviation; false where images have not its three channels.
    pub fn normalise_by_imagenet(&mut self) -> bool {
        let fits = self.shape[0] == IMAGENET_MEAN.len();
        if fits {
            (self.mean, self.std) = (IMAGENET_MEAN.to_vec(), IMAGENET_STD.to_vec());
        }
        fits
    }

    /// As metadata hold it: text, and arrays as JSON.
    fn metadata(&self) -> impl Iterator<Item = (&'static str, String)> {
        let Self { classes, shape, stored, mean, std, pictures, data_name, data_sha256 } = self;
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
        .chain(stored.iter().map(|sides| (STORED, json(sides))))
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
        let stored = stored(file, shape)?;
        let (data_name, data_sha256) = (file.metadata("data_name")?, file.metadata("data_sha256")?);
        Ok(Some(Self { classes, shape, stored, mean, std, pictures, data_name, data_sha256 }))
    }
}

/// Key of the names of the classes.
const CLASSES: &str = "classes";

/// Key of the sides of images that the net sees the centre of.
const STORED: &str = "stored";

/// Key of whose statistics images are normalised by.
const NORMALISE: &str = "normalise";

/// Key of the share that was kept for validation.
const VAL_FROM_TRAIN: &str = "val_from_train";

/// Whether images of a shape have pixels, and no more than memory could hold: a file may say anything.
fn holds_pixels(shape: [usize; 3]) -> bool {
    let size = shape.into_iter().try_fold(1_usize, usize::checked_mul);
    size.is_some_and(|size| (1..=1 << 32).contains(&size))
}

/// The sides of the images that the net sees the centre of, where they are recorded.
fn stored(file: &mut Taking, [channels, height, width]: [usize; 3]) -> Result<Option<[usize; 2]>> {
    if !file.file.metadata.contains_key(STORED) {
        return Ok(None);
    }
    let sides: Vec<usize> = file.list(STORED)?;
    let fits = |[h, w]: &[usize; 2]| *h >= height && *w >= width && holds_pixels([channels, *h, *w]);
    let sides = <[usize; 2]>::try_from(sides.as_slice()).ok().filter(fits);
    let wanted = "metadata \"stored\": [height, width], not below those of \"shape\"";
    sides.map(Some).ok_or_else(|| file.wrong(wanted, "other numbers"))
}

/// Whose statistics images are normalised by; empty where nothing says it.
fn normalise(file: &mut Taking) -> Result<String> {
    let found = file.file.metadata.remove(NORMALISE).unwrap_or_default();
    if found.is_empty() || found == IMAGENET {
        return Ok(found);
    }
    Err(file.wrong("metadata \"normalise\": imagenet, or no such entry", &found))
}

/// Parameters and buffers of a net: name, shape, values.
pub type Named = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Writes weights, atomically; equal content gives equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, origin: &Origin, tensors: Named) -> Result<()> {
    let mut file = TensorFile::default();
    let Origin { net, shortcut, seed, scheme, tool, task, val_from_train, normalise } = origin;
    for (key, value) in [("net", net), ("shortcut", shortcut), ("seed", seed), ("scheme", scheme), ("tool", tool)] {
        file.metadata.insert(key.to_owned(), value.clone());
    }
    for (key, value) in task.iter().flat_map(Task::metadata) {
        file.metadata.insert(key.to_owned(), value);
    }
    if !val_from_train.is_empty() {
        file.metadata.insert(VAL_FROM_TRAIN.to_owned(), val_from_train.clone());
    }
    if !normalise.is_empty() {
        file.metadata.insert(NORMALISE.to_owned(), normalise.clone());
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
        normalise: normalise(&mut file)?,
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
            stored: Some([10, 9]),
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
        let origin = Origin { normalise: IMAGENET.into(), ..origin };
        assert_eq!(written(&origin, |_| ()).unwrap(), origin);
    }

    #[test]
    fn a_net_sees_a_square_of_what_it_is_handed() {
        let mut task = task();
        assert_eq!(task.handed(), [3, 10, 9]);
        assert!(task.see(9));
        assert_eq!((task.shape, task.stored), ([3, 9, 9], Some([10, 9])));
        assert!(!task.see(10), "wider than it is stored");
        let mut square = Task { shape: [1, 8, 8], stored: None, ..task };
        assert!(square.see(8) && square.stored.is_none() && square.see(6));
        assert_eq!((square.shape, square.handed()), ([1, 6, 6], [1, 8, 8]));
        assert!(!square.normalise_by_imagenet(), "grey");
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
            ("stored", "[7, 9]", "metadata \"stored\": [height, width], not below"),
            ("stored", "[10]", "metadata \"stored\""),
            ("normalise", "mean", "metadata \"normalise\": imagenet"),
            ("pictures", "{\"fit\":\"bend\",\"orient\":true}", "metadata \"pictures\""),
        ] {
            let message = written(&origin, |file| drop(file.metadata.insert(key.into(), value.into()))).unwrap_err();
            assert!(message.to_string().contains(expected), "{message}");
        }
    }
}
