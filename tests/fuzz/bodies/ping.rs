//! What must hold for packets and for a ping session whatever bytes the network brings.

use std::time::Duration;

use sockdoc::packet::{Malformed, icmp, ip};
use sockdoc::ping::clock::{Monotonic, Reading, Realtime};
use sockdoc::ping::event::Event;
use sockdoc::ping::losses::Refusal;
use sockdoc::ping::mpls::{self, Labels};
use sockdoc::ping::payload::Payloads;
use sockdoc::ping::plan::Plan;
use sockdoc::ping::session::{Incoming, Notice, Session};
use sockdoc::ping::target::{self, Target};
use sockdoc::reference::icmp::Version;

/// The input: a byte of flags (version, raw socket, error queue), then a packet; as text, also the
/// word of a target.
pub(crate) fn ping(data: &[u8]) {
    if let Ok(word) = std::str::from_utf8(data) {
        let _ = target::parse(word);
        assert!(target::words(word).all(|word| !word.is_empty()));
    }
    let Some((flags, packet)) = data.split_first() else {
        return;
    };
    let version = if flags & 1 == 0 {
        Version::V4
    } else {
        Version::V6
    };
    codecs(version, packet);
    assert!(Labels::of(packet).as_slice().len() <= mpls::MOST);
    session(version, flags & 2 != 0, flags & 4 != 0, packet);
}

fn codecs(version: Version, packet: &[u8]) {
    match ip::parse(packet) {
        Ok(head) => assert!(head.length <= packet.len()),
        Err(malformed) => too_short(malformed),
    }
    match icmp::parse(version, packet) {
        Ok(icmp::Message::EchoReply(echo) | icmp::Message::EchoRequest(echo)) => {
            assert_eq!(echo.payload.len(), packet.len() - icmp::HEADER);
        }
        Ok(icmp::Message::Problem(problem)) => {
            if let Err(malformed) = icmp::parse_quoted(version, problem.quoted) {
                too_short(malformed);
            }
        }
        Ok(icmp::Message::Other { .. }) => {}
        Err(malformed) => too_short(malformed),
    }
    if let Ok(quoted) = icmp::parse_quoted(version, packet)
        && let Some(echo) = quoted.echo
    {
        assert!(quoted.head.length + icmp::HEADER + echo.payload.len() == packet.len());
    }
}

fn too_short(malformed: Malformed) {
    assert!(malformed.have < malformed.need);
}

/// A session with one request under way gets the packet: nobody who has not seen the request can
/// answer it, and the account adds up.
fn session(version: Version, with_ip_header: bool, queued: bool, packet: &[u8]) {
    let address = match version {
        Version::V4 => [10, 0, 0, 2].into(),
        Version::V6 => [0xfd00, 0, 0, 0, 0, 0, 0, 2].into(),
    };
    let target = Target {
        name: "host".to_owned(),
        address,
        scope: 0,
        shown: "host".to_owned(),
        is_broadcast: false,
    };
    let clock = Reading {
        monotonic: Monotonic(1_000_000),
        realtime: Realtime(1_800_000_000_000_000_000),
        spread: 50,
    };
    let plan = Plan {
        count: Some(1),
        timeout: Some(Duration::from_secs(1)),
        ..Plan::default()
    };
    // What nobody can know.
    let payloads = Payloads::new([0x5ec, packet.len() as u64], 56, &[]);
    let mut session = Session::new(plan, payloads, vec![target], clock);
    session.set_identifier(version, 0x1234);
    let now = Monotonic(2_000_000);
    assert!(session.poll_transmit(now, 0).is_some());
    let later = Monotonic(3_000_000);
    let event = if queued {
        let notice = Notice {
            refusal: Refusal {
                version,
                r#type: packet.first().copied().unwrap_or(0),
                code: packet.get(1).copied().unwrap_or(0),
                by: None,
            },
            detail: 0,
            to: Some(address),
            message: packet,
            extension: packet.get(2).map(|at| usize::from(*at)),
            stamp: None,
        };
        session.handle_notice(&notice, later)
    } else {
        let incoming = Incoming {
            version,
            bytes: packet,
            with_ip_header,
            is_cut: false,
            from: address,
            hop_limit: None,
            stamp: None,
        };
        session.handle_packet(&incoming, later)
    };
    if let Some(Event::Reply(reply)) = event {
        // A payload too short for the nonce is truncated, whatever it says.
        assert!(!reply.counts, "{reply:?}");
    }
    let end = Monotonic(3_000_000_000);
    while session.poll_lost(end).is_some() {}
    let totals = session.totals;
    assert_eq!(totals.sent, totals.received + totals.lost);
    assert_eq!(totals.lost, session.losses.total());
    assert_eq!(totals.received, 0);
}
