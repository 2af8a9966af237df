use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::sockets::Address;
use crate::sockets::{Timer, TimerKind};

const TCP: Table = Table::v4(Proto::Tcp);
const TCP6: Table = Table::v6(Proto::Tcp);
const UDP: Table = Table::v4(Proto::Udp);

/// Recorded from a little-endian machine: the address words are turned round on another.
fn recorded(text: &str) -> Vec<u8> {
    const { assert!(cfg!(target_endian = "little"), "recorded on little-endian") };
    text.as_bytes().to_vec()
}

fn ip(text: &str) -> Address {
    let addr: SocketAddr = text.parse().unwrap();
    Address::Ip {
        addr: addr.ip(),
        port: addr.port(),
        scope: 0,
    }
}

fn unix(text: &[u8]) -> Parsed {
    parse(Table::Unix, text, 0)
}

fn names(parsed: &Parsed) -> Vec<&[u8]> {
    parsed
        .sockets
        .iter()
        .map(|socket| match &socket.local {
            Address::Unix { name, .. } => &**name,
            other => panic!("{other:?}"),
        })
        .collect()
}

const TCP_TEXT: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000001 00:00000000 00000000  1000        0 14103930 2 00000000080d6c40 100 0 0 10 0                  
   1: 0100007F:1F90 0100007F:CD98 08 00000000:00000001 00:00000000 00000000     0        0 14103936 1 00000000e113c928 20 4 0 10 -1                  
   2: 0100007F:1F90 0100007F:CD80 01 00000000:00000064 02:000AFC61 00000000     0        0 14103932 2 0000000073af0394 20 4 30 10 -1                 
   5: 0100007F:1F90 0100007F:CDA8 01 00000000:00000000 00:00000000 00000000     0        0 0 1 00000000324275d2 20 0 0 10 -1                         
   9: 0100007F:CDA6 0100007F:1F90 06 00000000:00000000 03:00001751 00000000     0        0 0 3 00000000a2c919d5                                      
";

#[test]
fn a_tcp_table_gives_addresses_states_queues_and_timers() {
    let parsed = parse(TCP, &recorded(TCP_TEXT), 3);
    assert_eq!((parsed.sockets.len(), parsed.skipped), (5, 0));
    let listener = &parsed.sockets[0];
    assert_eq!(listener.local, ip("127.0.0.1:8080"));
    assert_eq!(listener.peer, Address::None);
    assert_eq!(listener.state, State::Listen);
    assert_eq!((listener.recv_q, listener.send_q), (1, 0));
    assert_eq!((listener.inode, listener.uid), (14_103_930, Some(1000)));
    assert_eq!((listener.netns, listener.cookie), (3, None));
    assert_eq!(parsed.sockets[1].state, State::CloseWait);
    assert_eq!(parsed.sockets[2].recv_q, 100);
    assert_eq!(
        parsed.sockets[2].timer,
        Some(Timer {
            kind: TimerKind::Keepalive,
            expires_ms: 7_199_690,
            retransmits: 0
        })
    );
}

#[test]
fn a_socket_without_an_inode_belongs_to_nobody_and_not_to_root() {
    let parsed = parse(TCP, &recorded(TCP_TEXT), 0);
    let states: Vec<_> = parsed
        .sockets
        .iter()
        .filter(|socket| socket.uid.is_none())
        .map(|socket| (socket.state, socket.inode))
        .collect();
    assert_eq!(states, [(State::Established, 0), (State::TimeWait, 0)]);
}

#[test]
fn a_tcp6_table_gives_ipv6_and_mapped_addresses() {
    let text = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 14103940 2 00000000010ab6f4 100 0 0 10 0
   1: 00000000000000000000000001000000:83F8 00000000000000000000000001000000:1F91 01 00000000:00000000 00:00000000 00000000     0        0 14103943 2 00000000c6041170 20 0 0 10 -1
   2: 0000000000000000FFFF00000100007F:1F91 0000000000000000FFFF00000100007F:D9F4 01 00000000:00000000 00:00000000 00000000     0        0 14103942 1 000000001df0ddc6 20 0 0 10 -1
";
    let parsed = parse(TCP6, &recorded(text), 0);
    let ends: Vec<_> = parsed.sockets.iter().map(|s| (&s.local, &s.peer)).collect();
    assert_eq!(
        ends,
        [
            (&ip("[::]:8081"), &Address::None),
            (&ip("[::1]:33784"), &ip("[::1]:8081")),
            (
                &ip("[::ffff:127.0.0.1]:8081"),
                &ip("[::ffff:127.0.0.1]:55796")
            ),
        ]
    );
    assert_eq!(
        parsed.sockets[2].local.ip().unwrap().to_string(),
        "127.0.0.1"
    );
    assert!(parsed.sockets.iter().all(|s| s.family == Family::Inet6));
}

#[test]
fn udp_raw_and_ping_tables_give_the_drops_too() {
    let text = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            
 6891: 0100007F:BD68 0100007F:14E9 01 00000000:00000000 00:00000000 00000000     0        0 14103945 2 000000004da692d7 0      
12908: 0100007F:14E9 00000000:0000 07 00000000:00000F00 00:00000000 00000000     0        0 14103944 2 00000000855dc6ba 17     
";
    let sockets = parse(UDP, &recorded(text), 0).sockets;
    assert_eq!(sockets[0].state, State::Established);
    assert_eq!(sockets[1].state, State::Unconnected);
    assert_eq!(sockets[1].recv_q, 3840);
    let drops: Vec<_> = sockets
        .iter()
        .map(|s| s.details.as_ref()?.dropped())
        .collect();
    assert_eq!(drops, [Some(0), Some(17)]);

    let text = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
    3: 00000000000000000000000000000000:003A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 14103951 2 000000007b681cd3 0
";
    let sockets = parse(Table::v6(Proto::Raw), text.as_bytes(), 0).sockets;
    assert_eq!(sockets[0].local, ip("[::]:58"));
    assert_eq!(sockets[0].proto, Proto::Raw);
}

#[test]
fn an_ipv4_ping_socket_that_icmp6_lists_again_is_left_out() {
    let v4 = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             
   16: 0100007F:004D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 14103949 2 000000008ecc80f7 0      
";
    let v6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   16: 00000000000000000000000001000000:004D 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 14103952 2 000000006608f4b2 0
   16: 00000000000000000000000000000000:004D 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 14103949 2 000000008ecc80f7 0
";
    let v4 = parse(Table::v4(Proto::Ping), &recorded(v4), 0).sockets;
    let mut v6 = parse(Table::v6(Proto::Ping), &recorded(v6), 0).sockets;
    assert_eq!((v4.len(), v6.len()), (1, 2));
    leave_out_known(&mut v6, &v4);
    assert_eq!(v6.len(), 1);
    assert_eq!(v6[0].local, ip("[::1]:77"));
}

const UNIX_TEXT: &[u8] = b"Num       RefCount Protocol Flags    Type St Inode Path
00000000f0ec1cdf: 00000003 00000000 00000000 0001 03 14103956 /tmp/with space.sock
00000000070bebe4: 00000003 00000000 00000000 0001 03 14103954
0000000045fc3133: 00000002 00000000 00010000 0001 01 14103953 /tmp/with space.sock
00000000c49b52f9: 00000002 00000000 00000000 0001 01 14103958 two
lines
00000000e259e4b7: 00000002 00000000 00000000 0002 01 14103959 bad\xff\xfe
0000000008e345af: 00000003 00000000 00000000 0001 02     0 /tmp/with space.sock
0000000031e18e30: 00000002 00000000 00000000 0001 01 14103962 end

00000000c77c5328: 00000002 00000000 00010000 0005 01 14103957 @abs@tract
";

#[test]
fn a_unix_table_gives_names_of_any_bytes() {
    let parsed = unix(UNIX_TEXT);
    assert_eq!(parsed.skipped, 0);
    let path: &[u8] = b"/tmp/with space.sock";
    assert_eq!(
        names(&parsed),
        [
            path,
            b"",
            path,
            b"two\nlines",
            b"bad\xff\xfe",
            path,
            b"end\n",
            b"\0abs@tract"
        ]
    );
    let kinds: Vec<_> = parsed.sockets.iter().map(|s| (s.proto, s.state)).collect();
    assert_eq!(kinds[0], (Proto::UnixStr, State::Established));
    assert_eq!(kinds[2], (Proto::UnixStr, State::Listen));
    assert_eq!(kinds[4], (Proto::UnixDgr, State::Unconnected));
    assert_eq!(kinds[7], (Proto::UnixSeq, State::Listen));
    assert_eq!(parsed.sockets[5].inode, 0, "not accepted yet");
    assert_eq!(parsed.sockets[5].state, State::Established);
}

#[test]
fn a_newline_in_a_path_forges_no_row_unless_every_column_is_right() {
    let forgeries = [
        "0: 00000002 00000000 00010000 0001 01 99999 forged",
        "0000000000000000: 2 0 00010000 0001 01 99999 forged",
        "0000000000000000: 00000002 00000000 00010000 0001 01 1 forged",
        "0000000000000000: 00000002 00000000 00010000 0001 01 99999999999 forged",
        "0000000000000000: 00000002 00000000 00010000 0003 01 99999 forged",
        "0000000000000000: 00000002 00000000 00010000 0001 01  99999 forged",
        "0000000000000000: 00000002 00000000 00010000 0001 01 ",
        "0000000000000000: 00000002 00000000 00010000 0001 0",
    ];
    for forgery in forgeries {
        let text = format!(
            "Num\n00000000680ae9cd: 00000002 00000000 00000000 0001 01 14103961 z\n{forgery}\n"
        );
        let parsed = unix(text.as_bytes());
        assert_eq!((parsed.sockets.len(), parsed.skipped), (1, 0), "{forgery}");
        assert_eq!(names(&parsed), [format!("z\n{forgery}").as_bytes()]);
    }
}

#[test]
fn a_line_that_cannot_belong_to_the_name_above_is_counted() {
    let row = "00000000680ae9cd: 00000002 00000000 00000000 0001 01 14103961";
    let long = "x".repeat(108);
    let parsed = unix(format!("Num\nnonsense\n{row}\nnonsense\n{row} z\n{long}\n").as_bytes());
    assert_eq!((parsed.sockets.len(), parsed.skipped), (2, 3));
}

#[test]
fn packet_and_netlink_tables_give_protocol_interface_and_port() {
    let text = b"sk               RefCnt Type Proto  Iface R Rmem   User   Inode
000000000a1d3307 3      3    0003   0     1 4      0      14103967
00000000d879805e 3      2    0800   1     1 0      1000   14103968
";
    let parsed = parse(Table::Packet, text, 0);
    assert_eq!((parsed.sockets.len(), parsed.skipped), (2, 0));
    assert_eq!(
        parsed.sockets[1].local,
        Address::Packet {
            protocol: 0x800,
            interface: 1
        }
    );
    assert_eq!(parsed.sockets[0].recv_q, 4);
    assert_eq!(parsed.sockets[1].uid, Some(1000));

    let text =
        b"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000053dbe742 0   5683       00000001 0        0        0     2        6        14103969
00000000f42f6ee5 4   0          00000000 0        0        0     2        0        14103905
0000000071c4b02a 15  4294963000 00000000 0        0        0     2        0        14103899
";
    let parsed = parse(Table::Netlink, text, 0);
    assert_eq!((parsed.sockets.len(), parsed.skipped), (3, 0));
    assert_eq!(
        parsed.sockets[2].local,
        Address::Netlink {
            protocol: 15,
            port_id: 4_294_963_000
        }
    );
    let details = parsed.sockets[0].details.as_ref().unwrap();
    assert_eq!(details.dropped(), Some(6));
}

#[test]
fn a_table_that_ends_in_the_middle_of_a_line_gives_the_lines_before() {
    let text = recorded(TCP_TEXT);
    let heading = text.iter().position(|&byte| byte == b'\n').unwrap();
    assert_eq!(parse(TCP, &text[..heading], 0), Parsed::default());
    let parsed = parse(TCP, &text[..heading + 200], 0);
    assert_eq!((parsed.sockets.len(), parsed.skipped), (1, 1));
    assert_eq!(parse(TCP, b"", 0), Parsed::default());
}

#[test]
fn every_table_has_a_file_of_its_own() {
    let files: HashSet<_> = Table::ALL
        .iter()
        .map(|table| table.file().unwrap())
        .collect();
    assert_eq!(files.len(), Table::ALL.len());
    assert_eq!(Table::v4(Proto::Sctp).file(), None);
}

fn any_table() -> impl Strategy<Value = Table> {
    proptest::sample::select(&Table::ALL)
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(table in any_table(), text: Vec<u8>) {
        let lines = text.split(|&byte| byte == b'\n').count() - 1;
        let parsed = parse(table, &text, 0);
        prop_assert!(parsed.sockets.len() + parsed.skipped <= lines);
    }

    #[test]
    fn a_damaged_table_never_gives_more_sockets_than_lines(
        at in 0..TCP_TEXT.len(), byte: u8, table in any_table(),
    ) {
        for text in [TCP_TEXT.as_bytes(), UNIX_TEXT] {
            let mut text = text.to_vec();
            let at = at % text.len();
            text[at] = byte;
            let lines = text.split(|&byte| byte == b'\n').count() - 1;
            prop_assert!(parse(table, &text, 0).sockets.len() <= lines);
        }
    }

    #[test]
    fn every_address_is_read_as_it_was_written(addr: [u8; 16], port: u16, state in 1u8..=13) {
        let words: Vec<String> = addr
            .chunks_exact(4)
            .map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap())))
            .collect();
        let end = format!("{}:{port:04X}", words.concat());
        let text = format!("h\n 0: {end} {end} {state:02X} 00000001:00000002 00:00000000 00000000 5 0 7 1 0\n");
        let parsed = parse(TCP6, text.as_bytes(), 0);
        let expected = Address::Ip { addr: addr.into(), port, scope: 0 };
        prop_assert_eq!(&parsed.sockets[0].local, &expected);
        let no_peer = (u128::from_ne_bytes(addr), port) == (0, 0);
        let peer = if no_peer { Address::None } else { expected };
        prop_assert_eq!(&parsed.sockets[0].peer, &peer);
        prop_assert_eq!(parsed.sockets[0].state as u8, state);
        prop_assert_eq!((parsed.sockets[0].send_q, parsed.sockets[0].recv_q), (1, 2));
    }
}

#[test]
fn a_connection_that_is_being_opened_has_no_send_queue_of_gigabytes() {
    let heading = TCP_TEXT.lines().next().unwrap();
    let row = "   0: 0100007F:D486 0200007F:0051 02 A1E94700:00000000 00:00000000 00000000     0        0 14103930 1 0000000000000000 100 0 0 10 0";
    let parsed = parse(TCP, &recorded(&format!("{heading}\n{row}\n")), 0);
    assert_eq!(parsed.skipped, 0);
    let socket = &parsed.sockets[0];
    assert_eq!((socket.state, socket.send_q), (State::SynSent, 0));
}
