//! The command line, against the real binary.

#[path = "../support/mod.rs"]
mod support;

mod explain;
