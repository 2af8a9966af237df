//! At which end of a connection something happened, the commands of sockdoc that look at it, and the
//! findings that prove it.
//!
//! A condition carries its own; those of the errnos and of the resolver's codes are here.

/// An end of a connection, seen from the program that reported the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// This host, or the program that reported it.
    Here,
    /// The other end.
    Peer,
    /// Between the two: a router, a firewall, a proxy, a name server.
    Path,
    /// The text alone does not tell.
    Unknown,
}

impl End {
    /// How the document writes it: `here`.
    pub fn word(self) -> &'static str {
        match self {
            End::Here => "here",
            End::Peer => "peer",
            End::Path => "path",
            End::Unknown => "unknown",
        }
    }
}

/// Where it happened, what to run, and what would prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// The entry it belongs to: `ECONNREFUSED`.
    pub name: &'static str,
    /// The end at which it happened.
    pub end: End,
    /// The same in words.
    pub at: &'static str,
    /// Commands to run next; `HOST` and `PORT` stand for the address in question.
    pub run: &'static [&'static str],
    /// The ids of the findings that prove it.
    pub findings: &'static [&'static str],
}

/// The remedy of an errno or of a code of the resolver.
pub fn of(name: &str) -> Option<&'static Remedy> {
    TABLE.iter().find(|remedy| remedy.name == name)
}

/// Every remedy that is not a condition's own.
pub fn all() -> impl Iterator<Item = &'static Remedy> {
    TABLE.iter()
}

/// Writes the table: name, end, its words, commands, findings.
macro_rules! remedies {
    ($(
        $name:ident at $end:ident $at:literal
        $(run $run:literal)*
        $(finding $finding:ident)*;
    )*) => {
        static TABLE: &[Remedy] = &[$(Remedy {
            name: stringify!($name),
            end: End::$end,
            at: $at,
            run: &[$($run),*],
            findings: &[$(stringify!($finding)),*],
        }),*];
    };
}

remedies! {
    ECONNREFUSED at Peer "the server's host: it answered, and refused"
        run "sockdoc ping --tcp PORT HOST"
        run "sockdoc sockets :PORT"
        finding bound_never_listened;
    ETIMEDOUT at Unknown "not at this end: the server's host, or a firewall on the path, sent nothing back"
        run "sockdoc ping --tcp PORT HOST"
        run "sockdoc sockets --problems :PORT"
        finding connecting_no_answer
        finding accept_queue_full
        finding peer_silent;
    ECONNRESET at Peer "the other end, or a middlebox on the path: an RST arrived here"
        run "sockdoc sockets --problems :PORT"
        run "sockdoc decode capture.pcap --expert";
    ECONNABORTED at Here "this end: its TCP stack gave the connection up"
        run "sockdoc sockets --problems :PORT"
        finding peer_silent;
    EPIPE at Here "this end wrote after the other end had closed the connection"
        run "sockdoc sockets --problems :PORT"
        run "sockdoc decode capture.pcap --expert";
    EADDRINUSE at Here "this host: another socket has the address and port"
        run "sockdoc sockets -a :PORT"
        finding bound_never_listened;
    EADDRNOTAVAIL at Here "this host: the local address or a free local port is missing"
        run "sockdoc sockets -a --summary"
        run "sockdoc sockets --group peer";
    EACCES at Here "this host: it denied the call to this program";
    EPERM at Here "this host: it denied the call to this program";
    ENETUNREACH at Here "this host, in most cases: it has no route"
        run "sockdoc ping --hops HOST";
    EHOSTUNREACH at Path "the path: the next hop does not answer, or a router or firewall rejected the packet"
        run "sockdoc ping --hops HOST"
        run "sockdoc ping --tcp PORT HOST";
    EHOSTDOWN at Path "the path: a router reports that the host does not answer"
        run "sockdoc ping --hops HOST";
    ENETDOWN at Here "this host: the interface is down"
        run "sockdoc ping -c 3 HOST";
    ENETRESET at Path "the path or the other end stopped answering keepalives"
        run "sockdoc ping -c 3 HOST";
    EMFILE at Here "this program: it has no file descriptor left"
        run "sockdoc sockets --group process"
        run "sockdoc sockets --problems"
        finding close_never_called
        finding not_accepted;
    ENFILE at Here "this host: it has no file descriptor left"
        run "sockdoc sockets --group process"
        finding close_never_called;
    EBADF at Here "this program: it used a descriptor that is closed or was never opened"
        run "sockdoc sockets --process NAME";
    ENOTSOCK at Here "this program: the descriptor is not a socket (any more)";
    ENOTCONN at Here "this program: the socket was not connected when the call was made"
        run "sockdoc sockets :PORT";
    EISCONN at Here "this program: the socket is connected already";
    EINPROGRESS at Here "this program: the connect has begun and is not finished"
        run "sockdoc sockets --state syn-sent"
        finding connecting_no_answer;
    EALREADY at Here "this program: the connect has begun and is not finished"
        run "sockdoc sockets --state syn-sent"
        finding connecting_no_answer;
    EAGAIN at Here "this program: the socket is not ready"
        run "sockdoc sockets --problems :PORT"
        finding peer_window_closed
        finding not_reading;
    EMSGSIZE at Here "this host: the datagram is larger than the socket or the path takes"
        run "sockdoc ping --mtu HOST";
    ENOBUFS at Here "this host: a queue or buffer is full"
        run "sockdoc sockets --memory"
        finding udp_receive_buffer_full;
    ENOENT at Here "this host: the path does not exist"
        run "sockdoc sockets -x -l";
    EAFNOSUPPORT at Here "this host: the socket or the kernel does not have this address family";
    EINVAL at Here "this program: an argument or the state of the socket does not fit the call";
    EAI_NONAME at Path "name resolution: no connection was attempted"
        run "sockdoc ping -c 1 HOST";
    EAI_AGAIN at Path "name resolution: no connection was attempted"
        run "sockdoc ping -c 1 HOST";
    EAI_FAIL at Path "name resolution: no connection was attempted"
        run "sockdoc ping -c 1 HOST";
    EAI_NODATA at Path "name resolution: no connection was attempted"
        run "sockdoc ping -c 1 --all-addresses HOST";
    EAI_ADDRFAMILY at Here "this program asked for an address family that the name does not have"
        run "sockdoc ping -c 1 --all-addresses HOST";
}
