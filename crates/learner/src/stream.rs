//! Named random streams.
//!
//! Every use of randomness has a stream of its own, keyed by a name and the run's seed, so adding a layer or a flag never
//! shifts another stream. The generator is ChaCha with 20 rounds (RFC 8439); its key is the SHA-256 of
//! `superconv/1 NAME SEED`. Any position of a stream can be reached directly, so what is drawn for epoch 7 or for image
//! 12,345 needs nothing drawn before, and a resumed run needs no generator state.

use artifacts::sha256;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A generator at the start of sub-stream `part` of the stream `name`.
pub fn stream(name: &str, seed: u64, part: u64) -> ChaCha20Rng {
    let key = sha256::digest(format!("superconv/1 {name} {seed}").as_bytes());
    let mut rng = ChaCha20Rng::from_seed(key);
    rng.set_stream(part);
    rng
}

/// An integer from 0 to below `bound`, uniformly distributed (Lemire's multiplication with rejection, arXiv:1805.10941).
///
/// # Panics
/// When `bound` is 0.
fn below(rng: &mut ChaCha20Rng, bound: u32) -> u32 {
    assert!(bound > 0, "no number is below 0");
    let unfair = bound.wrapping_neg() % bound;
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(bound);
        if product as u32 >= unfair {
            return (product >> 32) as u32;
        }
    }
}

/// Shuffles `items`, every order equally likely (Fisher-Yates).
pub(crate) fn shuffle<T>(rng: &mut ChaCha20Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last as u32 + 1) as usize);
    }
}

/// A number uniform in [0, 1), with 53 random bits.
pub(crate) fn uniform(rng: &mut ChaCha20Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Two standard normal numbers (Box and Muller, 1958). Logarithm and cosine are the libm crate's: the same bits on every
/// machine.
pub(crate) fn normals(rng: &mut ChaCha20Rng) -> (f64, f64) {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - uniform(rng)));
    let angle = 2.0 * std::f64::consts::PI * uniform(rng);
    (radius * libm::cos(angle), radius * libm::sin(angle))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The streams are part of the format: these numbers never change. They were computed by a straightforward ChaCha20
    /// (RFC 8439 with a counter and a stream of 64 bits each) over Python's hashlib.
    #[test]
    fn the_format_is_frozen() {
        let mut rng = stream("order", 1, 0);
        let first: Vec<u32> = (0..4).map(|_| rng.next_u32()).collect();
        assert_eq!(first, [3951187784, 1320203543, 3165430179, 3217951409]);
    }

    #[test]
    fn streams_differ_by_name_seed_and_part() {
        let draw = |name, seed, part| stream(name, seed, part).next_u64();
        let base = draw("order", 1, 0);
        assert_eq!(base, draw("order", 1, 0));
        assert!([draw("init", 1, 0), draw("order", 2, 0), draw("order", 1, 1)].iter().all(|other| *other != base));
    }

    #[test]
    fn every_order_of_three_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let mut rng = stream("test", 0, 0);
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            shuffle(&mut rng, &mut items);
            *counts.entry(items).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut rng = stream("test", 1, 0);
        let all: Vec<f64> = (0..20_000).flat_map(|_| <[f64; 2]>::from(normals(&mut rng))).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
