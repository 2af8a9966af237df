//! Both readers, on files made byte by byte.

use proptest::prelude::*;

use crate::capfile::ByteOrder::{Big, Little};
use crate::capfile::testing::{
    block, enhanced, interface, packet, pcap_header, pcap_record, section, u16, u32, u64,
};
use crate::capfile::{
    ByteOrder, CaptureError, Damage, Format, LONGEST_BLOCK, LONGEST_FRAME, LinkType, Part,
    SliceReader, StreamReader, Timestamp, WrongLength, pcap, pcapng,
};

const ORDERS: [ByteOrder; 2] = [Little, Big];

/// What a test asks of a frame: interface, link type, seconds and nanoseconds, bytes, original length.
type Seen = (u32, u16, Option<(i64, u32)>, Vec<u8>, u32);

fn seen(frame: &crate::capfile::Frame<'_>) -> Seen {
    let time = frame.time.map(|t: Timestamp| (t.seconds, t.nanoseconds));
    let link = frame.link.0;
    (
        frame.interface,
        link,
        time,
        frame.data.to_vec(),
        frame.original_len,
    )
}

fn read(file: &[u8]) -> (Vec<Seen>, Option<CaptureError>) {
    let mut frames = Vec::new();
    for (next, number) in SliceReader::new(file).zip(1..) {
        match next {
            Ok(frame) => {
                assert_eq!(frame.number, number);
                frames.push(seen(&frame));
            }
            Err(error) => return (frames, Some(error)),
        }
    }
    (frames, None)
}

/// The same through the other reader, in pieces of this size.
fn read_in_pieces(file: &[u8], size: usize) -> (Vec<Seen>, Option<CaptureError>) {
    let mut reader = StreamReader::new();
    let mut frames = Vec::new();
    let mut pieces = file.chunks(size);
    loop {
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(seen(&frame)),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        if reader.is_over() {
            return (frames, None);
        }
        match pieces.next() {
            Some(piece) => reader.feed(piece),
            None => reader.end(),
        }
    }
}

/// Reads a file with both readers.
#[track_caller]
fn both(file: &[u8]) -> (Vec<Seen>, Option<CaptureError>) {
    let whole = read(file);
    for size in [1, 7, 64] {
        assert_eq!(read_in_pieces(file, size), whole, "in pieces of {size}");
    }
    whole
}

#[track_caller]
fn good(file: &[u8]) -> Vec<Seen> {
    let (frames, error) = both(file);
    assert_eq!(error, None);
    frames
}

#[track_caller]
fn bad(file: &[u8]) -> (usize, u64, Damage) {
    let (frames, error) = both(file);
    let error = error.expect("an error");
    (frames.len(), error.offset, error.damage)
}

#[test]
fn pcap_is_read_in_both_byte_orders_and_with_both_units() {
    for order in ORDERS {
        for (magic, nanos) in [(pcap::MAGIC, 7_000), (pcap::MAGIC_NANOS, 7)] {
            let mut file = pcap_header(order, magic, (2, 4), 1);
            file.extend(pcap_record(order, [5, 7, 3, 60], b"abc"));
            file.extend(pcap_record(order, [0xffff_ffff, 0, 0, 0], b""));
            let frames = good(&file);
            assert_eq!(frames[0], (0, 1, Some((5, nanos)), b"abc".to_vec(), 60));
            assert_eq!(frames[1], (0, 1, Some((0xffff_ffff, 0)), vec![], 0));
        }
    }
}

#[test]
fn a_modified_pcap_has_longer_record_headers() {
    for order in ORDERS {
        let mut file = pcap_header(order, pcap::MAGIC_MODIFIED, (2, 4), 113);
        for data in [b"first", b"other"] {
            let mut head = pcap_record(order, [1, 2, 5, 5], &[0; 8]);
            head.extend(data);
            file.extend(head);
        }
        let frames = good(&file);
        assert_eq!(frames[1], (0, 113, Some((1, 2_000)), b"other".to_vec(), 5));
        assert_eq!(frames.len(), 2);
        let mut reader = SliceReader::new(&file);
        reader.next_frame().unwrap();
        assert_eq!(reader.format(), Some(Format::PcapModified));
    }
}

#[test]
fn microseconds_beyond_a_second_are_carried() {
    let mut file = pcap_header(Little, pcap::MAGIC, (2, 4), 1);
    file.extend(pcap_record(Little, [10, 4_000_000_000, 0, 0], b""));
    assert_eq!(good(&file)[0].2, Some((4_010, 0)));
}

#[test]
fn old_versions_have_the_lengths_the_other_way_round_and_unknown_ones_are_refused() {
    for (version, lengths, original) in [
        ((2, 4), [2, 9], 9),
        ((2, 2), [9, 2], 9),
        ((2, 3), [9, 2], 9),
        ((2, 3), [2, 9], 9),
        ((543, 0), [9, 2], 9),
    ] {
        let mut file = pcap_header(Big, pcap::MAGIC, version, 1);
        file.extend(pcap_record(Big, [0, 0, lengths[0], lengths[1]], b"ab"));
        let frames = good(&file);
        assert_eq!(
            (frames[0].3.len(), frames[0].4),
            (2, original),
            "{version:?}"
        );
    }
    for version in [(1, 0), (2, 5), (3, 0), (0, 0), (543, 1)] {
        let file = pcap_header(Little, pcap::MAGIC, version, 1);
        let (frames, offset, damage) = bad(&file);
        assert_eq!((frames, offset), (0, 0));
        assert!(matches!(damage, Damage::Version { .. }), "{damage}");
    }
}

#[test]
fn the_upper_bits_of_the_link_type_tell_of_the_frame_check_sequence() {
    let file = pcap_header(Big, pcap::MAGIC, (2, 4), 0x2400_0001);
    let mut reader = SliceReader::new(&file);
    assert_eq!(reader.next_frame(), Ok(None));
    let interface = &reader.interfaces()[0];
    assert_eq!(interface.link, LinkType::ETHERNET);
    assert_eq!(interface.fcs_len, Some(4));
    assert_eq!(interface.snaplen, Some(262_144));
}

#[test]
fn a_file_of_headers_alone_has_no_frames_and_is_good() {
    for order in ORDERS {
        assert_eq!(good(&pcap_header(order, pcap::MAGIC, (2, 4), 1)), []);
        assert_eq!(good(&section(order)), []);
        let file = [section(order), interface(order, 1, 0, &[])].concat();
        assert_eq!(good(&file), []);
    }
}

#[test]
fn an_empty_file_and_one_that_is_no_capture_are_told_apart() {
    assert_eq!(bad(b""), (0, 0, Damage::Empty));
    let (_, error) = both(b"hello, this is text");
    assert_eq!(
        error.unwrap().to_string(),
        "at byte 0: not a pcap or pcapng capture: it begins with 68 65 6c 6c"
    );
    let (_, error) = both(b"\x1f\x8b\x08\x00");
    let said = error.unwrap().to_string();
    assert!(said.contains("this is a gzip file"), "{said}");
    let (_, error) = both(b"hi");
    assert!(matches!(error.unwrap().damage, Damage::NotACapture { .. }));
    let (_, error) = both(b"\xd4\xc3");
    let cut = Damage::Cut {
        part: Part::FileHeader,
        have: 2,
        need: 24,
    };
    assert_eq!(error.unwrap().damage, cut);
}

/// Sections of both orders, interfaces of several kinds, every kind of block.
fn everything() -> Vec<u8> {
    let mut file = Vec::new();
    for order in [Little, Big, Little] {
        file.extend(section(order));
        file.extend(block(order, 0x0000_0bad, b"\0\0\0\x01private"));
        file.extend(interface(order, 1, 65_535, &[(2, b"eth0"), (9, &[9])]));
        let offset = u64(order, 1_000);
        file.extend(interface(order, 101, 4, &[(9, &[0x8a]), (14, &offset)]));
        file.extend(interface(order, 113, 0, &[(0, b""), (9, b"not read")]));
        file.extend(packet(order, 1, 1_536, b"binary"));
        file.extend(packet(order, 0, 5_000_000_007, b"nanoseconds"));
        file.extend(block(order, 4, &[0; 8]));
        let body = enhanced(
            order,
            2,
            7_000_001,
            (3, 99),
            b"cut\0\x02\x00\x04\x00\0\0\0\0",
        );
        file.extend(block(order, pcapng::ENHANCED_PACKET, &body));
        let simple = [&u32(order, 6)[..], b"simple"].concat();
        file.extend(block(order, pcapng::SIMPLE_PACKET, &simple));
        let mut statistics = u32(order, 1).to_vec();
        statistics.extend([0; 8]);
        statistics.extend(crate::capfile::testing::option(order, 5, &u64(order, 42)));
        file.extend(block(order, pcapng::STATISTICS, &statistics));
        file.extend(block(order, 10, b"\0\0\0\0\0\0\0\x04KEYS"));
        let mut obsolete = enhanced(order, 0, 1, (4, 4), b"old!");
        obsolete[..4].copy_from_slice(&[u16(order, 1), u16(order, 65_535)].concat());
        file.extend(block(order, pcapng::OBSOLETE_PACKET, &obsolete));
        file.extend(block(order, 0x8000_1234, b"of nobody"));
    }
    file
}

#[test]
fn every_block_of_every_section_is_read_or_passed_over() {
    let file = everything();
    let frames = good(&file);
    assert_eq!(frames.len(), 15);
    for (section, frames) in (0..).zip(frames.chunks(5)) {
        let of = section * 3;
        assert_eq!(
            frames,
            [
                (
                    of + 1,
                    101,
                    Some((1_001, 500_000_000)),
                    b"binary".to_vec(),
                    6
                ),
                (of, 1, Some((5, 7)), b"nanoseconds".to_vec(), 11),
                (of + 2, 113, Some((7, 1_000)), b"cut".to_vec(), 99),
                (of, 1, None, b"simple".to_vec(), 6),
                (of + 1, 101, Some((1_000, 976_562)), b"old!".to_vec(), 4),
            ]
        );
    }
    let mut reader = SliceReader::new(&file);
    while reader.next_frame().unwrap().is_some() {}
    let interfaces = reader.interfaces();
    assert_eq!(interfaces.len(), 9);
    assert_eq!(interfaces[3].name.as_deref(), Some("eth0"));
    assert_eq!(interfaces[4].dropped, Some(42));
    assert_eq!(interfaces[4].time_offset, 1_000);
    assert_eq!(interfaces[3].dropped, None);
    assert_eq!(reader.offset(), file.len() as u64);
}

#[test]
fn a_simple_packet_is_cut_at_the_snap_length_of_the_first_interface() {
    let mut file = [section(Big), interface(Big, 1, 4, &[])].concat();
    file.extend(block(Big, pcapng::SIMPLE_PACKET, b"\0\0\x05\xdcfour"));
    assert_eq!(good(&file), [(0, 1, None, b"four".to_vec(), 1_500)]);
}

#[test]
fn a_block_of_impossible_length_is_told_with_its_place() {
    for order in ORDERS {
        let mut front = [section(order), interface(order, 1, 0, &[])].concat();
        front.extend(packet(order, 0, 0, b"good"));
        let at = front.len() as u64;
        for (length, wrong) in [
            (0, WrongLength::TooShort(32)),
            (8, WrongLength::TooShort(32)),
            (28, WrongLength::TooShort(32)),
            (34, WrongLength::Unaligned),
            (!3, WrongLength::TooLong(LONGEST_BLOCK)),
            (LONGEST_BLOCK + 4, WrongLength::TooLong(LONGEST_BLOCK)),
        ] {
            let mut file = front.clone();
            let mut block = packet(order, 0, 0, b"data");
            block[4..8].copy_from_slice(&u32(order, length));
            file.extend(block);
            let damage = Damage::BlockLength {
                block: pcapng::ENHANCED_PACKET,
                length,
                wrong,
            };
            assert_eq!(bad(&file), (1, at, damage));
        }
        let mut file = front.clone();
        file.extend(packet(order, 0, 0, b"data"));
        let end = file.len();
        file[end - 4..].copy_from_slice(&u32(order, 40));
        let damage = Damage::BlockLength {
            block: pcapng::ENHANCED_PACKET,
            length: 36,
            wrong: WrongLength::Trailer(40),
        };
        assert_eq!(bad(&file), (1, at, damage));
    }
}

#[test]
fn a_frame_of_an_interface_that_is_not_described_is_told() {
    let mut file = [section(Little), interface(Little, 1, 0, &[])].concat();
    let at = file.len() as u64;
    file.extend(packet(Little, 77, 0, b"data"));
    let damage = Damage::NoSuchInterface {
        interface: 77,
        described: 1,
    };
    assert_eq!(bad(&file), (0, at, damage));
    // A new section begins without interfaces.
    let mut file = [section(Little), interface(Little, 1, 0, &[])].concat();
    file.extend(section(Big));
    file.extend(packet(Big, 0, 0, b"data"));
    let (_, _, damage) = bad(&file);
    assert_eq!(
        damage.to_string(),
        "the frame refers to interface 0, but the section describes none"
    );
    let simple = [section(Big), block(Big, pcapng::SIMPLE_PACKET, &[0; 4])].concat();
    assert!(matches!(bad(&simple).2, Damage::NoSuchInterface { .. }));
}

#[test]
fn a_frame_longer_than_its_block_or_than_any_frame_is_told() {
    let front = [section(Little), interface(Little, 1, 96, &[])].concat();
    let mut file = front.clone();
    let body = enhanced(Little, 0, 0, (5, 5), b"four");
    file.extend(block(Little, pcapng::ENHANCED_PACKET, &body[..24]));
    let damage = Damage::FrameOverBlock {
        captured: 5,
        room: 4,
    };
    assert_eq!(bad(&file), (0, front.len() as u64, damage));

    let mut file = front.clone();
    let long = vec![0; LONGEST_FRAME as usize + 1];
    file.extend(packet(Little, 0, 0, &long));
    assert!(matches!(
        read(&file).1.unwrap().damage,
        Damage::FrameTooLong { .. }
    ));

    let mut file = pcap_header(Little, pcap::MAGIC, (2, 4), 1);
    file.extend(pcap_record(Little, [0, 0, 1, 1], b"x"));
    file.extend(pcap_record(Little, [0, 0, LONGEST_FRAME + 1, 60], b"x"));
    let (frames, offset, damage) = bad(&file);
    assert_eq!((frames, offset), (1, 24 + 17));
    assert_eq!(
        damage.to_string(),
        "the record claims 262145 captured bytes; \
         the snap length is 262144, and the limit for a frame is 262144"
    );
}

#[test]
fn a_section_without_its_mark_or_of_an_unknown_version_is_told() {
    let mut file = section(Little);
    file[8] = 0;
    assert!(matches!(bad(&file).2, Damage::ByteOrderMark(0x1a2b_3c00)));
    let mut file = section(Little);
    file[12] = 2;
    assert!(matches!(bad(&file).2, Damage::Version { major: 2, .. }));
    // What is newer only in its second number is read.
    let mut file = section(Little);
    file[14] = 2;
    assert_eq!(good(&file), []);
}

#[test]
fn an_option_that_cannot_be_is_told_where_times_hang_on_it() {
    for options in [
        &[(9, &[6_u8, 6][..])][..],
        &[(14, &[0; 4][..])],
        &[(2, b"eth0"), (9, &[])],
    ] {
        let file = [section(Little), interface(Little, 1, 0, options)].concat();
        assert!(matches!(bad(&file).2, Damage::Option { .. }), "{options:?}");
    }
    let mut file = [section(Little), interface(Little, 1, 0, &[(2, b"eth0")])].concat();
    let length = file.len() - 10;
    file[length] = 200;
    let (_, _, damage) = bad(&file);
    assert_eq!(
        damage.to_string(),
        "option 2 claims 200 bytes but 4 are left"
    );
}

#[test]
fn more_interfaces_than_memory_is_taken_for_are_refused() {
    let mut file = section(Little);
    for _ in 0..=pcapng::MOST_INTERFACES {
        file.extend(interface(Little, 1, 0, &[]));
    }
    let damage = read(&file).1.unwrap().damage;
    assert!(matches!(damage, Damage::TooManyInterfaces { .. }));
}

#[test]
fn a_file_cut_anywhere_gives_what_precedes_the_cut_and_its_place() {
    let mut pcap = pcap_header(Big, pcap::MAGIC_NANOS, (2, 4), 1);
    for data in [&b"one"[..], b"", b"three"] {
        let len = u32::try_from(data.len()).unwrap();
        pcap.extend(pcap_record(Big, [1, 2, len, len], data));
    }
    for file in [pcap, everything()] {
        let mut reader = SliceReader::new(&file);
        // Where the records end, with the number of frames before.
        let mut ends = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            let len = frame.data.len();
            ends.push((frame.offset, len));
        }
        let all = good(&file);
        for cut in 0..file.len() {
            let (frames, error) = both(&file[..cut]);
            assert_eq!(frames, all[..frames.len()], "cut at {cut}");
            let whole = ends.iter().filter(|(at, _)| *at < cut as u64).count();
            assert!(frames.len() == whole || frames.len() + 1 == whole);
            match error {
                None => {}
                Some(CaptureError { offset, damage }) => {
                    assert!(offset <= cut as u64);
                    match damage {
                        Damage::Cut { have, need, .. } => {
                            assert_eq!(have, cut as u64 - offset);
                            assert!(need > have);
                        }
                        Damage::Empty => assert_eq!(cut, 0),
                        other => panic!("cut at {cut}: {other}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_stream_is_kept_no_longer_than_a_record_is_not_whole() {
    let mut file = pcap_header(Little, pcap::MAGIC, (2, 4), 1);
    for _ in 0..1_000 {
        file.extend(pcap_record(Little, [0, 0, 100, 100], &[0; 100]));
    }
    let mut reader = StreamReader::new();
    let mut frames = 0;
    for piece in file.chunks(333) {
        reader.feed(piece);
        while reader.next_frame().unwrap().is_some() {
            frames += 1;
        }
        assert!(reader.buffered() < 116);
    }
    assert_eq!(frames, 1_000);
    assert!(
        reader.buffer.capacity() < 1_000,
        "{}",
        reader.buffer.capacity()
    );
}

#[test]
fn after_an_error_there_is_nothing_more() {
    let mut reader = StreamReader::new();
    reader.feed(b"no capture at all");
    assert!(reader.next_frame().is_err());
    assert_eq!(reader.next_frame(), Ok(None));
    reader.feed(&vec![0; 100_000]);
    assert!(reader.buffered() < 100);
    let mut reader = SliceReader::new(b"no capture at all");
    assert!(reader.next().unwrap().is_err());
    assert_eq!(reader.next(), None);
}

proptest! {
    #[test]
    fn any_bytes_after_a_good_beginning_are_read_alike_whole_and_in_pieces(
        kind in 0..4_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        size in 1..50_usize,
    ) {
        let mut file = match kind {
            0 => Vec::new(),
            1 => pcap_header(Little, pcap::MAGIC, (2, 4), 1),
            2 => section(Big),
            _ => [section(Little), interface(Little, 1, 0, &[])].concat(),
        };
        file.extend(bytes);
        let whole = read(&file);
        prop_assert_eq!(read_in_pieces(&file, size), whole);
    }
}
