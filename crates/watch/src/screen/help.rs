//! What the keys do.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;

use super::{BOLD, line};

const KEYS: [(&str, &str); 19] = [
    ("up, down, j, k", "select a run; page keys, home and end too"),
    ("space", "draw the selected run, or no longer"),
    ("enter", "draw it alone; again: what was drawn before"),
    ("a ", "draw all runs of the list (52 at most)"),
    ("n ", "draw none"),
    ("f ", "follow: draw the newest six"),
    ("/ ", "list only runs whose names have these words; esc: all"),
    ("o ", "order: newest, name, accuracy, loss"),
    ("", ""),
    ("m, M, tab", "measure: loss, accuracy, rate, gradient norm, momentum"),
    ("v ", "training or validation"),
    ("x, X, right, left", "axis: step, epoch, images, seconds, rate"),
    ("l ", "loss: linear or log"),
    ("r ", "rate: linear or log"),
    ("s, S", "smoothing: none to a fifth of the run"),
    ("", ""),
    ("q ", "quit; the last state stays on the terminal"),
    ("", ""),
    ("", "Curves bear the letter before their run. The rule's rates are marked."),
];

/// Draws the help.
pub(crate) fn draw(area: Rect, buffer: &mut Buffer) {
    line(buffer, area, 0, "Keys (any key: back)", BOLD);
    for (at, (keys, what)) in KEYS.iter().enumerate() {
        let text = if keys.is_empty() { (*what).to_owned() } else { format!("{keys:18}  {what}") };
        line(buffer, area, at as u16 + 2, &format!("  {text}"), Style::new());
    }
}
