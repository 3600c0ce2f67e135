//! `init/NAME.safetensors` and `model.safetensors`: the weights of a net, in PyTorch's names and layouts.

use std::path::Path;

use crate::tensors::{self, Taking, TensorFile, Values};
use crate::{ArtifactError, Result};

/// What made the weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

/// Parameters and buffers of a net: name, shape, values.
pub type Named = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Writes weights, atomically; equal content gives equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, origin: &Origin, tensors: Named) -> Result<()> {
    let mut file = TensorFile::default();
    let Origin { net, shortcut, seed, scheme, tool } = origin;
    for (key, value) in [("net", net), ("shortcut", shortcut), ("seed", seed), ("scheme", scheme), ("tool", tool)] {
        file.metadata.insert(key.to_owned(), value.clone());
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
