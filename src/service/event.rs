//! What happens to a server and its connections.

use std::io;

use super::{Note, Peer};

/// The connection or the datagram that an event is about.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// Tells the connections of one server apart, also those of peers without a name; `None` for a
    /// datagram, which is a conversation of its own.
    pub connection: Option<u64>,
    /// The other end.
    pub peer: &'a Peer,
}

/// What happened to a connection or to the server.
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection was accepted.
    Accepted(Who<'a>),
    /// The service says something about a connection.
    Note(Who<'a>, &'a Note<'a>),
    /// A connection was closed; bytes received and sent, and why if it was not in order.
    Closed {
        /// The connection.
        who: Who<'a>,
        /// Bytes read from it.
        received_bytes: u64,
        /// Bytes written to it.
        sent_bytes: u64,
        /// Why, if it did not end in order.
        trouble: Option<Trouble<'a>>,
    },
    /// accept(2) failed and is paused until descriptors come back; said once an episode.
    AcceptPaused(&'a io::Error),
    /// `max_conns` connections are open; more wait in the accept queue. Said once an episode.
    Full(usize),
    /// Connections are accepted again.
    AcceptResumed,
    /// Not all of the threads could be started; those that could do the work.
    FewerThreads {
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        started: usize,
        /// Why they end.
        error: &'a io::Error,
    },
    /// The kernel dropped this many datagrams for a server of datagrams, since this was last said.
    DatagramsDropped(u64),
    /// A signal came: what is in flight is finished; the number of open connections.
    Draining(usize),
}

/// Why a connection did not end in order.
#[derive(Debug)]
pub enum Trouble<'a> {
    /// A system call on it failed.
    Io(&'a io::Error),
    /// A message, or the reading of a reply, took too long.
    RequestTimeout,
    /// No byte moved for too long.
    IdleTimeout,
    /// The drain time was over.
    Cut,
    /// A second signal came.
    Forced,
    /// Unfinished messages of all connections together went over the limit, and this connection held the
    /// most, this many bytes.
    Buffered(usize),
}
