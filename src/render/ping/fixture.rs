//! A session in which everything happened, for the tests of those who show one.

use std::time::Duration;

use crate::packet::icmp;
use crate::ping::clock::{Monotonic, Reading, Realtime};
use crate::ping::event::Event;
use crate::ping::losses::{Refusal, Unsent};
use crate::ping::payload::Payloads;
use crate::ping::plan::Plan;
use crate::ping::session::{Incoming, Notice, Request, Session};
use crate::ping::target::Target;
use crate::reference::icmp::Version;

const MS: u64 = 1_000_000;
const START: u64 = 1_000 * MS;

/// The session and its events: a good reply, one again, one with a flipped byte, an ICMP error, a
/// silence and a request that a firewall dropped.
pub(super) fn eventful(name: &str) -> (Session, Vec<Event>) {
    let target = Target {
        name: name.to_owned(),
        address: [10, 0, 0, 2].into(),
        scope: 0,
        shown: "10.0.0.2".to_owned(),
        is_broadcast: false,
    };
    let clock = Reading {
        monotonic: Monotonic(START),
        realtime: Realtime(1_800_000_000_000_000_000),
        spread: 50,
    };
    let plan = Plan {
        count: Some(5),
        interval: Duration::from_millis(100),
        timeout: Some(Duration::from_secs(1)),
        intervals: true,
        ..Plan::default()
    };
    let payloads = Payloads::new([1, 2], 56, &[]);
    let mut session = Session::new(plan, payloads, vec![target], clock);
    session.set_identifier(Version::V4, 7);
    let mut events = Vec::new();
    for turn in 0..5 {
        let now = Monotonic(START + turn * 100 * MS);
        let request = session.poll_transmit(now, 0).expect("it is due");
        events.extend(answer(&mut session, &request, now));
    }
    let end = Monotonic(START + 5_000 * MS);
    while let Some(event) = session.poll_lost(end) {
        events.push(event);
    }
    (session, events)
}

fn answer(session: &mut Session, request: &Request, sent: Monotonic) -> Vec<Event> {
    let now = sent + Duration::from_micros(1_234);
    let message = reply(session, request);
    let mut damaged = message.clone();
    damaged[icmp::HEADER + 40] ^= 0xff;
    let events = match request.sequence {
        1 => vec![
            packet(session, &message, now),
            packet(session, &message, now),
        ],
        2 => vec![packet(session, &damaged, now)],
        3 => vec![session.handle_notice(
            &Notice {
                refusal: Refusal {
                    version: Version::V4,
                    r#type: 3,
                    code: 13,
                    by: Some([10, 0, 0, 254].into()),
                },
                detail: 0,
                to: None,
                message: &[&[8], &message[1..]].concat(),
                extension: None,
                stamp: None,
            },
            now,
        )],
        4 => Vec::new(),
        _ => vec![session.handle_unsent(request.number, Unsent::Firewall)],
    };
    events.into_iter().flatten().collect()
}

fn reply(session: &Session, request: &Request) -> Vec<u8> {
    let mut message = vec![0; icmp::HEADER + 56];
    let payload = &mut message[icmp::HEADER..];
    session.payloads().write_pattern(payload);
    session.payloads().write_nonce(request.number, payload);
    icmp::write_echo_request(Version::V4, 7, request.wire(), &mut message);
    message[0] = 0;
    message
}

fn packet(session: &mut Session, message: &[u8], now: Monotonic) -> Option<Event> {
    let incoming = Incoming {
        version: Version::V4,
        bytes: message,
        with_ip_header: false,
        is_cut: false,
        from: [10, 0, 0, 2].into(),
        hop_limit: Some(63),
        stamp: None,
    };
    session.handle_packet(&incoming, now)
}
