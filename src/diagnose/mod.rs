//! Evidence in, findings out: what is wrong, how one knows, and what to do next.
//!
//! Each rule is a file in [`rules`] and a line in its list. A rule sees [`Evidence`] and nothing
//! else, so the lister, the buffer demonstration and a diagnosis of the whole host use the same ones.
//!
//! A lister then calls [`refine::refine`] once with all sockets, and [`next::next`] for the text of
//! each next step. Whoever watched a sender for a while asks [`blocked::why`] it has no room.

pub mod blocked;
pub mod next;
pub mod refine;
pub mod rules;
pub mod words;

use crate::sockdiag::SkMemInfo;
use crate::sockets::{Socket, State};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Somebody waits, or will.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable, for programs: `accept_queue_full`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// For the WHY column: a few words with the figures that prove it.
    pub text: String,
    /// The figures themselves.
    pub evidence: Vec<Fact>,
    /// What it means, for somebody who sees it for the first time.
    pub explanation: &'static str,
    /// The look-alike that it is not, and how one knows.
    pub ruled_out: &'static str,
    /// The next thing to do; the name of a command that works as typed, but for PID, which
    /// [`next::next`] replaces.
    pub next: String,
}

/// A figure that proves something: where it was read, its name there, its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// `sock_diag`, `tcp_info`, `skmeminfo`, `/proc/net/snmp` ...
    pub source: &'static str,
    /// `tcpi_last_data_recv`.
    pub field: &'static str,
    /// With its unit.
    pub value: String,
}

/// What one sample of one socket says. Only figures that carry their own age or limit: a rule over
/// them needs no second sample. Unknown is `None`, and a rule that needs it stays silent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TcpEvidence {
    /// Milliseconds since data was last received (`tcpi_last_data_recv`).
    pub last_data_recv_ms: Option<u32>,
    /// Milliseconds since an ACK was last received (`tcpi_last_ack_recv`).
    pub last_ack_recv_ms: Option<u32>,
    /// Milliseconds since data was last sent (`tcpi_last_data_sent`).
    pub last_data_sent_ms: Option<u32>,
    /// The window that we announce (`tcpi_rcv_wnd`), in bytes.
    pub rcv_wnd: Option<u32>,
    /// The window that the peer announces (`tcpi_snd_wnd`), in bytes.
    pub snd_wnd: Option<u32>,
    /// Unanswered retransmissions in a row (`tcpi_retransmits`).
    pub retransmits: Option<u8>,
    /// Doublings of the retransmission timeout (`tcpi_backoff`).
    pub backoff: Option<u8>,
    /// Segments retransmitted since the connection began (`tcpi_total_retrans`).
    pub total_retransmits: Option<u32>,
    /// For how long somebody who watches the connection has seen nothing move, in milliseconds. Unknown
    /// to a lister, which looks once.
    pub still_ms: Option<u32>,
}

/// One sample of one socket.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The socket; its `findings` are not looked at.
    pub socket: &'a Socket,
    /// What its `tcp_info` says; all unknown for other protocols.
    pub tcp: TcpEvidence,
    /// Its memory; the kernel tells it when it is asked to (`SK_MEMINFO`).
    pub memory: Option<SkMemInfo>,
}

impl Evidence<'_> {
    /// The socket's state.
    pub fn state(&self) -> State {
        self.socket.state
    }

    /// How often the oldest unacknowledged segment was sent again, by `tcp_info` or by the timer.
    pub fn retransmits(&self) -> Option<u8> {
        let timer = self.socket.timer.map(|timer| timer.retransmits);
        self.tcp.retransmits.max(timer)
    }
}

/// All findings of a sample, the worst first.
pub fn diagnose(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules::ALL
        .iter()
        .filter_map(|rule| (rule.check)(evidence))
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
