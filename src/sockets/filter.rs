//! What the user wants to see.
//!
//! # How the parts go together
//!
//! Criteria of one kind are alternatives, and the kinds are joined by AND: `:80 :443 nginx php` is a socket
//! with port 80 or 443 at either end, held by nginx or php. The kinds are the fields of [`Filter`],
//! each with its own list; a word ([`Word`]) adds to one of them, the same that the flag of its kind
//! fills. An empty list asks for nothing. Words with `and`, `or` or `not` between them are an
//! [`Expression`], whose parts are filters again.
//!
//! A filter is applied in two steps, each as soon as what it looks at is known:
//! [`Filter::matches_socket`] before the owners are, then [`Filter::matches_owners`] (or for many
//! sockets [`Filter::for_owners`]).

mod address;
mod describe;
mod expression;
mod language;
#[cfg(test)]
mod language_tests;
mod process;
mod states;
#[cfg(test)]
mod tests;
mod token;
mod word;

pub use address::{AddressMatch, Host, Network, PortRange, Scope, UnixName};
pub use expression::Expression;
pub use language::{LookUp, ports, protocols, read};
pub use process::{GroupMatch, OwnerFilter, ProcessMatch, ProcessWord};
pub use states::StateSet;
pub use word::{Word, WordError};

use std::collections::{HashMap, HashSet};

use process::OwnerTest;

use super::{Address, Family, Owners, Proto, Socket, State};

/// What the user wants to see. The default is everything but rows of `TIME_WAIT`.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Protocols.
    pub protos: Vec<Proto>,
    /// Families. An IPv6 socket with an IPv4-mapped address counts as IPv4 too. A family that has
    /// but one version (unix ...) passes as well when its protocol is in `protos`, so that `-4 -x`
    /// is IPv4 and Unix.
    pub families: Vec<Family>,
    /// States.
    pub states: StateSet,
    /// Only what waits for somebody: listeners; bound datagram and raw sockets without a peer.
    pub listening: bool,
    /// Ports at either end: real ones, not the protocol of a raw socket or the identifier of a ping
    /// socket, which stand in the same column.
    pub ports: Vec<PortRange>,
    /// Addresses of our end. A host with a port is also at what listens on that port of all addresses.
    pub local: Vec<AddressMatch>,
    /// Addresses of the other end.
    pub peer: Vec<AddressMatch>,
    /// Addresses of either end; of ours as in `local`.
    pub either: Vec<AddressMatch>,
    /// Processes by name.
    pub processes: Vec<ProcessMatch>,
    /// What a socket may be instead of held by one of `processes`: the other meaning of words that may be
    /// the name of a process (`ssh`: a process, or port 22).
    pub or_socket: Vec<Filter>,
    /// Systemd units and containers.
    pub groups: Vec<GroupMatch>,
    /// The control groups that are of `groups`: see [`Filter::resolve_groups`].
    pub cgroup_ids: HashSet<u64>,
    /// What must hold beside the lists.
    pub tests: Vec<Expression>,
    /// Processes by number. joined by AND with `processes`: one process must be both.
    pub pids: Vec<u32>,
    /// Who made the socket. One without a known user (`TIME_WAIT` ...) does not match.
    pub uids: Vec<u32>,
    /// Whether `TIME_WAIT` is shown row by row; so it is, too, when `states` has it.
    pub show_time_wait: bool,
}

/// How the kernel can be asked for less than everything. What it gives is a superset: the filter
/// has to be applied all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelHint {
    /// Bits of the states wanted.
    pub states: u32,
    /// The one port that every internet socket wanted has at one of its ends.
    pub port: Option<u16>,
    /// The protocols wanted; empty: all.
    pub protos: Vec<Proto>,
}

impl Filter {
    /// Whether the socket is shown as a row.
    pub fn matches(&self, socket: &Socket, owners: &Owners) -> bool {
        !self.collapses(socket)
            && self.matches_socket(socket)
            && self.matches_owners(socket, owners)
    }

    /// Whether the socket is counted in the footer instead of shown as a row. It does not look at
    /// anything else that is asked for.
    pub fn collapses(&self, socket: &Socket) -> bool {
        socket.state == State::TimeWait
            && !self.show_time_wait
            && !self.states.names(State::TimeWait)
    }

    /// Whether the socket itself, without its owners, is what is asked for.
    pub fn matches_socket(&self, socket: &Socket) -> bool {
        self.matches_kind(socket)
            && (self.uids.is_empty() || socket.uid.is_some_and(|uid| self.uids.contains(&uid)))
            && (self.ports.is_empty() || self.matches_ports(socket))
            && any(&self.local, |wanted| is_local(wanted, socket))
            && any(&self.peer, |wanted| is_at(wanted, socket, &socket.peer))
            && any(&self.either, |wanted| {
                is_local(wanted, socket) || is_at(wanted, socket, &socket.peer)
            })
            && (self.tests.iter()).all(|test| test.of_socket(socket) != Some(false))
    }

    /// Whether the owners must be known to tell what is asked for.
    pub fn needs_owners(&self) -> bool {
        self.has(&Filter::asks_of_owners)
    }

    /// Whether the command lines or control groups of the owners must be known too.
    pub fn needs_command_lines(&self) -> bool {
        self.has(&|filter| !filter.processes.is_empty() || !filter.groups.is_empty())
    }

    /// Whether the control groups of the sockets must be known.
    pub fn needs_groups(&self) -> bool {
        self.has(&|filter| !filter.groups.is_empty())
    }

    /// Whether a Unix socket is asked for by its name, so that Unix sockets have to be looked at
    /// even where no flag says so.
    pub fn names_unix(&self) -> bool {
        self.has(&|filter| {
            [&filter.local, &filter.peer, &filter.either]
                .into_iter()
                .flatten()
                .any(|wanted| matches!(wanted, AddressMatch::Unix(_)))
        })
    }

    /// The protocols that expressions name, which have to be looked at.
    pub fn protos_of_tests(&self) -> Vec<Proto> {
        let named = |proto: &Proto| {
            let has = |test: &Expression| test.has(&|filter| filter.protos.contains(proto));
            self.tests.iter().any(has)
        };
        Proto::ALL.into_iter().filter(named).collect()
    }

    /// Whether `TIME_WAIT` is asked for by name, or a port, which such a connection may hold.
    pub fn asks_for_time_wait(&self) -> bool {
        self.has(&|filter| filter.states.names(State::TimeWait))
    }

    /// Whether a port is asked for.
    pub fn asks_for_port(&self) -> bool {
        self.has(&|filter| {
            let ends = [&filter.local, &filter.peer, &filter.either];
            let has_port =
                |wanted: &AddressMatch| matches!(wanted, AddressMatch::Ip { ports: Some(_), .. });
            !filter.ports.is_empty() || ends.into_iter().flatten().any(has_port)
        })
    }

    /// Whether the port of this end, which is ours, is asked for.
    pub fn asks_for_port_of(&self, end: &Address) -> bool {
        let Some(port) = end.port() else { return false };
        self.has(&|filter| {
            let ends = [&filter.local, &filter.either].into_iter().flatten();
            let mut of_ends = ends.filter_map(|wanted| match wanted {
                AddressMatch::Ip { ports, .. } => *ports,
                AddressMatch::Unix(_) => None,
            });
            of_ends.any(|ports| ports.contains(port))
                || filter.ports.iter().any(|ports| ports.contains(port))
        })
    }

    /// Whether a word was read in two ways.
    pub fn is_ambiguous(&self) -> bool {
        self.has(&|filter| !filter.or_socket.is_empty())
    }

    /// Finds the control groups of the units and containers that are asked for, among all of this host by
    /// their ids.
    pub fn resolve_groups(&mut self, paths: &HashMap<u64, String>) {
        let resolve = &mut |filter: &mut Filter| {
            let groups = &filter.groups;
            let found = paths
                .iter()
                .filter(|(_, path)| groups.iter().any(|group| group.matches(path)));
            filter.cgroup_ids = found.map(|(id, _)| *id).collect();
            Ok(())
        };
        let _ = self.each_filter(resolve);
    }

    /// Puts the index for each interface that is asked for by name (`fe80::1%eth0`). Gives the first
    /// name that `index` does not know; an address with such a name matches nothing.
    pub fn resolve_scopes(&mut self, index: impl Fn(&str) -> Option<u32>) -> Result<(), String> {
        self.each_filter(&mut |filter| {
            [&mut filter.local, &mut filter.peer, &mut filter.either]
                .into_iter()
                .flatten()
                .try_for_each(|wanted| wanted.resolve_scope(&index))
        })
    }

    /// How the kernel can be asked for less.
    pub fn kernel_hint(&self) -> KernelHint {
        KernelHint {
            states: self.state_mask(),
            port: self.only_port(),
            protos: self.protos.clone(),
        }
    }

    /// Bits of the states wanted of any protocol; `TIME_WAIT` too if it is only counted.
    pub fn state_mask(&self) -> u32 {
        let listening = State::Listen.bit() | State::Unconnected.bit();
        self.states.mask() & if self.listening { listening } else { u32::MAX }
    }

    /// Bits of the states wanted of this protocol. For listeners of TCP this is LISTEN alone, which
    /// spares the kernel the walk over all connections.
    pub fn state_mask_for(&self, proto: Proto) -> u32 {
        let no_closed = if self.listening && proto.is_connected() {
            State::Unconnected.bit()
        } else {
            0
        };
        self.state_mask() & !no_closed
    }

    /// The one port that every internet socket asked for has at one of its ends.
    pub fn only_port(&self) -> Option<u16> {
        let in_ports = only(self.ports.iter().map(|ports| ports.single()));
        let in_addresses = [&self.local, &self.peer, &self.either].map(|list| {
            let inet = list.iter().filter_map(|wanted| match wanted {
                AddressMatch::Ip { ports, .. } => Some(ports.and_then(PortRange::single)),
                AddressMatch::Unix(_) => None,
            });
            only(inet)
        });
        in_ports.or_else(|| in_addresses.into_iter().flatten().next())
    }

    fn matches_kind(&self, socket: &Socket) -> bool {
        (self.protos.is_empty() || self.protos.contains(&socket.proto))
            && (self.families.is_empty() || self.matches_family(socket))
            && self.states.contains(socket.state)
            && (!self.listening || is_listening(socket))
    }

    fn matches_family(&self, socket: &Socket) -> bool {
        self.families.contains(&socket.family)
            || (self.families.contains(&Family::Inet) && is_mapped(socket))
            || (!socket.proto.is_internet() && self.protos.contains(&socket.proto))
    }

    fn matches_ports(&self, socket: &Socket) -> bool {
        let is_wanted = |end: &Address| {
            end.port()
                .is_some_and(|port| self.ports.iter().any(|ports| ports.contains(port)))
        };
        has_ports(socket.proto) && (is_wanted(&socket.local) || is_wanted(&socket.peer))
    }
}

/// Whether a socket waits for somebody: a listener, or a bound datagram or raw socket without a
/// peer.
pub fn is_listening(socket: &Socket) -> bool {
    match (socket.proto, socket.state) {
        (_, State::Listen) => true,
        (Proto::Udp | Proto::Udplite | Proto::Raw, State::Unconnected) => {
            socket.local.port().is_some_and(|port| port != 0)
        }
        (Proto::UnixDgr, State::Unconnected) => {
            matches!(&socket.local, Address::Unix { name, .. } if !name.is_empty())
        }
        _ => false,
    }
}

/// Whether the ports of a protocol's addresses are ports.
fn has_ports(proto: Proto) -> bool {
    !matches!(proto, Proto::Raw | Proto::Ping)
}

fn is_mapped(socket: &Socket) -> bool {
    let is_v4 = |end: &Address| end.ip().is_some_and(|ip| ip.is_ipv4());
    socket.family == Family::Inet6 && (is_v4(&socket.local) || is_v4(&socket.peer))
}

fn is_at(wanted: &AddressMatch, socket: &Socket, end: &Address) -> bool {
    wanted.matches(end, socket.interface)
}

/// Whether our end is asked for, or waits on every address for what would come to it.
fn is_local(wanted: &AddressMatch, socket: &Socket) -> bool {
    is_at(wanted, socket, &socket.local) || (is_listening(socket) && is_served(wanted, socket))
}

/// Whether this socket, on all addresses, accepts packets for the requested host and port for.
fn is_served(wanted: &AddressMatch, socket: &Socket) -> bool {
    let is_on_all = socket.local.ip().is_some_and(|ip| ip.is_unspecified());
    is_on_all && has_ports(socket.proto) && wanted.is_served_by(socket)
}

/// Whether there is nothing to ask for, or one of it is true.
fn any<T>(list: &[T], is_true: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(is_true)
}

/// The port of which all are, if there is at least one.
fn only(mut ports: impl Iterator<Item = Option<u16>>) -> Option<u16> {
    let first = ports.next()??;
    ports.all(|port| port == Some(first)).then_some(first)
}
