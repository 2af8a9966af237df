use std::net::IpAddr;

use super::super::{EndState, Overlap, Summary, Wanted};
use super::*;
use crate::packet::record::Span;
use crate::packet::tcp::flag;

/// Keeps what is found.
#[derive(Default)]
struct Kept {
    facts: Vec<Noted>,
    summaries: Vec<Summary>,
    messages: Vec<(u64, bool)>,
}

impl Kept {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(message) => self.messages.push((message.frame, message.guessed)),
            Event::Fact(fact) => self.facts.push(fact.noted.clone()),
            Event::Ended(summary) => self.summaries.push(**summary),
            Event::Begun(_) | Event::Named(..) | Event::Data(..) => {}
        }
    }
}

/// A capture being written.
struct Wire {
    tracker: Tracker,
    kept: Kept,
    frames: u64,
    /// The time of the next frames, and their window.
    time: Option<Timestamp>,
    window: u16,
}

impl Wire {
    fn new(max_memory: usize, max_streams: usize) -> Wire {
        Wire {
            tracker: Tracker::new(Settings {
                app_ports: vec![65432],
                app_any: false,
                assemble_all: true,
                causes: true,
                compare: true,
                follow: Wanted::Nothing,
                overlap: Overlap::First,
                max_memory,
                max_streams,
                seed: 7,
            }),
            kept: Kept::default(),
            frames: 0,
            time: None,
            window: 1000,
        }
    }

    /// A segment of the client with this port, or of the server to it.
    fn segment(
        &mut self,
        port: u16,
        from_client: bool,
        flags: u16,
        seq: u32,
        ack: u32,
        data: &[u8],
    ) -> SegmentInfo {
        let (client, server): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let (source, destination) = if from_client {
            (client, server)
        } else {
            (server, client)
        };
        let ports = if from_client {
            (port, 65432)
        } else {
            (65432, port)
        };
        let length = u32::try_from(data.len()).unwrap();
        let ip = Ip {
            is_v6: false,
            offset: 0,
            header_length: 20,
            source,
            destination,
            hop_limit: 64,
            protocol: 6,
            next_header: 6,
            fragment: None,
            end: 40 + length,
        };
        let tcp = Tcp {
            offset: 0,
            header_length: 20,
            source: ports.0,
            destination: ports.1,
            sequence: seq,
            acknowledgment: ack,
            flags,
            window: self.window,
            urgent: 0,
            payload: Span {
                offset: 0,
                captured: length,
                length,
            },
        };
        self.frames += 1;
        let frame = Frame {
            number: self.frames,
            time: self
                .time
                .unwrap_or(Timestamp::new(0, self.frames * 1_000_000)),
            bytes: data,
            wire_length: 54 + length,
        };
        let Wire { tracker, kept, .. } = self;
        let seen = tracker.segment(&frame, &ip, &tcp, &mut |event| kept.event(&event));
        tracker.make_room(&mut |event| kept.event(&event));
        seen
    }

    fn open(&mut self, port: u16) {
        self.segment(port, true, flag::SYN, 100, 0, b"");
        self.segment(port, false, flag::SYN | flag::ACK, 500, 101, b"");
        self.segment(port, true, flag::ACK, 101, 501, b"");
    }

    fn finish(mut self) -> Kept {
        self.tracker
            .finish(true, &mut |event| self.kept.event(&event));
        assert_eq!(self.tracker.memory, 0);
        assert!(self.tracker.table.is_empty());
        self.kept
    }
}

#[test]
fn each_connection_has_its_number_and_says_how_it_ended() {
    let mut wire = Wire::new(1 << 20, 100);
    wire.open(1);
    wire.segment(1, true, flag::FIN | flag::ACK, 101, 501, b"");
    wire.segment(1, false, flag::FIN | flag::ACK, 501, 102, b"");
    wire.open(2);
    wire.segment(2, false, flag::RST, 501, 0, b"");
    wire.segment(3, true, flag::SYN, 1, 0, b"");
    wire.segment(3, false, flag::RST | flag::ACK, 0, 2, b"");
    wire.segment(4, true, flag::SYN, 1, 0, b"");
    wire.open(5);
    wire.segment(5, true, flag::FIN | flag::ACK, 101, 501, b"");
    wire.open(6);
    let mut summaries = wire.finish().summaries;
    summaries.sort_by_key(|summary| summary.number);
    let ended: Vec<EndState> = summaries.iter().map(|summary| summary.ended).collect();
    assert_eq!(
        ended,
        [
            EndState::Closed,
            EndState::Reset,
            EndState::Refused,
            EndState::Unanswered,
            EndState::HalfClosed,
            EndState::Open
        ]
    );
    assert_eq!(summaries[0].handshake, Some(2_000_000));
    assert_eq!(summaries[0].from_client.packets, 3);
}

#[test]
fn ports_that_are_used_again_begin_another_stream_even_after_the_first_was_dropped() {
    let mut wire = Wire::new(1 << 20, 2);
    wire.open(1);
    let again = wire.segment(1, true, flag::SYN, 9000, 0, b"");
    assert_eq!((again.stream, again.analysis.sequence), (1, 0));
    assert!(again.analysis.marks.has(Marks::PORTS_REUSED));
    for port in 2..10 {
        wire.open(port);
    }
    let later = wire.segment(1, true, flag::SYN, 70_000, 0, b"");
    assert!(later.analysis.marks.has(Marks::PORTS_REUSED));
    assert!(
        !wire
            .segment(11, true, flag::SYN, 1, 0, b"")
            .analysis
            .marks
            .has(Marks::PORTS_REUSED)
    );
}

#[test]
fn above_the_limits_the_connections_that_were_quiet_longest_go_and_that_is_told() {
    let mut wire = Wire::new(1 << 20, 3);
    for port in 1..=10 {
        wire.open(port);
        assert!(wire.tracker.table.len() <= 3);
    }
    let kept = wire.finish();
    let evicted = kept
        .facts
        .iter()
        .filter(|noted| matches!(noted, Noted::Evicted(_)));
    assert_eq!(evicted.count(), 7);
    let numbers: Vec<u32> = kept
        .summaries
        .iter()
        .map(|summary| summary.number)
        .collect();
    assert_eq!(numbers, (0..10).collect::<Vec<u32>>());
}

#[test]
fn bytes_after_a_gap_are_counted_and_their_connections_go_first_when_they_are_too_many() {
    let mut wire = Wire::new(200_000, 1000);
    for port in 1..=20 {
        wire.open(port);
        for piece in 0..3 {
            wire.segment(
                port,
                true,
                flag::ACK,
                1000 + piece * 20_000,
                501,
                &[b'x'; 10_000],
            );
        }
        assert!(wire.tracker.memory <= 200_000, "{}", wire.tracker.memory);
    }
    let kept = wire.finish();
    assert!(
        kept.facts
            .iter()
            .any(|noted| matches!(noted, Noted::Evicted(held) if *held > 30_000))
    );
    assert!(kept.facts.contains(&Noted::Gap {
        bytes: 899,
        acknowledged: false
    }));
}

#[test]
fn data_after_a_fin_and_the_end_of_a_message_that_never_came_are_told() {
    let mut wire = Wire::new(1 << 20, 10);
    wire.open(1);
    wire.segment(1, true, flag::ACK, 101, 501, b"\x00\x67{\"byteorder\"");
    wire.segment(1, true, flag::FIN | flag::ACK, 115, 501, b"");
    wire.segment(1, true, flag::ACK, 116, 501, b"more");
    let kept = wire.finish();
    assert!(
        kept.facts.contains(&Noted::DataAfterFin(4)),
        "{:?}",
        kept.facts
    );
    assert!(kept.facts.contains(&Noted::MessageCut), "{:?}", kept.facts);
}

#[test]
fn connections_that_are_over_make_room_and_the_others_stay() {
    let mut wire = Wire::new(64 << 20, 1 << 20);
    wire.open(1);
    for n in 0..3 * u32::try_from(KEPT_WHEN_OVER).unwrap() {
        let port = 1000 + u16::try_from(n).unwrap();
        wire.open(port);
        wire.segment(port, false, flag::RST, 501, 0, b"");
    }
    assert!(wire.tracker.table.len() <= KEPT_WHEN_OVER + 2);
    let seen = wire.segment(1, true, flag::ACK, 101, 501, b"x");
    assert_eq!(seen.stream, 0);
}

#[test]
fn times_that_are_too_far_apart_are_the_longest_there_is() {
    let mut wire = Wire::new(1 << 20, 10);
    wire.open(1);
    for _ in 0..3 {
        for (seconds, window) in [(i64::MIN, 0), (i64::MAX, 1000)] {
            wire.time = Some(Timestamp::new(seconds, 0));
            wire.window = window;
            wire.segment(1, false, flag::ACK, 501, 101, b"");
        }
    }
    let kept = wire.finish();
    assert!(kept.facts.contains(&Noted::WindowWasClosed(i64::MAX)));
    assert_eq!(kept.summaries[0].from_server.zero_window_time, i64::MAX);
}

#[test]
fn a_segment_that_is_sent_again_is_a_fact() {
    let mut wire = Wire::new(1 << 20, 10);
    wire.open(1);
    wire.segment(1, false, flag::ACK, 501, 101, b"reply");
    wire.segment(1, false, flag::ACK, 501, 101, b"reply");
    let kept = wire.finish();
    let marks = Marks::RETRANSMISSION;
    let noted = Noted::Analysis { marks, sequence: 1 };
    assert_eq!(kept.facts[0], noted);
}

#[test]
fn a_stream_goes_on_when_its_syn_comes_again_after_a_reset() {
    let mut wire = Wire::new(1 << 20, 10);
    wire.segment(1, true, flag::SYN, 100, 0, b"");
    wire.segment(1, false, flag::ACK, 9_000, 800_000, b"");
    wire.segment(1, true, flag::RST, 800_000, 0, b"");
    wire.segment(1, true, flag::SYN, 100, 0, b"");
    wire.segment(1, false, flag::SYN | flag::ACK, 500, 101, b"");
    wire.segment(1, true, flag::ACK, 101, 501, b"more");
    let kept = wire.finish();
    assert_eq!(kept.summaries[0].ended, EndState::Open);
    assert_eq!(kept.summaries[0].from_client.retransmissions, 1);
}
