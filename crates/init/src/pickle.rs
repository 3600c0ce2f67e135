//! Files of `torch.save`: `.pth`, `.pt`, `.th`. They are parsed by candle's reader, which knows tensors and nothing else: no
//! code in them is run.

use std::collections::HashMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use artifacts::magic::{self, Magic};
use artifacts::tensors::{Taking, Tensor, TensorFile, Values};
use artifacts::{ArtifactError, sha256, torch};
use candle_core::pickle::{PthTensors, TensorInfo};
use candle_core::{DType, Error};
use cli::Failure;

/// Where checkpoints of training scripts keep the `state_dict`, besides the top; the first of these that has tensors is taken.
const KEYS: [&str; 6] = ["state_dict", "model_state_dict", "model", "net", "state_dict_ema", "model_ema"];

/// Whether a file is a zip archive, as those of `torch.save` are since PyTorch 1.6.
pub(crate) fn is_pickle(path: &Path) -> bool {
    use std::io::Read;

    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(magic::START as u64).read_to_end(&mut start));
    read.is_ok() && Magic::of(&start) == Some(Magic::Zip)
}

/// Reads the tensors of a `state_dict`, without the counters that only PyTorch keeps.
///
/// # Errors
/// When the file cannot be read or has none.
pub(crate) fn open(path: &Path) -> Result<Taking, Failure> {
    let sha256 = sha256::of_file(path)?;
    let length = fs::metadata(path).map_or(0, |facts| facts.len());
    let found = quietly(|| read(path, length)).unwrap_or_else(|| Err("a damaged pickle".to_owned()));
    let tensors = found.map_err(|found| {
        let error = ArtifactError::content(path, "the state_dict of a net", found);
        Failure::from(error).hint("save it in PyTorch: torch.save(net.state_dict(), FILE)")
    })?;
    Ok(Taking { path: path.to_owned(), sha256, file: TensorFile { tensors, ..TensorFile::default() } })
}

/// Calls candle's reader, which panics at some damaged files: none where it does. What it would say on stderr is not.
fn quietly<T>(read: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(read)).ok();
    panic::set_hook(hook);
    outcome
}

type Tensors = std::collections::BTreeMap<String, Tensor>;

fn read(path: &Path, length: u64) -> Result<Tensors, String> {
    let file = find(path)?;
    let mut tensors = Tensors::new();
    for (name, info) in file.tensor_infos() {
        if name.rsplit('.').next() == Some(torch::COUNTER) {
            continue;
        }
        tensors.insert(name.clone(), tensor(&file, name, info, length)?);
    }
    Ok(tensors)
}

/// The tensors at the top, or else under one of the keys.
fn find(path: &Path) -> Result<PthTensors, String> {
    for key in std::iter::once(None).chain(KEYS.map(Some)) {
        match PthTensors::new(path, key) {
            Ok(file) if is_full(file.tensor_infos()) => return Ok(file),
            Ok(_) => {}
            Err(_) if key.is_some() => {}
            Err(error) => return Err(first_line(&error)),
        }
    }
    Err("no tensors by name: a whole module, or something else".to_owned())
}

/// Whether there are weights: an optimizer's numbers may lie at the top.
fn is_full(infos: &HashMap<String, TensorInfo>) -> bool {
    infos.keys().any(|name| name.ends_with("weight"))
}

fn tensor(file: &PthTensors, name: &str, info: &TensorInfo, length: u64) -> Result<Tensor, String> {
    let shape = info.layout.dims().to_vec();
    let bytes = shape.iter().try_fold(info.dtype.size_in_bytes() as u64, |size, side| size.checked_mul(*side as u64));
    if bytes.is_none_or(|bytes| bytes > length) {
        return Err(format!("a tensor {name:?} of shape {shape:?}, more than the file holds"));
    }
    if !matches!(info.dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64) {
        return Err(format!("a tensor {name:?} of type {:?}", info.dtype));
    }
    let values = file.get(name).and_then(|tensor| {
        let tensor = tensor.ok_or_else(|| Error::Msg("gone".to_owned()))?;
        tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
    });
    let values = values.map_err(|error| format!("a tensor {name:?} that cannot be read: {}", first_line(&error)))?;
    Ok(Tensor { shape, values: Values::F32(values) })
}

/// candle's messages go on with a backtrace where one is asked for.
fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
