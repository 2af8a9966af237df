//! All that is known of a run at its end.

use std::time::Duration;

use super::draining::{DrainEnd, Draining};
use super::filling::Stop;
use super::holding::Holding;
use super::queues::{Balance, Sample};
use super::timeline::Timeline;
use super::{Plan, Variant};
use crate::diagnose::Finding;
use crate::diagnose::rules::sender::Waits;

/// A buffer's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Buffer {
    /// What was asked for: bytes.
    pub asked: Option<u64>,
    /// What `getsockopt()` says that it is: bytes. The kernel doubles what is asked for.
    pub got: Option<u64>,
}

/// What bounds the buffers, before anything is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The congestion control algorithm.
    pub congestion: Option<String>,
    /// The sender's buffer (`SO_SNDBUF`).
    pub send_buffer: Buffer,
    /// The receiver's buffer (`SO_RCVBUF`); `None` if the receiver is another program's.
    pub recv_buffer: Option<Buffer>,
    /// `TCP_NOTSENT_LOWAT`, if requested: bytes.
    pub lowat: Option<u32>,
    /// `TCP_USER_TIMEOUT`, if requested.
    pub user_timeout: Option<Duration>,
    /// The sysctls that matter: name and value.
    pub sysctls: Vec<(&'static str, String)>,
}

/// How a connection is closed while its queues are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseKind {
    /// The sender calls `close()`.
    Normal,
    /// The sender calls `close()` with `SO_LINGER` of 0 seconds.
    Linger0,
    /// The receiver calls `close()`, with data that it has not read.
    Unread,
}

impl CloseKind {
    /// The word for programs, and of the flag.
    pub fn word(self) -> &'static str {
        match self {
            CloseKind::Normal => "normal",
            CloseKind::Linger0 => "linger0",
            CloseKind::Unread => "unread",
        }
    }
}

/// What a close did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub kind: CloseKind,
    /// Bytes in the sender's queue when it was called.
    pub queued: Option<u64>,
    /// The errnos of the writer's next calls of `send()`; only if the receiver closed.
    pub writer: Vec<i32>,
}

/// What datagrams were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Datagrams {
    /// Dropped at the receiver's socket (`SK_MEMINFO_DROPS`).
    pub dropped: Option<u64>,
    /// By how much the host's counter rose (`RcvbufErrors`, /proc/net/snmp and snmp6).
    pub rcvbuf_errors: Option<u64>,
    /// What a datagram larger than the send buffer is answered with: its size and errno.
    pub oversize: Option<(usize, i32)>,
    /// Datagrams that a receiver with a name took before there was no room (`unix(7)`).
    pub named_receiver: Option<u64>,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was filled.
    pub variant: Variant,
    /// How.
    pub plan: Plan,
    /// Whether the receiver is this program.
    pub both_ends: bool,
    /// The sender's end and the receiver's, as addresses.
    pub ends: [String; 2],
    /// What bounds the buffers.
    pub limits: Limits,
    /// The sends.
    pub timeline: Timeline,
    /// Why sending stopped.
    pub stop: Stop,
    /// How long sending took, the settling included.
    pub lasted: Duration,
    /// The checksum of what was accepted.
    pub checksum: u32,
    /// How the connection looked each time that there was no room.
    pub waits: Waits,
    /// Both ends when sending had stopped.
    pub settled: Option<Sample>,
    /// Why the buffer is full.
    pub verdict: Option<Finding>,
    /// The watch of the persist timer.
    pub holding: Option<Holding>,
    /// What datagrams were counted.
    pub datagrams: Option<Datagrams>,
    /// The close, if requested.
    pub closed: Option<Closed>,
    /// What the receiver read at last.
    pub draining: Option<Draining>,
    /// Whether the user ended it.
    pub interrupted: bool,
}

impl Report {
    /// Whether what was accepted is all accounted for. `None`: it is not known, because it had not
    /// settled or the kernel does not tell.
    pub fn conserved(&self) -> Option<bool> {
        if self.variant.is_datagram() {
            return self.all_datagrams_accounted_for();
        }
        // Before it has settled, bytes on their way are in both queues.
        if self.stop != Stop::Settled && self.both_ends {
            return None;
        }
        let sample = self.settled.as_ref()?;
        match sample.balance(self.variant, self.timeline.bytes(), 0) {
            Balance::Holds => Some(true),
            Balance::Off(_) => Some(false),
            Balance::Unknown => None,
        }
    }

    fn all_datagrams_accounted_for(&self) -> Option<bool> {
        let draining = self.draining.as_ref()?;
        if draining.end() != Some(DrainEnd::End) {
            return None;
        }
        let dropped = match self.variant {
            Variant::Udp => self.datagrams?.dropped?,
            // A Unix datagram is never dropped.
            _ => 0,
        };
        Some(draining.reads() + dropped == self.timeline.sends())
    }

    /// Whether what was read is what was sent. `None`: nothing was read, or not all of it could arrive.
    pub fn checksum_ok(&self) -> Option<bool> {
        let draining = self.draining.as_ref()?;
        let loses = match self.variant {
            Variant::Udp => true,
            _ => {
                self.closed
                    .as_ref()
                    .is_some_and(|closed| closed.kind != CloseKind::Normal)
                    || self.connection_failed()
                    || draining.end() == Some(DrainEnd::Interrupted)
            }
        };
        if loses && draining.bytes() != self.timeline.bytes() {
            return None;
        }
        Some(draining.bytes() == self.timeline.bytes() && draining.checksum() == self.checksum)
    }

    /// Whether the connection ended by itself, as with `TCP_USER_TIMEOUT`.
    pub fn connection_failed(&self) -> bool {
        let held = self.holding.as_ref();
        held.is_some_and(|holding| holding.failed.is_some())
    }

    /// Whether everything that could be checked holds.
    pub fn is_good(&self) -> bool {
        let whole = !self.interrupted || self.conserved() == Some(true);
        whole && self.conserved() != Some(false) && self.checksum_ok() != Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{End, Mode};
    use super::*;

    fn report() -> Report {
        let mut timeline = Timeline::default();
        timeline.sent(9, 9, Duration::ZERO);
        let mut draining = Draining::default();
        draining.received(b"123456789");
        draining.ended(DrainEnd::End);
        Report {
            variant: Variant::Tcp,
            plan: Plan {
                chunk: 9,
                mode: Mode::NonBlocking,
                settle: Duration::from_millis(500),
                max_bytes: 9,
                max_sends: u64::MAX,
                duration: Duration::from_secs(1),
            },
            both_ends: true,
            ends: [String::new(), String::new()],
            limits: Limits::default(),
            timeline,
            stop: Stop::Settled,
            lasted: Duration::from_millis(500),
            checksum: draining.checksum(),
            waits: Waits::default(),
            settled: Some(Sample {
                sender: End {
                    send_queue: Some(4),
                    ..End::default()
                },
                receiver: Some(End {
                    recv_queue: Some(5),
                    ..End::default()
                }),
                ..Sample::default()
            }),
            verdict: None,
            holding: None,
            datagrams: None,
            closed: None,
            draining: Some(draining),
            interrupted: false,
        }
    }

    #[test]
    fn a_run_that_adds_up_is_good_and_one_byte_too_few_is_not() {
        let good = report();
        assert_eq!(good.conserved(), Some(true));
        assert_eq!(good.checksum_ok(), Some(true));
        assert!(good.is_good());
        let mut lost = report();
        lost.settled.as_mut().unwrap().sender.send_queue = Some(3);
        assert_eq!(lost.conserved(), Some(false));
        assert!(!lost.is_good());
    }

    #[test]
    fn what_arrives_damaged_or_not_at_all_is_bad() {
        let mut damaged = report();
        damaged.checksum += 1;
        assert_eq!(damaged.checksum_ok(), Some(false));
        assert!(!damaged.is_good());
        let mut cut = report();
        let mut draining = Draining::default();
        draining.received(b"1234");
        draining.ended(DrainEnd::Silence);
        cut.draining = Some(draining);
        assert_eq!(cut.checksum_ok(), Some(false));
        assert!(!cut.is_good());
    }

    #[test]
    fn what_a_reset_throws_away_is_not_held_against_it() {
        for kind in [CloseKind::Linger0, CloseKind::Unread] {
            let mut reset = report();
            let mut draining = Draining::default();
            draining.received(b"1234");
            draining.ended(DrainEnd::Failed(104));
            reset.draining = Some(draining);
            reset.closed = Some(Closed {
                kind,
                queued: Some(5),
                writer: Vec::new(),
            });
            assert_eq!(reset.checksum_ok(), None);
            assert!(reset.is_good());
        }
    }

    #[test]
    fn before_it_has_settled_nothing_is_claimed() {
        let mut early = report();
        early.stop = Stop::Interrupted;
        early.interrupted = true;
        assert_eq!(early.conserved(), None);
        assert!(!early.is_good(), "the answer is not known");
        early.stop = Stop::Settled;
        assert!(early.is_good(), "what was asked for is known");
    }

    #[test]
    fn datagrams_are_accounted_for_with_those_that_were_dropped() {
        let mut udp = report();
        udp.variant = Variant::Udp;
        udp.stop = Stop::Limit;
        udp.timeline.sent(9, 9, Duration::ZERO);
        assert_eq!(udp.conserved(), None, "the drops are not known");
        udp.datagrams = Some(Datagrams {
            dropped: Some(1),
            ..Datagrams::default()
        });
        assert_eq!(udp.conserved(), Some(true));
        assert!(udp.is_good());
        udp.datagrams = Some(Datagrams {
            dropped: Some(0),
            ..Datagrams::default()
        });
        assert_eq!(udp.conserved(), Some(false));
        udp.variant = Variant::UnixDatagrams;
        assert_eq!(udp.conserved(), Some(false));
    }
}
