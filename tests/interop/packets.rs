//! Frames of many kinds, made byte by byte, for each link type.

use sockdoc::capfile::{Ends, Frame, LinkType, Timestamp};

/// A frame: what was captured of it, and its length on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) data: Vec<u8>,
    pub(crate) len: u32,
}

impl Packet {
    fn whole(data: Vec<u8>) -> Packet {
        let len = u32::try_from(data.len()).unwrap();
        Packet { data, len }
    }

    fn cut(&self, captured: usize) -> Packet {
        Packet {
            data: self.data[..captured.min(self.data.len())].to_vec(),
            len: self.len,
        }
    }

    /// As a frame of a file; its time tells its number.
    pub(crate) fn frame(&self, number: usize, link: LinkType) -> Frame<'_> {
        Frame {
            number: number as u64,
            offset: 0,
            interface: 0,
            link,
            time: Some(Timestamp {
                seconds: i64::try_from(number).unwrap(),
                nanoseconds: 123_456_000,
            }),
            data: &self.data,
            original_len: self.len,
            ends: Ends::default(),
            record: &[],
        }
    }
}

pub(crate) const IP: u16 = 0x0800;
const ARP: u16 = 0x0806;
const RARP: u16 = 0x8035;
const IP6: u16 = 0x86dd;

/// Numbers that are the same in every run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn tcp(source: u16, destination: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    bytes.extend([0, 0, 1, 0, 0, 0, 2, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 8).unwrap();
    let mut bytes = [source, destination, len, 0].map(u16::to_be_bytes).concat();
    bytes.extend(payload);
    bytes
}

/// A packet of IPv4 with `options` words of options; `fragment` are flags and offset.
fn ipv4(
    ends: ([u8; 4], [u8; 4]),
    protocol: u8,
    options: u8,
    fragment: u16,
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + usize::from(options) * 4;
    let len = u16::try_from(header + payload.len()).unwrap();
    let mut bytes = vec![0x45 + options, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0x12, 0x34]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0]);
    bytes.extend(ends.0);
    bytes.extend(ends.1);
    bytes.resize(header, 1);
    bytes.extend(payload);
    bytes
}

fn ipv6(ends: (&str, &str), next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend([next, 64]);
    for end in [ends.0, ends.1] {
        bytes.extend(end.parse::<std::net::Ipv6Addr>().unwrap().octets());
    }
    bytes.extend(payload);
    bytes
}

fn arp(operation: u8, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1];
    bytes.extend(source);
    bytes.extend([0; 6]);
    bytes.extend(destination);
    bytes
}

/// What frames hold: an `EtherType` and the bytes after.
pub(crate) fn network_packets() -> Vec<(u16, Vec<u8>)> {
    let (a, b, c) = ([10, 1, 2, 3], [192, 168, 0, 1], [127, 0, 0, 1]);
    let mut packets = Vec::new();
    for (ports, flags) in [
        ((51_000, 80), 0x02),
        ((80, 51_000), 0x12),
        ((51_000, 443), 0x10),
        ((22, 51_001), 0x18),
        ((65_432, 45_582), 0x11),
        ((53, 53), 0x04),
        ((51_000, 65_535), 0xc2),
    ] {
        let segment = tcp(ports.0, ports.1, flags, b"GET / HTTP/1.1\r\n");
        packets.push((IP, ipv4((a, b), 6, 0, 0x4000, &segment)));
        packets.push((IP, ipv4((c, c), 6, 3, 0, &segment)));
        packets.push((IP6, ipv6(("fe80::1", "2001:db8::80"), 6, &segment)));
    }
    for ports in [(5_353, 53), (67, 68), (80, 9_999), (443, 443)] {
        let datagram = udp(ports.0, ports.1, b"question");
        packets.push((IP, ipv4((b, a), 17, 0, 0, &datagram)));
        packets.push((IP, ipv4((b, [255; 4]), 17, 1, 0, &datagram)));
        packets.push((IP6, ipv6(("2001:db8::1", "ff02::fb"), 17, &datagram)));
    }
    let sctp = [&[0, 80, 0x1f, 0x90][..], &[0; 12]].concat();
    packets.push((IP, ipv4((a, b), 132, 0, 0, &sctp)));
    packets.push((IP6, ipv6(("::1", "::1"), 132, &sctp)));
    // Fragments: the first, one in the middle, the last.
    let segment = tcp(80, 80, 0x10, &[0x50; 64]);
    for fragment in [0x2000, 0x2001, 0x0005, 0x1fff] {
        packets.push((IP, ipv4((a, b), 6, 0, fragment, &segment)));
        packets.push((IP, ipv4((a, b), 17, 2, fragment, &segment)));
        packets.push((IP, ipv4((a, b), 1, 0, fragment, &segment)));
    }
    for kind in [0, 3, 5, 8, 11] {
        packets.push((
            IP,
            ipv4((b, a), 1, 0, 0, &[kind, 1, 0, 0, 0, 1, 0, 2, 9, 9]),
        ));
    }
    for protocol in [2, 4, 9, 41, 47, 50, 51, 58, 89, 103, 112] {
        let group = [224, 0, 0, protocol];
        packets.push((
            IP,
            ipv4((b, group), protocol, 0, 0, &[0x11, 0, 3, 4, 5, 6, 7, 8]),
        ));
        packets.push((
            IP6,
            ipv6(
                ("fe80::1", "ff02::2"),
                protocol,
                &[128, 0, 1, 2, 3, 4, 5, 6],
            ),
        ));
    }
    for kind in [1, 128, 129, 135, 136, 143] {
        packets.push((
            IP6,
            ipv6(("fe80::1", "fe80::2"), 58, &[kind, 0, 0, 0, 1, 2, 3, 4]),
        ));
    }
    // Extension headers: hop by hop, fragment with TCP, ICMPv6 and more after.
    let options = [&[6, 0, 1, 4, 0, 0, 0, 0][..], &segment].concat();
    packets.push((IP6, ipv6(("2001:db8::1", "2001:db8::2"), 0, &options)));
    for next in [6, 17, 58, 132, 0] {
        let fragment = [&[next, 0, 0, 1, 0, 0, 0, 7][..], &segment].concat();
        packets.push((
            IP6,
            ipv6(("2001:db8:1::1", "::ffff:1.2.3.4"), 44, &fragment),
        ));
    }
    packets.push((
        IP,
        ipv4(([0; 4], [0; 4]), 17, 0, 0, &udp(68, 67, b"discover")),
    ));
    packets.push((
        IP,
        ipv4(([1, 2, 3, 4], [239, 1, 1, 1]), 17, 0, 0, &udp(1, 2, b"")),
    ));
    packets.push((ARP, arp(1, a, b)));
    packets.push((ARP, arp(2, b, [10, 9, 9, 9])));
    packets.push((RARP, arp(3, c, a)));
    packets.push((0x9000, vec![0; 46]));
    packets.push((0x88cc, vec![2, 7, 4, 0, 0, 0, 0, 0, 1]));
    packets.push((IP, vec![]));
    packets.push((IP, vec![0x4f; 25]));
    packets.push((IP6, vec![0x60; 44]));
    packets
}

/// A frame of a link type around a packet, if there can be one.
fn framed(link: LinkType, ether_type: u16, packet: &[u8], number: usize) -> Option<Vec<u8>> {
    let ether = ether_type.to_be_bytes();
    let is_ip = ether_type == IP;
    let mut frame = match link {
        LinkType::ETHERNET => {
            let mut frame = match number % 4 {
                0 => vec![0xff; 6],
                1 => vec![1, 0, 0x5e, 0, 0, 1],
                _ => vec![2, 0, 0, 0, 0, 2],
            };
            frame.extend([2, 0, 0, 0, 0, 1]);
            frame.extend(ether);
            frame
        }
        LinkType::PPP => match ether_type {
            IP => vec![0xff, 3, 0, 0x21],
            IP6 => vec![0xff, 3, 0, 0x57],
            _ => vec![0xff, 3, ether[0], ether[1]],
        },
        LinkType::NULL | LinkType::LOOP => {
            let family: u32 = match ether_type {
                IP => 2,
                IP6 => *[24, 28, 30].get(number % 3)?,
                _ => 7,
            };
            if link == LinkType::NULL {
                family.to_le_bytes().to_vec()
            } else {
                family.to_be_bytes().to_vec()
            }
        }
        LinkType::LINUX_SLL => {
            let mut frame = vec![0, u8::try_from(number % 5).unwrap(), 0, 1, 0, 6];
            frame.extend([2, 0, 0, 0, 0, 1, 0, 0]);
            frame.extend(ether);
            frame
        }
        LinkType::LINUX_SLL2 => {
            let mut frame = ether.to_vec();
            frame.extend([0, 0, 0, 0, 0, 1, 0, 1]);
            frame.extend([u8::try_from(number % 5).unwrap(), 6, 2, 0, 0, 0, 0, 1, 0, 0]);
            frame
        }
        LinkType::RAW if is_ip || ether_type == IP6 => vec![],
        LinkType::IPV4 if is_ip => vec![],
        LinkType::IPV6 if ether_type == IP6 => vec![],
        _ => return None,
    };
    frame.extend(packet);
    Some(frame)
}

/// The link types that there are frames of.
pub(crate) const LINKS: [LinkType; 9] = [
    LinkType::ETHERNET,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::RAW,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::PPP,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
];

/// All packets as frames of a link type.
pub(crate) fn frames(link: LinkType) -> Vec<Packet> {
    let mut frames: Vec<Packet> = network_packets()
        .into_iter()
        .zip(0..)
        .filter_map(|((ether_type, packet), number)| framed(link, ether_type, &packet, number))
        .map(Packet::whole)
        .collect();
    if link == LinkType::ETHERNET {
        frames.extend(llc_frames());
    }
    if link == LinkType::LINUX_SLL {
        for sap in [5, 0x42, 0xf0] {
            let frame = framed(link, 4, &[sap, sap, 3, 0, 0], 0).unwrap();
            frames.push(Packet::whole(frame));
        }
    }
    frames
}

/// Frames whose type is a length, with LLC after.
fn llc_frames() -> Vec<Packet> {
    [5_u8, 6, 0x42, 0xaa, 0xf0, 0xfe]
        .into_iter()
        .map(|sap| {
            let llc = [&[sap, sap, 3, 0, 0, 0, 8, 0][..], &[0; 40]].concat();
            let len = u16::try_from(llc.len()).unwrap();
            Packet::whole(framed(LinkType::ETHERNET, len, &llc, 2).unwrap())
        })
        .collect()
}

/// Ethernet frames with one tag and with two.
pub(crate) fn tagged_frames() -> Vec<Packet> {
    let mut frames = Vec::new();
    for (number, (ether_type, packet)) in network_packets().into_iter().enumerate() {
        let tag = [0x20, [5, 6, 100][number % 3]];
        let kind = [0x8100, 0x88a8, 0x9100][number % 3];
        let mut inner = [&tag[..], &ether_type.to_be_bytes(), &packet].concat();
        if number % 2 == 1 {
            inner = [&[0, 6, 0x81, 0][..], &inner].concat();
        }
        frames.extend(framed(LinkType::ETHERNET, kind, &inner, number).map(Packet::whole));
    }
    frames.extend(llc_frames());
    frames
}

/// Frames that were cut by a snap length, each at several places.
pub(crate) fn cut_frames(link: LinkType) -> Vec<Packet> {
    let mut random = Random(7);
    let mut cut = Vec::new();
    for frame in frames(link) {
        for _ in 0..4 {
            cut.push(frame.cut(random.below(80)));
        }
    }
    cut
}

/// Frames in which some bytes are others.
pub(crate) fn damaged_frames(link: LinkType) -> Vec<Packet> {
    let mut random = Random(11);
    let mut frames = frames(link);
    frames.extend(frames.clone());
    for frame in &mut frames {
        for _ in 0..4 {
            let at = random.below(frame.data.len().clamp(1, 60));
            if let Some(byte) = frame.data.get_mut(at) {
                *byte = u8::try_from(random.below(256)).unwrap();
            }
        }
    }
    frames
}
