//! End-to-end tests over the real programs, as a user chains them.

#![forbid(unsafe_code)]

mod bad_input;
mod cluster;
mod commands;
mod disk;
mod divergence;
mod docs;
mod engines;
mod evaluate;
mod finetune;
mod help;
mod house;
mod install;
mod kill;
mod larger_pictures;
mod makefile;
mod one_path;
mod output;
mod papers;
mod parity;
mod predict;
mod probe;
mod provenance;
mod regret;
mod repeat;
mod schemas;
mod stages;
mod streamline;
mod supply;
mod verify;
mod watch;
mod your_pictures;
