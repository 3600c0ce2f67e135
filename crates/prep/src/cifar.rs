//! CIFAR-10 and CIFAR-100 in their official binary form, unpacked or as the .tar.gz.
//!
//! A file is a run of records: one label byte (CIFAR-100: the coarse, then the fine label), then 3072 pixels, 32x32 in
//! three planes, red, green, blue (A. Krizhevsky, "The CIFAR-10 dataset", section "Binary version").

use std::collections::BTreeMap;

use artifacts::dataset::Images;
use artifacts::sha256;
use pictures::names::is_picture_name;

use crate::archive::{MAX_FILE_BYTES, Tree, Visitor};
use crate::class_list;
use crate::progress::Progress;
use crate::set::Set;
use crate::{Refusal, Result};

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;

/// The files of a set lie so many folders deep at most.
const DEEPEST: usize = 2;

/// One of the two sets.
#[derive(Debug, PartialEq, Eq)]
pub struct Format {
    /// Its name in a message.
    title: &'static str,
    /// What `sc-prep` calls it.
    command: &'static str,
    /// Its official archive.
    archive: &'static str,
    /// The folder that the official archive holds.
    folder: &'static str,
    /// Training files, in order.
    train: &'static [&'static str],
    test: &'static str,
    /// Names of the classes, a line each.
    list: &'static str,
    /// How many values each label byte of a record has; the last one is the class.
    labels: &'static [usize],
}

/// CIFAR-10.
pub const CIFAR10: Format = Format {
    title: "CIFAR-10",
    command: "cifar10",
    archive: "cifar-10-binary.tar.gz",
    folder: "cifar-10-batches-bin",
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    list: "batches.meta.txt",
    labels: &[10],
};

/// CIFAR-100 with its fine labels.
pub const CIFAR100: Format = Format {
    title: "CIFAR-100",
    command: "cifar100",
    archive: "cifar-100-binary.tar.gz",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    list: "fine_label_names.txt",
    labels: &[20, 100],
};

impl Format {
    fn classes(&self) -> usize {
        *self.labels.last().expect("every format has a label")
    }

    fn record(&self) -> usize {
        self.labels.len() + PIXELS
    }

    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test])
    }

    /// Splits a file into images and labels; `place` names it in messages.
    ///
    /// # Errors
    /// When it does not consist of whole records with labels in range.
    pub fn parse(&self, content: &[u8], place: &str) -> Result<Images> {
        let record = self.record();
        if content.is_empty() || !content.len().is_multiple_of(record) {
            let (whole, rest) = (content.len() / record, content.len() % record);
            let wanted = format!("{} records of {record} bytes", self.title);
            let problem = match content.len() {
                0 => format!("empty; it should hold {wanted}"),
                _ => format!("{rest} bytes are left over after {whole} {wanted}"),
            };
            return Err(Refusal::at(place, problem));
        }
        let mut images = Images::default();
        for (index, record) in content.chunks_exact(record).enumerate() {
            let (labels, pixels) = record.split_at(self.labels.len());
            for (&label, &classes) in labels.iter().zip(self.labels) {
                if usize::from(label) >= classes {
                    let problem = format!("label {label} in record {index}; labels go from 0 to {}", classes - 1);
                    return Err(Refusal::at(place, problem));
                }
            }
            images.labels.push(u32::from(labels[labels.len() - 1]));
            images.pixels.extend_from_slice(pixels);
        }
        Ok(images)
    }

    /// Reads the list of class names.
    ///
    /// # Errors
    /// When it does not hold as many different names as there are classes.
    pub fn parse_list(&self, content: &[u8], place: &str) -> Result<Vec<String>> {
        let names = class_list::parse(content, place)?;
        if names.len() != self.classes() {
            let problem = format!("{} class names; it should hold {}, one per line", names.len(), self.classes());
            return Err(Refusal::at(place, problem));
        }
        Ok(names)
    }
}

/// Reads a set from the official archive, from what it unpacks to, or from the folder around that. `max_bytes` bounds
/// the pixels.
///
/// # Errors
/// When a file is missing, twice there or damaged.
pub fn read(format: &'static Format, tree: &Tree, max_bytes: u64, progress: &dyn Progress) -> Result<Set> {
    progress.stage("reading", Some(format.files().count() as u64 + 1));
    let mut files = Files {
        format,
        tree,
        progress,
        left: max_bytes,
        images: BTreeMap::new(),
        classes: None,
        sources: vec![],
        other: None,
    };
    tree.visit(&mut files)?;
    tree.warnings().iter().for_each(|warning| progress.warning(warning));
    let Files { mut images, classes, sources, other, .. } = files;
    let missing = |name: &str| match other {
        Some(other) => Refusal::at(tree.place(), other.said(format)).hint(other.hint(format)),
        None => {
            Refusal::at(tree.place(), format!("no {name} in it, which is part of {}'s binary version", format.title))
                .hint(format!("the folder {} holds {}", format.folder, wanted_names(format)))
        }
    };
    let mut train = Images::default();
    for name in format.train {
        let part = images.remove(*name).ok_or_else(|| missing(name))?;
        train.labels.extend(part.labels);
        train.pixels.extend(part.pixels);
    }
    let test = images.remove(format.test).ok_or_else(|| missing(format.test))?;
    let classes = classes.ok_or_else(|| missing(format.list))?;
    Ok(Set { shape: SHAPE, classes, train, test, train_size: None, pictures: None, sources, skipped: Vec::new() })
}

fn wanted_names(format: &Format) -> String {
    format.files().chain([format.list]).collect::<Vec<_>>().join(", ")
}

/// Collects the files of one set.
struct Files<'a> {
    format: &'static Format,
    tree: &'a Tree,
    progress: &'a dyn Progress,
    /// How many bytes may still come.
    left: u64,
    images: BTreeMap<String, Images>,
    classes: Option<Vec<String>>,
    sources: Vec<(String, String)>,
    /// What it may be where it is not this set.
    other: Option<Other>,
}

/// What people have in place of a set's binary version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    /// Its version for Python.
    Python,
    /// Its version for MATLAB.
    Matlab,
    /// The other set.
    Set(&'static Format),
    /// Pictures by class.
    Pictures,
}

impl Other {
    /// What a path tells.
    fn of(path: &str, format: &'static Format) -> Option<Self> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let other = if format.classes() == 10 { &CIFAR100 } else { &CIFAR10 };
        let is_in = |folder: &str| path.split('/').any(|part| part == folder);
        if ["cifar-10-batches-py", "cifar-100-python"].into_iter().any(is_in) || name == "data_batch_1" {
            Some(Self::Python)
        } else if ["cifar-10-batches-mat", "cifar-100-matlab"].into_iter().any(is_in) || name == "data_batch_1.mat" {
            Some(Self::Matlab)
        } else if is_in(other.folder) || name == other.train[0] {
            Some(Self::Set(other))
        } else if folders.split('/').any(|folder| folder == "train") && is_picture_name(name) {
            Some(Self::Pictures)
        } else {
            None
        }
    }

    fn said(self, format: &Format) -> String {
        match self {
            Self::Python => format!("this is {}'s version for Python", format.title),
            Self::Matlab => format!("this is {}'s version for MATLAB", format.title),
            Self::Set(other) => format!("this is {}", other.title),
            Self::Pictures => "this is a folder of pictures".to_owned(),
        }
    }

    fn hint(self, format: &Format) -> String {
        match self {
            Self::Python | Self::Matlab => {
                let (archive, command) = (format.archive, format.command);
                format!("pass the binary version, {archive}: sc-prep {command} --download fetches it")
            }
            Self::Set(other) => format!("read it with: sc-prep {}", other.command),
            Self::Pictures => "read it with: sc-prep folder".to_owned(),
        }
    }
}

impl Files<'_> {
    /// The name of a file of the set, at most [`DEEPEST`] folders deep.
    fn name<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut parts = path.rsplit('/');
        let name = parts.next()?;
        let is_wanted = self.format.files().chain([self.format.list]).any(|wanted| wanted == name);
        (is_wanted && parts.count() <= DEEPEST).then_some(name)
    }
}

impl Visitor for Files<'_> {
    fn wants(&mut self, path: &str) -> Result<Option<u64>> {
        self.other = self.other.or_else(|| Other::of(path, self.format));
        if let Some(folder) = path.strip_suffix('/') {
            return Ok((folder.split('/').count() <= DEEPEST).then_some(0));
        }
        let limit = |name| if name == self.format.list { class_list::MAX_BYTES } else { MAX_FILE_BYTES.min(self.left) };
        Ok(self.name(path).map(limit))
    }

    fn take(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let place = self.tree.place_of(path);
        let Some(name) = self.name(path) else { return Ok(()) };
        if self.sources.iter().any(|(seen, _)| seen == name) {
            return Err(Refusal::at(place, format!("a second {name}")));
        }
        self.sources.push((name.to_owned(), sha256::of_bytes(content)));
        if name == self.format.list {
            self.classes = Some(self.format.parse_list(content, &place)?);
        } else {
            self.images.insert(name.to_owned(), self.format.parse(content, &place)?);
            self.left -= content.len() as u64;
        }
        self.progress.advance(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(labels: &[u8], fill: u8) -> Vec<u8> {
        [labels, &[fill; PIXELS]].concat()
    }

    #[test]
    fn the_last_label_is_the_class() {
        let ten = CIFAR10.parse(&[record(&[9], 1), record(&[0], 2)].concat(), "f").unwrap();
        assert_eq!((ten.labels, ten.pixels[PIXELS - 1], ten.pixels[PIXELS]), (vec![9, 0], 1, 2));
        let hundred = CIFAR100.parse(&record(&[19, 99], 5), "f").unwrap();
        assert_eq!((hundred.labels, hundred.pixels), (vec![99], vec![5; PIXELS]));
    }

    #[test]
    fn what_is_no_run_of_records_is_refused() {
        let cases = [
            (&CIFAR10, Vec::new(), "empty; it should hold CIFAR-10 records of 3073 bytes"),
            (&CIFAR10, vec![0; 3074], "1 bytes are left over after 1 CIFAR-10 records of 3073 bytes"),
            (&CIFAR10, record(&[10], 0), "label 10 in record 0; labels go from 0 to 9"),
            (&CIFAR100, record(&[20, 0], 0), "label 20 in record 0; labels go from 0 to 19"),
            (&CIFAR100, record(&[0, 100], 0), "label 100 in record 0; labels go from 0 to 99"),
        ];
        for (format, content, expected) in cases {
            let message = format.parse(&content, "x.bin").unwrap_err().to_string();
            assert_eq!(message, format!("x.bin: {expected}"));
        }
    }

    #[test]
    fn class_names_are_one_a_line() {
        let names: Vec<String> = (0..10).map(|n| format!("class{n}")).collect();
        assert_eq!(CIFAR10.parse_list((names.join("\r\n") + "\n\n").as_bytes(), "f").unwrap(), names);
        for (content, expected) in [
            (names[..9].join("\n").into_bytes(), "9 class names; it should hold 10, one per line"),
            (vec![b'x'; 5], "1 class names; it should hold 10"),
            (names.join("\n").replace('3', "4").into_bytes(), "the class name \"class4\" is there twice"),
            (vec![0xff, 0xfe], "not text in UTF-8"),
            (names.join("\n").replace('3', "\u{7}").into_bytes(), "a control character in the class name"),
        ] {
            let message = CIFAR10.parse_list(&content, "x.txt").unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
