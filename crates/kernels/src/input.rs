//! Raw pixels to a net's input: gathered by position, cropped, mirrored, normalised, turned from CHW to HWC.

use crate::disjoint::for_each_chunk;
use crate::engine::{Augmentation, Batch, DataSet, EngineError, Images, Split};
use crate::threads::Threads;

/// Black pixels around an image before it is cropped.
const PADDING: usize = 4;

/// Normalises images of one data set.
pub(crate) struct Input {
    shape: [usize; 3],
    /// For each channel, what each raw value becomes.
    tables: Vec<[f32; 256]>,
}

impl Input {
    /// Tables of `(x / 255 - mean) / std`, in f32, for a data set.
    pub(crate) fn new(data: &DataSet) -> Self {
        let table = |(&mean, &std): (&f32, &f32)| std::array::from_fn(|x| (x as f32 / 255.0 - mean) / std);
        Self { shape: data.shape, tables: data.mean.iter().zip(&data.std).map(table).collect() }
    }

    /// For each channel, what each raw value becomes.
    pub(crate) fn tables(&self) -> &[[f32; 256]] {
        &self.tables
    }

    /// Puts the images of a batch into `out` [N, H, W, C].
    pub(crate) fn gather(&self, threads: &Threads, images: &Images, batch: &Batch, out: &mut [f32]) {
        let len: usize = self.shape.iter().product();
        for_each_chunk(threads, out, len, |i, out| {
            place(self.shape, &self.tables, images, batch, i, out);
        });
    }
}

/// The images of a batch as the net sees them but for the normalisation: raw pixels [N, H, W, C], cropped and mirrored.
///
/// # Errors
/// Where the batch does not point into its half.
pub fn seen(data: &DataSet, batch: &Batch) -> Result<Vec<u8>, EngineError> {
    check(data, batch)?;
    let size: usize = data.shape.iter().product();
    let as_it_is = vec![std::array::from_fn(|value| value as u8); data.shape[0]];
    let mut seen = vec![0; batch.indices.len() * size];
    for (i, out) in seen.chunks_exact_mut(size).enumerate() {
        place(data.shape, &as_it_is, images(data, batch.split), batch, i, out);
    }
    Ok(seen)
}

/// Image `i` of a batch, cropped and mirrored, each raw value turned into what the table of its channel says.
fn place<T: Copy>(shape: [usize; 3], tables: &[[T; 256]], images: &Images, batch: &Batch, i: usize, out: &mut [T]) {
    let [channels, height, width] = shape;
    let size: usize = shape.iter().product();
    let pixels = &images.pixels[batch.indices[i] as usize * size..][..size];
    let augmentation = batch.augmentations.get(i).copied().unwrap_or(Augmentation::NONE);
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
    Ok(())
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
            let (input, threads) = (Input::new(&data), Threads::new(2).unwrap());
            for (crop_y, crop_x, flip) in
                [(4, 4, false), (4, 4, true), (0, 8, false), (8, 0, true), (3, 6, true), (8, 8, false)]
            {
                let augmentations = [Augmentation { flip, crop_y, crop_x }, Augmentation::NONE];
                let batch = Batch { split: Split::Train, indices: &[1, 0], augmentations: &augmentations };
                let mut out = vec![f32::NAN; 2 * shape.iter().product::<usize>()];
                input.gather(&threads, &data.train, &batch, &mut out);
                assert_eq!(
                    out,
                    [expected(&data, 1, augmentations[0]), expected(&data, 0, Augmentation::NONE)].concat()
                );
                // What people are shown is what the net is shown.
                let shown = seen(&data, &batch).unwrap();
                let normalised = |(at, raw): (usize, &u8)| {
                    let channel = at % shape[0];
                    (f32::from(*raw) / 255.0 - data.mean[channel]) / data.std[channel]
                };
                assert_eq!(shown.iter().enumerate().map(normalised).collect::<Vec<_>>(), out);
            }
        }
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
    }
}
