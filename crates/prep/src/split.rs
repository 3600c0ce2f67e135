//! Which images become the test set, and in which order a set is stored: fixed by hashes, never by chance or by a
//! directory's order.

use artifacts::sha256;

/// The SHA-256 of an image file's content.
pub type Key = [u8; 32];

/// Share of each class that becomes the test set if a folder has no `test/`.
pub const DEFAULT_TEST_SHARE: f64 = 0.2;

/// How many of `count` images of a class become test images: the nearest number to `share`, but at least one, and at least
/// one remains for training. `None` where there are fewer than two.
pub fn test_count(count: usize, share: f64) -> Option<usize> {
    (count >= 2).then(|| ((count as f64 * share).round() as usize).clamp(1, count - 1))
}

/// Where an image stands in its split: by the hash of its key. The keys themselves would not mix the classes: the
/// test images have the smallest of each class, and where these end differs from class to class.
pub fn position(key: &Key) -> Key {
    sha256::digest(key)
}

/// The indices of the first `limit` of each class, in order.
pub fn first_of_each_class(labels: impl IntoIterator<Item = u32>, classes: usize, limit: usize) -> Vec<usize> {
    let mut taken = vec![0; classes];
    let labels = labels.into_iter().enumerate();
    let first = labels.filter(|(_, label)| {
        let taken = &mut taken[*label as usize];
        *taken += 1;
        *taken <= limit
    });
    first.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_one_is_for_testing_and_one_remains() {
        let cases = [(0, 0.2, None), (1, 0.2, None), (2, 0.01, Some(1)), (2, 0.99, Some(1)), (500, 0.2, Some(100))];
        for (count, share, expected) in cases {
            assert_eq!(test_count(count, share), expected, "{count} {share}");
        }
    }

    #[test]
    fn the_first_of_each_class() {
        assert_eq!(first_of_each_class([1, 0, 1, 1, 0, 0], 2, 2), [0, 1, 2, 4]);
    }
}
