//! What trained nets get right and wrong: figures, and a page to look at.
//!
//! Works on logits and labels; what computes them is the program's affair. Nothing here chooses anything, or prints.

#![forbid(unsafe_code)]

pub mod calibration;
pub mod confusion;
mod drawing;
pub mod evaluation;
pub mod figures;
pub mod page;
pub mod proportion;
pub mod scored;
pub mod shown;
