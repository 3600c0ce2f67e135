//! What systems leave in folders and archives, and no data set means.

/// Whole names of files and folders, in lower case.
const NAMES: [&str; 8] =
    ["__macosx", ".ds_store", ".appledouble", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"];

/// Whether a part of `path` is such a thing: `__MACOSX/`, `._1.png`, `Thumbs.db`.
pub fn is_litter(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with("._") || NAMES.contains(&part.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::is_litter;

    #[test]
    fn what_systems_leave() {
        for path in ["__MACOSX/", "__MACOSX/train/cat/._1.png", "train/cat/._1.png", "train/Thumbs.db", "a/.DS_Store"] {
            assert!(is_litter(path), "{path}");
        }
        for path in ["train/cat/1.png", "macosx/1.png", "train/a._b/1.png", "thumbs.db.png"] {
            assert!(!is_litter(path), "{path}");
        }
    }
}
