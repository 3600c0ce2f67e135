//! The live view: one thread looks at the files, one waits for keys, one for signals, and this one draws. A disk that does not
//! answer holds up none but the first.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use cli::{FAILED, Failure, INTERRUPTED};
use ratatui_core::terminal::Terminal as Screen;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::app::App;
use crate::terminal::{self, Ansi, Decoder, Key, Terminal};
use crate::watcher::{Snapshot, Watcher};

/// A look reads curves for so long at most before it says what it saw.
const SLICE: Duration = Duration::from_millis(150);
/// A key that sends several bytes has sent them after so long.
const BETWEEN_BYTES: Duration = Duration::from_millis(40);
/// From here on it is said that the disk does not answer.
const SILENCE: Duration = Duration::from_secs(5);

/// How the view ended.
pub(crate) struct Ended {
    /// Exit code.
    pub(crate) code: u8,
    /// What was seen last.
    pub(crate) last: Snapshot,
}

/// What happens.
enum Event {
    Bytes(Vec<u8>),
    Signal(i32),
    Seen(Box<Snapshot>),
    /// Nobody can press a key any more: the terminal is gone.
    NoKeyboard,
    /// Nobody looks at the files any more: a fault of this program, whose message is on the terminal.
    NoLooks,
}

/// Says when the thread that looks has ended, however it does.
struct Farewell(Sender<Event>);

impl Drop for Farewell {
    fn drop(&mut self) {
        // Where the view has ended first, nobody listens.
        let _ = self.0.send(Event::NoLooks);
    }
}

/// Shows runs until the user has seen enough.
///
/// # Errors
/// When the terminal cannot be used.
pub(crate) fn watch(watcher: Watcher, interval: Duration, is_ascii: bool) -> Result<Ended, Failure> {
    if terminal::is_dumb() {
        let message = "this terminal cannot be drawn on (TERM is dumb or not set)";
        return Err(Failure::unusable(message).hint("pass --once to print the state as plain text"));
    }
    let failed =
        |error: io::Error| Failure::failed(format!("the terminal cannot be used: {error}")).hint("pass --once");
    let (events, happened) = mpsc::channel();
    let signals = signals(events.clone()).map_err(failed)?;
    let terminal = Terminal::take().map_err(failed)?;
    let backend = terminal.backend(terminal::has_colours()).map_err(failed)?;
    let screen = Screen::new(backend).map_err(failed)?;
    keyboard(terminal.keyboard().map_err(failed)?, events.clone());
    let wanted = look(watcher, interval, events);
    let mut view =
        View { app: App::new(is_ascii), terminal, screen, wanted, asked: BTreeSet::new(), seen: Instant::now() };
    let ended = view.run(&happened);
    drop(view.terminal);
    signals.close();
    let code = ended.map_err(failed)?;
    Ok(Ended { code, last: view.app.snapshot })
}

/// Passes signals on.
fn signals(events: Sender<Event>) -> io::Result<signal_hook::iterator::Handle> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH])?;
    let handle = signals.handle();
    thread::spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(handle)
}

/// Passes on what the keyboard sends.
fn keyboard(mut keyboard: File, events: Sender<Event>) {
    thread::spawn(move || {
        let mut bytes = [0; 256];
        loop {
            let event = match keyboard.read(&mut bytes) {
                Ok(0) => Event::NoKeyboard,
                Ok(count) => Event::Bytes(bytes[..count].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Event::NoKeyboard,
            };
            let is_last = matches!(event, Event::NoKeyboard);
            if events.send(event).is_err() || is_last {
                return;
            }
        }
    });
}

/// Looks at the files again and again, and passes on what was seen. Returns where to say whose curves are drawn.
fn look(mut watcher: Watcher, interval: Duration, events: Sender<Event>) -> Sender<BTreeSet<PathBuf>> {
    let (wanted, asked) = mpsc::channel::<BTreeSet<PathBuf>>();
    thread::spawn(move || {
        let farewell = Farewell(events);
        let mut charted = BTreeSet::new();
        loop {
            let begun = Instant::now();
            let snapshot = watcher.look(&charted, Some(SLICE));
            // While there is something left to read, there is no rest; and never more looking than resting.
            let pause = if snapshot.unread > 0 { Duration::ZERO } else { interval.max(begun.elapsed()) };
            if farewell.0.send(Event::Seen(Box::new(snapshot))).is_err() {
                return;
            }
            match asked.recv_timeout(pause) {
                Ok(wanted) => charted = asked.try_iter().last().unwrap_or(wanted),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    wanted
}

struct View {
    app: App,
    terminal: Terminal,
    screen: Screen<Ansi<File>>,
    wanted: Sender<BTreeSet<PathBuf>>,
    /// Whose curves were asked for last.
    asked: BTreeSet<PathBuf>,
    /// When something was seen last.
    seen: Instant,
}

impl View {
    /// Until the end. Returns the exit code.
    fn run(&mut self, happened: &Receiver<Event>) -> io::Result<u8> {
        let mut keys = Decoder::default();
        loop {
            self.app.silent_seconds =
                Some(self.seen.elapsed()).filter(|time| *time >= SILENCE).map(|time| time.as_secs());
            if let Err(error) = self.draw() {
                // A terminal that is gone is a way to end, like a key.
                return if error.raw_os_error() == Some(EIO) { Ok(INTERRUPTED) } else { Err(error) };
            }
            let patience = if keys.is_waiting() { BETWEEN_BYTES } else { SILENCE };
            let event = match happened.recv_timeout(patience) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => {
                    self.press(keys.give_up());
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(FAILED),
            };
            // All that has happened by now is drawn once.
            for event in std::iter::once(event).chain(happened.try_iter()) {
                match event {
                    Event::Bytes(bytes) => self.press_all(keys.take(&bytes))?,
                    Event::Seen(snapshot) => {
                        self.seen = Instant::now();
                        self.app.show(*snapshot);
                    }
                    Event::Signal(SIGTSTP) => self.stop()?,
                    Event::Signal(SIGWINCH) => {}
                    Event::Signal(SIGCONT) => self.screen.clear()?,
                    Event::NoLooks => return Ok(FAILED),
                    Event::Signal(_) | Event::NoKeyboard => return Ok(INTERRUPTED),
                }
            }
            if self.app.is_done() {
                return Ok(0);
            }
            self.ask();
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let app = &self.app;
        self.screen.draw(|frame| crate::screen::draw(app, frame.area(), frame.buffer_mut())).map(drop)
    }

    fn press_all(&mut self, keys: Vec<Key>) -> io::Result<()> {
        for key in keys {
            match key {
                Key::Control('z') => self.stop()?,
                // Whatever else has written on the screen goes.
                Key::Control('l') => self.screen.clear()?,
                key => self.app.press(key),
            }
        }
        Ok(())
    }

    fn press(&mut self, key: Option<Key>) {
        if let Some(key) = key {
            self.app.press(key);
        }
    }

    /// Says whose curves are to be read, if they are others than before.
    fn ask(&mut self) {
        let charted = self.app.charted();
        if charted != self.asked {
            self.asked.clone_from(&charted);
            // Where the looking thread has ended, the next event says so.
            let _ = self.wanted.send(charted);
        }
    }

    /// Stops the process, as the shell expects of Ctrl-Z, with the terminal given back; and goes on when it is continued.
    fn stop(&mut self) -> io::Result<()> {
        terminal::give_back();
        signal_hook::low_level::raise(SIGSTOP)?;
        self.terminal.take_again()?;
        self.screen.clear()
    }
}

/// What the system answers where a terminal is gone.
const EIO: i32 = 5;
