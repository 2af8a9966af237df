//! The circumstance of an errno: the same number means one thing to a TCP server that binds
//! a port, and another to a client of a Unix socket.

/// The operation that failed, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Circumstance {
    /// Binding an IP address and port: `bind`, `listen`.
    Bind,
    /// Connecting to an IP address and port.
    Connect,
    /// Sending to an IP address and port.
    Send,
    /// Creating the file of a Unix socket. Falls back to [`Self::UnixSocket`].
    UnixBind,
    /// Connecting to a Unix socket, or using one.
    UnixSocket,
    /// A file or directory that is not a socket.
    File,
}

/// Why it happens, and the next thing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Why it happens.
    pub cause: &'static str,
    /// The next thing to try; the words `HOST`, `PORT` and `PATH` stand for the address or the path
    /// in question.
    pub next: &'static str,
}

impl Circumstance {
    /// Its name in the output: `unix_socket`.
    pub fn word(self) -> &'static str {
        match self {
            Circumstance::Bind => "bind",
            Circumstance::Connect => "connect",
            Circumstance::Send => "send",
            Circumstance::UnixBind => "unix_bind",
            Circumstance::UnixSocket => "unix_socket",
            Circumstance::File => "file",
        }
    }

    /// The fallback for an errno without texts of its own for this one.
    pub(super) fn wider(self) -> Option<Circumstance> {
        (self == Circumstance::UnixBind).then_some(Circumstance::UnixSocket)
    }
}
