//! Packets that the kernel dropped: where and why, which of them are everyday, and how many of each kind there are.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | a packet that was dropped |
//! | [`comment`] | dropped packets in a pcapng file |
//! | [`everyday`] | drops that happen on a healthy host |
//! | [`hook`] | the hook of the packet filter at which a packet was dropped |
//! | [`tally`] | drops by reason, place, port and process |

pub mod comment;
pub mod everyday;
pub mod hook;
pub mod tally;

use std::sync::Arc;

use crate::bpf::record::Record;
use crate::capfile::{LinkType, Timestamp};
use crate::host::traced::Process;
use crate::packet::ip::protocol;
use crate::packet::record::{Network, Transport};
use crate::packet::{Decoded, decode};
use hook::Hook;

/// A packet that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// When.
    pub time: Timestamp,
    /// Why: the name in `enum skb_drop_reason`, or a number.
    pub reason: Arc<str>,
    /// The kernel's function that dropped it, if its name could be read.
    pub function: Option<Arc<str>>,
    /// The hook of the packet filter, if that dropped it.
    pub hook: Option<Hook>,
    /// The inode of the network namespace; 0: unknown.
    pub netns: u32,
    /// The interface by which it came, or by which it was to leave, if that is known.
    pub interface: Option<Arc<str>>,
    /// The process that holds the socket that it is from or for, if there is one.
    pub process: Option<Process>,
    /// Its bytes with the link header of `LINUX_SLL2`.
    pub frame: Vec<u8>,
    /// How long it was with that header.
    pub original_len: u32,
    /// How long it was with the link header that it had.
    pub length: u32,
}

/// Bytes of the header of `LINUX_SLL2` (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).
const COOKED: u32 = 20;
/// `PACKET_OUTGOING`
const OUTGOING: u8 = 4;
/// `ARPHRD_VOID`: nothing is known of the link layer.
const NO_HARDWARE: u16 = 0xffff;

/// How the frames of drops are read.
pub const LINK: LinkType = LinkType::LINUX_SLL2;

/// The frame that a record is about, and how long it was.
pub fn frame_of(record: &Record) -> (Vec<u8>, u32) {
    let is_sent = record.received_on == 0;
    let interface = if is_sent {
        record.device
    } else {
        record.received_on
    };
    let mut frame = Vec::with_capacity(COOKED as usize + record.packet.len());
    frame.extend(record.protocol.to_be_bytes());
    frame.extend([0; 2]);
    frame.extend(interface.to_be_bytes());
    frame.extend(NO_HARDWARE.to_be_bytes());
    frame.push(if is_sent { OUTGOING } else { 0 });
    frame.push(0);
    frame.extend([0; 8]);
    frame.extend(&record.packet);
    (frame, record.length.saturating_add(COOKED))
}

impl Dropped {
    /// Its layers.
    pub fn decoded(&self) -> Decoded {
        decode(LINK, &self.frame, self.original_len)
    }

    /// Its protocol and the port that it is for, as words: `tcp 80`; empty: not IP, nor ARP.
    pub fn destination(&self) -> String {
        let decoded = self.decoded();
        let layers = decoded.innermost();
        match (&layers.network, &layers.transport) {
            (_, Transport::Tcp(tcp)) => format!("tcp {}", tcp.destination),
            (_, Transport::Udp(udp)) => format!("udp {}", udp.destination),
            (Network::Ip(ip), _) => match ip.protocol {
                protocol::ICMP => "icmp".to_owned(),
                protocol::ICMPV6 => "icmp6".to_owned(),
                number => format!("ip {number}"),
            },
            (Network::Arp(_), _) => "arp".to_owned(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A SYN from 10.0.0.1:40000 to this port of 10.0.0.2.
    pub(crate) fn syn(reason: &str, port: u16) -> Dropped {
        let mut frame = vec![8, 0, 0, 0, 0, 0, 0, 2, 255, 255, 0, 0];
        frame.extend([0; 8]);
        frame.extend([
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        frame.extend([0x9c, 0x40]);
        frame.extend(port.to_be_bytes());
        frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 250, 240, 0, 0, 0, 0]);
        Dropped {
            time: Timestamp {
                seconds: 1_700_000_000,
                nanoseconds: 0,
            },
            reason: reason.into(),
            function: Some("nft_do_chain".into()),
            hook: Some(Hook::Input),
            netns: 7,
            interface: Some("eth0".into()),
            process: None,
            original_len: u32::try_from(frame.len()).unwrap_or(0),
            frame,
            length: 54,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_told_by_its_protocol_and_port() {
        assert_eq!(testing::syn("NO_SOCKET", 80).destination(), "tcp 80");
        let mut other = testing::syn("NO_SOCKET", 80);
        other.frame[20 + 9] = 1;
        assert_eq!(other.destination(), "icmp");
        other.frame[20 + 9] = 132;
        assert_eq!(other.destination(), "ip 132");
        other.frame.truncate(3);
        assert_eq!(other.destination(), "");
    }
}
