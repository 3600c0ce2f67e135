//! Parts of images scaled to another size as torchvision's `resized_crop` does it on tensors of bytes: PyTorch's
//! `interpolate(mode="bilinear", antialias=True)` in float32, along rows and then along columns, rounded to bytes again.
//!
//! Source of the formula: `compute_indices_min_size_weights_aa` in aten/src/ATen/native/cpu/UpSampleKernel.cpp.

use crate::engine::Part;

/// Brings `part` of an image `planes` [channels, stored height, stored width] to the size `seen` [height, width], in `out`
/// [channels, height, width].
pub(crate) fn resample(planes: &[u8], stored: [usize; 2], part: Part, seen: [usize; 2], out: &mut [u8]) {
    let Part { top, left, height, width } = part;
    let [top, left, rows, columns] = [top, left, height, width].map(|number| number as usize);
    let lines = planes.chunks_exact(stored[1]).map(|line| &line[left..left + columns]);
    let of_part = |(at, _): &(usize, &[u8])| (top..top + rows).contains(&(at % stored[0]));
    let lines = lines.enumerate().filter(of_part).map(|(_, line)| line);
    if seen == [rows, columns] {
        lines.zip(out.chunks_exact_mut(columns)).for_each(|(line, out)| out.copy_from_slice(line));
        return;
    }
    let (down, along) = (Taps::new(rows, seen[0]), Taps::new(columns, seen[1]));
    let mut narrow = Vec::with_capacity(planes.len() / stored[0] / stored[1] * rows * seen[1]);
    for line in lines {
        let sums = along.each().map(|(first, weights)| {
            weights.iter().zip(&line[first..]).fold(0.0, |sum, (weight, raw)| sum + weight * f32::from(*raw))
        });
        narrow.extend(sums);
    }
    let mut sums = vec![0.0_f32; seen[1]];
    for (plane, out) in narrow.chunks_exact(rows * seen[1]).zip(out.chunks_exact_mut(seen[0] * seen[1])) {
        for ((first, weights), out) in down.each().zip(out.chunks_exact_mut(seen[1])) {
            sums.fill(0.0);
            for (weight, line) in weights.iter().zip(plane[first * seen[1]..].chunks_exact(seen[1])) {
                sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += weight * value);
            }
            // Weights add up to 1 but for their rounding: no sum is out of range once it is rounded.
            out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = sum.round_ties_even() as u8);
        }
    }
}

/// What each place of a line of another length is made of.
struct Taps {
    /// The first value of each, and how many there are.
    spans: Vec<(usize, usize)>,
    /// What they count, one place after another.
    weights: Vec<f32>,
}

impl Taps {
    /// For `to` places out of `from` values.
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f32 / to as f32;
        let (support, inverse) = if scale >= 1.0 { (scale, 1.0 / scale) } else { (1.0, 1.0) };
        let (mut spans, mut weights) = (Vec::with_capacity(to), Vec::new());
        for place in 0..to {
            let centre = (f64::from(scale) * (place as f64 + 0.5)) as f32;
            // Towards 0, as a cast in C.
            let first = (f64::from(centre - support) + 0.5) as usize;
            let end = ((f64::from(centre + support) + 0.5) as usize).min(from);
            let start = weights.len();
            weights.extend((first..end).map(|at| {
                let distance = (f64::from(at as f32 - centre) + 0.5) * f64::from(inverse);
                (1.0 - (distance as f32).abs()).max(0.0)
            }));
            let total: f32 = weights[start..].iter().sum();
            weights[start..].iter_mut().for_each(|weight| *weight /= total);
            spans.push((first, end - first));
        }
        Self { spans, weights }
    }

    /// The first value of each place, and the weights from it on.
    fn each(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let mut rest = self.weights.as_slice();
        self.spans.iter().map(move |(first, count)| {
            let (weights, left) = rest.split_at(*count);
            rest = left;
            (*first, weights)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(planes: &[u8], stored: [usize; 2], part: [u32; 4], seen: [usize; 2]) -> Vec<u8> {
        let [top, left, height, width] = part;
        let mut out = vec![0; planes.len() / stored[0] / stored[1] * seen[0] * seen[1]];
        resample(planes, stored, Part { top, left, height, width }, seen, &mut out);
        out
    }

    #[test]
    fn a_part_of_the_size_that_is_seen_is_copied() {
        let planes: Vec<u8> = (0..2 * 4 * 5).collect();
        assert_eq!(scaled(&planes, [4, 5], [1, 2, 2, 3], [2, 3]), [7, 8, 9, 12, 13, 14, 27, 28, 29, 32, 33, 34]);
        assert_eq!(scaled(&planes, [4, 5], [0, 0, 4, 5], [4, 5]), planes);
    }

    /// `tests/parity/resized_crops.py` made the fixture with torchvision.
    #[test]
    fn parts_and_centres_are_torchvisions() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/parity/fixtures/resized_crops.json")).unwrap();
        let numbers = |value: &serde_json::Value| -> Vec<usize> { serde_json::from_value(value.clone()).unwrap() };
        for case in fixture["crops"].as_array().unwrap() {
            let (shape, part, pixels) = (numbers(&case["shape"]), numbers(&case["part"]), numbers(&case["pixels"]));
            let side = case["side"].as_u64().unwrap() as usize;
            let image: Vec<u8> =
                (0..shape.iter().product()).map(|i: usize| ((i * i * 2_654_435_761) as u32 >> 24) as u8).collect();
            let part = part.iter().map(|number| *number as u32).collect::<Vec<_>>().try_into().unwrap();
            let found = scaled(&image, [shape[1], shape[2]], part, [side; 2]);
            // A sum within float32's rounding of a half may go to either side of it.
            let off: Vec<usize> = found.iter().zip(&pixels).map(|(a, b)| usize::from(*a).abs_diff(*b)).collect();
            assert!(off.iter().all(|off| *off <= 1), "{shape:?} {part:?}: {off:?}");
            assert!(off.iter().sum::<usize>() * 500 <= off.len(), "{shape:?} {part:?}: {off:?}");
        }
        for case in fixture["centres"].as_array().unwrap() {
            let [stored, seen, start] = ["stored", "seen", "start"].map(|key| case[key].as_u64().unwrap() as usize);
            let part = Part::centre([stored; 2], [seen; 2]);
            assert_eq!((part.top as usize, part.left as usize), (start, start), "{stored} to {seen}");
        }
    }

    #[test]
    fn one_colour_stays_that_colour_at_any_size() {
        for value in [0, 1, 127, 254, 255] {
            for (part, seen) in [([0, 0, 31, 17], [7, 9]), ([3, 2, 5, 1], [30, 40]), ([30, 16, 1, 1], [1, 1])] {
                assert!(scaled(&vec![value; 31 * 17], [31, 17], part, seen).iter().all(|out| *out == value));
            }
        }
    }
}
