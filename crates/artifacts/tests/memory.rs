//! How much memory reading a checkpoint takes: a resumed run holds its net beside it.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use artifacts::checkpoint::{self, Checkpoint};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Tensors of 4 MiB each.
const TENSORS: usize = 8;
const VALUES: usize = 1 << 20;

#[test]
fn a_checkpoint_is_held_once_while_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(checkpoint::FILE);
    let tensor = |i: usize| (format!("parameter.{i}"), (vec![VALUES], vec![i as f32; VALUES]));
    let tensors: BTreeMap<_, _> = (0..TENSORS).map(tensor).collect();
    checkpoint::write(&path, Checkpoint { tensors, ..Checkpoint::default() }).unwrap();

    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let read = checkpoint::read(&path).unwrap();
    let taken = ALLOCATOR.peak_usage() - before;
    let length = TENSORS * VALUES * size_of::<f32>();
    assert_eq!(read.tensors.values().map(|(_, values)| values.len()).sum::<usize>(), TENSORS * VALUES);
    assert!(taken >= length && taken < length + length / 4, "{taken} bytes for a file of {length}");
}
