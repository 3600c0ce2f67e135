//! The plots of a report.

pub mod axes;
pub(crate) mod candidates;
pub(crate) mod curves;
pub(crate) mod experiment;
pub mod figure;
pub(crate) mod grid;
pub(crate) mod lengths;
pub mod palette;
pub(crate) mod range_test;
pub mod render;
pub(crate) mod schedules;

/// Width of every figure: on a phone its text is still readable, beside another it fits on a screen.
pub const WIDTH: f64 = 500.0;
/// Left edge of the frames.
pub(crate) const LEFT: f64 = 58.0;
/// Right edge of the frames.
pub(crate) const RIGHT: f64 = WIDTH - 18.0;
/// Height of a legend's first row above the first frame's title.
pub const LEGEND_TOP: f64 = 18.0;
/// From a legend to the first frame: room for the frame's title.
const TITLE_ROOM: f64 = 22.0;
/// Below the last frame: ticks and the axis's label.
const BELOW: f64 = 48.0;
/// Between two frames, one above the other.
const BETWEEN: f64 = 44.0;
