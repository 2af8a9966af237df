//! What comes back from a few hosts: accepted and refused connections, and ICMP errors, each with who sent it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{LinkAddr, recvfrom};

use super::ring::Socket;
use crate::capfile::LinkType;
use crate::check::heard::{Heard, HeardKind};
use crate::filter::{Filter, Gate, Services, View};
use crate::packet::decode;
use crate::packet::record::{Network, Transport};
use crate::packet::tcp::flag;
use crate::sys::privilege::{self, Capability};

/// The headers up to the flags of TCP.
const HEADERS: u32 = 128;
/// No more packets are read.
const MOST: usize = 4096;

/// A packet socket that takes what comes back from some hosts.
#[derive(Debug)]
pub struct Answers(OwnedFd);

impl Answers {
    /// On all interfaces of the namespace that this thread is in; it takes `CAP_NET_RAW`.
    ///
    /// # Errors
    /// When there is no such socket.
    pub fn open(hosts: &[IpAddr]) -> io::Result<Answers> {
        let unusable = |error| io::Error::other(format!("{error}"));
        let filter = Filter::parse(&expression(hosts), &Services::default()).map_err(unusable)?;
        let program = filter.compile(LinkType::LINUX_SLL2).map_err(unusable)?;
        let gate = Gate {
            view: View::Cooked,
            snaplen: HEADERS,
            outgoing: Some(false),
            twice: None,
        };
        let socket = privilege::with(&[Capability::NetRaw], || Socket::open(true))?;
        let fd = socket.without_ring(&program.classic(gate).instructions, false)?;
        Ok(Answers(fd))
    }

    /// What has come since the last look.
    pub fn read(&self) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut bytes = [0; HEADERS as usize];
        while heard.len() < MOST {
            let (length, sender) = match recvfrom::<LinkAddr>(self.0.as_raw_fd(), &mut bytes) {
                Ok(received) => received,
                Err(nix::Error::EINTR | nix::Error::ENETDOWN) => continue,
                Err(_) => break,
            };
            let wire = u32::try_from(length).unwrap_or(HEADERS);
            let decoded = decode(LinkType::RAW, &bytes[..length], wire);
            let Network::Ip(ip) = &decoded.outer.network else {
                continue;
            };
            let (kind, ports) = match &decoded.outer.transport {
                Transport::Tcp(tcp) => (
                    if tcp.flags & flag::RST != 0 {
                        HeardKind::Resets
                    } else {
                        HeardKind::Accepts
                    },
                    (tcp.source, tcp.destination),
                ),
                Transport::Icmp(_) => (HeardKind::Icmp, (0, 0)),
                _ => continue,
            };
            heard.push(Heard {
                kind,
                from: SocketAddr::new(ip.source, ports.0),
                to_port: ports.1,
                hops_left: ip.hop_limit,
                hardware: sender.and_then(|it| it.addr()).filter(|it| *it != [0; 6]),
            });
        }
        heard
    }
}

/// SYN-ACKs and resets of these hosts, and ICMP errors of all.
fn expression(hosts: &[IpAddr]) -> String {
    let of = |is_v4: bool| {
        let hosts = hosts.iter().filter(|it| it.is_ipv4() == is_v4);
        let hosts: Vec<String> = hosts.map(|it| format!("src host {it}")).collect();
        hosts.join(" or ")
    };
    let mut parts = vec![
        "icmp[icmptype] = 3 or icmp[icmptype] = 11".to_owned(),
        "(ip6[6] = 58 and ip6[40] < 5)".to_owned(),
    ];
    let (v4, v6) = (of(true), of(false));
    if !v4.is_empty() {
        parts.push(format!(
            "(tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 and ({v4}))"
        ));
    }
    if !v6.is_empty() {
        parts.push(format!("(ip6[6] = 6 and ip6[53] & 6 != 0 and ({v6}))"));
    }
    parts.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_for_the_most_addresses_that_are_checked_can_be_attached() {
        let hosts: Vec<IpAddr> = (0..8)
            .flat_map(|at: u8| {
                [
                    [10, 9, 9, at].into(),
                    [0xfd00, 0, 0, 0, 0, 0, 0, at.into()].into(),
                ]
            })
            .collect();
        let filter = Filter::parse(&expression(&hosts), &Services::default()).unwrap();
        let program = filter.compile(LinkType::LINUX_SLL2).unwrap();
        let gate = Gate {
            view: View::Cooked,
            snaplen: HEADERS,
            outgoing: Some(false),
            twice: None,
        };
        let length = program.classic(gate).instructions.len();
        // BPF_MAXINSNS.
        assert!((1..4096).contains(&length), "{length}");
    }
}
