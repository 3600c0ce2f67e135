//! Named tensors in a safetensors file, with metadata.
//!
//! The header is written here: the library keeps metadata in a hash map, and files of equal content must have equal
//! bytes. Keys are sorted; wider elements come first, so that every tensor is aligned; then by name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata};
use serde_json::json;

use crate::format::{Head, Kind};
use crate::magic::{self, Magic};
use crate::sha256::Hashing;
use crate::{Action, ArtifactError, Result, atomic};

/// Elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 8-bit unsigned.
    U8(Vec<u8>),
    /// 32-bit unsigned.
    U32(Vec<u32>),
    /// 32-bit floating point.
    F32(Vec<f32>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    fn dtype(&self) -> &'static str {
        match self {
            Self::U8(_) => "U8",
            Self::U32(_) => "U32",
            Self::F32(_) => "F32",
        }
    }

    fn width(&self) -> usize {
        if matches!(self, Self::U8(_)) { 1 } else { 4 }
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::U8(values) => bytes.extend_from_slice(values),
            Self::U32(values) => values.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes())),
            Self::F32(values) => values.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes())),
        }
    }
}

/// A tensor: shape and elements, the last dimension running fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// Elements.
    pub values: Values,
}

/// Tensors and metadata of one file, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile {
    /// Text by key.
    pub metadata: BTreeMap<String, String>,
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
}

impl TensorFile {
    /// Adds a tensor.
    pub fn insert(&mut self, name: impl Into<String>, shape: &[usize], values: Values) {
        self.tensors.insert(name.into(), Tensor { shape: shape.to_vec(), values });
    }

    /// Writes the file, atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    ///
    /// # Panics
    /// When a shape does not fit its values, which is a fault of the program.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut order: Vec<_> = self.tensors.iter().collect();
        order.sort_by_key(|(name, tensor)| (std::cmp::Reverse(tensor.values.width()), name.as_str()));
        let mut header = BTreeMap::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__", json!(self.metadata));
        }
        let mut data = Vec::new();
        for (name, Tensor { shape, values }) in order {
            assert_eq!(shape.iter().product::<usize>(), values.len(), "shape of {name}");
            let start = data.len();
            values.append_to(&mut data);
            let entry = json!({"dtype": values.dtype(), "shape": shape, "data_offsets": [start, data.len()]});
            header.insert(name, entry);
        }
        let mut header = serde_json::to_vec(&header).expect("maps of text and numbers are JSON");
        header.resize(header.len().next_multiple_of(8), b' ');
        atomic::write_parts(path, &[&(header.len() as u64).to_le_bytes(), &header, &data])
    }

    /// Reads a file of u8, u32 and f32 tensors.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or holds another type of element.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::read_unless(path, Floats::Single, |_| false)?.0)
    }

    /// As [`TensorFile::open`], without the tensors of this name or of a name that ends in a dot and this; and floats of every
    /// width become f32, the nearest.
    ///
    /// # Errors
    /// As [`TensorFile::read`].
    pub fn open_leaving_out(path: &Path, name: &str) -> Result<Taking> {
        let (file, sha256) = Self::read_unless(path, Floats::Any, |found| found.rsplit('.').next() == Some(name))?;
        Ok(Taking { path: path.to_owned(), sha256, file })
    }

    /// The file without the tensors that are left out, and the SHA-256 of its bytes: of those that were read, whatever
    /// is under that name by then. Reads tensor after tensor, so that memory holds the values once and no more than the file
    /// is long.
    fn read_unless(path: &Path, floats: Floats, left_out: impl Fn(&str) -> bool) -> Result<(Self, String)> {
        let fail = |source| ArtifactError::io(path, Action::Read, source);
        let file = File::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let mut file = Hashing::new(BufReader::new(file));
        let header = read_header(path, length, &mut file).map_err(|error| other_kind(path).unwrap_or(error))?;
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut tensors = BTreeMap::new();
        for name in header.offset_keys() {
            let Some(info) = header.info(&name) else { continue };
            let length = info.data_offsets.1 - info.data_offsets.0;
            if left_out(&name) {
                // Read all the same: the hash is of the whole file.
                io::copy(&mut file.by_ref().take(length as u64), &mut io::sink()).map_err(fail)?;
                continue;
            }
            let values = match info.dtype {
                Dtype::U8 => read_bytes(&mut file, length).map(Values::U8),
                Dtype::U32 => read_words(&mut file, length, u32::from_le_bytes).map(Values::U32),
                Dtype::F32 => read_words(&mut file, length, f32::from_le_bytes).map(Values::F32),
                Dtype::F64 if floats == Floats::Any => {
                    read_words(&mut file, length, |bytes| f64::from_le_bytes(bytes) as f32).map(Values::F32)
                }
                Dtype::F16 if floats == Floats::Any => {
                    read_words(&mut file, length, |bytes| half(u16::from_le_bytes(bytes))).map(Values::F32)
                }
                Dtype::BF16 if floats == Floats::Any => {
                    read_words(&mut file, length, |bytes| bfloat(u16::from_le_bytes(bytes))).map(Values::F32)
                }
                other => {
                    let types = if floats == Floats::Any { "U8, U32 or a float" } else { "U8, U32 or F32" };
                    let expected = format!("tensor {name:?} of type {types}");
                    return Err(ArtifactError::content(path, expected, format!("{other:?}")));
                }
            };
            let tensor = Tensor { shape: info.shape.clone(), values: values.map_err(fail)? };
            tensors.insert(name, tensor);
        }
        Ok((Self { metadata, tensors }, file.finish()))
    }

    /// Reads a file, known entries to be taken out of it one by one.
    ///
    /// # Errors
    /// As [`TensorFile::read`].
    pub fn open(path: &Path) -> Result<Taking> {
        let (file, sha256) = Self::read_unless(path, Floats::Single, |_| false)?;
        Ok(Taking { path: path.to_owned(), sha256, file })
    }
}

/// Which widths of floats are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Floats {
    /// f32.
    Single,
    /// f16, bf16, f32 and f64.
    Any,
}

/// The value of a half-precision float (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, bits >> 10 & 0x1f, u32::from(bits & 0x3ff));
    match exponent {
        // Below the normal numbers: so many times 2^-24.
        0 => f32::from_bits(sign | (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (u32::from(exponent) + 127 - 15) << 23 | fraction << 13),
    }
}

/// The value of a bfloat16: the upper half of a float.
fn bfloat(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// A header is no longer: safetensors' own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// Reads the header of a file of `length` bytes and leaves the reader at the first tensor. What it says is checked against
/// that length before anything is held.
fn read_header(path: &Path, length: u64, file: &mut impl Read) -> Result<Metadata> {
    let fail = |source| ArtifactError::io(path, Action::Read, source);
    let damaged = |found: String| ArtifactError::content(path, "a whole safetensors file", found);
    let mut prefix = Vec::with_capacity(8);
    file.by_ref().take(8).read_to_end(&mut prefix).map_err(fail)?;
    let prefix: [u8; 8] = prefix.try_into().map_err(|found: Vec<u8>| damaged(format!("{} bytes", found.len())))?;
    let header_length = u64::from_le_bytes(prefix);
    if header_length > (length.saturating_sub(8)).min(LONGEST_HEADER) {
        return Err(damaged(format!("a header of {header_length} bytes in a file of {length}")));
    }
    let header = read_bytes(file, header_length as usize).map_err(fail)?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| damaged(format!("a header in which {error}")))?;
    let expected = (header.data_len() as u64).saturating_add(8 + header_length);
    if expected != length {
        return Err(damaged(format!("{length} bytes where its header says {expected}")));
    }
    Ok(header)
}

/// What a file is whose header cannot be read, where its first bytes tell.
fn other_kind(path: &Path) -> Option<ArtifactError> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(magic::START as u64).read_to_end(&mut start).ok()?;
    let found = Magic::of(&start)?.title();
    Some(ArtifactError::Kind { path: path.to_owned(), found, wanted: "a safetensors file" })
}

fn read_bytes(file: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Words of `N` bytes.
fn read_words<T, const N: usize>(
    file: &mut impl Read,
    length: usize,
    word: impl Fn([u8; N]) -> T,
) -> io::Result<Vec<T>> {
    let mut words = Vec::with_capacity(length / N);
    let mut piece = vec![0; length.min(1 << 16)];
    while words.len() < length / N {
        let left = length - N * words.len();
        let piece = &mut piece[..left.min(1 << 16)];
        file.read_exact(piece)?;
        words.extend(piece.as_chunks::<N>().0.iter().map(|bytes| word(*bytes)));
    }
    Ok(words)
}

/// Tensors of f32 by name, each with its shape.
pub type Named = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// What messages call a file with the metadata of a net.
pub(crate) const WEIGHTS: &str = "a file of weights";
/// What messages call a file with the metadata of a data set.
pub(crate) const DATA_SET: &str = "a data set";

/// A file out of which known entries are taken, one by one; what is left at the end is refused.
#[derive(Debug)]
pub struct Taking {
    /// Where the file lies, for messages.
    pub path: PathBuf,
    /// SHA-256 of the bytes that were read, in lower-case hexadecimal.
    pub sha256: String,
    /// What is left of it.
    pub file: TensorFile,
}

impl Taking {
    /// The metadata of this key.
    ///
    /// # Errors
    /// When there is none.
    pub fn metadata(&mut self, key: &str) -> Result<String> {
        let found = self.file.metadata.remove(key);
        found.ok_or_else(|| self.wrong(&format!("metadata {key:?}"), "none"))
    }

    /// The metadata of this key, a JSON array.
    ///
    /// # Errors
    /// When there is none, or it is no array of such things.
    pub(crate) fn list<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Result<Vec<T>> {
        let text = self.metadata(key)?;
        serde_json::from_str(&text).map_err(|_| self.wrong(&format!("metadata {key:?}: a JSON array"), &text))
    }

    /// Refuses a file that is recognised as something else than `wanted`, by the metadata of each kind that we write.
    ///
    /// # Errors
    /// Naming what it is.
    pub(crate) fn refuse_other_than(&self, wanted: &'static str) -> Result<()> {
        let metadata = &self.file.metadata;
        let by_format = || Head::of_format(None).kind(metadata.get("format")?).map(Kind::name);
        let by_key =
            || [("net", WEIGHTS), ("classes", DATA_SET)].into_iter().find(|(key, _)| metadata.contains_key(*key));
        match by_format().or_else(|| by_key().map(|(_, what)| what)) {
            Some(found) if found != wanted => Err(ArtifactError::Kind { path: self.path.clone(), found, wanted }),
            _ => Ok(()),
        }
    }

    /// Every tensor that is left, by name with shape and values, all of type f32. They are moved, not copied: a file of
    /// weights may fill half of the memory.
    ///
    /// # Errors
    /// When one is of another type.
    pub fn into_f32s(self) -> Result<Named> {
        let Self { path, file, .. } = self;
        let take = |(name, tensor): (String, Tensor)| match tensor {
            Tensor { shape, values: Values::F32(values) } => Ok((name, (shape, values))),
            other => Err(wrong_tensor(&path, &name, "F32", "any shape", &other)),
        };
        file.tensors.into_iter().map(take).collect()
    }

    /// The tensor of this name, of any shape.
    ///
    /// # Errors
    /// When there is none.
    pub fn tensor(&mut self, name: &str) -> Result<Tensor> {
        let found = self.file.tensors.remove(name);
        found.ok_or_else(|| self.wrong(&format!("tensor {name:?}"), "none"))
    }

    /// The f32 tensor of this name and shape.
    ///
    /// # Errors
    /// When there is none, or of another shape or type.
    pub fn f32s(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.tensor(name)? {
            Tensor { shape: found, values: Values::F32(values) } if found == shape => Ok(values),
            other => Err(self.wrong_tensor(name, "F32", &format!("shape {shape:?}"), &other)),
        }
    }

    /// The u32 tensor of this name.
    ///
    /// # Errors
    /// When there is none, or of another type.
    pub fn u32s(&mut self, name: &str) -> Result<(Vec<usize>, Vec<u32>)> {
        match self.tensor(name)? {
            Tensor { shape, values: Values::U32(values) } => Ok((shape, values)),
            other => Err(self.wrong_tensor(name, "U32", "any shape", &other)),
        }
    }

    /// The u8 tensor of this name.
    ///
    /// # Errors
    /// When there is none, or of another type.
    pub fn u8s(&mut self, name: &str) -> Result<(Vec<usize>, Vec<u8>)> {
        match self.tensor(name)? {
            Tensor { shape, values: Values::U8(values) } => Ok((shape, values)),
            other => Err(self.wrong_tensor(name, "U8", "any shape", &other)),
        }
    }

    /// Refuses tensors that nobody asked for.
    ///
    /// # Errors
    /// When a tensor is left.
    pub fn finish(self, what: &str) -> Result<()> {
        match self.file.tensors.keys().next() {
            Some(name) => Err(self.wrong(&format!("only the tensors of {what}"), &format!("tensor {name:?} besides"))),
            None => Ok(()),
        }
    }

    /// An error about this file.
    pub fn wrong(&self, expected: &str, found: &str) -> ArtifactError {
        ArtifactError::content(&self.path, expected, found)
    }

    fn wrong_tensor(&self, name: &str, dtype: &str, shape: &str, found: &Tensor) -> ArtifactError {
        wrong_tensor(&self.path, name, dtype, shape, found)
    }
}

fn wrong_tensor(path: &Path, name: &str, dtype: &str, shape: &str, found: &Tensor) -> ArtifactError {
    let expected = format!("tensor {name:?} of type {dtype} and {shape}");
    ArtifactError::content(path, expected, format!("{} {:?}", found.values.dtype(), found.shape))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sample() -> TensorFile {
        let mut file = TensorFile::default();
        file.metadata.insert("b".into(), "2".into());
        file.metadata.insert("a".into(), "1".into());
        file.insert("odd", &[3], Values::U8(vec![1, 2, 3]));
        file.insert("wide", &[1, 2], Values::F32(vec![1.5, -0.0]));
        file.insert("count", &[], Values::U32(vec![7]));
        file
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        sample().write(&path).unwrap();
        assert_eq!(TensorFile::read(&path).unwrap(), sample());
    }

    #[test]
    fn the_header_is_sorted_and_padded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        sample().write(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(length % 8, 0);
        let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
        let expected = r#"{"__metadata__":{"a":"1","b":"2"},"count":{"dtype":"U32","shape":[],"data_offsets":[0,4]},"odd":{"dtype":"U8","shape":[3],"data_offsets":[12,15]},"wide":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}}"#;
        assert_eq!(header.trim_end(), expected);
    }

    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        sample().write(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 1..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let message = TensorFile::read(&path).unwrap_err().to_string();
            assert!(message.contains("x.safetensors: expected a whole safetensors file"), "{message}");
        }
    }
    #[test]
    fn a_header_that_claims_more_than_the_file_holds_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let cases = [
            (
                r#"{"a":{"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,1152921504606846976]}}"#,
                "its header says",
            ),
            (r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, "a header in which"),
            (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, "a header in which"),
            (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, "bytes where its header says"),
        ];
        for (header, expected) in cases {
            let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
            fs::write(&path, file).unwrap();
            let message = TensorFile::read(&path).unwrap_err().to_string();
            assert!(message.contains("expected a whole safetensors file") && message.contains(expected), "{message}");
        }
        fs::write(&path, (1_u64 << 60).to_le_bytes()).unwrap();
        let message = TensorFile::read(&path).unwrap_err().to_string();
        assert!(message.contains("found a header of 1152921504606846976 bytes in a file of 8"), "{message}");
    }

    #[test]
    fn floats_of_every_width_become_single_ones() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x83ff, -6.097_555e-5),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!([bfloat(0x3f80), bfloat(0xc2f7)], [1.0, -123.5]);

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let header = br#"{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"d":{"dtype":"F64","shape":[1],"data_offsets":[4,12]}}"#;
        let values = [&0x3c00_u16.to_le_bytes()[..], &0xc000_u16.to_le_bytes(), &0.1_f64.to_le_bytes()].concat();
        fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header, &values].concat()).unwrap();
        let taken = TensorFile::open_leaving_out(&path, "none").unwrap().file;
        assert_eq!(taken.tensors["h"].values, Values::F32(vec![1.0, -2.0]));
        assert_eq!(taken.tensors["d"].values, Values::F32(vec![0.1]));
        let message = TensorFile::read(&path).unwrap_err().to_string();
        assert!(message.contains("of type U8, U32 or F32, found"), "{message}");
    }

    #[test]
    fn tensors_longer_than_a_piece_are_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let mut file = TensorFile::default();
        file.insert("words", &[40_001], Values::F32((0..40_001).map(|i| i as f32).collect()));
        file.insert("bytes", &[200_003], Values::U8((0..200_003).map(|i| i as u8).collect()));
        file.insert("empty", &[0], Values::U32(Vec::new()));
        file.write(&path).unwrap();
        assert_eq!(TensorFile::read(&path).unwrap(), file);
        let without = TensorFile::open_leaving_out(&path, "words").unwrap().file;
        assert_eq!((without.tensors.len(), &without.tensors["bytes"]), (2, &file.tensors["bytes"]));
    }
}
