//! `sockdoc sockets`: what is wrong with real sockets, each beside its healthy look-alike.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::sockets::{bound, full_listener, join, listener, pair, place, word};
use crate::support::sockets::{Listing, findings, inode, wait_for_row};
use crate::support::{run, stderr, stdout, until};

/// Waits for this finding of a socket at this address, and gives the socket.
fn wait_for_finding(address: SocketAddr, id: &str) -> Value {
    let is_it = |row: &Value| findings(row).first() == Some(&id);
    wait_for_row(&["--problems", &word(address)], id, is_it)
}

/// What `sockdoc sockets --problems` says of an address.
fn problems(address: SocketAddr, status: i32) -> String {
    let output = run(&["sockets", "--problems", &word(address)]);
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert_eq!(stderr(&output), "");
    stdout(&output)
}

/// Asserts that nothing at this address has a finding, and that --problems says so.
fn assert_silent(address: SocketAddr, what: &str) {
    for row in Listing::take(&["-a", &word(address)]).rows() {
        assert_eq!(findings(row), [""; 0], "{what}: {row:#}");
    }
    let output = run(&["sockets", "--problems", "-a", &word(address)]);
    assert_eq!(output.status.code(), Some(0), "{what}: {output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("no problems found in "), "{what}: {text}");
}

#[test]
fn an_accept_queue_above_its_limit_is_found_and_one_at_its_limit_is_not() {
    let (listener, address, _crowd, _waiting) = full_listener();
    let row = wait_for_finding(address, "accept_queue_full");
    assert_eq!(row["inode"], inode(&listener));
    assert_eq!(row["findings"][0]["severity"], "error");
    assert_eq!(
        row["findings"][0]["text"],
        "accept queue full: 1 waiting, limit 0"
    );
    let text = problems(address, 1);
    assert!(
        text.contains("ERROR accept queue full: 1 waiting, limit 0\n"),
        "{text}"
    );
    assert!(text.contains("  next       strace -f -p "), "{text}");

    let (listener, address) = self::listener(1);
    let _crowd = join(address);
    let row = wait_for_row(&["-l", &word(address)], "one to wait", |row| {
        row["queue"]["accept_len"] == 1
    });
    assert_eq!(row["inode"], inode(&listener));
    assert_eq!(findings(&row), [""; 0]);
}

/// A UDP socket that has dropped, and was read to its end since.
fn emptied() -> UdpSocket {
    let receiver = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    receiver.set_recv_buffer_size(2_304).expect("set");
    receiver
        .bind(&SocketAddr::from((place(), 0)).into())
        .expect("bound");
    let receiver = UdpSocket::from(receiver);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
    for _ in 0..100 {
        let to = receiver.local_addr().expect("an address");
        sender.send_to(&[0; 500], to).expect("sent");
    }
    receiver.set_nonblocking(true).expect("set");
    while receiver.recv(&mut [0; 500]).is_ok() {}
    receiver
}

#[test]
fn drops_that_are_over_are_a_column_and_a_fact_under_v_but_no_problem() {
    let (listener, tcp, _crowd, waiting) = full_listener();
    let dropped = |args: &[&str]| {
        wait_for_row(args, "drops", |row| row["drops"].as_u64() > Some(0))["drops"].clone()
    };
    let of_tcp = dropped(&["-l", &word(tcp)]);
    drop(waiting);
    let _accepted = listener.accept().expect("accepted");
    let receiver = emptied();
    let udp = receiver.local_addr().expect("an address");
    let of_udp = dropped(&["-u", &word(udp)]);
    for (flag, address, drops) in [("-lt", tcp, of_tcp), ("-u", udp, of_udp)] {
        let word = word(address);
        let shown = |args: &[&str]| {
            let output = run(&[&["sockets", flag, &word], args].concat());
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            stdout(&output)
        };
        assert!(shown(&["--problems"]).starts_with("no problems found in 1 socket"));
        let said = shown(&["--problems", "-v"]);
        let past = format!(
            "dropped in the past: {} {address} ",
            if flag == "-u" { "udp" } else { "tcp" }
        );
        assert!(said.starts_with(&past), "{said}");
        assert!(
            said.contains(&format!("): {drops}\nno problems found")),
            "{said}"
        );
        assert!(shown(&["-v"]).contains(&format!("dropped so far {drops}\n")));
        let column = shown(&["--cols", "local,drops"]);
        assert!(
            column
                .lines()
                .nth(1)
                .expect("a row")
                .ends_with(&format!(" {drops}")),
            "{column}"
        );
        let other = stdout(&run(&["sockets", "--problems", "-v", "-l", "-u", ":1"]));
        assert!(!other.contains(&past), "{other}");
    }
}

#[test]
fn a_connection_that_waits_for_accept_is_found_and_an_accepted_one_never() {
    let (listener, address) = self::listener(5);
    let accepted = join(address);
    let (server, _) = listener.accept().expect("accepts");
    let waiting = join(address);
    // The row of the client names it as well.
    let client = &word(waiting.local_addr().expect("an address"));
    let rows = until("both rows", || {
        let listing = Listing::take(&["--problems", client]);
        let rows = listing.rows().to_vec();
        (rows.len() == 2).then_some(rows)
    });
    for row in &rows {
        assert_eq!(findings(row), ["not_accepted"]);
    }
    let row = &rows[0];
    let text = row["findings"][0]["text"].as_str().expect("text");
    assert!(text.starts_with("not accepted for "), "{text}");
    // The other connection is at least as old.
    let listing = Listing::take(&[&word(address)]);
    for socket in [inode(&accepted), inode(&server), inode(&listener)] {
        assert_eq!(findings(listing.with_inode(socket)), [""; 0]);
    }
    let (late, _) = listener.accept().expect("accepts");
    assert_silent(address, "accepted at last");
    drop(late);
}

#[test]
fn a_client_that_gave_up_before_it_was_accepted_is_told_apart() {
    let (_listener, address) = self::listener(5);
    drop(join(address));
    let row = wait_for_finding(address, "not_accepted");
    assert_eq!(row["state"], "close_wait");
    let text = row["findings"][0]["text"].as_str().expect("text");
    assert!(text.ends_with("; the peer has closed"), "{text}");
}

#[test]
fn a_port_that_is_held_without_listening_is_found_and_a_listener_is_not() {
    let socket = bound(place().into());
    let address = crate::sockets::address_of(&socket);
    let row = wait_for_finding(address, "bound_never_listened");
    assert_eq!(row["findings"][0]["severity"], "notice");
    // A notice alone is not a bad answer.
    let text = problems(address, 0);
    let said = format!("NOTICE holds port {} but never listened\n", address.port());
    assert!(text.contains(&said), "{text}");
    assert!(
        text.contains(&format!("({},fd", std::process::id())),
        "{text}"
    );
    // That programs want the port is proven by connections that were refused.
    let done = AtomicBool::new(false);
    let text = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                TcpStream::connect_timeout(&address, Duration::from_secs(10)).expect_err("refused");
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let text = problems(address, 1);
        done.store(true, Ordering::Relaxed);
        text
    });
    let said = format!("WARNING holds port {} but never listened; ", address.port());
    assert!(
        text.contains(&said) && text.contains(" to it refused"),
        "{text}"
    );
    socket.listen(1).expect("listens");
    assert_silent(address, "a listener");
}

#[test]
fn a_connect_without_an_answer_is_found_once_it_was_repeated() {
    let (_listener, address, _crowd, waiting) = full_listener();
    let listing = Listing::take(&["--state", "syn-sent", &word(address)]);
    let row = listing.only();
    if row["timer"]["retransmits"] == 0 {
        assert_eq!(findings(row), [""; 0], "a connect that has just begun");
    }
    let row = wait_for_finding(address, "connecting_no_answer");
    assert_eq!(row["inode"], inode(&waiting));
    let text = row["findings"][0]["text"].as_str().expect("text");
    assert!(
        text.starts_with("connecting, no answer: SYN sent "),
        "{text}"
    );
    // The first cause is in front.
    let text = problems(address, 1);
    assert!(text.starts_with("ERROR accept queue full"), "{text}");
    assert!(text.contains("WARNING connecting, no answer"), "{text}");
}

/// Writes until the window of the peer is closed.
fn fill(stream: &TcpStream) {
    stream.set_nonblocking(true).expect("set");
    let mut stream = stream;
    while stream.write(&[0; 4096]).is_ok() {}
}

#[test]
fn a_peer_that_does_not_read_is_found_and_one_that_reads_is_not() {
    let (listener, address) = self::listener(5);
    // Small buffers, inherited by the connection.
    listener.set_recv_buffer_size(4096).expect("set");
    let client = join(address);
    let (server, _) = listener.accept().expect("accepts");
    fill(&client);
    let row = wait_for_finding(address, "peer_window_closed");
    assert_eq!(row["inode"], inode(&client));
    assert_eq!(row["timer"]["kind"], "persist");
    assert_eq!(row["tcp"]["snd_wnd_bytes"], 0);
    assert!(problems(address, 1).contains("WARNING peer receive window full for "));

    let mut server = TcpStream::from(server);
    server.set_nonblocking(true).expect("set");
    until("all to be read", || {
        while server.read(&mut [0; 8192]).is_ok_and(|got| got > 0) {}
        let listing = Listing::take(&[&word(address)]);
        let row = listing.with_inode(inode(&client));
        (row["queue"]["send_bytes"] == 0).then_some(())
    });
    assert_silent(address, "a peer that has read all");
}

#[test]
fn data_that_has_just_come_is_no_finding() {
    let (client, server) = pair();
    let address = server.local_addr().expect("an address");
    (&client).write_all(b"hello").expect("writes");
    let row = wait_for_row(&[&word(address)], "the data", |row| {
        row["queue"]["recv_bytes"] == 5
    });
    assert_eq!(row["inode"], inode(&server));
    assert_silent(address, "data that is a moment old");
}

#[test]
fn healthy_connections_stay_silent() {
    let (client, server) = pair();
    let idle = server.local_addr().expect("an address");
    assert_silent(idle, "an idle connection");
    drop(client);

    let (client, server) = pair();
    let half = server.local_addr().expect("an address");
    client.shutdown(Shutdown::Write).expect("shut");
    wait_for_row(&[&word(half)], "CLOSE_WAIT", |row| {
        row["state"] == "close_wait"
    });
    (&server).write_all(b"still here").expect("writes");
    let mut answer = [0; 10];
    (&client).read_exact(&mut answer).expect("reads");
    assert_silent(half, "a half-closed connection that still sends");

    let (client, server) = pair();
    let here = client.local_addr().expect("an address");
    drop(client);
    wait_for_row(&[&word(here)], "CLOSE_WAIT", |row| {
        row["state"] == "close_wait"
    });
    drop(server);
    wait_for_row(&["-a", &word(here)], "TIME_WAIT", |row| {
        row["state"] == "time_wait"
    });
    assert_silent(here, "TIME_WAIT");
}

#[test]
fn requests_replies_and_bulk_data_stay_silent_while_they_flow() {
    let (request, reply) = pair();
    let (source, sink) = pair();
    let talking = reply.local_addr().expect("an address");
    let flowing = sink.local_addr().expect("an address");
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let echo = |mut stream: &TcpStream| {
            let mut piece = [0; 64];
            while let Ok(got) = stream.read(&mut piece) {
                if got == 0 || stream.write_all(&piece[..got]).is_err() {
                    break;
                }
            }
        };
        let (request, reply, source, sink) = (&request, &reply, &source, &sink);
        scope.spawn(move || echo(reply));
        scope.spawn(move || {
            let (mut request, mut piece) = (request, [7; 64]);
            while !done.load(Ordering::Relaxed) {
                request.write_all(&piece).expect("writes");
                request.read_exact(&mut piece).expect("reads");
            }
            request.shutdown(Shutdown::Both).expect("shut");
        });
        scope.spawn(move || {
            let mut source = source;
            while !done.load(Ordering::Relaxed) {
                source.write_all(&[7; 8192]).expect("writes");
            }
            source.shutdown(Shutdown::Both).expect("shut");
        });
        scope.spawn(move || {
            let mut sink = sink;
            while sink.read(&mut [0; 8192]).is_ok_and(|got| got > 0) {}
        });
        let looked = std::panic::catch_unwind(|| {
            for _ in 0..10 {
                assert_silent(talking, "requests and replies");
                assert_silent(flowing, "bulk data");
            }
        });
        done.store(true, Ordering::Relaxed);
        if let Err(failure) = looked {
            std::panic::resume_unwind(failure);
        }
    });
}

#[test]
fn a_filter_that_leaves_the_listener_out_keeps_the_first_cause() {
    let (_listener, address, _crowd, waiting) = full_listener();
    wait_for_finding(address, "accept_queue_full");
    let here = waiting
        .local_addr()
        .expect("an address")
        .as_socket()
        .expect("IP");
    for args in [&["--problems"][..], &["--state", "syn-sent"]] {
        let text = until("the client's finding", || {
            let output = run(&[&["sockets"], args, &[&word(here)]].concat());
            let text = stdout(&output);
            text.contains("connecting, no answer").then_some(text)
        });
        assert!(!text.contains("nft"), "{text}");
        assert!(text.contains("full"), "{text}");
    }
}

#[test]
fn problems_of_what_does_not_exist_are_not_called_none() {
    let _other = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let nothing = ["-u", "192.0.2.1:9"];
    for args in [&["no-such-process"][..], &["--pid", "4194303"], &nothing] {
        let output = run(&[&["sockets", "--problems"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(
            stderr(&output).contains("nothing was checked"),
            "{output:?}"
        );
    }
}
