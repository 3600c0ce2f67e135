//! Draws cells on a terminal, by the escape sequences that every terminal of today knows (ECMA-48).

use std::fmt::Write as _;
use std::io::{self, Write};

use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};

/// Asks the terminal how large it is.
type AskSize = Box<dyn Fn() -> io::Result<Size>>;

/// A terminal that cells are drawn on.
pub(crate) struct Ansi<W: Write> {
    out: W,
    size: AskSize,
    has_colours: bool,
    /// What is to be written, all at once: no half-drawn screen is seen.
    pending: String,
}

/// What a cell looks like besides its symbol.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const PLAIN: Look = Look { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

impl<W: Write> Ansi<W> {
    /// Draws on `out`.
    pub(crate) fn new(out: W, size: AskSize, has_colours: bool) -> Self {
        Self { out, size, has_colours, pending: String::new() }
    }

    fn look(&self, cell: &Cell) -> Look {
        let colour = |colour| if self.has_colours { colour } else { Color::Reset };
        Look { fg: colour(cell.fg), bg: colour(cell.bg), modifier: cell.modifier }
    }

    fn push(&mut self, text: &str) {
        self.pending.push_str(text);
    }
}

impl Look {
    /// The sequence that makes what follows look so.
    fn sequence(self) -> String {
        let mut sequence = "\x1b[0".to_owned();
        let modifiers = [
            (Modifier::BOLD, 1),
            (Modifier::DIM, 2),
            (Modifier::ITALIC, 3),
            (Modifier::UNDERLINED, 4),
            (Modifier::REVERSED, 7),
        ];
        for (modifier, code) in modifiers {
            if self.modifier.contains(modifier) {
                let _ = write!(sequence, ";{code}");
            }
        }
        for (colour, base) in [(self.fg, 30), (self.bg, 40)] {
            sequence.push_str(&code(colour, base));
        }
        sequence.push('m');
        sequence
    }
}

/// The code of one of the terminal's own 16 colours or of its 256; `base` is 30 for the text, 40 for what is behind it.
fn code(colour: Color, base: u8) -> String {
    let named = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    if let Some(at) = named.iter().position(|known| *known == colour) {
        let at = at as u8;
        return format!(";{}", if at < 8 { base + at } else { base + 52 + at });
    }
    match colour {
        Color::Indexed(number) => format!(";{};5;{number}", base + 8),
        Color::Rgb(r, g, b) => format!(";{};2;{r};{g};{b}", base + 8),
        _ => String::new(),
    }
}

impl<W: Write> Backend for Ansi<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let (mut next, mut look) = (None, PLAIN);
        self.push("\x1b[0m");
        for (x, y, cell) in content {
            if next != Some((x, y)) {
                let _ = write!(self.pending, "\x1b[{};{}H", y + 1, x + 1);
            }
            // Where a symbol takes more than a column, the next one is placed anew.
            next = cell.symbol().is_ascii().then_some((x + 1, y));
            let wanted = self.look(cell);
            if wanted != look {
                look = wanted;
                self.push(&look.sequence());
            }
            self.push(cell.symbol());
        }
        self.push("\x1b[0m");
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.push("\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.push("\x1b[?25h");
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Asked for by views within a screen of text; this one has the whole screen.
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        let _ = write!(self.pending, "\x1b[{};{}H", y + 1, x + 1);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.push(match clear_type {
            ClearType::All => "\x1b[2J",
            ClearType::AfterCursor => "\x1b[J",
            ClearType::BeforeCursor => "\x1b[1J",
            ClearType::CurrentLine => "\x1b[2K",
            ClearType::UntilNewLine => "\x1b[K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        (self.size)()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        // Terminals that know this show the frame when it is whole; the others pass it over.
        let frame = format!("\x1b[?2026h{}\x1b[?2026l", std::mem::take(&mut self.pending));
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use ratatui_core::buffer::Buffer;
    use ratatui_core::layout::Rect;
    use ratatui_core::style::Style;
    use ratatui_core::terminal::Terminal;

    use super::*;

    fn drawn(has_colours: bool, draw: impl FnOnce(&mut Buffer)) -> String {
        let mut out = Vec::new();
        let size = || Ok(Size::new(10, 2));
        let mut terminal = Terminal::new(Ansi::new(&mut out, Box::new(size), has_colours)).unwrap();
        terminal.draw(|frame| draw(frame.buffer_mut())).unwrap();
        drop(terminal);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_placed_and_dressed_once_for_a_stretch() {
        let style = Style::new().fg(Color::Green).add_modifier(Modifier::BOLD);
        let draw = |buffer: &mut Buffer| {
            buffer.set_string(2, 1, "ab", style);
            buffer.set_string(6, 1, "c", Style::new().fg(Color::LightBlue).bg(Color::Indexed(8)));
        };
        let coloured = drawn(true, draw);
        assert!(coloured.contains("\x1b[2;3H\x1b[0;1;32mab\x1b[2;7H\x1b[0;94;48;5;8mc\x1b[0m"), "{coloured:?}");
        let plain = drawn(false, draw);
        assert!(plain.contains("\x1b[2;3H\x1b[0;1mab\x1b[2;7H\x1b[0mc"), "{plain:?}");
    }

    #[test]
    fn what_follows_a_symbol_that_may_be_wide_is_placed_anew() {
        let draw = |buffer: &mut Buffer| {
            buffer.set_string(0, 0, "界x", Style::new());
        };
        assert!(drawn(true, draw).contains("\x1b[1;1H界\x1b[1;3Hx"));
        assert_eq!(Buffer::empty(Rect::new(0, 0, 1, 1)).area.width, 1);
    }
}
