//! Capture files made byte by byte, for tests: what no writer would write as well.

use super::ByteOrder::{self, Big, Little};
use super::pcapng;

/// A number in an order.
pub(super) fn u16(order: ByteOrder, number: u16) -> [u8; 2] {
    match order {
        Little => number.to_le_bytes(),
        Big => number.to_be_bytes(),
    }
}

/// A number in an order.
pub(super) fn u32(order: ByteOrder, number: u32) -> [u8; 4] {
    match order {
        Little => number.to_le_bytes(),
        Big => number.to_be_bytes(),
    }
}

/// A number in an order.
pub(super) fn u64(order: ByteOrder, number: u64) -> [u8; 8] {
    match order {
        Little => number.to_le_bytes(),
        Big => number.to_be_bytes(),
    }
}

/// A pcap file header.
pub(super) fn pcap_header(
    order: ByteOrder,
    magic: u32,
    version: (u16, u16),
    network: u32,
) -> Vec<u8> {
    let mut bytes = u32(order, magic).to_vec();
    bytes.extend(u16(order, version.0));
    bytes.extend(u16(order, version.1));
    bytes.extend([0; 8]);
    bytes.extend(u32(order, 262_144));
    bytes.extend(u32(order, network));
    bytes
}

/// A pcap record with these four numbers in front.
pub(super) fn pcap_record(order: ByteOrder, head: [u32; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = head.iter().flat_map(|&n| u32(order, n)).collect();
    bytes.extend(data);
    bytes
}

/// A block: the lengths are put around the body.
pub(super) fn block(order: ByteOrder, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).unwrap();
    let mut bytes = u32(order, kind).to_vec();
    bytes.extend(u32(order, length));
    bytes.extend(body);
    bytes.resize(8 + padded, 0);
    bytes.extend(u32(order, length));
    bytes
}

/// An option: code, length, value, filled up.
pub(super) fn option(order: ByteOrder, code: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16(order, code).to_vec();
    bytes.extend(u16(order, u16::try_from(value.len()).unwrap()));
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A section header.
pub(super) fn section(order: ByteOrder) -> Vec<u8> {
    let mut body = u32(order, pcapng::BYTE_ORDER_MARK).to_vec();
    body.extend(u16(order, 1));
    body.extend(u16(order, 0));
    body.extend([0xff; 8]);
    body.extend(option(order, 4, b"a test"));
    body.extend(option(order, 0, b""));
    block(order, pcapng::SECTION, &body)
}

/// An interface description with its options.
pub(super) fn interface(
    order: ByteOrder,
    link: u16,
    snaplen: u32,
    options: &[(u16, &[u8])],
) -> Vec<u8> {
    let mut body = u16(order, link).to_vec();
    body.extend([0; 2]);
    body.extend(u32(order, snaplen));
    for (code, value) in options {
        body.extend(option(order, *code, value));
    }
    block(order, pcapng::INTERFACE, &body)
}

/// The body of an enhanced packet block. Give the frame and the lengths that it says.
pub(super) fn enhanced(
    order: ByteOrder,
    interface: u32,
    ticks: u64,
    lengths: (u32, u32),
    data: &[u8],
) -> Vec<u8> {
    let (upper, lower) = (ticks >> 32, ticks & 0xffff_ffff);
    let mut body = u32(order, interface).to_vec();
    for number in [upper, lower, lengths.0.into(), lengths.1.into()] {
        body.extend(u32(order, u32::try_from(number).unwrap()));
    }
    body.extend(data);
    body
}

/// An enhanced packet block of a whole frame.
pub(super) fn packet(order: ByteOrder, interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap();
    let body = enhanced(order, interface, ticks, (len, len), data);
    block(order, pcapng::ENHANCED_PACKET, &body)
}
