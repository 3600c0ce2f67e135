//! One run, followed through its files.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use artifacts::metrics::{FILE, Metrics, TIMING_FILE, Timing};
use artifacts::run::{self, Kind, RESULT_FILE, RUN_FILE, ResultRecord, RunRecord, Status};

use crate::answer::Asker;
use crate::history::History;
use crate::holder::Holder;
use crate::pace::Pace;
use crate::tail::{News, Tail};

/// Of a long record, so much is read to know where the run is.
const LATEST_BYTES: u64 = 64 << 10;
/// A line of metrics is about so long.
const LINE_BYTES: u64 = 256;
/// And no more than this, however rarely validation is measured.
const MOST_LATEST_BYTES: u64 = 4 << 20;
/// With news in so many seconds a run is in progress, whatever else is known.
const FRESH_SECONDS: f64 = 10.0;
/// Without news for so long nothing is known of a run whose process cannot be seen.
const SILENT_SECONDS: f64 = 120.0;

/// How a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    /// Not there yet.
    Waiting,
    /// There, and cannot be read.
    Unreadable,
    /// In progress, before its first step.
    Starting,
    /// In progress.
    Running,
    /// Its process is not on this machine, and it has said nothing for so many seconds.
    Silent(f64),
    /// Its process has ended, and it has not: it can be resumed.
    Stopped,
    /// All steps were made.
    Finished,
    /// Ended where loss or weights were no longer finite.
    Diverged,
}

impl State {
    /// Whether somebody works on it.
    pub(crate) fn is_in_progress(self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Diverged)
    }

    /// As tables say it.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Waiting => "waiting".to_owned(),
            Self::Unreadable => "unreadable".to_owned(),
            Self::Starting => "starting".to_owned(),
            Self::Running => "running".to_owned(),
            Self::Silent(seconds) => format!("silent {}", crate::pace::ago(seconds)),
            Self::Stopped => "stopped".to_owned(),
            Self::Finished => "finished".to_owned(),
            Self::Diverged => "diverged".to_owned(),
        }
    }
}

/// What a run said last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Latest {
    pub(crate) iteration: u64,
    pub(crate) epoch: f64,
    pub(crate) lr: Option<f64>,
    /// None where it was no longer finite.
    pub(crate) train_loss: Option<f64>,
    pub(crate) train_accuracy: Option<f64>,
    /// The last one that was measured.
    pub(crate) val_loss: Option<f64>,
    /// The last one that was measured.
    pub(crate) val_accuracy: Option<f64>,
}

impl Latest {
    fn take(&mut self, line: &Metrics) {
        *self = Self {
            iteration: line.iteration,
            epoch: line.epoch,
            lr: Some(line.lr),
            train_loss: line.train_loss,
            train_accuracy: line.train_accuracy,
            val_loss: line.val_loss.or(self.val_loss),
            val_accuracy: line.val_accuracy.or(self.val_accuracy),
        };
    }
}

/// What tells whether a file is still the one that was read.
type FileId = (u64, u64, i64, i64, u64);

fn id_of(path: &Path) -> io::Result<Option<FileId>> {
    match path.metadata() {
        Ok(found) => Ok(Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.len()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A JSON file of a run, read again when another one is under its name.
#[derive(Debug)]
struct Record<T> {
    id: Option<FileId>,
    content: Option<Result<Arc<T>, String>>,
}

impl<T> Record<T> {
    fn new() -> Self {
        Self { id: None, content: None }
    }

    /// Whether the file is another one than before.
    fn refresh(&mut self, path: &Path, read: impl FnOnce() -> artifacts::Result<Option<T>>) -> io::Result<bool> {
        let id = id_of(path)?;
        if id == self.id {
            return Ok(false);
        }
        self.id = id;
        self.content = match read() {
            Ok(content) => content.map(|content| Ok(Arc::new(content))),
            Err(error) => Some(Err(error.to_string())),
        };
        Ok(true)
    }

    fn get(&self) -> Option<&Arc<T>> {
        self.content.as_ref()?.as_ref().ok()
    }

    fn fault(&self) -> Option<&str> {
        self.content.as_ref()?.as_ref().err().map(String::as_str)
    }
}

/// The whole curve of a run that is drawn.
#[derive(Debug)]
struct Charted {
    metrics: Tail,
    timing: Tail,
    history: Arc<History>,
}

/// A run that is followed.
#[derive(Debug)]
pub(crate) struct Tracked {
    folder: PathBuf,
    record: Record<RunRecord>,
    result: Record<ResultRecord>,
    metrics: Tail,
    timing: Tail,
    latest: Latest,
    pace: Pace,
    charted: Option<Charted>,
    asker: Option<Asker>,
    state: State,
    fault: Option<String>,
    began: Option<SystemTime>,
}

impl Tracked {
    /// The run in `folder`; nothing is read yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        let (metrics, timing) = (folder.join(FILE), folder.join(TIMING_FILE));
        Self {
            record: Record::new(),
            result: Record::new(),
            metrics: Tail::last(metrics, LATEST_BYTES),
            timing: Tail::last(timing, LATEST_BYTES),
            latest: Latest::default(),
            pace: Pace::default(),
            charted: None,
            asker: None,
            state: State::Waiting,
            fault: None,
            began: None,
            folder,
        }
    }

    pub(crate) fn record(&self) -> Option<&Arc<RunRecord>> {
        self.record.get()
    }

    pub(crate) fn result(&self) -> Option<&Arc<ResultRecord>> {
        self.result.get()
    }

    pub(crate) fn latest(&self) -> &Latest {
        &self.latest
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn asker(&self) -> Option<&Asker> {
        self.asker.as_ref()
    }

    /// When its `run.json` was written.
    pub(crate) fn began(&self) -> Option<SystemTime> {
        self.began
    }

    /// What cannot be read of it.
    pub(crate) fn fault(&self) -> Option<String> {
        let lines = self.charted.as_ref().map_or(self.metrics.unreadable, |charted| charted.metrics.unreadable);
        let damaged = || (lines > 0).then(|| format!("{FILE}: unreadable lines: {lines}"));
        self.fault.clone().or_else(damaged)
    }

    /// Its curve, if it is drawn.
    pub(crate) fn history(&self) -> Option<&Arc<History>> {
        self.charted.as_ref().map(|charted| &charted.history)
    }

    /// Looks where the run is now.
    pub(crate) fn look(&mut self, now: SystemTime, host: Option<&str>) {
        if let Err(error) = self.try_look(now, host) {
            self.state = State::Unreadable;
            self.fault = Some(error.to_string());
        }
    }

    fn try_look(&mut self, now: SystemTime, host: Option<&str>) -> io::Result<()> {
        // Before the result is looked for: a process that ends in between has written it.
        let holder = if self.state.is_over() { None } else { Holder::of(&self.folder) };
        let is_here = holder.as_ref().is_some_and(|holder| holder.is_here(host));
        let works = is_here && holder.as_ref().is_some_and(Holder::is_alive);
        let (record, result) = (self.folder.join(RUN_FILE), self.folder.join(RESULT_FILE));
        if self.record.refresh(&record, || run::read_run(&self.folder).map(Some))? {
            // Another run is in the folder: nothing that is known of the one before holds.
            self.start_over();
        }
        self.result.refresh(&result, || run::read_result(&self.folder))?;
        self.fault = self.record.fault().or(self.result.fault()).map(str::to_owned);
        if self.record.id.is_none() {
            self.state = State::Waiting;
            return Ok(());
        }
        self.read_latest()?;
        self.state = match (self.record.get(), self.result.get()) {
            _ if self.fault.is_some() => State::Unreadable,
            (_, Some(result)) if result.status == Status::Diverged => State::Diverged,
            (_, Some(_)) => State::Finished,
            _ => self.unfinished(self.age(now), is_here, works),
        };
        Ok(())
    }

    fn start_over(&mut self) {
        let fresh = Self::new(self.folder.clone());
        let record = std::mem::replace(&mut self.record, Record::new());
        let is_charted = self.charted.is_some();
        let every = record.get().map_or(0, |record| record.config.val_every);
        let is_range_test = record.get().is_some_and(|record| record.config.kind == Kind::RangeTest);
        *self = Self { record, ..fresh };
        // Far enough back to find a measurement on validation images.
        let bytes = (every.saturating_add(2).saturating_mul(LINE_BYTES)).clamp(LATEST_BYTES, MOST_LATEST_BYTES);
        self.metrics = Tail::last(self.folder.join(FILE), bytes);
        self.began = self.folder.join(RUN_FILE).metadata().and_then(|found| found.modified()).ok();
        self.asker = is_range_test.then(|| Asker::new(&self.folder));
        self.chart(is_charted);
    }

    fn read_latest(&mut self) -> io::Result<()> {
        let latest = &mut self.latest;
        let take = |news: News<Metrics>| match news {
            News::Again => *latest = Latest::default(),
            News::Line(line) => latest.take(&line),
        };
        to_the_end(&mut self.metrics, take)?;
        let pace = &mut self.pace;
        to_the_end(&mut self.timing, |news: News<Timing>| match news {
            News::Again => pace.clear(),
            News::Line(line) => pace.push(&line),
        })
    }

    /// Seconds since the run said something.
    fn age(&self, now: SystemTime) -> f64 {
        let written = |name| fs::metadata(self.folder.join(name)).and_then(|found| found.modified()).ok();
        let last = [FILE, TIMING_FILE, RUN_FILE].into_iter().filter_map(written).max();
        // A disk whose clock is ahead of ours: just now.
        last.map_or(f64::INFINITY, |last| now.duration_since(last).unwrap_or_default().as_secs_f64())
    }

    fn unfinished(&self, age: f64, is_here: bool, works: bool) -> State {
        if works || age < FRESH_SECONDS {
            return if self.latest.iteration == 0 { State::Starting } else { State::Running };
        }
        match (is_here, age < SILENT_SECONDS) {
            (true, _) => State::Stopped,
            (false, true) => State::Running,
            (false, false) => State::Silent(age),
        }
    }

    /// Whether its curve is to be drawn: if not, it is not kept.
    pub(crate) fn chart(&mut self, is_charted: bool) {
        if is_charted == self.charted.is_some() {
            return;
        }
        let tail = |name| Tail::whole(self.folder.join(name));
        self.charted =
            is_charted.then(|| Charted { metrics: tail(FILE), timing: tail(TIMING_FILE), history: Arc::default() });
    }

    /// Reads on in what is drawn and in what the rule is asked about: a piece of each. Returns how many bytes there are still
    /// to read.
    pub(crate) fn read_on(&mut self) -> u64 {
        match self.try_read_on() {
            Ok(left) => left,
            Err(error) => {
                self.fault = Some(error.to_string());
                0
            }
        }
    }

    fn try_read_on(&mut self) -> io::Result<u64> {
        let mut left = 0;
        if let Some(Charted { metrics, timing, history }) = &mut self.charted {
            // Who draws may still hold the curve of before, which is then copied: not without need.
            left += metrics.read::<Metrics>(|news| match news {
                News::Again => Arc::make_mut(history).clear_points(),
                News::Line(line) => Arc::make_mut(history).push(&line),
            })?;
            left += timing.read::<Timing>(|news| match news {
                News::Again => Arc::make_mut(history).clear_times(),
                News::Line(line) => Arc::make_mut(history).push_time(&line),
            })?;
        }
        if let Some((asker, record)) = self.asker.as_mut().zip(self.record.get()) {
            left += asker.go_on(record, self.state.is_over())?;
        }
        Ok(left)
    }

    /// Whether there can be anything new without the run being made anew.
    pub(crate) fn is_settled(&self) -> bool {
        let is_answered = self.asker.as_ref().is_none_or(Asker::is_final);
        self.state.is_over() && is_answered
    }
}

fn to_the_end<T: artifacts::metrics::Line>(tail: &mut Tail, mut take: impl FnMut(News<T>)) -> io::Result<()> {
    while tail.read(&mut take)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use artifacts::metrics::LineWriter;
    use end_to_end::made_up::{Runs, training_step};

    use super::*;

    const HOST: Option<&str> = Some("here");

    fn finished() -> (Runs, PathBuf) {
        let runs = Runs::new();
        let folder = PathBuf::from(runs.training("1cycle", 60, 1, 0.5, 0.9));
        (runs, folder)
    }

    fn lock(folder: &Path, text: &str) {
        fs::write(folder.join(".lock"), text).unwrap();
    }

    fn state_in(folder: &Path, seconds: u64) -> State {
        let mut run = Tracked::new(folder.to_owned());
        run.look(SystemTime::now() + Duration::from_secs(seconds), HOST);
        run.state()
    }

    #[test]
    fn a_run_is_in_progress_while_its_process_or_news_say_so() {
        let (_runs, folder) = finished();
        assert_eq!(state_in(&folder, 1000), State::Finished);
        fs::remove_file(folder.join(RESULT_FILE)).unwrap();
        assert_eq!(state_in(&folder, 0), State::Running);
        assert_eq!(state_in(&folder, 60), State::Running, "nobody says whose it is");
        assert!(matches!(state_in(&folder, 1000), State::Silent(age) if age > 990.0));
        lock(&folder, "sc-train 0.1.0, process 4000000000 on here\n");
        assert_eq!((state_in(&folder, 1), state_in(&folder, 60)), (State::Running, State::Stopped));
        lock(&folder, "sc-train 0.1.0, process 4000000000 on another\n");
        assert_eq!(state_in(&folder, 60), State::Running);
        // This very process, which is no sc-train.
        let own = std::process::id();
        lock(&folder, &format!("sc-train 0.1.0, process {own} on here\n"));
        assert_eq!(state_in(&folder, 60), State::Stopped);
        let comm = fs::read_to_string(format!("/proc/{own}/comm")).unwrap();
        lock(&folder, &format!("{} 0.1.0, process {own} on here\n", comm.trim()));
        assert_eq!(state_in(&folder, 1000), State::Running);
        fs::write(folder.join(FILE), "").unwrap();
        assert_eq!(state_in(&folder, 1000), State::Starting);
        fs::remove_file(folder.join(RUN_FILE)).unwrap();
        assert_eq!(state_in(&folder, 0), State::Waiting);
        fs::write(folder.join(RUN_FILE), "{}").unwrap();
        let mut run = Tracked::new(folder.clone());
        run.look(SystemTime::now(), HOST);
        assert_eq!(run.state(), State::Unreadable);
        assert!(run.fault().unwrap().contains("run.json"), "{:?}", run.fault());
    }

    #[test]
    fn a_run_that_is_superseded_or_cut_back_is_read_anew() {
        let (runs, folder) = finished();
        let mut run = Tracked::new(folder.clone());
        run.chart(true);
        let now = SystemTime::now();
        run.look(now, HOST);
        while run.read_on() > 0 {}
        assert_eq!((run.latest().iteration, run.history().unwrap().points().count()), (60, 60));

        fs::remove_file(folder.join(RESULT_FILE)).unwrap();
        let mut writer = LineWriter::open::<Metrics>(&folder.join(FILE), 20).unwrap();
        writer.append(&training_step(21, 60, 0.5)).unwrap();
        writer.flush().unwrap();
        run.look(now, HOST);
        while run.read_on() > 0 {}
        assert_eq!((run.latest().iteration, run.history().unwrap().points().count()), (21, 21));
        assert_eq!(run.state(), State::Running);

        fs::rename(&folder, folder.with_extension("superseded-1")).unwrap();
        run.look(now, HOST);
        assert_eq!(run.state(), State::Waiting);
        runs.training("1cycle", 60, 1, 0.5, 0.8);
        run.look(now, HOST);
        while run.read_on() > 0 {}
        assert_eq!((run.state(), run.history().unwrap().points().count()), (State::Finished, 60));
        assert_eq!(run.result().unwrap().test_accuracy, Some(0.8));
    }
}
