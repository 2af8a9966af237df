//! Where the time of a connection went.
//!
//! Each boundary (the handshake, new data, a FIN, a RST) ends a span, which is counted in exactly one of the
//! parts of an [`Account`]. So the parts add up to the time from the first segment to the last.

use crate::capfile::Timestamp;

/// The time of a connection in parts, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// From the first segment to the end of the handshake.
    pub connect: i64,
    /// While the client sent data.
    pub request: i64,
    /// From the client's last data to the server's next.
    pub server_wait: i64,
    /// While the server sent data.
    pub reply: i64,
    /// From the handshake or the server's last data to the client's next.
    pub client_wait: i64,
    /// After the first FIN or RST.
    pub close: i64,
    /// The longest wait for the server.
    pub longest_wait: i64,
    /// How often the client began to send: after the handshake, and after data of the server.
    pub requests: u32,
}

/// The span that data has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The wait for the first data of a reply, in nanoseconds.
    Wait(i64),
    /// The time since the data before it, from the same end.
    Gap(i64),
    /// Another one.
    Other,
}

/// What the connection does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Connecting,
    Connected,
    ClientSent,
    ServerSent,
    Closing,
}

/// An account in progress.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spans {
    account: Account,
    phase: Phase,
    since: Timestamp,
}

impl Spans {
    pub(super) fn new(first: Timestamp) -> Spans {
        Spans {
            since: first,
            ..Spans::default()
        }
    }

    /// The handshake is complete.
    pub(super) fn connected(&mut self, time: Timestamp) {
        if self.phase == Phase::Connecting {
            self.account.connect += self.span(time);
            self.phase = Phase::Connected;
        }
    }

    /// A SYN: after a reset it begins the connection again.
    pub(super) fn syn(&mut self, time: Timestamp) {
        if self.phase == Phase::Closing {
            self.account.connect += self.span(time);
            self.phase = Phase::Connecting;
        }
    }

    /// Data that was not acknowledged before. What is sent `again` is not an answer to what the other end has sent.
    pub(super) fn data(&mut self, from_client: bool, again: bool, time: Timestamp) -> Ended {
        let turn = (self.phase, from_client);
        if again && matches!(turn, (Phase::ClientSent, false) | (Phase::ServerSent, true)) {
            return Ended::Other;
        }
        let span = self.span(time);
        let account = &mut self.account;
        let mut ended = Ended::Other;
        match (self.phase, from_client) {
            (Phase::Connecting, _) => account.connect += span,
            (Phase::ClientSent, true) => {
                account.request += span;
                ended = Ended::Gap(span);
            }
            (Phase::ServerSent, false) => {
                account.reply += span;
                ended = Ended::Gap(span);
            }
            (Phase::Closing, _) => account.close += span,
            (phase, true) => {
                account.client_wait += span;
                account.requests += u32::from(phase != Phase::ClientSent);
            }
            (phase, false) => {
                account.server_wait += span;
                account.longest_wait = account.longest_wait.max(span);
                if phase == Phase::ClientSent {
                    ended = Ended::Wait(span);
                }
            }
        }
        if self.phase != Phase::Closing {
            self.phase = if from_client {
                Phase::ClientSent
            } else {
                Phase::ServerSent
            };
        }
        ended
    }

    /// A FIN or RST.
    pub(super) fn closing(&mut self, time: Timestamp) {
        if self.phase != Phase::Closing {
            self.rest(time);
            self.phase = Phase::Closing;
        }
    }

    /// The account up to the last segment.
    pub(super) fn until(&self, last: Timestamp) -> Account {
        let mut spans = *self;
        spans.rest(last);
        spans.account
    }

    /// Counts what has passed since the last boundary.
    fn rest(&mut self, time: Timestamp) {
        let span = self.span(time);
        let account = &mut self.account;
        match self.phase {
            Phase::Connecting => account.connect += span,
            Phase::ClientSent => {
                account.server_wait += span;
                account.longest_wait = account.longest_wait.max(span);
            }
            Phase::Connected | Phase::ServerSent => account.client_wait += span,
            Phase::Closing => account.close += span,
        }
    }

    /// Ends a span. Time that goes back counts as none.
    fn span(&mut self, time: Timestamp) -> i64 {
        let time = time.max(self.since);
        time.nanos_since(std::mem::replace(&mut self.since, time))
    }
}

impl Account {
    /// The parts with their names, in the order in which they come.
    pub fn parts(&self) -> [(&'static str, i64); 6] {
        [
            ("connect", self.connect),
            ("request", self.request),
            ("server wait", self.server_wait),
            ("reply", self.reply),
            ("client wait", self.client_wait),
            ("close", self.close),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u32) -> Timestamp {
        Timestamp {
            seconds: i64::from(milliseconds / 1000),
            nanoseconds: milliseconds % 1000 * 1_000_000,
        }
    }

    #[test]
    fn the_parts_add_up_and_time_that_goes_back_counts_as_none() {
        let mut spans = Spans::new(at(0));
        spans.connected(at(20));
        assert_eq!(spans.data(true, false, at(30)), Ended::Other);
        assert_eq!(
            spans.data(false, false, at(3050)),
            Ended::Wait(3_020_000_000)
        );
        assert_eq!(spans.data(false, false, at(3040)), Ended::Gap(0));
        spans.data(true, false, at(9000));
        assert_eq!(spans.data(false, true, at(9010)), Ended::Other);
        spans.data(false, false, at(9030));
        spans.closing(at(9100));
        let account = spans.until(at(9120));
        let parts = account.parts();
        assert_eq!(parts.iter().map(|part| part.1).sum::<i64>(), 9_120_000_000);
        assert_eq!(account.server_wait, 3_050_000_000);
        assert_eq!(account.longest_wait, 3_020_000_000);
        assert_eq!(account.close, 20_000_000);
        assert_eq!(account.requests, 2);
    }
}
