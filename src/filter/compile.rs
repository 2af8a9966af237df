//! From the tree to tests on the bytes of one link type. The tests, and their order, are those of
//! libpcap's `gencode.c`: the order decides which bytes are looked at.

use std::net::Ipv6Addr;
use std::ops::Range;

use crate::capfile::LinkType;

use super::error::Wrong;
use super::link::Layout;
use super::program::{Number, Program, Test};
use super::syntax::{
    Arithmetic, Direction, Expr, Ipv4Net, Ipv6Net, Ports, Primitive, Protocol, Relation, Size,
    Transports,
};
use super::words::{self, ETHER_ARP, ETHER_IP, ETHER_IP6, ETHER_RARP};

/// The protocols with ports, in the order in which they are asked for.
const WITH_PORTS: [u8; 3] = [132, 6, 17];

pub(super) fn compile(expr: Option<&Expr>, link: LinkType) -> Result<Program, Wrong> {
    let Some(expr) = expr else {
        return Ok(Program::new(Test::Constant(true)));
    };
    let Some(layout) = Layout::new(link) else {
        let what = format!("{link} frames cannot be filtered");
        return Err(Wrong::new(&(0..0), what));
    };
    let mut compiler = Compiler {
        layout,
        is_inside: false,
        is_unpacked: false,
        tags: 0,
    };
    Ok(Program::new(compiler.expr(expr)?))
}

pub(super) fn compile_inside(expr: Option<&Expr>) -> Result<Program, Wrong> {
    let Some((expr, layout)) = expr.zip(Layout::new(LinkType::ETHERNET)) else {
        return Ok(Program::new(Test::Constant(true)));
    };
    let mut compiler = Compiler {
        layout,
        is_inside: true,
        is_unpacked: false,
        tags: 0,
    };
    Ok(Program::new(compiler.expr(expr)?))
}

/// It goes through the filter from left to right: a `vlan` changes what all that follows means.
struct Compiler {
    layout: Layout,
    /// For innermost packets.
    is_inside: bool,
    /// A word for a header that something is packed in stands to the left: the innermost packet is asked about.
    is_unpacked: bool,
    /// How many tags were asked for there.
    tags: usize,
}

impl Compiler {
    fn expr(&mut self, expr: &Expr) -> Result<Test, Wrong> {
        Ok(match expr {
            Expr::And(parts) => Test::all(self.parts(parts)?),
            Expr::Or(parts) => Test::any(self.parts(parts)?),
            Expr::Not(part) => Test::negated(self.expr(part)?),
            Expr::Primitive(primitive, at) => self.primitive(primitive, at)?,
        })
    }

    fn parts(&mut self, parts: &[Expr]) -> Result<Vec<Test>, Wrong> {
        parts.iter().map(|part| self.expr(part)).collect()
    }

    fn primitive(&mut self, primitive: &Primitive, at: &Range<usize>) -> Result<Test, Wrong> {
        let is_unpacked = self.is_unpacked;
        let test = self.asked(primitive, at)?;
        Ok(if is_unpacked {
            Test::Unpacked(Box::new(test))
        } else {
            test
        })
    }

    /// Frames of innermost packets look like this.
    fn unpacked(&self) -> Layout {
        Layout::new(LinkType::ETHERNET).unwrap_or(self.layout)
    }

    fn asked(&mut self, primitive: &Primitive, at: &Range<usize>) -> Result<Test, Wrong> {
        Ok(match primitive {
            Primitive::Protocol(protocol) => self.protocol(*protocol),
            Primitive::IpProtocol(Some(Protocol::Ip), number) => self.ip_protocol(*number),
            Primitive::IpProtocol(Some(_), number) => self.ip6_protocol(*number),
            Primitive::IpProtocol(None, number) => {
                Test::any(vec![self.ip_protocol(*number), self.ip6_protocol(*number)])
            }
            Primitive::EtherProtocol(number) => self.layout.holds(*number).ok_or_else(|| {
                Wrong::new(
                    at,
                    "frames of this protocol cannot be identified by its number alone",
                )
            })?,
            Primitive::Ipv4(protocol, direction, net) => self.ipv4(*protocol, *direction, *net),
            Primitive::Ipv6(direction, net) => self.ipv6(*direction, *net),
            Primitive::Ether(direction, address) => {
                self.only_ethernet("hardware addresses", at)?;
                directed(*direction, |is_source| {
                    mac(if is_source { 6 } else { 0 }, *address)
                })
            }
            Primitive::Port(transports, direction, ports) => {
                self.port(*transports, *direction, *ports)
            }
            Primitive::Vlan(tag) => {
                self.only_ethernet("VLAN tags", at)?;
                self.vlan(*tag)
            }
            Primitive::Broadcast(protocol) => self.broadcast(*protocol, at)?,
            Primitive::Multicast(protocol) => self.multicast(*protocol, at)?,
            Primitive::Outbound(outbound) => self.outbound(*outbound, at)?,
            Primitive::Interface(index) => self.interface(*index, at)?,
            Primitive::Relation(left, relation, right) => self.relation(left, *relation, right),
            Primitive::Packed(word, number) => {
                self.layout = self.unpacked();
                self.is_unpacked = !self.is_inside;
                return Ok(Test::Packed(word, *number));
            }
            Primitive::Stream(number) => Test::Stream(u64::from(*number)),
            Primitive::Named { is_sni, name } => Test::Named {
                is_sni: *is_sni,
                name: name.as_str().into(),
            },
            Primitive::App => Test::App,
            Primitive::Expert => Test::Expert,
        })
    }

    fn only_ethernet(&self, what: &str, at: &Range<usize>) -> Result<(), Wrong> {
        if self.layout.link == LinkType::ETHERNET {
            return Ok(());
        }
        let what = format!("{} frames have no {what}", self.layout.link);
        Err(Wrong::new(at, what))
    }

    /// The frame holds a protocol that its `EtherType` identifies everywhere.
    fn holds(&self, ether_type: u32) -> Test {
        let test = self.layout.holds(ether_type);
        test.unwrap_or(Test::Constant(false))
    }

    fn protocol(&self, protocol: Protocol) -> Test {
        let number = protocol.ip_number().map_or(0, u32::from);
        match protocol {
            Protocol::Link => Test::Constant(true),
            Protocol::Ip => self.holds(ETHER_IP),
            Protocol::Ip6 => self.holds(ETHER_IP6),
            Protocol::Arp => self.holds(ETHER_ARP),
            Protocol::Rarp => self.holds(ETHER_RARP),
            Protocol::Icmp6 => self.ip6_protocol(number),
            Protocol::Icmp | Protocol::Igmp | Protocol::Igrp | Protocol::Vrrp | Protocol::Carp => {
                self.ip_protocol(number)
            }
            Protocol::Tcp
            | Protocol::Udp
            | Protocol::Sctp
            | Protocol::Pim
            | Protocol::Ah
            | Protocol::Esp => Test::any(vec![self.ip_protocol(number), self.ip6_protocol(number)]),
        }
    }

    fn ip_protocol(&self, number: u32) -> Test {
        let protocol = self.layout.network() + 9;
        Test::all(vec![
            self.holds(ETHER_IP),
            Test::equal(protocol, Size::One, number),
        ])
    }

    /// The next header, or the one after a fragment header; others are not walked over.
    fn ip6_protocol(&self, number: u32) -> Test {
        let network = self.layout.network();
        let fragment = Test::equal(network + 6, Size::One, 44);
        let after = Test::equal(network + 40, Size::One, number);
        Test::all(vec![
            self.holds(ETHER_IP6),
            Test::any(vec![
                Test::equal(network + 6, Size::One, number),
                Test::all(vec![fragment, after]),
            ]),
        ])
    }

    fn ipv4(&self, protocol: Option<Protocol>, direction: Direction, net: Ipv4Net) -> Test {
        // The places of the addresses in the headers of IP (RFC 791) and ARP (RFC 826).
        let all = [
            (Protocol::Ip, ETHER_IP, 12, 16),
            (Protocol::Arp, ETHER_ARP, 14, 24),
            (Protocol::Rarp, ETHER_RARP, 14, 24),
        ];
        let asked = all
            .into_iter()
            .filter(|(of, ..)| protocol.is_none_or(|p| p == *of));
        let (address, mask) = (net.address.to_bits(), net.mask.to_bits());
        let tests = asked.map(|(_, ether_type, source, destination)| {
            let end = directed(direction, |is_source| {
                let place = if is_source { source } else { destination };
                match mask {
                    // Nothing is looked at.
                    0 => Test::Constant(true),
                    _ => Test::field(self.layout.network() + place, Size::Four, mask, address),
                }
            });
            Test::all(vec![self.holds(ether_type), end])
        });
        Test::any(tests.collect())
    }

    fn ipv6(&self, direction: Direction, net: Ipv6Net) -> Test {
        let mask = u128::MAX
            .checked_shl(128 - u32::from(net.prefix))
            .unwrap_or(0);
        let (address, mask) = (words_of(net.address), words_of(mask.into()));
        let end = directed(direction, |is_source| {
            let place = self.layout.network() + if is_source { 8 } else { 24 };
            let words = (place..).step_by(4).zip(address.into_iter().zip(mask));
            let looked_at = words.filter(|(_, (_, mask))| *mask != 0);
            let tests = looked_at.map(|(at, (word, mask))| Test::field(at, Size::Four, mask, word));
            Test::all(tests.collect())
        });
        Test::all(vec![self.holds(ETHER_IP6), end])
    }

    fn port(&self, transports: Transports, direction: Direction, ports: Ports) -> Test {
        let network = self.layout.network();
        let asked = |number: &u8| match transports {
            Transports::All => true,
            Transports::Only(only) => only == *number,
        };
        let mut over_ip6 = Vec::new();
        let mut over_ip = Vec::new();
        for number in WITH_PORTS.into_iter().filter(asked).map(u32::from) {
            over_ip6.push(Test::all(vec![
                Test::equal(network + 6, Size::One, number),
                directed(direction, |is_source| {
                    let at = network + if is_source { 40 } else { 42 };
                    in_range(&Number::field(at, Size::Two), ports)
                }),
            ]));
            over_ip.push(Test::all(vec![
                Test::equal(network + 9, Size::One, number),
                self.first_fragment(),
                directed(direction, |is_source| {
                    let index = Number::Constant(if is_source { 0 } else { 2 });
                    in_range(&Number::load(network, true, index, Size::Two), ports)
                }),
            ]));
        }
        Test::any(vec![
            Test::all(vec![self.holds(ETHER_IP6), Test::any(over_ip6)]),
            Test::all(vec![self.holds(ETHER_IP), Test::any(over_ip)]),
        ])
    }

    /// The fragment offset of IPv4 is 0: what follows the header is a transport header.
    fn first_fragment(&self) -> Test {
        Test::field(self.layout.network() + 6, Size::Two, 0x1fff, 0)
    }

    fn vlan(&mut self, tag: Option<u16>) -> Test {
        if self.is_inside || self.is_unpacked {
            self.tags += 1;
            return Test::Tagged(self.tags - 1, tag);
        }
        let kinds = [0x8100, 0x88a8, 0x9100].map(|kind| self.holds(kind));
        let mut tests = vec![Test::any(kinds.into())];
        if let Some(tag) = tag {
            let at = self.layout.network();
            tests.push(Test::field(at, Size::Two, 0x0fff, u32::from(tag)));
        }
        self.layout.tagged();
        Test::all(tests)
    }

    fn broadcast(&self, protocol: Option<Protocol>, at: &Range<usize>) -> Result<Test, Wrong> {
        match protocol {
            None | Some(Protocol::Link) => {
                self.only_ethernet("broadcast", at)?;
                Ok(mac(0, [0xff; 6]))
            }
            Some(Protocol::Ip) => {
                // Without the mask of the network only these two are known to be broadcast.
                let destination = self.layout.network() + 16;
                let ends = [0, u32::MAX].map(|end| Test::equal(destination, Size::Four, end));
                Ok(Test::all(vec![
                    self.holds(ETHER_IP),
                    Test::any(ends.into()),
                ]))
            }
            Some(other) => {
                let what = format!("'{}' has no broadcast", words::name(other));
                Err(Wrong::new(at, what))
            }
        }
    }

    fn multicast(&self, protocol: Option<Protocol>, at: &Range<usize>) -> Result<Test, Wrong> {
        let network = self.layout.network();
        match protocol {
            None | Some(Protocol::Link) => {
                self.only_ethernet("multicast", at)?;
                Ok(Test::field(0, Size::One, 1, 1))
            }
            Some(Protocol::Ip) => {
                let first = Number::field(network + 16, Size::One);
                let least = Number::Constant(224);
                let is_multicast = Test::compare(first, Relation::GreaterOrEqual, least);
                Ok(Test::all(vec![self.holds(ETHER_IP), is_multicast]))
            }
            Some(Protocol::Ip6) => Ok(Test::all(vec![
                self.holds(ETHER_IP6),
                Test::equal(network + 24, Size::One, 255),
            ])),
            Some(other) => {
                let what = format!("'{}' has no multicast", words::name(other));
                Err(Wrong::new(at, what))
            }
        }
    }

    /// Cooked frames say whether the machine that captured sent them.
    fn outbound(&self, outbound: bool, at: &Range<usize>) -> Result<Test, Wrong> {
        const OUTGOING: u32 = 4;
        if self.is_inside || self.is_unpacked {
            let what = "the direction is not a property of the innermost packet";
            return Err(Wrong::new(at, what));
        }
        let sent = match self.layout.link {
            LinkType::LINUX_SLL => Test::equal(0, Size::Two, OUTGOING),
            LinkType::LINUX_SLL2 => Test::equal(10, Size::One, OUTGOING),
            link => {
                let what = format!("{link} frames do not record a direction");
                return Err(Wrong::new(at, what));
            }
        };
        Ok(if outbound { sent } else { Test::negated(sent) })
    }

    /// Only the second cooked header has the interface; in other files libpcap does not know it either.
    fn interface(&self, index: u32, at: &Range<usize>) -> Result<Test, Wrong> {
        match self.layout.link {
            _ if self.is_inside => {
                let what = "the interface is not a property of the innermost packet";
                Err(Wrong::new(at, what))
            }
            LinkType::LINUX_SLL2 => Ok(Test::equal(4, Size::Four, index)),
            link => {
                let what = format!("{link} frames do not record the index of their interface");
                Err(Wrong::new(at, what))
            }
        }
    }

    /// First what the bytes of a protocol take for granted, then the numbers.
    fn relation(&self, left: &Arithmetic, relation: Relation, right: &Arithmetic) -> Test {
        let mut tests = Vec::new();
        self.granted(left, &mut tests);
        self.granted(right, &mut tests);
        tests.push(Test::compare(
            self.number(left),
            relation,
            self.number(right),
        ));
        Test::all(tests)
    }

    /// The protocols that must be there for a number to mean something.
    fn granted(&self, number: &Arithmetic, tests: &mut Vec<Test>) {
        match number {
            Arithmetic::Constant(_) | Arithmetic::Length => {}
            Arithmetic::Negative(number) => self.granted(number, tests),
            // Of a sum only the left part: that is what tcpdump does, and filters are written for it.
            Arithmetic::Binary(left, _, _) => self.granted(left, tests),
            Arithmetic::Bytes { of, index, .. } => {
                self.granted(index, tests);
                match of {
                    Protocol::Link => {}
                    Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => {
                        tests.push(self.protocol(*of));
                    }
                    Protocol::Icmp6 => {
                        let next = self.layout.network() + 6;
                        tests.push(self.holds(ETHER_IP6));
                        tests.push(Test::equal(next, Size::One, 58));
                    }
                    _ => {
                        tests.push(self.holds(ETHER_IP));
                        tests.push(self.protocol(*of));
                        tests.push(self.first_fragment());
                    }
                }
            }
        }
    }

    fn number(&self, number: &Arithmetic) -> Number {
        match number {
            Arithmetic::Constant(number) => Number::Constant(*number),
            Arithmetic::Length => Number::Length,
            Arithmetic::Negative(number) => Number::negated(self.number(number)),
            Arithmetic::Binary(left, operator, right) => {
                Number::binary(self.number(left), *operator, self.number(right))
            }
            Arithmetic::Bytes { of, index, size } => {
                let network = self.layout.network();
                let (base, after_ip) = match of {
                    Protocol::Link => (0, false),
                    Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => {
                        (network, false)
                    }
                    Protocol::Icmp6 => (network + 40, false),
                    _ => (network, true),
                };
                Number::load(base, after_ip, self.number(index), *size)
            }
        }
    }
}

/// The test for the source, for the destination, for one of them or both.
fn directed(direction: Direction, test: impl Fn(bool) -> Test) -> Test {
    match direction {
        Direction::Source => test(true),
        Direction::Destination => test(false),
        Direction::Either => Test::any(vec![test(true), test(false)]),
        Direction::Both => Test::all(vec![test(true), test(false)]),
    }
}

/// The lower four bytes are looked at first.
fn mac(at: u32, address: [u8; 6]) -> Test {
    let [first, second, low @ ..] = address;
    let (high, low) = (u16::from_be_bytes([first, second]), u32::from_be_bytes(low));
    Test::all(vec![
        Test::equal(at + 2, Size::Four, low),
        Test::equal(at, Size::Two, u32::from(high)),
    ])
}

fn words_of(address: Ipv6Addr) -> [u32; 4] {
    let bytes = address.octets();
    std::array::from_fn(|word| {
        let at = word * 4;
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    })
}

fn in_range(port: &Number, ports: Ports) -> Test {
    let (first, last) = (
        Number::Constant(ports.first.into()),
        Number::Constant(ports.last.into()),
    );
    if ports.first == ports.last {
        return Test::compare(port.clone(), Relation::Equal, first);
    }
    Test::all(vec![
        Test::compare(port.clone(), Relation::GreaterOrEqual, first),
        Test::compare(port.clone(), Relation::LessOrEqual, last),
    ])
}
