//! ICMP sockets: raw ones, or datagram ones where raw ones are not allowed.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | a socket opened as the user asked, and what to do when that is not allowed |
//! | [`filter`] | what the kernel keeps away from a raw socket |
//! | [`batch`] | many messages in one system call, with their control messages |
//! | [`control`] | control messages: timestamps, hop limits, the error queue |
//! | `queue` | one socket of a session: the packets it sends and receives |
//! | `sender` | a thread that sends, beside the one that receives |
//! | [`runner`] | the loop that joins a session to its sockets |

pub mod batch;
pub mod control;
pub mod filter;
mod queue;
pub mod runner;
mod sender;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::error::{Error, Kind, Result};
use crate::reference::icmp::Version;
use crate::sys::limits::sysctl;
use crate::sys::privilege::{self, Capability};
use crate::sys::refusals;

/// The buffers that are asked for, in bytes: some thousand replies of a flood, and some ten of the
/// largest requests.
const BUFFER: usize = 4 << 20;
/// Attempts at an identifier that no other ping of this host has.
const CLAIMS: usize = 64;

/// How a socket is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Leave by this interface (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// Send from this address.
    pub source: Option<SocketAddr>,
    /// Time to live, hop limit.
    pub hop_limit: Option<u8>,
    /// Of a TCP socket: what comes with a smaller time to live is not for it (`IP_MINTTL`, RFC 5082).
    pub min_ttl: Option<u8>,
    /// Type of service, traffic class.
    pub tos: Option<u8>,
    /// `SO_MARK`.
    pub mark: Option<u32>,
    /// `IP_MTU_DISCOVER`.
    pub fragmentation: Option<Fragmentation>,
    /// Broadcast addresses are allowed (`SO_BROADCAST`).
    pub broadcast: bool,
    /// Ask the kernel for timestamps.
    pub stamps: bool,
}

/// What to do with packets that are too large for the path (ip(7), `IP_MTU_DISCOVER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragmentation {
    /// Never set the Don't Fragment flag.
    Dont,
    /// As the path MTU that the kernel knows wants it.
    Want,
    /// Set the flag, and refuse here what is larger than the path MTU that is known.
    Do,
    /// Set the flag, and do not heed the path MTU that is known.
    Probe,
}

/// An open socket.
#[derive(Debug)]
pub struct IcmpSocket {
    socket: Socket,
    /// Which ICMP it speaks.
    pub version: Version,
    /// A raw socket; otherwise a datagram one.
    pub is_raw: bool,
    /// The identifier of its requests.
    pub identifier: u16,
    /// Whether the kernel timestamps what it sends and receives.
    pub has_stamps: bool,
    /// Held as long as the socket: who has it has the identifier.
    claim: Option<UnixDatagram>,
}

impl IcmpSocket {
    /// Opens a raw socket, or a datagram one if that is not allowed.
    pub fn open(version: Version, options: &Options) -> Result<IcmpSocket> {
        let (domain, protocol) = match version {
            Version::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Version::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let open = |kind: Type| {
            privilege::with(&[Capability::NetRaw], || {
                Socket::new(domain, kind.nonblocking(), Some(protocol))
            })
        };
        let (socket, is_raw) = match open(Type::RAW) {
            Ok(socket) => (socket, true),
            Err(error) if is_privilege(&error) => match open(Type::DGRAM) {
                Ok(socket) => (socket, false),
                Err(error) if is_privilege(&error) || has_none(&error) => {
                    return Err(not_allowed(&error));
                }
                Err(error) => return Err(fail("open an ICMP socket", &error)),
            },
            Err(error) => return Err(fail("open an ICMP socket", &error)),
        };
        let mut this = IcmpSocket {
            socket,
            version,
            is_raw,
            identifier: 0,
            has_stamps: false,
            claim: None,
        };
        let allowed = [Capability::NetRaw, Capability::NetAdmin];
        privilege::with(&allowed, || this.apply(options))?;
        this.identify(options)?;
        Ok(this)
    }

    fn apply(&mut self, options: &Options) -> Result<()> {
        if let Some(device) = &options.device {
            self.socket
                .bind_device(Some(device.as_bytes()))
                .map_err(|error| fail("bind to the interface", &error).on(device))?;
        }
        if let Some(mark) = options.mark {
            self.socket.set_mark(mark).map_err(|error| {
                fail("set the mark", &error).next(
                    "a mark takes CAP_NET_ADMIN: sudo setcap cap_net_raw,cap_net_admin+ep \
                     \"$(command -v sockdoc)\"",
                )
            })?;
        }
        self.apply_header(options)
            .map_err(|error| fail("set the options of the ICMP socket", &error))?;
        // More than net.core.rmem_max and wmem_max takes a privilege, which ping may have; otherwise that
        // much.
        let size = libc::c_int::try_from(BUFFER).unwrap_or(libc::c_int::MAX);
        let force = |name| self.set(libc::SOL_SOCKET, name, &size).is_ok();
        if !force(libc::SO_RCVBUFFORCE) {
            let _ = self.socket.set_recv_buffer_size(BUFFER);
        }
        if !force(libc::SO_SNDBUFFORCE) {
            let _ = self.socket.set_send_buffer_size(BUFFER);
        }
        self.has_stamps = options.stamps && self.restart_stamps().is_ok();
        Ok(())
    }

    /// Contents of the IP header, and how they are described.
    fn apply_header(&self, options: &Options) -> io::Result<()> {
        let on: libc::c_int = 1;
        self.set(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &on)?;
        self.socket.set_broadcast(options.broadcast)?;
        match self.version {
            Version::V4 => {
                self.set(libc::IPPROTO_IP, libc::IP_RECVERR, &on)?;
                // Since Linux 5.9; without it no labels are known.
                let _ = self.set(libc::IPPROTO_IP, refusals::IP_RECVERR_RFC4884, &on);
                // A raw socket gets the whole header.
                if !self.is_raw {
                    self.set(libc::IPPROTO_IP, libc::IP_RECVTTL, &on)?;
                }
                if let Some(hop_limit) = options.hop_limit {
                    self.socket.set_ttl_v4(hop_limit.into())?;
                    let hops = libc::c_int::from(hop_limit);
                    self.set(libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, &hops)?;
                }
                if let Some(tos) = options.tos {
                    self.socket.set_tos_v4(tos.into())?;
                }
            }
            Version::V6 => {
                self.set(libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &on)?;
                let _ = self.set(libc::IPPROTO_IPV6, refusals::IPV6_RECVERR_RFC4884, &on);
                self.set(libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &on)?;
                if let Some(hop_limit) = options.hop_limit {
                    self.socket.set_unicast_hops_v6(hop_limit.into())?;
                    self.socket.set_multicast_hops_v6(hop_limit.into())?;
                }
                if let Some(tos) = options.tos {
                    self.socket.set_tclass_v6(tos.into())?;
                }
            }
        }
        if let Some(fragmentation) = options.fragmentation {
            self.set_fragmentation(fragmentation)?;
        }
        Ok(())
    }

    fn set_fragmentation(&self, fragmentation: Fragmentation) -> io::Result<()> {
        // The numbers are the same for both versions (linux/in.h, linux/in6.h).
        let value = match fragmentation {
            Fragmentation::Dont => libc::IP_PMTUDISC_DONT,
            Fragmentation::Want => libc::IP_PMTUDISC_WANT,
            Fragmentation::Do => libc::IP_PMTUDISC_DO,
            Fragmentation::Probe => libc::IP_PMTUDISC_PROBE,
        };
        match self.version {
            Version::V4 => self.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &value),
            Version::V6 => self.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, &value),
        }
    }

    /// Binds, and takes an identifier: a raw socket one that no other sockdoc of this network
    /// namespace uses, a datagram one what the kernel gives.
    fn identify(&mut self, options: &Options) -> Result<()> {
        let cannot_bind = |error: io::Error| {
            let failure = fail("bind", &error);
            match options.source {
                Some(source) => failure.on(source.ip().to_string()),
                None => failure,
            }
        };
        if let Some(source) = options.source {
            self.socket.bind(&source.into()).map_err(cannot_bind)?;
        }
        if self.is_raw {
            return self.take_identifier();
        }
        if options.source.is_none() {
            let any: SocketAddr = match self.version {
                Version::V4 => ([0; 4], 0).into(),
                Version::V6 => ([0_u16; 8], 0).into(),
            };
            self.socket.bind(&any.into()).map_err(cannot_bind)?;
        }
        let local = self.socket.local_addr().map_err(cannot_bind)?;
        self.identifier = local.as_socket().map_or(0, |local| local.port());
        Ok(())
    }

    /// Makes the socket ready for another session with these options.
    pub(super) fn renew(&mut self, options: &Options) -> Result<()> {
        self.apply_header(options)
            .map_err(|error| fail("set the options of the ICMP socket", &error))?;
        self.has_stamps = self.has_stamps && self.restart_stamps().is_ok();
        Ok(())
    }

    /// Takes an identifier that no other sockdoc of this network namespace uses.
    fn take_identifier(&mut self) -> Result<()> {
        (self.identifier, self.claim) = claim(self.version);
        filter::keep_others_away(self).map_err(|error| fail("filter the ICMP socket", &error))
    }

    /// Asks for timestamps, and lets the numbers of those of sent packets begin at 0 again.
    pub fn restart_stamps(&self) -> io::Result<()> {
        let reports = libc::SOF_TIMESTAMPING_SOFTWARE
            | libc::SOF_TIMESTAMPING_RX_SOFTWARE
            | libc::SOF_TIMESTAMPING_OPT_CMSG
            | libc::SOF_TIMESTAMPING_OPT_TSONLY;
        self.set(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &reports)?;
        let numbered = reports | libc::SOF_TIMESTAMPING_OPT_ID;
        self.set(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &numbered)
    }

    pub(crate) fn set<T>(
        &self,
        level: libc::c_int,
        name: libc::c_int,
        value: &T,
    ) -> io::Result<()> {
        let size = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
        // SAFETY: the value lives through the call and has the size that is passed.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                name,
                std::ptr::from_ref(value).cast(),
                size,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl AsFd for IcmpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for IcmpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The address that the kernel would send from to a target, and whether it knows a way there at all.
/// Nothing is sent: a datagram socket is connected and asked for its own end.
pub fn source_for(target: SocketAddr, options: &Options) -> io::Result<IpAddr> {
    let socket = Socket::new(
        Domain::for_address(target),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if let Some(device) = &options.device {
        privilege::with(&[Capability::NetRaw], || {
            socket.bind_device(Some(device.as_bytes()))
        })?;
    }
    if let Some(source) = options.source {
        socket.bind(&source.into())?;
    }
    socket.set_broadcast(options.broadcast)?;
    let mut target = target;
    // Any port but 0; it is never used.
    target.set_port(1025);
    socket.connect(&SockAddr::from(target))?;
    let local = socket.local_addr()?.as_socket();
    Ok(local.map_or(target.ip(), |local| local.ip()))
}

/// Whether an address is a broadcast one: it is allowed only to those who ask for it.
pub fn is_broadcast(target: SocketAddr, options: &Options) -> bool {
    let asked = |broadcast| {
        let options = Options {
            broadcast,
            ..options.clone()
        };
        source_for(target, &options)
    };
    let is_refused = |error: io::Error| error.raw_os_error() == Some(libc::EACCES);
    asked(false).is_err_and(is_refused) && asked(true).is_ok()
}

/// Random numbers of the kernel (getrandom(2)).
pub fn random() -> Result<[u64; 2]> {
    let mut bytes = [0_u8; 16];
    // SAFETY: the buffer lives through the call and has the length that is passed.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(got) != Ok(bytes.len()) {
        return Err(fail("get random numbers", &io::Error::last_os_error()));
    }
    let (one, two) = bytes.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
    Ok([number(one), number(two)])
}

/// An identifier, and what holds it: the name of an abstract Unix socket, of which there is one in a
/// network namespace. Without a name, only the nonce distinguishes the replies.
// Sixteen bits of a random number.
#[allow(clippy::cast_possible_truncation)]
fn claim(version: Version) -> (u16, Option<UnixDatagram>) {
    let mut identifier = std::process::id() as u16;
    for _ in 0..CLAIMS {
        if let Ok([random, _]) = random() {
            identifier = (random as u16).max(1);
        }
        let name = format!("sockdoc-ping-{}-{identifier}", version.word());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name);
        match address.and_then(|address| UnixDatagram::bind_addr(&address)) {
            Ok(socket) => return (identifier, Some(socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(_) => break,
        }
    }
    (identifier, None)
}

fn is_privilege(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES))
}

/// Whether the kernel has no such sockets at all.
fn has_none(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT)
    )
}

fn fail(operation: &str, error: &io::Error) -> Error {
    Error::os(Kind::CannotRun, operation, error)
}

/// Neither kind of socket may be opened.
fn not_allowed(error: &io::Error) -> Error {
    let range = sysctl("net.ipv4.ping_group_range").unwrap_or_default();
    let whom = match range.as_str() {
        _ if has_none(error) => "does not help: the kernel has no such sockets".to_owned(),
        "" => "cannot be read".to_owned(),
        "1 0" => "is \"1 0\", which allows no group".to_owned(),
        range => format!("is \"{range}\", and none of your groups is in it"),
    };
    let cause = format!(
        "a raw socket takes CAP_NET_RAW, which this process has not, and for a datagram socket \
         net.ipv4.ping_group_range {whom}"
    );
    let mut failure = fail("open an ICMP socket", error);
    failure.cause = match failure.code {
        Some(code) => format!(
            "{error_message} ({code}): {cause}",
            error_message = message(error)
        ),
        None => cause,
    };
    failure.next(
        "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647' lets all groups; or sudo setcap \
         cap_net_raw+ep \"$(command -v sockdoc)\" lets this program",
    )
}

fn message(error: &io::Error) -> &'static str {
    let number = error.raw_os_error().unwrap_or(0);
    crate::reference::errno::by_number(number).map_or("not allowed", |entry| entry.message)
}
