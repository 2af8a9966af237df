//! What happened between two samples, for programs.

use serde::Serialize;

use crate::host::{Delta, Index, SocketAt};
use crate::sockets::change::{Change, Rate, is_closed};

/// Rates: a second, `null` where the kernel has no such counter.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys of the document")]
pub struct RatesOut {
    in_bytes_per_s: Option<f64>,
    out_bytes_per_s: Option<f64>,
    in_segments_per_s: Option<f64>,
    out_segments_per_s: Option<f64>,
    retransmits_per_s: Option<f64>,
    drops_per_s: Option<f64>,
    accepts_per_s: Option<f64>,
}

impl RatesOut {
    /// Of a socket, or of several; `per_second` makes a rate of a count.
    pub fn new(per_second: impl Fn(u64) -> Option<f64>, change: &Change) -> RatesOut {
        let rate = |count: Option<u64>| {
            let rate = per_second(count?)?;
            // A thousandth is enough.
            Some((rate * 1000.0).round() / 1000.0)
        };
        RatesOut {
            in_bytes_per_s: rate(change.of(Rate::In)),
            out_bytes_per_s: rate(change.of(Rate::Out)),
            in_segments_per_s: rate(change.in_segments),
            out_segments_per_s: rate(change.out_segments),
            retransmits_per_s: rate(change.retransmits),
            drops_per_s: rate(change.drops),
            accepts_per_s: rate(change.accepts),
        }
    }
}

/// The measurement as a whole.
#[derive(Debug, Serialize)]
pub(super) struct MeasuredOut {
    seconds: f64,
    opened: u64,
    closed: u64,
    closed_in_bytes: u64,
    closed_out_bytes: u64,
}

/// What was opened and closed.
pub(super) fn measured(delta: &Delta<'_>, totals: Totals) -> MeasuredOut {
    let Totals { opened, closed } = totals;
    MeasuredOut {
        seconds: (delta.span().as_secs_f64() * 1000.0).round() / 1000.0,
        opened,
        closed: closed.closed,
        closed_in_bytes: closed.in_bytes.unwrap_or(0),
        closed_out_bytes: closed.out_bytes.unwrap_or(0),
    }
}

/// How many sockets were opened between two samples, and what those that closed had sent and received.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// How many were opened, those that closed again included.
    pub opened: u64,
    /// What happened on those that closed.
    pub closed: Change,
}

/// The totals of these sockets.
pub fn totals(index: &Index<'_>, delta: &Delta<'_>, sockets: &[SocketAt]) -> Totals {
    let mut totals = Totals::default();
    for at in sockets {
        let change = delta.change(*at);
        totals.opened += change.opened;
        if is_closed(index.socket(*at)) {
            totals.closed.add(&change);
        }
    }
    totals
}
