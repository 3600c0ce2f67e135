//! However a range test is asked for, it ends at the judged rule: the critical rate of the first step is measured with it.

use std::fs;
use std::path::Path;

use artifacts::probe::{self, Critical};
use artifacts::run;
use end_to_end::{bytes, refused, small_setting, succeed};

const INPUTS: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --seed 5 --quiet";

fn probed(folder: &Path) -> Critical {
    succeed(folder, "sc-probe", &format!("{INPUTS} --out probe.json"));
    probe::read(&folder.join("probe.json")).unwrap().critical
}

/// A number among the parameters of the ramp of a recorded range test.
fn parameter(folder: &Path, name: &str, key: &str) -> Option<f64> {
    run::read_run(&folder.join(name)).unwrap().config.schedule_parameters[key].as_f64()
}

#[test]
fn without_ends_the_ramp_is_put_around_the_critical_rate_that_the_probe_measures() {
    let setting = small_setting("resnet8");
    let folder = setting.path();
    let critical = probed(folder).lr.unwrap();
    succeed(folder, "sc-rangetest", &format!("{INPUTS} --iterations 80 --out by-itself"));
    succeed(folder, "sc-rangetest", &format!("{INPUTS} --iterations 80 --around probe.json --out by-a-probe"));
    assert_eq!(parameter(folder, "by-itself", "critical_lr"), Some(critical));
    assert_eq!(parameter(folder, "by-itself", "min_lr"), Some(critical / 64.0));
    assert_eq!(parameter(folder, "by-itself", "max_lr"), Some(critical * 16.0));
    assert_eq!(bytes(folder, "by-itself/metrics.jsonl"), bytes(folder, "by-a-probe/metrics.jsonl"));
    let suggested = succeed(folder, "sc-analyze", "suggest by-itself --out s.json");
    assert!(suggested.contains("the first step overshoots at"), "{suggested}");
}

#[test]
fn a_ramp_between_given_ends_knows_the_critical_rate_too() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let ramp = "--scale log --min-lr 1e-4 --max-lr 1";
    let critical = probed(folder).lr;
    succeed(folder, "sc-rangetest", &format!("{INPUTS} --iterations 80 {ramp} --out with"));
    succeed(folder, "sc-rangetest", &format!("{INPUTS} --iterations 80 {ramp} --no-probe --out without"));
    assert_eq!(parameter(folder, "with", "critical_lr"), critical);
    assert_eq!(parameter(folder, "without", "critical_lr"), None);
    assert_eq!(parameter(folder, "with", "max_lr"), Some(1.0));
    assert_eq!(bytes(folder, "with/metrics.jsonl"), bytes(folder, "without/metrics.jsonl"));
    assert!(succeed(folder, "sc-analyze", "suggest with --out s.json").contains("the first step overshoots at"));
}

#[test]
fn a_finished_range_test_is_found_again_and_not_measured_anew() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let asked = format!("{INPUTS} --iterations 6 --out r --resume");
    succeed(folder, "sc-rangetest", &asked);
    // Had the rate been measured again it would not be this one, and the run would be refused as another.
    let record = folder.join("r/run.json");
    let critical = parameter(folder, "r", "critical_lr").unwrap();
    let text = fs::read_to_string(&record).unwrap();
    let doubled = [critical, critical / 64.0, critical * 16.0]
        .iter()
        .fold(text, |text, rate| text.replace(&format!("{rate}"), &format!("{}", rate * 2.0)));
    fs::write(&record, doubled).unwrap();
    assert_eq!(parameter(folder, "r", "critical_lr"), Some(2.0 * critical));
    succeed(folder, "sc-rangetest", &asked);
    refused(folder, "sc-rangetest", &format!("{asked} --momentum 0.5"), "was started with momentum 0.9, not 0.5");
    // A run that takes its place measures its own.
    succeed(folder, "sc-rangetest", &format!("{asked} --momentum 0.5 --supersede"));
    succeed(folder, "sc-probe", &format!("{INPUTS} --momentum 0.5 --out half.json"));
    let half = probe::read(&folder.join("half.json")).unwrap().critical.lr;
    assert_eq!(parameter(folder, "r", "critical_lr"), half);
}

#[test]
fn a_ramp_is_given_whole_or_not_at_all() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    for some in ["--scale log", "--min-lr 0.1", "--scale log --max-lr 1", "--min-lr 0.1 --max-lr 1", "--no-probe"] {
        refused(folder, "sc-rangetest", &format!("{INPUTS} --iterations 6 --out r {some}"), "required");
    }
}
