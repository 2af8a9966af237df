//! The questions that are asked of a sample, each answered in this one place.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use super::pairs::{self, Pairs};
use super::sample::{ProcessAt, Sample, SocketAt};
use crate::sockets::change::was_refused;
use crate::sockets::filter::is_listening;
use crate::sockets::{Address, Owner, Proto, Socket, State, TcpFigures, TimerKind};

/// Answers about a sample. What a question needs is put together when it is asked for the first time.
#[derive(Debug)]
pub struct Index<'a> {
    sample: &'a Sample,
    pairs: OnceCell<Pairs>,
    listeners: OnceCell<HashMap<(Proto, u16, u32), Vec<SocketAt>>>,
    held: OnceCell<HashMap<ProcessAt, Vec<SocketAt>>>,
    unaccepted: OnceCell<HashMap<SocketAt, Vec<SocketAt>>>,
    closing: OnceCell<HashMap<Closer, Vec<u32>>>,
    waiting: OnceCell<Waiting>,
    refused: OnceCell<Vec<SocketAt>>,
}

/// The connections that wait, by the network namespace that they are in and the address of their peer.
pub type Waiting = BTreeMap<(u16, IpAddr), Vec<SocketAt>>;

/// No more peers than these are told apart as waited for.
const MOST_PEERS: usize = 256;

/// Who has to close a connection: the first process that holds it, or otherwise that of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Closer {
    Process(ProcessAt),
    Port(u16, Option<u32>),
}

/// Whether a socket that the query does not select may answer a question about another one. `pairs`: who is at
/// the other end is asked of every socket, not only of those with findings.
pub fn answers_about_others(socket: &Socket, pairs: bool) -> bool {
    let is_asked_by_rules = socket.proto == Proto::Tcp
        && matches!(
            socket.state,
            State::Listen | State::Established | State::CloseWait | State::FinWait2
        );
    is_asked_by_rules || (pairs && (pairs::may_be_other_end(socket) || is_listening(socket)))
}

impl<'a> Index<'a> {
    /// Costs nothing yet.
    pub fn new(sample: &'a Sample) -> Self {
        Index {
            sample,
            pairs: OnceCell::new(),
            listeners: OnceCell::new(),
            held: OnceCell::new(),
            unaccepted: OnceCell::new(),
            closing: OnceCell::new(),
            waiting: OnceCell::new(),
            refused: OnceCell::new(),
        }
    }

    /// The same, where connections to these addresses, each of a network namespace, were tried and failed: their
    /// sockets may be gone, and [`Index::waiting`] has the addresses all the same.
    pub fn after_attempts(sample: &'a Sample, to: &[(u16, IpAddr)]) -> Self {
        let index = Index::new(sample);
        let mut waiting = index.waiting().clone();
        for key in to {
            waiting.entry(*key).or_default();
        }
        Index {
            waiting: OnceCell::from(waiting),
            ..Index::new(sample)
        }
    }

    /// What it is about.
    pub fn sample(&self) -> &'a Sample {
        self.sample
    }

    /// The socket at a place.
    pub fn socket(&self, at: SocketAt) -> &'a Socket {
        self.sample.socket(at)
    }

    /// The socket at the other end, in the same network namespace or otherwise in another one of this host. A
    /// TCP socket connected to itself is its own other end. A Unix socket without a peer of its own (a
    /// server of datagrams) has one if it has just one client.
    pub fn other_end(&self, at: SocketAt) -> Option<SocketAt> {
        let pairs = self.pairs.get_or_init(|| Pairs::new(&self.sample.sockets));
        let other = pairs.other_end(at.0 as usize)?;
        u32::try_from(other).ok().map(SocketAt)
    }

    /// The sockets that accept packets for an address and port: those at that very address, or otherwise those at all
    /// addresses. Several share a port by `SO_REUSEPORT`.
    pub fn listeners(&self, proto: Proto, netns: u16, (ip, port): (IpAddr, u16)) -> Vec<SocketAt> {
        let at_port = self.at_port(proto, netns, port).iter().copied();
        let mut taking: Vec<SocketAt> = at_port.filter(|at| self.socket(*at).takes(ip)).collect();
        let ip = ip.to_canonical();
        let is_specific = |at: &SocketAt| self.socket(*at).local.ip() == Some(ip);
        if taking.iter().any(is_specific) {
            taking.retain(is_specific);
        }
        taking
    }

    /// The listeners of a socket's own address and port.
    pub fn listeners_of(&self, at: SocketAt) -> Vec<SocketAt> {
        let socket = self.socket(at);
        let end = socket.local.end();
        end.map_or_else(Vec::new, |to| {
            self.listeners(socket.proto, socket.netns, to)
        })
    }

    fn at_port(&self, proto: Proto, netns: u16, port: u16) -> &[SocketAt] {
        let listeners = self.listeners.get_or_init(|| {
            let mut by_port: HashMap<_, Vec<SocketAt>> = HashMap::new();
            for (at, socket) in self.sample.places().zip(&self.sample.sockets) {
                if is_listening(socket)
                    && let Some(port) = socket.local.port()
                {
                    let key = (socket.proto, socket.netns, port);
                    by_port.entry(key).or_default().push(at);
                }
            }
            by_port
        });
        let key = (proto, netns, u32::from(port));
        listeners.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The sockets that keep an address from being bound: `EADDRINUSE`.
    ///
    /// A socket on `::` takes IPv4 too unless it says otherwise. Where that is not known (/proc/net) it is
    /// in the way of an IPv4 address only if no IPv4 socket is, which could not be there beside it.
    pub fn in_the_way(&self, wanted: SocketAddr) -> Vec<SocketAt> {
        let holds = |at: &SocketAt, cross: bool| {
            let socket = self.socket(*at);
            let same_family = socket
                .local
                .ip()
                .is_some_and(|ip| ip.is_ipv4() == wanted.ip().to_canonical().is_ipv4());
            cross != same_family && overlap(socket, wanted)
        };
        let places = || self.sample.places();
        let mut found: Vec<SocketAt> = places().filter(|at| holds(at, false)).collect();
        let known = |at: &SocketAt| self.socket(*at).v6_only.is_some();
        let cross = wanted.is_ipv6() || found.is_empty();
        found.extend(places().filter(|at| (cross || known(at)) && holds(at, true)));
        found
    }

    /// The descriptors that hold a socket, by process and number.
    pub fn owners(&self, at: SocketAt) -> &'a [Owner] {
        self.sample.owners.of(self.socket(at).inode)
    }

    /// The processes that hold any of these sockets, each once.
    pub fn processes(&self, sockets: &[SocketAt]) -> Vec<ProcessAt> {
        let owners = sockets.iter().flat_map(|at| self.owners(*at));
        let mut processes: Vec<ProcessAt> = owners.map(|owner| ProcessAt(owner.process)).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    /// What else a process holds.
    pub fn held_by(&self, process: ProcessAt) -> &[SocketAt] {
        let held = self.held.get_or_init(|| {
            let mut held: HashMap<ProcessAt, Vec<SocketAt>> = HashMap::new();
            for at in self.sample.places() {
                for process in self.processes(&[at]) {
                    held.entry(process).or_default().push(at);
                }
            }
            held
        });
        held.get(&process).map_or(&[], Vec::as_slice)
    }
}

impl Index<'_> {
    /// The connections that wait to be accepted at the address of a listener, in the order of the sample.
    /// Listeners that share an address by `SO_REUSEPORT` have these in common: the kernel does not tell
    /// which of them holds a connection.
    pub fn unaccepted(&self, listener: SocketAt) -> &[SocketAt] {
        let all = self.unaccepted.get_or_init(|| self.find_unaccepted());
        let door = self.door(listener);
        door.and_then(|door| all.get(&door))
            .map_or(&[], Vec::as_slice)
    }

    fn find_unaccepted(&self) -> HashMap<SocketAt, Vec<SocketAt>> {
        let mut all: HashMap<SocketAt, Vec<SocketAt>> = HashMap::new();
        for at in self.sample.places() {
            if is_unaccepted(self.socket(at))
                && let Some(door) = self.door(at)
            {
                all.entry(door).or_default().push(at);
            }
        }
        all
    }

    /// The first of the listeners at the address of a socket.
    fn door(&self, at: SocketAt) -> Option<SocketAt> {
        if let Address::Unix { name, .. } = &self.socket(at).local {
            return self.by_name(name);
        }
        self.listeners_of(at).first().copied()
    }

    /// The listening Unix socket of a name. Those of one name are few: the kernel lets only one be
    /// bound to it, and the others were unlinked.
    fn by_name(&self, name: &[u8]) -> Option<SocketAt> {
        let listens = |socket: &Socket| {
            socket.proto.is_unix()
                && socket.state == State::Listen
                && matches!(&socket.local, Address::Unix { name: own, .. } if **own == *name)
        };
        let mut sockets = self.sample.places().zip(&self.sample.sockets);
        let found = sockets.find(|(_, socket)| listens(socket) && !name.is_empty());
        found.map(|(at, _)| at)
    }

    /// For how long the connections of the process that holds this one have been in CLOSE-WAIT, in
    /// milliseconds since the last ACK, the youngest first; without those whose peer waits for an answer.
    pub fn closing(&self, at: SocketAt) -> &[u32] {
        let all = self.closing.get_or_init(|| self.find_closing());
        all.get(&self.closer(at)).map_or(&[], Vec::as_slice)
    }

    fn find_closing(&self) -> HashMap<Closer, Vec<u32>> {
        let mut all: HashMap<Closer, Vec<u32>> = HashMap::new();
        for at in self.sample.places() {
            let socket = self.socket(at);
            let age = TcpFigures::from(socket.tcp).last_ack_recv_ms;
            if let Some(age) = age.filter(|_| socket.state == State::CloseWait)
                && socket.inode != 0
                && self.half_closed_by(at).is_none()
            {
                all.entry(self.closer(at)).or_default().push(age);
            }
        }
        for ages in all.values_mut() {
            ages.sort_unstable();
        }
        all
    }

    fn closer(&self, at: SocketAt) -> Closer {
        let socket = self.socket(at);
        match self.owners(at).first() {
            Some(owner) => Closer::Process(ProcessAt(owner.process)),
            None => Closer::Port(socket.netns, socket.local.port()),
        }
    }

    /// The peer of a connection in CLOSE-WAIT, if it is on this host and waits for an answer: it has called
    /// `shutdown()` and not `close()`.
    pub fn half_closed_by(&self, at: SocketAt) -> Option<SocketAt> {
        let other = self.other_end(at)?;
        let peer = self.socket(other);
        (peer.state == State::FinWait2 && peer.inode != 0).then_some(other)
    }

    /// The connections to the address of a socket, from its network namespace, that were refused between two
    /// samples.
    pub fn refused_at(&self, at: SocketAt) -> impl Iterator<Item = SocketAt> {
        let refused = self.refused.get_or_init(|| {
            let places = self.sample.places();
            places.filter(|at| was_refused(self.socket(*at))).collect()
        });
        let socket = self.socket(at);
        let is_for_it = move |client: &Socket| {
            client.netns == socket.netns
                && client.peer.port() == socket.local.port()
                && client.peer.ip().is_some_and(|ip| socket.takes(ip))
        };
        let refused = refused.iter().copied();
        refused.filter(move |client| is_for_it(self.socket(*client)))
    }

    /// The peers whose connections wait for an answer: nothing came back for what was sent, and it was sent
    /// again. Not those at a loopback address.
    pub fn waiting(&self) -> &Waiting {
        self.waiting.get_or_init(|| {
            let mut waiting = Waiting::new();
            for (at, socket) in self.sample.places().zip(&self.sample.sockets) {
                let Some(to) = socket.peer.ip() else { continue };
                if !waits_for_an_answer(socket) || to.is_loopback() {
                    continue;
                }
                let key = (socket.netns, to);
                if waiting.len() < MOST_PEERS || waiting.contains_key(&key) {
                    waiting.entry(key).or_default().push(at);
                }
            }
            waiting
        })
    }

    /// The peers with which handshakes are going on, by network namespace and address, each once; not those at a
    /// loopback address, and no more than are told apart as waited for.
    pub fn shaking_hands(&self) -> Vec<(u16, IpAddr)> {
        let is_one = |socket: &&Socket| {
            socket.proto == Proto::Tcp && matches!(socket.state, State::SynSent | State::SynRecv)
        };
        let sockets = self.sample.sockets.iter().filter(is_one);
        let peers = sockets.filter_map(|socket| Some((socket.netns, socket.peer.ip()?)));
        let mut peers: Vec<(u16, IpAddr)> = peers.filter(|(_, ip)| !ip.is_loopback()).collect();
        peers.sort_unstable();
        peers.dedup();
        peers.truncate(MOST_PEERS);
        peers
    }

    /// Whether what a connection sent was sent again and not answered.
    pub fn waits(&self, at: SocketAt) -> bool {
        waits_for_an_answer(self.socket(at))
    }

    /// The processes that may keep others waiting, or wait for others: a connection waits at one of their listeners,
    /// data that is older than a second is unread, or datagrams between Unix sockets are. In order, and at most
    /// `most` of them.
    pub fn in_trouble(&self, most: usize) -> Vec<ProcessAt> {
        let waits = |at: &SocketAt| {
            let socket = self.socket(*at);
            let old = |age: Option<u32>| age.is_some_and(|age| age > 1_000);
            if socket.proto == Proto::UnixDgr {
                return socket.inode != 0 && (socket.recv_q > 0 || socket.send_q > 0);
            }
            socket.inode != 0
                && socket.recv_q > 0
                && match socket.state {
                    State::Listen => socket.proto.is_connected(),
                    State::Established | State::CloseWait => {
                        old(TcpFigures::from(socket.tcp).last_data_recv_ms)
                    }
                    _ => false,
                }
        };
        let sockets: Vec<SocketAt> = self.sample.places().filter(waits).collect();
        let mut processes = self.processes(&sockets);
        processes.truncate(most);
        processes
    }
}

/// Whether what a connection sent was sent again and not answered.
fn waits_for_an_answer(socket: &Socket) -> bool {
    let figures = TcpFigures::from(socket.tcp);
    let timer = socket.timer;
    let repeated = timer
        .map(|timer| timer.retransmits)
        .max(figures.retransmits)
        >= Some(1);
    let is_probing = timer.is_some_and(|timer| {
        timer.retransmits >= 2 && matches!(timer.kind, TimerKind::Persist | TimerKind::Keepalive)
    });
    let is_sending = timer.is_some_and(|timer| timer.kind == TimerKind::Retransmit);
    socket.proto == Proto::Tcp
        && !matches!(
            socket.state,
            State::Listen | State::TimeWait | State::SynRecv
        )
        && (is_probing || (is_sending && repeated))
}

/// Whether it is a connection that no program has accepted yet: it has no inode.
fn is_unaccepted(socket: &Socket) -> bool {
    let waits = match socket.proto {
        Proto::Tcp => matches!(socket.state, State::Established | State::CloseWait),
        Proto::UnixStr | Proto::UnixSeq => socket.state == State::Established,
        _ => false,
    };
    waits && socket.inode == 0
}

/// Whether a socket's address and one that is to be bound get in each other's way.
fn overlap(held: &Socket, wanted: SocketAddr) -> bool {
    let Some((ip, port)) = held.local.end() else {
        return false;
    };
    let wanted_ip = wanted.ip().to_canonical();
    if port != wanted.port() {
        return false;
    }
    let is_any = |ip: IpAddr| ip.is_unspecified();
    match (ip, wanted_ip) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
            ip == wanted_ip || is_any(ip) || is_any(wanted_ip)
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => is_any(ip) && held.v6_only != Some(true),
        (IpAddr::V4(_), IpAddr::V6(_)) => is_any(wanted_ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::testing::{ip, listener, owners, socket, tcp, unix};

    fn sample(sockets: Vec<Socket>) -> Sample {
        Sample {
            sockets,
            ..Sample::default()
        }
    }

    fn v6_only(local: &str, v6_only: bool) -> Socket {
        Socket {
            v6_only: Some(v6_only),
            ..listener(local)
        }
    }

    fn listening(sample: &Sample, to: &str) -> Vec<u32> {
        let to = ip(to).end().unwrap();
        let found = Index::new(sample).listeners(Proto::Tcp, 0, to);
        found.into_iter().map(|at| at.0).collect()
    }

    #[test]
    fn the_listener_of_the_very_address_comes_before_those_of_all() {
        let elsewhere = Socket {
            netns: 1,
            ..listener("127.0.0.1:80")
        };
        let sample = sample(vec![
            listener("0.0.0.0:80"),
            listener("127.0.0.1:80"),
            listener("127.0.0.1:80"),
            listener("127.0.0.1:81"),
            elsewhere,
            tcp("127.0.0.1:80", "127.0.0.1:5000"),
            socket(Proto::Udp, State::Unconnected, "127.0.0.1:80", "0.0.0.0:0"),
        ]);
        assert_eq!(listening(&sample, "127.0.0.1:80"), [1, 2]);
        assert_eq!(listening(&sample, "[::ffff:127.0.0.1]:80"), [1, 2]);
        assert_eq!(listening(&sample, "10.0.0.1:80"), [0]);
        assert_eq!(listening(&sample, "10.0.0.1:81"), [0; 0]);
        assert_eq!(listening(&sample, "[::1]:80"), [0; 0]);
    }

    #[test]
    fn a_listener_on_all_ipv6_addresses_takes_ipv4_unless_it_is_of_ipv6_only() {
        let dual = sample(vec![v6_only("[::]:80", false)]);
        let unknown = sample(vec![listener("[::]:80")]);
        let only = sample(vec![v6_only("[::]:80", true)]);
        for sample in [&dual, &unknown] {
            assert_eq!(listening(sample, "127.0.0.1:80"), [0]);
        }
        assert_eq!(listening(&only, "127.0.0.1:80"), [0; 0]);
        assert_eq!(listening(&only, "[::1]:80"), [0]);
    }

    fn held(wanted: &str, sockets: Vec<Socket>) -> Vec<u32> {
        let sample = sample(sockets);
        let found = Index::new(&sample).in_the_way(wanted.parse().unwrap());
        found.into_iter().map(|at| at.0).collect()
    }

    #[test]
    fn an_address_that_does_not_overlap_is_not_in_the_way() {
        let both = || vec![listener("127.0.0.1:80"), listener("127.0.0.2:80")];
        assert_eq!(held("127.0.0.2:80", both()), [1]);
        assert_eq!(held("[::ffff:127.0.0.2]:80", both()), [1]);
        assert_eq!(held("0.0.0.0:80", both()), [0, 1]);
        assert_eq!(held("127.0.0.2:81", both()), [0; 0]);
        assert_eq!(held("[::1]:80", vec![listener("0.0.0.0:80")]), [0; 0]);
        assert_eq!(held("127.0.0.1:80", vec![listener("[::1]:80")]), [0; 0]);
    }

    #[test]
    fn a_socket_on_all_ipv6_addresses_is_in_the_way_of_ipv4_if_it_takes_it() {
        let wanted = "127.0.0.1:80";
        assert_eq!(held(wanted, vec![listener("[::]:80")]), [0]);
        assert_eq!(held(wanted, vec![v6_only("[::]:80", true)]), [0; 0]);
        // Of IPv6 only, or the other one could not be there.
        let beside = |six| vec![six, listener("0.0.0.0:80")];
        assert_eq!(held(wanted, beside(listener("[::]:80"))), [1]);
        assert_eq!(held(wanted, beside(v6_only("[::]:80", true))), [1]);
        let both = vec![listener("127.0.0.1:80"), listener("[::1]:80")];
        assert_eq!(held("[::]:80", both), [1, 0]);
    }

    #[test]
    fn the_other_end_and_its_processes_are_found() {
        let mut ends = [
            tcp("127.0.0.1:80", "127.0.0.1:5000"),
            tcp("127.0.0.1:5000", "127.0.0.1:80"),
        ];
        (ends[0].inode, ends[1].inode) = (7, 8);
        let mut sample = sample(ends.into());
        sample.owners = owners(&[(10, "server", None, &[7]), (20, "client", None, &[8])]);
        let index = Index::new(&sample);
        assert_eq!(index.other_end(SocketAt(0)), Some(SocketAt(1)));
        let processes = index.processes(&[SocketAt(1), SocketAt(1)]);
        assert_eq!(processes, [ProcessAt(1)]);
        assert_eq!(sample.process(processes[0]).pid, 20);
        assert_eq!(index.held_by(ProcessAt(1)), [SocketAt(1)]);
        assert_eq!(index.held_by(ProcessAt(9)), []);
    }

    #[test]
    fn what_may_answer_about_others_is_kept() {
        let listener = listener("127.0.0.1:80");
        let datagrams = unix(Proto::UnixDgr, State::Unconnected, b"/run/x", 7, 0);
        let old = socket(Proto::Tcp, State::TimeWait, "127.0.0.1:1", "127.0.0.1:2");
        for (socket, by_rules, with_pairs) in [
            (&listener, true, true),
            (&datagrams, false, true),
            (&old, false, false),
        ] {
            assert_eq!(answers_about_others(socket, false), by_rules);
            assert_eq!(answers_about_others(socket, true), with_pairs);
        }
        assert!(matches!(listener.peer, Address::Ip { .. }));
    }
}
