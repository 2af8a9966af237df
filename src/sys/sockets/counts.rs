//! How many sockets there are by the kernel's own counts.

use std::collections::HashMap;
use std::fs;

use crate::sockets::Proto;

/// Sockets by the names of /proc/net/protocols.
#[derive(Debug)]
pub(super) struct Counts(HashMap<String, u64>);

impl Counts {
    /// Those of the namespace that this thread is in.
    pub(super) fn read() -> Counts {
        Counts::parse(&fs::read_to_string("/proc/thread-self/net/protocols").unwrap_or_default())
    }

    /// A heading, then: name, size, sockets ...
    pub(super) fn parse(text: &str) -> Counts {
        let counts = text.lines().skip(1).filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let name = words.next()?.to_owned();
            // A protocol that does not count its sockets has -1; that many may be there.
            let sockets = words.nth(1)?.parse::<i64>().ok()?;
            Some((name, u64::try_from(sockets).unwrap_or(1)))
        });
        Counts(counts.collect())
    }

    /// How many sockets of a protocol there are; `None` if the kernel does not tell, 0 if it does not
    /// know the protocol.
    pub(super) fn of(&self, proto: Proto) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        let names: &[&str] = match proto {
            Proto::Tcp => &["TCP", "TCPv6"],
            Proto::Mptcp => &["MPTCP", "MPTCPv6"],
            Proto::Sctp => &["SCTP", "SCTPv6"],
            Proto::Udp => &["UDP", "UDPv6"],
            Proto::Udplite => &["UDP-Lite", "UDPLITEv6"],
            Proto::Ping => &["PING", "PINGv6"],
            Proto::Raw => &["RAW", "RAWv6"],
            Proto::UnixStr | Proto::UnixDgr | Proto::UnixSeq => &["UNIX", "UNIX-STREAM"],
            Proto::Packet => &["PACKET"],
            Proto::Netlink => &["NETLINK"],
            // That family has a row, but never counts.
            Proto::Vsock if self.0.contains_key("AF_VSOCK") => return None,
            Proto::Vsock => return Some(0),
        };
        Some(names.iter().filter_map(|name| self.0.get(*name)).sum())
    }

    /// How many `AF_XDP` sockets there are.
    pub(super) fn xdp(&self) -> u64 {
        self.0.get("XDP").copied().unwrap_or(0)
    }
}

/// The kernel's own count of sockets in `TIME_WAIT` (`tw` of /proc/net/sockstat): asking for each of
/// them would cost more than the rest of the dump.
pub(super) fn time_wait_count() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/sockstat").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            let mut words = line.strip_prefix("TCP:")?.split_ascii_whitespace();
            words.find(|word| *word == "tw")?;
            words.next()?.parse().ok()
        })
        .unwrap_or(0)
}
