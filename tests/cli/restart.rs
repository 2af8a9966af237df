//! Who holds a port: `TIME_WAIT`, another live server, a service manager.

use std::net::TcpListener;
use std::process::Command;

use crate::speak::good_client;
use crate::support::{self, Server, run, skip, stderr, until};

/// Whether a connection of this port of 127.0.0.1 is in `TIME_WAIT` (06 in /proc/net/tcp).
fn in_time_wait(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table");
    let local = format!("0100007F:{port:04X}");
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(local.as_str()) && fields.nth(1) == Some("06")
    })
}

#[test]
fn a_server_restarts_at_once_while_old_connections_are_in_time_wait() {
    for command in ["app-server", "echo-server"] {
        let mut server = Server::start(
            &[command, "0", "--reply", "x"][..if command == "app-server" { 2 } else { 4 }],
        );
        let _ = support::talk(server.address, &crate::speak::search("ring"), false);
        until("a connection in TIME_WAIT", || {
            in_time_wait(server.address.port()).then_some(())
        });
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        assert!(in_time_wait(server.address.port()), "it is what is tested");
        let again = Server::start(&["app-server", &server.port()]);
        assert_eq!(again.address, server.address);
        good_client(again.address, "the restart");
    }
}

#[test]
fn a_second_live_server_is_told_who_holds_the_port() {
    let server = Server::start(&["app-server", "0"]);
    for command in ["app-server", "echo-server"] {
        let output = run(&[command, &server.port()]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(output.stdout.is_empty());
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        let what = format!("sockdoc: bind {}: ", server.address);
        assert!(
            lines[0].starts_with(&what) && lines[0].contains("(EADDRINUSE)"),
            "{said}"
        );
        assert!(
            lines[1].contains(&format!("(pid {})", server.pid())),
            "{said}"
        );
    }
    good_client(server.address, "two that wanted its port");
}

#[test]
fn the_holder_of_a_port_is_named_on_every_kind_of_socket() {
    let server = Server::start(&["echo-server", "0", "--udp"]);
    let output = run(&["echo-server", &server.port(), "--udp", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(error["error"]["code"], "EADDRINUSE");
    let next = error["error"]["next"].as_str().expect("a next step");
    assert!(next.contains(&format!("(pid {})", server.pid())), "{next}");
}

#[test]
fn on_all_interfaces_a_port_held_on_one_of_them_is_refused() {
    let server = Server::start(&["app-server", "0"]);
    for host in ["", "*", "0.0.0.0", "::"] {
        let output = run(&["app-server", host, &server.port()]);
        assert_eq!(output.status.code(), Some(2), "{host:?}");
        assert!(stderr(&output).contains("(EADDRINUSE)"), "{host:?}");
    }
}

#[test]
fn a_dual_stack_server_blocks_the_port_for_ipv4_too() {
    if !support::has_ipv6() {
        return skip("a port held by a dual-stack server", "::1 is not available");
    }
    let server = Server::start(&["app-server", "::", "0"]);
    for host in ["0.0.0.0", "127.0.0.1", "::1", "::"] {
        let output = run(&["app-server", host, &server.port()]);
        assert_eq!(output.status.code(), Some(2), "{host:?}");
        let said = stderr(&output);
        assert!(said.contains("(EADDRINUSE)"), "{host:?}: {said}");
        assert!(
            said.contains(&format!("(pid {})", server.pid())),
            "{host:?}: {said}"
        );
    }
}

/// A service manager in few words: binds, puts the socket at descriptor 3, says for whom it is.
const MANAGER: &str = "
import os, socket, sys
held = socket.socket()
held.bind(('127.0.0.1', 0))
held.listen()
os.dup2(held.fileno(), 3)
os.set_inheritable(3, True)
os.environ['LISTEN_FDS'] = sys.argv[1]
os.environ['LISTEN_PID'] = str(os.getpid() + int(sys.argv[2]))
os.execv(sys.argv[3], sys.argv[3:])
";

fn managed(count: &str, pid_off_by: &str) -> Option<Command> {
    support::program("python3")?;
    let mut command = Command::new("python3");
    command.args(["-c", MANAGER, count, pid_off_by, support::BINARY]);
    Some(command)
}

#[test]
fn a_socket_passed_in_by_a_service_manager_is_used() {
    for args in [
        &["app-server", "::1", "1"][..],
        &["app-server", "--threads", "2", "-v"],
    ] {
        let Some(mut command) = managed("1", "0") else {
            return skip("socket activation", "python3 is not installed");
        };
        command.args(args);
        let mut server = Server::spawn(command);
        good_client(server.address, "the start");
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn sockets_meant_for_another_process_are_left_alone() {
    let Some(mut command) = managed("1", "1") else {
        return skip("foreign socket activation", "python3 is not installed");
    };
    let free = TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = free.local_addr().expect("an address").port().to_string();
    command.args(["app-server", &taken]);
    let output = support::finish(command);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("(EADDRINUSE)"),
        "it did not use the port it was given"
    );
}

#[test]
fn two_sockets_passed_in_are_one_too_many() {
    let Some(mut command) = managed("2", "0") else {
        return skip("two inherited sockets", "python3 is not installed");
    };
    command.arg("app-server");
    let output = support::finish(command);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("LISTEN_FDS says 2 sockets"));
}
