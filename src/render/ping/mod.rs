//! What a ping session says: the lines of iputils' ping, of macOS' ping and of fping, a table, JSON, CSV.
//!
//! | file | what it writes |
//! |---|---|
//! | [`lines`] | one target: iputils' lines, or those of macOS |
//! | [`account`] | what we add behind the statistics: percentiles, timing, losses |
//! | [`words`] | what a reply, a refusal and a loss are called |
//! | [`number`] | times and percentages as the peers print them |
//! | [`json`] | objects, one a line |

pub mod account;
pub mod json;
pub mod lines;
pub mod number;
pub mod words;
