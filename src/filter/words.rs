//! The tables of words.

use super::syntax::Protocol;

/// Words that have a meaning of their own here. A value that is spelled like one is written with a
/// backslash in front: `ip proto \tcp`.
pub(super) const KEYWORDS: &[&str] = &[
    "dst",
    "src",
    "host",
    "net",
    "mask",
    "port",
    "portrange",
    "proto",
    "less",
    "greater",
    "len",
    "length",
    "broadcast",
    "multicast",
    "inbound",
    "outbound",
    "ifindex",
    "vlan",
    "and",
    "or",
    "not",
    "stream",
    "host-name",
    "sni",
    "app",
    "expert",
    "pppoed",
    "pppoes",
    "mpls",
    "vxlan",
    "geneve",
    "gtp",
    "erspan",
];

/// Headers that something is packed in: as a filter writes them, and as they are told with a frame.
pub(super) const PACKED: &[(&str, &str)] = &[
    ("pppoes", "pppoe"),
    ("mpls", "mpls"),
    ("vxlan", "vxlan"),
    ("geneve", "geneve"),
    ("gtp", "gtp"),
    ("erspan", "erspan"),
];

/// Words that mean something to tcpdump, and nothing here.
pub(super) const UNSUPPORTED: &[&str] = &[
    "slip",
    "fddi",
    "tr",
    "wlan",
    "radio",
    "atalk",
    "aarp",
    "decnet",
    "lat",
    "sca",
    "moprc",
    "mopdl",
    "iso",
    "esis",
    "es-is",
    "isis",
    "is-is",
    "l1",
    "l2",
    "iih",
    "lsp",
    "snp",
    "csnp",
    "psnp",
    "clnp",
    "stp",
    "ipx",
    "netbeui",
    "protochain",
    "gateway",
    "type",
    "subtype",
    "direction",
    "dir",
    "address1",
    "addr1",
    "address2",
    "addr2",
    "address3",
    "addr3",
    "address4",
    "addr4",
    "ra",
    "ta",
    "byte",
    "lane",
    "llc",
    "metac",
    "bcc",
    "oam",
    "oamf4",
    "oamf4ec",
    "oamf4sc",
    "sc",
    "ilmic",
    "vpi",
    "vci",
    "connectmsg",
    "metaconnect",
    "on",
    "ifname",
    "rset",
    "ruleset",
    "rnr",
    "rulenum",
    "srnr",
    "subrulenum",
    "reason",
    "action",
    "fisu",
    "lssu",
    "lsu",
    "msu",
    "hfisu",
    "hlssu",
    "hmsu",
    "sio",
    "opc",
    "dpc",
    "sls",
    "hsio",
    "hopc",
    "hdpc",
    "hsls",
];

/// The protocol of a word.
pub(super) fn protocol(word: &str) -> Option<Protocol> {
    Some(match word {
        // All of them mean whatever the link is.
        "ether" | "link" | "ppp" => Protocol::Link,
        "ip" => Protocol::Ip,
        "ip6" => Protocol::Ip6,
        "arp" => Protocol::Arp,
        "rarp" => Protocol::Rarp,
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "icmp" => Protocol::Icmp,
        "icmp6" => Protocol::Icmp6,
        "igmp" => Protocol::Igmp,
        "igrp" => Protocol::Igrp,
        "pim" => Protocol::Pim,
        "vrrp" => Protocol::Vrrp,
        "carp" => Protocol::Carp,
        "ah" => Protocol::Ah,
        "esp" => Protocol::Esp,
        _ => return None,
    })
}

/// The number that a name stands for inside of an expression: offsets, types, flags.
pub(super) fn number(word: &str) -> Option<u32> {
    NUMBERS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, number)| *number)
}

#[rustfmt::skip]
const NUMBERS: &[(&str, u32)] = &[
    ("icmptype", 0), ("icmpcode", 1),
    ("icmp-echoreply", 0), ("icmp-unreach", 3), ("icmp-sourcequench", 4), ("icmp-redirect", 5),
    ("icmp-echo", 8), ("icmp-routeradvert", 9), ("icmp-routersolicit", 10), ("icmp-timxceed", 11),
    ("icmp-paramprob", 12), ("icmp-tstamp", 13), ("icmp-tstampreply", 14), ("icmp-ireq", 15),
    ("icmp-ireqreply", 16), ("icmp-maskreq", 17), ("icmp-maskreply", 18),
    ("icmp6type", 0), ("icmp6code", 1),
    ("icmp6-destinationunreach", 1), ("icmp6-packettoobig", 2), ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4), ("icmp6-echo", 128), ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130), ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132), ("icmp6-routersolicit", 133), ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135), ("icmp6-neighboradvert", 136), ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138), ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140), ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142), ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144), ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146), ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148), ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151), ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01), ("tcp-syn", 0x02), ("tcp-rst", 0x04), ("tcp-push", 0x08), ("tcp-ack", 0x10),
    ("tcp-urg", 0x20), ("tcp-ece", 0x40), ("tcp-cwr", 0x80),
];

/// The number of a protocol over IP (<https://www.iana.org/assignments/protocol-numbers>), by the
/// names of `/etc/protocols`.
pub(super) fn ip_protocol(name: &str) -> Option<u32> {
    IP_PROTOCOLS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

#[rustfmt::skip]
const IP_PROTOCOLS: &[(&str, u32)] = &[
    ("ip", 0), ("icmp", 1), ("igmp", 2), ("ggp", 3), ("ipencap", 4), ("st", 5), ("tcp", 6), ("egp", 8),
    ("igp", 9), ("pup", 12), ("udp", 17), ("hmp", 20), ("rdp", 27), ("dccp", 33), ("xtp", 36),
    ("ddp", 37), ("ipv6", 41), ("ipv6-route", 43), ("ipv6-frag", 44), ("idrp", 45), ("rsvp", 46),
    ("gre", 47), ("esp", 50), ("ah", 51), ("skip", 57), ("ipv6-icmp", 58), ("ipv6-nonxt", 59),
    ("ipv6-opts", 60), ("rspf", 73), ("vmtp", 81), ("eigrp", 88), ("ospf", 89), ("ipip", 94),
    ("etherip", 97), ("encap", 98), ("pim", 103), ("ipcomp", 108), ("vrrp", 112), ("l2tp", 115),
    ("sctp", 132), ("fc", 133), ("mobility-header", 135), ("udplite", 136), ("mpls-in-ip", 137),
    ("hip", 139), ("shim6", 140),
];

/// The `EtherType` of a name.
pub(super) fn ether_protocol(name: &str) -> Option<u32> {
    Some(match name {
        "ip" => ETHER_IP,
        "arp" => ETHER_ARP,
        "rarp" => ETHER_RARP,
        "ip6" => ETHER_IP6,
        "loopback" => 0x9000,
        _ => return None,
    })
}

pub(super) const ETHER_IP: u32 = 0x0800;
pub(super) const ETHER_ARP: u32 = 0x0806;
pub(super) const ETHER_RARP: u32 = 0x8035;
pub(super) const ETHER_IP6: u32 = 0x86dd;
/// PPP over Ethernet, its discovery stage.
pub(super) const ETHER_PPPOED: u32 = 0x8863;

/// How a protocol is written.
pub(super) fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Link => "ether",
        Protocol::Ip => "ip",
        Protocol::Ip6 => "ip6",
        Protocol::Arp => "arp",
        Protocol::Rarp => "rarp",
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
        Protocol::Icmp => "icmp",
        Protocol::Icmp6 => "icmp6",
        Protocol::Igmp => "igmp",
        Protocol::Igrp => "igrp",
        Protocol::Pim => "pim",
        Protocol::Vrrp => "vrrp",
        Protocol::Carp => "carp",
        Protocol::Ah => "ah",
        Protocol::Esp => "esp",
    }
}
