//! Weights out of PyTorch: a `state_dict` in a safetensors file, under the names that wrappers and other people's code give.

use std::collections::BTreeSet;
use std::path::Path;

use crate::magic::Magic;
use crate::tensors::{Taking, Tensor, TensorFile, Values};
use crate::{ArtifactError, Result};

/// What wrappers put before every name: data-parallel training, `torch.compile`, Lightning and modules that hold a net.
const PREFIXES: [&str; 6] = ["module.", "_orig_mod.", "net.", "model.", "network.", "backbone."];

/// What the last layer is called where it is not called `fc`; a number or `fc` may follow, as in `fc.1` (after dropout) and
/// `head.fc`.
const HEADS: [&str; 5] = ["fc", "linear", "classifier", "head", "output"];

/// Parts of names that other people's code has, and ours for them.
const PARTS: [(&str, &str); 1] = [(".shortcut.", ".downsample.")];

/// What a net wants out of a file.
pub struct Wanted<'a> {
    /// The net, for messages.
    pub net: &'a str,
    /// Names and shapes of its parameters and buffers.
    pub tensors: Vec<(&'a str, &'a [usize])>,
    /// Its last layer, such as `fc`.
    pub head: &'a str,
    /// The weight of the convolution that sees the images, such as `conv1.weight`.
    pub stem: &'a str,
}

/// What may be done to a file that does not fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ways {
    /// The last layer is left out even where it fits.
    pub new_head: bool,
    /// A stem for images of other channels is averaged over its channels.
    pub adapt_stem: bool,
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct Fitted {
    /// What was done, for one line: parts of a sentence.
    pub notes: Vec<String>,
    /// Whether the last layer is missing now and has to be made anew.
    pub head_is_missing: bool,
}

/// Opens a safetensors file of a `state_dict`: no metadata of ours is asked for, floats of any width become f32, and counters of
/// another type (`num_batches_tracked`) are left out.
///
/// # Errors
/// When it cannot be read.
pub fn open(path: &Path) -> Result<Taking> {
    TensorFile::open_leaving_out(path, COUNTER)
}

/// The last part of the names of counters that only PyTorch keeps.
pub const COUNTER: &str = "num_batches_tracked";

/// Makes `file` hold what is wanted and nothing else, its last layer perhaps missing: names that differ by a prefix of all or in
/// the last layer are changed, a last layer of another width is left out.
///
/// # Errors
/// Naming what does not fit. Tensors that are not wanted are refused, not left out: the weights of a deeper net hold those of a
/// shallower one, which are not that net's.
pub fn fit(file: &mut Taking, wanted: &Wanted, ways: Ways) -> Result<Fitted> {
    let names: Vec<&str> = wanted.tensors.iter().map(|(name, _)| *name).collect();
    let mut notes = rename(file, &names, wanted.head);
    let found = file.file.tensors.len();
    let mut head = fit_head(file, wanted, ways);
    let left_out = found - file.file.tensors.len();
    let stem = fit_stem(file, wanted, ways)?;
    let left: Vec<&str> = names.into_iter().filter(|name| head.is_none() || !is_of(name, wanted.head)).collect();
    check_names(file, &left, wanted.net)?;
    let head_is_missing = head.is_some();
    notes.insert(0, format!("took {} of {found} tensors", found - left_out));
    notes.extend(stem);
    notes.extend(head.take());
    Ok(Fitted { notes, head_is_missing })
}

/// Whether a tensor belongs to a layer.
fn is_of(name: &str, layer: &str) -> bool {
    name.strip_prefix(layer).is_some_and(|rest| matches!(rest, ".weight" | ".bias"))
}

/// Gives the tensors of `file` the names of `wanted`, where they differ by a prefix of all or in the last layer; says what
/// was taken for what.
fn rename(file: &mut Taking, wanted: &[&str], head: &str) -> Vec<String> {
    let mut notes = Vec::new();
    while let Some(prefix) = common_prefix(file, wanted) {
        rename_each(file, |name| name[prefix.len()..].to_owned());
        notes.push(format!("left out {prefix:?}, which every name in it began with"));
    }
    for (theirs, ours) in PARTS {
        let is_theirs = file.file.tensors.keys().any(|name| name.contains(theirs));
        if is_theirs && !wanted.iter().any(|name| name.contains(theirs)) {
            rename_each(file, |name| name.replace(theirs, ours));
            notes.push(format!("took {} for {}", theirs.trim_matches('.'), ours.trim_matches('.')));
        }
    }
    if let Some(theirs) = other_head(file, wanted, head) {
        rename_each(file, |name| if is_of(&name, &theirs) { name.replacen(&theirs, head, 1) } else { name });
        notes.push(format!("took {theirs} for {head}, the last layer"));
    }
    notes
}

fn rename_each(file: &mut Taking, name: impl Fn(String) -> String) {
    let tensors = std::mem::take(&mut file.file.tensors);
    file.file.tensors = tensors.into_iter().map(|(found, tensor)| (name(found), tensor)).collect();
}

/// The last layer under a name that is not ours.
fn other_head(file: &Taking, wanted: &[&str], head: &str) -> Option<String> {
    let layers = file.file.tensors.keys().filter_map(|name| name.strip_suffix(".weight"));
    let is_head = |layer: &&str| {
        let (first, rest) = layer.split_once('.').unwrap_or((layer, ""));
        HEADS.contains(&first) && (rest == "fc" || rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut heads = layers.filter(is_head).filter(|layer| !wanted.iter().any(|name| is_of(name, layer)));
    let found = heads.next().filter(|_| heads.next().is_none())?;
    (!file.file.tensors.contains_key(&format!("{head}.weight"))).then(|| found.to_owned())
}

/// Leaves out a last layer of another width, or one that is to be made anew; says so.
fn fit_head(file: &mut Taking, wanted: &Wanted, ways: Ways) -> Option<String> {
    let (weight, bias) = (format!("{}.weight", wanted.head), format!("{}.bias", wanted.head));
    let (_, shape) = wanted.tensors.iter().find(|(name, _)| *name == weight)?;
    let classes = shape.first()?;
    let said = match file.file.tensors.get(&weight).map(|tensor| tensor.shape.as_slice()) {
        None => format!("made {} anew, which is not in it", wanted.head),
        Some([theirs, features]) if theirs != classes && Some(features) == shape.get(1) => {
            format!("made {} anew: {classes} classes in place of {theirs}", wanted.head)
        }
        Some(_) if ways.new_head => format!("made {} anew, as asked", wanted.head),
        Some(_) => return None,
    };
    file.file.tensors.remove(&weight);
    file.file.tensors.remove(&bias);
    Some(said)
}

/// Averages a stem over its channels, for images of other channels, where that is asked for: each of the new channels gets the
/// mean, times old over new channels, so that a grey picture brings forth what it did; says so.
fn fit_stem(file: &mut Taking, wanted: &Wanted, ways: Ways) -> Result<Option<String>> {
    let Some((_, shape)) = wanted.tensors.iter().find(|(name, _)| *name == wanted.stem) else { return Ok(None) };
    let Some(Tensor { shape: found, values: Values::F32(values) }) = file.file.tensors.get(wanted.stem) else {
        return Ok(None);
    };
    let (&[outs, channels, height, width], &[_, theirs, ..]) = (*shape, found.as_slice()) else { return Ok(None) };
    if channels == theirs || *found != [outs, theirs, height, width] {
        return Ok(None);
    }
    if !ways.adapt_stem {
        return Err(file.wrong(&format!("{} for images of {channels} channels", wanted.stem), &format!("{theirs}")));
    }
    let area = height * width;
    let adapt = |kernel: &[f32]| {
        let mean =
            |at: usize| kernel.iter().skip(at).step_by(area).map(|v| f64::from(*v)).sum::<f64>() / channels as f64;
        (0..area).map(|at| mean(at) as f32).collect::<Vec<f32>>().repeat(channels)
    };
    let adapted = values.chunks_exact(theirs * area).flat_map(adapt).collect();
    file.file.insert(wanted.stem, shape, Values::F32(adapted));
    Ok(Some(format!("averaged {} over {theirs} channels for images of {channels}", wanted.stem)))
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
fn check_names(file: &Taking, wanted: &[&str], net: &str) -> Result<()> {
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
        ArtifactError::Kind { path, found, .. } if *found == Magic::Pickle.title() => {
            let path = path.display();
            Some(format!("{path} looks like a file of an old torch.save: load it in PyTorch and save it with {SAVE}"))
        }
        ArtifactError::Content { expected, .. } if expected.ends_with(" channels") => {
            Some("--adapt-stem averages the first convolution over its channels".to_owned())
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

    const CONV: (&str, &[usize]) = ("conv1.weight", &[2, 3, 1, 2]);
    const DOWN: (&str, &[usize]) = ("layer2.0.downsample.0.weight", &[1]);
    const FC: [(&str, &[usize]); 2] = [("fc.weight", &[4, 5]), ("fc.bias", &[4])];

    fn wanted() -> Wanted<'static> {
        Wanted { net: "tiny", tensors: vec![CONV, DOWN, FC[0], FC[1]], head: "fc", stem: "conv1.weight" }
    }

    /// A file that holds what is wanted under other names.
    fn file(name: impl Fn(&str) -> String) -> Taking {
        let mut file = TensorFile::default();
        for (found, shape) in wanted().tensors {
            let values = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
            file.insert(name(found), shape, Values::F32(values));
        }
        Taking { path: "x.safetensors".into(), sha256: String::new(), file }
    }

    type Rename = fn(&str) -> String;
    type Change = fn(&mut TensorFile);

    fn tensors(file: &Taking) -> Vec<&str> {
        file.file.tensors.keys().map(String::as_str).collect()
    }

    #[test]
    fn prefixes_and_names_of_others_are_taken() {
        let ours = file(str::to_owned);
        let cases: [(Rename, &str); 7] = [
            (str::to_owned, "took 4 of 4 tensors"),
            (|name| format!("module.{name}"), "left out \"module.\""),
            (|name| format!("module._orig_mod.{name}"), "left out \"_orig_mod.\""),
            (|name| name.replace("fc.", "linear."), "took linear for fc, the last layer"),
            (|name| name.replace("fc.", "fc.1."), "took fc.1 for fc, the last layer"),
            (|name| format!("net.{}", name.replace("fc.", "head.fc.")), "took head.fc for fc, the last layer"),
            (|name| name.replace("downsample", "shortcut"), "took shortcut for downsample"),
        ];
        for (rename, note) in cases {
            let mut theirs = file(rename);
            let fitted = fit(&mut theirs, &wanted(), Ways::default()).unwrap();
            assert!(fitted.notes.iter().any(|said| said.starts_with(note)), "{note}: {:?}", fitted.notes);
            assert!(!fitted.head_is_missing);
            assert_eq!(theirs.file, ours.file, "{note}");
        }
    }

    #[test]
    fn a_last_layer_of_another_width_is_left_out() {
        let body = ["conv1.weight", "layer2.0.downsample.0.weight"];
        let cases: [(Change, bool, &str); 3] = [
            (|file| file.insert("fc.weight", &[9, 5], Values::F32(vec![0.0; 45])), false, "4 classes in place of 9"),
            (|file| drop(file.tensors.remove("fc.weight")), false, "which is not in it"),
            (|_| (), true, "as asked"),
        ];
        for (change, new_head, said) in cases {
            let mut theirs = file(str::to_owned);
            change(&mut theirs.file);
            let ways = Ways { new_head, ..Ways::default() };
            let fitted = fit(&mut theirs, &wanted(), ways).unwrap();
            let last = fitted.notes.last().unwrap();
            assert!(fitted.head_is_missing && last.starts_with("made fc anew") && last.ends_with(said), "{last}");
            assert_eq!(tensors(&theirs), body);
        }
        let mut theirs = file(str::to_owned);
        theirs.file.insert("fc.weight", &[9, 6], Values::F32(vec![0.0; 54]));
        assert!(!fit(&mut theirs, &wanted(), Ways::default()).unwrap().head_is_missing, "other features are no head");
    }

    /// A grey picture, the same in every channel, brings forth the same sums.
    #[test]
    fn a_stem_of_other_channels_is_averaged_where_asked() {
        let theirs = || {
            let mut theirs = file(str::to_owned);
            let values = vec![1.0, 2.0, 10.0, 20.0, 5.0, 6.0, 7.0, 8.0];
            theirs.file.insert("conv1.weight", &[2, 2, 1, 2], Values::F32(values));
            theirs
        };
        let error = fit(&mut theirs(), &wanted(), Ways::default()).unwrap_err();
        assert!(error.to_string().contains("conv1.weight for images of 3 channels, found 2"), "{error}");
        assert!(hint(&error).unwrap().contains("--adapt-stem"));
        let mut adapted = theirs();
        let ways = Ways { adapt_stem: true, ..Ways::default() };
        let fitted = fit(&mut adapted, &wanted(), ways).unwrap();
        assert!(fitted.notes[1].contains("averaged conv1.weight over 2 channels for images of 3"), "{fitted:?}");
        let third = |sum: f64| (sum / 3.0) as f32;
        let [a, b, c, d] = [11.0, 22.0, 12.0, 14.0].map(third);
        assert_eq!(adapted.file.tensors["conv1.weight"].values, Values::F32(vec![a, b, a, b, a, b, c, d, c, d, c, d]));
    }

    #[test]
    fn what_is_there_instead_is_named() {
        let mut other = file(|name| if name == "conv1.weight" { "features.0.weight".into() } else { name.into() });
        let message = fit(&mut other, &wanted(), Ways::default()).unwrap_err().to_string();
        assert!(message.contains("expected the 4 tensors of tiny, found 4 tensors"), "{message}");
        assert!(message.contains("without conv1.weight and with features.0.weight"), "{message}");
    }

    /// A deeper net holds all names of a shallower one.
    #[test]
    fn tensors_besides_are_refused() {
        let mut deeper = file(str::to_owned);
        deeper.file.insert("layer2.1.conv1.weight", &[1], Values::F32(vec![0.0]));
        let message = fit(&mut deeper, &wanted(), Ways::default()).unwrap_err().to_string();
        assert!(message.contains("with layer2.1.conv1.weight"), "{message}");
    }
}
