//! Where a loss has grown manyfold above its start, finite or not.

use super::{losses, set};
use crate::curve::{Curve, Measure};
use crate::noise::{difference_noise, start_of};
use crate::smooth::median;

/// A loss has blown up that lies this many times the start above it (or this many times what was learnt, of a loss that is
/// not far from 0).
const MANYFOLD: f64 = 9.0;
/// And as many standard deviations of the noise.
const DEVIATIONS: f64 = 20.0;
/// Share of what was learnt that, learnt again, makes of a blow-up a passing one.
const RELEARNT: f64 = 0.25;

/// A blow-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BlowUp {
    /// What was measured.
    pub measure: Measure,
    /// The rate from which on the loss is too high.
    pub rate: f64,
    /// The loss at the start.
    pub start: f64,
    /// The highest finite loss from there on.
    pub highest: f64,
}

/// Takes what comes after a blow-up for not finite.
pub(super) fn cut(curve: &mut Curve, measure: Measure) -> Option<BlowUp> {
    let losses = losses(curve, measure);
    let values: Vec<f64> = losses.iter().map(|(_, loss)| *loss).collect();
    let from = blown_from(&values)?;
    let blow_up = BlowUp {
        measure,
        rate: curve.points[losses[from].0].lr,
        start: start_of(&values),
        highest: values[from..].iter().copied().fold(f64::NEG_INFINITY, f64::max),
    };
    for (index, _) in &losses[from..] {
        set(curve, measure, *index, Some(f64::INFINITY));
    }
    Some(blow_up)
}

/// The first of the values that are manyfold the start and never come back to where something is learnt.
fn blown_from(values: &[f64]) -> Option<usize> {
    let start = start_of(values);
    let middle = running(values, 3);
    let best = running(values, 5).into_iter().fold(start, f64::min);
    let step = start.abs().max(start - best);
    let limit = start + (MANYFOLD * step).max(DEVIATIONS * difference_noise(values));
    let learns = start - RELEARNT * (start - best);
    // Without anything learnt there is nothing to come back to.
    let from = if best < start { running(values, 5).iter().rposition(|loss| *loss < learns).unwrap_or(0) } else { 0 };
    let last = values.len() - 1;
    (from..values.len()).find(|at| middle[*at] > limit || (*at == last && values[last] > limit))
}

/// The median of the values around each, fewer at the ends.
fn running(values: &[f64], width: usize) -> Vec<f64> {
    let half = width / 2;
    (0..values.len()).map(|at| median(&values[at.saturating_sub(half)..(at + half + 1).min(values.len())])).collect()
}
