//! Which pictures are asked about.

use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use cli::Failure;
use pictures::litter::is_litter;
use pictures::names::{foreign_extension, is_picture_name};

/// The files that arguments mean, in their order; those of a folder by name. A file that is named is taken whatever it is
/// called; of a folder those that are named like pictures, of formats that are not read too: each is owed a line.
///
/// # Errors
/// When a folder cannot be read, or nothing is left to predict.
pub(crate) fn list(asked: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in asked {
        if path.as_os_str() == "-" {
            for line in io::stdin().lock().lines() {
                let line = line.map_err(|error| Failure::unusable(format!("standard input: cannot read: {error}")))?;
                let line = line.trim_end_matches('\r');
                if !line.is_empty() {
                    add(Path::new(line), &mut files)?;
                }
            }
        } else {
            add(path, &mut files)?;
        }
    }
    if files.is_empty() {
        let places: Vec<String> = asked.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::unusable(format!("no pictures in {}", places.join(", ")))
            .hint("files .jpg, .jpeg and .png are looked for, at any depth"));
    }
    Ok(files)
}

fn add(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if path.is_dir() {
        return walk(path, files);
    }
    files.push(path.to_owned());
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let fail = |error| Failure::unusable(format!("{}: cannot read: {error}", folder.display()));
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(fail)?.collect();
    let mut names: Vec<_> = entries.map_err(fail)?.into_iter().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let (path, name) = (folder.join(&name), name.to_string_lossy().into_owned());
        if name.starts_with('.') || is_litter(&name) {
            continue;
        }
        // A link to a folder is not followed: it may lead back here.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, files)?;
        } else if !path.is_dir() && (is_picture_name(&name) || foreign_extension(&name).is_some()) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_pictures_by_name_and_files_are_taken_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("b/deep")).unwrap();
        fs::create_dir_all(path("__MACOSX")).unwrap();
        for name in ["z.png", "b/deep/a.JPG", "b/notes.txt", "b/c.webp", "__MACOSX/z.png", ".hidden.png", "plain"] {
            fs::write(path(name), b"").unwrap();
        }
        let found = list(&[dir.path().to_owned(), path("plain"), path("missing.png")]).unwrap();
        assert_eq!(found, ["b/c.webp", "b/deep/a.JPG", "z.png", "plain", "missing.png"].map(path));
        assert!(list(&[path("__MACOSX"), path("b/deep")]).is_ok());
        fs::remove_file(path("b/deep/a.JPG")).unwrap();
        assert!(list(&[path("b/deep")]).unwrap_err().message.starts_with("no pictures in "));
    }
}
