//! Disks that are full, folders that cannot be written, files that go while a run goes on, two runs for one folder: a
//! clear message, what was measured so far readable, nothing half-written under a final name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use artifacts::metrics::{self, Metrics};
use end_to_end::{bytes, command, programs, run, small_setting, succeed};

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet";

/// Runs a program that may write no file longer than `blocks` blocks of 512 or 1024 bytes, as the shell counts: to the
/// program it is a disk that is full.
fn run_in_little_room(folder: &Path, blocks: u32, program: &str, arguments: &str) -> Output {
    let program = programs().join(program);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {arguments}", program.display());
    Command::new("sh").args(["-c", &script]).current_dir(folder).output().unwrap()
}

fn failed(output: &Output, expected: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(expected), "expected {expected:?} in\n{message}");
    assert!(!message.contains("panicked"), "{message}");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn same(folder: &Path, one: &str, other: &str) {
    for file in ["metrics.jsonl", "model.safetensors"] {
        let (one, other) = (format!("runs/{one}/{file}"), format!("runs/{other}/{file}"));
        assert!(bytes(folder, &one) == bytes(folder, &other), "{one} and {other} differ");
    }
}

/// The disk fills up at the record of what was asked, at the records of steps, at a checkpoint. Once there is room, the
/// same command goes on, and ends as if nothing had been.
#[test]
fn a_full_disk_keeps_what_was_measured() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train = |out: &str, more: &str| {
        format!(
            "--schedule constant --lr 0.002 --iterations 600 --val-every 300 {SHARED} {more} --out runs/{out} --resume"
        )
    };
    succeed(folder, "sc-train", &train("straight", ""));

    failed(&run_in_little_room(folder, 1, "sc-train", &train("a", "")), "runs/a/run.json: cannot write: ");
    assert_eq!(names(&folder.join("runs/a")), [".lock"]);

    let never = "--checkpoint-seconds 0";
    let output = run_in_little_room(folder, 60, "sc-train", &train("a", never));
    failed(&output, "runs/a/metrics.jsonl: cannot write: ");
    failed(&output, "progress was saved; rerun with --resume");
    let (lines, torn) = metrics::read::<Metrics>(&folder.join("runs/a").join(metrics::FILE)).unwrap();
    assert!(lines.len() > 50 && torn, "{} lines, torn: {torn}", lines.len());

    let output = run_in_little_room(folder, 60, "sc-train", &train("a", "--checkpoint-every 40"));
    failed(&output, "runs/a/checkpoint.safetensors: cannot write: ");
    let (lines, torn) = metrics::read::<Metrics>(&folder.join("runs/a").join(metrics::FILE)).unwrap();
    assert_eq!((lines.len(), torn), (40, false));
    assert_eq!(names(&folder.join("runs/a")), [".lock", "batch.png", "metrics.jsonl", "run.json", "timing.jsonl"]);

    succeed(folder, "sc-train", &train("a", "--checkpoint-every 40"));
    same(folder, "straight", "a");
}

#[test]
fn a_full_disk_leaves_nothing_of_a_single_file() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    succeed(
        folder,
        "sc-rangetest",
        &format!("--scale log --min-lr 1e-4 --max-lr 3 --iterations 40 {SHARED} --out runs/log"),
    );
    let source = end_to_end::workspace().join("data/mnist5k");
    let before = names(folder);
    for (program, arguments, file) in [
        (
            "sc-prep",
            format!("mnist {} --limit-per-class 20 --out new.safetensors --quiet", source.display()),
            "new.safetensors",
        ),
        ("sc-init", "--net lenet --data data.safetensors --seed 1 --out new.safetensors".to_owned(), "new.safetensors"),
        ("sc-analyze", "suggest runs/log --out new.json".to_owned(), "new.json"),
    ] {
        failed(&run_in_little_room(folder, 1, program, &arguments), &format!("{file}: cannot write: "));
        assert_eq!(names(folder), before, "{program} left something");
    }
    failed(&run_in_little_room(folder, 1, "sc-analyze", "report runs/log --out report"), ": cannot write: ");
    let left = names(&folder.join("report"));
    assert!(left.iter().all(|name| !name.starts_with('.') && name != "index.html"), "{left:?}");
}

/// A disk that is really full, where this user may make one: a file system of 300 KB in a name space of its own.
#[test]
fn a_file_system_without_room_is_a_full_disk() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    fs::create_dir(folder.join("small")).unwrap();
    let inside = |script: &str| {
        let script = format!("mount -t tmpfs -o size=300k none small && {{ {script}; }}");
        Command::new("unshare").args(["-Urm", "sh", "-c", &script]).current_dir(folder).output()
    };
    if !inside("true").is_ok_and(|output| output.status.success()) {
        eprintln!("this user may make no file system: the limit on the length of files has to do");
        return;
    }
    let train = format!(
        "--schedule constant --lr 0.002 --iterations 100 --checkpoint-every 30 --out small/x --resume {SHARED}"
    );
    let program = programs().join("sc-train");
    let script = format!("{} {train}; code=$?; cp -a small/x kept; exit $code", program.display());
    failed(&inside(&script).unwrap(), "checkpoint.safetensors: cannot write: No space left on device");
    let (lines, torn) = metrics::read::<Metrics>(&folder.join("kept").join(metrics::FILE)).unwrap();
    assert_eq!((lines.len(), torn), (30, false));
    assert_eq!(names(&folder.join("kept")), [".lock", "batch.png", "metrics.jsonl", "run.json", "timing.jsonl"]);
}

#[test]
fn a_place_that_cannot_be_written() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train = |out: &str| format!("--schedule constant --lr 0.002 --iterations 4 {SHARED} --out {out}");
    fs::write(folder.join("file"), b"").unwrap();
    failed(&run(folder, "sc-train", &train("file/x")), "file/x: cannot make the folder: ");
    failed(
        &run(folder, "sc-init", "--net lenet --data data.safetensors --seed 1 --out file/x"),
        "file/x: cannot write: ",
    );
    let output = run(folder, "sc-train", &train("file"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("sc-train: file is a file, not the folder of a run"));

    let sealed = folder.join("sealed");
    fs::create_dir(&sealed).unwrap();
    let seal = |sealed_now: bool| {
        let mut permissions = fs::metadata(&sealed).unwrap().permissions();
        permissions.set_readonly(sealed_now);
        fs::set_permissions(&sealed, permissions).unwrap();
    };
    seal(true);
    if fs::write(sealed.join("probe"), b"").is_err() {
        failed(&run(folder, "sc-train", &train("sealed/x")), "sealed/x: cannot make the folder: Permission denied");
        failed(
            &run(folder, "sc-init", "--net lenet --data data.safetensors --seed 1 --out sealed/x"),
            "sealed/x: cannot write: Permission denied",
        );
    } // else: the user is root, whom no folder is closed to
    seal(false);
}

/// A run of some seconds that was begun and has made steps.
fn begun(folder: &Path, out: &str) -> Child {
    let train = format!("--schedule constant --lr 0.002 --iterations 200000 {SHARED} --out runs/{out}");
    let child = command(folder, "sc-train", &train).stderr(Stdio::piped()).spawn().unwrap();
    let records = folder.join(format!("runs/{out}/metrics.jsonl"));
    let deadline = Instant::now() + Duration::from_mins(1);
    while fs::metadata(&records).map_or(0, |metadata| metadata.len()) == 0 {
        assert!(Instant::now() < deadline, "no step was recorded");
        sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn records_that_are_removed_while_the_run_goes_on() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let child = begun(folder, "a");
    fs::remove_file(folder.join("runs/a/metrics.jsonl")).unwrap();
    let output = child.wait_with_output().unwrap();
    failed(&output, "runs/a/metrics.jsonl: cannot write: it was removed, moved or replaced meanwhile");
    assert!(!folder.join("runs/a/result.json").exists());
}

#[test]
fn a_folder_that_is_removed_or_moved_while_the_run_goes_on() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let (removed, moved) = (begun(folder, "removed"), begun(folder, "moved"));
    // What the run writes meanwhile must not keep the folder from being removed.
    while fs::remove_dir_all(folder.join("runs/removed")).is_err() {}
    fs::rename(folder.join("runs/moved"), folder.join("elsewhere")).unwrap();
    for (child, name) in [(removed, "runs/removed"), (moved, "runs/moved")] {
        failed(&child.wait_with_output().unwrap(), "removed, moved or replaced meanwhile");
        assert!(!folder.join(name).exists(), "{name} was made anew");
    }
    let (lines, _) = metrics::read::<Metrics>(&folder.join("elsewhere").join(metrics::FILE)).unwrap();
    assert!(!lines.is_empty());
}

/// Data and weights are read once, at the start.
#[test]
fn sources_that_are_removed_while_the_run_goes_on() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let mut child = begun(folder, "a");
    for file in ["data.safetensors", "init.safetensors"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn two_runs_for_one_folder() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train = format!("--schedule constant --lr 0.002 --iterations 200000 {SHARED} --out runs/a");
    let mut first = begun(folder, "a");
    let second = run(folder, "sc-train", &format!("{train} --resume"));
    let message = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{message}");
    let holder = format!("sc-train: runs/a is in use by sc-train 0.1.0, process {}", first.id());
    assert!(message.contains(&holder), "{message}");
    assert!(first.try_wait().unwrap().is_none(), "the first goes on");

    // The lock of a process that was killed holds nobody up.
    first.kill().unwrap();
    first.wait().unwrap();
    let mut third = command(folder, "sc-train", &format!("{train} --resume")).spawn().unwrap();
    let lock = folder.join("runs/a/.lock");
    let own = format!("process {}", third.id());
    while !fs::read_to_string(&lock).unwrap_or_default().contains(&own) {
        assert!(third.try_wait().unwrap().is_none(), "it ended");
        sleep(Duration::from_millis(5));
    }
    third.kill().unwrap();
    third.wait().unwrap();
}

/// Records that do not reach up to the checkpoint, and a damaged checkpoint: refused, never papered over.
#[test]
fn a_run_whose_own_files_are_damaged() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    let train =
        format!("--schedule constant --lr 0.002 --iterations 60 --checkpoint-every 25 {SHARED} --out runs/a --resume");
    succeed(folder, "sc-train", &train);
    let at = |name: &str| -> PathBuf { folder.join("runs/a").join(name) };
    fs::remove_file(at("result.json")).unwrap();
    let (records, saved) = (bytes(folder, "runs/a/metrics.jsonl"), bytes(folder, "runs/a/checkpoint.safetensors"));
    let refused = |expected: &str| {
        let output = run(folder, "sc-train", &train);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected) && message.contains("--out DIR"), "{message}");
    };
    fs::write(at("metrics.jsonl"), &records[..records.len() / 2]).unwrap();
    refused("runs/a/metrics.jsonl: expected 50 records of the 50 steps done, found 30");
    fs::remove_file(at("metrics.jsonl")).unwrap();
    refused("runs/a/metrics.jsonl: expected 50 records of the 50 steps done, found 0");
    fs::write(at("metrics.jsonl"), &records).unwrap();
    fs::write(at("checkpoint.safetensors"), &saved[..saved.len() - 9]).unwrap();
    refused("runs/a/checkpoint.safetensors: expected a whole safetensors file");
    fs::write(at("checkpoint.safetensors"), &saved).unwrap();
    succeed(folder, "sc-train", &train);
    assert_eq!(bytes(folder, "runs/a/metrics.jsonl"), records);
}
