//! Values in, text out.
pub mod escape;
pub mod hexdump;
pub mod python;
