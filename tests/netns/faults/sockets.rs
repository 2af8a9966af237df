//! Faults of listeners and connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::Side::{Client, Server};
use super::{Kept, Row, connected, kept, listener_of, server};
use crate::diagnose::{Busy, connecting, connection, until_sent_again};
use crate::routed::Path;
use crate::support::until;

pub(super) const ROWS: &[&Row] = &[
    &Row {
        name: "accept queue full",
        rule: "accept_queue_full",
        about: ":8080",
        effects: &[],
        at: Server,
        fault: |path| {
            let listener = listener_of(&path.server, 8080, 1);
            let clients: Vec<Socket> = (0..4).map(|_| connect(path, 8080)).collect();
            kept![listener, clients]
        },
        // The queue is full again and again, and emptied.
        look_alike: |path| {
            let listener = listener_of(&path.server, 8080, 1);
            kept![Busy::in_namespace(&path.client.name, move || {
                let clients = [(); 2].map(|()| TcpStream::connect(server(8080)));
                std::thread::sleep(Duration::from_millis(100));
                clients
                    .iter()
                    .flatten()
                    .for_each(|_| drop(listener.accept()));
                true
            })]
        },
    },
    &Row {
        name: "bursts overflow the accept queue",
        rule: "listener_drops",
        about: ":8080",
        effects: &[],
        at: Server,
        // Most of the time the queue is empty.
        fault: |path| kept![accepting(path, 8080, 1, 50), bursts(path, 8080, 8, 700)],
        look_alike: |path| {
            // It is over.
            let listener = listener_of(&path.server, 8080, 1);
            let clients: Vec<Socket> = (0..8).map(|_| connect(path, 8080)).collect();
            until("an overflow", || {
                let counted = path.server.run("nstat", &["-az", "TcpExtListenOverflows"]);
                (!counted.contains(" 0 ")).then_some(())
            });
            drop(clients);
            while listener_has_one(path) {
                drop(listener.accept().expect("accepted"));
            }
            kept![listener]
        },
    },
    &Row {
        name: "accepted some, then stopped",
        rule: "not_accepted",
        about: ":8080",
        effects: &[],
        at: Server,
        fault: |path| {
            let listener = listener_of(&path.server, 8080, 128);
            let clients: Vec<_> = (0..4).map(|_| connected(&path.client, 8080)).collect();
            let accepted = listener.accept().expect("accepted");
            kept![listener, clients, accepted]
        },
        // Five always wait, for less than a second each.
        look_alike: |path| {
            let listener = listener_of(&path.server, 8080, 128);
            let mut clients: Vec<_> = (0..5).map(|_| connected(&path.client, 8080)).collect();
            let name = path.client.name.clone();
            kept![Busy::in_namespace(&name, move || {
                clients.push(TcpStream::connect(server(8080)).expect("connected"));
                clients.remove(0);
                drop(listener.accept().expect("accepted"));
                std::thread::sleep(Duration::from_millis(60));
                true
            })]
        },
    },
    &Row {
        name: "Unix accept queue full",
        rule: "accept_queue_full",
        about: "api.sock",
        effects: &[],
        at: Server,
        fault: |path| {
            let (listener, address) = unix_listener(path);
            let clients = [(); 2].map(|()| unix_client(path, &address));
            kept![listener, clients]
        },
        look_alike: |path| {
            let (listener, address) = unix_listener(path);
            let client = move || {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
                socket.connect(&address).expect("connected");
                socket
            };
            // At the limit all the time, and above it for moments.
            let mut waiting = path.server.inside(|| vec![client()]);
            kept![Busy::in_namespace(&path.server.name, move || {
                waiting.push(client());
                std::thread::sleep(Duration::from_millis(20));
                drop(listener.accept().expect("accepted"));
                waiting.remove(0);
                true
            })]
        },
    },
    &Row {
        name: "CLOSE-WAIT leak",
        rule: "close_never_called",
        about: ":8080",
        effects: &[],
        at: Server,
        fault: |path| {
            let (clients, servers) = connections(path, 8080, 6);
            drop(clients);
            kept![servers]
        },
        // Half-closed: the answer is on its way, piece by piece.
        look_alike: |path| {
            let (clients, mut servers) = connections(path, 8080, 6);
            for client in &clients {
                client.shutdown(Shutdown::Write).expect("half-closed");
            }
            let sending = Busy::with(move || {
                std::thread::sleep(Duration::from_millis(300));
                servers.iter_mut().all(|it| it.write_all(b"x").is_ok())
            });
            kept![clients, sending]
        },
    },
    &Row {
        name: "the program does not read",
        rule: "not_reading",
        about: ":8080",
        effects: &[],
        at: Server,
        fault: |path| kept![flooded(path, None)],
        look_alike: |path| kept![flooded(path, Some(Duration::from_millis(300)))],
    },
    &Row {
        name: "the peer does not read",
        rule: "peer_window_closed",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| kept![flooded(path, None)],
        // It fetches all that is there every two seconds.
        look_alike: |path| kept![flooded(path, Some(Duration::from_secs(2)))],
    },
    &Row {
        name: "both ends write and do not read",
        rule: "both_wait_to_be_read",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| {
            let (client, server) = connection(path, 8080);
            kept![filling(client), filling(server)]
        },
        look_alike: |path| {
            let (client, server) = connection(path, 8080);
            let reader = server.try_clone().expect("a second descriptor");
            kept![
                filling(client),
                filling(server),
                reading(reader, Duration::from_millis(20))
            ]
        },
    },
    &Row {
        name: "the peer falls silent",
        rule: "peer_silent",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| {
            let (mut client, server) = connection(path, 8080);
            path.server.firewall("tcp dport 8080 drop");
            client.write_all(b"x").expect("taken by the kernel");
            kept![client, server]
        },
        // A short outage that is over.
        look_alike: |path| {
            let (mut client, server) = connection(path, 8080);
            path.server.firewall("tcp dport 8080 drop");
            client.write_all(b"x").expect("taken by the kernel");
            until("data to be sent again", || {
                path.client
                    .run("ss", &["-tinH"])
                    .contains("backoff:")
                    .then_some(())
            });
            path.server.run("nft", &["flush", "ruleset"]);
            until("an answer", || {
                (!path.client.run("ss", &["-tinH"]).contains("unacked:")).then_some(())
            });
            kept![client, server]
        },
    },
    &Row {
        name: "nothing answers a SYN",
        rule: "connecting_no_answer",
        about: "10.77.2.1:5432",
        effects: &[],
        at: Client,
        fault: |path| {
            path.server.firewall("tcp dport 5432 drop");
            let client = connecting(&path.client, "10.77.2.1:5432");
            until_sent_again(&path.client);
            kept![client]
        },
        // One that is answered by an RST.
        look_alike: |path| {
            let refused = path.client.inside(|| TcpStream::connect(server(5432)));
            assert!(refused.is_err(), "nobody listens");
            kept![]
        },
    },
    &Row {
        name: "keepalive probes are not answered",
        rule: "keepalive_unanswered",
        about: "10.77.2.1:8080",
        effects: &[],
        at: Client,
        fault: |path| {
            let ends = kept_alive(path);
            path.server.firewall("tcp dport 8080 drop");
            kept![ends]
        },
        look_alike: |path| kept![kept_alive(path)],
    },
    &Row {
        name: "a UDP program does not read",
        rule: "udp_receive_buffer_full",
        about: "10.77.2.1:5353",
        effects: &[],
        at: Server,
        fault: |path| kept![datagrams(path, None)],
        look_alike: |path| kept![datagrams(path, Some(Duration::from_millis(1)))],
    },
    &Row {
        name: "one listener of several does not accept",
        rule: "reuseport_stuck",
        about: "SO_REUSEPORT",
        effects: &["not_accepted"],
        at: Server,
        fault: |path| kept![twins(path, false)],
        look_alike: |path| kept![twins(path, true)],
    },
];

fn connect(path: &Path, port: u16) -> Socket {
    connecting(&path.client, &server(port).to_string())
}

/// A server that accepts all that waits every so many milliseconds.
fn accepting(path: &Path, port: u16, backlog: i32, pause_ms: u64) -> Busy {
    let listener = listener_of(&path.server, port, backlog);
    listener.set_nonblocking(true).expect("set");
    Busy::with(move || {
        std::thread::sleep(Duration::from_millis(pause_ms));
        while listener.accept().is_ok() {}
        true
    })
}

/// Clients that come together.
fn bursts(path: &Path, port: u16, count: usize, pause_ms: u64) -> Busy {
    Busy::in_namespace(&path.client.name, move || {
        let clients: Vec<Socket> = (0..count)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
                socket.set_nonblocking(true).expect("set");
                let _ = socket.connect(&server(port).into());
                socket
            })
            .collect();
        std::thread::sleep(Duration::from_millis(pause_ms));
        drop(clients);
        true
    })
}

fn listener_has_one(path: &Path) -> bool {
    let listed = path.server.run("ss", &["-tlnH"]);
    listed.split_whitespace().nth(1) != Some("0")
}

fn connections(path: &Path, port: u16, count: usize) -> (Vec<TcpStream>, Vec<TcpStream>) {
    let listener = listener_of(&path.server, port, 128);
    let pair = |_| {
        let client = connected(&path.client, port);
        (client, listener.accept().expect("accepted").0.into())
    };
    (0..count).map(pair).unzip()
}

fn unix_listener(path: &Path) -> (Socket, SockAddr) {
    let address = SockAddr::unix(format!("\0{}/api.sock", path.server.name)).expect("a name");
    let listener = path.server.inside(|| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket.bind(&address).expect("bound");
        socket.listen(1).expect("it listens");
        socket
    });
    (listener, address)
}

fn unix_client(path: &Path, address: &SockAddr) -> Socket {
    path.server.inside(|| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket.connect(address).expect("connected");
        socket
    })
}

/// Writes whatever goes in.
fn filling(mut stream: TcpStream) -> Busy {
    stream.set_nonblocking(true).expect("set");
    Busy::with(move || {
        std::thread::sleep(Duration::from_millis(10));
        let _ = stream.write(&[7; 16_384]);
        true
    })
}

/// Reads all that is there, after each pause.
fn reading(mut stream: TcpStream, pause: Duration) -> Busy {
    stream.set_nonblocking(true).expect("set");
    let mut buffer = vec![0; 65_536];
    Busy::with(move || {
        std::thread::sleep(pause);
        for _ in 0..32 {
            let _ = stream.read(&mut buffer);
        }
        true
    })
}

/// A client that sends all it can, and a server with a small buffer that is read after each pause, or never.
fn flooded(path: &Path, pause: Option<Duration>) -> Kept {
    let listener = listener_of(&path.server, 8080, 8);
    listener.set_recv_buffer_size(32_768).expect("set");
    let client = connected(&path.client, 8080);
    let server = TcpStream::from(listener.accept().expect("accepted").0);
    match pause {
        Some(pause) => kept![filling(client), reading(server, pause)],
        None => kept![filling(client), server],
    }
}

fn kept_alive(path: &Path) -> (Socket, TcpStream) {
    let (client, server) = connection(path, 8080);
    let client = Socket::from(client);
    let second = Duration::from_secs(1);
    let times = TcpKeepalive::new()
        .with_time(second)
        .with_interval(second)
        .with_retries(100);
    client.set_tcp_keepalive(&times).expect("set");
    (client, server)
}

/// A sender of datagrams to a socket that is read after each pause, or never.
fn datagrams(path: &Path, pause: Option<Duration>) -> Kept {
    let socket = path
        .server
        .inside(|| UdpSocket::bind("10.77.2.1:5353").expect("bound"));
    socket.set_nonblocking(true).expect("set");
    let sender = path
        .client
        .inside(|| UdpSocket::bind("10.77.1.1:0").expect("bound"));
    let sending = Busy::with(move || {
        std::thread::sleep(Duration::from_millis(1));
        let _ = sender.send_to(&[7; 1000], "10.77.2.1:5353");
        true
    });
    match pause {
        None => kept![sending, socket],
        Some(pause) => kept![
            sending,
            Busy::with(move || {
                std::thread::sleep(pause);
                while socket.recv(&mut [0; 2000]).is_ok() {}
                true
            })
        ],
    }
}

/// Two listeners on one port, of which one accepts or both, and clients for both of them.
fn twins(path: &Path, both: bool) -> Kept {
    let listen = || {
        path.server.inside(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_reuse_port(true).expect("set");
            socket.bind(&server(8080).into()).expect("bound");
            socket.listen(128).expect("it listens");
            socket.set_nonblocking(true).expect("set");
            socket
        })
    };
    let (first, second) = (listen(), listen());
    let accept = |listener: Socket| {
        let mut accepted = Vec::new();
        Busy::with(move || {
            std::thread::sleep(Duration::from_millis(10));
            while let Ok(one) = listener.accept() {
                accepted.push(one);
            }
            true
        })
    };
    let clients: Vec<_> = (0..24).map(|_| connected(&path.client, 8080)).collect();
    if both {
        kept![accept(first), accept(second), clients]
    } else {
        kept![accept(first), second, clients]
    }
}
