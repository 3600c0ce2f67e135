//! Thousands of inputs mutated from valid ones, by a fixed seed: every reader answers each with a set or a refusal. A
//! panic fails the test; a hang would too, by the patience of whoever runs it. `FUZZ_FACTOR=100` tries a hundred times
//! as many.

use std::path::Path;

use prep::archive::Tree;
use prep::picture::{self, Conversion};
use prep::progress::Silent;
use prep::{Refusal, cifar, folder, idx};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::samples::{self, Files, gzip, tar};

/// A stream of choices.
struct Choices(ChaCha8Rng);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound.max(1) as u64) as usize
    }

    /// `valid` with one to four changes: bytes set to extremes, flipped bits, cuts, doubled or removed stretches.
    fn mutated(&mut self, valid: &[u8]) -> Vec<u8> {
        let mut bytes = valid.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(16)).min(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at..end].fill([0, 0xff, 0x7f, 0x80][at % 4]),
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..end)),
                4 => drop(bytes.splice(at..at, valid[at.min(valid.len())..end.min(valid.len())].to_vec())),
                _ => bytes[at..end].iter_mut().for_each(|byte| *byte = self.0.next_u32() as u8),
            }
        }
        bytes
    }
}

/// Tries `count` mutations (times `FUZZ_FACTOR`) of each of `valid`; some must be refused, else nothing was tried.
fn try_all<T, E: ToString>(seed: u64, count: usize, valid: &[Vec<u8>], mut read: impl FnMut(&[u8]) -> Result<T, E>) {
    let mut choices = Choices(ChaCha8Rng::seed_from_u64(seed));
    let factor = std::env::var("FUZZ_FACTOR").map_or(1, |factor| factor.parse().expect("FUZZ_FACTOR is a number"));
    let count = count * factor;
    let mut refused = 0;
    for valid in valid {
        assert!(read(valid).is_ok(), "the valid input is accepted");
        for _ in 0..count {
            if let Err(why) = read(&choices.mutated(valid)) {
                refused += 1;
                assert!(!why.to_string().is_empty());
            }
        }
    }
    assert!(refused > count / 4, "{refused} refused");
}

#[test]
fn idx() {
    let files = samples::mnist();
    let read = |bytes: &[u8]| idx::parse::<3>(&mut &*bytes, "mutated", 1 << 20);
    try_all(1, 20_000, &[files[0].1.clone()], read);
}

#[test]
fn cifar() {
    let files = samples::cifar10();
    try_all(2, 3_000, &[files[0].1[..3073 * 3].to_vec()], |bytes| cifar::CIFAR10.parse(bytes, "mutated"));
    try_all(3, 5_000, &[files[6].1.clone()], |bytes| cifar::CIFAR10.parse_list(bytes, "mutated"));
}

#[test]
fn pictures() {
    use image::ExtendedColorType::{L16, Rgba8};
    let valid = [
        samples::colour_jpeg(1, 19, 11),
        samples::colour_png(2, 9, 7),
        samples::grey_png(3, 9, 7),
        samples::png(&[9; 4 * 6], 3, 2, Rgba8),
        samples::png(&[9; 2 * 6], 3, 2, L16),
    ];
    let to = Conversion { channels: 3, width: 8, height: 8 };
    try_all(4, 3_000, &valid, |bytes| picture::decode(bytes, to, &mut [0; 192]));
}

#[test]
fn archives() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mutated");
    let files: Files = samples::training_pictures().into_iter().step_by(2).collect();
    try_all(5, 2_000, &[tar(&files), gzip(&tar(&files))], |bytes| read_folder(&path, bytes));
}

fn read_folder(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    // A new file each time: some file systems flush one that is overwritten, and that takes milliseconds.
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
    let options = folder::Options { size: Some(4), max_bytes: 1 << 20, ..folder::Options::default() };
    folder::read(&Tree::open(path)?, options, &Silent).map(|_| ())
}
