//! JSON files: read with a message that names the file and the key, written so that equal values give equal bytes.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::{Head, Kind};
use crate::{Action, ArtifactError, Result, atomic, sha256};

/// Reads a file of a kind that says what it is, looking at that first: another kind of file is named for what it is, and a
/// newer version is called newer, whatever unknown keys it has. Structs that refuse unknown keys then do so with a message
/// that names them.
///
/// # Errors
/// When the file cannot be read, is of another kind or version, or is not what `T` wants.
pub fn read_versioned<T: DeserializeOwned>(path: &Path, kind: Kind) -> Result<T> {
    parse(path, kind, &read(path)?)
}

/// As [`read_versioned`], with the SHA-256 of the bytes that were read, in lower-case hexadecimal: hashing the file by its
/// name afterwards would hash another one where it was replaced meanwhile.
///
/// # Errors
/// As [`read_versioned`].
pub fn read_versioned_with_hash<T: DeserializeOwned>(path: &Path, kind: Kind) -> Result<(T, String)> {
    let text = read(path)?;
    Ok((parse(path, kind, &text)?, sha256::of_bytes(&text)))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|refusal| ArtifactError::io(path, Action::Read, refusal))
}

fn parse<T: DeserializeOwned>(path: &Path, kind: Kind, text: &[u8]) -> Result<T> {
    // Where the head cannot be read, the whole cannot either, and its message is the more telling one.
    if let Ok(head) = serde_json::from_slice::<Head>(text) {
        kind.check(path, &head)?;
    }
    serde_json::from_slice(text).map_err(|error| ArtifactError::content(path, kind.name(), error))
}

/// Writes a value as indented JSON, atomically.
///
/// # Errors
/// When the file cannot be written.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| ArtifactError::io(path, Action::Write, std::io::Error::other(error)))?;
    text.push(b'\n');
    atomic::write(path, &text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::run::{RUN_FILE, RunRecord, read_result, read_run, read_run_file};
    use crate::{choice, probe, recipe, suggestion};

    type Reader = fn(&Path) -> Result<()>;

    /// Every reader of JSON with the kind that it wants.
    const READERS: [(Kind, Reader); 6] = [
        (Kind::Run, |path| read_run_file(path).map(drop)),
        (Kind::RunResult, |path| read_result(path.parent().unwrap()).map(drop)),
        (Kind::Probe, |path| probe::read(path).map(drop)),
        (Kind::Suggestion, |path| suggestion::read(path).map(drop)),
        (Kind::Choice, |path| choice::read(path).map(drop)),
        (Kind::Recipe, |path| recipe::read(path).map(drop)),
    ];

    fn refusal(content: &Value, reader: Reader) -> String {
        let dir = tempfile::tempdir().unwrap();
        // The one name that a reader insists on.
        let path = dir.path().join("result.json");
        write(&path, content).unwrap();
        let error = reader(&path).unwrap_err();
        assert!(error.is_input(), "{error}");
        let message = error.to_string();
        let (place, message) = message.split_once(": ").unwrap();
        assert!(place.ends_with("result.json"), "{place}");
        message.to_owned()
    }

    /// The least that a kind of file is known by.
    fn content_of(kind: Kind, format: &str) -> Value {
        let mut content = json!({"format": format, "key_of_tomorrow": 1});
        if kind == Kind::RunResult {
            content["status"] = json!("completed");
        }
        content
    }

    #[test]
    fn a_newer_file_is_called_newer_by_every_reader_whatever_it_holds() {
        for (kind, reader) in READERS {
            let newer = kind.format().replace("/1", "/3");
            let expected = format!(
                "made by a newer superconv (format {newer}); this one reads up to {} — update superconv",
                kind.format()
            );
            assert_eq!(refusal(&content_of(kind, &newer), reader), expected);
        }
    }

    #[test]
    fn another_kind_of_file_is_named_for_what_it_is() {
        for (kind, reader) in READERS {
            for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
                let expected = format!("this is {}, not {}", other.name(), kind.name());
                assert_eq!(refusal(&content_of(other, other.format()), reader), expected);
            }
        }
        let newer = content_of(Kind::Suggestion, "superconv-suggestion/9");
        assert_eq!(refusal(&newer, |path| recipe::read(path).map(drop)), "this is a suggestion, not a recipe");
    }

    #[test]
    fn what_says_no_known_format_is_refused_with_the_one_that_is_wanted() {
        let cases = [
            (json!({}), "found a file that does not say its format"),
            (json!({"format": 7}), "found format 7"),
            (json!({"format": "keras/2"}), "found format \"keras/2\""),
            (json!({"format": "superconv-choice/0"}), "found format \"superconv-choice/0\""),
            (json!({"format": "superconv-choice/one"}), "found format \"superconv-choice/one\""),
            (json!({"format": "superconv-choice"}), "found format \"superconv-choice\""),
        ];
        for (content, found) in cases {
            let expected = format!("expected a choice (format \"superconv-choice/1\"), {found}");
            assert_eq!(refusal(&content, |path| choice::read(path).map(drop)), expected);
        }
        let unknown = refusal(&content_of(Kind::Choice, choice::FORMAT), |path| choice::read(path).map(drop));
        assert!(unknown.starts_with("expected a choice, found unknown field `key_of_tomorrow`"), "{unknown}");
        let list = refusal(&json!([1]), |path| choice::read(path).map(drop));
        assert!(list.starts_with("expected a choice, found "), "{list}");
    }

    /// The hash is of the bytes that the value was made of: there is no second reading that could see another file.
    #[test]
    fn the_hash_is_of_the_bytes_that_were_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RUN_FILE);
        let text = serde_json::to_vec(&crate::run::tests::old_record()).unwrap();
        fs::write(&path, &text).unwrap();
        let (record, sha256) = read_versioned_with_hash::<RunRecord>(&path, Kind::Run).unwrap();
        assert_eq!((sha256, record), (sha256::of_bytes(&text), read_run(dir.path()).unwrap()));
    }
}
