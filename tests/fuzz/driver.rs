//! Runs readers over mutated inputs, one input after another, and watches panics, time and memory.

use std::fs;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use end_to_end::workspace;

use crate::HEAP;
use crate::mutate::Choices;

/// An input that keeps a reader busy for so long has hung it. The slowest takes milliseconds.
const HUNG: Duration = Duration::from_secs(60);

/// Between two looks at what is under way.
const WAIT: Duration = Duration::from_secs(1);

/// The longest refusal, in characters: a line, whatever the input holds.
const LONGEST_REFUSAL: usize = 1000;

/// What a reader makes of an input: nothing to complain of, or why it refuses.
pub(crate) type Answer = Result<(), String>;

/// Makes an input out of valid ones.
pub(crate) type Mutate = fn(&mut Choices, &[Vec<u8>]) -> Vec<u8>;

/// Makes a reader with its valid inputs.
pub(crate) type Prepare = fn() -> Prepared;

/// A reader under test.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    /// Its name.
    pub(crate) name: &'static str,
    /// Inputs tried where `FUZZ` does not say how many.
    pub(crate) inputs: u64,
    /// Of `FUZZ` inputs the reader gets one in so many: 1 for readers, more for what comes after them.
    pub(crate) one_in: u64,
    /// Bytes that it may hold at once, the input apart.
    pub(crate) bound: usize,
    /// Makes it.
    pub(crate) prepare: Prepare,
}

/// A reader with what it reads.
pub(crate) struct Prepared {
    /// Inputs that it accepts.
    pub(crate) valid: Vec<Vec<u8>>,
    /// How others are made of them.
    pub(crate) mutate: Mutate,
    /// What a refusal always names: the file.
    pub(crate) place: String,
    /// Reads one input.
    pub(crate) read: Box<dyn FnMut(&[u8]) -> Answer>,
}

/// What came of one reader.
#[derive(Default)]
struct Tally {
    inputs: u64,
    refused: u64,
    slowest: Duration,
    peak: usize,
}

/// Number of the input under way, plus one; 0 between readers. The watch reads it.
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);
static NAME: Mutex<&str> = Mutex::new("");

/// Runs the readers that the command line names, or all.
pub(crate) fn run(readers: &[Reader]) -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |reader: &&Reader| names.is_empty() || names.iter().any(|name| reader.name.contains(name.as_str()));
    let (inputs, seed) = (number("FUZZ"), number("FUZZ_SEED").unwrap_or(1));
    thread::spawn(watch);
    println!(
        "\n{:<22} {:>9} {:>9} {:>12} {:>12} {:>10}",
        "reader", "inputs", "refused", "slowest", "peak memory", "bound"
    );
    let (mut passed, mut failed) = (0, 0);
    for reader in readers.iter().filter(wanted) {
        print!("{:<22} ", reader.name);
        std::io::stdout().flush().expect("stdout is open");
        let count = inputs.map_or(reader.inputs, |inputs| (inputs / reader.one_in).max(1));
        match fuzz(reader, count, seed) {
            Ok(Tally { inputs, refused, slowest, peak }) => {
                let (peak, bound) = (kib(peak), kib(reader.bound));
                println!("{inputs:>9} {refused:>9} {:>9} us {peak:>8} KiB {bound:>6} KiB", slowest.as_micros());
                passed += 1;
            }
            Err(why) => {
                println!("FAILED\n  {why}");
                failed += 1;
            }
        }
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: expected a whole number, found {text:?}")))
}

/// Tries `count` mutated inputs, after the valid ones themselves.
fn fuzz(reader: &Reader, count: u64, seed: u64) -> Result<Tally, String> {
    *NAME.lock().expect("nobody panics with it") = reader.name;
    let Prepared { valid, mutate, place, mut read } = (reader.prepare)();
    let mut tally = Tally::default();
    for input in &valid {
        if let Err(why) = read(input) {
            return Err(format!("a valid input is refused: {why}"));
        }
    }
    for number in 0..count {
        // Every input has a seed of its own: one that breaks can be made again alone.
        let input = mutate(&mut Choices::new(seed, number), &valid);
        UNDER_WAY.store(number + 1, Ordering::Relaxed);
        HEAP.reset_peak_usage();
        let (before, start) = (HEAP.current_usage(), Instant::now());
        let answer = panic::catch_unwind(AssertUnwindSafe(|| read(&input)));
        let (elapsed, held) = (start.elapsed(), HEAP.peak_usage().saturating_sub(before));
        tally.inputs += 1;
        tally.slowest = tally.slowest.max(elapsed);
        tally.peak = tally.peak.max(held);
        let fault = match answer {
            Err(_) => Some("it panics".to_owned()),
            _ if held > reader.bound => Some(format!("it holds {} KiB, beyond its bound", kib(held))),
            Ok(Ok(())) => None,
            Ok(Err(why)) => {
                tally.refused += 1;
                unclear(&why, &place)
            }
        };
        if let Some(fault) = fault {
            return Err(format!(
                "input {number} of seed {seed}: {fault}\n  kept as {}",
                keep(reader.name, number, &input)
            ));
        }
    }
    UNDER_WAY.store(0, Ordering::Relaxed);
    // Of mutations that change nothing that matters there are many, but not this many.
    if tally.refused < count / 20 {
        return Err(format!("only {} of {count} inputs were refused: nothing was tried", tally.refused));
    }
    Ok(tally)
}

/// What is wrong with a refusal, if anything is.
fn unclear(why: &str, place: &str) -> Option<String> {
    if !why.contains(place) {
        Some(format!("a refusal that does not name {place}: {why}"))
    } else if why.contains(char::is_control) || why.chars().count() > LONGEST_REFUSAL {
        Some(format!("a refusal of {} characters on {} lines: {why:.300}", why.chars().count(), why.lines().count()))
    } else {
        None
    }
}

fn keep(reader: &str, number: u64, input: &[u8]) -> String {
    let folder = workspace().join("target/fuzz");
    let path: PathBuf = folder.join(format!("{}-{number}", reader.replace(' ', "-")));
    let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input));
    kept.map_or_else(|error| format!("nothing: {error}"), |()| path.display().to_string())
}

/// Ends the program when one input takes too long: a reader that hangs cannot be stopped otherwise. Counts its own waits and not
/// the clock, which goes on while the program is suspended.
fn watch() {
    let (mut seen, mut waits) = (0, 0);
    loop {
        thread::sleep(WAIT);
        let under_way = UNDER_WAY.load(Ordering::Relaxed);
        if under_way != seen {
            (seen, waits) = (under_way, 0);
            continue;
        }
        waits += 1;
        if under_way > 0 && WAIT * waits > HUNG {
            let name = NAME.lock().map_or("", |name| *name);
            println!("HANGS\n  {name}: input {} has taken more than {} s", under_way - 1, HUNG.as_secs());
            std::process::exit(1);
        }
    }
}
