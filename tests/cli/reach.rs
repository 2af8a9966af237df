//! Addresses, names and ports as people type them, and what is said when they cannot be reached.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::speak::{self, good_client};
use crate::support::{self, Server, is_root, run, skip, stderr, stdout};

/// A port on which nobody listens, for as long as the socket lives.
fn refusing_port() -> (Socket, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("binds");
    let address = socket.local_addr().expect("an address");
    let port = address.as_socket().expect("an IP address").port();
    (socket, port.to_string())
}

/// Exactly two lines on standard error, nothing on standard output; gives the lines.
fn two_lines(output: &Output, status: i32) -> (String, String) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let lines: Vec<&str> = said.lines().collect();
    let [what, next] = lines[..] else {
        panic!("not two lines: {said}")
    };
    assert!(what.starts_with("sockdoc: "), "{said}");
    assert!(next.starts_with("  next: "), "{said}");
    for word in ["os error", "Os {", "panicked"] {
        assert!(!said.contains(word), "{word} in {said}");
    }
    (what.to_owned(), next.to_owned())
}

#[test]
fn a_refused_port_is_status_1_and_two_lines_with_the_name_and_the_port() {
    let (_held, port) = refusing_port();
    for args in [
        &["app-client", "127.0.0.1", &port, "search", "ring"][..],
        &[
            "app-client",
            "127.0.0.1",
            &port,
            "search",
            "ring",
            "--conns",
            "4",
        ],
        &["echo-client", "127.0.0.1", &port],
        &["echo-client", "127.0.0.1", &port, "--conns", "4"],
        &["echo-client", "127.0.0.1", &port, "--file", "/dev/null"],
    ] {
        let (what, next) = two_lines(&run(args), 1);
        let begin =
            format!("sockdoc: connect to 127.0.0.1:{port}: Connection refused (ECONNREFUSED): ");
        assert!(what.starts_with(&begin), "{what}");
        assert!(next.contains(&port), "{next}");
    }
}

#[test]
fn a_refused_datagram_port_is_told_as_such() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let port = socket.local_addr().expect("an address").port().to_string();
    drop(socket);
    let (what, next) = two_lines(&run(&["echo-client", "127.0.0.1", &port, "--udp"]), 1);
    assert!(what.contains("(ECONNREFUSED)"), "{what}");
    assert!(next.contains(&port), "{next}");
}

#[test]
fn a_name_that_does_not_resolve_is_status_2_and_two_lines() {
    // The resolver refuses these by itself: no query leaves this machine.
    let long = "a".repeat(70);
    for name in [&long, "a..b", ".x"] {
        for args in [
            &["app-server", name, "0"][..],
            &["app-client", name, "1", "search", "ring"],
            &["echo-client", name, "1"],
        ] {
            let (what, next) = two_lines(&run(args), 2);
            assert!(
                what.starts_with(&format!("sockdoc: look up {name}: ")),
                "{what}"
            );
            assert!(what.contains("(EAI_"), "{what}");
            assert!(next.contains("spelling"), "{next}");
        }
    }
}

#[test]
fn the_next_step_after_a_failed_lookup_names_the_host() {
    for (args, name) in [
        (&["app-client", "a..b", "1", "search", "ring"][..], "a..b"),
        (&["app-server", "a..b", "0"], "a..b"),
        (&["echo-client", "-6", "127.0.0.1", "1"], "127.0.0.1"),
    ] {
        let (_, next) = two_lines(&run(args), 2);
        assert!(next.contains(name) && !next.contains("HOST"), "{next}");
    }
}

#[test]
fn a_family_that_an_address_is_not_of_is_named() {
    let (what, _) = two_lines(&run(&["echo-client", "-6", "127.0.0.1", "1"]), 2);
    assert!(what.contains("(EAI_"), "{what}");
    let (what, _) = two_lines(&run(&["app-client", "-4", "::1", "1", "search", "ring"]), 2);
    assert!(what.contains("(EAI_"), "{what}");
}

#[test]
fn a_wrong_port_is_status_2_and_says_what_a_port_is() {
    for port in ["65536", "http", "1.5", "70000000000000000000"] {
        for args in [
            &["app-server", "127.0.0.1", port][..],
            &["app-client", "127.0.0.1", port, "search", "ring"],
            &["echo-server", &format!("127.0.0.1:{port}")],
        ] {
            let (what, _) = two_lines(&run(args), 2);
            assert!(what.contains(&format!("'{port}' is not a port")), "{what}");
        }
    }
}

#[test]
fn a_link_local_address_without_its_interface_is_told_what_it_lacks() {
    if !support::has_ipv6() {
        return skip("a link-local address", "IPv6 is not installed");
    }
    // connect(2) refuses it: nothing is sent.
    let output = run(&["app-client", "fe80::1", "1", "search", "ring"]);
    let (what, next) = two_lines(&output, 1);
    assert!(what.contains("(EINVAL)"), "{what}");
    assert!(
        format!("{what}{next}").contains("fe80::1%"),
        "{what}\n{next}"
    );
}

#[test]
fn an_address_of_another_host_cannot_be_bound() {
    // TEST-NET-3 (RFC 5737): bind(2) sends nothing.
    let (what, next) = two_lines(&run(&["app-server", "203.0.113.1", "0"]), 2);
    assert!(what.starts_with("sockdoc: bind 203.0.113.1:0: "), "{what}");
    assert!(what.contains("(EADDRNOTAVAIL)"), "{what}");
    assert!(next.contains("ip "), "{next}");
}

#[test]
fn a_data_file_that_is_missing_a_directory_or_no_object_of_strings_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let folder_path = folder.path().to_str().expect("text").to_owned();
    for (path, why) in [
        (format!("{folder_path}/missing"), "(ENOENT)"),
        (folder_path.clone(), "(EISDIR)"),
        (file("empty", b""), "expected a value at line 1 column 1"),
        (file("cut", b"{\"a\": \"b\""), "line 1 column 10"),
        (file("list", b"[]"), "a JSON list, not an object"),
        (
            file("number", b"{\"a\": 5}"),
            "the entry 'a' is a JSON number, not a string",
        ),
        (file("latin", b"{\"a\": \"\xe9\"}"), "utf-8"),
    ] {
        let (what, _) = two_lines(&run(&["app-server", "0", "--data", &path]), 2);
        assert!(what.contains(&path) && what.contains(why), "{what}");
    }
}

#[test]
fn a_data_file_replaces_the_entries() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("entries.json");
    std::fs::write(&path, "{\"über\": \"da\\n\", \"\": \"nothing\"}").expect("written");
    let server = Server::start(&["app-server", "0", "--data", path.to_str().expect("text")]);
    for (value, result) in [
        ("über", "da\\n"),
        ("", "nothing"),
        ("ring", "No match for 'ring'."),
    ] {
        let answer = support::talk(server.address, &speak::search(value), false);
        assert_eq!(answer.expect("an answer"), speak::reply(result));
    }
}

#[test]
fn host_and_port_may_be_one_word_or_two() {
    let server = Server::start(&["app-server", "127.0.0.1:0"]);
    let port = server.port();
    for words in [
        &[&format!("127.0.0.1:{port}")[..]][..],
        &["127.0.0.1", &port],
        &["localhost", &port],
        &["", &port],
        &[&format!(":{port}")],
        &[&port],
    ] {
        let output = run(&[&["app-client"], words, &["search", "ring"]].concat());
        assert_eq!(
            output.status.code(),
            Some(0),
            "{words:?}: {}",
            stderr(&output)
        );
        let expected = "In the caves beneath the Misty Mountains. \u{1f48d}\n";
        assert_eq!(stdout(&output), expected, "{words:?}");
    }
}

#[test]
fn an_ipv6_address_may_have_brackets() {
    if !support::has_ipv6() {
        return skip("IPv6 addresses", "::1 is not available");
    }
    let server = Server::start(&["app-server", "[::1]:0"]);
    let port = server.port();
    good_client(server.address, "the start");
    for words in [
        &[&format!("[::1]:{port}")[..]][..],
        &["::1", &port],
        &["[::1]", &port],
    ] {
        let output = run(&[&["app-client"], words, &["search", "ring", "--json"]].concat());
        assert_eq!(
            output.status.code(),
            Some(0),
            "{words:?}: {}",
            stderr(&output)
        );
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(document["peer"]["addr"], "::1");
    }
    // Only IPv6: the same port of 127.0.0.1 is free, and refused.
    assert!(TcpStream::connect(("127.0.0.1", server.address.port())).is_err());
}

#[test]
fn all_interfaces_are_an_empty_word_a_star_or_0_0_0_0() {
    for host in ["", "*", "0.0.0.0"] {
        let server = Server::start(&["app-server", host, "0", "-v"]);
        for client in ["127.0.0.1", "127.0.0.2"] {
            let ip: std::net::IpAddr = client.parse().expect("an address");
            good_client(SocketAddr::new(ip, server.address.port()), host);
        }
    }
    let output = run(&["app-server", "0.0.0.0", "99999"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn two_colons_serve_both_families_and_an_ipv4_peer_is_shown_as_one() {
    if !support::has_ipv6() {
        return skip("dual stack", "::1 is not available");
    }
    let server = Server::start(&["app-server", "::", "0", "-v"]);
    for (host, tail) in [("127.0.0.1", ""), ("::1", ", 0, 0")] {
        let ip: std::net::IpAddr = host.parse().expect("an address");
        let mut client = support::connect(SocketAddr::new(ip, server.address.port()));
        let port = client.local_addr().expect("an address").port();
        speak::ask(&mut client, &speak::search("ring")).expect("an answer");
        let expected = format!("Accepted connection from ('{host}', {port}{tail})");
        assert_eq!(server.line(), expected);
        drop(client);
        for _ in 0..3 {
            assert!(server.line().contains(&format!("('{host}', {port}{tail})")));
        }
    }

    let server = Server::start(&["app-server", "::", "0", "--json"]);
    good_client(server.address, "the start");
    let event: serde_json::Value = serde_json::from_str(&server.line()).expect("JSON");
    assert_eq!(event["event"], "accepted");
    assert_eq!(event["peer"]["addr"], "127.0.0.1");
}

#[test]
fn a_backlog_of_3_lets_4_wait_and_the_next_one_times_out() {
    let server = Server::start(&["app-server", "0", "--backlog", "3"]);
    server.freeze();
    let mut waiting: Vec<TcpStream> = (0..4).map(|_| server.connect()).collect();
    let next = TcpStream::connect_timeout(&server.address, Duration::from_millis(300));
    let error = next.expect_err("the queue is full");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    // What ss(8) shows as Recv-Q of the listener; in /proc/net/tcp rx_queue, in state 0A.
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table");
    let listener = format!("0100007F:{:04X} 00000000:0000 0A ", server.address.port());
    let line = table
        .lines()
        .find(|line| line.contains(&listener))
        .expect("a listener");
    assert!(line.contains("00000000:00000004"), "{line}");
    // Our own client says so too, and does not wait forever.
    let port = server.port();
    let args = [
        "app-client",
        "127.0.0.1",
        &port,
        "search",
        "ring",
        "--timeout",
        "300ms",
    ];
    let (what, next) = two_lines(&run(&args), 1);
    assert!(what.contains("(ETIMEDOUT)"), "{what}");
    assert!(!next.is_empty());
    server.signal("CONT");
    for stream in &mut waiting {
        let answer = speak::ask(stream, &speak::search("ring")).expect("an answer");
        assert_eq!(answer, speak::ring_reply());
    }
}

#[test]
fn a_low_port_for_an_ordinary_user_is_refused_with_the_way_out() {
    let test = "a low port for an ordinary user";
    if !is_root() || support::program("setpriv").is_none() {
        return skip(test, "it takes root and setpriv to become an ordinary user");
    }
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if start.is_ok_and(|start| start.trim().parse::<u16>().is_ok_and(|port| port <= 1)) {
        return skip(
            test,
            "every port is free for all (ip_unprivileged_port_start)",
        );
    }
    // Where the binary was built an ordinary user may not look.
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("sockdoc");
    std::fs::copy(support::BINARY, &copy).expect("copied");
    for path in [folder.path(), &copy] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("set");
    }
    for command in ["app-server", "echo-server"] {
        let mut low = std::process::Command::new("setpriv");
        low.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--no-new-privs",
        ])
        .arg(&copy)
        .args([command, "127.0.0.1", "1"])
        .stdin(Stdio::null());
        let output = support::finish(low);
        let (what, next) = two_lines(&output, 2);
        assert!(what.starts_with("sockdoc: bind 127.0.0.1:1: "), "{what}");
        assert!(what.contains("(EACCES)"), "{what}");
        assert!(next.contains("cap_net_bind_service"), "{next}");
        assert!(next.contains("ip_unprivileged_port_start"), "{next}");
    }
}
