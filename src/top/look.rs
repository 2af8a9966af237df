//! One interval: what was seen at its end, and how far the counters went in it.

use std::time::Duration;

use super::memory::Memory;
use crate::diagnose::{Block, Case, Findings, diagnose};
use crate::host::{Delta, Index, Sample, SocketAt, join_closed};
use crate::rtnetlink::Link;
use crate::sockets::Socket;
use crate::sockets::change::Change;

/// What one interval gave.
#[derive(Debug, Default)]
pub struct Look {
    /// The sample at its end: the open sockets, those that closed in the interval, those that closed shortly
    /// before.
    pub sample: Sample,
    /// How many of the sockets are open: the first ones.
    pub open: usize,
    /// How many are open or closed in the interval: the first ones.
    counted: usize,
    /// When it ended.
    pub at: Duration,
    /// How long it was; zero: it is the first, and no rate is known.
    pub elapsed: Duration,
    /// Connections that closed after the sample was taken: they belong to the next look.
    late: Vec<Socket>,
    /// How far the counters of each socket went, by its place; of the first look nothing.
    changes: Vec<Change>,
    /// What is wrong.
    pub findings: Findings,
    /// The same, first causes with their effects.
    pub blocks: Vec<Block>,
    /// The interfaces of the sample's first namespace.
    pub interfaces: Vec<InterfaceRate>,
    /// Sockets in TIME-WAIT, which are counted only.
    pub time_wait: u64,
    /// Whether some connections closed without being counted.
    pub missed: bool,
}

/// What an interface received and sent in an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceRate {
    /// Its name.
    pub name: Box<str>,
    /// Bytes received, headers included.
    pub in_bytes: u64,
    /// Bytes sent, headers included.
    pub out_bytes: u64,
    /// Packets that were dropped, in both directions.
    pub dropped: u64,
}

/// What is taken from the host for a look.
#[derive(Debug, Default)]
pub struct Taken {
    /// Its sockets, owners and network stacks.
    pub sample: Sample,
    /// The connections that closed since the look before.
    pub closed: Vec<Socket>,
    /// Sockets in TIME-WAIT.
    pub time_wait: u64,
    /// Whether some of `closed` are missing.
    pub missed: bool,
}

impl Look {
    /// The next look, after this one. `at`: when it was taken.
    #[must_use]
    pub fn next(mut self, taken: Taken, at: Duration, memory: &mut Memory) -> Look {
        let Taken {
            mut sample,
            closed,
            time_wait,
            missed,
        } = taken;
        let open = sample.sockets.len();
        let is_first = self.at.is_zero() && self.sample.sockets.is_empty();
        let elapsed = at.saturating_sub(self.at);
        // What closed before is no part of the sample that this one is compared with.
        self.sample.sockets.truncate(self.open);
        let interfaces = interfaces(&self.sample, &sample);
        let mut late = std::mem::take(&mut self.late);
        late.extend(closed);
        if is_first {
            // What closed before the first sample is nobody's.
            let listed = |cookie| sample.sockets.iter().any(|it| it.cookie == Some(cookie));
            late.retain(|socket| socket.cookie.is_some_and(listed));
        } else {
            late = join_closed(&self.sample, &mut sample, late);
        }
        let index = Index::new(&sample);
        let delta = (!is_first).then(|| Delta::new(Index::new(&self.sample), &index, elapsed));
        let case = Case::new(&index).since(delta.as_ref());
        let findings = diagnose(&case);
        let blocks = findings.all_blocks(&case, false);
        let changes = delta.as_ref().map_or_else(Vec::new, |delta| {
            sample.places().map(|at| delta.change(at)).collect()
        });
        let mut look = Look {
            counted: sample.sockets.len(),
            sample,
            open,
            at,
            elapsed: if is_first { Duration::ZERO } else { elapsed },
            late,
            changes,
            findings,
            blocks,
            interfaces,
            time_wait,
            missed,
        };
        memory.take(&look);
        look.sample.sockets.extend(memory.closed_before(at));
        look
    }

    /// How far the counters of a socket went in this interval; `None`: that is not known.
    pub fn change(&self, at: SocketAt) -> Option<&Change> {
        self.changes.get(at.0 as usize)
    }

    /// The sockets that are open, or closed in this interval.
    pub fn counted(&self) -> impl Iterator<Item = SocketAt> + use<> {
        self.sample.places().take(self.counted)
    }

    /// Whether a socket is closed, now or shortly before.
    pub fn is_closed(&self, at: SocketAt) -> bool {
        at.0 as usize >= self.open
    }

    /// A count of this interval, a second; `None` without an interval.
    pub fn per_second(&self, count: u64) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        (seconds > 0.0).then(|| count as f64 / seconds)
    }

    /// The same, to the byte.
    pub(super) fn whole_per_second(&self, count: u64) -> u64 {
        let nanos = self.elapsed.as_nanos().max(1);
        let rate = u128::from(count) * 1_000_000_000 / nanos;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// All of the interval: of sockets, those that closed in it included.
    pub fn whole(&self) -> Change {
        let mut whole = Change::default();
        for change in &self.changes {
            whole.add(change);
        }
        whole
    }
}

/// How far the counters of the interfaces of the first namespace went.
fn interfaces(before: &Sample, after: &Sample) -> Vec<InterfaceRate> {
    let links = |sample: &Sample| -> Vec<Link> {
        let network = sample.networks.first();
        network.map_or_else(Vec::new, |network| network.links.clone())
    };
    let earlier = links(before);
    let grown = |earlier: u64, later: u64| later.saturating_sub(earlier);
    let mut rates = Vec::new();
    for link in links(after) {
        let Some(was) = earlier.iter().find(|was| was.index == link.index) else {
            continue;
        };
        rates.push(InterfaceRate {
            in_bytes: grown(was.rx_bytes, link.rx_bytes),
            out_bytes: grown(was.tx_bytes, link.tx_bytes),
            dropped: grown(was.rx_dropped, link.rx_dropped)
                + grown(was.tx_dropped, link.tx_dropped),
            name: link.name,
        });
    }
    rates
}
