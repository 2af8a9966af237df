//! What this host itself shows of an attempt that failed: its own sockets, its own errors, and answers that it drops.

use std::net::SocketAddr;

use super::super::host::REVERSE_PATH_FILTER;
use super::super::watch_program;
use super::{
    ANSWER_DROPPED, FAILED_HERE, PUBLISHED_NOWHERE, UDP_UNREAD, UNIX_SOCKET_UNREACHABLE, finding,
    of_packet_socket, preceded, word,
};
use crate::diagnose::reach::who;
use crate::diagnose::{Case, Command, Fact, Finding, NextStep, Role, Severity, Subject, Value};
use crate::host::SocketAt;
use crate::reference::errno;
use crate::sockets::Proto;

/// Nothing came back for a datagram that still lies at the socket of its server.
pub fn udp_unread(case: &Case<'_>, at: SocketAt, stopped: Option<u32>) -> Finding {
    let socket = case.socket(at);
    let who = who(case.index, &[at]);
    let unread = "datagrams lie unread at its UDP socket";
    let (headline, next) = match stopped {
        Some(pid) => (
            format!("{who} is stopped: {unread}"),
            vec![
                Command::of("kill -CONT").with(pid).into(),
                "It lets the process continue. Find out first who stopped it.".into(),
            ],
        ),
        None => (
            format!("{who} does not read: {unread}"),
            watch_program(
                case,
                &[at],
                "It shows what the program does instead of recv().",
            ),
        ),
    };
    let waiting = Value::Bytes(socket.recv_q.into());
    Finding {
        facts: vec![Fact::new("sock_diag", "idiag_rqueue", waiting)],
        ruled_out: "Not the path, and not a firewall: the datagram is at the socket.",
        next,
        others: vec![(Role::Affected, Subject::Socket(at))],
        ..Finding::new(&UDP_UNREAD, Severity::Error, Subject::Socket(at), headline)
    }
}

/// A Unix socket could not be connected to; `code`: the name of the errno.
pub fn unix_failed(code: Option<&'static str>, cause: String, next: Option<String>) -> Finding {
    let ruled_out = match code {
        Some("ECONNREFUSED") => {
            "Not a full accept queue: connect() would have waited for room in it."
        }
        Some("EAGAIN") => "Not a file that an earlier server left: a server listens at the path.",
        Some("ENOENT") => "Not a server that is busy: one at this path would have a file there.",
        Some("EACCES") => {
            "Not a server that is gone: the kernel looks at the permissions of the path first."
        }
        Some("EPROTOTYPE") => {
            "Not a file that an earlier server left: a socket of another type is bound to the path."
        }
        _ => "",
    };
    let facts = code.map(|code| Fact::new("connect", "errno", word(code)));
    Finding {
        facts: facts.into_iter().collect(),
        ruled_out,
        next: vec![NextStep::Sentence(next.unwrap_or_default().into())],
        ..Finding::new(
            &UNIX_SOCKET_UNREACHABLE,
            Severity::Error,
            Subject::Host,
            cause,
        )
    }
}

/// The same, and this socket is bound to the path and does not take the connection.
pub fn unix_held(case: &Case<'_>, at: SocketAt, failed: &Finding) -> Finding {
    let socket = case.socket(at);
    let who = who(case.index, &[at]);
    let (headline, ruled_out) = match socket.proto {
        Proto::UnixDgr => (
            format!("{who} has a datagram socket at this path, not a stream socket"),
            failed.ruled_out,
        ),
        Proto::UnixSeq => (
            format!(
                "{who} has a socket for packets (SOCK_SEQPACKET) at this path, not a stream socket"
            ),
            failed.ruled_out,
        ),
        _ => (
            format!("{who} is bound to this path and has not called listen()"),
            "Not a file that an earlier server left: a socket is bound to it. Not a full accept queue: \
             connect() would have waited.",
        ),
    };
    let mut next = failed.next.clone();
    if socket.proto == Proto::UnixStr {
        next = watch_program(
            case,
            &[at],
            "It shows what the program does instead of listen().",
        );
    }
    let mut facts = failed.facts.clone();
    facts.push(Fact::new(
        "sock_diag",
        "state",
        word(socket.state.ss_name()),
    ));
    Finding {
        facts,
        ruled_out,
        next,
        others: vec![(Role::Affected, Subject::Socket(at))],
        ..Finding::new(failed.rule, failed.severity, failed.subject, headline)
    }
}

/// `connect()` failed on this host, and nothing else explains it.
pub fn failed_here(to: SocketAddr, from: Option<SocketAddr>, number: i32) -> Finding {
    let words = errno::words(number);
    let entry = errno::by_number(number);
    let headline = match from {
        Some(from) if !from.ip().is_unspecified() => {
            format!(
                "this host does not send packets from {} to {}: {words}",
                from.ip(),
                to.ip()
            )
        }
        _ => format!("this host does not send packets to {}: {words}", to.ip()),
    };
    let name = entry.map_or_else(|| number.to_string(), |it| it.name.to_owned());
    let facts = vec![Fact::new("connect", "errno", word(name))];
    let mut found = finding(&FAILED_HERE, to.ip(), headline, facts);
    let next = entry.map(|it| it.next.replace("HOST", &to.ip().to_string()));
    found.next.extend(next.map(NextStep::from));
    found
}

/// A relay of this host forwards a port to where nothing listens.
pub fn published_nowhere(who: &str, port: u32, at: SocketAt, to: SocketAddr) -> Finding {
    let headline = format!("{who} forwards port {port} to {to}, and nothing listens there");
    let facts = vec![Fact::new(
        "/proc/PID/cmdline",
        "forwards to",
        word(to.to_string()),
    )];
    let command = Command::of("sockdoc sockets -l --all-netns").with(format!(":{}", to.port()));
    Finding {
        facts,
        others: vec![(Role::Affected, Subject::Socket(at))],
        ..preceded(
            command,
            finding(&PUBLISHED_NOWHERE, to.ip(), headline, Vec::new()),
        )
    }
}

/// The answer of a host arrived, and its packets did not reach the socket. `seen`: what a packet socket saw of it,
/// `filtered`: by how much the counter of the reverse path filter rose.
pub fn answer_dropped(to: SocketAddr, seen: String, filtered: Option<u64>) -> Finding {
    let ip = to.ip();
    let mut facts: Vec<Fact> = of_packet_socket("SYN-ACK", Some(seen))
        .into_iter()
        .collect();
    if let Some(count) = filtered {
        let rose = Fact::new(
            "/proc/net/netstat",
            "IPReversePathFilter rose by",
            Value::Count(count),
        );
        facts.push(rose);
        let headline = format!(
            "the answers of {ip} arrive and this host drops them: its reverse path filter (rp_filter) expects them on \
             another interface"
        );
        let mut found = finding(&REVERSE_PATH_FILTER, ip, headline, facts);
        found.ruled_out = "Not the path, and not the server: the SYN-ACK came back to this host.";
        found
            .next
            .insert(0, Command::of("ip route get").with(ip).into());
        let settings = Command::of("sysctl -ar net\\.ipv4\\.conf\\..*\\.rp_filter");
        found.next.insert(1, settings.into());
        return found;
    }
    let headline =
        format!("the answer of {ip} arrives and this host drops it before the socket gets it");
    preceded(
        Command::of("sockdoc drops --seconds 5 src host").with(ip),
        finding(&ANSWER_DROPPED, ip, headline, facts),
    )
}
