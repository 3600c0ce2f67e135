//! Folders and archives as people have them: other names, litter, damage, formats that are not read.

use std::path::Path;

use artifacts::dataset;
use tempfile::tempdir;

use crate::samples::{self, Files, gzip, tar, under};
use crate::sc_prep;

/// What was prepared, and what stderr said.
fn prepared(dir: &Path, arguments: &str) -> (dataset::DataSet, String) {
    let output = sc_prep(dir, &format!("{arguments} --out set.safetensors"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments}: {stderr}");
    (dataset::read(&dir.join("set.safetensors")).unwrap(), stderr)
}

/// What a refusal says.
fn refused(dir: &Path, arguments: &str) -> String {
    let output = sc_prep(dir, &format!("{arguments} --out set.safetensors"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {stderr}");
    assert!(!dir.join("set.safetensors").exists());
    stderr
}

fn renamed(files: &Files, train: &str, test: &str) -> Files {
    let rename = |path: &str| path.replace("train/", &format!("{train}/")).replace("test/", &format!("{test}/"));
    files.iter().map(|(path, content)| (rename(path), content.clone())).collect()
}

#[test]
fn a_test_set_under_another_name_is_taken_and_said() {
    for (train, test) in [("train", "valid"), ("Train", "Test"), ("training", "testing"), ("train", "val")] {
        let dir = tempdir().unwrap();
        let files = renamed(&samples::pictures(), train, test);
        samples::write(&dir.path().join("folder"), &files);
        samples::write_file(&dir.path().join("set.tar"), &tar(&under("wrapped/twice", &files)));
        let (set, said) = prepared(dir.path(), "folder folder");
        assert_eq!((set.train.labels.len(), set.test.labels.len()), (10, 4), "{test}");
        assert_eq!(said, format!("sc-prep: read {train}/ as the training set, {test}/ as the test set\n"));
        let (packed, said) = prepared(dir.path(), "folder set.tar");
        assert_eq!(packed, set);
        assert!(said.contains(&format!("read wrapped/twice/{train}/ as the training set")), "{said}");
    }
}

#[test]
fn a_second_test_set_is_named() {
    let dir = tempdir().unwrap();
    let mut files = samples::pictures();
    files.push(("validation/cat/1.png".into(), samples::colour_png(99, 4, 3)));
    samples::write(&dir.path().join("folder"), &files);
    let (set, said) = prepared(dir.path(), "folder folder");
    assert_eq!(set.test.labels.len(), 4);
    assert_eq!(said, "sc-prep: warning: validation/ is not used: test/ is the test set\n");
}

#[test]
fn a_test_set_that_we_make_is_said_with_its_size() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("folder"), &samples::training_pictures());
    let (_, said) = prepared(dir.path(), "folder folder");
    let expected = "no test set in it; 2 of the 10 pictures of train/ become one (20% of each class; --test-share";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn every_bad_picture_is_named_at_once_and_can_be_left_out() {
    let dir = tempdir().unwrap();
    let mut files = samples::pictures();
    let mut cut = samples::colour_jpeg(3, 4, 3);
    cut.truncate(cut.len() - 2);
    let bad: [(&str, Vec<u8>, &str); 4] = [
        ("train/cat/page.jpg", b"<!DOCTYPE html><html>".to_vec(), "an HTML page, neither a JPEG nor a PNG image"),
        ("train/cat/zero.png", Vec::new(), "an empty file, neither a JPEG nor a PNG image"),
        ("train/dog/web.jpg", b"RIFF\x04\0\0\0WEBPVP8 ".to_vec(), "a WebP image, neither a JPEG nor a PNG image"),
        ("test/dog/cut.jpg", cut, "damaged: a JPEG file without its end mark, so it is cut off"),
    ];
    files.extend(bad.iter().map(|(path, content, _)| ((*path).to_owned(), content.clone())));
    samples::write(&dir.path().join("folder"), &files);
    let said = refused(dir.path(), "folder folder");
    assert!(said.starts_with("sc-prep: folder: 4 pictures cannot be read\n"), "{said}");
    for (path, _, why) in &bad {
        assert!(said.contains(&format!("  folder/{path}: {why}\n")), "{path} in {said}");
    }
    assert!(said.contains("--skip-damaged"), "{said}");

    let (set, said) = prepared(dir.path(), "folder folder --skip-damaged");
    assert!(said.contains("warning: left out 4 pictures that cannot be read:"), "{said}");
    assert_eq!(set.skipped.len(), 4);
    assert!(set.skipped.iter().any(|line| line.contains("train/cat/zero.png: an empty file")), "{:?}", set.skipped);
    let whole = tempdir().unwrap();
    samples::write(&whole.path().join("folder"), &samples::pictures());
    let (without, _) = prepared(whole.path(), "folder folder");
    assert_eq!((&set.train, &set.test, &set.sources), (&without.train, &without.test, &without.sources));
    assert!(without.skipped.is_empty());
}

#[test]
fn many_bad_pictures_are_counted() {
    let dir = tempdir().unwrap();
    let mut files = samples::pictures();
    files.extend((0..30).map(|n| (format!("train/cat/bad{n}.png"), Vec::new())));
    samples::write(&dir.path().join("folder"), &files);
    let said = refused(dir.path(), "folder folder");
    assert!(said.contains("30 pictures cannot be read") && said.contains("\n  and 10 more\n"), "{said}");
}

#[test]
fn litter_does_not_hide_the_layout() {
    let dir = tempdir().unwrap();
    let litter: Files = ["__MACOSX/train/cat/._0.png", "__MACOSX/._train", ".DS_Store", "train/Thumbs.db"]
        .iter()
        .chain(&["train/cat/._1.png", "train/cat/desktop.ini"])
        .map(|path| ((*path).to_owned(), b"litter".to_vec()))
        .collect();
    let files = [litter, samples::pictures()].concat();
    samples::write_file(&dir.path().join("set.tar.gz"), &gzip(&tar(&files)));
    samples::write(&dir.path().join("folder"), &files);
    for source in ["set.tar.gz", "folder"] {
        let (set, said) = prepared(dir.path(), &format!("folder {source}"));
        assert_eq!((set.train.labels.len(), said.as_str()), (10, ""), "{source}");
    }
}

#[test]
fn an_archive_without_an_end_mark_is_taken_with_a_warning() {
    let dir = tempdir().unwrap();
    let whole = tar(&samples::pictures());
    samples::write_file(&dir.path().join("set.tar"), &whole[..whole.len() - 1024]);
    let (set, said) = prepared(dir.path(), "folder set.tar");
    assert_eq!(set.train.labels.len(), 10);
    assert!(said.contains("warning: set.tar: ends without tar's end mark"), "{said}");
}

#[test]
fn formats_that_are_not_read_are_counted() {
    let dir = tempdir().unwrap();
    let mut files = samples::pictures();
    for path in ["train/cat/a.webp", "train/dog/b.webp", "test/dog/c.GIF"] {
        files.push((path.to_owned(), b"x".to_vec()));
    }
    samples::write(&dir.path().join("some"), &files);
    let (_, said) = prepared(dir.path(), "folder some");
    assert!(said.contains("warning: left out 1 .gif file and 2 .webp files; convert them to PNG or JPEG"), "{said}");
    let all = samples::pictures().into_iter().map(|(path, content)| (path.replace(".png", ".bmp"), content)).collect();
    samples::write(&dir.path().join("all"), &all);
    std::fs::remove_file(dir.path().join("set.safetensors")).unwrap();
    let said = refused(dir.path(), "folder all");
    assert!(said.contains("no JPEG or PNG files in train/cat/, but 5 .bmp files\n  convert them"), "{said}");
}

#[test]
fn a_single_class_is_refused_and_copies_are_counted() {
    let dir = tempdir().unwrap();
    let one: Files = samples::pictures().into_iter().filter(|(path, _)| path.contains("cat")).collect();
    samples::write(&dir.path().join("one"), &one);
    let said = refused(dir.path(), "folder one");
    assert!(said.contains("one: a single class, \"cat\": there is nothing to tell apart"), "{said}");
    let mut files = samples::pictures();
    let copy = files[0].1.clone();
    files.push(("test/cat/copy.png".into(), copy));
    samples::write(&dir.path().join("copies"), &files);
    let (_, said) = prepared(dir.path(), "folder copies");
    assert!(said.contains("warning: 1 of 5 test images is a training image too, to the pixel"), "{said}");
}

#[test]
fn pictures_stored_turned_are_counted_or_turned() {
    let dir = tempdir().unwrap();
    let mut files = samples::pictures();
    // EXIF: big-endian, one entry, orientation 6, for a picture that is 3 wide and 4 high when it is upright.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let plain = samples::colour_jpeg(77, 3, 4);
    let length = (exif.len() as u16 + 8).to_be_bytes();
    let marked = [&plain[..2], &[0xff, 0xe1], &length, b"Exif\0\0", exif, &plain[2..]].concat();
    files.push(("train/cat/phone.jpg".into(), marked));
    samples::write(&dir.path().join("folder"), &files);
    let (_, said) = prepared(dir.path(), "folder folder --size 4");
    assert!(said.contains("warning: 1 of 15 pictures stored turned"), "{said}");
    let (set, said) = prepared(dir.path(), "folder folder --orient");
    assert_eq!((set.shape, said.as_str()), ([3, 3, 4], ""));
}

#[test]
fn an_archive_of_another_kind_is_named() {
    let dir = tempdir().unwrap();
    for (start, kind, hint) in [
        (&b"PK\x03\x04"[..], "a zip archive", "unzip input -d FOLDER"),
        (b"\xfd7zXZ\0", "an xz file", "tar -xf input"),
        (b"<html>", "an HTML page", "download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    ] {
        samples::write_file(&dir.path().join("input"), start);
        for form in ["folder", "cifar10"] {
            let said = refused(dir.path(), &format!("{form} input"));
            assert!(said.starts_with(&format!("sc-prep: input: {kind}")) && said.contains(hint), "{said}");
        }
    }
}

/// From an official name to another.
type Rename = fn(&str) -> String;

#[test]
fn idx_files_under_the_names_of_unpackers() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("plain"), &samples::mnist());
    let (set, said) = prepared(dir.path(), "mnist plain");
    assert_eq!(said, "");
    let renamed = |rename: Rename| -> Files {
        samples::mnist().into_iter().map(|(name, content)| (rename(&name), content)).collect()
    };
    let ways: [(&str, Rename); 4] = [
        ("seven-zip", |name| name.replace("-idx", ".idx")),
        ("kaggle", |name| format!("{name}/{name}")),
        ("torchvision", |name| format!("MNIST/raw/{name}")),
        ("emnist", |name| format!("emnist-digits-{}", name.replace("t10k", "test"))),
    ];
    for (way, rename) in ways {
        samples::write(&dir.path().join(way), &renamed(rename));
        let (other, said) = prepared(dir.path(), &format!("mnist {way}"));
        assert_eq!(other, set, "{way}");
        assert!(said.contains("as train-images-idx3-ubyte\n") && said.lines().count() == 4, "{way}: {said}");
    }
    std::fs::remove_file(dir.path().join("set.safetensors")).unwrap();
    let two: [Rename; 2] = [ways[3].1, |name| format!("emnist-letters-{}", name.replace("t10k", "test"))];
    for rename in two {
        samples::write(&dir.path().join("two"), &renamed(rename));
    }
    let said = refused(dir.path(), "mnist two");
    assert!(said.contains("two files could be train-images-idx3-ubyte: two/emnist-digits-train"), "{said}");
}

#[test]
fn labels_from_1_and_names_of_classes() {
    let dir = tempdir().unwrap();
    let mut files = samples::mnist();
    for (name, content) in &mut files {
        if name.contains("labels") {
            content[8..].iter_mut().for_each(|label| *label = 1 + *label % 5);
        }
    }
    samples::write(&dir.path().join("letters"), &files);
    samples::write_file(&dir.path().join("names.txt"), b"a\nb\nc\nd\ne\n");
    let (set, said) = prepared(dir.path(), "mnist letters");
    assert_eq!(said, "sc-prep: labels go from 1 to 5: label 1 is class 0\n");
    assert_eq!(set.classes, ["1", "2", "3", "4", "5"]);
    assert_eq!(set.test.labels, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    let (named, _) = prepared(dir.path(), "mnist letters --classes names.txt");
    assert_eq!((named.classes.concat().as_str(), named.test.labels), ("abcde", set.test.labels));
    samples::write_file(&dir.path().join("names.txt"), b"a\nb\n");
    std::fs::remove_file(dir.path().join("set.safetensors")).unwrap();
    let said = refused(dir.path(), "mnist letters --classes names.txt");
    assert!(said.contains("5 classes, but --classes names 2"), "{said}");
}

#[test]
fn cifar_in_any_folder_and_without_an_end_mark() {
    let dir = tempdir().unwrap();
    let files = under("data/mine", &[under("__MACOSX", &samples::cifar10()), samples::cifar10()].concat());
    let whole = tar(&files);
    samples::write_file(&dir.path().join("set.tar"), &whole[..whole.len() - 1024]);
    let (set, said) = prepared(dir.path(), "cifar10 set.tar");
    assert_eq!(set.train.labels.len(), 100);
    assert!(said.contains("warning: set.tar: ends without tar's end mark"), "{said}");
}
