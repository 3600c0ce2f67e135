//! The chain from data to report, by hand.

use artifacts::metrics::{self, Metrics};
use artifacts::run::{self, Status};
use artifacts::suggestion;
use end_to_end::{small_setting, succeed};

#[test]
fn the_chain_goes_through() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let shared = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --bn-reestimate 2";
    for (scale, min) in [("log", "1e-4"), ("linear", "0")] {
        let ramp = format!("--scale {scale} --min-lr {min} --max-lr 3 --iterations 40 {shared} --out runs/{scale}");
        succeed(folder, "sc-rangetest", &ramp);
    }
    succeed(folder, "sc-analyze", "suggest runs/log runs/linear --out suggestion.json");
    suggestion::read(&folder.join("suggestion.json")).unwrap();

    let cycle = format!("--schedule 1cycle --max-lr 0.5 --iterations 20 {shared} --val-from-train 0 --out runs/cycle");
    let line = succeed(folder, "sc-train", &cycle);
    assert!(line.starts_with("cycle: 20 steps, training accuracy 0."), "{line}");
    let result = run::read_result(&folder.join("runs/cycle")).unwrap().unwrap();
    assert_eq!(result.status, Status::Completed);
    assert!(result.test_accuracy.unwrap() > 0.2 && result.final_val_accuracy.is_none());

    succeed(folder, "sc-analyze", "report runs/log runs/linear runs/cycle --suggestion suggestion.json --out report");
    let page = std::fs::read_to_string(folder.join("report/index.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script src"), "the page draws, and needs no other file");
}

/// Line k has the rate that step k used: the fraction (k - 1) / (N - 1) of the ramp, and val_* on the last line whatever --val-every.
#[test]
fn every_step_is_recorded_at_its_own_rate() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let shared = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";
    let ramp = "--scale linear --min-lr 0 --max-lr 0.03 --iterations 7 --val-every 3 --momentum 0 --weight-decay 0";
    succeed(folder, "sc-rangetest", &format!("{ramp} {shared} --out runs/ramp"));
    let (lines, torn) = metrics::read::<Metrics>(&folder.join("runs/ramp").join(metrics::FILE)).unwrap();
    assert!(!torn);
    let rates: Vec<f64> = lines.iter().map(|line| line.lr).collect();
    assert_eq!(rates.len(), 7);
    assert!(rates.iter().enumerate().all(|(at, lr)| (lr - 0.005 * at as f64).abs() < 1e-15), "{rates:?}");
    assert_eq!(lines.iter().map(|line| line.iteration).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
    let measured: Vec<u64> = lines.iter().filter(|line| line.val_loss.is_some()).map(|line| line.iteration).collect();
    assert_eq!(measured, [3, 6, 7]);
    assert!(lines.iter().all(|line| line.momentum == 0.0 && line.train_loss.is_some()));
}

#[test]
fn a_run_that_blows_up_is_a_result() {
    let setting = small_setting("shallow");
    let folder = setting.path();
    let shared = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --iterations 30";
    let train = format!("--schedule constant --lr 1e6 {shared} --out runs/wild");
    succeed(folder, "sc-train", &train);
    let result = run::read_result(&folder.join("runs/wild")).unwrap().unwrap();
    let divergence = result.divergence.unwrap();
    assert_eq!((result.status, divergence.lr, divergence.iteration), (Status::Diverged, 1e6, result.iterations));
    assert!(divergence.last_finite_loss.unwrap() > 0.0 && result.test_accuracy.is_none());
    let (lines, _) = metrics::read::<Metrics>(&folder.join("runs/wild").join(metrics::FILE)).unwrap();
    assert_eq!(lines.len() as u64, result.iterations);

    let code = end_to_end::run(folder, "sc-train", &format!("{train} --resume --fail-on-divergence")).status.code();
    assert_eq!(code, Some(3));
}

#[test]
fn recorded_batches_are_what_the_run_saw() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train = "--schedule constant --lr 0.01 --data data.safetensors --init init.safetensors --batch-size 16 --quiet \
                 --iterations 12 --augment crop-flip --record-batches --out runs/a";
    succeed(folder, "sc-train", train);
    let batches = artifacts::batches::read(&folder.join("runs/a").join(artifacts::batches::FILE)).unwrap();
    assert_eq!((batches.batch_size, batches.indices.len()), (16, 12 * 16));
    let mut first_epoch = batches.indices[..144].to_vec(); // 160 training images, a tenth of them for validation
    first_epoch.sort_unstable();
    first_epoch.dedup();
    assert_eq!(first_epoch.len(), 144);
    assert!(batches.crop_y.iter().all(|y| *y <= 8) && batches.flip.contains(&1));
}
