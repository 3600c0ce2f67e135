//! JSON files: read with a message that names the file and the key, written so that equal values give equal bytes.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ArtifactError, Result, atomic};

/// Reads a JSON file. Structs that refuse unknown keys do so with a message that names them.
///
/// # Errors
/// When the file cannot be read, or is not what `T` wants.
pub fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let text = fs::read(path).map_err(|source| ArtifactError::io(path, "read", source))?;
    serde_json::from_slice(&text).map_err(|error| ArtifactError::content(path, what, error))
}

/// Writes a value as indented JSON, atomically.
///
/// # Errors
/// When the file cannot be written.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| ArtifactError::io(path, "write", std::io::Error::other(error)))?;
    text.push(b'\n');
    atomic::write(path, &text)
}
