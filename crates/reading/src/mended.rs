//! A curve made fit to be read. What a running average did to its first losses is undone, or they are left out; and what comes
//! after a loss has grown manyfold is no measurement any more: it says that the run blew up, as a loss that is not finite does.

mod blow_up;
mod start;

pub(crate) use blow_up::BlowUp;

use crate::curve::{Curve, Measure, Point};

/// A curve, and what was done to it.
#[derive(Clone, Debug)]
pub(crate) struct Mended {
    /// The curve: losses after a blow-up are infinite.
    pub curve: Curve,
    /// What was done to its start, in sentences.
    pub notes: Vec<String>,
    /// Where a loss grew manyfold, if it did.
    pub blow_up: Option<BlowUp>,
}

/// Puts a curve right.
pub(crate) fn mended(curve: &Curve) -> Mended {
    let mut mended = Mended { curve: curve.clone(), notes: Vec::new(), blow_up: None };
    for measure in [Measure::TrainLoss, Measure::ValLoss] {
        if !curve.has(measure) {
            continue;
        }
        mended.notes.extend(start::put_right(&mut mended.curve, measure));
        // A net that is sure of wrong answers costs manyfold on images it was not trained on, with gradients clipped and nothing
        // blown up: their accuracy says better what happened.
        if measure == Measure::ValLoss && curve.has(Measure::ValAccuracy) {
            continue;
        }
        let blow_up = blow_up::cut(&mut mended.curve, measure);
        mended.blow_up = mended.blow_up.or(blow_up);
    }
    mended
}

/// The points at which a loss says something: index and loss, at rates above 0, finite and no overflow.
fn losses(curve: &Curve, measure: Measure) -> Vec<(usize, f64)> {
    let usable = |(index, point): (usize, &Point)| {
        let loss = measure.of(point).filter(|loss| point.lr > 0.0 && !crate::curve::overflows(*loss))?;
        Some((index, loss))
    };
    curve.points.iter().enumerate().filter_map(usable).collect()
}

fn set(curve: &mut Curve, measure: Measure, index: usize, loss: Option<f64>) {
    let point = &mut curve.points[index];
    match measure {
        Measure::TrainLoss => point.train_loss = loss,
        Measure::ValLoss => point.val_loss = loss,
        _ => unreachable!("{} is no loss", measure.name()),
    }
}

#[cfg(test)]
mod tests;
