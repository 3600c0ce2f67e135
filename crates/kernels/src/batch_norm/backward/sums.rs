//! Sums over the batch of the gradient and of its product with x.

use super::Tables;
use crate::batch_norm::walk::{check_period, fold_pair, walk};
use crate::channels::GROUP;
use crate::simd::{Kernel, Vector};

/// Sums of g and of g (x - centre), with g = dy where x * scale + shift > 0.
pub(super) struct GradientSums<'a> {
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) tables: Tables<'a>,
    pub(super) relu: bool,
    pub(super) sums: &'a mut [f64],
}

impl Kernel for GradientSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        assert_eq!(self.dy.len(), self.x.len(), "slices of one length");
        // SAFETY: the caller has the instruction set; the slices have one length.
        unsafe { if self.relu { self.sum::<V, true>() } else { self.sum::<V, false>() } }
    }
}

impl GradientSums<'_> {
    /// # Safety
    /// The processor must have the instruction set of `V`; both slices must have one length.
    #[inline(always)]
    unsafe fn sum<V: Vector, const RELU: bool>(self) {
        let Self { x, dy, tables, sums, .. } = self;
        let (x, len, dy, period) = (x.as_ptr(), x.len(), dy.as_ptr(), tables.period());
        // SAFETY: every place is below `len`, every position below `period`.
        unsafe {
            let (mut sum, mut product): ([V; GROUP], [V; GROUP]);
            walk!(
                V,
                len,
                period,
                |group| {
                    sum = [V::splat(0.0); GROUP];
                    product = [V::splat(0.0); GROUP];
                },
                |at, j| {
                    let position = group + j * V::LANES;
                    let value = V::load(x.add(at));
                    let g = tables.mask::<V, RELU>(V::load(dy.add(at)), value, position);
                    sum[j] = sum[j].add(g);
                    product[j] = g.mul_add(value.sub(V::load(tables.centre.as_ptr().add(position))), product[j]);
                },
                {
                    fold_pair(&sum, &product, group, GROUP * V::LANES, sums);
                },
                |place, count| {
                    let position = place % period;
                    let value = V::load_first(x.add(place), count);
                    let g = tables.mask::<V, RELU>(V::load_first(dy.add(place), count), value, position);
                    let d = value.sub(V::load(tables.centre.as_ptr().add(position)));
                    fold_pair(&[g], &[g.mul(d)], position, count, sums);
                }
            );
        }
    }
}

/// Masks `gradient` by y and sums it, and it times x - centre.
pub(super) struct MaskAndSums<'a> {
    pub(super) x: &'a [f32],
    pub(super) y: Option<&'a [f32]>,
    pub(super) centre: &'a [f32],
    pub(super) gradient: &'a mut [f32],
    pub(super) sums: &'a mut [f64],
}

impl Kernel for MaskAndSums<'_> {
    type Output = ();
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let lens = [self.gradient.len(), self.y.map_or(self.x.len(), <[f32]>::len)];
        assert_eq!(lens, [self.x.len(); 2], "slices of one length");
        // SAFETY: the caller has the instruction set; the slices have one length.
        unsafe { if self.y.is_some() { self.sum::<V, true>() } else { self.sum::<V, false>() } }
    }
}

impl MaskAndSums<'_> {
    /// # Safety
    /// The processor must have the instruction set of `V`; all slices must have one length.
    #[inline(always)]
    unsafe fn sum<V: Vector, const RELU: bool>(self) {
        let Self { x, y, centre, gradient, sums } = self;
        let y = y.unwrap_or(x).as_ptr();
        let (x, len, dy, period) = (x.as_ptr(), x.len(), gradient.as_mut_ptr(), centre.len());
        check_period(period);
        // SAFETY: every place is below `len`, every position below `period`.
        unsafe {
            let (mut sum, mut product): ([V; GROUP], [V; GROUP]);
            walk!(
                V,
                len,
                period,
                |group| {
                    sum = [V::splat(0.0); GROUP];
                    product = [V::splat(0.0); GROUP];
                },
                |at, j| {
                    let mut g = V::load(dy.add(at));
                    if RELU {
                        g = g.where_positive(V::load(y.add(at)));
                        g.store(dy.add(at));
                    }
                    sum[j] = sum[j].add(g);
                    let d = V::load(x.add(at)).sub(V::load(centre.as_ptr().add(group + j * V::LANES)));
                    product[j] = g.mul_add(d, product[j]);
                },
                {
                    fold_pair(&sum, &product, group, GROUP * V::LANES, sums);
                },
                |place, count| {
                    let mut g = V::load_first(dy.add(place), count);
                    if RELU {
                        g = g.where_positive(V::load_first(y.add(place), count));
                        g.store_first(dy.add(place), count);
                    }
                    let d = V::load_first(x.add(place), count).sub(V::load(centre.as_ptr().add(place % period)));
                    fold_pair(&[g], &[g.mul(d)], place % period, count, sums);
                }
            );
        }
    }
}
