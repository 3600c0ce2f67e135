//! Pictures into images, as `sc-prep` makes them, on every processor.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use artifacts::weights::Task;
use pictures::names::foreign_extension;
use pictures::picture::{self, Conversion, MAX_FILE_BYTES};

/// How pictures become what a net was trained on. A set that was not made of pictures says nothing of that: they are then cut
/// and scaled as a set of pictures would be.
pub(crate) fn conversion(task: &Task) -> Conversion {
    let [channels, height, width] = task.handed();
    let fitting = task.pictures.unwrap_or_default();
    Conversion { channels, width: width as u32, height: height as u32, fitting }
}

/// The pixels [C, H, W] of every picture that can be read, of `size` bytes each, one after another; and for every one
/// whether it can be, or why not.
pub(crate) fn all(
    paths: &[impl AsRef<Path> + Sync],
    to: Conversion,
    size: usize,
    threads: usize,
) -> (Vec<u8>, Vec<Result<(), String>>) {
    let mut pixels = vec![0; paths.len() * size];
    let outcomes = Mutex::new(vec![Ok(()); paths.len()]);
    let places: Vec<Mutex<&mut [u8]>> = pixels.chunks_exact_mut(size).map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (Some(path), Some(place)) = (paths.get(index), places.get(index)) else { break };
            let mut planes = place.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = one(path.as_ref(), to, &mut planes);
            outcomes.lock().unwrap_or_else(PoisonError::into_inner)[index] = outcome;
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(paths.len()) {
            scope.spawn(work);
        }
        work();
    });
    drop(places);
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut kept = 0;
    for (index, _) in outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_ok()) {
        pixels.copy_within(index * size..(index + 1) * size, kept * size);
        kept += 1;
    }
    pixels.truncate(kept * size);
    (pixels, outcomes)
}

fn one(path: &Path, to: Conversion, planes: &mut [u8]) -> Result<(), String> {
    let facts = path.metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("more than the {MAX_FILE_BYTES} bytes allowed"));
    }
    picture::decode(&content, to, planes).map_err(|why| match foreign_extension(&path.to_string_lossy()) {
        Some(_) => format!("{why}; convert it to use it"),
        None => why,
    })
}
