//! A snapshot for the tests of all styles: healthy, sick and hostile sockets.

use std::time::Duration;

use super::{Names, Sheet};
use crate::diagnose::{Case, diagnose};
use crate::host::{Index, Namespace, Note, Sample};
use crate::sockdiag::{KeptTcpInfo, SkMemInfo, TcpInfoValues};
use crate::sockets::owners::Process;
use crate::sockets::{
    Address, Details, Family, Owner, Owners, Proto, Socket, State, TcpFigures, Timer, TimerKind,
};

pub(super) struct Fixture {
    pub(super) sample: Sample,
    pub(super) names: Names,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let processes = vec![
            process(812, b"nginx"),
            process(813, b"nginx"),
            process(1_900, b"tmux: server"),
            process(666, b"x) root(1\x1b[2J\n  tcp"),
        ];
        let owner = |inode, process, fd| Owner { inode, process, fd };
        let links = vec![
            owner(101, 0, 6),
            owner(101, 1, 6),
            owner(102, 0, 11),
            owner(104, 2, 7),
            owner(106, 3, 3),
            owner(107, 3, 4),
        ];
        let mut names = Names::default();
        names.interfaces.insert((0, 2), "eth0".to_owned());
        names.users.insert(0, "root".to_owned());
        names.users.insert(33, "www-data".to_owned());
        Fixture {
            sample: Sample {
                networks: Vec::new(),
                machine: None,
                processes: Vec::new(),
                sockets: sockets(),
                owners: Owners::new(processes, links, true),
                namespaces: vec![Namespace::new(4_026_531_840, "")],
                notes: vec![Note {
                    id: "family_missing".into(),
                    text: "vsock sockets are not shown".to_owned(),
                    incomplete: true,
                }],
                taken: Duration::from_millis(1_769_860_800_250),
            },
            names,
        }
    }

    pub(super) fn all(&self) -> Vec<&Socket> {
        self.sample.sockets.iter().collect()
    }

    /// The sockets that netstat, lsof and ss show with the flags of the styles.
    pub(super) fn internet(&self) -> Vec<&Socket> {
        let all = self.sample.sockets.iter();
        all.filter(|socket| socket.proto.is_internet()).collect()
    }

    /// A sheet of these sockets, of the fixture or not. What it borrows lives as long as the test.
    pub(super) fn sheet(&self, sockets: &[&Socket]) -> Sheet<'_> {
        let sample: &'static Sample = Box::leak(Box::new(Sample {
            sockets: sockets.iter().map(|socket| (*socket).clone()).collect(),
            ..self.sample.clone()
        }));
        let index: &'static Index<'static> = Box::leak(Box::new(Index::new(sample)));
        Sheet {
            index,
            delta: None,
            findings: Box::leak(Box::new(diagnose(&Case::new(index)))),
            shown: Box::leak(sample.places().collect()),
            names: &self.names,
        }
    }
}

fn process(pid: u32, comm: &[u8]) -> Process {
    Process {
        pid,
        uid: Some(0),
        comm: comm.into(),
        cmdline: Some(b"/usr/bin/program\0--flag\0a b\xff\0"[..].into()),
        cgroup: None,
    }
}

pub(super) fn ip(addr: &str, port: u16) -> Address {
    Address::Ip {
        addr: addr.parse().expect("an address"),
        port,
        scope: 0,
    }
}

pub(super) fn unix(name: &[u8], inode: u32) -> Address {
    Address::Unix {
        name: name.into(),
        inode,
    }
}

/// A TCP connection over IPv4.
pub(super) fn tcp(state: State, number: u16) -> Socket {
    Socket {
        local: ip("192.0.2.10", 80),
        peer: ip("203.0.113.7", 40_000 + number),
        inode: 100 + u32::from(number),
        cookie: Some(u64::from(number)),
        uid: Some(0),
        ..Socket::blank(Proto::Tcp, Family::Inet, state)
    }
}

fn sockets() -> Vec<Socket> {
    let mut sockets = vec![
        Socket {
            local: ip("0.0.0.0", 80),
            peer: ip("0.0.0.0", 0),
            recv_q: 5,
            send_q: 4,
            ..tcp(State::Listen, 1)
        },
        tcp(State::Established, 2),
        Socket {
            inode: 0,
            uid: None,
            timer: Some(timer(TimerKind::TimeWait, 59_000, 0)),
            ..tcp(State::TimeWait, 3)
        },
        Socket {
            family: Family::Inet6,
            local: Address::Ip {
                addr: "fe80::5054:ff:fe12:3456".parse().expect("an address"),
                port: 65_432,
                scope: 2,
            },
            peer: ip("2001:db8:1111:2222:3333:4444:5555:6666", 51_515),
            send_q: 70_000,
            uid: Some(33),
            timer: Some(timer(TimerKind::Retransmit, 1_200, 4)),
            details: Some(Box::new(details())),
            ..tcp(State::Established, 4)
        },
        Socket {
            proto: Proto::Udp,
            family: Family::Inet6,
            local: ip("::", 5353),
            peer: ip("::", 0),
            recv_q: 832,
            ..tcp(State::Unconnected, 5)
        },
        Socket {
            proto: Proto::UnixStr,
            family: Family::Unix,
            local: unix(b"/tmp/a  b\n\x1b[31mtcp LISTEN\xff", 106),
            peer: unix(b"\0abstract\0name", 107),
            ..tcp(State::Established, 6)
        },
        Socket {
            proto: Proto::UnixStr,
            family: Family::Unix,
            local: unix(&[b'p'; 108], 107),
            peer: unix(b"", 106),
            ..tcp(State::Established, 7)
        },
        Socket {
            proto: Proto::Netlink,
            family: Family::Netlink,
            local: Address::Netlink {
                protocol: 0,
                port_id: 0,
            },
            peer: Address::None,
            cookie: None,
            ..tcp(State::Unconnected, 8)
        },
    ];
    for socket in &mut sockets {
        let figures = TcpFigures {
            last_ack_recv_ms: Some(13_000),
            ..TcpFigures::default()
        };
        socket.tcp = figures.into();
    }
    sockets
}

fn timer(kind: TimerKind, expires_ms: u32, retransmits: u8) -> Timer {
    Timer {
        kind,
        expires_ms,
        retransmits,
    }
}

fn details() -> Details {
    Details {
        tcp: Some(KeptTcpInfo::from(TcpInfoValues {
            rtt_us: Some(50),
            rttvar_us: Some(20),
            rto_us: Some(204_000),
            snd_cwnd: Some(10),
            snd_mss_bytes: Some(1448),
            snd_wscale: Some(7),
            rcv_wscale: Some(9),
            delivery_rate_bytes_per_second: Some(1_500_000),
            bytes_received: Some(1234),
            bytes_retrans: Some(0),
            snd_wnd_bytes: Some(65_536),
            ..TcpInfoValues::default()
        })),
        memory: Some(SkMemInfo {
            rmem_alloc_bytes: Some(832),
            rcvbuf_bytes: Some(131_072),
            wmem_alloc_bytes: Some(0),
            sndbuf_bytes: Some(16_384),
            fwd_alloc_bytes: Some(3_264),
            wmem_queued_bytes: Some(0),
            optmem_bytes: Some(0),
            backlog_bytes: Some(0),
            drops: Some(3),
        }),
        congestion: Some("cubic".into()),
        mark: Some(16),
        ..Details::default()
    }
}
