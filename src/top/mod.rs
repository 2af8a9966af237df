//! A live view of the sockets of a host: what it remembers from look to look, and what its keys do.
//!
//! | file | what it holds |
//! |---|---|
//! | [`look`] | [`Look`]: one interval: the sample, how far each counter went, the findings |
//! | [`memory`] | [`Memory`]: what outlives a sample: totals, history, what opened, closed, began and ended |
//! | [`row`] | [`Row`]: the sockets or groups of a look, sorted |
//! | [`view`] | [`View`]: what is shown, and what a [`Key`] changes |
//!
//! Time is an argument: the time since the view began.

pub mod look;
pub mod memory;
pub mod row;
pub mod view;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use look::{InterfaceRate, Look};
pub use memory::{Memory, Totals, Trouble};
pub use row::{Mark, Row, Rows, Subject};
pub use view::{Action, Key, Pane, SortBy, View};
