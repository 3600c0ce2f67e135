//! `data/NAME.safetensors`: a prepared data set, made by `sc-prep`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::tensors::{self, Taking, TensorFile, Values};
use crate::{ArtifactError, Result};

/// One half of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Raw pixels, [N, C, H, W].
    pub pixels: Vec<u8>,
    /// Class of each image, `[N]`, below the number of classes.
    pub labels: Vec<u32>,
    /// Path of each image's picture below the folder or archive that the set was read from, `[N]`, without control
    /// characters; empty where images were no files of their own, and in files of earlier versions. In the file: the tensor
    /// `SPLIT.files`, the paths as UTF-8 text, each ended by a line feed.
    pub files: Vec<String>,
}

/// How pictures become images of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitting {
    /// How they are brought to one size.
    pub fit: Fit,
    /// Whether they are turned upright first, as their EXIF orientation says.
    pub orient: bool,
}

/// How pictures are brought to one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The centre part of the wanted proportions, scaled.
    #[default]
    Crop,
    /// The whole picture, scaled, in the middle of black.
    Pad,
    /// The whole picture, scaled, its proportions given up.
    Squash,
}

/// A prepared data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSet {
    /// Its name, such as `cifar10`.
    pub name: String,
    /// [channels, height, width] of an image.
    pub shape: [usize; 3],
    /// Side, in pixels, of the square that a net is to see of an image that is larger; none where it sees all of it.
    pub train_size: Option<usize>,
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Mean of the training images by channel, on the 0 to 1 scale.
    pub mean: Vec<f64>,
    /// Standard deviation (of the population) likewise.
    pub std: Vec<f64>,
    /// The training images.
    pub train: Images,
    /// The test images.
    pub test: Images,
    /// How pictures became these images; none where they were no pictures, and in files of earlier versions.
    pub pictures: Option<Fitting>,
    /// Name and SHA-256 of every source file, in order of name.
    pub sources: Vec<(String, String)>,
    /// Pictures that were left out because they cannot be read, and why: a line each.
    pub skipped: Vec<String>,
}

const SOURCE: &str = "sha256:";

/// Key of what was left out; absent where nothing was.
const SKIPPED: &str = "skipped";

/// Key of the side that nets are to see; absent where they see all of an image.
const TRAIN_SIZE: &str = "train_size";

/// Key of how pictures became images, here and in files of weights.
pub(crate) const PICTURES: &str = "pictures";

/// Writes a data set, atomically; equal content gives equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, data: DataSet) -> Result<()> {
    let mut file = TensorFile::default();
    for (key, value) in
        [("name", data.name), ("classes", json(&data.classes)), ("mean", json(&data.mean)), ("std", json(&data.std))]
    {
        file.metadata.insert(key.to_owned(), value);
    }
    if !data.skipped.is_empty() {
        file.metadata.insert(SKIPPED.to_owned(), json(&data.skipped));
    }
    if let Some(fitting) = &data.pictures {
        file.metadata.insert(PICTURES.to_owned(), fitting.text());
    }
    if let Some(side) = data.train_size {
        file.metadata.insert(TRAIN_SIZE.to_owned(), side.to_string());
    }
    for (name, hash) in data.sources {
        file.metadata.insert(format!("{SOURCE}{name}"), hash);
    }
    let [c, h, w] = data.shape;
    for (split, Images { pixels, labels, files }) in [("train", data.train), ("test", data.test)] {
        let count = labels.len();
        file.insert(format!("{split}.images"), &[count, c, h, w], Values::U8(pixels));
        file.insert(format!("{split}.labels"), &[count], Values::U32(labels));
        if !files.is_empty() {
            assert_eq!(files.len(), count, "one path for each image");
            let text: String = files.iter().flat_map(|path| [path.as_str(), "\n"]).collect();
            file.insert(format!("{split}.files"), &[text.len()], Values::U8(text.into_bytes()));
        }
    }
    file.write(path)
}

impl Fitting {
    /// As metadata hold it.
    pub(crate) fn text(self) -> String {
        serde_json::to_string(&self).expect("a name and a flag are JSON")
    }

    /// Takes it out of a file's metadata, where it is there.
    pub(crate) fn take(file: &mut Taking) -> Result<Option<Self>> {
        let Some(text) = file.file.metadata.remove(PICTURES) else { return Ok(None) };
        let wrong = |_| file.wrong("metadata \"pictures\": how pictures were fitted, as this version knows it", &text);
        serde_json::from_str(&text).map(Some).map_err(wrong)
    }
}

pub(crate) fn json<T: Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).expect("lists of text and numbers are JSON")
}

/// Reads a data set and checks it whole: shapes, labels, one mean and one positive deviation a channel.
///
/// # Errors
/// When the file cannot be read or is no data set.
pub fn read(path: &Path) -> Result<DataSet> {
    Ok(read_with_hash(path)?.0)
}

/// As [`read`], with the SHA-256 of the bytes that were read, in lower-case hexadecimal: hashing the file by its name
/// afterwards would hash another one where it was replaced meanwhile.
///
/// # Errors
/// As [`read`].
pub fn read_with_hash(path: &Path) -> Result<(DataSet, String)> {
    let mut file = TensorFile::open(path)?;
    file.refuse_other_than(tensors::DATA_SET)?;
    let sha256 = file.sha256.clone();
    let name = file.metadata("name")?;
    let classes: Vec<String> = file.list("classes")?;
    let mean: Vec<f64> = file.list("mean")?;
    let std: Vec<f64> = file.list("std")?;
    let (train_shape, train) = images(&mut file, "train", classes.len())?;
    let (test_shape, test) = images(&mut file, "test", classes.len())?;
    if train_shape != test_shape {
        return Err(file.wrong(&format!("test images of shape {train_shape:?}"), &format!("{test_shape:?}")));
    }
    if train.labels.is_empty() {
        return Err(file.wrong("at least one training image", "none"));
    }
    check_statistics(&file, train_shape[0], &mean, &std)?;
    let skipped = if file.file.metadata.contains_key(SKIPPED) { file.list(SKIPPED)? } else { Vec::new() };
    let pictures = Fitting::take(&mut file)?;
    let train_size = train_size(&mut file, train_shape)?;
    let sources = file.file.metadata.iter();
    let sources = sources.filter_map(|(k, v)| Some((k.strip_prefix(SOURCE)?.to_owned(), v.clone()))).collect();
    file.finish("a data set")?;
    let shape = train_shape;
    Ok((DataSet { name, shape, train_size, classes, mean, std, train, test, pictures, sources, skipped }, sha256))
}

/// The side that nets are to see, where it is recorded.
fn train_size(file: &mut Taking, [_, height, width]: [usize; 3]) -> Result<Option<usize>> {
    let Some(text) = file.file.metadata.remove(TRAIN_SIZE) else { return Ok(None) };
    let most = height.min(width);
    let side = text.parse().ok().filter(|side| (1..=most).contains(side));
    side.map(Some).ok_or_else(|| file.wrong(&format!("metadata \"train_size\": a number from 1 to {most}"), &text))
}

/// Refuses means and deviations that are not one a channel, on the 0 to 1 scale.
pub(crate) fn check_statistics(file: &Taking, channels: usize, mean: &[f64], std: &[f64]) -> Result<()> {
    for (key, values, least) in [("mean", mean, 0.0), ("std", std, f64::MIN_POSITIVE)] {
        if values.len() != channels || values.iter().any(|v| !(*v >= least && *v <= 1.0)) {
            let expected = format!("metadata {key:?}: {channels} numbers from {least:e} to 1");
            return Err(file.wrong(&expected, &format!("{values:?}")));
        }
    }
    Ok(())
}

fn images(file: &mut Taking, split: &str, classes: usize) -> Result<([usize; 3], Images)> {
    let (shape, pixels) = file.u8s(&format!("{split}.images"))?;
    let (label_shape, labels) = file.u32s(&format!("{split}.labels"))?;
    let &[count, c, h, w] = shape.as_slice() else {
        return Err(file.wrong(&format!("{split}.images of shape [N, C, H, W]"), &format!("{shape:?}")));
    };
    if c == 0 || h == 0 || w == 0 {
        return Err(
            file.wrong(&format!("{split}.images of at least one channel, row and column"), &format!("{shape:?}"))
        );
    }
    if label_shape != [count] {
        return Err(file.wrong(&format!("{split}.labels of shape [{count}]"), &format!("{label_shape:?}")));
    }
    if let Some(position) = labels.iter().position(|label| *label as usize >= classes) {
        let expected = format!("{split}.labels below {classes}, the number of classes");
        return Err(file.wrong(&expected, &format!("{} at position {position}", labels[position])));
    }
    let files = files(file, split, count)?;
    Ok(([c, h, w], Images { pixels, labels, files }))
}

/// The paths of a split's pictures, where they are recorded.
fn files(file: &mut Taking, split: &str, count: usize) -> Result<Vec<String>> {
    let name = format!("{split}.files");
    if !file.file.tensors.contains_key(&name) {
        return Ok(Vec::new());
    }
    let (_, bytes) = file.u8s(&name)?;
    let wanted = || format!("{name}: {count} paths, each ended by a line feed");
    let text = String::from_utf8(bytes).map_err(|_| file.wrong(&wanted(), "bytes that are no UTF-8 text"))?;
    let paths: Vec<String> = text.split_terminator('\n').map(str::to_owned).collect();
    if paths.len() != count || !(text.is_empty() || text.ends_with('\n')) {
        return Err(file.wrong(&wanted(), &format!("{} of them", paths.len())));
    }
    Ok(paths)
}

/// Refuses a file that is no data set with a hint at what makes one.
pub fn hint(error: &ArtifactError) -> Option<&'static str> {
    error.is_input().then_some("a data set is made by sc-prep; for the embedded one: make data/mnist5k.safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("train/a/é {number}.png")).collect()
    }

    fn sample() -> DataSet {
        DataSet {
            name: "tiny".into(),
            shape: [1, 2, 2],
            train_size: Some(1),
            classes: vec!["a".into(), "b".into()],
            mean: vec![0.5],
            std: vec![0.25],
            train: Images { pixels: (0..12).collect(), labels: vec![0, 1, 1], files: paths(3) },
            test: Images { pixels: vec![9; 4], labels: vec![0], files: paths(1) },
            pictures: Some(Fitting { fit: Fit::Crop, orient: true }),
            sources: vec![("x.gz".into(), "00".into())],
            skipped: vec!["a.png: empty".into()],
        }
    }

    #[test]
    fn what_is_written_is_read_and_the_bytes_repeat() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write(&a, sample()).unwrap();
        write(&b, sample()).unwrap();
        assert_eq!(read(&a).unwrap(), sample());
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }

    #[test]
    fn a_file_of_an_earlier_version_names_no_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old");
        let mut data = sample();
        (data.train.files, data.test.files, data.pictures) = (Vec::new(), Vec::new(), None);
        data.train_size = None;
        write(&path, data.clone()).unwrap();
        let file = TensorFile::read(&path).unwrap();
        assert_eq!(file.tensors.len(), 4, "{:?}", file.tensors.keys());
        assert!(!file.metadata.contains_key(PICTURES) && !file.metadata.contains_key(TRAIN_SIZE));
        assert_eq!(read(&path).unwrap(), data);
    }

    #[test]
    fn paths_are_text_that_any_reader_splits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write(&path, sample()).unwrap();
        let mut file = TensorFile::read(&path).unwrap();
        let Values::U8(bytes) = &file.tensors["train.files"].values else { panic!("bytes") };
        assert_eq!(std::str::from_utf8(bytes).unwrap().lines().collect::<Vec<_>>(), paths(3));
        for (bytes, found) in
            [(&b"a\nb\n"[..], "2 of them"), (b"a\nb\nc", "3 of them"), (b"\xff\n\n\n", "no UTF-8 text")]
        {
            file.insert("train.files", &[bytes.len()], Values::U8(bytes.to_vec()));
            file.write(&path).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("train.files: 3 paths") && message.contains(found), "{message}");
        }
    }

    type Spoil = fn(&mut DataSet);

    #[test]
    fn what_does_not_fit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.safetensors");
        let cases: [(Spoil, &str); 7] = [
            (|d| d.train_size = Some(3), "metadata \"train_size\": a number from 1 to 2, found 3"),
            (
                |d| (d.shape, d.train.pixels, d.test.pixels) = ([1, 0, 2], Vec::new(), Vec::new()),
                "train.images of at least one channel, row and column, found [3, 1, 0, 2]",
            ),
            (|d| d.train.labels[2] = 2, "train.labels below 2, the number of classes, found 2 at position 2"),
            (|d| d.mean.clear(), "metadata \"mean\": 1 numbers"),
            (|d| d.std[0] = 0.0, "metadata \"std\": 1 numbers"),
            (|d| d.std[0] = f64::NAN, "metadata \"std\": a JSON array"),
            (|d| d.train = Images::default(), "at least one training image"),
        ];
        for (spoil, expected) in cases {
            let mut data = sample();
            spoil(&mut data);
            write(&path, data).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("bad.safetensors") && message.contains(expected), "{message}");
        }
    }
}
