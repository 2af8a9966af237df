//! `sockdoc sockets --problems`: first causes, each on real processes beside its look-alike.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::sockets::Listing;
use crate::support::{Server, run, signal, stdout, until};

/// The name of a server's process, with its number, as findings have it.
fn named(server: &Server) -> String {
    let comm = std::fs::read_to_string(format!("/proc/{}/comm", server.pid())).expect("a name");
    format!("{} (pid {})", comm.trim(), server.pid())
}

#[test]
fn a_stopped_server_is_the_first_cause_and_one_that_goes_on_is_none() {
    let server = Server::start(&["echo-server", "127.0.0.1", "0"]);
    let port = format!(":{}", server.address.port());
    signal(server.pid(), "STOP");
    let mut clients: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(server.address).expect("connects"))
        .collect();
    for client in &mut clients {
        client.write_all(b"hello").expect("writes");
    }
    let text = until("the finding", || {
        let output = run(&["sockets", "--problems", &port]);
        let text = stdout(&output);
        let headline = format!("ERROR {} is stopped: ", named(&server));
        text.starts_with(&headline).then_some(text)
    });
    assert!(text.contains("3 connections wait for accept()"), "{text}");
    assert!(
        text.contains(&format!("\n  next       kill -CONT {}\n", server.pid())),
        "{text}"
    );
    until("what it causes", || {
        let text = stdout(&run(&["sockets", "--problems", &port]));
        let effect = "WARNING not accepted: 3 connections on port ";
        (text.contains(effect) && text.matches("WARNING").count() == 1).then_some(())
    });
    signal(server.pid(), "CONT");
    until("nothing to be wrong", || {
        let text = stdout(&run(&["sockets", "--problems", &port]));
        text.starts_with("no problems found").then_some(())
    });
}

#[test]
fn a_full_backlog_of_a_unix_socket_is_named_without_a_flag_and_an_emptied_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("api.sock");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    listener
        .bind(&SockAddr::unix(&path).expect("an address"))
        .expect("binds");
    listener.listen(1).expect("listens");
    let clients = [UnixStream::connect(&path), UnixStream::connect(&path)];
    assert!(clients.iter().all(Result::is_ok));
    let name = path.to_str().expect("text");
    let ours = || {
        let listing = Listing::take(&["--problems"]);
        let rows = listing.rows().iter();
        let ours = rows.filter(|row| row["local"]["path"] == name);
        ours.map(|row| row["findings"][0]["text"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ours(), ["accept queue full: 2 waiting, limit 1"]);
    listener.accept().expect("accepts");
    assert_eq!(ours(), [""; 0]);
}
