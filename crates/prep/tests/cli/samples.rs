//! Tiny inputs of every form, as files by path.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// Files by path.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// Writes `files` into `folder`.
pub(crate) fn write(folder: &Path, files: &Files) {
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// `content`, gzipped.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// A tar archive of `files`, in their order.
pub(crate) fn tar(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        builder.append_data(&mut header(content.len() as u64, tar::EntryType::Regular), path, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The header of an archive's entry.
pub(crate) fn header(size: u64, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

/// A tar archive of one entry whose path the `tar` crate would not write.
pub(crate) fn tar_with_raw_path(path: &str) -> Vec<u8> {
    let mut header = header(0, tar::EntryType::Regular);
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &[][..]).unwrap();
    builder.into_inner().unwrap()
}

/// A PNG file.
pub(crate) fn png(pixels: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(pixels, width, height, colour).unwrap();
    file
}

/// A colour PNG file, different for each `seed`.
pub(crate) fn colour_png(seed: u8, width: u32, height: u32) -> Vec<u8> {
    png(&pixels(seed, width * height * 3), width, height, ExtendedColorType::Rgb8)
}

/// A grey PNG file, different for each `seed`.
pub(crate) fn grey_png(seed: u8, width: u32, height: u32) -> Vec<u8> {
    png(&pixels(seed, width * height), width, height, ExtendedColorType::L8)
}

/// A colour JPEG file, different for each `seed`.
pub(crate) fn colour_jpeg(seed: u8, width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let pixels = pixels(seed, width * height * 3);
    JpegEncoder::new(&mut file).write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    file
}

/// A grey JPEG file, different for each `seed`.
pub(crate) fn grey_jpeg(seed: u8, width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    JpegEncoder::new(&mut file)
        .write_image(&pixels(seed, width * height), width, height, ExtendedColorType::L8)
        .unwrap();
    file
}

fn pixels(seed: u8, count: u32) -> Vec<u8> {
    (0..count).map(|i| (i as u8).wrapping_mul(37).wrapping_add(seed.wrapping_mul(11))).collect()
}

/// Two classes, five training and two test pictures each, 4x3.
pub(crate) fn pictures() -> Files {
    let mut files = Vec::new();
    for (class, name) in ["cat", "dog"].into_iter().enumerate() {
        for (split, count) in [("train", 5), ("test", 2)] {
            for i in 0..count {
                let seed = (100 * class + 10 * usize::from(split == "test") + i) as u8;
                files.push((format!("{split}/{name}/{i}.png"), colour_png(seed, 4, 3)));
            }
        }
    }
    files
}

/// The same without `test/`.
pub(crate) fn training_pictures() -> Files {
    pictures().into_iter().filter(|(path, _)| path.starts_with("train/")).collect()
}

/// An IDX file.
pub(crate) fn idx(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    file.extend(dimensions.iter().flat_map(|length| length.to_be_bytes()));
    file.extend(values);
    file
}

/// The four files of a set of 20 training and 10 test digits, 2x3.
pub(crate) fn mnist() -> Files {
    let mut files = Vec::new();
    for (prefix, count) in [("train", 20_u32), ("t10k", 10)] {
        let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
        files.push((format!("{prefix}-images-idx3-ubyte"), idx(&[count, 2, 3], &pixels(count as u8, count * 6))));
        files.push((format!("{prefix}-labels-idx1-ubyte"), idx(&[count], &labels)));
    }
    files
}

/// The seven files of a set with two images of each class in every batch.
pub(crate) fn cifar10() -> Files {
    let mut files: Files = Vec::new();
    let names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    for (batch, name) in names.into_iter().enumerate() {
        files.push((format!("{name}.bin"), records(&[10], 20, batch as u8)));
    }
    files.push(("batches.meta.txt".into(), class_names(10)));
    files
}

/// The files of a set with one image of each class in both splits.
pub(crate) fn cifar100() -> Files {
    vec![
        ("coarse_label_names.txt".into(), class_names(20)),
        ("fine_label_names.txt".into(), class_names(100)),
        ("test.bin".into(), records(&[20, 100], 100, 1)),
        ("train.bin".into(), records(&[20, 100], 100, 2)),
    ]
}

fn records(labels: &[u32], count: u32, seed: u8) -> Vec<u8> {
    let record = |i: u32| {
        let labels = labels.iter().map(move |classes| (i % classes) as u8);
        labels.chain(pixels(seed.wrapping_add(i as u8), 3072))
    };
    (0..count).flat_map(record).collect()
}

fn class_names(count: usize) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(|i| format!("class{i}")).collect();
    (names.join("\n") + "\n").into_bytes()
}

/// `files` under another folder.
pub(crate) fn under(folder: &str, files: &Files) -> Files {
    files.iter().map(|(path, content)| (format!("{folder}/{path}"), content.clone())).collect()
}

/// Writes one file.
pub(crate) fn write_file(path: &Path, content: &[u8]) {
    File::create(path).unwrap().write_all(content).unwrap();
}
