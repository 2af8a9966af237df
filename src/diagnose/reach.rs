//! What the sockets of this host say about a connection, or a bind, that failed here.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{Case, Finding, NextStep};
use crate::host::{Index, SocketAt};
use crate::sockets::filter::is_listening;
use crate::sockets::{Address, Proto, Socket, State};

/// A cause that was seen, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Why it failed.
    pub cause: String,
    /// The next thing to try.
    pub next: String,
}

impl Told {
    // For the ends of functions that give one or none.
    #[allow(clippy::unnecessary_wraps)]
    fn new(cause: impl Into<String>, next: impl Into<String>) -> Option<Told> {
        Some(Told {
            cause: cause.into(),
            next: next.into(),
        })
    }
}

/// The other end of a connection that failed, where that end is an address of this host.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What the host looks like.
    pub index: &'a Index<'a>,
    /// The protocol.
    pub proto: Proto,
    /// The address and port.
    pub to: SocketAddr,
    /// The network namespace that has the address.
    pub netns: u16,
    /// Whether the process of this number is stopped.
    pub is_stopped: fn(u32) -> bool,
}

/// What this host's sockets show of a port that refuses connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusing {
    /// These listen there, now.
    Listening(Vec<SocketAt>),
    /// These listen on the port, and not on the address.
    Elsewhere(Vec<SocketAt>),
    /// This one listens on the port in another network namespace.
    OtherNamespace(SocketAt),
    /// These use the port with another protocol.
    OtherProtocol(Vec<SocketAt>),
    /// None.
    Nothing,
}

/// Why it was refused.
pub fn refused(target: &Target<'_>) -> Option<Told> {
    let (ip, port) = (target.to.ip().to_canonical(), target.to.port());
    match target.refusing() {
        Refusing::Listening(near) => Told::new(
            format!(
                "{} listens there now: it has just started, or a firewall rule of this host rejects the packets",
                target.who(&near)
            ),
            "try again; list the firewall's rules: nft list ruleset",
        ),
        Refusing::Elsewhere(near) => {
            let listener = target.index.socket(near[0]);
            let local = &listener.local;
            let better = match local.ip() {
                Some(own) if !own.is_unspecified() => format!("connect to {own}, or start"),
                _ => "start".to_owned(),
            };
            let only = match listener.v6_only {
                Some(true) if local.ip().is_some_and(|own| own.is_unspecified()) => {
                    "for IPv6 only (IPV6_V6ONLY)"
                }
                _ => "only",
            };
            Told::new(
                format!("{} listens on {} {only}", target.who(&near), ends(local)),
                format!(
                    "{better} the server on {ip}, or on all addresses: '' (IPv4), :: (IPv4 and IPv6)"
                ),
            )
        }
        Refusing::OtherNamespace(first) => {
            let label = target.label(target.index.socket(first).netns);
            Told::new(
                format!(
                    "{} listens on this port in another network namespace, {label}",
                    who(target.index, &[first])
                ),
                format!(
                    "connect from there (nsenter or ip netns exec), or publish the port; list them: \
                     sockdoc sockets -l --all-netns :{port}"
                ),
            )
        }
        Refusing::OtherProtocol(others) => {
            let name = match target.proto {
                Proto::Udp => "TCP",
                _ => "UDP",
            };
            let who = target.who(&others);
            let cause = format!("{who} uses this port for {name} only");
            Told::new(cause, "use the protocol that the server uses: see --udp")
        }
        Refusing::Nothing => Told::new(
            "no process on this host listens on this port",
            format!(
                "start the server, or use the port that it listens on; list what uses this one: sockdoc \
                 sockets :{port}; all listeners: sockdoc sockets -l"
            ),
        ),
    }
}

/// Why nothing answered the attempt to connect.
pub fn silent(target: &Target<'_>) -> Option<Told> {
    let to = (target.to.ip(), target.to.port());
    let listeners = target.index.listeners(target.proto, target.netns, to);
    let first = *listeners.first()?;
    let who = target.who(&listeners);
    let stopped = target.stopped(&listeners);
    if let Some(finding) = target.finding(first) {
        return Some(Target::of_finding(&finding, &who, stopped));
    }
    Told::new(
        format!(
            "{who} listens there and its accept queue has room, so packets are dropped on this host, \
             most often by a firewall rule"
        ),
        "list the rules: nft list ruleset",
    )
}

impl Target<'_> {
    /// Whether a socket in the namespace of the address listens on the port.
    pub fn is_near(&self) -> bool {
        matches!(
            self.refusing(),
            Refusing::Listening(_) | Refusing::Elsewhere(_)
        )
    }

    /// What the sockets show of the port.
    pub fn refusing(&self) -> Refusing {
        let (ip, port) = (self.to.ip().to_canonical(), self.to.port());
        let all: Vec<SocketAt> = self.at_port(self.proto).collect();
        let here = |at: &SocketAt| self.index.socket(*at).netns == self.netns;
        let near: Vec<SocketAt> = all.iter().copied().filter(here).collect();
        let listening = self.index.listeners(self.proto, self.netns, (ip, port));
        if !listening.is_empty() {
            return Refusing::Listening(near);
        }
        if !near.is_empty() {
            return Refusing::Elsewhere(near);
        }
        if let Some(first) = all.first() {
            return Refusing::OtherNamespace(*first);
        }
        let other = match self.proto {
            Proto::Udp => Proto::Tcp,
            _ => Proto::Udp,
        };
        let others: Vec<SocketAt> = self.at_port(other).filter(here).collect();
        if others.is_empty() {
            Refusing::Nothing
        } else {
            Refusing::OtherProtocol(others)
        }
    }

    /// Why nothing came back on a connection that was made; `local` is our end.
    pub fn unanswered(&self, local: SocketAddr) -> Option<Told> {
        let index = self.index;
        let ours = index.sample().places().find(|at| {
            let socket = index.socket(*at);
            socket.proto == self.proto
                && socket.local.end() == Some((local.ip().to_canonical(), local.port()))
                && socket.peer.end() == Some((self.to.ip().to_canonical(), self.to.port()))
        })?;
        let theirs = index.other_end(ours)?;
        let mut holding = vec![theirs];
        if index.processes(&holding).is_empty() {
            holding.extend(index.listeners_of(theirs));
        }
        let (who, stopped) = (self.who(&holding), self.stopped(&holding));
        if let Some(finding) = self.finding(theirs) {
            return Some(Self::of_finding(&finding, &who, stopped));
        }
        if let Some(pid) = stopped {
            return Some(stopped_process(&who, pid));
        }
        let socket = index.socket(theirs);
        // Without an inode: no descriptor was made for it yet.
        if socket.inode == 0 && socket.state == State::Established {
            return Told::new(
                format!("{who} has not accepted the connection"),
                trace(index, &holding),
            );
        }
        if socket.recv_q > 0 {
            return Told::new(
                format!(
                    "{who} has not read {} bytes of what was sent",
                    socket.recv_q
                ),
                trace(index, &holding),
            );
        }
        Told::new(
            format!("{who} has read all that was sent, and has not answered"),
            format!(
                "does it wait for more, such as a line end? {}",
                trace(index, &holding)
            ),
        )
    }

    fn of_finding(finding: &Finding, who: &str, stopped: Option<u32>) -> Told {
        if let Some(pid) = stopped {
            return stopped_process(&format!("{}; {who}", finding.headline), pid);
        }
        let mut next = String::new();
        for step in finding.next.iter().take(2) {
            match step {
                NextStep::Command(command) => next += &command.0.join(" "),
                NextStep::Sentence(text) if next.is_empty() => next += text,
                // What the command is for.
                NextStep::Sentence(text) => {
                    let mut letters = text.trim_end_matches('.').chars();
                    let first = letters.next().into_iter().flat_map(char::to_lowercase);
                    let _ = write!(next, " ({}{})", first.collect::<String>(), letters.as_str());
                }
            }
        }
        Told {
            cause: format!("{who}: {}", finding.headline),
            next,
        }
    }

    /// The worst that the rules find of a socket.
    fn finding(&self, at: SocketAt) -> Option<Finding> {
        super::about(&Case::new(self.index), at).into_iter().next()
    }

    fn at_port(&self, proto: Proto) -> impl Iterator<Item = SocketAt> + '_ {
        let index = self.index;
        let port = u32::from(self.to.port());
        index.sample().places().filter(move |at| {
            let socket = index.socket(*at);
            socket.proto == proto && is_listening(socket) && socket.local.port() == Some(port)
        })
    }

    fn stopped(&self, sockets: &[SocketAt]) -> Option<u32> {
        let processes = self.index.processes(sockets).into_iter();
        let mut pids = processes.map(|at| self.index.sample().process(at).pid);
        pids.find(|pid| (self.is_stopped)(*pid))
    }

    fn who(&self, sockets: &[SocketAt]) -> String {
        let mut who = who(self.index, sockets);
        if self.netns != 0 {
            let _ = write!(who, " (network namespace {})", self.label(self.netns));
        }
        who
    }

    fn label(&self, netns: u16) -> &str {
        let namespaces = &self.index.sample().namespaces;
        match namespaces
            .get(usize::from(netns))
            .map(|it| it.label.as_str())
        {
            Some("") | None => "the one that sockdoc runs in",
            Some(label) => label,
        }
    }
}

fn stopped_process(who: &str, pid: u32) -> Told {
    Told {
        cause: format!("{who} is stopped (by a signal or a debugger)"),
        next: format!("let it go on: kill -CONT {pid}"),
    }
}

fn trace(index: &Index<'_>, sockets: &[SocketAt]) -> String {
    match index.processes(sockets).first() {
        Some(at) => format!(
            "see what it does: strace -f -p {}",
            index.sample().process(*at).pid
        ),
        None => match sockets
            .first()
            .and_then(|at| index.socket(*at).local.port())
        {
            Some(port) => {
                format!("see which process it is, as root: sockdoc sockets --problems :{port}")
            }
            None => "see which process it is, as root: sockdoc sockets --problems".to_owned(),
        },
    }
}

/// The processes that hold any of these sockets: `python3 (pid 4711)`.
pub fn who(index: &Index<'_>, sockets: &[SocketAt]) -> String {
    let processes = index.processes(sockets);
    let mut processes: Vec<_> = processes
        .iter()
        .map(|at| index.sample().process(*at))
        .collect();
    processes.sort_by_key(|process| process.pid);
    let named: Vec<String> = processes
        .iter()
        .map(|process| {
            let name = String::from_utf8_lossy(&process.comm);
            format!("{} (pid {})", name.escape_debug(), process.pid)
        })
        .collect();
    match named.len() {
        0 => "a process that is not visible from here".to_owned(),
        _ => named.join(", "),
    }
}

fn ends(address: &Address) -> String {
    match address.end() {
        Some((ip, port)) => SocketAddr::new(ip, port).to_string(),
        None => "another address".to_owned(),
    }
}

/// What keeps an address from being bound, among sockets in all states.
pub fn held(index: &Index<'_>, wanted: SocketAddr, proto: Proto) -> Option<Told> {
    let mut holding = index.in_the_way(wanted);
    holding.retain(|at| index.socket(*at).proto == proto);
    let of = |is: &dyn Fn(&Socket) -> bool| -> Vec<SocketAt> {
        let all = holding.iter().copied();
        all.filter(|at| is(index.socket(*at))).collect()
    };
    let bound = of(&|socket| {
        proto != Proto::Tcp || matches!(socket.state, State::Listen | State::BoundInactive)
    });
    if !bound.is_empty() {
        let who = who(index, &bound);
        let stop = if index.processes(&bound).len() == 1 {
            "stop it or "
        } else {
            ""
        };
        return Told::new(
            "another socket is bound to this port",
            format!("port in use by {who}: {stop}use another port (0 picks a free one)"),
        );
    }
    let live = of(&|socket| socket.state != State::TimeWait);
    if let Some(first) = live.first() {
        let socket = index.socket(*first);
        let more = match live.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        let (from, to, who) = (ends(&socket.local), ends(&socket.peer), who(index, &live));
        return Told::new(
            format!("the connection {from} -> {to}{more} of {who} holds the port"),
            "use another port (0 picks a free one), or end that connection. Ports from \
             net.ipv4.ip_local_port_range may be taken by any outgoing connection: a server's port is \
             better outside of it",
        );
    }
    let old = of(&|socket| socket.state == State::TimeWait).len();
    if old == 0 {
        return None;
    }
    let (connections, hold) = match old {
        1 => ("1 old connection".to_owned(), "holds"),
        n => (format!("{n} old connections"), "hold"),
    };
    Told::new(
        format!(
            "{connections} in TIME_WAIT {hold} the port: the program that used it before did not set \
             SO_REUSEADDR, which both must"
        ),
        "wait until TIME_WAIT is over (60 s), or use another port; have the earlier program set \
         SO_REUSEADDR before bind()",
    )
}

/// How the local ports to one address and port are used up; `range` is `net.ipv4.ip_local_port_range`.
pub fn ports_used_up(
    index: &Index<'_>,
    to: SocketAddr,
    range: (u16, u16),
    worked: bool,
) -> Option<Told> {
    let is_to = |socket: &&Socket| {
        socket.proto == Proto::Tcp
            && socket.peer.end() == Some((to.ip().to_canonical(), to.port()))
            && (range.0..=range.1).contains(&socket.local.end().map_or(0, |end| end.1))
    };
    let all: Vec<&Socket> = index.sample().sockets.iter().filter(is_to).collect();
    let old = all
        .iter()
        .filter(|socket| socket.state == State::TimeWait)
        .count();
    let range_size = u32::from(range.1) + 1 - u32::from(range.0.min(range.1));
    let ports = format!("{range_size} local ports ({}-{})", range.0, range.1);
    let cause = match (all.len(), worked) {
        (0, false) => return None,
        // The connections that held them are closed by now, and leave no TIME_WAIT on this side.
        (0, true) => format!("all {ports} were in use at once for connections to {to}"),
        (count, _) => format!(
            "of the {ports}, {count} are in use for connections to {to}, {old} of them in TIME_WAIT"
        ),
    };
    Told::new(
        cause,
        "send many requests on one connection (--keep-open), open fewer connections a second (--rate), or \
         widen the range: sysctl net.ipv4.ip_local_port_range='10240 65535'",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Namespace, Sample};
    use crate::sockets::testing::{listener, owners, socket, tcp};

    fn sample(mut sockets: Vec<Socket>) -> Sample {
        for (inode, socket) in (7..).zip(&mut sockets) {
            if socket.state != State::TimeWait {
                socket.inode = inode;
            }
        }
        let label = |label: &str| Namespace::new(1, label);
        Sample {
            sockets,
            owners: owners(&[(42, "server", None, &[7, 8])]),
            namespaces: vec![label(""), label("blue")],
            ..Sample::default()
        }
    }

    fn told(sockets: Vec<Socket>, to: &str, ask: fn(&Target<'_>) -> Option<Told>) -> Option<Told> {
        let sample = sample(sockets);
        let index = Index::new(&sample);
        ask(&Target {
            index: &index,
            proto: Proto::Tcp,
            to: to.parse().unwrap(),
            netns: 0,
            is_stopped: |_| false,
        })
    }

    #[test]
    fn a_refusal_names_the_listener_that_is_near() {
        let refused = |sockets, to| told(sockets, to, super::refused).unwrap().cause;
        let local = || vec![listener("127.0.0.1:80")];
        assert_eq!(
            refused(local(), "10.0.0.1:80"),
            "server (pid 42) listens on 127.0.0.1:80 only"
        );
        assert_eq!(
            refused(local(), "[::1]:80"),
            "server (pid 42) listens on 127.0.0.1:80 only"
        );
        assert_eq!(
            refused(local(), "127.0.0.1:81"),
            "no process on this host listens on this port"
        );
        assert!(refused(local(), "127.0.0.1:80").contains("firewall rule"));
        let elsewhere = vec![Socket {
            netns: 1,
            ..listener("127.0.0.1:80")
        }];
        assert_eq!(
            refused(elsewhere, "127.0.0.1:80"),
            "server (pid 42) listens on this port in another network namespace, blue"
        );
        let datagrams = vec![socket(
            Proto::Udp,
            State::Unconnected,
            "0.0.0.0:80",
            "0.0.0.0:0",
        )];
        assert_eq!(
            refused(datagrams, "127.0.0.1:80"),
            "server (pid 42) uses this port for UDP only"
        );
    }

    #[test]
    fn a_silent_listener_is_full_or_behind_a_firewall() {
        let mut full = listener("127.0.0.1:80");
        (full.cookie, full.recv_q, full.send_q) = (Some(1), 2, 1);
        let silent = |socket: &Socket| told(vec![socket.clone()], "127.0.0.1:80", super::silent);
        let answer = silent(&full).unwrap();
        assert_eq!(
            answer.cause,
            "server (pid 42): accept queue full: 2 waiting, limit 1"
        );
        assert!(
            answer.next.starts_with("strace -f -p 42"),
            "{}",
            answer.next
        );
        full.recv_q = 0;
        let answer = silent(&full).unwrap();
        assert!(answer.cause.contains("firewall rule"), "{}", answer.cause);
        assert_eq!(told(vec![], "127.0.0.1:80", super::silent), None);
    }

    #[test]
    fn a_connection_without_an_answer_names_who_has_not_read() {
        let ask = |read: u32| {
            let mut theirs = tcp("127.0.0.1:80", "127.0.0.1:5000");
            theirs.recv_q = read;
            let ours = tcp("127.0.0.1:5000", "127.0.0.1:80");
            let ask = |target: &Target<'_>| target.unanswered("127.0.0.1:5000".parse().unwrap());
            told(vec![theirs, ours], "127.0.0.1:80", ask).unwrap()
        };
        assert!(
            ask(5)
                .cause
                .contains("server (pid 42) has not read 5 bytes")
        );
        assert!(ask(0).cause.contains("has read all that was sent"));
    }

    #[test]
    fn what_holds_a_port_is_a_listener_a_connection_or_time_wait() {
        let held = |sockets| {
            let sample = sample(sockets);
            let index = Index::new(&sample);
            held(&index, "127.0.0.1:80".parse().unwrap(), Proto::Tcp)
        };
        let connection = || tcp("127.0.0.1:80", "127.0.0.1:5000");
        let old = || {
            socket(
                Proto::Tcp,
                State::TimeWait,
                "127.0.0.1:80",
                "127.0.0.1:5001",
            )
        };
        let both = held(vec![listener("0.0.0.0:80"), connection(), old()]).unwrap();
        assert!(
            both.next
                .starts_with("port in use by server (pid 42): stop it"),
            "{}",
            both.next
        );
        assert_eq!(
            held(vec![connection(), old()]).unwrap().cause,
            "the connection 127.0.0.1:80 -> 127.0.0.1:5000 of server (pid 42) holds the port"
        );
        let waiting = held(vec![old()]).unwrap().cause;
        assert!(
            waiting.starts_with("1 old connection in TIME_WAIT holds the port"),
            "{waiting}"
        );
        assert_eq!(held(vec![]), None);
    }

    #[test]
    fn used_up_ports_are_counted_with_those_in_time_wait() {
        let old = |port| {
            let local = format!("127.0.0.1:{port}");
            socket(Proto::Tcp, State::TimeWait, &local, "127.0.0.1:80")
        };
        let sample = sample(vec![
            old(40_000),
            old(40_001),
            tcp("127.0.0.1:40002", "127.0.0.1:80"),
            old(9),
        ]);
        let index = Index::new(&sample);
        let cause = |to: &str, worked| {
            let to = to.parse().unwrap();
            ports_used_up(&index, to, (40_000, 40_009), worked).map(|told| told.cause)
        };
        assert_eq!(
            cause("127.0.0.1:80", true).unwrap(),
            "of the 10 local ports (40000-40009), 3 are in use for connections to 127.0.0.1:80, 2 of them \
             in TIME_WAIT"
        );
        // They are free again; without a connection that was made, another cause is as likely.
        assert_eq!(
            cause("127.0.0.1:81", true).unwrap(),
            "all 10 local ports (40000-40009) were in use at once for connections to 127.0.0.1:81"
        );
        assert_eq!(cause("127.0.0.1:81", false), None);
    }
}
