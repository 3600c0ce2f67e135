//! Named tensors in a safetensors file, with metadata.
//!
//! The header is written here: the library keeps metadata in a hash map, and files of equal content must have equal
//! bytes. Keys are sorted; wider elements come first, so that every tensor is aligned; then by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::json;

use crate::{ArtifactError, Result, atomic, sha256};

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
        Ok(Self::read_unless(path, |_| false)?.0)
    }

    /// As [`TensorFile::open`], without the tensors of this name or of a name that ends in a dot and this.
    ///
    /// # Errors
    /// As [`TensorFile::read`].
    pub fn open_leaving_out(path: &Path, name: &str) -> Result<Taking> {
        let (file, sha256) = Self::read_unless(path, |found| found.rsplit('.').next() == Some(name))?;
        Ok(Taking { path: path.to_owned(), sha256, file })
    }

    /// The file without the tensors that are left out, and the SHA-256 of its bytes: of those that were read, whatever
    /// is under that name by then.
    fn read_unless(path: &Path, left_out: impl Fn(&str) -> bool) -> Result<(Self, String)> {
        let bytes = fs::read(path).map_err(|source| ArtifactError::io(path, "read", source))?;
        let damaged = |error| ArtifactError::content(path, "a whole safetensors file", error);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter().filter(|(name, _)| !left_out(name)) {
            let values = match view.dtype() {
                Dtype::U8 => Values::U8(view.data().to_vec()),
                Dtype::U32 => Values::U32(words(view.data()).map(u32::from_le_bytes).collect()),
                Dtype::F32 => Values::F32(words(view.data()).map(f32::from_le_bytes).collect()),
                other => {
                    let expected = format!("tensor {name} of type U8, U32 or F32");
                    return Err(ArtifactError::content(path, expected, format!("{other:?}")));
                }
            };
            tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
        }
        Ok((Self { metadata, tensors }, sha256::of_bytes(&bytes)))
    }

    /// Reads a file, known entries to be taken out of it one by one.
    ///
    /// # Errors
    /// As [`TensorFile::read`].
    pub fn open(path: &Path) -> Result<Taking> {
        let (file, sha256) = Self::read_unless(path, |_| false)?;
        Ok(Taking { path: path.to_owned(), sha256, file })
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    bytes.as_chunks::<4>().0.iter().copied()
}

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
            other => Err(self.wrong_tensor(name, "F32", &format!("{shape:?}"), &other)),
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
        let found = format!("{} {:?}", found.values.dtype(), found.shape);
        self.wrong(&format!("tensor {name:?} of type {dtype} and shape {shape}"), &found)
    }
}

#[cfg(test)]
mod tests {
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
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let message = TensorFile::read(&path).unwrap_err().to_string();
            assert!(message.contains("x.safetensors: expected a whole safetensors file"), "{message}");
        }
    }
}
