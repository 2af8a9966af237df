//! Drops by reason, place, port and process: exact counts by reason and place, and of the packets that were seen the
//! rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Dropped;
use super::everyday::is_everyday;
use super::hook::Hook;
use crate::host::traced::Process;

/// Kinds of packets that are told apart.
const MOST: usize = 4096;

/// Drops that are counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// By reason and function, as the kernel counted them.
    counted: BTreeMap<(Arc<str>, Option<Arc<str>>), u64>,
    /// What was seen of them.
    seen: BTreeMap<Kind, u64>,
    everyday: u64,
    elsewhere: u64,
    selected_only: bool,
}

/// A kind of dropped packets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    reason: Arc<str>,
    function: Option<Arc<str>>,
    hook: Option<Hook>,
    destination: String,
    process: Option<(Option<u32>, Box<[u8]>)>,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Why.
    pub reason: Arc<str>,
    /// The kernel's function.
    pub function: Option<Arc<str>>,
    /// The hook of the packet filter.
    pub hook: Option<Hook>,
    /// Protocol and port; `None`: these packets were counted and not seen.
    pub destination: Option<String>,
    /// The process that holds the socket.
    pub process: Option<Process>,
    /// Packets.
    pub packets: u64,
}

impl Tally {
    /// Counts the packets that are seen alone: there is a filter.
    pub fn of_selected() -> Tally {
        Tally {
            selected_only: true,
            ..Tally::default()
        }
    }

    /// The same, of the packets that were seen alone.
    #[must_use]
    pub fn only_seen(self) -> Tally {
        Tally {
            selected_only: true,
            ..self
        }
    }

    /// A packet that was seen.
    pub fn see(&mut self, dropped: &Dropped) {
        let process = dropped.process.as_ref();
        let mut kind = Kind {
            reason: Arc::clone(&dropped.reason),
            function: dropped.function.clone(),
            hook: dropped.hook,
            destination: dropped.destination(),
            process: process.map(|it| (it.pid, it.comm.clone())),
        };
        if self.seen.len() >= MOST && !self.seen.contains_key(&kind) {
            "others".clone_into(&mut kind.destination);
            kind.process = None;
        }
        *self.seen.entry(kind).or_default() += 1;
    }

    /// What the kernel counted until now: reason, function, whether in a namespace that is looked at, packets.
    pub fn count<'a>(
        &mut self,
        counts: impl Iterator<Item = (&'a Arc<str>, Option<&'a Arc<str>>, bool, u64)>,
        shows_everyday: bool,
    ) {
        self.counted.clear();
        (self.everyday, self.elsewhere) = (0, 0);
        for (reason, function, is_here, packets) in counts {
            if !shows_everyday && is_everyday(reason, function.map(|it| &**it)) {
                self.everyday += if is_here { packets } else { 0 };
            } else if !is_here {
                self.elsewhere += packets;
            } else {
                let key = (Arc::clone(reason), function.cloned());
                *self.counted.entry(key).or_default() += packets;
            }
        }
    }

    /// Packets that happen to be dropped on a healthy host.
    pub fn everyday(&self) -> u64 {
        self.everyday
    }

    /// Packets of other network namespaces.
    pub fn elsewhere(&self) -> u64 {
        self.elsewhere
    }

    /// Packets that the kernel counted in the namespaces that are looked at, without the everyday ones.
    pub fn counted(&self) -> u64 {
        self.counted.values().sum()
    }

    /// The packets of each reason, the most frequent first.
    pub fn by_reason(&self) -> Vec<(Arc<str>, u64)> {
        let mut sums: Vec<(Arc<str>, u64)> = Vec::new();
        for row in self.rows() {
            match sums.last_mut().filter(|(reason, _)| *reason == row.reason) {
                Some((_, packets)) => *packets += row.packets,
                None => sums.push((row.reason, row.packets)),
            }
        }
        sums
    }

    /// All packets of the table.
    pub fn packets(&self) -> u64 {
        self.rows().iter().map(|row| row.packets).sum()
    }

    /// Packets that were counted and not seen.
    pub fn unseen(&self) -> u64 {
        let counted: u64 = self.counted.values().sum();
        let all: u64 = self.seen.values().sum();
        if self.selected_only {
            0
        } else {
            counted.saturating_sub(all)
        }
    }

    /// The table, the most frequent reason first, and of a reason the most frequent kind.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .seen
            .iter()
            .map(|(kind, packets)| Row {
                reason: Arc::clone(&kind.reason),
                function: kind.function.clone(),
                hook: kind.hook,
                destination: Some(kind.destination.clone()),
                process: kind
                    .process
                    .clone()
                    .map(|(pid, comm)| Process { pid, comm }),
                packets: *packets,
            })
            .collect();
        if !self.selected_only {
            rows.extend(self.rest());
        }
        let mut sums: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for row in &rows {
            *sums.entry(Arc::clone(&row.reason)).or_default() += row.packets;
        }
        rows.sort_by(|a, b| {
            sums[&b.reason]
                .cmp(&sums[&a.reason])
                .then_with(|| a.reason.cmp(&b.reason))
                .then_with(|| b.packets.cmp(&a.packets))
        });
        rows
    }

    /// What was counted beyond what was seen.
    fn rest(&self) -> impl Iterator<Item = Row> {
        self.counted.iter().filter_map(|((reason, function), all)| {
            let seen = self
                .seen
                .iter()
                .filter(|(kind, _)| kind.reason == *reason && kind.function == *function);
            let seen: u64 = seen.map(|(_, packets)| *packets).sum();
            let packets = all.saturating_sub(seen);
            (packets > 0).then(|| Row {
                reason: Arc::clone(reason),
                function: function.clone(),
                hook: None,
                destination: None,
                process: None,
                packets,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::syn;
    use super::*;

    #[test]
    fn exact_counts_and_what_was_seen_make_one_table() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.see(&syn("NETFILTER_DROP", 80));
        }
        tally.see(&syn("NETFILTER_DROP", 81));
        let (filter, none): (Arc<str>, Arc<str>) = ("NETFILTER_DROP".into(), "NO_SOCKET".into());
        let purge: Arc<str> = "QUEUE_PURGE".into();
        let function: Arc<str> = "nft_do_chain".into();
        let counts = [
            (&filter, Some(&function), true, 10),
            (&none, None, true, 2),
            (&none, None, false, 5),
            (&purge, None, true, 7),
        ];
        tally.count(counts.into_iter(), false);
        // It is read again and again.
        tally.count(counts.into_iter(), false);
        let rows = tally.rows();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (&*row.reason, row.destination.as_deref(), row.packets))
            .collect();
        assert_eq!(
            told,
            [
                ("NETFILTER_DROP", None, 6),
                ("NETFILTER_DROP", Some("tcp 80"), 3),
                ("NETFILTER_DROP", Some("tcp 81"), 1),
                ("NO_SOCKET", None, 2)
            ]
        );
        assert_eq!((tally.packets(), tally.unseen()), (12, 8));
        assert_eq!((tally.everyday(), tally.elsewhere()), (7, 5));
        tally.count(counts.into_iter(), true);
        assert_eq!((tally.packets(), tally.everyday()), (19, 0));
    }

    #[test]
    fn kinds_are_bounded() {
        let mut tally = Tally::of_selected();
        for port in 0..=u16::MAX {
            tally.see(&syn("NO_SOCKET", port));
        }
        assert_eq!(tally.rows().len(), MOST + 1);
        assert_eq!((tally.packets(), tally.unseen()), (1 << 16, 0));
    }
}
