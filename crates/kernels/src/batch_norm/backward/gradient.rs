//! The gradient of x, once the sums over the batch are known.

use super::{Line, Tables};
use crate::batch_norm::walk::walk;
use crate::channels::GROUP;
use crate::simd::{Kernel, Vector};

/// dx from g, where they share their memory.
pub(super) struct GradientInPlace<'a> {
    pub(super) x: &'a [f32],
    pub(super) tables: Tables<'a>,
    pub(super) line: Line<'a>,
    pub(super) relu: bool,
    pub(super) gradient: &'a mut [f32],
}

impl Kernel for GradientInPlace<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, tables, line, relu, gradient } = self;
        assert_eq!(gradient.len(), x.len(), "slices of one length");
        // SAFETY: the slices have one length; each element is read before it is written.
        unsafe {
            let (dy, dx) = (gradient.as_ptr(), gradient.as_mut_ptr());
            if relu {
                write_gradient::<V, true>(x, dy, dx, &tables, &line);
            } else {
                write_gradient::<V, false>(x, dy, dx, &tables, &line);
            }
        }
    }
}

/// dx from a g that is already masked.
pub(super) struct Gradient<'a> {
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) tables: Tables<'a>,
    pub(super) line: Line<'a>,
    pub(super) dx: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, dy, tables, line, dx } = self;
        assert_eq!([dy.len(), dx.len()], [x.len(); 2], "slices of one length");
        // SAFETY: the slices have one length.
        unsafe { write_gradient::<V, false>(x, dy.as_ptr(), dx.as_mut_ptr(), &tables, &line) }
    }
}

/// dx = scale g + slope (x - centre) + offset.
///
/// # Safety
/// The processor must have the instruction set of `V`; `dy` and `dx` must have as many elements as `x`, and may be the same.
#[inline(always)]
unsafe fn write_gradient<V: Vector, const RELU: bool>(
    x: &[f32],
    dy: *const f32,
    dx: *mut f32,
    tables: &Tables,
    line: &Line,
) {
    let (x, len, period) = (x.as_ptr(), x.len(), tables.period());
    line.check(period);
    // SAFETY: every place is below `len`, every position below `period`, which all tables have.
    unsafe {
        walk!(
            V,
            len,
            period,
            |group| {},
            |at, j| {
                let position = group + j * V::LANES;
                let value = V::load(x.add(at));
                let g = tables.mask::<V, RELU>(V::load(dy.add(at)), value, position);
                tables.gradient(line, g, value, position).store(dx.add(at));
            },
            {},
            |place, count| {
                let position = place % period;
                let value = V::load_first(x.add(place), count);
                let g = tables.mask::<V, RELU>(V::load_first(dy.add(place), count), value, position);
                tables.gradient(line, g, value, position).store_first(dx.add(place), count);
            }
        );
    }
}
