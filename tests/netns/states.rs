//! States that take a firewall, and the finding of a peer that fell silent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::namespace::Namespace;
use crate::support::sockets::{findings, inode};
use crate::support::{program, skip, until};

/// A namespace, if there is a firewall for it.
fn walled(test: &str) -> Option<Namespace> {
    if program("nft").is_none() {
        skip(test, "nft is not installed");
        return None;
    }
    Namespace::new(test)
}

fn pair(namespace: &Namespace) -> (TcpStream, TcpStream) {
    namespace.inside(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let client = TcpStream::connect(listener.local_addr().expect("an address"));
        (
            client.expect("connects"),
            listener.accept().expect("accepts").0,
        )
    })
}

/// Waits for a socket with this local port in this state.
fn wait_for(namespace: &Namespace, local: SocketAddr, state: &str) -> Value {
    until(state, || {
        let listing = namespace.listing(&["-t", "-a"]);
        let row = listing
            .rows()
            .iter()
            .find(|row| row["local"]["port"] == local.port() && row["state"] == state);
        row.cloned()
    })
}

#[test]
fn a_handshake_that_does_not_end_is_syn_recv_without_a_user() {
    let Some(namespace) = walled("SYN_RECV") else {
        return;
    };
    namespace.firewall("tcp flags & (syn | ack) == syn | ack drop");
    let (_listener, address, client) = namespace.inside(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("an address");
        let client = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("made");
        client.set_nonblocking(true).expect("set");
        client.connect(&address.into()).expect_err("it waits");
        (listener, address, client)
    });
    let row = wait_for(&namespace, address, "syn_recv");
    assert_eq!(row["inode"], Value::Null);
    assert_eq!(row["uid"], Value::Null);
    assert_eq!(row["owner_reason"], "handshake");
    let here = client
        .local_addr()
        .expect("an address")
        .as_socket()
        .expect("one");
    let row = wait_for(&namespace, here, "syn_sent");
    assert_eq!(row["inode"], inode(&client));
    let row = until("the finding", || {
        let row = wait_for(&namespace, here, "syn_sent");
        (!findings(&row).is_empty()).then_some(row)
    });
    assert_eq!(findings(&row), ["connecting_no_answer"]);
}

#[test]
fn a_close_that_gets_no_answer_is_fin_wait_1_and_last_ack_there() {
    let Some(namespace) = walled("FIN_WAIT1") else {
        return;
    };
    let (client, server) = pair(&namespace);
    let (here, there) = (client.local_addr().unwrap(), server.local_addr().unwrap());
    client.shutdown(Shutdown::Write).expect("shut");
    wait_for(&namespace, there, "close_wait");
    namespace.firewall("drop");
    drop(server);
    let row = wait_for(&namespace, there, "last_ack");
    assert_eq!(row["inode"], Value::Null);
    assert_eq!(row["owner_reason"], "orphan");
    let row = wait_for(&namespace, here, "fin_wait_2");
    assert_eq!(row["inode"], inode(&client));

    namespace.firewall("");
    let (client, _server) = pair(&namespace);
    let here = client.local_addr().unwrap();
    namespace.firewall("drop");
    drop(client);
    let row = wait_for(&namespace, here, "fin_wait_1");
    assert_eq!(row["inode"], Value::Null);
    assert_eq!(row["uid"], Value::Null);
}

#[test]
fn ends_that_close_at_the_same_time_are_closing() {
    let Some(namespace) = walled("CLOSING") else {
        return;
    };
    let (client, server) = pair(&namespace);
    let (here, there) = (client.local_addr().unwrap(), server.local_addr().unwrap());
    namespace.firewall("drop");
    drop(client);
    drop(server);
    wait_for(&namespace, here, "fin_wait_1");
    wait_for(&namespace, there, "fin_wait_1");
    // Now each learns that the other has closed, and neither that its own FIN has come.
    namespace.firewall("tcp flags & fin == 0 drop");
    until("CLOSING", || {
        let listing = namespace.listing(&["--state", "closing"]);
        let row = listing.rows().first().cloned()?;
        assert_eq!(row["owner_reason"], "orphan");
        Some(())
    });
}

#[test]
fn a_connection_that_the_peer_keeps_open_is_not_counted_as_time_wait_too() {
    let Some(namespace) = Namespace::new("the count of TIME_WAIT") else {
        return;
    };
    let (first, _its_peer) = pair(&namespace);
    let here = first.local_addr().expect("an address");
    drop(first);
    // The kernel's own count has it among those in TIME_WAIT.
    wait_for(&namespace, here, "fin_wait_2");
    let (second, its_peer) = pair(&namespace);
    let there = second.local_addr().expect("an address");
    drop(second);
    wait_for(&namespace, there, "fin_wait_2");
    drop(its_peer);
    until("TIME_WAIT", || {
        let listing = namespace.listing(&["-t"]);
        let shown = |address: SocketAddr| {
            let is_here = |row: &&Value| row["local"]["port"] == address.port();
            listing.rows().iter().filter(is_here).count()
        };
        (shown(there) == 0).then(|| {
            assert_eq!(shown(here), 1);
            assert_eq!(listing.document["not_shown"]["time_wait"], 1);
        })
    });
}

#[test]
fn a_peer_that_fell_silent_is_found_and_one_that_answers_is_not() {
    let Some(namespace) = walled("a silent peer") else {
        return;
    };
    let (silent, _its_peer) = pair(&namespace);
    let (well, reader) = pair(&namespace);
    let port = silent.local_addr().expect("an address").port();
    namespace.firewall(&format!("tcp sport {port} drop"));
    (&silent).write_all(b"hello").expect("writes");
    (&well).write_all(b"hello").expect("writes");
    (&reader).read_exact(&mut [0; 5]).expect("reads");
    let row = until("the finding", || {
        let listing = namespace.listing(&["--problems"]);
        assert!(listing.rows().len() <= 1, "{:#?}", listing.document);
        let row = listing.rows().first().cloned()?;
        assert_eq!(listing.code, Some(1));
        Some(row)
    });
    assert_eq!(findings(&row), ["peer_silent"]);
    assert_eq!(row["inode"], inode(&silent));
    assert_eq!(row["timer"]["kind"], "retransmit");
    let all = namespace.listing(&[]);
    assert_eq!(findings(all.with_inode(inode(&well))), [""; 0]);
}

#[test]
fn keepalive_probes_without_an_answer_are_found_and_answered_ones_are_not() {
    let Some(namespace) = walled("keepalive") else {
        return;
    };
    let (silent, _its_peer) = pair(&namespace);
    let (well, _other_peer) = pair(&namespace);
    let second = Duration::from_secs(1);
    let probing = TcpKeepalive::new().with_time(second).with_interval(second);
    for stream in [&silent, &well] {
        SockRef::from(stream)
            .set_tcp_keepalive(&probing)
            .expect("set");
    }
    let port = silent.local_addr().expect("an address").port();
    namespace.firewall(&format!("tcp sport {port} drop"));
    let row = until("the finding", || {
        let listing = namespace.listing(&["--problems"]);
        assert!(listing.rows().len() <= 1, "{:#?}", listing.document);
        listing.rows().first().cloned()
    });
    assert_eq!(findings(&row), ["keepalive_unanswered"]);
    assert_eq!(row["inode"], inode(&silent));
    assert_eq!(row["timer"]["kind"], "keepalive");
}
