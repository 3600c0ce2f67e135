//! Kills programs at chosen moments and holds what they leave against an undisturbed run.
//!
//! After every kill: whatever lies under a final name is what the undisturbed run has there, byte by byte; of a `.jsonl`
//! file a beginning. After the command has then run to its end: the same files, the same bytes, nothing unfinished beside
//! them. Times, memory and speed in `result.json` apart.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Files of a run that may differ from one run to the next: times, the lock, where it was last saved.
const MAY_DIFFER: [&str; 3] = ["timing.jsonl", ".lock", "checkpoint.safetensors"];
/// Entries of `result.json` that may differ.
const MEASURED: [&str; 3] = ["wall_seconds", "images_per_second", "peak_rss_bytes"];
/// Time between looks at a folder, waiting for a moment.
const GLANCE: Duration = Duration::from_micros(50);

/// A command whose outcome is known, to be killed again and again.
pub struct Stage {
    /// Its name in the tally.
    pub name: &'static str,
    folder: PathBuf,
    outputs: Vec<String>,
    times_in: Vec<&'static str>,
    command: Box<dyn Fn() -> Command>,
    outcome: BTreeMap<String, Vec<u8>>,
    took: Duration,
}

/// Kills of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The stage.
    pub name: &'static str,
    /// Kills.
    pub tried: u64,
    /// Kills after which everything was as it should be.
    pub survived: u64,
    /// Of these, kills within a file's writing or right after its renaming.
    pub at_files: u64,
    /// What was not as it should be.
    pub faults: Vec<String>,
}

impl Stage {
    /// A stage that works in `folder` and writes `outputs` (files and folders in it). Runs it undisturbed, and keeps the
    /// outcome and the time that it took.
    ///
    /// # Panics
    /// When it fails undisturbed.
    pub fn new(name: &'static str, folder: &Path, outputs: &[&str], command: impl Fn() -> Command + 'static) -> Self {
        let mut stage = Self {
            name,
            folder: folder.to_owned(),
            outputs: outputs.iter().map(|output| (*output).to_owned()).collect(),
            times_in: Vec::new(),
            command: Box::new(command),
            outcome: BTreeMap::new(),
            took: Duration::ZERO,
        };
        stage.clear();
        let began = Instant::now();
        stage.finish().unwrap_or_else(|fault| panic!("{name}, undisturbed: {fault}"));
        stage.took = began.elapsed();
        stage.outcome = stage.files();
        stage
    }

    /// The same, some of whose files (by the end of their names) tell of times: that they are there is all that is asked.
    #[must_use]
    pub fn with_times_in(mut self, names: &[&'static str]) -> Self {
        self.times_in = names.to_vec();
        self.outcome = self.files();
        self
    }

    /// Kills the stage `kills` times at moments that `seed` decides, some in a row before it may run to its end.
    pub fn survive(&self, kills: u64, seed: u64) -> Tally {
        let mut chance = Chance(seed);
        let mut tally = Tally { name: self.name, tried: 0, survived: 0, at_files: 0, faults: Vec::new() };
        let mut rounds = 0;
        while tally.tried < kills {
            rounds += 1;
            assert!(rounds < 20 * kills + 100, "{}: it ends before it can be killed", self.name);
            self.clear();
            let (mut in_a_row, mut faults) = (0, Vec::new());
            for _ in 0..=chance.below(3) {
                let moment = self.moment(&mut chance);
                if tally.tried + in_a_row == kills || !self.kill_at(moment) {
                    break;
                }
                in_a_row += 1;
                tally.at_files += u64::from(!matches!(moment, Moment::After(_)));
                faults.extend(self.faults_of_a_killed_one().map(|fault| format!("killed {moment:?}: {fault}")));
            }
            if in_a_row > 0 {
                faults.extend(self.finish().err());
                faults.extend(self.difference().map(|fault| format!("at the end: {fault}")));
            }
            tally.tried += in_a_row;
            if faults.is_empty() {
                tally.survived += in_a_row;
            }
            tally.faults.extend(faults);
        }
        tally
    }

    /// A moment: half of them anywhere in the run's time, half within the writing of a file or right after its renaming.
    fn moment(&self, chance: &mut Chance) -> Moment {
        match chance.below(4) {
            0 => Moment::Unfinished(1 + chance.below(4)),
            1 => Moment::Renamed(1 + chance.below(4)),
            _ => Moment::After(self.took.mul_f64(chance.below(1000) as f64 / 1000.0)),
        }
    }

    /// Starts the stage and kills it at `moment`; false where it ended before.
    fn kill_at(&self, moment: Moment) -> bool {
        let mut child = self.spawn();
        let began = Instant::now();
        let mut watch = Watch::new(self);
        while child.try_wait().expect("the system knows its children").is_none() {
            let now = match moment {
                Moment::After(pause) => began.elapsed() >= pause,
                Moment::Unfinished(nth) => watch.unfinished() >= nth,
                Moment::Renamed(nth) => watch.renamed() >= nth,
            };
            if now {
                kill_group(&mut child);
                return true;
            }
            sleep(GLANCE);
        }
        false
    }

    fn spawn(&self) -> Child {
        let mut command = (self.command)();
        // A group of its own, so that the programs that it starts can be killed with it.
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program starts")
    }

    /// Runs it to its end.
    fn finish(&self) -> Result<(), String> {
        let output = (self.command)().stdin(Stdio::null()).output().expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("{}: {errors}", output.status)) }
    }

    fn clear(&self) {
        for output in &self.outputs {
            let path = self.folder.join(output);
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
        // Unfinished files of outputs that lie in the folder itself.
        for path in self.paths().into_iter().filter(|path| is_unfinished(path)) {
            let _ = fs::remove_file(path);
        }
    }

    /// What is wrong right after a kill: something half-written under a final name.
    fn faults_of_a_killed_one(&self) -> Option<String> {
        self.files().into_iter().find_map(|(name, bytes)| {
            if is_unfinished(Path::new(&name)) {
                return None;
            }
            let expected = self.outcome.get(&name).map_or(&[][..], Vec::as_slice);
            // `make` keeps the flags of a target beside it: an empty file means that they are not known.
            let may_be_cut = Path::new(&name).extension().is_some_and(|end| end == "jsonl" || end == "args");
            let is_right = bytes == expected || may_be_cut && expected.starts_with(&bytes);
            (!is_right).then(|| format!("{name} is neither absent nor whole"))
        })
    }

    /// What is wrong at the end.
    fn difference(&self) -> Option<String> {
        let files = self.files();
        if let Some(name) = files.keys().find(|name| is_unfinished(Path::new(name))) {
            return Some(format!("{name} was left behind"));
        }
        let all: Vec<&String> = files.keys().chain(self.outcome.keys()).collect();
        let differing = all.into_iter().find(|name| files.get(*name) != self.outcome.get(*name))?;
        Some(format!("{differing} is not that of an undisturbed run"))
    }

    /// Every file of the outputs with what is compared of it.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        for path in self.paths() {
            let name = path.strip_prefix(&self.folder).expect("it lies there").display().to_string();
            let last = path.file_name().unwrap_or_default().to_string_lossy();
            if MAY_DIFFER.contains(&last.as_ref()) {
                continue;
            }
            let mut bytes = fs::read(&path).unwrap_or_default();
            if last == "result.json" {
                bytes = without_measurements(&bytes);
            } else if self.times_in.iter().any(|end| last.ends_with(end)) {
                bytes.clear();
            }
            all.insert(name, bytes);
        }
        all
    }

    /// Every file of the outputs, and every unfinished one beside them.
    fn paths(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open: Vec<PathBuf> = Vec::new();
        for output in self.outputs.iter().map(|output| self.folder.join(output)) {
            let beside =
                output.with_file_name(format!(".{}.partial", output.file_name().unwrap_or_default().display()));
            found.extend([beside, output.clone()].into_iter().filter(|path| path.is_file()));
            open.push(output);
        }
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                } else if path.is_file() {
                    found.push(path);
                }
            }
        }
        found
    }
}

impl Tally {
    /// Whether every kill was survived.
    pub fn is_clean(&self) -> bool {
        self.survived == self.tried && self.faults.is_empty()
    }
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".partial"))
}

fn without_measurements(bytes: &[u8]) -> Vec<u8> {
    let Ok(mut result) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return bytes.to_vec();
    };
    for key in MEASURED {
        result.as_object_mut().map(|entries| entries.remove(key));
    }
    result.to_string().into_bytes()
}

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the start.
    After(Duration),
    /// When the nth unfinished file is seen.
    Unfinished(u64),
    /// When the nth file has just got its final name.
    Renamed(u64),
}

/// Sees files come up, by looking again and again.
struct Watch<'a> {
    stage: &'a Stage,
    seen: BTreeMap<PathBuf, u64>,
    count: u64,
}

impl<'a> Watch<'a> {
    fn new(stage: &'a Stage) -> Self {
        let seen = stage.paths().into_iter().filter_map(|path| Some((path.clone(), inode(&path)?))).collect();
        Self { stage, seen, count: 0 }
    }

    /// Unfinished files seen so far.
    fn unfinished(&mut self) -> u64 {
        self.count_new(true)
    }

    /// Files seen so far that got a final name.
    fn renamed(&mut self) -> u64 {
        self.count_new(false)
    }

    fn count_new(&mut self, unfinished: bool) -> u64 {
        for path in self.stage.paths() {
            let Some(now) = inode(&path) else { continue };
            let is_new = self.seen.insert(path.clone(), now) != Some(now);
            self.count += u64::from(is_new && is_unfinished(&path) == unfinished);
        }
        self.count
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}

/// SIGKILL to a program and all that it started: nothing can be tidied up.
fn kill_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
        sent.is_ok_and(|status| status.success())
    };
    signal("-KILL");
    child.wait().expect("the system knows its children");
    while signal("-0") {
        sleep(GLANCE);
    }
}

/// Numbers that a seed decides: splitmix64 (Steele, Lea and Flood 2014).
struct Chance(u64);

impl Chance {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
