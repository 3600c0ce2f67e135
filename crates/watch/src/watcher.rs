//! Follows all runs, and says at every look how they are. Reads files and does nothing else: it takes no lock, writes nothing,
//! and no run notices it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use artifacts::error::display_path;
use artifacts::run::{Kind, RunRecord};

use crate::answer::Answer;
use crate::find::Finder;
use crate::history::History;
use crate::holder;
use crate::pace::{self, Share, StudyLeft};
use crate::run::{Latest, State, Tracked};

/// A finished run is looked at once in so many looks: it changes only by being made anew.
const LOOKS_AT_FINISHED: u64 = 10;

/// What is to be watched.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Runs, and folders of runs.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether what is named and not there is waited for.
    pub(crate) wait: bool,
    /// Whether runs that were moved aside are shown.
    pub(crate) superseded: bool,
}

/// Follows runs.
#[derive(Debug)]
pub(crate) struct Watcher {
    finder: Finder,
    wait: bool,
    host: Option<String>,
    runs: BTreeMap<PathBuf, Tracked>,
    looks: u64,
}

/// How all runs are at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// By name, numbers in their order.
    pub(crate) runs: Vec<Seen>,
    /// The folder that all of them are in.
    pub(crate) place: String,
    /// Time until all are done.
    pub(crate) left: Option<StudyLeft>,
    /// Bytes of curves that are still to be read.
    pub(crate) unread: u64,
    /// What cannot be read.
    pub(crate) faults: Vec<String>,
}

/// How a run is at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// What it is called: its path below the place.
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) record: Option<Arc<RunRecord>>,
    pub(crate) latest: Latest,
    /// Accuracy on the test set, of a finished run.
    pub(crate) test_accuracy: Option<f64>,
    pub(crate) images_per_second: Option<f64>,
    /// Seconds that it has taken.
    pub(crate) seconds: Option<f64>,
    /// Seconds that it still takes, while it is in progress.
    pub(crate) left: Option<f64>,
    /// What the rule says, of a range test.
    pub(crate) answer: Option<Answer>,
    pub(crate) history: Option<Arc<History>>,
    pub(crate) began: Option<SystemTime>,
    pub(crate) fault: Option<String>,
}

impl Seen {
    /// Whether it is a range test.
    pub(crate) fn is_range_test(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.config.kind == Kind::RangeTest)
    }

    /// Steps asked for.
    pub(crate) fn iterations(&self) -> Option<u64> {
        self.record.as_ref().map(|record| record.config.iterations)
    }
}

impl Watcher {
    /// Looks at nothing yet.
    pub(crate) fn new(asked: &Asked) -> Self {
        let finder = Finder::new(&asked.paths, asked.superseded);
        Self { finder, wait: asked.wait, host: holder::host(), runs: BTreeMap::new(), looks: 0 }
    }

    /// What was named and is not there.
    pub(crate) fn missing(&mut self) -> Vec<PathBuf> {
        self.finder.look().missing
    }

    /// Looks at all runs, and reads on in the curves of those in `charted` and of range tests, for so long at most. What is
    /// left then is said by [`Snapshot::unread`], and read at the next look.
    pub(crate) fn look(&mut self, charted: &BTreeSet<PathBuf>, most: Option<Duration>) -> Snapshot {
        let begun = Instant::now();
        let found = self.finder.look();
        let waiting = if self.wait { found.missing } else { Vec::new() };
        let there: BTreeSet<PathBuf> = found.runs.into_iter().chain(waiting).collect();
        self.runs.retain(|folder, _| there.contains(folder));
        for folder in there {
            self.runs.entry(folder).or_insert_with_key(|folder| Tracked::new(folder.clone()));
        }
        let (now, host) = (SystemTime::now(), self.host.as_deref());
        for (at, (folder, run)) in self.runs.iter_mut().enumerate() {
            // A few of the finished at every look, not all at every tenth.
            if !run.is_settled() || (self.looks + at as u64).is_multiple_of(LOOKS_AT_FINISHED) {
                run.look(now, host);
            }
            run.chart(charted.contains(folder));
        }
        self.looks += 1;
        let unread = self.read_on(charted, || most.is_some_and(|most| begun.elapsed() >= most));
        self.snapshot(unread, found.unreadable)
    }

    /// Reads curves until there is nothing left or it is time to stop; those that are drawn first.
    fn read_on(&mut self, charted: &BTreeSet<PathBuf>, is_time: impl Fn() -> bool) -> u64 {
        let (drawn, others): (Vec<_>, Vec<_>) =
            self.runs.iter_mut().partition::<Vec<_>, _>(|(folder, _)| charted.contains(*folder));
        let mut unread = 0;
        for (_, run) in drawn.into_iter().chain(others) {
            let mut left = 1;
            while left > 0 && !is_time() {
                left = run.read_on();
            }
            unread += left;
        }
        unread
    }

    fn snapshot(&self, unread: u64, faults: Vec<String>) -> Snapshot {
        let place = common_folder(self.runs.keys());
        let mut runs: Vec<Seen> = self.runs.iter().map(|(folder, run)| seen(folder, &place, run)).collect();
        runs.sort_by_cached_key(|run| natural(&run.name));
        let left = pace::of_study(&runs.iter().map(share).collect::<Vec<_>>());
        Snapshot { runs, place: display_path(&place), left, unread, faults }
    }
}

fn seen(folder: &Path, place: &Path, run: &Tracked) -> Seen {
    let (record, result, latest, state) = (run.record(), run.result(), run.latest(), run.state());
    let batch = record.map(|record| record.config.batch_size as f64);
    let speed = run.pace().steps_per_second();
    let steps_left = record.map(|record| record.config.iterations.saturating_sub(latest.iteration) as f64);
    let mut latest = *latest;
    if let Some(result) = result {
        latest.val_accuracy = result.final_val_accuracy.or(latest.val_accuracy);
        latest.val_loss = result.final_val_loss.or(latest.val_loss);
    }
    let measured = result.and_then(|result| result.images_per_second);
    Seen {
        folder: folder.to_owned(),
        name: display_path(folder.strip_prefix(place).unwrap_or(folder)),
        state,
        record: record.cloned(),
        latest,
        test_accuracy: result.and_then(|result| result.test_accuracy),
        images_per_second: measured.or_else(|| Some(speed? * batch?)),
        seconds: result.map(|result| result.wall_seconds).or_else(|| run.pace().seconds()),
        left: speed.zip(steps_left).map(|(speed, steps)| steps / speed).filter(|_| state.is_in_progress()),
        answer: run.asker().and_then(|asker| asker.answer().cloned()),
        history: run.history().cloned(),
        began: run.began(),
        fault: run.fault(),
    }
}

fn share(run: &Seen) -> Share {
    let steps = run.iterations().map(|total| (run.latest.iteration, total));
    let per_step = || {
        let done = run.seconds? / run.latest.iteration as f64;
        let lately = run.left.zip(steps).map(|(left, (at, total))| left / total.saturating_sub(at) as f64);
        Some(lately.filter(|seconds| seconds.is_finite()).unwrap_or(done)).filter(|seconds| seconds.is_finite())
    };
    Share {
        name: run.name.clone(),
        runs: run.state.is_in_progress(),
        steps,
        seconds_per_step: per_step(),
        is_over: run.state.is_over(),
    }
}

/// The folder that all folders are below; of one alone the one that it is in.
fn common_folder<'a>(folders: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let parents = folders.map(|folder| folder.parent().unwrap_or(folder).components().collect::<Vec<Component>>());
    let common = parents.reduce(|a, b| a.into_iter().zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a).collect());
    common.unwrap_or_default().into_iter().map(Component::as_os_str).map(OsStr::to_owned).collect()
}

/// A key to sort by: `seed2` before `seed10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut key: Vec<(String, u64)> = Vec::new();
    let (mut text, mut digits) = (String::new(), String::new());
    for letter in name.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        if !digits.is_empty() {
            key.push((std::mem::take(&mut text), digits.parse().unwrap_or(u64::MAX)));
            digits.clear();
        }
        text.push(letter);
    }
    key.push((text, 0));
    key
}

#[cfg(test)]
mod tests {
    use std::fs;

    use artifacts::run::RESULT_FILE;
    use end_to_end::made_up::Runs;

    use super::*;

    fn watcher(runs: &Runs, wait: bool, names: &[&str]) -> Watcher {
        let paths = names.iter().map(|name| runs.folder().join(name)).collect();
        Watcher::new(&Asked { paths, wait, superseded: false })
    }

    fn whole(watcher: &mut Watcher) -> Snapshot {
        let snapshot = watcher.look(&BTreeSet::new(), None);
        assert_eq!(snapshot.unread, 0);
        snapshot
    }

    #[test]
    fn a_study_is_seen_with_its_answers_and_results() {
        let runs = Runs::new();
        runs.study();
        let snapshot = whole(&mut watcher(&runs, false, &[""]));
        assert_eq!((snapshot.runs.len(), snapshot.left), (19, None));
        let range_test = snapshot.runs.iter().find(|run| run.is_range_test()).unwrap();
        assert!(range_test.answer.as_ref().unwrap().rates().is_some());
        assert_eq!((range_test.latest.iteration, range_test.iterations()), (100, Some(100)));
        let one = snapshot.runs.iter().find(|run| run.name == "1cycle-it60-lr1-seed1").unwrap();
        assert_eq!((one.state, one.test_accuracy, one.seconds), (State::Finished, Some(0.901), Some(1.5)));
        let names: Vec<&str> = snapshot.runs.iter().map(|run| run.name.as_str()).collect();
        let at = |name: &str| names.iter().position(|other| *other == name).unwrap();
        assert!(at("1cycle-it60-lr1-seed1") < at("1cycle-it120-lr1-seed1"), "{names:?}");
    }

    #[test]
    fn runs_that_are_not_there_yet_are_waited_for_and_reckoned() {
        let runs = Runs::new();
        runs.training("grid", 60, 1, 0.1, 0.9);
        let names = ["grid-it60-lr0.1-seed1", "grid-it60-lr0.1-seed2"];
        assert_eq!(whole(&mut watcher(&runs, false, &names)).runs.len(), 1);
        let mut watcher = watcher(&runs, true, &names);
        let snapshot = whole(&mut watcher);
        assert_eq!(snapshot.runs[1].state, State::Waiting);
        assert_eq!(snapshot.left, Some(StudyLeft { seconds: 1.5, is_about: true }));
        runs.training("grid", 60, 2, 0.1, 0.9);
        let snapshot = whole(&mut watcher);
        assert_eq!((snapshot.runs[1].state, snapshot.left), (State::Finished, None));
    }

    #[test]
    fn a_finished_run_that_is_made_anew_is_noticed_after_some_looks() {
        let runs = Runs::new();
        let folder = PathBuf::from(runs.training("grid", 60, 1, 0.1, 0.9));
        let mut watcher = watcher(&runs, false, &[""]);
        whole(&mut watcher);
        fs::remove_file(folder.join(RESULT_FILE)).unwrap();
        let noticed = (0..LOOKS_AT_FINISHED).any(|_| whole(&mut watcher).runs[0].state == State::Running);
        assert!(noticed);
    }

    #[test]
    fn curves_are_kept_of_what_is_drawn_alone_and_read_in_slices() {
        let runs = Runs::new();
        runs.study();
        let mut watcher = watcher(&runs, false, &[""]);
        let drawn = BTreeSet::from([runs.folder().join("grid-it60-lr0.1-seed1")]);
        let snapshot = watcher.look(&drawn, Some(Duration::ZERO));
        assert!(snapshot.unread > 0 && snapshot.runs.len() == 19);
        let snapshot = watcher.look(&drawn, None);
        let kept: Vec<&Seen> = snapshot.runs.iter().filter(|run| run.history.is_some()).collect();
        assert_eq!((kept.len(), kept[0].history.as_ref().unwrap().points().count()), (1, 60));
        assert!(watcher.look(&BTreeSet::new(), None).runs.iter().all(|run| run.history.is_none()));
    }

    #[test]
    fn the_place_is_what_all_folders_share() {
        let of = |folders: &[&str]| {
            let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
            common_folder(folders.iter()).display().to_string()
        };
        assert_eq!(of(&["runs/x/a", "runs/x/b", "runs/y/c"]), "runs");
        assert_eq!(of(&["runs/x/a"]), "runs/x");
        assert_eq!(of(&["/a/b", "/c/d"]), "/");
        assert_eq!((of(&["a"]), of(&[])), (String::new(), String::new()));
    }
}
