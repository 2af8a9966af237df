//! Values in, text out.
pub mod escape;
