//! Which folders are runs: those that were named, and those below them.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use artifacts::error::display_path;
use artifacts::finished;
use artifacts::run::RUN_FILE;

/// How deep below a folder that was named runs are looked for.
const DEEPEST: usize = 8;

/// Looks for runs, again and again.
#[derive(Debug)]
pub(crate) struct Finder {
    named: Vec<PathBuf>,
    /// Whether runs that were moved aside count.
    superseded: bool,
    /// Folders that are known to be runs: each costs a look once.
    known: HashSet<PathBuf>,
}

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Folders of runs, each once.
    pub(crate) runs: Vec<PathBuf>,
    /// Named, and not there.
    pub(crate) missing: Vec<PathBuf>,
    /// Folders that cannot be read, with the system's words.
    pub(crate) unreadable: Vec<String>,
}

impl Finder {
    /// Of the runs and the folders of runs at `named`.
    pub(crate) fn new(named: &[PathBuf], superseded: bool) -> Self {
        let named = named.iter().map(|path| finished::folder_of(path)).collect();
        Self { named, superseded, known: HashSet::new() }
    }

    /// Every run that is there now.
    pub(crate) fn look(&mut self) -> Found {
        let (mut found, mut visited) = (Found::default(), HashSet::new());
        for path in self.named.clone() {
            if !path.exists() {
                found.missing.push(path);
            } else if self.is_run(&path) {
                found.runs.push(path);
            } else {
                self.look_below(&path, 0, &mut visited, &mut found);
            }
        }
        let mut once = HashSet::new();
        found.runs.retain(|run| once.insert(run.clone()));
        self.known.clone_from(&once);
        found
    }

    fn is_run(&self, folder: &Path) -> bool {
        self.known.contains(folder) || folder.join(RUN_FILE).exists()
    }

    fn look_below(&self, folder: &Path, depth: usize, visited: &mut HashSet<(u64, u64)>, found: &mut Found) {
        // Links may lead in circles.
        let is_new = |metadata: fs::Metadata| visited.insert((metadata.dev(), metadata.ino()));
        if depth > DEEPEST || !folder.metadata().is_ok_and(is_new) {
            return;
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            // Moved away since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return found.unreadable.push(format!("{}: {error}", display_path(folder))),
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_folder =
                entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && entry.path().is_dir());
            if !is_folder || name.starts_with('.') || !self.superseded && is_superseded(&name) {
                continue;
            }
            let path = entry.path();
            if self.is_run(&path) {
                found.runs.push(path);
            } else {
                self.look_below(&path, depth + 1, visited, found);
            }
        }
    }
}

/// Whether a folder was moved aside: `NAME.superseded-1` by a program, `superseded-1` by `make clean-studies`.
fn is_superseded(name: &str) -> bool {
    let Some((before, number)) = name.rsplit_once("superseded-") else { return false };
    (before.is_empty() || before.ends_with('.'))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn add(folder: &Path, run: &str) {
        fs::create_dir_all(folder.join(run)).unwrap();
        fs::write(folder.join(run).join(RUN_FILE), "{}").unwrap();
    }

    fn names(finder: &mut Finder, folder: &Path) -> Vec<String> {
        let found = finder.look();
        assert!(found.missing.is_empty() && found.unreadable.is_empty(), "{found:?}");
        let name = |path: &PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
        let mut names: Vec<String> = found.runs.iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn runs_appear_vanish_and_are_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        add(path, "study/a");
        add(path, "study/deep/b");
        fs::create_dir(path.join("study/empty")).unwrap();
        fs::write(path.join("study/c"), "a file").unwrap();
        let mut finder = Finder::new(&[path.to_owned()], false);
        assert_eq!(names(&mut finder, path), ["study/a", "study/deep/b"]);
        add(path, "study/empty");
        add(path, "superseded-2/old");
        fs::rename(path.join("study/a"), path.join("study/a.superseded-1")).unwrap();
        assert_eq!(names(&mut finder, path), ["study/deep/b", "study/empty"]);
        let mut with_superseded = Finder::new(&[path.to_owned()], true);
        let all = ["study/a.superseded-1", "study/deep/b", "study/empty", "superseded-2/old"];
        assert_eq!(names(&mut with_superseded, path), all);
        // What is named counts, whatever it is called.
        let mut named = Finder::new(&[path.join("study/a.superseded-1/result.json")], false);
        assert_eq!(names(&mut named, path), ["study/a.superseded-1"]);
    }

    #[test]
    fn links_are_followed_and_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        add(path, "mounted/a");
        fs::create_dir(path.join("runs")).unwrap();
        symlink(path.join("mounted"), path.join("runs/link")).unwrap();
        symlink(path.join("runs"), path.join("runs/circle")).unwrap();
        let mut finder = Finder::new(&[path.join("runs")], false);
        assert_eq!(names(&mut finder, path), ["runs/link/a"]);
    }

    #[test]
    fn a_run_named_twice_is_one_and_what_is_not_there_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        add(path, "a");
        let mut finder = Finder::new(&[path.join("a"), path.to_owned(), path.join("b")], false);
        let found = finder.look();
        assert_eq!((found.runs, found.missing), (vec![path.join("a")], vec![path.join("b")]));
    }

    #[test]
    fn only_whole_names_are_superseded() {
        for (name, expected) in [
            ("a.superseded-1", true),
            ("superseded-12", true),
            ("a.superseded-", false),
            ("a.superseded-x", false),
            ("not-superseded-1", false),
            ("superseded", false),
        ] {
            assert_eq!(is_superseded(name), expected, "{name}");
        }
    }
}
