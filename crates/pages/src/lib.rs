//! What the pages of reports are made of: one style, tables, figures, escaped text, embedded pictures.
//!
//! A page is one file that holds everything, and works without a script, on screens large and small, light and dark.

#![forbid(unsafe_code)]

pub mod sheet;

use std::fmt::Write as _;
use std::ops::Deref;

/// The typeface of everything that is drawn: Inter, regular, as an OpenType file.
pub static INTER: &[u8] = include_bytes!("../assets/Inter-Regular.otf");

/// The style of every page.
pub const STYLE: &str = include_str!("page.css");

/// The text with the characters that have a meaning in HTML written out.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What a page without scripts may load: the pictures inside it, and nothing from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// A page without scripts up to and with its body's first tag. `style` is added to [`STYLE`].
pub fn head(title: &str, style: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n"
    )
}

/// What ends a page.
pub const FOOT: &str = "</body>\n</html>\n";

/// A list of sentences.
pub fn list(class: &str, items: &[impl Deref<Target = str>]) -> String {
    let mut list = format!("<ul class=\"{class}\">\n");
    for item in items {
        let _ = writeln!(list, "<li>{}</li>", escape(item));
    }
    list.push_str("</ul>\n");
    list
}

/// A drawing with its caption; nothing where there is no drawing.
pub fn figure(svg: Option<&str>, caption: &str) -> String {
    svg.map_or_else(String::new, |svg| {
        format!("<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>\n", escape(caption))
    })
}

/// A table. `head`: the names of the columns, and whether they hold text. Cells are HTML.
pub fn table(head: &[(&str, bool)], rows: &[Vec<String>]) -> String {
    let class = |is_text: bool| if is_text { " class=\"text\"" } else { "" };
    let mut table = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    for (name, is_text) in head {
        let _ = write!(table, "<th{}>{}</th>", class(*is_text), escape(name));
    }
    table.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        table.push_str("<tr>");
        for (cell, (_, is_text)) in row.iter().zip(head) {
            let _ = write!(table, "<td{}>{cell}</td>", class(*is_text));
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody></table></div>\n");
    table
}

/// A file inside a page, as the address that shows it (RFC 2397).
pub fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", base64(bytes))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) as usize & 63;
            text.push(if place <= three.len() { ALPHABET[sextet] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_published() {
        // RFC 4648, section 10
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        assert_eq!(data_uri("image/png", &[0xfb, 0xff]), "data:image/png;base64,+/8=");
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
        assert!(list("l", &["<b>"]).contains("<li>&lt;b&gt;</li>"));
    }
}
