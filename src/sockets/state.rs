//! Protocols, families and states, with the names that people and programs use.

use serde::{Deserialize, Serialize};

/// A protocol, as users call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proto {
    /// TCP.
    Tcp,
    /// Multipath TCP.
    Mptcp,
    /// SCTP.
    Sctp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    Udplite,
    /// ICMP datagram sockets, as an unprivileged ping uses them.
    Ping,
    /// Raw IP.
    Raw,
    /// A Unix domain stream.
    UnixStr,
    /// Unix-domain datagrams.
    UnixDgr,
    /// Unix-domain sequenced packets.
    UnixSeq,
    /// Packet sockets: whole frames.
    Packet,
    /// Netlink.
    Netlink,
    /// Virtual machine sockets.
    Vsock,
}

impl Proto {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Proto; 13] = [
        Proto::Tcp,
        Proto::Mptcp,
        Proto::Sctp,
        Proto::Udp,
        Proto::Udplite,
        Proto::Ping,
        Proto::Raw,
        Proto::UnixStr,
        Proto::UnixDgr,
        Proto::UnixSeq,
        Proto::Packet,
        Proto::Netlink,
        Proto::Vsock,
    ];

    /// The word of the PROTO column and of `--proto`.
    pub fn name(self) -> &'static str {
        match self {
            Proto::Tcp => "tcp",
            Proto::Mptcp => "mptcp",
            Proto::Sctp => "sctp",
            Proto::Udp => "udp",
            Proto::Udplite => "udplite",
            Proto::Ping => "ping",
            Proto::Raw => "raw",
            Proto::UnixStr => "u_str",
            Proto::UnixDgr => "u_dgr",
            Proto::UnixSeq => "u_seq",
            Proto::Packet => "packet",
            Proto::Netlink => "netlink",
            Proto::Vsock => "vsock",
        }
    }

    /// Whether it runs over IPv4 or IPv6.
    pub fn is_internet(self) -> bool {
        self <= Proto::Raw
    }

    /// Whether it is a Unix domain one.
    pub fn is_unix(self) -> bool {
        matches!(self, Proto::UnixStr | Proto::UnixDgr | Proto::UnixSeq)
    }

    /// Whether it has listeners and connections.
    pub fn is_connected(self) -> bool {
        matches!(
            self,
            Proto::Tcp
                | Proto::Mptcp
                | Proto::Sctp
                | Proto::UnixStr
                | Proto::UnixSeq
                | Proto::Vsock
        )
    }
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Unix-domain.
    Unix,
    /// Packet.
    Packet,
    /// Netlink.
    Netlink,
    /// Vsock.
    Vsock,
}

impl Family {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Family::Inet => "inet",
            Family::Inet6 => "inet6",
            Family::Unix => "unix",
            Family::Packet => "packet",
            Family::Netlink => "netlink",
            Family::Vsock => "vsock",
        }
    }
}

/// A state. The numbers are those of the kernel (`include/net/tcp_states.h`), which every family with
/// connections uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum State {
    /// 1.
    Established = 1,
    /// 2.
    SynSent = 2,
    /// 3.
    SynRecv = 3,
    /// 4.
    FinWait1 = 4,
    /// 5.
    FinWait2 = 5,
    /// 6.
    TimeWait = 6,
    /// 7: closed; of a datagram or raw socket, not connected.
    Unconnected = 7,
    /// 8.
    CloseWait = 8,
    /// 9.
    LastAck = 9,
    /// 10.
    Listen = 10,
    /// 11.
    Closing = 11,
    /// 12: a request that has no socket of its own yet.
    NewSynRecv = 12,
    /// 13: bound, neither listening nor connected.
    BoundInactive = 13,
}

impl State {
    /// All of them, by number.
    pub const ALL: [State; 13] = [
        State::Established,
        State::SynSent,
        State::SynRecv,
        State::FinWait1,
        State::FinWait2,
        State::TimeWait,
        State::Unconnected,
        State::CloseWait,
        State::LastAck,
        State::Listen,
        State::Closing,
        State::NewSynRecv,
        State::BoundInactive,
    ];

    /// The state of a kernel number.
    pub fn from_number(number: u8) -> Option<State> {
        State::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Its bit in a mask of states (`idiag_states`).
    pub fn bit(self) -> u32 {
        1 << (self as u32)
    }

    /// ss's word, for people: `ESTAB`, `CLOSE-WAIT`.
    pub fn ss_name(self) -> &'static str {
        match self {
            State::Established => "ESTAB",
            State::SynSent => "SYN-SENT",
            State::SynRecv | State::NewSynRecv => "SYN-RECV",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::TimeWait => "TIME-WAIT",
            State::Unconnected => "UNCONN",
            State::CloseWait => "CLOSE-WAIT",
            State::LastAck => "LAST-ACK",
            State::Listen => "LISTEN",
            State::Closing => "CLOSING",
            State::BoundInactive => "BOUND-INACTIVE",
        }
    }

    /// netstat's and lsof's word: `ESTABLISHED`, `CLOSE_WAIT`.
    pub fn netstat_name(self) -> &'static str {
        match self {
            State::Established => "ESTABLISHED",
            State::SynSent => "SYN_SENT",
            State::SynRecv | State::NewSynRecv => "SYN_RECV",
            State::FinWait1 => "FIN_WAIT1",
            State::FinWait2 => "FIN_WAIT2",
            State::TimeWait => "TIME_WAIT",
            State::Unconnected => "CLOSE",
            State::CloseWait => "CLOSE_WAIT",
            State::LastAck => "LAST_ACK",
            State::Listen => "LISTEN",
            State::Closing => "CLOSING",
            State::BoundInactive => "BOUND_INACTIVE",
        }
    }

    /// The word for programs: `established`, `close_wait`.
    pub fn key(self) -> &'static str {
        match self {
            State::Established => "established",
            State::SynSent => "syn_sent",
            State::SynRecv | State::NewSynRecv => "syn_recv",
            State::FinWait1 => "fin_wait_1",
            State::FinWait2 => "fin_wait_2",
            State::TimeWait => "time_wait",
            State::Unconnected => "unconnected",
            State::CloseWait => "close_wait",
            State::LastAck => "last_ack",
            State::Listen => "listen",
            State::Closing => "closing",
            State::BoundInactive => "bound_inactive",
        }
    }

    /// The state of a word, in any of the spellings above and ss's short ones, in any case.
    pub fn named(word: &str) -> Option<State> {
        let plain = |text: &str| -> String {
            text.chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_ascii_lowercase()
        };
        let wanted = plain(word);
        let known = State::ALL.into_iter().find(|state| {
            [state.ss_name(), state.netstat_name(), state.key()]
                .iter()
                .any(|name| plain(name) == wanted)
        });
        known.or(match wanted.as_str() {
            "listening" => Some(State::Listen),
            "connected" => Some(State::Established),
            "bound" => Some(State::BoundInactive),
            "closed" => Some(State::Unconnected),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_by_its_number_and_its_words() {
        for (number, state) in (1..).zip(State::ALL) {
            assert_eq!(State::from_number(number), Some(state));
            assert_eq!(state as u8, number);
            if state != State::NewSynRecv {
                assert_eq!(State::named(state.ss_name()), Some(state));
                assert_eq!(State::named(state.netstat_name()), Some(state));
                assert_eq!(State::named(state.key()), Some(state));
            }
        }
        assert_eq!(State::from_number(0), None);
        assert_eq!(State::from_number(14), None);
        assert_eq!(State::named("nonsense"), None);
    }
}
