//! What a finding gains, or loses, by a look at the other sockets of the host; what causes what.

use crate::diagnose::testing::{commands, figures, found_among, found_in, sample, socket, timer};
use crate::diagnose::{Case, Finding, Findings, Role, Severity, diagnose};
use crate::host::{Index, Sample, SocketAt};
use crate::sockets::testing::owners;
use crate::sockets::{Address, Socket, State, TcpFigures, TimerKind};

fn at(address: &str, port: u16) -> Address {
    Address::Ip {
        addr: address.parse().unwrap(),
        port,
        scope: 0,
    }
}

fn listener(address: &str, port: u16, recv_q: u32, inode: u32) -> Socket {
    Socket {
        local: at(address, port),
        peer: at("0.0.0.0", 0),
        inode,
        ..socket(State::Listen, recv_q, 4)
    }
}

/// The places of the sockets that play a part in a finding.
fn parts(finding: &Finding, role: Role) -> Vec<u32> {
    finding.sockets_as(role).map(|at| at.0).collect()
}

fn bound(address: &str) -> Socket {
    Socket {
        local: at(address, 80),
        peer: Address::None,
        ..socket(State::BoundInactive, 0, 0)
    }
}

#[test]
fn a_bound_socket_beside_a_listener_of_the_same_address_is_no_finding() {
    for (address, listening) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0"),
        ("127.0.0.1", "::"),
        ("0.0.0.0", "::"),
        ("::1", "::"),
    ] {
        let found = found_among(&bound(address), &[listener(listening, 80, 0, 9)]);
        assert_eq!(found, None, "{address} {listening}");
    }
}

#[test]
fn a_bound_socket_without_such_a_listener_stays_a_finding() {
    let elsewhere = Socket {
        netns: 1,
        ..listener("127.0.0.1", 80, 0, 9)
    };
    for other in [
        listener("127.0.0.1", 81, 0, 9),
        listener("127.0.0.2", 80, 0, 9),
        elsewhere,
    ] {
        assert!(found_among(&bound("127.0.0.1"), &[other]).is_some());
    }
    let specific = listener("127.0.0.1", 80, 0, 9);
    assert!(found_among(&bound("0.0.0.0"), &[specific]).is_some());
}

fn unaccepted() -> Socket {
    let waiting = Socket {
        inode: 0,
        ..socket(State::Established, 5, 0)
    };
    let tcp = TcpFigures {
        last_data_sent_ms: Some(13_000),
        ..TcpFigures::default()
    };
    figures(waiting, tcp)
}

#[test]
fn the_listener_that_does_not_accept_is_found() {
    let others = [
        listener("0.0.0.0", 80, 1, 20),
        listener("127.0.0.1", 80, 0, 21),
        listener("127.0.0.1", 80, 3, 22),
        listener("127.0.0.1", 8080, 3, 23),
    ];
    let finding = found_among(&unaccepted(), &others).unwrap();
    assert_eq!(parts(&finding, Role::Listener), [3]);
    let finding = found_among(&unaccepted(), &others[..1]).unwrap();
    assert_eq!(parts(&finding, Role::Listener), [1]);
    assert_eq!(commands(&finding), ["sudo sockdoc sockets :80"]);
    let finding = found_among(&unaccepted(), &others[3..]).unwrap();
    assert_eq!(parts(&finding, Role::Listener), [0; 0]);
    assert_eq!(commands(&finding), ["sockdoc sockets -l :80"]);
}

#[test]
fn the_next_step_names_the_processes_of_the_listener_if_they_are_known() {
    let mut sample = sample(vec![unaccepted(), listener("0.0.0.0", 80, 1, 20)]);
    sample.owners = owners(&[(813, "web", None, &[20]), (812, "web", None, &[20, 7])]);
    let finding = found_in(&sample).unwrap();
    assert_eq!(commands(&finding), ["strace -f -p 813 -p 812"]);
    // Sought, and not seen.
    sample.owners = owners(&[]);
    let finding = found_in(&sample).unwrap();
    assert_eq!(commands(&finding), [""; 0]);
    assert!(format!("{:?}", finding.next).contains("container"));
}

fn connecting_to(address: &str) -> Socket {
    Socket {
        local: at("192.0.2.1", 40_000),
        peer: at(address, 80),
        timer: Some(timer(TimerKind::Retransmit, 2)),
        ..socket(State::SynSent, 0, 1)
    }
}

#[test]
fn a_connection_to_a_full_listener_of_this_host_names_it() {
    let connecting = connecting_to("127.0.0.1");
    let full = [listener("0.0.0.0", 80, 5, 30)];
    let finding = found_among(&connecting, &full).unwrap();
    assert_eq!(
        finding.headline,
        "connecting, no answer: SYN sent 3 times; the accept queue of the listener, on this host, is \
         full: 5 waiting, limit 4"
    );
    assert_eq!(parts(&finding, Role::Listener), [1]);
    assert!(!format!("{:?}", finding.next).contains("ping"));
    for others in [&[listener("0.0.0.0", 80, 4, 30)][..], &[]] {
        let finding = found_among(&connecting, others).unwrap();
        assert_eq!(
            commands(&finding),
            ["nft list ruleset", "sockdoc sockets -l :80"]
        );
        assert!(!finding.headline.contains("full"));
    }
}

#[test]
fn a_connection_to_another_host_is_not_told_of_a_listener_here() {
    let full = [listener("0.0.0.0", 80, 5, 30)];
    let finding = found_among(&connecting_to("198.51.100.7"), &full).unwrap();
    assert_eq!(commands(&finding)[0], "sockdoc ping 198.51.100.7");
    assert_eq!(finding.others, []);
    assert!(!finding.headline.contains("full"));
}

fn close_wait(recv_q: u32) -> Socket {
    let tcp = TcpFigures {
        last_ack_recv_ms: Some(125_000),
        ..TcpFigures::default()
    };
    figures(socket(State::CloseWait, recv_q, 0), tcp)
}

fn other_end(state: State, inode: u32) -> Socket {
    Socket {
        local: at("127.0.0.1", 40_000),
        peer: at("127.0.0.1", 80),
        inode,
        ..socket(state, 0, 0)
    }
}

#[test]
fn a_peer_on_this_host_that_still_waits_has_not_closed() {
    let waiting = [other_end(State::FinWait2, 40)];
    let finding = found_among(&close_wait(0), &waiting).unwrap();
    assert_eq!(
        finding.headline,
        "half-closed: the peer, on this host, has been waiting for 2 min; EOF was read but close() was \
         not called"
    );
    assert_eq!(finding.severity, Severity::Notice);
    assert_eq!(parts(&finding, Role::OtherEnd), [1]);
    let unread = found_among(&close_wait(6), &waiting).unwrap();
    assert_eq!(unread.severity, Severity::Warning);
}

#[test]
fn a_peer_that_is_gone_or_closed_is_not_called_half_closed() {
    let elsewhere = Socket {
        netns: 1,
        ..other_end(State::FinWait2, 40)
    };
    for others in [&[][..], &[other_end(State::FinWait2, 0)], &[elsewhere]] {
        let finding = found_among(&close_wait(0), others).unwrap();
        assert!(finding.headline.starts_with("CLOSE-WAIT leak"));
        assert_eq!(finding.severity, Severity::Notice);
    }
}

fn probing() -> Socket {
    let probing = Socket {
        timer: Some(timer(TimerKind::Persist, 0)),
        ..socket(State::Established, 0, 70_000)
    };
    let tcp = TcpFigures {
        snd_wnd: Some(0),
        last_data_sent_ms: Some(13_000),
        ..TcpFigures::default()
    };
    figures(probing, tcp)
}

#[test]
fn the_program_that_keeps_the_window_closed_is_found_on_this_host() {
    let here = [other_end(State::Established, 50)];
    let finding = found_among(&probing(), &here).unwrap();
    assert_eq!(parts(&finding, Role::OtherEnd), [1]);
    let finding = found_among(&probing(), &[]).unwrap();
    assert_eq!(commands(&finding), ["sockdoc sockets :40000"]);
    assert!(format!("{:?}", finding.next).contains("on this host"));
}

/// The headlines of a sample's blocks, those of the effects set in.
fn blocks(sample: &Sample, each: bool) -> Vec<String> {
    fn list(blocks: &[crate::diagnose::Block], depth: usize, lines: &mut Vec<String>) {
        for block in blocks {
            lines.push(format!("{}{}", " ".repeat(depth), block.finding.headline));
            list(&block.effects, depth + 1, lines);
        }
    }
    let index = Index::new(sample);
    let case = Case::new(&index);
    let findings: Findings = diagnose(&case);
    let places: Vec<SocketAt> = sample.places().collect();
    let mut lines = Vec::new();
    list(&findings.blocks(&case, &places, each), 0, &mut lines);
    lines
}

#[test]
fn a_full_accept_queue_comes_before_the_connections_that_it_holds_up() {
    let second = Socket {
        peer: at("127.0.0.1", 40_001),
        ..unaccepted()
    };
    let mut sample = sample(vec![
        connecting_to("127.0.0.1"),
        unaccepted(),
        second,
        listener("0.0.0.0", 80, 5, 30),
        Socket {
            local: at("127.0.0.1", 40_000),
            peer: at("127.0.0.1", 80),
            ..probing()
        },
    ]);
    sample.owners = owners(&[(8, "web", None, &[30])]);
    assert_eq!(
        blocks(&sample, false),
        [
            "accept queue full: 5 waiting, limit 4",
            " connecting, no answer: SYN sent 3 times; the accept queue of the listener, on this host, is \
             full: 5 waiting, limit 4",
            " not accepted: 2 connections on port 80 of web (pid 8)",
            "  peer receive window full for 13 s; 68 KiB queued",
        ]
    );
}

#[test]
fn a_program_that_does_not_read_explains_the_closed_window_of_its_peer() {
    let reader = figures(
        Socket {
            recv_q: 9_000,
            ..other_end(State::Established, 50)
        },
        TcpFigures {
            last_data_recv_ms: Some(20_000),
            rcv_wnd: Some(0),
            ..TcpFigures::default()
        },
    );
    assert_eq!(
        blocks(&sample(vec![probing(), reader]), false),
        [
            "application not reading: 9000 bytes unread for 20 s; receive window closed",
            " peer receive window full for 13 s; 68 KiB queued",
        ]
    );
}

#[test]
fn many_leaked_connections_of_one_process_and_port_are_one_finding() {
    let leaked = |port: u16, inode| Socket {
        peer: at("127.0.0.1", port),
        inode,
        ..close_wait(0)
    };
    let mut sockets: Vec<Socket> = (0..200).map(|n| leaked(50_000 + n, 7)).collect();
    sockets.push(leaked(60_000, 9));
    let mut sample = sample(sockets);
    sample.owners = owners(&[(7, "python3", None, &[7]), (9, "other", None, &[9])]);
    assert_eq!(
        blocks(&sample, false),
        [
            "CLOSE-WAIT leak: 200 connections on port 80 of python3 (pid 7)",
            "CLOSE-WAIT leak: peer closed at least 2 min ago; EOF was read but close() was not called",
        ]
    );
    assert_eq!(blocks(&sample, true).len(), 201);
}

#[test]
fn a_client_is_told_that_its_connection_is_not_accepted() {
    let client = other_end(State::Established, 40);
    let sample = sample(vec![client, unaccepted(), listener("0.0.0.0", 80, 1, 30)]);
    let index = Index::new(&sample);
    let case = Case::new(&index);
    let found = diagnose(&case);
    let of_client = found.of(SocketAt(0)).next().unwrap();
    assert_eq!(of_client.headline, "not accepted for 13 s");
    // A listing of the client alone has it, once.
    assert_eq!(found.blocks(&case, &[SocketAt(0)], false).len(), 1);
    assert_eq!(
        found
            .blocks(&case, &[SocketAt(0), SocketAt(1)], false)
            .len(),
        1
    );
}

#[test]
fn two_programs_that_wait_for_each_other_to_read_are_one_finding() {
    let end = |local, peer, inode| {
        let socket = Socket {
            local: at("127.0.0.1", local),
            peer: at("127.0.0.1", peer),
            inode,
            cookie: Some(inode.into()),
            recv_q: 60_000,
            ..probing()
        };
        let tcp = TcpFigures {
            rcv_wnd: Some(0),
            last_data_recv_ms: Some(13_000),
            ..TcpFigures::from(probing().tcp)
        };
        figures(socket, tcp)
    };
    let (ours, theirs) = (end(80, 40_000, 8), end(40_000, 80, 9));
    let both = sample(vec![ours.clone(), theirs.clone()]);
    assert_eq!(
        blocks(&both, false),
        ["both ends wait to be read for 13 s: 58 KiB unread here, 68 KiB queued for the peer"]
    );
    // Each row has it.
    let index = Index::new(&both);
    let found = diagnose(&Case::new(&index));
    assert_eq!(found.all().len(), 1);
    assert!(found.of(SocketAt(0)).eq(found.of(SocketAt(1))));
    // The other end is elsewhere.
    assert_eq!(blocks(&sample(vec![ours.clone()]), false).len(), 1);
}
