//! Who holds an address, and who only seems to.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use crate::support::{self, Server, run, skip, stderr};
use crate::unix::full_listener;

fn pid_of(server: &Server) -> String {
    format!("(pid {})", server.pid())
}

#[test]
fn a_datagram_socket_on_the_same_port_is_not_said_to_hold_it() {
    let server = Server::start(&["echo-server", "0"]);
    // Ours: it comes first in /proc, if it is looked at.
    let Ok(_datagrams) = UdpSocket::bind(server.address) else {
        return skip("a datagram socket on the same port", "the port is taken");
    };
    let said = stderr(&run(&["echo-server", &server.port()]));
    assert!(said.contains(&pid_of(&server)), "{said}");
    assert!(
        !said.contains(&format!("(pid {})", std::process::id())),
        "{said}"
    );
}

#[test]
fn a_listener_on_another_address_is_not_said_to_hold_it() {
    let server = Server::start(&["echo-server", "127.0.0.2", "0"]);
    let port = server.port();
    let Ok(_other) = TcpListener::bind(format!("127.0.0.1:{port}")) else {
        return skip("a listener on another address", "the port is taken");
    };
    let said = stderr(&run(&["echo-server", "127.0.0.2", &port]));
    assert!(
        said.contains(&format!("in use by sockdoc {}: stop it", pid_of(&server))),
        "{said}"
    );
    // On all interfaces both are in the way, and which of them to end is not ours to say.
    let said = stderr(&run(&["echo-server", "", &port]));
    assert!(said.contains(&pid_of(&server)), "{said}");
    assert!(
        said.contains(&format!("(pid {})", std::process::id())),
        "{said}"
    );
    assert!(!said.contains("stop it"), "{said}");
}

#[test]
fn a_live_unix_server_with_a_full_queue_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let (_listener, _waiting) = full_listener(&path);
    let mut command = Command::new(support::BINARY);
    command.args(["echo-server", "--unix", path.to_str().expect("text")]);
    let output = support::finish(command);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("another socket is bound to this path"),
        "{}",
        stderr(&output)
    );
    assert!(path.exists(), "it was removed");
}

#[test]
fn an_outgoing_connection_that_holds_a_port_is_named() {
    let server = TcpListener::bind("127.0.0.1:0").expect("binds");
    let client = TcpStream::connect(server.local_addr().expect("bound")).expect("connects");
    let address = client.local_addr().expect("bound");
    let said = stderr(&run(&["echo-server", &address.port().to_string()]));
    let connection = format!(
        "the connection {address} -> {}",
        server.local_addr().expect("bound")
    );
    assert!(said.contains(&connection), "{said}");
    assert!(
        said.contains(&format!("(pid {})", std::process::id())),
        "{said}"
    );
}
