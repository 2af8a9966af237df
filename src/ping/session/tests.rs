//! A session joined to a made-up responder, with a time of its own.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::packet::icmp::{self, HEADER};
use crate::ping::event::{Reply, Verdict};
use crate::ping::losses::Refusal;
use crate::ping::payload::Damage;

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

#[test]
fn an_honest_host_is_measured_to_the_nanosecond() {
    let (session, world) = run(plan(3), &mut |_, reply| vec![reply.clone()]);
    assert_eq!(world.verdicts(), [Verdict::Good; 3]);
    let times = session.totals.times.summary().unwrap();
    assert_eq!(
        (times.min, times.max),
        (Duration::from_millis(1), Duration::from_millis(1))
    );
    assert_eq!(session.timings.kernel, 3);
    assert_eq!(world.replies()[0].hop_limit, Some(63));
    assert_eq!(session.sending_time(), Duration::from_millis(200));
    assert_eq!(session.pipe, 1);
    adds_up(&session);
}

#[test]
fn a_bad_checksum_is_corruption_and_no_reply() {
    let (session, world) = run(plan(2), &mut |_, reply| {
        let mut bad = reply.clone();
        bad.message[2] ^= 0xff;
        vec![bad]
    });
    assert_eq!(world.verdicts(), [Verdict::BadChecksum; 2]);
    assert_eq!((session.totals.received, session.totals.damaged), (0, 2));
    assert_eq!(session.losses.damaged, 2);
    adds_up(&session);
}

#[test]
fn a_payload_of_all_ones_is_forged_and_its_time_is_not_believed() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![changed(reply, |message| message[HEADER..].fill(0xff))]
    });
    assert_eq!(world.verdicts(), [Verdict::Forged]);
    assert_eq!(session.totals.times.count, 0);
    assert_eq!((session.totals.forged, session.losses.silent), (1, 1));
    adds_up(&session);
}

#[test]
fn a_sequence_number_that_was_never_sent_is_forged() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![changed(reply, |message| {
            message[6..8].copy_from_slice(&[0x77, 0x77]);
        })]
    });
    assert_eq!(world.verdicts(), [Verdict::NeverSent]);
    assert_eq!(world.replies()[0].sequence, 0x7777);
    assert_eq!(session.totals.received, 0);
    adds_up(&session);
}

#[test]
fn a_cut_reply_and_a_flipped_byte_are_told_and_not_counted() {
    let (session, world) = run(plan(3), &mut |request, reply| {
        vec![match request.number {
            1 => changed(reply, |message| message.truncate(HEADER + 20)),
            2 => changed(reply, |message| message[HEADER + 40] ^= 0xff),
            _ => changed(reply, |message| message.push(56)),
        }]
    });
    let byte = Damage::Byte {
        at: 40,
        sent: 40,
        came: 215,
    };
    assert_eq!(
        world.verdicts(),
        [Damage::Shorter, byte, Damage::Longer].map(Verdict::Damaged)
    );
    assert_eq!((session.totals.received, session.losses.damaged), (0, 3));
    adds_up(&session);
}

#[test]
fn a_good_reply_after_a_damaged_one_is_received() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        let mut good = reply.clone();
        good.delay = 5 * MS;
        vec![changed(reply, |message| message[HEADER + 40] ^= 1), good]
    });
    assert_eq!(world.verdicts()[1], Verdict::Good);
    assert_eq!((session.totals.received, session.totals.damaged), (1, 1));
    adds_up(&session);
}

#[test]
fn a_reply_from_elsewhere_is_not_the_answer() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![Packet {
            from: [10, 0, 0, 9].into(),
            ..reply.clone()
        }]
    });
    assert_eq!(world.verdicts(), [Verdict::Elsewhere]);
    assert_eq!((session.totals.received, session.totals.elsewhere), (0, 1));
    adds_up(&session);
}

#[test]
fn a_reply_to_another_program_is_none_of_ours() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![changed(reply, |message| message[4] ^= 1)]
    });
    assert_eq!(world.verdicts(), []);
    assert_eq!(session.losses.silent, 1);
}

#[test]
fn a_reply_after_its_time_is_late_and_stays_out_of_the_figures() {
    let (session, world) = run(plan(20), &mut |request, reply| {
        let delay = if request.number == 1 { 1_200 * MS } else { MS };
        vec![Packet {
            delay,
            ..reply.clone()
        }]
    });
    assert!(world.events.contains(&Event::Lost {
        target: 0,
        sequence: 1,
        damaged: false,
        sent: Realtime(1_000 * MS + AHEAD),
    }));
    let late = world
        .replies()
        .into_iter()
        .find(|it| it.sequence == 1)
        .unwrap();
    assert_eq!(late.verdict, Verdict::Late);
    assert_eq!(late.rtt, Some(Duration::from_millis(1_200)));
    assert_eq!((session.losses.late, session.losses.silent), (1, 0));
    assert_eq!((session.totals.received, session.totals.late), (19, 1));
    assert_eq!(session.totals.times.max(), Some(Duration::from_millis(1)));
    adds_up(&session);
}

#[test]
fn a_reply_that_comes_just_in_time_while_nobody_looked_is_late_too() {
    let mut world = World::new();
    let mut session = session_of(plan(1), vec![target(HOST)], &world);
    let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
    let reply = good_reply(&session, &request);
    world.now += 1_001 * MS;
    world.deliver(&mut session, &reply);
    assert_eq!(world.verdicts(), [Verdict::Late]);
    world.deliver(&mut session, &reply);
    assert_eq!(world.verdicts()[1], Verdict::Duplicate);
    adds_up(&session);
}

#[test]
fn duplicates_are_told_and_stay_out_of_the_figures() {
    let (session, world) = run(plan(2), &mut |_, reply| {
        let mut again = reply.clone();
        again.delay = 50 * MS;
        vec![reply.clone(), again]
    });
    let duplicates = world
        .verdicts()
        .iter()
        .filter(|it| **it == Verdict::Duplicate)
        .count();
    // The second one of the last request comes when the session is over.
    assert_eq!((duplicates, session.totals.duplicates), (1, 1));
    assert_eq!(
        (session.totals.received, session.totals.times.count),
        (2, 2)
    );
    adds_up(&session);
}

#[test]
fn replies_in_another_order_are_all_received() {
    let (session, _) = run(plan(6), &mut |request, reply| {
        vec![Packet {
            delay: (700 - 110 * request.number) * MS,
            ..reply.clone()
        }]
    });
    assert_eq!(session.totals.received, 6);
    assert_eq!(session.pipe, 6);
    adds_up(&session);
}

#[test]
fn seventy_thousand_requests_wrap_the_wire_without_a_false_duplicate() {
    let plan = Plan {
        interval: Duration::from_micros(10),
        ..plan(70_000)
    };
    let (session, world) = run(plan, &mut |_, reply| vec![reply.clone()]);
    assert_eq!(session.totals.received, 70_000);
    assert_eq!((session.totals.duplicates, session.totals.forged), (0, 0));
    let last = world.replies().last().unwrap().sequence;
    assert_eq!(last, 70_000);
    adds_up(&session);
}

#[test]
fn a_reply_to_a_request_one_wrap_ago_is_late_and_not_the_answer_to_the_new_one() {
    let mut world = World::new();
    let plan = Plan {
        interval: Duration::from_micros(1),
        timeout: Some(Duration::from_hours(1)),
        ..plan(70_000)
    };
    let mut session = session_of(plan, vec![target(HOST)], &world);
    let mut first = None;
    world.stamps = false;
    for _ in 0..65_537 {
        let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
        first.get_or_insert_with(|| good_reply(&session, &request));
        world.now += 1_000;
    }
    // The first was given up when the ring came round.
    assert_eq!(session.losses.silent, 1);
    world.deliver(&mut session, &first.unwrap());
    assert_eq!(world.verdicts(), [Verdict::Late]);
    assert_eq!(session.totals.received, 0);
}

#[test]
fn a_thousand_requests_at_ten_milliseconds_end_within_one_interval_of_the_right_time() {
    let plan = Plan {
        interval: Duration::from_millis(10),
        ..plan(1_000)
    };
    let mut world = World::new();
    let mut session = session_of(plan, vec![target(HOST)], &world);
    let mut late = 0;
    // Whoever runs the session comes up to 7 ms after the time.
    let start = world.now;
    while !session.is_over(Monotonic(world.now)) {
        late = (late + 3) % 8;
        let due = session.next_deadline(Monotonic(world.now)).unwrap();
        world.now = world.now.max(due.0) + late * MS;
        let now = Monotonic(world.now);
        while let Some(request) = session.poll_transmit(now, 0) {
            world.sent.push(world.now);
            let reply = good_reply(&session, &request);
            world.deliver(&mut session, &reply);
        }
    }
    assert_eq!(world.sent.len(), 1_000);
    let took = world.sent[999] - start;
    assert!((9_990 * MS..10_000 * MS).contains(&took), "{took}");
}

#[test]
fn a_step_of_the_clock_is_told_and_no_time_is_off_by_it() {
    for step in [3_600_000_000_000_i64, -3_600_000_000_000, 5_000_000] {
        let mut world = World::new();
        let mut session = session_of(plan(4), vec![target(HOST)], &world);
        for number in 0..4 {
            let now = Monotonic(world.now);
            let request = session.poll_transmit(now, 0).unwrap();
            session.handle_stamp(
                request.number,
                Stage::Queued,
                Realtime(world.now + world.ahead),
                now,
            );
            let reply = good_reply(&session, &request);
            world.now += MS;
            if number == 1 {
                world.ahead = world.ahead.wrapping_add_signed(step);
            }
            world.deliver(&mut session, &reply);
            world.now += 99 * MS;
        }
        assert_eq!(session.clock_steps, 1, "{step}");
        assert!(world.events.contains(&Event::ClockStep { by: step }));
        let times = session.totals.times.summary().unwrap();
        assert_eq!(session.totals.received, 4, "{step}");
        assert_eq!(times.min, Duration::from_millis(1), "{step}");
        assert_eq!(times.max, Duration::from_millis(1), "{step}");
    }
}

#[test]
fn a_stamp_that_cannot_be_true_is_not_believed() {
    let mut world = World::new();
    let mut session = session_of(plan(2), vec![target(HOST)], &world);
    let now = Monotonic(world.now);
    let request = session.poll_transmit(now, 0).unwrap();
    let reply = good_reply(&session, &request);
    // Before it was sent; and a reply from the future.
    session.handle_stamp(
        request.number,
        Stage::Queued,
        Realtime(world.now + AHEAD - 5),
        now,
    );
    world.now += 3 * MS;
    world.ahead += 1_500;
    world.deliver(&mut session, &reply);
    let replies = world.replies();
    assert_eq!(replies[0].timing, crate::ping::event::Timing::default());
    assert_eq!(replies[0].rtt, Some(Duration::from_millis(3)));
    assert_eq!(session.timings.user, 1);
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

#[test]
fn an_icmp_error_says_by_whom_and_ends_the_wait() {
    let (session, world) = run(plan(2), &mut |_, reply| vec![refused(reply, 1)]);
    assert_eq!(session.totals.errors, 2);
    let told: Vec<_> = session.losses.refused().collect();
    assert_eq!(told, [(&refusal(1), 2)]);
    assert!(world.now < 1_200 * MS, "{}", world.now);
    adds_up(&session);
}

#[test]
fn an_icmp_error_about_somebody_elses_packet_is_not_ours() {
    let strangers: [fn(&mut Vec<u8>); 3] = [
        |message| message[5] ^= 1,
        |message| message[7] = 99,
        |message| message[HEADER] ^= 1,
    ];
    for stranger in strangers {
        let (session, world) = run(plan(1), &mut |_, reply| {
            let mut packet = refused(reply, 1);
            stranger(&mut packet.message);
            vec![packet]
        });
        assert_eq!(session.totals.errors, 0);
        assert_eq!(session.losses.silent, 1);
        assert_eq!(world.events.len(), 1);
    }
}

#[test]
fn an_icmp_error_that_quotes_only_eight_bytes_is_enough() {
    let (session, _) = run(plan(1), &mut |_, reply| {
        let mut packet = refused(reply, 3);
        packet.message.truncate(HEADER);
        vec![packet]
    });
    assert_eq!(session.losses.refused().count(), 1);
}

#[test]
fn a_good_reply_after_an_icmp_error_is_received() {
    let (session, _) = run(plan(2), &mut |request, reply| match request.number {
        1 => {
            let mut good = reply.clone();
            good.delay = 5 * MS;
            vec![refused(reply, 1), good]
        }
        _ => vec![reply.clone()],
    });
    assert_eq!((session.totals.received, session.totals.errors), (2, 1));
    assert_eq!(session.losses.total(), 0);
    adds_up(&session);
}

#[test]
fn an_icmp_error_that_comes_late_still_says_why_it_was_silent() {
    let (session, _) = run(plan(20), &mut |request, reply| match request.number {
        1 => vec![Packet {
            delay: 1_500 * MS,
            ..refused(reply, 1)
        }],
        _ => vec![reply.clone()],
    });
    assert_eq!((session.losses.silent, session.losses.total()), (0, 1));
    assert_eq!(session.losses.refused().count(), 1);
    adds_up(&session);
}

#[test]
fn a_redirect_on_a_raw_socket_is_advice_and_no_loss() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        let mut quoted = vec![0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1];
        quoted.extend(HOST);
        quoted.extend(changed(reply, |message| message[0] = 8).message);
        let mut message = vec![5, 1, 0, 0, 10, 8, 0, 254];
        message.extend(quoted);
        let redirect = Packet {
            delay: MS / 2,
            from: [10, 8, 0, 254].into(),
            message: checksummed(message),
            refusal: None,
        };
        vec![redirect, reply.clone()]
    });
    let Event::Refused(told) = world.events[0] else {
        panic!("{:?}", world.events);
    };
    assert!(told.refusal.is_advice());
    assert_eq!(told.detail, u32::from_be_bytes([10, 8, 0, 254]));
    assert_eq!((session.totals.received, session.totals.errors), (1, 0));
    adds_up(&session);
}

#[test]
fn a_request_that_never_left_is_dropped_here() {
    let mut world = World::new();
    let mut session = session_of(plan(1), vec![target(HOST)], &world);
    let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
    let event = session.handle_unsent(request.number, Unsent::Firewall);
    assert!(matches!(event, Some(Event::Unsent { sequence: 1, .. })));
    assert_eq!(
        session.handle_unsent(request.number, Unsent::Firewall),
        None
    );
    assert!(session.is_over(Monotonic(world.now)));
    world.now += MS;
    adds_up(&session);
}

#[test]
fn a_lenient_session_counts_as_iputils_does() {
    let lenient = Plan {
        lenient: true,
        ..plan(4)
    };
    let (session, _) = run(lenient, &mut |request, reply| {
        vec![match request.number {
            1 => changed(reply, |message| message[HEADER + 40] ^= 1),
            2 => changed(reply, |message| message.truncate(HEADER + 20)),
            3 => Packet {
                from: [10, 0, 0, 9].into(),
                ..reply.clone()
            },
            _ => changed(reply, |message| message[HEADER..].fill(0xff)),
        }]
    });
    assert_eq!(session.totals.received, 4);
    assert_eq!(session.losses.total(), 0);
}

#[test]
fn without_a_time_given_the_last_reply_is_waited_for_as_iputils_does() {
    let plan = Plan {
        timeout: None,
        ..plan(2)
    };
    // The last one is lost: two round-trip times, or an interval.
    let (session, world) = run(plan.clone(), &mut |request, reply| match request.number {
        1 => vec![reply.clone()],
        _ => Vec::new(),
    });
    assert_eq!(world.now - 1_000 * MS, 200 * MS);
    assert_eq!(session.losses.silent, 1);
    adds_up(&session);
    // None came: ten seconds.
    let (session, world) = run(plan, &mut |_, _| Vec::new());
    assert_eq!(world.now - 1_000 * MS, 10_100 * MS);
    assert_eq!(session.losses.silent, 2);
    adds_up(&session);
}

#[test]
fn a_deadline_wants_so_many_replies_and_goes_on_through_errors() {
    let plan = Plan {
        deadline: Some(Duration::from_secs(5)),
        ..plan(3)
    };
    let (session, world) = run(
        plan.clone(),
        &mut |request, reply| match request.number % 2 {
            1 => vec![refused(reply, 1)],
            _ => vec![reply.clone()],
        },
    );
    assert_eq!((session.totals.received, session.totals.sent), (3, 6));
    assert!(world.now - 1_000 * MS < 600 * MS);
    let (session, world) = run(plan, &mut |_, _| Vec::new());
    assert_eq!(world.now - 1_000 * MS, 5_000 * MS);
    // The deadline is a tenth of a second after the last request; the others were silent for longer.
    assert_eq!((session.totals.sent, session.losses.silent), (50, 41));
    assert_eq!(session.losses.unfinished, 9);
    adds_up(&session);
}

#[test]
fn nothing_is_sent_at_the_deadline_and_a_healthy_host_has_no_loss() {
    let plan = Plan {
        count: None,
        deadline: Some(Duration::from_secs(5)),
        interval: Duration::from_secs(1),
        ..plan(0)
    };
    let (session, _) = run(plan, &mut |_, reply| {
        vec![Packet {
            delay: 20 * MS,
            ..reply.clone()
        }]
    });
    assert_eq!((session.totals.sent, session.totals.received), (5, 5));
    assert_eq!(session.totals.loss_percent(), Some(0.0));
}

#[test]
fn what_is_under_way_is_neither_lost_nor_received() {
    let plan = Plan {
        interval: Duration::from_millis(20),
        intervals: true,
        ..plan(6)
    };
    let mut world = World::new();
    let mut session = session_of(plan, vec![target(HOST)], &world);
    for _ in 0..6 {
        let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
        if request.sequence == 1 {
            let reply = good_reply(&session, &request);
            world.now += 10 * MS;
            world.deliver(&mut session, &reply);
        }
        world.now += 20 * MS;
    }
    let interval = session.interval(Some(0)).unwrap();
    assert_eq!((interval.sent, interval.under_way()), (6, 5));
    assert_eq!(interval.loss_percent(), Some(0.0));
    session.begin_interval();
    assert_eq!(session.interval(None), Some(&Tally::default()));
    // Twice as long as a reply takes is a tenth of a second at least.
    while session.poll_end(Monotonic(world.now)).is_some() {}
    assert_eq!((session.losses.silent, session.losses.unfinished), (1, 4));
    adds_up(&session);
}

#[test]
fn the_round_trip_begins_at_the_queue_of_the_link_and_what_is_before_it_is_told_apart() {
    let mut world = World::new();
    let mut session = session_of(plan(1), vec![target(HOST)], &world);
    let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
    let reply = good_reply(&session, &request);
    let sent = world.now;
    world.now += 1_330 * MS;
    // Held for its neighbour for 847 ms, then 478 ms in the queue; devices may be stacked.
    let at = |ms| Realtime(sent + ms * MS + AHEAD);
    let now = Monotonic(world.now);
    for (stage, ms) in [
        (Stage::Queued, 347),
        (Stage::Queued, 350),
        (Stage::Left, 825),
    ] {
        session.handle_stamp(request.number, stage, at(ms), now);
    }
    world.now = sent + 826 * MS;
    world.deliver(&mut session, &reply);
    let reply = world.replies()[0];
    assert_eq!(reply.rtt, Some(Duration::from_millis(826 - 347)));
    assert_eq!(reply.local.held, Some(Duration::from_millis(347)));
    assert_eq!(reply.local.queue, Some(Duration::from_millis(478)));
    assert_eq!(session.queue.max(), reply.local.queue);
    assert_eq!(session.timings.kernel, 1);
}

#[test]
fn five_losses_in_a_row_are_an_outage_and_scattered_ones_are_none() {
    let plan = Plan {
        interval: Duration::from_millis(200),
        ..plan(20)
    };
    let (session, world) = run(plan, &mut |request, reply| match request.sequence {
        2 | 5..10 | 15 => Vec::new(),
        _ => vec![reply.clone()],
    });
    let outages = session.outages(0);
    assert_eq!((outages.count, outages.lost), (1, 5));
    let changes: Vec<&Event> = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Down { .. } | Event::Up { .. }))
        .collect();
    let since = Realtime(1_000 * MS + 4 * 200 * MS + AHEAD);
    let down = Event::Down {
        target: 0,
        since,
        lost: 3,
    };
    let up = Event::Up {
        target: 0,
        since,
        lost: 5,
        after: Duration::from_secs(1),
    };
    assert_eq!(changes, [&down, &up]);
}

#[test]
fn members_of_a_group_answer_each_for_itself_and_a_second_copy_is_a_duplicate() {
    let mut world = World::new();
    let group = target([224, 0, 0, 1]);
    let mut session = session_of(plan(1), vec![group], &world);
    world.run(&mut session, &mut |_, reply| {
        let from = |last, delay| Packet {
            from: [10, 0, 0, last].into(),
            delay,
            ..reply.clone()
        };
        vec![from(1, MS), from(2, MS), from(2, 1), from(3, 1)]
    });
    assert_eq!((session.totals.received, session.totals.others), (1, 2));
    assert_eq!(session.totals.duplicates, 1);
    assert_eq!(session.totals.times.count, 3);
    adds_up(&session);
}

#[test]
fn replies_that_were_overtaken_are_counted() {
    let (session, _) = run(plan(4), &mut |request, reply| {
        vec![Packet {
            delay: if request.sequence == 2 { 150 * MS } else { MS },
            ..reply.clone()
        }]
    });
    assert_eq!(session.totals.reordered, 1);
    assert_eq!(session.totals.received, 4);
}

#[test]
fn who_waits_for_a_host_to_come_up_stops_at_the_first_reply() {
    let plan = Plan {
        count: None,
        until: Until::Up,
        ..plan(0)
    };
    let (session, _) = run(plan, &mut |request, reply| match request.number {
        0..4 => Vec::new(),
        _ => vec![reply.clone()],
    });
    assert_eq!((session.totals.received, session.totals.sent), (1, 4));
}

#[test]
fn who_waits_for_a_host_to_go_down_stops_at_the_first_loss() {
    let plan = Plan {
        count: None,
        until: Until::Down(1),
        ..plan(0)
    };
    let (session, world) = run(plan, &mut |request, reply| match request.number {
        0..4 => vec![reply.clone()],
        _ => Vec::new(),
    });
    assert_eq!(session.totals.received, 3);
    assert_eq!(world.now - 1_000 * MS, 1_300 * MS);
}

#[test]
fn many_targets_are_told_apart_and_each_has_its_own_count() {
    let plan = Plan {
        spacing: Duration::from_millis(1),
        ..plan(2)
    };
    let mut world = World::new();
    let targets = (1..=200).map(|last| target([10, 0, 1, last])).collect();
    let mut session = session_of(plan, targets, &world);
    world.run(&mut session, &mut |request, reply| {
        if request.target == 7 {
            return Vec::new();
        }
        vec![reply.clone()]
    });
    assert_eq!((session.totals.sent, session.totals.received), (400, 398));
    assert_eq!((session.tally(7).received, session.tally(7).lost), (0, 2));
    assert_eq!((session.tally(8).received, session.tally(8).sent), (2, 2));
    assert!(!session.all_answered());
    adds_up(&session);
}

#[test]
fn in_a_flood_only_the_first_of_a_batch_is_timed() {
    let plan = Plan {
        pace: Pace::Flood,
        preload: 10,
        times_first_only: true,
        ..plan(10)
    };
    let mut world = World::new();
    let mut session = session_of(plan, vec![target(HOST)], &world);
    let now = Monotonic(world.now);
    let requests: Vec<Request> = (0..10)
        .map_while(|place| session.poll_transmit(now, place))
        .collect();
    assert_eq!(requests.len(), 10);
    for request in &requests {
        let reply = good_reply(&session, request);
        world.deliver(&mut session, &reply);
    }
    assert_eq!(
        (session.totals.received, session.totals.times.count),
        (10, 1)
    );
}

#[test]
fn whatever_comes_the_account_adds_up() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let kinds = proptest::collection::vec((0_u8..9, 1_u64..3_000), 1..40);
    runner
        .run(&kinds, |kinds| {
            let (session, _) = run(plan(kinds.len() as u64), &mut |request, reply| {
                let (kind, delay) = kinds[usize::try_from(request.sequence).unwrap() - 1];
                let mut packet = match kind {
                    0 => return Vec::new(),
                    1 => refused(reply, 1),
                    2 => changed(reply, |message| message[HEADER + 30] ^= 1),
                    3 => changed(reply, |message| message[HEADER] ^= 1),
                    4 => changed(reply, |message| message.truncate(HEADER + 9)),
                    5 => return vec![refused(reply, 1), reply.clone(), reply.clone()],
                    6 => changed(reply, |message| message[7] ^= 1),
                    _ => reply.clone(),
                };
                packet.delay = delay * MS;
                vec![packet.clone(), packet]
            });
            adds_up(&session);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_target_that_moves_is_answered_from_both_addresses_by_the_time_of_the_request() {
    const THERE: [u8; 4] = [10, 0, 0, 77];
    let mut world = World::new();
    let mut session = session_of(plan(3), vec![target(HOST)], &world);
    let mut send = |session: &mut Session| {
        world.now += 100 * MS;
        let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
        good_reply(session, &request)
    };
    let before = send(&mut session);
    session.move_target(0, (THERE, 0).into());
    let moved = Event::Moved {
        target: 0,
        from: HOST.into(),
    };
    assert_eq!(session.poll_change(), Some(moved));
    let after = send(&mut session);
    let wrong = Packet {
        from: HOST.into(),
        ..send(&mut session)
    };
    for packet in [&before, &after, &wrong] {
        world.deliver(&mut session, packet);
    }
    let expected = [Verdict::Good, Verdict::Good, Verdict::Elsewhere];
    assert_eq!(world.verdicts(), expected);
    assert_eq!(session.target(0).shown, "10.0.0.77");
}
