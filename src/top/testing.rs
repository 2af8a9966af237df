//! A small host for tests, look by look.

use std::time::Duration;

use super::look::Taken;
use super::{Look, Memory};
use crate::host::{Network, Sample};
use crate::rtnetlink::Link;
use crate::sockdiag::{SkMemInfo, TcpInfoValues};
use crate::sockets::testing::{listener, owners, tcp};
use crate::sockets::{Details, Socket, State};

/// A connection with a cookie, an inode, its ends, and what it received and sent.
pub(crate) fn flow(cookie: u64, inode: u32, ends: [&str; 2], bytes: [u64; 2]) -> Socket {
    let info = TcpInfoValues {
        bytes_received: Some(bytes[0]),
        bytes_sent: Some(bytes[1]),
        bytes_retrans: Some(0),
        segs_in: Some(10),
        segs_out: Some(20 + u32::try_from(bytes[1] / 1_000).expect("a small number")),
        total_retrans: Some(0),
        rtt_us: Some(1_500),
        ..TcpInfoValues::default()
    };
    let memory = SkMemInfo {
        rmem_alloc_bytes: Some(65_536),
        rcvbuf_bytes: Some(131_072),
        wmem_queued_bytes: Some(0),
        sndbuf_bytes: Some(87_040),
        ..SkMemInfo::new(&[])
    };
    Socket {
        cookie: Some(cookie),
        inode,
        details: Some(Box::new(Details {
            tcp: Some(info.into()),
            memory: Some(memory),
            ..Details::default()
        })),
        ..tcp(ends[0], ends[1])
    }
}

/// The same connection after it closed, as the kernel announces it: the FIN of the peer is a byte.
pub(crate) fn closed(socket: &Socket) -> Socket {
    let mut socket = socket.clone();
    let info = socket.details.as_mut().and_then(|it| it.tcp.as_mut());
    let info = info.expect("its counters");
    let received = info.bytes_received().map(|received| received + 1);
    *info = TcpInfoValues {
        bytes_received: received,
        ..info.values().into_owned()
    }
    .into();
    Socket {
        state: State::Unconnected,
        inode: 0,
        ..socket
    }
}

pub(crate) const NGINX: [&str; 2] = ["10.0.0.5:443", "203.0.113.9:51544"];
pub(crate) const CURL: [&str; 2] = ["10.0.0.5:40112", "198.51.100.7:80"];
pub(crate) const LONG: [&str; 2] = [
    "[2001:db8:85a3:1111:2222:8a2e:370:7334]:50000",
    "[2001:db8::1]:443",
];

/// The listener of `web`, with so many connections that wait for it.
fn web(waiting: u32) -> Socket {
    Socket {
        cookie: Some(1),
        inode: 101,
        recv_q: waiting,
        send_q: 128,
        ..listener("0.0.0.0:8080")
    }
}

/// A sample of these sockets at an interface that carried so much.
pub(crate) fn taken(sockets: Vec<Socket>, carried: [u64; 2]) -> Taken {
    let eth0 = Link {
        index: 2,
        name: "eth0".into(),
        up: true,
        carrier: true,
        rx_bytes: carried[0],
        tx_bytes: carried[1],
        ..Link::default()
    };
    Taken {
        sample: Sample {
            taken: Duration::from_millis(1_769_860_800_250),
            sockets,
            owners: owners(&[
                (4242, "web", None, &[101]),
                (812, "nginx", None, &[102]),
                (5001, "curl", None, &[103]),
                (7, "x)\u{1b}[2J\n root", None, &[104]),
            ]),
            networks: vec![Network {
                links: vec![eth0],
                ..Network::default()
            }],
            ..Sample::default()
        },
        ..Taken::default()
    }
}

/// Three looks two seconds apart: connections come, move bytes and close; the queue of `web` fills up.
pub(crate) fn busy() -> (Look, Memory) {
    let nginx = |bytes| flow(2, 102, NGINX, bytes);
    let curl = flow(3, 103, CURL, [412, 90]);
    let long = flow(4, 104, LONG, [0, 10]);
    let mut memory = Memory::default();
    let mut look = Look::default();
    let steps = [
        taken(vec![web(0), nginx([10_000, 1_000])], [0, 0]),
        taken(
            vec![web(129), nginx([10_000, 1_000]), curl.clone()],
            [1_000, 500],
        ),
        Taken {
            closed: vec![closed(&curl)],
            ..taken(
                vec![web(129), nginx([1_650_000, 25_000]), long],
                [1_800_000, 40_000],
            )
        },
    ];
    for (number, step) in (1..).zip(steps) {
        look = look.next(step, Duration::from_secs(2 * number), &mut memory);
    }
    (look, memory)
}
