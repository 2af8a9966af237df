//! The tables of what can go wrong, with cause and next step.
pub mod errno;
