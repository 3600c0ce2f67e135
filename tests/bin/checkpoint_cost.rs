//! What a checkpoint costs: the same run with one after every step and with none, one after the other, a few rounds.
//!
//!     cargo run --release -p end-to-end --bin checkpoint_cost
//!
//! Prints a table: the size of the file, the seconds that one checkpoint takes (median over the rounds of the difference
//! in wall time, over the number of checkpoints), and the share of a run that is saved every 30 seconds, the default.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use end_to_end::{small_setting, succeed};

const NETS: [(&str, &str); 4] = [("lenet", "sgd"), ("resnet20", "sgd"), ("resnet56", "sgd"), ("resnet56", "adamw")];
const STEPS: u32 = 60;
const ROUNDS: usize = 5;
const DEFAULT_SECONDS: f64 = 30.0;

fn main() {
    println!("| net | optimizer | checkpoint, MB | seconds | share of a run at the default |");
    println!("|---|---|---|---|---|");
    for (net, optimizer) in NETS {
        let setting = small_setting(net);
        let folder = setting.path();
        let mut costs: Vec<f64> = (0..ROUNDS).map(|_| cost(folder, optimizer)).collect();
        costs.sort_by(f64::total_cmp);
        let seconds = costs[ROUNDS / 2];
        let size = fs::metadata(folder.join("saved/checkpoint.safetensors")).expect("it was saved").len();
        println!(
            "| {net} | {optimizer} | {:.2} | {seconds:.4} | {:.3}% |",
            size as f64 / 1e6,
            100.0 * seconds / DEFAULT_SECONDS
        );
    }
}

/// Seconds that one checkpoint takes.
fn cost(folder: &Path, optimizer: &str) -> f64 {
    let wall = |out: &str, checkpoints: &str| -> f64 {
        let _ = fs::remove_dir_all(folder.join(out));
        let train = format!(
            "--data data.safetensors --init init.safetensors --schedule constant --lr 1e-4 --batch-size 16 --quiet --json \
             --iterations {STEPS} --val-every 0 --optimizer {optimizer} {checkpoints} --out {out}"
        );
        let result: serde_json::Value = serde_json::from_str(&succeed(folder, "sc-train", &train)).expect("JSON");
        result["wall_seconds"].as_f64().expect("a number")
    };
    let without = wall("plain", "--checkpoint-seconds 0");
    let with = wall("saved", "--checkpoint-seconds 0 --checkpoint-every 1");
    // None after the last step: there the result follows.
    (with - without) / f64::from(STEPS - 1)
}
