use super::*;
use crate::netlink::Messages;

/// A `struct unix_diag_msg` with attributes.
fn with(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![1, 1, 10, 0];
    for number in [77u32, 0x1111, 0x2222] {
        bytes.extend(number.to_ne_bytes());
    }
    for (kind, value) in attributes {
        let length = u16::try_from(4 + value.len()).unwrap();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn name(bytes: &[u8]) -> String {
    let payload = with(&[(0, bytes)]);
    let attributes = UnixMessage::new(&payload).unwrap().attributes();
    format!("{:?}", attributes.name)
}

#[test]
fn the_fields_are_where_the_kernel_puts_them() {
    let payload = with(&[]);
    let message = UnixMessage::new(&payload).unwrap();
    assert_eq!((message.kind(), message.state()), (1, 10));
    assert_eq!(
        (message.inode(), message.cookie()),
        (77, 0x0000_2222_0000_1111)
    );
    assert_eq!(message.attributes(), UnixAttributes::default());
    assert_eq!(UnixMessage::new(&payload[..15]).unwrap_err().need, 16);
}

#[test]
fn a_name_is_a_path_or_abstract_or_nothing() {
    let shown = |name: UnixName<'_>| format!("{:?}", Some(name));
    assert_eq!(name(b"/run/a\0"), shown(UnixName::Path(b"/run/a")));
    assert_eq!(name(b"/run/a"), shown(UnixName::Path(b"/run/a")));
    assert_eq!(name(b"\0a\0b\0"), shown(UnixName::Abstract(b"a\0b\0")));
    assert_eq!(name(b"\0"), shown(UnixName::Abstract(b"")));
    assert_eq!(name(b""), "None");
}

#[test]
fn every_attribute_finds_its_place() {
    let numbers: Vec<u8> = (1..=9u32).flat_map(u32::to_ne_bytes).collect();
    let device = [5u32, 8 << 20 | 3].map(u32::to_ne_bytes).concat();
    let payload = with(&[
        (1, &device),
        (2, &numbers[..4]),
        (3, &numbers[..12]),
        (4, &numbers[..8]),
        (5, &numbers),
        (6, &[2]),
        (7, &numbers[4..8]),
    ]);
    let found = UnixMessage::new(&payload).unwrap().attributes();
    let file = found.file.unwrap();
    assert_eq!((file.inode, file.major(), file.minor()), (5, 8, 3));
    assert_eq!(found.peer_inode, Some(1));
    assert_eq!(found.waiting.unwrap().iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((found.recv_queue, found.send_queue), (Some(1), Some(2)));
    assert_eq!(found.sk_mem_info.unwrap().drops, Some(9));
    assert_eq!((found.shutdown, found.uid), (Some(2), Some(2)));
    assert_eq!(found.malformed, None);
}

#[test]
fn values_that_are_too_short_are_lost_and_told() {
    let payload = with(&[(4, &[0; 7]), (1, &[0; 4]), (6, &[1])]);
    let found = UnixMessage::new(&payload).unwrap().attributes();
    assert_eq!((found.recv_queue, found.file), (None, None));
    assert_eq!(found.shutdown, Some(1));
    assert_eq!(found.malformed.unwrap().offset, 16);
}

#[test]
fn requests_have_the_bytes_of_the_kernels_struct() {
    let request = UnixRequest {
        states: 1 << 10,
        show: show::ALL,
    };
    let mut out = Vec::new();
    request.write_dump(7, &mut out);
    let dump = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!((dump.kind, dump.flags), (20, 0x301));
    let numbers = [1 << 10, 0, 0x7f, 0, 0].map(u32::to_ne_bytes).concat();
    assert_eq!(dump.payload, [&[1, 0, 0, 0], &numbers[..]].concat());
    out.clear();
    request.write_lookup(77, None, 7, &mut out);
    let lookup = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!(lookup.flags, 1);
    assert_eq!(lookup.payload[8..12], 77u32.to_ne_bytes());
    assert_eq!(lookup.payload[16..], [0xff; 8]);
}
