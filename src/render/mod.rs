//! Values in, text out.
pub mod escape;
pub mod table;
