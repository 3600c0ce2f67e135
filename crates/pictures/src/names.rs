//! Which files are pictures, by their names.

/// Extensions of pictures that are not read.
const OTHER_PICTURES: [&str; 12] =
    ["webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "ppm", "pgm"];

/// Whether a file is named as JPEG and PNG files are.
pub fn is_picture_name(file: &str) -> bool {
    matches!(extension(file).as_deref(), Some("jpg" | "jpeg" | "jpe" | "jfif" | "png"))
}

/// The extension of a picture of a format that is not read, in lower case; none of other files.
pub fn foreign_extension(file: &str) -> Option<String> {
    extension(file).filter(|extension| OTHER_PICTURES.contains(&extension.as_str()))
}

/// The extension of a file's name, in lower case.
fn extension(file: &str) -> Option<String> {
    file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pictures() {
        for name in ["a.jpg", "b.JPEG", "c.d.png", "e.jfif"] {
            assert!(is_picture_name(name) && foreign_extension(name).is_none(), "{name}");
        }
        for name in ["jpg", "Thumbs.db", "a.jpg.txt", "a.webp"] {
            assert!(!is_picture_name(name), "{name}");
        }
        assert_eq!(foreign_extension("a/b.WebP").as_deref(), Some("webp"));
        assert_eq!(foreign_extension("a.txt"), None);
    }
}
