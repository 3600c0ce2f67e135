//! Several tensors in one flat vector.

use std::ops::Range;

use crate::graph::TensorSpec;

/// Elements that every tensor starts at a multiple of: more than a cache line of the processor, and as the libraries of GPUs
/// like it.
const ALIGNMENT: usize = 64;

/// Where each of several tensors lies in one flat vector; what is between them stays 0.
pub(crate) struct FlatLayout {
    ranges: Vec<Range<usize>>,
    len: usize,
}

impl FlatLayout {
    /// For tensors of so many elements.
    pub(crate) fn new(lens: impl IntoIterator<Item = usize>) -> Self {
        let mut end = 0;
        let mut place = |len: usize| {
            let start = end;
            end = (start + len).next_multiple_of(ALIGNMENT);
            start..start + len
        };
        let ranges = lens.into_iter().map(&mut place).collect();
        Self { ranges, len: end }
    }

    /// For named tensors.
    pub(crate) fn of(specs: &[TensorSpec]) -> Self {
        Self::new(specs.iter().map(TensorSpec::len))
    }

    /// Elements in all.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The elements of the tensor at this position.
    pub(crate) fn range(&self, position: usize) -> Range<usize> {
        self.ranges[position].clone()
    }

    /// The parts of the flat vector that are multiplied alike: neighbours of one factor together, without those of factor 0.
    pub(crate) fn alike(&self, factors: &[f64]) -> Vec<(Range<usize>, f64)> {
        let mut parts: Vec<(Range<usize>, f64)> = Vec::new();
        for (position, &factor) in factors.iter().enumerate() {
            let end = self.ranges.get(position + 1).map_or(self.len, |next| next.start);
            match parts.last_mut() {
                Some((range, last)) if last.to_bits() == factor.to_bits() => range.end = end,
                _ => parts.push((self.ranges[position].start..end, factor)),
            }
        }
        parts.retain(|(_, factor)| *factor != 0.0);
        parts
    }

    /// Each tensor's part of a flat vector.
    pub(crate) fn split(&self, flat: &[f32]) -> Vec<Vec<f32>> {
        self.ranges.iter().map(|range| flat[range.clone()].to_vec()).collect()
    }

    /// The flat vector of the parts.
    pub(crate) fn join(&self, parts: &[Vec<f32>]) -> Vec<f32> {
        let mut flat = vec![0.0; self.len];
        for (range, part) in self.ranges.iter().zip(parts) {
            flat[range.clone()].copy_from_slice(part);
        }
        flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_factor_are_one_part() {
        let layout = FlatLayout::new([3, 70, 1, 2]);
        assert_eq!(layout.alike(&[1.0; 4]), [(0..layout.len(), 1.0)]);
        let parts = [(0..ALIGNMENT, 0.1), (3 * ALIGNMENT..5 * ALIGNMENT, 2.0)];
        assert_eq!(layout.alike(&[0.1, 0.0, 2.0, 2.0]), parts);
    }

    #[test]
    fn parts_start_aligned_and_come_back() {
        let layout = FlatLayout::new([3, 0, ALIGNMENT, 1]);
        assert_eq!(layout.len(), 3 * ALIGNMENT);
        assert_eq!(layout.range(3), 2 * ALIGNMENT..2 * ALIGNMENT + 1);
        let parts = vec![vec![1.0, 2.0, 3.0], vec![], vec![4.0; ALIGNMENT], vec![5.0]];
        let flat = layout.join(&parts);
        assert_eq!(layout.split(&flat), parts);
        assert_eq!(flat.iter().sum::<f32>(), 6.0 + 4.0 * ALIGNMENT as f32 + 5.0, "zeros in between");
    }
}
