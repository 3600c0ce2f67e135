//! Whether an open file is still the one under its name.

use std::fs::File;
use std::io;
use std::path::Path;

/// Whether `path` still names the open `file`: it has been neither removed, renamed nor replaced.
///
/// # Errors
/// When the system does not say.
#[cfg(unix)]
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is still a file at `path`; elsewhere than on Unix an open file cannot be told from another.
///
/// # Errors
/// When the system does not say.
#[cfg(not(unix))]
pub fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_removed_moved_or_replaced_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("a"), dir.path().join("b"));
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path).unwrap());
        fs::rename(&path, &elsewhere).unwrap();
        assert!(!is_at(&file, &path).unwrap());
        fs::write(&path, b"another").unwrap();
        assert!(!is_at(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        assert!(is_at(&file, &path).unwrap());
        fs::remove_dir_all(dir.path()).unwrap();
        assert!(!is_at(&file, &path).unwrap());
    }
}
