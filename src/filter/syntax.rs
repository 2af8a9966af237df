//! The syntax tree.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// A filter, or a part of one.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// All of them, from left to right.
    And(Vec<Expr>),
    /// One of them, from left to right.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// One thing that is asked, and where in the text.
    Primitive(Primitive, Range<usize>),
}

/// One thing that is asked.
#[derive(Debug, Clone)]
pub(super) enum Primitive {
    /// `tcp`, `arp`: the frame is of this protocol.
    Protocol(Protocol),
    /// `ip proto 6`: the frame is IP of this version, or of any, with this protocol number.
    IpProtocol(Option<Protocol>, u32),
    /// `ether proto 0x800`.
    EtherProtocol(u32),
    /// `host`, `net` with an IPv4 address; a protocol is IP, ARP or RARP.
    Ipv4(Option<Protocol>, Direction, Ipv4Net),
    /// `host`, `net` with an IPv6 address.
    Ipv6(Direction, Ipv6Net),
    /// `ether host`.
    Ether(Direction, [u8; 6]),
    /// `port`, `portrange`.
    Port(Transports, Direction, Ports),
    /// `vlan`, `vlan 5`.
    Vlan(Option<u16>),
    /// `vxlan`, `mpls 100`: a header that something is packed in; what stands to its right is about that.
    Packed(&'static str, Option<u32>),
    /// `broadcast`; of IP, or of the link.
    Broadcast(Option<Protocol>),
    /// `multicast`; of IP, or of the link.
    Multicast(Option<Protocol>),
    /// `inbound`, or `outbound`.
    Outbound(bool),
    /// `ifindex 2`.
    Interface(u32),
    /// `len > 100`, `tcp[13] & 2 != 0`.
    Relation(Arithmetic, Relation, Arithmetic),
    /// `stream 5`.
    Stream(u32),
    /// `host-name example.com`, or `sni example.com`.
    Named { is_sni: bool, name: String },
    /// `app`.
    App,
    /// `expert`.
    Expert,
}

/// A protocol that has a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Link,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Ah,
    Esp,
}

/// Which end is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ipv4Net {
    pub(super) address: Ipv4Addr,
    pub(super) mask: Ipv4Addr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ipv6Net {
    pub(super) address: Ipv6Addr,
    /// How many bits of it count: 0 to 128.
    pub(super) prefix: u8,
}

/// The protocols with ports that are asked for, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transports {
    All,
    Only(u8),
}

/// Ports from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) first: u16,
    pub(super) last: u16,
}

/// A number that is computed from a frame, in 32 bits that wrap.
#[derive(Debug, Clone)]
pub(super) enum Arithmetic {
    Constant(u32),
    /// The length of the frame on the wire.
    Length,
    /// Bytes of a protocol: `tcp[2:2]`.
    Bytes {
        of: Protocol,
        index: Box<Arithmetic>,
        size: Size,
    },
    Negative(Box<Arithmetic>),
    Binary(Box<Arithmetic>, Operator, Box<Arithmetic>),
}

/// How many bytes are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    One,
    Two,
    Four,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

/// How two numbers, without a sign, are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Expr {
    pub(super) fn and(self, other: Expr) -> Expr {
        match self {
            Expr::And(mut parts) => {
                parts.push(other);
                Expr::And(parts)
            }
            single => Expr::And(vec![single, other]),
        }
    }

    pub(super) fn or(self, other: Expr) -> Expr {
        match self {
            Expr::Or(mut parts) => {
                parts.push(other);
                Expr::Or(parts)
            }
            single => Expr::Or(vec![single, other]),
        }
    }

    pub(super) fn needs_analysis(&self) -> bool {
        self.any(&|primitive| {
            matches!(
                primitive,
                Primitive::Stream(_)
                    | Primitive::Named { .. }
                    | Primitive::App
                    | Primitive::Expert
                    | Primitive::Packed(..)
            )
        })
    }

    /// Whether bytes of the link layer are asked for.
    pub(super) fn reads_link(&self) -> bool {
        self.any(&|primitive| match primitive {
            Primitive::Relation(left, _, right) => left.reads_link() || right.reads_link(),
            Primitive::EtherProtocol(_) => true,
            _ => false,
        })
    }

    /// Whether anything that is asked is of a kind.
    pub(super) fn any(&self, is: &impl Fn(&Primitive) -> bool) -> bool {
        match self {
            Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| part.any(is)),
            Expr::Not(part) => part.any(is),
            Expr::Primitive(primitive, _) => is(primitive),
        }
    }
}

impl Arithmetic {
    fn reads_link(&self) -> bool {
        match self {
            Arithmetic::Constant(_) | Arithmetic::Length => false,
            Arithmetic::Bytes { of, index, .. } => *of == Protocol::Link || index.reads_link(),
            Arithmetic::Negative(number) => number.reads_link(),
            Arithmetic::Binary(left, _, right) => left.reads_link() || right.reads_link(),
        }
    }
}

impl Protocol {
    /// The protocol number in the header of IP, for those that have one.
    pub(super) fn ip_number(self) -> Option<u8> {
        match self {
            Protocol::Icmp => Some(1),
            Protocol::Igmp => Some(2),
            Protocol::Tcp => Some(6),
            Protocol::Igrp => Some(9),
            Protocol::Udp => Some(17),
            Protocol::Esp => Some(50),
            Protocol::Ah => Some(51),
            Protocol::Icmp6 => Some(58),
            Protocol::Pim => Some(103),
            Protocol::Vrrp | Protocol::Carp => Some(112),
            Protocol::Sctp => Some(132),
            Protocol::Link | Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => None,
        }
    }
}
