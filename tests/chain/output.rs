//! Output that nobody reads, and output that does not fit: every program of the chain, and its help.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use end_to_end::{command, small_setting, succeed, workspace};

const SHARED: &str = "--data data.safetensors --init init.safetensors --batch-size 16";

/// A command of every program, each of which prints something to stdout; `{}`: a name not taken.
fn commands() -> Vec<(&'static str, String)> {
    let source = workspace().join("data/mnist5k");
    let train = format!("--schedule constant --lr 0.002 --iterations 4 {SHARED} --out {{}}");
    let mut commands = vec![
        ("sc-prep", format!("mnist {} --limit-per-class 20 --out {{}}", source.display())),
        ("sc-init", "--net lenet --data data.safetensors --seed 1 --out {}".to_owned()),
        ("sc-rangetest", format!("--scale log --min-lr 1e-4 --max-lr 1 --iterations 4 {SHARED} --out {{}}")),
        ("sc-train", train.clone()),
        ("sc-train", format!("{train} --json")),
        ("sc-train", "--replay made --out {}".to_owned()),
        ("sc-probe", format!("{SHARED} --out {{}}")),
        ("sc-probe", format!("{SHARED} --json")),
    ];
    for program in ["sc-prep", "sc-init", "sc-rangetest", "sc-train", "sc-probe"] {
        commands.push((program, "--help".to_owned()));
        commands.push((program, "--version".to_owned()));
    }
    commands
}

/// Runs every command with what `stdout` gives for its standard output. What it had to write to files is there after all.
fn each(stdout: impl Fn() -> Stdio, check: impl Fn(&str, &Output)) {
    let setting = small_setting("lenet");
    let folder = setting.path();
    succeed(folder, "sc-train", &format!("--schedule constant --lr 0.002 --iterations 4 {SHARED} --out made"));
    for (at, (program, arguments)) in commands().into_iter().enumerate() {
        let (out, writes) = (format!("new{at}"), arguments.contains("--out"));
        let arguments = arguments.replace("{}", &out);
        let output = command(folder, program, &arguments).stdout(stdout()).stderr(Stdio::piped()).output().unwrap();
        check(&format!("{program} {arguments}"), &output);
        let out = folder.join(out);
        assert_eq!(out.is_file() || out.join("result.json").is_file(), writes, "{program} {arguments}");
    }
}

#[test]
fn a_reader_that_went_away_has_read_what_it_wanted() {
    let closed = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    each(closed, |command, output| {
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command}\n{message}");
        assert_eq!(message, "", "{command}");
    });
}

#[test]
fn a_full_disk_at_stdout_is_a_failure_in_one_line() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    each(full, |command, output| {
        let message = String::from_utf8_lossy(&output.stderr);
        let program = command.split(' ').next().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}\n{message}");
        let expected = format!("{program}: standard output: cannot write: No space left on device");
        assert!(message.starts_with(&expected) && message.lines().count() == 1, "{command}\n{message}");
    });
}

/// Nobody reads stderr: neither a note nor an error may end a program otherwise than it would have ended.
#[test]
fn notes_that_nobody_reads_change_nothing() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    for (lr, more, code) in [("0.002", "", 0), ("0.002", "", 2), ("0.004", "--resume --supersede", 0)] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let train = format!("--schedule constant --lr {lr} --iterations 4 {SHARED} --out run {more}");
        let status = command(folder, "sc-train", &train).stdout(Stdio::null()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{train}");
    }
    assert!(folder.join("run.superseded-1").is_dir());
}

/// One meaning of `--quiet`: notes and warnings go, errors and results stay.
#[test]
fn quiet_leaves_results_and_errors() {
    let setting = small_setting("lenet");
    let folder = setting.path();
    for (at, (program, arguments)) in commands().into_iter().enumerate() {
        if arguments.starts_with("--help") || arguments.starts_with("--version") {
            continue;
        }
        succeed_once(folder);
        let arguments = format!("{} --quiet", arguments.replace("{}", &format!("new{at}")));
        let output = command(folder, program, &arguments).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && message.is_empty(), "{program} {arguments}\n{message}");
        assert!(!output.stdout.is_empty(), "{program} {arguments} printed no result");
    }
    let train = |lr: &str| format!("--schedule constant --lr {lr} --iterations 4 {SHARED} --out made --quiet");
    let refused = command(folder, "sc-train", &train("0.002")).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("sc-train: made"), "{refused:?}");
    let moved = |quiet: &str, lr: &str| {
        let arguments = format!("{} --resume --supersede", train(lr)).replace("--quiet", quiet);
        String::from_utf8(command(folder, "sc-train", &arguments).output().unwrap().stderr).unwrap()
    };
    assert_eq!(moved("--quiet", "0.003"), "");
    assert!(moved("", "0.004").contains("made.superseded-2"));
}

fn succeed_once(folder: &Path) {
    if !folder.join("made").exists() {
        succeed(folder, "sc-train", &format!("--schedule constant --lr 0.002 --iterations 4 {SHARED} --out made"));
    }
}
