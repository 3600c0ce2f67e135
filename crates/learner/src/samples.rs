//! Which images are for training and which for validation, in which order they come, and how each is augmented.
//!
//! Validation images and limited training sets depend on the data file alone. Order and augmentation are functions of the
//! seed and the position in the run: permutations of the training images follow one another, every batch is full, and
//! a batch may cross from one epoch into the next.

use kernels::engine::{Augmentation, Batch, Split};
use rand_chacha::rand_core::Rng;

use crate::stream::{shuffle, stream};

/// The stream that chooses validation images. Its name is part of the format: with another one, the images would be others.
const VALIDATION_STREAM: &str = "held-out";

/// How training images are augmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augment {
    /// Not at all.
    None,
    /// Mirrored left to right with probability 1/2.
    Flip,
    /// Cropped from the image padded by 4 black pixels on every side, then mirrored with probability 1/2.
    CropFlip,
}

impl Augment {
    /// Every augmentation, with the name that flags and records use.
    pub const NAMES: [(&'static str, Augment); 3] =
        [("none", Augment::None), ("flip", Augment::Flip), ("crop-flip", Augment::CropFlip)];
}

/// The training images of a data set divided, as ascending positions among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Images to train on.
    pub train: Vec<u32>,
    /// Validation images.
    pub val: Vec<u32>,
}

/// Takes `share` of every class (rounded) for validation, then limits the rest to `limit` images in all, with the classes as
/// balanced as possible. It depends on the labels alone, so every run on the data is divided alike; the images under a
/// smaller limit are among those under a larger one.
pub fn divide(labels: &[u32], classes: usize, share: f64, limit: Option<usize>) -> Division {
    let mut by_class = vec![Vec::new(); classes];
    for (position, label) in labels.iter().enumerate() {
        by_class[*label as usize].push(position as u32);
    }
    let mut ranked = Vec::new();
    let mut val = Vec::new();
    for (class, mut members) in by_class.into_iter().enumerate() {
        shuffle(&mut stream(VALIDATION_STREAM, 0, class as u64), &mut members);
        let for_validation = (share * members.len() as f64).round() as usize;
        val.extend(&members[..for_validation]);
        ranked.extend(members[for_validation..].iter().enumerate().map(|(rank, position)| (rank, class, *position)));
    }
    // One image of each class, then a second of each, and so on: every prefix is as balanced as possible.
    ranked.sort_unstable();
    let mut train: Vec<u32> = ranked.iter().map(|(_, _, position)| *position).collect();
    train.truncate(limit.unwrap_or(usize::MAX));
    train.sort_unstable();
    val.sort_unstable();
    Division { train, val }
}

/// The training images of a run, batch by batch.
#[derive(Clone, Debug)]
pub struct Samples {
    train: Vec<u32>,
    seed: u64,
    batch_size: usize,
    augment: Augment,
    /// The epoch drawn last, and the order of its images.
    epoch: Option<(u64, Vec<u32>)>,
    indices: Vec<u32>,
    augmentations: Vec<Augmentation>,
}

impl Samples {
    /// Batches of `batch_size` images out of `train`, which is not empty; `seed` decides their order and augmentation.
    pub fn new(train: Vec<u32>, seed: u64, batch_size: usize, augment: Augment) -> Self {
        Self { train, seed, batch_size, augment, epoch: None, indices: Vec::new(), augmentations: Vec::new() }
    }

    /// Passes over the training images after `iteration` steps.
    pub(crate) fn epochs(&self, iteration: u64) -> f64 {
        (iteration * self.batch_size as u64) as f64 / self.train.len() as f64
    }

    /// The batch of step `iteration`, numbered from 1.
    pub fn batch(&mut self, iteration: u64) -> Batch<'_> {
        let first = (iteration - 1) * self.batch_size as u64;
        self.indices.clear();
        for sample in first..first + self.batch_size as u64 {
            let index = self.image(sample);
            self.indices.push(index);
        }
        self.augmentations.clear();
        if self.augment != Augment::None {
            draw(self.seed, self.augment, first, self.batch_size, &mut self.augmentations);
        }
        Batch { split: Split::Train, indices: &self.indices, augmentations: &self.augmentations }
    }

    /// `count` batches of training images, the same at every call and in every run on the data.
    pub(crate) fn fixed_batches(&self, count: usize) -> Vec<Vec<u32>> {
        let mut fixed = Self::new(self.train.clone(), 0, self.batch_size, Augment::None);
        (1..=count as u64).map(|iteration| fixed.batch(iteration).indices.to_vec()).collect()
    }

    /// At most `count` training images, the same at every call and in every run on the data.
    pub(crate) fn fixed_images(&self, count: usize) -> Vec<u32> {
        let mut fixed = Self::new(self.train.clone(), 0, 1, Augment::None);
        (0..count.min(self.train.len()) as u64).map(|sample| fixed.image(sample)).collect()
    }

    /// The position of the image that is sample `sample` of the run, counted from 0.
    fn image(&mut self, sample: u64) -> u32 {
        let length = self.train.len() as u64;
        let (epoch, position) = (sample / length, sample % length);
        if self.epoch.as_ref().is_none_or(|(current, _)| *current != epoch) {
            let mut order = self.train.clone();
            shuffle(&mut stream("order", self.seed, epoch), &mut order);
            self.epoch = Some((epoch, order));
        }
        let (_, order) = self.epoch.as_ref().expect("just set");
        order[position as usize]
    }
}

/// Appends the augmentations of `count` samples from sample `first` on. Sample s takes words 2s and 2s + 1 of the stream:
/// crop row and column from the halves of the first (each of the 9 values has a probability within 2^-13 of 1/9), the mirror
/// from the second.
fn draw(seed: u64, augment: Augment, first: u64, count: usize, out: &mut Vec<Augmentation>) {
    let mut rng = stream("augmentation", seed, 0);
    rng.set_word_pos(u128::from(first) * 2);
    for _ in 0..count {
        let (place, mirror) = (rng.next_u32(), rng.next_u32());
        let offset = |half: u32| (((half & 0xffff) * 9) >> 16) as u8;
        let drawn = Augmentation { flip: mirror >> 31 == 1, crop_y: offset(place >> 16), crop_x: offset(place) };
        out.push(match augment {
            Augment::CropFlip => drawn,
            Augment::Flip => Augmentation { flip: drawn.flip, ..Augmentation::NONE },
            Augment::None => Augmentation::NONE,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<u32> {
        (0..100).map(|i| i % 4).collect()
    }

    #[test]
    fn a_division_is_stratified_complete_and_nested() {
        let Division { train, val } = divide(&labels(), 4, 0.2, None);
        assert_eq!((train.len(), val.len()), (80, 20));
        let mut all = [train.clone(), val.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert!((0..4).all(|class| val.iter().filter(|v| **v % 4 == class).count() == 5));

        let small = divide(&labels(), 4, 0.2, Some(10));
        let large = divide(&labels(), 4, 0.2, Some(30));
        assert_eq!((small.train.len(), &small.val), (10, &val));
        assert!(small.train.iter().all(|image| large.train.contains(image)));
    }

    #[test]
    fn permutations_follow_one_another_across_batches() {
        let mut samples = Samples::new((0..10).collect(), 3, 4, Augment::None);
        let drawn: Vec<u32> = (1..=5).flat_map(|i| samples.batch(i).indices.to_vec()).collect();
        for epoch in drawn.chunks(10) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(drawn[..10], drawn[10..]);
        assert_eq!(samples.epochs(5), 2.0);
    }

    #[test]
    fn any_batch_can_be_drawn_alone() {
        let fresh = || Samples::new((0..50).collect(), 3, 16, Augment::CropFlip);
        let mut straight = fresh();
        for iteration in 1..=9 {
            let expected = straight.batch(iteration);
            let mut other = fresh();
            let found = other.batch(iteration);
            assert_eq!((expected.indices, expected.augmentations), (found.indices, found.augmentations));
        }
    }

    #[test]
    fn augmentations_cover_every_crop_evenly() {
        let mut drawn = Vec::new();
        draw(1, Augment::CropFlip, 0, 9000, &mut drawn);
        for place in 0..9 {
            let rows = drawn.iter().filter(|a| a.crop_y == place).count();
            let columns = drawn.iter().filter(|a| a.crop_x == place).count();
            assert!((900..1100).contains(&rows) && (900..1100).contains(&columns), "{place}: {rows} {columns}");
        }
        assert!((4300..4700).contains(&drawn.iter().filter(|a| a.flip).count()));
    }

    #[test]
    fn mirroring_does_not_depend_on_cropping() {
        let flips = |augment| {
            let mut drawn = Vec::new();
            draw(5, augment, 7, 20, &mut drawn);
            drawn.iter().map(|a| a.flip).collect::<Vec<_>>()
        };
        assert_eq!(flips(Augment::Flip), flips(Augment::CropFlip));
    }
}
