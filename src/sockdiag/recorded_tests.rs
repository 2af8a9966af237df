//! Dumps as Linux 6.18 wrote them (`tools/record-sockdiag`), read whole, cut and damaged.
#![cfg(target_endian = "little")]

mod oracle;

use std::collections::HashSet;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::netlink::{self, Content, Messages};
use crate::sockdiag::inet::Timer;

const TCP_BOTH: &[u8] = include_bytes!("../../tests/data/sockdiag/tcp_both.bin");
const TCP4: &[u8] = include_bytes!("../../tests/data/sockdiag/tcp4.bin");
const TCP6: &[u8] = include_bytes!("../../tests/data/sockdiag/tcp6.bin");
const TCP_BARE: &[u8] = include_bytes!("../../tests/data/sockdiag/tcp_bare.bin");
const UDP4: &[u8] = include_bytes!("../../tests/data/sockdiag/udp4.bin");
const UDP6: &[u8] = include_bytes!("../../tests/data/sockdiag/udp6.bin");
const MPTCP: &[u8] = include_bytes!("../../tests/data/sockdiag/mptcp.bin");
const UNIX: &[u8] = include_bytes!("../../tests/data/sockdiag/unix.bin");
const PACKET: &[u8] = include_bytes!("../../tests/data/sockdiag/packet.bin");
const NETLINK: &[u8] = include_bytes!("../../tests/data/sockdiag/netlink.bin");
const ERROR: &[u8] = include_bytes!("../../tests/data/sockdiag/error.bin");

const INET: [&[u8]; 7] = [TCP_BOTH, TCP4, TCP6, TCP_BARE, UDP4, UDP6, MPTCP];

fn everything() -> impl Iterator<Item = &'static [u8]> {
    INET.into_iter().chain([UNIX, PACKET, NETLINK, ERROR])
}

/// The parts of an answer that ends well.
fn replies(dump: &[u8]) -> Vec<&[u8]> {
    let contents: Vec<_> = Messages::new(dump)
        .map(|message| message.unwrap().content().unwrap())
        .collect();
    let (last, parts) = contents.split_last().unwrap();
    assert_eq!(*last, Content::Done(0));
    let payload = |content: &_| match *content {
        Content::Reply(payload) => payload,
        other => panic!("{other:?} in the middle"),
    };
    parts.iter().map(payload).collect()
}

fn inet(dump: &[u8]) -> Vec<InetMessage<'_>> {
    let views = replies(dump).into_iter().map(InetMessage::new);
    let views: Vec<_> = views.map(Result::unwrap).collect();
    for view in &views {
        assert_eq!(view.attributes().malformed, None);
    }
    views
}

/// The one socket of which this is true.
fn only<'a>(
    views: &[InetMessage<'a>],
    wanted: impl Fn(&InetMessage<'a>) -> bool,
) -> InetMessage<'a> {
    let found: Vec<_> = views.iter().filter(|view| wanted(view)).collect();
    assert_eq!(found.len(), 1);
    *found[0]
}

#[test]
fn one_walk_gives_the_tcp_sockets_of_both_families() {
    let cookies = |dump| -> HashSet<u64> {
        let views = inet(dump);
        views.iter().map(InetMessage::cookie).collect()
    };
    let both = cookies(TCP_BOTH);
    assert!(both.is_superset(&cookies(TCP6)));
    assert!(both.is_superset(&cookies(TCP4)));
}

#[test]
fn a_closed_window_is_seen_from_both_ends() {
    let views = inet(TCP_BOTH);
    let sender = only(&views, |view| view.timer() == Timer::Persist);
    let receiver = only(&views, |view| {
        (view.local_port(), view.peer_port()) == (sender.peer_port(), sender.local_port())
    });
    assert!(sender.send_queue() > 100_000 && sender.expires_ms() > 0);
    let sending = sender.attributes().tcp_info().unwrap();
    assert_eq!((sending.len(), sending.state()), (280, Some(1)));
    assert_eq!(sending.snd_wnd_bytes(), Some(0));
    assert!(sending.rwnd_limited_us().unwrap() > 1_000_000);
    assert!((1..100_000).contains(&sending.rtt_us().unwrap()));
    let receiving = receiver.attributes().tcp_info().unwrap();
    assert_eq!(receiving.rcv_wnd_bytes(), Some(0));
    assert_eq!(
        receiving.bytes_received(),
        Some(receiver.recv_queue().into())
    );
    // The SYN of the end that connected counts.
    let taken = receiving.bytes_received().unwrap();
    assert_eq!(sending.bytes_acked(), Some(taken + 1));
    assert_eq!(sending.snd_wscale(), receiving.rcv_wscale());
    let memory = receiver.attributes().sk_mem_info.unwrap();
    assert!(memory.rmem_alloc_bytes > memory.rcvbuf_bytes.map(|limit| limit / 2));
}

#[test]
fn what_the_program_set_is_told() {
    let views = inet(TCP_BOTH);
    let marked = only(&views, |view| view.attributes().mark == Some(42));
    let attributes = marked.attributes();
    assert_eq!(attributes.tos, Some(0x10));
    assert_eq!(attributes.congestion, Some(&b"reno"[..]));
    assert_eq!(marked.timer(), Timer::KeepAlive);
    assert!(attributes.cgroup_id.is_some() && attributes.bbr.is_none());
    assert!(attributes.sock_opt.unwrap().is_connection_socket());
    let bbr = only(&views, |view| {
        let sent = view
            .attributes()
            .tcp_info()
            .and_then(|info| info.bytes_sent());
        sent == Some(50_000)
    });
    assert_eq!(bbr.attributes().congestion, Some(&b"bbr"[..]));
    assert!(bbr.attributes().bbr.unwrap().bandwidth_bytes_per_second > 0);
}

#[test]
fn an_accept_queue_over_its_limit_holds_connections_without_a_file() {
    let views = inet(TCP_BOTH);
    let listener = only(&views, |view| view.state() == 10 && view.recv_queue() > 0);
    assert_eq!((listener.recv_queue(), listener.send_queue()), (2, 1));
    let info = listener.attributes().tcp_info().unwrap();
    assert_eq!((info.unacked(), info.sacked()), (Some(2), Some(1)));
    let waiting = views.iter().filter(|view| {
        view.local_port() == listener.local_port() && view.state() == 1 && view.inode() == 0
    });
    assert_eq!(waiting.count(), 2);
    let asking = views.iter().filter(|view| view.state() == 2);
    let asking: Vec<_> = asking.map(InetMessage::timer).collect();
    assert_eq!(asking, [Timer::Retransmit; 2]);
}

#[test]
fn sockets_between_open_and_closed_are_listed() {
    let views = inet(TCP_BOTH);
    // Asked for by the bit of state 13, listed in state 7.
    let bound = only(&views, |view| view.state() == 7);
    assert!(bound.local_port() > 0 && bound.inode() > 0);
    assert_eq!(bound.attributes().tcp_info(), None);
    let time_wait = only(&views, |view| view.state() == 6);
    assert_eq!((time_wait.inode(), time_wait.timer()), (0, Timer::TimeWait));
    let close_wait = only(&views, |view| view.state() == 8);
    assert_eq!(close_wait.recv_queue(), 1, "the end of file, not read");
    let fin_wait = only(&views, |view| view.state() == 5);
    assert_eq!(fin_wait.attributes().shutdown, Some(2));
}

#[test]
fn an_ipv6_socket_may_talk_ipv4() {
    let views = inet(TCP6);
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    only(&views, |view| {
        view.state() == 1 && view.peer_address() == mapped
    });
    let anywhere = only(&views, |view| view.local_address() == Ipv6Addr::UNSPECIFIED);
    assert_eq!(anywhere.attributes().v6_only, Some(true));
    only(&views, |view| view.attributes().traffic_class == Some(0x20));
}

#[test]
fn without_extensions_there_are_few_attributes() {
    for view in inet(TCP_BARE) {
        let attributes = view.attributes();
        assert_eq!((attributes.info, attributes.sk_mem_info), (None, None));
        assert!(attributes.mark.is_some());
    }
}

#[test]
fn udp_drops_are_told_per_socket() {
    let views = inet(UDP4);
    let receiver = only(&views, |view| view.state() == 7);
    let memory = receiver.attributes().sk_mem_info.unwrap();
    assert!(memory.drops.unwrap() > 0);
    assert_eq!(memory.rmem_alloc_bytes, Some(receiver.recv_queue()));
    let on_device = only(&inet(UDP6), |_| true);
    assert_eq!(on_device.interface(), 1);
    assert_eq!(on_device.local_address(), IpAddr::from(Ipv6Addr::LOCALHOST));
}

#[test]
fn mptcp_has_its_own_info_and_its_subflows_are_tcp() {
    for view in inet(MPTCP) {
        assert_eq!(view.attributes().info.unwrap().len(), 96);
    }
    let views = inet(TCP4);
    let subflows = views.iter().filter_map(|view| view.attributes().ulp);
    let subflows: Vec<_> = subflows.collect();
    assert_eq!(subflows.len(), 3);
    assert!(subflows.iter().all(|ulp| ulp.name() == Some(b"mptcp")));
    assert_eq!(
        subflows.iter().filter(|ulp| ulp.mptcp().is_some()).count(),
        2
    );
}

#[test]
fn unix_sockets_have_names_of_any_bytes_and_peers() {
    let views: Vec<_> = replies(UNIX).into_iter().map(UnixMessage::new).collect();
    let views: Vec<_> = views.into_iter().map(Result::unwrap).collect();
    let all = || views.iter().map(|view| (view, view.attributes()));
    assert!(all().all(|(_, attributes)| attributes.malformed.is_none()));
    let named = |name| {
        let mut found = all().filter(move |(_, attributes)| attributes.name == Some(name));
        found.next().unwrap()
    };
    let odd = b"not \xff utf-8\nnor one line \x1b[31m";
    assert_eq!(named(UnixName::Path(odd)).0.kind(), 5);
    named(UnixName::Path(&[b'l'; 108]));
    named(UnixName::Abstract(b"abstract\0with nul"));
    let gone = named(UnixName::Path(b"gone")).1;
    assert!(gone.file.unwrap().inode > 0, "the file that it was");
    // The accepted end of a connection has its listener's name.
    let listener = all().find(|(view, attributes)| {
        view.state() == 10 && attributes.name == Some(UnixName::Path(b"listener"))
    });
    let (_, listener) = listener.unwrap();
    assert_eq!(
        (listener.recv_queue, listener.send_queue),
        (Some(1), Some(3))
    );
    // What waits is named by the inode of the end that asked.
    let waiting: Vec<u32> = listener.waiting.unwrap().iter().collect();
    let (_, asked) = all().find(|(view, _)| view.inode() == waiting[0]).unwrap();
    assert_eq!((waiting.len(), asked.peer_inode), (1, Some(0)));
    let datagrams = all().filter(|(view, _)| view.kind() == 2 && view.state() == 1);
    let first: Vec<_> = datagrams
        .map(|(_, attributes)| attributes.recv_queue)
        .collect();
    assert!(
        first.contains(&Some(5)),
        "the first message of two: {first:?}"
    );
}

#[test]
fn packet_sockets_tell_filter_and_fanout() {
    let views: Vec<_> = replies(PACKET)
        .into_iter()
        .map(|payload| PacketMessage::new(payload).unwrap())
        .collect();
    assert_eq!(views.len(), 2);
    let (raw, cooked) = (views[0].attributes(), views[1].attributes());
    assert_eq!((views[0].kind(), views[0].protocol()), (3, 3));
    assert_eq!((raw.filter_instructions, raw.fanout), (Some(1), None));
    assert_eq!((views[1].kind(), views[1].protocol()), (2, 0x0800));
    let fanout = cooked.fanout.unwrap();
    assert_eq!((fanout.group, fanout.mode), (42, 1));
    assert_eq!(cooked.info.unwrap().interface, 1);
    assert_eq!(
        (raw.uid, raw.malformed, cooked.malformed),
        (Some(0), None, None)
    );
}

#[test]
fn netlink_sockets_tell_their_groups_and_may_be_listed_twice() {
    let views: Vec<_> = replies(NETLINK)
        .into_iter()
        .map(|payload| NetlinkMessage::new(payload).unwrap())
        .collect();
    let listening: Vec<_> = views
        .iter()
        .filter(|view| view.attributes().groups.is_some())
        .collect();
    assert_eq!(listening[0].cookie(), listening[1].cookie());
    let groups = listening[0].attributes().groups.unwrap();
    assert_eq!(groups.iter().collect::<Vec<_>>(), [1, 5, 33]);
    assert!(
        views
            .iter()
            .any(|view| view.protocol() == 4 && view.attributes().flags == Some(1))
    );
}

#[test]
fn a_family_that_is_not_there_is_an_error() {
    let error = Messages::new(ERROR).next().unwrap().unwrap();
    assert_eq!(error.content(), Ok(Content::Error(2)));
}

/// Reads all that the views tell, so that nothing is left that could panic.
fn read_all(buffer: &[u8]) {
    for message in Messages::new(buffer) {
        let Ok(Ok(Content::Reply(payload))) = message.map(|message| message.content()) else {
            continue;
        };
        if let Ok(view) = InetMessage::new(payload) {
            let attributes = view.attributes();
            black_box((view.id(), view.timer(), view.expires_ms(), attributes));
            black_box(attributes.tcp_info().map(|info| info.values()));
            black_box(attributes.ulp.map(|ulp| (ulp.name(), ulp.tls())));
        }
        if let Ok(view) = UnixMessage::new(payload) {
            let waiting = view.attributes().waiting;
            black_box((view, waiting.map(|waiting| waiting.iter().count())));
        }
        if let Ok(view) = PacketMessage::new(payload) {
            black_box((view, view.attributes()));
        }
        if let Ok(view) = NetlinkMessage::new(payload) {
            let groups = view.attributes().groups;
            black_box((view, groups.map(|groups| groups.iter().count())));
        }
        let _ = black_box(VsockMessage::new(payload));
    }
}

#[test]
fn a_dump_cut_anywhere_gives_the_messages_before_the_cut() {
    for dump in everything() {
        let whole: Vec<_> = Messages::new(dump).map(Result::unwrap).collect();
        for cut in 0..dump.len() {
            let mut complete = 0;
            for (found, expected) in Messages::new(&dump[..cut]).zip(&whole) {
                match found {
                    Ok(found) => assert_eq!(found, *expected),
                    Err(malformed) => {
                        assert!(malformed.have < malformed.need);
                        break;
                    }
                }
                complete += 1;
            }
            let left = cut - complete_bytes(dump, complete).min(cut);
            let count = Messages::new(&dump[..cut]).count();
            assert_eq!(count, complete + usize::from(left > 0), "cut at {cut}");
        }
    }
}

/// Where the message after the first `count` begins.
fn complete_bytes(dump: &[u8], count: usize) -> usize {
    Messages::new(dump)
        .take(count)
        .map(|message| (message.unwrap().payload.len() + netlink::HEADER_LEN).next_multiple_of(4))
        .sum()
}

#[test]
fn a_message_cut_anywhere_gives_the_attributes_before_the_cut() {
    for payload in INET.into_iter().flat_map(replies) {
        let whole = InetMessage::new(payload).unwrap().attributes();
        for cut in 0..payload.len() {
            let Ok(view) = InetMessage::new(&payload[..cut]) else {
                assert!(cut < 72);
                continue;
            };
            let found = view.attributes();
            assert!(found.mark.is_none() || found.mark == whole.mark);
            assert!(found.bbr.is_none() || found.bbr == whole.bbr);
            assert!(found.info.is_none() || found.info == whole.info);
        }
    }
}

proptest! {
    #[test]
    fn damaged_dumps_are_read_without_panic(
        which in 0usize..11,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut dump = everything().nth(which).unwrap().to_vec();
        for (place, byte) in damage {
            let place = place.index(dump.len());
            dump[place] = byte;
        }
        read_all(&dump);
    }

    #[test]
    fn any_payload_is_read_without_panic(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut buffer = Vec::new();
        netlink::Request::new(&mut buffer, 20, 0, 0).bytes(&payload).finish();
        read_all(&buffer);
    }
}
