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
pub mod litter;
pub mod picture;
pub mod progress;
pub mod refusal;
pub mod set;
pub mod split;
pub mod statistics;

pub use refusal::{Refusal, Result};
