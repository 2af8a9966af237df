//! What is noticed about a capture outside its streams: times that go backwards, missing and duplicate frames,
//! scans, unanswered pings and queries, addresses that two hosts claim. It is reported at the end.
//!
//! # Invariants
//!
//! Every table has at most [`MOST`] entries; what comes when one is full is not looked at.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::passes::{Circle, Pass, Passes};
use crate::capfile::{self, Timestamp};
use crate::packet::icmp::{Message, parse};
use crate::packet::record::{Arp, Ip, Network, Transport, Udp};
use crate::packet::{Decoded, Malformed};
use crate::stream::{EndState, Endpoint, Fact, Noted, ScanOf, Summary};

const MOST: usize = 16 * 1024;
/// A question without an answer has to wait this long to count, in nanoseconds.
const PATIENCE: i64 = 1_000_000_000;
/// From this number of refused or silent ports of a host, or hosts with the same port, it is a scan.
const PORTS: usize = 5;
const HOSTS: usize = 16;

/// A number of times, and when it was first.
#[derive(Debug, Default)]
struct Times {
    count: u64,
    first: Option<(u64, Timestamp)>,
    /// The longest time of it, in nanoseconds.
    longest: i64,
}

impl Times {
    fn add(&mut self, frame: u64, time: Timestamp, nanoseconds: i64) {
        self.count += 1;
        self.first.get_or_insert((frame, time));
        self.longest = self.longest.max(nanoseconds);
    }
}

#[derive(Debug)]
struct Asked {
    frame: u64,
    time: Timestamp,
    times: u32,
}

/// A failed attempt to connect: what else the client tried.
#[derive(Debug)]
struct Attempts {
    frame: u64,
    time: Timestamp,
    others: HashSet<(IpAddr, u16)>,
    refused: u32,
    silent: u32,
}

/// Packets from one host to another that go round in a loop.
#[derive(Debug)]
struct Circles {
    packets: u64,
    /// The one that came by most often.
    longest: Circle,
}

/// The frame that claimed an address last, and that with another hardware address.
#[derive(Debug)]
struct Claim {
    mac: [u8; 6],
    time: Timestamp,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    latest: Option<Timestamp>,
    back: Times,
    cut: Times,
    malformed: Times,
    /// What is wrong with the first of these, and whether it is the same layer in all.
    first_malformed: Option<(Malformed, bool)>,
    copies: Times,
    frames: u64,
    pub(super) passes: Passes,
    /// Packets that go round in a loop, by source and destination.
    circles: HashMap<(IpAddr, IpAddr), Circles>,
    pings: HashMap<(IpAddr, IpAddr, u16, u16), Asked>,
    sent: HashMap<(IpAddr, IpAddr), u32>,
    queries: HashMap<(Endpoint, Endpoint, u16), Asked>,
    /// The ends of queries that an ICMP error quotes.
    rejected: HashSet<(Endpoint, Endpoint)>,
    /// Answers that say a failure, by server and code.
    failed: HashMap<(IpAddr, u8), Times>,
    late: HashMap<IpAddr, Times>,
    claims: HashMap<[u8; 4], Claim>,
    doubles: Vec<(u64, Timestamp, Noted)>,
    attempts: HashMap<(IpAddr, ScanOf), Attempts>,
    /// How many others all attempts have together.
    tried: usize,
    one_sided: Times,
    two_sided: u64,
    /// Frames that the capture lost, as the file says.
    pub(super) dropped: u64,
}

impl Watch {
    /// Takes a frame that is selected.
    pub(super) fn frame(
        &mut self,
        frame: &capfile::Frame<'_>,
        time: Timestamp,
        decoded: &Decoded,
        bytes: &[u8],
        pass: Pass,
    ) {
        self.frames += 1;
        let number = frame.number;
        if frame.time.is_some() {
            let latest = self.latest.unwrap_or(time);
            let back = latest.nanos_since(time);
            if back > 0 {
                self.back.add(number, time, back);
            }
            self.latest = Some(latest.max(time));
        }
        if (frame.data.len() as u64) < u64::from(frame.original_len) {
            self.cut.add(number, time, 0);
        } else if let Some(malformed) = decoded.malformed {
            self.malformed.add(number, time, 0);
            let (first, is_one_layer) = self.first_malformed.unwrap_or((malformed, true));
            self.first_malformed = Some((first, is_one_layer && first.layer == malformed.layer));
        }
        match pass {
            Pass::First => {}
            Pass::Copy => return self.copies.add(number, time, 0),
            Pass::Again(circle) => return self.goes_round(decoded, &circle),
        }
        let layers = decoded.innermost();
        match (&layers.network, &layers.transport) {
            (Network::Arp(arp), _) => self.arp(arp, number, time),
            (Network::Ip(ip), Transport::Udp(udp)) if udp.source == 53 || udp.destination == 53 => {
                self.dns(ip, udp, bytes, number, time);
            }
            (Network::Ip(ip), Transport::Icmp(icmp)) => {
                match parse(icmp.version, icmp.span.of(bytes)) {
                    Ok(Message::EchoRequest(echo)) if !ip.destination.is_multicast() => {
                        let (from, to) = (ip.source, ip.destination);
                        let key = (from, to, echo.identifier, echo.sequence);
                        if self.pings.len() < MOST
                            && let Entry::Vacant(entry) = self.pings.entry(key)
                        {
                            entry.insert(Asked {
                                frame: number,
                                time,
                                times: 1,
                            });
                            *self.sent.entry((from, to)).or_default() += 1;
                        }
                    }
                    Ok(Message::EchoReply(echo)) => {
                        let (from, to) = (ip.destination, ip.source);
                        let key = (from, to, echo.identifier, echo.sequence);
                        self.pings.remove(&key);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn goes_round(&mut self, decoded: &Decoded, circle: &Circle) {
        let Network::Ip(ip) = &decoded.outer.network else {
            return;
        };
        let ends = (ip.source, ip.destination);
        if self.circles.len() >= MOST && !self.circles.contains_key(&ends) {
            return;
        }
        let circles = self.circles.entry(ends).or_insert(Circles {
            packets: 0,
            longest: *circle,
        });
        circles.packets += u64::from(circle.is_new);
        if circle.passes > circles.longest.passes {
            circles.longest = *circle;
        }
    }

    /// RFC 1035 section 4.1.1: the identification, then the flags; the highest one is that of an answer.
    fn dns(&mut self, ip: &Ip, udp: &Udp, bytes: &[u8], number: u64, time: Timestamp) {
        let &[id_high, id_low, flags, code, ..] = udp.payload.of(bytes) else {
            return;
        };
        let id = u16::from_be_bytes([id_high, id_low]);
        let (from, to) = ((ip.source, udp.source), (ip.destination, udp.destination));
        if flags & 0x80 == 0 {
            if to.1 == 53 && self.queries.len() < MOST {
                let asked = self.queries.entry((from, to, id)).or_insert(Asked {
                    frame: number,
                    time,
                    times: 0,
                });
                asked.times += 1;
            }
            return;
        }
        let asked = self.queries.remove(&(to, from, id));
        let code = code & 0x0f;
        if matches!(code, 2 | 5) && self.failed.len() < MOST {
            let failed = self.failed.entry((from.0, code)).or_default();
            failed.add(number, time, 0);
        }
        if let Some(asked) = asked {
            let took = time.nanos_since(asked.time);
            if took >= PATIENCE && self.late.len() < MOST {
                self.late.entry(from.0).or_default().add(number, time, took);
            }
        }
    }

    /// Two hardware addresses for one address within this time are two hosts: one that takes over an address
    /// announces it, and the other is silent from then on.
    fn arp(&mut self, arp: &Arp, number: u64, time: Timestamp) {
        const TOGETHER: i64 = 10_000_000_000;
        let Some(of) = arp.addresses.filter(|of| of.sender != [0; 4]) else {
            return;
        };
        if self.claims.len() >= MOST && !self.claims.contains_key(&of.sender) {
            return;
        }
        let claim = Claim {
            mac: of.sender_mac,
            time,
        };
        let Some(before) = self.claims.insert(of.sender, claim) else {
            return;
        };
        let soon = time.nanos_since(before.time) < TOGETHER;
        // An announcement asks for, or answers with, the sender's own address: that is a take-over.
        let is_announced = of.sender == of.target;
        if before.mac != of.sender_mac && soon && !is_announced && self.doubles.len() < 64 {
            let noted = Noted::DuplicateAddress {
                address: of.sender,
                macs: [before.mac, of.sender_mac],
            };
            let is_known = |(_, _, other): &(u64, Timestamp, Noted)| matches!(other, Noted::DuplicateAddress { address, .. } if *address == of.sender);
            if !self.doubles.iter().any(is_known) {
                self.doubles.push((number, time, noted));
            }
        }
    }

    /// A packet that an ICMP error quotes: nothing else will answer it.
    pub(super) fn quoted(&mut self, from: Endpoint, to: Endpoint) {
        if to.1 == 53 && self.rejected.len() < MOST {
            self.rejected.insert((from, to));
        }
    }

    /// The same of an echo request.
    pub(super) fn quoted_echo(&mut self, from: IpAddr, to: IpAddr, identifier: u16, sequence: u16) {
        self.pings.remove(&(from, to, identifier, sequence));
    }

    /// Takes a stream that is over, as far as the capture shows it.
    pub(super) fn ended(&mut self, summary: &Summary) {
        let (client, server) = (summary.client.0, summary.server);
        let (up, down) = (&summary.from_client, &summary.from_server);
        let is_silent = matches!(summary.ended, EndState::Unanswered);
        let is_refused = matches!(summary.ended, EndState::Refused | EndState::Rejected);
        if is_silent || is_refused {
            for of in [ScanOf::Ports(server.0), ScanOf::Hosts(server.1)] {
                if self.attempts.len() >= MOST && !self.attempts.contains_key(&(client, of)) {
                    continue;
                }
                let attempts = self.attempts.entry((client, of)).or_insert(Attempts {
                    frame: summary.first_frame,
                    time: summary.first,
                    others: HashSet::new(),
                    refused: 0,
                    silent: 0,
                });
                if self.tried < MOST && attempts.others.insert(server) {
                    self.tried += 1;
                    attempts.refused += u32::from(is_refused);
                    attempts.silent += u32::from(is_silent);
                }
            }
            return;
        }
        let (least, most) = (up.packets.min(down.packets), up.packets.max(down.packets));
        if least == 0 && most >= 3 {
            self.one_sided.add(summary.first_frame, summary.first, 0);
        } else if least > 0 {
            self.two_sided += 1;
        }
    }

    /// The capture is over: tells what was seen, in the order of the frames.
    pub(super) fn finish(
        mut self,
        last: Timestamp,
        fragments: impl Iterator<Item = (u64, Timestamp, IpAddr, IpAddr)>,
        handler: &mut impl FnMut(&Fact),
    ) {
        let mut found = std::mem::take(&mut self.doubles);
        self.about_the_file(&mut found);
        self.about_questions(last, &mut found);
        self.about_scans(&mut found);
        let mut missing: HashMap<(IpAddr, IpAddr), Times> = HashMap::new();
        for (frame, time, from, to) in fragments {
            // The rest of the packet follows within milliseconds.
            if last.nanos_since(time) >= PATIENCE {
                missing.entry((from, to)).or_default().add(frame, time, 0);
            }
        }
        for ((source, destination), times) in missing {
            let packets = times.count;
            push(&mut found, &times, |_| Noted::FragmentsLost {
                source,
                destination,
                packets,
            });
        }
        found.sort_by_key(|(frame, _, _)| *frame);
        for (frame, time, noted) in found {
            handler(&Fact {
                frame,
                time,
                stream: None,
                noted,
            });
        }
    }

    fn about_the_file(&self, found: &mut Vec<(u64, Timestamp, Noted)>) {
        let of = self.frames;
        push(found, &self.back, |times| Noted::TimeBack {
            frames: times.count,
            longest: times.longest,
        });
        push(found, &self.cut, |times| Noted::Cut {
            frames: times.count,
            of,
        });
        if let Some((first, is_one_layer)) = self.first_malformed {
            push(found, &self.malformed, |times| Noted::Malformed {
                frames: times.count,
                of,
                first,
                is_one_layer,
            });
        }
        // One frame may well be sent twice.
        if self.copies.count >= 2 {
            push(found, &self.copies, |times| Noted::Copies {
                frames: times.count,
                of,
            });
        }
        for ((source, destination), circles) in &self.circles {
            let Circle {
                passes,
                frame,
                time,
                ttls,
                ..
            } = circles.longest;
            let noted = Noted::RoutingLoop {
                source: *source,
                destination: *destination,
                packets: circles.packets,
                passes,
                ttls,
            };
            found.push((frame, time, noted));
        }
        if self.dropped > 0 {
            let when = self.latest.unwrap_or_default();
            found.push((of, when, Noted::Dropped(self.dropped)));
        }
        let streams = self.one_sided.count + self.two_sided;
        if self.one_sided.count > self.two_sided {
            push(found, &self.one_sided, |times| Noted::OneSided {
                streams: times.count,
                of: streams,
            });
        }
    }

    fn about_questions(&mut self, last: Timestamp, found: &mut Vec<(u64, Timestamp, Noted)>) {
        let waited = |asked: &Asked| last.nanos_since(asked.time) >= PATIENCE;
        let mut silent: HashMap<(IpAddr, IpAddr), Times> = HashMap::new();
        for ((from, to, ..), asked) in self.pings.iter().filter(|(_, asked)| waited(asked)) {
            earliest(silent.entry((*from, *to)).or_default(), asked);
        }
        for ((source, destination), times) in silent {
            let of = self.sent.get(&(source, destination)).copied();
            push(found, &times, |times| Noted::PingUnanswered {
                source,
                destination,
                lost: times.count,
                of: of.unwrap_or_default(),
            });
        }
        let mut silent: HashMap<(IpAddr, IpAddr), Times> = HashMap::new();
        for ((from, to, _), asked) in self.queries.iter().filter(|(_, asked)| waited(asked)) {
            if self.rejected.contains(&(*from, *to)) {
                continue;
            }
            earliest(silent.entry((from.0, to.0)).or_default(), asked);
        }
        for ((client, server), times) in silent {
            push(found, &times, |times| Noted::DnsUnanswered {
                client,
                server,
                queries: times.count,
            });
        }
        for ((server, code), times) in std::mem::take(&mut self.failed) {
            push(found, &times, |times| Noted::DnsFailed {
                server,
                code,
                answers: times.count,
            });
        }
        for (server, times) in std::mem::take(&mut self.late) {
            push(found, &times, |times| Noted::DnsSlow {
                server,
                answers: times.count,
                longest: times.longest,
            });
        }
    }

    fn about_scans(&mut self, found: &mut Vec<(u64, Timestamp, Noted)>) {
        for ((client, of), attempts) in std::mem::take(&mut self.attempts) {
            let least = match of {
                ScanOf::Ports(_) => PORTS,
                ScanOf::Hosts(_) => HOSTS,
            };
            if attempts.others.len() >= least {
                let noted = Noted::Scan {
                    client,
                    of,
                    refused: attempts.refused,
                    silent: attempts.silent,
                };
                found.push((attempts.frame, attempts.time, noted));
            }
        }
    }
}

fn earliest(times: &mut Times, asked: &Asked) {
    times.count += u64::from(asked.times);
    let first = times.first.get_or_insert((asked.frame, asked.time));
    *first = (*first).min((asked.frame, asked.time));
}

fn push(
    found: &mut Vec<(u64, Timestamp, Noted)>,
    times: &Times,
    noted: impl FnOnce(&Times) -> Noted,
) {
    if let Some((frame, time)) = times.first {
        found.push((frame, time, noted(times)));
    }
}
