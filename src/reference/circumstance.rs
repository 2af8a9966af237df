//! Under which circumstance an errno came: the same number means one thing to a TCP server that binds
//! a port, and another to a client of a Unix socket.

/// What was being done, and on what, when the errno came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Circumstance {
    /// Taking an address and port of the network: `bind`, `listen`.
    Bind,
    /// Connecting to an address and port of the network.
    Connect,
    /// Sending to an address and port of the network.
    Send,
    /// Creating the file of a Unix socket. What is not special to it is as for [`Self::UnixSocket`].
    UnixBind,
    /// Connecting to a Unix socket, or talking over one.
    UnixSocket,
    /// A file or directory that is no socket.
    File,
}

/// Why it happens, and the next thing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Why it happens, in words.
    pub cause: &'static str,
    /// The next thing to try; the words `HOST`, `PORT` and `PATH` stand for the address or the path
    /// in question.
    pub next: &'static str,
}

impl Circumstance {
    /// How the explanation and its document call it: `unix_socket`.
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

    /// Where to look when an errno has nothing special to say under this one.
    pub(super) fn wider(self) -> Option<Circumstance> {
        (self == Circumstance::UnixBind).then_some(Circumstance::UnixSocket)
    }
}
