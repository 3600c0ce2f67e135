//! `--class-weights`: what the loss of each class weighs.

use std::fs;
use std::path::Path;

use artifacts::{Action, ArtifactError};
use cli::Failure;

/// The word that stands for weights by the classes' frequencies.
const BALANCED: &str = "balanced";

/// The weights that a flag asks for, one a class. `labels` are those of the images to train on.
///
/// `balanced` weighs each class by images / (classes x images of the class), as scikit-learn does. Else the word names a file
/// with a number above 0 a line, in the order of the classes.
///
/// # Errors
/// When the file cannot be used, or a class has no image.
pub(crate) fn resolve(word: &str, classes: usize, labels: &[u32]) -> Result<Vec<f64>, Failure> {
    if word == BALANCED { balanced(classes, labels) } else { from_file(Path::new(word), classes) }
}

fn balanced(classes: usize, labels: &[u32]) -> Result<Vec<f64>, Failure> {
    let mut counts = vec![0_usize; classes];
    for label in labels {
        counts[*label as usize] += 1;
    }
    if let Some(class) = counts.iter().position(|count| *count == 0) {
        let message = format!("--class-weights balanced: class {class} has no image to train on");
        return Err(Failure::unusable(message).hint("give the weights in a file, one a line: --class-weights FILE"));
    }
    Ok(counts.into_iter().map(|count| labels.len() as f64 / (classes * count) as f64).collect())
}

fn from_file(path: &Path, classes: usize) -> Result<Vec<f64>, Failure> {
    let text = fs::read_to_string(path).map_err(|source| {
        Failure::from(ArtifactError::io(path, Action::Read, source)).hint("--class-weights takes balanced, or a file")
    })?;
    let wrong = |found: String| {
        let expected = format!("{classes} lines, one for each class in their order, each a number above 0");
        Failure::from(ArtifactError::content(path, expected, found))
    };
    let mut weights = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let weight: Option<f64> = line.parse().ok().filter(|weight: &f64| *weight > 0.0 && weight.is_finite());
        weights.push(weight.ok_or_else(|| wrong(format!("{line:?}")))?);
    }
    if weights.len() == classes { Ok(weights) } else { Err(wrong(format!("{} lines", weights.len()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_classes_weigh_more() {
        assert_eq!(resolve("balanced", 2, &[0, 0, 0, 1]).unwrap(), [4.0 / 6.0, 2.0]);
        let message = resolve("balanced", 3, &[0, 2]).unwrap_err().message;
        assert!(message.contains("class 1 has no image"), "{message}");
    }

    #[test]
    fn a_file_has_a_number_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.txt");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            resolve(&path.display().to_string(), 2, &[0, 1])
        };
        assert_eq!(read("0.5\n 2 \n\n").unwrap(), [0.5, 2.0]);
        for (text, found) in [("1\n", "found 1 lines"), ("1\nx\n", "found \"x\""), ("1\n0\n", "found \"0\"")] {
            let message = read(text).unwrap_err().message;
            assert!(message.contains("w.txt: expected 2 lines") && message.ends_with(found), "{message}");
        }
        assert!(resolve("nowhere", 2, &[0, 1]).unwrap_err().hint.unwrap().contains("takes balanced, or a file"));
    }
}
