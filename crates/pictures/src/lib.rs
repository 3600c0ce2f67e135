//! Pictures as people have them: which files are some ([`names`], [`litter`]), what they hold and how they become images of a
//! set ([`picture`]).
//!
//! `sc-prep` and `sc-predict` read pictures through this crate, so that a picture is the same image to both, to the bit.

#![forbid(unsafe_code)]

pub mod encode;
pub mod litter;
pub mod names;
pub mod picture;
