use proptest::prelude::*;

use super::*;

/// From 127.0.0.1 port 1000 to 127.0.0.2 port 2000, `data` after the header.
fn tcp_in_ipv4(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2,
    ];
    bytes.extend([
        3, 0xe8, 7, 0xd0, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 2, 0, 0, 0, 0, 0,
    ]);
    bytes.extend(data);
    let total = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    bytes
}

fn after(head: &[u8], packet: &[u8]) -> Vec<u8> {
    [head, packet].concat()
}

fn whole(link_type: LinkType, frame: &[u8]) -> Decoded {
    decode(link_type, frame, u32::try_from(frame.len()).unwrap())
}

#[test]
fn every_link_type_leads_to_the_same_segment() {
    let packet = tcp_in_ipv4(b"hello");
    let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let sll = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, 8, 0];
    let sll2 = [8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0];
    for (link_type, head) in [
        (LinkType::ETHERNET, [&macs[..], &[8, 0]].concat()),
        (
            LinkType::ETHERNET,
            [&macs[..], &[0x81, 0, 0, 5, 8, 0]].concat(),
        ),
        (
            LinkType::ETHERNET,
            [&macs[..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]].concat(),
        ),
        (LinkType::NULL, vec![2, 0, 0, 0]),
        (LinkType::NULL, vec![0, 0, 0, 2]),
        (LinkType::LOOP, vec![0, 0, 0, 2]),
        (LinkType::RAW, vec![]),
        (LinkType::IPV4, vec![]),
        (LinkType::LINUX_SLL, sll.to_vec()),
        (LinkType::LINUX_SLL2, sll2.to_vec()),
        (LinkType::PPP, vec![0x00, 0x21]),
        (LinkType::PPP, vec![0xff, 0x03, 0x00, 0x21]),
        (LinkType::PPP, vec![0x21]),
    ] {
        let frame = after(&head, &packet);
        let decoded = whole(link_type, &frame);
        let tcp = decoded
            .tcp()
            .unwrap_or_else(|| panic!("{link_type:?} {head:?}: no segment"));
        assert_eq!((tcp.source, tcp.destination), (1000, 2000));
        assert_eq!(tcp.payload.of(&frame), b"hello");
        assert_eq!(decoded.malformed, None);
        assert_eq!(decoded.network_offset as usize, head.len());
        // Cut anywhere it says so, and does not panic.
        for length in 0..head.len() + 40 {
            let cut = decode(link_type, &frame[..length], small(frame.len()));
            assert!(cut.tcp().is_none());
            assert!(cut.malformed.is_some(), "{link_type:?} {length}");
        }
    }
}

#[test]
fn tags_are_kept_outermost_first() {
    let mut frame = vec![0; 12];
    frame.extend([0x88, 0xa8, 0x20, 5, 0x81, 0, 0, 6, 8, 0]);
    frame.extend(tcp_in_ipv4(b""));
    let tags = whole(LinkType::ETHERNET, &frame).tags;
    assert_eq!((tags.count, tags.kept), (2, [0x2005, 6]));
}

#[test]
fn padding_is_no_payload_and_a_total_length_of_0_is_all_of_the_frame() {
    let mut frame = tcp_in_ipv4(b"hello");
    frame.extend([0; 6]);
    let decoded = whole(LinkType::RAW, &frame);
    assert_eq!(decoded.tcp().unwrap().payload.of(&frame), b"hello");
    frame[2..4].fill(0);
    let decoded = whole(LinkType::RAW, &frame);
    assert_eq!(decoded.tcp().unwrap().payload.length, 11);
}

#[test]
fn a_capture_that_was_cut_keeps_the_length_on_the_wire() {
    let frame = tcp_in_ipv4(b"hello");
    let decoded = decode(LinkType::RAW, &frame[..42], small(frame.len()));
    let payload = decoded.tcp().unwrap().payload;
    assert_eq!((payload.captured, payload.length), (2, 5));
    assert_eq!(payload.of(&frame[..42]), b"he");
}

#[test]
fn a_tunnel_shows_the_innermost_packet_and_keeps_the_outermost() {
    let inner = tcp_in_ipv4(b"hello");
    for carried in [
        (4, inner.clone()),
        (47, after(&[0, 0, 8, 0], &inner)),
        (
            47,
            after(
                &[0, 0, 0x65, 0x58, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0],
                &inner,
            ),
        ),
    ] {
        let (protocol, rest) = carried;
        let mut frame = tcp_in_ipv4(&[])[..20].to_vec();
        frame[9] = protocol;
        let total = u16::try_from(20 + rest.len()).unwrap();
        frame[2..4].copy_from_slice(&total.to_be_bytes());
        frame[12] = 10;
        frame.extend(&rest);
        let decoded = whole(LinkType::RAW, &frame);
        assert_eq!(decoded.ip().unwrap().source.to_string(), "127.0.0.1");
        let Network::Ip(outer) = decoded.outer.network else {
            panic!("no outer packet");
        };
        assert_eq!(outer.source.to_string(), "10.0.0.1");
        assert_eq!(decoded.tcp().unwrap().payload.of(&frame), b"hello");
    }
}

#[test]
fn what_a_tunnel_carries_and_is_not_known_does_not_hide_the_packet_outside() {
    let mut packet = tcp_in_ipv4(b"");
    packet[9] = 47;
    packet[20..24].copy_from_slice(&[0x10, 0, 0x88, 0xbe]);
    let decoded = whole(LinkType::IPV4, &packet);
    assert_eq!(decoded.inner, None);
    assert!(decoded.ip().is_some_and(|ip| ip.protocol == 47));
}

#[test]
fn tunnels_in_tunnels_end() {
    let mut frame = Vec::new();
    for _ in 0..100 {
        let mut head = tcp_in_ipv4(&[])[..20].to_vec();
        head[2..4].fill(0);
        head[9] = 4;
        frame.extend(head);
    }
    frame.extend(tcp_in_ipv4(b""));
    assert_eq!(whole(LinkType::RAW, &frame).tcp(), None);
}

#[test]
fn in_later_fragments_no_ports_are_looked_for() {
    let mut frame = tcp_in_ipv4(b"hello");
    frame[6..8].copy_from_slice(&[0x20, 1]);
    let decoded = whole(LinkType::RAW, &frame);
    let fragment = decoded.ip().unwrap().fragment.unwrap();
    assert_eq!((fragment.offset, fragment.more), (8, true));
    assert_eq!(decoded.outer.transport, Transport::None);
}

#[test]
fn a_total_length_below_the_header_is_told() {
    let mut frame = tcp_in_ipv4(b"hello");
    frame[2..4].copy_from_slice(&[0, 19]);
    let told = whole(LinkType::RAW, &frame).malformed.unwrap();
    assert_eq!((told.layer, told.need, told.have), (Layer::Ipv4, 20, 19));
}

#[test]
fn what_is_not_known_is_named_with_its_number() {
    let mut frame = vec![0; 12];
    frame.extend([0x88, 0xcc, 1, 2, 3]);
    let decoded = whole(LinkType::ETHERNET, &frame);
    assert_eq!(decoded.ethertype, 0x88cc);
    assert_eq!(decoded.outer.network, Network::Other { offset: 14 });
    let mut frame = tcp_in_ipv4(b"hello");
    frame[9] = 132;
    let decoded = whole(LinkType::RAW, &frame);
    assert_eq!(decoded.ip().unwrap().protocol, 132);
    assert!(matches!(decoded.outer.transport, Transport::Other(span) if span.length == 25));
    assert_eq!(
        whole(LinkType(147), b"abc").outer.network,
        Network::Other { offset: 0 }
    );
}

proptest! {
    #[test]
    fn whatever_comes_every_offset_is_within_the_frame(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        link_type in prop::sample::select(vec![
            0_u16, 1, 9, 50, 51, 101, 104, 105, 108, 113, 127, 166, 204, 228, 229, 239, 276, 147
        ]),
        more in 0_u32..100,
    ) {
        let length = small(bytes.len());
        let decoded = decode(LinkType(link_type), &bytes, length + more);
        prop_assert!(decoded.network_offset <= length);
        for layers in [Some(decoded.outer), decoded.inner].into_iter().flatten() {
            let span = match layers.transport {
                Transport::Tcp(tcp) => {
                    let _ = tcp.options(&bytes).count();
                    tcp.payload
                }
                Transport::Udp(udp) => udp.payload,
                Transport::Icmp(icmp) => icmp.span,
                Transport::Other(span) => span,
                Transport::None => continue,
            };
            prop_assert!(span.offset + span.captured <= length);
            prop_assert_eq!(span.of(&bytes).len(), span.captured as usize);
        }
    }
}
