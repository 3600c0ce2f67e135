//! Raw pixels to a net's input: gathered by position, cropped or scaled, mirrored, normalised, turned from CHW to HWC.

use crate::disjoint::for_each_chunk;
use crate::engine::{Augmentation, Batch, DataSet, EngineError, Images, Part, Split};
use crate::resample::resample;
use crate::threads::Threads;

/// Black pixels around an image before it is cropped.
const PADDING: usize = 4;

/// Normalises images of one data set.
pub(crate) struct Input {
    view: View,
    /// For each channel, what each raw value becomes.
    tables: Vec<[f32; 256]>,
}

impl Input {
    /// Tables of `(x / 255 - mean) / std`, in f32, for a data set of which a net sees images of shape `seen`.
    pub(crate) fn new(data: &DataSet, seen: [usize; 3]) -> Self {
        let table = |(&mean, &std): (&f32, &f32)| std::array::from_fn(|x| (x as f32 / 255.0 - mean) / std);
        Self { view: View::new(data, seen), tables: data.mean.iter().zip(&data.std).map(table).collect() }
    }

    /// For each channel, what each raw value becomes.
    pub(crate) fn tables(&self) -> &[[f32; 256]] {
        &self.tables
    }

    /// Puts the images of a batch into `out` [N, H, W, C].
    pub(crate) fn gather(&self, threads: &Threads, images: &Images, batch: &Batch, out: &mut [f32]) {
        for_each_chunk(threads, out, self.view.len(), |i, out| {
            self.view.place(&self.tables, images, batch, i, out);
        });
    }
}

/// The images of a batch as a net that takes images of shape `seen` sees them but for the normalisation: raw pixels
/// [N, H, W, C], cropped or scaled, and mirrored.
///
/// # Errors
/// Where the batch does not point into its half.
pub fn seen(data: &DataSet, seen: [usize; 3], batch: &Batch) -> Result<Vec<u8>, EngineError> {
    check(data, batch)?;
    let view = View::new(data, seen);
    let as_it_is = vec![std::array::from_fn(|value| value as u8); data.shape[0]];
    let mut seen = vec![0; batch.indices.len() * view.len()];
    for (i, out) in seen.chunks_exact_mut(view.len()).enumerate() {
        view.place(&as_it_is, images(data, batch.split), batch, i, out);
    }
    Ok(seen)
}

/// How images are seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// [channels, height, width] of an image of the data set.
    stored: [usize; 3],
    /// The same of what the net takes.
    seen: [usize; 3],
}

impl View {
    /// Of a data set of which a net sees images of shape `seen`.
    pub(crate) fn new(data: &DataSet, seen: [usize; 3]) -> Self {
        Self { stored: data.shape, seen }
    }

    /// Numbers of an image as it is seen.
    fn len(self) -> usize {
        self.seen.iter().product()
    }

    /// The part of its image that image `i` of a batch is made of; none where it is the image itself, cropped out of padding.
    pub(crate) fn part(self, batch: &Batch, i: usize) -> Option<Part> {
        let ([_, height, width], [_, seen_height, seen_width]) = (self.stored, self.seen);
        let given = batch.augmentations.get(i).and_then(|augmentation| augmentation.part);
        let centre = || Part::centre([height, width], [seen_height, seen_width]);
        given.or_else(|| (self.stored != self.seen).then(centre))
    }

    /// Image `i` of a batch, cropped or scaled, and mirrored, each raw value turned into what the table of its channel says.
    fn place<T: Copy>(self, tables: &[[T; 256]], images: &Images, batch: &Batch, i: usize, out: &mut [T]) {
        let pixels = self.pixels(images, batch, i);
        let augmentation = batch.augmentations.get(i).copied().unwrap_or(Augmentation::NONE);
        match self.part(batch, i) {
            None => shift(self.seen, tables, pixels, augmentation, out),
            Some(part) => {
                let mut planes = vec![0; self.len()];
                self.resample(pixels, part, &mut planes);
                let still = Augmentation { flip: augmentation.flip, ..Augmentation::NONE };
                shift(self.seen, tables, &planes, still, out);
            }
        }
    }

    /// The pixels of image `i` of a batch, [channels, height, width], as they are stored.
    pub(crate) fn pixels<'a>(self, images: &'a Images, batch: &Batch, i: usize) -> &'a [u8] {
        let size: usize = self.stored.iter().product();
        &images.pixels[batch.indices[i] as usize * size..][..size]
    }

    /// Brings a part of an image to what is seen: `planes`, [channels, height, width].
    pub(crate) fn resample(self, pixels: &[u8], part: Part, planes: &mut [u8]) {
        let ([_, height, width], [_, seen_height, seen_width]) = (self.stored, self.seen);
        resample(pixels, [height, width], part, [seen_height, seen_width], planes);
    }
}

/// An image cropped out of its padding and mirrored, each raw value turned into what the table of its channel says.
fn shift<T: Copy>(shape: [usize; 3], tables: &[[T; 256]], pixels: &[u8], augmentation: Augmentation, out: &mut [T]) {
    let [channels, height, width] = shape;
    for (channel, table) in tables.iter().enumerate() {
        let plane = &pixels[channel * height * width..][..height * width];
        for y in 0..height {
            let source = (y + usize::from(augmentation.crop_y)).checked_sub(PADDING).filter(|row| *row < height);
            let row = &mut out[y * width * channels..][..width * channels];
            let Some(source) = source else {
                row.iter_mut().skip(channel).step_by(channels).for_each(|value| *value = table[0]);
                continue;
            };
            let source = &plane[source * width..][..width];
            for x in 0..width {
                let cropped = if augmentation.flip { width - 1 - x } else { x };
                let column = (cropped + usize::from(augmentation.crop_x)).wrapping_sub(PADDING);
                row[x * channels + channel] = table[usize::from(source.get(column).copied().unwrap_or(0))];
            }
        }
    }
}

/// The half of the data set that a batch is of.
pub(crate) fn images(data: &DataSet, split: Split) -> &Images {
    match split {
        Split::Train => &data.train,
        Split::Test => &data.test,
    }
}

/// Checks that a batch points into its half, and that augmentations and images go together.
///
/// # Errors
/// Where they do not.
pub(crate) fn check(data: &DataSet, batch: &Batch) -> Result<(), EngineError> {
    let images = images(data, batch.split);
    let count = images.labels.len();
    if let Some(index) = batch.indices.iter().find(|index| **index as usize >= count) {
        return Err(EngineError::Device(format!("image {index}: expected a position below {count}")));
    }
    if !batch.augmentations.is_empty() && batch.augmentations.len() != batch.indices.len() {
        let (found, expected) = (batch.augmentations.len(), batch.indices.len());
        return Err(EngineError::Device(format!("augmentations: expected {expected} or none, found {found}")));
    }
    let [_, height, width] = data.shape;
    let inside = |part: &Part| {
        let fits = |start: u32, length: u32, all: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end as usize <= all)
        };
        fits(part.top, part.height, height) && fits(part.left, part.width, width)
    };
    let parts = batch.augmentations.iter().filter_map(|augmentation| augmentation.part);
    match parts.into_iter().find(|part| !inside(part)) {
        None => Ok(()),
        Some(part) => Err(EngineError::Device(format!("{part:?} does not lie in an image of {height} x {width}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn data(shape: [usize; 3]) -> DataSet {
        let len: usize = shape.iter().product();
        let pixels: Arc<[u8]> = (0..2 * len).map(|i| (i * 7 % 251) as u8 + 1).collect();
        let images = Images { pixels, labels: Arc::new([0, 1]) };
        let (mean, std) =
            ((0..shape[0]).map(|c| 0.4 + c as f32 / 9.0).collect(), vec![0.25, 0.3, 0.2][..shape[0]].to_vec());
        DataSet { shape, classes: 2, mean, std, train: images.clone(), test: images }
    }

    /// Pads, crops and mirrors in that order, pixel by pixel.
    fn expected(data: &DataSet, index: usize, augmentation: Augmentation) -> Vec<f32> {
        let [channels, height, width] = data.shape;
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                for c in 0..channels {
                    let x = if augmentation.flip { width - 1 - x } else { x };
                    let (row, column) = (y + augmentation.crop_y as usize, x + augmentation.crop_x as usize);
                    let inside = (4..4 + height).contains(&row) && (4..4 + width).contains(&column);
                    let raw = if inside {
                        data.train.pixels[((index * channels + c) * height + row - 4) * width + column - 4]
                    } else {
                        0
                    };
                    out.push((f32::from(raw) / 255.0 - data.mean[c]) / data.std[c]);
                }
            }
        }
        out
    }

    #[test]
    fn every_crop_and_flip() {
        for shape in [[3, 5, 7], [1, 2, 3]] {
            let data = data(shape);
            let (input, threads) = (Input::new(&data, shape), Threads::new(2).unwrap());
            for (crop_y, crop_x, flip) in
                [(4, 4, false), (4, 4, true), (0, 8, false), (8, 0, true), (3, 6, true), (8, 8, false)]
            {
                let augmentations = [Augmentation { flip, crop_y, crop_x, part: None }, Augmentation::NONE];
                let batch = Batch { split: Split::Train, indices: &[1, 0], augmentations: &augmentations };
                let mut out = vec![f32::NAN; 2 * shape.iter().product::<usize>()];
                input.gather(&threads, &data.train, &batch, &mut out);
                assert_eq!(
                    out,
                    [expected(&data, 1, augmentations[0]), expected(&data, 0, Augmentation::NONE)].concat()
                );
                // What people are shown is what the net is shown.
                let shown = seen(&data, shape, &batch).unwrap();
                let normalised = |(at, raw): (usize, &u8)| {
                    let channel = at % shape[0];
                    (f32::from(*raw) / 255.0 - data.mean[channel]) / data.std[channel]
                };
                assert_eq!(shown.iter().enumerate().map(normalised).collect::<Vec<_>>(), out);
            }
        }
    }

    #[test]
    fn a_net_that_takes_less_sees_the_centre_or_the_part_that_is_given() {
        let data = data([2, 6, 7]);
        let view = [2, 3, 4];
        let of = |image: usize, part: Part, flip: bool| {
            let at = |y: usize, x: usize, c: usize| {
                let x = if flip { 3 - x } else { x };
                data.train.pixels[((image * 2 + c) * 6 + y + part.top as usize) * 7 + x + part.left as usize]
            };
            (0..3 * 4 * 2).map(|i| at(i / 8, i / 2 % 4, i % 2)).collect::<Vec<_>>()
        };
        // Both margins are odd: torchvision begins at rows 2 of 1 and 2, and columns 2 of 1 and 2.
        let centre = Part { top: 2, left: 2, height: 3, width: 4 };
        assert_eq!(Part::centre([6, 7], [3, 4]), centre);
        let batch = Batch { split: Split::Train, indices: &[1, 0], augmentations: &[] };
        assert_eq!(seen(&data, view, &batch).unwrap(), [of(1, centre, false), of(0, centre, false)].concat());
        let part = Part { top: 3, left: 0, height: 3, width: 4 };
        let moved = Augmentation { flip: true, part: Some(part), ..Augmentation::NONE };
        let augmentations = [moved, Augmentation { flip: true, ..Augmentation::NONE }];
        let batch = Batch { augmentations: &augmentations, ..batch };
        assert_eq!(seen(&data, view, &batch).unwrap(), [of(1, part, true), of(0, centre, true)].concat());
    }

    #[test]
    fn bad_batches_are_refused() {
        let data = data([1, 2, 3]);
        let refused = |indices: &[u32], augmentations: &[Augmentation]| {
            check(&data, &Batch { split: Split::Test, indices, augmentations }).is_err()
        };
        assert!(refused(&[0, 2], &[]));
        assert!(refused(&[0, 1], &[Augmentation::NONE]));
        assert!(!refused(&[0, 1], &[Augmentation::NONE; 2]));
        for ([top, left, height, width], is_refused) in [
            ([0, 0, 2, 3], false),
            ([1, 2, 1, 1], false),
            ([1, 0, 2, 3], true),
            ([0, 3, 1, 1], true),
            ([0, 0, 0, 1], true),
            ([u32::MAX, 0, 2, 1], true),
        ] {
            let part = Part { top, left, height, width };
            assert_eq!(
                refused(&[0], &[Augmentation { part: Some(part), ..Augmentation::NONE }]),
                is_refused,
                "{part:?}"
            );
        }
    }
}
