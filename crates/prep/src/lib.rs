//! Reads image data sets as they are published (binary archives, IDX files, folders of pictures) into one form:
//! [`set::Set`], which [`artifacts::dataset`] writes.
//!
//! Inputs come from strangers. Every reader states what it expects, bounds what it holds before it holds it, and answers
//! whatever it is given with a [`set::Set`] or a [`Refusal`], never with a panic. The same data gives the same set,
//! however it was packed and in whatever order a directory lists it.
//!
//! This crate knows neither candle nor nets, and prints nothing.

#![forbid(unsafe_code)]

pub mod archive;
pub mod bounded;
pub mod cifar;
pub mod class_list;
pub mod download;
pub mod fault;
pub mod folder;
pub mod idx;
pub mod progress;
pub mod refusal;
pub mod set;
pub mod split;
pub mod statistics;

pub use refusal::{Refusal, Result};

/// A list that does not flood the message.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends() {
        let names: Vec<String> = (0..14).map(|n| n.to_string()).collect();
        assert_eq!(few(&names[..2]), "0, 1");
        assert!(few(&names).ends_with("11 and 2 more"));
    }
}
