//! Second visit of a tree: what pictures there are, and what else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use artifacts::sha256;
use pictures::names::{foreign_extension, is_picture_name};
use pictures::picture::{self, Header, MAX_FILE_BYTES};

use crate::archive::{Tree, Visitor};
use crate::fault::Faults;
use crate::progress::Progress;
use crate::split::Key;
use crate::{Refusal, Result, few};

use super::Options;
use super::layout::{Layout, Role, Split};

/// How far a picture is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its header.
    Headers,
    /// All of it.
    Pixels,
}

/// A picture of the tree.
pub(super) struct Found {
    /// SHA-256 of the file.
    pub(super) key: Key,
    /// What it says of itself.
    pub(super) header: Header,
}

/// What there is.
pub(super) struct Survey<'a> {
    /// Where.
    pub(super) tree: &'a Tree,
    /// And how it is laid out.
    pub(super) layout: &'a Layout,
    depth: Depth,
    progress: &'a dyn Progress,
    /// By split and `<class>/<file>`.
    pub(super) pictures: BTreeMap<(Split, String), Found>,
    /// Folders of classes, with or without pictures.
    pub(super) classes: BTreeSet<(Split, String)>,
    /// Pictures that cannot be read.
    pub(super) faults: Faults,
    /// How many pictures of formats that are not read there are: by class and extension.
    foreign: BTreeMap<(Split, String), BTreeMap<String, usize>>,
    /// How many pictures lie in the folder of a split, in none of a class.
    unlabelled: BTreeMap<Split, usize>,
    /// What else lies there.
    beside: BTreeSet<String>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(tree: &'a Tree, layout: &'a Layout, depth: Depth, progress: &'a dyn Progress) -> Self {
        Self {
            tree,
            layout,
            depth,
            progress,
            pictures: BTreeMap::new(),
            classes: BTreeSet::new(),
            faults: Faults::default(),
            foreign: BTreeMap::new(),
            unlabelled: BTreeMap::new(),
            beside: BTreeSet::new(),
        }
    }

    /// For each split the SHA-256 of its listing, as `sha256sum` would print it.
    pub(super) fn manifests(&self) -> Vec<(String, String)> {
        let listing = |split: Split| {
            let pictures = self.pictures.iter().filter(|((s, _), _)| *s == split);
            pictures.fold(String::new(), |mut text, ((_, path), found)| {
                found.key.iter().for_each(|byte| write!(text, "{byte:02x}").expect("text grows"));
                writeln!(text, "  {}/{path}", self.layout.folder(split)).expect("text grows");
                text
            })
        };
        let hash = |split| (format!("{}/", self.layout.folder(split)), sha256::of_bytes(listing(split).as_bytes()));
        self.layout.splits().map(hash).collect()
    }

    /// A refusal of the whole tree.
    pub(super) fn refuse(&self, problem: impl std::fmt::Display) -> Refusal {
        Refusal::at(self.tree.place(), problem)
    }

    /// The path of a picture in the layout: `train/<class>/<file>`.
    pub(super) fn path(&self, (split, path): &(Split, String)) -> String {
        format!("{}/{path}", self.layout.folder(*split))
    }

    /// A picture in a message.
    pub(super) fn place(&self, picture: &(Split, String)) -> String {
        self.tree.place_of(&format!("{}{}", self.layout.prefix(), self.path(picture)))
    }

    /// What was left out because it cannot be read.
    pub(super) fn damage(&self) -> Option<String> {
        let list = || self.faults.shown().join("\n    ");
        let text = || format!("left out {} that cannot be read:\n    {}", pictures(self.faults.len()), list());
        (!self.faults.is_empty()).then(text)
    }

    /// What users should know of what was found.
    pub(super) fn warnings(&self, options: Options) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.foreign.is_empty() {
            let formats = formats(self.foreign.values());
            warnings.push(format!("left out {formats}; {CONVERT}"));
        }
        let unlabelled = self.unlabelled.iter().map(|(split, count)| {
            format!("{} in {}/ itself, in no folder of a class", pictures(*count), self.layout.folder(*split))
        });
        let beside: Vec<String> = unlabelled.chain(self.beside.iter().cloned()).collect();
        if !beside.is_empty() {
            warnings.push(format!("not used: {}", few(&beside)));
        }
        let turned = self.pictures.values().filter(|found| found.header.is_turned()).count();
        if turned > 0 && !options.orient {
            let of = self.pictures.len();
            warnings.push(format!(
                "{turned} of {of} pictures stored turned, as EXIF orientation says; --orient turns pictures upright"
            ));
        }
        warnings
    }

    /// Why a class has no picture.
    pub(super) fn nothing_in(&self, split: Split, class: &str) -> Refusal {
        let folder = format!("{}/{class}/", self.layout.folder(split));
        let readable = if self.faults.is_empty() { "" } else { "readable " };
        match self.foreign.get(&(split, class.to_owned())) {
            Some(found) => {
                let formats = formats([found]);
                self.refuse(format!("no {readable}JPEG or PNG files in {folder}, but {formats}")).hint(CONVERT)
            }
            None => self.refuse(format!("no {readable}JPEG or PNG files in {folder}")),
        }
    }

    /// How many pictures lie in the folder of a split itself.
    pub(super) fn unlabelled(&self, split: Split) -> Option<usize> {
        self.unlabelled.get(&split).copied()
    }

    /// What a file is that is not named like a picture we read.
    fn set_aside(&mut self, split: Split, path: &str) {
        let class = path.split('/').next().unwrap_or_default();
        match foreign_extension(path) {
            Some(extension) => {
                let formats = self.foreign.entry((split, class.to_owned())).or_default();
                *formats.entry(extension).or_default() += 1;
            }
            None => {
                self.beside.insert(format!("{}/{path}", self.layout.folder(split)));
            }
        }
    }

    /// Reads as much of a picture as is wanted.
    fn look(&self, content: &[u8]) -> picture::Result<Header> {
        let header = picture::inspect(content)?;
        if self.depth == Depth::Pixels {
            picture::check(content)?;
        }
        Ok(header)
    }
}

const CONVERT: &str = "convert them to PNG or JPEG to use them, with ImageMagick: mogrify -format png FILES";

fn pictures(count: usize) -> String {
    if count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") }
}

/// `12 .webp files and 1 .gif file`
fn formats<'a>(counts: impl IntoIterator<Item = &'a BTreeMap<String, usize>>) -> String {
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for (extension, count) in counts.into_iter().flatten() {
        *all.entry(extension).or_default() += count;
    }
    let one = |(extension, count): (&str, usize)| {
        let files = if count == 1 { "file" } else { "files" };
        format!("{count} .{extension} {files}")
    };
    all.into_iter().map(one).collect::<Vec<_>>().join(" and ")
}

impl Visitor for Survey<'_> {
    fn wants(&mut self, path: &str) -> Result<Option<u64>> {
        if path.contains(char::is_control) {
            return Err(Refusal::at(self.tree.place_of(path), "a control character in its name"));
        }
        Ok(match self.layout.role(path, self.tree)? {
            Role::Way => Some(0),
            Role::Class(split, class) => {
                self.classes.insert((split, class.to_owned()));
                Some(0)
            }
            Role::File(_, inner) if is_picture_name(inner) => Some(MAX_FILE_BYTES),
            Role::File(split, inner) => {
                self.set_aside(split, inner);
                None
            }
            Role::Unlabelled(split) if is_picture_name(path) => {
                *self.unlabelled.entry(split).or_default() += 1;
                None
            }
            Role::Unlabelled(_) => {
                self.beside.insert(path.to_owned());
                None
            }
            Role::Beside(name) => {
                self.beside.insert(name.to_owned());
                None
            }
            Role::Hidden => None,
        })
    }

    fn take(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let place = self.tree.place_of(path);
        let Role::File(split, inner) = self.layout.role(path, self.tree)? else { return Ok(()) };
        self.classes.insert((split, inner.split('/').next().unwrap_or_default().to_owned()));
        self.progress.advance(1);
        match self.look(content) {
            Ok(header) => {
                let found = Found { key: sha256::digest(content), header };
                if self.pictures.insert((split, inner.to_owned()), found).is_some() {
                    return Err(Refusal::at(place, "a second file of this name"));
                }
            }
            Err(why) => self.faults.add(place, why),
        }
        Ok(())
    }
}
