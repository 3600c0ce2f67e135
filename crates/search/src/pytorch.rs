//! A recipe in PyTorch's words.

use artifacts::number::rate;
use artifacts::recipe::Training;
use schedules::{Defaults, FinalRate, OneCycle, Rise, Variant};

use crate::cycle;

/// The optimizer and scheduler to write in PyTorch, and where that differs from what was run.
pub(crate) fn sentence(training: &Training) -> String {
    let (Some(max_lr), Some(iterations)) = (training.max_lr, training.iterations) else {
        return "No rate and length have been chosen yet.".to_owned();
    };
    format!("{}; {}. {}", optimizer(training), scheduler(training, max_lr, iterations), difference(training))
}

fn optimizer(training: &Training) -> String {
    let Training { momentum, weight_decay, optimizer, .. } = training;
    let decay = rate(*weight_decay);
    let max_lr = training.max_lr.map_or_else(String::new, |lr| format!(", lr={}", exact(lr)));
    match optimizer.as_str() {
        "sgd" => format!("torch.optim.SGD(params{max_lr}, momentum={momentum}, weight_decay={decay})"),
        "nesterov" => {
            format!("torch.optim.SGD(params{max_lr}, momentum={momentum}, weight_decay={decay}, nesterov=True)")
        }
        "adam" => format!("torch.optim.Adam(params{max_lr}, betas=({momentum}, 0.999), weight_decay={decay})"),
        "adamw" => format!("torch.optim.AdamW(params{max_lr}, betas=({momentum}, 0.999), weight_decay={decay})"),
        "rmsprop" => format!("torch.optim.RMSprop(params{max_lr}, momentum={momentum}, weight_decay={decay})"),
        "adagrad" => format!("torch.optim.Adagrad(params{max_lr}, weight_decay={decay})"),
        _ => format!("torch.optim.Adadelta(params{max_lr}, weight_decay={decay})"),
    }
}

/// `OneCycleLR` with every argument that differs from its default.
fn scheduler(training: &Training, max_lr: f64, iterations: u64) -> String {
    let momentum = match (training.max_momentum, training.min_momentum) {
        (Some(max), Some(min)) => format!("base_momentum={min}, max_momentum={max}"),
        _ => "cycle_momentum=False".to_owned(),
    };
    format!(
        "torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr={}, total_steps={iterations}, {momentum}{})",
        exact(max_lr),
        shape(&cycle::resolved(training, max_lr, iterations), iterations)
    )
}

/// The arguments that give the cycle its shape.
fn shape(cycle: &OneCycle, iterations: u64) -> String {
    let steps = cycle.step_size.map(|steps| steps as f64 / iterations as f64);
    let pct_start = argument("pct_start", steps.or(cycle.pct_start), |defaults| match defaults.rise {
        Rise::PctStart(share) => Some(share),
        Rise::StepSize { .. } => None,
    });
    let linear = if cycle.step_size.is_some() { ", anneal_strategy=\"linear\"" } else { "" };
    let div_factor =
        argument("div_factor", cycle.min_lr.map(|min| cycle.max_lr / min), |defaults| Some(defaults.div_factor));
    let final_div_factor = cycle.min_lr.zip(cycle.final_lr).map(|(min, last)| min / last);
    let final_div_factor = argument("final_div_factor", final_div_factor, |defaults| match defaults.final_lr {
        FinalRate::MinOver(divisor) => Some(divisor),
        FinalRate::MaxOver(_) => None,
    });
    let three_phase = match cycle.variant {
        Variant::Smith | Variant::Paper | Variant::TorchThreePhase => ", three_phase=True",
        Variant::Torch | Variant::Fastai => "",
    };
    format!("{pct_start}{linear}{div_factor}{final_div_factor}{three_phase}")
}

/// An argument of `OneCycleLR`; empty where it has its default, which is that of our variant `torch`.
fn argument(name: &str, value: Option<f64>, default: impl Fn(&Defaults) -> Option<f64>) -> String {
    let written = value.map(rate);
    if written == default(&Variant::Torch.defaults()).map(rate) {
        return String::new();
    }
    written.map_or_else(String::new, |value| format!(", {name}={value}"))
}

/// What PyTorch's call does otherwise.
fn difference(training: &Training) -> &'static str {
    match cycle::variant(training) {
        Variant::Torch | Variant::TorchThreePhase => "This is the schedule that was run.",
        Variant::Fastai => "This is the schedule that was run; PyTorch counts its turning point one step earlier.",
        Variant::Paper => "PyTorch's is the same in shape; its turning points lie up to two steps earlier.",
        Variant::Smith => {
            "It is the nearest that PyTorch has, not the same: Smith's rate falls in a line to about 0 and then stays at the \
             tail's rate, PyTorch's falls to where it started and then in a line to the tail's rate; and Smith's momentum \
             cycles on in the tail, PyTorch's stays at its upper bound."
        }
    }
}

/// A rate with all of its digits.
fn exact(lr: f64) -> String {
    format!("{lr}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::tests::training;

    fn chosen() -> Training {
        Training {
            max_lr: Some(0.8),
            min_lr: Some(0.08),
            final_lr: Some(8e-5),
            step_size: Some(90),
            iterations: Some(200),
            ..training()
        }
    }

    #[test]
    fn every_argument_is_named() {
        let constant = sentence(&chosen());
        assert!(constant.contains("SGD(params, lr=0.8, momentum=0.9, weight_decay=1e-4)"), "{constant}");
        let scheduler = "OneCycleLR(optimizer, max_lr=0.8, total_steps=200, cycle_momentum=False, pct_start=0.45, \
                         anneal_strategy=\"linear\", div_factor=10, final_div_factor=1000, three_phase=True)";
        assert!(constant.contains(scheduler), "{constant}");
        assert!(constant.contains("not the same"), "Smith's variant has no equal in PyTorch: {constant}");

        let cyclical = Training { max_momentum: Some(0.95), min_momentum: Some(0.85), ..chosen() };
        assert!(sentence(&cyclical).contains("base_momentum=0.85, max_momentum=0.95"));
    }

    /// A training with only a highest rate and a length, as the search leaves it in the variants that are not Smith's.
    fn open(variant: &str) -> Training {
        let variant = variant.to_owned();
        Training { variant, min_lr: None, final_lr: None, step_size: None, ..chosen() }
    }

    #[test]
    fn pytorchs_own_variant_needs_no_excuse() {
        let text = sentence(&Training { optimizer: "nesterov".to_owned(), ..open("torch") });
        assert!(text.contains("nesterov=True") && text.contains("cycle_momentum=False)."), "{text}");
        assert!(text.ends_with("This is the schedule that was run."));
        let other = sentence(&Training { min_lr: Some(0.08), ..open("torch") });
        assert!(other.contains("cycle_momentum=False, div_factor=10)"), "a rate that is not the default: {other}");
    }

    #[test]
    fn what_is_open_takes_the_variants_defaults() {
        for (variant, arguments) in [
            (
                "smith",
                ", pct_start=0.45, anneal_strategy=\"linear\", div_factor=10, final_div_factor=1000, three_phase=True)",
            ),
            ("torch-three-phase", "cycle_momentum=False, three_phase=True)"),
            ("fastai", "cycle_momentum=False, pct_start=0.25, final_div_factor=4000)"),
        ] {
            let text = sentence(&open(variant));
            assert!(text.contains(arguments), "{text}");
        }
    }

    #[test]
    fn nothing_is_said_before_there_is_something_to_say() {
        assert_eq!(sentence(&training()), "No rate and length have been chosen yet.");
    }
}
