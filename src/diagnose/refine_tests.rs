use super::*;
use crate::diagnose::rules::sample::{found, socket, timer};
use crate::diagnose::{Fact, TcpEvidence};
use crate::sockets::TimerKind;

fn at(address: &str, port: u16) -> Address {
    Address::Ip {
        addr: address.parse().unwrap(),
        port,
        scope: 0,
    }
}

fn with_finding(mut socket: Socket, tcp: TcpEvidence) -> Socket {
    socket.findings.extend(found(&socket, tcp));
    assert_eq!(socket.findings.len(), 1);
    socket
}

fn listener(address: &str, port: u16, recv_q: u32, inode: u32) -> Socket {
    Socket {
        local: at(address, port),
        peer: at("0.0.0.0", 0),
        inode,
        ..socket(State::Listen, recv_q, 4)
    }
}

/// The finding of the first socket among the others, after two passes.
fn refined(first: Socket, others: &[Socket]) -> Option<Finding> {
    let mut sockets = vec![first];
    assert!(others.iter().all(needs));
    sockets.extend_from_slice(others);
    refine(&mut sockets);
    let once = sockets.clone();
    refine(&mut sockets);
    assert_eq!(sockets, once);
    sockets.swap_remove(0).findings.pop()
}

fn pointed(finding: &Finding, field: &str) -> Vec<String> {
    let facts = finding.evidence.iter();
    facts
        .filter(|fact| fact.field == field)
        .map(|fact: &Fact| fact.value.clone())
        .collect()
}

fn bound(address: &str) -> Socket {
    let bound = Socket {
        local: at(address, 80),
        peer: Address::None,
        ..socket(State::BoundInactive, 0, 0)
    };
    with_finding(bound, TcpEvidence::default())
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
        assert_eq!(
            refined(bound(address), &[listener(listening, 80, 0, 9)]),
            None,
            "{address} {listening}"
        );
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
        assert!(refined(bound("127.0.0.1"), &[other]).is_some());
    }
    assert!(refined(bound("0.0.0.0"), &[listener("127.0.0.1", 80, 0, 9)]).is_some());
}

fn unaccepted() -> Socket {
    let waiting = Socket {
        inode: 0,
        ..socket(State::Established, 5, 0)
    };
    let tcp = TcpEvidence {
        last_data_sent_ms: Some(13_000),
        ..TcpEvidence::default()
    };
    with_finding(waiting, tcp)
}

#[test]
fn the_listener_that_does_not_accept_is_found() {
    let others = [
        listener("0.0.0.0", 80, 1, 20),
        listener("127.0.0.1", 80, 0, 21),
        listener("127.0.0.1", 80, 3, 22),
        listener("127.0.0.1", 8080, 3, 23),
    ];
    let finding = refined(unaccepted(), &others).unwrap();
    assert_eq!(pointed(&finding, LISTENER), ["22"]);
    assert!(finding.next.contains("strace -f -p PID"));
    let finding = refined(unaccepted(), &others[..1]).unwrap();
    assert_eq!(pointed(&finding, LISTENER), ["20"]);
    let finding = refined(unaccepted(), &others[3..]).unwrap();
    assert_eq!(pointed(&finding, LISTENER), [""; 0]);
    assert!(finding.next.contains("sockdoc sockets -l :80"));
}

fn connecting_to(address: &str) -> Socket {
    let connecting = Socket {
        local: at("192.0.2.1", 40_000),
        peer: at(address, 80),
        timer: Some(timer(TimerKind::Retransmit, 2)),
        ..socket(State::SynSent, 0, 1)
    };
    with_finding(connecting, TcpEvidence::default())
}

#[test]
fn a_connection_to_a_full_listener_of_this_host_names_it() {
    let finding = refined(
        connecting_to("127.0.0.1"),
        &[listener("0.0.0.0", 80, 5, 30)],
    )
    .unwrap();
    assert_eq!(
        finding.text,
        "connecting, no answer: SYN sent 3 times; the listener on this host is full: 5 of 4"
    );
    assert_eq!(pointed(&finding, LISTENER), ["30"]);
    assert!(!finding.next.contains("ping"));
    for others in [&[listener("0.0.0.0", 80, 4, 30)][..], &[]] {
        let finding = refined(connecting_to("127.0.0.1"), others).unwrap();
        assert!(!finding.next.contains("ping"), "{}", finding.next);
        assert!(!finding.text.contains("full"));
    }
}

#[test]
fn a_connection_to_another_host_is_not_told_of_a_listener_here() {
    let finding = refined(
        connecting_to("198.51.100.7"),
        &[listener("0.0.0.0", 80, 5, 30)],
    )
    .unwrap();
    assert!(finding.next.contains("ping 198.51.100.7"));
    assert!(!finding.text.contains("full"));
}

fn close_wait(recv_q: u32) -> Socket {
    let tcp = TcpEvidence {
        last_ack_recv_ms: Some(65_000),
        ..TcpEvidence::default()
    };
    with_finding(socket(State::CloseWait, recv_q, 0), tcp)
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
    let finding = refined(close_wait(0), &[other_end(State::FinWait2, 40)]).unwrap();
    assert_eq!(
        finding.text,
        "half-closed: the peer, on this host, still waits; nothing heard for 65 s; end of file was \
         read, close() never called"
    );
    assert_eq!(finding.severity, Severity::Notice);
    assert_eq!(pointed(&finding, OTHER_END), ["40"]);
    let unread = refined(close_wait(6), &[other_end(State::FinWait2, 40)]).unwrap();
    assert_eq!(unread.severity, Severity::Warning);
}

#[test]
fn a_peer_that_is_gone_or_closed_is_not_called_half_closed() {
    let elsewhere = Socket {
        netns: 1,
        ..other_end(State::FinWait2, 40)
    };
    for others in [&[][..], &[other_end(State::FinWait2, 0)], &[elsewhere]] {
        let finding = refined(close_wait(0), others).unwrap();
        assert!(finding.text.starts_with(FIN_RECEIVED), "{}", finding.text);
        assert_eq!(finding.severity, Severity::Warning);
    }
}

#[test]
fn the_program_that_keeps_the_window_closed_is_found_on_this_host() {
    let probing = Socket {
        timer: Some(timer(TimerKind::Persist, 0)),
        ..socket(State::Established, 0, 70_000)
    };
    let tcp = TcpEvidence {
        snd_wnd: Some(0),
        last_data_sent_ms: Some(13_000),
        ..TcpEvidence::default()
    };
    let probing = with_finding(probing, tcp);
    let finding = refined(probing.clone(), &[other_end(State::Established, 50)]).unwrap();
    assert_eq!(pointed(&finding, OTHER_END), ["50"]);
    let finding = refined(probing, &[]).unwrap();
    assert!(finding.next.contains("127.0.0.1 port 40000"));
}
