//! Message boundaries on a byte stream.

mod assembler;

pub use assembler::Assembler;
