//! Sockets made as the user asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::error::{Error, Kind, Result};
use crate::reference::Circumstance;
use crate::service::Peer;
use crate::sys::privilege::{self, Capability};
use crate::sys::{around, resolve, unix};

/// Options of a socket, set before `listen` or `connect`; accepted sockets inherit them
/// (`inet_csk_clone_lock` in the kernel copies the parent).
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `SO_SNDBUF` in bytes; the kernel doubles it (socket(7)).
    pub sndbuf: Option<usize>,
    /// `SO_RCVBUF` in bytes; the kernel doubles it (socket(7)).
    pub rcvbuf: Option<usize>,
    /// `TCP_NODELAY`: no waiting for an ACK before a small segment (tcp(7)).
    pub nodelay: bool,
    /// `SO_KEEPALIVE`, with `TCP_KEEPIDLE` if a time is given.
    pub keepalive: Option<Keepalive>,
    /// `TCP_CONGESTION`: the algorithm's name (tcp(7)).
    pub congestion: Option<String>,
    /// `TCP_NOTSENT_LOWAT`: with this many bytes not yet sent, send(2) has no room, and with half as many
    /// poll(2) does not say writable (`__tcp_stream_memory_free` in `include/net/tcp.h`).
    pub notsent_lowat: Option<u32>,
    /// `TCP_USER_TIMEOUT`: how long sent data may go unacknowledged (tcp(7), RFC 5482).
    pub user_timeout: Option<Duration>,
}

/// How keep-alive probes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepalive {
    /// `SO_KEEPALIVE` with the system's own times (2 hours by default).
    System,
    /// The first probe after this idle time.
    After(Duration),
}

impl Options {
    /// Sets the options on a socket of either domain; the TCP ones only if they exist.
    pub fn apply(&self, socket: &Socket, is_tcp: bool) -> io::Result<()> {
        if let Some(size) = self.sndbuf {
            socket.set_send_buffer_size(size)?;
        }
        if let Some(size) = self.rcvbuf {
            socket.set_recv_buffer_size(size)?;
        }
        if is_tcp && self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        if is_tcp {
            self.apply_tcp(socket)?;
        }
        match self.keepalive {
            Some(Keepalive::After(idle)) if is_tcp => {
                socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))
            }
            Some(_) => socket.set_keepalive(true),
            None => Ok(()),
        }
    }

    fn apply_tcp(&self, socket: &Socket) -> io::Result<()> {
        if let Some(name) = &self.congestion {
            socket.set_tcp_congestion(name.as_bytes())?;
        }
        if let Some(bytes) = self.notsent_lowat {
            socket.set_tcp_notsent_lowat(bytes)?;
        }
        if let Some(timeout) = self.user_timeout {
            socket.set_tcp_user_timeout(Some(timeout))?;
        }
        Ok(())
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A host name, an address, or an empty string for all IPv4 interfaces, and a port.
    Ip(String, u16),
    /// A path of a Unix domain socket, or `@name` in the abstract namespace.
    Unix(PathBuf),
}

/// A listening socket, or a bound datagram socket.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    /// Where it really listens (the port is known even when 0 was asked for).
    pub local: Peer,
    /// The file to remove at the end: by its own drop.
    _file: Option<SocketFile>,
}

/// The file that bind(2) made. It is removed at the end, unless another one stands there by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device_and_inode: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        SocketFile {
            path: path.to_owned(),
            device_and_inode: device_and_inode(path),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if device_and_inode(&self.path) == self.device_and_inode {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn device_and_inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl Listener {
    /// Opens a listening stream socket.
    pub fn stream(place: &Place, backlog: i32, options: &Options) -> Result<Listener> {
        let listener = Self::bind(place, Type::STREAM, options)?;
        listener
            .socket
            .listen(backlog)
            .map_err(|error| listener.local_error("listen on", &error))?;
        Ok(listener)
    }

    /// Opens a bound datagram socket.
    pub fn datagram(place: &Place, options: &Options) -> Result<Listener> {
        Self::bind(place, Type::DGRAM, options)
    }

    /// Wraps a socket that a service manager passed in, of the type that the command serves.
    pub fn inherited(fd: OwnedFd, kind: Type, options: &Options) -> Result<Listener> {
        let socket = Socket::from(fd);
        let fail =
            |error: io::Error| Error::os(Kind::CannotRun, "use the inherited socket", &error);
        let fits = socket.r#type().map_err(fail)? == kind
            && (kind == Type::DGRAM || socket.is_listener().map_err(fail)?);
        if !fits {
            let cause = "it is not a listening socket of the type that this command serves";
            return Err(
                Error::new(Kind::CannotRun, "use the inherited socket", cause).next(
                    "in the socket unit: ListenStream= (or ListenDatagram= for --udp), Accept=no",
                ),
            );
        }
        let local = peer_of(&socket.local_addr().map_err(fail)?);
        socket.set_nonblocking(true).map_err(fail)?;
        options
            .apply(
                &socket,
                matches!(local, Peer::Ip(_)) && kind == Type::STREAM,
            )
            .map_err(fail)?;
        Ok(Listener {
            socket,
            local,
            _file: None,
        })
    }

    fn bind(place: &Place, kind: Type, options: &Options) -> Result<Listener> {
        match place {
            Place::Ip(host, port) => Self::bind_ip(host, *port, kind, options),
            Place::Unix(path) => Self::bind_unix(path, kind, options),
        }
    }

    fn bind_ip(host: &str, port: u16, kind: Type, options: &Options) -> Result<Listener> {
        let address = listen_address(host, port)?;
        let fail = |operation: &str, error: &io::Error| bind_error(operation, address, kind, error);
        let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), None)
            .map_err(|error| fail("open a socket for", &error))?;
        // Restart while old connections are in TIME_WAIT. On a datagram socket the same option
        // would let two servers share the port, which hides a mistake.
        if kind == Type::STREAM {
            socket
                .set_reuse_address(true)
                .map_err(|error| fail("bind", &error))?;
        }
        if let SocketAddr::V6(v6) = address {
            socket
                .set_only_v6(!v6.ip().is_unspecified())
                .map_err(|error| fail("bind", &error))?;
        }
        options
            .apply(&socket, kind == Type::STREAM)
            .map_err(|error| fail("set the options of", &error))?;
        privilege::with(&[Capability::NetBindService], || {
            socket.bind(&address.into())
        })
        .map_err(|error| fail("bind", &error))?;
        let local = socket.local_addr().map_err(|error| fail("bind", &error))?;
        Ok(Listener {
            local: peer_of(&local),
            socket,
            _file: None,
        })
    }

    fn bind_unix(path: &Path, kind: Type, options: &Options) -> Result<Listener> {
        let fail = |operation: &str, error: &io::Error| {
            Error::os(Kind::CannotRun, operation, error)
                .under(Circumstance::UnixBind)
                .on(path.display().to_string())
        };
        let address = unix::address(path).map_err(|error| {
            let limit = "use a shorter path: a socket path has at most 107 bytes (unix(7))";
            fail("bind", &error).next(limit)
        })?;
        let socket =
            Socket::new(Domain::UNIX, kind.nonblocking(), None).map_err(|e| fail("bind", &e))?;
        options
            .apply(&socket, false)
            .map_err(|error| fail("set the options of", &error))?;
        let is_abstract = unix::is_abstract(path);
        if !is_abstract {
            remove_stale(path);
        }
        socket.bind(&address).map_err(|error| {
            let failure = fail("bind", &error);
            if failure.code != Some("EADDRINUSE") {
                return failure;
            }
            let (cause, next) = if is_abstract || is_socket(path) {
                (
                    "another socket is bound to this path",
                    "stop it, or use another path; find it: sockdoc sockets -xl",
                )
            } else {
                (
                    "a file that is not a socket exists there",
                    "use another path",
                )
            };
            let cause = format!("Address already in use (EADDRINUSE): {cause}");
            Error { cause, ..failure }.next(next)
        })?;
        let local = Peer::Unix(Some(path.to_owned()));
        Ok(Listener {
            socket,
            local,
            _file: (!is_abstract).then(|| SocketFile::new(path)),
        })
    }

    fn local_error(&self, operation: &str, error: &io::Error) -> Error {
        match &self.local {
            Peer::Ip(address) => bind_error(operation, *address, Type::STREAM, error),
            Peer::Unix(_) => Error::os(Kind::CannotRun, operation, error)
                .under(Circumstance::UnixBind)
                .on(self.local.to_string()),
        }
    }

    /// Accepts one connection: non-blocking, close-on-exec, with its peer, in one system call.
    pub(crate) fn accept(&self) -> io::Result<(Socket, Peer)> {
        let mut accepted = -1;
        // SAFETY: `storage` and `length` describe a buffer that lives through the call, and
        // accept4 writes at most `length` bytes of an address of the socket's own family into it.
        let ((), address) = unsafe {
            SockAddr::try_init(|storage, length| {
                accepted = libc::accept4(
                    self.socket.as_raw_fd(),
                    storage.cast(),
                    length,
                    libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
                );
                if accepted < 0 {
                    Err(io::Error::last_os_error())
                } else {
                    Ok(())
                }
            })?
        };
        // SAFETY: accept4 gave us this descriptor, and no other code knows it.
        let socket = unsafe { Socket::from_raw_fd(accepted) };
        Ok((socket, peer_of(&address)))
    }
}

/// The address to bind for what the user typed as the host: `''` and `*` are all IPv4 interfaces,
/// `::` is dual stack.
fn listen_address(host: &str, port: u16) -> Result<SocketAddr> {
    match host {
        "" | "*" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
        "::" => Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)),
        name => Ok(resolve::resolve(name, port, resolve::Family::Any)?[0]),
    }
}

/// A bind error, with the processes that hold the address named.
fn bind_error(operation: &str, address: SocketAddr, kind: Type, error: &io::Error) -> Error {
    let failure = Error::os(Kind::CannotRun, operation, error)
        .under(Circumstance::Bind)
        .on(address.to_string());
    around::bind_failed(failure, address, kind)
}

/// Removes a socket file that no socket is bound to any more, and nothing else.
///
/// The probe is of datagrams: a stream server refuses it for its type (`EPROTOTYPE`), so that it takes no
/// place in its accept queue, and a server that serves one connection only still has it to serve.
fn remove_stale(path: &Path) {
    if !is_socket(path) {
        return;
    }
    let refused = Socket::new(Domain::UNIX, Type::DGRAM.nonblocking(), None)
        .and_then(|probe| probe.connect(&SockAddr::unix(path)?))
        .is_err_and(|error| error.raw_os_error() == Some(libc::ECONNREFUSED));
    if refused {
        let _ = std::fs::remove_file(path);
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

/// The peer that an address names; an IPv4 address that came in on an IPv6 socket is unmapped.
pub(crate) fn peer_of(address: &SockAddr) -> Peer {
    match address.as_socket() {
        Some(address) => Peer::Ip(unmapped(address)),
        None => Peer::Unix(unix::name_of(address)),
    }
}

/// `::ffff:1.2.3.4` as `1.2.3.4`.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// A non-blocking socket to connect with.
pub(crate) fn client(address: &SocketAddr, kind: Type, options: &Options) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM {
        Protocol::TCP
    } else {
        Protocol::UDP
    };
    let socket = Socket::new(
        Domain::for_address(*address),
        kind.nonblocking(),
        Some(protocol),
    )?;
    options.apply(&socket, kind == Type::STREAM)?;
    Ok(socket)
}
