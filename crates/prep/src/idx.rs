//! MNIST and its kin: four IDX files, plain or gzipped.
//!
//! An IDX file is two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension as a big-endian u32,
//! and the elements, the last dimension running fastest (Y. LeCun, "The MNIST database", section "file formats").

mod find;

use std::io::Read;
use std::path::{Path, PathBuf};

use artifacts::dataset::Images;
use artifacts::sha256;

use crate::bounded::{self, read_up_to};
use crate::progress::Progress;
use crate::set::Set;
use crate::{Refusal, Result};

use find::{Found, NAMES};

/// Type code of unsigned bytes.
const UNSIGNED_BYTE: u8 = 8;

/// An array of unsigned bytes with `D` dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx<const D: usize> {
    /// Length of each dimension.
    pub dimensions: [usize; D],
    /// Elements.
    pub values: Vec<u8>,
    /// SHA-256 of the unpacked file.
    pub sha256: String,
}

/// Reads MNIST and its kin from a folder: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k-`,
/// each plain or as `.gz` (if both are there, the plain one), or under the names of `find`. Labels go from 0 or from 1
/// to any number. `names` are those of the classes; without them the labels are. `max_bytes` bounds the pixels of the set.
///
/// # Errors
/// When a file is missing, damaged, or does not fit the others.
pub fn read_mnist(folder: &Path, names: Option<Vec<String>>, max_bytes: u64, progress: &dyn Progress) -> Result<Set> {
    let mut found = Found::new(folder)?;
    let mut sources = Vec::new();
    let train = read_split(&mut found, [NAMES[0], NAMES[1]], max_bytes, &mut sources)?;
    let left = max_bytes - train.images.pixels.len() as u64;
    let test = read_split(&mut found, [NAMES[2], NAMES[3]], left, &mut sources)?;
    if train.shape != test.shape {
        let text = |[_, h, w]: [usize; 3]| format!("{h}x{w}");
        let problem = format!("test images have {} pixels, training images {}", text(test.shape), text(train.shape));
        return Err(Refusal::at(folder.display(), problem));
    }
    let labels = Labels::of(&train)?;
    let is_official = |(path, name): &&(PathBuf, &str)| path.parent() == Some(folder) && is_named(path, name);
    for (path, name) in train.files.iter().chain(&test.files).filter(|file| !is_official(file)) {
        progress.note(&format!("read {} as {name}", path.display()));
    }
    if labels.first > 0 {
        let last = labels.first + labels.count - 1;
        progress.note(&format!("labels go from {} to {last}: label {} is class 0", labels.first, labels.first));
    }
    let classes = labels.names(names, folder)?;
    let (shape, train, test) = (train.shape, labels.shifted(train)?, labels.shifted(test)?);
    Ok(Set { shape, classes, train, test, train_size: None, pictures: None, sources, skipped: Vec::new() })
}

/// Whether a file has its official name, or that and .gz.
fn is_named(path: &Path, name: &str) -> bool {
    let found = path.file_name().and_then(|found| found.to_str()).unwrap_or_default();
    found.strip_suffix(".gz").unwrap_or(found) == name
}

/// Images and labels as two files hold them.
struct Half {
    shape: [usize; 3],
    images: Images,
    /// Of images and labels, each with its official name.
    files: [(PathBuf, &'static str); 2],
}

/// The labels of a set: which there are.
struct Labels {
    first: u32,
    count: u32,
}

impl Labels {
    /// Those of the training images: from 0 or 1 on, without a gap.
    fn of(train: &Half) -> Result<Self> {
        let refuse = |problem: String| Err(Refusal::at(train.files[1].0.display(), problem));
        let mut positions = [None; 256];
        for (position, label) in train.images.labels.iter().enumerate() {
            positions[*label as usize].get_or_insert(position);
        }
        let is_there = |label: &usize| positions[*label].is_some();
        let (Some(first), Some(last)) = ((0..256).find(is_there), (0..256).rfind(is_there)) else {
            return refuse("no labels".to_owned());
        };
        if first > 1 {
            return refuse(format!("labels go from {first} to {last}; they have to begin at 0 or 1"));
        }
        if let Some(gap) = (first..last).find(|label| !is_there(label)) {
            let next = (gap..=last).find(is_there).unwrap_or(last);
            let position = positions[next].unwrap_or_default();
            return refuse(format!("label {next} at position {position}, but no label {gap}; a class without images"));
        }
        Ok(Self { first: first as u32, count: (last - first + 1) as u32 })
    }

    /// The names of the classes: those given, or the labels.
    fn names(&self, given: Option<Vec<String>>, place: &Path) -> Result<Vec<String>> {
        match given {
            Some(names) if names.len() == self.count as usize => Ok(names),
            Some(names) => {
                let problem = format!("{} classes, but --classes names {}", self.count, names.len());
                Err(Refusal::at(place.display(), problem))
            }
            None => Ok((self.first..self.first + self.count).map(|label| label.to_string()).collect()),
        }
    }

    /// The images of a half with classes from 0 on.
    fn shifted(&self, half: Half) -> Result<Images> {
        let mut images = half.images;
        for (position, label) in images.labels.iter_mut().enumerate() {
            let class = label.checked_sub(self.first).filter(|class| *class < self.count);
            *label = class.ok_or_else(|| {
                let (first, last) = (self.first, self.first + self.count - 1);
                let problem =
                    format!("label {label} at position {position}; those of training go from {first} to {last}");
                Refusal::at(half.files[1].0.display(), problem)
            })?;
        }
        Ok(images)
    }
}

fn read_split(
    found: &mut Found,
    [image_name, label_name]: [&'static str; 2],
    max_bytes: u64,
    sources: &mut Vec<(String, String)>,
) -> Result<Half> {
    let (image_path, label_path) = (found.file(image_name)?, found.file(label_name)?);
    let labels: Idx<1> = read_file(&label_path, max_bytes)?;
    let images: Idx<3> = read_file(&image_path, max_bytes)?;
    let [count, height, width] = images.dimensions;
    if labels.dimensions != [count] {
        let problem = format!("{} labels for the {count} images in {}", labels.dimensions[0], image_path.display());
        return Err(Refusal::at(label_path.display(), problem));
    }
    sources.extend([(image_name.to_owned(), images.sha256), (label_name.to_owned(), labels.sha256)]);
    let labels = labels.values.into_iter().map(u32::from).collect();
    Ok(Half {
        shape: [1, height, width],
        images: Images { pixels: images.values, labels, files: Vec::new() },
        files: [(image_path, image_name), (label_path, label_name)],
    })
}

/// Reads one IDX file, plain or gzipped, of at most `max_bytes` elements.
///
/// # Errors
/// When it is missing, damaged, or not an array of unsigned bytes with `D` dimensions.
pub fn read_file<const D: usize>(path: &Path, max_bytes: u64) -> Result<Idx<D>> {
    parse(&mut bounded::open(path, "an IDX file")?, &path.display().to_string(), max_bytes)
}

/// Reads an IDX file from `reader`; `place` names it in messages. What its header claims is checked against `max_bytes`
/// before anything is allocated, and no more is allocated than really comes.
///
/// # Errors
/// As [`read_file`].
pub fn parse<const D: usize>(reader: &mut impl Read, place: &str, max_bytes: u64) -> Result<Idx<D>> {
    let failed = |error: std::io::Error| Refusal::at(place, format!("not a whole IDX file: {error}"));
    let mut content = vec![0; 4 + 4 * D];
    let filled = read_up_to(reader, &mut content).map_err(failed)?;
    if filled < content.len() {
        return Err(Refusal::at(place, format!("only {filled} bytes, too few for the header of an IDX file")));
    }
    if content[..4] != [0, 0, UNSIGNED_BYTE, D as u8] {
        let start = &content[..4];
        let problem = format!("not an IDX file of unsigned bytes in {D} dimensions: it starts with {start:02x?}");
        return Err(Refusal::at(place, problem));
    }
    let dimensions = dimensions::<D>(&content[4..]);
    let size = dimensions.iter().try_fold(1_u64, |size, length| size.checked_mul(*length as u64));
    let Some(size) = size.filter(|size| (1..=max_bytes).contains(size)) else {
        let problem = format!("its header gives dimensions {dimensions:?}; from 1 to {max_bytes} elements can be read");
        return Err(
            Refusal::at(place, problem).hint("where the machine has the memory, a larger set needs a larger --max-gib")
        );
    };
    let header = content.len();
    reader.take(size).read_to_end(&mut content).map_err(failed)?;
    let found = (content.len() - header) as u64;
    if found < size {
        let problem = format!("cut off after {found} of the {size} elements that its header {dimensions:?} gives");
        return Err(Refusal::at(place, problem));
    }
    if read_up_to(reader, &mut [0]).map_err(failed)? > 0 {
        let problem = format!("longer than the {size} elements that its header {dimensions:?} gives");
        return Err(Refusal::at(place, problem));
    }
    let sha256 = sha256::of_bytes(&content);
    content.drain(..header);
    Ok(Idx { dimensions, values: content, sha256 })
}

fn dimensions<const D: usize>(bytes: &[u8]) -> [usize; D] {
    let mut dimensions = [0; D];
    for (length, bytes) in dimensions.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *length = u32::from_be_bytes(*bytes) as usize;
    }
    dimensions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(bytes: &[u8]) -> Result<Idx<1>> {
        parse(&mut &*bytes, "labels", 100)
    }

    #[test]
    fn a_whole_file_is_read() {
        let idx = labels(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 9]).unwrap();
        assert_eq!((idx.dimensions, idx.values.as_slice()), ([2], &[7, 9][..]));
        assert_eq!(idx.sha256, sha256::of_bytes(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 9]));
    }

    #[test]
    fn the_last_dimension_runs_fastest() {
        let bytes = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
        let idx: Idx<3> = parse(&mut &bytes[..], "images", 6).unwrap();
        assert_eq!((idx.dimensions, idx.values), ([1, 2, 3], vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn what_is_no_idx_file_is_refused() {
        let cases: [(&[u8], &str); 7] = [
            (&[], "only 0 bytes, too few for the header"),
            (
                &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1],
                "not an IDX file of unsigned bytes in 1 dimensions: it starts with [00, 00, 08, 03]",
            ),
            (&[0, 0, 13, 1, 0, 0, 0, 1, 0], "it starts with [00, 00, 0d, 01]"),
            (&[0, 0, 8, 1, 0, 0, 0, 2, 7], "cut off after 1 of the 2 elements that its header [2] gives"),
            (&[0, 0, 8, 1, 0, 0, 0, 1, 7, 9], "longer than the 1 elements that its header [1] gives"),
            (&[0, 0, 8, 1, 0, 0, 0, 0], "dimensions [0]; from 1 to 100 elements can be read"),
            (&[0, 0, 8, 1, 255, 255, 255, 255, 1], "dimensions [4294967295]; from 1 to 100 elements"),
        ];
        for (bytes, expected) in cases {
            let message = labels(bytes).unwrap_err().to_string();
            assert!(message.starts_with("labels: ") && message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_product_beyond_64_bits_is_refused() {
        let mut bytes = vec![0, 0, 8, 3];
        bytes.extend([255; 12]);
        let message = parse::<3>(&mut &bytes[..], "images", u64::MAX).unwrap_err().to_string();
        assert!(message.contains("dimensions [4294967295, 4294967295, 4294967295]"), "{message}");
    }
}
