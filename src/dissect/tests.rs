use super::*;
use crate::capfile::SliceReader;
use crate::filter::Services;
use crate::stream::{Marks, Overlap};

const TUTORIAL: &[u8] = include_bytes!("../../tests/data/captures/tutorial.pcap");
const OUT_OF_ORDER: &[u8] = include_bytes!("../../tests/data/captures/app-out-of-order.pcap");
const WINDOW: &[u8] = include_bytes!("../../tests/data/captures/tcp-zero-window.pcap");
const PORT_REUSE: &[u8] = include_bytes!("../../tests/data/captures/tcp-port-reuse.pcap");

fn settings(filter: &str) -> Settings {
    Settings {
        watch: false,
        streams: stream::Settings {
            app_ports: vec![65432],
            app_any: false,
            assemble_all: true,
            causes: true,
            compare: true,
            follow: stream::Wanted::Nothing,
            overlap: Overlap::First,
            max_memory: 1 << 20,
            max_streams: 100,
            seed: 1,
        },
        filter: Filter::parse(filter, &Services::parse("")).expect("a filter"),
        greetings: true,
        inside: false,
        check_checksums: false,
        limit: None,
    }
}

/// The events of a capture in short, and the facts.
fn dissect(capture: &[u8], settings: Settings) -> (Vec<String>, Vec<Fact>, Totals) {
    let (mut events, mut facts) = (Vec::new(), Vec::new());
    let mut dissector = Dissector::new(settings);
    let mut reader = SliceReader::new(capture);
    let mut handler = |event: Event<'_>| {
        events.push(match event {
            Event::Frame(frame) if frame.is_selected => {
                format!("frame {} messages {}", frame.number, frame.messages)
            }
            Event::Frame(frame) => format!("frame {} hidden", frame.number),
            Event::Stream(stream::Event::Begun(begun)) => format!("begun {}", begun.stream.number),
            Event::Stream(stream::Event::Message(message)) => {
                format!("message of frame {}", message.frame)
            }
            Event::Stream(stream::Event::Fact(fact)) => {
                facts.push(fact.clone());
                format!("fact of frame {}", fact.frame)
            }
            Event::Stream(stream::Event::Named(number, host)) => format!("named {number} {host}"),
            Event::Stream(stream::Event::Data(stream, _)) => format!("data {}", stream.number),
            Event::Stream(stream::Event::Ended(summary)) => format!("ended {}", summary.number),
            Event::End(_) => "end".to_owned(),
        });
    };
    while let Some((frame, _)) = reader
        .next_with_interface(&mut |_| {})
        .expect("a whole capture")
    {
        if !dissector.frame(&frame, &mut handler).expect("a filter") {
            break;
        }
    }
    let totals = dissector.finish(true, &mut handler);
    (events, facts, totals)
}

#[test]
fn what_a_frame_brings_comes_before_it_and_the_summaries_before_the_end() {
    let (events, _, totals) = dissect(TUTORIAL, settings("tcp"));
    assert_eq!(events[..2], ["begun 0", "frame 1 messages 0"]);
    let at = events
        .iter()
        .position(|event| event == "message of frame 4");
    let at = at.expect("a message");
    assert_eq!(events[at + 1], "frame 4 messages 1");
    assert_eq!(events[events.len() - 3..], ["ended 0", "ended 1", "end"]);
    assert_eq!((totals.frames, totals.messages, totals.streams), (20, 4, 2));
    assert!(totals.is_complete);
}

#[test]
fn a_filter_may_ask_for_what_the_dissection_has_found() {
    let (events, _, totals) = dissect(TUTORIAL, settings("app"));
    let shown: Vec<&String> = events
        .iter()
        .filter(|event| event.contains(" messages "))
        .collect();
    assert_eq!(
        shown,
        [
            "frame 4 messages 1",
            "frame 6 messages 1",
            "frame 14 messages 1",
            "frame 16 messages 1"
        ]
    );
    assert_eq!((totals.frames, totals.selected), (20, 4));
}

#[test]
fn a_fact_is_about_the_direction_that_it_was_noticed_in() {
    let (_, facts, _) = dissect(WINDOW, settings(""));
    let marked = |from_client: bool| {
        let marks = facts.iter().filter_map(|fact| match fact.noted {
            Noted::Analysis { marks, .. } if fact.stream.unwrap().from_client == from_client => {
                Some(marks)
            }
            _ => None,
        });
        marks.fold(Marks::default(), Marks::with)
    };
    // The client sends; it is the server whose window is closed.
    assert!(marked(false).has(Marks::ZERO_WINDOW), "{facts:?}");
    assert!(!marked(true).has(Marks::ZERO_WINDOW), "{facts:?}");
    let (_, facts, _) = dissect(OUT_OF_ORDER, settings(""));
    let lost = |fact: &&Fact| matches!(fact.noted, Noted::Analysis { marks, .. } if marks.has(Marks::LOST_SEGMENT));
    let lost = facts
        .iter()
        .find(lost)
        .expect("a segment that was not captured");
    let port = if lost.stream.unwrap().from_client {
        lost.stream.unwrap().destination.1
    } else {
        lost.stream.unwrap().source.1
    };
    assert_eq!(port, 65432);
}

#[test]
fn a_stream_whose_ports_are_in_use_again_ends_after_the_frame_that_shows_it() {
    let (events, _, totals) = dissect(PORT_REUSE, settings(""));
    let begun = events.iter().position(|event| event == "begun 1");
    let begun = begun.expect("a second stream");
    let ended = events.iter().position(|event| event == "ended 0");
    let ended = ended.expect("the end of the first");
    let frame = events[begun..ended]
        .iter()
        .filter(|event| event.starts_with("frame"));
    assert_eq!(frame.count(), 1, "{events:?}");
    assert_eq!(totals.streams, 3);
}

#[test]
fn of_what_comes_after_the_limit_nothing_is_claimed() {
    let limited = Settings {
        limit: Some(1),
        ..settings("")
    };
    let (events, facts, totals) = dissect(TUTORIAL, limited);
    assert_eq!(facts, []);
    assert_eq!((totals.frames, totals.is_complete), (1, false));
    assert_eq!(events, ["begun 0", "frame 1 messages 0", "ended 0", "end"]);
}

/// An Ethernet frame with these layers after the addresses, in a capture of its own.
fn capture_of(layers: &[u8]) -> Vec<u8> {
    let mut data = vec![2; 12];
    data.extend(layers);
    let interface = capfile::Interface::new(LinkType::ETHERNET);
    let mut writer =
        capfile::PcapWriter::new(Vec::new(), capfile::ByteOrder::Little, &interface).unwrap();
    let frame = capfile::Frame {
        number: 1,
        offset: 0,
        interface: 0,
        link: LinkType::ETHERNET,
        time: Some(Timestamp::default()),
        original_len: u32::try_from(data.len()).unwrap(),
        data: &data,
        ends: capfile::Ends::default(),
        record: &[],
    };
    writer.frame(&frame).unwrap();
    writer.into_inner()
}

#[test]
fn a_filter_looks_at_the_outermost_packet_and_inside_at_the_innermost() {
    let udp = [0, 9, 0, 53, 0, 8, 0, 0];
    let address6 = [0xfe; 32];
    let ip = |protocol: u8, length: usize| {
        let total = u8::try_from(20 + length).unwrap();
        let mut header = vec![0x45, 0, 0, total, 0, 0, 0, 0, 64, protocol, 0, 0];
        header.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        header
    };
    let ip6 =
        |next: u8, length: u8| [&[0x60, 0, 0, 0, 0, length, next, 64][..], &address6].concat();
    let v4 = [&[8, 0][..], &ip(17, 8), &udp].concat();
    let tagged = [&[0x81, 0, 0, 5][..], &v4].concat();
    let twice = [&[0x88, 0xa8, 0, 7][..], &tagged].concat();
    let tunnel = [&[8, 0][..], &ip(4, 28), &ip(17, 8), &udp].concat();
    let hop_by_hop = [0x11, 0, 1, 4, 0, 0, 0, 0];
    let extended = [&[0x86, 0xdd][..], &ip6(0, 16), &hop_by_hop, &udp].concat();
    // The last fragment of a datagram has no ports, and its bytes are not taken for some.
    let fragment = [0x11, 0, 0, 8, 0, 0, 0, 1];
    let later = [&[0x86, 0xdd][..], &ip6(44, 16), &fragment, &udp].concat();
    for (layers, filter, outside, inside, behind) in [
        (&v4, "port 53", true, true, None),
        (&tagged, "port 53", false, true, Some(Behind::Tags)),
        (&tagged, "not port 53", true, false, Some(Behind::Tags)),
        (&tagged, "vlan 5 and port 53", true, true, None),
        (&twice, "udp", false, true, Some(Behind::Tags)),
        (&tunnel, "port 53", false, true, Some(Behind::Tunnel)),
        (
            &extended,
            "udp port 53",
            false,
            true,
            Some(Behind::Extensions),
        ),
        (&extended, "ip6", true, true, None),
        (&later, "port 53", false, false, None),
        (&later, "udp", true, true, None),
        (&tagged, "ether[14:2] = 5", true, false, None),
    ] {
        let capture = capture_of(layers);
        let (_, _, totals) = dissect(&capture, settings(filter));
        assert_eq!(totals.selected == 1, outside, "{filter}");
        let unseen = totals.unseen;
        let counts = unseen.missed.iter().zip(unseen.taken);
        let found = Behind::ALL
            .iter()
            .zip(counts)
            .filter(|(_, (missed, taken))| *missed + taken > 0);
        let found: Vec<Behind> = found.map(|(behind, _)| *behind).collect();
        assert_eq!(found, Vec::from_iter(behind), "{filter}");
        let mut settings = settings(filter);
        settings.inside = true;
        let (_, _, totals) = dissect(&capture, settings);
        assert_eq!(totals.selected == 1, inside, "{filter} inside");
    }
}
