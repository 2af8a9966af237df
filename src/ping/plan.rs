//! How a session is to run.

use std::time::Duration;

/// How long a request without a reply is waited for where `-W` says nothing, as with iputils.
pub const LINGER: Duration = Duration::from_secs(10);

/// How a session is to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Requests to each target; with a deadline, replies of each.
    pub count: Option<u64>,
    /// From one request to the next one to the same target.
    pub interval: Duration,
    /// From one request to the next one to any target.
    pub spacing: Duration,
    /// What the next request waits for.
    pub pace: Pace,
    /// Requests sent at once in the beginning.
    pub preload: u64,
    /// A reply after this time is late; unset, [`LINGER`], and less after the last request.
    pub timeout: Option<Duration>,
    /// The session ends after this time, whatever came.
    pub deadline: Option<Duration>,
    /// What ends it for a target.
    pub until: Until,
    /// Counts as iputils does: what is damaged, late, forged or from elsewhere is a reply too.
    pub lenient: bool,
    /// Whether only the first of the requests that are sent together is timed: the others left at a
    /// unknown time.
    pub times_first_only: bool,
    /// Whether the counts of each interval are kept.
    pub intervals: bool,
    /// The number of the first request, at least 1: sessions that share a socket go on from one another,
    /// so that what comes late for one is not taken for an answer by the next.
    pub first: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            count: None,
            interval: Duration::from_secs(1),
            spacing: Duration::ZERO,
            pace: Pace::Steady,
            preload: 1,
            timeout: None,
            deadline: None,
            until: Until::End,
            lenient: false,
            times_first_only: false,
            intervals: false,
            first: 1,
        }
    }
}

impl Plan {
    /// After this time without a reply a request is lost.
    pub fn patience(&self) -> Duration {
        self.timeout.unwrap_or(LINGER)
    }
}

/// What the next request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Its time.
    Steady,
    /// The reply to the one before, or about as long as one takes (`-A`).
    Adaptive,
    /// The reply to the one before, or a few milliseconds (`-f`); more at once while every reply comes.
    Flood,
}

/// What ends a session for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The count, the deadline, or a signal.
    End,
    /// The first good reply.
    Up,
    /// This many requests in a row without a reply.
    Down(u64),
}
