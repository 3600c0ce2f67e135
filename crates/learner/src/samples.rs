//! Which images are for training and which for validation, in which order they come, and how each is augmented.
//!
//! Validation images and limited training sets depend on the data file alone. Order and augmentation are functions of the
//! seed and the position in the run: permutations of the training images follow one another, every batch is full, and
//! a batch may cross from one epoch into the next.

use kernels::engine::{Augmentation, Batch, DataSet, Part, Split};
use kernels::graph::Graph;
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
    /// Cropped from the image padded by 4 black pixels on every side, or where the net sees less than the image out of that;
    /// then mirrored with probability 1/2.
    CropFlip,
    /// A part of random area and proportions, scaled to what the net sees; then mirrored with probability 1/2.
    RandomResizedCrop,
}

impl Augment {
    /// Every augmentation, with the name that flags and records use.
    pub const NAMES: [(&'static str, Augment); 4] = [
        ("none", Augment::None),
        ("flip", Augment::Flip),
        ("crop-flip", Augment::CropFlip),
        ("random-resized-crop", Augment::RandomResizedCrop),
    ];
}

/// How training images are augmented, and how large they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How they are augmented.
    pub augment: Augment,
    /// [height, width] of an image of the data set.
    pub stored: [usize; 2],
    /// [height, width] of what the net sees of it.
    pub seen: [usize; 2],
}

impl Look {
    /// Images as they are.
    pub const PLAIN: Self = Self { augment: Augment::None, stored: [0; 2], seen: [0; 2] };

    /// As a net sees the images of a data set.
    pub fn new(augment: Augment, data: &DataSet, net: &Graph) -> Self {
        let sides = |[_, height, width]: [usize; 3]| [height, width];
        Self { augment, stored: sides(data.shape), seen: sides(net.nodes[0].shape) }
    }

    /// The part of an image that a net sees of it where nothing is augmented; none where it is the whole image.
    pub fn centre(&self) -> Option<Part> {
        (self.stored != self.seen).then(|| Part::centre(self.stored, self.seen))
    }
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
    look: Look,
    /// The epoch drawn last, and the order of its images.
    epoch: Option<(u64, Vec<u32>)>,
    indices: Vec<u32>,
    augmentations: Vec<Augmentation>,
}

impl Samples {
    /// Batches of `batch_size` images out of `train`, which is not empty; `seed` decides their order and augmentation.
    pub fn new(train: Vec<u32>, seed: u64, batch_size: usize, look: Look) -> Self {
        Self { train, seed, batch_size, look, epoch: None, indices: Vec::new(), augmentations: Vec::new() }
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
        if self.look.augment != Augment::None {
            draw(self.seed, self.look, first, self.batch_size, &mut self.augmentations);
        }
        Batch { split: Split::Train, indices: &self.indices, augmentations: &self.augmentations }
    }

    /// `count` batches of training images, the same at every call and in every run on the data.
    pub(crate) fn fixed_batches(&self, count: usize) -> Vec<Vec<u32>> {
        let mut fixed = Self::new(self.train.clone(), 0, self.batch_size, Look::PLAIN);
        (1..=count as u64).map(|iteration| fixed.batch(iteration).indices.to_vec()).collect()
    }

    /// At most `count` training images, the same at every call and in every run on the data.
    pub(crate) fn fixed_images(&self, count: usize) -> Vec<u32> {
        let mut fixed = Self::new(self.train.clone(), 0, 1, Look::PLAIN);
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
/// from the second. Where a net sees less than the image, the halves choose among the places that there are.
fn draw(seed: u64, look: Look, first: u64, count: usize, out: &mut Vec<Augmentation>) {
    let Look { augment, stored, seen } = look;
    let mut rng = stream("augmentation", seed, 0);
    rng.set_word_pos(u128::from(first) * 2);
    for sample in (first..).take(count) {
        let (place, mirror) = (rng.next_u32(), rng.next_u32());
        let offset = |half: u32| (((half & 0xffff) * 9) >> 16) as u8;
        let mirrored = Augmentation { flip: mirror >> 31 == 1, ..Augmentation::NONE };
        out.push(match augment {
            Augment::CropFlip if stored == seen => {
                Augmentation { crop_y: offset(place >> 16), crop_x: offset(place), ..mirrored }
            }
            Augment::CropFlip => {
                let [height, width] = seen.map(|side| side as u32);
                let start = |half: u32, side: usize| ((half & 0xffff) * (stored[side] - seen[side] + 1) as u32) >> 16;
                let part = Part { top: start(place >> 16, 0), left: start(place, 1), height, width };
                Augmentation { part: Some(part), ..mirrored }
            }
            Augment::RandomResizedCrop => Augmentation { part: Some(resized_crop(seed, sample, stored)), ..mirrored },
            Augment::Flip => mirrored,
            Augment::None => Augmentation::NONE,
        });
    }
}

/// Shares of the image's area that a random part has, from and to: torchvision's.
const SCALE: [f64; 2] = [0.08, 1.0];

/// Width by height of a random part, from and to, likewise.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// Parts that are tried until one lies in the image, likewise.
const TRIES: u64 = 10;

/// Random words that a try takes.
const WORDS: u64 = 4;

/// The part of sample `sample` as torchvision's `RandomResizedCrop.get_params` chooses it: an area and a logarithm of the
/// proportions, both uniform, until such a part lies in the image, and then uniformly a place for it; after ten tries the
/// centre. Try t of sample s takes words 40s + 4t to 40s + 4t + 3 of the stream: area, proportions, row and column.
fn resized_crop(seed: u64, sample: u64, stored: [usize; 2]) -> Part {
    let mut rng = stream("resized-crop", seed, 0);
    rng.set_word_pos(u128::from(sample) * u128::from(TRIES * WORDS));
    let [rows, columns] = stored.map(|side| side as f64);
    for _ in 0..TRIES {
        let words = [(); WORDS as usize].map(|()| f64::from(rng.next_u32()) / 2.0_f64.powi(32));
        let between = |[from, to]: [f64; 2], share: f64| from + share * (to - from);
        let area = rows * columns * between(SCALE, words[0]);
        let ratio = libm::exp(between(RATIO.map(libm::log), words[1]));
        let [height, width] = [libm::sqrt(area / ratio), libm::sqrt(area * ratio)].map(f64::round_ties_even);
        if height >= 1.0 && width >= 1.0 && height <= rows && width <= columns {
            let start = |share: f64, left: f64| (share * (left + 1.0)) as u32;
            let (top, left) = (start(words[2], rows - height), start(words[3], columns - width));
            return Part { top, left, height: height as u32, width: width as u32 };
        }
    }
    widest(stored)
}

/// The largest centre of an image whose proportions are not too far from a square's.
fn widest(stored: [usize; 2]) -> Part {
    let [rows, columns] = stored.map(|side| side as f64);
    let (height, width) = match columns / rows {
        ratio if ratio < RATIO[0] => ((columns / RATIO[0]).round_ties_even(), columns),
        ratio if ratio > RATIO[1] => (rows, (rows * RATIO[1]).round_ties_even()),
        _ => (rows, columns),
    };
    let start = |all: f64, part: f64| ((all - part) / 2.0) as u32;
    Part { top: start(rows, height), left: start(columns, width), height: height as u32, width: width as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(augment: Augment, stored: [usize; 2], seen: [usize; 2]) -> Look {
        Look { augment, stored, seen }
    }

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
        let mut samples = Samples::new((0..10).collect(), 3, 4, Look::PLAIN);
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
        for augment in [Augment::CropFlip, Augment::RandomResizedCrop] {
            let fresh = || Samples::new((0..50).collect(), 3, 16, look(augment, [20, 30], [16, 16]));
            let mut straight = fresh();
            for iteration in 1..=9 {
                let expected = straight.batch(iteration);
                let mut other = fresh();
                let found = other.batch(iteration);
                assert_eq!((expected.indices, expected.augmentations), (found.indices, found.augmentations));
            }
        }
    }

    #[test]
    fn what_is_seen_of_a_larger_image_comes_from_everywhere_in_it() {
        let mut drawn = Vec::new();
        draw(1, look(Augment::CropFlip, [10, 300], [8, 8]), 0, 9000, &mut drawn);
        let parts: Vec<Part> = drawn.iter().map(|a| a.part.unwrap()).collect();
        assert!(parts.iter().all(|part| (part.height, part.width) == (8, 8) && part.top <= 2 && part.left <= 292));
        for top in 0..=2 {
            let count = parts.iter().filter(|part| part.top == top).count();
            assert!((2800..3200).contains(&count), "{top}: {count}");
        }
        assert!([0, 292].iter().all(|left| parts.iter().any(|part| part.left == *left)));
    }

    /// The distributions of torchvision's `RandomResizedCrop.get_params`, from 200,000 draws of it
    /// (`tests/parity/resized_crops.py`): means of area, log proportions, place, and the share of whole-image fallbacks.
    #[test]
    fn random_parts_are_distributed_as_torchvisions() {
        let fixture = include_str!("../../../tests/parity/fixtures/resized_crops.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        for case in fixture["draws"].as_array().unwrap() {
            let side = |key: &str| case[key].as_u64().unwrap() as usize;
            let (height, width) = (side("height"), side("width"));
            let parts: Vec<Part> = (0..20_000).map(|sample| resized_crop(1, sample, [height, width])).collect();
            let area = (height * width) as f64;
            let measures = |part: &Part| {
                let share = f64::from(part.height * part.width) / area;
                let log_ratio = (f64::from(part.width) / f64::from(part.height)).ln();
                [share, share.powi(2), log_ratio, log_ratio.powi(2), f64::from(part.top), f64::from(part.left)]
            };
            let names = ["area", "area_squared", "log_ratio", "log_ratio_squared", "top", "left"];
            for (at, name) in names.into_iter().enumerate() {
                let mean = parts.iter().map(|part| measures(part)[at]).sum::<f64>() / parts.len() as f64;
                let expected = case[name]["mean"].as_f64().unwrap();
                // Five standard errors of our mean; those of the fixture's are a third as large.
                let limit = 5.0 * case[name]["deviation"].as_f64().unwrap() / (parts.len() as f64).sqrt() + 1e-9;
                assert!((mean - expected).abs() < limit, "{height}x{width} {name}: {mean}, expected {expected}");
            }
            assert!(parts.iter().all(|part| {
                (part.top + part.height) as usize <= height && (part.left + part.width) as usize <= width
            }));
        }
        // What no try fits gets the centre, cut to proportions of at most 4:3.
        assert_eq!(widest([30, 400]), Part { top: 0, left: 180, height: 30, width: 40 });
        assert_eq!(widest([400, 30]), Part { top: 180, left: 0, height: 40, width: 30 });
        assert_eq!(widest([31, 30]), Part { top: 0, left: 0, height: 31, width: 30 });
    }

    #[test]
    fn augmentations_cover_every_crop_evenly() {
        let mut drawn = Vec::new();
        draw(1, look(Augment::CropFlip, [8, 8], [8, 8]), 0, 9000, &mut drawn);
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
            draw(5, look(augment, [8, 8], [8, 8]), 7, 20, &mut drawn);
            drawn.iter().map(|a| a.flip).collect::<Vec<_>>()
        };
        assert_eq!(flips(Augment::Flip), flips(Augment::CropFlip));
        assert_eq!(flips(Augment::Flip), flips(Augment::RandomResizedCrop));
    }
}
