//! What a file is by its first bytes, whatever its name says: for messages about files that are not what was wanted.

/// Kinds of files that people hand over by mistake, or under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    /// No byte at all.
    Empty,
    /// What a server answers in place of a file.
    Html,
    /// What git checks out where Git LFS is not installed.
    LfsPointer,
    /// A zip archive, and what is one inside: files of `torch.save`, .npz, .docx.
    Zip,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// 7-Zip.
    SevenZip,
    /// RAR.
    Rar,
    /// A Python pickle: files of older `torch.save`, CIFAR's python version.
    Pickle,
    /// HDF5: Keras.
    Hdf5,
    /// NumPy's array.
    Npy,
    /// MATLAB's file.
    Matlab,
    /// PDF.
    Pdf,
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// HEIF: photographs of phones.
    Heif,
    /// AVIF.
    Avif,
}

/// So many first bytes decide.
pub const START: usize = 64;

impl Magic {
    /// Every kind.
    const ALL: [Self; 23] = [
        Self::Empty,
        Self::Html,
        Self::LfsPointer,
        Self::Zip,
        Self::Gzip,
        Self::Bzip2,
        Self::Xz,
        Self::Zstd,
        Self::SevenZip,
        Self::Rar,
        Self::Pickle,
        Self::Hdf5,
        Self::Npy,
        Self::Matlab,
        Self::Pdf,
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::WebP,
        Self::Bmp,
        Self::Tiff,
        Self::Heif,
        Self::Avif,
    ];

    /// The kind of this [`title`](Self::title).
    pub fn called(title: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.title() == title)
    }

    /// The kind of a file that starts so; [`START`] bytes are enough.
    pub fn of(start: &[u8]) -> Option<Self> {
        let after = |skipped: usize, magic: &[u8]| start.get(skipped..).is_some_and(|rest| rest.starts_with(magic));
        let kinds: [(bool, Self); 22] = [
            (start.is_empty(), Self::Empty),
            (is_html(start), Self::Html),
            (after(0, b"version https://git-lfs"), Self::LfsPointer),
            (after(0, b"PK\x03\x04") || after(0, b"PK\x05\x06"), Self::Zip),
            (after(0, &[0x1f, 0x8b]), Self::Gzip),
            (after(0, b"BZh"), Self::Bzip2),
            (after(0, &[0xfd, b'7', b'z', b'X', b'Z', 0]), Self::Xz),
            (after(0, &[0x28, 0xb5, 0x2f, 0xfd]), Self::Zstd),
            (after(0, &[b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c]), Self::SevenZip),
            (after(0, b"Rar!\x1a\x07"), Self::Rar),
            // Protocol 2 or later; torch's magic number follows, or CIFAR's dictionary.
            (after(0, &[0x80]) && matches!(start.get(1), Some(2..=5)), Self::Pickle),
            (after(0, b"\x89HDF\r\n\x1a\n"), Self::Hdf5),
            (after(0, b"\x93NUMPY"), Self::Npy),
            (after(0, b"MATLAB 5.0 MAT-file"), Self::Matlab),
            (after(0, b"%PDF-"), Self::Pdf),
            (after(0, &[0xff, 0xd8, 0xff]), Self::Jpeg),
            (after(0, b"\x89PNG\r\n\x1a\n"), Self::Png),
            (after(0, b"GIF8"), Self::Gif),
            (after(0, b"RIFF") && after(8, b"WEBP"), Self::WebP),
            // Four bytes of length, four of zeros.
            (after(0, b"BM") && after(6, &[0; 4]), Self::Bmp),
            (after(0, b"II*\0") || after(0, b"MM\0*"), Self::Tiff),
            (after(4, b"ftyp"), if after(8, b"avif") { Self::Avif } else { Self::Heif }),
        ];
        kinds.into_iter().find_map(|(is, kind)| is.then_some(kind))
    }

    /// The kind in a message, with its article.
    pub fn title(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Html => "an HTML page",
            Self::LfsPointer => "a Git LFS pointer, not the file itself",
            Self::Zip => "a zip archive",
            Self::Gzip => "a gzip file",
            Self::Bzip2 => "a bzip2 file",
            Self::Xz => "an xz file",
            Self::Zstd => "a Zstandard file",
            Self::SevenZip => "a 7-Zip archive",
            Self::Rar => "a RAR archive",
            Self::Pickle => "a Python pickle",
            Self::Hdf5 => "an HDF5 file",
            Self::Npy => "a NumPy array",
            Self::Matlab => "a MATLAB file",
            Self::Pdf => "a PDF file",
            Self::Jpeg => "a JPEG image",
            Self::Png => "a PNG image",
            Self::Gif => "a GIF image",
            Self::WebP => "a WebP image",
            Self::Bmp => "a BMP image",
            Self::Tiff => "a TIFF image",
            Self::Heif => "a HEIF image",
            Self::Avif => "an AVIF image",
        }
    }

    /// What helps, whatever file was wanted.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Html => {
                Some("a server answered with a page: open the address in a browser, and download the file itself")
            }
            Self::LfsPointer => Some("fetch the file itself with: git lfs pull"),
            _ => None,
        }
    }
}

fn is_html(start: &[u8]) -> bool {
    let text = start.trim_ascii_start().to_ascii_lowercase();
    [&b"<!doctype html"[..], b"<html", b"<?xml", b"<head"].iter().any(|tag| text.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_title_of_its_own() {
        for kind in Magic::ALL {
            assert_eq!(Magic::called(kind.title()), Some(kind));
        }
    }

    #[test]
    fn files_are_known_by_their_start() {
        let cases: [(&[u8], Option<Magic>); 14] = [
            (b"", Some(Magic::Empty)),
            (b"\n <!DOCTYPE HTML><html>", Some(Magic::Html)),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", Some(Magic::LfsPointer)),
            (b"PK\x03\x04....", Some(Magic::Zip)),
            (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", Some(Magic::Pickle)),
            (b"\x89PNG\r\n\x1a\n", Some(Magic::Png)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(Magic::WebP)),
            (b"RIFF\x10\0\0\0WAVE", None),
            (b"BM\x36\0\0\0\0\0\0\0", Some(Magic::Bmp)),
            (b"BMW is no bitmap", None),
            (b"\0\0\0\x18ftypheic", Some(Magic::Heif)),
            (b"\0\0\0\x18ftypavif", Some(Magic::Avif)),
            (b"PK", None),
            (b"\x58\x01\0\0\0\0\0\0{\"a\"", None),
        ];
        for (start, expected) in cases {
            assert_eq!(Magic::of(start), expected, "{start:?}");
        }
    }
}
