//! `sockdoc sockets` against sockets of its test: what is listed, in which state, and whose it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use crate::support::sockets::{
    Holder, Listing, findings, footer, inode, is_owned_by, pids, wait_for_row,
};
use crate::support::{self, DEADLINE, connect, has_ipv6, run, skip, stdout};

/// An address of 127.0.0.0/8 that nothing else has: all that is at it is of the test that asked.
pub(crate) fn place() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = me().to_be_bytes();
    Ipv4Addr::new(127, high, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A listener with this backlog, at an address of its own.
pub(crate) fn listener(backlog: i32) -> (Socket, SocketAddr) {
    let socket = bound(place().into());
    socket.listen(backlog).expect("listens");
    let address = address_of(&socket);
    (socket, address)
}

/// A TCP socket that is bound to a free port; one of IPv6 takes IPv4 too.
pub(crate) fn bound(address: IpAddr) -> Socket {
    let address = SocketAddr::new(address, 0);
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    if address.is_ipv6() {
        socket.set_only_v6(false).expect("set");
    }
    socket.bind(&address.into()).expect("binds");
    socket
}

pub(crate) fn address_of(socket: &Socket) -> SocketAddr {
    let address = socket.local_addr().expect("an address");
    address.as_socket().expect("an internet address")
}

/// A connection to this address that comes from it too.
pub(crate) fn join(address: SocketAddr) -> TcpStream {
    let client = bound(address.ip());
    client
        .connect_timeout(&address.into(), DEADLINE)
        .expect("connects");
    let client = TcpStream::from(client);
    client.set_read_timeout(Some(DEADLINE)).expect("set");
    client.set_write_timeout(Some(DEADLINE)).expect("set");
    client
}

/// A connection that was accepted: both ends, which have an address of their own.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listener(1);
    let client = join(address);
    let (server, _) = listener.accept().expect("accepts");
    (client, server.into())
}

/// The word that asks for everything at a test's address.
pub(crate) fn word(address: SocketAddr) -> String {
    address.ip().to_string()
}

fn me() -> u32 {
    std::process::id()
}

#[test]
fn a_listener_is_shown_with_its_queue_its_user_and_its_process() {
    let (socket, address) = listener(7);
    let listing = Listing::take(&[&word(address)]);
    let row = listing.only();
    assert_eq!(row["proto"], "tcp");
    assert_eq!(row["family"], "inet");
    assert_eq!(row["state"], "listen");
    assert_eq!(row["local"]["addr"], address.ip().to_string());
    assert_eq!(row["local"]["port"], address.port());
    assert_eq!(row["peer"], Value::Null);
    assert_eq!(row["queue"]["accept_len"], 0);
    assert_eq!(row["queue"]["accept_max"], 7);
    assert_eq!(row["queue"]["recv_bytes"], Value::Null);
    assert_eq!(row["inode"], inode(&socket));
    assert_eq!(row["uid"], nix::unistd::geteuid().as_raw());
    assert_eq!(row["owner_reason"], Value::Null);
    assert!(is_owned_by(row, me(), &socket), "{row:#}");
    assert_eq!(findings(row), [""; 0]);
    assert_eq!(listing.code, Some(0));
}

#[test]
fn both_ends_of_a_connection_are_shown() {
    let (client, server) = pair();
    let (here, there) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let listing = Listing::take(&[&word(here)]);
    let ours = listing.between(here, there).expect("our end");
    let theirs = listing.between(there, here).expect("their end");
    assert!(is_owned_by(ours, me(), &client), "{ours:#}");
    assert!(is_owned_by(theirs, me(), &server), "{theirs:#}");
    for row in [ours, theirs] {
        assert_eq!(row["state"], "established");
        assert_eq!(row["queue"]["recv_bytes"], 0);
        assert!(row["tcp"]["rtt_us"].as_u64().is_some_and(|rtt| rtt > 0));
        assert!(row["mem"]["rcvbuf_bytes"].as_u64().is_some());
    }
    assert_ne!(ours["cookie"], theirs["cookie"]);
}

#[test]
fn a_socket_that_is_bound_and_does_not_listen_is_shown_too() {
    let socket = bound(place().into());
    let address = address_of(&socket);
    let listing = Listing::take(&[&word(address)]);
    let row = listing.only();
    assert_eq!(row["state"], "bound_inactive");
    assert!(is_owned_by(row, me(), &socket), "{row:#}");
    assert_eq!(Listing::take(&["-l", &word(address)]).rows().len(), 0);
    let named = Listing::take(&["--state", "bound-inactive", &word(address)]);
    assert_eq!(named.only()["inode"], inode(&socket));
}

#[test]
fn a_connection_that_nobody_accepted_has_no_user_and_says_so() {
    let (_listener, address) = listener(5);
    let client = join(address);
    let here = client.local_addr().expect("an address");
    let listing = Listing::take(&[&word(here)]);
    let row = listing.between(address, here).expect("the other end");
    assert_eq!(row["state"], "established");
    assert_eq!(row["inode"], Value::Null);
    assert_eq!(row["uid"], Value::Null);
    assert_eq!(row["user"], Value::Null);
    assert_eq!(row["owner_reason"], "not_accepted");
    assert_eq!(row["owners"], serde_json::json!([]));
    let local = address.to_string();
    let shown = [
        "--local",
        &local,
        "--cols",
        "user,process",
        "--state",
        "estab",
    ];
    let output = run(&[&["sockets"], &shown[..]].concat());
    let text = stdout(&output);
    assert!(text.contains("\n-     (not accepted yet)\n"), "{text}");
}

#[test]
fn a_connect_without_an_answer_is_syn_sent() {
    let (_listener, address, _crowd, waiting) = full_listener();
    let row = wait_for_row(&[&word(address)], "SYN_SENT", |row| {
        row["state"] == "syn_sent"
    });
    assert_eq!(row["peer"]["port"], address.port());
    assert_eq!(row["inode"], inode(&waiting));
    assert!(is_owned_by(&row, me(), &waiting), "{row:#}");
    let only = Listing::take(&["--state", "syn-sent", &word(address)]);
    assert_eq!(only.only()["inode"], inode(&waiting));
}

/// A listener with a full queue, and a connect that it does not answer.
pub(crate) fn full_listener() -> (Socket, SocketAddr, TcpStream, Socket) {
    let (listener, address) = listener(0);
    // A queue for none takes one.
    let crowd = join(address);
    wait_for_row(&["-l", &word(address)], "the queue to be full", |row| {
        row["queue"]["accept_len"] == 1
    });
    let waiting = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    waiting.set_nonblocking(true).expect("set");
    let begun = waiting.connect(&address.into());
    assert_eq!(
        begun.expect_err("it waits").raw_os_error(),
        Some(nix::libc::EINPROGRESS)
    );
    (listener, address, crowd, waiting)
}

#[test]
fn a_half_closed_connection_is_fin_wait_2_here_and_close_wait_there() {
    let (client, server) = pair();
    client.shutdown(std::net::Shutdown::Write).expect("shut");
    let port = word(client.local_addr().expect("an address"));
    let row = wait_for_row(&[&port], "CLOSE_WAIT", |row| row["state"] == "close_wait");
    assert!(is_owned_by(&row, me(), &server), "{row:#}");
    let row = wait_for_row(&[&port], "FIN_WAIT2", |row| row["state"] == "fin_wait_2");
    assert!(is_owned_by(&row, me(), &client), "{row:#}");
    assert_eq!(findings(&row), [""; 0]);
}

#[test]
fn an_orphan_has_no_user_and_says_that_its_program_has_closed_it() {
    let (client, _server) = pair();
    let here = client.local_addr().expect("an address");
    drop(client);
    let row = wait_for_row(&[&word(here)], "an orphan", |row| {
        row["state"] == "fin_wait_2" && row["inode"].is_null()
    });
    assert_eq!(row["uid"], Value::Null);
    assert_eq!(row["owner_reason"], "orphan");
    let output = run(&["sockets", "--local", &here.to_string()]);
    let text = stdout(&output);
    assert!(text.contains("(closed by its program)"), "{text}");
}

#[test]
fn time_wait_is_a_count_in_the_footer_and_rows_with_all() {
    let (client, server) = pair();
    let here = client.local_addr().expect("an address");
    let port = word(here);
    drop(client);
    wait_for_row(&[&port], "the end of file", |row| {
        row["state"] == "close_wait"
    });
    drop(server);
    let row = wait_for_row(&["-a", &port], "TIME_WAIT", |row| {
        row["state"] == "time_wait"
    });
    assert_eq!(row["inode"], Value::Null);
    assert_eq!(row["uid"], Value::Null);
    assert_eq!(row["owner_reason"], "time_wait");
    assert_eq!(row["timer"]["kind"], "time_wait");

    let output = run(&["sockets", &port]);
    let text = stdout(&output);
    assert_eq!(footer(&output), "0 sockets; 1 TIME-WAIT not shown (-a)");
    assert!(!text.contains("\ntcp "), "{text}");
    for args in [["-a", &port].as_slice(), &["--state", "time-wait", &port]] {
        let output = run(&[&["sockets"], args].concat());
        let text = stdout(&output);
        assert!(text.contains("(time-wait)"), "{text}");
        assert_eq!(footer(&output), "1 socket");
        let row = text.lines().nth(1).expect("a row");
        assert!(!row.contains("root"), "{text}");
    }
}

#[test]
fn udp_sockets_are_shown_bound_and_connected() {
    let waiting = UdpSocket::bind((place(), 0)).expect("binds");
    let client = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let address = waiting.local_addr().expect("an address");
    client.connect(address).expect("connects");
    let listing = Listing::take(&["-u", &word(address)]);
    let row = listing.with_inode(inode(&waiting));
    assert_eq!(
        (&row["proto"], &row["state"]),
        (&"udp".into(), &"unconnected".into())
    );
    assert!(row["peer"].is_null());
    assert!(is_owned_by(row, me(), &waiting), "{row:#}");
    let row = listing.with_inode(inode(&client));
    assert_eq!(row["state"], "established");
    assert_eq!(row["peer"]["port"], address.port());
    let listening = Listing::take(&["-l", &word(address)]);
    assert_eq!(listening.only()["inode"], inode(&waiting));
    assert_eq!(Listing::take(&["-t", &word(address)]).rows().len(), 0);
}

#[test]
fn datagrams_that_wait_are_in_the_receive_queue() {
    let waiting = UdpSocket::bind((place(), 0)).expect("binds");
    let address = waiting.local_addr().expect("an address");
    let row = Listing::take(&[&word(address)]);
    assert_eq!(row.only()["queue"]["recv_bytes"], 0);
    let sender = UdpSocket::bind("127.0.0.1:0").expect("binds");
    sender.send_to(b"hello", address).expect("sends");
    wait_for_row(&[&word(address)], "the datagram", |row| {
        row["queue"]["recv_bytes"].as_u64() >= Some(5)
    });
}

#[test]
fn sockets_of_ipv6_have_their_family_and_a_mapped_address_is_found_as_ipv4() {
    if !has_ipv6() {
        return skip("IPv6 sockets", "::1 is not available");
    }
    let socket = bound(Ipv6Addr::UNSPECIFIED.into());
    socket.listen(5).expect("listens");
    let port = address_of(&socket).port();
    let old = connect(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    let new = connect(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port));
    let word = format!(":{port}");
    let old_here = old.local_addr().expect("an address").port();
    let new_here = new.local_addr().expect("an address").port();
    let ports = |args: &[&str]| -> Vec<(u64, u64)> {
        let listing = Listing::take(&[args, &[&word]].concat());
        let port = |end: &Value| end["port"].as_u64().unwrap_or(0);
        // A connection of another test may have left its TIME-WAIT on this port.
        let rows = listing.rows().iter();
        let mut found: Vec<_> = rows
            .filter(|row| row["state"] != "time_wait")
            .map(|row| (port(&row["local"]), port(&row["peer"])))
            .collect();
        found.sort_unstable();
        found
    };
    let sorted = |mut list: Vec<(u16, u16)>| -> Vec<(u64, u64)> {
        list.sort_unstable();
        list.iter().map(|&(a, b)| (a.into(), b.into())).collect()
    };
    let mapped = sorted(vec![(port, old_here), (old_here, port)]);
    let six = sorted(vec![(port, new_here), (new_here, port)]);
    assert_eq!(ports(&["--local", "127.0.0.1"]), mapped);
    assert_eq!(ports(&["--peer", "127.0.0.0/8"]), mapped);
    assert_eq!(ports(&["--local", "::ffff:127.0.0.1"]), mapped);
    assert_eq!(ports(&["-4", "--state", "connected"]), mapped);
    assert_eq!(ports(&["--local", "::1"]), six);
    // The socket that took the mapped connection is one of IPv6 all the same.
    let all_six = sorted(vec![
        (port, 0),
        (port, old_here),
        (port, new_here),
        (new_here, port),
    ]);
    assert_eq!(ports(&["-6"]), all_six);
    let listening = Listing::take(&["-l", &word]);
    assert_eq!(listening.only()["v6_only"], false);
    assert_eq!(listening.only()["family"], "inet6");
}

#[test]
fn unix_sockets_are_shown_in_all_their_kinds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stream");
    let listener = UnixListener::bind(&path).expect("binds");
    let client = UnixStream::connect(&path).expect("connects");
    let (server, _) = listener.accept().expect("accepts");
    let datagrams = UnixDatagram::bind(folder.path().join("datagrams")).expect("binds");
    let packets = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
    let name = socket2::SockAddr::unix(folder.path().join("packets")).expect("a name");
    packets.bind(&name).expect("binds");
    packets.listen(3).expect("listens");
    let word = folder.path().to_str().expect("text");
    let listing = Listing::take(&[word]);
    for (socket, proto, state) in [
        (inode(&listener), "u_str", "listen"),
        (inode(&server), "u_str", "established"),
        (inode(&datagrams), "u_dgr", "unconnected"),
        (inode(&packets), "u_seq", "listen"),
    ] {
        let row = listing.with_inode(socket);
        assert_eq!(
            (&row["proto"], &row["state"]),
            (&proto.into(), &state.into())
        );
        assert!(pids(row).contains(&me().into()), "{row:#}");
    }
    assert_eq!(listing.rows().len(), 4);
    // The client has no name of its own, but knows its other end.
    let all = Listing::take(&["-x"]);
    let row = all.with_inode(inode(&client));
    assert_eq!(row["local"]["path"], Value::Null);
    assert_eq!(row["peer"]["inode"], inode(&server));
    let row = all.with_inode(inode(&server));
    assert_eq!(row["peer"]["inode"], inode(&client));
}

#[test]
fn both_ends_of_a_unix_pair_name_each_other() {
    let (one, other) = UnixStream::pair().expect("a pair");
    let listing = Listing::take(&["-x"]);
    for (this, that) in [(&one, &other), (&other, &one)] {
        let row = listing.with_inode(inode(this));
        assert_eq!(row["state"], "established");
        assert_eq!(row["peer"]["inode"], inode(that));
        assert!(is_owned_by(row, me(), this), "{row:#}");
    }
}

#[test]
fn a_filter_that_one_end_passes_does_not_hide_who_is_at_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("here");
    let listener = UnixListener::bind(&path).expect("binds");
    let client = UnixStream::connect(&path).expect("connects");
    let (server, _) = listener.accept().expect("accepts");
    let listing = Listing::take(&["-x", path.to_str().expect("text")]);
    assert_eq!(listing.with_inode(inode(&server))["other_end"]["pid"], me());
    assert!(
        listing
            .rows()
            .iter()
            .all(|row| row["inode"] != inode(&client))
    );

    let (one, other) = (
        UdpSocket::bind("127.0.0.1:0"),
        UdpSocket::bind("127.0.0.1:0"),
    );
    let (one, other) = (one.expect("binds"), other.expect("binds"));
    let address = |socket: &UdpSocket| socket.local_addr().expect("an address");
    one.connect(address(&other)).expect("connects");
    other.connect(address(&one)).expect("connects");
    let listing = Listing::take(&["-u", "--local", &address(&one).to_string()]);
    assert_eq!(listing.only()["inode"], inode(&one));
    assert_eq!(listing.only()["other_end"]["pid"], me());
}

#[test]
fn netlink_sockets_are_shown_with_their_family_and_the_kernels_own_as_such() {
    let protocol = SockProtocol::NetlinkRoute;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = nix::sys::socket::socket(AddressFamily::Netlink, SockType::Raw, flags, protocol);
    let socket = socket.expect("a socket");
    let any = nix::sys::socket::NetlinkAddr::new(0, 0);
    nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &any).expect("binds");
    let listing = Listing::take(&["--proto", "netlink"]);
    let row = listing.with_inode(inode(&socket));
    assert_eq!(row["local"]["protocol"], "route");
    assert!(is_owned_by(row, me(), &socket), "{row:#}");
    let kernel = listing
        .rows()
        .iter()
        .find(|row| row["local"]["protocol"] == "route" && row["local"]["port_id"] == 0);
    assert_eq!(kernel.expect("the kernel's own")["owner_reason"], "kernel");
    // A family of its own, so it is not among those shown without a word.
    let default = Listing::take(&["--pid", &me().to_string()]);
    assert!(default.rows().iter().all(|row| row["proto"] != "netlink"));
}

#[test]
fn every_owner_of_a_shared_socket_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, address) = listener(5);
    let copy = |socket: &Socket| OwnedFd::from(socket.try_clone().expect("a copy"));
    let Some(first) = Holder::of(copy(&socket), folder.path(), "first".as_ref()) else {
        return;
    };
    let Some(second) = Holder::of(copy(&socket), folder.path(), "second".as_ref()) else {
        return;
    };
    let here = socket.try_clone().expect("a copy");
    let listing = Listing::take(&[&word(address)]);
    let row = listing.only();
    assert!(is_owned_by(row, me(), &socket), "{row:#}");
    assert!(is_owned_by(row, me(), &here), "{row:#}");
    for holder in [&first, &second] {
        assert!(pids(row).contains(&holder.pid().into()), "{row:#}");
    }
    let output = run(&["sockets", &word(address)]);
    let text = stdout(&output);
    for owner in [
        format!("first({},fd0)", first.pid()),
        format!("second({},fd0)", second.pid()),
    ] {
        assert!(text.contains(&owner), "{text}");
    }
    // One socket, however many hold it.
    assert_eq!(footer(&output), "1 socket");
}

#[test]
fn each_owner_has_its_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, address) = listener(5);
    let Some(holder) = Holder::of(socket.into(), folder.path(), "a holder".as_ref()) else {
        return;
    };
    let row = wait_for_row(&[&word(address)], "only the holder", |row| {
        pids(row) == [u64::from(holder.pid())]
    });
    assert_eq!(row["owners"][0]["fd"], 0);
    assert_eq!(row["owners"][0]["comm"], "a holder");
    assert_eq!(row["owners"][0]["cmdline"], "sleep 1000");
}

#[test]
fn processes_that_end_during_the_walk_do_no_harm() {
    let (socket, address) = listener(5);
    // Each lives for a moment with a socket as its input.
    let spare = socket.try_clone().expect("a copy");
    let done = AtomicBool::new(false);
    let done = &done;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let input = OwnedFd::from(spare.try_clone().expect("a copy"));
                let mut command = crate::support::sockdoc();
                command
                    .arg("--version")
                    .stdin(input)
                    .stdout(std::process::Stdio::null());
                assert!(command.status().expect("it runs").success());
            }
        });
        let listings: Vec<Listing> = (0..40).map(|_| Listing::take(&[&word(address)])).collect();
        done.store(true, Ordering::Relaxed);
        for listing in listings {
            assert_eq!(listing.code, Some(0));
            let row = listing.only();
            assert!(is_owned_by(row, me(), &socket), "{row:#}");
        }
    });
}

#[test]
fn a_family_without_a_module_or_a_table_is_named_where_it_may_be_missing() {
    let listing = Listing::take(&["--proto", "vsock"]);
    let protocols = std::fs::read_to_string("/proc/net/protocols").unwrap_or_default();
    let known = protocols.lines().any(|line| line.starts_with("AF_VSOCK"));
    let missing = listing.notes().contains(&"family_missing");
    // The kernel never counts these sockets: where it knows them and cannot list them, some may be
    // missing. Where it does not know them, none is.
    if !protocols.is_empty() && !known {
        assert!(!missing, "{:#?}", listing.document);
    }
    assert!(missing || !known || listing.notes().is_empty() || !listing.rows().is_empty());
    if missing {
        assert_eq!(listing.document["complete"], false);
    }
}

#[test]
fn without_a_match_the_status_is_1_and_the_footer_says_so() {
    let (socket, address) = listener(5);
    drop(socket);
    support::until("the port to be free", || {
        Listing::take(&[&word(address)])
            .rows()
            .is_empty()
            .then_some(())
    });
    let output = run(&["sockets", &word(address)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(footer(&output), "0 sockets");
}
