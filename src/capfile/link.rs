//! The numbers of link types (<https://www.tcpdump.org/linktypes.html>).

use std::fmt;

/// How the bytes of a frame begin: the number that capture files have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: an address family in the byte order of the machine that captured.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet (IEEE 802.3).
    pub const ETHERNET: LinkType = LinkType(1);
    /// PPP as it goes through PPP over Ethernet or a serial line (RFC 1661, RFC 1662).
    pub const PPP: LinkType = LinkType(9);
    /// IPv4 or IPv6 without anything in front.
    pub const RAW: LinkType = LinkType(101);
    /// `OpenBSD` loopback: an address family, the most significant byte first.
    pub const LOOP: LinkType = LinkType(108);
    /// Linux "cooked" capture (`any`).
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// IPv4 without anything in front.
    pub const IPV4: LinkType = LinkType(228);
    /// IPv6 without anything in front.
    pub const IPV6: LinkType = LinkType(229);
    /// Linux "cooked" capture, version 2.
    pub const LINUX_SLL2: LinkType = LinkType(276);

    /// The link type of a number in a pcap file. The raw IP of Linux (12) and of `OpenBSD` (14), which
    /// libpcap never writes but other programs did, is taken for [`RAW`](Self::RAW), as libpcap does.
    pub(super) fn of_file(number: u16) -> LinkType {
        match number {
            12 | 14 => LinkType::RAW,
            number => LinkType(number),
        }
    }

    /// Its name without the `LINKTYPE_` in front, for those that are read here.
    pub fn name(self) -> Option<&'static str> {
        match self {
            LinkType::NULL => Some("NULL"),
            LinkType::ETHERNET => Some("EN10MB"),
            LinkType::PPP => Some("PPP"),
            LinkType::RAW => Some("RAW"),
            LinkType::LOOP => Some("LOOP"),
            LinkType::LINUX_SLL => Some("LINUX_SLL"),
            LinkType::IPV4 => Some("IPV4"),
            LinkType::IPV6 => Some("IPV6"),
            LinkType::LINUX_SLL2 => Some("LINUX_SLL2"),
            _ => None,
        }
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "link type {}", self.0),
        }
    }
}
