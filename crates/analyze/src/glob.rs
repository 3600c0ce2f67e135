//! Patterns for folders of runs: shells expand them, makefiles and quotes do not.

use std::path::PathBuf;

use artifacts::run::RUN_FILE;
use cli::Failure;
use glob::{MatchOptions, glob_with};

use crate::Result;

/// The folders of runs that a pattern names, sorted; `*` and `?` stand for any characters of one name, hidden ones aside.
///
/// # Errors
/// When it names none, or is no pattern.
pub fn runs(pattern: &str) -> Result<Vec<PathBuf>> {
    // A plain path is taken as it is, whatever else it holds, and refused later by what it lacks.
    if !pattern.contains(['*', '?']) {
        return Ok(vec![PathBuf::from(pattern)]);
    }
    let options =
        MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..MatchOptions::new() };
    let paths = glob_with(pattern, options).map_err(|error| Failure::unusable(format!("{pattern}: {error}")))?;
    // A pattern also meets files and other folders.
    let found: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|path| path.join(RUN_FILE).is_file()).collect();
    if found.is_empty() {
        let hint = "a run is a folder with a run.json, such as runs/NAME";
        return Err(Failure::unusable(format!("{pattern}: no run has such a name")).hint(hint));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pattern_names_the_runs_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b_seed1", "a_seed1", "a_seed10", ".a_seed2", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        for name in ["b_seed1", "a_seed1", "a_seed10", ".a_seed2"] {
            fs::write(dir.path().join(name).join(RUN_FILE), "{}").unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let found = runs(&dir.path().join(pattern).to_string_lossy()).unwrap();
            found.iter().map(|path| path.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(found("*"), ["a_seed1", "a_seed10", "b_seed1"], "sorted, no hidden ones, and `other` is no run");
        assert_eq!(found("*_seed?"), ["a_seed1", "b_seed1"]);
        assert_eq!(found("other"), ["other"], "a plain path is refused where it is read");
        for none in ["z*", "*/*"] {
            let refusal = runs(&dir.path().join(none).to_string_lossy()).unwrap_err();
            assert!(refusal.message.ends_with(&format!("{none}: no run has such a name")), "{refusal}");
        }
        assert!(runs("a***").is_err());
    }

    /// A matcher that tried every star anew would not come to an end.
    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let name = "a".repeat(100);
        fs::create_dir(dir.path().join(&name)).unwrap();
        fs::write(dir.path().join(&name).join(RUN_FILE), "{}").unwrap();
        let found = |end: &str| runs(&format!("{}/{}*{end}", dir.path().display(), "*a".repeat(40)));
        assert_eq!(found("a").unwrap(), [dir.path().join(&name)]);
        assert!(found("b").is_err());
    }

    #[test]
    fn brackets_in_a_plain_path_are_letters() {
        assert_eq!(runs("runs/a[1]").unwrap(), [PathBuf::from("runs/a[1]")]);
    }
}
