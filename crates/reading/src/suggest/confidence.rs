//! How sure a suggestion is: the share of suggestions like it, on the settings of the benchmark, that lie within a point of
//! accuracy of the best rate (in hindsight). Measured, not felt: `rule-bench --confidence` makes the table again, and says how
//! much better than the bare mean it foretells, fitted on some settings and scored on others.

/// What a suggestion rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Basis {
    /// Whether the critical rate of the first step is known.
    pub by_critical_rate: bool,
    /// Largest over smallest answer of the range tests; `None` of one alone.
    pub spread: Option<f64>,
    /// Steps of the ramp; of several, the middle.
    pub steps: f64,
}

/// One kind of suggestion: up to `limit` of its feature, the share of those within a point of the best.
type Cell = (f64, f64);

/// Several range tests with a critical rate, by their spread.
const SEVERAL: [Cell; 4] = [(1.25, 0.87), (1.5, 0.65), (2.0, 0.54), (f64::INFINITY, 0.43)];
/// One with a critical rate, by its steps.
const ONE: [Cell; 2] = [(16.0, 0.40), (f64::INFINITY, 0.65)];
/// Several without: their spread foretells nothing, so all are one kind.
const SEVERAL_BY_CURVE: [Cell; 1] = [(f64::INFINITY, 0.57)];
/// One without, by its steps.
const ONE_BY_CURVE: [Cell; 2] = [(28.0, 0.36), (f64::INFINITY, 0.56)];

impl Basis {
    /// The table that foretells it, and the feature to look it up by.
    fn table(self) -> (&'static [Cell], f64) {
        match (self.by_critical_rate, self.spread) {
            (true, Some(spread)) => (&SEVERAL, spread),
            (true, None) => (&ONE, self.steps),
            (false, Some(spread)) => (&SEVERAL_BY_CURVE, spread),
            (false, None) => (&ONE_BY_CURVE, self.steps),
        }
    }

    /// The share of such suggestions that lie within a point of the best.
    pub fn confidence(self) -> f64 {
        let (table, _) = self.table();
        table[self.cell()].1
    }

    /// Which of its table's kinds of suggestion this one is.
    pub fn cell(self) -> usize {
        let (table, feature) = self.table();
        table.iter().position(|(limit, _)| feature <= *limit).unwrap_or(table.len() - 1)
    }
}
