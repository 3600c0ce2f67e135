//! Names of classes, one a line.

use crate::{Refusal, Result};

/// A list of names is shorter.
pub const MAX_BYTES: u64 = 1 << 16;

/// Reads a list; empty lines count for nothing. `place` names the file in messages.
///
/// # Errors
/// When it is no text, or a name is there twice or holds control characters.
pub fn parse(content: &[u8], place: &str) -> Result<Vec<String>> {
    let text = std::str::from_utf8(content).map_err(|_| Refusal::at(place, "not text in UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let names: Vec<_> = text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let mut sorted = names.clone();
    sorted.sort();
    if let Some([name, _]) = sorted.array_windows().find(|[one, next]| one == next) {
        return Err(Refusal::at(place, format!("the class name {name:?} is there twice")));
    }
    match names.iter().find(|name| name.contains(char::is_control)) {
        Some(name) => Err(Refusal::at(place, format!("a control character in the class name {name:?}"))),
        None => Ok(names),
    }
}
