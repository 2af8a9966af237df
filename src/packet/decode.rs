//! A frame from its link layer to its payload.

use std::ops::Range;

use super::ip::{self, protocol};
use super::link::{self, Head, ethertype};
use super::record::{
    Between, Decoded, Icmp, Ip, Layers, Link, Network, Passed, Span, Tags, Transport, Udp,
};
use super::{Layer, Malformed, arp, at_least, geneve, gre, gtp, mpls, tcp, udp, vxlan};
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
        passed: Passed::default(),
        outer: Layers::NONE,
        inner: None,
        malformed: None,
    };
    match link::read(link_type, frame) {
        Ok((head, cut)) => {
            decoded.link = head.link;
            decoded.tags = head.tags;
            decoded.ethertype = head.ethertype;
            decoded.network_offset = small(head.offset);
            decoded.passed = head.passed;
            if cut.is_some() {
                decoded.malformed = cut;
                return decoded;
            }
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

/// What a tunnel has in it, still to be read.
struct Inside {
    /// The header of the tunnel, if it has one.
    passage: Option<(Between, usize, u32)>,
    next: Start,
}

impl Inside {
    fn bare(ethertype: u16, bytes: Range<usize>) -> Inside {
        Inside {
            passage: None,
            next: Start { ethertype, bytes },
        }
    }
}

/// Goes down through tunnels. What is not known inside does not hide the addresses outside.
#[cold]
fn follow(frame: &[u8], first: Inside, decoded: &mut Decoded) {
    let mut inside = Some(first);
    let mut passed = decoded.passed;
    for _ in 0..MAX_TUNNELS {
        let Some(Inside { passage, next }) = inside.take() else {
            return;
        };
        if let Some((kind, offset, number)) = passage {
            passed.add(kind, offset, number);
        }
        let mut head = Head {
            passed,
            ..Head::plain(next.ethertype, next.bytes.start)
        };
        if let Err(cut) = link::open(frame, &mut head) {
            decoded.malformed = Some(cut);
            return;
        }
        if head.offset > next.bytes.end {
            return;
        }
        passed = head.passed;
        let start = Start {
            ethertype: head.ethertype,
            bytes: head.offset..next.bytes.end,
        };
        let mut layers = Layers::NONE;
        inside = network(frame, start, &mut layers, &mut decoded.malformed);
        if !matches!(layers.network, Network::None | Network::Other { .. }) {
            decoded.inner = Some(layers);
            decoded.passed = passed;
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
) -> Option<Inside> {
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
        ethertype::ARP | ethertype::RARP => match arp::read(frame, bytes.start) {
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
) -> Option<Inside> {
    let start = (ip.offset + ip.header_length) as usize;
    let bytes = start..ip.end as usize;
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
                if cut.is_none() && (is_tunnel(udp.destination) || is_tunnel(udp.source)) {
                    return in_udp(frame, &udp);
                }
            }
            Err(cut) => *malformed = Some(cut),
        },
        protocol::ICMP | protocol::ICMPV6 => match icmp(frame, ip, bytes) {
            Ok(icmp) => *transport = Transport::Icmp(icmp),
            Err(cut) => *malformed = Some(cut),
        },
        protocol::IPV4 => return Some(Inside::bare(ethertype::IPV4, bytes)),
        protocol::IPV6 => return Some(Inside::bare(ethertype::IPV6, bytes)),
        protocol::ETHERNET => {
            *transport = Transport::Other(span(frame, bytes.clone()));
            return Some(Inside::bare(ethertype::TRANSPARENT_ETHERNET, bytes));
        }
        protocol::MPLS => {
            *transport = Transport::Other(span(frame, bytes.clone()));
            return Some(Inside::bare(ethertype::MPLS, bytes));
        }
        protocol::ETHER_IP => {
            // RFC 3378 section 3: version 3 and 12 bits that are reserved.
            const HEADER: usize = 2;
            *transport = Transport::Other(span(frame, bytes.clone()));
            let inside = bytes.start + HEADER..bytes.end;
            return Some(Inside::bare(ethertype::TRANSPARENT_ETHERNET, inside));
        }
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

fn in_gre(frame: &[u8], bytes: Range<usize>, malformed: &mut Option<Malformed>) -> Option<Inside> {
    match gre::read(frame, bytes.start) {
        Ok(Some(header)) => {
            let start = bytes.start + header.length;
            // Without a sequence number the mirrored frame follows at once: type I of ERSPAN.
            let is_bare = header.protocol == ethertype::ERSPAN && !header.has_sequence;
            Some(Inside {
                passage: Some((Between::Gre, bytes.start, header.key)),
                next: Start {
                    ethertype: if is_bare {
                        ethertype::TRANSPARENT_ETHERNET
                    } else {
                        header.protocol
                    },
                    bytes: start..bytes.end.max(start),
                },
            })
        }
        Ok(None) => None,
        Err(cut) => {
            *malformed = Some(cut);
            None
        }
    }
}

/// Whether tunnels have this port.
#[inline]
pub(super) fn is_tunnel(port: u16) -> bool {
    matches!(
        port,
        vxlan::PORT | vxlan::OLD_PORT | vxlan::GPE_PORT | geneve::PORT | gtp::PORT | mpls::UDP_PORT
    )
}

/// What a tunnel over UDP carries.
#[cold]
fn in_udp(frame: &[u8], udp: &Udp) -> Option<Inside> {
    let payload = udp.payload.of(frame);
    let port = if is_tunnel(udp.destination) {
        udp.destination
    } else {
        udp.source
    };
    let by_version = |header: usize| match payload.get(header)? >> 4 {
        4 => Some(ethertype::IPV4),
        6 => Some(ethertype::IPV6),
        _ => None,
    };
    let (kind, number, ethertype, length) = match port {
        geneve::PORT => {
            let header = geneve::read(payload)?;
            (Between::Geneve, header.vni, header.protocol, header.length)
        }
        gtp::PORT => {
            let header = gtp::read(payload)?;
            let ethertype = by_version(header.length)?;
            (Between::GtpU, header.teid, ethertype, header.length)
        }
        mpls::UDP_PORT => {
            let start = udp.payload.offset as usize;
            return Some(Inside::bare(
                ethertype::MPLS,
                start..start + udp.payload.length as usize,
            ));
        }
        port => {
            let header = vxlan::read(port, payload)?;
            let ethertype = match header.next {
                vxlan::next::IPV4 => ethertype::IPV4,
                vxlan::next::IPV6 => ethertype::IPV6,
                vxlan::next::ETHERNET => ethertype::TRANSPARENT_ETHERNET,
                vxlan::next::NSH => ethertype::NSH,
                _ => return None,
            };
            (Between::Vxlan, header.vni, ethertype, vxlan::HEADER)
        }
    };
    let start = udp.payload.offset as usize;
    let end = start + udp.payload.length as usize;
    Some(Inside {
        passage: Some((kind, start, number)),
        next: Start {
            ethertype,
            bytes: (start + length).min(end)..end,
        },
    })
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
