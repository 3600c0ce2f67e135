//! Batch norm over [rows, C] (NHWC with images, rows and columns in one), fused with the residual's addition and ReLU.
//!
//! Training, for a channel with batch mean m and biased batch variance v over n rows (Ioffe and Szegedy 2015):
//! y = relu((x - m) / sqrt(v + eps) * weight + bias + residual). Backward, with g = dy where y > 0:
//! dbias = sum g, dweight = sum g (x - m) / sqrt(v + eps), and
//! dx = weight / sqrt(v + eps) * (g - dbias / n - (x - m) / (v + eps) * sum(g (x - m)) / n).
//!
//! Sums run over x minus a provisional mean (of a sample of the rows), so that a mean far from 0 costs no digits; each
//! chunk's sums are added up in f64, in order.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::channels::{GROUP, GROUP_MAX, chunk_len, fold, period, spread};
use crate::disjoint::Disjoint;
use crate::isa::Isa;
use crate::simd::{Kernel, Vector, dispatch};
use crate::threads::Threads;

/// PyTorch's default.
pub const EPSILON: f64 = 1e-5;

/// Rows that the provisional mean is taken from, at most.
const SAMPLE_ROWS: usize = 256;

/// One batch norm: what its backward needs of its forward, and memory for sums.
pub struct BatchNorm {
    channels: usize,
    isa: Isa,
    /// Rows of the last forward.
    rows: usize,
    mean: Vec<f64>,
    variance: Vec<f64>,
    /// Per-channel numbers laid out over a period.
    centre: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    slope: Vec<f32>,
    offset: Vec<f32>,
    /// Two sums a channel for every chunk.
    partial: Vec<f64>,
    sums: Vec<f64>,
}

impl BatchNorm {
    /// A batch norm over `channels`, for batches of up to `max_rows` rows (images x height x width).
    pub fn new(channels: usize, max_rows: usize, isa: Isa) -> Self {
        let period = period(channels);
        let chunks = (max_rows * channels).div_ceil(chunk_len(period));
        let table = || vec![0.0; period];
        Self {
            channels,
            isa,
            rows: 0,
            mean: vec![0.0; channels],
            variance: vec![0.0; channels],
            centre: table(),
            scale: table(),
            shift: table(),
            slope: table(),
            offset: table(),
            partial: vec![0.0; chunks * 2 * channels],
            sums: vec![0.0; 2 * channels],
        }
    }

    /// Forward in training mode, x [rows, C] to y [rows, C].
    pub fn forward(
        &mut self,
        threads: &Threads,
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        residual: Option<&[f32]>,
        relu: bool,
        y: &mut [f32],
    ) {
        self.measure(threads, x);
        let (mean, variance) = (&self.mean, &self.variance);
        let scale = |c: usize| (f64::from(weight[c]) / (variance[c] + EPSILON).sqrt()) as f32;
        spread((0..self.channels).map(scale), self.channels, &mut self.scale);
        // The shift goes with the scale as rounded.
        let scale = &self.scale;
        let shift = |c: usize| (f64::from(bias[c]) - mean[c] * f64::from(scale[c])) as f32;
        spread((0..self.channels).map(shift), self.channels, &mut self.shift);
        spread((0..self.channels).map(|c| mean[c] as f32), self.channels, &mut self.centre);
        scale_and_shift(threads, self.isa, x, &self.scale, &self.shift, residual, relu, y);
    }

    /// Mean and biased variance by channel, of x [rows, C].
    fn measure(&mut self, threads: &Threads, x: &[f32]) {
        let channels = self.channels;
        self.rows = x.len() / channels;
        self.provisional_means(x);
        let (isa, centre) = (self.isa, &self.centre);
        sum_chunks(threads, x.len(), centre.len(), &mut self.partial, &mut self.sums, |chunk, sums| {
            dispatch(isa, Moments { x: &x[chunk], centre, sums });
        });
        let n = self.rows as f64;
        for c in 0..channels {
            let (sum, squares) = (self.sums[c], self.sums[channels + c]);
            self.mean[c] = f64::from(self.centre[c]) + sum / n;
            // Rounding may leave it below 0. Not clamped by max(), which would hide what is not a number.
            let variance = (squares - sum * sum / n) / n;
            self.variance[c] = if variance < 0.0 { 0.0 } else { variance };
        }
    }

    /// Sets `centre` to the means of some rows taken at even distances.
    fn provisional_means(&mut self, x: &[f32]) {
        let channels = self.channels;
        let step = (self.rows / SAMPLE_ROWS).max(1);
        self.sums.fill(0.0);
        let mut taken = 0usize;
        for row in x.chunks_exact(channels).step_by(step) {
            for (sum, &value) in self.sums.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
            taken += 1;
        }
        let means = self.sums.iter().take(channels).map(|&sum| (sum / taken as f64) as f32);
        spread(means, channels, &mut self.centre);
    }

    /// Mean by channel of the last forward's batch.
    pub fn batch_mean(&self) -> impl Iterator<Item = f64> + '_ {
        self.mean.iter().copied()
    }

    /// Unbiased variance by channel of the last forward's batch.
    pub fn batch_variance(&self) -> impl Iterator<Item = f64> + '_ {
        // With a single row PyTorch refuses; here the variance is then 0.
        let correction = self.rows as f64 / (self.rows.max(2) - 1) as f64;
        self.variance.iter().map(move |variance| variance * correction)
    }

    /// Moves running statistics towards the last forward's batch by `momentum`, the weight of the batch.
    pub fn update_running(&self, momentum: f64, running_mean: &mut [f32], running_var: &mut [f32]) {
        let mix =
            |running: &mut f32, new: f64| *running = (momentum * new + (1.0 - momentum) * f64::from(*running)) as f32;
        running_mean.iter_mut().zip(self.batch_mean()).for_each(|(running, new)| mix(running, new));
        running_var.iter_mut().zip(self.batch_variance()).for_each(|(running, new)| mix(running, new));
    }

    /// Backward of the last forward, which had no residual: turns `gradient` from that of y into that of x, in place.
    /// ReLU's mask is computed again from x.
    pub fn backward(
        &mut self,
        threads: &Threads,
        x: &[f32],
        weight: &[f32],
        relu: bool,
        gradient: &mut [f32],
        d_weight: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let tables = Tables { centre: &self.centre, scale: &self.scale, shift: &self.shift };
        let (isa, period) = (self.isa, self.centre.len());
        let dy: &[f32] = gradient;
        sum_chunks(threads, x.len(), period, &mut self.partial, &mut self.sums, |chunk, sums| {
            dispatch(isa, GradientSums { x: &x[chunk.clone()], dy: &dy[chunk], tables, relu, sums });
        });
        self.finish_sums(weight, d_weight, d_bias);
        let tables = Tables { centre: &self.centre, scale: &self.scale, shift: &self.shift };
        let line = Line { slope: &self.slope, offset: &self.offset };
        let chunk_len = chunk_len(period);
        let gradient = Disjoint::new(gradient);
        threads.run(x.len().div_ceil(chunk_len), |task| {
            let chunk = chunk_range(task, chunk_len, x.len());
            // SAFETY: a chunk to each task.
            let gradient = unsafe { gradient.range(chunk.clone()) };
            dispatch(isa, GradientInPlace { x: &x[chunk], tables, line, relu, gradient });
        });
    }

    /// Backward of the last forward, which had a residual: leaves the gradient of the residual (that of y where y > 0)
    /// in `gradient` and that of x in `dx`. `y` is needed where there was a ReLU.
    pub fn backward_residual(
        &mut self,
        threads: &Threads,
        x: &[f32],
        weight: &[f32],
        y: Option<&[f32]>,
        gradient: &mut [f32],
        dx: &mut [f32],
        d_weight: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let (isa, period) = (self.isa, self.centre.len());
        let centre = &self.centre;
        let masked = Disjoint::new(gradient);
        sum_chunks(threads, x.len(), period, &mut self.partial, &mut self.sums, |chunk, sums| {
            // SAFETY: a chunk to each task.
            let gradient = unsafe { masked.range(chunk.clone()) };
            let y = y.map(|y| &y[chunk.clone()]);
            dispatch(isa, MaskAndSums { x: &x[chunk], y, centre, gradient, sums });
        });
        self.finish_sums(weight, d_weight, d_bias);
        let tables = Tables { centre: &self.centre, scale: &self.scale, shift: &self.shift };
        let line = Line { slope: &self.slope, offset: &self.offset };
        let chunk_len = chunk_len(period);
        let (gradient, dx): (&[f32], _) = (gradient, Disjoint::new(dx));
        threads.run(x.len().div_ceil(chunk_len), |task| {
            let chunk = chunk_range(task, chunk_len, x.len());
            // SAFETY: a chunk to each task.
            let dx = unsafe { dx.range(chunk.clone()) };
            dispatch(isa, Gradient { x: &x[chunk.clone()], dy: &gradient[chunk], tables, line, dx });
        });
    }

    /// From the sums of g and g (x - centre): the parameters' gradients, and slope and offset of
    /// dx = scale g + slope (x - centre) + offset.
    fn finish_sums(&mut self, weight: &[f32], d_weight: &mut [f32], d_bias: &mut [f32]) {
        let (channels, n) = (self.channels, self.rows as f64);
        for c in 0..channels {
            let inverse_std = 1.0 / (self.variance[c] + EPSILON).sqrt();
            let sum = self.sums[c];
            // The centre is the mean as rounded: what is missing is put right here.
            let rest = self.mean[c] - f64::from(self.centre[c]);
            let product = self.sums[channels + c] - rest * sum;
            d_bias[c] = sum as f32;
            d_weight[c] = (product * inverse_std) as f32;
            let scale = f64::from(weight[c]) * inverse_std;
            let slope = -scale * inverse_std * inverse_std * product / n;
            self.sums[c] = slope;
            self.sums[channels + c] = -scale * sum / n - slope * rest;
        }
        let (slopes, offsets) = self.sums.split_at(channels);
        spread(slopes.iter().map(|&v| v as f32), channels, &mut self.slope);
        spread(offsets.iter().map(|&v| v as f32), channels, &mut self.offset);
    }
}

/// y = relu(x * scale + shift + residual) over [rows, C]; `scale` and `shift` are laid out over a period.
fn scale_and_shift(
    threads: &Threads,
    isa: Isa,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    let chunk_len = chunk_len(scale.len());
    let y = Disjoint::new(y);
    threads.run(x.len().div_ceil(chunk_len), |task| {
        let chunk = chunk_range(task, chunk_len, x.len());
        let residual = residual.map(|r| &r[chunk.clone()]);
        // SAFETY: a chunk to each task.
        let y = unsafe { y.range(chunk.clone()) };
        dispatch(isa, Apply { x: &x[chunk], scale, shift, residual, relu, y });
    });
}

/// Evaluation's y = relu(x * scale + shift + residual) over [rows, C], `scale` and `shift` one a channel as
/// [`evaluation_affine`] makes them. Allocates two small tables.
pub fn forward_evaluation(
    threads: &Threads,
    isa: Isa,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    let channels = scale.len();
    let table = |values: &[f32]| {
        let mut table = vec![0.0; period(channels)];
        spread(values.iter().copied(), channels, &mut table);
        table
    };
    scale_and_shift(threads, isa, x, &table(scale), &table(shift), residual, relu, y);
}

/// Batch norm by given statistics as y = x * scale + shift.
pub fn evaluation_affine(
    weight: &[f32],
    bias: &[f32],
    mean: &[f32],
    variance: &[f32],
    scale: &mut [f32],
    shift: &mut [f32],
) {
    for c in 0..weight.len() {
        scale[c] = (f64::from(weight[c]) / (f64::from(variance[c]) + EPSILON).sqrt()) as f32;
        shift[c] = (f64::from(bias[c]) - f64::from(mean[c]) * f64::from(scale[c])) as f32;
    }
}

fn chunk_range(task: usize, chunk_len: usize, len: usize) -> Range<usize> {
    task * chunk_len..((task + 1) * chunk_len).min(len)
}

/// Runs `task` on every chunk of a slice of `len` floats, and adds up in order the sums that each leaves.
pub(crate) fn sum_chunks(
    threads: &Threads,
    len: usize,
    period: usize,
    partial: &mut [f64],
    sums: &mut [f64],
    task: impl Fn(Range<usize>, &mut [f64]) + Sync,
) {
    let (chunk_len, width) = (chunk_len(period), sums.len());
    let chunks = len.div_ceil(chunk_len);
    let partial = &mut partial[..chunks * width];
    partial.fill(0.0);
    let parts = Disjoint::new(partial);
    threads.run(chunks, |chunk| {
        // SAFETY: a part to each task.
        let part = unsafe { parts.chunk(chunk, width) };
        task(chunk_range(chunk, chunk_len, len), part);
    });
    sums.fill(0.0);
    for part in partial.chunks_exact(width) {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
}

/// Walks a slice that starts at channel 0, group by group of [`GROUP`] vectors down the whole slice, so that a group's
/// sums stay in registers; what is left of the last period comes lane by lane.
///
/// `$group` sees each group's first position in the period; `$body` each full vector's place in the slice and number in
/// the group, `$end` the group's end, `$part` the tail's vectors with their place and count of valid lanes.
macro_rules! walk {
    ($V:ty, $len:expr, $period:expr, |$group:ident| $begin:block, |$at:ident, $j:ident| $body:block, $end:block,
     |$place:ident, $count:ident| $part:block) => {{
        let whole = $len / $period * $period;
        let mut $group = 0;
        while $group < $period && whole > 0 {
            $begin
            let mut start = $group;
            while start < whole {
                for $j in 0..GROUP {
                    let $at = start + $j * <$V>::LANES;
                    $body
                }
                start += $period;
            }
            $end
            $group += GROUP * <$V>::LANES;
        }
        let mut $place = whole;
        while $place < $len {
            let $count = <$V>::LANES.min($len - $place);
            $part
            $place += <$V>::LANES;
        }
    }};
}

/// Per-channel tables of the forward pass, laid out over a period.
#[derive(Clone, Copy)]
struct Tables<'a> {
    centre: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

/// Per-channel tables of the backward pass: dx = scale g + slope (x - centre) + offset.
#[derive(Clone, Copy)]
struct Line<'a> {
    slope: &'a [f32],
    offset: &'a [f32],
}

/// Folds the vectors of two sums into their channels.
#[inline(always)]
unsafe fn fold_pair<V: Vector>(first: &[V], second: &[V], position: usize, count: usize, sums: &mut [f64]) {
    let mut lanes = [0.0f32; GROUP_MAX];
    let (one, two) = sums.split_at_mut(sums.len() / 2);
    for (vectors, sums) in [(first, one), (second, two)] {
        for (j, vector) in vectors.iter().enumerate() {
            // SAFETY: the array holds a group of the widest vectors.
            unsafe { vector.store(lanes.as_mut_ptr().add(j * V::LANES)) };
        }
        fold(&lanes[..count], position, sums);
    }
}

/// Sums of x - centre and of its square.
struct Moments<'a> {
    x: &'a [f32],
    centre: &'a [f32],
    sums: &'a mut [f64],
}

impl Kernel for Moments<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, centre, sums } = self;
        let (x, len, table, period) = (x.as_ptr(), x.len(), centre.as_ptr(), centre.len());
        // SAFETY: every place is below `len`, every position below `period`.
        unsafe {
            let (mut sum, mut squares): ([V; GROUP], [V; GROUP]);
            let mut middle = [V::splat(0.0); GROUP];
            walk!(
                V,
                len,
                period,
                |group| {
                    sum = [V::splat(0.0); GROUP];
                    squares = [V::splat(0.0); GROUP];
                    for (j, middle) in middle.iter_mut().enumerate() {
                        *middle = V::load(table.add(group + j * V::LANES));
                    }
                },
                |at, j| {
                    let d = V::load(x.add(at)).sub(middle[j]);
                    sum[j] = sum[j].add(d);
                    squares[j] = d.mul_add(d, squares[j]);
                },
                {
                    fold_pair(&sum, &squares, group, GROUP * V::LANES, sums);
                },
                |place, count| {
                    let d = V::load_first(x.add(place), count).sub(V::load(table.add(place % period)));
                    fold_pair(&[d], &[d.mul(d)], place % period, count, sums);
                }
            );
        }
    }
}

/// y = relu(x * scale + shift + residual).
struct Apply<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    residual: Option<&'a [f32]>,
    relu: bool,
    y: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: as the caller's; the flags become constants, so that the loop has no branches.
        unsafe {
            match (self.residual, self.relu) {
                (Some(_), true) => self.apply::<V, true, true>(),
                (Some(_), false) => self.apply::<V, true, false>(),
                (None, true) => self.apply::<V, false, true>(),
                (None, false) => self.apply::<V, false, false>(),
            }
        }
    }
}

impl Apply<'_> {
    #[inline(always)]
    unsafe fn apply<V: Vector, const RESIDUAL: bool, const RELU: bool>(self) {
        let Self { x, scale, shift, residual, y, .. } = self;
        let residual = residual.unwrap_or(x).as_ptr();
        let (x, len, y, period) = (x.as_ptr(), x.len(), y.as_mut_ptr(), scale.len());
        let finish = |value: V, residual: V| {
            // SAFETY: the caller has the instruction set.
            unsafe {
                let value = if RESIDUAL { value.add(residual) } else { value };
                if RELU { value.relu() } else { value }
            }
        };
        // SAFETY: every place is below `len`, which all slices have; every position below `period`.
        unsafe {
            let (mut a, mut b) = ([V::splat(0.0); GROUP], [V::splat(0.0); GROUP]);
            walk!(
                V,
                len,
                period,
                |group| {
                    for j in 0..GROUP {
                        a[j] = V::load(scale.as_ptr().add(group + j * V::LANES));
                        b[j] = V::load(shift.as_ptr().add(group + j * V::LANES));
                    }
                },
                |at, j| {
                    let value = V::load(x.add(at)).mul_add(a[j], b[j]);
                    let other = if RESIDUAL { V::load(residual.add(at)) } else { value };
                    finish(value, other).store(y.add(at));
                },
                {},
                |place, count| {
                    let (a, b) =
                        (V::load(scale.as_ptr().add(place % period)), V::load(shift.as_ptr().add(place % period)));
                    let value = V::load_first(x.add(place), count).mul_add(a, b);
                    finish(value, V::load_first(residual.add(place), count)).store_first(y.add(place), count);
                }
            );
        }
    }
}

/// Sums of g and of g (x - centre), with g = dy where x * scale + shift > 0.
struct GradientSums<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    tables: Tables<'a>,
    relu: bool,
    sums: &'a mut [f64],
}

impl Kernel for GradientSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: as the caller's.
        unsafe { if self.relu { self.sum::<V, true>() } else { self.sum::<V, false>() } }
    }
}

impl GradientSums<'_> {
    #[inline(always)]
    unsafe fn sum<V: Vector, const RELU: bool>(self) {
        let Self { x, dy, tables, sums, .. } = self;
        let (x, len, dy, period) = (x.as_ptr(), x.len(), dy.as_ptr(), tables.centre.len());
        // SAFETY: every place is below `len`, which both slices have; every position below `period`.
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

impl Tables<'_> {
    /// dy where the forward's x * scale + shift, computed in the same way again, is above 0.
    #[inline(always)]
    unsafe fn mask<V: Vector, const RELU: bool>(&self, dy: V, x: V, position: usize) -> V {
        if !RELU {
            return dy;
        }
        // SAFETY: the position is inside the period, the caller has the instruction set.
        unsafe {
            let scale = V::load(self.scale.as_ptr().add(position));
            let shift = V::load(self.shift.as_ptr().add(position));
            dy.where_positive(x.mul_add(scale, shift))
        }
    }

    /// scale g + slope (x - centre) + offset.
    #[inline(always)]
    unsafe fn gradient<V: Vector>(&self, line: &Line, g: V, x: V, position: usize) -> V {
        // SAFETY: the position is inside the period, the caller has the instruction set.
        unsafe {
            let d = x.sub(V::load(self.centre.as_ptr().add(position)));
            let slope = V::load(line.slope.as_ptr().add(position));
            let offset = V::load(line.offset.as_ptr().add(position));
            let scale = V::load(self.scale.as_ptr().add(position));
            g.mul_add(scale, d.mul_add(slope, offset))
        }
    }
}

/// Masks `gradient` by y and sums it, and it times x - centre.
struct MaskAndSums<'a> {
    x: &'a [f32],
    y: Option<&'a [f32]>,
    centre: &'a [f32],
    gradient: &'a mut [f32],
    sums: &'a mut [f64],
}

impl Kernel for MaskAndSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: as the caller's.
        unsafe { if self.y.is_some() { self.sum::<V, true>() } else { self.sum::<V, false>() } }
    }
}

impl MaskAndSums<'_> {
    #[inline(always)]
    unsafe fn sum<V: Vector, const RELU: bool>(self) {
        let Self { x, y, centre, gradient, sums } = self;
        let y = y.unwrap_or(x).as_ptr();
        let (x, len, dy, period) = (x.as_ptr(), x.len(), gradient.as_mut_ptr(), centre.len());
        // SAFETY: every place is below `len`, which all slices have; every position below `period`.
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

/// dx from g, where they share their memory.
struct GradientInPlace<'a> {
    x: &'a [f32],
    tables: Tables<'a>,
    line: Line<'a>,
    relu: bool,
    gradient: &'a mut [f32],
}

impl Kernel for GradientInPlace<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, tables, line, relu, gradient } = self;
        // SAFETY: the slices have one length, the tables one period; each element is read before it is written.
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
struct Gradient<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    tables: Tables<'a>,
    line: Line<'a>,
    dx: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, dy, tables, line, dx } = self;
        // SAFETY: the slices have one length, the tables one period.
        unsafe { write_gradient::<V, false>(x, dy.as_ptr(), dx.as_mut_ptr(), &tables, &line) }
    }
}

/// dx = scale g + slope (x - centre) + offset.
///
/// # Safety
/// `dy` and `dx` must have as many elements as `x` (and may be the same), the processor the instruction set of `V`.
#[inline(always)]
unsafe fn write_gradient<V: Vector, const RELU: bool>(
    x: &[f32],
    dy: *const f32,
    dx: *mut f32,
    tables: &Tables,
    line: &Line,
) {
    let (x, len, period) = (x.as_ptr(), x.len(), tables.centre.len());
    // SAFETY: every place is below `len`, every position below `period`.
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [(usize, usize); 6] = [(1000, 16), (37, 20), (5, 3), (131, 50), (2, 1), (5003, 64)];

    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).skip(8).take(len).collect()
    }

    fn isas() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_supported())
    }

    /// Everything that a batch norm takes, of a shape.
    struct Case {
        channels: usize,
        x: Vec<f32>,
        weight: Vec<f32>,
        bias: Vec<f32>,
        residual: Vec<f32>,
        dy: Vec<f32>,
    }

    impl Case {
        fn new(rows: usize, channels: usize) -> Self {
            let len = rows * channels;
            let weight = noise(2, channels).iter().map(|v| 1.0 + 0.5 * v).collect();
            let (x, bias) = (noise(1, len).iter().map(|v| 2.0 * v + 0.7).collect(), noise(3, channels));
            Self { channels, x, weight, bias, residual: noise(4, len), dy: noise(5, len) }
        }

        /// Plain forward in f64: y before the ReLU, and the normalised x.
        fn reference(&self, x: &[f64], residual: bool) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
            let (c, rows) = (self.channels, (x.len() / self.channels) as f64);
            let mut y = vec![0.0; x.len()];
            let (mut normal, mut inverse_std) = (y.clone(), vec![0.0; c]);
            for (channel, inverse_std) in inverse_std.iter_mut().enumerate() {
                let column = || x.iter().skip(channel).step_by(c);
                let mean = column().sum::<f64>() / rows;
                let variance = column().map(|v| (v - mean) * (v - mean)).sum::<f64>() / rows;
                *inverse_std = 1.0 / (variance + EPSILON).sqrt();
                for i in (channel..x.len()).step_by(c) {
                    normal[i] = (x[i] - mean) * *inverse_std;
                    y[i] = normal[i] * f64::from(self.weight[channel]) + f64::from(self.bias[channel]);
                    y[i] += if residual { f64::from(self.residual[i]) } else { 0.0 };
                }
            }
            (y, normal, inverse_std)
        }

        /// Plain backward in f64: gradients of x, weight, bias and residual.
        fn reference_backward(&self, residual: bool, relu: bool) -> [Vec<f64>; 4] {
            let x: Vec<f64> = self.x.iter().map(|&v| f64::from(v)).collect();
            let (y, normal, inverse_std) = self.reference(&x, residual);
            let (c, rows) = (self.channels, (x.len() / self.channels) as f64);
            let g: Vec<f64> =
                self.dy.iter().zip(&y).map(|(&dy, &y)| if relu && y <= 0.0 { 0.0 } else { f64::from(dy) }).collect();
            let (mut dx, mut d_weight, mut d_bias) = (vec![0.0; x.len()], vec![0.0; c], vec![0.0; c]);
            for i in 0..x.len() {
                d_weight[i % c] += g[i] * normal[i];
                d_bias[i % c] += g[i];
            }
            for i in 0..x.len() {
                let channel = i % c;
                dx[i] = f64::from(self.weight[channel])
                    * inverse_std[channel]
                    * (g[i] - d_bias[channel] / rows - normal[i] * d_weight[channel] / rows);
            }
            [dx, d_weight, d_bias, g]
        }

        /// y, and the gradients of x, weight, bias and residual.
        fn fast(&self, isa: Isa, threads: usize, residual: bool, relu: bool) -> [Vec<f32>; 5] {
            let threads = Threads::new(threads).unwrap();
            let (x, weight, bias) = (&self.x, &self.weight, &self.bias);
            let mut norm = BatchNorm::new(self.channels, x.len() / self.channels, isa);
            let mut y = vec![f32::NAN; x.len()];
            norm.forward(&threads, x, weight, bias, residual.then_some(&self.residual[..]), relu, &mut y);
            let (mut gradient, mut dx) = (self.dy.clone(), vec![f32::NAN; x.len()]);
            let (mut d_weight, mut d_bias) = (vec![f32::NAN; self.channels], vec![f32::NAN; self.channels]);
            if residual {
                let mask = relu.then_some(&y[..]);
                norm.backward_residual(&threads, x, weight, mask, &mut gradient, &mut dx, &mut d_weight, &mut d_bias);
            } else {
                norm.backward(&threads, x, weight, relu, &mut gradient, &mut d_weight, &mut d_bias);
                dx.copy_from_slice(&gradient);
            }
            [y, dx, d_weight, d_bias, gradient]
        }
    }

    fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
        let largest = expected.iter().fold(1.0f64, |max, v| max.max(v.abs()));
        for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
            let apart = (f64::from(found) - expected).abs();
            assert!(apart <= tolerance * largest, "{what}, {i}: found {found}, expected {expected}");
        }
    }

    #[test]
    fn forward_and_backward_equal_the_reference() {
        for (rows, channels) in SHAPES {
            let case = Case::new(rows, channels);
            let x: Vec<f64> = case.x.iter().map(|&v| f64::from(v)).collect();
            for (residual, relu) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut expected = case.reference(&x, residual).0;
                expected.iter_mut().filter(|_| relu).for_each(|y| *y = y.max(0.0));
                let [dx, d_weight, d_bias, g] = case.reference_backward(residual, relu);
                for isa in isas() {
                    let what = format!("{rows} x {channels}, {isa}, residual {residual}, relu {relu}");
                    let found = case.fast(isa, 2, residual, relu);
                    assert_close(&format!("y of {what}"), &found[0], &expected, 1e-5);
                    // Two rows normalise to 1 and -1 whatever they are: the gradient is a difference of equals.
                    let tolerance = if rows > 2 { 2e-5 } else { 1e-3 };
                    assert_close(&format!("dx of {what}"), &found[1], &dx, tolerance);
                    assert_close(&format!("d_weight of {what}"), &found[2], &d_weight, tolerance);
                    assert_close(&format!("d_bias of {what}"), &found[3], &d_bias, 1e-5);
                    if residual {
                        assert_close(&format!("d_residual of {what}"), &found[4], &g, 0.0);
                    }
                }
            }
        }
    }

    #[test]
    fn the_reference_gradient_is_the_slope() {
        let case = Case::new(7, 3);
        let [dx, ..] = case.reference_backward(true, true);
        let x: Vec<f64> = case.x.iter().map(|&v| f64::from(v)).collect();
        let loss = |x: &[f64]| -> f64 {
            case.reference(x, true).0.iter().zip(&case.dy).map(|(y, &dy)| y.max(0.0) * f64::from(dy)).sum()
        };
        for i in 0..x.len() {
            let (mut up, mut down) = (x.clone(), x.clone());
            up[i] += 1e-6;
            down[i] -= 1e-6;
            let slope = (loss(&up) - loss(&down)) / 2e-6;
            assert!((slope - dx[i]).abs() < 1e-6, "{i}: {slope} {}", dx[i]);
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads() {
        let case = Case::new(20_011, 20);
        for isa in isas() {
            let bits = |threads| case.fast(isa, threads, true, true).map(|v| v.iter().map(|v| v.to_bits()).collect());
            let one: [Vec<u32>; 5] = bits(1);
            assert!(one == bits(2) && one == bits(7), "{isa}");
        }
    }

    #[test]
    fn a_far_mean_costs_no_digits() {
        for isa in isas() {
            let x: Vec<f32> = noise(9, 4000).iter().map(|v| 1000.0 + v).collect();
            let mut norm = BatchNorm::new(2, 2000, isa);
            let threads = Threads::new(1).unwrap();
            norm.forward(&threads, &x, &[1.0; 2], &[0.0; 2], None, false, &mut vec![0.0; 4000]);
            for (channel, found) in norm.batch_variance().enumerate() {
                let column = || x.iter().skip(channel).step_by(2).map(|&v| f64::from(v));
                let mean = column().sum::<f64>() / 2000.0;
                let expected = column().map(|v| (v - mean).powi(2)).sum::<f64>() / 1999.0;
                assert!((found / expected - 1.0).abs() < 1e-6, "{isa}: {found} {expected}");
            }
        }
    }

    #[test]
    fn running_statistics_take_the_unbiased_variance() {
        let mut norm = BatchNorm::new(1, 4, Isa::Portable);
        let threads = Threads::new(1).unwrap();
        norm.forward(&threads, &[1.0, 2.0, 3.0, 6.0], &[1.0], &[0.0], None, false, &mut [0.0; 4]);
        let (mut mean, mut variance) = ([1.0], [2.0]);
        norm.update_running(0.25, &mut mean, &mut variance);
        // Mean 3, sum of squares 14, by 3 in the unbiased variance.
        assert_eq!(mean, [0.75 + 0.25 * 3.0]);
        assert!((variance[0] - (1.5 + 0.25 * 14.0 / 3.0)).abs() < 1e-6, "{variance:?}");
    }

    #[test]
    fn evaluation_uses_the_statistics_it_is_given() {
        let (mut scale, mut shift) = ([0.0; 2], [0.0; 2]);
        evaluation_affine(&[2.0, 1.0], &[0.5, 0.0], &[1.0, -1.0], &[4.0, 0.25], &mut scale, &mut shift);
        let threads = Threads::new(1).unwrap();
        let mut y = [0.0; 4];
        forward_evaluation(&threads, Isa::Portable, &[3.0, 0.0, -3.0, -2.0], &scale, &shift, None, true, &mut y);
        for (found, expected) in y.iter().zip([2.5, 2.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-4, "{y:?}");
        }
    }
}
