//! What the user looks at: which runs, along which axis, and what the keys change of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::run::State;
use crate::terminal::Key;
use crate::watcher::{Seen, Snapshot};

/// Runs that are drawn at once where nobody chose: the newest.
const DRAWN_BY_ITSELF: usize = 6;
/// Names of curves; no more are drawn at once.
const TAGS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// Shares of a run over which its curve can be smoothed.
const SMOOTHINGS: [f64; 5] = [0.0, 0.02, 0.05, 0.1, 0.2];
/// Lines that a page key moves by.
const PAGE: isize = 10;

/// What a curve is drawn along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    Step,
    Epoch,
    Images,
    Seconds,
    Rate,
}

impl Along {
    const ALL: [Self; 5] = [Self::Step, Self::Epoch, Self::Images, Self::Seconds, Self::Rate];

    /// What the axis is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Epoch => "epoch",
            Self::Images => "images",
            Self::Seconds => "seconds",
            Self::Rate => "rate",
        }
    }
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Loss,
    Accuracy,
    Rate,
    Momentum,
    GradNorm,
}

impl Measure {
    /// In the order of the panels.
    pub(crate) const ALL: [Self; 5] = [Self::Loss, Self::Accuracy, Self::Rate, Self::GradNorm, Self::Momentum];
}

/// In which order runs are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Newest,
    Name,
    Accuracy,
    Loss,
}

impl Order {
    const ALL: [Self; 4] = [Self::Newest, Self::Name, Self::Accuracy, Self::Loss];

    /// As the head of the list says it.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Name => "by name",
            Self::Accuracy => "best accuracy first",
            Self::Loss => "lowest loss first",
        }
    }
}

/// What keys act on at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Usual,
    /// The filter is being typed.
    Filter,
    Help,
}

/// Which runs are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Drawn {
    /// The newest ones of the list, whichever those are.
    Newest,
    /// Those that the user picked.
    Picked(BTreeSet<PathBuf>),
}

/// What the user looks at.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, with a key of its own")]
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) snapshot: Snapshot,
    /// Places in the snapshot of the runs that are listed, in the order of the list.
    pub(crate) listed: Vec<usize>,
    /// The run that the keys act on.
    selected: Option<PathBuf>,
    drawn: Drawn,
    /// Before one run alone was drawn.
    drawn_before: Option<Drawn>,
    tags: BTreeMap<PathBuf, char>,
    along: Option<Along>,
    measure: usize,
    smoothing: usize,
    pub(crate) validation: bool,
    pub(crate) log_loss: bool,
    pub(crate) log_rate: bool,
    pub(crate) order: Order,
    pub(crate) filter: String,
    pub(crate) mode: Mode,
    pub(crate) is_ascii: bool,
    /// For so long the disk has not answered.
    pub(crate) silent_seconds: Option<u64>,
    is_done: bool,
}

impl App {
    /// Nothing seen yet.
    pub(crate) fn new(is_ascii: bool) -> Self {
        Self {
            snapshot: Snapshot::default(),
            listed: Vec::new(),
            selected: None,
            drawn: Drawn::Newest,
            drawn_before: None,
            tags: BTreeMap::new(),
            along: None,
            measure: 0,
            smoothing: 1,
            validation: false,
            log_loss: false,
            log_rate: true,
            order: Order::Newest,
            filter: String::new(),
            mode: Mode::Usual,
            is_ascii,
            silent_seconds: None,
            is_done: false,
        }
    }

    /// Takes what was seen last.
    pub(crate) fn show(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
        self.list();
    }

    /// Whether the user wants to leave.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The runs whose curves are drawn: these are to be read.
    pub(crate) fn charted(&self) -> BTreeSet<PathBuf> {
        self.tags.keys().cloned().collect()
    }

    /// The name of a run's curve, if it is drawn.
    pub(crate) fn tag(&self, run: &Seen) -> Option<char> {
        self.tags.get(&run.folder).copied()
    }

    /// The runs that are drawn, in the order of their names.
    pub(crate) fn drawn(&self) -> Vec<(char, &Seen)> {
        let mut drawn: Vec<(char, &Seen)> =
            self.snapshot.runs.iter().filter_map(|run| Some((self.tag(run)?, run))).collect();
        drawn.sort_by_key(|(tag, _)| TAGS.find(*tag));
        drawn
    }

    /// The run that the keys act on.
    pub(crate) fn selected(&self) -> Option<&Seen> {
        self.snapshot.runs.iter().find(|run| self.is_selected(run))
    }

    /// Whether the keys act on this run.
    pub(crate) fn is_selected(&self, run: &Seen) -> bool {
        self.selected.as_ref() == Some(&run.folder)
    }

    /// Its line in the list.
    pub(crate) fn selected_line(&self) -> usize {
        self.listed.iter().position(|at| self.is_selected(&self.snapshot.runs[*at])).unwrap_or(0)
    }

    /// What curves are drawn along: what the user chose, or else the rate where range tests alone are drawn.
    pub(crate) fn along(&self) -> Along {
        let drawn = self.drawn();
        let only_range_tests = !drawn.is_empty() && drawn.iter().all(|(_, run)| run.is_range_test());
        self.along.unwrap_or(if only_range_tests { Along::Rate } else { Along::Step })
    }

    /// What the panel at a place from the left draws.
    pub(crate) fn measure(&self, panel: usize) -> Measure {
        Measure::ALL[(self.measure + panel) % Measure::ALL.len()]
    }

    /// The share of a run over which its curve is smoothed.
    pub(crate) fn smoothing(&self) -> f64 {
        SMOOTHINGS[self.smoothing]
    }

    /// Acts on a key.
    pub(crate) fn press(&mut self, key: Key) {
        match (self.mode, key) {
            (_, Key::Control('c' | '|' | 'd')) => self.is_done = true,
            (Mode::Help, _) => self.mode = Mode::Usual,
            (Mode::Filter, key) => self.type_filter(key),
            (Mode::Usual, key) => self.act(key),
        }
        self.list();
    }

    fn act(&mut self, key: Key) {
        match key {
            Key::Letter('q') => self.is_done = true,
            Key::Letter('?' | 'h') => self.mode = Mode::Help,
            Key::Letter('/') => self.mode = Mode::Filter,
            Key::Escape => self.filter.clear(),
            Key::Up | Key::Letter('k') => self.go(-1),
            Key::Down | Key::Letter('j') => self.go(1),
            Key::PageUp => self.go(-PAGE),
            Key::PageDown => self.go(PAGE),
            Key::Home | Key::Letter('g') => self.go(isize::MIN),
            Key::End | Key::Letter('G') => self.go(isize::MAX),
            Key::Letter(' ') => self.toggle(),
            Key::Enter => self.alone(),
            Key::Letter('a') => self.draw_all(),
            Key::Letter('n') => self.drawn = Drawn::Picked(BTreeSet::new()),
            Key::Letter('f') => self.drawn = Drawn::Newest,
            Key::Letter('x') | Key::Right => self.along = Some(next(&Along::ALL, self.along(), 1)),
            Key::Letter('X') | Key::Left => self.along = Some(next(&Along::ALL, self.along(), -1)),
            Key::Letter('m') | Key::Tab => self.measure = (self.measure + 1) % Measure::ALL.len(),
            Key::Letter('M') | Key::BackTab => {
                self.measure = (self.measure + Measure::ALL.len() - 1) % Measure::ALL.len();
            }
            Key::Letter('l') => self.log_loss = !self.log_loss,
            Key::Letter('r') => self.log_rate = !self.log_rate,
            Key::Letter('v') => self.validation = !self.validation,
            Key::Letter('s') => self.smoothing = (self.smoothing + 1) % SMOOTHINGS.len(),
            Key::Letter('S') => self.smoothing = (self.smoothing + SMOOTHINGS.len() - 1) % SMOOTHINGS.len(),
            Key::Letter('o') => self.order = next(&Order::ALL, self.order, 1),
            _ => {}
        }
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Letter(letter) => self.filter.push(letter),
            Key::Backspace => drop(self.filter.pop()),
            Key::Enter => self.mode = Mode::Usual,
            Key::Escape => {
                self.filter.clear();
                self.mode = Mode::Usual;
            }
            _ => {}
        }
    }

    /// Moves by so many lines.
    fn go(&mut self, lines: isize) {
        let last = self.listed.len().saturating_sub(1);
        let to = self.selected_line().saturating_add_signed(lines).min(last);
        self.selected = self.listed.get(to).map(|at| self.snapshot.runs[*at].folder.clone());
    }

    /// Picks the selected run, or no longer.
    fn toggle(&mut self) {
        let Some(folder) = self.selected.clone() else { return };
        let mut picked = self.charted();
        if !picked.remove(&folder) {
            picked.insert(folder);
        }
        self.drawn = Drawn::Picked(picked);
    }

    /// Draws the selected run alone; once more: what was drawn before.
    fn alone(&mut self) {
        let Some(folder) = self.selected.clone() else { return };
        let alone = Drawn::Picked(BTreeSet::from([folder]));
        self.drawn = if self.drawn == alone {
            self.drawn_before.take().unwrap_or(Drawn::Newest)
        } else {
            self.drawn_before = Some(self.drawn.clone());
            alone
        };
    }

    fn draw_all(&mut self) {
        let listed = self.listed.iter().map(|at| self.snapshot.runs[*at].folder.clone());
        self.drawn = Drawn::Picked(listed.take(TAGS.len()).collect());
    }

    /// Makes the list anew, and names curves.
    fn list(&mut self) {
        let runs = &self.snapshot.runs;
        let filter = self.filter.to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let is_listed = |run: &Seen| words.iter().all(|word| run.name.to_lowercase().contains(word));
        self.listed = (0..runs.len()).filter(|at| is_listed(&runs[*at])).collect();
        match self.order {
            // What has not begun comes last.
            Order::Newest => {
                self.listed.sort_by_key(|at| (!runs[*at].state.is_in_progress(), Reverse(runs[*at].began)));
            }
            Order::Name => {}
            Order::Accuracy => self.listed.sort_by(|a, b| accuracy(&runs[*b]).total_cmp(&accuracy(&runs[*a]))),
            Order::Loss => self.listed.sort_by(|a, b| loss(&runs[*a]).total_cmp(&loss(&runs[*b]))),
        }
        if self.selected().is_none_or(|run| !is_listed(run)) {
            self.selected = self.listed.first().map(|at| runs[*at].folder.clone());
        }
        self.name_curves();
    }

    /// A curve keeps its name as long as it is drawn.
    fn name_curves(&mut self) {
        let runs = &self.snapshot.runs;
        let has_begun = |run: &&Seen| !matches!(run.state, State::Waiting | State::Unreadable);
        let wanted: Vec<PathBuf> = match &self.drawn {
            Drawn::Picked(picked) => {
                picked.iter().filter(|folder| runs.iter().any(|run| run.folder == **folder)).cloned().collect()
            }
            Drawn::Newest => {
                let mut newest: Vec<&Seen> = self.listed.iter().map(|at| &runs[*at]).filter(has_begun).collect();
                newest.sort_by_key(|run| (!run.state.is_in_progress(), Reverse(run.began)));
                newest.truncate(DRAWN_BY_ITSELF);
                newest.iter().map(|run| run.folder.clone()).collect()
            }
        };
        self.tags.retain(|folder, _| wanted.contains(folder));
        // New names in the order of the list.
        let listed = self.listed.iter().map(|at| &runs[*at].folder);
        let in_order: Vec<PathBuf> = listed.chain(&wanted).filter(|folder| wanted.contains(folder)).cloned().collect();
        for folder in in_order {
            let free = TAGS.chars().find(|tag| !self.tags.values().any(|taken| taken == tag));
            if let Some(free) = free {
                self.tags.entry(folder).or_insert(free);
            }
        }
    }
}

/// The accuracy that a run is ordered by: on images that it was not trained on, where it was measured.
fn accuracy(run: &Seen) -> f64 {
    let latest = &run.latest;
    latest.val_accuracy.or(run.test_accuracy).or(latest.train_accuracy).unwrap_or(f64::NEG_INFINITY)
}

fn loss(run: &Seen) -> f64 {
    run.latest.val_loss.or(run.latest.train_loss).unwrap_or(f64::INFINITY)
}

/// The entry so many places after `current`, the first after the last.
fn next<T: Copy + PartialEq>(all: &[T], current: T, by: isize) -> T {
    let at = all.iter().position(|entry| *entry == current).unwrap_or(0) as isize;
    all[(at + by).rem_euclid(all.len() as isize) as usize]
}

#[cfg(test)]
pub(crate) mod tests {
    use end_to_end::made_up::Runs;

    use super::*;
    use crate::watcher::{Asked, Watcher};

    /// An app that has seen a study, and has read all curves that it draws.
    pub(crate) fn of_study(runs: &Runs) -> App {
        let mut app = App::new(false);
        look(&mut app, runs);
        app
    }

    /// Looks until all that is drawn is read.
    pub(crate) fn look(app: &mut App, runs: &Runs) {
        let asked = Asked { paths: vec![runs.folder().to_owned()], wait: false, superseded: false };
        let mut watcher = Watcher::new(&asked);
        for _ in 0..2 {
            app.show(watcher.look(&app.charted(), None));
        }
    }

    fn study() -> (Runs, App) {
        let runs = Runs::new();
        runs.study();
        let app = of_study(&runs);
        (runs, app)
    }

    fn press(app: &mut App, keys: &str) {
        keys.chars().for_each(|key| app.press(Key::Letter(key)));
    }

    fn tags(app: &App) -> String {
        app.drawn().iter().map(|(tag, _)| *tag).collect()
    }

    #[test]
    fn the_newest_runs_are_drawn_until_somebody_chooses() {
        let (runs, mut app) = study();
        assert_eq!((tags(&app).as_str(), app.listed.len()), ("abcdef", 19));
        runs.training("later", 60, 9, 0.1, 0.5);
        look(&mut app, &runs);
        assert!(app.drawn().iter().any(|(_, run)| run.name.starts_with("later")), "it is the newest now");
        assert_eq!(app.drawn().len(), 6);
        press(&mut app, "n");
        assert_eq!(tags(&app), "");
        press(&mut app, " j j ");
        let picked: Vec<String> = app.drawn().iter().map(|(_, run)| run.name.clone()).collect();
        assert_eq!(picked.len(), 3);
        runs.training("latest", 60, 9, 0.1, 0.5);
        look(&mut app, &runs);
        assert_eq!(app.drawn().iter().map(|(_, run)| run.name.clone()).collect::<Vec<_>>(), picked);
        press(&mut app, "f");
        assert_eq!(app.drawn().len(), 6);
    }

    #[test]
    fn a_curve_keeps_its_name_while_others_come_and_go() {
        let (_runs, mut app) = study();
        press(&mut app, "jj");
        let second = app.selected().unwrap().name.clone();
        assert_eq!(app.tag(app.selected().unwrap()), Some('c'));
        press(&mut app, "kk ");
        assert_eq!((tags(&app).as_str(), app.tag(app.selected().unwrap())), ("bcdef", None));
        press(&mut app, "jj");
        assert_eq!(
            (app.selected().unwrap().name.as_str(), app.tag(app.selected().unwrap())),
            (second.as_str(), Some('c'))
        );
        press(&mut app, "kk ");
        assert_eq!(tags(&app), "abcdef");
    }

    #[test]
    fn one_run_alone_and_back() {
        let (_runs, mut app) = study();
        press(&mut app, "jjj");
        app.press(Key::Enter);
        assert_eq!(app.drawn().len(), 1);
        app.press(Key::Enter);
        assert_eq!(app.drawn().len(), 6);
    }

    #[test]
    fn a_filter_lists_what_matches_all_its_words_and_all_of_it_can_be_drawn() {
        let (_runs, mut app) = study();
        press(&mut app, "/1cycle SEED2q");
        assert_eq!((app.mode, app.listed.len(), app.is_done()), (Mode::Filter, 0, false));
        app.press(Key::Backspace);
        app.press(Key::Enter);
        assert_eq!(app.listed.len(), 2);
        press(&mut app, "a");
        assert_eq!(app.drawn().len(), 2);
        assert!(app.drawn().iter().all(|(_, run)| run.name.contains("1cycle")));
        app.press(Key::Escape);
        assert_eq!((app.listed.len(), app.drawn().len()), (19, 2));
    }

    #[test]
    fn the_axis_is_the_rate_where_range_tests_alone_are_drawn() {
        let (_runs, mut app) = study();
        assert_eq!(app.along(), Along::Step);
        press(&mut app, "/range");
        app.press(Key::Enter);
        press(&mut app, "a");
        assert_eq!(app.along(), Along::Rate);
        press(&mut app, "x");
        assert_eq!(app.along(), Along::Step);
        app.press(Key::Left);
        assert_eq!(app.along(), Along::Rate);
    }

    #[test]
    fn runs_are_ordered_as_asked_and_the_selected_one_stays() {
        let (_runs, mut app) = study();
        press(&mut app, "ooo");
        assert_eq!(app.order, Order::Loss);
        press(&mut app, "ooo");
        assert_eq!(app.order, Order::Accuracy);
        let first = &app.snapshot.runs[app.listed[0]];
        let best = app.snapshot.runs.iter().map(accuracy).fold(0.0, f64::max);
        assert_eq!(accuracy(first), best);
        press(&mut app, "G");
        let last = app.selected().unwrap().name.clone();
        press(&mut app, "o");
        assert_eq!(app.selected().unwrap().name, last);
        press(&mut app, "g");
        assert_eq!(app.selected_line(), 0);
        app.press(Key::PageUp);
        assert_eq!(app.selected_line(), 0);
    }

    #[test]
    fn no_key_is_too_much_where_there_is_no_run() {
        let mut app = App::new(false);
        press(&mut app, " jkgGanfxXmMlrvsSo/ab");
        for key in [Key::Enter, Key::Up, Key::Down, Key::PageDown, Key::End, Key::Enter, Key::Tab, Key::BackTab] {
            app.press(key);
        }
        assert!(!app.is_done() && app.drawn().is_empty());
        press(&mut app, "?q");
        assert!(!app.is_done(), "that closed the help");
        press(&mut app, "q");
        assert!(app.is_done());
    }
}
