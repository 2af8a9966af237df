use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::netlink::{Attributes, Messages};
use crate::sockdiag::bytecode::{Filter, PortTest};
use crate::sockdiag::states;

/// A `struct inet_diag_msg` of an IPv4 connection.
fn payload() -> Vec<u8> {
    let mut bytes = vec![2, 1, 4, 5];
    bytes.extend(443u16.to_be_bytes());
    bytes.extend(50_000u16.to_be_bytes());
    bytes.extend([192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([198, 51, 100, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [3u32, 0x1111, 0x2222, 1500, 10, 20, 1000, 123_456] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

fn with(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = payload();
    for (kind, value) in attributes {
        let length = u16::try_from(4 + value.len()).unwrap();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

#[test]
fn the_fields_are_where_the_kernel_puts_them() {
    let payload = payload();
    let message = InetMessage::new(&payload).unwrap();
    assert_eq!((message.family(), message.state()), (AF_INET, 1));
    assert_eq!(
        (message.timer(), message.retransmits()),
        (Timer::Persist, 5)
    );
    assert_eq!((message.local_port(), message.peer_port()), (443, 50_000));
    assert_eq!(message.local_address(), Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(message.peer_address(), Ipv4Addr::new(198, 51, 100, 2));
    assert_eq!(message.interface(), 3);
    assert_eq!(message.cookie(), 0x0000_2222_0000_1111);
    assert_eq!(message.expires_ms(), 1500);
    assert_eq!((message.recv_queue(), message.send_queue()), (10, 20));
    assert_eq!((message.uid(), message.inode()), (1000, 123_456));
    assert_eq!(message.attributes(), InetAttributes::default());
}

#[test]
fn an_ipv6_address_has_all_its_bytes() {
    let mut payload = payload();
    payload[0] = AF_INET6;
    payload[8..24].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
    let message = InetMessage::new(&payload).unwrap();
    assert_eq!(message.local_address(), Ipv6Addr::LOCALHOST);
}

#[test]
fn a_short_message_is_malformed() {
    let error = InetMessage::new(&payload()[..71]).unwrap_err();
    assert_eq!((error.offset, error.need, error.have), (0, 72, 71));
}

#[test]
fn every_attribute_finds_its_place() {
    let numbers: Vec<u8> = (1..=9u32).flat_map(u32::to_ne_bytes).collect();
    let ulp = [&[8, 0, 1, 0][..], b"tls\0"].concat();
    let payload = with(&[
        (2, &[1; 104]),
        (7, &numbers),
        (1, &numbers[..16]),
        (4, b"cubic\0"),
        (3, &numbers[..16]),
        (16, &numbers[..20]),
        (5, &[0x10]),
        (6, &[0x20]),
        (8, &[3]),
        (10, &[58]),
        (11, &[1]),
        (15, &42u32.to_ne_bytes()),
        (17, &43u32.to_ne_bytes()),
        (21, &44u64.to_ne_bytes()),
        (22, &[0b0000_0011, 0b0000_0001]),
        (0x8013, &ulp),
        (99, b"of a later kernel"),
    ]);
    let found = InetMessage::new(&payload).unwrap().attributes();
    assert_eq!(found.malformed, None);
    assert_eq!(found.tcp_info().unwrap().len(), 104);
    assert_eq!(found.sk_mem_info.unwrap().drops, Some(9));
    assert_eq!(found.mem_info.unwrap().tmem_bytes, 4);
    assert_eq!(found.congestion, Some(&b"cubic"[..]));
    assert_eq!(found.vegas.unwrap().min_rtt_us, 4);
    assert_eq!(found.bbr.unwrap().bandwidth_bytes_per_second, 1 | 2 << 32);
    assert_eq!((found.tos, found.traffic_class), (Some(0x10), Some(0x20)));
    assert_eq!((found.shutdown, found.protocol), (Some(3), Some(58)));
    assert_eq!(found.v6_only, Some(true));
    assert_eq!((found.mark, found.class_id), (Some(42), Some(43)));
    assert_eq!(found.cgroup_id, Some(44));
    assert_eq!(found.ulp.unwrap().name(), Some(&b"tls"[..]));
    assert_eq!(found.ulp.unwrap().tls(), None);
    if cfg!(target_endian = "little") {
        let options = found.sock_opt.unwrap();
        assert!(options.recverr() && options.is_connection_socket());
        assert!(options.bind_address_no_port() && !options.freebind());
    }
}

#[test]
fn a_value_that_is_too_short_is_lost_alone() {
    let payload = with(&[(15, &[1, 2]), (5, &[7]), (7, &[1]), (9, &[0; 15])]);
    let found = InetMessage::new(&payload).unwrap().attributes();
    assert_eq!((found.mark, found.tos), (None, Some(7)));
    assert_eq!((found.sk_mem_info, found.dctcp), (None, None));
    let malformed = found.malformed.unwrap();
    assert_eq!(
        (malformed.offset, malformed.need, malformed.have),
        (72, 4, 2)
    );
}

#[test]
fn what_follows_a_broken_length_is_lost() {
    let mut payload = with(&[(5, &[7]), (6, &[8])]);
    payload[80..82].copy_from_slice(&100u16.to_ne_bytes());
    let found = InetMessage::new(&payload).unwrap().attributes();
    assert_eq!((found.tos, found.traffic_class), (Some(7), None));
    assert_eq!(found.malformed.unwrap().offset, 80);
}

#[test]
fn a_dump_request_has_the_bytes_of_the_kernels_struct() {
    let mut out = Vec::new();
    let request = InetRequest {
        family: AF_INET6,
        protocol: UDP,
        extensions: Extensions::INFO | Extensions::SK_MEM_INFO,
        states: states::ALL,
        filter: None,
    };
    request.write_dump(7, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!(
        (message.kind, message.flags, message.sequence),
        (20, 0x301, 7)
    );
    let mut expected = [0; 56];
    expected[..4].copy_from_slice(&[10, 17, 0x42, 0]);
    expected[4..8].copy_from_slice(&0x1fffu32.to_ne_bytes());
    assert_eq!(message.payload, expected);
}

#[test]
fn a_large_protocol_and_a_filter_become_attributes() {
    let filter = Filter::LocalPort(22..=22).compile(PortTest::Equal).unwrap();
    let request = InetRequest {
        family: AF_INET,
        protocol: MPTCP,
        extensions: Extensions::NONE,
        states: states::LISTEN,
        filter: Some(&filter),
    };
    let mut out = Vec::new();
    request.write_dump(7, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!(message.payload[..4], [2, 0, 0, 0]);
    let attributes: Vec<_> = Attributes::new(message.payload, 56)
        .map(|attribute| attribute.map(|found| (found.kind, found.payload)))
        .collect();
    let expected = [Ok((1, filter.bytes())), Ok((3, &262u32.to_ne_bytes()[..]))];
    assert_eq!(attributes, expected);
}

#[test]
fn a_lookup_names_the_socket() {
    let payload = payload();
    let mut id = InetMessage::new(&payload).unwrap().id();
    let request = InetRequest {
        family: AF_INET6,
        protocol: TCP,
        extensions: Extensions::INFO,
        states: 0,
        filter: None,
    };
    let mut out = Vec::new();
    request.write_lookup(&id, 8, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!(message.flags, 5, "a request with an acknowledgement");
    assert_eq!(message.payload[..4], [2, 6, 2, 0]);
    // The id has the same form in answers and requests.
    assert_eq!(message.payload[8..], payload[4..52]);
    out.clear();
    id.cookie = None;
    request.write_lookup(&id, 8, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!(message.payload[48..], [0xff; 8]);
}

#[test]
fn a_lookup_of_udp_names_the_ends_the_other_way_round() {
    let payload = payload();
    let id = InetMessage::new(&payload).unwrap().id();
    let request = InetRequest {
        family: AF_INET,
        protocol: UDP,
        extensions: Extensions::NONE,
        states: 0,
        filter: None,
    };
    let mut out = Vec::new();
    request.write_lookup(&id, 8, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    let (ours, theirs) = (&payload[4..52], &message.payload[8..]);
    assert_eq!((&theirs[..2], &theirs[2..4]), (&ours[2..4], &ours[..2]));
    assert_eq!(theirs[4..20], ours[20..36]);
    assert_eq!(theirs[20..36], ours[4..20]);
    assert_eq!(theirs[36..], ours[36..], "interface and cookie");
}

#[test]
fn the_request_for_both_families_has_the_old_struct() {
    let mut out = Vec::new();
    let request = TcpRequest {
        extensions: Extensions::ALL,
        states: states::ALL | states::BOUND_INACTIVE,
        filter: None,
    };
    request.write_dump(7, &mut out);
    let message = Messages::new(&out).next().unwrap().unwrap();
    assert_eq!((message.kind, message.payload.len()), (18, 60));
    assert_eq!(message.payload[..4], [2, 0, 0, 0xff]);
    assert_eq!(message.payload[52..56], 0x3fffu32.to_ne_bytes());
}
