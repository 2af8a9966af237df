//! Which datagrams a server answers: never one that would answer the answer for ever.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Answers a second to one source, unless another rate is given.
pub const DEFAULT_RATE: u32 = 10_000;

/// Ports of services that answer whatever they are sent: echo, daytime, quotd, chargen, time.
const ANSWERING: [u16; 5] = [7, 13, 17, 19, 37];

/// The sources that are counted; their addresses can be forged, so their number is not limited by itself.
const MOST_SOURCES: usize = 4_096;

/// Why a datagram is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// It claims to come from this server's own socket.
    Itself,
    /// It comes from the port of a service that answers whatever it is sent.
    AnsweringService,
    /// Its source has had as many answers in this second as one may have.
    Rate(u32),
}

impl Unanswered {
    /// The reason as text.
    pub fn words(self, port: u16) -> String {
        match self {
            Unanswered::Itself => {
                "not answered: the source address is this server's own socket (forged)".to_owned()
            }
            Unanswered::AnsweringService => format!(
                "not answered: port {port} is that of a service that would answer the answer"
            ),
            Unanswered::Rate(rate) => format!(
                "not answered for the rest of this second: {rate} answers a second to one source \
                 (--udp-rate)"
            ),
        }
    }
}

/// Decides which datagrams are answered.
#[derive(Debug)]
pub struct Guard {
    rate: Option<u32>,
    sources: HashMap<SocketAddr, Window>,
}

/// One second of one source.
#[derive(Debug)]
struct Window {
    since: Instant,
    answered: u32,
    told: bool,
}

const SECOND: Duration = Duration::from_secs(1);

impl Guard {
    /// A guard that lets this many answers a second go to one source; `None` is no limit.
    pub fn new(rate: Option<u32>) -> Guard {
        Guard {
            rate,
            sources: HashMap::new(),
        }
    }

    /// Why a datagram is not answered, if so, and whether it is the first of its source in this second.
    /// `is_own`: its source is a socket of this server.
    pub fn refuses(
        &mut self,
        source: SocketAddr,
        is_own: bool,
        now: Instant,
    ) -> Option<(Unanswered, bool)> {
        if !self.sources.contains_key(&source) && self.sources.len() >= MOST_SOURCES {
            self.sources.retain(|_, window| now < window.since + SECOND);
            if self.sources.len() >= MOST_SOURCES {
                self.sources.clear();
            }
        }
        let fresh = Window {
            since: now,
            answered: 0,
            told: false,
        };
        let window = self.sources.entry(source).or_insert(fresh);
        if now >= window.since + SECOND {
            (window.since, window.answered, window.told) = (now, 0, false);
        }
        let why = match self.rate {
            _ if is_own => Unanswered::Itself,
            _ if ANSWERING.contains(&source.port()) => Unanswered::AnsweringService,
            Some(rate) if window.answered >= rate => Unanswered::Rate(rate),
            _ => {
                window.answered += 1;
                return None;
            }
        };
        let is_first = !std::mem::replace(&mut window.told, true);
        Some((why, is_first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_that_would_answer_the_answer_gets_none() {
        let now = Instant::now();
        let mut guard = Guard::new(None);
        for port in [7, 13, 17, 19, 37] {
            let source = SocketAddr::from(([10, 0, 0, 1], port));
            let refused = guard.refuses(source, false, now);
            assert_eq!(refused, Some((Unanswered::AnsweringService, true)));
            assert_eq!(
                guard.refuses(source, false, now),
                Some((Unanswered::AnsweringService, false))
            );
        }
        let own = guard.refuses(at("127.0.0.1:65432"), true, now);
        assert_eq!(own, Some((Unanswered::Itself, true)));
        assert_eq!(guard.refuses(at("127.0.0.1:65432"), false, now), None);
    }

    #[test]
    fn a_source_gets_its_answers_of_each_second_and_no_more() {
        let start = Instant::now();
        let (one, other) = (at("10.0.0.1:5000"), at("10.0.0.1:5001"));
        let mut guard = Guard::new(Some(3));
        for _ in 0..3 {
            assert_eq!(guard.refuses(one, false, start), None);
        }
        let late = start + Duration::from_millis(999);
        assert_eq!(
            guard.refuses(one, false, late),
            Some((Unanswered::Rate(3), true))
        );
        assert_eq!(
            guard.refuses(one, false, late),
            Some((Unanswered::Rate(3), false))
        );
        assert_eq!(guard.refuses(other, false, late), None);
        assert_eq!(guard.refuses(one, false, start + SECOND), None);
    }

    #[test]
    fn forged_sources_take_no_more_than_a_fixed_memory() {
        let mut guard = Guard::new(Some(1));
        let now = Instant::now();
        for n in 0..20_000_u32 {
            let source = SocketAddr::from((n.to_be_bytes(), 5000));
            assert_eq!(guard.refuses(source, false, now), None);
        }
        assert!(guard.sources.len() <= MOST_SOURCES);
    }
}
