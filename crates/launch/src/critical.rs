//! The critical rate of an optimizer's first step, over several batches: what `sc-probe` writes down and `sc-rangetest` puts
//! its ramp around.

use artifacts::probe::Critical;
use artifacts::suggestion::Interval;
use kernels::engine::{Buffers, Engine, Update};
use learner::initial::{self, Scheme};
use learner::probe::{self, CriticalRate};
use learner::state::Parameters;

use crate::failure::OrFail;
use crate::inputs::Inputs;
use cli::Failure;

/// Images, at most, that one critical rate is measured on. It hardly depends on their number, while its cost does.
pub const IMAGES: usize = 64;
/// Batches that it is measured on, unless a flag says otherwise.
pub const BATCHES: usize = 3;

/// The critical rate of the first step of `update`, on each of `batches` (positions among the training images, the first
/// [`IMAGES`] of each). The first at the weights of `inputs`; where `sc-init` drew these, each other one at initial weights
/// drawn anew, else all at the weights given. `engine` computes on the data of `inputs`; its weights are not put back.
///
/// # Errors
/// When the device fails.
pub fn measure(
    inputs: &Inputs,
    engine: &mut dyn Engine,
    batches: &[Vec<u32>],
    update: &Update,
) -> Result<Critical, Failure> {
    engine.set_state(&inputs.parameters, &inputs.buffers).or_fail()?;
    let images = batches.first().map_or(0, Vec::len).min(IMAGES);
    let mut found = Vec::new();
    for (k, batch) in batches.iter().enumerate() {
        if let Some((parameters, buffers)) = drawn_anew(inputs, k as u64) {
            engine.set_state(&parameters, &buffers).or_fail()?;
        }
        found.push(probe::critical_rate(engine, &batch[..images], update).or_fail()?);
    }
    Ok(summed_up(&found, images))
}

/// The initial weights that batch `k`, from 0, is measured at: none, which means those at hand, for the first batch and where
/// the weights given are no initial ones of `sc-init`. By chance, initial weights differ more in their critical rates than in
/// the rates that they train best at.
fn drawn_anew(inputs: &Inputs, k: u64) -> Option<(Parameters, Buffers)> {
    let origin = &inputs.origin;
    let scheme = Scheme::from_name(&origin.scheme).filter(|_| k > 0 && origin.tool.starts_with("sc-init "))?;
    let seed: u64 = origin.seed.parse().ok()?;
    // Far from the seeds that runs count up from 1.
    Some(initial::draw(&inputs.graph, seed.wrapping_add(k << 32), scheme))
}

/// The median of the batches' rates (of an even number the lower of the middle two: too high a rate costs more than too
/// low a one); one batch without a rate leaves the others.
fn summed_up(found: &[CriticalRate], batch_size: usize) -> Critical {
    let mut rates: Vec<f64> = found.iter().filter_map(|critical| critical.lr).collect();
    rates.sort_by(f64::total_cmp);
    let interval = rates.first().zip(rates.last()).map(|(low, high)| Interval { low: *low, high: *high });
    Critical {
        lr: rates.get(rates.len().saturating_sub(1) / 2).copied(),
        interval,
        batch_size,
        batches: found.len(),
        evaluations: found.iter().map(|critical| critical.evaluations).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_even_number_the_lower_of_the_middle_two_counts() {
        let found = |lr: &[Option<f64>]| {
            summed_up(&lr.iter().map(|lr| CriticalRate { lr: *lr, evaluations: 5 }).collect::<Vec<_>>(), 8)
        };
        let critical = found(&[Some(0.4), Some(0.1), None, Some(0.3), Some(0.2)]);
        assert_eq!((critical.lr, critical.batches, critical.evaluations), (Some(0.2), 5, 25));
        assert_eq!(critical.interval, Some(Interval { low: 0.1, high: 0.4 }));
        assert_eq!(found(&[None, None]).lr, None);
        assert_eq!(found(&[Some(0.3), None]).lr, Some(0.3));
    }
}
