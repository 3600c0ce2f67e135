//! Where the pictures lie in a tree: which folder holds the training pictures, which the test pictures.
//!
//! People call them `train`, `Train`, `training`; `test`, `testing`, `val`, `valid`, `validation`; and put them into one
//! folder more. What is taken for what is said, and what lies beside it and is not used is said too.

use std::collections::BTreeSet;

use pictures::names::is_picture_name;

use crate::archive::{Tree, Visitor};
use crate::{Refusal, Result};

/// Names of a folder of training pictures, in lower case, the best first.
const TRAIN: [&str; 4] = ["train", "training", "training_set", "train_set"];

/// Names of a folder of test pictures, likewise. A validation set serves where there is no test set.
const TEST: [&str; 9] =
    ["test", "testing", "test_set", "testing_set", "valid", "val", "validation", "validation_set", "valid_set"];

/// The layout may begin so many folders deep.
const DEEPEST: usize = 2;

/// One of the two halves of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Split {
    /// What a net learns from.
    Train,
    /// What it is measured on.
    Test,
}

/// What a path is in the layout.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role<'p> {
    /// A folder that is looked into on the way to the layout, or the one of a split.
    Way,
    /// `train/<class>/`
    Class(Split, &'p str),
    /// `train/<class>/<file>`, from the class on.
    File(Split, &'p str),
    /// A file in `train/` itself.
    Unlabelled(Split),
    /// Beside the layout; the part of its path that names it.
    Beside(&'p str),
    /// Hidden: no data.
    Hidden,
}

/// Where the two halves of a set lie.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// What every path of the layout begins with: empty, or a folder and a slash.
    prefix: String,
    train: String,
    test: Option<String>,
    /// Other folders that could have been the test set, and why they are not.
    unused: Vec<(String, &'static str)>,
}

impl Layout {
    /// Looks for the layout in a tree.
    ///
    /// # Errors
    /// When there is none or more than one, or the tree cannot be read.
    pub(super) fn find(tree: &Tree) -> Result<Self> {
        let mut listing = Listing::default();
        tree.visit(&mut listing)?;
        listing.layout(tree)
    }

    /// What users should know about what was taken for what: a line each.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let renamed = self.test.as_ref().filter(|test| *test != "test");
        if !self.prefix.is_empty() || self.train != "train" || renamed.is_some() {
            let place = |folder: &str| format!("{}{folder}/", self.prefix);
            let test = self.test.as_ref().map(|test| format!(", {} as the test set", place(test)));
            notes.push(format!("read {} as the training set{}", place(&self.train), test.unwrap_or_default()));
        }
        notes
    }

    /// What was not used though its name says that it is part of the set: a line each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let line = |(folder, why): &(String, &str)| match &self.test {
            Some(test) if why.is_empty() => format!("{folder}/ is not used: {test}/ is the test set"),
            _ => format!("{folder}/ is not used: {why}"),
        };
        self.unused.iter().map(line).collect()
    }

    /// The folder of a split, without what lies before it.
    pub(super) fn folder(&self, split: Split) -> &str {
        match (split, &self.test) {
            (Split::Test, Some(test)) => test,
            (Split::Test, None) => "test",
            (Split::Train, _) => &self.train,
        }
    }

    /// What every path of the layout begins with: empty, or a folder and a slash.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether there is a test set.
    pub(super) fn has_test(&self) -> bool {
        self.test.is_some()
    }

    /// The splits there are.
    pub(super) fn splits(&self) -> impl Iterator<Item = Split> {
        [Some(Split::Train), self.test.as_ref().map(|_| Split::Test)].into_iter().flatten()
    }

    /// What `path` is.
    ///
    /// # Errors
    /// When it is a folder inside the folder of a class.
    pub(super) fn role<'p>(&self, path: &'p str, tree: &Tree) -> Result<Role<'p>> {
        if path.split('/').any(|part| part.starts_with('.')) {
            return Ok(Role::Hidden);
        }
        let Some(rest) = path.strip_prefix(&self.prefix).filter(|rest| !rest.is_empty()) else {
            let is_way = path.ends_with('/') && self.prefix.starts_with(path);
            return Ok(if is_way { Role::Way } else { Role::Beside(top(path)) });
        };
        let Some((split, rest)) = self.split_of(rest) else {
            let named = &path[..self.prefix.len() + top(rest).len()];
            let is_known = self.unused.iter().any(|(folder, _)| named.strip_suffix('/') == Some(folder));
            return Ok(if is_known { Role::Hidden } else { Role::Beside(named) });
        };
        let (inner, is_folder) = rest.strip_suffix('/').map_or((rest, false), |inner| (inner, true));
        let parts: Vec<&str> = inner.split('/').filter(|part| !part.is_empty()).collect();
        match (parts.as_slice(), is_folder) {
            ([], _) => Ok(Role::Way),
            ([class], true) => Ok(Role::Class(split, class)),
            ([_, _], false) => Ok(Role::File(split, inner)),
            ([_], false) => Ok(Role::Unlabelled(split)),
            _ => Err(Refusal::at(tree.place_of(path), "a folder inside the folder of a class")
                .hint("move its pictures up into the folder of their class")),
        }
    }

    fn split_of<'p>(&self, rest: &'p str) -> Option<(Split, &'p str)> {
        let (folder, rest) = rest.split_once('/')?;
        let split = if folder == self.train { Some(Split::Train) } else { None };
        split.or_else(|| (Some(folder) == self.test.as_deref()).then_some(Split::Test)).map(|split| (split, rest))
    }
}

/// The first part of a path, with its slash.
fn top(path: &str) -> &str {
    path.find('/').map_or(path, |slash| &path[..=slash])
}

/// Where a name stands among those of a split.
fn rank(names: &[&str], folder: &str) -> Option<usize> {
    let plain = folder.to_ascii_lowercase().replace(['-', ' '], "_");
    names.iter().position(|name| *name == plain || name.replace('_', "") == plain)
}

/// Whether a folder's name is one of a split.
fn names_a_split(folder: &str) -> bool {
    rank(&TRAIN, folder).is_some() || rank(&TEST, folder).is_some()
}

/// What there is in the upper part of a tree.
#[derive(Default)]
struct Listing {
    /// Paths without a slash at their end.
    folders: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Visitor for Listing {
    fn wants(&mut self, path: &str) -> Result<Option<u64>> {
        let (inner, is_folder) = path.strip_suffix('/').map_or((path, false), |inner| (inner, true));
        let parts: Vec<&str> = inner.split('/').collect();
        if parts.iter().any(|part| part.starts_with('.')) {
            return Ok(None);
        }
        // Archives need not name the folders of their files.
        let above = if is_folder { parts.len() } else { parts.len() - 1 };
        for depth in 1..=above.min(DEEPEST + 2) {
            self.folders.insert(parts[..depth].join("/"));
        }
        if !is_folder && parts.len() <= DEEPEST + 2 {
            self.files.insert(inner.to_owned());
        }
        let is_in_split = parts[..parts.len() - 1].iter().any(|part| names_a_split(part));
        Ok((is_folder && parts.len() <= DEEPEST + 1 && !is_in_split).then_some(0))
    }

    fn take(&mut self, _: &str, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

impl Listing {
    fn layout(&self, tree: &Tree) -> Result<Layout> {
        let prefix = self.prefix(tree)?;
        let inside =
            |folder: &String| folder.strip_prefix(prefix).filter(|name| !name.contains('/')).map(str::to_owned);
        let folders: Vec<String> = self.folders.iter().filter_map(inside).collect();
        let ranked = |names: &[&str]| {
            let mut found: Vec<_> =
                folders.iter().filter_map(|name| Some((rank(names, name)?, name.clone()))).collect();
            found.sort();
            found.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        let trains = ranked(&TRAIN);
        let [train] = trains.as_slice() else {
            let problem = format!("two folders of training pictures: {}/ and {}/", trains[0], trains[1]);
            return Err(Refusal::at(tree.place(), problem).hint("merge them, or move one away"));
        };
        let (mut test, mut unused) = (None, Vec::new());
        for folder in ranked(&TEST) {
            let full = format!("{prefix}{folder}");
            if !self.has_classes(&full) {
                unused.push((full, "no folders of classes are in it, so its pictures have no labels"));
            } else if test.is_none() {
                test = Some(folder);
            } else {
                unused.push((full, ""));
            }
        }
        Ok(Layout { prefix: prefix.to_owned(), train: train.clone(), test, unused })
    }

    /// What lies before the one folder of training pictures that is the least deep.
    fn prefix(&self, tree: &Tree) -> Result<&str> {
        let before = |folder: &'_ String| {
            let start = folder.rfind('/').map_or(0, |slash| slash + 1);
            let is_train = rank(&TRAIN, &folder[start..]).is_some();
            let is_inside = folder[..start].split('/').any(names_a_split);
            (is_train && !is_inside).then_some(start)
        };
        let prefixes: BTreeSet<&str> =
            self.folders.iter().filter_map(|folder| before(folder).map(|start| &folder[..start])).collect();
        let mut prefixes: Vec<&str> = prefixes.into_iter().collect();
        prefixes.sort_by_key(|prefix| prefix.matches('/').count());
        match prefixes.as_slice() {
            [] => Err(self.no_training_folder(tree)),
            [first, second, ..] if first.matches('/').count() == second.matches('/').count() => {
                let problem = format!("two sets of pictures in it: {first} and {second}");
                Err(Refusal::at(tree.place(), problem).hint("pass the folder of one of them"))
            }
            [first, ..] => Ok(first),
        }
    }

    /// Whether a folder has folders in it.
    fn has_classes(&self, folder: &str) -> bool {
        let inside = format!("{folder}/");
        self.folders.range(inside.clone()..).next().is_some_and(|path| path.starts_with(&inside))
    }

    /// The form of `sc-prep` that reads what is there, if its names are those of a published set.
    fn other_form(&self) -> Option<&'static str> {
        let names = self.folders.iter().chain(&self.files);
        let names: Vec<&str> = names.map(|path| path.rsplit('/').next().unwrap_or(path)).collect();
        let has = |start: &str| names.iter().any(|name| name.starts_with(start));
        let forms = [
            ("cifar-100-", "cifar100"),
            ("fine_label_names.txt", "cifar100"),
            ("cifar-10-", "cifar10"),
            ("data_batch_1", "cifar10"),
            ("train-images", "mnist"),
        ];
        forms.into_iter().find_map(|(start, form)| has(start).then_some(form))
    }

    /// Says what is there instead, and what to do about that.
    fn no_training_folder(&self, tree: &Tree) -> Refusal {
        let top_folders: Vec<&String> = self.folders.iter().filter(|path| !path.contains('/')).collect();
        let top_files: Vec<&String> = self.files.iter().filter(|path| !path.contains('/')).collect();
        let names =
            top_folders.iter().map(|name| format!("{name}/")).chain(top_files.iter().map(|name| (*name).clone()));
        let names: Vec<String> = names.collect();
        let problem = if names.is_empty() {
            "no folder train/ in it: it is empty".to_owned()
        } else {
            format!("no folder train/ in it, but {}", crate::few(&names))
        };
        let is_class = |folder: &&&String| {
            let inside = format!("{folder}/");
            let mut files = self.files.range(inside.clone()..).take_while(|path| path.starts_with(&inside));
            files.any(|path| is_picture_name(path))
        };
        let classes = top_folders.iter().filter(|folder| !names_a_split(folder)).filter(is_class).count();
        let hint = if let Some(command) = self.other_form() {
            format!("read it with: sc-prep {command}")
        } else if tree.is_named(names_a_split) && classes > 0 {
            format!("pass the folder around it, which holds {}", super::LAYOUT)
        } else if classes > 1 {
            "the folders of the classes belong into a folder train/: mkdir train, and move them there".to_owned()
        } else if let Some(packed) = top_files.iter().find(|name| is_packed(name)) {
            format!("unpack {packed} first, or pass it in place of its folder if it is a .tar or .tar.gz")
        } else {
            format!("lay the pictures out as {}", super::LAYOUT)
        };
        Refusal::at(tree.place(), problem).hint(hint)
    }
}

fn is_packed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2", ".zst"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &[&str]) -> Listing {
        let mut listing = Listing::default();
        for path in paths {
            listing.wants(path).unwrap();
        }
        listing
    }

    fn layout(paths: &[&str]) -> Result<Layout> {
        let dir = tempfile::tempdir().unwrap();
        listing(paths).layout(&Tree::open(dir.path()).unwrap())
    }

    #[test]
    fn names_that_people_give() {
        for (train, test) in [
            ("train", "test"),
            ("Train", "Test"),
            ("training", "testing"),
            ("TRAIN", "val"),
            ("train", "valid"),
            ("train", "Validation"),
            ("training_set", "test_set"),
            ("train-set", "testset"),
        ] {
            let found = layout(&[&format!("{train}/cat/1.png"), &format!("{test}/cat/1.png")]).unwrap();
            assert_eq!((found.train.as_str(), found.test.as_deref()), (train, Some(test)));
            assert!(found.unused.is_empty());
        }
        let only = layout(&["train/cat/1.png", "tests/cat/1.png", "retest/a/1.png"]).unwrap();
        assert_eq!(only.test, None);
    }

    #[test]
    fn of_two_test_sets_one_is_taken_and_the_other_named() {
        let found = layout(&["train/cat/1.png", "valid/cat/1.png", "test/cat/1.png"]).unwrap();
        assert_eq!(found.test.as_deref(), Some("test"));
        assert_eq!(found.warnings(), ["valid/ is not used: test/ is the test set"]);
        let found = layout(&["train/cat/1.png", "val/cat/1.png", "test/1.png"]).unwrap();
        assert_eq!(found.test.as_deref(), Some("val"));
        assert_eq!(
            found.warnings(),
            ["test/ is not used: no folders of classes are in it, so its pictures have no labels"]
        );
        let both = layout(&["train/cat/1.png", "Training/cat/1.png"]).unwrap_err().to_string();
        assert!(both.contains("two folders of training pictures: train/ and Training/"), "{both}");
    }

    #[test]
    fn the_layout_may_lie_in_a_folder_or_two() {
        let found = layout(&["README", "a/b/train/cat/1.png", "a/b/test/cat/1.png"]).unwrap();
        assert_eq!((found.prefix.as_str(), found.test.as_deref()), ("a/b/", Some("test")));
        // The least deep one is meant; of two as deep, neither.
        assert_eq!(layout(&["train/cat/1.png", "old/train/cat/1.png"]).unwrap().prefix, "");
        assert_eq!(layout(&["train/train/1.png", "train/cat/1.png"]).unwrap().prefix, "");
        let two = layout(&["a/train/cat/1.png", "b/train/cat/1.png"]).unwrap_err().to_string();
        assert!(two.ends_with("two sets of pictures in it: a/ and b/"), "{two}");
    }

    #[test]
    fn what_a_path_is() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let found = layout(&["set/Train/cat/1.png", "set/val/cat/1.png", "set/test/cat/1.png", "set/valid/a/1.png"]);
        let found = found.unwrap();
        let cases = [
            ("set/", Role::Way),
            ("set/Train/", Role::Way),
            ("set/Train/cat/", Role::Class(Split::Train, "cat")),
            ("set/Train/cat/1.png", Role::File(Split::Train, "cat/1.png")),
            ("set/test/cat/1.txt", Role::File(Split::Test, "cat/1.txt")),
            ("set/test/1.png", Role::Unlabelled(Split::Test)),
            ("set/val/cat/1.png", Role::Hidden),
            ("set/extra/cat/1.png", Role::Beside("set/extra/")),
            ("set/labels.csv", Role::Beside("set/labels.csv")),
            ("other/x/y", Role::Beside("other/")),
            ("README", Role::Beside("README")),
            ("set/.git/x", Role::Hidden),
        ];
        for (path, expected) in cases {
            assert_eq!(found.role(path, &tree).unwrap(), expected, "{path}");
        }
        let nested = found.role("set/Train/cat/more/1.png", &tree).unwrap_err().to_string();
        assert!(nested.ends_with("a folder inside the folder of a class"), "{nested}");
    }

    #[test]
    fn a_tree_without_training_pictures_is_told_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let cases: [(&[&str], &str, &str); 6] = [
            (&[], "no folder train/ in it: it is empty", "lay the pictures out"),
            (&["cat/1.png", "dog/1.jpg"], "but cat/, dog/", "mkdir train"),
            (&["set.zip", "README"], "but README, set.zip", "unpack set.zip first"),
            (&["valid/cat/1.png"], "but valid/", "lay the pictures out"),
            (&["README", "train-images-idx3-ubyte.gz"], "but README", "read it with: sc-prep mnist"),
            (&["cifar-10-batches-bin/data_batch_1.bin"], "but cifar-10-batches-bin/", "sc-prep cifar10"),
        ];
        for (paths, problem, hint) in cases {
            let refusal = listing(paths).layout(&tree).unwrap_err();
            assert!(refusal.to_string().contains(problem), "{refusal}");
            assert!(refusal.advice().unwrap().contains(hint), "{:?}", refusal.advice());
        }
    }
}
