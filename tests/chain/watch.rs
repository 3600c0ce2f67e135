//! `sc-watch` as a user meets it: once as text, and in a real terminal, which tmux plays.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use artifacts::metrics::{FILE, LineWriter, Metrics};
use artifacts::run::RESULT_FILE;
use end_to_end::made_up::{Runs, training_step};
use end_to_end::{command, programs, refused, run, small_setting, succeed};

/// Steps of the run that is in progress.
const STEPS: u64 = 60;

/// A run in progress, at a step: somebody on another machine works on it.
fn in_progress(runs: &Runs, step: u64) -> PathBuf {
    let folder = PathBuf::from(runs.training("1cycle", STEPS, 1, 0.5, 0.9));
    fs::remove_file(folder.join(RESULT_FILE)).unwrap();
    LineWriter::open::<Metrics>(&folder.join(FILE), step).unwrap().flush().unwrap();
    folder
}

fn append(folder: &Path, text: &str) {
    OpenOptions::new().append(true).open(folder.join(FILE)).unwrap().write_all(text.as_bytes()).unwrap();
}

fn step_line(step: u64) -> String {
    serde_json::to_string(&training_step(step, STEPS, 0.5)).unwrap() + "\n"
}

/// Every file below a folder, with its bytes and when they were written.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                let written = entry.metadata().unwrap().modified().unwrap();
                found.insert(entry.path(), (fs::read(entry.path()).unwrap(), written));
            }
        }
    }
    found
}

#[test]
fn once_is_plain_text_and_leaves_no_trace() {
    let runs = Runs::new();
    runs.study();
    let folder = in_progress(&runs, 20);
    append(&folder, "{\"iteration\":21,\"epo");
    let before = files(runs.folder());
    let output = command(runs.folder(), "sc-watch", "--once .").env("FORCE_COLOR", "1").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert!(!text.contains('\u{1b}') && text.is_ascii(), "{text}");
    assert!(text.starts_with(".: 20 runs: 1 running, 19 finished"), "{text}");
    let line = text.lines().find(|line| line.starts_with("1cycle-it60-lr0.5-seed1 ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[1..6], ["running", "20/60", "0.5", "0.846", "100.0"], "{line}");
    // What the rule says is what sc-analyze says, to the digit.
    let suggested = succeed(runs.folder(), "sc-analyze", "suggest range-test-log-seed1 --json --out s.json");
    let suggested: serde_json::Value = serde_json::from_str(&suggested).unwrap();
    let rate = |key: &str| artifacts::number::rate(suggested[key].as_f64().unwrap());
    let expected = format!("plateau: rates from {} to {}", rate("min_lr"), rate("max_lr"));
    assert!(text.contains(&expected), "{expected}\n{text}");
    fs::remove_file(runs.folder().join("s.json")).unwrap();
    assert_eq!(files(runs.folder()), before);
    // Without --once too, where nobody could press a key.
    assert_eq!(succeed(runs.folder(), "sc-watch", "."), text);
}

/// For mail and logs: curves as text, with the letters of their runs, in ASCII alone where the locale is not UTF-8.
#[test]
fn a_chart_is_plain_text_too() {
    let runs = Runs::new();
    runs.study();
    let folder = in_progress(&runs, 20);
    let printed = |locale: &str| {
        let output = command(runs.folder(), "sc-watch", "--chart .").env("LC_ALL", locale).output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = printed("C");
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    assert!(text.starts_with("training loss") && text.contains("\ntraining accuracy"), "{text}");
    assert!(text.lines().take(28).all(|line| line.len() <= 80), "{text}");
    let name = folder.file_name().unwrap().to_string_lossy();
    assert!(text.contains(&format!("\na  {name}\n")), "what is in progress comes first\n{text}");
    assert!(text.contains("\n.: 20 runs: 1 running, 19 finished"), "and then the state\n{text}");
    assert!(printed("C.UTF-8").chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)));
}

#[test]
fn a_reader_that_went_away_and_a_run_that_is_not_there() {
    let runs = Runs::new();
    runs.study();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(runs.folder(), "sc-watch", ".").stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), [].as_slice()));
    refused(runs.folder(), "sc-watch", "rnus", "rnus: there is no such run or folder of runs");
    refused(runs.folder(), "sc-watch", ". --interval 0", "expected seconds from 0.1 to 3600");
    let text = succeed(runs.folder(), "sc-watch", "rnus --wait");
    assert!(text.contains("1 run: 1 waiting") && text.contains("rnus  waiting"), "{text}");
}

/// The states that real programs leave: killed, taken up again, and superseded.
#[test]
fn a_real_run_is_stopped_then_finished_then_superseded() {
    let setting = small_setting("lenet");
    let train = |lr: &str, more: &str| {
        let shared = "--data data.safetensors --init init.safetensors --batch-size 16 --quiet --out runs/x --resume";
        format!("--schedule constant --lr {lr} --iterations {more} {shared}")
    };
    let watch = |more: &str| succeed(setting.path(), "sc-watch", &format!("--once {more}"));
    let mut child = command(setting.path(), "sc-train", &train("0.002", "1000000")).spawn().unwrap();
    until("the run is in progress", || {
        setting.path().join("runs/x/run.json").exists() && watch("").contains(" running ")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    until("it is noticed that the process is gone", || watch("").contains(" stopped "));
    succeed(setting.path(), "sc-train", &train("0.002", "4 --supersede"));
    let text = watch("");
    assert!(text.starts_with("runs: 1 run: 1 finished\n") && text.contains(" 4/4 "), "{text}");
    let text = watch("runs --superseded");
    assert!(text.contains("2 runs: 1 stopped, 1 finished") && text.contains("x.superseded-1"), "{text}");
}

/// Waits until something is so; it is left to the machine how long that takes.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(2), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A terminal with a shell in it.
struct Tmux {
    socket: String,
    folder: tempfile::TempDir,
}

impl Tmux {
    /// None where there is no tmux.
    fn start() -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket").to_string_lossy().into_owned();
        let tmux = Self { socket, folder };
        let path = format!("{}:{}", programs().display(), std::env::var("PATH").unwrap());
        let shell = format!("env PS1='$ ' PATH='{path}' LC_ALL=C.UTF-8 sh");
        tmux.ask(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &shell]);
        Some(tmux)
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").args(["-S", &self.socket]).args(arguments).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    fn press(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    /// Types a command into the shell.
    fn shell(&self, command: &str) {
        self.press(&[command, "Enter"]);
    }

    fn resize(&self, columns: u16, lines: u16) {
        self.ask(&["resize-window", "-x", &columns.to_string(), "-y", &lines.to_string()]);
    }

    /// Waits until the screen shows a text.
    fn shows(&self, text: &str) {
        let begun = Instant::now();
        while !self.screen().contains(text) {
            assert!(begun.elapsed() < Duration::from_mins(1), "waited in vain for {text:?} on\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether the terminal is as a shell wants it: the usual screen, lines, echo, a cursor.
    fn is_given_back(&self) -> bool {
        let flags = self.ask(&["display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}"]);
        let file = self.folder.path().join("stty");
        let _ = fs::remove_file(&file);
        self.shell(&format!("stty -a > '{}.new'; mv '{0}.new' '{0}'", file.display()));
        until("stty has spoken", || file.exists());
        let stty = fs::read_to_string(file).unwrap();
        let is_usual =
            ["icanon", "echo", "isig", "opost"].iter().all(|word| stty.split_whitespace().any(|is| is == *word));
        flags.trim() == "0 1 1" && is_usual
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-S", &self.socket, "kill-server"]).output();
    }
}

#[test]
fn the_live_view_follows_files_keys_and_sizes() {
    let Some(tmux) = Tmux::start() else { return };
    let runs = Runs::new();
    let folder = in_progress(&runs, 20);
    tmux.shell(&format!("cd \"{}\" && sc-watch . --interval 0.2; echo \"code $?\"", runs.folder().display()));
    tmux.shows("20/60");
    tmux.shows("training loss");

    // A torn line waits until it is whole; then more lines come.
    let line = step_line(21);
    append(&folder, &line[..30]);
    append(&folder, &line[30..]);
    append(&folder, &step_line(22));
    tmux.shows("22/60");
    append(&folder, "\0\0\0\n");
    tmux.shows("unreadable lines: 1");

    runs.range_test("range-test", 1, |_| ());
    tmux.shows("2 runs: 1 running, 1 finished");
    tmux.press(&["G"]);
    runs.training("grid", STEPS, 1, 0.1, 0.9);
    tmux.shows("3 runs");
    // Cut back as by --resume, and superseded.
    LineWriter::open::<Metrics>(&folder.join(FILE), 10).unwrap().flush().unwrap();
    tmux.shows("10/60");
    fs::rename(&folder, folder.with_extension("5-seed1.superseded-1")).unwrap();
    tmux.shows("2 runs: 2 finished");
    in_progress(&runs, 5);
    tmux.shows("3 runs: 1 running, 2 finished");

    tmux.press(&["?"]);
    tmux.shows("Keys (any key: back)");
    tmux.press(&["Escape"]);
    tmux.shows("training loss");
    tmux.press(&["/"]);
    tmux.press(&["range", "Enter"]);
    tmux.shows("1 of 1 drawn");
    tmux.shows("plateau: rates from");
    tmux.press(&["Enter"]);
    tmux.shows("rate");
    tmux.press(&["m"]);
    tmux.shows("training accuracy");
    tmux.press(&["v"]);
    tmux.shows("validation accuracy");

    for (columns, lines, text) in
        [(200, 60, "gradient norm"), (20, 5, "too small"), (80, 24, "q quit"), (132, 43, "learning rate")]
    {
        tmux.resize(columns, lines);
        tmux.shows(text);
    }
    tmux.press(&["q"]);
    tmux.shows("code 0");
    assert!(tmux.screen().contains("3 runs: 1 running, 2 finished"), "the last state stays:\n{}", tmux.screen());
    assert!(tmux.is_given_back());
}

#[test]
fn the_terminal_is_given_back_whatever_ends_the_view() {
    let Some(tmux) = Tmux::start() else { return };
    let runs = Runs::new();
    in_progress(&runs, 20);
    let own = tmux.folder.path().join("process");
    tmux.shell(&format!("cd \"{}\"", runs.folder().display()));
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        tmux.shell("clear");
        tmux.shell(&format!("sh -c 'echo $$ > {}; exec sc-watch .'; echo \"code $?\"", own.display()));
        tmux.shows("training loss");
        let process = fs::read_to_string(&own).unwrap();
        let kill = Command::new("kill").args([&format!("-{signal}"), process.trim()]).status().unwrap();
        assert!(kill.success());
        tmux.shows("code 130");
        assert!(tmux.screen().contains("1 run: 1 running"), "{signal}: the last state stays:\n{}", tmux.screen());
        assert!(tmux.is_given_back(), "{signal}");
    }
    // Stopped and continued by the shell, and ended by Ctrl-C.
    tmux.shell("clear; set -m");
    tmux.shell("sc-watch .; echo \"code $?\"");
    tmux.shows("training loss");
    tmux.press(&["C-z"]);
    tmux.shows("code 1");
    assert!(tmux.is_given_back());
    tmux.shell("clear; fg; echo \"then $?\"");
    tmux.shows("training loss");
    tmux.press(&["C-c"]);
    tmux.shows("then 0");
    assert!(tmux.is_given_back());
}

/// A program works in the folder that is watched, and ends with the bytes that it ends with unwatched.
#[test]
fn a_run_does_not_notice_that_it_is_watched() {
    let Some(tmux) = Tmux::start() else { return };
    let setting = small_setting("lenet");
    let train = |out: &str| {
        format!(
            "--schedule constant --lr 0.002 --iterations 30 --data data.safetensors --init init.safetensors --batch-size 16 --quiet --out {out}"
        )
    };
    tmux.shell(&format!("cd {} && sc-watch runs --wait --interval 0.1", setting.path().display()));
    tmux.shows("waiting");
    let output = run(setting.path(), "sc-train", &train("runs/watched"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tmux.shows("1 run: 1 finished");
    tmux.shows("30/30");
    succeed(setting.path(), "sc-train", &train("unwatched"));
    for file in [FILE, "model.safetensors"] {
        let bytes = |folder: &str| fs::read(setting.path().join(folder).join(file)).unwrap();
        assert_eq!(bytes("runs/watched"), bytes("unwatched"), "{file}");
    }
}

/// Where colours are not wanted none are sent; names tell curves apart all the same.
#[test]
fn no_color_sends_no_colours() {
    let Some(tmux) = Tmux::start() else { return };
    let runs = Runs::new();
    runs.study();
    tmux.resize(132, 30);
    tmux.shell(&format!("cd \"{}\"", runs.folder().display()));
    let coloured = |is_coloured: bool| {
        let with_escapes = tmux.ask(&["capture-pane", "-p", "-e"]);
        assert_eq!(with_escapes.contains("\u{1b}[36m"), is_coloured, "{with_escapes}");
    };
    for (before, is_coloured) in [("", true), ("NO_COLOR=1 ", false), ("NO_COLOR=1 LC_ALL=C ", false)] {
        tmux.shell(&format!("{before}sc-watch ."));
        tmux.shows("6 of 19 drawn");
        until("the curves are read", || !tmux.screen().contains("nothing to draw yet"));
        coloured(is_coloured);
        let screen = tmux.screen();
        let has_dots = screen.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        assert_eq!(has_dots, !before.contains("LC_ALL"), "{screen}");
        let plot: String = screen.lines().skip(2).take(8).collect();
        assert!(('a'..='f').all(|tag| plot.contains(tag)), "{screen}");
        tmux.press(&["q"]);
        tmux.shows("range tests, each by itself:");
        tmux.shell("clear");
    }
}
