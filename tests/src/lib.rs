//! Finds and runs the binaries of the workspace for the end-to-end tests.
