//! Values in, text out: tables, JSON, Python literals, hex dumps, escaping. Everything is written
//! to an `io::Write` that the caller gives.
//!
//! | file | what it writes |
//! |---|---|
//! | [`escape`] | what came from outside, made safe for a terminal |
//! | [`failure`] | an [`Error`](crate::error::Error): two lines, or JSON |
//! | [`hexdump`] | bytes as `hexdump -C` shows them |
//! | [`json`] | values as JSON, one document or one object a line |
//! | [`load`] | the report of a load run |
//! | [`overview`] | what `sockdoc` alone prints |
//! | [`python`] | Python's literals: bytes, addresses |
//! | [`table`] | aligned tables |
//! | [`transcript`] | the tutorial's lines, word for word |

pub mod escape;
pub mod hexdump;
pub mod python;
