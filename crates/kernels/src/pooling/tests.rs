//! Pooling on every instruction set of this machine, against plain loops over its windows.

use super::*;
use crate::isa::Isa;
use crate::simd::MAX_LANES;
use crate::threads::Threads;

/// Sides, kernel, stride and padding: overlapping, apart, padded, uneven.
const CASES: [([usize; 2], usize, usize, usize); 7] = [
    ([4, 6], 2, 2, 0),
    ([7, 5], 3, 2, 1),
    ([8, 8], 3, 2, 1),
    ([5, 5], 2, 1, 0),
    ([7, 9], 2, 3, 0),
    ([3, 3], 3, 3, 1),
    ([6, 5], 5, 1, 2),
];
const CHANNELS: usize = 19;
const IMAGES: usize = 3;

fn noise(seed: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
}

fn poolings() -> impl Iterator<Item = Pooling> {
    CASES.into_iter().map(|([height, width], kernel, stride, padding)| Pooling {
        input: ImageShape { height, width, channels: CHANNELS },
        kernel,
        stride,
        padding,
    })
}

/// For each element of the output the elements of the input in its window, row by row.
fn windows(p: &Pooling) -> Vec<Vec<usize>> {
    let out = p.output();
    let mut windows = Vec::new();
    for image in 0..IMAGES {
        for (oy, ox, c) in (0..out.len()).map(|i| (i / CHANNELS / out.width, i / CHANNELS % out.width, i % CHANNELS)) {
            let rows = (oy * p.stride..oy * p.stride + p.kernel).filter_map(|y| y.checked_sub(p.padding));
            let columns = || (ox * p.stride..ox * p.stride + p.kernel).filter_map(|x| x.checked_sub(p.padding));
            let inside = rows.filter(|y| *y < p.input.height).flat_map(|y| {
                let at = move |x| ((image * p.input.height + y) * p.input.width + x) * CHANNELS + c;
                columns().filter(|x| *x < p.input.width).map(at)
            });
            windows.push(inside.collect());
        }
    }
    windows
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{what}: {found} {expected}");
    }
}

#[test]
fn maximum_and_its_gradient() {
    let threads = Threads::new(2).unwrap();
    for (p, isa) in poolings().flat_map(|p| Isa::supported().map(move |isa| (p, isa))) {
        let x = noise(1, IMAGES * p.input.len());
        let windows = windows(&p);
        let dy = noise(2, windows.len());
        let (mut y, mut winners) = (vec![0.0; windows.len()], vec![0; p.winners_len(IMAGES)]);
        p.max(&threads, isa, &x, &mut y, Some(&mut winners));
        let mut alone = vec![0.0; windows.len()];
        p.max(&threads, isa, &x, &mut alone, None);
        assert_eq!(alone, y);
        let mut expected = vec![0.0; x.len()];
        for (i, window) in windows.iter().enumerate() {
            // The first of equals.
            let best = window.iter().copied().reduce(|best, at| if x[at] > x[best] { at } else { best }).unwrap();
            assert_eq!(y[i], x[best], "{p:?} {isa}");
            expected[best] += dy[i];
        }
        for accumulate in [false, true] {
            let mut dx = if accumulate { noise(3, x.len()) } else { vec![f32::NAN; x.len()] };
            let expected: Vec<f32> =
                expected.iter().zip(&dx).map(|(e, dx)| if accumulate { e + dx } else { *e }).collect();
            p.max_backward(&threads, isa, &winners, &dy, accumulate, &mut dx);
            assert_close(&dx, &expected, &format!("{p:?} {isa}"));
        }
    }
}

#[test]
fn average_and_its_gradient() {
    let threads = Threads::new(2).unwrap();
    for (p, isa) in poolings().flat_map(|p| Isa::supported().map(move |isa| (p, isa))) {
        let x = noise(4, IMAGES * p.input.len());
        let windows = windows(&p);
        let dy = noise(5, windows.len());
        let mut y = vec![0.0; windows.len()];
        p.average(&threads, isa, &x, &mut y);
        let area = (p.kernel * p.kernel) as f32;
        let mut expected = vec![0.0; x.len()];
        for (i, window) in windows.iter().enumerate() {
            assert!((y[i] - window.iter().map(|&at| x[at]).sum::<f32>() / area).abs() < 1e-5, "{p:?} {isa}");
            for &at in window {
                expected[at] += dy[i] / area;
            }
        }
        for accumulate in [false, true] {
            let mut dx = if accumulate { noise(3, x.len()) } else { vec![f32::NAN; x.len()] };
            let expected: Vec<f32> =
                expected.iter().zip(&dx).map(|(e, dx)| if accumulate { e + dx } else { *e }).collect();
            p.average_backward(&threads, isa, &dy, accumulate, &mut dx);
            assert_close(&dx, &expected, &format!("{p:?} {isa}"));
        }
    }
}

#[test]
fn what_is_not_a_number_wins() {
    Isa::supported().for_each(check_missing_numbers);
}

fn check_missing_numbers(isa: Isa) {
    let threads = Threads::new(1).unwrap();
    let p = Pooling { input: ImageShape { height: 1, width: 3, channels: 1 }, kernel: 1, stride: 1, padding: 0 };
    let p = Pooling { kernel: 3, padding: 1, ..p };
    let (mut y, mut winners) = ([0.0; 3], [0; 3 * MAX_LANES]);
    p.max(&threads, isa, &[1.0, f32::NAN, 2.0], &mut y, Some(&mut winners));
    assert!(y.iter().all(|y| y.is_nan()));
    p.max(&threads, isa, &[f32::NEG_INFINITY; 3], &mut y, Some(&mut winners));
    let winners = [0, 1, 2].map(|pixel| winners[pixel * MAX_LANES]);
    assert_eq!((y, winners), ([f32::NEG_INFINITY; 3], [4, 3, 3]), "the padding never wins");
}

#[test]
fn mean_over_all_pixels_and_its_gradient() {
    let threads = Threads::new(2).unwrap();
    let shape = ImageShape { height: 3, width: 5, channels: 7 };
    let x = noise(6, 2 * shape.len());
    let mut y = vec![0.0; 14];
    global_average(&threads, shape, &x, &mut y);
    for (i, y) in y.iter().enumerate() {
        let image = &x[i / 7 * shape.len()..][..shape.len()];
        let expected = image.iter().skip(i % 7).step_by(7).sum::<f32>() / 15.0;
        assert!((y - expected).abs() < 1e-6);
    }
    let mut dx = vec![1.0; x.len()];
    global_average_backward(&threads, shape, &y, true, &mut dx);
    assert!((dx[7 * 4 + 2] - (1.0 + y[2] / 15.0)).abs() < 1e-6);
    global_average_backward(&threads, shape, &y, false, &mut dx);
    assert!((dx[shape.len()] - y[7] / 15.0).abs() < 1e-6);
}
