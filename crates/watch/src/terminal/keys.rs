//! Keys, out of the bytes that a terminal sends.

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Letter(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Tab,
    BackTab,
    Backspace,
    Escape,
    /// A letter with the control key.
    Control(char),
}

/// Longest sequence of bytes that one key may send.
const LONGEST: usize = 16;

/// Turns bytes into keys; a key may come in several pieces.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// The keys that are whole with these bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let mut keys = Vec::new();
        loop {
            let (key, length) = match first(&self.pending) {
                Some(found) => found,
                // No key sends so many bytes.
                None if self.pending.len() > LONGEST => (None, self.pending.len()),
                None => return keys,
            };
            self.pending.drain(..length);
            keys.extend(key);
        }
    }

    /// Whether bytes are waiting for more.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// No more bytes came: what looked like the begin of a sequence was the escape key.
    pub(crate) fn give_up(&mut self) -> Option<Key> {
        let was_escape = self.pending.first() == Some(&0x1b);
        self.pending.clear();
        was_escape.then_some(Key::Escape)
    }
}

/// The first key and how many bytes it took, none of it where the bytes are no key that is known. None where more bytes must
/// come first.
fn first(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match bytes {
        [] | [0x1b] | [0x1b, b'[' | b'O'] => None,
        [0x1b, b'[', ..] => {
            let length = bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte))? + 3;
            Some((control_sequence(&bytes[2..length]), length))
        }
        [0x1b, b'O', last, ..] => Some((arrow(*last), 3)),
        // A letter with the Alt key, which means nothing here; two escapes are two.
        [0x1b, 0x1b, ..] => Some((Some(Key::Escape), 1)),
        [0x1b, _, ..] => Some((None, 2)),
        [b'\r' | b'\n', ..] => Some((Some(Key::Enter), 1)),
        [b'\t', ..] => Some((Some(Key::Tab), 1)),
        [0x7f | 0x08, ..] => Some((Some(Key::Backspace), 1)),
        [0, ..] => Some((None, 1)),
        [byte @ 1..=0x1f, ..] => Some((Some(Key::Control(char::from(byte | 0x60))), 1)),
        _ => letter(bytes),
    }
}

fn control_sequence(sequence: &[u8]) -> Option<Key> {
    match sequence {
        [b'5', .., b'~'] => Some(Key::PageUp),
        [b'6', .., b'~'] => Some(Key::PageDown),
        [b'1' | b'7', b'~'] => Some(Key::Home),
        [b'4' | b'8', b'~'] => Some(Key::End),
        [b'Z'] => Some(Key::BackTab),
        [.., last] => arrow(*last),
        [] => None,
    }
}

fn arrow(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        _ => None,
    }
}

fn letter(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let start = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
        Err(error) => return error.error_len().map(|length| (None, length)),
    };
    valid.chars().next().map(|letter| (Some(Key::Letter(letter)), letter.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Decoder::default().take(bytes)
    }

    #[test]
    fn keys_of_all_kinds_of_terminals_are_known() {
        for (bytes, key) in [
            ("\x1b[A", Key::Up),
            ("\x1bOB", Key::Down),
            ("\x1b[1;5C", Key::Right),
            ("\x1b[5~", Key::PageUp),
            ("\x1b[6;2~", Key::PageDown),
            ("\x1b[1~", Key::Home),
            ("\x1b[H", Key::Home),
            ("\x1b[8~", Key::End),
            ("\x1b[Z", Key::BackTab),
            ("\r", Key::Enter),
            ("\t", Key::Tab),
            ("\x7f", Key::Backspace),
            ("\x03", Key::Control('c')),
            ("\x1c", Key::Control('|')),
            ("q", Key::Letter('q')),
            ("ß", Key::Letter('ß')),
        ] {
            assert_eq!(keys(bytes.as_bytes()), [key], "{bytes:?}");
        }
        assert_eq!(keys(b"a\x1b[Bq"), [Key::Letter('a'), Key::Down, Key::Letter('q')]);
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        assert_eq!(keys(b"\x1b[2~\x1bx\x1b[200~\xffq"), [Key::Letter('q')]);
        let mut decoder = Decoder::default();
        assert_eq!(decoder.take(&[b"\x1b[".as_slice(), &[b'1'; 40]].concat()), [], "no key is so long");
        assert_eq!(decoder.take(b"q"), [Key::Letter('q')]);
    }

    #[test]
    fn a_key_may_come_in_pieces_and_an_escape_alone_is_one() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.take(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.take(b"["), []);
        assert_eq!(decoder.take(b"A"), [Key::Up]);
        assert!(!decoder.is_waiting());
        assert_eq!(decoder.take("é".as_bytes()[..1].as_ref()), []);
        assert_eq!(decoder.take("é".as_bytes()[1..].as_ref()), [Key::Letter('é')]);
        decoder.take(b"\x1b");
        assert_eq!((decoder.give_up(), decoder.give_up()), (Some(Key::Escape), None));
    }
}
