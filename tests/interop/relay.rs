//! A TCP relay on 127.0.0.1 that keeps what went through it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::support::{self, DEADLINE};

/// The bytes of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    /// From the client.
    pub(crate) request: Vec<u8>,
    /// From the server.
    pub(crate) reply: Vec<u8>,
    /// The server closed in order, and did not reset the connection.
    pub(crate) closed_in_order: bool,
}

/// A running relay to one server.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    recordings: mpsc::Receiver<Recording>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// A relay to this server, one connection at a time.
    pub(crate) fn to(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, recordings) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) || sender.send(relay(&client, server)).is_err() {
                    break;
                }
            }
        });
        Relay {
            address,
            recordings,
            over,
            thread: Some(thread),
        }
    }

    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// What went through the next connection that ended.
    pub(crate) fn recording(&self) -> Recording {
        self.recordings
            .recv_timeout(DEADLINE)
            .expect("a connection that ends in time")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the accept.
        drop(TcpStream::connect_timeout(&self.address, DEADLINE));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn relay(client: &TcpStream, server: SocketAddr) -> Recording {
    client.set_read_timeout(Some(DEADLINE)).expect("set");
    client.set_write_timeout(Some(DEADLINE)).expect("set");
    let server = &support::connect(server);
    thread::scope(|scope| {
        let upward = scope.spawn(|| copy(client, server));
        let (reply, closed_in_order) = copy(server, client);
        let (request, _) = upward.join().expect("the copying ends");
        Recording {
            request,
            reply,
            closed_in_order,
        }
    })
}

/// Copies until the end, and passes the end on; says whether it was an orderly one.
fn copy(mut from: &TcpStream, mut to: &TcpStream) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 65536];
    let in_order = loop {
        match from.read(&mut buffer) {
            Ok(0) => break true,
            Ok(count) => {
                kept.extend_from_slice(&buffer[..count]);
                // One side may have gone; the other's bytes still count.
                let _ = to.write_all(&buffer[..count]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break false,
        }
    };
    let _ = to.shutdown(Shutdown::Write);
    (kept, in_order)
}

#[test]
fn the_relay_keeps_both_directions() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let relay = Relay::to(server.local_addr().expect("bound"));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = server.accept().expect("a connection");
            let mut request = Vec::new();
            stream.read_to_end(&mut request).expect("a request");
            stream.write_all(&request).expect("sent");
            stream.write_all(b"!").expect("sent");
        });
        let answer = support::talk(relay.address, b"\0abc", true).expect("an answer");
        assert_eq!(answer, b"\0abc!");
    });
    let expected = Recording {
        request: b"\0abc".to_vec(),
        reply: b"\0abc!".to_vec(),
        closed_in_order: true,
    };
    assert_eq!(relay.recording(), expected);
}
