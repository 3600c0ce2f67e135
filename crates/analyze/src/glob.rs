//! Patterns for folders of runs: shells expand them, makefiles and quotes do not.

use std::fs;
use std::path::{Path, PathBuf};

use artifacts::run::RUN_FILE;

use reading::error::BadInput;

/// The folders of runs that a pattern names, sorted; `*` and `?` stand for any characters of one name.
///
/// # Errors
/// When it names none.
pub fn runs(pattern: &str) -> Result<Vec<PathBuf>, BadInput> {
    let mut found = vec![PathBuf::new()];
    for part in Path::new(pattern).components() {
        let part = part.as_os_str().to_string_lossy();
        found = found.into_iter().flat_map(|folder| step(&folder, &part)).collect();
    }
    // A pattern also meets files and other folders; a plain path is refused later, by what it lacks.
    if pattern.contains(['*', '?']) {
        found.retain(|path| path.join(RUN_FILE).is_file());
    }
    if found.is_empty() {
        return Err(BadInput::new(
            format!("{pattern}: names no run"),
            "a run is a folder with a run.json, such as runs/NAME",
        ));
    }
    Ok(found)
}

fn step(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?']) {
        return vec![folder.join(part)];
    }
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(listed).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.') && matches(part.as_bytes(), name.as_bytes()));
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether a name fits a pattern. Of several stars only the last is ever tried anew, so that no pattern takes long.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_within_a_name() {
        let cases = [
            ("*", "a", true),
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*_lr?", "x_lr3", true),
            ("b*", "ab", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*?", "", false),
            ("*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_names_the_runs_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b_seed1", "a_seed1", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        for name in ["b_seed1", "a_seed1"] {
            fs::write(dir.path().join(name).join(RUN_FILE), "{}").unwrap();
        }
        let found = runs(&dir.path().join("*").to_string_lossy()).unwrap();
        assert_eq!(found, [dir.path().join("a_seed1"), dir.path().join("b_seed1")]);
        assert!(runs(&dir.path().join("z*").to_string_lossy()).is_err());
    }
}
