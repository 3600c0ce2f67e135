//! How a run made by hand is named: after its hyper-parameters.

use crate::run::{Config, Kind};

/// A folder name such as `resnet56_cifar10_1cycle_bs1024_lr0.1-3_it4000_m0.95-0.85_wd1e-4_seed1`.
pub fn of_run(config: &Config, data_name: &str) -> String {
    let parameter = |key: &str| config.parameter(key).map(number);
    let lr = match (parameter("min_lr"), parameter("max_lr")) {
        (Some(min), Some(max)) => format!("_lr{min}-{max}"),
        _ => config.main_lr().map_or_else(String::new, |lr| format!("_lr{}", number(lr))),
    };
    let momentum = match (parameter("max_momentum"), parameter("min_momentum")) {
        (Some(max), Some(min)) => format!("{max}-{min}"),
        _ => number(config.momentum),
    };
    let schedule = match config.kind {
        Kind::RangeTest => format!("rangetest-{}", config.schedule.trim_start_matches("ramp-")),
        Kind::Train => config.schedule.clone(),
    };
    let Config { net, batch_size, iterations, weight_decay, seed, optimizer, engine, .. } = config;
    let optimizer = if optimizer == "sgd" { String::new() } else { format!("_{optimizer}") };
    let engine = if engine == "fast" { String::new() } else { format!("_{engine}") };
    let decay = number(*weight_decay);
    let frozen = if config.freeze.is_empty() { String::new() } else { format!("_freeze-{}", config.freeze) };
    let smoothing =
        if config.label_smoothing == 0.0 { String::new() } else { format!("_ls{}", number(config.label_smoothing)) };
    let weights = if config.class_weights.is_empty() { "" } else { "_weighted" };
    let ema = if config.ema == 0.0 { String::new() } else { format!("_ema{}", number(config.ema)) };
    let size = if config.train_size == 0 { String::new() } else { format!("_s{}", config.train_size) };
    let normalised = if config.normalise.is_empty() { String::new() } else { format!("_{}", config.normalise) };
    let rates: Vec<String> = config.group_rates.iter().copied().map(number).collect();
    let rates = if rates.is_empty() { String::new() } else { format!("_groups{}", rates.join("-")) };
    format!(
        "{net}_{data_name}{size}{normalised}_{schedule}_bs{batch_size}{lr}{rates}{frozen}{smoothing}{weights}{ema}_it{iterations}{optimizer}_m{momentum}_wd{decay}{engine}_seed{seed}"
    )
}

/// A number as people write it: `0.1`, `3`, `1e-4`.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.001 { format!("{value:e}") } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{number, of_run};
    use crate::run::tests::old_record;
    use crate::run::{Kind, RunRecord};

    /// Both that a run is known by and what its folder is called: they are one thing, whichever schedule it is.
    #[test]
    fn the_rate_of_a_run_is_the_highest_that_its_schedule_names() {
        let cases: [(&str, Value, Option<f64>, &str); 7] = [
            ("1cycle", json!({"min_lr": 0.1, "max_lr": 3.0, "final_lr": 1e-4}), Some(3.0), "_lr0.1-3_"),
            ("1cycle", json!({"max_lr": 3.0}), Some(3.0), "_lr3_"),
            ("constant", json!({"lr": 0.05}), Some(0.05), "_lr0.05_"),
            ("cosine", json!({"lr": 0.05, "min_lr": 0.0}), Some(0.05), "_lr0.05_"),
            ("piecewise", json!({"pieces": [{"lr": 0.2}, {"lr": 0.02}]}), Some(0.2), "_lr0.2_"),
            ("piecewise", json!({"pieces": [{"lr": 0.01}, {"lr": 0.1}]}), Some(0.1), "_lr0.1_"),
            ("unknown", json!({}), None, "_bs64_it20_"),
        ];
        let mut config = serde_json::from_value::<RunRecord>(old_record()).unwrap().config;
        for (schedule, parameters, lr, part) in cases {
            (config.schedule, config.schedule_parameters) = (schedule.to_owned(), parameters);
            let name = of_run(&config, "digits");
            assert!(config.main_lr() == lr && name.contains(part), "{name}: {:?}", config.main_lr());
        }
        (config.kind, config.schedule) = (Kind::RangeTest, "ramp-log".to_owned());
        config.schedule_parameters = json!({"min_lr": 1e-4, "max_lr": 10.0});
        assert_eq!(of_run(&config, "digits"), "resnet8_digits_rangetest-log_bs64_lr1e-4-10_it20_m0.9_wd1e-4_seed1");
        config.engine = "candle".to_owned();
        assert!(of_run(&config, "digits").ends_with("_wd1e-4_candle_seed1"));
    }

    #[test]
    fn fine_tuning_is_in_the_name() {
        let mut config = serde_json::from_value::<RunRecord>(old_record()).unwrap().config;
        (config.freeze, config.group_rates) = ("body".to_owned(), vec![0.01, 0.1, 1.0]);
        let name = of_run(&config, "digits");
        assert_eq!(name, "resnet8_digits_constant_bs64_lr0.1_groups0.01-0.1-1_freeze-body_it20_m0.9_wd1e-4_seed1");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.1, 3.0, 1e-4, 1e-9, 0.0, 0.95].map(number), ["0.1", "3", "1e-4", "1e-9", "0", "0.95"]);
    }
}
