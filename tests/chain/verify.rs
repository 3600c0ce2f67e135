//! `sc-analyze verify` over runs that the programs made.

use std::fs;

use end_to_end::{run, small_setting, succeed};

#[test]
fn runs_of_every_kind_hold_until_a_file_is_another() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let common = "--data data.safetensors --init init.safetensors --batch-size 32 --iterations 6 --quiet";
    let train = |flags: &str| succeed(folder, "sc-train", &format!("--schedule constant {flags} {common}"));
    train("--lr 0.05 --val-from-train 0.1 --val-every 2 --bn-reestimate 2 --test-every 3 --out runs/a");
    train("--lr 0.05 --val-from-train 0 --record-batches --augment crop-flip --out runs/b");
    train("--lr 1e30 --val-from-train 0.1 --out runs/diverged");
    let ramp = "--scale log --min-lr 1e-3 --max-lr 1 --val-from-train 0.1 --out runs/ramp";
    succeed(folder, "sc-rangetest", &format!("{ramp} {common}"));
    let said = succeed(folder, "sc-analyze", "verify runs/*");
    assert_eq!(said.matches(": holds (").count(), 4, "{said}");

    let data = fs::read(folder.join("data.safetensors")).unwrap();
    fs::write(folder.join("data.safetensors"), [&data[..data.len() - 1], &[data[data.len() - 1] ^ 1]].concat())
        .unwrap();
    let output = run(folder, "sc-analyze", "verify runs/*");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("does not hold: data.safetensors: expected SHA-256").count(), 4, "{said}");
}
