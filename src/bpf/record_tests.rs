use super::*;

/// A record of a packet of 40 bytes, of which the kernel reads 20 after the network header.
fn record() -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    let mut put = |at: i16, value: &[u8]| {
        let at = usize::from(at.cast_unsigned());
        bytes[at..at + value.len()].copy_from_slice(value);
    };
    put(at::TIME, &77_u64.to_ne_bytes());
    put(at::PLACE, &0xffff_ffff_8100_0000_u64.to_ne_bytes());
    for (at, value) in [
        (at::REASON, 12_u32),
        (at::NETNS, 4026),
        (at::RECEIVED_ON, 2),
        (at::LENGTH, 20),
        (at::DATA, 98),
        (at::TAIL, 118),
        (at::PID, 42),
    ] {
        put(at, &value.to_ne_bytes());
    }
    put(at::NETWORK, &78_u16.to_ne_bytes());
    put(at::LINK, &64_u16.to_ne_bytes());
    put(at::PROTOCOL, &0x0800_u16.to_be_bytes());
    put(at::COMM, b"psql\0garbage");
    put(at::INODE, &9_u64.to_ne_bytes());
    put(at::STACK_BYTES, &16_u64.to_ne_bytes());
    put(at::STACK + 8, &5_u64.to_ne_bytes());
    put(at::PACKET, &[0x45; 128]);
    bytes
}

#[test]
fn a_record_has_its_packet_as_far_as_the_kernel_had_it_in_one_piece() {
    let record = Record::read(&record()).unwrap();
    assert_eq!((record.time, record.reason, record.netns), (77, 12, 4026));
    assert_eq!((record.length, record.link_header), (40, 14));
    assert_eq!(record.packet, [0x45; 40]);
    assert_eq!((record.comm(), record.inode), (&b"psql"[..], 9));
    assert_eq!((record.protocol, record.stack()), (0x0800, &[0, 5][..]));
}

#[test]
fn lengths_that_make_no_sense_do_no_harm() {
    let whole = record();
    for length in 0..whole.len() {
        assert_eq!(Record::read(&whole[..length]), None);
    }
    for place in [
        at::LENGTH,
        at::DATA,
        at::TAIL,
        at::NETWORK,
        at::LINK,
        at::STACK_BYTES,
    ] {
        for value in [0_u8, 1, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[usize::from(place.cast_unsigned())..][..2].fill(value);
            let record = Record::read(&bytes).unwrap();
            assert!(record.packet.len() <= 128);
            assert!(record.stack().len() <= 16 && record.link_header <= 64);
        }
    }
    let mut failed = whole;
    failed[usize::from(at::STACK_BYTES.cast_unsigned())..][..8].fill(0xff);
    assert_eq!(Record::read(&failed).unwrap().stack().len(), 16);
}
