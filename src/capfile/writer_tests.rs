//! What is written is read back.

use proptest::prelude::*;

use super::*;
use crate::capfile::{End, Ends, Format, Name, Reason, SliceReader, Source};

fn frame(interface: u32, link: LinkType, time: Option<Timestamp>, data: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        offset: 0,
        interface,
        link,
        time,
        data,
        original_len: u32::try_from(data.len()).unwrap(),
        ends: Ends::default(),
        record: &[],
    }
}

#[allow(clippy::unnecessary_wraps)] // as a frame has it
fn at(seconds: i64, nanoseconds: u32) -> Option<Timestamp> {
    Some(Timestamp {
        seconds,
        nanoseconds,
    })
}

#[test]
fn a_pcap_file_has_one_link_type_and_times_without_a_sign() {
    let interface = Interface::new(LinkType::ETHERNET);
    let mut writer = PcapWriter::new(Vec::new(), ByteOrder::Little, &interface).unwrap();
    writer
        .frame(&frame(0, LinkType::ETHERNET, at(1, 0), b"x"))
        .unwrap();
    let other = writer.frame(&frame(0, LinkType::RAW, at(1, 0), b"x"));
    assert_eq!(
        other.unwrap_err().to_string(),
        "a pcap file has one link type: this is one of EN10MB, and the frame is RAW; \
         a pcapng file has room for both"
    );
    for seconds in [-1, 1 << 32] {
        let error = writer.frame(&frame(0, LinkType::ETHERNET, at(seconds, 0), b"x"));
        assert!(matches!(error, Err(WriteError::Time(_))), "{seconds}");
    }
    let long = vec![0; LONGEST_FRAME as usize + 1];
    let error = writer.frame(&frame(0, LinkType::ETHERNET, at(1, 0), &long));
    assert!(matches!(error, Err(WriteError::FrameTooLong(262_145))));
    // What was refused left no trace.
    assert_eq!(writer.into_inner().len(), 24 + 17);
}

#[test]
fn the_header_of_a_pcap_file_says_what_the_interface_says() {
    let interface = Interface {
        snaplen: Some(96),
        fcs_len: Some(4),
        resolution: Resolution::NANOSECONDS,
        ..Interface::new(LinkType::ETHERNET)
    };
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let file = PcapWriter::new(Vec::new(), order, &interface).unwrap();
        let file = file.into_inner();
        let mut reader = SliceReader::new(&file);
        assert_eq!(reader.next_frame(), Ok(None));
        assert_eq!(reader.interfaces(), std::slice::from_ref(&interface));
        assert_eq!(reader.format(), Some(Format::Pcap));
    }
}

#[test]
fn an_interface_is_described_once_in_front_of_its_first_frame() {
    let ethernet = Interface {
        name: Some("eth0".into()),
        snaplen: Some(1_500),
        time_offset: -7,
        ..Interface::new(LinkType::ETHERNET)
    };
    let cooked = Interface {
        resolution: Resolution::Binary(20),
        fcs_len: Some(2),
        ..Interface::new(LinkType::LINUX_SLL2)
    };
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Big).unwrap();
    for _ in 0..2 {
        writer
            .frame(&frame(9, LinkType::LINUX_SLL2, at(3, 5), b"sll"), &cooked)
            .unwrap();
        writer
            .frame(
                &frame(4, LinkType::ETHERNET, at(-7, 1_000), b"ether"),
                &ethernet,
            )
            .unwrap();
    }
    let mixed = writer.frame(&frame(4, LinkType::RAW, at(1, 0), b"x"), &ethernet);
    assert!(matches!(mixed, Err(WriteError::LinkType { .. })));
    let file = writer.into_inner();
    let mut reader = SliceReader::new(&file);
    let frames: Vec<Frame<'_>> = reader.by_ref().map(Result::unwrap).collect();
    let seen: Vec<(u32, LinkType, Option<Timestamp>)> = frames
        .iter()
        .map(|f| (f.interface, f.link, f.time))
        .collect();
    let (sll, ether) = (
        (0, LinkType::LINUX_SLL2, at(3, 5)),
        (1, LinkType::ETHERNET, at(-7, 1_000)),
    );
    assert_eq!(seen, [sll, ether, sll, ether]);
    let written = Interface {
        resolution: Resolution::NANOSECONDS,
        ..cooked
    };
    assert_eq!(reader.interfaces(), [written, ethernet]);
}

#[test]
fn a_name_is_cut_where_no_reader_reads_on() {
    let interface = Interface {
        name: Some("x".repeat(100_000).into()),
        ..Interface::new(LinkType::RAW)
    };
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Big).unwrap();
    writer
        .frame(&frame(0, LinkType::RAW, None, b"data"), &interface)
        .unwrap();
    let file = writer.into_inner();
    let mut reader = SliceReader::new(&file);
    assert!(reader.next_frame().unwrap().is_some());
    let name = reader.interfaces()[0].name.as_deref();
    assert_eq!(name.map(str::len), Some(LONGEST_NAME));
}

#[test]
fn a_frame_without_a_time_stays_so_where_the_format_can_say_it() {
    let interface = Interface::new(LinkType::RAW);
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little).unwrap();
    writer
        .frame(&frame(0, LinkType::RAW, None, b"whole"), &interface)
        .unwrap();
    let cut = Frame {
        original_len: 99,
        ..frame(0, LinkType::RAW, None, b"cut")
    };
    writer.frame(&cut, &interface).unwrap();
    let file = writer.into_inner();
    let times: Vec<_> = SliceReader::new(&file).map(|f| f.unwrap().time).collect();
    assert_eq!(times, [None, at(0, 0)]);
}

proptest! {
    #[test]
    fn frames_come_back_as_they_were_written(
        big: bool,
        frames in proptest::collection::vec(
            (
                0_i64..0xffff_ffff,
                0..1_000_000_000_u32,
                proptest::collection::vec(any::<u8>(), 0..100),
                0..3_u32,
                0..2_000_u32,
            ),
            0..20,
        ),
    ) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let interfaces = [LinkType::ETHERNET, LinkType::RAW, LinkType::NULL].map(|link| Interface {
            resolution: Resolution::NANOSECONDS,
            ..Interface::new(link)
        });
        let mut pcap = PcapWriter::new(Vec::new(), order, &interfaces[0]).unwrap();
        let mut pcapng = PcapngWriter::new(Vec::new(), order).unwrap();
        for (seconds, nanos, data, interface, more) in &frames {
            let of = &interfaces[*interface as usize];
            let mut written = frame(*interface, of.link, at(*seconds, *nanos), data);
            written.original_len += more;
            pcapng.frame(&written, of).unwrap();
            written.link = LinkType::ETHERNET;
            pcap.frame(&written).unwrap();
        }
        for (file, is_pcap) in [(pcap.into_inner(), true), (pcapng.into_inner(), false)] {
            let back: Result<Vec<Frame<'_>>, _> = SliceReader::new(&file).collect();
            let back = back.unwrap();
            prop_assert_eq!(back.len(), frames.len());
            for (got, (seconds, nanos, data, interface, more)) in back.iter().zip(&frames) {
                prop_assert_eq!(got.time, at(*seconds, *nanos));
                prop_assert_eq!(got.data, &data[..]);
                prop_assert_eq!(got.original_len as usize, data.len() + *more as usize);
                let link = if is_pcap { LinkType::ETHERNET } else { interfaces[*interface as usize].link };
                prop_assert_eq!(got.link, link);
            }
        }
    }
}

#[test]
fn the_processes_at_the_ends_of_a_packet_are_comments_and_a_pcap_file_has_none() {
    let interface = Interface::new(LinkType::ETHERNET);
    let known = |pid| Ends {
        sender: End::Process {
            pid,
            name: Name::new(b"curl"),
            source: Source::Bpf,
        },
        receiver: End::Unknown(Reason::Closed),
    };
    // More than are kept; the first one comes again.
    let all: Vec<Ends> = (1..20)
        .chain([1])
        .map(known)
        .chain([Ends::default()])
        .collect();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let mut writer = PcapngWriter::new(Vec::new(), order).unwrap();
        let mut plain = PcapWriter::new(Vec::new(), order, &interface).unwrap();
        for ends in &all {
            let frame = Frame {
                ends: *ends,
                ..frame(0, LinkType::ETHERNET, at(1, 0), b"12345")
            };
            writer.frame(&frame, &interface).unwrap();
            plain.frame(&frame).unwrap();
        }
        let file = writer.into_inner();
        let mut reader = SliceReader::new(&file);
        let mut read = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            assert_eq!(frame.data, b"12345");
            read.push(frame.ends);
        }
        assert_eq!(read, all);
        assert_eq!(plain.into_inner().len(), 24 + all.len() * 21);
    }
}
