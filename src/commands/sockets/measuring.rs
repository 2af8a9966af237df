//! What `--seconds` means for columns and order.

use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::render::sockets::column::{Column, Need};
use crate::sockets::change::Rate;
use crate::sockets::order::{SortKey, SortOrder};

/// What the user sorts by; of two samples the busiest sockets come first otherwise.
pub(super) fn order_or_rates(
    order: Vec<(Column, SortOrder)>,
    seconds: Option<Duration>,
) -> Vec<SortOrder> {
    if order.is_empty() && seconds.is_some() {
        return vec![SortOrder {
            key: SortKey::Rate(Rate::Bytes),
            descending: true,
        }];
    }
    order.into_iter().map(|(_, order)| order).collect()
}

/// Refuses a rate that is asked for without a time to measure it in.
pub(super) fn check(
    columns: &[Column],
    order: &[(Column, SortOrder)],
    seconds: Option<Duration>,
) -> Result<()> {
    let sorted = order.iter().map(|(column, _)| column);
    let mut all = columns.iter().chain(sorted);
    match all.find(|column| column.needs(Need::Rates)) {
        Some(column) if seconds.is_none() => {
            let cause = format!(
                "{} is a rate, for which two samples are needed",
                column.name()
            );
            let error = Error::new(Kind::CannotRun, "choose the columns", cause);
            Err(error.next("sockdoc sockets --seconds 2"))
        }
        _ => Ok(()),
    }
}
