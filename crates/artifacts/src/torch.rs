//! Weights out of PyTorch: a `state_dict` in a safetensors file, under the names that wrappers and other people's code give.

use std::collections::BTreeSet;
use std::path::Path;

use crate::magic::Magic;
use crate::tensors::{Taking, TensorFile};
use crate::{ArtifactError, Result};

/// What wrappers put before every name: data-parallel training, `torch.compile`, Lightning and modules that hold a net.
const PREFIXES: [&str; 6] = ["module.", "_orig_mod.", "net.", "model.", "network.", "backbone."];

/// What the last layer is called where it is not called `fc`.
const HEADS: [&str; 4] = ["linear", "classifier", "head", "output"];

/// Opens a safetensors file of a `state_dict`: no metadata of ours is asked for, and counters of another type than f32
/// (`num_batches_tracked`) are left out.
///
/// # Errors
/// When it cannot be read.
pub fn open(path: &Path) -> Result<Taking> {
    TensorFile::open_leaving_out(path, "num_batches_tracked")
}

/// Gives the tensors of `file` the names of `wanted`, where they differ by a prefix of all or in the last layer; says what
/// was taken for what.
pub fn rename(file: &mut Taking, wanted: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    while let Some(prefix) = common_prefix(file, wanted) {
        let tensors = std::mem::take(&mut file.file.tensors);
        let short = |name: String| name[prefix.len()..].to_owned();
        file.file.tensors = tensors.into_iter().map(|(name, tensor)| (short(name), tensor)).collect();
        notes.push(format!("left out {prefix:?}, which every name in it began with"));
    }
    let holds = |file: &Taking, layer: &str| file.file.tensors.contains_key(&format!("{layer}.weight"));
    let head = HEADS.into_iter().find(|head| holds(file, head));
    if let Some(head) = head.filter(|_| wanted.contains(&"fc.weight") && !holds(file, "fc")) {
        for part in ["weight", "bias"] {
            if let Some(tensor) = file.file.tensors.remove(&format!("{head}.{part}")) {
                file.file.tensors.insert(format!("fc.{part}"), tensor);
            }
        }
        notes.push(format!("took {head} for fc, the last layer"));
    }
    notes
}

/// A prefix of every name that no wanted name has.
fn common_prefix(file: &Taking, wanted: &[&str]) -> Option<&'static str> {
    let mut names = file.file.tensors.keys();
    let is_common = |prefix: &&str| names.clone().all(|name| name.len() > prefix.len() && name.starts_with(*prefix));
    let prefix = PREFIXES.into_iter().find(is_common)?;
    names.next()?;
    (!wanted.iter().any(|name| name.starts_with(prefix))).then_some(prefix)
}

/// Whether a file holds what is wanted and nothing else, by name.
///
/// # Errors
/// Naming what is missing and what there is instead.
pub fn check_names(file: &Taking, wanted: &[&str], net: &str) -> Result<()> {
    let found: BTreeSet<&str> = file.file.tensors.keys().map(String::as_str).collect();
    let all: BTreeSet<&str> = wanted.iter().copied().collect();
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !found.contains(name)).collect();
    let besides: Vec<&str> = found.iter().copied().filter(|name| !all.contains(name)).collect();
    if missing.is_empty() && besides.is_empty() {
        return Ok(());
    }
    let expected = format!("the {} tensors of {net}", wanted.len());
    let lacks = (!missing.is_empty()).then(|| format!("without {}", few(&missing)));
    let has = (!besides.is_empty()).then(|| format!("with {}", few(&besides)));
    let differences: Vec<String> = lacks.into_iter().chain(has).collect();
    Err(file.wrong(&expected, &format!("{} tensors, {}", found.len(), differences.join(" and "))))
}

fn few(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown} and {} others", names.len() - SHOWN) } else { shown }
}

/// What to do about a file that cannot be read.
pub fn hint(error: &ArtifactError) -> Option<String> {
    const SAVE: &str = "safetensors.torch.save_file(net.float().state_dict(), FILE)";
    match error {
        ArtifactError::Kind { path, found, .. } if [Magic::Zip, Magic::Pickle].map(Magic::title).contains(found) => {
            let path = path.display();
            Some(format!("{path} looks like a file of torch.save: load it in PyTorch and save it with {SAVE}"))
        }
        ArtifactError::Kind { found, .. } => Magic::called(found)?.remedy().map(str::to_owned),
        ArtifactError::Content { expected, .. } if expected.starts_with("the ") => Some(
            "net, classes and names have to be the same; sc-init --net NAME --seed 1 writes a file to compare with"
                .to_owned(),
        ),
        _ => error.is_input().then(|| format!("save it in PyTorch: {SAVE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::Values;

    const WANTED: [&str; 3] = ["conv1.weight", "fc.weight", "fc.bias"];

    fn file(names: &[&str]) -> Taking {
        let mut file = TensorFile::default();
        for name in names {
            file.insert(*name, &[1], Values::F32(vec![0.0]));
        }
        Taking { path: "x.safetensors".into(), sha256: String::new(), file }
    }

    #[test]
    fn prefixes_and_names_of_the_last_layer_are_taken() {
        let cases: [(&[&str], usize); 5] = [
            (&["conv1.weight", "fc.weight", "fc.bias"], 0),
            (&["module.conv1.weight", "module.fc.weight", "module.fc.bias"], 1),
            (&["module._orig_mod.conv1.weight", "module._orig_mod.fc.weight", "module._orig_mod.fc.bias"], 2),
            (&["conv1.weight", "linear.weight", "linear.bias"], 1),
            (&["net.conv1.weight", "net.classifier.weight", "net.classifier.bias"], 2),
        ];
        for (names, notes) in cases {
            let mut file = file(names);
            assert_eq!(rename(&mut file, &WANTED).len(), notes, "{names:?}");
            check_names(&file, &WANTED, "tiny").unwrap();
        }
    }

    #[test]
    fn what_is_there_instead_is_named() {
        let mut other = file(&["features.0.weight", "module.fc.weight", "fc.bias"]);
        assert!(rename(&mut other, &WANTED).is_empty());
        let message = check_names(&other, &WANTED, "tiny").unwrap_err().to_string();
        let found = "3 tensors, without conv1.weight, fc.weight and with features.0.weight, module.fc.weight";
        assert_eq!(message, format!("x.safetensors: expected the 3 tensors of tiny, found {found}"));
        assert!(check_names(&file(&[]), &WANTED, "tiny").is_err());
    }

    #[test]
    fn a_net_of_such_names_keeps_them() {
        let mut file = file(&["net.a.weight", "net.b.weight"]);
        assert!(rename(&mut file, &["net.a.weight", "net.b.weight"]).is_empty());
    }
}
