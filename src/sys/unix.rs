//! A connection to a Unix domain stream socket, and the reason if it fails.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::{Error, Kind, Result};
use crate::reference::Circumstance;
use crate::sys::privilege::{self, Capability};
use crate::sys::socket::Options;

/// Why a connection is refused by a server that is alive.
pub(crate) const QUEUE_FULL: &str = "its accept queue is full: the server does not accept";

/// Connects to a Unix domain stream socket; `timeout` bounds the wait for room in its accept queue.
/// The socket is non-blocking.
pub fn connect(path: &Path, options: &Options, timeout: Duration) -> Result<Socket> {
    as_permitted(|| try_connect(path, options, timeout).map_err(|error| failure(path, &error)))
}

/// Whether a path is a name in the abstract namespace (unix(7)), written as ss(8) shows it: `@name`.
pub(crate) fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().first() == Some(&b'@')
}

/// The address of a path, or of `@name` in the abstract namespace.
pub(crate) fn address(path: &Path) -> io::Result<SockAddr> {
    if !is_abstract(path) {
        return SockAddr::unix(path);
    }
    let mut name = path.as_os_str().as_bytes().to_vec();
    name[0] = 0;
    SockAddr::unix(OsStr::from_bytes(&name))
}

/// The path of a Unix address, or its `@name`.
pub(crate) fn name_of(address: &SockAddr) -> Option<PathBuf> {
    let path = address.as_pathname().map(Path::to_owned);
    path.or_else(|| {
        let name = address.as_abstract_namespace()?;
        Some(OsString::from_vec([b"@", name].concat()).into())
    })
}

fn try_connect(path: &Path, options: &Options, timeout: Duration) -> io::Result<Socket> {
    let address = address(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    options.apply(&socket, false)?;
    // A Unix connect waits only for room in the accept queue; it is bounded by the send timeout.
    socket.set_write_timeout(Some(timeout))?;
    socket.connect(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Connects without waiting for anything.
pub(crate) fn connect_at_once(path: &Path, options: &Options) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    options.apply(&socket, false)?;
    as_permitted(|| socket.connect(&address(path)?))?;
    Ok(socket)
}

/// Root may connect to any path, also after it has dropped what else it may do.
fn as_permitted<T>(work: impl FnOnce() -> T) -> T {
    privilege::with(&[Capability::DacOverride], work)
}

/// The failure with causes for a Unix socket: those for TCP would lead to a firewall or another
/// port.
fn failure(path: &Path, error: &io::Error) -> Error {
    let shown = path.display().to_string();
    let kind = match error.raw_os_error() {
        Some(libc::ECONNREFUSED) if is_abstract(path) || is_socket(path) => Kind::BadAnswer,
        Some(libc::EAGAIN) => Kind::BadAnswer,
        _ => Kind::CannotRun,
    };
    let failure = Error::os(kind, "connect to", error)
        .under(Circumstance::UnixSocket)
        .on(shown.clone());
    let with = |cause: &str, next: &str| failure.clone().because(cause).next(next);
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) if is_abstract(path) => with(
            "no socket listens on this abstract name in this network namespace",
            "list the Unix sockets that listen: sockdoc sockets -xl; a file whose name begins with @ is ./@name",
        ),
        Some(libc::ECONNREFUSED) if kind == Kind::BadAnswer => with(
            "an earlier server left the socket file, or its server does not listen",
            "start the server again; list the Unix sockets that listen: sockdoc sockets -xl",
        ),
        Some(libc::ECONNREFUSED) => with(
            &format!("it is {}, not a socket", kind_of_file(path)),
            "use the path that the server listens on; list them: sockdoc sockets -xl",
        ),
        Some(libc::EAGAIN) => with(
            QUEUE_FULL,
            "find the server and see why it does not accept: sockdoc sockets -xl; or raise --timeout",
        ),
        Some(libc::EPROTOTYPE) => with(
            "it is a datagram socket, not a stream socket",
            "list the types (u_str is a stream, u_dgr a datagram socket): sockdoc sockets -xl",
        ),
        // Not from the kernel: the path does not fit into an address.
        None => Error::new(kind, "connect to", error.to_string())
            .on(shown)
            .next("use a relative path or a shorter one: a socket path has at most 107 bytes (unix(7))"),
        Some(_) => failure,
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

fn kind_of_file(path: &Path) -> &'static str {
    match std::fs::metadata(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_dir() => "a directory",
        Ok(kind) if kind.is_file() => "a regular file",
        Ok(kind) if kind.is_fifo() => "a named pipe",
        Ok(_) => "a device",
        Err(_) => "something else",
    }
}
