//! MNIST and its kin: four IDX files, plain or gzipped.
//!
//! An IDX file is two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension as a big-endian u32,
//! and the elements, the last dimension running fastest (Y. LeCun, "The MNIST database", section "file formats").

use std::io::Read;
use std::path::{Path, PathBuf};

use artifacts::dataset::Images;
use artifacts::sha256;

use crate::bounded::{self, read_up_to};
use crate::set::Set;
use crate::{Refusal, Result};

/// The digits.
const CLASSES: usize = 10;

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

/// Reads MNIST from a folder: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k-`, each plain or
/// as `.gz` (if both are there, the plain one). `max_bytes` bounds the pixels of the set.
///
/// # Errors
/// When a file is missing, damaged, or does not fit the others.
pub fn read_mnist(folder: &Path, max_bytes: u64) -> Result<Set> {
    let mut sources = Vec::new();
    let (shape, train) = read_split(folder, "train", max_bytes, &mut sources)?;
    let (test_shape, test) = read_split(folder, "t10k", max_bytes - train.pixels.len() as u64, &mut sources)?;
    if shape != test_shape {
        let text = |[_, h, w]: [usize; 3]| format!("{h}x{w}");
        let problem = format!("test images have {} pixels, training images {}", text(test_shape), text(shape));
        return Err(Refusal::at(folder.display(), problem));
    }
    let classes = (0..CLASSES).map(|digit| digit.to_string()).collect();
    Ok(Set { shape, classes, train, test, sources, skipped: Vec::new() })
}

fn read_split(
    folder: &Path,
    prefix: &str,
    max_bytes: u64,
    sources: &mut Vec<(String, String)>,
) -> Result<([usize; 3], Images)> {
    let path_of = |name: &str| -> Result<(String, PathBuf)> {
        let name = format!("{prefix}-{name}");
        Ok((name.clone(), find(folder, &name)?))
    };
    let (image_name, image_path) = path_of("images-idx3-ubyte")?;
    let (label_name, label_path) = path_of("labels-idx1-ubyte")?;
    let labels: Idx<1> = read_file(&label_path, max_bytes)?;
    let images: Idx<3> = read_file(&image_path, max_bytes)?;
    let [count, height, width] = images.dimensions;
    if labels.dimensions != [count] {
        let problem = format!("{} labels for the {count} images in {}", labels.dimensions[0], image_path.display());
        return Err(Refusal::at(label_path.display(), problem));
    }
    if let Some(position) = labels.values.iter().position(|label| usize::from(*label) >= CLASSES) {
        let label = labels.values[position];
        let problem = format!("label {label} at position {position}; labels go from 0 to 9");
        return Err(Refusal::at(label_path.display(), problem));
    }
    sources.extend([(image_name, images.sha256), (label_name, labels.sha256)]);
    let labels = labels.values.into_iter().map(u32::from).collect();
    Ok(([1, height, width], Images { pixels: images.values, labels }))
}

/// The file of this name, or its `.gz`.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let plain = folder.join(name);
    let packed = folder.join(format!("{name}.gz"));
    for path in [&plain, &packed] {
        if path.exists() {
            return Ok(path.clone());
        }
    }
    let hint = if folder.is_file() {
        format!("{} is a file: give the folder that holds the four IDX files", folder.display())
    } else {
        "MNIST is four files: train-images-idx3-ubyte, train-labels-idx1-ubyte, and the same with t10k-".into()
    };
    Err(Refusal::at(plain.display(), "no such file, and none with .gz added").hint(hint))
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
