//! What an independent codec, netlink-packet-sock-diag, reads from the same bytes and writes for the
//! same requests.

use netlink_packet_core::{Emitable, NetlinkMessage as Framed, NetlinkPayload, Parseable};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::inet;
use netlink_packet_sock_diag::unix;

use super::*;
use crate::sockdiag::inet::Extensions;

/// The kernel's two words of a cookie, as its bytes.
fn cookie(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

#[test]
fn the_oracle_cuts_the_same_messages() {
    for dump in everything() {
        let mut offset = 0;
        for message in Messages::new(dump).map(Result::unwrap) {
            // It knows neither the old request's answers nor packet, netlink and vsock.
            if let Ok(theirs) = Framed::<SockDiagMessage>::deserialize(&dump[offset..]) {
                assert_eq!(theirs.header.message_type, message.kind);
                assert_eq!(theirs.header.flags, message.flags);
                assert_eq!(theirs.header.sequence_number, message.sequence);
                assert_eq!(theirs.header.port_number, message.port);
                match (theirs.payload, message.content().unwrap()) {
                    (NetlinkPayload::Done(done), Content::Done(errno)) => {
                        assert_eq!(done.code, -errno);
                    }
                    (NetlinkPayload::Error(error), Content::Error(errno)) => {
                        assert_eq!(error.raw_code(), -errno);
                    }
                    (NetlinkPayload::InnerMessage(_), Content::Reply(_)) => {}
                    (theirs, ours) => panic!("{theirs:?} and {ours:?}"),
                }
            }
            offset += (netlink::HEADER_LEN + message.payload.len()).next_multiple_of(4);
        }
        assert_eq!(offset, dump.len());
    }
}

#[test]
fn the_oracle_reads_the_same_inet_sockets() {
    let mut count = 0;
    for view in INET.into_iter().flat_map(replies) {
        let ours = InetMessage::new(view).unwrap();
        let theirs = inet::InetResponse::parse(view).unwrap();
        let header = &theirs.header;
        assert_eq!((ours.family(), ours.state()), (header.family, header.state));
        assert_eq!(ours.recv_queue(), header.recv_queue);
        assert_eq!(ours.send_queue(), header.send_queue);
        assert_eq!((ours.uid(), ours.inode()), (header.uid, header.inode));
        let id = &header.socket_id;
        assert_eq!(ours.local_address(), id.source_address);
        assert_eq!(ours.peer_address(), id.destination_address);
        assert_eq!(ours.local_port(), id.source_port);
        assert_eq!(ours.peer_port(), id.destination_port);
        assert_eq!(ours.interface(), id.interface_id);
        assert_eq!(ours.cookie(), cookie(id.cookie));
        let timer = match header.timer {
            None => Timer::Off,
            Some(inet::Timer::Retransmit(..)) => Timer::Retransmit,
            Some(inet::Timer::KeepAlive(_)) => Timer::KeepAlive,
            Some(inet::Timer::TimeWait) => Timer::TimeWait,
            Some(inet::Timer::Probe(_)) => Timer::Persist,
        };
        assert_eq!(ours.timer(), timer);
        same_inet_attributes(&ours.attributes(), &theirs.nlas);
        count += 1;
    }
    assert!(count > 60);
}

fn same_inet_attributes(ours: &InetAttributes<'_>, theirs: &[inet::nlas::Nla]) {
    use inet::nlas::Nla;
    for attribute in theirs {
        match attribute {
            Nla::LegacyMemInfo(theirs) => {
                let ours = ours.mem_info.unwrap();
                assert_eq!(ours.rmem_bytes, theirs.receive_queue);
                assert_eq!(ours.wmem_bytes, theirs.bottom_send_queue);
                assert_eq!(ours.fmem_bytes, theirs.cache);
                assert_eq!(ours.tmem_bytes, theirs.send_queue);
            }
            Nla::TcpInfo(theirs) => assert_eq!(ours.info, Some(&theirs[..])),
            Nla::Congestion(theirs) => assert_eq!(ours.congestion, Some(theirs.as_bytes())),
            Nla::Tos(theirs) => assert_eq!(ours.tos, Some(*theirs)),
            Nla::Tc(theirs) => assert_eq!(ours.traffic_class, Some(*theirs)),
            Nla::MemInfo(theirs) => {
                let ours = ours.sk_mem_info.unwrap();
                assert_eq!(ours.rmem_alloc_bytes, Some(theirs.receive_queue));
                assert_eq!(ours.rcvbuf_bytes, Some(theirs.receive_queue_max));
                assert_eq!(ours.wmem_alloc_bytes, Some(theirs.bottom_send_queues));
                assert_eq!(ours.sndbuf_bytes, Some(theirs.send_queue_max));
                assert_eq!(ours.fwd_alloc_bytes, Some(theirs.cache.cast_signed()));
                assert_eq!(ours.wmem_queued_bytes, Some(theirs.send_queue));
                assert_eq!(ours.optmem_bytes, Some(theirs.options));
                assert_eq!(ours.backlog_bytes, Some(theirs.backlog_queue_length));
                assert_eq!(ours.drops, Some(theirs.drops));
            }
            Nla::Shutdown(theirs) => assert_eq!(ours.shutdown, Some(*theirs)),
            Nla::Protocol(theirs) => assert_eq!(ours.protocol, Some(*theirs)),
            Nla::SkV6Only(theirs) => assert_eq!(ours.v6_only, Some(*theirs)),
            Nla::Mark(theirs) => assert_eq!(ours.mark, Some(*theirs)),
            Nla::ClassId(theirs) => assert_eq!(ours.class_id, Some(*theirs)),
            Nla::Other(_) => {}
        }
    }
}

#[test]
fn the_oracle_reads_the_same_unix_sockets() {
    use unix::nlas::{Nla, UnixDiagName};
    for view in replies(UNIX) {
        let ours = UnixMessage::new(view).unwrap();
        let theirs = unix::UnixResponse::parse(view).unwrap();
        let header = &theirs.header;
        assert_eq!((ours.kind(), ours.state()), (header.kind, header.state));
        assert_eq!(ours.inode(), header.inode);
        assert_eq!(ours.cookie(), cookie(header.cookie));
        let ours = ours.attributes();
        for attribute in &theirs.nlas {
            match attribute {
                Nla::Name(UnixDiagName::Pathname(theirs)) => {
                    let theirs = theirs.as_encoded_bytes();
                    assert_eq!(ours.name, Some(UnixName::Path(theirs)));
                }
                Nla::Name(UnixDiagName::Abstract(theirs)) => {
                    assert_eq!(ours.name, Some(UnixName::Abstract(theirs)));
                }
                Nla::Vfs(theirs) => {
                    let file = ours.file.unwrap();
                    let ours = format!("Vfs {{ inode: {}, device: {} }}", file.inode, file.device);
                    assert_eq!(format!("{theirs:?}"), ours);
                }
                Nla::Peer(theirs) => assert_eq!(ours.peer_inode, Some(*theirs)),
                Nla::PendingConnections(theirs) => {
                    assert_eq!(ours.waiting.unwrap().iter().collect::<Vec<_>>(), *theirs);
                }
                Nla::ReceiveQueueLength(receive, send) => {
                    let queues = (ours.recv_queue, ours.send_queue);
                    assert_eq!(queues, (Some(*receive), Some(*send)));
                }
                Nla::MemInfo(theirs) => {
                    let ours = ours.sk_mem_info.unwrap();
                    assert_eq!(ours.rcvbuf_bytes, Some(theirs.so_rcvbuf));
                    assert_eq!(ours.sndbuf_bytes, Some(theirs.max_datagram_size));
                }
                Nla::Shutdown(theirs) => assert_eq!(ours.shutdown, Some(*theirs)),
                Nla::Other(_) => {}
            }
        }
    }
}

#[test]
fn the_oracle_writes_the_same_requests() {
    let mut out = Vec::new();
    let ours = InetRequest {
        family: AF_INET6,
        protocol: 17,
        extensions: Extensions::INFO | Extensions::SHUTDOWN,
        states: states::LISTEN | states::TIME_WAIT,
        filter: None,
    };
    ours.write_dump(7, &mut out);
    let theirs = inet::InetRequest {
        family: AF_INET6,
        protocol: 17,
        extensions: inet::ExtensionFlags::INFO | inet::ExtensionFlags::SHUTDOWN,
        states: inet::StateFlags::LISTEN | inet::StateFlags::TIME_WAIT,
        socket_id: inet::SocketId::new_v6(),
    };
    assert_eq!(out[netlink::HEADER_LEN..], emitted(&theirs));

    out.clear();
    let ours = UnixRequest {
        states: states::LISTEN,
        show: crate::sockdiag::unix::show::NAME | crate::sockdiag::unix::show::PEER,
    };
    ours.write_lookup(77, Some(0x0102_0304_0506_0708), 7, &mut out);
    let theirs = unix::UnixRequest {
        state_flags: unix::StateFlags::LISTEN,
        inode: 77,
        show_flags: unix::ShowFlags::NAME | unix::ShowFlags::PEER,
        cookie: 0x0102_0304_0506_0708u64.to_le_bytes(),
    };
    assert_eq!(out[netlink::HEADER_LEN..], emitted(&theirs));
}

fn emitted(request: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0; request.buffer_len()];
    request.emit(&mut bytes);
    bytes
}
