//! Where in a frame the things are.

use crate::capfile::LinkType;

use super::program::{Number, Test};
use super::syntax::{Relation, Size};
use super::words::{ETHER_IP, ETHER_IP6};

/// The layout of the frames of a link type, after the VLAN tags that were asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) link: LinkType,
    /// Bytes of VLAN tags.
    tags: u32,
}

/// The largest number that is a length in an Ethernet frame, and no `EtherType`.
const LARGEST_LENGTH: u32 = 1500;
/// In the place of the protocol of a cooked frame: LLC follows (`LINUX_SLL_P_802_2`).
const COOKED_LLC: u32 = 4;

impl Layout {
    /// `None` for a link type that nothing is known of, or where the network layer has no fixed place.
    pub(super) fn new(link: LinkType) -> Option<Layout> {
        let is_fixed = matches!(
            link,
            LinkType::NULL
                | LinkType::LOOP
                | LinkType::ETHERNET
                | LinkType::PPP
                | LinkType::PPP_SERIAL
                | LinkType::C_HDLC
                | LinkType::RAW
                | LinkType::IPV4
                | LinkType::IPV6
                | LinkType::LINUX_SLL
                | LinkType::LINUX_SLL2
        );
        is_fixed.then_some(Layout { link, tags: 0 })
    }

    /// Where the header of the network layer begins.
    pub(super) fn network(self) -> u32 {
        match self.link {
            LinkType::ETHERNET => 14 + self.tags,
            LinkType::NULL
            | LinkType::LOOP
            | LinkType::PPP
            | LinkType::PPP_SERIAL
            | LinkType::C_HDLC => 4,
            LinkType::LINUX_SLL => 16,
            LinkType::LINUX_SLL2 => 20,
            _ => 0,
        }
    }

    /// Goes after one more tag.
    pub(super) fn tagged(&mut self) {
        self.tags += 4;
    }

    /// The frame holds this `EtherType`, or what the link has for it; `None` where libpcap asks for
    /// more than a number, which is not supported.
    pub(super) fn holds(self, ether_type: u32) -> Option<Test> {
        let version = |number| Test::field(0, Size::One, 0xf0, number);
        Some(match self.link {
            LinkType::ETHERNET => return ethernet(12 + self.tags, ether_type),
            LinkType::LINUX_SLL => return cooked(ether_type),
            LinkType::LINUX_SLL2 => Test::equal(0, Size::Two, ether_type),
            LinkType::C_HDLC => Test::equal(2, Size::Two, ether_type),
            LinkType::PPP | LinkType::PPP_SERIAL => match ether_type {
                ETHER_IP => Test::equal(2, Size::Two, 0x21),
                ETHER_IP6 => Test::equal(2, Size::Two, 0x57),
                // Other network protocols that have another number in PPP: OSI, bridging, IPX, XNS,
                // DECnet, AppleTalk.
                0xfe => Test::equal(2, Size::Two, 0x23),
                0x42 => Test::equal(2, Size::Two, 0x31),
                0xe0 => Test::equal(2, Size::Two, 0x2b),
                0x600 => Test::equal(2, Size::Two, 0x25),
                0x6003 => Test::equal(2, Size::Two, 0x27),
                0x809b => Test::equal(2, Size::Two, 0x29),
                other => Test::equal(2, Size::Two, other),
            },
            LinkType::NULL | LinkType::LOOP => family(self.link, ether_type),
            _ => match (self.link, ether_type) {
                (LinkType::RAW, ETHER_IP) => version(0x40),
                (LinkType::RAW, ETHER_IP6) => version(0x60),
                (LinkType::IPV4, ETHER_IP) | (LinkType::IPV6, ETHER_IP6) => Test::Constant(true),
                _ => Test::Constant(false),
            },
        })
    }
}

fn ethernet(at: u32, ether_type: u32) -> Option<Test> {
    if ether_type > LARGEST_LENGTH {
        return (!is_also_in_llc(ether_type)).then(|| Test::equal(at, Size::Two, ether_type));
    }
    let field = Number::field(at, Size::Two);
    let limit = Number::Constant(LARGEST_LENGTH);
    let is_length = Test::compare(field, Relation::LessOrEqual, limit);
    Some(Test::all(vec![
        is_length,
        service_access_point(at + 2, ether_type)?,
    ]))
}

fn cooked(ether_type: u32) -> Option<Test> {
    if ether_type > LARGEST_LENGTH {
        return (!is_also_in_llc(ether_type)).then(|| Test::equal(14, Size::Two, ether_type));
    }
    let has_llc = Test::equal(14, Size::Two, COOKED_LLC);
    Some(Test::all(vec![
        has_llc,
        service_access_point(16, ether_type)?,
    ]))
}

/// `AppleTalk` and its ARP are also looked for after LLC.
fn is_also_in_llc(ether_type: u32) -> bool {
    matches!(ether_type, 0x809b | 0x80f3)
}

/// The number in an LLC header; some protocols have it in both places. IPX is looked for elsewhere
/// too.
fn service_access_point(at: u32, number: u32) -> Option<Test> {
    match number {
        0xe0 => None,
        0x06 | 0xf0 | 0xfe => Some(Test::equal(at, Size::Two, number << 8 | number)),
        _ => Some(Test::equal(at, Size::One, number)),
    }
}

/// The address family in front of BSD's loopback frames. The systems have different numbers for IPv6,
/// and NULL has them in the order of the machine that captured: either order is taken.
fn family(link: LinkType, ether_type: u32) -> Test {
    let families: &[u32] = match ether_type {
        ETHER_IP => &[2],
        ETHER_IP6 => &[30, 24, 28],
        _ => return Test::Constant(false),
    };
    let is_either_order = link == LinkType::NULL;
    let tests = families.iter().flat_map(|&family| {
        let swapped = is_either_order.then(|| family.swap_bytes());
        let numbers = std::iter::once(family).chain(swapped);
        numbers.map(|number| Test::equal(0, Size::Four, number))
    });
    Test::any(tests.collect())
}
