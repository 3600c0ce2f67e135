//! A recipe in PyTorch's words.

use artifacts::recipe::Training;

use artifacts::number::rate;

/// The optimizer and scheduler to write in PyTorch, and where that differs from what was run.
pub fn sentence(training: &Training) -> String {
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
    let min_lr = training.min_lr.unwrap_or(max_lr / 10.0);
    let final_lr = training.final_lr.unwrap_or(min_lr / 1000.0);
    let shape = match training.variant.as_str() {
        "torch" => String::new(),
        "torch-three-phase" => ", three_phase=True".to_owned(),
        "fastai" => ", pct_start=0.25, final_div_factor=4000".to_owned(),
        _ => {
            let step_size = training.step_size.unwrap_or(iterations * 9 / 20);
            format!(
                ", pct_start={}, anneal_strategy=\"linear\", div_factor={}, final_div_factor={}, three_phase=True",
                rate(step_size as f64 / iterations as f64),
                rate(max_lr / min_lr),
                rate(min_lr / final_lr)
            )
        }
    };
    format!(
        "torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr={}, total_steps={iterations}, {momentum}{shape})",
        exact(max_lr)
    )
}

/// What PyTorch's call does otherwise.
fn difference(training: &Training) -> &'static str {
    match training.variant.as_str() {
        "torch" | "torch-three-phase" => "This is the schedule that was run.",
        "fastai" => "This is the schedule that was run; PyTorch counts its turning point one step earlier.",
        "paper" => "PyTorch's is the same in shape; its turning points lie up to two steps earlier.",
        _ => {
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
    use super::super::start::tests::training;
    use super::*;

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

    #[test]
    fn pytorchs_own_variant_needs_no_excuse() {
        let torch = Training { variant: "torch".to_owned(), optimizer: "nesterov".to_owned(), ..chosen() };
        let text = sentence(&torch);
        assert!(text.contains("nesterov=True") && text.contains("cycle_momentum=False)."), "{text}");
        assert!(text.ends_with("This is the schedule that was run."));
    }

    #[test]
    fn nothing_is_said_before_there_is_something_to_say() {
        assert_eq!(sentence(&training()), "No rate and length have been chosen yet.");
    }
}
