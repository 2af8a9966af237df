//! A load run, without a socket: what is asked, when each request is due, what counts as answered
//! well, and the figures.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Client`], the counterpart of [`Service`](crate::service::Service); [`Plan`] |
//! | [`schedule`] | when each request is due |
//! | [`figures`] | latencies, errors by kind, requests a second |
//! | [`app`], [`echo`] | the two clients |

use std::time::Duration;

pub mod app;
pub mod echo;
pub mod figures;
pub mod schedule;

pub use figures::Figures;
pub use schedule::Schedule;

/// What a client of one kind of server does with bytes.
pub trait Client {
    /// What is remembered of one connection.
    type Session;

    /// A connection was opened.
    fn open(&mut self) -> Self::Session;

    /// Appends the next request to `out`.
    fn request(&mut self, session: &mut Self::Session, out: &mut Vec<u8>);

    /// Takes at most one reply off the front of `input`. Called again until it says
    /// [`Reply::Incomplete`].
    fn handle_input(&mut self, session: &mut Self::Session, input: &mut &[u8]) -> Reply;

    /// The server shut down its sending side while a reply was awaited.
    fn handle_end(&mut self, session: &mut Self::Session) -> Reply;

    /// A connection was closed.
    fn close(&mut self, session: Self::Session) {
        drop(session);
    }

    /// Whether the end of a request is marked by shutting down our sending side.
    fn shuts_down(&self) -> bool {
        false
    }
}

/// What came of a client's look at its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The reply is not complete.
    Incomplete,
    /// A reply came, and it is what it should be.
    Good,
    /// A reply came, or can not come any more, and this is what is wrong with it.
    Bad(&'static str),
}

/// The kind of failure of a request whose connection the server closed.
pub const CLOSED_EARLY: &str = "closed before the reply was complete";

/// The kind of failure of a request whose reply this end does not want to take.
pub const OVER_THE_LIMIT: &str = "a reply larger than --max-message";

/// How much load, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Connections open at the same time.
    pub conns: usize,
    /// Requests in all; `None`: as many as the duration allows.
    pub count: Option<u64>,
    /// Requests on one connection, which is closed after the last reply; `None`: no limit.
    pub each: Option<u64>,
    /// Requests a second in all; `None`: each as soon as there is room for it.
    pub rate: Option<f64>,
    /// Requests that may be unanswered on one connection.
    pub pipeline: usize,
    /// No request is begun after this time.
    pub duration: Option<Duration>,
    /// Several requests on one connection.
    pub keep_open: bool,
    /// A request that is not answered by then has failed.
    pub timeout: Duration,
}
