//! What broken inputs give: exit code 2, one line that names the place, and no file.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::samples::{self, Files, gzip, tar};
use crate::sc_prep;

/// Runs `arguments --out set.safetensors` and expects a refusal that names `place` and says `why`.
fn refused(dir: &Path, arguments: &str, place: &str, why: &str) {
    let output = sc_prep(dir, &format!("{arguments} --out set.safetensors"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {stderr}");
    let line = stderr.lines().next().unwrap_or_default();
    assert!(line.starts_with("sc-prep: ") && line.contains(place) && line.contains(why), "{why:?} in {stderr}");
    let rest: Vec<&str> = stderr.lines().skip(1).collect();
    assert!(rest.len() <= 1 && rest.iter().all(|line| line.starts_with("  ")), "{stderr}");
    assert!(output.stdout.is_empty());
    let written = fs::read_dir(dir)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("set.safetensors"));
    assert_eq!(written.count(), 0, "{arguments} left something");
}

/// A change to the files of a valid input.
type Spoil = fn(&mut Files);

fn content<'a>(files: &'a mut Files, path: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|(name, _)| name == path).unwrap().1
}

fn remove(files: &mut Files, path: &str) {
    files.retain(|(name, _)| !name.starts_with(path));
}

/// Spoils a valid input in every way of `cases`.
fn table(arguments: &str, valid: fn() -> Files, cases: &[(&str, Spoil, &str, &str)]) {
    for (name, spoil, place, why) in cases {
        let dir = tempdir().unwrap();
        let mut files = valid();
        spoil(&mut files);
        samples::write(&dir.path().join("input"), &files);
        eprintln!("case: {name}");
        refused(dir.path(), arguments, place, why);
    }
}

#[test]
fn idx_files() {
    const IMAGES: &str = "train-images-idx3-ubyte";
    const LABELS: &str = "train-labels-idx1-ubyte";
    table(
        "mnist input",
        samples::mnist,
        &[
            ("missing", |f| remove(f, LABELS), LABELS, "no such file, and none with .gz added"),
            ("empty", |f| content(f, IMAGES).clear(), IMAGES, "only 0 bytes"),
            (
                "cut",
                |f| content(f, IMAGES).truncate(100),
                IMAGES,
                "cut off after 84 of the 120 elements that its header [20, 2, 3] gives",
            ),
            ("longer", |f| content(f, IMAGES).push(0), IMAGES, "longer than the 120 elements"),
            (
                "swapped",
                |f| {
                    let (a, b) = (content(f, IMAGES).clone(), content(f, LABELS).clone());
                    (*content(f, IMAGES), *content(f, LABELS)) = (b, a);
                },
                LABELS,
                "it starts with [00, 00, 08, 03]",
            ),
            ("floats", |f| content(f, IMAGES)[2] = 13, IMAGES, "it starts with [00, 00, 0d, 03]"),
            ("huge", |f| content(f, IMAGES)[4..16].fill(0xff), IMAGES, "from 1 to 4294967296 elements can be read"),
            ("no images", |f| content(f, IMAGES)[4..8].fill(0), IMAGES, "dimensions [0, 2, 3]"),
            ("label out of range", |f| content(f, LABELS)[8 + 3] = 10, "input", "no test image of class \"10\""),
            (
                "fewer labels",
                |f| *content(f, LABELS) = samples::idx(&[2], &[0, 1]),
                LABELS,
                "2 labels for the 20 images in",
            ),
            (
                "other test size",
                |f| *content(f, "t10k-images-idx3-ubyte") = samples::idx(&[10, 3, 2], &[7; 60]),
                "input",
                "test images have 3x2 pixels, training images 2x3",
            ),
            (
                "a gap in the labels",
                |f| content(f, LABELS)[8 + 3] = 12,
                LABELS,
                "label 12 at position 3, but no label 10",
            ),
            ("labels from 2 on", |f| content(f, LABELS)[8..].fill(2), LABELS, "they have to begin at 0 or 1"),
            (
                "other labels in the test",
                |f| content(f, LABELS)[8..].iter_mut().for_each(|label| *label %= 5),
                "t10k-labels-idx1-ubyte",
                "label 5 at position 5; those of training go from 0 to 4",
            ),
            (
                "all black",
                |f| content(f, IMAGES)[16..].fill(0),
                "input",
                "every pixel of the training images is 0 in channel 0",
            ),
        ],
    );
}

#[test]
fn packed_idx_files() {
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    let cases: [(&str, Spoil, &str); 4] = [
        ("cut", |gz| gz[..gz.len() / 2].to_vec(), "not a whole IDX file"),
        ("no checksum", |gz| gz[..gz.len() - 8].to_vec(), "not a whole IDX file"),
        (
            "wrong checksum",
            |mut gz| {
                let at = gz.len() - 6;
                gz[at] ^= 1;
                gz
            },
            "not a whole IDX file",
        ),
        ("header of gzip only", |gz| gz[..10].to_vec(), "not a whole IDX file"),
    ];
    for (name, spoil, why) in cases {
        let dir = tempdir().unwrap();
        let mut files = samples::mnist();
        files[0] = (format!("{}.gz", files[0].0), spoil(gzip(&files[0].1)));
        samples::write(&dir.path().join("input"), &files);
        eprintln!("case: {name}");
        refused(dir.path(), "mnist input", "train-images-idx3-ubyte.gz", why);
    }
}

#[test]
fn cifar_files() {
    const BATCH: &str = "data_batch_3.bin";
    const LIST: &str = "batches.meta.txt";
    table(
        "cifar10 input",
        samples::cifar10,
        &[
            (
                "missing batch",
                |f| remove(f, BATCH),
                "input",
                "no data_batch_3.bin in it, which is part of CIFAR-10's binary version",
            ),
            ("missing list", |f| remove(f, LIST), "input", "no batches.meta.txt in it"),
            ("other set", |f| *f = samples::cifar100(), "input", "this is CIFAR-100"),
            (
                "version for Python",
                |f| f.iter_mut().for_each(|(name, _)| *name = name.replace(".bin", "")),
                "input",
                "this is CIFAR-10's version for Python",
            ),
            ("pictures", |f| *f = samples::pictures(), "input", "this is a folder of pictures"),
            ("empty", |f| content(f, BATCH).clear(), BATCH, "empty; it should hold CIFAR-10 records of 3073 bytes"),
            (
                "cut",
                |f| content(f, BATCH).truncate(5000),
                BATCH,
                "1927 bytes are left over after 1 CIFAR-10 records of 3073 bytes",
            ),
            ("label", |f| content(f, BATCH)[3073 * 4] = 10, BATCH, "label 10 in record 4; labels go from 0 to 9"),
            ("names", |f| content(f, LIST).extend(b"more\n"), LIST, "11 class names; it should hold 10"),
            (
                "empty class",
                |f| (0..20).for_each(|i| content(f, "test_batch.bin")[3073 * i] = 0),
                "input",
                "no test image of class \"class1\"",
            ),
        ],
    );
}

#[test]
fn pictures() {
    table(
        "folder input",
        samples::pictures,
        &[
            ("no train", |f| remove(f, "train/"), "input", "no folder train/ in it"),
            (
                "no classes",
                |f| *f = vec![("train/readme.txt".into(), vec![])],
                "input",
                "no folder train/<class>/ in it",
            ),
            (
                "class without pictures",
                |f| f.push(("train/elk/a.webp".into(), vec![1])),
                "input",
                "no JPEG or PNG files in train/elk/, but 1 .webp file",
            ),
            ("class without test", |f| remove(f, "test/dog/"), "input", "no JPEG or PNG files in test/dog/"),
            (
                "class of test alone",
                |f| f.push(("test/elk/1.png".into(), samples::colour_png(1, 4, 3))),
                "input",
                "test/elk/ is no class of train/, which has cat, dog",
            ),
            (
                "folder in a class",
                |f| f.push(("train/cat/more/1.png".into(), vec![])),
                "train/cat/more",
                "a folder inside the folder of a class",
            ),
            (
                "two sizes",
                |f| f.push(("train/dog/9.png".into(), samples::colour_png(1, 5, 3))),
                "train/dog/9.png",
                "5x3 pixels, but train/cat/0.png has 4x3",
            ),
            (
                "no picture",
                |f| *content(f, "train/cat/1.png") = b"hello".to_vec(),
                "train/cat/1.png",
                "neither a JPEG nor a PNG image",
            ),
            (
                "empty picture",
                |f| content(f, "train/cat/1.png").clear(),
                "train/cat/1.png",
                "neither a JPEG nor a PNG image",
            ),
            (
                "cut picture",
                |f| {
                    let half = content(f, "train/cat/1.png").len() / 2;
                    content(f, "train/cat/1.png").truncate(half);
                },
                "train/cat/1.png",
                "damaged",
            ),
            (
                "cut jpeg",
                |f| {
                    let mut jpeg = samples::colour_jpeg(3, 4, 3);
                    jpeg.truncate(jpeg.len() - 2);
                    *content(f, "train/cat/1.png") = jpeg;
                },
                "train/cat/1.png",
                "so it is cut off",
            ),
            (
                "huge jpeg",
                |f| {
                    let mut jpeg = samples::colour_jpeg(3, 4, 3);
                    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
                    jpeg[frame + 5..frame + 9].fill(0xff);
                    *content(f, "train/cat/1.png") = jpeg;
                },
                "train/cat/1.png",
                "65535x65535 pixels",
            ),
            (
                "control character",
                |f| f.push(("train/a\nb/1.png".into(), vec![])),
                "train/a?b/",
                "a control character in its name",
            ),
        ],
    );
}

#[test]
fn pictures_without_a_test_folder() {
    table(
        "folder input",
        samples::training_pictures,
        &[(
            "class of one",
            |f| f.push(("train/elk/1.png".into(), samples::colour_png(1, 4, 3))),
            "input",
            "too few pictures in train/elk/ to hold one out for testing: 1",
        )],
    );
    table(
        "folder input --size 4096 --max-gib 1",
        || {
            (0..12)
                .flat_map(|i| {
                    samples::training_pictures()
                        .into_iter()
                        .map(move |(p, c)| (p.replace(".png", &format!("-{i}.png")), c))
                })
                .collect()
        },
        &[("larger than memory", |_| (), "input", "6039797760 bytes of pixels, more than the 1073741824 allowed")],
    );
}

#[test]
fn a_share_is_refused_where_there_is_a_test_folder() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("input"), &samples::pictures());
    refused(
        dir.path(),
        "folder input --test-share 0.5",
        "--test-share",
        "--test-share does not apply to a set that has a folder test/",
    );
}

#[test]
fn archives() {
    type Make = fn() -> Vec<u8>;
    let cases: [(&str, Make, &str); 11] = [
        ("empty", Vec::new, "an empty file, neither a folder nor a .tar or .tar.gz archive"),
        ("no archive", || vec![b'x'; 2000], "not a whole .tar or .tar.gz archive"),
        ("zip", || [b"PK\x03\x04".to_vec(), vec![7; 600]].concat(), "a zip archive, neither a folder"),
        ("cut in a file", || tar(&samples::pictures())[..540].to_vec(), "the archive is cut off"),
        (
            "cut gzip",
            || {
                let whole = gzip(&tar(&samples::pictures()));
                whole[..whole.len() - 4].to_vec()
            },
            "input: not a whole archive",
        ),
        (
            "parent",
            || samples::tar_with_raw_path("train/../../evil.png"),
            "a path with ..; only regular files under relative paths are read",
        ),
        ("absolute", || samples::tar_with_raw_path("/train/cat/1.png"), "an absolute path; only regular files"),
        ("twice", || tar(&[samples::pictures(), samples::pictures()].concat()), "a second file of this name"),
        (
            "claims 2^60 bytes",
            || {
                let mut header = samples::header(1 << 60, tar::EntryType::Regular);
                header.set_path("train/cat/1.png").unwrap();
                header.set_cksum();
                [header.as_bytes().to_vec(), vec![0; 2048]].concat()
            },
            "the archive is cut off",
        ),
        (
            "link",
            || {
                let mut builder = tar::Builder::new(Vec::new());
                let mut header = samples::header(0, tar::EntryType::Symlink);
                builder.append_link(&mut header, "train/cat/1.png", "/etc/passwd").unwrap();
                builder.into_inner().unwrap()
            },
            "a link or a device; only regular files",
        ),
        (
            "empty class",
            || {
                let mut builder = tar::Builder::new(Vec::new());
                builder.append_data(&mut samples::header(0, tar::EntryType::Directory), "train/cat/", &[][..]).unwrap();
                builder.into_inner().unwrap()
            },
            "no JPEG or PNG files in train/cat/",
        ),
    ];
    for (name, make, why) in cases {
        let dir = tempdir().unwrap();
        samples::write_file(&dir.path().join("input"), &make());
        eprintln!("case: {name}");
        refused(dir.path(), "folder input", "input", why);
    }
}

#[test]
fn a_bomb_does_not_unpack() {
    let dir = tempdir().unwrap();
    let mut header = samples::header(63 << 20, tar::EntryType::Regular);
    header.set_path("other/zeros").unwrap();
    header.set_cksum();
    let entry = [header.as_bytes().to_vec(), vec![0; 63 << 20]].concat();
    samples::write_file(&dir.path().join("input"), &gzip(&entry.repeat(4)));
    refused(dir.path(), "folder input", "input", "it unpacks to more than");
}

#[test]
fn sources_and_arguments() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("digits"), &samples::mnist());
    samples::write_file(&dir.path().join("file"), b"x");
    refused(dir.path(), "folder nowhere", "nowhere", "no such file or folder");
    refused(dir.path(), "cifar10 nowhere", "nowhere", "no such file or folder");
    refused(dir.path(), "mnist nowhere", "nowhere/train-images-idx3-ubyte", "no such file, and none with .gz added");
    refused(dir.path(), "mnist file", "file/train-images-idx3-ubyte", "no such file, and none with .gz added");
    refused(dir.path(), "mnist digits --name a/b", "the name \"a/b\"", "may hold only letters");
    refused(dir.path(), "folder /dev/null", "/dev/null", "neither a folder nor a .tar or .tar.gz archive");
    for wrong in [
        "--size 0",
        "--size 99999",
        "--test-share 1",
        "--test-share x",
        "--limit-per-class 0",
        "--max-gib 0",
        "--nonsense",
    ] {
        let output = sc_prep(dir.path(), &format!("folder digits {wrong} --out set.safetensors"));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(wrong.split(' ').next().unwrap()), "{wrong}");
    }
    let output = sc_prep(dir.path(), "mnist digits --out digits");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "sc-prep: --out digits is a folder, not a file\n");
}

#[cfg(unix)]
#[test]
fn an_output_that_cannot_be_written_is_a_failure_not_a_refusal() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("digits"), &samples::mnist());
    samples::write_file(&dir.path().join("file"), b"x");
    let output = sc_prep(dir.path(), "mnist digits --out file/set.safetensors");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("sc-prep: file/set.safetensors: cannot write"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_does_not_block() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("input"), &samples::pictures());
    let pipe = dir.path().join("input/train/cat/pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(dir.path(), "folder input", "train/cat/pipe.png", "a pipe or a device, not a regular file");
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_ends() {
    let dir = tempdir().unwrap();
    samples::write(&dir.path().join("input"), &samples::pictures());
    std::os::unix::fs::symlink("..", dir.path().join("input/train/loop")).unwrap();
    refused(dir.path(), "folder input", "train/loop/", "a folder inside the folder of a class");
}
