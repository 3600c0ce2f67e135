//! The four files of a set in IDX form, under the names that archives and unpackers give them.
//!
//! `train-images-idx3-ubyte` is also called `train-images.idx3-ubyte` (7-Zip), lies in a folder of its own name (Kaggle), under
//! `raw/` (torchvision), or begins with the name of its set (`emnist-letters-test-images-idx3-ubyte`); each may end in .gz.

use std::fs;
use std::path::{Path, PathBuf};

use crate::few;
use crate::{Refusal, Result};
use pictures::litter::is_litter;

/// Files lie so many folders deep at most.
const DEEPEST: usize = 2;

/// The official names.
pub(super) const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// A file that may be one of the four.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Whether its name is another than the official one.
    is_renamed: bool,
    depth: usize,
    is_packed: bool,
    path: PathBuf,
}

/// The files that a folder holds.
pub(super) struct Found {
    folder: PathBuf,
    candidates: [Vec<Candidate>; 4],
    /// Names of other files and folders in it.
    others: Vec<String>,
}

impl Found {
    /// Looks into `folder`.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let mut found = Self { folder: folder.to_owned(), candidates: Default::default(), others: Vec::new() };
        if folder.is_dir() {
            found.look(folder, 0)?;
            found.others.sort();
        }
        Ok(found)
    }

    fn look(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let fail = |error| Refusal::unreadable(folder, &error);
        for entry in fs::read_dir(folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !is_litter(name)) else {
                continue;
            };
            if depth == 0 && which(name).is_none() && !name.starts_with('.') {
                self.others.push(if path.is_dir() { format!("{name}/") } else { name.to_owned() });
            }
            if path.is_dir() {
                if depth < DEEPEST {
                    self.look(&path, depth + 1)?;
                }
            } else if let Some(which) = which(name) {
                let plain = name.strip_suffix(".gz");
                let (is_packed, is_renamed) = (plain.is_some(), plain.unwrap_or(name) != NAMES[which]);
                self.candidates[which].push(Candidate { is_renamed, depth, is_packed, path });
            }
        }
        Ok(())
    }

    /// The file to be read for the one of this official name.
    ///
    /// # Errors
    /// When there is none, or more than one as good.
    pub(super) fn file(&mut self, name: &str) -> Result<PathBuf> {
        let which = NAMES.iter().position(|known| *known == name).expect("one of the four");
        let candidates = &mut self.candidates[which];
        candidates.sort();
        match candidates.as_slice() {
            [] => Err(self.missing(name)),
            [first, second, ..] if rank(first) == rank(second) => {
                let [first, second] = [first, second].map(|candidate| candidate.path.display());
                let problem = format!("two files could be {name}: {first} and {second}");
                Err(Refusal::at(self.folder.display(), problem).hint("pass a folder with the four files of one set"))
            }
            [first, ..] => Ok(first.path.clone()),
        }
    }

    fn missing(&self, name: &str) -> Refusal {
        let folder = self.folder.display();
        let hint = if self.folder.is_file() {
            format!("{folder} is a file: give the folder that holds the four IDX files")
        } else {
            "MNIST is four files: train-images-idx3-ubyte, train-labels-idx1-ubyte, and the same with t10k-".into()
        };
        let there = match self.others.as_slice() {
            [] => String::new(),
            others => format!("; there is {}", few(others)),
        };
        let problem = format!("no such file, and none with .gz added{there}");
        Refusal::at(self.folder.join(name).display(), problem).hint(hint)
    }
}

fn rank(candidate: &Candidate) -> (bool, usize, bool) {
    (candidate.is_renamed, candidate.depth, candidate.is_packed)
}

/// Which of the four a file's name means.
fn which(name: &str) -> Option<usize> {
    let plain = name.to_ascii_lowercase().replace(['.', '_', ' '], "-");
    let parts: Vec<&str> = plain.strip_suffix("-gz").unwrap_or(&plain).split('-').collect();
    let split = parts.iter().rev().find_map(|part| match *part {
        "train" => Some(0),
        "t10k" | "test" => Some(2),
        _ => None,
    })?;
    let kind = parts.iter().rev().find_map(|part| match *part {
        "images" => Some(0),
        "labels" => Some(1),
        _ => None,
    })?;
    let is_idx = parts.last() == Some(&"ubyte") || ["idx3", "idx1"].contains(parts.last()?);
    is_idx.then_some(split + kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_have() {
        for (name, expected) in [
            ("train-images-idx3-ubyte", Some(0)),
            ("train-images.idx3-ubyte", Some(0)),
            ("t10k-labels.idx1-ubyte", Some(3)),
            ("t10k-images-idx3-ubyte.gz", Some(2)),
            ("emnist-letters-train-labels-idx1-ubyte.gz", Some(1)),
            ("emnist-letters-test-images-idx3-ubyte", Some(2)),
            ("train-images.idx3", Some(0)),
            ("train-images-idx3-ubyte.zip", None),
            ("train.csv", None),
            ("train-images.txt", None),
        ] {
            assert_eq!(which(name), expected, "{name}");
        }
    }
}
