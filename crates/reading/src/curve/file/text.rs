//! Bytes to text: UTF-8 with or without a byte-order mark, UTF-16, and line ends of all kinds.

use artifacts::magic::Magic;

use super::Fault;

/// The text of a file, its line ends as `\n`.
///
/// # Errors
/// What the file is, where it is no text.
pub(super) fn decode(bytes: &[u8]) -> Result<String, Fault> {
    if let Some(kind) = Magic::of(bytes) {
        return Err(Fault::new(format!("this is {}", kind.title()), instead(kind)));
    }
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => lossy(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        // Without a mark: ASCII in UTF-16 has a zero in every second byte.
        [first, 0, _, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes)?,
        [0, second, 0, _, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes)?,
        _ => lossy(bytes),
    };
    if text.contains('\0') {
        return Err(Fault::hinted("this is not a text file: it holds zero bytes"));
    }
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// What to do with a file that is of another kind.
fn instead(kind: Magic) -> String {
    match kind {
        Magic::Zip => {
            "save a spreadsheet as CSV; from a .npz or .pt file, write the rates and losses out as CSV or JSON"
        }
        Magic::Npy | Magic::Pickle | Magic::Hdf5 | Magic::Matlab => "write the rates and losses out as CSV or JSON",
        Magic::Gzip | Magic::Bzip2 | Magic::Xz | Magic::Zstd | Magic::SevenZip | Magic::Rar => "unpack it first",
        _ => return super::hint(),
    }
    .to_owned()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Fault> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    let broken = |_| Fault::new("the text is neither UTF-8 nor UTF-16", "save the file as UTF-8");
    String::from_utf16(&units).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_and_line_ends_of_all_kinds_are_one_text() {
        let text = "lr,loss\n0.1,2\n";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            text.replace('\n', "\r\n").into_bytes(),
            text.replace('\n', "\r").into_bytes(),
            [b"\xff\xfe".to_vec(), le.clone()].concat(),
            [b"\xfe\xff".to_vec(), be.clone()].concat(),
            le,
            be,
        ] {
            assert_eq!(decode(&bytes).unwrap(), text, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_named_for_what_it_is() {
        for (bytes, what, hint) in [
            (&b"PK\x03\x04\x14\x00"[..], "this is a zip archive", "as CSV"),
            (b"\x1f\x8b\x08", "this is a gzip", "unpack it"),
            (b"\x80\x04\x95", "pickle", "CSV or JSON"),
            (b"", "empty", "a table with a header row"),
            (b"lr,loss\n\0\0\0", "zero bytes", "a table with a header row"),
            (b"\xff\xfe\x00\xd8l\x00", "neither UTF-8 nor UTF-16", "UTF-8"),
        ] {
            let fault = decode(bytes).unwrap_err();
            assert!(fault.what.contains(what) && fault.hint.contains(hint), "{fault:?}");
        }
    }
}
