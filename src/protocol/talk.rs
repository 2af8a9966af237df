//! The talk itself: bytes in, bytes out. What moves the bytes keeps the time.

use std::time::Duration;

use super::answer::{Answer, answer};
use super::opening::{farewell, opening};
use super::recognise::recognise;
use super::{Protocol, Spoken, Verdict};
use crate::tls::session::End;

/// A first message takes at most this many bytes: HTTP servers limit their headers to less.
pub const MOST: usize = 64 * 1024;
/// The bytes that are kept to be shown.
const FIRST: usize = 64;

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In which protocol.
    pub protocol: Protocol,
    /// The host that HTTP names, with its port if that is not the usual one.
    pub host: String,
    /// The path of a URL, for HTTP.
    pub path: String,
    /// What to send instead of the protocol's own opening.
    pub send: Option<Vec<u8>>,
    /// What has to be in the answer.
    pub expect: Option<Vec<u8>>,
    /// The user and the password for a proxy that is asked for the page.
    pub proxy_user: Option<(String, String)>,
    /// The connection is needed after the answer: the client does not leave.
    pub stays: bool,
}

impl Plan {
    /// The protocol's own opening.
    pub fn new(protocol: Protocol, host: impl Into<String>) -> Plan {
        Plan {
            protocol,
            host: host.into(),
            path: "/".to_owned(),
            send: None,
            expect: None,
            proxy_user: None,
            stays: false,
        }
    }

    /// Whether an answer is due: a server that speaks first, or one that was asked.
    fn wants_an_answer(&self) -> bool {
        self.protocol != Protocol::Plain || self.expect.is_some()
    }
}

/// A talk.
#[derive(Debug)]
pub struct Talk {
    plan: Plan,
    pending: Vec<u8>,
    bytes: Vec<u8>,
    sent: u64,
    received: u64,
    first_after: Option<Duration>,
    done: Option<(Verdict, Duration)>,
}

impl Talk {
    /// A talk that has not begun.
    pub fn new(plan: Plan) -> Talk {
        Talk {
            pending: opening(&plan),
            plan,
            bytes: Vec::new(),
            sent: 0,
            received: 0,
            first_after: None,
            done: None,
        }
    }

    /// What has to be sent now.
    pub fn transmit(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.pending);
        self.sent += bytes.len() as u64;
        bytes
    }

    /// These bytes came, `at` after the start.
    pub fn received(&mut self, bytes: &[u8], at: Duration) {
        self.received += bytes.len() as u64;
        self.first_after.get_or_insert(at);
        if self.done.is_some() {
            return;
        }
        super::keep(&mut self.bytes, bytes, MOST);
        let verdict = match self.read(false) {
            Some(verdict) => verdict,
            None if self.bytes.len() >= MOST => Verdict::Endless(MOST),
            None => return,
        };
        if matches!(verdict, Verdict::Answered(_)) && self.plan.send.is_none() && !self.plan.stays {
            self.pending = farewell(self.plan.protocol).to_vec();
        }
        self.done = Some((verdict, at));
    }

    /// Nothing more will come.
    pub fn ended(&mut self, end: End, at: Duration) {
        if self.done.is_some() {
            return;
        }
        // An end of the time is not one of the answer.
        let is_all = end != End::Stalled || self.plan.expect.is_some();
        let whole = (!self.bytes.is_empty())
            .then(|| self.read(is_all))
            .flatten();
        let verdict = match (whole, end) {
            (Some(verdict), _) => verdict,
            (None, End::Stalled) if !self.bytes.is_empty() => Verdict::Stalled,
            (None, End::Stalled) if self.plan.wants_an_answer() => Verdict::Silent,
            (None, End::Stalled) => Verdict::Quiet,
            (None, end) if self.bytes.is_empty() => Verdict::EndedAtOnce(end),
            (None, end) => Verdict::EndedEarly(end),
        };
        self.done = Some((verdict, at));
    }

    /// Whether all is known that this talk can tell.
    pub fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// What the bytes so far mean; `None` as long as more are needed. `is_all`: no more will come.
    fn read(&self, is_all: bool) -> Option<Verdict> {
        let bytes = &self.bytes;
        if let Some(expected) = &self.plan.expect {
            let is_there =
                expected.is_empty() || bytes.windows(expected.len()).any(|it| it == expected);
            return match (is_there, is_all) {
                (true, _) => Some(Verdict::Answered(super::answer::plain(bytes))),
                (false, true) => Some(Verdict::NotExpected),
                (false, false) => None,
            };
        }
        let protocol = if self.plan.send.is_some() {
            Protocol::Plain
        } else {
            self.plan.protocol
        };
        match answer(protocol, bytes, is_all) {
            Answer::Said(said) => Some(Verdict::Answered(said)),
            Answer::More => None,
            Answer::Other => Some(Verdict::Other(recognise(bytes))),
        }
    }

    /// What it came to; `at`: now, if it is not over.
    pub fn spoken(self, at: Duration) -> Spoken {
        let (verdict, took) = self.done.unwrap_or((Verdict::Silent, at));
        let mut first = self.bytes;
        first.truncate(FIRST);
        Spoken {
            protocol: self.plan.protocol,
            verdict,
            sent: self.sent,
            received: self.received,
            first,
            first_after: self.first_after,
            took,
        }
    }
}
