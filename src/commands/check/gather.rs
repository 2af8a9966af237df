//! What is done and looked at, in turn: the name, this host, the connections, this host again, the path.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use super::look::{MOST_ADDRESSES, Seen, Way, look, look_after, look_at_unix};
use super::proxy::Proxy;
use super::talk::{self, Talked};
use super::{Args, mtu};
use crate::check::heard::{self, Listened};
use crate::check::judge::asks_for_a_trace;
use crate::check::report::Line;
use crate::check::server::{ACCEPTS_WITHIN, unaccepted};
use crate::check::{Attempt, Layer, Outcome, Step, Target, words};
use crate::diagnose::Finding;
use crate::diagnose::rules::{attempt, path, protocol};
use crate::dns::{Lookup, Name, Query, QueryType, ServerAnswers, SystemAnswer};
use crate::error::Result;
use crate::host::{Index, Sample};
use crate::ping::mtu::Found;
use crate::reference::errno;
use crate::sockets::{Proto, TcpFigures};
use crate::sys::around::is_here;
use crate::sys::check::{self as probes, Attempts};
use crate::sys::icmp::{Options, random};
use crate::sys::idle::idle;
use crate::sys::live::answers::Answers;
use crate::sys::network::translated;
use crate::sys::resolve::lookup::{Wanted, look_up};
use crate::sys::socket;

/// How long an answer to a SYN is waited for. It is sent again after one second and after three (RFC 6298), and a
/// neighbour or a router gives a host up after three.
const WAIT: Duration = Duration::from_secs(4);
/// After one address is connected, the others have this long.
const GRACE: Duration = Duration::from_millis(1_200);
/// How long an answer to a SYN of a trace is waited for.
const PATIENCE: Duration = Duration::from_millis(900);
/// How often it is looked whether a connection has been accepted.
const TICK: Duration = Duration::from_millis(100);
/// Ports that are tried to see whether the host is up: of them at least one is open, or closed without a filter.
const OTHER_PORTS: [u16; 4] = [443, 80, 22, 33_434];

/// All that was seen.
pub(super) struct Gathered {
    pub(super) proto: Proto,
    pub(super) lookup: Option<Lookup>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) is_connected: bool,
    pub(super) before: Sample,
    pub(super) after: Seen,
    pub(super) elapsed: Duration,
    pub(super) said: Vec<(Layer, Line)>,
    pub(super) more: Vec<Finding>,
}

/// The addresses of a host with a port, and how they were found.
pub(super) fn look_for(args: &Args, host: &str, port: u16) -> Result<(Lookup, Vec<SocketAddr>)> {
    // The C library's own timeout is five seconds for each server.
    let patience = args.timeout.mul_f64(0.6);
    let lookup = look_up(&Wanted {
        name: host,
        family: args.family(),
        timeout: patience,
        asks_servers: !args.quiet_network,
        files: args.place.files()?,
    })?;
    let addresses = addresses(&lookup, port);
    Ok((lookup, addresses))
}

/// Connects to addresses.
pub(super) fn tcp(
    args: &Args,
    target: (&Target, Option<&Proxy>),
    addresses: &[SocketAddr],
    end: Instant,
) -> Result<Gathered> {
    let left = || end.saturating_duration_since(Instant::now());
    let keep = ports(addresses);
    let options = args.options()?;
    let way = Way {
        options: &options,
        protocol: 6,
    };
    let before = look(addresses, &keep, way)?;
    let began = Instant::now();
    // Some time is left for the trace.
    let wait = WAIT.min(left().mul_f64(0.75));
    let grace = if args.all_addresses { wait } else { GRACE };
    let elsewhere: Vec<IpAddr> = addresses
        .iter()
        .map(SocketAddr::ip)
        .filter(|it| !is_here(*it))
        .collect();
    let listening = (!elsewhere.is_empty()).then(|| Answers::open(&elsewhere).ok());
    let Attempts {
        mut attempts,
        mut sockets,
    } = probes::attempts(addresses, &options, wait, grace);
    for attempt in &mut attempts {
        let from = attempt.local;
        attempt.translated = from.and_then(|from| translated(6, from, attempt.to));
    }
    let first = attempts.iter().position(|it| it.outcome == Outcome::Open);
    let open = first.and_then(|at| Some((sockets[at].take()?, addresses[at])));
    let mut talked = match open {
        Some(open) => talk::talk(args, target, open, &options, end)?,
        None => Talked::default(),
    };
    let mut after = look_after(&attempts, addresses, &keep, way)?;
    while is_unaccepted(&attempts, &after) && Instant::now() < end {
        std::thread::sleep(TICK);
        after = look_after(&attempts, addresses, &keep, way)?;
    }
    let elapsed = began.elapsed();
    drop(sockets);
    talked.close();
    let (mut said, mut more) = (talked.lines, talked.findings);
    if !args.quiet_network {
        trace_failures(&mut attempts, &after.sample, &options, end);
        if let Some((line, found)) = full_size(&attempts, &after.sample, &options, end) {
            said.push((Layer::Mtu, line));
            more.extend(found);
        }
    }
    hear(&mut attempts, listening.as_ref());
    if let Some(pause) = args.idle
        && let Some(open) = attempts.iter().find(|it| it.outcome == Outcome::Open)
        && let Some(idle) = idle(open.to, &options, pause)
    {
        let found = protocol::of_idle(&idle, open.to, pause);
        let line = Line::new(words::of_idle(&idle, pause), found.is_none());
        said.push((Layer::Idle, line));
        more.extend(found);
    }
    Ok(Gathered {
        proto: Proto::Tcp,
        lookup: None,
        attempts,
        is_connected: false,
        before,
        after,
        elapsed,
        said,
        more,
    })
}

/// Adds what a packet socket saw, if one was wanted and there was one.
fn hear(attempts: &mut [Attempt], listening: Option<&Option<Answers>>) {
    let Some(listening) = listening else { return };
    let all = listening.as_ref().map(Answers::read);
    for attempt in attempts.iter_mut().filter(|it| !is_here(it.to.ip())) {
        let port = attempt.local.map(|it| it.port());
        attempt.heard = match &all {
            Some(all) => Listened::To(heard::Answers::of(all, attempt.to, port)),
            None => Listened::NotAllowed,
        };
    }
}

/// Whether a connection waits for accept() that a little later may not.
fn is_unaccepted(attempts: &[Attempt], seen: &Seen) -> bool {
    let index = Index::new(&seen.sample);
    let mut waiting = attempts.iter().filter_map(|it| unaccepted(&index, it));
    waiting.any(|at| {
        let age = TcpFigures::from(index.socket(at).tcp).last_data_sent_ms;
        age.is_some_and(|age| Duration::from_millis(age.into()) < ACCEPTS_WITHIN)
    })
}

/// Sends a datagram to addresses.
pub(super) fn udp(args: &Args, addresses: &[SocketAddr], end: Instant) -> Result<Gathered> {
    let left = end.saturating_duration_since(Instant::now());
    let keep = ports(addresses);
    let options = args.options()?;
    let way = Way {
        options: &options,
        protocol: 17,
    };
    let before = look(addresses, &keep, way)?;
    let began = Instant::now();
    let data = args.send.as_deref().map(unescaped);
    let data = data.or_else(|| datagram_of(addresses.first()?.port()));
    let wait = WAIT.min(left);
    let mut attempts = probes::datagrams(addresses, data.as_deref(), &options, wait);
    for attempt in &mut attempts {
        let from = attempt.local;
        attempt.translated = from.and_then(|from| translated(17, from, attempt.to));
    }
    let after = look_after(&attempts, addresses, &keep, way)?;
    Ok(Gathered {
        proto: Proto::Udp,
        lookup: None,
        attempts,
        is_connected: false,
        before,
        after,
        elapsed: began.elapsed(),
        said: Vec::new(),
        more: Vec::new(),
    })
}

/// What a client of a well-known port sends: a DNS query for the addresses of localhost, the request of an SNTP
/// client (RFC 4330).
fn datagram_of(port: u16) -> Option<Vec<u8>> {
    match port {
        53 => {
            let query = Query {
                id: random().map_or(1, |numbers| (numbers[0] & 0xffff) as u16),
                name: Name::new("localhost")?,
                kind: QueryType::A,
                unchecked: false,
            };
            Some(query.encode())
        }
        123 => {
            let mut request = vec![0; 48];
            request[0] = 0x23;
            Some(request)
        }
        _ => None,
    }
}

/// `\n`, `\r`, `\t`, `\\` and `\xNN` for the bytes that they stand for.
pub(super) fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(rest[..at].bytes());
        let after = &rest[at + 1..];
        let hex = after.strip_prefix('x').and_then(|it| it.get(..2));
        let hex = hex.and_then(|it| u8::from_str_radix(it, 16).ok());
        let (byte, length) = match (after.bytes().next(), hex) {
            (_, Some(byte)) => (byte, 3),
            (Some(b'n'), _) => (b'\n', 1),
            (Some(b'r'), _) => (b'\r', 1),
            (Some(b't'), _) => (b'\t', 1),
            (Some(b'0'), _) => (0, 1),
            (Some(b'\\'), _) => (b'\\', 1),
            // Anything else stands for itself.
            _ => (b'\\', 0),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend(rest.bytes());
    bytes
}

/// Whether packets of full size reach an address that is connected.
fn full_size(
    attempts: &[Attempt],
    after: &Sample,
    options: &Options,
    end: Instant,
) -> Option<(Line, Option<Finding>)> {
    let network = after.networks.first()?;
    let open = attempts.iter().find(|it| it.outcome == Outcome::Open)?;
    let step = Step::of(network, open.to.ip()).filter(|step| !step.is_local())?;
    let mtu = usize::try_from(step.link?.mtu_bytes).ok()?;
    let start = Instant::now();
    let found = mtu::search(open.to, mtu, options, end)?;
    let (text, is_good) = match &found {
        Found::Mtu {
            mtu,
            black_hole: Some(_),
            ..
        } => (
            format!("pings of up to {mtu} bytes are answered, larger ones vanish"),
            false,
        ),
        Found::Mtu {
            mtu,
            told_by: Some(by),
            ..
        } => (format!("{mtu} bytes, as {by} reports"), true),
        Found::Mtu { mtu, .. } => (format!("packets of {mtu} bytes arrive"), true),
        // Many hosts do not answer pings: silence is not a fault.
        _ => return None,
    };
    let line = Line {
        time: Some(start.elapsed()),
        ..Line::new(text, is_good)
    };
    Some((line, path::of_mtu(open.to.ip(), &found)))
}

/// Connects to a Unix socket.
pub(super) fn unix(path: &Path, end: Instant) -> Result<Gathered> {
    let before = look_at_unix(path, false)?;
    let start = Instant::now();
    let wait = WAIT.min(end.saturating_duration_since(start));
    let connected = crate::sys::unix::connect(path, &socket::Options::default(), wait);
    let took = start.elapsed();
    let after = look_at_unix(path, true)?;
    let (text, more) = match &connected {
        Ok(_) => ("accepted".to_owned(), Vec::new()),
        Err(error) => (
            match error.code.and_then(errno::by_name) {
                Some(entry) => errno::words(entry.number),
                None => error.cause.clone(),
            },
            vec![attempt::unix_failed(
                error.code,
                error.cause.clone(),
                error.next.clone(),
            )],
        ),
    };
    let line = Line {
        time: Some(took),
        ..Line::new(text, connected.is_ok())
    };
    Ok(Gathered {
        proto: Proto::UnixStr,
        lookup: None,
        attempts: Vec::new(),
        is_connected: connected.is_ok(),
        before,
        after: Seen {
            sample: after,
            ..Seen::default()
        },
        elapsed: took,
        said: vec![(Layer::Connect, line)],
        more,
    })
}

fn ports(addresses: &[SocketAddr]) -> Vec<u32> {
    addresses.iter().map(|it| it.port().into()).collect()
}

/// The addresses that programs get; if the resolver hangs, those that a name server gave us.
fn addresses(lookup: &Lookup, port: u16) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = lookup.addresses().to_vec();
    if addresses.is_empty() && lookup.system == SystemAnswer::Pending {
        let all = lookup.servers.iter().flat_map(ServerAnswers::addresses);
        addresses.extend(all.map(|ip| SocketAddr::new(ip, port)));
        addresses.dedup();
    }
    for address in &mut addresses {
        address.set_port(port);
    }
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

/// Finds out where the packets of an attempt that failed end.
fn trace_failures(attempts: &mut [Attempt], after: &Sample, options: &Options, end: Instant) {
    let Some(network) = after.networks.first() else {
        return;
    };
    let is_open = attempts.iter().any(|it| it.outcome == Outcome::Open);
    let leaves = |attempt: &Attempt| {
        let step = Step::of(network, attempt.to.ip());
        step.is_some_and(|step| !step.is_local() && step.leads_somewhere() && step.answers())
    };
    let is_refused = |it: &Attempt| it.outcome == Outcome::Refused(None);
    let failed = attempts
        .iter_mut()
        .filter(|it| (asks_for_a_trace(&it.outcome) || is_refused(it)) && leaves(it));
    // Where one address works, the others are of less interest.
    let most = if is_open { 1 } else { 2 };
    std::thread::scope(|scope| {
        for attempt in failed.take(most) {
            scope.spawn(move || {
                if is_refused(attempt) {
                    look_for_a_forger(attempt, options, end);
                } else {
                    look_for_the_end(attempt, options, end);
                }
            });
        }
    });
}

/// Ports that are tried beside one.
fn other_ports(to: SocketAddr) -> Vec<u16> {
    let ports = OTHER_PORTS.into_iter();
    ports.filter(|it| *it != to.port()).collect()
}

/// Who sent the reset: the host, or something in front of it.
fn look_for_a_forger(attempt: &mut Attempt, options: &Options, end: Instant) {
    let to = attempt.to;
    attempt.others = probes::others(to.ip(), &other_ports(to), options, PATIENCE);
    let answered = attempt.others.iter().find(|(_, answered)| *answered);
    if let Some((other, _)) = answered {
        attempt.forged = probes::forged_reset(to, *other, options, PATIENCE, end);
    }
}

/// Where the packets end, and whether other ports answer.
fn look_for_the_end(attempt: &mut Attempt, options: &Options, end: Instant) {
    let to = attempt.to;
    let is_silent = !matches!(attempt.outcome, Outcome::Rejected(_));
    std::thread::scope(|scope| {
        let others = is_silent
            .then(|| scope.spawn(|| probes::others(to.ip(), &other_ports(to), options, PATIENCE)));
        attempt.trace = probes::trace(to, options, PATIENCE, end);
        attempt.others = others.and_then(|it| it.join().ok()).unwrap_or_default();
    });
}
