//! A place for the files of readers that take a path: in memory where the system has such a place.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder of its own, gone when dropped.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self(made.or_else(|_| tempfile::tempdir()).expect("a folder for the test"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file of it anew.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        // A new file each time: some file systems flush one that is overwritten, and that takes milliseconds.
        let _ = fs::remove_file(&path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("the folder can be made");
        }
        fs::write(&path, content).expect("the file can be written");
        path
    }
}
