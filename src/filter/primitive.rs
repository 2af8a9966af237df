//! What a value means under its qualifiers.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::error::Wrong;
use super::parse::Parser;
use super::services::Service;
use super::syntax::{Direction, Expr, Ipv4Net, Ipv6Net, Ports, Primitive, Protocol, Transports};
use super::token::{self, Token};
use super::words;

/// What stands in front of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Qualifiers {
    pub(super) protocol: Option<Protocol>,
    pub(super) direction: Direction,
    pub(super) kind: Kind,
}

/// What kind of thing a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::Net => "net",
            Kind::Port => "port",
            Kind::PortRange => "portrange",
            Kind::Proto => "proto",
        }
    }
}

/// Reads one value.
pub(super) fn value(parser: &mut Parser<'_>, q: Qualifiers) -> Result<Expr, Wrong> {
    let start = parser.here();
    let Some((token, at)) = parser.next() else {
        return parser.wrong(format!("expected a value after '{}'", q.kind.word()));
    };
    let primitive = match token {
        Token::Number(number) => numbered(number, q, &at)?,
        Token::Dotted(text) => dotted(parser, &text, q, &at)?,
        Token::Ipv6(address) => ipv6(parser, address, q, &at)?,
        Token::Mac(address) => ether(address, q, &at)?,
        Token::Name(name) => named(parser, &name, q, &at)?,
        Token::Word(word) => {
            let what = format!("expected a value for '{}' here", q.kind.word());
            let hint = if q.kind == Kind::Proto {
                format!("; write \\{word} for the protocol name")
            } else {
                String::new()
            };
            return Err(Wrong::new(&at, what + &hint));
        }
        Token::Sign(_) => {
            let what = format!("expected a value for '{}' here", q.kind.word());
            return Err(Wrong::new(&at, what));
        }
    };
    // Up to the end of the mask, if there was one.
    let span = start.start..parser.last_end();
    Ok(Expr::Primitive(primitive, span))
}

fn ether(address: [u8; 6], q: Qualifiers, at: &Range<usize>) -> Result<Primitive, Wrong> {
    if q.protocol != Some(Protocol::Link) || q.kind != Kind::Host {
        let what = "use a hardware address with 'ether host', 'ether src' or 'ether dst'";
        return Err(Wrong::new(at, what));
    }
    Ok(Primitive::Ether(q.direction, address))
}

fn numbered(number: u32, q: Qualifiers, at: &Range<usize>) -> Result<Primitive, Wrong> {
    match q.kind {
        // A number is a whole address for `host`, and the upper bytes of one for `net`.
        Kind::Host => {
            let (address, mask) = (Ipv4Addr::from(number), Ipv4Addr::BROADCAST);
            ipv4(Ipv4Net { address, mask }, q, at)
        }
        Kind::Net => {
            let empty = if number == 0 {
                0
            } else {
                number.leading_zeros() / 8 * 8
            };
            let (address, mask) = (number << empty, u32::MAX << empty);
            let net = Ipv4Net {
                address: address.into(),
                mask: mask.into(),
            };
            ipv4(net, q, at)
        }
        Kind::Port | Kind::PortRange => {
            let port = port(number, at)?;
            ports(port, port, None, q, at)
        }
        Kind::Proto => protocol(number, q, at),
    }
}

fn port(number: u32, at: &Range<usize>) -> Result<u16, Wrong> {
    u16::try_from(number).map_err(|_| Wrong::new(at, "a port number is at most 65535"))
}

fn ports(
    first: u16,
    last: u16,
    only: Option<u8>,
    q: Qualifiers,
    at: &Range<usize>,
) -> Result<Primitive, Wrong> {
    let transports = match q.protocol {
        None => only.map_or(Transports::All, Transports::Only),
        Some(protocol @ (Protocol::Tcp | Protocol::Udp | Protocol::Sctp)) => {
            let number = protocol.ip_number().unwrap_or_default();
            if only.is_some_and(|only| only != number) {
                let what = format!("not a port of {}", words::name(protocol));
                return Err(Wrong::new(at, what));
            }
            Transports::Only(number)
        }
        Some(protocol) => return Err(has_no(protocol, "ports", at)),
    };
    let ports = Ports {
        first: first.min(last),
        last: first.max(last),
    };
    Ok(Primitive::Port(transports, q.direction, ports))
}

fn has_no(protocol: Protocol, what: &str, at: &Range<usize>) -> Wrong {
    Wrong::new(at, format!("'{}' has no {what}", words::name(protocol)))
}

fn protocol(number: u32, q: Qualifiers, at: &Range<usize>) -> Result<Primitive, Wrong> {
    match q.protocol {
        None | Some(Protocol::Ip | Protocol::Ip6) => Ok(Primitive::IpProtocol(q.protocol, number)),
        Some(Protocol::Link) => Ok(Primitive::EtherProtocol(number)),
        Some(protocol) => Err(has_no(protocol, "inner protocols", at)),
    }
}

/// An IPv4 address or the beginning of one, with or without a mask.
fn dotted(
    parser: &mut Parser<'_>,
    text: &str,
    q: Qualifiers,
    at: &Range<usize>,
) -> Result<Primitive, Wrong> {
    let (address, bits) = address(text, at)?;
    if parser.is_sign("/") || parser.is_word("mask") {
        return masked(parser, address, q, at);
    }
    let mask = u32::MAX << (32 - bits);
    let net = Ipv4Net {
        address: address.into(),
        mask: mask.into(),
    };
    ipv4(net, q, at)
}

/// The bytes of an address from its left, and how many bits were given.
fn address(text: &str, at: &Range<usize>) -> Result<(u32, u32), Wrong> {
    let (mut address, mut bits) = (0, 0);
    for part in text.split('.') {
        let Ok(byte) = part.parse::<u8>() else {
            let what = "each part of an IPv4 address is a decimal number up to 255";
            return Err(Wrong::new(at, what));
        };
        address = address << 8 | u32::from(byte);
        bits += 8;
    }
    Ok((address << (32 - bits), bits))
}

/// `/LENGTH` or `mask MASK`, after an address.
fn masked(
    parser: &mut Parser<'_>,
    address: u32,
    q: Qualifiers,
    at: &Range<usize>,
) -> Result<Primitive, Wrong> {
    let is_length = parser.take_sign("/");
    let place = if is_length {
        parser.here()
    } else {
        parser.take_word("mask");
        parser.here()
    };
    let mask = match parser.next() {
        Some((Token::Number(length), _)) if is_length && length <= 32 => {
            u32::MAX.checked_shl(32 - length).unwrap_or(0)
        }
        Some((Token::Dotted(text), place)) if !is_length => self::address(&text, &place)?.0,
        _ if is_length => return Err(Wrong::new(&place, "a prefix length is from 0 to 32")),
        _ => return Err(Wrong::new(&place, "expected a mask such as 255.255.0.0")),
    };
    if q.kind != Kind::Net {
        let what = format!("use a mask with 'net', not with '{}'", q.kind.word());
        return Err(Wrong::new(&place, what));
    }
    if address & !mask != 0 {
        let net = Ipv4Addr::from(address & mask);
        let what = format!("the address has bits outside the mask: the net is {net}");
        return Err(Wrong::new(at, what));
    }
    let net = Ipv4Net {
        address: address.into(),
        mask: mask.into(),
    };
    ipv4(net, q, at)
}

fn ipv4(net: Ipv4Net, q: Qualifiers, at: &Range<usize>) -> Result<Primitive, Wrong> {
    if !matches!(q.kind, Kind::Host | Kind::Net) {
        let what = format!("an address is not a '{}'", q.kind.word());
        return Err(Wrong::new(at, what));
    }
    match q.protocol {
        None | Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp) => {
            Ok(Primitive::Ipv4(q.protocol, q.direction, net))
        }
        Some(protocol) => Err(has_no(protocol, "IPv4 addresses", at)),
    }
}

fn ipv6(
    parser: &mut Parser<'_>,
    address: Ipv6Addr,
    q: Qualifiers,
    at: &Range<usize>,
) -> Result<Primitive, Wrong> {
    let mut prefix = 128;
    if parser.take_sign("/") {
        let place = parser.here();
        let bits = parser
            .take_number()
            .and_then(|bits| u8::try_from(bits).ok());
        let Some(bits) = bits.filter(|bits| *bits <= 128) else {
            return Err(Wrong::new(&place, "a prefix length is from 0 to 128"));
        };
        if q.kind == Kind::Host && bits != 128 {
            return Err(Wrong::new(&place, "use a mask with 'net', not with 'host'"));
        }
        prefix = bits;
    }
    if !matches!(q.kind, Kind::Host | Kind::Net) {
        let what = format!("an address is not a '{}'", q.kind.word());
        return Err(Wrong::new(at, what));
    }
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    if u128::from(address) & !mask != 0 {
        let net = Ipv6Addr::from(u128::from(address) & mask);
        let what = format!("the address has bits outside the prefix: the net is {net}");
        return Err(Wrong::new(at, what));
    }
    match q.protocol {
        None | Some(Protocol::Ip6) => Ok(Primitive::Ipv6(q.direction, Ipv6Net { address, prefix })),
        Some(protocol) => Err(has_no(protocol, "IPv6 addresses", at)),
    }
}

fn named(
    parser: &mut Parser<'_>,
    name: &str,
    q: Qualifiers,
    at: &Range<usize>,
) -> Result<Primitive, Wrong> {
    match q.kind {
        Kind::Host => Err(Wrong::new(
            at,
            "host names are not resolved: use an address",
        )),
        Kind::Net => Err(Wrong::new(
            at,
            "network names are not resolved: use an address",
        )),
        Kind::Port => {
            let service = service(parser, name, at)?;
            ports(service.port, service.port, service.only, q, at)
        }
        Kind::PortRange => range(parser, name, q, at),
        Kind::Proto => {
            let (number, what) = match q.protocol {
                Some(Protocol::Link) => (words::ether_protocol(name), "Ethernet"),
                _ => (words::ip_protocol(name), "IP"),
            };
            let Some(number) = number else {
                let what = format!("unknown protocol name over {what}: '{name}'");
                return Err(Wrong::new(at, what));
            };
            protocol(number, q, at)
        }
    }
}

/// `80-90`, with a number or a name on either side.
fn range(
    parser: &Parser<'_>,
    text: &str,
    q: Qualifiers,
    at: &Range<usize>,
) -> Result<Primitive, Wrong> {
    let Some((first, last)) = text.split_once('-') else {
        let service = service(parser, text, at)?;
        return ports(service.port, service.port, service.only, q, at);
    };
    let (first, last) = (service(parser, first, at)?, service(parser, last, at)?);
    let only = first.only.filter(|_| first.only == last.only);
    ports(first.port, last.port, only, q, at)
}

/// A port by its name or its number.
fn service(parser: &Parser<'_>, text: &str, at: &Range<usize>) -> Result<Service, Wrong> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Not octal, other than a number that stands alone.
        let number = token::number(text.trim_start_matches('0'), at);
        let number = if text.bytes().all(|byte| byte == b'0') {
            Ok(0)
        } else {
            number
        };
        let port = port(number?, at)?;
        return Ok(Service { port, only: None });
    }
    let service = parser.services.port(text);
    service.ok_or_else(|| Wrong::new(at, format!("unknown service name: '{text}'")))
}
