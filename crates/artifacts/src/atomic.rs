//! Files that appear whole or not at all: written beside, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Action, ArtifactError, Result, same_file};

/// How the name of a file ends while it is being written.
const UNFINISHED: &str = ".partial";

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
    let fail = |source| ArtifactError::io(path, Action::Write, source);
    if let Some(folder) = folder_of(path) {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let beside = beside(path);
    let mut file = claim(&beside).map_err(fail)?;
    let written = (|| {
        file.set_len(0)?;
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

/// Removes the unfinished files that killed programs left in `folder`. The caller sees to it that nobody writes there
/// meanwhile.
///
/// # Errors
/// When the folder cannot be read or a file not removed.
pub fn sweep(folder: &Path) -> Result<()> {
    let fail = |source| ArtifactError::io(folder, Action::Read, source);
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name.ends_with(UNFINISHED) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|source| ArtifactError::io(&path, Action::Remove, source))?;
        }
    }
    Ok(())
}

/// The name that `path` has while it is being written: in the same folder (a rename must not cross file systems) and
/// hidden. One name for every writer, so that what a killed one left is taken up by the next and nothing piles up.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{UNFINISHED}"))
}

/// Opens an unfinished file for this process alone, until it is closed: a second writer of the same file waits.
fn claim(beside: &Path) -> io::Result<File> {
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(beside)?;
        // A file system without locks leaves two writers of one file at one time unguarded, and is else as good.
        let _ = file.lock();
        // The writer before us has renamed or removed the file that we waited for.
        if same_file::is_at(&file, beside)? {
            return Ok(file);
        }
    }
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

    #[test]
    fn what_a_killed_writer_left_is_taken_up_and_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(beside(&path), b"longer than what comes").unwrap();
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(!beside(&path).exists());

        fs::write(beside(&path), b"torn").unwrap();
        fs::write(dir.path().join(".file.4711.partial"), b"of an older version").unwrap();
        fs::write(dir.path().join(".lock"), b"").unwrap();
        sweep(dir.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "file"]);
    }

    /// Writers of one file at one time: each file that a reader sees is one writer's, whole.
    #[test]
    fn writers_of_one_file_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::thread::scope(|scope| {
            for writer in 1..=4_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..25 {
                        write(path, &vec![writer; 10_000 * usize::from(writer)]).unwrap();
                        let seen = fs::read(path).unwrap();
                        assert!(
                            seen.iter().all(|byte| *byte == seen[0]) && seen.len() == 10_000 * usize::from(seen[0])
                        );
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
