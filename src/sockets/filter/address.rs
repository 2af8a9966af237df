//! Which addresses are asked for.

use std::fmt;
use std::net::IpAddr;

use crate::sockets::{Address, Socket};

/// One end of a socket in a query. [`AddressMatch::parse`] describes the syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressMatch {
    /// An address of the internet families.
    Ip {
        /// Which host or network.
        host: Host,
        /// On which interface; `None`: on any.
        scope: Option<Scope>,
        /// The required port; `None`: any.
        ports: Option<PortRange>,
    },
    /// The name of a Unix socket.
    Unix(UnixName),
}

/// A host or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Any.
    Any,
    /// `localhost`: 127.0.0.0/8 or `::1`.
    Loopback,
    /// An address, or all that begin like it.
    Network(Network),
}

/// An address, or all that begin like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    addr: IpAddr,
    prefix: u8,
}

/// Ports from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// By index.
    Index(u32),
    /// By name: matches nothing before [`super::Filter::resolve_scopes`].
    Name(String),
}

/// The name of a Unix socket: the name itself, or with a `/` after it the front of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixName {
    /// As a socket's name stands, with a NUL in front of an abstract one.
    pub name: Vec<u8>,
    /// The same with the escapes of our own output decoded, if it has any. Either may be meant: a
    /// backslash is not escaped there, and paths of systemd hold `\x2d` as it is.
    pub unescaped: Option<Vec<u8>>,
    /// Whether anything may stand after it (a `*` was written).
    pub is_prefix: bool,
}

impl AddressMatch {
    /// Whether this end, of a socket that is bound to this interface (0: none), is asked for.
    pub fn matches(&self, end: &Address, interface: u32) -> bool {
        match (self, end) {
            (
                AddressMatch::Ip { host, scope, ports },
                Address::Ip {
                    addr,
                    port,
                    scope: at,
                },
            ) => {
                let at = if *at == 0 { interface } else { *at };
                host.contains(*addr, *port)
                    && ports.is_none_or(|ports| ports.contains(u32::from(*port)))
                    && scope
                        .as_ref()
                        .is_none_or(|scope| *scope == Scope::Index(at))
            }
            (AddressMatch::Unix(wanted), Address::Unix { name, .. }) => wanted.matches(name),
            _ => false,
        }
    }

    /// Whether a host and a port are asked for, and not all addresses of a kind.
    pub fn is_host_and_port(&self) -> bool {
        match self {
            AddressMatch::Ip { host, ports, .. } => ports.is_some() && host.is_one(),
            AddressMatch::Unix(_) => false,
        }
    }

    /// Whether a socket, which is at all addresses, accepts packets for the requested host and port
    /// for.
    pub(super) fn is_served_by(&self, socket: &Socket) -> bool {
        let AddressMatch::Ip { host, scope, ports } = self else {
            return false;
        };
        let takes = match host {
            Host::Network(network) => socket.takes(network.addr),
            Host::Any | Host::Loopback => true,
        };
        let interface = socket.interface;
        let at = |wanted: &Scope| interface == 0 || *wanted == Scope::Index(interface);
        let port = socket.local.port();
        let has = |ports: PortRange| port.is_some_and(|port| ports.contains(port));
        self.is_host_and_port() && takes && scope.as_ref().is_none_or(at) && ports.is_some_and(has)
    }

    /// Puts the index for the name of an interface; an unknown name is the error.
    pub(super) fn resolve_scope(
        &mut self,
        index: &impl Fn(&str) -> Option<u32>,
    ) -> Result<(), String> {
        if let AddressMatch::Ip { scope, .. } = self
            && let Some(Scope::Name(name)) = scope
        {
            let index = index(name).ok_or_else(|| name.clone())?;
            *scope = Some(Scope::Index(index));
        }
        Ok(())
    }
}

impl Host {
    /// Whether it is a host: not a network, and not the address that stands for all.
    fn is_one(self) -> bool {
        match self {
            Host::Any => false,
            Host::Loopback => true,
            Host::Network(network) => network.is_host() && !network.addr.is_unspecified(),
        }
    }

    /// Whether the address is of this host or network. The unspecified address is not a host's: only
    /// itself asks for it, and `/0` if it has a port (that of a listener).
    fn contains(self, addr: IpAddr, port: u16) -> bool {
        match self {
            Host::Any => true,
            Host::Loopback => addr.to_canonical().is_loopback(),
            Host::Network(network) if addr.to_canonical().is_unspecified() => {
                let addr = addr.to_canonical();
                (network.is_host() && network.addr == addr)
                    || (network.prefix == 0
                        && network.addr.is_ipv4() == addr.is_ipv4()
                        && port != 0)
            }
            Host::Network(network) => network.contains(addr),
        }
    }
}

impl Network {
    /// The network of an address; `None` for a prefix that is too long for it. What stands after
    /// the prefix does not count (`10.0.0.5/8` is `10.0.0.0/8`). An IPv4-mapped address stands for
    /// the IPv4 one.
    pub fn new(addr: IpAddr, prefix: u8) -> Option<Network> {
        let (addr, prefix) = match (addr, addr.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) if (97..=128).contains(&prefix) => {
                (IpAddr::V4(v4), prefix - 96)
            }
            _ => (addr, prefix),
        };
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Network { addr, prefix })
    }

    /// The network that has but this address.
    pub fn host(addr: IpAddr) -> Network {
        let addr = addr.to_canonical();
        let prefix = if addr.is_ipv4() { 32 } else { 128 };
        Network { addr, prefix }
    }

    /// Whether it has but one address.
    pub fn is_host(self) -> bool {
        self.prefix == if self.addr.is_ipv4() { 32 } else { 128 }
    }

    /// Whether the address is in it. An IPv4-mapped address is in networks of both families.
    pub fn contains(self, addr: IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(net), _) => match addr.to_canonical() {
                IpAddr::V4(addr) => {
                    let differ = u32::from(net) ^ u32::from(addr);
                    differ.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
                }
                IpAddr::V6(_) => false,
            },
            (IpAddr::V6(net), IpAddr::V6(addr)) => {
                let differ = u128::from(net) ^ u128::from(addr);
                differ
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addr)?;
        if self.is_host() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

impl PortRange {
    /// One port.
    pub fn one(port: u16) -> PortRange {
        PortRange {
            first: port,
            last: port,
        }
    }

    /// The port, if it is one.
    pub fn single(self) -> Option<u16> {
        (self.first == self.last).then_some(self.first)
    }

    /// Whether the port is in it.
    pub fn contains(self, port: u32) -> bool {
        (u32::from(self.first)..=u32::from(self.last)).contains(&port)
    }
}

impl UnixName {
    /// Whether it is the name, a directory above it, or its front if that is requested. NULs
    /// inside of an abstract name are written as `@`, and NULs after it (programs give the whole
    /// `sun_path`) do not count.
    pub fn matches(&self, name: &[u8]) -> bool {
        let unescaped = self.unescaped.as_deref();
        self.matches_as(&self.name, name) || unescaped.is_some_and(|it| self.matches_as(it, name))
    }

    fn matches_as(&self, wanted: &[u8], name: &[u8]) -> bool {
        let (Some(&kind), Some(&wanted_kind)) = (name.first(), wanted.first()) else {
            return false;
        };
        if (kind == 0) != (wanted_kind == 0) {
            return false;
        }
        let end = name.iter().rposition(|&byte| byte != 0).unwrap_or(0);
        let name = &name[..=end];
        if name.len() < wanted.len() {
            return false;
        }
        let (front, rest) = name.split_at(wanted.len());
        let is_same =
            |(&byte, &wanted): (&u8, &u8)| byte == wanted || (byte == 0 && wanted == b'@');
        front.iter().zip(wanted).all(is_same)
            && (self.is_prefix
                || rest.is_empty()
                || rest.starts_with(b"/")
                || wanted.ends_with(b"/"))
    }
}
