//! What happened between two samples of a host.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::index::Index;
use super::sample::{Sample, SocketAt};
use super::traced::Traced;
use crate::sockets::change::{Change, is_closed};
use crate::sockets::number_hash::{NumberMap, NumberSet};
use crate::sockets::{Proto, Socket, State};

const NONE: u32 = u32::MAX;

/// Two samples of a host, the sockets of the later one joined with those of the earlier one.
///
/// A socket is the same if its cookie is, which the kernel gives once; from /proc/net, which has none, if
/// its inode and protocol are. A connection that closed in between is in the later sample as a TCP socket
/// without a state, with the figures that it had in the end: see [`is_closed`].
#[derive(Debug)]
pub struct Delta<'a> {
    before: Index<'a>,
    after: &'a Index<'a>,
    elapsed: Duration,
    /// By place in the later sample; [`NONE`]: it is new.
    earlier: Vec<u32>,
    accepted: OnceCell<HashMap<SocketAt, u64>>,
    stuck: OnceCell<HashSet<SocketAt>>,
    traced: OnceCell<Vec<Option<Traced>>>,
}

/// Puts the connections that closed between two samples into the later one, with the inode and user that
/// the earlier one has of them: a closing socket has lost both. Gives back those that are listed in the later
/// sample: they closed only after it was taken.
pub fn join_closed(before: &Sample, after: &mut Sample, closed: Vec<Socket>) -> Vec<Socket> {
    let whole = |socket: &&Socket| tcp_is_known(socket);
    let listed: NumberSet<u64> = (after.sockets.iter().filter(whole))
        .filter_map(|socket| socket.cookie)
        .collect();
    let known = before.sockets.iter();
    let known: NumberMap<u64, &Socket> = known
        .filter_map(|socket| Some((socket.cookie?, socket)))
        .collect();
    let mut late = Vec::new();
    for mut socket in closed {
        let Some(cookie) = socket.cookie else {
            continue;
        };
        if listed.contains(&cookie) {
            late.push(socket);
            continue;
        }
        if let Some(earlier) = known.get(&cookie) {
            (socket.inode, socket.uid) = (earlier.inode, earlier.uid);
        }
        after.sockets.push(socket);
    }
    if before.owners.were_sought() && after.owners.were_sought() {
        let later = std::mem::take(&mut after.owners);
        after.owners = before.owners.clone().and_later(later);
    }
    late
}

/// Whether it is a connection that still is one, and not what is left of it in TIME-WAIT.
fn tcp_is_known(socket: &Socket) -> bool {
    let details = socket.details.as_ref();
    details.is_some_and(|details| details.tcp.is_some())
}

impl<'a> Delta<'a> {
    /// Joins two samples. `elapsed`: the time between them by a monotonic clock.
    pub fn new(before: Index<'a>, after: &'a Index<'a>, elapsed: Duration) -> Delta<'a> {
        let netns = namespaces(&before, after);
        let mut places: NumberMap<u64, u32> = NumberMap::default();
        let sockets = || (0..NONE).zip(&before.sample().sockets);
        for (place, socket) in sockets() {
            places.insert(key(socket), place);
        }
        let find = |socket: &Socket| {
            let place = *places.get(&key(socket))?;
            let earlier = &before.sample().sockets[place as usize];
            let same = earlier.proto == socket.proto
                && earlier.cookie.is_some() == socket.cookie.is_some()
                && netns.get(usize::from(earlier.netns)) == Some(&socket.netns);
            same.then_some(place)
        };
        let sockets = after.sample().sockets.iter();
        let earlier = sockets.map(|socket| find(socket).unwrap_or(NONE)).collect();
        Delta {
            before,
            after,
            elapsed,
            earlier,
            accepted: OnceCell::new(),
            stuck: OnceCell::new(),
            traced: OnceCell::new(),
        }
    }

    /// The time between the samples.
    pub fn span(&self) -> Duration {
        self.elapsed
    }

    /// The earlier sample.
    pub fn before(&self) -> &Index<'a> {
        &self.before
    }

    /// What the kernel told of a namespace in this time, if it was traced.
    pub fn traced(&self, netns: u16) -> Option<&Traced> {
        let all = self.traced.get_or_init(|| {
            let (before, after) = (self.before.sample(), self.after.sample());
            let both = before.networks.iter().zip(&after.networks);
            both.map(|(before, after)| Some(after.traced.as_ref()?.since(before.traced.as_ref()?)))
                .collect()
        });
        all.get(usize::from(netns))?.as_ref()
    }

    /// A count in this time as a rate; `None` if no time passed.
    #[expect(clippy::cast_precision_loss, reason = "a rate is not exact")]
    pub fn per_second(&self, count: u64) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        (seconds > 0.0).then(|| count as f64 / seconds)
    }

    /// A socket as it was before; `None` if it is new.
    pub fn earlier(&self, at: SocketAt) -> Option<&'a Socket> {
        Some(self.before.socket(self.place_before(at)?))
    }

    fn place_before(&self, at: SocketAt) -> Option<SocketAt> {
        let place = *self.earlier.get(at.0 as usize)?;
        (place != NONE).then_some(SocketAt(place))
    }

    /// How far the counters of a socket went.
    pub fn change(&self, at: SocketAt) -> Change {
        Change {
            accepts: self.accepts(at),
            ..Change::between(self.earlier(at), self.after.socket(at))
        }
    }

    /// Connections that a TCP listener accepted in this time.
    ///
    /// The kernel does not count them. They are the connections that have an owner now and had none
    /// before, and those that came and closed in between.
    fn accepts(&self, at: SocketAt) -> Option<u64> {
        let socket = self.after.socket(at);
        if socket.proto != Proto::Tcp || socket.state != State::Listen {
            return None;
        }
        let accepted = self.accepted.get_or_init(|| self.count_accepted());
        Some(accepted.get(&at).copied().unwrap_or(0))
    }

    fn count_accepted(&self) -> HashMap<SocketAt, u64> {
        let mut accepted = HashMap::new();
        for at in self.after.sample().places() {
            let socket = self.after.socket(at);
            let connected = socket.proto == Proto::Tcp
                && !matches!(
                    socket.state,
                    State::Listen | State::BoundInactive | State::TimeWait | State::SynSent
                );
            let had_owner = self.earlier(at).is_some_and(|before| before.inode != 0);
            // One that closed has an inode only if it was there before.
            let is_accepted = socket.inode != 0 || is_closed(socket);
            if !connected || had_owner || !is_accepted {
                continue;
            }
            if let Some(listener) = self.listener_of(at) {
                *accepted.entry(listener).or_default() += 1;
            }
        }
        accepted
    }

    /// The listener from which a connection came: of several the one that shares a process with it.
    fn listener_of(&self, at: SocketAt) -> Option<SocketAt> {
        let listeners = self.after.listeners_of(at);
        if listeners.len() <= 1 {
            return listeners.first().copied();
        }
        let own = self.after.processes(&[at]);
        let shares = |listener: &&SocketAt| {
            let of_it = self.after.processes(&[**listener]);
            of_it.iter().any(|process| own.contains(process))
        };
        listeners.iter().find(shares).or(listeners.first()).copied()
    }

    /// Whether all connections that waited at a listener before wait there still: connections are accepted
    /// in the order in which they came. `false` if none waited.
    pub fn none_accepted(&self, listener: SocketAt) -> bool {
        let stuck = self.stuck.get_or_init(|| {
            let places = self.after.sample().places();
            places.filter(|at| self.all_wait_still(*at)).collect()
        });
        stuck.contains(&listener)
    }

    fn all_wait_still(&self, listener: SocketAt) -> bool {
        if self.after.socket(listener).state != State::Listen {
            return false;
        }
        let Some(before) = self.place_before(listener) else {
            return false;
        };
        // In the order of the sample.
        let waited = self.before.unaccepted(before);
        let wait = self.after.unaccepted(listener).iter();
        let still = wait.filter(|at| {
            let earlier = self.place_before(**at);
            earlier.is_some_and(|earlier| waited.binary_search(&earlier).is_ok())
        });
        !waited.is_empty() && still.count() == waited.len()
    }
}

/// What the namespaces of the earlier sample are in the later one, by their inodes.
fn namespaces(before: &Index<'_>, after: &Index<'_>) -> Vec<u16> {
    let later = &after.sample().namespaces;
    let earlier = &before.sample().namespaces;
    if earlier.is_empty() {
        // A sample without a list is of one namespace.
        return vec![0];
    }
    let place = |inode: u64| later.iter().position(|namespace| namespace.inode == inode);
    let number = |place: Option<usize>| place.and_then(|place| u16::try_from(place).ok());
    let earlier = earlier.iter();
    earlier
        .map(|namespace| number(place(namespace.inode)).unwrap_or(u16::MAX))
        .collect()
}

/// What tells a socket from all others.
fn key(socket: &Socket) -> u64 {
    socket.cookie.unwrap_or_else(|| u64::from(socket.inode))
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
