//! Every kernel, on every instruction set of this machine, against the reference in `f64`.

use super::{Conv2d, ConvShape, Epilogue, Scratch, reference};
use crate::isa::Isa;
use crate::threads::Threads;

/// Largest error of a direct convolution, as a share of the largest result: `f32` sums of up to 1600 products.
const DIRECT_TOLERANCE: f64 = 2e-6;

/// The same for Winograd's: tiles of 6x6 lose one to two bits, tiles of 8x8 (5x5 kernels) two more.
fn winograd_tolerance(kernel: usize) -> f64 {
    if kernel == 3 { 4e-6 } else { 1.2e-5 }
}

/// Root mean square of Winograd's error over that of the results, for layers of the nets (measured: at most
/// 8.8e-7 for 3x3 kernels and 2.9e-6 for 5x5 ones, where direct convolution has 5.1e-7).
fn winograd_rms_tolerance(kernel: usize) -> f64 {
    if kernel == 3 { 1.5e-6 } else { 4e-6 }
}

fn shape(batch: usize, side: (usize, usize), channels: (usize, usize), window: (usize, usize, usize)) -> ConvShape {
    let ((height, width), (c_in, c_out), (kernel, stride, padding)) = (side, channels, window);
    ConvShape { batch, height, width, c_in, c_out, kernel, stride, padding }
}

/// Odd shapes: single pixels, single images, sides that no tile divides, channels above and below whole vectors.
fn shapes() -> Vec<ConvShape> {
    let windows = [
        (3, 1, 1),
        (3, 2, 1),
        (3, 1, 0),
        (1, 1, 0),
        (1, 2, 0),
        (5, 1, 2),
        (5, 1, 1),
        (5, 1, 0),
        (5, 2, 2),
        (3, 1, 2),
        (3, 3, 0),
    ];
    let channels = [(1, 3), (3, 16), (5, 20), (16, 16), (20, 50), (32, 5), (16, 32), (64, 64), (50, 1), (9, 9)];
    let sides = [(1, 1), (5, 7), (7, 7), (8, 8), (13, 18)];
    let mut shapes = Vec::new();
    for (i, &window) in windows.iter().enumerate() {
        for (j, &channels) in channels.iter().enumerate() {
            for (k, &side) in sides.iter().enumerate() {
                let shape = shape([1, 3, 2][(i + j + k) % 3], side, channels, window);
                if shape.outputs_per_image() > 0 {
                    shapes.push(shape);
                }
            }
        }
    }
    shapes
}

/// Numbers without a pattern, between -1 and 1 (a linear congruential generator).
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Largest difference, as a share of the largest expected number.
fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-3, |max: f64, e| max.max(e.abs()));
    let worst = found.iter().zip(expected).map(|(&f, &e)| (f64::from(f) - e).abs());
    worst.fold(0.0, |max, difference| if difference <= max { max } else { difference }) / scale
}

struct Case {
    shape: ConvShape,
    x: Vec<f32>,
    weight: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(shape: ConvShape) -> Self {
        Self {
            shape,
            x: numbers(shape.batch * shape.inputs_per_image(), 1),
            weight: numbers(shape.weights(), 2),
            dy: numbers(shape.batch * shape.outputs_per_image(), 3),
        }
    }

    fn forward(&self, conv: &Conv2d, threads: &Threads, epilogue: Epilogue) -> Vec<f32> {
        let mut y = vec![f32::NAN; self.dy.len()];
        conv.forward(threads, &self.x, &self.weight, epilogue, &mut y, &mut Scratch::default());
        y
    }

    fn backward_data(&self, conv: &Conv2d, threads: &Threads) -> Vec<f32> {
        let mut dx = vec![f32::NAN; self.x.len()];
        conv.backward_data(threads, &self.dy, &self.weight, false, &mut dx, &mut Scratch::default());
        dx
    }

    fn backward_weights(&self, conv: &Conv2d, threads: &Threads) -> Vec<f32> {
        let mut dw = vec![f32::NAN; self.weight.len()];
        conv.backward_weights(threads, &self.x, &self.dy, &mut dw, &mut Scratch::default());
        dw
    }
}

fn one_thread() -> Threads {
    Threads::new(1).expect("one thread")
}

/// Checks forward and both gradients, all within the kernel's `tolerance` of the reference.
fn check_all(shapes: &[ConvShape], exact: bool, tolerance: impl Fn(usize) -> f64) {
    let threads = one_thread();
    for &shape in shapes {
        let case = Case::new(shape);
        let y = reference::forward(&shape, &case.x, &case.weight);
        let dx = reference::backward_data(&shape, &case.dy, &case.weight);
        let dw = reference::backward_weights(&shape, &case.x, &case.dy);
        for isa in Isa::supported() {
            let conv = Conv2d::new(shape, isa, exact);
            let errors = [
                error(&case.forward(&conv, &threads, Epilogue::None), &y),
                error(&case.backward_data(&conv, &threads), &dx),
                error(&case.backward_weights(&conv, &threads), &dw),
            ];
            assert!(
                errors.iter().all(|&e| e <= tolerance(shape.kernel)),
                "{isa} {} {shape:?}: {errors:?}",
                conv.algorithm()
            );
        }
    }
}

#[test]
fn direct_kernels_equal_the_reference() {
    check_all(&shapes(), true, |_| DIRECT_TOLERANCE);
}

#[test]
fn winograd_kernels_equal_the_reference() {
    let shapes: Vec<_> = shapes()
        .into_iter()
        .filter(|shape| Conv2d::new(*shape, Isa::Portable, false).algorithm() == "winograd")
        .collect();
    assert!(shapes.len() > 20, "{}", shapes.len());
    check_all(&shapes, false, winograd_tolerance);
}

/// Shapes whose weights are so many that Winograd's gradient is split by matrix; channels that leave lanes over.
fn of_many_weights() -> [ConvShape; 2] {
    [shape(3, (5, 4), (193, 171), (3, 1, 1)), shape(2, (7, 7), (176, 184), (3, 1, 1))]
}

#[test]
fn layers_of_many_weights_equal_the_reference() {
    check_all(&of_many_weights(), false, winograd_tolerance);
}

/// So many tiles that their products are taken in two parts.
#[test]
fn gradients_of_many_weights_over_many_tiles_equal_direct_ones() {
    let case = Case::new(shape(33, (16, 16), (176, 168), (3, 1, 1)));
    let isa = Isa::detect();
    let [winograd, direct] = [false, true].map(|exact| Conv2d::new(case.shape, isa, exact));
    assert_eq!(winograd.algorithm(), "winograd");
    let expected: Vec<f64> = case.backward_weights(&direct, &one_thread()).into_iter().map(f64::from).collect();
    let error = error(&case.backward_weights(&winograd, &one_thread()), &expected);
    assert!(error <= 1e-4, "{error}");
}

/// Over activations as after ReLU and weights as after He's initialisation.
#[test]
fn winograd_errs_little_on_layers_of_the_nets() {
    let rms = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    for (side, channels, window) in [
        (32, (16, 16), (3, 1, 1)),
        (16, (32, 32), (3, 1, 1)),
        (8, (64, 64), (3, 1, 1)),
        (7, (64, 64), (3, 1, 1)),
        (16, (32, 32), (5, 1, 2)),
        (12, (20, 50), (5, 1, 0)),
    ] {
        let mut case = Case::new(shape(4, (side, side), channels, window));
        let deviation = (6.0 / (channels.0 * window.0 * window.0) as f32).sqrt();
        case.x.iter_mut().for_each(|value| *value = value.max(0.0));
        case.weight.iter_mut().for_each(|value| *value *= deviation);
        let expected = [
            reference::forward(&case.shape, &case.x, &case.weight),
            reference::backward_data(&case.shape, &case.dy, &case.weight),
            reference::backward_weights(&case.shape, &case.x, &case.dy),
        ];
        for isa in Isa::supported() {
            let conv = Conv2d::new(case.shape, isa, false);
            assert_eq!(conv.algorithm(), "winograd");
            let found = [
                case.forward(&conv, &one_thread(), Epilogue::None),
                case.backward_data(&conv, &one_thread()),
                case.backward_weights(&conv, &one_thread()),
            ];
            for (pass, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let error = rms(&mut found.iter().zip(expected).map(|(&f, &e)| f64::from(f) - e));
                let share = error / rms(&mut expected.iter().copied());
                assert!(
                    share <= winograd_rms_tolerance(window.0),
                    "{isa} side {side} {channels:?} pass {pass}: {share}"
                );
            }
        }
    }
}

#[test]
fn epilogues_follow_their_formulas() {
    let threads = one_thread();
    for (channels, window) in [((3, 5), (3, 1, 1)), ((16, 32), (3, 1, 1)), ((16, 20), (3, 1, 1)), ((9, 20), (5, 1, 2))]
    {
        let case = Case::new(shape(2, (9, 11), channels, window));
        let (scale, shift) = (numbers(channels.1, 4), numbers(channels.1, 5));
        let residual = numbers(case.dy.len(), 6);
        let sums = reference::forward(&case.shape, &case.x, &case.weight);
        let expected = |formula: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            sums.iter().enumerate().map(|(i, &sum)| formula(i, sum)).collect()
        };
        let affine = |i: usize, sum: f64| sum * f64::from(scale[i % channels.1]) + f64::from(shift[i % channels.1]);
        let cases = [
            (Epilogue::Bias(&shift), expected(&|i, sum| sum + f64::from(shift[i % channels.1]))),
            (
                Epilogue::Affine { scale: &scale, shift: &shift, residual: None, relu: false },
                expected(&|i, sum| affine(i, sum)),
            ),
            (
                Epilogue::Affine { scale: &scale, shift: &shift, residual: Some(&residual), relu: true },
                expected(&|i, sum| (affine(i, sum) + f64::from(residual[i])).max(0.0)),
            ),
        ];
        for isa in Isa::supported() {
            for exact in [true, false] {
                let conv = Conv2d::new(case.shape, isa, exact);
                for (epilogue, expected) in &cases {
                    let error = error(&case.forward(&conv, &threads, *epilogue), expected);
                    assert!(error <= 2e-5, "{isa} {} {epilogue:?}: {error}", conv.algorithm());
                }
            }
        }
    }
}

#[test]
fn relu_passes_nan_on() {
    let case = Case::new(shape(1, (8, 8), (16, 16), (3, 1, 1)));
    let shift = [f32::NAN; 16];
    let epilogue = Epilogue::Affine { scale: &[1.0; 16], shift: &shift, residual: None, relu: true };
    for isa in Isa::supported() {
        let y = case.forward(&Conv2d::new(case.shape, isa, false), &one_thread(), epilogue);
        assert!(y.iter().all(|value| value.is_nan()), "{isa}");
    }
}

#[test]
fn data_gradient_accumulates() {
    for window in [(3, 1, 1), (3, 2, 1), (1, 2, 0), (5, 1, 2), (5, 1, 1), (5, 1, 0)] {
        let case = Case::new(shape(2, (9, 8), (20, 16), window));
        for isa in Isa::supported() {
            for exact in [true, false] {
                let conv = Conv2d::new(case.shape, isa, exact);
                let plain = case.backward_data(&conv, &one_thread());
                let mut dx = case.x.clone();
                conv.backward_data(&one_thread(), &case.dy, &case.weight, true, &mut dx, &mut Scratch::default());
                let sum: Vec<f32> = case.x.iter().zip(&plain).map(|(a, b)| a + b).collect();
                assert_eq!(dx, sum, "{isa} {window:?}");
            }
        }
    }
}

/// `<conv(x, w), dy> = <x, backward_data(dy, w)> = <w, backward_weights(x, dy)>`: a convolution is linear in both, so this
/// says all that finite differences could.
#[test]
fn gradients_are_the_adjoints() {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let norm = |a: &[f32]| dot(a, a).sqrt();
    for (channels, window) in
        [((16, 32), (3, 1, 1)), ((16, 32), (3, 2, 1)), ((20, 50), (5, 1, 0)), ((32, 32), (5, 1, 2))]
    {
        let case = Case::new(shape(3, (14, 14), channels, window));
        for isa in Isa::supported() {
            for exact in [true, false] {
                let conv = Conv2d::new(case.shape, isa, exact);
                let y = case.forward(&conv, &one_thread(), Epilogue::None);
                let product = dot(&y, &case.dy);
                let by_data = dot(&case.backward_data(&conv, &one_thread()), &case.x);
                let by_weights = dot(&case.backward_weights(&conv, &one_thread()), &case.weight);
                let tolerance = 1e-6 * norm(&y) * norm(&case.dy);
                assert!((by_data - product).abs() <= tolerance, "{isa} {window:?}: {by_data} {product}");
                assert!((by_weights - product).abs() <= tolerance, "{isa} {window:?}: {by_weights} {product}");
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads_or_scratch() {
    for (channels, window) in [
        ((16, 32), (3, 1, 1)),
        ((3, 16), (3, 1, 1)),
        ((20, 50), (5, 1, 2)),
        ((20, 50), (5, 1, 0)),
        ((16, 32), (3, 2, 1)),
    ] {
        let shapes = [shape(37, (8, 8), channels, window)];
        check_bits(&shapes, &[1, 2, 7]);
    }
    check_bits(&of_many_weights(), &[1, 3]);
}

/// Checks that all passes give the same bits with so many threads, whatever lies in the memory that they work in.
fn check_bits(shapes: &[ConvShape], counts: &[usize]) {
    for &shape in shapes {
        let case = Case::new(shape);
        for isa in Isa::supported() {
            for exact in [true, false] {
                let conv = Conv2d::new(case.shape, isa, exact);
                let mut results = Vec::new();
                for &count in counts {
                    let threads = Threads::new(count).expect("threads");
                    let mut used = Scratch::default();
                    used.weights.get(1 << 20).fill(f32::NAN);
                    used.partials.get(1 << 20).fill(f32::NAN);
                    used.workers.prepare(&threads).with(1 << 20, |buffer| buffer.fill(f32::NAN));
                    let (mut y, mut dx, mut dw) =
                        (vec![0.0; case.dy.len()], vec![0.0; case.x.len()], vec![0.0; case.weight.len()]);
                    conv.forward(&threads, &case.x, &case.weight, Epilogue::None, &mut y, &mut used);
                    conv.backward_data(&threads, &case.dy, &case.weight, false, &mut dx, &mut used);
                    conv.backward_weights(&threads, &case.x, &case.dy, &mut dw, &mut used);
                    assert!(y.iter().chain(&dx).chain(&dw).all(|value| value.is_finite()));
                    results.push((y, dx, dw));
                }
                assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{isa} {shape:?}");
            }
        }
    }
}

#[test]
fn rows_of_1x1_kernels_are_joined() {
    for (side, expected) in
        [((32, 32), (16, 64)), ((8, 8), (1, 64)), ((14, 14), (7, 28)), ((7, 7), (1, 49)), ((5, 90), (5, 90))]
    {
        let flat = shape(1, side, (16, 16), (1, 1, 0)).flattened();
        assert_eq!((flat.height, flat.width), expected);
    }
    let strided = shape(1, (8, 8), (16, 16), (1, 2, 0));
    assert_eq!(strided.flattened(), strided);
}

#[test]
fn a_smaller_batch_gives_the_same_images() {
    let case = Case::new(shape(5, (8, 8), (16, 32), (3, 1, 1)));
    let images = 2;
    for isa in Isa::supported() {
        for exact in [true, false] {
            let conv = Conv2d::new(case.shape, isa, exact);
            let whole = case.forward(&conv, &one_thread(), Epilogue::None);
            let mut y = vec![0.0; images * case.shape.outputs_per_image()];
            let x = &case.x[..images * case.shape.inputs_per_image()];
            conv.forward(&one_thread(), x, &case.weight, Epilogue::None, &mut y, &mut Scratch::default());
            assert_eq!(y, whole[..y.len()], "{isa}");
        }
    }
}

#[test]
fn slices_that_do_not_fit_are_refused() {
    let threads = one_thread();
    for window in [(3, 1, 1), (3, 2, 1), (5, 1, 0)] {
        let Case { shape, x, weight, dy } = Case::new(shape(3, (14, 14), (16, 16), window));
        for isa in Isa::supported() {
            for exact in [true, false] {
                let conv = Conv2d::new(shape, isa, exact);
                let refused = |call: &mut dyn FnMut(&mut Scratch)| {
                    let call = std::panic::AssertUnwindSafe(|| call(&mut Scratch::default()));
                    assert!(std::panic::catch_unwind(call).is_err(), "{isa} {window:?}");
                };
                // Each short of one element: x, weight, y, the bias; then the gradients likewise.
                let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), weight.clone());
                let (x, weight, dy, bias) = (&x[..], &weight[..], &dy[..], [0.0; 15]);
                refused(&mut |s| conv.forward(&threads, &x[1..], weight, Epilogue::None, &mut y, s));
                refused(&mut |s| conv.forward(&threads, x, &weight[1..], Epilogue::None, &mut y, s));
                refused(&mut |s| conv.forward(&threads, x, weight, Epilogue::None, &mut y[1..], s));
                refused(&mut |s| conv.forward(&threads, x, weight, Epilogue::Bias(&bias), &mut y, s));
                refused(&mut |s| conv.backward_data(&threads, &dy[1..], weight, false, &mut dx, s));
                refused(&mut |s| conv.backward_data(&threads, dy, &weight[1..], false, &mut dx, s));
                refused(&mut |s| conv.backward_data(&threads, dy, weight, false, &mut dx[1..], s));
                refused(&mut |s| conv.backward_weights(&threads, &x[1..], dy, &mut dw, s));
                refused(&mut |s| conv.backward_weights(&threads, x, &dy[1..], &mut dw, s));
                refused(&mut |s| conv.backward_weights(&threads, x, dy, &mut dw[1..], s));
            }
        }
    }
}
