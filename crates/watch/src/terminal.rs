//! The terminal: taken for the whole screen, and given back however the program ends.

mod backend;
mod keys;

use std::fs::File;
use std::io::{self, Write};
use std::panic;
use std::sync::Mutex;

use ratatui_core::layout::Size;
use rustix::termios::{self, OptionalActions, Termios};

pub(crate) use backend::Ansi;
pub(crate) use keys::{Decoder, Key};

/// The other screen, without a cursor. Lines must not wrap: the last column is drawn too.
const TAKE: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// The screen of before, as it was, with its cursor.
const GIVE_BACK: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// How the terminal was, while it is taken: for whoever gives it back first, a panicking thread among them.
static TAKEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// The terminal, taken until dropped.
pub(crate) struct Terminal {
    tty: File,
}

impl Terminal {
    /// Takes the terminal of this process.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn take() -> io::Result<Self> {
        let tty = File::options().read(true).write(true).open("/dev/tty")?;
        give_back_on_panic();
        let terminal = Self { tty };
        terminal.take_again()?;
        Ok(terminal)
    }

    /// Takes it once more, after it was given back.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn take_again(&self) -> io::Result<()> {
        let before = termios::tcgetattr(&self.tty)?;
        let mut raw = before.clone();
        raw.make_raw();
        *taken() = Some((self.tty.try_clone()?, before));
        termios::tcsetattr(&self.tty, OptionalActions::Now, &raw)?;
        (&self.tty).write_all(TAKE.as_bytes())
    }

    /// Where keys come from.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn keyboard(&self) -> io::Result<File> {
        self.tty.try_clone()
    }

    /// What draws on it.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn backend(&self, has_colours: bool) -> io::Result<Ansi<File>> {
        let sized = self.tty.try_clone()?;
        let size = move || {
            let size = termios::tcgetwinsize(&sized)?;
            // A line that does not know its size, as serial lines do.
            let or = |found: u16, usual: u16| if found == 0 { usual } else { found };
            Ok(Size::new(or(size.ws_col, 80), or(size.ws_row, 24)))
        };
        Ok(Ansi::new(self.tty.try_clone()?, Box::new(size), has_colours))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, if it is taken.
pub(crate) fn give_back() {
    if let Some((mut tty, before)) = taken().take() {
        // A terminal that is gone needs nothing.
        let _ = tty.write_all(GIVE_BACK.as_bytes());
        let _ = termios::tcsetattr(&tty, OptionalActions::Now, &before);
    }
}

fn taken() -> std::sync::MutexGuard<'static, Option<(File, Termios)>> {
    TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A message of a panic belongs on the screen that stays.
fn give_back_on_panic() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        give_back();
        usual(info);
    }));
}

/// Whether the locale says that the terminal takes UTF-8.
pub(crate) fn is_utf8() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    names_utf8(set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).as_deref())
}

fn names_utf8(locale: Option<&str>) -> bool {
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// The columns of the terminal that stdout is; none where it is none, or does not know.
pub(crate) fn columns() -> Option<u16> {
    termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

/// Whether colours are wanted: NO_COLOR (no-color.org) and terminals that have none say no.
pub(crate) fn has_colours() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none()
        && set("TERM").is_some_and(|term| term != "dumb" && !term.to_string_lossy().ends_with("-m"))
}

/// Whether the terminal can be drawn on at all.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_says_whether_a_terminal_takes_utf8() {
        for (locale, expected) in [
            (Some("de_DE.UTF-8"), true),
            (Some("C.utf8"), true),
            (Some("C"), false),
            (Some("POSIX"), false),
            (None, false),
        ] {
            assert_eq!(names_utf8(locale), expected, "{locale:?}");
        }
    }
}
