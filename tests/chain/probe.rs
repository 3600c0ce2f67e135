//! What `sc-probe` measures the critical rate at.

use std::path::Path;

use artifacts::probe::{self, Critical};
use end_to_end::{small_setting, succeed};

/// The critical rate at some weights. A batch holds all images trained on, so that batches differ in their order alone.
fn critical(folder: &Path, weights: &str, batches: u64) -> Critical {
    let flags = "--data data.safetensors --val-from-train 0.7 --batch-size 60 --quiet --out probe.json";
    succeed(folder, "sc-probe", &format!("{flags} --init {weights} --critical-batches {batches}"));
    probe::read(&folder.join("probe.json")).unwrap().critical
}

fn near(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < 1e-3
}

#[test]
fn every_further_batch_is_measured_at_initial_weights_drawn_anew() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    // The seeds that are drawn: documented by what they are, not by how the program comes by them.
    let mut rates: Vec<f64> = [1, 1 + (1 << 32), 1 + (2 << 32)]
        .map(|seed: u64| {
            let init = format!("--net lenet --data data.safetensors --seed {seed} --out {seed}.safetensors");
            succeed(folder, "sc-init", &init);
            let one = critical(folder, &format!("{seed}.safetensors"), 1);
            assert_eq!((one.batch_size, one.batches), (60, 1));
            one.lr.unwrap()
        })
        .into();
    rates.sort_by(f64::total_cmp);
    assert!(!near(rates[0], rates[1]) && !near(rates[1], rates[2]), "weights that differ in nothing show nothing");
    let three = critical(folder, "init.safetensors", 3);
    let interval = three.interval.unwrap();
    assert_eq!(three.batches, 3);
    assert!(near(three.lr.unwrap(), rates[1]), "{three:?} {rates:?}");
    assert!(near(interval.low, rates[0]) && near(interval.high, rates[2]), "{three:?} {rates:?}");
}

#[test]
fn trained_weights_are_kept_for_every_batch() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let inputs = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";
    succeed(folder, "sc-train", &format!("{inputs} --schedule constant --lr 0.001 --iterations 1 --out run"));
    let three = critical(folder, "run/model.safetensors", 3);
    let interval = three.interval.unwrap();
    assert!(near(interval.low, interval.high), "{three:?}");
}
