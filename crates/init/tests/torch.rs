//! `sc-init --from-torch` on files as other programs write them.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use artifacts::dataset::{self, DataSet, Images};
use artifacts::tensors::TensorFile;
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
    let cases: [(&[u8], &str, &str); 5] = [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer", "git lfs pull"),
        (b"PK\x03\x04 archive/data.pkl and so on", "a zip archive", "looks like a file of torch.save"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a Python pickle", "looks like a file of torch.save"),
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
