//! Where long work says how far it is. The library prints nothing: a program passes in what does.

/// A sink for the progress of long work.
pub trait Progress {
    /// A stage of the work begins, of `total` steps where that is known.
    fn stage(&self, name: &'static str, total: Option<u64>);
    /// So many steps of the stage are done.
    fn advance(&self, steps: u64);
    /// Something that the user should know: what was taken for what.
    fn note(&self, text: &str);
    /// Something that the user should know, and may want otherwise.
    fn warning(&self, text: &str);
}

/// Says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn warning(&self, _: &str) {}
}
