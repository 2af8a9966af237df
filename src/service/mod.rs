//! What a server does with bytes, without a socket: one trait, one file for each service.
//!
//! The event loop in `sys` owns the sockets; a [`Service`] sees only bytes and says what to send.
//! So a service can be joined to a client in a test with no socket and no sleep.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub mod app;
pub mod datagrams;
pub mod echo;
pub mod event;

/// A server's behaviour. Each thread of a server has its own clone.
pub trait Service {
    /// What is remembered of one connection. Keep it small: an idle connection should cost almost
    /// nothing.
    type Session;

    /// A connection was accepted.
    fn open(&mut self) -> Self::Session;

    /// Handles at most one message: takes bytes off the front of `input` and appends what is to be
    /// sent to `out`. It is called again while it returns [`Step::Sent`] or [`Step::Echo`].
    ///
    /// `log` gets a [`Note`] for what was understood; ask [`Log::wants_messages`] before spending
    /// time on one.
    fn handle_input<'i>(
        &mut self,
        session: &mut Self::Session,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
        log: &mut dyn Log,
    ) -> Step<'i>;

    /// The peer shut down its sending side; all of its bytes have been handled. What is appended to
    /// `out` is still sent, then the connection is closed.
    fn handle_end(&mut self, session: &mut Self::Session, out: &mut Vec<u8>, log: &mut dyn Log);

    /// The message in progress did not complete in time. What is appended to `out` is still sent,
    /// then the connection is closed.
    fn handle_timeout(&mut self, session: &mut Self::Session, out: &mut Vec<u8>, log: &mut dyn Log);

    /// Whether a message has begun and is not complete: the request deadline runs.
    fn in_message(&self, session: &Self::Session) -> bool;

    /// How far the message in progress has come: `5 bytes, no newline yet`. `None` between messages.
    fn so_far(&self, session: &Self::Session) -> Option<String>;

    /// Bytes of memory that wait for the rest of a message.
    fn buffered(&self, session: &Self::Session) -> usize;
}

/// What a service wants after one call.
#[derive(Debug)]
pub enum Step<'i> {
    /// `input` is used up: read more.
    NeedInput,
    /// A reply stands in `out`; there may be more messages in `input`.
    Sent,
    /// Send `out`, then these bytes of the input as they are.
    Echo(&'i [u8]),
    /// Send `out`, then these bytes that many connections share.
    Shared(Arc<[u8]>),
    /// Send `out`, then close: the conversation is complete. What is left of `input` is thrown away.
    Close,
    /// Send `out`, then close in order, reading what the peer still sends: it does not know yet that
    /// the service has stopped reading, and data that arrives at a closed socket makes the kernel send a reset,
    /// which would discard the reply.
    Refuse,
    /// Send `out`, then these shared bytes, then close in order, as for [`Step::Refuse`].
    SharedThenClose(Arc<[u8]>),
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// An IP peer; an IPv4 address that came in on an IPv6 socket has been unmapped.
    Ip(SocketAddr),
    /// A Unix domain peer; most have no name.
    Unix(Option<PathBuf>),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => address.fmt(f),
            Peer::Unix(Some(path)) => path.to_string_lossy().fmt(f),
            Peer::Unix(None) => f.write_str("a unix socket without a name"),
        }
    }
}

/// An event inside a service, for a [`Log`].
#[derive(Debug)]
pub enum Note<'a> {
    /// The application server understood a request.
    AppRequest(&'a app::Request<'a>),
    /// This whole message will be sent.
    Sending(&'a [u8]),
    /// These bytes of a peer were received (echo services).
    Received(&'a [u8]),
    /// A message has begun, and nothing more of it came for a while.
    Waiting {
        /// How far it has come.
        so_far: &'a str,
        /// For how long.
        time: Duration,
    },
    /// The peer broke the protocol; the text says how. The connection is closed after a reply, if any.
    Fault(&'a str),
}

/// Receives the notes of a service; the owner knows which connection it is about.
pub trait Log {
    /// Whether [`Note::AppRequest`], [`Note::Sending`] and [`Note::Received`] are of use.
    fn wants_messages(&self) -> bool;
    /// Takes one note.
    fn note(&mut self, note: &Note<'_>);
}

/// A log that keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Log for Silent {
    fn wants_messages(&self) -> bool {
        false
    }
    fn note(&mut self, _: &Note<'_>) {}
}
