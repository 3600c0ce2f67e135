//! End-to-end tests over the real programs, as a user chains them.

mod bad_input;
mod house;
mod makefile;
mod parity;
mod repeat;
mod stages;
mod supply;
mod verify;
