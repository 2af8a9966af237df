//! The events of a session.

use std::net::IpAddr;
use std::time::Duration;

use super::clock::Realtime;
use super::losses::{Refusal, Unsent};
use super::mpls::Labels;
use super::payload::Damage;
use super::window::Local;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A packet that claims to answer came.
    Reply(Reply),
    /// An ICMP error came.
    Refused(Refused),
    /// A request is given up.
    Lost {
        /// Its destination.
        target: usize,
        /// Which of the requests to this target.
        sequence: u64,
        /// A reply came, but a damaged one.
        damaged: bool,
        /// When it was sent, by the wall clock.
        sent: Realtime,
    },
    /// A request was still under way at the end: neither received nor lost.
    Unfinished {
        /// Its destination.
        target: usize,
        /// Which of the requests to this target.
        sequence: u64,
    },
    /// A target is down: this many requests in a row were lost.
    Down {
        /// Which.
        target: usize,
        /// When the first of them was sent, by the wall clock.
        since: Realtime,
        /// How many by now.
        lost: u64,
    },
    /// A target that was down has replied.
    Up {
        /// Which.
        target: usize,
        /// When the first request that was lost was sent, by the wall clock.
        since: Realtime,
        /// How many were lost in a row.
        lost: u64,
        /// From that request to the first that was answered.
        after: Duration,
    },
    /// The name of a target has another address now.
    Moved {
        /// Which target.
        target: usize,
        /// The address that is no longer asked.
        from: IpAddr,
    },
    /// A request never left.
    Unsent {
        /// Its intended destination.
        target: usize,
        /// Which of the requests to this target.
        sequence: u64,
        /// Why.
        why: Unsent,
    },
    /// The wall clock was set while the session ran; no time that was measured is off by it.
    ClockStep {
        /// By how many nanoseconds.
        by: i64,
    },
}

impl Event {
    /// The target that it is about; none of a step of the clock.
    pub fn target(&self) -> Option<usize> {
        match self {
            Event::Reply(Reply { target, .. })
            | Event::Refused(Refused { target, .. })
            | Event::Lost { target, .. }
            | Event::Unfinished { target, .. }
            | Event::Down { target, .. }
            | Event::Up { target, .. }
            | Event::Moved { target, .. }
            | Event::Unsent { target, .. } => Some(*target),
            Event::ClockStep { .. } => None,
        }
    }

    /// Which of the requests to the target.
    pub fn sequence(&self) -> Option<u64> {
        match self {
            Event::Reply(Reply { sequence, .. })
            | Event::Refused(Refused { sequence, .. })
            | Event::Lost { sequence, .. }
            | Event::Unfinished { sequence, .. }
            | Event::Unsent { sequence, .. } => Some(*sequence),
            Event::Down { .. }
            | Event::Up { .. }
            | Event::Moved { .. }
            | Event::ClockStep { .. } => None,
        }
    }

    /// The reply, if it is one.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Event::Reply(reply) => Some(reply),
            _ => None,
        }
    }

    /// The round-trip time, if it was measured.
    pub fn rtt(&self) -> Option<Duration> {
        match self {
            Event::Reply(reply) => reply.rtt,
            Event::Refused(refused) => refused.rtt,
            _ => None,
        }
    }
}

/// A packet that claims to answer a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reply {
    /// The address it claims to answer for.
    pub target: usize,
    /// Which of the requests to this target; for one that was never sent, what the packet says.
    pub sequence: u64,
    /// Who sent it.
    pub from: IpAddr,
    /// Bytes of the ICMP message.
    pub bytes: usize,
    /// The remaining hop count, if known.
    pub hop_limit: Option<u8>,
    /// From the request to it; `None` if the request was not timed.
    pub rtt: Option<Duration>,
    /// By which clocks.
    pub timing: Timing,
    /// The time that the request spent in this host.
    pub local: Local,
    /// When it came, by the wall clock.
    pub at: Realtime,
    /// What it is worth.
    pub verdict: Verdict,
    /// It counts as received: it is good, or the session is lenient.
    pub counts: bool,
}

/// What a reply is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the answer.
    Good,
    /// The answer again.
    Duplicate,
    /// The answer, too late.
    Late,
    /// The checksum of the message is wrong.
    BadChecksum,
    /// The payload is not the one that was sent: see [`Damage`], which is not [`Damage::Nonce`].
    Damaged(Damage),
    /// Its sender did not see the request: its nonce is not ours.
    Forged,
    /// It answers what was never sent.
    NeverSent,
    /// It comes from another address than the request went to.
    Elsewhere,
}

impl Verdict {
    /// In a word, for a program.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Good => "received",
            Verdict::Duplicate => "duplicate",
            Verdict::Late => "late",
            Verdict::Damaged(Damage::Shorter) => "truncated",
            Verdict::BadChecksum | Verdict::Damaged(_) => "corrupted",
            Verdict::Forged | Verdict::NeverSent => "forged",
            Verdict::Elsewhere => "elsewhere",
        }
    }
}

/// Which clock both ends of a round-trip time come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// The kernel timestamped the request when it came to the queue of its link.
    pub kernel_sent: bool,
    /// The kernel timestamped the reply when it came.
    pub kernel_received: bool,
}

/// How many times were measured by which clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Stamps of the kernel at both ends.
    pub kernel: u64,
    /// The kernel's timestamp of the reply, our own clock before sending.
    pub kernel_receive: u64,
    /// Our own clock at one end at least if the kernel has no timestamp of the reply.
    pub user: u64,
}

impl Timings {
    /// A time was measured.
    pub fn add(&mut self, timing: Timing) {
        match (timing.kernel_sent, timing.kernel_received) {
            (true, true) => self.kernel += 1,
            (false, true) => self.kernel_receive += 1,
            (_, false) => self.user += 1,
        }
    }
}

/// An ICMP error about a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refused {
    /// The destination of the request.
    pub target: usize,
    /// Which of the requests to this target.
    pub sequence: u64,
    /// The error.
    pub refusal: Refusal,
    /// Its second word: an MTU, a gateway, a pointer.
    pub detail: u32,
    /// From the request to it, if that was timed.
    pub rtt: Option<Duration>,
    /// When it came, by the wall clock.
    pub at: Realtime,
    /// The MPLS labels that the request had where it was refused.
    pub labels: Labels,
}
