//! What whole inputs give.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use artifacts::dataset::{self, DataSet};
use image::ExtendedColorType;
use tempfile::tempdir;

use crate::samples::{self, Files, gzip, tar, under};
use crate::{sc_prep, stdout_of};

/// The prepared set, and its bytes.
fn prepared(dir: &Path, arguments: &str) -> (DataSet, Vec<u8>) {
    let out = dir.join("set.safetensors");
    stdout_of(dir, &format!("{arguments} --out set.safetensors"));
    (dataset::read(&out).unwrap(), fs::read(&out).unwrap())
}

#[test]
fn a_folder_and_every_packing_of_it_give_the_same_bytes() {
    let dir = tempdir().unwrap();
    let files = samples::pictures();
    let backwards: Files = files.iter().rev().cloned().collect();
    samples::write(&dir.path().join("folder"), &files);
    samples::write_file(&dir.path().join("plain.tar"), &tar(&files));
    samples::write_file(&dir.path().join("backwards.tar.gz"), &gzip(&tar(&backwards)));
    samples::write_file(&dir.path().join("wrapped.tgz"), &gzip(&tar(&under("my set", &files))));
    let (set, bytes) = prepared(dir.path(), "folder folder");
    for packing in ["plain.tar", "backwards.tar.gz", "wrapped.tgz"] {
        assert!(prepared(dir.path(), &format!("folder {packing}")).1 == bytes, "{packing}");
    }
    assert_eq!((set.name.as_str(), set.shape), ("set", [3, 3, 4]));
    assert_eq!(set.classes, ["cat", "dog"]);
    assert_eq!((set.train.labels.len(), set.test.labels.len()), (10, 4));
    assert_eq!(set.sources.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["test/", "train/"]);
}

#[test]
fn every_picture_of_a_folder_arrives_with_its_label() {
    let dir = tempdir().unwrap();
    let files = samples::pictures();
    samples::write(&dir.path().join("folder"), &files);
    let (set, _) = prepared(dir.path(), "folder folder");
    let mut found = HashSet::new();
    for (split, images) in [("train", &set.train), ("test", &set.test)] {
        for (planes, label) in images.pixels.chunks(36).zip(&images.labels) {
            found.insert((split, planes.to_vec(), set.classes[*label as usize].clone()));
        }
    }
    for (path, content) in &files {
        let [split, class, _] = path.split('/').collect::<Vec<_>>()[..] else { panic!("{path}") };
        let pixels = image::load_from_memory(content).unwrap().into_rgb8().into_raw();
        let planes = (0..36).map(|i| pixels[i % 12 * 3 + i / 12]).collect();
        assert!(found.contains(&(split, planes, class.to_owned())), "{path}");
    }
    assert_eq!(found.len(), files.len());
}

#[test]
fn the_recorded_hash_is_that_of_the_listing_by_sha256sum() {
    let dir = tempdir().unwrap();
    let mut files = samples::training_pictures();
    files.truncate(3);
    files.push(("train/dog/x.png".into(), samples::colour_png(77, 4, 3)));
    files.push(("train/dog/y.png".into(), samples::colour_png(78, 4, 3)));
    samples::write(&dir.path().join("folder"), &files);
    let (set, _) = prepared(dir.path(), "folder folder");
    let line = |(path, content): &(String, Vec<u8>)| format!("{}  {path}\n", artifacts::sha256::of_bytes(content));
    let listing: String = files.iter().map(line).collect();
    assert_eq!(set.sources, [("train/".to_owned(), artifacts::sha256::of_bytes(listing.as_bytes()))]);
}

#[test]
fn without_a_test_folder_a_fixed_stratified_share_is_held_out() {
    let dir = tempdir().unwrap();
    let files = samples::training_pictures();
    samples::write(&dir.path().join("folder"), &files);
    let (set, bytes) = prepared(dir.path(), "folder folder");
    assert_eq!((set.train.labels.len(), set.test.labels.len()), (8, 2));
    let (half, _) = prepared(dir.path(), "folder folder --test-share 0.4");
    let mut labels = half.test.labels.clone();
    labels.sort_unstable();
    assert_eq!(labels, [0, 0, 1, 1]);

    // Neither names nor the order of the directory decide, only content.
    let renamed =
        files.iter().map(|(path, content)| (path.replace(".png", "z.png").replace("/0z", "/9z"), content.clone()));
    samples::write(&dir.path().join("renamed"), &renamed.collect());
    let (other, other_bytes) = prepared(dir.path(), "folder renamed");
    for (other, set) in [(&other.train, &set.train), (&other.test, &set.test)] {
        assert_eq!((&other.pixels, &other.labels), (&set.pixels, &set.labels));
        // The paths are those of these very pictures, in either folder.
        let renamed = |path: &String| path.replace(".png", "z.png").replace("/0z", "/9z");
        assert_eq!(other.files, set.files.iter().map(renamed).collect::<Vec<_>>());
        for (label, path) in set.labels.iter().zip(&set.files) {
            let class = path.strip_prefix("train/").and_then(|path| path.split('/').next());
            assert_eq!(class, ["cat", "dog"].get(*label as usize).copied(), "{path}");
        }
    }
    let paths: BTreeSet<&String> = set.train.files.iter().chain(&set.test.files).collect();
    assert_eq!(paths, files.iter().map(|(path, _)| path).collect::<BTreeSet<_>>());
    assert!(other_bytes != bytes, "the listing differs");
}

#[test]
fn grey_pictures_stay_grey_unless_one_has_colours() {
    let dir = tempdir().unwrap();
    let mut files: Files = Vec::new();
    for (i, class) in ["a", "b", "a", "b"].into_iter().enumerate() {
        files.push((format!("train/{class}/{i}.png"), samples::grey_png(i as u8, 2, 2)));
    }
    samples::write(&dir.path().join("grey"), &files);
    assert_eq!(prepared(dir.path(), "folder grey").0.shape, [1, 2, 2]);
    files.push(("train/b/d.jpg".into(), samples::grey_jpeg(5, 2, 2)));
    samples::write(&dir.path().join("both"), &files);
    assert_eq!(prepared(dir.path(), "folder both").0.shape, [1, 2, 2]);
    files.push(("train/a/c.jpeg".into(), samples::colour_jpeg(9, 2, 2)));
    samples::write(&dir.path().join("mixed"), &files);
    assert_eq!(prepared(dir.path(), "folder mixed").0.shape, [3, 2, 2]);
}

#[test]
fn alpha_is_dropped_and_16_bits_become_8() {
    let dir = tempdir().unwrap();
    let wide: Vec<u8> = [0x1234_u16, 0xabff].iter().flat_map(|value| value.to_ne_bytes()).collect();
    let files: Files = vec![
        ("train/a/0.png".into(), samples::png(&wide, 2, 1, ExtendedColorType::L16)),
        ("train/a/1.png".into(), samples::png(&[18, 0, 171, 255], 2, 1, ExtendedColorType::La8)),
        ("train/b/0.png".into(), samples::png(&[1, 2], 2, 1, ExtendedColorType::L8)),
        ("test/a/0.png".into(), samples::png(&[18, 171], 2, 1, ExtendedColorType::L8)),
        ("test/b/0.png".into(), samples::png(&[3, 4], 2, 1, ExtendedColorType::L8)),
    ];
    samples::write(&dir.path().join("input"), &files);
    let set = prepared(dir.path(), "folder input").0;
    assert_eq!(set.shape, [1, 1, 2]);
    let of = |images: &dataset::Images, label| {
        let images = images.pixels.chunks(2).zip(&images.labels).filter(|(_, found)| **found == label);
        images.map(|(pixels, _)| pixels.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(of(&set.train, 0), [[18, 171], [18, 171]]);
    assert_eq!(of(&set.test, 0), [[18, 171]]);
}

#[test]
fn mixed_sizes_are_scaled_on_demand() {
    let dir = tempdir().unwrap();
    let mut files = samples::pictures();
    files.push(("train/dog/large.jpg".into(), samples::colour_jpeg(5, 31, 17)));
    samples::write(&dir.path().join("folder"), &files);
    let (set, _) = prepared(dir.path(), "folder folder --size 5");
    assert_eq!((set.shape, set.train.labels.len()), ([3, 5, 5], 11));
}

#[test]
fn a_limit_keeps_the_first_of_each_class_in_order() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("folder"), &samples::pictures());
    let (whole, _) = prepared(dir.path(), "folder folder");
    let (limited, _) = prepared(dir.path(), "folder folder --limit-per-class 3");
    let mut kept = [0; 2];
    let mut expected = (Vec::new(), Vec::new());
    for (planes, &label) in whole.train.pixels.chunks(36).zip(&whole.train.labels) {
        kept[label as usize] += 1;
        if kept[label as usize] <= 3 {
            expected.0.extend_from_slice(planes);
            expected.1.push(label);
        }
    }
    assert_eq!((limited.train.pixels, limited.train.labels), expected);
    assert_eq!(limited.test, whole.test);
    assert_ne!(limited.mean, whole.mean);
}

#[test]
fn files_that_are_no_pictures_are_left_aside_with_a_warning() {
    let dir = tempdir().unwrap();
    let mut files = samples::pictures();
    for path in ["train/cat/notes.txt", "train/readme.md", "train/cat/.DS_Store", "README", "extra/cat/1.png"] {
        files.push((path.into(), b"text".to_vec()));
    }
    samples::write(&dir.path().join("folder"), &files);
    let output = sc_prep(dir.path(), "folder folder --out set.safetensors");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let line = "sc-prep: warning: not used: README, extra/, train/cat/notes.txt, train/readme.md\n";
    assert_eq!(stderr, line, "one warning names them all");
    let quiet = sc_prep(dir.path(), "folder folder --quiet --out set.safetensors");
    assert!(quiet.stderr.is_empty());
}

#[test]
fn mnist_plain_and_packed_give_the_same_bytes() {
    let dir = tempdir().unwrap();
    let files = samples::mnist();
    let packed = files.iter().map(|(path, content)| (format!("{path}.gz"), gzip(content))).collect();
    samples::write(&dir.path().join("plain"), &files);
    samples::write(&dir.path().join("packed"), &packed);
    let (set, bytes) = prepared(dir.path(), "mnist plain");
    assert!(prepared(dir.path(), "mnist packed").1 == bytes);
    assert_eq!((set.shape, set.train.labels.len(), set.test.labels.len()), ([1, 2, 3], 20, 10));
    assert_eq!(set.train.pixels, files[0].1[16..]);
    assert_eq!(set.test.labels, (0..10).collect::<Vec<u32>>());
    assert_eq!(set.sources[3].0, "train-labels-idx1-ubyte");
    assert_eq!(set.sources[3].1, artifacts::sha256::of_bytes(&files[1].1));
}

#[test]
fn cifar_archive_and_folder_give_the_same_bytes() {
    let dir = tempdir().unwrap();
    for (form, folder, files) in
        [("cifar10", "cifar-10-batches-bin", samples::cifar10()), ("cifar100", "cifar-100-binary", samples::cifar100())]
    {
        let around = dir.path().join(form);
        samples::write(&around.join(folder), &files);
        let shuffled: Files = files.iter().rev().cloned().collect();
        samples::write_file(&dir.path().join("archive.tar.gz"), &gzip(&tar(&under(folder, &shuffled))));
        let (set, bytes) = prepared(dir.path(), &format!("{form} {form}/{folder}"));
        assert!(prepared(dir.path(), &format!("{form} {form}")).1 == bytes, "the folder around it");
        assert!(prepared(dir.path(), &format!("{form} archive.tar.gz")).1 == bytes, "the archive");
        assert_eq!((set.shape, set.classes[7].as_str()), ([3, 32, 32], "class7"));
        let (count, label) = if form == "cifar10" { (100, 1) } else { (100, 2) };
        assert_eq!(set.train.labels.len(), count);
        let (_, first) = files.iter().find(|(path, _)| path == "data_batch_1.bin" || path == "train.bin").unwrap();
        assert_eq!(set.train.pixels[..3072], first[label..label + 3072]);
    }
}

#[test]
fn the_embedded_digits_are_whole() {
    let dir = tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist5k");
    let (set, _) = prepared(dir.path(), &format!("mnist {}", source.display()));
    assert_eq!((set.shape, set.train.labels.len(), set.test.labels.len()), ([1, 28, 28], 4000, 1000));
    for class in 0..10 {
        assert_eq!(set.train.labels.iter().filter(|label| **label == class).count(), 400);
        assert_eq!(set.test.labels.iter().filter(|label| **label == class).count(), 100);
    }
    // By numpy: images.mean() / 255 and images.std() / 255.
    assert!((set.mean[0] - 0.13171832608043216).abs() < 1e-12, "{:?}", set.mean);
    assert!((set.std[0] - 0.3090372851189359).abs() < 1e-12, "{:?}", set.std);
    let all: HashSet<&[u8]> = set.train.pixels.chunks(784).chain(set.test.pixels.chunks(784)).collect();
    assert_eq!(all.len(), 5000, "no digit is twice there");
}

#[test]
fn the_summary_is_for_people_or_for_scripts() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("digits"), &samples::mnist());
    let text = stdout_of(dir.path(), "mnist digits --out out/tiny.safetensors");
    let hash = artifacts::sha256::of_file(&dir.path().join("out/tiny.safetensors")).unwrap();
    for line in ["out/tiny.safetensors", "images   20 training, 10 test, 1x2x3", "classes  10: 0, 1, 2", &hash] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let text = stdout_of(dir.path(), "mnist digits --json --name digits --out out/tiny.safetensors");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["name"], "digits");
    assert_eq!(json["train_images"], 20);
    assert_eq!(json["shape"], serde_json::json!([1, 2, 3]));
    assert_eq!(json["sources"].as_object().unwrap().len(), 4);
    let set = dataset::read(&dir.path().join("out/tiny.safetensors")).unwrap();
    assert_eq!(json["mean"][0].as_f64().unwrap(), set.mean[0]);
}

#[test]
fn an_output_that_exists_is_replaced_whole() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("digits"), &samples::mnist());
    samples::write_file(&dir.path().join("set.safetensors"), b"old");
    let (set, _) = prepared(dir.path(), "mnist digits");
    assert_eq!(set.train.labels.len(), 20);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing beside it");
}
