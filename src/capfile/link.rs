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
    /// PPP in HDLC framing, or Cisco HDLC (RFC 1662, RFC 1547).
    pub const PPP_SERIAL: LinkType = LinkType(50);
    /// PPP over Ethernet without the Ethernet header.
    pub const PPP_ETHER: LinkType = LinkType(51);
    /// Cisco HDLC.
    pub const C_HDLC: LinkType = LinkType(104);
    /// IEEE 802.11.
    pub const IEEE802_11: LinkType = LinkType(105);
    /// IEEE 802.11 with a radiotap header.
    pub const IEEE802_11_RADIOTAP: LinkType = LinkType(127);
    /// PPP with the direction in front.
    pub const PPP_PPPD: LinkType = LinkType(166);
    /// The same.
    pub const PPP_WITH_DIR: LinkType = LinkType(204);
    /// What the packet filter of Linux logs.
    pub const NFLOG: LinkType = LinkType(239);
    /// Frame Relay.
    pub const FRAME_RELAY: LinkType = LinkType(107);
    /// IP as Solaris gives it to those who observe it.
    pub const IPNET: LinkType = LinkType(226);
    /// IP over `InfiniBand`, with its routing header.
    pub const IP_OVER_INFINIBAND: LinkType = LinkType(242);
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
            LinkType::PPP_SERIAL => Some("PPP_SERIAL"),
            LinkType::PPP_ETHER => Some("PPP_ETHER"),
            LinkType::C_HDLC => Some("C_HDLC"),
            LinkType::IEEE802_11 => Some("IEEE802_11"),
            LinkType::IEEE802_11_RADIOTAP => Some("IEEE802_11_RADIO"),
            LinkType::PPP_PPPD => Some("PPP_PPPD"),
            LinkType::PPP_WITH_DIR => Some("PPP_WITH_DIR"),
            LinkType::NFLOG => Some("NFLOG"),
            LinkType::FRAME_RELAY => Some("FRELAY"),
            LinkType::IPNET => Some("IPNET"),
            LinkType::IP_OVER_INFINIBAND => Some("IPOIB"),
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
