//! Every operation of every instruction set, to the bit, against what one lane is said to compute.

use super::*;

/// Numbers that meet every case: signs of 0, infinities, what is not a number, sums and products that round.
const NUMBERS: [f32; 12] =
    [0.0, -0.0, 1.0, -1.0, 0.1, -3.7, 1.5e-40, 3.0e38, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.000_000_1];

/// Bits, where what is not a number is one whatever its bits: processors choose these.
fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

/// Applies every operation to two vectors whose first lanes are `a` and `b`, and yields the first lanes.
struct Operations {
    a: f32,
    b: f32,
}

impl Kernel for Operations {
    type Output = [f32; 10];

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> Self::Output {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: the caller has the instruction set; no vector has more lanes than the array.
        unsafe {
            let (a, b, one, two) = (V::splat(self.a), V::splat(self.b), V::splat(1.0), V::splat(2.0));
            let results = [
                a.add(b),
                a.sub(b),
                a.mul(b),
                a.div(b),
                a.sqrt(),
                a.relu(),
                a.where_positive(b),
                one.where_equal(a, b),
                a.where_beats(b, one, two),
                V::zero(),
            ];
            results.map(|result| {
                result.store(lanes.as_mut_ptr());
                assert!(lanes[..V::LANES].iter().all(|lane| bits(*lane) == bits(lanes[0])), "lanes differ: {lanes:?}");
                lanes[0]
            })
        }
    }
}

#[test]
fn one_lane_computes_the_same_everywhere() {
    for isa in Isa::supported() {
        for (a, b) in NUMBERS.into_iter().flat_map(|a| NUMBERS.map(|b| (a, b))) {
            let found = dispatch(isa, Operations { a, b });
            let expected = [
                a + b,
                a - b,
                a * b,
                a / b,
                a.sqrt(),
                if a < 0.0 { 0.0 } else { a },
                if b <= 0.0 { 0.0 } else { a },
                if a == b { 1.0 } else { 0.0 },
                if a > b || a.is_nan() { 1.0 } else { 2.0 },
                0.0,
            ];
            assert_eq!(found.map(bits), expected.map(bits), "{isa}, {a} and {b}: {found:?} {expected:?}");
        }
    }
}

struct MulAdd([f32; 3]);

impl Kernel for MulAdd {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> f32 {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: the caller has the instruction set; no vector has more lanes than the array.
        unsafe {
            let [a, b, c] = self.0.map(|value| V::splat(value));
            a.mul_add(b, c).store(lanes.as_mut_ptr());
        }
        lanes[0]
    }
}

#[test]
fn multiply_adds_round_once_where_the_processor_can() {
    // 1 - (1 - 2^-13)^2 is 2^-12 - 2^-26, of which a product that was rounded before has lost the end.
    let nearly_one = 1.0 - 1.0 / 8192.0;
    let (once, twice) = (1.0 / 4096.0 - 1.0 / 67_108_864.0, 1.0 / 4096.0);
    for isa in Isa::supported() {
        let fused = isa != Isa::Portable || cfg!(target_arch = "aarch64");
        let found = dispatch(isa, MulAdd([-nearly_one, nearly_one, 1.0]));
        assert_eq!(found, if fused { once } else { twice }, "{isa}");
    }
}

/// Loads and stores the first `count` lanes, and a vector of bytes.
struct Parts<'a> {
    count: usize,
    numbers: &'a mut [f32; MAX_LANES],
    bytes: &'a mut [u8; MAX_LANES],
}

impl Kernel for Parts<'_> {
    type Output = [f32; MAX_LANES];

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> Self::Output {
        let mut loaded = [-1.0; MAX_LANES];
        let count = self.count.min(V::LANES);
        // SAFETY: the caller has the instruction set; no vector has more lanes than the arrays.
        unsafe {
            V::load_first(self.numbers.as_ptr(), count).store(loaded.as_mut_ptr());
            First(count).store(V::load(loaded.as_ptr()).add(V::splat(1.0)), self.numbers.as_mut_ptr());
            V::load_bytes(self.bytes.as_ptr()).sub(V::splat(1.0)).store_bytes(self.bytes.as_mut_ptr());
        }
        loaded
    }
}

#[test]
fn parts_of_vectors_leave_the_rest_alone() {
    for isa in Isa::supported() {
        let lanes = lanes(isa);
        for count in 0..=lanes {
            let start: [f32; MAX_LANES] = std::array::from_fn(|i| i as f32 + 0.5);
            let (mut numbers, mut bytes) = (start, std::array::from_fn(|i| (i * 17) as u8 | 1));
            let before = bytes;
            let loaded = dispatch(isa, Parts { count, numbers: &mut numbers, bytes: &mut bytes });
            for i in 0..MAX_LANES {
                let what = format!("{isa}, {count} lanes, {i}");
                let expected = if i < count { start[i] } else { 0.0 };
                assert_eq!(loaded[i], if i < lanes { expected } else { -1.0 }, "{what}");
                assert_eq!(numbers[i], if i < count { start[i] + 1.0 } else { start[i] }, "{what}");
                assert_eq!(bytes[i], if i < lanes { before[i] - 1 } else { before[i] }, "{what}");
            }
        }
    }
}
