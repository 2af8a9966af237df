//! What must hold for the segments of a capture whatever they are.

use std::net::{IpAddr, Ipv4Addr};

use sockdoc::capfile::Timestamp;
use sockdoc::packet::record::{Ip, Span, Tcp};
use sockdoc::stream::{Event, Frame, Overlap, Piece, Settings, Tracker, Wanted};

/// Counts what comes out.
#[derive(Default)]
struct Count {
    /// Bytes of each direction of the connection that is followed.
    data: [u64; 2],
    messages: u64,
    begun: u64,
    streams: u64,
}

impl Count {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(message) => {
                self.messages += 1;
                assert!(message.message.wire.ends_with(message.message.content));
                let _ = message.message.decode();
            }
            Event::Data(stream, piece) => {
                assert_eq!(stream.number, 0);
                if let Piece::Data(bytes) = piece {
                    self.data[usize::from(stream.from_client)] += bytes.len() as u64;
                }
            }
            Event::Ended(summary) => {
                self.streams += 1;
                assert!(summary.last >= summary.first);
                let parts = summary.account.parts();
                let sum: i64 = parts.iter().map(|part| part.1).sum();
                assert_eq!(sum, summary.last.nanos_since(summary.first));
                for limited in summary.limited.iter().flatten() {
                    assert!(limited.percent <= 100);
                }
                for sent in [summary.from_client, summary.from_server] {
                    assert!(sent.again_bytes <= sent.data_bytes);
                }
            }
            Event::Begun(begun) => self.begun += u64::from(begun.frame > 0),
            Event::Fact(_) | Event::Named(..) => {}
        }
    }
}

const MAX_MEMORY: usize = 64 * 1024;

/// The input: a byte of settings, then segments: a byte for who sends (and on which connection), one for
/// the flags, two each for sequence and acknowledgment number, one for the window, one for the length,
/// and this many bytes of data.
pub(crate) fn stream(data: &[u8]) {
    let Some((settings, mut rest)) = data.split_first() else {
        return;
    };
    let mut tracker = Tracker::new(Settings {
        app_ports: vec![65432],
        app_any: settings & 1 != 0,
        assemble_all: settings & 2 != 0,
        causes: settings & 16 == 0,
        compare: settings & 4 != 0,
        follow: Wanted::One(0),
        overlap: if settings & 8 != 0 {
            Overlap::Last
        } else {
            Overlap::First
        },
        max_memory: MAX_MEMORY,
        max_streams: 3,
        seed: 1,
    });
    let mut count = Count::default();
    let (mut frames, mut sent) = (0, 0);
    while let [
        who,
        flags,
        seq,
        seq_low,
        ack,
        ack_low,
        window,
        length,
        after @ ..,
    ] = rest
    {
        let (bytes, behind) = after.split_at(usize::from(*length).min(after.len()));
        rest = behind;
        frames += 1;
        sent += bytes.len() as u64;
        let number = |high: u8, low: u8| {
            // Around the wrap.
            u32::from(u16::from_be_bytes([high, low])).wrapping_sub(0x8000)
        };
        let ends = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)].map(IpAddr::V4);
        let ports = [
            40_000 + u16::from(who >> 1 & 7),
            if who & 16 == 0 { 65432 } else { 80 },
        ];
        let (from, to) = if who & 1 == 0 { (0, 1) } else { (1, 0) };
        let captured = u32::try_from(bytes.len()).unwrap();
        let ip = Ip {
            is_v6: false,
            offset: 0,
            header_length: 20,
            source: ends[from],
            destination: ends[to],
            hop_limit: 64 - (who >> 5) * 8,
            protocol: 6,
            next_header: 6,
            fragment: None,
            end: 40 + captured,
        };
        let tcp = Tcp {
            offset: 0,
            header_length: 20,
            source: ports[from],
            destination: ports[to],
            sequence: number(*seq, *seq_low),
            acknowledgment: number(*ack, *ack_low),
            flags: u16::from(*flags),
            window: u16::from(*window),
            urgent: 0,
            payload: Span {
                offset: 0,
                captured,
                // Some segments were cut.
                length: captured + u32::from(who >> 5),
            },
        };
        let frame = Frame {
            number: frames,
            time: Timestamp::new(0, frames * 1_000_000),
            bytes,
            wire_length: 54 + captured,
        };
        let seen = tracker.segment(&frame, &ip, &tcp, &mut |event| count.event(&event));
        tracker.make_room(&mut |event| count.event(&event));
        assert!(seen.stream < tracker.streams());
    }
    tracker.finish(true, &mut |event| count.event(&event));
    assert_eq!(count.streams, u64::from(tracker.streams()));
    assert_eq!(count.begun, count.streams);
    assert!(count.data.iter().sum::<u64>() <= sent);
    assert!(count.messages <= sent / 2);
}
