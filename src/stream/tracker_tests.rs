use std::net::IpAddr;

use super::super::{Ended, Found, Overlap, Piece, StreamRef, Summary};
use super::*;
use crate::packet::record::Span;
use crate::packet::tcp::flag;

/// Keeps what is found.
#[derive(Default)]
struct Kept {
    findings: Vec<Noted>,
    summaries: Vec<Summary>,
    messages: Vec<(u64, bool)>,
}

impl Sink for Kept {
    fn message(&mut self, found: &Found<'_>) {
        self.messages.push((found.frame, found.guessed));
    }

    fn fact(&mut self, fact: Fact) {
        self.findings.push(fact.noted);
    }

    fn data(&mut self, _stream: &StreamRef, _piece: Piece<'_>) {}

    fn stream(&mut self, summary: &Summary) {
        self.summaries.push(*summary);
    }
}

/// A capture in the making.
struct Wire {
    tracker: Tracker,
    kept: Kept,
    frames: u64,
}

impl Wire {
    fn new(max_memory: usize, max_streams: usize) -> Wire {
        Wire {
            tracker: Tracker::new(Settings {
                app_ports: vec![65432],
                app_any: false,
                assemble_all: true,
                compare: true,
                follow: None,
                overlap: Overlap::First,
                max_memory,
                max_streams,
                seed: 7,
            }),
            kept: Kept::default(),
            frames: 0,
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
    ) -> Seen {
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
            window: 1000,
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
            time: i64::try_from(self.frames).unwrap() * 1_000_000,
            bytes: data,
            wire_length: 54 + length,
        };
        self.tracker.segment(&frame, &ip, &tcp, &mut self.kept)
    }

    fn open(&mut self, port: u16) {
        self.segment(port, true, flag::SYN, 100, 0, b"");
        self.segment(port, false, flag::SYN | flag::ACK, 500, 101, b"");
        self.segment(port, true, flag::ACK, 101, 501, b"");
    }

    fn finish(mut self) -> Kept {
        self.tracker.finish(&mut self.kept);
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
    let ended: Vec<Ended> = summaries.iter().map(|summary| summary.ended).collect();
    assert_eq!(
        ended,
        [
            Ended::Closed,
            Ended::Reset,
            Ended::Refused,
            Ended::Unanswered,
            Ended::HalfClosed,
            Ended::Open
        ]
    );
    assert_eq!(summaries[0].handshake, Some(2_000_000));
    assert_eq!(summaries[0].from_client.packets, 3);
}

#[test]
fn ports_that_are_used_again_begin_another_connection_even_after_the_first_was_forgotten() {
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
        .findings
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
fn bytes_behind_a_gap_are_counted_and_their_connections_go_first_when_they_are_too_many() {
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
        kept.findings
            .iter()
            .any(|noted| matches!(noted, Noted::Evicted(held) if *held > 30_000))
    );
    assert!(kept.findings.contains(&Noted::Gap(899)));
}

#[test]
fn data_behind_a_fin_and_the_end_of_a_message_that_never_came_are_told() {
    let mut wire = Wire::new(1 << 20, 10);
    wire.open(1);
    wire.segment(1, true, flag::ACK, 101, 501, b"\x00\x67{\"byteorder\"");
    wire.segment(1, true, flag::FIN | flag::ACK, 115, 501, b"");
    wire.segment(1, true, flag::ACK, 116, 501, b"more");
    let kept = wire.finish();
    assert!(
        kept.findings.contains(&Noted::DataAfterFin(4)),
        "{:?}",
        kept.findings
    );
    assert!(
        kept.findings.contains(&Noted::MessageCut),
        "{:?}",
        kept.findings
    );
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
