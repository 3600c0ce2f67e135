//! Files that appear whole or not at all: written beside, synced, renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{ArtifactError, Result};

/// Writes `bytes` to `path`, making its folder if needed. A reader sees the old file or the new one, never a part, even
/// after a crash or a power cut.
///
/// # Errors
/// When the system refuses; nothing is then left under the final name.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_parts(path, &[bytes])
}

/// As [`write()`], of several parts one after another.
///
/// # Errors
/// As [`write()`].
pub fn write_parts(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let fail = |source| ArtifactError::io(path, "write", source);
    if let Some(folder) = folder_of(path) {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let beside = beside(path);
    let written = (|| {
        let mut file = File::create(&beside)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if let Err(source) = written {
        // The unfinished file is of no use to anybody; that it is gone matters less than why it could not be written.
        let _ = fs::remove_file(&beside);
        return Err(fail(source));
    }
    sync_folder(path);
    Ok(())
}

/// The name that `path` has while it is being written: in the same folder (a rename must not cross file systems), hidden,
/// and of this process alone.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}

fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// Makes the rename itself durable. Not every system lets a folder be opened, so a refusal is no failure.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path).unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_with_its_folder_and_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        write(&path, b"one").unwrap();
        write_parts(&path, &[b"tw", b"o"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_refusal_names_the_file_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"").unwrap();
        let message = write(&path, b"x").unwrap_err().to_string();
        assert!(message.contains("taken: cannot write"), "{message}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
