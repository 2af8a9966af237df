//! The rules, one file each.
//!
//! A rule fires on one sample, so it needs a figure that carries its own age or its own limit: a
//! healthy host shows nothing. What it needs and does not know keeps it silent. Never a finding by
//! themselves: `TIME_WAIT`, a Send-Q above 0, one retransmission.
//!
//! To add one: a file here (the proof and its look-alikes in its first comment, the check, a test
//! that fires and one that stays silent) and a line in [`ALL`].

mod accept_queue_full;
mod bound_never_listened;
mod close_never_called;
mod connecting_no_answer;
mod not_accepted;
mod not_reading;
mod peer_silent;
pub(super) mod peer_window_closed;
pub(super) mod udp_receive_buffer_full;

use super::{Evidence, Fact, Finding};
use crate::sockets::{Address, Socket};

pub(super) use close_never_called::FIN_RECEIVED;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// The id of its finding.
    pub id: &'static str,
    /// Looks at one sample.
    pub check: fn(&Evidence<'_>) -> Option<Finding>,
}

/// All rules.
pub const ALL: &[Rule] = &[
    accept_queue_full::RULE,
    bound_never_listened::RULE,
    close_never_called::RULE,
    connecting_no_answer::RULE,
    not_accepted::RULE,
    not_reading::RULE,
    peer_silent::RULE,
    peer_window_closed::RULE,
    udp_receive_buffer_full::RULE,
];

/// A figure of the socket itself, as `sock_diag(7)` gives it.
pub(super) fn diag(field: &'static str, value: &impl ToString) -> Fact {
    Fact {
        source: "sock_diag",
        field,
        value: value.to_string(),
    }
}

/// A figure of its `tcp_info`.
pub(super) fn tcp_info(field: &'static str, value: &impl ToString) -> Fact {
    Fact {
        source: "tcp_info",
        field,
        value: value.to_string(),
    }
}

/// A figure of its memory (`SK_MEMINFO`).
pub(super) fn meminfo(field: &'static str, value: &impl ToString) -> Fact {
    Fact {
        source: "skmeminfo",
        field,
        value: value.to_string(),
    }
}

/// How to ask whether the peer's host answers, and which way packets go there.
fn ask_for_the_host(socket: &Socket) -> String {
    let Some(ip) = socket.peer.ip() else {
        return "Does the host of the peer answer: ping".to_owned();
    };
    let zone = match socket.peer {
        Address::Ip {
            scope: scope @ 1.., ..
        } => format!("%{scope}"),
        _ => String::new(),
    };
    format!("Does the host answer: ping {ip}{zone}. Which way packets go: ip route get {ip}")
}

/// What the tests of the rules start from.
#[cfg(test)]
pub(super) mod sample {
    use crate::diagnose::{Evidence, Finding, TcpEvidence};
    use crate::sockets::{Address, Family, Proto, Socket, State, Timer, TimerKind};

    /// A healthy TCP socket of a program.
    pub(in crate::diagnose) fn socket(state: State, recv_q: u32, send_q: u32) -> Socket {
        let end = |port| Address::Ip {
            addr: [127, 0, 0, 1].into(),
            port,
            scope: 0,
        };
        Socket {
            local: end(80),
            peer: end(40_000),
            recv_q,
            send_q,
            inode: 7,
            cookie: Some(1),
            uid: Some(0),
            ..Socket::blank(Proto::Tcp, Family::Inet, state)
        }
    }

    pub(in crate::diagnose) fn timer(kind: TimerKind, retransmits: u8) -> Timer {
        Timer {
            kind,
            expires_ms: 800,
            retransmits,
        }
    }

    /// What this rule, and no other, says; `None` if no rule says anything.
    pub(in crate::diagnose) fn found(socket: &Socket, tcp: TcpEvidence) -> Option<Finding> {
        found_by(&Evidence {
            socket,
            tcp,
            memory: None,
        })
    }

    pub(in crate::diagnose) fn found_by(evidence: &Evidence<'_>) -> Option<Finding> {
        let mut findings = crate::diagnose::diagnose(evidence);
        assert!(findings.len() < 2, "{findings:?}");
        findings.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::TcpEvidence;
    use crate::sockets::State;

    #[test]
    fn each_rule_has_an_id_of_its_own_in_order() {
        assert!(ALL.is_sorted_by(|a, b| a.id < b.id));
    }

    #[test]
    fn a_socket_of_which_little_is_known_has_no_finding() {
        for state in State::ALL {
            if state == State::BoundInactive {
                continue;
            }
            let mut socket = sample::socket(state, 0, 1_000);
            assert_eq!(sample::found(&socket, TcpEvidence::default()), None);
            socket.inode = 0;
            socket.recv_q = 1;
            assert_eq!(sample::found(&socket, TcpEvidence::default()), None);
        }
    }

    #[test]
    fn an_idle_connection_an_old_time_wait_and_one_retransmission_are_healthy() {
        let old = TcpEvidence {
            last_data_recv_ms: Some(86_400_000),
            last_ack_recv_ms: Some(86_400_000),
            last_data_sent_ms: Some(86_400_000),
            rcv_wnd: Some(65_535),
            snd_wnd: Some(65_535),
            retransmits: Some(0),
            backoff: Some(0),
            total_retransmits: Some(100),
            still_ms: None,
        };
        let idle = sample::socket(State::Established, 0, 0);
        assert_eq!(sample::found(&idle, old), None);
        let mut over = sample::socket(State::TimeWait, 0, 0);
        over.inode = 0;
        assert_eq!(sample::found(&over, old), None);
        let mut sending = sample::socket(State::Established, 0, 70_000);
        sending.timer = Some(sample::timer(crate::sockets::TimerKind::Retransmit, 1));
        let once = TcpEvidence {
            retransmits: Some(1),
            backoff: Some(1),
            ..old
        };
        assert_eq!(sample::found(&sending, once), None);
    }
}
