//! The 1cycle schedule of a training: what a recipe leaves open follows from the defaults in [`schedules`].

use artifacts::number::{rate, round_digits};
use artifacts::recipe::Training;
use schedules::{OneCycle, Rise, Variant};

/// Significant digits of the rates that a recipe holds.
const DIGITS: usize = 4;

/// The variant of a training's cycle.
pub(crate) fn variant(training: &Training) -> Variant {
    Variant::from_name(&training.variant).unwrap_or_default()
}

/// The cycle that a training of `iterations` steps runs under, nothing left open.
pub(crate) fn resolved(training: &Training, max_lr: f64, iterations: u64) -> OneCycle {
    OneCycle {
        min_lr: training.min_lr,
        final_lr: training.final_lr,
        step_size: training.step_size,
        max_momentum: training.max_momentum,
        min_momentum: training.min_momentum,
        ..OneCycle::new(variant(training), max_lr)
    }
    .resolved(iterations)
}

/// Sets the rates of a training's cycle. The first and the final one are written down, rounded, in the variants that are
/// Smith's; the others are left to `sc-train`.
pub(crate) fn set_rates(training: &mut Training, max_lr: f64) {
    training.max_lr = Some(max_lr);
    if !has_step_size(training) {
        return;
    }
    let round = |lr: Option<f64>| lr.map(|lr| round_digits(lr, DIGITS));
    let open = OneCycle::new(variant(training), max_lr);
    let min_lr = round(open.resolved(1).min_lr);
    training.min_lr = min_lr;
    training.final_lr = round(OneCycle { min_lr, ..open }.resolved(1).final_lr);
}

/// Sets the length of a training, and that of its cycle where it has a step size.
pub(crate) fn set_length(training: &mut Training, iterations: u64) {
    training.iterations = Some(iterations);
    if let Some(step_size) = variant(training).defaults().step_size(iterations) {
        training.step_size = Some(step_size);
    }
}

fn has_step_size(training: &Training) -> bool {
    matches!(variant(training).defaults().rise, Rise::StepSize { .. })
}

/// The cycle in short, and where it comes from in a sentence.
pub(crate) fn in_words(training: &Training) -> (String, String) {
    let name = &training.variant;
    let defaults = variant(training).defaults();
    match (defaults.rise, training.min_lr, training.final_lr) {
        (Rise::StepSize { percent }, Some(min_lr), Some(final_lr)) => (
            format!("{name}, from {}, tail {}", rate(min_lr), rate(final_lr)),
            format!(
                "The defaults of variant {name}: from max/{} up in {percent}% of the steps, down in as many, and a tail of the \
                 last {}% whose final rate is {}",
                defaults.div_factor,
                100 - 2 * percent,
                defaults.final_lr
            ),
        ),
        _ => (name.clone(), format!("The defaults of variant {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::tests::training;

    #[test]
    fn rates_and_length_are_the_defaults_of_the_variant() {
        for variant in ["smith", "paper"] {
            let mut chosen = Training { variant: variant.to_owned(), ..training() };
            set_rates(&mut chosen, 0.34567);
            assert_eq!((chosen.max_lr, chosen.min_lr, chosen.final_lr), (Some(0.34567), Some(0.03457), Some(3.457e-5)));
            set_length(&mut chosen, 199);
            assert_eq!((chosen.iterations, chosen.step_size), (Some(199), Some(89)));
            let (short, sentence) = in_words(&chosen);
            assert_eq!(short, format!("{variant}, from 0.0346, tail 3.46e-5"));
            assert!(sentence.contains("from max/10 up in 45% of the steps"), "{sentence}");
            assert!(sentence.ends_with("a tail of the last 10% whose final rate is min/1000"), "{sentence}");
        }
    }

    #[test]
    fn other_variants_are_left_to_their_defaults() {
        let mut chosen = Training { variant: "torch".to_owned(), ..training() };
        set_rates(&mut chosen, 0.5);
        set_length(&mut chosen, 200);
        assert_eq!((chosen.min_lr, chosen.final_lr, chosen.step_size), (None, None, None));
        assert_eq!(in_words(&chosen).0, "torch");
        let resolved = resolved(&chosen, 0.5, 200);
        assert_eq!((resolved.min_lr, resolved.pct_start), (Some(0.02), Some(0.3)));
    }
}
