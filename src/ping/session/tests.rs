//! A session joined to a made-up responder, with a time of its own.

mod clock;
mod ends;
mod errors;
mod replies;
mod targets;

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::packet::icmp::{self, HEADER};
use crate::ping::event::{Reply, Verdict};
use crate::ping::losses::Refusal;
use crate::ping::payload::Damage;
use crate::ping::window::Stage;

const MS: u64 = 1_000_000;
/// What the wall clock is ahead of the other at first.
const AHEAD: u64 = 1_800_000_000_000_000_000;
const HOST: [u8; 4] = [10, 0, 0, 2];
const ID: u16 = 0x1234;

/// A packet on its way to us.
#[derive(Clone)]
struct Packet {
    /// After this many nanoseconds.
    delay: u64,
    from: IpAddr,
    /// An ICMP message of IPv4.
    message: Vec<u8>,
    /// It comes out of the error queue: an error about the request that `message` is.
    refusal: Option<Refusal>,
}

type Responder<'a> = dyn FnMut(&Request, &Packet) -> Vec<Packet> + 'a;

/// The world: time, packets under way, and the wall clock.
struct World {
    now: u64,
    ahead: u64,
    coming: Vec<(u64, Packet)>,
    events: Vec<Event>,
    /// When each request was sent.
    sent: Vec<u64>,
    stamps: bool,
}

impl World {
    fn new() -> World {
        World {
            now: 1_000 * MS,
            ahead: AHEAD,
            coming: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            stamps: true,
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            monotonic: Monotonic(self.now),
            realtime: Realtime(self.now + self.ahead),
            spread: 50,
        }
    }

    /// Runs the session to its end; `responder` says what comes back for a request, which it gets as
    /// the good reply.
    fn run(&mut self, session: &mut Session, responder: &mut Responder<'_>) {
        loop {
            let now = Monotonic(self.now);
            while let Some(request) = session.poll_transmit(now, 0) {
                self.sent.push(self.now);
                if self.stamps {
                    let stamp = Realtime(self.now + self.ahead);
                    session.handle_stamp(request.number, Stage::Queued, stamp, now);
                }
                let reply = good_reply(session, &request);
                for packet in responder(&request, &reply) {
                    self.coming.push((self.now + packet.delay, packet));
                }
            }
            while let Some(event) = session.poll_lost(now) {
                self.events.push(event);
            }
            while let Some(event) = session.poll_change() {
                self.events.push(event);
            }
            if session.is_over(now) {
                break;
            }
            self.go_on(session);
        }
        while let Some(event) = session.poll_end(Monotonic(self.now)) {
            self.events.push(event);
        }
    }

    /// Goes on to the next packet or deadline.
    fn go_on(&mut self, session: &mut Session) {
        let deadline = session.next_deadline(Monotonic(self.now));
        let packet = self.coming.iter().map(|(at, _)| *at).min();
        let next = [deadline.map(|it| it.0), packet]
            .into_iter()
            .flatten()
            .min();
        let next = next.expect("a session that is not over waits for something");
        self.now = self.now.max(next);
        let (due, rest) = std::mem::take(&mut self.coming)
            .into_iter()
            .partition(|(at, _)| *at <= self.now);
        self.coming = rest;
        for (_, packet) in due {
            self.deliver(session, &packet);
        }
    }

    fn deliver(&mut self, session: &mut Session, packet: &Packet) {
        let now = Monotonic(self.now);
        let stamp = self.stamps.then_some(Realtime(self.now + self.ahead));
        self.events.extend(session.handle_clock(self.reading()));
        let event = if let Some(refusal) = packet.refusal {
            let notice = Notice {
                refusal,
                detail: 0,
                to: Some(HOST.into()),
                message: &packet.message,
                extension: None,
                stamp,
            };
            session.handle_notice(&notice, now)
        } else {
            let bytes = with_ip_header(packet);
            let incoming = Incoming {
                version: Version::V4,
                bytes: &bytes,
                with_ip_header: true,
                is_cut: false,
                from: packet.from,
                hop_limit: None,
                stamp,
            };
            session.handle_packet(&incoming, now)
        };
        self.events.extend(event);
    }

    fn replies(&self) -> Vec<Reply> {
        let reply = |event: &Event| match event {
            Event::Reply(reply) => Some(*reply),
            _ => None,
        };
        self.events.iter().filter_map(reply).collect()
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.replies().iter().map(|reply| reply.verdict).collect()
    }
}

fn with_ip_header(packet: &Packet) -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 63, 1, 0, 0];
    if let IpAddr::V4(from) = packet.from {
        bytes.extend(from.octets());
    }
    bytes.extend([10, 0, 0, 1]);
    bytes.extend(&packet.message);
    bytes
}

/// What an honest host sends back, after a millisecond.
fn good_reply(session: &Session, request: &Request) -> Packet {
    let mut message = vec![0; HEADER + session.payloads().length()];
    session.payloads().write_pattern(&mut message[HEADER..]);
    session
        .payloads()
        .write_nonce(request.number, &mut message[HEADER..]);
    icmp::write_echo_request(Version::V4, ID, request.wire(), &mut message);
    message[0] = 0;
    Packet {
        delay: MS,
        from: session.target(request.target).address,
        message: checksummed(message),
        refusal: None,
    }
}

/// With the right checksum for its type and whatever else was changed.
fn checksummed(mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let mut sum: u32 = message
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

fn changed(reply: &Packet, change: impl Fn(&mut Vec<u8>)) -> Packet {
    let mut message = reply.message.clone();
    change(&mut message);
    Packet {
        message: checksummed(message),
        ..reply.clone()
    }
}

fn target(address: [u8; 4]) -> Target {
    Target::from(IpAddr::from(address))
}

fn session_of(plan: Plan, targets: Vec<Target>, world: &World) -> Session {
    let payloads = Payloads::new([7, 8], 56, &[]);
    let mut session = Session::new(plan, payloads, targets, world.reading());
    session.set_identifier(Version::V4, ID);
    session
}

fn plan(count: u64) -> Plan {
    Plan {
        count: Some(count),
        interval: Duration::from_millis(100),
        timeout: Some(Duration::from_secs(1)),
        ..Plan::default()
    }
}

/// Runs `count` requests against a responder.
fn run(plan: Plan, responder: &mut Responder<'_>) -> (Session, World) {
    let mut world = World::new();
    let mut session = session_of(plan, vec![target(HOST)], &world);
    world.run(&mut session, responder);
    (session, world)
}

/// The account adds up, whatever happened.
#[track_caller]
fn adds_up(session: &Session) {
    let totals = &session.totals;
    assert_eq!(
        totals.sent,
        totals.received + totals.lost + totals.unfinished,
        "{totals:?}"
    );
    assert_eq!(totals.lost, session.losses.total(), "{:?}", session.losses);
}

fn refusal(code: u8) -> Refusal {
    Refusal {
        version: Version::V4,
        r#type: 3,
        code,
        by: Some([10, 0, 0, 254].into()),
    }
}

/// An error about the request that a reply answers.
fn refused(reply: &Packet, code: u8) -> Packet {
    let mut packet = changed(reply, |message| message[0] = 8);
    packet.refusal = Some(refusal(code));
    packet
}
