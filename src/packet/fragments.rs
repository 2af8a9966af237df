//! IP packets put together from their fragments (RFC 791 section 3.2, RFC 8200 section 4.5).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::record::Ip;
use crate::capfile::Timestamp;

/// No IP packet has more bytes of payload.
const LARGEST: u32 = 0xffff;
/// Packets that wait for the rest; above it the oldest go.
const MOST_PACKETS: usize = 256;
/// Fragments of a packet; a minimal one has 8 bytes.
const MOST_PIECES: usize = 8192;

/// What the fragments of a packet have in common (RFC 791: source, destination, protocol, identification).
type Key = (IpAddr, IpAddr, u8, u32);

/// Fragments that wait for the rest of their packet.
///
/// The invariant: at most `MOST_PACKETS` packets wait, each with at most `LARGEST` bytes. Where
/// fragments overlap, the first counts.
#[derive(Debug, Default)]
pub struct Fragments {
    waiting: HashMap<Key, Waiting>,
    order: VecDeque<Key>,
    dropped: u64,
}

/// A packet that is not whole.
#[derive(Debug, Default)]
struct Waiting {
    /// The frame of the first fragment that came.
    first: (u64, Timestamp),
    bytes: Vec<u8>,
    /// What of it is there: ranges, sorted, that do not touch.
    there: Vec<(u32, u32)>,
    /// How many bytes it has, once its last fragment has come.
    total: Option<u32>,
}

impl Fragments {
    /// How many packets were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The packets that are not whole: when their first fragment came, the sender, the receiver.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, Timestamp, IpAddr, IpAddr)> {
        let waiting = self.waiting.iter();
        waiting.map(|((from, to, ..), packet)| (packet.first.0, packet.first.1, *from, *to))
    }

    /// Takes a fragment, with the number and the time of its frame. The last one that was missing gives the packet: a header of IP that says no
    /// length, so that it is as long as it is, and all of the payload.
    pub fn take(&mut self, when: (u64, Timestamp), ip: &Ip, frame: &[u8]) -> Option<Vec<u8>> {
        let fragment = ip.fragment?;
        let start = (ip.offset + ip.header_length) as usize;
        let payload = frame.get(start..ip.end as usize)?;
        let from = fragment.offset;
        let to = from.checked_add(u32::try_from(payload.len()).ok()?)?;
        if to > LARGEST {
            return None;
        }
        let key = (
            ip.source,
            ip.destination,
            ip.protocol,
            fragment.identification,
        );
        if !self.waiting.contains_key(&key) {
            self.make_room();
            self.order.push_back(key);
        }
        let waiting = self.waiting.entry(key).or_insert_with(|| Waiting {
            first: when,
            ..Waiting::default()
        });
        if !fragment.more {
            waiting.total.get_or_insert(to);
        }
        waiting.put(from, to, payload);
        if waiting
            .total
            .is_none_or(|total| waiting.there != [(0, total)])
        {
            return None;
        }
        let whole = self.waiting.remove(&key)?;
        self.order.retain(|other| *other != key);
        let mut packet = header(ip);
        packet.extend(&whole.bytes);
        Some(packet)
    }

    fn make_room(&mut self) {
        while self.waiting.len() >= MOST_PACKETS {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.waiting.remove(&oldest);
            self.dropped += 1;
        }
    }
}

impl Waiting {
    /// Puts bytes where there are none yet.
    fn put(&mut self, from: u32, to: u32, payload: &[u8]) {
        if self.there.len() >= MOST_PIECES {
            return;
        }
        if self.bytes.len() < to as usize {
            self.bytes.resize(to as usize, 0);
        }
        let mut at = from;
        for (start, end) in self.there.clone().into_iter().chain([(u32::MAX, u32::MAX)]) {
            let until = start.min(to);
            if at < until {
                let source = &payload[(at - from) as usize..(until - from) as usize];
                self.bytes[at as usize..until as usize].copy_from_slice(source);
            }
            at = at.max(end.min(to));
        }
        self.there.push((from, to));
        self.there.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(self.there.len());
        for (start, end) in self.there.drain(..) {
            match joined.last_mut() {
                Some((_, last)) if *last >= start => *last = end.max(*last),
                _ => joined.push((start, end)),
            }
        }
        self.there = joined;
    }
}

/// A header without options for the whole packet.
fn header(ip: &Ip) -> Vec<u8> {
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, ip.hop_limit, ip.protocol, 0, 0];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, ip.protocol, ip.hop_limit];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        // The ends of a packet are of one version.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capfile::LinkType;
    use crate::packet::decode;
    use crate::packet::ip::{Fragment, protocol};

    const FIRST: (u64, Timestamp) = (
        1,
        Timestamp {
            seconds: 0,
            nanoseconds: 0,
        },
    );

    fn ip(identification: u32, offset: u32, more: bool, length: usize) -> Ip {
        Ip {
            is_v6: false,
            offset: 0,
            header_length: 0,
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            hop_limit: 64,
            protocol: protocol::UDP,
            next_header: protocol::UDP,
            fragment: Some(Fragment {
                identification,
                offset,
                more,
            }),
            end: u32::try_from(length).unwrap(),
        }
    }

    fn take(fragments: &mut Fragments, whole: &[u8], from: usize, to: usize) -> Option<Vec<u8>> {
        let more = to < whole.len();
        let offset = u32::try_from(from).unwrap();
        fragments.take(FIRST, &ip(7, offset, more, to - from), &whole[from..to])
    }

    #[test]
    fn a_datagram_in_three_fragments_is_whole_with_the_last_that_was_missing() {
        let mut whole = vec![0, 53, 1, 0, 0x01, 0x08, 0, 0];
        whole.extend((0..=255).collect::<Vec<u8>>());
        let mut fragments = Fragments::default();
        assert_eq!(take(&mut fragments, &whole, 160, 264), None);
        assert_eq!(take(&mut fragments, &whole, 0, 80), None);
        let packet = take(&mut fragments, &whole, 80, 160).unwrap();
        let length = u32::try_from(packet.len()).unwrap();
        let decoded = decode(LinkType::IPV4, &packet, length);
        let super::super::record::Transport::Udp(udp) = decoded.outer.transport else {
            panic!("no datagram");
        };
        assert_eq!((udp.source, udp.length), (53, 264));
        assert_eq!(udp.payload.of(&packet), &whole[8..]);
        assert!(fragments.waiting.is_empty() && fragments.order.is_empty());
    }

    #[test]
    fn where_fragments_overlap_the_first_counts() {
        let mut fragments = Fragments::default();
        fragments.take(FIRST, &ip(7, 8, true, 8), b"AAAAAAAA");
        fragments.take(FIRST, &ip(7, 0, true, 24), b"bbbbbbbbbbbbbbbbbbbbbbbb");
        let packet = fragments.take(FIRST, &ip(7, 24, false, 2), b"cc").unwrap();
        assert_eq!(&packet[20..], b"bbbbbbbbAAAAAAAAbbbbbbbbcc");
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_given_up_is_counted() {
        let mut fragments = Fragments::default();
        for n in 0..1000 {
            fragments.take(FIRST, &ip(n, 0, true, 8), b"AAAAAAAA");
        }
        assert_eq!(fragments.waiting.len(), MOST_PACKETS);
        assert_eq!(fragments.dropped(), 1000 - MOST_PACKETS as u64);
        assert_eq!(
            fragments.take(FIRST, &ip(1, 65_528, true, 16), &[0; 16]),
            None
        );
    }

    proptest! {
        #[test]
        fn in_whatever_order_they_come_the_packet_is_the_same(
            mut order in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle(),
            again in 0..10_usize,
        ) {
            let whole: Vec<u8> = (0..75).collect();
            let mut fragments = Fragments::default();
            order.insert(5, again);
            let mut found = None;
            for n in order {
                let to = (n * 8 + 8).min(whole.len());
                found = found.or(take(&mut fragments, &whole, n * 8, to));
            }
            prop_assert_eq!(&found.unwrap()[20..], &whole[..]);
        }
    }
}
