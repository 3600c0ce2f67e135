//! How a run made by hand is named: after its hyper-parameters.

use crate::run::{Config, Kind};

/// A folder name such as `resnet56_cifar10_1cycle_bs1024_lr0.1-3_it4000_m0.95-0.85_wd1e-4_seed1`.
pub fn of_run(config: &Config, data_name: &str) -> String {
    let parameter = |key: &str| config.schedule_parameters.get(key).and_then(serde_json::Value::as_f64);
    let lr = match (parameter("min_lr"), parameter("max_lr"), parameter("lr")) {
        (Some(min), Some(max), _) => format!("_lr{}-{}", number(min), number(max)),
        (None, Some(max), _) => format!("_lr{}", number(max)),
        (_, _, Some(lr)) => format!("_lr{}", number(lr)),
        _ => pieces(config),
    };
    let momentum = match (parameter("max_momentum"), parameter("min_momentum")) {
        (Some(max), Some(min)) => format!("{}-{}", number(max), number(min)),
        _ => number(config.momentum),
    };
    let schedule = match config.kind {
        Kind::RangeTest => format!("rangetest-{}", config.schedule.trim_start_matches("ramp-")),
        Kind::Train => config.schedule.clone(),
    };
    let Config { net, batch_size, iterations, weight_decay, seed, optimizer, .. } = config;
    let optimizer = if optimizer == "sgd" { String::new() } else { format!("_{optimizer}") };
    let decay = number(*weight_decay);
    format!(
        "{net}_{data_name}_{schedule}_bs{batch_size}{lr}_it{iterations}{optimizer}_m{momentum}_wd{decay}_seed{seed}"
    )
}

fn pieces(config: &Config) -> String {
    let rates = config.schedule_parameters.get("pieces").and_then(serde_json::Value::as_array);
    let first = rates.and_then(|pieces| pieces.first()?.get("lr")?.as_f64());
    first.map_or_else(String::new, |lr| format!("_lr{}", number(lr)))
}

/// A number as people write it: `0.1`, `3`, `1e-4`.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.001 { format!("{value:e}") } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.1, 3.0, 1e-4, 1e-9, 0.0, 0.95].map(number), ["0.1", "3", "1e-4", "1e-9", "0", "0.95"]);
    }
}
