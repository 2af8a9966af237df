//! A frame from its link layer to its payload.

use std::ops::Range;

use super::ip::{self, protocol};
use super::link::{self, ethertype};
use super::record::{Decoded, Icmp, Ip, Layers, Link, Network, Span, Tags, Transport};
use super::{Layer, Malformed, arp, at_least, gre, tcp, udp};
use crate::capfile::LinkType;
use crate::reference::icmp::Version;

/// Nested tunnels are followed to this depth.
const MAX_TUNNELS: usize = 8;

/// Decodes a frame: `frame` is what was captured of it, `wire_length` how long it was.
///
/// This never fails: what could be read is there, and the first layer that could not is reported in
/// [`Decoded::malformed`].
#[inline]
pub fn decode(link_type: LinkType, frame: &[u8], wire_length: u32) -> Decoded {
    let mut decoded = Decoded {
        link_type,
        link: Link::None,
        tags: Tags::default(),
        ethertype: 0,
        network_offset: 0,
        outer: Layers::NONE,
        inner: None,
        malformed: None,
    };
    match link::read(link_type, frame) {
        Ok(head) => {
            decoded.link = head.link;
            decoded.tags = head.tags;
            decoded.ethertype = head.ethertype;
            decoded.network_offset = small(head.offset);
            let end = (wire_length as usize).max(frame.len());
            let start = Start {
                ethertype: head.ethertype,
                bytes: head.offset..end,
            };
            let next = network(frame, start, &mut decoded.outer, &mut decoded.malformed);
            if let Some(next) = next {
                follow(frame, next, &mut decoded);
            }
        }
        Err(malformed) => decoded.malformed = Some(malformed),
    }
    decoded
}

/// A network layer that is still to be read.
struct Start {
    ethertype: u16,
    /// From its first byte to the end of what is around it.
    bytes: Range<usize>,
}

/// Goes down through tunnels.
#[cold]
fn follow(frame: &[u8], first: Start, decoded: &mut Decoded) {
    let mut next = Some(first);
    for _ in 0..MAX_TUNNELS {
        let Some(start) = next.take() else {
            return;
        };
        let mut layers = Layers::NONE;
        next = network(frame, start, &mut layers, &mut decoded.malformed);
        // What is not known inside does not hide the addresses outside.
        if !matches!(layers.network, Network::None | Network::Other { .. }) {
            decoded.inner = Some(layers);
        }
    }
}

/// Reads a network layer and what it carries; gives what a tunnel has in it.
#[inline]
fn network(
    frame: &[u8],
    start: Start,
    layers: &mut Layers,
    malformed: &mut Option<Malformed>,
) -> Option<Start> {
    let Start { ethertype, bytes } = start;
    match ethertype {
        ethertype::IPV4 | ethertype::IPV6 => {
            let visible = frame.get(bytes.start..).unwrap_or_default();
            match ip::read(visible) {
                Ok((head, cut)) => {
                    *malformed = cut.map(|cut| shifted(cut, bytes.start));
                    let ip = ip_record(&head, bytes, malformed);
                    layers.network = Network::Ip(ip);
                    if malformed.is_none() && head.is_first_fragment {
                        let next = transport(frame, &ip, &mut layers.transport, malformed);
                        if ip.fragment.is_none() {
                            return next;
                        }
                        // What is missing is in the fragments that follow.
                        *malformed = None;
                    }
                }
                Err(cut) => *malformed = Some(shifted(cut, bytes.start)),
            }
        }
        ethertype::ARP => match arp::read(frame, bytes.start) {
            Ok(arp) => layers.network = Network::Arp(arp),
            Err(cut) => *malformed = Some(cut),
        },
        _ => {
            layers.network = Network::Other {
                offset: small(bytes.start),
            }
        }
    }
    None
}

fn shifted(malformed: Malformed, by: usize) -> Malformed {
    Malformed {
        offset: malformed.offset + by,
        ..malformed
    }
}

#[inline]
fn ip_record(head: &ip::Head, bytes: Range<usize>, malformed: &mut Option<Malformed>) -> Ip {
    let is_v6 = head.source.is_ipv6();
    let end = match head.total {
        None => bytes.end,
        Some(total) => {
            if total < head.length && malformed.is_none() {
                *malformed = Some(Malformed {
                    layer: if is_v6 { Layer::Ipv6 } else { Layer::Ipv4 },
                    offset: bytes.start,
                    need: head.length,
                    have: total,
                });
            }
            // What would be longer than the frame was on the wire is a lie.
            (bytes.start + total)
                .min(bytes.end)
                .max(bytes.start + head.length)
        }
    };
    Ip {
        is_v6,
        offset: small(bytes.start),
        header_length: small(head.length),
        source: head.source,
        destination: head.destination,
        hop_limit: head.hop_limit,
        protocol: head.protocol,
        next_header: head.next_header,
        fragment: head.fragment,
        end: small(end),
    }
}

/// Reads what an IP packet carries.
#[inline]
fn transport(
    frame: &[u8],
    ip: &Ip,
    transport: &mut Transport,
    malformed: &mut Option<Malformed>,
) -> Option<Start> {
    let start = (ip.offset + ip.header_length) as usize;
    let bytes = start..ip.end as usize;
    let tunnel = |ethertype| {
        Some(Start {
            ethertype,
            bytes: bytes.clone(),
        })
    };
    match ip.protocol {
        protocol::TCP => match tcp::read(frame, bytes) {
            Ok((tcp, cut)) => {
                *transport = Transport::Tcp(tcp);
                *malformed = cut;
            }
            Err(cut) => *malformed = Some(cut),
        },
        protocol::UDP => match udp::read(frame, bytes) {
            Ok((udp, cut)) => {
                *transport = Transport::Udp(udp);
                *malformed = cut;
            }
            Err(cut) => *malformed = Some(cut),
        },
        protocol::ICMP | protocol::ICMPV6 => match icmp(frame, ip, bytes) {
            Ok(icmp) => *transport = Transport::Icmp(icmp),
            Err(cut) => *malformed = Some(cut),
        },
        protocol::IPV4 => return tunnel(ethertype::IPV4),
        protocol::IPV6 => return tunnel(ethertype::IPV6),
        protocol::GRE => {
            *transport = Transport::Other(span(frame, bytes.clone()));
            return in_gre(frame, bytes, malformed);
        }
        _ => *transport = Transport::Other(span(frame, bytes)),
    }
    None
}

fn icmp(frame: &[u8], ip: &Ip, bytes: Range<usize>) -> Result<Icmp, Malformed> {
    /// Type, code and checksum; the rest depends on the type.
    const LEAST: usize = 4;
    let visible = &frame[..bytes.end.min(frame.len())];
    let message = at_least(visible, bytes.start, LEAST, Layer::Icmp)?;
    Ok(Icmp {
        version: if ip.protocol == protocol::ICMP {
            Version::V4
        } else {
            Version::V6
        },
        r#type: message[0],
        code: message[1],
        span: span(frame, bytes),
    })
}

fn in_gre(frame: &[u8], bytes: Range<usize>, malformed: &mut Option<Malformed>) -> Option<Start> {
    let carried = gre::read(frame, bytes.start).and_then(|carried| match carried {
        Some((ethertype::TRANSPARENT_ETHERNET, offset)) => {
            let head = link::ethernet(frame, offset)?;
            Ok(Some((head.ethertype, head.offset)))
        }
        carried => Ok(carried),
    });
    match carried {
        Ok(Some((ethertype, offset))) if offset <= bytes.end => Some(Start {
            ethertype,
            bytes: offset..bytes.end,
        }),
        Ok(_) => None,
        Err(cut) => {
            *malformed = Some(cut);
            None
        }
    }
}

/// A piece of a frame, as much of it as was captured.
#[inline]
pub(super) fn span(frame: &[u8], bytes: Range<usize>) -> Span {
    let start = bytes.start.min(frame.len());
    let end = bytes.end.clamp(start, frame.len());
    Span {
        offset: small(start),
        captured: small(end - start),
        length: small(bytes.end.saturating_sub(bytes.start)),
    }
}

/// No frame is longer than 4 GiB: a capture file has 32 bits for its length.
#[inline]
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
