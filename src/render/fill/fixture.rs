//! A run as it was seen, for the tests of all sections.

use std::io;
use std::time::Duration;

use super::Page;
use crate::diagnose::rules::sender::Waits;
use crate::fill::report::Limits;
use crate::fill::{DrainEnd, Draining, End, Mode, Plan, Report, Sample, Stop, Timeline, Variant};
use crate::render::Style;
use crate::sockdiag::TcpInfoValues;

/// A connection that has settled; of the drain only the beginning.
pub(super) fn report() -> Report {
    let mut timeline = Timeline::default();
    let ms = Duration::from_millis;
    for at in 1..=59 {
        timeline.sent(65_536, 65_536, ms(at));
    }
    timeline.sent(65_536, 44_032, ms(60));
    timeline.no_room(ms(61));
    let mut draining = Draining::default();
    draining.received(b"1234");
    draining.writable(Some(70));
    draining.received(b"56789");
    draining.ended(DrainEnd::End);
    Report {
        variant: Variant::Tcp,
        plan: Plan {
            chunk: 65_536,
            mode: Mode::NonBlocking,
            settle: ms(500),
            max_bytes: u64::MAX,
            max_sends: u64::MAX,
            duration: Duration::from_secs(10),
        },
        both_ends: true,
        ends: ["127.0.0.1:40000".to_owned(), "127.0.0.1:80".to_owned()],
        limits: Limits::default(),
        timeline,
        stop: Stop::Settled,
        lasted: ms(561),
        checksum: 1,
        waits: Waits::default(),
        settled: Some(Sample {
            at: ms(561),
            sender: End {
                send_queue: Some(3_782_144),
                tcp: Some(Box::new(TcpInfoValues {
                    bytes_acked: Some(128_513),
                    ..TcpInfoValues::default()
                })),
                ..End::default()
            },
            receiver: Some(End {
                recv_queue: Some(128_512),
                ..End::default()
            }),
        }),
        verdict: None,
        holding: None,
        datagrams: None,
        closed: None,
        draining: Some(draining),
        interrupted: false,
    }
}

/// What a section writes without a terminal.
pub(super) fn written(section: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    let mut page = Page {
        out: &mut out,
        style: Style::new(false),
        width: None,
    };
    section(&mut page).expect("writes to memory");
    String::from_utf8(out).expect("UTF-8")
}
