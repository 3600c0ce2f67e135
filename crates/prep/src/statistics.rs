//! Mean and standard deviation of a channel, exactly.

/// Mean and standard deviation (of the population) of each of `channels` planes of `plane` pixels an image, over all
/// images, on the 0 to 1 scale.
///
/// Sums are of integers, so neither order nor number of images rounds anything; one division and one square root
/// in f64 remain.
pub fn mean_and_std(pixels: &[u8], channels: usize, plane: usize) -> (Vec<f64>, Vec<f64>) {
    let mut sums = vec![(0_u64, 0_u64); channels];
    for image in pixels.chunks_exact(channels * plane) {
        for (sum, plane) in sums.iter_mut().zip(image.chunks_exact(plane)) {
            for &x in plane {
                sum.0 += u64::from(x);
                sum.1 += u64::from(x) * u64::from(x);
            }
        }
    }
    let count = (pixels.len() / channels) as u64;
    sums.into_iter().map(|(sum, squares)| moments(count, sum, squares)).unzip()
}

/// From n values, their sum s and their sum of squares q: s/n and sqrt(n q - s^2)/n, over 255.
fn moments(count: u64, sum: u64, squares: u64) -> (f64, f64) {
    let (n, s, q) = (u128::from(count), u128::from(sum), u128::from(squares));
    let scale = 255.0 * count as f64;
    (sum as f64 / scale, ((n * q - s * s) as f64).sqrt() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_known_pixels() {
        // Two images of two channels and two pixels: channel 0 holds 0, 255, 255, 0 and channel 1 holds 51, 51, 51, 51.
        let (mean, std) = mean_and_std(&[0, 255, 51, 51, 255, 0, 51, 51], 2, 2);
        assert_eq!((mean, std), (vec![0.5, 0.2], vec![0.5, 0.0]));
    }

    #[test]
    fn large_sums_stay_exact() {
        // 2^24 pixels, one of which differs: variance (n - 1) / n^2 of a step of 1/255.
        let n = 1 << 24;
        let mut pixels = vec![200; n];
        pixels[n / 2] = 201;
        let (mean, std) = mean_and_std(&pixels, 1, n);
        let n = n as f64;
        assert_eq!(mean[0], (200.0 * n + 1.0) / (255.0 * n));
        assert_eq!(std[0], (n - 1.0).sqrt() / (255.0 * n));
    }
}
