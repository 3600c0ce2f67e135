//! `sc-init --from-torch` on files as other programs write them.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use artifacts::dataset::{self, DataSet, Images};
use artifacts::tensors::{TensorFile, Values};
use tempfile::{TempDir, tempdir};

fn sc_init(dir: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sc-init"));
    let arguments = arguments.split_whitespace();
    command.current_dir(dir).args(["--data", "data.safetensors", "--net", "resnet8"]).args(arguments);
    command.output().expect("sc-init starts")
}

/// A folder with a data set and a file of weights.
fn made() -> TempDir {
    let dir = tempdir().unwrap();
    let images = Images { pixels: vec![7; 2 * 64], labels: vec![0, 1], files: Vec::new() };
    let data = DataSet {
        name: "tiny".into(),
        shape: [1, 8, 8],
        classes: vec!["a".into(), "b".into()],
        mean: vec![0.5],
        std: vec![0.25],
        train: images.clone(),
        test: images,
        ..DataSet::default()
    };
    dataset::write(&dir.path().join("data.safetensors"), data).unwrap();
    assert!(sc_init(dir.path(), "--seed 1 --out ours.safetensors").status.success());
    dir
}

/// From our name to another.
type Rename = fn(&str) -> String;

/// The weights with other names.
fn renamed(dir: &Path, rename: Rename) {
    let ours = TensorFile::read(&dir.join("ours.safetensors")).unwrap();
    let tensors = ours.tensors.into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
    TensorFile { tensors, ..TensorFile::default() }.write(&dir.join("torch.safetensors")).unwrap();
}

#[test]
fn names_of_wrappers_and_of_other_code_are_taken_and_said() {
    let dir = made();
    let ways: [(Rename, &str); 4] = [
        (|name| format!("module.{name}"), "left out \"module.\", which every name in it began with"),
        (|name| format!("_orig_mod.{name}"), "left out \"_orig_mod.\""),
        (|name| format!("net.{name}"), "left out \"net.\""),
        (|name| name.replace("fc.", "linear."), "took linear for fc, the last layer"),
    ];
    for (rename, note) in ways {
        renamed(dir.path(), rename);
        let output = sc_init(dir.path(), "--from-torch torch.safetensors --out taken.safetensors");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains(note) && said.lines().count() == 1, "{said}");
        let [ours, taken] = ["ours", "taken"].map(|name| dir.path().join(format!("{name}.safetensors")));
        assert_eq!(TensorFile::read(&taken).unwrap().tensors, TensorFile::read(&ours).unwrap().tensors);
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let dir = made();
    let cases: [(&[u8], &str, &str); 4] = [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer", "git lfs pull"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a Python pickle", "looks like a file of an old torch.save"),
        (b"<!DOCTYPE html><html></html>", "an HTML page", "download the file itself"),
        (b"", "an empty file", ""),
    ];
    for (content, kind, hint) in cases {
        fs::write(dir.path().join("w.th"), content).unwrap();
        let output = sc_init(dir.path(), "--from-torch w.th --out taken.safetensors");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("sc-init: w.th: this is {kind}")) && said.contains(hint), "{said}");
        assert!(!dir.path().join("taken.safetensors").exists());
    }
}

#[test]
fn the_weights_of_another_net_are_told_by_their_names() {
    let dir = made();
    renamed(dir.path(), |name| name.replace("layer3", "layer4"));
    let output = sc_init(dir.path(), "--from-torch torch.safetensors --out taken.safetensors");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("without layer3.0.conv1.weight") && said.contains("with layer4.0.bn1.bias"), "{said}");
    assert!(said.contains("names have to be the same"), "{said}");
}

/// A checkpoint that PyTorch wrote (tests/parity/pickles.py).
fn checkpoint() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/resnet8.pth")).unwrap()
}

/// The body of a net for ten classes, in half precision and under DataParallel's names, and a new last layer for two.
#[test]
fn a_checkpoint_of_torch_save_is_taken_but_for_its_last_layer() {
    let dir = made();
    fs::write(dir.path().join("w.pth"), checkpoint()).unwrap();
    let output = sc_init(dir.path(), "--from-torch w.pth --out taken.safetensors");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.lines().count() == 1, "{said}");
    for part in
        ["w.pth: took 35 of 37 tensors", "left out \"module.\"", "made fc anew: 2 classes in place of 10; seed 1"]
    {
        assert!(said.contains(part), "{said}");
    }
    let taken = TensorFile::read(&dir.path().join("taken.safetensors")).unwrap();
    assert_eq!((taken.metadata["scheme"].as_str(), taken.metadata["seed"].as_str()), ("torch-file", "1"));
    for (k, (name, tensor)) in taken.tensors.iter().enumerate().filter(|(_, (name, _))| !name.starts_with("fc.")) {
        let expected = (k..).map(|i| ((i * 7 % 129) as f32 - 64.0) / 64.0);
        let Values::F32(values) = &tensor.values else { panic!("{name} is not of f32") };
        assert!(values.iter().zip(expected).all(|(found, expected)| *found == expected), "{name}");
    }
    // As torch.nn.Linear starts: uniform within 1 / sqrt(64).
    let Values::F32(head) = &taken.tensors["fc.weight"].values else { panic!("fc.weight is not of f32") };
    assert_eq!(head.len(), 2 * 64);
    assert!(head.iter().all(|v| v.abs() <= 0.125) && head.iter().any(|v| v.abs() > 0.1));
    let other = sc_init(dir.path(), "--from-torch w.pth --seed 2 --out other.safetensors");
    assert!(other.status.success());
    let other = TensorFile::read(&dir.path().join("other.safetensors")).unwrap();
    assert_ne!(other.tensors["fc.weight"], taken.tensors["fc.weight"]);
    assert_eq!(other.tensors["conv1.weight"], taken.tensors["conv1.weight"]);
}

#[test]
fn damaged_checkpoints_are_refused_and_never_run() {
    let dir = made();
    let whole = checkpoint();
    let pickle = whole.windows(8).position(|part| part == b"data.pkl").unwrap();
    let places = (pickle..pickle + 3000).step_by(61).chain((whole.len() - 600..whole.len()).step_by(31));
    for at in places {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(dir.path().join("w.pth"), damaged).unwrap();
        let output = sc_init(dir.path(), "--from-torch w.pth --out taken.safetensors");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(0 | 2)) && !said.contains("panicked"), "byte {at}: {said}");
    }
    fs::write(dir.path().join("w.pth"), &whole[..whole.len() / 2]).unwrap();
    let output = sc_init(dir.path(), "--from-torch w.pth --out half.safetensors");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("w.pth: expected the state_dict of a net") && said.contains("torch.save("), "{said}");
    assert_eq!(output.status.code(), Some(2));
    assert!(!dir.path().join("half.safetensors").exists());
}

#[test]
fn a_last_layer_that_fits_is_made_anew_where_asked() {
    let dir = made();
    renamed(dir.path(), str::to_owned);
    let output = sc_init(dir.path(), "--from-torch torch.safetensors --new-head --seed 5 --out taken.safetensors");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("made fc anew, as asked; seed 5"), "{said}");
    let [ours, taken] = ["ours", "taken"].map(|name| TensorFile::read(&dir.path().join(format!("{name}.safetensors"))));
    let (ours, taken) = (ours.unwrap(), taken.unwrap());
    let changed = |name: &&String| ours.tensors[*name] != taken.tensors[*name];
    assert_eq!(ours.tensors.keys().filter(changed).collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
}
