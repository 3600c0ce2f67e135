//! Where long work says how far it is. The library prints nothing: a program passes in what does.

/// A sink for the progress of long work.
pub trait Progress {
    /// A stage of the work begins, of `total` steps where that is known.
    fn stage(&self, name: &'static str, total: Option<u64>);
    /// One step of the stage is done.
    fn step(&self);
}

/// Says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &'static str, _: Option<u64>) {}
    fn step(&self) {}
}
