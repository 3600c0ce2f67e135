//! Curves on a grid of characters: by the dots of braille characters, eight in each, or by letters alone.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Modifier, Style};

use super::colour;

/// Dots across and down a braille character.
const DOTS: (usize, usize) = (2, 4);
/// The bits of a braille character's dots, line by line.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// A curve bears its name once in so many columns.
const BETWEEN_NAMES: usize = 18;

/// A grid that curves are drawn on.
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    is_ascii: bool,
    cells: Vec<Cell>,
    curves: Vec<Curve>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    dots: u8,
    /// The curve that was drawn here last.
    curve: usize,
}

struct Curve {
    tag: char,
    style: Style,
    /// The cells that it runs through, in its order.
    trail: Vec<usize>,
}

impl Canvas {
    /// As many characters as an area has.
    pub(crate) fn new(area: Rect, is_ascii: bool) -> Self {
        let (width, height) = (area.width as usize, area.height as usize);
        Self { width, height, is_ascii, cells: vec![Cell::default(); width * height], curves: Vec::new() }
    }

    /// Begins a curve; one that is selected stands out.
    pub(crate) fn begin(&mut self, tag: char, is_selected: bool) {
        let style = Style::new().fg(colour(tag));
        let style = if is_selected { style.add_modifier(Modifier::BOLD) } else { style };
        self.curves.push(Curve { tag, style, trail: Vec::new() });
    }

    /// Draws the current curve on through points: each from 0 to 1, from the left and from below. What lies beyond the ends
    /// runs along the edge.
    pub(crate) fn draw(&mut self, points: impl Iterator<Item = (f64, f64)>) {
        let (across, down) = if self.is_ascii { (1, 1) } else { DOTS };
        let (columns, lines) = ((self.width * across) as i64, (self.height * down) as i64);
        if columns == 0 || lines == 0 {
            return;
        }
        let dot = |(x, y): (f64, f64)| {
            let at =
                |share: f64, count: i64| ((share.clamp(0.0, 1.0) * (count - 1) as f64).round() as i64).min(count - 1);
            (at(x, columns), at(1.0 - y.clamp(0.0, 1.0), lines))
        };
        let mut before = None;
        for point in points.map(dot) {
            self.stroke(before.unwrap_or(point), point, (across as i64, down as i64));
            before = Some(point);
        }
    }

    /// A straight line of dots (Bresenham's).
    fn stroke(&mut self, from: (i64, i64), to: (i64, i64), per_cell: (i64, i64)) {
        let (dx, dy) = ((to.0 - from.0).abs(), -(to.1 - from.1).abs());
        let (sx, sy) = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let ((mut x, mut y), mut error) = (from, dx + dy);
        loop {
            self.set(x, y, per_cell);
            if (x, y) == to {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += sx;
            }
            if twice <= dx {
                error += dx;
                y += sy;
            }
        }
    }

    fn set(&mut self, x: i64, y: i64, (across, down): (i64, i64)) {
        let at = (y / down) as usize * self.width + (x / across) as usize;
        let curve = self.curves.len() - 1;
        let cell = &mut self.cells[at];
        cell.dots |= BITS[(y % down) as usize][(x % across) as usize];
        cell.curve = curve;
        let trail = &mut self.curves[curve].trail;
        if trail.last() != Some(&at) {
            trail.push(at);
        }
    }

    /// Puts all curves into an area of the size that was asked for.
    pub(crate) fn render(&self, area: Rect, buffer: &mut Buffer) {
        let mut put = |at: usize, symbol: char, style: Style| {
            let (x, y) = (area.x + (at % self.width) as u16, area.y + (at / self.width) as u16);
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_char(symbol).set_style(style);
            }
        };
        for (at, cell) in self.cells.iter().enumerate().filter(|(_, cell)| cell.dots != 0) {
            let curve = &self.curves[cell.curve];
            let braille = char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or('.');
            put(at, if self.is_ascii { curve.tag } else { braille }, curve.style);
        }
        for (at, curve) in self.names() {
            put(at, self.curves[curve].tag, self.curves[curve].style);
        }
    }

    /// Where curves bear their names: each at its end and here and there along it, never two in one place.
    fn names(&self) -> Vec<(usize, usize)> {
        let mut taken = vec![false; self.cells.len()];
        let mut names = Vec::new();
        for (number, curve) in self.curves.iter().enumerate() {
            let wanted = (self.width / BETWEEN_NAMES).max(1);
            let length = curve.trail.len();
            // Curves that run together bear their names in turn.
            let shift = (number as f64 + 0.5) / self.curves.len() as f64;
            let along = (0..wanted).map(|at| ((at as f64 + shift) / wanted as f64 * length as f64) as usize);
            for place in std::iter::once(length.saturating_sub(1)).chain(along) {
                // Back along the curve to the next free place.
                let free = curve.trail.iter().take(place + 1).rev().take(BETWEEN_NAMES).find(|at| !taken[**at]);
                if let Some(at) = free {
                    taken[*at] = true;
                    names.push((*at, number));
                }
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(is_ascii: bool, curves: &[&[(f64, f64)]]) -> Vec<String> {
        let area = Rect::new(0, 0, 10, 3);
        let (mut canvas, mut buffer) = (Canvas::new(area, is_ascii), Buffer::empty(area));
        for (tag, points) in ('a'..).zip(curves) {
            canvas.begin(tag, false);
            canvas.draw(points.iter().copied());
        }
        canvas.render(area, &mut buffer);
        let symbols: Vec<&str> = buffer.content().iter().map(ratatui_core::buffer::Cell::symbol).collect();
        symbols.chunks(10).map(<[&str]>::concat).collect()
    }

    #[test]
    fn a_line_is_drawn_with_letters_or_dots_and_bears_its_name() {
        let diagonal = [(0.0, 0.0), (1.0, 1.0)];
        assert_eq!(drawn(true, &[&diagonal]), ["       aaa", "   aaaa   ", "aaa       "]);
        let dots = drawn(false, &[&diagonal]);
        assert_eq!(dots.concat().matches('a').count(), 2, "{dots:?}");
        assert!(dots[0].ends_with('a') && dots[2].starts_with('\u{2860}'), "{dots:?}");
    }

    #[test]
    fn what_lies_beyond_runs_along_the_edge() {
        assert_eq!(drawn(true, &[&[(0.0, 5.0), (1.0, 5.0)]])[0], "aaaaaaaaaa");
        assert_eq!(drawn(true, &[&[(0.0, -1e300), (2.0, -1.0)]])[2], "aaaaaaaaaa");
    }

    #[test]
    fn curves_that_run_together_bear_both_names() {
        let line = [(0.0, 0.5), (1.0, 0.5)];
        let dots = drawn(false, &[&line, &line]).concat();
        assert_eq!((dots.matches('a').count(), dots.matches('b').count()), (2, 2), "{dots}");
    }
}
