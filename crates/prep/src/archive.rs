//! A tree of files: a folder, or a tar archive of one, plain or gzipped. Both are visited alike.

use std::cell::Cell;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use artifacts::magic::{self, Magic};
use pictures::litter::is_litter;

use crate::bounded::{self, Bounded};
use crate::{Refusal, Result};

/// No file of a data set is larger. CIFAR's largest has 154 MB; an image has far less, and says so itself.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// The end of a tar archive: two blocks of zeros (POSIX.1, ustar), of which one proves that nothing was cut off.
const TAR_BLOCK: u64 = 512;

/// A folder or an archive of files.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
    is_folder: bool,
    /// Whether an archive was found to stop without the mark of its end.
    is_open_ended: Cell<bool>,
}

/// Takes the files of a [`Tree`]. Paths are relative to its root, with `/` between parts; those of folders end in `/`.
pub trait Visitor {
    /// How many bytes of this file are to be read at most; `None` leaves it aside. For a folder: whether to look into it.
    ///
    /// # Errors
    /// When the tree must not hold such a path.
    fn wants(&mut self, path: &str) -> Result<Option<u64>>;

    /// Takes the content of a file that was wanted.
    ///
    /// # Errors
    /// When it cannot be used.
    fn take(&mut self, path: &str, content: &[u8]) -> Result<()>;
}

impl Tree {
    /// The tree at `path`.
    ///
    /// # Errors
    /// When there is neither a folder nor an archive that can be read.
    pub fn open(path: &Path) -> Result<Self> {
        let facts = path.metadata().map_err(|error| Refusal::unreadable(path, &error))?;
        if !facts.is_dir() && !facts.is_file() {
            return Err(Refusal::at(path.display(), "neither a folder nor a .tar or .tar.gz archive"));
        }
        if facts.is_file() {
            refuse_other_kinds(path)?;
        }
        Ok(Self { path: path.to_owned(), is_folder: facts.is_dir(), is_open_ended: Cell::new(false) })
    }

    /// Whether the last part of its path is such a name.
    pub fn is_named(&self, is_such: impl Fn(&str) -> bool) -> bool {
        let whole = self.path.canonicalize();
        whole.is_ok_and(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_such))
    }

    /// What users should know about a tree that was visited.
    pub fn warnings(&self) -> Vec<String> {
        let open = "ends without tar's end mark; every file in it is whole, but more may have followed";
        self.is_open_ended.get().then(|| format!("{}: {open}", self.place())).into_iter().collect()
    }

    /// Whether this is a folder, not an archive.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The tree in a message.
    pub fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// A file of the tree in a message.
    pub fn place_of(&self, path: &str) -> String {
        if self.is_folder { self.path.join(path).display().to_string() } else { format!("{}: {path}", self.place()) }
    }

    /// Shows every file to `visitor`: a folder's in order of name, an archive's in its own order. What systems leave
    /// ([`is_litter`]) is passed over.
    ///
    /// # Errors
    /// When the visitor refuses, when something cannot be read, and when an archive is damaged or leads out of
    /// itself (`..`, absolute paths, links).
    pub fn visit(&self, visitor: &mut impl Visitor) -> Result<()> {
        if self.is_folder { visit_folder(&self.path, "", visitor) } else { self.visit_tar(visitor) }
    }

    fn visit_tar(&self, visitor: &mut impl Visitor) -> Result<()> {
        let damaged = |error: std::io::Error| {
            let is_cut = error.kind() == ErrorKind::UnexpectedEof || error.to_string().contains("unexpected EOF");
            let what = if is_cut { "the archive is cut off" } else { "not a whole .tar or .tar.gz archive" };
            Refusal::at(self.place(), format!("{what}: {error}")).hint("a folder with the unpacked files works too")
        };
        let mut reader = bounded::open(&self.path, "an archive")?;
        let mut archive = tar::Archive::new(&mut reader);
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let raw = String::from_utf8(entry.path_bytes().into_owned());
            let raw = raw.map_err(|_| Refusal::at(self.place(), "a file name in it is not UTF-8"))?;
            let kind = entry.header().entry_type();
            let Some(path) = inside(&raw, kind.is_dir()).map_err(|why| self.leads_out(&raw, why))? else { continue };
            if is_litter(&path) {
                continue;
            }
            if kind.is_dir() {
                visitor.wants(&path)?;
            } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
                let Some(limit) = visitor.wants(&path)? else { continue };
                let content = self.read_entry(&path, entry.size(), limit, &mut entry)?;
                visitor.take(&path, &content)?;
            } else if !(kind.is_pax_global_extensions() || kind.is_pax_local_extensions())
                && visitor.wants(&path)?.is_some()
            {
                return Err(self.leads_out(&raw, "a link or a device"));
            }
        }
        self.check_end(&mut reader)
    }

    fn leads_out(&self, path: &str, why: &str) -> Refusal {
        let problem = format!("{why}; only regular files under relative paths are read");
        Refusal::at(self.place_of(path), problem)
    }

    /// Reads one file of an archive, trusting the size in its header neither for what it allocates nor for how much came.
    fn read_entry(&self, path: &str, size: u64, limit: u64, entry: &mut impl Read) -> Result<Vec<u8>> {
        if size > limit {
            return Err(Refusal::at(self.place_of(path), format!("{size} bytes, more than the {limit} allowed")));
        }
        let mut content = Vec::new();
        entry
            .take(limit)
            .read_to_end(&mut content)
            .map_err(|error| Refusal::at(self.place_of(path), format!("cannot be unpacked: {error}")))?;
        if content.len() as u64 != size {
            let problem = format!("the archive is cut off after {} of its {size} bytes", content.len());
            return Err(Refusal::at(self.place_of(path), problem));
        }
        Ok(content)
    }

    /// An archive cut off between two files looks whole but for its end mark, which some programs do not write.
    fn check_end(&self, reader: &mut Bounded<Box<dyn Read>>) -> Result<()> {
        self.is_open_ended.set(reader.trailing_zeros() < TAR_BLOCK);
        bounded::drain(reader).map_err(|error| Refusal::at(self.place(), format!("not a whole archive: {error}")))
    }
}

/// Refuses a file that is none of the archives that are read, by what it is.
fn refuse_other_kinds(path: &Path) -> Result<()> {
    let fail = |error| Refusal::unreadable(path, &error);
    let mut start = Vec::new();
    fs::File::open(path).map_err(fail)?.take(magic::START as u64).read_to_end(&mut start).map_err(fail)?;
    let Some(kind) = Magic::of(&start).filter(|kind| *kind != Magic::Gzip) else { return Ok(()) };
    let hint = match kind {
        Magic::Zip => format!("unpack it, and pass the folder: unzip {} -d FOLDER", path.display()),
        Magic::Bzip2 | Magic::Xz | Magic::Zstd => format!("unpack it, and pass the folder: tar -xf {}", path.display()),
        Magic::SevenZip | Magic::Rar => "unpack it, and pass the folder".to_owned(),
        _ => kind.remedy().unwrap_or("pass a folder, or a .tar or .tar.gz archive of one").to_owned(),
    };
    let problem = format!("{}, neither a folder nor a .tar or .tar.gz archive", kind.title());
    Err(Refusal::at(path.display(), problem).hint(hint))
}

/// Shows the files in and below `folder`, whose path in the tree is `prefix`.
fn visit_folder(folder: &Path, prefix: &str, visitor: &mut impl Visitor) -> Result<()> {
    for (name, path) in sorted_entries(folder)? {
        if is_litter(&name) {
            continue;
        }
        let facts = path.metadata().map_err(|error| Refusal::unreadable(&path, &error))?;
        if facts.is_dir() {
            let inner = format!("{prefix}{name}/");
            if visitor.wants(&inner)?.is_some() {
                visit_folder(&path, &inner, visitor)?;
            }
            continue;
        }
        let inner = format!("{prefix}{name}");
        if let Some(limit) = visitor.wants(&inner)? {
            let content = read_whole(&path, facts.is_file(), limit)?;
            visitor.take(&inner, &content)?;
        }
    }
    Ok(())
}

/// Names and paths in a folder, by name.
fn sorted_entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let fail = |error| Refusal::unreadable(folder, &error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Refusal::at(path.display(), "its name is not UTF-8"))?;
        entries.push((name.to_owned(), path));
    }
    entries.sort();
    Ok(entries)
}

/// Reads a file of a folder.
fn read_whole(path: &Path, is_file: bool, limit: u64) -> Result<Vec<u8>> {
    if !is_file {
        return Err(Refusal::at(path.display(), "a pipe or a device, not a regular file"));
    }
    let fail = |error| Refusal::unreadable(path, &error);
    let mut content = Vec::new();
    fs::File::open(path).map_err(fail)?.take(limit + 1).read_to_end(&mut content).map_err(fail)?;
    if content.len() as u64 > limit {
        return Err(Refusal::at(path.display(), format!("more than the {limit} bytes allowed")));
    }
    Ok(content)
}

/// A path of an archive in plain form, `None` for its root; refuses, saying why, what would lead out of the tree.
fn inside(raw: &str, is_dir: bool) -> std::result::Result<Option<String>, &'static str> {
    if raw.starts_with('/') {
        return Err("an absolute path");
    }
    let parts: Vec<&str> = raw.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("a path with ..");
    }
    if parts.is_empty() {
        return Ok(None);
    }
    Ok(Some(parts.join("/") + if is_dir { "/" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn paths_of_an_archive() {
        let cases = [
            ("./train/cat/1.png", false, Ok(Some("train/cat/1.png"))),
            ("train//cat/", true, Ok(Some("train/cat/"))),
            ("./", true, Ok(None)),
            ("/etc/passwd", false, Err("an absolute path")),
            ("train/../../x", false, Err("a path with ..")),
            ("a..b/x", false, Ok(Some("a..b/x"))),
        ];
        for (raw, is_dir, expected) in cases {
            assert_eq!(inside(raw, is_dir).as_ref().map(|path| path.as_deref()), expected.as_ref().copied(), "{raw}");
        }
    }
}
